package eventsource

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
	"pgregory.net/rapid"

	"github.com/ackproof/ackproof/bench"
)

// What can become of a record in the model.
const (
	owned        = iota // in the stream, or in the hands of one lane
	settled             // the function succeeded
	deadLettered        // the destination took it
	dropped             // given up, and no destination took it
	filtered            // no filter let it through
	trimmed             // the stream lost it before it was read
)

// world is the naive model around one machine: a log of records of a few items,
// a function and a destination that answer by chance and in any order.
type world struct {
	t       *rapid.T
	m       *Machine
	now     time.Time
	log     []types.Record
	item    []int // of each record of the log
	fate    []int
	read    int            // records of the log that were given out, or trimmed
	failed  []int          // failed invocations of each record within its last batch
	batch   []uint64       // number of that batch
	size    []int          // of that batch
	open    map[int]Action // by lane: what is not answered yet
	counts  Counters
	retried map[uint64]Invoke // by batch: its last call
}

// TestMachineLosesNothing drives a machine through random polls, answers and
// faults under random settings, and holds it against the model after each step:
// every record is delivered, dead-lettered, dropped and counted, filtered,
// trimmed and reported, or still owned by exactly one lane; the order of each
// item is kept; the checkpoint never passes a record that is not settled.
func TestMachineLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := defaults()
		s.BatchSize = rapid.IntRange(1, 12).Draw(t, "batchSize")
		s.ParallelizationFactor = rapid.SampledFrom([]int{1, 1, 2, 3, 10}).Draw(t, "factor")
		s.MaximumBatchingWindowInSeconds = rapid.SampledFrom([]int{0, 0, 1, 5}).Draw(t, "window")
		s.MaximumRetryAttempts = rapid.SampledFrom([]int{-1, 0, 1, 3}).Draw(t, "retries")
		s.MaximumRecordAgeInSeconds = rapid.SampledFrom([]int{-1, 60, 120}).Draw(t, "age")
		s.OnFailure = rapid.SampledFrom([]string{"", "payload", "metadata"}).Draw(t, "onFailure")
		s.BisectBatchOnFunctionError = rapid.Bool().Draw(t, "bisect")
		if rapid.Bool().Draw(t, "partial") {
			s.FunctionResponseTypes = []string{"ReportBatchItemFailures"}
		}
		if rapid.Bool().Draw(t, "filter") {
			s.FilterCriteria = []string{`{"dynamodb":{"NewImage":{"payload":{"S":[{"anything-but":"skip"}]}}}}`}
		}
		w := newWorld(t, s)
		faults := rapid.IntRange(0, 60).Draw(t, "faults")
		for step := 0; ; step++ {
			if step > 10_000 {
				t.Fatalf("no end after %d steps: %+v", step, w.m.Position())
			}
			// Faults stop some time: everything must then come to its end.
			if done := w.step(step < faults); done {
				break
			}
			w.check()
		}
		w.check()
		for n, fate := range w.fate {
			if fate == owned {
				t.Fatalf("the shard has ended, and record %d is neither delivered nor given up", n)
			}
		}
	})
}

func newWorld(t *rapid.T, s bench.Mapping) *world {
	w := &world{t: t, m: newTestMachine(s), now: epoch, open: map[int]Action{}, retried: map[uint64]Invoke{}}
	items := rapid.IntRange(1, 8).Draw(t, "items")
	for n := range rapid.IntRange(0, 60).Draw(t, "records") {
		created := epoch.Add(time.Duration(n) * 400 * time.Millisecond).Truncate(time.Second)
		r := streamRecord(n, created, rapid.SampledFrom([]string{"p", "p", "skip"}).Draw(t, "payload"))
		item := rapid.IntRange(0, items-1).Draw(t, "item")
		r.Dynamodb.Keys = values{"id": &attrS{Value: fmt.Sprint("item", item)}, "sort": &attrN{Value: "1"}}
		w.log, w.item = append(w.log, r), append(w.item, item)
	}
	w.fate, w.failed = make([]int, len(w.log)), make([]int, len(w.log))
	w.batch, w.size = make([]uint64, len(w.log)), make([]int, len(w.log))
	return w
}

