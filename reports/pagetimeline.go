package reports

import (
	"fmt"
	"math"
	"slices"

	"github.com/ackproof/ackproof/bench"
)

// htmlTimeline is the section "Over time": lanes below each other on one axis,
// whose unit is a row of the series.
type htmlTimeline struct {
	Width float64 // of the axis, in rows
	Spans []span  // phases and fault windows, the topmost lane
	Tall  int     // of that lane, in pixels
	Lanes []lane
	Axis  []tick
	Load  float64 // where the load ends, if that is not the end of the axis; else 0
	Note  string
	Data  timelineData
}

// span is a stretch of the axis with a name.
type span struct {
	From, To, Width float64
	Text, Class     string
	Y, TextY        int
	X               float64 // of the text, in per cent
	Anchor          string
}

// lane is one chart of the timeline.
type lane struct {
	ID, Title, Alt string
	Keys           []shape // class and name of each line, for the legend
	Height         int
	Shapes         []shape
	Ticks          []tick
}

// timelineData is what the script reads under the pointer: a column for each
// figure, a value a row.
type timelineData struct {
	WidthMs float64                     `json:"width"`
	Rows    int                         `json:"rows"`
	Columns map[string][]*roundedNumber `json:"columns"`
	Faults  []timelineFault             `json:"faults"`
}

type timelineFault struct {
	From float64 `json:"from"` // in rows
	To   float64 `json:"to"`
	Text string  `json:"text"`
}

// roundedNumber keeps four digits in JSON: more cannot be read from a chart.
type roundedNumber float64

// MarshalJSON writes the number.
func (n roundedNumber) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%.4g", float64(n)), nil
}

// rounded is the number for the script; nil where there is none.
func rounded(v *float64) *roundedNumber {
	if v == nil || math.IsNaN(*v) || math.IsInf(*v, 0) {
		return nil
	}
	n := roundedNumber(*v)
	return &n
}

const spanTall = 22 // pixels of one phase or fault

// newTimeline makes the section; nil without a row.
func newTimeline(r *bench.Result, s *bench.Series) *htmlTimeline {
	if len(s.Rows) == 0 || !(s.WidthMs > 0) {
		return nil
	}
	t := &htmlTimeline{Width: float64(len(s.Rows))}
	t.Data = timelineData{WidthMs: s.WidthMs, Rows: len(s.Rows), Columns: map[string][]*roundedNumber{}, Faults: []timelineFault{}}
	t.spans(r, s)
	t.Lanes = append(t.Lanes, t.rate(s), t.response(s))
	for _, add := range []func(*bench.Result, *bench.Series) (lane, bool){t.availability, t.lag, t.backlog, t.processor, t.lost} {
		if l, ok := add(r, s); ok {
			t.Lanes = append(t.Lanes, l)
		}
	}
	end := t.Width * s.WidthMs
	for _, m := range stepTicks(0, end/1000, 8, number) {
		t.Axis = append(t.Axis, tick{m.Value * 1e5 / end, m.Label + " s"})
	}
	if s.LoadMs > 0 && s.LoadMs < end-s.WidthMs/2 {
		t.Load = s.LoadMs / s.WidthMs
	}
	if s.EndMs > end+s.WidthMs {
		t.Note = fmt.Sprintf("What came later than %s is not drawn; the run was observed until %s.", duration(end), duration(s.EndMs))
	}
	return t
}

