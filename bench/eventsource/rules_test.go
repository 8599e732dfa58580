package eventsource

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/ackproof/ackproof/bench"
)

// Where the rules and traces of these tables come from.
const (
	docErrors   = "https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html"
	docPartial  = "https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html"
	docMapping  = "https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-eventsourcemapping.html"
	capturedAWS = "https://github.com/radkawar/stackd" // captures of real AWS, us-east-1, 2026-09-17
	localStack  = "https://github.com/localstack/localstack/tree/main/tests/aws/services/lambda_/event_source_mapping"
)

// reported is the answer of a function that reports one record as failed.
func reported(sequence string) bench.Answer {
	return bench.Answer{HandedAt: epoch, Payload: []byte(`{"batchItemFailures":[{"itemIdentifier":"` + sequence + `"}]}`)}
}

// poisoned answers for a function that cannot process some records: it raises
// an error, or reports the first bad record of the batch.
func poisoned(tr *trace, reports bool, bad ...int) func(int) bench.Answer {
	return func(n int) bench.Answer {
		for _, r := range tr.invokes[n].Records {
			for _, b := range bad {
				if r.Sequence == sequenceText(b) {
					if reports {
						return reported(r.Sequence)
					}
					return failure(epoch)
				}
			}
		}
		return success(epoch)
	}
}

// calls spells the invocations, and sent the documents, as [1 2] [3].
func calls[A any](actions []A, records func(A) []Record) string {
	var b strings.Builder
	for _, a := range actions {
		fmt.Fprintf(&b, "[%s] ", numbers(records(a)))
	}
	return strings.TrimSpace(b.String())
}

// TestPoisonTraces holds the sequences of invocations for records 1 to 4 or
// more, some of which can never be processed.
func TestPoisonTraces(t *testing.T) {
	for _, c := range []struct {
		source          string
		reports, bisect bool
		retries         int
		records         int
		bad             []int
		calls, given    string
		counts          []int // approximateInvokeCount of each document
	}{
		{capturedAWS, false, true, 1, 4, []int{2}, "[1 2 3 4] [1 2] [1] [2] [2] [3 4]", "[2]", []int{2}},
		{capturedAWS, true, true, 1, 4, []int{2}, "[1 2 3 4] [2 3 4] [2] [2] [3 4]", "[2]", []int{2}},
		{capturedAWS, true, false, 1, 4, []int{2}, "[1 2 3 4] [2 3 4] [2 3 4]", "[2 3 4]", []int{2}},
		{capturedAWS, false, false, 2, 4, []int{2}, "[1 2 3 4] [1 2 3 4] [1 2 3 4]", "[1 2 3 4]", []int{3}},
		// A split and a rewind spend no retry, so a budget of none still isolates.
		{docErrors, false, true, 0, 4, []int{3}, "[1 2 3 4] [1 2] [3 4] [3] [4]", "[3]", []int{1}},
		{docPartial, true, false, 0, 4, []int{4}, "[1 2 3 4] [4]", "[4]", []int{1}},
		{docErrors, false, true, 2, 1, []int{1}, "[1] [1] [1]", "[1]", []int{3}},
		{docErrors, false, true, 0, 5, []int{1, 5}, "[1 2 3 4 5] [1 2] [1] [2] [3 4 5] [3] [4 5] [4] [5]", "[1] [5]", []int{1, 1}},
		// The budget of a child is fresh: the parent's failure is not counted.
		{capturedAWS, true, false, 2, 3, []int{2}, "[1 2 3] [2 3] [2 3] [2 3]", "[2 3]", []int{3}},
	} {
		s := defaults()
		s.MaximumRetryAttempts, s.BisectBatchOnFunctionError, s.OnFailure = c.retries, c.bisect, "payload"
		if c.reports {
			s.FunctionResponseTypes = []string{"ReportBatchItemFailures"}
		}
		tr := &trace{machine: newTestMachine(s), pages: [][]types.Record{records(1, c.records, epoch)}}
		tr.answer = poisoned(tr, c.reports, c.bad...)
		tr.run(t)
		got := calls(tr.invokes, func(in Invoke) []Record { return in.Records })
		given := calls(tr.sent, func(d Send) []Record { return d.Records })
		if got != c.calls || given != c.given || !tr.ended {
			t.Errorf("%s: reports %v, bisect %v, %d retries:\n%s given up %s\nwant\n%s given up %s", c.source, c.reports, c.bisect, c.retries, got, given, c.calls, c.given)
			continue
		}
		for i, d := range tr.sent {
			doc := d.Document
			if doc.RequestContext.ApproximateInvokeCount != c.counts[i] || doc.BatchInfo.StartSequenceNumber != d.Records[0].Sequence {
				t.Errorf("%s: document %+v, want %d invocations", c.source, doc.RequestContext, c.counts[i])
			}
			if unhandled := doc.ResponseContext.FunctionError != nil; unhandled == c.reports {
				t.Errorf("%s: functionError %v of a function that reports: %v", c.source, doc.ResponseContext.FunctionError, c.reports)
			}
		}
		// An unchanged batch keeps its request id; one that was cut has a new one.
		for i := 1; i < len(tr.invokes); i++ {
			a, b := tr.invokes[i-1], tr.invokes[i]
			same := numbers(a.Records) == numbers(b.Records)
			if (a.RequestID == b.RequestID) != same || (a.Batch == b.Batch) != same || b.Attempt > 1 != same {
				t.Errorf("%s: call %d: request id %s after %s, attempt %d, same records: %v", capturedAWS, i, b.RequestID, a.RequestID, b.Attempt, same)
			}
		}
		if p := tr.machine.Position(); p.Checkpoint != sequenceText(c.records) || p.Behind != 0 {
			t.Errorf("position %+v", p)
		}
	}
}

