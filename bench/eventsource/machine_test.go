package eventsource

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/ackproof/ackproof/bench"
)

// TestRetryBudget holds the traces that were seen on AWS: N retries are N+1
// invocations, and throttled calls spend nothing.
func TestRetryBudget(t *testing.T) {
	throttledFirst := func(k int) func(int) bench.Answer {
		return func(n int) bench.Answer {
			if n < k {
				return throttle(epoch)
			}
			return failure(epoch)
		}
	}
	crash := func(time.Time) bench.Answer { // in the init phase: no event was handed over
		return bench.Answer{Error: &bench.FunctionError{Type: "Runtime.ExitError", Outcome: bench.DeliveryCrash}}
	}
	for _, c := range []struct {
		name    string
		retries int
		answer  func(int) bench.Answer
		calls   int
		counted int // approximateInvokeCount
	}{
		{"0 retries", 0, always(failure), 1, 1},
		{"1 retry", 1, always(failure), 2, 2},
		{"3 retries", 3, always(failure), 4, 4},
		{"crash in init", 3, always(crash), 4, 4},
		{"success never handed over", 1, always(func(time.Time) bench.Answer { return bench.Answer{} }), 2, 2},
		{"0 retries, 5 throttles", 0, throttledFirst(5), 6, 1},
		{"2 retries, 20 throttles", 2, throttledFirst(20), 23, 3},
	} {
		s := defaults()
		s.MaximumRetryAttempts, s.OnFailure = c.retries, "payload"
		tr := &trace{machine: newTestMachine(s), pages: [][]types.Record{records(1, 4, epoch)}, answer: c.answer}
		tr.run(t)
		if len(tr.invokes) != c.calls || len(tr.sent) != 1 || !tr.ended {
			t.Errorf("%s: %d calls, %d documents, ended %v; want %d, 1, true", c.name, len(tr.invokes), len(tr.sent), tr.ended, c.calls)
			continue
		}
		for _, in := range tr.invokes {
			if in.RequestID != tr.invokes[0].RequestID || in.Batch != tr.invokes[0].Batch || numbers(in.Records) != "1 2 3 4" {
				t.Errorf("%s: a retry changed: %s %d %s", c.name, in.RequestID, in.Batch, numbers(in.Records))
			}
		}
		if got := tr.sent[0].Document.RequestContext; got.ApproximateInvokeCount != c.counted || got.Condition != RetryAttemptsExhausted {
			t.Errorf("%s: document says %+v, want %d invocations", c.name, got, c.counted)
		}
		if last := tr.invokes[len(tr.invokes)-1].Attempt; last != c.counted {
			t.Errorf("%s: last attempt is %d, want %d", c.name, last, c.counted)
		}
		if p := tr.machine.Position(); p.Checkpoint != sequenceText(4) || p.Behind != 0 || p.Head != nil {
			t.Errorf("%s: position %+v, want everything settled", c.name, p)
		}
	}
}

func TestBackOff(t *testing.T) {
	s := defaults()
	for _, c := range []struct {
		name   string
		answer func(time.Time) bench.Answer
	}{{"errors", failure}, {"throttles", throttle}} {
		tr := &trace{machine: newTestMachine(s), pages: [][]types.Record{records(1, 1, epoch)}, answer: always(c.answer), until: epoch.Add(10 * time.Minute)}
		tr.run(t)
		if len(tr.at) < 12 {
			t.Fatalf("%s: %d calls in 10 min", c.name, len(tr.at))
		}
		distinct := map[string]bool{}
		for i := 1; i < len(tr.at); i++ {
			gap := tr.at[i] - tr.at[i-1]
			middle := min(s.RetryBase<<(i-1), s.RetryCap)
			low, high := middle*8/10, min(middle*12/10, s.RetryCap)
			if gap < low || gap > high {
				t.Errorf("%s: gap %d is %v, want %v to %v", c.name, i, gap, low, high)
			}
			distinct[fmt.Sprintf("%.3f", float64(gap)/float64(middle))] = true
		}
		if len(distinct) < 8 {
			t.Errorf("%s: no jitter in %v", c.name, tr.at)
		}
	}
}

