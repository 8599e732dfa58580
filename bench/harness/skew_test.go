package harness_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/harness"
)

// A processor whose clock is off loses nothing, and its lag is what it was: that of
// the same run with right clocks, to within what can be known.
func TestSkewLeavesTheLag(t *testing.T) {
	long(t)
	set := func(fault string) harness.Options {
		return harness.Options{Scenario: kill, Seed: 5, Set: []string{"faults=[" + fault + "]", "guarantee.deadline=2s"}}
	}
	right := play(t, builtIn, set(""))
	for _, fault := range []string{
		"at 3s for 3s: clock.skew by=5s",
		"at 3s for 3s: clock.skew behind by=5s",
		"at 3s for 3s: clock.skew by=400ms",
		"at 3s for 3s: clock.skew behind by=400ms",
	} {
		r := play(t, builtIn, set(fmt.Sprintf("%q", fault)))
		if r.Verdict != bench.Pass || r.Items.ProcessedLate != 0 || r.Faults[0].Bitten < 150 || r.Control.Clean == nil || !*r.Control.Clean {
			t.Errorf("%s: verdict %s, %d late, %d bitten, control %+v", fault, r.Verdict, r.Items.ProcessedLate, r.Faults[0].Bitten, r.Control)
		}
		if d := *r.Lag.Max - *right.Lag.Max; d < -150 || d > 150 || *r.Lag.P50 < *right.Lag.P50-50 || *r.Lag.P50 > *right.Lag.P50+50 {
			t.Errorf("%s: lag p50 %.0f, max %.0f ms; with right clocks %.0f and %.0f", fault, *r.Lag.P50, *r.Lag.Max, *right.Lag.P50, *right.Lag.Max)
		}
		if !strings.Contains(fmt.Sprint(r.Notes), "the processor's clock was up to") {
			t.Errorf("%s: notes %q", fault, r.Notes)
		}
	}
	if strings.Contains(fmt.Sprint(right.Notes), "clock") {
		t.Errorf("right clocks: notes %q", right.Notes)
	}
}