// TestAnswerShapes: what a function may answer, and what it means for a batch
// of four records.
func TestAnswerShapes(t *testing.T) {
	failed := func(list string) string { return `{"batchItemFailures":` + list + `}` }
	seq := func(n int) string { return `{"itemIdentifier":"` + sequenceText(n) + `"}` }
	for _, c := range []struct {
		source, answer string
		took           int
	}{
		{docPartial, ``, 4},
		{docPartial, `null`, 4},
		{docPartial, `{}`, 4},
		{docPartial, failed(`[]`), 4},
		{docPartial, failed(`null`), 4},
		{localStack, `[]`, 4},
		{localStack, `""`, 4},
		// A handler that was copied from the Go sample in AWS's documentation
		// answers these keys; nobody reads them.
		{docPartial, `{"BatchItemFailures":[{"ItemIdentifier":"` + sequenceText(1) + `"}]}`, 4},
		{docPartial, failed(`[{"itemIdentifier":""}]`), 0},
		{docPartial, failed(`[{"itemIdentifier":null}]`), 0},
		{docPartial, failed(`[{"wrong":"` + sequenceText(2) + `"}]`), 0},
		{docPartial, failed(`[{"ItemIdentifier":"` + sequenceText(2) + `"}]`), 0},
		{localStack, failed(`[{"itemIdentifier":123}]`), 0},
		{localStack, failed(`[{"itemIdentifier":"123"}]`), 0},
		{localStack, failed(`[{"itemIdentifier":"not a number"}]`), 0},
		{docPartial, failed(`[` + seq(2) + `,{"itemIdentifier":""}]`), 0},
		{docPartial, failed(`"` + sequenceText(2) + `"`), 0},
		{docPartial, failed(`[null]`), 0},
		{docPartial, failed(`[` + seq(3) + `]`), 2},
		{docPartial, failed(`[` + seq(1) + `]`), 0},
		{docPartial, failed(`[` + seq(4) + `]`), 3},
		{docPartial, failed(`[` + seq(4) + `,` + seq(2) + `,` + seq(2) + `]`), 1},
		{docPartial, `{"batchItemFailures":[` + seq(3) + `],"more":1}`, 2},
	} {
		on, off := defaults(), defaults()
		on.FunctionResponseTypes = []string{"ReportBatchItemFailures"}
		batch := facts(t, 1, 4)
		a := bench.Answer{HandedAt: epoch, Payload: []byte(c.answer)}
		if out := judge(on, batch, a); out.took != c.took || out.failed != (c.took < 4) || out.unhandled || out.failed != (out.reason != "") {
			t.Errorf("%s: %s: %+v, want %d records taken", c.source, c.answer, out, c.took)
		}
		if out := judge(off, batch, a); out.took != 4 || out.failed {
			t.Errorf("%s: %s without the setting: %+v, want a success", docPartial, c.answer, out)
		}
		a.Error = &bench.FunctionError{Type: "Boom"}
		if out := judge(on, batch, a); out.took != 0 || !out.failed || !out.unhandled {
			t.Errorf("%s: an exception is %+v", docPartial, out)
		}
	}
}

// facts are records whose sequence numbers cross a power of ten: as texts they
// are not in order.
func facts(t *testing.T, from, to int) []Record {
	t.Helper()
	var list []Record
	for _, n := range records(from, to, epoch) {
		list = append(list, Record{Sequence: *n.Dynamodb.SequenceNumber})
	}
	return list
}

// TestLowestIsANumber: 100000... is above 99999..., though not as a text.
func TestLowestIsANumber(t *testing.T) {
	batch := facts(t, 998, 1002)
	answer := `{"batchItemFailures":[{"itemIdentifier":"` + sequenceText(1001) + `"},{"itemIdentifier":"` + sequenceText(999) + `"}]}`
	if sequenceText(1001) > sequenceText(999) {
		t.Fatal("the texts are in order: the test shows nothing")
	}
	if n, _ := done(batch, []byte(answer)); n != 1 {
		t.Errorf("%d records taken, want 1", n)
	}
}

