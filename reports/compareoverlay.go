package reports

import (
	"fmt"
	"math"
	"slices"

	"github.com/ackproof/ackproof/bench"
)

// htmlOverlay are the timelines of several runs over one axis, each from the start
// of its load. Its unit is a thousandth of the longest one.
type htmlOverlay struct {
	Width  float64
	Lanes  []lane
	Axis   []tick
	Shades []span // fault windows that all runs share
	Note   string
	Data   overlayData
}

// Load is drawn in no overlay.
func (*htmlOverlay) Load() float64 { return 0 }

// overlayData is what the script reads under the pointer.
type overlayData struct {
	WidthMs float64       `json:"width"` // of a unit
	Rows    int           `json:"rows"`  // units
	Sides   []overlaySide `json:"sides"`
}

type overlaySide struct {
	Name string       `json:"name"`
	Runs []overlayRun `json:"runs"`
}

// overlayRun has a value a row, for each figure that is drawn.
type overlayRun struct {
	WidthMs float64                     `json:"width"`
	Columns map[string][]*roundedNumber `json:"columns"`
}

const overlayUnits = 1000

// overlaid is a run that has curves.
type overlaid struct {
	Run
	class, name string // of its side; the name is empty for all but the first of a side
}

// overlays gives the runs with a series; each column of the table has a line of its
// own.
func overlays(c *bench.Comparison, runs []Run) []overlaid {
	var out []overlaid
	for k, s := range comparedSides(c) {
		first := true
		for _, i := range s.runs {
			if i >= len(runs) || runs[i].Series == nil || len(runs[i].Series.Rows) == 0 {
				continue
			}
			o := overlaid{Run: runs[i], class: fmt.Sprintf("side%d", k%6)}
			if first {
				o.name, first = s.name, false
			}
			out = append(out, o)
		}
	}
	return out
}

// overlaidCurves are the distributions of all runs in one picture each.
func overlaidCurves(c *bench.Comparison, runs []Run) []*htmlCurves {
	var out []*htmlCurves
	for _, d := range []struct {
		id, title string
		of        func(*bench.Series) []bench.CDFPoint
	}{
		{"response-curves", "Response time by percentile", func(s *bench.Series) []bench.CDFPoint { return s.Response }},
		{"completion-curves", "Completion time by percentile", func(s *bench.Series) []bench.CDFPoint { return s.Completion }},
	} {
		var curves []namedCurve
		most := int64(0)
		for _, o := range overlays(c, runs) {
			curves = append(curves, namedCurve{o.class, o.name, d.of(o.Series)})
			most = max(most, o.Result.ResponseTime.Count)
		}
		if h := newCurves(d.id, d.title, most, curves...); h != nil {
			h.Never = 0 // of which run?
			out = append(out, h)
		}
	}
	return out
}

// newOverlay makes the timelines; nil where fewer than two runs have one.
func newOverlay(c *bench.Comparison, runs []Run) *htmlOverlay {
	all := overlays(c, runs)
	if len(all) < 2 {
		return nil
	}
	end := 0.0
	for _, o := range all {
		end = max(end, float64(len(o.Series.Rows))*o.Series.WidthMs)
	}
	h := &htmlOverlay{Width: overlayUnits}
	for _, m := range stepTicks(0, end/1000, 8, number) {
		h.Axis = append(h.Axis, tick{m.Value * 1e5 / end, m.Label + " s"})
	}
	if len(all) < len(c.Runs) {
		h.Note = plural(int64(len(c.Runs)-len(all)), "run") + " without a series: ackproof reconcile makes one."
	}
	unit := end / overlayUnits
	row := func(get func(*bench.SeriesRow) *float64) func(overlaid) [][]point {
		return func(o overlaid) [][]point {
			values := make([]*float64, len(o.Series.Rows))
			for i := range o.Series.Rows {
				values[i] = get(&o.Series.Rows[i])
			}
			pieces := piecesOf(values)
			for _, piece := range pieces {
				for i := range piece {
					piece[i].x *= o.Series.WidthMs / unit
				}
			}
			return pieces
		}
	}
	backlog := func(o overlaid) [][]point {
		var points []point
		for _, b := range o.Result.Backlog {
			if b.TMs <= end {
				points = append(points, point{b.TMs / unit, float64(b.Pending)})
			}
		}
		if len(points) == 0 {
			return nil
		}
		return [][]point{extremes(points, 200)}
	}
	h.add("p99", "Response time p99", true, all, row(func(r *bench.SeriesRow) *float64 { return r.P99 }))
	h.add("lag-p99", "Processing lag p99", true, all, row(func(r *bench.SeriesRow) *float64 { return r.LagP99 }))
	h.add("backlog", "Backlog", false, all, backlog)
	h.Shades = sharedWindows(all, end)
	h.Data = newOverlayData(all, unit)
	return h
}

