package eventsource

import (
	"errors"
	"fmt"
	"slices"
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
