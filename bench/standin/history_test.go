package standin

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ackproof/ackproof/bench/clock"
)

// A table is told as it was, and not as it is; of moments that nobody has seen nothing
// is told.
func TestATableIsToldAsItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		h := newHistory(clock.Real{}, func(table string) []string {
			return []string{table, time.Since(begun).Truncate(time.Second).String()}
		}, "items")
		defer h.stop()
		time.Sleep(10500 * time.Millisecond)
		for at, want := range map[time.Duration]string{2 * time.Second: "2s", 7 * time.Second: "7s"} {
			if got, known := h.asOf("items", begun.Add(at)); !known || !slices.Equal(got, []string{"items", want}) {
				t.Errorf("as of %s: %q, %v", at, got, known)
			}
		}
		for name, at := range map[string]time.Duration{"before": -time.Hour, "to come": time.Hour} {
			if got, known := h.asOf("items", begun.Add(at)); known {
				t.Errorf("a moment that is %s: %q", name, got)
			}
		}
		time.Sleep(time.Minute)
		if got, known := h.asOf("items", begun.Add(2*time.Second)); known {
			t.Errorf("long ago: %q", got)
		}
	})
}