// TestThrottlesInARow: an invocation that got through ends the row, and the
// back-off of the next throttle starts anew.
func TestThrottlesInARow(t *testing.T) {
	answers := []func(time.Time) bench.Answer{throttle, throttle, throttle, failure, throttle, success}
	tr := &trace{machine: newTestMachine(defaults()), pages: [][]types.Record{records(1, 1, epoch)},
		answer: func(n int) bench.Answer { return answers[n](epoch) }}
	tr.run(t)
	for i, middle := range []time.Duration{200, 400, 800, 200, 200} {
		middle *= time.Millisecond
		if gap := tr.at[i+1] - tr.at[i]; gap < middle*8/10 || gap > middle*12/10 {
			t.Errorf("gap %d is %v, want %v +-20 %%", i, gap, middle)
		}
	}
}

// TestBlockedForHours is the default: a failing batch holds its shard until it
// succeeds, and the shard is not polled meanwhile.
func TestBlockedForHours(t *testing.T) {
	m := newTestMachine(defaults())
	tr := &trace{machine: m, pages: [][]types.Record{records(1, 100, epoch), records(101, 120, epoch)}, answer: always(failure), until: epoch.Add(22 * time.Hour)}
	tr.run(t)
	if len(tr.polls) != 1 {
		t.Errorf("%d polls while the batch failed, want the 1 before", len(tr.polls))
	}
	if n := len(tr.invokes); n < 1100 || n > 1750 {
		t.Errorf("%d calls in 22 hours, want about one a minute", n)
	}
	p := m.Position()
	if p.Checkpoint != "" || p.Behind != 100 || p.Head == nil || p.Head.ID != "k3v9x2ab-00-0000000001" ||
		p.Head.Sequence != sequenceText(1) || p.Head.Attempts != len(tr.invokes) || p.Head.Error != "Boom: no luck" {
		t.Errorf("position %+v, head %+v", p, p.Head)
	}
	// Healed: both pages come through, the second under a new number.
	tr.answer, tr.until = always(success), tr.now.Add(time.Hour)
	calls := len(tr.invokes)
	tr.run(t)
	healed := tr.invokes[calls:]
	if !tr.ended || len(healed) != 2 || numbers(healed[1].Records) != numbers(factsOf(101, 120)) || healed[0].Batch == healed[1].Batch || healed[0].RequestID == healed[1].RequestID {
		t.Errorf("after healing: ended %v, %d calls", tr.ended, len(healed))
	}
}

// TestBlockedUntilTheStreamForgets: "for ever" ends with the records. Nobody is
// told, not even a destination, and what is younger goes on.
func TestBlockedUntilTheStreamForgets(t *testing.T) {
	for _, age := range []int{forever, 604_800} {
		s := defaults()
		s.MaximumRecordAgeInSeconds, s.OnFailure = age, onFailurePayload
		m := newTestMachine(s)
		page := append(records(1, 60, epoch), records(61, 100, epoch.Add(2*time.Hour))...)
		tr := &trace{machine: m, pages: [][]types.Record{page}, answer: always(failure), until: epoch.Add(25 * time.Hour)}
		tr.run(t)
		if c := m.Counters(); c.Expired != 60 || c.Dropped != 0 || len(tr.sent) != 0 || m.Position().Behind != 40 {
			t.Errorf("record age %d: after a day %d expired, %d dropped, %d sent, %+v", age, c.Expired, c.Dropped, len(tr.sent), m.Position())
		}
		tr.answer, tr.until = always(success), tr.now.Add(time.Hour)
		tr.run(t)
		if c := m.Counters(); !tr.ended || c.Settled != 40 {
			t.Errorf("record age %d: ended %v, %d settled", age, tr.ended, c.Settled)
		}
	}
}

