package stats

import (
	"math"
	"math/bits"
	"slices"
	"sort"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/ackproof/ackproof/bench"
)

const (
	// unit is the resolution of a Histogram.
	unit = time.Microsecond
	// top is the largest value that is counted in a bucket; what is larger is
	// kept one by one.
	top = time.Hour
	// digits is how many significant digits a bucket keeps.
	digits = 3
)

// Histogram counts durations. The zero Histogram is empty and ready.
//
// Values from 1 µs to 1 h fall into HDR buckets of 3 significant digits (188 KB
// each side, made with the first value). Negative values, which processing lag
// can have since the effect may come before the client has read its answer,
// have buckets of their own for their magnitude. Values beyond an hour are kept
// exactly, at 8 bytes each: counted and never clamped. Maximum and mean are
// exact.
//
// It belongs to one goroutine at a time; merge one of each at the end.
type Histogram struct {
	pos, neg *hdrhistogram.Histogram
	over     []int64 // µs beyond ±top, in order of arrival
	count    int64   // values seen to end
	censored int64
	bounds   *Histogram // what censored values are known to exceed; nil: none yet
	sum      total      // ns, of values seen to end
	max      time.Duration
}

// total is a sum of 128 bits. One of floating point numbers would depend on their
// order, and with it the figures on how many cores have made them.
type total struct {
	hi int64
	lo uint64
}

func (t *total) add(n int64) { t.join(total{hi: n >> 63, lo: uint64(n)}) }

func (t *total) join(o total) {
	lo, carry := bits.Add64(t.lo, o.lo, 0)
	t.hi, t.lo = t.hi+o.hi+int64(carry), lo
}

func (t total) float() float64 {
	if t.hi < 0 {
		lo, borrow := bits.Sub64(0, t.lo, 0)
		return -total{hi: -t.hi - int64(borrow), lo: lo}.float()
	}
	return float64(t.hi)*(1<<64) + float64(t.lo)
}

// Record counts one value.
func (h *Histogram) Record(d time.Duration) {
	if h.count == 0 || d > h.max {
		h.max = d
	}
	h.count++
	h.sum.add(int64(d))
	if d > top || d < -top {
		h.over = append(h.over, int64(d/unit))
		return
	}
	side, v := &h.pos, int64(d/unit)
	if d < 0 {
		side, v = &h.neg, -v
	}
	if *side == nil {
		*side = newHDR()
	}
	if err := (*side).RecordValue(v); err != nil {
		panic("stats: a value within the range was refused: " + err.Error())
	}
}

func newHDR() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, int64(top/unit), digits)
}

// Reset empties the histogram, and keeps its buckets for what comes next.
func (h *Histogram) Reset() {
	for _, side := range []*hdrhistogram.Histogram{h.pos, h.neg} {
		if side != nil && h.count > 0 {
			side.Reset()
		}
	}
	if h.bounds != nil {
		h.bounds.Reset()
	}
	*h = Histogram{pos: h.pos, neg: h.neg, over: h.over[:0], bounds: h.bounds}
}

// RecordCensored counts a value that is known to be at least d and was never
// seen to end: an unsent request, an item without an effect. It ranks above
// every value that was seen to end, so a percentile is never too low; that it may be
// too high is told beside it ([bench.AtLeast]).
func (h *Histogram) RecordCensored(d time.Duration) {
	h.censored++
	if h.bounds == nil {
		h.bounds = new(Histogram)
	}
	h.bounds.Record(d)
}

// Count is how many values were recorded, censored ones included.
func (h *Histogram) Count() int64 { return h.count + h.censored }

// Merge adds all values of other, which stays as it was.
func (h *Histogram) Merge(other *Histogram) {
	if other.count > 0 && (h.count == 0 || other.max > h.max) {
		h.max = other.max
	}
	h.count += other.count
	h.censored += other.censored
	h.sum.join(other.sum)
	h.over = append(h.over, other.over...)
	mergeHDR(&h.pos, other.pos)
	mergeHDR(&h.neg, other.neg)
	if other.bounds != nil && other.bounds.count > 0 {
		if h.bounds == nil {
			h.bounds = new(Histogram)
		}
		h.bounds.Merge(other.bounds)
	}
}

// atLeast sums up what the values would be if each censored one had ended at the
// moment from which it was not seen any more.
func (h *Histogram) atLeast() *bench.AtLeast {
	var all Histogram
	seen := *h
	seen.censored, seen.bounds = 0, nil
	all.Merge(&seen)
	all.Merge(h.bounds)
	l := all.Latency()
	return &bench.AtLeast{P50: *l.P50, P90: *l.P90, P95: *l.P95, P99: *l.P99, P999: *l.P999, Max: *l.Max}
}

