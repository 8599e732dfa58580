package scenarios

import (
	"math"
	"sort"
)

// curve is the rate of one stage over time, as what matters of it: its integral.
// Times are seconds from the start of the stage.
type curve interface {
	// requests is how many requests are due before t, as a real number. It never
	// falls.
	requests(t float64) float64
	// when is its inverse: the first moment before which n requests are due.
	when(n float64) float64
}

// line is a rate that changes evenly, or not at all: n = a·t + s·t²/2.
type line struct{ from, slope float64 }

func newLine(from, to, span float64) line { return line{from, (to - from) / span} }

func (l line) requests(t float64) float64 { return l.from*t + l.slope*t*t/2 }

// when writes the root with the unknown's part in the denominator, which neither
// cancels for a falling rate nor divides by the slope of a constant one.
func (l line) when(n float64) float64 {
	if n <= 0 {
		return 0
	}
	root := l.from // of a constant rate
	if l.slope != 0 {
		root = math.Sqrt(max(0, l.from*l.from+2*l.slope*n))
	}
	return 2 * n / (l.from + root)
}

// stairs are constant rates one after the other; the last one is where the one
// before it ends.
type stairs []stair

type stair struct {
	rate   float64
	from   float64
	before float64 // requests due before from
}

// add appends a rate that holds for some time.
func (s stairs) add(rate, span float64) stairs {
	if len(s) == 0 {
		s = stairs{{}}
	}
	last := &s[len(s)-1]
	last.rate = rate
	return append(s, stair{from: last.from + span, before: last.before + rate*span})
}

func (s stairs) requests(t float64) float64 {
	i := max(0, sort.Search(len(s), func(i int) bool { return s[i].from > t })-1)
	return s[i].before + s[i].rate*(t-s[i].from)
}

func (s stairs) when(n float64) float64 {
	i := sort.Search(len(s)-1, func(i int) bool { return s[i+1].before >= n })
	if i >= len(s)-1 {
		return s[len(s)-1].from
	}
	if n <= s[i].before || s[i].rate == 0 {
		return s[i].from
	}
	return s[i].from + (n-s[i].before)/s[i].rate
}

// wave is a rate that swings about a mean: r(t) = mean + amplitude·sin(2πt/period).
type wave struct{ mean, amplitude, period, span float64 }

func (w wave) rate(t float64) float64 {
	return w.mean + w.amplitude*math.Sin(2*math.Pi*t/w.period)
}

func (w wave) requests(t float64) float64 {
	return w.mean*t + w.amplitude*w.period/(2*math.Pi)*(1-math.Cos(2*math.Pi*t/w.period))
}

// when has no closed form. Newton's steps are taken as long as they stay between
// the bounds that are known, and a bisection where they do not, as where the rate
// touches 0.
func (w wave) when(n float64) float64 {
	if n <= 0 {
		return 0
	}
	low, high := 0.0, w.span
	t := math.Min(n/w.mean, high)
	for range 100 {
		d := w.requests(t) - n
		if d < 0 {
			low = t
		} else {
			high = t
		}
		next := t - d/w.rate(t)
		if !(next > low && next < high) {
			next = (low + high) / 2
		}
		if math.Abs(next-t) < 1e-11*w.span { // a nanosecond in a hundred seconds
			return next
		}
		t = next
	}
	return t
}
