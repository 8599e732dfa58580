package stats

import (
	"math"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ackproof/ackproof/bench"
)

const ms = time.Millisecond

func of(values ...time.Duration) *Histogram {
	h := new(Histogram)
	for _, v := range values {
		h.Record(v)
	}
	return h
}

func repeat(h *Histogram, n int, v time.Duration) *Histogram {
	for range n {
		h.Record(v)
	}
	return h
}

func p(v float64) *float64 { return &v }

func TestLatency(t *testing.T) {
	censor := func(h *Histogram, n int) *Histogram {
		for range n {
			h.RecordCensored(10 * time.Second)
		}
		return h
	}
	// A mixture with a gap: 98 answers of 8 ms, 2 cold starts of 900 ms. No
	// percentile may name a time between the two.
	gap := repeat(repeat(new(Histogram), 98, 8*ms), 2, 900*ms)
	tests := []struct {
		name string
		h    *Histogram
		want bench.Latency
	}{
		{"empty", new(Histogram), bench.Latency{}},
		{"one", of(2 * ms), bench.Latency{Count: 1, Mean: p(2), P50: p(2), P90: p(2), P95: p(2), P99: p(2), P999: p(2), Max: p(2)}},
		{"gap", gap, bench.Latency{Count: 100, Mean: p(25.84), P50: p(8.003), P90: p(8.003), P95: p(8.003), P99: p(900), P999: p(900), Max: p(900)}},
		{"negative", of(-3*ms, -1*ms, 2*ms, 4*ms), bench.Latency{Count: 4, Mean: p(0.5), P50: p(-1), P90: p(4), P95: p(4), P99: p(4), P999: p(4), Max: p(4)}},
		{"only negative", of(-3*ms, -1*ms), bench.Latency{Count: 2, Mean: p(-2), P50: p(-3), P90: p(-1), P95: p(-1), P99: p(-1), P999: p(-1), Max: p(-1)}},
		{"above the range", of(1*ms, 3*time.Hour), bench.Latency{Count: 2, Mean: p(5400000.5), P50: p(1), P90: p(10800000), P95: p(10800000), P99: p(10800000), P999: p(10800000), Max: p(10800000)}},
		// 94 seen, 6 never: p90 is rank 90 and known, p95 is rank 95 and is not.
		{"censored", censor(repeat(new(Histogram), 94, 5*ms), 6), bench.Latency{Count: 100, Censored: 6, P50: p(5), P90: p(5), AtLeast: &bench.AtLeast{P50: 5.003, P90: 5.003, P95: 10000, P99: 10000, P999: 10000, Max: 10000}}},
		{"all censored", censor(new(Histogram), 3), bench.Latency{Count: 3, Censored: 3, AtLeast: &bench.AtLeast{P50: 10000, P90: 10000, P95: 10000, P99: 10000, P999: 10000, Max: 10000}}},
		// 95 seen of 100: rank 95 is the last one that is known.
		{"edge", censor(repeat(new(Histogram), 95, 5*ms), 5), bench.Latency{Count: 100, Censored: 5, P50: p(5), P90: p(5), P95: p(5), AtLeast: &bench.AtLeast{P50: 5.003, P90: 5.003, P95: 5.003, P99: 10000, P999: 10000, Max: 10000}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, tt.h.Latency()); d != "" {
				t.Errorf("latency (-want +got):\n%s", d)
			}
		})
	}
}

// durations draws values of both signs over the whole range and beyond it.
func durations(min int) *rapid.Generator[[]time.Duration] {
	return rapid.Custom(func(t *rapid.T) []time.Duration {
		return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) time.Duration {
			scale := rapid.SampledFrom([]time.Duration{time.Microsecond, ms, time.Second, time.Hour}).Draw(t, "scale")
			return time.Duration(rapid.IntRange(-50, 5000).Draw(t, "n")) * scale
		}), min, 200).Draw(t, "values")
	})
}

// Every percentile lies within a thousandth of the one of the sorted values.
func TestLatencyAgainstSorted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := durations(1).Draw(t, "values")
		got := of(values...).Latency()
		slices.Sort(values)
		for q, have := range map[float64]*float64{0.5: got.P50, 0.9: got.P90, 0.95: got.P95, 0.99: got.P99, 0.999: got.P999} {
			rank := max(1, int(math.Ceil(q*float64(len(values))-1e-6)))
			want := float64(values[rank-1]) / 1e6
			if have == nil || math.Abs(*have-want) > math.Abs(want)*1.001e-3+1e-3 {
				t.Fatalf("p%g = %v, want %g", q*100, have, want)
			}
		}
		if *got.Max != float64(values[len(values)-1])/1e6 {
			t.Fatalf("max = %g, want exactly %v", *got.Max, values[len(values)-1])
		}
	})
}

// Merging parts gives what recording everything in one gives.
func TestMergeIsRecordingTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := durations(0).Draw(t, "a"), durations(0).Draw(t, "b")
		cut := rapid.IntRange(0, 3).Draw(t, "censored")
		together := of(append(slices.Clone(a), b...)...)
		left, right := of(a...), of(b...)
		for i := range cut {
			together.RecordCensored(time.Duration(i) * time.Second)
			right.RecordCensored(time.Duration(i) * time.Second)
		}
		left.Merge(right)
		approx := cmp.Comparer(func(x, y float64) bool { return math.Abs(x-y) <= 1e-9*math.Max(math.Abs(x), 1) })
		if d := cmp.Diff(together.Latency(), left.Latency(), approx); d != "" {
			t.Fatalf("latency (-together +merged):\n%s", d)
		}
		if d := cmp.Diff(together.CDF(), left.CDF(), approx); d != "" {
			t.Fatalf("CDF (-together +merged):\n%s", d)
		}
	})
}

