package reports

import (
	"fmt"
	"math"

	"github.com/ackproof/ackproof/bench"
)

// htmlCloudWatch is the section "What CloudWatch says": lanes below each other on
// one axis, whose unit is a second. It begins with the first period that holds the
// run, which is mostly before the load.
type htmlCloudWatch struct {
	Where, Read   string
	Width, Load   float64 // in seconds from the first period
	Shades        []span
	Lanes         []lane
	Axis          []tick
	Rows, Metrics [][]string

	from float64 // of the axis, in ms from the start of load
}

// newCloudWatch makes the section; nil where CloudWatch was not asked.
func newCloudWatch(r *bench.Result, s *bench.Series) *htmlCloudWatch {
	c := s.CloudWatch
	if c == nil {
		return nil
	}
	h := &htmlCloudWatch{
		Where: fmt.Sprintf("account %s, %s", clean(c.Account, nameLimit), clean(c.Region, nameLimit)),
		Read:  cloudWatchRead(c), Width: (c.ToMs - c.FromMs) / 1000, from: c.FromMs,
	}
	if s.LoadMs > 0 && s.LoadMs < c.ToMs {
		h.Load = h.x(s.LoadMs)
	}
	for i := range r.Faults {
		f := &r.Faults[i]
		from := h.x(f.AtMs)
		h.Shades = append(h.Shades, span{From: from, Width: max(h.x(f.AtMs+f.ForMs)-from, h.Width/500)})
	}
	h.draw(c, s)
	for _, m := range stepTicks(c.FromMs/1000, c.ToMs/1000, 8, number) {
		if at := h.x(m.Value*1000) / h.Width * 100; m.Label != "" && at < 97 {
			h.Axis = append(h.Axis, tick{at, m.Label + " s"})
		}
	}
	for _, row := range cloudWatchRows(r, s) {
		h.Rows = append(h.Rows, []string{row.Theirs, row.Says, row.Ours, row.Said, row.Words})
	}
	h.Metrics = cloudWatchMetrics(c)
	return h
}

// cloudWatchMetrics lists all that was read.
func cloudWatchMetrics(c *bench.CloudWatch) [][]string {
	var rows [][]string
	for i := range c.Metrics {
		m := &c.Metrics[i]
		of := ""
		for _, d := range m.Dimensions {
			of = joinNonEmpty(", ", of, d.Name+" "+d.Value)
		}
		if of == "" {
			of = "the whole account"
		}
		value, state := "no data", "settled"
		if v := m.Whole(); v != nil {
			value = number(*v)
		}
		if m.SettledMs < c.ToMs {
			state = "may still change"
		}
		rows = append(rows, []string{
			clean(m.Namespace+" "+m.Name, nameLimit), clean(of, lineLimit), clean(m.Statistic, nameLimit), value, clean(m.Unit, nameLimit),
			count(int64(len(m.Points))), joinNonEmpty("; ", state, clean(m.Lacking, lineLimit)),
		})
	}
	return rows
}

// x places a moment on the axis.
func (h *htmlCloudWatch) x(ms float64) float64 {
	return max(0, min(h.Width, (ms-h.from)/1000))
}

// draw draws the lanes of which CloudWatch has data.
func (h *htmlCloudWatch) draw(c *bench.CloudWatch, s *bench.Series) {
	perSecond := func(n int64) *float64 {
		v := float64(n) / (s.WidthMs / 1000)
		return &v
	}
	inLoad := func(r *bench.SeriesRow) *float64 {
		if s.LoadMs > 0 && r.TMs >= s.LoadMs {
			return nil
		}
		return perSecond(r.Offered)
	}
	h.lane(c, s, "watch-rate", "Requests a second", rateTick, true, "offered, ours", inLoad,
		watchLine{c.Find("Count", "SampleCount"), "side1", "API Gateway: Count, per second of its period"})
	h.lane(c, s, "watch-time", "Response time", shortDuration, false, "p99, ours, from due", func(r *bench.SeriesRow) *float64 { return r.P99 },
		watchLine{c.Find("Latency", "p99"), "side1", "API Gateway: Latency p99"},
		watchLine{c.Find("Latency", "p50"), "soft", "API Gateway: Latency p50"})
	var failed func(r *bench.SeriesRow) *float64
	if s.Failed != nil {
		failed = func(r *bench.SeriesRow) *float64 { return perSecond(r.Failed) }
	}
	h.lane(c, s, "watch-errors", "Failed invocations a second", rateTick, true, "failed, ours", failed,
		watchLine{c.Find("Errors", "Sum"), "side1", "Lambda: Errors, per second of its period"})
	h.lane(c, s, "watch-age", "How late", shortDuration, false, "processing lag, ours, maximum", func(r *bench.SeriesRow) *float64 { return r.LagMax },
		watchLine{c.Find("IteratorAge", "Maximum"), "side1", "Lambda: IteratorAge, maximum"})
}