func TestPollPace(t *testing.T) {
	s := defaults()
	s.BatchSize = 3
	tr := &trace{machine: newTestMachine(s), answer: always(success), pages: [][]types.Record{
		nil, nil, records(1, 3, epoch), records(4, 6, epoch), records(7, 8, epoch), nil, nil,
	}}
	tr.run(t)
	const ms = time.Millisecond
	// Idle: every 250 ms. After a full page: at once. After a short one: on the tick.
	if want := []time.Duration{0, 250 * ms, 500 * ms, 500 * ms, 500 * ms, 750 * ms, 1000 * ms}; !slices.Equal(tr.polls, want) {
		t.Errorf("polls at %v, want %v", tr.polls, want)
	}
	if want := []time.Duration{500 * ms, 500 * ms, 500 * ms}; !slices.Equal(tr.at, want) {
		t.Errorf("calls at %v, want %v", tr.at, want)
	}
}

// TestPageCutBySize: two large records fill a page long before the limit does.
func TestPageCutBySize(t *testing.T) {
	big := strings.Repeat("x", 400_000)
	page := []types.Record{streamRecord(1, epoch, big), streamRecord(2, epoch, big)}
	tr := &trace{machine: newTestMachine(defaults()), answer: always(success), pages: [][]types.Record{page, nil}}
	tr.run(t)
	if len(tr.polls) != 2 || tr.polls[1] != 0 {
		t.Errorf("polls at %v, want both at once", tr.polls)
	}
}

func TestWindow(t *testing.T) {
	const ms = time.Millisecond
	one := func(n int) []types.Record { return records(n, n, epoch) }
	for _, c := range []struct {
		name    string
		size    int
		pages   [][]types.Record
		batches []string
		at      []time.Duration
	}{
		{"window over", 100, [][]types.Record{one(1), one(2), nil, one(3), nil, nil, nil}, []string{"1 2 3"}, []time.Duration{1000 * ms}},
		{"size reached", 2, [][]types.Record{one(1), one(2), one(3), nil, nil, nil, nil}, []string{"1 2", "3"}, []time.Duration{250 * ms, 1250 * ms}},
		{"shard closed", 100, [][]types.Record{one(1), one(2)}, []string{"1 2"}, []time.Duration{250 * ms}},
		{"next window after the batch", 100, [][]types.Record{one(1), nil, nil, nil, one(2), nil, nil, nil, nil, nil}, []string{"1", "2"}, []time.Duration{1000 * ms, 2000 * ms}},
	} {
		s := defaults()
		s.BatchSize, s.MaximumBatchingWindowInSeconds = c.size, 1
		tr := &trace{machine: newTestMachine(s), answer: always(success), pages: c.pages}
		tr.run(t)
		var batches []string
		for _, in := range tr.invokes {
			batches = append(batches, numbers(in.Records))
		}
		if !slices.Equal(batches, c.batches) || !slices.Equal(tr.at, c.at) {
			t.Errorf("%s: %q at %v, want %q at %v", c.name, batches, tr.at, c.batches, c.at)
		}
	}
}

// TestWindowEndsBetweenPolls: the window does not wait for the next poll.
func TestWindowEndsBetweenPolls(t *testing.T) {
	s := defaults()
	s.PollInterval, s.MaximumBatchingWindowInSeconds = 400*time.Millisecond, 1
	tr := &trace{machine: newTestMachine(s), answer: always(success), pages: [][]types.Record{records(1, 1, epoch), nil, nil, nil, nil}}
	tr.run(t)
	if want := []time.Duration{time.Second}; !slices.Equal(tr.at, want) {
		t.Errorf("calls at %v, want %v", tr.at, want)
	}
}

func TestPollAsksForWhatFits(t *testing.T) {
	s := defaults()
	s.BatchSize, s.MaximumBatchingWindowInSeconds = 1500, 10
	tr := &trace{machine: newTestMachine(s), answer: always(success), pages: [][]types.Record{records(1, 1000, epoch), records(1001, 1400, epoch), nil}}
	tr.run(t)
	if want := []int{1000, 500, 100}; !slices.Equal(tr.limits, want) {
		t.Errorf("limits %v, want %v", tr.limits, want)
	}
}

