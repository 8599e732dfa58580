package run

import (
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// A single request that took long, anywhere in a load of hours, is the maximum of
// its row: rows are merged counts, and never samples.
func TestTimelineKeepsPeaks(t *testing.T) {
	const requests, load = 50_000, 5 * time.Hour
	for _, planted := range []int{0, 1, 27_777, requests - 1} {
		line := newTimeline(load, load, requests)
		if n := len(line.rows); n > bench.MaxSeriesRows {
			t.Fatalf("%d rows", n)
		}
		open := openSlot{timeline: line}
		for i := range requests {
			due := load * time.Duration(i) / requests
			took := time.Duration(1+i%9) * time.Millisecond
			if i == planted {
				took = 17*time.Second + 3
			}
			open.request(&bench.Attempt{Outcome: bench.Acknowledged, Class: bench.ClassStatus, Sent: due, End: due + took}, due+2*took, due)
		}
		open.close()
		line.finish(true, nil)
		row, ok := line.at(load * time.Duration(planted) / requests)
		if !ok || *row.Max != 17_000.000003 || *row.LagMax != 17_000.000003 || *row.Min > 1 || *row.P50 > 10 {
			t.Errorf("request %d took 17 s: the row has %+v", planted, row)
		}
		peaks := 0
		for _, row := range line.rows {
			if *row.Max > 1000 {
				peaks++
			}
		}
		if peaks != 1 {
			t.Errorf("%d rows with a peak, 1 was planted", peaks)
		}
	}
}

// The width of a row suits the load, and never makes more rows than are allowed.
func TestRowWidth(t *testing.T) {
	for _, tt := range []struct {
		load     time.Duration
		requests int64
		want     time.Duration
	}{
		{20 * time.Second, 10_000, 100 * time.Millisecond},
		{20 * time.Second, 100, time.Second}, // few requests: no finer than a second
		{10 * time.Minute, 1e6, time.Second},
		{time.Hour, 1e7, 10 * time.Second},
		{24 * time.Hour, 1e8, 5 * time.Minute},
		{5000 * 24 * time.Hour, 1e8, 9 * 24 * time.Hour},
		{0, 0, 100 * time.Millisecond},
	} {
		got := rowWidth(tt.load, tt.requests)
		if got != tt.want || tt.load > got*bench.MaxSeriesRows {
			t.Errorf("a load of %v and %d requests: rows of %v, want %v", tt.load, tt.requests, got, tt.want)
		}
	}
}