func TestCDF(t *testing.T) {
	h := of(1*ms, 2*ms, 2*ms)
	h.RecordCensored(time.Second)
	want := []bench.CDFPoint{{Ms: 1, Share: 0.25}, {Ms: 2, Share: 0.75}}
	approx := cmp.Comparer(func(x, y float64) bool { return math.Abs(x-y) < 0.002 })
	if d := cmp.Diff(want, h.CDF(), approx); d != "" {
		t.Errorf("CDF (-want +got):\n%s", d)
	}
	if got := new(Histogram).CDF(); len(got) != 0 {
		t.Errorf("CDF of nothing = %v, want no points", got)
	}
}

// A reduced curve is short, rises, keeps both extremes, has only points of the
// full one, and nowhere departs from it by more than a cell can hide.
func TestCDFReduction(t *testing.T) {
	h := new(Histogram)
	for i := range 20_000 {
		h.Record(time.Duration(i*i) * time.Microsecond / 8) // 0 to 50 s
	}
	repeat(h, 3, 40*time.Minute)
	points, full := h.CDF(), h.steps()
	if len(full) <= maxCDFPoints {
		t.Fatalf("only %d distinct values: nothing to reduce", len(full))
	}
	if len(points) > maxCDFPoints || len(points) < 100 {
		t.Errorf("%d points, want 100 to %d", len(points), maxCDFPoints)
	}
	first, last := points[0], points[len(points)-1]
	if first.Ms != 0 || last.Ms != 40*60*1000 || last.Share != 1 {
		t.Errorf("extremes %v and %v, want 0 ms and 2,400,000 ms with share 1", first, last)
	}
	if gap := points[len(points)-2]; gap.Ms < 49_000 || gap.Ms > 50_100 {
		t.Errorf("the near edge of the gap is %v, want about 50 s", gap)
	}
	for i := 1; i < len(points); i++ {
		a, b := points[i-1], points[i]
		if b.Ms <= a.Ms || b.Share <= a.Share {
			t.Fatalf("point %d does not rise: %v then %v", i, a, b)
		}
		if b.Share-a.Share > 0.02 && math.Asinh(b.Ms*10)-math.Asinh(a.Ms*10) > 0.3 {
			t.Errorf("between %v and %v too much is left out", a, b)
		}
	}
}

func TestSendDelay(t *testing.T) {
	if got := SendDelay(new(Histogram)); got != (bench.SendDelay{}) {
		t.Errorf("of nothing: %+v, want zeros", got)
	}
	got := SendDelay(repeat(of(4*ms), 199, 1*ms))
	if want := (bench.SendDelay{P50: 1, P99: 1, Max: 4}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestMedianInterval(t *testing.T) {
	tests := []struct {
		name   string
		trials []float64
		want   Interval
		ok     bool
	}{
		{"one", []float64{3}, Interval{Median: 3}, false},
		{"five are too few", []float64{5, 1, 4, 2, 3}, Interval{Median: 3}, false},
		{"six: the extremes", []float64{6, 5, 4, 3, 2, 1}, Interval{3.5, 1, 6}, true},
		{"nine: second and eighth", []float64{1, 2, 3, 4, 5, 6, 7, 8, 9}, Interval{5, 2, 8}, true},
		// Tables of order statistics give 6 and 15 for n = 20.
		{"twenty", []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20}, Interval{10.5, 6, 15}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := MedianInterval(tt.trials)
			if got != tt.want || ok != tt.ok {
				t.Errorf("got %+v, %v; want %+v, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
	if iv, ok := MedianInterval(nil); ok || !math.IsNaN(iv.Median) {
		t.Errorf("of nothing: %+v, %v", iv, ok)
	}
}

func BenchmarkRecord(b *testing.B) {
	h := new(Histogram)
	for i := range b.N {
		h.Record(time.Duration(i%100_000) * time.Microsecond)
	}
}

func BenchmarkLatency(b *testing.B) {
	h := new(Histogram)
	for i := range 100_000 {
		h.Record(time.Duration(i) * 37 * time.Microsecond)
	}
	b.ResetTimer()
	for range b.N {
		h.Latency()
	}
}

// The mean is that of the values, whatever their order and their signs, and however
// they were shared out.
func TestSumIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Int64Range(-1<<62, 1<<62), 1, 30).Draw(t, "values")
		want := new(big.Int)
		var parts [3]Histogram
		for i, v := range values {
			want.Add(want, big.NewInt(v))
			parts[i%3].Record(time.Duration(v))
		}
		var all Histogram
		for i := range parts {
			all.Merge(&parts[i])
		}
		f, _ := new(big.Float).SetInt(want).Float64()
		if got := all.sum.float(); math.Abs(got-f) > math.Abs(f)*1e-15 {
			t.Fatalf("%v: %v, want %v", values, got, f)
		}
	})
}
