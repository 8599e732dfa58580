package eventsource

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

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

func TestPollAsksForWhatFits(t *testing.T) {
	s := defaults()
	s.BatchSize, s.MaximumBatchingWindowInSeconds = 1500, 10
	tr := &trace{machine: newTestMachine(s), answer: always(success), pages: [][]types.Record{records(1, 1000, epoch), records(1001, 1400, epoch), nil}}
	tr.run(t)
	if want := []int{1000, 500, 100}; !slices.Equal(tr.limits, want) {
		t.Errorf("limits %v, want %v", tr.limits, want)
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
