package reports

import (
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/ackproof/ackproof/bench"
)

// The styles of lines.
var (
	lineMain  = draw.LineStyle{Color: blue, Width: 1.6}
	lineTail  = draw.LineStyle{Color: orange, Width: 1.4, Dashes: []vg.Length{6, 2}}
	lineMost  = draw.LineStyle{Color: sky, Width: 1.2, Dashes: []vg.Length{1.5, 2}}
	lineDeath = draw.LineStyle{Color: orange, Width: 1.2}
)

// figures lists the pictures of a run, in the order of the report.
func figures(r *bench.Result, s *bench.Series) []picture {
	return []picture{
		{"flow", "From plan to effect", "Bars: how many requests were planned, sent, acknowledged, stored and processed.",
			func(c draw.Canvas) { drawFlow(c, r) }},
		{"response-time", "Response time over time", "Lines: p50, p99 and maximum of response time over time, fault windows shaded.",
			func(c draw.Canvas) { drawResponse(c, r, s) }},
		{"availability", "Availability over time", "Lines: share of the requests due that were acknowledged, and that were refused, over time, fault windows shaded.",
			func(c draw.Canvas) { drawAvailability(c, r, s) }},
		{"backlog", "Backlog over time", "Area: items acknowledged or stored and without effect at each second, fault windows shaded, deaths of the processor marked.",
			func(c draw.Canvas) { drawBacklog(c, r, s) }},
		{"response-cdf", "Response time: share of requests answered within", "Curve: distribution of response time.",
			func(c draw.Canvas) {
				drawCDF(c, "Response time: share of requests answered within", "response time, from due", []curve{{"response time", s.Response, lineMain}})
			}},
		{"lag-cdf", "Processing lag: share of items processed within", "Curves: distribution of processing lag and of completion time.",
			func(c draw.Canvas) {
				drawCDF(c, "Processing lag: share of items processed within", "time", []curve{
					{"processing lag, from acknowledged", s.Lag, lineMain}, {"completion time, from due", s.Completion, lineTail}})
			}},
	}
}

// drawResponse draws p50, p99 and maximum, row by row.
func drawResponse(c draw.Canvas, r *bench.Result, s *bench.Series) {
	lines := []struct {
		name string
		of   func(*bench.SeriesRow) *float64
		sty  draw.LineStyle
	}{
		{"maximum", func(row *bench.SeriesRow) *float64 { return row.Max }, lineMost},
		{"p99", func(row *bench.SeriesRow) *float64 { return row.P99 }, lineTail},
		{"p50", func(row *bench.SeriesRow) *float64 { return row.P50 }, lineMain},
	}
	p := newPlot("time since the start of load (s)", "response time")
	lo, hi, end := math.Inf(1), math.Inf(-1), 0.0
	var legend []entry
	var plotters []plot.Plotter
	for _, l := range lines {
		sty := l.sty
		legend = append([]entry{{text: l.name, line: &sty}}, legend...)
		for _, part := range parts(s, l.of) {
			for _, xy := range part {
				lo, hi, end = min(lo, xy.Y), max(hi, xy.Y), max(end, xy.X+s.WidthMs/2000)
			}
			plotters = append(plotters, newLine(part, sty, plotter.NoStep))
			if len(part) == 1 { // a row between two empty ones: no line, so a dot
				plotters = append(plotters, &plotter.Scatter{XYs: part, GlyphStyle: draw.GlyphStyle{Color: sty.Color, Radius: 1.5, Shape: draw.CircleGlyph{}}})
			}
		}
	}
	c = header(c, "Response time over time", append(legend, faultEntry(r)...))
	if len(plotters) == 0 {
		nothing(c)
		return
	}
	scaleMs(&p.Y, lo, hi)
	p.X.Min, p.X.Max = 0, max(end, loadEnd(r))
	p.Add(plotters...)
	drawTimeline(c, p, r, nil)
}

// drawAvailability draws which share of the requests due was acknowledged, and which
// was refused: the rest was told nothing, or something unclear.
func drawAvailability(c draw.Canvas, r *bench.Result, s *bench.Series) {
	share := func(of func(*bench.SeriesRow) int64) func(*bench.SeriesRow) *float64 {
		return func(row *bench.SeriesRow) *float64 {
			if row.Offered == 0 {
				return nil
			}
			v := float64(of(row)) / float64(row.Offered)
			return &v
		}
	}
	acknowledged := share(func(row *bench.SeriesRow) int64 { return row.Acknowledged })
	refused := share(func(row *bench.SeriesRow) int64 { return row.Refused })
	p := newPlot("time since the start of load (s)", "share of requests due")
	c = header(c, "Availability over time", append([]entry{{text: "acknowledged", line: &lineMain}, {text: "refused", line: &lineTail}}, faultEntry(r)...))
	drawn := false
	for _, part := range parts(s, acknowledged) {
		p.Add(newLine(part, lineMain, plotter.NoStep))
		drawn = true
	}
	for _, part := range parts(s, refused) {
		p.Add(newLine(part, lineTail, plotter.NoStep))
	}
	if !drawn {
		nothing(c)
		return
	}
	p.Y.Min, p.Y.Max, p.Y.Tick.Marker = 0, 1, shareTicks
	p.X.Min, p.X.Max = 0, loadEnd(r)
	drawTimeline(c, p, r, nil)
}

