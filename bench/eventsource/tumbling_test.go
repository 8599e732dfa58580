package eventsource

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/ackproof/ackproof/bench"
)

// windowEvent is what the function is given, as
// https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html has it.
type windowEvent struct {
	Records                 []json.RawMessage
	Window                  struct{ Start, End string }
	State                   struct{ Count int }
	ShardID                 string `json:"shardId"`
	EventSourceARN          string `json:"eventSourceARN"`
	IsFinalInvokeForWindow  bool
	IsWindowTerminatedEarly bool
}

// counting is a function that counts the records of a window. Each call is told
// as start/state+records, with F for the last one of a window and E where that
// came early.
type counting struct {
	tr   *trace
	told []string
	last windowEvent
	// answer replaces the answer of the n-th call, 0-based.
	answer map[int]bench.Answer
}

func (c *counting) call(t *testing.T) func(int) bench.Answer {
	return func(n int) bench.Answer {
		var e windowEvent
		if err := json.Unmarshal(c.tr.invokes[n].Payload, &e); err != nil {
			t.Fatalf("%v in %s", err, c.tr.invokes[n].Payload)
		}
		c.last = e
		text := fmt.Sprintf("%s/%d+%d", e.Window.Start[len("2026-01-02T03:"):len("2026-01-02T03:04:05")], e.State.Count, len(e.Records))
		if e.IsFinalInvokeForWindow {
			text += "F"
		}
		if e.IsWindowTerminatedEarly {
			text += "E"
		}
		c.told = append(c.told, text)
		if a, ok := c.answer[n]; ok {
			return a
		}
		return state(e.State.Count + len(e.Records))
	}
}

func state(count int) bench.Answer {
	return bench.Answer{HandedAt: epoch, Payload: fmt.Appendf(nil, `{"state":{"count":%d}}`, count)}
}

func at(second int) time.Time {
	return epoch.Truncate(time.Minute).Add(time.Duration(second) * time.Second)
}

func TestTumblingWindow(t *testing.T) {
	noState := bench.Answer{HandedAt: epoch, Payload: []byte(`{}`)}
	huge := bench.Answer{HandedAt: epoch, Payload: []byte(`{"state":{"count":9,"more":"` + strings.Repeat("x", maxState) + `"}}`)}
	partial := bench.Answer{HandedAt: epoch, Payload: []byte(`{"state":{"count":1},"batchItemFailures":[{"itemIdentifier":"` + sequenceText(2) + `"}]}`)}
	none := bench.Answer{HandedAt: epoch, Payload: []byte(`{"state":{"count":7},"batchItemFailures":[{"itemIdentifier":"` + sequenceText(1) + `"}]}`)}
	for _, c := range []struct {
		name   string
		pages  [][]types.Record
		answer map[int]bench.Answer
		change func(*bench.Mapping)
		want   string
		left   int // records dropped
	}{
		{name: "a batch ends where its window does", want: "04:00/0+2 04:00/2+0F 04:10/0+1 04:10/1+0F",
			pages: [][]types.Record{append(records(1, 2, at(9)), records(3, 3, at(10))...)}},
		{name: "state goes from batch to batch", want: "04:00/0+2 04:00/2+2 04:00/4+1 04:00/5+0F",
			pages: [][]types.Record{records(1, 5, at(3))}, change: func(s *bench.Mapping) { s.BatchSize = 2 }},
		{name: "an answer without state is a failure", want: "04:00/0+1 04:00/0+1 04:00/1+0F",
			pages: [][]types.Record{records(1, 1, at(3))}, answer: map[int]bench.Answer{0: noState}},
		{name: "what is given up leaves the state", want: "04:00/0+1 04:00/0+1 04:00/0+0F", left: 1,
			pages: [][]types.Record{records(1, 1, at(3))}, answer: map[int]bench.Answer{0: failure(epoch), 1: failure(epoch)},
			change: func(s *bench.Mapping) { s.MaximumRetryAttempts = 1 }},
		{name: "a state that is too large ends the window", want: "04:00/0+1 04:00/9+0FE 04:00/0+1 04:00/1+0F",
			pages: [][]types.Record{records(1, 1, at(3)), records(2, 2, at(4))}, answer: map[int]bench.Answer{0: huge}},
		{name: "a partial answer keeps the state of what was taken", want: "04:00/0+3 04:00/1+2 04:00/3+0F",
			pages: [][]types.Record{records(1, 3, at(3))}, answer: map[int]bench.Answer{0: partial},
			change: func(s *bench.Mapping) { s.FunctionResponseTypes = []string{"ReportBatchItemFailures"} }},
		{name: "an answer that fails the whole batch leaves the state", want: "04:00/0+2 04:00/0+0F", left: 2,
			pages: [][]types.Record{records(1, 2, at(3))}, answer: map[int]bench.Answer{0: none},
			change: func(s *bench.Mapping) {
				s.FunctionResponseTypes, s.MaximumRetryAttempts = []string{"ReportBatchItemFailures"}, 0
			}},
		{name: "halves share the state", want: "04:00/0+2 04:00/0+1 04:00/1+1 04:00/2+0F",
			pages: [][]types.Record{records(1, 2, at(3))}, answer: map[int]bench.Answer{0: failure(epoch)},
			change: func(s *bench.Mapping) { s.BisectBatchOnFunctionError = true }},
	} {
		s := defaults()
		s.TumblingWindowInSeconds = 10
		if c.change != nil {
			c.change(&s)
		}
		tr := &trace{machine: newTestMachine(s), pages: c.pages, now: at(3)}
		f := &counting{tr: tr, answer: c.answer}
		tr.answer = f.call(t)
		tr.run(t)
		if got := strings.Join(f.told, " "); got != c.want || !tr.ended {
			t.Errorf("%s:\n%s\nwant\n%s (ended %v)", c.name, got, c.want, tr.ended)
		}
		if p, n := tr.machine.Position(), tr.machine.Counters(); p.Behind != 0 || n.Dropped != int64(c.left) {
			t.Errorf("%s: position %+v, %+v", c.name, p, n)
		}
	}
}

