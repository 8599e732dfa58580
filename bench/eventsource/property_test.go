package eventsource

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
	"pgregory.net/rapid"

	"github.com/ackproof/ackproof/bench"
)

// What can become of a record in the model.
const (
	owned        = iota // in the stream, or in the machine's hands
	settled             // the function succeeded
	deadLettered        // the destination took it
	dropped             // given up, and no destination took it
	trimmed             // the stream lost it before it was read
)

// world is the naive model around one machine: a log of records, a function and
// a destination that answer by chance.
type world struct {
	t       *rapid.T
	m       *Machine
	now     time.Time
	log     []types.Record
	fate    []int // of each record of the log
	read    int   // records of the log that were given out, or trimmed
	failed  []int // invocations of each record that failed
	counts  Counters
	head    int // lowest record that may be invoked next: the order of the shard
	retried *Invoke
}

// TestMachineLosesNothing drives a machine through random polls, answers and
// faults, and holds it against the model after each step: every record is
// delivered, dead-lettered, dropped and counted, trimmed and reported, or still
// owned; the shard's order is kept; the checkpoint passes settled records only.
func TestMachineLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := defaults()
		s.BatchSize = rapid.IntRange(1, 12).Draw(t, "batchSize")
		s.MaximumBatchingWindowInSeconds = rapid.SampledFrom([]int{0, 0, 1, 5}).Draw(t, "window")
		s.MaximumRetryAttempts = rapid.SampledFrom([]int{-1, 0, 1, 3}).Draw(t, "retries")
		s.MaximumRecordAgeInSeconds = rapid.SampledFrom([]int{-1, 60, 120}).Draw(t, "age")
		s.OnFailure = rapid.SampledFrom([]string{"", "payload"}).Draw(t, "onFailure")
		w := &world{t: t, m: newTestMachine(s), now: epoch}
		for n := range rapid.IntRange(0, 60).Draw(t, "records") {
			created := epoch.Add(time.Duration(n) * 400 * time.Millisecond).Truncate(time.Second)
			w.log = append(w.log, streamRecord(n, created, "p"))
		}
		w.fate, w.failed = make([]int, len(w.log)), make([]int, len(w.log))
		faults := rapid.IntRange(0, 60).Draw(t, "faults")
		for step := 0; ; step++ {
			if step > 5_000 {
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

// step does one action. It reports true at the shard's end.
func (w *world) step(faulty bool) bool {
	choose := func(label string, n int) int {
		if !faulty {
			return 0
		}
		return rapid.IntRange(0, n).Draw(w.t, label)
	}
	action := w.m.Next(w.now)
	w.noteDrops()
	switch a := action.(type) {
	case Poll:
		w.poll(a, choose("poll", 6), faulty)
	case Invoke:
		w.invoke(a, choose("answer", 5))
	case Send:
		var err error
		if choose("send", 2) == 1 {
			err = errors.New("refused")
		}
		w.giveUp(a.Records, err)
		w.m.Sent(err)
	case Wait:
		if !a.Until.After(w.now) {
			w.t.Fatalf("wait until %v at %v", a.Until, w.now)
		}
		w.now = a.Until
	case End:
		return true
	}
	return false
}

// noteDrops finds what the machine gave up on its own, which it does without a
// destination: records that it passed without an answer of ours.
func (w *world) noteDrops() {
	if w.m.config.Settings.OnFailure != "" {
		return
	}
	for n := range w.read {
		if w.fate[n] == owned && w.passed(n) {
			w.mayGiveUp(n)
			w.fate[n] = dropped
			w.counts.Dropped++
		}
	}
}

// mayGiveUp fails the test unless the settings allow to give the record up.
func (w *world) mayGiveUp(n int) {
	s := w.m.config.Settings
	exhausted := s.MaximumRetryAttempts != forever && w.failed[n] == s.MaximumRetryAttempts+1
	age := w.now.Sub(*w.log[n].Dynamodb.ApproximateCreationDateTime)
	tooOld := s.MaximumRecordAgeInSeconds != forever && age > time.Duration(s.MaximumRecordAgeInSeconds)*time.Second
	if !exhausted && !tooOld {
		w.t.Fatalf("record %d is given up after %d failures, %v old", n, w.failed[n], age)
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
	w.read = max(w.read, from+n)
	if err := w.m.Polled(w.now, w.log[from:from+n], w.read == len(w.log)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) invoke(in Invoke, choice int) {
	first, last := w.number(in.Records[0]), w.number(in.Records[len(in.Records)-1])
	if first < w.head {
		w.t.Fatalf("batch %d goes back to record %d, behind %d", in.Batch, first, w.head)
	}
	for i, r := range in.Records {
		n := w.number(r)
		if i > 0 && n <= w.number(in.Records[i-1]) {
			w.t.Fatalf("batch %d is out of order at record %d", in.Batch, n)
		}
		if w.fate[n] != owned {
			w.t.Fatalf("record %d comes again after fate %d", n, w.fate[n])
		}
	}
	for n := w.head; n < last; n++ {
		if w.fate[n] == owned && n < first {
			w.t.Fatalf("batch %d starts at record %d and leaves %d behind", in.Batch, first, n)
		}
	}
	if len(in.Records) > w.m.config.Settings.BatchSize {
		w.t.Fatalf("batch of %d", len(in.Records))
	}
	if r := w.retried; r != nil && w.number(r.Records[0]) == first && len(r.Records) == len(in.Records) &&
		(r.RequestID != in.RequestID || r.Batch != in.Batch) {
		w.t.Fatalf("a retry of the same records has a new id: %+v, %+v", r, in)
	}
	w.retried = &in
	w.head = first
	answer := success(w.now)
	switch choice {
	case 1, 2:
		answer = failure(w.now)
	case 3:
		answer = throttle(w.now)
	case 4:
		answer = bench.Answer{Error: &bench.FunctionError{Type: "Runtime.ExitError", Outcome: bench.DeliveryCrash}}
	default:
		for _, r := range in.Records {
			w.fate[w.number(r)] = settled
			w.counts.Settled++
		}
		w.head = last + 1
	}
	if answer.Error != nil {
		for _, r := range in.Records {
			w.failed[w.number(r)]++
		}
	}
	w.now = w.now.Add(10 * time.Millisecond)
	w.m.Answered(w.now, answer)
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

// check holds the machine's word against the model.
func (w *world) check() {
	p, c := w.m.Position(), w.m.Counters()
	behind := 0
	for n := range w.read {
		switch {
		case w.fate[n] == owned && w.passed(n):
			w.t.Fatalf("checkpoint %s passes record %d, which is not settled", p.Checkpoint, n)
		case w.fate[n] == owned:
			behind++
		case w.fate[n] != trimmed && !w.passed(n):
			w.t.Fatalf("record %d has fate %d, and checkpoint %q has not reached it", n, w.fate[n], p.Checkpoint)
		}
	}
	if p.Behind != behind {
		w.t.Fatalf("behind %d, the model says %d", p.Behind, behind)
	}
	got := Counters{Settled: c.Settled, DeadLettered: c.DeadLettered, Dropped: c.Dropped, Gaps: c.Gaps}
	if got != w.counts {
		w.t.Fatalf("counters %+v, the model says %+v", got, w.counts)
	}
	if c.Polled != c.Settled+c.DeadLettered+c.Dropped+int64(p.Behind) {
		w.t.Fatalf("the books do not balance: %+v, %d behind", c, p.Behind)
	}
}

func (w *world) passed(n int) bool {
	checkpoint := w.m.Position().Checkpoint
	if checkpoint == "" {
		return false
	}
	reached, err := bench.ParseSequence(checkpoint)
	if err != nil {
		w.t.Fatal(err)
	}
	own, err := bench.ParseSequence(sequenceText(n))
	if err != nil {
		w.t.Fatal(err)
	}
	return own.Compare(reached) <= 0
}

func (w *world) number(r Record) int {
	id, err := bench.ParseID(r.ID)
	if err != nil {
		w.t.Fatal(err)
	}
	return int(id.Seq)
}

// TestSameSeedSameActions: a machine is a function of its inputs and its seed.
func TestSameSeedSameActions(t *testing.T) {
	journal := func(seed uint64) string {
		s := defaults()
		s.MaximumRetryAttempts = 5
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