// TestPayloadLimit: a batch is cut before 6 MB, and a window does not wait once
// that much is there.
func TestPayloadLimit(t *testing.T) {
	s := defaults()
	s.MaximumBatchingWindowInSeconds = 300
	var page []types.Record
	for n := 1; n <= 20; n++ {
		page = append(page, streamRecord(n, epoch, strings.Repeat("\x01", 100_000))) // six bytes each in JSON
	}
	tr := &trace{machine: newTestMachine(s), answer: always(success), pages: [][]types.Record{page, records(21, 21, epoch), nil}}
	tr.run(t)
	var got string
	for _, in := range tr.invokes {
		if len(in.Payload) > maxPayload {
			t.Errorf("payload of %d bytes", len(in.Payload))
		}
		got += fmt.Sprintf("%d ", len(in.Records))
	}
	// The second batch is under the limit and waits for its window: nothing of
	// the first one counts against it. The end of the shard ends that wait.
	if want := []time.Duration{0, 250 * time.Millisecond}; got != "10 11 " || !slices.Equal(tr.at, want) {
		t.Errorf("batches of %sat %v, want 10 11 at %v", got, tr.at, want)
	}
	if n := tr.machine.lanes[0].pendingBytes; n != 0 {
		t.Errorf("%d bytes are gathered, of no record", n)
	}
}

// TestOversizedRecord: an event that is too large is never handed over, yet it
// spends the retries, and its document has no responseContext.
func TestOversizedRecord(t *testing.T) {
	s := defaults()
	s.MaximumRetryAttempts, s.OnFailure = 2, "payload"
	page := append(records(1, 1, epoch), streamRecord(2, epoch, strings.Repeat("\x01", 1_100_000)), streamRecord(3, epoch, "p"))
	tr := &trace{machine: newTestMachine(s), answer: always(success), pages: [][]types.Record{page}}
	tr.run(t)
	if len(tr.invokes) != 2 || numbers(tr.invokes[1].Records) != "3" || len(tr.sent) != 1 || numbers(tr.sent[0].Records) != "2" {
		t.Fatalf("%d calls, %d documents", len(tr.invokes), len(tr.sent))
	}
	if doc := tr.sent[0].Document; doc.RequestContext.ApproximateInvokeCount != 3 || doc.ResponseContext != nil {
		t.Errorf("document %+v, %+v", doc.RequestContext, doc.ResponseContext)
	}
}

func TestRecordAge(t *testing.T) {
	s := defaults()
	s.MaximumRecordAgeInSeconds, s.OnFailure = 60, "payload"
	for _, c := range []struct {
		name    string
		page    []types.Record
		answer  func(time.Time) bench.Answer
		started time.Duration // after the records were made
		sent    []string
		counts  []int // approximateInvokeCount; -1: any above 1
		good    string
	}{
		{"too old when first read", records(1, 3, epoch), success, 61 * time.Second, []string{"1 2 3"}, []int{1}, ""},
		{"not yet too old", records(1, 3, epoch), success, 60 * time.Second, nil, nil, "1 2 3"},
		{"throttled all the time", records(1, 3, epoch), throttle, 0, []string{"1 2 3"}, []int{1}, ""},
		{"failing all the time", records(1, 3, epoch), failure, 0, []string{"1 2 3"}, []int{-1}, ""},
		{"only the first ones", append(records(1, 2, epoch), records(3, 4, epoch.Add(30*time.Second))...), success, 61 * time.Second, []string{"1 2"}, []int{1}, "3 4"},
	} {
		tr := &trace{machine: newTestMachine(s), now: epoch.Add(c.started), pages: [][]types.Record{c.page}, answer: always(c.answer)}
		tr.run(t)
		var sent []string
		for i, d := range tr.sent {
			sent = append(sent, numbers(d.Records))
			rc := d.Document.RequestContext
			if rc.Condition != RecordAgeExceeded || d.Document.ResponseContext != nil {
				t.Errorf("%s: document %+v, %+v", c.name, rc, d.Document.ResponseContext)
			}
			if n := rc.ApproximateInvokeCount; n != c.counts[i] && !(c.counts[i] == -1 && n > 1) {
				t.Errorf("%s: %d invocations, want %d", c.name, n, c.counts[i])
			}
			if e := decode(t, []byte(d.Document.Payload)); len(e.Records) != len(d.Records) {
				t.Errorf("%s: payload has %d records of %d", c.name, len(e.Records), len(d.Records))
			}
		}
		if !slices.Equal(sent, c.sent) || !tr.ended {
			t.Errorf("%s: given up %q, want %q; ended %v", c.name, sent, c.sent, tr.ended)
		}
		if c.good != "" && (len(tr.invokes) != 1 || numbers(tr.invokes[0].Records) != c.good) {
			t.Errorf("%s: %d calls, want one with %s", c.name, len(tr.invokes), c.good)
		}
	}
}

