package stats

import "slices"

// Trend is the slope of a line through points, by Theil and Sen: the median of
// the slopes of all pairs. Nearly three points in ten may be anything at all, so a
// single hiccup does not make a trend. ok is false without two different x.
//
// https://en.wikipedia.org/wiki/Theil%E2%80%93Sen_estimator
func Trend(x, y []float64) (slope float64, ok bool) {
	var slopes []float64
	for i := range x {
		for j := range i {
			if x[i] != x[j] {
				slopes = append(slopes, (y[i]-y[j])/(x[i]-x[j]))
			}
		}
	}
	if len(slopes) == 0 {
		return 0, false
	}
	slices.Sort(slopes)
	n := len(slopes)
	return (slopes[(n-1)/2] + slopes[n/2]) / 2, true
}

// Knee is the index of the point at which a rising curve turns upward: the one
// that lies furthest below the straight line from the first point to the last,
// both axes scaled to 0..1 (Satopaa et al., "Finding a Kneedle in a Haystack",
// 2011). x must rise. ok is false with fewer than three points, and where no
// point lies a tenth of the height below that line: the curve does not turn.
func Knee(x, y []float64) (i int, ok bool) {
	const least = 0.1
	n := len(x)
	if n < 3 || y[n-1] <= y[0] {
		return 0, false
	}
	deepest := least
	for k := 1; k < n-1; k++ {
		line := (x[k] - x[0]) / (x[n-1] - x[0])
		if depth := line - (y[k]-y[0])/(y[n-1]-y[0]); depth >= deepest {
			deepest, i, ok = depth, k, true
		}
	}
	return i, ok
}