func (w *world) choose(faulty bool, label string, n int) int {
	if !faulty {
		return 0
	}
	return rapid.IntRange(0, n).Draw(w.t, label)
}

// step does one action, or answers one. It reports true at the shard's end.
func (w *world) step(faulty bool) bool {
	if len(w.open) > 0 && (w.choose(true, "answer first", 2) == 0) {
		w.answer(faulty)
		return false
	}
	action := w.m.Next(w.now)
	w.noteDrops()
	switch a := action.(type) {
	case Poll:
		w.poll(a, w.choose(faulty, "poll", 6), faulty)
	case Invoke:
		w.hand(a.Lane, a, a.Records)
		w.invoke(a)
	case Send:
		w.hand(a.Lane, a, a.Records)
	case Wait:
		switch {
		case a.Until.IsZero() && len(w.open) == 0:
			w.t.Fatal("waits for an answer, and nothing is asked")
		case a.Until.IsZero():
			w.answer(faulty)
		case !a.Until.After(w.now):
			w.t.Fatalf("wait until %v at %v", a.Until, w.now)
		default:
			w.now = a.Until
		}
	case End:
		if len(w.open) > 0 {
			w.t.Fatalf("the end, with %d actions not answered", len(w.open))
		}
		return true
	}
	return false
}

// hand notes an action of a lane. A lane has one at a time, and no record is in
// two of them.
func (w *world) hand(lane int, a Action, list []Record) {
	if _, busy := w.open[lane]; busy {
		w.t.Fatalf("lane %d has two batches in flight", lane)
	}
	for _, other := range w.open {
		for _, r := range recordsOf(other) {
			if slices.ContainsFunc(list, func(own Record) bool { return own.Sequence == r.Sequence }) {
				w.t.Fatalf("record %s is owned by two lanes", r.Sequence)
			}
		}
	}
	w.open[lane] = a
}

func recordsOf(a Action) []Record {
	if in, ok := a.(Invoke); ok {
		return in.Records
	}
	return a.(Send).Records
}

// invoke checks an invocation before it is answered.
func (w *world) invoke(in Invoke) {
	if len(in.Records) == 0 || len(in.Records) > w.m.config.Settings.BatchSize {
		w.t.Fatalf("batch of %d", len(in.Records))
	}
	last := map[int]int{} // by item: its newest record in the batch
	for _, r := range in.Records {
		n := w.number(r)
		if w.fate[n] != owned {
			w.t.Fatalf("record %d comes again after fate %d", n, w.fate[n])
		}
		from := 0
		if before, ok := last[w.item[n]]; ok {
			if from = before + 1; n <= before {
				w.t.Fatalf("batch %d is out of order at record %d", in.Batch, n)
			}
		}
		for earlier := from; earlier < n; earlier++ {
			if w.item[earlier] == w.item[n] && w.fate[earlier] == owned {
				w.t.Fatalf("record %d of item %d overtakes record %d", n, w.item[n], earlier)
			}
		}
		last[w.item[n]] = n
		if w.batch[n] != in.Batch || w.failed[n] == 0 {
			w.batch[n], w.failed[n], w.size[n] = in.Batch, 0, len(in.Records)
		}
	}
	if r, again := w.retried[in.Batch]; again && (r.RequestID != in.RequestID || string(r.Payload) != string(in.Payload)) {
		w.t.Fatalf("a retry of batch %d has changed", in.Batch)
	}
	for number, r := range w.retried {
		if number != in.Batch && r.RequestID == in.RequestID {
			w.t.Fatalf("batches %d and %d have one request id", number, in.Batch)
		}
	}
	w.retried[in.Batch] = in
}