// TestGivenUp: where the records go, and how they are counted.
func TestGivenUp(t *testing.T) {
	for _, c := range []struct {
		name      string
		onFailure string
		takes     error
		want      Counters
	}{
		{"no destination", "", nil, Counters{Dropped: 4}},
		{"destination", "payload", nil, Counters{DeadLettered: 4}},
		{"destination refuses", "payload", errors.New("access denied"), Counters{Dropped: 4, DestinationDeliveryFailures: 1}},
	} {
		s := defaults()
		s.MaximumRetryAttempts, s.OnFailure = 1, c.onFailure
		tr := &trace{machine: newTestMachine(s), pages: [][]types.Record{records(1, 4, epoch)}, answer: always(failure), takes: c.takes}
		tr.run(t)
		c.want.Polls, c.want.Polled, c.want.Invocations, c.want.Retries, c.want.Invoked, c.want.FailedInvoke = 1, 4, 2, 1, 8, 8
		c.want.IteratorAge = tr.machine.Counters().IteratorAge
		if got := tr.machine.Counters(); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
		if p := tr.machine.Position(); p.Checkpoint != sequenceText(4) {
			t.Errorf("%s: checkpoint %q has not moved", c.name, p.Checkpoint)
		}
	}
}

func TestDocument(t *testing.T) {
	s := defaults()
	s.MaximumRetryAttempts, s.OnFailure = 0, "payload"
	tr := &trace{machine: newTestMachine(s), now: epoch.Add(1234 * time.Millisecond), answer: always(failure),
		pages: [][]types.Record{append(records(1, 1, epoch), records(2, 2, epoch.Add(time.Second))...)}}
	tr.run(t)
	got, err := json.MarshalIndent(tr.sent[0].Document, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	payload, _ := json.Marshal(string(tr.invokes[0].Payload))
	want := `{
 "requestContext": {
  "requestId": "` + tr.invokes[0].RequestID + `",
  "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:p",
  "condition": "RetryAttemptsExhausted",
  "approximateInvokeCount": 1
 },
 "responseContext": {
  "statusCode": 200,
  "executedVersion": "$LATEST",
  "functionError": "Unhandled"
 },
 "version": "1.0",
 "timestamp": "2026-01-02T03:04:06.234Z",
 "DDBStreamBatchInfo": {
  "shardId": "shardId-00000001767323045000-0000000a",
  "startSequenceNumber": "` + sequenceText(1) + `",
  "endSequenceNumber": "` + sequenceText(2) + `",
  "approximateArrivalOfFirstRecord": "2026-01-02T03:04:05Z",
  "approximateArrivalOfLastRecord": "2026-01-02T03:04:06Z",
  "batchSize": 2,
  "streamArn": "` + testSource.streamARN + `"
 },
 "payload": ` + string(payload) + `
}`
	if string(got) != want {
		t.Errorf("document\n%s\nwant\n%s", got, want)
	}
}

// reader steps a machine from poll to poll.
type reader struct {
	*Machine
	t   *testing.T
	now time.Time
}

// polls expects a poll from a place, after one interval where it must wait.
func (r *reader) polls(from From, waits bool) {
	r.t.Helper()
	if waits {
		if w, ok := r.Next(r.now).(Wait); !ok || w.Until.Sub(r.now) != 250*time.Millisecond {
			r.t.Fatalf("%+v, want a wait of one interval", w)
		}
		r.now = r.now.Add(250 * time.Millisecond)
	}
	if p, ok := r.Next(r.now).(Poll); !ok || p.From != from {
		r.t.Fatalf("%+v, want a poll from %+v", p, from)
	}
}

// gets answers the poll, and expects the records to come out and to succeed.
func (r *reader) gets(page []types.Record, out string) {
	r.t.Helper()
	if err := r.Polled(r.now, page, false); err != nil {
		r.t.Fatal(err)
	}
	in, ok := r.Next(r.now).(Invoke)
	if !ok || numbers(in.Records) != out {
		r.t.Fatalf("%+v, want an invocation with %s", in.Records, out)
	}
	r.Answered(r.now, 0, success(r.now))
}

func TestReadFaults(t *testing.T) {
	r := &reader{newTestMachine(defaults()), t, epoch}
	r.polls(From{Kind: Horizon}, false)
	r.PollFailed(ReadError) // nothing read yet: from the start again
	r.polls(From{Kind: Horizon}, true)
	r.gets(records(1, 2, epoch), "1 2")
	r.polls(From{Kind: Continue}, true)
	r.PollFailed(IteratorExpired) // an old iterator: a new one at once
	after := From{Kind: AfterSequence, Sequence: sequenceText(2)}
	r.polls(after, false)
	r.PollFailed(IteratorExpired) // a new one that has expired too: not at once, or it would spin
	r.polls(after, true)
	r.gets(records(3, 3, epoch), "3")
	r.polls(From{Kind: Continue}, true)
	bad := records(4, 5, epoch)
	bad[1].Dynamodb.SequenceNumber = nil
	if err := r.Polled(r.now, bad, false); err == nil {
		t.Error("a record without sequence number was taken over")
	}
	r.polls(From{Kind: AfterSequence, Sequence: sequenceText(3)}, true) // nothing of the page was kept
	if c := r.Counters(); c.Gaps != 0 || c.ReadErrors != 4 || c.Polled != 3 {
		t.Errorf("counters %+v", c)
	}
}

func TestGap(t *testing.T) {
	r := &reader{newTestMachine(defaults()), t, epoch}
	r.polls(From{Kind: Horizon}, false)
	r.gets(records(1, 2, epoch), "1 2")
	r.polls(From{Kind: Continue}, true)
	if gap := r.PollFailed(DataTrimmed); gap == nil || *gap != (Gap{Shard: testShard, After: sequenceText(2)}) {
		t.Errorf("gap %+v", gap)
	}
	r.polls(From{Kind: Horizon}, true)
	r.PollFailed(ReadError)
	r.polls(From{Kind: Horizon}, true)
	// The horizon may still show a record that is settled: it does not come twice.
	r.gets(append(records(2, 2, epoch), records(9, 9, epoch)...), "9")
	r.polls(From{Kind: Continue}, true)
	r.PollFailed(DataTrimmed)
	r.polls(From{Kind: Horizon}, true)
	if err := r.Polled(r.now, nil, false); err != nil {
		t.Fatal(err)
	}
	r.polls(From{Kind: Continue}, true)
	r.PollFailed(ReadError)
	r.polls(From{Kind: Horizon}, true) // record 9 is gone: to ask for what is behind it would be a gap that is none
	if c := r.Counters(); c.Gaps != 2 || c.ReadErrors != 4 || c.Polled != 3 {
		t.Errorf("counters %+v", c)
	}
}

func TestUUID(t *testing.T) {
	if got := uuid(^uint64(0), ^uint64(0)); got != "ffffffff-ffff-4fff-bfff-ffffffffffff" {
		t.Error(got)
	}
	if got := uuid(0, 0); got != "00000000-0000-4000-8000-000000000000" {
		t.Error(got)
	}
}

// BenchmarkMachine is one record's share of poll, invoke and settle, in batches
// of 100.
func BenchmarkMachine(b *testing.B) {
	m := newTestMachine(defaults())
	now := epoch
	b.ReportAllocs()
	for n := 0; n < b.N; n += 100 {
		b.StopTimer()
		page := records(n+1, n+100, now)
		b.StartTimer()
		now = now.Add(time.Second)
		m.Next(now)
		if err := m.Polled(now, page, false); err != nil {
			b.Fatal(err)
		}
		m.Next(now)
		m.Answered(now, 0, success(now))
	}
}
