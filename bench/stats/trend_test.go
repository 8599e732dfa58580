package stats_test

import (
	"math"
	"testing"

	"github.com/ackproof/ackproof/bench/stats"
)

func TestTrend(t *testing.T) {
	x := []float64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	y := make([]float64, len(x))
	for i := range x {
		y[i] = 100 + 7*x[i]
	}
	y[4], y[8] = 5000, -300 // two hiccups
	if got, ok := stats.Trend(x, y); !ok || math.Abs(got-7) > 1e-9 {
		t.Errorf("slope %v, %v; want 7", got, ok)
	}
	for _, few := range [][]float64{nil, {1}, {1, 1}} {
		if _, ok := stats.Trend(few, few); ok {
			t.Errorf("%v has a trend", few)
		}
	}
}

func TestKnee(t *testing.T) {
	rates := []float64{100, 200, 400, 800, 1000, 1100, 1200}
	for name, tt := range map[string]struct {
		y    []float64
		want int
		ok   bool
	}{
		"flat, then a wall":  {[]float64{1, 1, 1, 1, 1, 500, 900}, 4, true},
		"a straight line":    {rates, 0, false},
		"falling":            {[]float64{9, 8, 7, 6, 5, 4, 3}, 0, false},
		"bent the other way": {[]float64{0, 600, 800, 850, 880, 890, 900}, 0, false},
	} {
		if got, ok := stats.Knee(rates, tt.y); got != tt.want || ok != tt.ok {
			t.Errorf("%s: %d, %v; want %d, %v", name, got, ok, tt.want, tt.ok)
		}
	}
	if _, ok := stats.Knee(rates[:2], rates[:2]); ok {
		t.Error("two points have a knee")
	}
}
