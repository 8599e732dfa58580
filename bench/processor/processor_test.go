package processor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"pgregory.net/rapid"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

// start is the time that the tests' clock stands at.
var start = time.UnixMilli(1_795_435_200_123)

func handler(f *fake, defect string) *Handler {
	return New(Config{ItemsTable: "items", ResultsTable: "results", Defect: defect}, f, clock.NewVirtual(start))
}

// batch writes a stream event with aws-lambda-go's own types. Each record is
// NAME:SEQUENCE:ID:PAYLOAD.
func batch(t testing.TB, records ...string) json.RawMessage {
	t.Helper()
	var e events.DynamoDBEvent
	for _, r := range records {
		p := strings.SplitN(r, ":", 4)
		image := map[string]events.DynamoDBAttributeValue{
			"id": events.NewStringAttribute(p[2]), "payload": events.NewStringAttribute(p[3]),
			"other": events.NewListAttribute([]events.DynamoDBAttributeValue{events.NewNumberAttribute("1")}),
		}
		e.Records = append(e.Records, events.DynamoDBEventRecord{
			EventID: "event-" + p[1], EventName: p[0], EventSource: "aws:dynamodb", EventVersion: "1.1",
			Change: events.DynamoDBStreamRecord{
				SequenceNumber: p[1], StreamViewType: "NEW_AND_OLD_IMAGES",
				Keys: map[string]events.DynamoDBAttributeValue{"id": image["id"]}, NewImage: image,
			},
		})
	}
	return marshal(t, e)
}