func mergeHDR(into **hdrhistogram.Histogram, from *hdrhistogram.Histogram) {
	if from == nil {
		return
	}
	if *into == nil {
		*into = newHDR()
	}
	if dropped := (*into).Merge(from); dropped > 0 {
		panic("stats: merging histograms of one range dropped values")
	}
}

// step is one distinct value and how many values are at most that large.
type step struct {
	us  int64
	cum int64
}

// steps lists the distinct values in rising order: the distribution function.
// A bucket is represented by its upper end, so a figure errs upward, by at most
// one part in a thousand.
func (h *Histogram) steps() []step {
	var all []step
	add := func(us, n int64) {
		us = min(us, h.max.Microseconds()) // the upper end of the last bucket is above the exact maximum
		all = append(all, step{us, n})
	}
	if h.neg != nil {
		for _, b := range slices.Backward(h.neg.Distribution()) {
			if b.Count > 0 {
				add(-b.From, b.Count)
			}
		}
	}
	if h.pos != nil {
		for _, b := range h.pos.Distribution() {
			if b.Count > 0 {
				add(b.To, b.Count)
			}
		}
	}
	for _, us := range h.over {
		add(us, 1)
	}
	if len(h.over) > 0 {
		sort.SliceStable(all, func(i, j int) bool { return all[i].us < all[j].us })
	}
	for i := 1; i < len(all); i++ {
		all[i].cum += all[i-1].cum
	}
	return all
}

// Latency sums the histogram up in milliseconds.
//
// Percentiles are taken over all values by the nearest rank, censored values
// ranking last; one whose rank falls among the censored is nil. With any
// censored value, mean and maximum have no bound and are nil too.
//
// These are upper bounds, and AtLeast has the lower ones. Between the two lies what
// Kaplan and Meier would estimate (1958), who take it that a value which is not seen
// to its end goes on like the others. An item that was lost does not, so no estimate
// between the bounds is made.
func (h *Histogram) Latency() bench.Latency {
	l := bench.Latency{Count: h.Count(), Censored: h.censored}
	if l.Count == 0 {
		return l
	}
	steps := h.steps()
	at := func(q float64) *float64 {
		// The small subtraction keeps 0.95 × 100 from becoming rank 96.
		rank := max(1, int64(math.Ceil(q*float64(l.Count)-1e-6)))
		i := sort.Search(len(steps), func(i int) bool { return steps[i].cum >= rank })
		if i == len(steps) {
			return nil
		}
		ms := float64(steps[i].us) / 1e3
		return &ms
	}
	l.P50, l.P90, l.P95, l.P99, l.P999 = at(0.50), at(0.90), at(0.95), at(0.99), at(0.999)
	if h.censored == 0 {
		mean, most := h.sum.float()/float64(h.count)/1e6, float64(h.max)/1e6
		l.Mean, l.Max = &mean, &most
	} else {
		l.AtLeast = h.atLeast()
	}
	return l
}

// maxCDFPoints bounds a curve: more cannot be seen in a picture.
const maxCDFPoints = 400

// CDF gives the distribution function: each point says which share of all
// values, censored ones included, is at most Ms. With censored values the last
// share is below 1. Between two points the function is flat and then jumps:
// draw it as steps.
//
// At most 400 points are given. Those left out lie so near to a neighbour, in
// share and in (logarithmic) time, that nobody would see them; the first, the
// last and both edges of every gap stay.
func (h *Histogram) CDF() []bench.CDFPoint {
	steps := h.steps()
	points := make([]bench.CDFPoint, len(steps))
	for i, s := range steps {
		points[i] = bench.CDFPoint{Ms: float64(s.us) / 1e3, Share: float64(s.cum) / float64(h.Count())}
	}
	if len(points) <= maxCDFPoints {
		return points
	}
	// A point is kept when share or time has moved by one cell since the last
	// one kept, together with its left neighbour, the near edge of the gap. So
	// there are at most 2 × (cells by share + cells by time) + 2 points.
	const cells = (maxCDFPoints - 2) / 4
	x := func(i int) float64 { return math.Asinh(points[i].Ms * 10) } // logarithmic for both signs
	last := len(points) - 1
	dx, dy := (x(last)-x(0))/cells, (points[last].Share-points[0].Share)/cells
	kept, prev := []bench.CDFPoint{points[0]}, 0
	for i := 1; i <= last; i++ {
		if i < last && x(i)-x(prev) < dx && points[i].Share-points[prev].Share < dy {
			continue
		}
		if i-1 > prev {
			kept = append(kept, points[i-1])
		}
		kept = append(kept, points[i])
		prev = i
	}
	return kept
}
