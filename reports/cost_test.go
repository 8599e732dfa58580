package reports

import (
	"bytes"
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench"
)

func TestEstimate(t *testing.T) {
	for want, e := range map[string]*bench.Estimate{
		"not observed":             {},
		"at least $1.50":           {Low: 1.5},
		"$4.68 to $4.77":           {Low: 4.68377, High: ptr(4.7732)},
		"$4.68":                    {Low: 4.681, High: ptr(4.682)},
		"$0":                       {High: ptr(0.0)},
		"under $0.0001 to $0.0119": {Low: 1e-9, High: ptr(0.0119)},
		"$0.0471 to $0.10":         {Low: 0.0471, High: ptr(0.1)},
		"$1,235 to $1,000,000,000": {Low: 1234.6, High: ptr(1e9)},
	} {
		if got := estimate(e); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := estimate(nil); got != notObserved {
		t.Errorf("null: %q", got)
	}
}

// TestTerminalTellsTheCost: what a run on AWS cost, and nothing of what one here did not.
func TestTerminalTellsTheCost(t *testing.T) {
	for _, incurred := range []bool{true, false} {
		r, _ := passing()
		r.Cost.Incurred = incurred
		var b bytes.Buffer
		if err := Terminal(&b, r, Options{}); err != nil {
			t.Fatal(err)
		}
		want := "cost        $0.0471 to $0.0473, $4.71 to $4.73 a million requests; prices of 2026-01-02"
		if strings.Contains(b.String(), want) != incurred {
			t.Errorf("incurred %v:\n%s", incurred, b.String())
		}
	}
}
