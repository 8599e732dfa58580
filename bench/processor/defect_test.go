package processor

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

func TestDefects(t *testing.T) {
	effects := func(defect string, events ...json.RawMessage) map[string]int {
		counts := map[string]int{}
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			h := New(Config{ItemsTable: "items", ResultsTable: "results", Work: time.Second, Defect: defect}, f, clock.Real{})
			for _, e := range events {
				ctx, cancel := context.WithCancel(lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "same"}))
				before := time.Now()
				if _, err := h.Handle(ctx, e); err != nil {
					t.Errorf("%s: %v", defect, err)
				}
				cancel() // the invocation is over
				if defect == DefectEarlyAnswer && time.Since(before) > 0 {
					t.Errorf("%s: answered after %v", defect, time.Since(before))
				}
			}
			time.Sleep(time.Minute) // of the bubble, for what runs behind an answer
			f.mu.Lock()
			defer f.mu.Unlock()
			for id, r := range f.results {
				counts[id] = r.count
			}
		})
		return counts
	}
	five := batch(t, "INSERT:1:a:x", "INSERT:2:b:x", "INSERT:3:c:x", "INSERT:4:d:x", "INSERT:5:e:x")
	a, b := request(t, `{"id":"a","payload":"x"}`), request(t, `{"id":"b","payload":"x"}`)
	bad := batch(t, "INSERT:1:a:x", "INSERT:2:b:poison:", "INSERT:3:c:poison:", "INSERT:4:d:x")
	all := map[string]int{"a": 1, "b": 1, "c": 1, "d": 1, "e": 1}
	tests := []struct {
		defect string
		events []json.RawMessage
		want   map[string]int
	}{
		{"", []json.RawMessage{five, five}, all},
		{"", []json.RawMessage{a, b, a}, map[string]int{"a": 1, "b": 1}},
		{"swallow", []json.RawMessage{batch(t, "INSERT:1:a:poison:", "INSERT:2:b:x"), request(t, `{"id":"c","payload":"poison:"}`)}, map[string]int{"b": 1}},
		{"non-idempotent", []json.RawMessage{five, five}, map[string]int{"a": 2, "b": 2, "c": 2, "d": 2, "e": 2}},
		{"non-idempotent", []json.RawMessage{a, b, a}, map[string]int{"a": 2, "b": 1}},
		{"skip-nth=2", []json.RawMessage{five}, map[string]int{"a": 1, "c": 1, "e": 1}},
		{"skip-nth=2", []json.RawMessage{a, b}, map[string]int{"a": 1}},
		{"double-nth=2", []json.RawMessage{five, five}, map[string]int{"a": 1, "b": 2, "c": 1, "d": 2, "e": 1}},
		{"double-nth=2", []json.RawMessage{a, b}, map[string]int{"a": 1, "b": 2}},
		{"insert-only", []json.RawMessage{batch(t, "INSERT:1:a:x", "MODIFY:2:a:y")}, map[string]int{"a": 1}},
		{"drop-tail", []json.RawMessage{five, batch(t, "INSERT:6:f:x")}, map[string]int{"a": 1, "b": 1, "c": 1, "d": 1, "f": 1}},
		{"corrupt", []json.RawMessage{five}, all},
		{"mark-first", []json.RawMessage{batch(t, "INSERT:1:a:x"), five}, map[string]int{"a": 1}},
		{"early-answer", []json.RawMessage{five}, all},
		{"early-answer", []json.RawMessage{a}, map[string]int{"a": 1}},
		{"unconditional", []json.RawMessage{five, five}, all},
		{"all-at-once", []json.RawMessage{five, five}, all},
		{"unconditional-continue", []json.RawMessage{bad}, map[string]int{"a": 1, "d": 1}},
		{"empty-failures", []json.RawMessage{bad}, map[string]int{"a": 1, "d": 1}},
		{"report-last", []json.RawMessage{bad}, map[string]int{"a": 1, "d": 1}},
		{"bad-identifier", []json.RawMessage{bad, bad}, map[string]int{"a": 2, "d": 2}},
	}
	seen := map[string]bool{}
	for _, tt := range tests {
		name, _, _ := strings.Cut(tt.defect, "=")
		seen[name] = true
		if got := effects(tt.defect, tt.events...); fmt.Sprint(got) != fmt.Sprint(tt.want) {
			t.Errorf("%s: effects %v, want %v", tt.defect, got, tt.want)
		}
	}
	for _, d := range Defects() {
		if !seen[d.Name] || d.About == "" {
			t.Errorf("defect %s is not tested or not described", d.Name)
		}
	}
}

// TestWhatIsNamed: the answer decides what the mapping does, so that is where
// four of the defects are.
func TestWhatIsNamed(t *testing.T) {
	bad := batch(t, "INSERT:1:a:x", "INSERT:2:b:poison:", "INSERT:3:c:poison:", "INSERT:4:d:x")
	for defect, want := range map[string]string{
		"": "[{2}]", "unconditional": "[{2}]", "unconditional-continue": "[{2}]",
		"empty-failures": "[]", "report-last": "[{3}]", "bad-identifier": "[{the record 2}]",
	} {
		h := New(Config{ItemsTable: "items", ResultsTable: "results", Defect: defect, Partial: true}, newFake(), clock.Real{})
		out, err := h.Handle(t.Context(), bad)
		if got, ok := out.(answer); err != nil || !ok || fmt.Sprint(got.Failures) != want {
			t.Errorf("defect %q answers %+v, %v; want %s", defect, out, err, want)
		}
	}
}

// TestAnOlderVersionBehindANewerOne: with the condition it changes nothing.
func TestAnOlderVersionBehindANewerOne(t *testing.T) {
	for defect, want := range map[string]string{"": "9", "non-idempotent": "1", "unconditional": "1"} {
		f := newFake()
		h := handler(f, defect)
		handle(t, h, batch(t, "INSERT:9:a:new"))
		handle(t, h, batch(t, "INSERT:1:a:old"))
		if got := fmt.Sprint(f.results["a"].sequence); got != want {
			t.Errorf("defect %q leaves version %s, want %s", defect, got, want)
		}
	}
}

func TestCorrupt(t *testing.T) {
	f := newFake()
	handle(t, handler(f, "corrupt"), batch(t, "INSERT:1:a:x"))
	if got := f.results["a"].digest; got == bench.DigestOf([]byte("x")).String() || len(got) != 16 {
		t.Errorf("digest %s is right, or none", got)
	}
}

func TestParseDefect(t *testing.T) {
	for text, want := range map[string]string{
		"nope": "known are swallow, ", "skip-nth": "write skip-nth=K", "skip-nth=0": "1 or more", "skip-nth=x": "1 or more",
		"swallow=2": "write swallow", "double-nth=-1": "1 or more",
	} {
		if _, err := parseDefect(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q in it", text, err, want)
		}
	}
}