// answer answers one of the open actions.
func (w *world) answer(faulty bool) {
	var lanes []int
	for lane := range w.open {
		lanes = append(lanes, lane)
	}
	slices.Sort(lanes)
	lane := rapid.SampledFrom(lanes).Draw(w.t, "lane")
	a := w.open[lane]
	delete(w.open, lane)
	w.now = w.now.Add(10 * time.Millisecond)
	if _, ok := a.(Send); ok {
		var err error
		if w.choose(faulty, "send", 2) == 1 {
			err = errors.New("refused")
		}
		w.giveUp(recordsOf(a), err)
		w.m.Sent(lane, err)
		return
	}
	in := a.(Invoke)
	answer, took := w.outcome(in, w.choose(faulty, "answer", 6))
	for i, r := range in.Records {
		n := w.number(r)
		switch {
		case i < took:
			w.fate[n] = settled
			w.counts.Settled++
		case !answer.Throttled:
			w.failed[n]++
		}
	}
	w.m.Answered(w.now, lane, answer)
}

// outcome makes an answer, and says how many records it settles.
func (w *world) outcome(in Invoke, choice int) (bench.Answer, int) {
	switch choice {
	case 1, 2:
		return failure(w.now), 0
	case 3:
		return throttle(w.now), 0
	case 4:
		return bench.Answer{Error: &bench.FunctionError{Type: "Runtime.ExitError", Outcome: bench.DeliveryCrash}}, 0
	case 5:
		// Two records reported, the lower one in the second place.
		low := rapid.IntRange(0, len(in.Records)-1).Draw(w.t, "low")
		high := rapid.IntRange(low, len(in.Records)-1).Draw(w.t, "high")
		a := bench.Answer{HandedAt: w.now, Payload: fmt.Appendf(nil, `{"batchItemFailures":[{"itemIdentifier":%q},{"itemIdentifier":%q}]}`,
			in.Records[high].Sequence, in.Records[low].Sequence)}
		if w.m.config.Settings.FunctionResponseTypes != nil {
			return a, low
		}
		return a, len(in.Records)
	}
	return success(w.now), len(in.Records)
}

// noteDrops finds what the machine gave up on its own, which it does without a
// destination: records that are settled in its books without an answer of ours.
func (w *world) noteDrops() {
	for n := range w.read {
		if w.fate[n] == owned && w.m.settledAlready(sequenceText(n)) {
			if w.m.config.Settings.OnFailure != "" {
				w.t.Fatalf("record %d is settled without an answer", n)
			}
			w.mayGiveUp(n)
			w.fate[n] = dropped
			w.counts.Dropped++
		}
	}
}

// settledAlready looks a record up in the books.
func (m *Machine) settledAlready(sequence string) bool {
	for _, e := range m.progress.entries {
		if e.sequence == sequence {
			return e.settled
		}
	}
	return true
}

// mayGiveUp fails the test unless the settings allow to give the record up.
func (w *world) mayGiveUp(n int) {
	s := w.m.config.Settings
	exhausted := s.MaximumRetryAttempts != forever && w.failed[n] == s.MaximumRetryAttempts+1 &&
		(w.size[n] == 1 || !s.BisectBatchOnFunctionError)
	age := w.now.Sub(*w.log[n].Dynamodb.ApproximateCreationDateTime)
	tooOld := s.MaximumRecordAgeInSeconds != forever && age > time.Duration(s.MaximumRecordAgeInSeconds)*time.Second
	if !exhausted && !tooOld {
		w.t.Fatalf("record %d is given up after %d failures in a batch of %d, %v old", n, w.failed[n], w.size[n], age)
	}
}

func (w *world) poll(p Poll, choice int, faulty bool) {
	switch choice {
	case 1:
		w.m.PollFailed(ReadError)
		return
	case 2:
		w.m.PollFailed(IteratorExpired)
		return
	case 3:
		// The stream trims some of what was not read yet.
		n := min(len(w.log)-w.read, rapid.IntRange(0, 3).Draw(w.t, "trimmed"))
		for range n {
			w.fate[w.read] = trimmed
			w.read++
		}
		w.counts.Gaps++
		if w.m.PollFailed(DataTrimmed) == nil {
			w.t.Fatal("a gap was not returned")
		}
		return
	}
	if p.Limit < 1 || p.Limit > maxPageRecords {
		w.t.Fatalf("limit %d", p.Limit)
	}
	from, n := w.read, min(p.Limit, len(w.log)-w.read)
	if faulty {
		n = rapid.IntRange(0, n).Draw(w.t, "page")
	}
	if p.From.Kind == Horizon && w.read > 0 && w.fate[w.read-1] != trimmed && choice == 4 {
		// The horizon shows what was read before; it uses up the page.
		from = w.read - 1
		n = min(n, len(w.log)-from)
	}
	w.take(from + n)
	if err := w.m.Polled(w.now, w.log[from:from+n], w.read == len(w.log)); err != nil {
		w.t.Fatal(err)
	}
}