// spans lays phases and fault windows out, each fault in a row of its own as long
// as there are few.
func (t *htmlTimeline) spans(r *bench.Result, s *bench.Series) {
	const most = 8
	x := func(ms float64) float64 { return max(0, min(t.Width, ms/s.WidthMs)) }
	add := func(from, to float64, text, class string, row int) {
		p := span{From: x(from), To: x(to), Text: text, Class: class, Y: row * spanTall, TextY: row*spanTall + 15, Anchor: "start"}
		p.Width = max(p.To-p.From, t.Width/500) // what took no time is seen too
		p.X = p.From / t.Width * 100
		if p.X > 55 {
			p.X, p.Anchor = max(p.X, p.To/t.Width*100), "end"
		}
		t.Spans = append(t.Spans, p)
	}
	for i := range r.Phases {
		p := &r.Phases[i]
		class := "phase"
		if p.Warmup {
			class = "phase warm"
		}
		add(p.FromMs, p.ToMs, clean(p.Name, 24), class, 0)
	}
	rows := 1
	for i := range r.Faults {
		f := &r.Faults[i]
		row := 1 + i%most
		rows = max(rows, row+1)
		text := ""
		if len(r.Faults) <= most {
			text = clean(faultLabel(f.Text), 60)
		}
		add(f.AtMs, f.AtMs+f.ForMs, text, "fault", row)
		t.Data.Faults = append(t.Data.Faults, timelineFault{x(f.AtMs), x(f.AtMs + f.ForMs), clean(f.Text, lineLimit)})
	}
	t.Tall = rows * spanTall
}

// Shades are the fault windows, which lie behind every lane.
func (t *htmlTimeline) Shades() []span {
	var out []span
	for _, s := range t.Spans {
		if s.Class == "fault" {
			out = append(out, s)
		}
	}
	return out
}

// Step is how long a row is.
func (t *htmlTimeline) Step() string { return duration(t.Data.WidthMs) }

// of takes a column out of the rows, and keeps it for the script.
func (t *htmlTimeline) of(name string, s *bench.Series, get func(*bench.SeriesRow) *float64) []*float64 {
	values, kept := make([]*float64, len(s.Rows)), make([]*roundedNumber, len(s.Rows))
	for i := range s.Rows {
		if kept[i] = rounded(get(&s.Rows[i])); kept[i] != nil {
			values[i] = get(&s.Rows[i])
		}
	}
	t.Data.Columns[name] = kept
	return values
}

// counted is a column of counts, each divided by something.
func (t *htmlTimeline) counted(name string, s *bench.Series, per float64, get func(*bench.SeriesRow) int64) []*float64 {
	return t.of(name, s, func(row *bench.SeriesRow) *float64 {
		v := float64(get(row)) / per
		return &v
	})
}

// piecesOf cuts a column where it is null; x is the middle of a row, y the value.
func piecesOf(values []*float64) [][]point {
	var all [][]point
	open := false
	for i, v := range values {
		if v == nil || math.IsNaN(*v) || math.IsInf(*v, 0) {
			open = false
			continue
		}
		if !open {
			all, open = append(all, nil), true
		}
		all[len(all)-1] = append(all[len(all)-1], point{float64(i) + 0.5, *v})
	}
	return all
}

// pieces places a column on a scale.
func pieces(values []*float64, y scale) [][]point {
	all := piecesOf(values)
	for _, piece := range all {
		for i := range piece {
			piece[i].y = y.y(piece[i].y)
		}
	}
	return all
}

// extent is the smallest and the largest of some columns; ok is false where all
// are null.
func extent(columns ...[]*float64) (lo, hi float64, ok bool) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, c := range columns {
		for _, v := range c {
			if v != nil {
				lo, hi, ok = min(lo, *v), max(hi, *v), true
			}
		}
	}
	return lo, hi, ok
}

// peak tells the largest value of a column and when it was.
func (t *htmlTimeline) peak(values []*float64, show func(float64) string) string {
	at := -1
	for i, v := range values {
		if v != nil && (at < 0 || *v > *values[at]) {
			at = i
		}
	}
	if at < 0 {
		return notObserved
	}
	return show(*values[at]) + " at " + duration(float64(at)*t.Data.WidthMs)
}