func marshal(t testing.TB, v any) json.RawMessage {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func handle(t testing.TB, h *Handler, event json.RawMessage) {
	t.Helper()
	if out, err := h.Handle(t.Context(), event); out != nil || err != nil {
		t.Fatalf("handled as %v, %v", out, err)
	}
}

func TestStream(t *testing.T) {
	f := newFake()
	h := handler(f, "")
	event := batch(t, "INSERT:9:a:one", "INSERT:10:b:two", "REMOVE:11:b:two", "MODIFY:100:a:three")
	handle(t, h, event)
	want := map[string]row{
		"a": {sequence: "100", digest: bench.DigestOf([]byte("three")).String(), processedAt: "1795435200123", count: 2},
		"b": {sequence: "10", digest: bench.DigestOf([]byte("two")).String(), processedAt: "1795435200123", count: 1},
	}
	check := func(when string) {
		t.Helper()
		for id, r := range want {
			if f.results[id] != r {
				t.Errorf("%s: result of %s is %+v, want %+v", when, id, f.results[id], r)
			}
		}
	}
	check("first delivery")
	handle(t, h, event)
	check("redelivery") // also of the older version of a
}

func TestStreamBinaryPayload(t *testing.T) {
	f := newFake()
	handle(t, handler(f, ""), json.RawMessage(`{"Records":[{"eventName":"INSERT","dynamodb":{"SequenceNumber":"1",
		"NewImage":{"id":{"S":"a"},"payload":{"B":"AAH/"}},"ApproximateCreationDateTime":1.78965166E9}}]}`))
	if got, want := f.results["a"].digest, bench.DigestOf([]byte{0, 1, 255}).String(); got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
}

func TestStreamStopsAtAnError(t *testing.T) {
	f := newFake()
	writes := 0
	broken := errors.New("throttled")
	f.fail = func() error {
		if writes++; writes == 2 {
			return broken
		}
		return nil
	}
	h := handler(f, "")
	event := batch(t, "INSERT:1:a:x", "INSERT:2:b:x", "INSERT:3:c:x")
	if _, err := h.Handle(t.Context(), event); !errors.Is(err, broken) || !strings.Contains(err.Error(), `"b"`) {
		t.Errorf("error %v, want one that names item b", err)
	}
	if len(f.results) != 1 {
		t.Errorf("results %v, want that of a alone", f.results)
	}
	handle(t, h, event)
	for _, id := range []string{"a", "b", "c"} {
		if f.results[id].count != 1 {
			t.Errorf("%s was applied %d times", id, f.results[id].count)
		}
	}
}

func TestLostAnswer(t *testing.T) {
	f := newFake()
	f.lose = true
	h := handler(f, "")
	event := batch(t, "INSERT:1:a:x")
	if _, err := h.Handle(t.Context(), event); !errors.Is(err, errLost) {
		t.Fatalf("error %v", err)
	}
	handle(t, h, event)
	if f.results["a"].count != 1 {
		t.Errorf("applied %d times", f.results["a"].count)
	}
}

func TestPoison(t *testing.T) {
	f := newFake()
	h := handler(f, "")
	if _, err := h.Handle(t.Context(), batch(t, "INSERT:1:a:fine", "INSERT:2:bad1:poison: really")); err == nil || !strings.Contains(err.Error(), `"bad1"`) {
		t.Errorf("error %v, want one that names the item", err)
	}
	if len(f.results) != 1 {
		t.Errorf("results %v", f.results)
	}
	if _, err := h.Handle(t.Context(), request(t, `{"id":"bad2","payload":"poison:"}`)); err == nil || len(f.items) != 0 {
		t.Errorf("error %v, items %v", err, f.items)
	}
}

func TestBadRecords(t *testing.T) {
	tests := map[string]string{
		`{"eventID":"e1","eventName":"INSERT","dynamodb":{"SequenceNumber":"1","Keys":{"id":{"S":"a"}}}}`:           "e1\": it has no NewImage",
		`{"eventName":"INSERT","dynamodb":{"SequenceNumber":"1","NewImage":{"payload":{"S":"x"}}}}`:                 "no attribute id",
		`{"eventName":"INSERT","dynamodb":{"SequenceNumber":"1","NewImage":{"id":{"N":"1"},"payload":{"S":"x"}}}}`:  "no attribute id of type S",
		`{"eventName":"INSERT","dynamodb":{"SequenceNumber":"1","NewImage":{"id":{"S":"a"},"payload":{"BS":[5]}}}}`: "no attribute payload",
		`{"eventName":"INSERT","dynamodb":{"SequenceNumber":"x","NewImage":{"id":{"S":"a"},"payload":{"S":"x"}}}}`:  "sequence number",
		`{"eventName":"INSERT","dynamodb":{"NewImage":{"id":{"S":"a"},"payload":{"B":"?"}}}}`:                       "read event",
		`{"eventName":"INSERT"}`: "NewImage",
	}
	for text, want := range tests {
		f := newFake()
		_, err := handler(f, "").Handle(t.Context(), json.RawMessage(`{"Records":[`+text+`]}`))
		if err == nil || !strings.Contains(err.Error(), want) || len(f.results) > 0 {
			t.Errorf("%s: error %v, want %q in it", text, err, want)
		}
	}
}

func TestUnknownEvents(t *testing.T) {
	for _, text := range []string{`{}`, `null`, `[]`, `7`, ``, `{"Records":7}`, `{"version":"2.0","rawPath":"/"}`} {
		if out, err := handler(newFake(), "").Handle(t.Context(), json.RawMessage(text)); err == nil {
			t.Errorf("%q was handled as %v", text, out)
		}
	}
	handle(t, handler(newFake(), ""), json.RawMessage(`{"Records":[]}`))
}

func request(t testing.TB, body string) json.RawMessage {
	return marshal(t, events.APIGatewayProxyRequest{HTTPMethod: "POST", Path: "/items", Body: body})
}

func TestProxy(t *testing.T) {
	f := newFake()
	h := handler(f, "")
	for range 2 { // the second is a redelivery
		out, err := h.Handle(t.Context(), request(t, `{"id":"a","payload":"p\"q"}`))
		if err != nil {
			t.Fatal(err)
		}
		if r := out.(events.APIGatewayProxyResponse); r.StatusCode != 200 || r.Body != `{"id":"a"}` {
			t.Errorf("answer %+v", r)
		}
	}
	want := row{sequence: "0", digest: bench.DigestOf([]byte(`p"q`)).String(), processedAt: "1795435200123", count: 1}
	if f.items["a"] != `p"q` || f.results["a"] != want {
		t.Errorf("item %q, result %+v, want %+v", f.items["a"], f.results["a"], want)
	}
}

func TestProxyRefuses(t *testing.T) {
	for _, body := range []string{``, `{}`, `[]`, `{"id":"a"}`, `{"id":"","payload":"x"}`, `{"id":1,"payload":"x"}`, `{"id":"a","payload":{}}`, `{"payload":"x"}`} {
		f := newFake()
		out, err := handler(f, "").Handle(t.Context(), request(t, body))
		if err != nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		if r := out.(events.APIGatewayProxyResponse); r.StatusCode != 400 || !json.Valid([]byte(r.Body)) || len(f.items)+len(f.results) > 0 {
			t.Errorf("%s: answer %+v, items %v", body, r, f.items)
		}
	}
}

func TestProxyBase64(t *testing.T) {
	for body, want := range map[string]int{"eyJpZCI6ImEiLCJwYXlsb2FkIjoieCJ9": 200, "?": 400} {
		out, err := handler(newFake(), "").Handle(t.Context(), marshal(t, events.APIGatewayProxyRequest{HTTPMethod: "POST", Body: body, IsBase64Encoded: true}))
		if err != nil || out.(events.APIGatewayProxyResponse).StatusCode != want {
			t.Errorf("%s: %v, %v, want %d", body, out, err, want)
		}
	}
}

// TestCancelled shows which cancellations are success.
func TestCancelled(t *testing.T) {
	tests := []struct {
		codes []string
		ok    bool
	}{
		{[]string{"None", "ConditionalCheckFailed"}, true},
		{[]string{"ThrottlingError", "ConditionalCheckFailed"}, false},
		{[]string{"ConditionalCheckFailed", "None"}, false},
		{[]string{"None", "TransactionConflict"}, false},
		{[]string{"None"}, false},
		{nil, false},
	}
	for _, tt := range tests {
		f := newFake()
		f.fail = func() error { return cancelled(tt.codes...) }
		_, err := handler(f, "").Handle(t.Context(), request(t, `{"id":"a","payload":"x"}`))
		if (err == nil) != tt.ok {
			t.Errorf("cancelled with %v: error %v", tt.codes, err)
		}
	}
}

func TestWorkEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		h := New(Config{ItemsTable: "items", ResultsTable: "results", Work: time.Second}, f, clock.Real{})
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		before := time.Now()
		_, err := h.Handle(ctx, batch(t, "INSERT:1:a:x", "INSERT:2:b:x", "INSERT:3:c:x"))
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(before) != 2500*time.Millisecond || len(f.results) != 2 {
			t.Errorf("after %v: error %v, %d effects; want two effects and the deadline in the third", time.Since(before), err, len(f.results))
		}
	})
}