// TestCompleteFailureByAnswer: with 3 retries each of these was seen to make
// four invocations, and functionError only for the exception.
func TestCompleteFailureByAnswer(t *testing.T) {
	for _, answer := range []string{`[{"itemIdentifier":""}]`, `[{"itemIdentifier":null}]`, `[{"foo":"bar"}]`, `[{"itemIdentifier":123}]`} {
		s := defaults()
		s.MaximumRetryAttempts, s.OnFailure, s.FunctionResponseTypes = 3, "payload", []string{"ReportBatchItemFailures"}
		tr := &trace{machine: newTestMachine(s), pages: [][]types.Record{records(1, 4, epoch)}, answer: func(int) bench.Answer {
			return bench.Answer{HandedAt: epoch, Payload: []byte(`{"batchItemFailures":` + answer + `}`)}
		}}
		tr.run(t)
		if len(tr.invokes) != 4 || len(tr.sent) != 1 || tr.sent[0].Document.RequestContext.ApproximateInvokeCount != 4 {
			t.Errorf("%s: %s: %d calls, %d documents", localStack, answer, len(tr.invokes), len(tr.sent))
			continue
		}
		if rc := tr.sent[0].Document.ResponseContext; rc == nil || rc.FunctionError != nil || rc.StatusCode != 200 {
			t.Errorf("%s: %s: response context %+v", localStack, answer, rc)
		}
	}
}

// TestCutsDoNotWait: the parts of a batch follow at once, retries do not.
func TestCutsDoNotWait(t *testing.T) {
	s := defaults()
	s.MaximumRetryAttempts, s.BisectBatchOnFunctionError = 1, true
	tr := &trace{machine: newTestMachine(s), pages: [][]types.Record{records(1, 4, epoch)}}
	tr.answer = poisoned(tr, false, 2)
	tr.run(t) // [1234] [12] [1] [2], a wait, [2] [34]
	if len(tr.at) != 6 || tr.at[3] != 0 || tr.at[4] < 160*time.Millisecond || tr.at[5] != tr.at[4] {
		t.Errorf("calls at %v", tr.at)
	}
	if c := tr.machine.Counters(); c.Splits != 2 || c.Retries != 1 || c.Settled != 3 || c.Dropped != 1 || c.Invoked != 11 || c.FailedInvoke != 8 {
		t.Errorf("%+v", c)
	}
}

// TestBisectLeavesOneBlocked: without a limit of retries the shard ends up
// blocked by the one bad record, with all that came before it settled.
func TestBisectLeavesOneBlocked(t *testing.T) {
	s := defaults()
	s.BisectBatchOnFunctionError = true
	tr := &trace{machine: newTestMachine(s), pages: [][]types.Record{records(1, 8, epoch), nil}, until: epoch.Add(time.Hour)}
	tr.answer = poisoned(tr, false, 5)
	tr.run(t)
	p := tr.machine.Position()
	if p.Checkpoint != sequenceText(4) || p.Behind != 4 || p.Head == nil || p.Head.Sequence != sequenceText(5) || len(tr.polls) != 1 {
		t.Errorf("position %+v, head %+v, %d polls", p, p.Head, len(tr.polls))
	}
}

// TestOversizedIsNotBisected: the event never reached the function, and one
// record cannot be split.
func TestOversizedIsNotBisected(t *testing.T) {
	s := defaults()
	s.MaximumRetryAttempts, s.BisectBatchOnFunctionError = 0, true
	tr := &trace{machine: newTestMachine(s), answer: always(success),
		pages: [][]types.Record{{streamRecord(1, epoch, strings.Repeat("\x01", 1_100_000)), streamRecord(2, epoch, "p")}}}
	tr.run(t)
	if c := tr.machine.Counters(); c.Splits != 0 || c.Dropped != 1 || c.Settled != 1 {
		t.Errorf("%+v", c)
	}
}

func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{`{}`, `{"batchItemFailures":[{"itemIdentifier":"1"}]}`, `{"batchItemFailures":[{"itemIdentifier":"` + sequenceText(3) + `"}]}`, `[[`, `{"batchItemFailures":{"a":1}}`} {
		f.Add([]byte(seed), []byte{3, 1, 2})
	}
	f.Fuzz(func(t *testing.T, answer, places []byte) {
		batch := facts(t, 998, 1001)
		if n, reason := done(batch, answer); n < 0 || n > 4 || (n == 4) != (reason == "") {
			t.Fatalf("%d records taken, reason %q", n, reason)
		}
		// Whatever is listed, in whatever order: what is taken ends before the lowest.
		want, list := 4, []string{}
		for _, p := range places {
			want = min(want, int(p)%4)
			list = append(list, `{"itemIdentifier":"`+batch[p%4].Sequence+`"}`)
		}
		if n, _ := done(batch, []byte(`{"batchItemFailures":[`+strings.Join(list, ",")+`]}`)); n != want {
			t.Fatalf("%d records taken, want %d", n, want)
		}
	})
}
