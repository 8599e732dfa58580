package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/dynamo"
	"github.com/ackproof/ackproof/bench/eventsource"
	"github.com/ackproof/ackproof/bench/lambda"
)

// TestRecordsOutliveTheBox: what was handed over of asynchronous events is read
// back by the box after it, beside the documents of the mapping, in their order.
func TestRecordsOutliveTheBox(t *testing.T) {
	const run = bench.RunID("k3v9x2ab")
	engine := dynamo.New(dynamo.Options{})
	for life := range uint64(3) {
		box := letterBox{observer: bench.NoObserver{}, clock: clock.Real{}, run: run}
		if err := box.keep(engine); err != nil {
			t.Fatal(err)
		}
		payload := fmt.Sprintf(`{"body":"{\"id\":\"%s\"}"}`, bench.ID{Run: run, Seq: 10 + life})
		if err := box.sendEvent(t.Context(), lambda.InvocationRecord{RequestPayload: json.RawMessage(payload)}); err != nil {
			t.Fatal(err)
		}
		doc := eventsource.Document{Timestamp: "2026-01-02T03:04:05.000Z", Payload: `{"Records":[]}`}
		if err := box.Send(t.Context(), doc, []eventsource.Record{{ID: bench.ID{Run: run, Seq: 20 + life}.String()}}); err != nil {
			t.Fatal(err)
		}
		dead, err := box.readBack()
		if err != nil || uint64(len(dead)) != 2*life+2 {
			t.Fatalf("life %d: %+v, %v", life, dead, err)
		}
		for i, d := range dead {
			record := i%2 == 0
			if want := uint64(20 - 10*(1-i%2) + i/2); d.Seq != want || d.Readable != record || d.At.IsZero() {
				t.Errorf("life %d, letter %d: %+v, want seq %d, readable %v", life, i, d, want, record)
			}
		}
	}
}

// FuzzEventLetter: whatever a kept record holds, what is read from it is an id
// of the run that stands in the event, or nothing.
func FuzzEventLetter(f *testing.F) {
	const run = bench.RunID("k3v9x2ab")
	known := bench.ID{Run: run, Seq: 7}.String()
	record := func(body string) []byte {
		event, err := json.Marshal(map[string]string{"body": body})
		if err != nil {
			f.Fatal(err)
		}
		return []byte(`{"requestPayload":` + string(event) + `}`)
	}
	for body, want := range map[string]int{
		`{"id":"` + known + `"}`:                    1,
		string(run) + "-" + known:                   1, // a beginning that leads nowhere
		known[:len(known)-1]:                        0,
		`{"id":"zzzzzzzz` + known[len(run):] + `"}`: 0,
		"": 0,
	} {
		dead, err := (&letterBox{run: run}).openRecord(letter{Record: record(body)})
		if err != nil || len(dead) != want || want == 1 && (dead[0].Seq != 7 || !dead[0].Readable) {
			f.Errorf("%q: %+v, %v; want %d", body, dead, err, want)
		}
		f.Add(record(body))
	}
	f.Add([]byte(`{"requestPayload":3}`))
	f.Add([]byte(`{}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, text []byte) {
		dead, err := (&letterBox{run: run}).openRecord(letter{Record: text})
		if err != nil && (json.Valid(text) && text[0] == '{' || len(dead) > 0) {
			t.Fatalf("%q: %+v, %v", text, dead, err)
		}
		for _, d := range dead {
			var kept struct{ RequestPayload json.RawMessage } // raw: of two with the name, the last counts alone
			var event struct{ Body string }
			if err := errors.Join(json.Unmarshal(text, &kept), json.Unmarshal(kept.RequestPayload, &event)); err != nil {
				t.Fatal(err)
			}
			body := event.Body
			if !strings.Contains(body, string(run)+"-") || !strings.Contains(body, fmt.Sprintf("%010d", d.Seq)) {
				t.Fatalf("%+v is not in %q", d, body)
			}
		}
	})
}