func (t *htmlTimeline) rate(s *bench.Series) lane {
	per := s.WidthMs / 1000
	due := func(name string, get func(*bench.SeriesRow) int64) []*float64 {
		return t.of(name, s, func(row *bench.SeriesRow) *float64 {
			if s.LoadMs > 0 && row.TMs >= s.LoadMs {
				return nil // the load has ended
			}
			v := float64(get(row)) / per
			return &v
		})
	}
	offered := due("offered", func(r *bench.SeriesRow) int64 { return r.Offered })
	acked := due("acknowledged", func(r *bench.SeriesRow) int64 { return r.Acknowledged })
	refused := due("refused", func(r *bench.SeriesRow) int64 { return r.Refused })
	unknown := due("unknown", func(r *bench.SeriesRow) int64 { return r.Unknown })
	_, hi, _ := extent(offered, acked)
	y := scale{0, max(hi*1.1, 1), false}
	l := lane{ID: "rate", Title: "Rate", Height: 110, Ticks: y.ticks(3, rateTick),
		Alt: "Requests per second over time; most offered: " + t.peak(offered, rate) + ", most refused: " + t.peak(refused, rate) + ", most unknown: " + t.peak(unknown, rate)}
	l.line("offered", "offered", pieces(offered, y))
	l.line("main", "acknowledged", pieces(acked, y))
	if _, most, _ := extent(refused); most > 0 {
		l.line("soft", "refused", pieces(refused, y))
	}
	if _, most, _ := extent(unknown); most > 0 {
		l.line("bad", "unknown", pieces(unknown, y))
	}
	return l
}

// availability is which share of the requests due was acknowledged; where all of
// them were, the rate tells as much.
func (t *htmlTimeline) availability(_ *bench.Result, s *bench.Series) (lane, bool) {
	share := t.of("availability", s, func(r *bench.SeriesRow) *float64 {
		if r.Offered == 0 {
			return nil
		}
		v := float64(r.Acknowledged) / float64(r.Offered)
		return &v
	})
	lo, _, ok := extent(share)
	if !ok || lo == 1 {
		return lane{}, false
	}
	y := scale{0, 1.08, false}
	l := lane{ID: "availability", Title: "Availability", Height: 70, Ticks: []tick{{y.y(0), "0"}, {y.y(0.5), "50 %"}, {y.y(1), "100 %"}},
		Alt: "Share of the requests due that were acknowledged, over time; least: " + percent(lo)}
	l.line("main", "acknowledged of those due", pieces(share, y))
	return l, true
}

// line adds a line, and its name to the legend.
func (l *lane) line(class, name string, p [][]point) {
	l.Shapes = append(l.Shapes, shape{"line " + class, pathOf(p)})
	l.Keys = append(l.Keys, shape{class, name})
}

func (t *htmlTimeline) response(s *bench.Series) lane {
	least := t.of("min", s, func(r *bench.SeriesRow) *float64 { return r.Min })
	p50 := t.of("p50", s, func(r *bench.SeriesRow) *float64 { return r.P50 })
	t.of("p90", s, func(r *bench.SeriesRow) *float64 { return r.P90 })
	p99 := t.of("p99", s, func(r *bench.SeriesRow) *float64 { return r.P99 })
	most := t.of("max", s, func(r *bench.SeriesRow) *float64 { return r.Max })
	l := lane{ID: "response", Title: "Response time", Height: 150}
	lo, hi, ok := extent(least, p50, p99, most)
	if !ok {
		l.Alt = "Response time over time: " + notObserved
		return l
	}
	y := timeScale(lo, hi)
	l.Ticks = y.ticks(4, shortDuration)
	l.Alt = "Response time over time, from due; highest p50: " + t.peak(p50, duration) + ", highest p99: " + t.peak(p99, duration) + ", maximum: " + t.peak(most, duration)
	l.band("range", "min to max", least, most, y)
	l.line("most", "max", pieces(most, y))
	l.line("tail", "p99", pieces(p99, y))
	l.line("main", "p50", pieces(p50, y))
	slices.Reverse(l.Keys)
	return l
}