// ticking is a clock that moves a millisecond with each look.
type ticking struct{ looks int }

func (c *ticking) Now() time.Time {
	c.looks++
	return start.Add(time.Duration(c.looks) * time.Millisecond)
}

func TestBurn(t *testing.T) {
	c := &ticking{}
	f := newFake()
	h := New(Config{ItemsTable: "items", ResultsTable: "results", Burn: 50 * time.Millisecond}, f, c)
	handle(t, h, batch(t, "INSERT:1:a:x"))
	if c.looks < 50 || c.looks > 53 || len(f.results) != 1 {
		t.Errorf("%d looks at the clock for 50 ms", c.looks)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Handle(ctx, batch(t, "INSERT:2:b:x")); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestFromEnv(t *testing.T) {
	env := map[string]string{"ITEMS_TABLE": "i", "RESULTS_TABLE": "r", "ACKPROOF_WORK": "2ms", "ACKPROOF_BURN": "1us", "ACKPROOF_DEFECT": "skip-nth=3", "ACKPROOF_ARTICLE": "printed", "ACKPROOF_PARTIAL": "true"}
	got, err := FromEnv(func(k string) string { return env[k] })
	want := Config{ItemsTable: "i", ResultsTable: "r", Work: 2 * time.Millisecond, Burn: time.Microsecond, Defect: "skip-nth=3", Article: "printed", Partial: true}
	if err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	env = map[string]string{"ACKPROOF_WORK": "5", "ACKPROOF_BURN": "-1s", "ACKPROOF_DEFECT": "x", "ACKPROOF_ARTICLE": "read", "ACKPROOF_PARTIAL": "yes"}
	_, err = FromEnv(func(k string) string { return env[k] })
	for _, name := range []string{"ITEMS_TABLE", "RESULTS_TABLE", "ACKPROOF_WORK=5", "ACKPROOF_BURN=-1s", "ACKPROOF_DEFECT", "ACKPROOF_ARTICLE=read", "ACKPROOF_PARTIAL=yes"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error %v does not mention %s", err, name)
		}
	}
}

// TestAnyDeliveryOrder: whatever a stream redelivers, and whenever an attempt
// dies, each item ends with its newest version, and no version is applied
// twice. The model of a stream: batches begin at a checkpoint that moves only
// after success.
func TestAnyDeliveryOrder(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		ids := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c"}), 1, 20).Draw(r, "ids")
		var records []string
		last, versions := map[string]string{}, map[string]int{}
		for i, id := range ids {
			records = append(records, fmt.Sprintf("MODIFY:%d:%s:v%d", i+1, id, i))
			last[id] = fmt.Sprint(i + 1)
			versions[id]++
		}
		f := newFake()
		dead := errors.New("dead")
		left := 0
		f.fail = func() error {
			if left--; left < 0 {
				return dead
			}
			return nil
		}
		h := handler(f, "")
		for from := 0; from < len(records); {
			to := rapid.IntRange(from+1, len(records)).Draw(r, "to")
			left = rapid.IntRange(0, 20).Draw(r, "writes until death")
			f.lose = rapid.Bool().Draw(r, "lost answer")
			_, err := h.Handle(t.Context(), batch(t, records[from:to]...))
			if err == nil {
				from = to
			} else if !errors.Is(err, dead) && !errors.Is(err, errLost) {
				r.Fatal(err)
			}
		}
		for id, sequence := range last {
			if got := f.results[id]; got.sequence != sequence || got.count != versions[id] {
				r.Fatalf("%s: %+v, want sequence %s and count %d", id, got, sequence, versions[id])
			}
		}
	})
}