// shareTicks marks an axis from 0 to 100 %.
var shareTicks = plot.TickerFunc(func(lo, hi float64) []plot.Tick {
	return stepTicks(lo, hi, 5, func(v float64) string { return number(math.Round(v*1000)/10) + " %" })
})

// drawBacklog draws what was pending, with the deaths of the processor.
func drawBacklog(c draw.Canvas, r *bench.Result, s *bench.Series) {
	p := newPlot("time since the start of load (s)", "items pending")
	var xys plotter.XYs
	most := 0.0
	for _, row := range r.Backlog {
		xys = append(xys, plotter.XY{X: row.TMs / 1000, Y: float64(row.Pending)})
		most = max(most, float64(row.Pending))
	}
	legend := []entry{{text: "acknowledged or stored, and without effect", line: &lineMain}}
	if s.Died > 0 {
		legend = append(legend, entry{text: "processor died (" + count(s.Died) + "×)", line: &lineDeath})
	}
	c = header(c, "Backlog over time", append(legend, faultEntry(r)...))
	if len(xys) == 0 {
		nothing(c)
		return
	}
	p.Y.Min, p.Y.Max, p.Y.Tick.Marker = 0, max(5, most*1.08), countTicks{}
	p.X.Min, p.X.Max = min(0, xys[0].X), max(xys[len(xys)-1].X, loadEnd(r))
	ground := append(plotter.XYs{{X: xys[0].X}}, xys...)
	ground = append(ground, plotter.XY{X: xys[len(xys)-1].X})
	filled, err := plotter.NewPolygon(ground)
	if err != nil {
		nothing(c) // a NaN among the rows: there is no curve to draw
		return
	}
	filled.Color, filled.LineStyle.Width = area, 0
	p.Add(filled, newLine(xys, lineMain, plotter.NoStep))
	drawTimeline(c, p, r, s.Deaths)
}

// curve is one distribution.
type curve struct {
	name   string
	points []bench.CDFPoint
	sty    draw.LineStyle
}

// drawCDF draws distributions as the steps that they are.
func drawCDF(c draw.Canvas, title, xLabel string, curves []curve) {
	p := newPlot(xLabel, "share of all")
	lo, hi := math.Inf(1), math.Inf(-1)
	var legend []entry
	for _, k := range curves {
		if len(k.points) == 0 {
			continue
		}
		xys := plotter.XYs{{X: k.points[0].Ms, Y: 0}}
		for _, pt := range k.points {
			xys = append(xys, plotter.XY{X: pt.Ms, Y: pt.Share})
		}
		last := k.points[len(k.points)-1]
		lo, hi = min(lo, k.points[0].Ms), max(hi, last.Ms)
		name := k.name
		if last.Share < 1 {
			name += " (only " + percent(last.Share) + " ever ended)"
		}
		sty := k.sty
		legend = append(legend, entry{text: name, line: &sty})
		p.Add(newLine(xys, sty, plotter.PostStep))
	}
	c = header(c, title, legend)
	if len(legend) == 0 {
		nothing(c)
		return
	}
	scaleMs(&p.X, lo, hi)
	p.Y.Min, p.Y.Max = 0, 1
	p.Y.Tick.Marker = shareTicks
	c = draw.Crop(c, 0, -8, 0, -6)
	rules(p.DataCanvas(c), p)
	p.Draw(c)
}

// scaleMs sets an axis of milliseconds: linear where the values are near to
// each other, else logarithmic outside 0 ± 100 µs.
func scaleMs(a *plot.Axis, lo, hi float64) {
	s := timeScale(lo, hi)
	a.Min, a.Max, a.Tick.Marker = s.lo, s.hi, msTicks{linear: !s.log}
	if s.log {
		a.Scale = logish{}
	}
}

// parts cuts a series where it is null: a line must not bridge what was not
// observed. X is the middle of the row.
func parts(s *bench.Series, of func(*bench.SeriesRow) *float64) []plotter.XYs {
	var all []plotter.XYs
	var part plotter.XYs
	for i := range s.Rows {
		if y := of(&s.Rows[i]); y != nil && !math.IsNaN(*y) && !math.IsInf(*y, 0) {
			part = append(part, plotter.XY{X: (s.Rows[i].TMs + s.WidthMs/2) / 1000, Y: *y})
			continue
		}
		if len(part) > 0 {
			all, part = append(all, part), nil
		}
	}
	if len(part) > 0 {
		all = append(all, part)
	}
	return all
}