// take notes what is given out up to a record.
func (w *world) take(to int) {
	for ; w.read < to; w.read++ {
		payload := w.log[w.read].Dynamodb.NewImage["payload"].(*attrS).Value
		if w.m.config.Settings.FilterCriteria != nil && payload == "skip" {
			w.fate[w.read] = filtered
			w.counts.Filtered++
		}
	}
}

func (w *world) giveUp(list []Record, refused error) {
	for _, r := range list {
		n := w.number(r)
		if w.fate[n] != owned {
			w.t.Fatalf("record %d is given up after fate %d", n, w.fate[n])
		}
		w.mayGiveUp(n)
		if refused != nil {
			w.fate[n] = dropped
			w.counts.Dropped++
		} else {
			w.fate[n] = deadLettered
			w.counts.DeadLettered++
		}
	}
}

// check holds the machine's word against the model: what is settled without a
// gap is what the checkpoint says, neither more nor less.
func (w *world) check() {
	p, c := w.m.Position(), w.m.Counters()
	behind, checkpoint, gapless := 0, "", true
	for n := range w.read {
		switch {
		case w.fate[n] == owned:
			behind++
			gapless = false
		case gapless && w.fate[n] != trimmed:
			checkpoint = sequenceText(n)
		}
	}
	if p.Behind != behind || p.Checkpoint != checkpoint {
		w.t.Fatalf("checkpoint %q and %d behind, the model says %q and %d", p.Checkpoint, p.Behind, checkpoint, behind)
	}
	got := Counters{Settled: c.Settled, DeadLettered: c.DeadLettered, Dropped: c.Dropped, Filtered: c.Filtered, Gaps: c.Gaps}
	if got != w.counts {
		w.t.Fatalf("counters %+v, the model says %+v", got, w.counts)
	}
	if c.Polled != c.Settled+c.DeadLettered+c.Dropped+c.Filtered+int64(p.Behind) {
		w.t.Fatalf("the books do not balance: %+v, %d behind", c, p.Behind)
	}
	if bound := w.m.config.Settings.BatchSize * w.m.config.Settings.ParallelizationFactor; p.Behind > bound {
		w.t.Fatalf("%d records are held, more than a batch a lane, %d", p.Behind, bound)
	}
}

// number takes a record's number out of its sequence number.
func (w *world) number(r Record) int {
	var n int
	if _, err := fmt.Sscan(strings.TrimSuffix(r.Sequence, strings.Repeat("0", 17)), &n); err != nil {
		w.t.Fatal(err)
	}
	return n - 99_000
}

// TestSameSeedSameActions: a machine is a function of its inputs and its seed.
func TestSameSeedSameActions(t *testing.T) {
	journal := func(seed uint64) string {
		s := defaults()
		s.MaximumRetryAttempts, s.ParallelizationFactor, s.BisectBatchOnFunctionError = 5, 3, true
		config := newTestMachine(s).config
		config.Seed = seed
		tr := &trace{machine: NewMachine(config), answer: always(failure), pages: [][]types.Record{records(1, 5, epoch), records(6, 7, epoch)}}
		tr.run(t)
		return fmt.Sprint(tr.at, tr.invokes, tr.polls)
	}
	first := journal(1)
	if again := journal(1); again != first {
		t.Error("the same seed gave two journals")
	}
	if journal(2) == first {
		t.Error("two seeds gave the same journal")
	}
}
