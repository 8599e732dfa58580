package stats_test

import (
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench/stats"
)

func TestAvailability(t *testing.T) {
	var a, b stats.Availability
	for i := range 100 { // ten a second, for ten seconds: one in ten is not acknowledged, and none of second 6
		due := time.Duration(i) * 100 * time.Millisecond
		into := &a
		if i%3 == 0 {
			into = &b
		}
		into.Add(due, i%10 != 9 && i/10 != 6)
	}
	b.Add(12*time.Second, true) // nothing was due in between: those seconds are not dark
	a.Merge(&b)
	got := a.Figures()
	if *got.Share != float64(9*9+1)/101 || *got.WorstSecond != 0 || got.DarkSeconds != 1 {
		t.Errorf("share %v, worst second %v, %d dark", *got.Share, *got.WorstSecond, got.DarkSeconds)
	}
	var none stats.Availability
	if got := none.Figures(); got.Share != nil || got.WorstSecond != nil || got.DarkSeconds != 0 {
		t.Errorf("nothing was due: %+v", got)
	}
}