func newLine(xys plotter.XYs, sty draw.LineStyle, step plotter.StepKind) *plotter.Line {
	return &plotter.Line{XYs: xys, LineStyle: sty, StepStyle: step}
}

// loadEnd is the end of the last phase, in seconds.
func loadEnd(r *bench.Result) float64 {
	end := 1.0
	for i := range r.Phases {
		end = max(end, r.Phases[i].ToMs/1000)
	}
	return end
}

func faultEntry(r *bench.Result) []entry {
	if len(r.Faults) == 0 {
		return nil
	}
	return []entry{{text: "fault", fill: shade}}
}

// labelRows is how many lines of fault labels fit above a timeline.
const labelRows = 3

// drawTimeline draws a plot over time: fault windows behind it, their names
// above it, deaths at its foot.
func drawTimeline(c draw.Canvas, p *plot.Plot, r *bench.Result, deaths []bench.Mark) {
	p.X.Tick.Marker = secondTicks{}
	sty := write(9, faint, text.XLeft, regular)
	type label struct {
		text     string
		from, at vg.Length // of the window, and of the text, which must end within the picture
		row      int
	}
	room := p.DataCanvas(draw.Crop(c, 0, -8, 0, 0)) // only its left and right edges are used
	x := func(s float64) vg.Length { return room.X(p.X.Norm(min(max(s, p.X.Min), p.X.Max))) }
	var free [labelRows]vg.Length
	var labels []label
	rows := 0
	for i := range r.Faults {
		f := &r.Faults[i]
		l := label{text: clean(faultLabel(f.Text), 44), from: x(f.AtMs / 1000), row: -1}
		wide := sty.Width(l.text)
		l.at = max(room.Min.X, min(l.from, room.Max.X-wide))
		for row := range labelRows {
			if l.at >= free[row] {
				free[row], l.row = l.at+wide+10, row
				break
			}
		}
		if l.row >= 0 { // with more faults at once than rows, the shade alone tells
			labels, rows = append(labels, l), max(rows, l.row+1)
		}
	}
	c = draw.Crop(c, 0, -8, 0, -vg.Length(rows)*12-4)
	data := p.DataCanvas(c)
	for i := range r.Faults {
		f := &r.Faults[i]
		from, to := x(f.AtMs/1000), x((f.AtMs+f.ForMs)/1000)
		fillRect(data, shade, vg.Point{X: from, Y: data.Min.Y}, vg.Point{X: max(to, from+1), Y: data.Max.Y})
	}
	for _, l := range labels {
		if l.row > 0 { // a leader down to the window that the text belongs to
			c.StrokeLine2(draw.LineStyle{Color: rule, Width: 0.6}, l.from, data.Max.Y, l.from, data.Max.Y+3+vg.Length(l.row)*12)
		}
		c.FillText(sty, vg.Point{X: l.at, Y: data.Max.Y + 8 + vg.Length(l.row)*12}, l.text)
	}
	rules(data, p)
	p.Draw(c)
	for _, d := range deaths {
		at := x(d.TMs / 1000)
		data.StrokeLine2(lineDeath, at, data.Min.Y, at, data.Min.Y+10)
	}
}

// drawFlow draws one bar a station, with what was left behind.
func drawFlow(c draw.Canvas, r *bench.Result) {
	c = header(c, "From plan to effect", []entry{{text: "got here", fill: blue}, {text: "did not", fill: orange}})
	stations := flow(r)
	most := 1.0
	for _, s := range stations {
		if s.Count != nil {
			most = max(most, float64(*s.Count))
		}
	}
	const nameWidth, numberWidth = 92, 86
	left, right := c.Min.X+nameWidth, c.Max.X-numberWidth
	high := (c.Max.Y - c.Min.Y) / vg.Length(len(stations))
	bar := func(y, from, to vg.Length, col color.Color) {
		fillRect(c, col, vg.Point{X: from, Y: y - 8}, vg.Point{X: to, Y: y + 8})
	}
	before := left
	for i, s := range stations {
		y := c.Max.Y - vg.Length(i)*high - 12
		c.FillText(write(11, ink, text.XRight, regular), vg.Point{X: left - 10, Y: y}, s.Name)
		if s.Count == nil {
			c.FillText(write(10, faint, text.XLeft, regular), vg.Point{X: left, Y: y}, notObserved)
			continue
		}
		end := left + (right-left)*vg.Length(float64(*s.Count)/most)
		bar(y, left, end, blue)
		if before > end && i > 0 {
			bar(y, end, max(before, end+1), orange)
		}
		c.FillText(write(11, ink, text.XLeft, heavy), vg.Point{X: max(before, end) + 8, Y: y}, count(*s.Count))
		if len(s.Left) > 0 {
			c.FillText(write(9.5, orange, text.XLeft, regular), vg.Point{X: left, Y: y - 17}, s.left())
		}
		before = end
	}
}