// watchLine is a line of CloudWatch's in a lane.
type watchLine struct {
	metric      *bench.CloudWatchMetric
	class, name string
}

// lane adds a lane, unless CloudWatch has no data of it. Ours may be nil: it was not
// observed. Rates start at 0 and their counts are divided by the period.
func (h *htmlCloudWatch) lane(c *bench.CloudWatch, s *bench.Series, id, title string, label func(float64) string, rates bool, name string, ours func(*bench.SeriesRow) *float64, theirs ...watchLine) {
	per := 1.0
	if rates {
		per = c.PeriodMs / 1000
	}
	lo, hi, any := math.Inf(1), math.Inf(-1), false
	for _, t := range theirs {
		if t.metric == nil {
			continue
		}
		for _, p := range t.metric.Points {
			lo, hi, any = min(lo, p.Value/per), max(hi, p.Value/per), true
		}
	}
	if !any {
		return
	}
	var own [][]point
	if ours != nil {
		own = h.rows(s, ours)
	}
	for _, piece := range own {
		for _, p := range piece {
			lo, hi = min(lo, p.y), max(hi, p.y)
		}
	}
	y := scale{0, max(hi*1.1, 1), false}
	if !rates {
		y = timeScale(max(lo, 0), hi)
	}
	l := lane{ID: id, Title: title, Height: 110, Ticks: y.ticks(3, label), Alt: title}
	for _, t := range theirs {
		if t.metric == nil || len(t.metric.Points) == 0 {
			continue
		}
		l.line(t.class, t.name, placed(h.steps(c, t.metric, per), y))
		l.Alt += "; " + t.name + ", most: " + label(*highest(t.metric)/per)
	}
	if len(own) > 0 {
		l.line("main", name, placed(own, y))
	}
	h.Lanes = append(h.Lanes, l)
}

func highest(m *bench.CloudWatchMetric) *float64 {
	v := m.Points[0].Value
	for _, p := range m.Points {
		v = max(v, p.Value)
	}
	return &v
}

// steps draws data points as wide as their periods; a period without one is a gap.
func (h *htmlCloudWatch) steps(c *bench.CloudWatch, m *bench.CloudWatchMetric, per float64) [][]point {
	var all [][]point
	end := math.Inf(-1)
	for _, p := range m.Points {
		if p.TMs-end > c.PeriodMs/2 {
			all = append(all, nil)
		}
		end = p.TMs + c.PeriodMs
		piece := &all[len(all)-1]
		*piece = append(*piece, point{h.x(p.TMs), p.Value / per}, point{h.x(end), p.Value / per})
	}
	return all
}

// rows draws a column of ours; a row without a value is a gap.
func (h *htmlCloudWatch) rows(s *bench.Series, get func(*bench.SeriesRow) *float64) [][]point {
	values := make([]*float64, len(s.Rows))
	for i := range s.Rows {
		values[i] = get(&s.Rows[i])
	}
	all := piecesOf(values)
	for _, piece := range all {
		for i := range piece {
			piece[i].x = h.x(piece[i].x * s.WidthMs)
		}
	}
	return all
}

// placed puts pieces on a scale.
func placed(all [][]point, y scale) [][]point {
	for _, piece := range all {
		for i := range piece {
			piece[i].y = y.y(piece[i].y)
		}
	}
	return all
}