// band fills the space between two columns that are null in the same rows.
func (l *lane) band(class, name string, lower, upper []*float64, y scale) {
	l.Shapes = append(l.Shapes, shape{class, bandOf(pieces(lower, y), pieces(upper, y))})
	l.Keys = append(l.Keys, shape{class, name})
}

func (t *htmlTimeline) lag(_ *bench.Result, s *bench.Series) (lane, bool) {
	p50 := t.of("lag p50", s, func(r *bench.SeriesRow) *float64 { return r.LagP50 })
	p99 := t.of("lag p99", s, func(r *bench.SeriesRow) *float64 { return r.LagP99 })
	most := t.of("lag max", s, func(r *bench.SeriesRow) *float64 { return r.LagMax })
	lo, hi, ok := extent(p50, p99, most)
	if !ok {
		return lane{}, false
	}
	y := timeScale(lo, hi)
	l := lane{ID: "lag", Title: "Processing lag", Height: 130, Ticks: y.ticks(4, shortDuration),
		Alt: "Processing lag by when the request was due; highest p50: " + t.peak(p50, duration) + ", highest p99: " + t.peak(p99, duration) + ", maximum: " + t.peak(most, duration)}
	l.line("most", "max", pieces(most, y))
	l.line("tail", "p99", pieces(p99, y))
	l.line("main", "p50", pieces(p50, y))
	slices.Reverse(l.Keys)
	return l, true
}

func (t *htmlTimeline) backlog(r *bench.Result, s *bench.Series) (lane, bool) {
	var points []point
	most, at := 0.0, 0.0
	for _, b := range r.Backlog {
		x, v := b.TMs/s.WidthMs, float64(b.Pending)
		if x > t.Width {
			break
		}
		points = append(points, point{x, v})
		if v > most {
			most, at = v, b.TMs
		}
	}
	if len(points) == 0 {
		return lane{}, false
	}
	t.Data.Columns["backlog"] = backlogColumn(r, s)
	y := scale{0, max(5, most*1.1), false}
	line := extremes(points, bench.MaxSeriesRows)
	for i := range line {
		line[i].y = y.y(line[i].y)
	}
	foot := [][]point{make([]point, len(line))}
	for i, p := range line {
		foot[0][i] = point{p.x, 100}
	}
	l := lane{ID: "backlog", Title: "Backlog", Height: 110, Ticks: y.ticks(3, number),
		Alt: fmt.Sprintf("Items acknowledged or stored and without effect, over time; most: %s at %s", number(most), duration(at))}
	l.Shapes = append(l.Shapes, shape{"area", bandOf(foot, [][]point{line})})
	l.line("main", "items without effect", [][]point{line})
	return l, true
}

// backlogColumn is the largest backlog of each row; between two full seconds that of
// the one before stands.
func backlogColumn(r *bench.Result, s *bench.Series) []*roundedNumber {
	column := make([]*roundedNumber, len(s.Rows))
	for _, b := range r.Backlog {
		i, n := int(b.TMs/s.WidthMs), roundedNumber(b.Pending)
		if b.TMs >= 0 && i < len(column) && (column[i] == nil || n > *column[i]) {
			column[i] = &n
		}
	}
	for i := 1; i < len(column); i++ {
		if column[i] == nil {
			column[i] = column[i-1]
		}
	}
	return column
}

// extremes thins points out, which lie in the order of x, to at most four in each
// of n stretches: its first, its smallest, its largest and its last. No peak is lost.
func extremes(points []point, n int) []point {
	if len(points) <= 4*n {
		return slices.Clone(points)
	}
	var out []point
	for k := range n {
		part := points[len(points)*k/n : len(points)*(k+1)/n]
		least, most := 0, 0
		for i, p := range part {
			if p.y < part[least].y {
				least = i
			}
			if p.y > part[most].y {
				most = i
			}
		}
		keep := []int{0, least, most, len(part) - 1}
		slices.Sort(keep)
		for _, i := range slices.Compact(keep) {
			out = append(out, part[i])
		}
	}
	return out
}

