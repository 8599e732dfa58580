package lambda

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
)

func TestInvokeAsync(t *testing.T) {
	var out syncBuffer
	cfg := config(t, "go")
	cfg.Log, cfg.Concurrency = &out, 2
	h := startHost(t, cfg)
	const total = 20
	for range total {
		if err := h.InvokeAsync([]byte(`{"print":"done"}`)); err != nil {
			t.Fatal(err)
		}
	}
	poll(t, "an empty queue", func() bool { return h.Queued() == 0 && h.Open() == 0 })
	poll(t, "all runs in the log", func() bool { return strings.Count(out.String(), " done\n") == total })
	if n := h.AsyncCounters().AsyncEventsDropped; n != 0 {
		t.Errorf("%d dropped", n)
	}
}

func TestInvokeAsyncRetriesAndDrops(t *testing.T) {
	var events diary
	var out syncBuffer
	cfg := config(t, "go")
	cfg.Observer, cfg.Log = &events, &out
	cfg.Async = bench.Async{MaximumRetryAttempts: 2, RetryDelays: []time.Duration{20 * time.Millisecond}}
	h := startHost(t, cfg)
	if err := h.InvokeAsync([]byte(`{"panic":"poison"}`)); err != nil {
		t.Fatal(err)
	}
	if h.Queued() == 0 {
		t.Error("accepted, but not queued")
	}
	poll(t, "the drop", func() bool {
		return h.AsyncCounters().AsyncEventsDropped == 1 && len(events.of(bench.EventEvidence)) == 1
	})
	if n := h.Queued(); n != 0 {
		t.Errorf("%d queued after the drop", n)
	}
	var data struct {
		Dropped  DropReason
		Request  string
		Attempts int
	}
	evidence := events.of(bench.EventEvidence)[0]
	if err := json.Unmarshal(evidence.Data, &data); err != nil {
		t.Fatal(err)
	}
	if data.Dropped != RetriesExhausted || data.Attempts != 3 || data.Request == "" {
		t.Errorf("evidence %+v", data)
	}
	// All three attempts ran, each in a process of its own, under one id.
	poll(t, "three deaths", func() bool { return len(events.of(bench.EventProcessorDeath)) == 3 })
	ids := map[string]bool{}
	poisoned := 0
	for _, line := range strings.Split(out.String(), "\n") {
		if fields := strings.Fields(line); len(fields) > 3 && strings.Contains(line, "poison") {
			ids[fields[2]] = true
			poisoned++
		}
	}
	if len(ids) != 1 || !ids[data.Request] {
		t.Errorf("%d panics under the request ids %v, want %s alone", poisoned, ids, data.Request)
	}
}

// TestInvokeAsyncThrottled: a throttle spends no attempt.
func TestInvokeAsyncThrottled(t *testing.T) {
	faults := strikeAt("Invoke", 1, "invoke.throttle", 0)
	cfg := config(t, "go")
	cfg.Injector = faults
	h := startHost(t, cfg)
	if err := h.InvokeAsync([]byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	poll(t, "an empty queue", func() bool { return h.Queued() == 0 })
	if h.AsyncCounters().AsyncEventsDropped != 0 || faults.asked["Invoke"] != 2 {
		t.Errorf("%d dropped, %d invocations; want 0, 2", h.AsyncCounters().AsyncEventsDropped, faults.asked["Invoke"])
	}
}

func TestInvokeAsyncTooLarge(t *testing.T) {
	h := startHost(t, config(t, "go"))
	if err := h.InvokeAsync(slices.Repeat([]byte("1"), maxAsyncPayload+1)); err == nil {
		t.Error("no error")
	}
}