// TestTumblingWindowEndsByTime: without a later record the window ends with the
// first poll after its end, and not before: a record may still be on its way.
func TestTumblingWindowEndsByTime(t *testing.T) {
	s := defaults()
	s.TumblingWindowInSeconds, s.OnFailure, s.MaximumRetryAttempts = 10, "metadata", 0
	idle := make([][]types.Record, 60)
	tr := &trace{machine: newTestMachine(s), pages: append([][]types.Record{records(1, 2, at(3))}, idle...), now: at(3)}
	f := &counting{tr: tr, answer: map[int]bench.Answer{1: failure(epoch)}}
	tr.answer = f.call(t)
	tr.run(t)
	if got := strings.Join(f.told, " "); got != "04:00/0+2 04:00/2+0F" || tr.at[1] != 7*time.Second {
		t.Errorf("%s at %v, want the end at 7 s", got, tr.at)
	}
	if e := f.last; e.Window.End != "2026-01-02T03:04:10Z" || e.ShardID != testShard || e.EventSourceARN != testSource.streamARN || e.Records == nil {
		t.Errorf("event %+v", e)
	}
	// The last call failed for good. It has no records to lose, but a document.
	if len(tr.sent) != 1 {
		t.Fatalf("%d documents", len(tr.sent))
	}
	doc := tr.sent[0].Document
	if w := doc.TimeWindowInfo; doc.BatchInfo.BatchSize != 0 || doc.BatchInfo.EndSequenceNumber != sequenceText(2) || doc.Payload != "" ||
		w == nil || !w.IsFinalInvokeForWindow || w.Start != "2026-01-02T03:04:00Z" {
		t.Errorf("document %+v, %+v", doc.BatchInfo, doc.TimeWindowInfo)
	}
	if c := tr.machine.Counters(); c.Settled != 2 || c.Dropped != 0 || c.DeadLettered != 0 {
		t.Errorf("%+v", c)
	}
}

// TestTumblingWindowWaitsForThePollAfterItsEnd: it may bring a record that was
// written in the window's last moment.
func TestTumblingWindowWaitsForThePollAfterItsEnd(t *testing.T) {
	s := defaults()
	s.TumblingWindowInSeconds = 10
	pages := make([][]types.Record, 60)
	pages[0], pages[28] = records(1, 2, at(3)), records(3, 3, at(9)) // four polls a second, from 3 s to 10 s
	tr := &trace{machine: newTestMachine(s), pages: pages, now: at(3)}
	f := &counting{tr: tr}
	tr.answer = f.call(t)
	tr.run(t)
	if got := strings.Join(f.told, " "); got != "04:00/0+2 04:00/2+1 04:00/3+0F" {
		t.Errorf("told %s", got)
	}
}

func TestWindowStart(t *testing.T) {
	s := defaults()
	s.TumblingWindowInSeconds = 7
	m := newTestMachine(s)
	for _, unix := range []int64{-8, -7, -1, 0, 6, 7, 1_767_323_045} {
		start := m.windowStart(time.Unix(unix, 0)).Unix()
		if start%7 != 0 || start > unix || unix-start >= 7 {
			t.Errorf("window of %d starts at %d", unix, start)
		}
	}
}
