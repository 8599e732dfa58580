package reports

import (
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/stats"
)

// htmlComparison is what compare.tmpl prints.
type htmlComparison struct {
	Title                     string
	Sides                     []htmlSide
	Tolerated, Notes, Columns []string
	Rows, Settings            [][]string
	Legend                    string
	Runs                      []htmlRun
	Picture                   *scatter
	Curves                    []*htmlCurves
	Overlay                   *htmlOverlay
	Searches                  []htmlSearch
}

// htmlSearch is a search for capacity, with its folder.
type htmlSearch struct{ Name, Dir string }

// htmlSide is a side with its verdict and its claim.
type htmlSide struct{ Name, Verdict, Tone, Claim string }

type htmlRun struct{ Label, Scenario, ID, Dir string }

// CompareHTML gives comparison.html: one file, like report.html. The links to
// the runs' own reports are relative to it. runs are those that the comparison was
// made of, in the same order; nil: curves over time and by percentile are left out.
func CompareHTML(c *bench.Comparison, runs []Run) ([]byte, error) {
	page := htmlComparison{
		Title: "Comparison of " + plural(int64(len(c.Runs)), "run"), Tolerated: tolerated(c),
		Columns: append([]string{""}, comparisonColumns(c)...), Rows: comparisonRows(c), Legend: rowsLegend(c), Settings: settingRows(c), Picture: newScatter(c),
		Curves: overlaidCurves(c, runs), Overlay: newOverlay(c, runs),
	}
	said := claims(c)
	for i, s := range comparedSides(c) {
		one := htmlSide{Name: s.name, Verdict: sideVerdict(c, s), Tone: tone(worst(c, s))}
		if i < len(said) {
			one.Claim = unitOf.ReplaceAllString(strings.TrimPrefix(said[i], s.name+": "), "$1\u00a0$2")
		}
		page.Sides = append(page.Sides, one)
	}
	for _, n := range c.Notes {
		page.Notes = append(page.Notes, clean(n, lineLimit))
	}
	for i, r := range c.Runs {
		page.Runs = append(page.Runs, htmlRun{runLabel(c, i), clean(r.Scenario, nameLimit), clean(string(r.ID), nameLimit), r.Dir})
	}
	for _, k := range c.Capacity {
		page.Searches = append(page.Searches, htmlSearch{sidesOfRuns(c, k.Runs), k.Dir})
	}
	return execute("compare", "comparison.html", page)
}

// unitOf finds a number with its unit, which stay in one line.
var unitOf = regexp.MustCompile(`(\d) (%|(?:µs|ms|s|min|h)\b)`)

// worst is the worst verdict of a side.
func worst(c *bench.Comparison, s side) bench.Verdict {
	v := bench.Pass
	for _, i := range s.runs {
		v = v.Worse(c.Runs[i].Verdict)
	}
	return v
}

// runLabel names one run: by its configuration or architecture, with its id where
// several share that, and marked if it is a control.
func runLabel(c *bench.Comparison, i int) string {
	name := runName(c, i)
	if own := configured(&c.Runs[i]); c.Runs[i].Label != own {
		name = clean(own, nameLimit) + " " + name
	}
	if c.Runs[i].Control {
		name += isControl
	}
	return name
}

// scatter is the picture of response time against loss: the best architecture
// stands at the lower left. X is in per cent of the width, Y in pixels.
type scatter struct {
	Tall, Foot int // of the picture, and of its axis
	Alt        string
	Dots       []scatterDot
	XTicks     []tick
	YTicks     []tick
	Unplaced   string // runs without one of the two figures
}

type scatterDot struct {
	X, Y, Rise  float64 // Rise is that of the label's base line
	Anchor      string
	Label, Tone string
	Shape       string // of the verdict: circle, square or diamond, so that colour is not needed
}

// The plotting area.
const scatterLeft, scatterRight, scatterTop, scatterFoot = 8, 96, 24, 250

// newScatter places the runs; nil where none has both figures.
func newScatter(c *bench.Comparison) *scatter {
	var p99, share []*float64
	for _, f := range c.Figures {
		switch f.Name {
		case "response_time.p99":
			p99 = f.Values
		case "lost_share":
			share = f.Values
		}
	}
	lo, hi, most := math.Inf(1), math.Inf(-1), 0.0
	has := func(i int) bool {
		return i < len(p99) && i < len(share) && p99[i] != nil && share[i] != nil && *p99[i] > 0
	}
	var unplaced []string
	for i := range c.Runs {
		if !has(i) {
			unplaced = append(unplaced, runName(c, i))
			continue
		}
		lo, hi, most = min(lo, *p99[i]), max(hi, *p99[i]), max(most, *share[i])
	}
	if math.IsInf(lo, 1) {
		return nil
	}
	s := &scatter{Tall: scatterFoot + 26, Foot: scatterFoot, Alt: "Each run by its response time p99 and the share of acknowledged requests that it lost", Unplaced: strings.Join(unplaced, ", ")}
	from, to := math.Floor(math.Log10(lo)), math.Ceil(math.Log10(hi))
	if to <= from {
		to = from + 1
	}
	most = max(most*1.15, 0.1)
	x := func(ms float64) float64 {
		return scatterLeft + (math.Log10(ms)-from)/(to-from)*(scatterRight-scatterLeft)
	}
	y := func(v float64) float64 { return scatterFoot - v/most*(scatterFoot-scatterTop) }
	for e := from; e <= to; e++ {
		s.XTicks = append(s.XTicks, tick{round1(x(math.Pow(10, e))), shortDuration(math.Pow(10, e))})
	}
	for _, t := range stepTicks(0, most, 4, number) {
		s.YTicks = append(s.YTicks, tick{round1(y(t.Value)), t.Label + " %"})
	}
	for _, side := range comparedSides(c) {
		if !slices.ContainsFunc(side.runs, func(i int) bool { return !has(i) }) { // one dot for all trials of a side
			label := side.name
			if len(side.runs) == 1 {
				label = runLabel(c, side.runs[0])
			}
			ms, gone := middleOf(p99, side.runs), middleOf(share, side.runs)
			s.place(round1(x(ms)), round1(y(gone)), label, worst(c, side))
			s.Alt += "; " + label + ": " + duration(ms) + ", " + percent(gone/100) + " lost"
		}
	}
	return s
}

// place adds a dot, with its label where it covers no earlier one.
func (s *scatter) place(x, y float64, label string, v bench.Verdict) {
	d := scatterDot{X: x, Y: y, Rise: -8, Anchor: "start", Label: cut(label, 42), Tone: tone(v)}
	d.Shape = map[string]string{"pass": "circle", "fail": "diamond"}[d.Tone]
	if x > (scatterLeft+scatterRight)/2 {
		d.Anchor = "end"
	}
	for again := true; again; {
		again = false
		for _, o := range s.Dots {
			if above := o.Y + o.Rise; math.Abs(above-d.Y-d.Rise) < 15 && math.Abs(o.X-d.X) < 40 {
				d.Rise, again = above-15-d.Y, true
			}
		}
	}
	s.Dots = append(s.Dots, d)
}

// middleOf is the median of a figure over some runs that have it.
func middleOf(values []*float64, runs []int) float64 {
	var all []float64
	for _, i := range runs {
		all = append(all, *values[i])
	}
	iv, _ := stats.MedianInterval(all)
	return iv.Median
}

func round1(v float64) float64 { return math.Round(v*10) / 10 }