func (t *htmlTimeline) processor(_ *bench.Result, s *bench.Series) (lane, bool) {
	deaths := t.counted("deaths", s, 1, func(r *bench.SeriesRow) int64 { return r.Deaths })
	l := lane{ID: "processor", Title: "Processor", Height: 70, Alt: "Processor deaths: " + count(s.Died)}
	if s.Invocations != nil {
		per := s.WidthMs / 1000
		all := t.counted("invocations", s, per, func(r *bench.SeriesRow) int64 { return r.Invocations })
		failed := t.counted("failed", s, per, func(r *bench.SeriesRow) int64 { return r.Failed })
		_, hi, _ := extent(all)
		y := scale{0, max(hi*1.2, 1), false}
		l.Ticks = y.ticks(2, rateTick)
		bars := func(class, name string, values []*float64) {
			l.Shapes = append(l.Shapes, shape{class, barsOf(barPoints(values, y), 1)})
			l.Keys = append(l.Keys, shape{class, name})
		}
		bars("bar", "invocations", all)
		bars("bar bad", "failed ones", failed)
		l.Alt += fmt.Sprintf("; invocations: %s, of which failed: %s", count(*s.Invocations), countOf(s.Failed))
	} else if s.Died == 0 {
		return lane{}, false
	}
	if s.Died > 0 {
		l.Shapes = append(l.Shapes, shape{"death", marksAt(deaths)})
		l.Keys = append(l.Keys, shape{"death", "processor died (" + count(s.Died) + "×)"})
	}
	return l, true
}

func barPoints(values []*float64, y scale) []point {
	var out []point
	for i, v := range values {
		if v != nil && *v > 0 {
			out = append(out, point{float64(i), min(y.y(*v), 97)}) // one of many is seen too
		}
	}
	return out
}

// marksAt draws a tick at the top of each row in which something happened.
func marksAt(values []*float64) string {
	var all [][]point
	for i, v := range values {
		if v != nil && *v > 0 {
			all = append(all, []point{{float64(i) + 0.5, 0}, {float64(i) + 0.5, 30}})
		}
	}
	return pathOf(all)
}

func (t *htmlTimeline) lost(_ *bench.Result, s *bench.Series) (lane, bool) {
	lost := t.counted("lost", s, 1, func(r *bench.SeriesRow) int64 { return r.Lost })
	wrong := t.counted("wrong", s, 1, func(r *bench.SeriesRow) int64 { return r.Wrong })
	_, hi, _ := extent(lost, wrong)
	if hi == 0 {
		return lane{}, false
	}
	y := scale{0, hi * 1.2, false}
	l := lane{ID: "lost", Title: "Lost or wrong, by when they were due", Height: 70, Ticks: y.ticks(2, wholeTick),
		Alt: "Items lost or processed wrongly, by when their requests were due; most lost: " + t.peak(lost, number) + ", most others: " + t.peak(wrong, number)}
	for _, c := range []struct {
		class, name string
		values      []*float64
	}{{"bar lost", "lost", lost}, {"bar wrong", "duplicated, wrong or never promised", wrong}} {
		if _, most, _ := extent(c.values); most > 0 {
			l.Shapes = append(l.Shapes, shape{c.class, barsOf(barPoints(c.values, y), max(1, t.Width/400))})
			l.Keys = append(l.Keys, shape{c.class, c.name})
		}
	}
	return l, true
}

// wholeTick labels whole numbers alone.
func wholeTick(v float64) string {
	if v != math.Trunc(v) {
		return ""
	}
	return number(v)
}

// rateTick labels a rate, and 0 as it is.
func rateTick(v float64) string {
	if v == 0 {
		return "0"
	}
	return rate(v)
}