func FuzzHandle(f *testing.F) {
	f.Add([]byte(batch(f, "INSERT:1:a:x", "MODIFY:2:a:y")))
	f.Add([]byte(request(f, `{"id":"a","payload":"b"}`)))
	f.Add([]byte(`{"Records":[{"eventName":"INSERT","dynamodb":{"NewImage":{"id":{"S":"a"},"payload":{"BS":[null]}}}}]}`))
	f.Add([]byte(`{"Records":null,"httpMethod":"POST","isBase64Encoded":true}`))
	f.Fuzz(func(t *testing.T, event []byte) {
		fk := newFake()
		out, err := handler(fk, "").Handle(t.Context(), event)
		if err != nil && out != nil {
			t.Errorf("answer %v beside error %v", out, err)
		}
		for id := range fk.items {
			if fk.results[id].count == 0 {
				t.Errorf("item %q without an effect", id)
			}
		}
	})
}

func BenchmarkHandle(b *testing.B) {
	var records []string
	for i := range 100 {
		records = append(records, fmt.Sprintf("INSERT:%d:%d:%s", i+1, i, strings.Repeat("x", 256)))
	}
	event := batch(b, records...)
	h := handler(newFake(), "")
	b.ReportAllocs()
	for b.Loop() {
		handle(b, h, event)
	}
}

// TestPartialAnswer: the first record that fails is named, and those before it
// are done; nothing of it is done without being asked for.
func TestPartialAnswer(t *testing.T) {
	event := batch(t, "INSERT:1:a:x", "INSERT:2:b:poison:", "INSERT:3:c:x")
	f := newFake()
	h := handler(f, "")
	if out, err := h.Handle(t.Context(), event); out != nil || err == nil {
		t.Errorf("without Partial: %v, %v; want an error", out, err)
	}
	h.cfg.Partial = true
	for in, want := range map[string]string{
		string(event):                    `{"batchItemFailures":[{"itemIdentifier":"2"}]}`,
		string(batch(t, "INSERT:4:d:x")): `{"batchItemFailures":[]}`,
	} {
		out, err := h.Handle(t.Context(), json.RawMessage(in))
		if got := string(marshal(t, out)); err != nil || got != want {
			t.Errorf("answer %s, want %s (%v)", got, want, err)
		}
	}
}

// TestTumblingWindow: the state is handed on, also by the last call of a window,
// which has no records.
func TestTumblingWindow(t *testing.T) {
	h := handler(newFake(), "")
	out, err := h.Handle(t.Context(), json.RawMessage(`{"Records":[],"window":{"start":"2026-01-02T03:04:00Z"},"state":{"n":7},"isFinalInvokeForWindow":true}`))
	if got, want := string(marshal(t, out)), `{"state":{"n":7},"batchItemFailures":[]}`; err != nil || got != want {
		t.Errorf("answer %s, want %s (%v)", got, want, err)
	}
}