// sharedWindows are the fault windows of the first run that all others have, too. Two
// runs never begin a fault in the same instant; a hundredth of the axis is nothing.
func sharedWindows(all []overlaid, end float64) []span {
	near := func(a, b float64) bool { return math.Abs(a-b) <= end/100 }
	unit := end / overlayUnits
	var out []span
	for _, f := range all[0].Result.Faults {
		missing := slices.ContainsFunc(all, func(o overlaid) bool {
			return !slices.ContainsFunc(o.Result.Faults, func(g bench.FaultResult) bool {
				return g.Text == f.Text && near(g.AtMs, f.AtMs) && near(g.ForMs, f.ForMs)
			})
		})
		if from, to := max(0, min(end, f.AtMs)), max(0, min(end, f.AtMs+f.ForMs)); !missing {
			out = append(out, span{From: from / unit, To: to / unit, Width: max(to/unit-from/unit, overlayUnits/500)})
		}
	}
	return out
}

// newOverlayData gathers what can be read of each run, by its side.
func newOverlayData(all []overlaid, unit float64) overlayData {
	d := overlayData{WidthMs: unit, Rows: overlayUnits}
	for _, o := range all {
		if o.name != "" {
			d.Sides = append(d.Sides, overlaySide{Name: o.name})
		}
		column := func(of func(*bench.SeriesRow) *float64) []*roundedNumber {
			values := make([]*roundedNumber, len(o.Series.Rows))
			for i := range o.Series.Rows {
				values[i] = rounded(of(&o.Series.Rows[i]))
			}
			return values
		}
		last := &d.Sides[len(d.Sides)-1]
		last.Runs = append(last.Runs, overlayRun{o.Series.WidthMs, map[string][]*roundedNumber{
			"p99":     column(func(r *bench.SeriesRow) *float64 { return r.P99 }),
			"lag p99": column(func(r *bench.SeriesRow) *float64 { return r.LagP99 }),
			"backlog": backlogColumn(o.Result, o.Series),
		}})
	}
	return d
}

// add draws one figure of all runs, if any has it.
func (h *htmlOverlay) add(id, title string, times bool, all []overlaid, of func(overlaid) [][]point) {
	lo, hi := math.Inf(1), math.Inf(-1)
	drawn := make([][][]point, len(all))
	for i, o := range all {
		drawn[i] = of(o)
		for _, piece := range drawn[i] {
			for _, p := range piece {
				lo, hi = min(lo, p.y), max(hi, p.y)
			}
		}
	}
	if math.IsInf(lo, 1) {
		return
	}
	y := scale{0, max(5, hi*1.1), false}
	label := number
	if times {
		y, label = timeScale(lo, hi), shortDuration
	}
	l := lane{ID: id, Title: title, Height: 150, Ticks: y.ticks(4, label), Alt: title + " over time, of each run, from the start of its load"}
	for i, o := range all {
		for _, piece := range drawn[i] {
			for k := range piece {
				piece[k].y = y.y(piece[k].y)
			}
		}
		l.Shapes = append(l.Shapes, shape{"line " + o.class, pathOf(drawn[i])})
		if o.name != "" && len(drawn[i]) > 0 {
			l.Keys = append(l.Keys, shape{o.class, o.name})
		}
	}
	h.Lanes = append(h.Lanes, l)
}
