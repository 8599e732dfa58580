package lambda

import (
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// shelf is a Keeper in memory.
type shelf struct {
	mu    sync.Mutex
	texts map[string]string
}

func (s *shelf) Keep(key, text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.texts[key] = text; text == "" {
		delete(s.texts, key)
	}
	return nil
}

func (s *shelf) Kept(prefix string) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := maps.Clone(s.texts)
	maps.DeleteFunc(found, func(key, _ string) bool { return !strings.HasPrefix(key, prefix) })
	return found
}

// TestAcceptedEventsOutliveTheirHost closes a host whose events wait for their
// retry; the next one invokes them, and what is settled is forgotten.
func TestAcceptedEventsOutliveTheirHost(t *testing.T) {
	kept := &shelf{texts: map[string]string{"other": "note"}}
	cfg := config(t, "go")
	cfg.Keeper, cfg.Async = kept, bench.Async{MaximumRetryAttempts: 1, RetryDelays: []time.Duration{time.Hour}}
	first := startHost(t, cfg)
	for _, payload := range []string{`{"print":"fine"}`, `{"panic":"refused"}`, `{"panic":"again"}`} {
		if err := first.InvokeAsync([]byte(payload)); err != nil {
			t.Fatal(err)
		}
	}
	poll(t, "one is settled, two wait", func() bool { return first.Queued() == 2 && first.Open() == 0 && len(kept.Kept("event/")) == 2 })
	first.Close()

	cfg.Seed++
	cfg.Async.MaximumRetryAttempts = 0
	second := startHost(t, cfg)
	poll(t, "both were invoked again, and given up", func() bool { return second.Queued() == 0 && second.AsyncCounters().AsyncEventsDropped == 2 })
	poll(t, "nothing is kept", func() bool { return len(kept.Kept("event/")) == 0 })
	if left := kept.Kept(""); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
	second.Close()

	kept.Keep("event/x", "no JSON")
	if h, err := Start(cfg); err == nil || !strings.Contains(err.Error(), "event/x") {
		t.Errorf("a host starts over an event that it cannot read: %v, %v", h, err)
	}
}

// FuzzKeptEvents holds that no text on disk breaks a start.
func FuzzKeptEvents(f *testing.F) {
	f.Add("event/1", `{"queued":"2026-01-02T03:04:05Z","payload":"e30="}`)
	f.Fuzz(func(t *testing.T, key, text string) {
		q, err := restore(bench.Async{}, &shelf{texts: map[string]string{key: text}})
		if err == nil && strings.HasPrefix(key, keptPrefix) != (q.Len() == 1) {
			t.Errorf("%d events restored of %q", q.Len(), key)
		}
	})
}
