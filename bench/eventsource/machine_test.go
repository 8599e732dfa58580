package eventsource

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

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
