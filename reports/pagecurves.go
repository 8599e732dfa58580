package reports

import (
	"math"

	"github.com/ackproof/ackproof/bench"
)

// htmlCurves is a picture of distributions: percentiles from left to right, each
// nine as wide as the one before, so that the tail can be read.
type htmlCurves struct {
	ID, Title, Alt string
	Width          float64 // in nines
	Keys           []shape
	Shapes         []shape
	X, Y           []tick
	Never          float64 // from here on nothing ever ended; 0: everything did
	NeverAt        float64 // the same in per cent of the width
}

// namedCurve is one distribution of a picture.
type namedCurve struct {
	class, name string
	points      []bench.CDFPoint
}

// nines is where a share stands: 0.9 at 1, 0.99 at 2, and so on.
func nines(share float64) float64 { return -math.Log10(max(1-share, 1e-12)) }

// newCurves makes a picture; nil where no distribution has a value. count bounds
// the axis: what is one of a thousand has no 99.99th percentile.
func newCurves(id, title string, count int64, curves ...namedCurve) *htmlCurves {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, c := range curves {
		if n := len(c.points); n > 0 {
			lo, hi = min(lo, c.points[0].Ms), max(hi, c.points[n-1].Ms)
		}
	}
	if math.IsInf(lo, 1) {
		return nil
	}
	h := &htmlCurves{ID: id, Title: title, Width: max(1, min(7, math.Ceil(math.Log10(float64(max(count, 10))))))}
	y := timeScale(lo, hi)
	h.Y = y.ticks(5, shortDuration)
	for _, share := range []float64{0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999} {
		if x := nines(share); x < h.Width-0.05 {
			h.X = append(h.X, tick{x / h.Width * 100, number(math.Round(share*1e8)/1e6) + " %"})
		}
	}
	h.Alt = title
	for _, c := range curves {
		if len(c.points) == 0 {
			continue
		}
		name := c.name
		last := c.points[len(c.points)-1]
		if last.Share < 1 {
			name += " (only " + percent(last.Share) + " ever ended)"
			if x := nines(last.Share); x < h.Width && (h.Never == 0 || x < h.Never) {
				h.Never, h.NeverAt = x, x/h.Width*100
			}
		}
		h.Shapes = append(h.Shapes, shape{"line " + c.class, pathOf([][]point{h.steps(c.points, y)})})
		if c.name == "" {
			continue // another trial of the side before
		}
		h.Keys = append(h.Keys, shape{c.class, name})
		h.Alt += "; " + name + " from " + duration(c.points[0].Ms) + " to " + duration(last.Ms)
	}
	return h
}

// steps draws the function as the steps that it is: a percentile is the value at
// which its share is reached.
func (h *htmlCurves) steps(points []bench.CDFPoint, y scale) []point {
	out := []point{{0, y.y(points[0].Ms)}}
	for _, p := range points {
		v := y.y(p.Ms)
		out = append(out, point{out[len(out)-1].x, v}, point{min(h.Width, nines(p.Share)), v})
	}
	return out
}

// distributions are the pictures of a run.
func distributions(r *bench.Result, s *bench.Series) []*htmlCurves {
	var out []*htmlCurves
	for _, c := range []*htmlCurves{
		newCurves("response-curve", "Response time by percentile", r.ResponseTime.Count, namedCurve{"main", "response time, from due", s.Response}),
		newCurves("lag-curve", "Processing by percentile", lagOf(r).Count,
			namedCurve{"main", "processing lag, from acknowledged", s.Lag}, namedCurve{"tail", "completion time, from due", s.Completion}),
	} {
		if c != nil {
			out = append(out, c)
		}
	}
	return out
}
