package reports

import (
	"math"
	"strconv"
	"strings"
)

// A chart of a page is one SVG whose plot is stretched to the width there is: x is
// in units of its own (rows of a series, or shares), y from 0 at the top to 100 at
// the foot. Texts stand beside the plot in per cent of the width, so that they
// keep their size on a phone. Lines keep their width by CSS
// (vector-effect: non-scaling-stroke).

// shape is one path of a plot. Class says what it is; the style sheet how it looks.
type shape struct{ Class, D string }

// tick is a mark of an axis: At is in per cent of its length.
type tick struct {
	At   float64
	Text string
}

// point is a place in a plot.
type point struct{ x, y float64 }

// pathOf draws lines through pieces of a series; a gap between two is left open.
// A piece of one point is a dot, as wide as the line.
func pathOf(pieces [][]point) string {
	var b strings.Builder
	for _, piece := range pieces {
		for i, p := range piece {
			command := byte('L')
			if i == 0 {
				command = 'M'
			}
			b.WriteByte(command)
			place(&b, p)
		}
		if len(piece) == 1 {
			b.WriteString("h0")
		}
	}
	return b.String()
}

// bandOf fills what lies between the lower and the upper ends of pieces.
func bandOf(lower, upper [][]point) string {
	var b strings.Builder
	for k := range lower {
		if len(lower[k]) < 2 || len(upper[k]) != len(lower[k]) {
			continue
		}
		b.WriteString(pathOf(upper[k : k+1]))
		for i := len(lower[k]) - 1; i >= 0; i-- {
			b.WriteByte('L')
			place(&b, lower[k][i])
		}
		b.WriteByte('Z')
	}
	return b.String()
}

// barsOf draws a bar from the foot for each point; its x is its left edge.
func barsOf(points []point, width float64) string {
	var b strings.Builder
	for _, p := range points {
		b.WriteByte('M')
		place(&b, point{p.x, 100})
		b.WriteByte('V')
		b.WriteString(places(p.y))
		b.WriteByte('h')
		b.WriteString(places(width))
		b.WriteString("V100Z")
	}
	return b.String()
}

func place(b *strings.Builder, p point) {
	b.WriteString(places(p.x))
	b.WriteByte(' ')
	b.WriteString(places(p.y))
}

// places writes a coordinate as short as the eye needs.
func places(v float64) string {
	return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64)
}

// scale maps values to the height of a plot: 0 at the top, 100 at the foot.
type scale struct {
	lo, hi float64
	log    bool // bent as logish
}

func (s scale) y(v float64) float64 {
	lo, hi := s.lo, s.hi
	if s.log {
		lo, hi, v = bend(lo), bend(hi), bend(v)
	}
	return 100 - 100*max(0, min(1, (v-lo)/(hi-lo)))
}

// timeScale suits milliseconds between two values.
func timeScale(lo, hi float64) scale {
	if lo >= 0 && hi < 10*lo || hi-lo < 2 {
		return scale{lo: min(0, lo), hi: max(hi*1.08, lo+0.1)}
	}
	s := scale{lo: lo, hi: hi + math.Abs(hi)*0.15, log: true}
	if lo > 0 { // down to a round number, for the lowest label
		power := math.Pow10(int(math.Floor(math.Log10(lo))))
		for _, k := range []float64{1, 2, 5} {
			if k*power <= lo {
				s.lo = k * power
			}
		}
	}
	return s
}

// ticks marks the scale: about n labels on a straight one.
func (s scale) ticks(n int, label func(float64) string) []tick {
	var out []tick
	if !s.log {
		for _, t := range stepTicks(s.lo, s.hi, n, label) {
			if t.Label != "" {
				out = append(out, tick{s.y(t.Value), t.Label})
			}
		}
		return out
	}
	var last float64 = 200
	for _, t := range (msTicks{}).Ticks(s.lo, s.hi) {
		if y := s.y(t.Value); t.Label != "" && math.Abs(last-y) >= 16 {
			out, last = append(out, tick{y, t.Label}), y
		}
	}
	return out
}
