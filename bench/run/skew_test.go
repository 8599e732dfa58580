package run_test

import (
	"testing"

	"github.com/ackproof/ackproof/bench/run"
)

func TestRightTime(t *testing.T) {
	ahead := [][2]int{{5000, 2000}, {7000, 0}}
	behind := [][2]int{{5000, -2000}, {7000, 0}}
	for _, tt := range []struct {
		off            [][2]int
		t, least, want int
	}{
		{nil, 4000, 3900, 4000},
		{ahead, 4000, 3900, 4000},
		{ahead, 7500, 5400, 5500}, // written under the skew
		{ahead, 8900, 6800, 6900},
		{ahead, 8500, 8400, 8500}, // written behind it, when its clock said the same
		{ahead, 9500, 9400, 9500},
		{behind, 4000, 3900, 4000},
		{behind, 3500, 5400, 5500}, // before it was handed over, by its own word
		{behind, 4900, 6800, 6900},
		{behind, 7500, 7400, 7500},
		{ahead, 100000, 200000, 100000}, // nothing fits: it stands
	} {
		if got := run.RightTime(tt.off, tt.t, tt.least); got != tt.want {
			t.Errorf("%v: %d not before %d is %d, want %d", tt.off, tt.t, tt.least, got, tt.want)
		}
	}
}
