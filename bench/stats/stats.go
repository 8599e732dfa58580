// Package stats turns times into figures: distributions, the backlog and the
// recovery after a fault.
//
// Three rules run through it, because each has made a slow or lossy system look
// well in some tool:
//
//   - Histograms are merged, never percentiles averaged. A [Histogram] counts in
//     HDR buckets of 3 significant digits; it never interpolates across a gap,
//     so it cannot print a time that no request had.
//   - What was never seen to end counts ([Histogram.RecordCensored]). An item
//     without an effect is slower than every item with one; a percentile that
//     falls among such items is null and not the largest time that was seen.
//   - The backlog is an exact step function of per-item times ([Recovery]), not
//     an interpolation of rows taken once a second.
//
// Times are positions from the start of load, as everywhere in ackproof. The
// package is pure: it reads no clock, draws no chance and starts no goroutine.
package stats

import (
	"math"
	"slices"

	"github.com/ackproof/ackproof/bench"
)

// SendDelay sums up sent − due. Without a value all three are 0: a run that
// sent nothing has no send delay, and the gate "acknowledged" tells so.
func SendDelay(h *Histogram) bench.SendDelay {
	l := h.Latency()
	get := func(p *float64) float64 {
		if p == nil {
			return 0
		}
		return *p
	}
	return bench.SendDelay{P50: get(l.P50), P99: get(l.P99), Max: get(l.Max)}
}

// MinTrials is the smallest number of trials a side from which the order
// statistics give a 95 % interval of the median: with 6, the smallest and the
// largest value enclose it with probability 1 − 2·2⁻⁶ = 96.9 %; with 5, 93.8 %.
const MinTrials = 6

// Interval is a median with its confidence interval.
type Interval struct{ Median, Low, High float64 }

// MedianInterval gives the median of independent trials and the interval of
// order statistics that encloses the true median with a probability of at least
// 95 %, whatever the distribution. With fewer than [MinTrials] values there is
// none: ok is false and only Median is set (NaN without any value).
//
// The trials must be runs. Requests within one run are correlated, and an
// interval over them would be far too narrow.
func MedianInterval(trials []float64) (iv Interval, ok bool) {
	n := len(trials)
	if n == 0 {
		return Interval{Median: math.NaN()}, false
	}
	v := slices.Sorted(slices.Values(trials))
	iv.Median = (v[(n-1)/2] + v[n/2]) / 2
	if n < MinTrials {
		return iv, false
	}
	// The number of trials below the true median is binomial(n, 1/2). Cut the
	// largest k with P(X < k) ≤ 2.5 % on either side.
	p := math.Pow(0.5, float64(n)) // P(X = 0); a float64 up to 1,074 trials
	below, k := 0.0, 0
	for below+p <= 0.025 {
		below += p
		p = p * float64(n-k) / float64(k+1)
		k++
	}
	if k == 0 { // cannot be from MinTrials on, short of an underflow
		return iv, false
	}
	iv.Low, iv.High = v[k-1], v[n-k]
	return iv, true
}
