package reports

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"

	"github.com/ackproof/ackproof/bench"
)

// Indexed is a run in a folder of runs.
type Indexed struct {
	Path    string        // below the folder, with slashes
	Result  *bench.Result // nil: it cannot be read
	Problem string        // why
}

// IndexQuery is what the page of a folder is asked for. The zero query shows all,
// and the trend of the newest run's scenario and architecture.
type IndexQuery struct {
	Trend  string // scenario and architecture, as the page offers them
	Figure string // name of a figure of comparison.json
}

// htmlIndex is what index.tmpl prints.
type htmlIndex struct {
	Title    string
	Rows     []indexRow
	Verdicts []string
	Left     string
	Trends   []option
	Figures  []option
	Trend    *htmlTrend
}

// option is one of a choice.
type option struct {
	Value, Text string
	Chosen      bool
}

type indexRow struct {
	Verdict, Tone, Path, Link, Started, Scenario, Architecture, Lost, Response, Lag, Recovery, Problem string
}

// htmlTrend is a figure over the runs of a scenario, from the oldest to the newest.
type htmlTrend struct {
	Alt    string
	Width  float64
	Path   string
	Ticks  []tick
	Dots   []trendDot
	Absent int // runs that lack the figure
}

type trendDot struct {
	X, Y              float64 // in per cent
	Text, Tone, Shape string
}

// kindOf says what belongs to one trend.
func kindOf(r *bench.Result) string {
	return clean(r.Run.Scenario, nameLimit) + ", " + clean(r.Run.Architecture, nameLimit)
}

// IndexHTML gives the page of a folder of runs, the newest first; left is how many
// more there are. Its links lead to run/PATH/report.html, its form to compare.
func IndexHTML(title string, runs []Indexed, left int, q IndexQuery) ([]byte, error) {
	page := htmlIndex{Title: clean(title, lineLimit)}
	if left > 0 {
		page.Left = plural(int64(left), "older run") + " not listed."
	}
	for _, run := range runs {
		row := newIndexRow(run)
		page.Rows = append(page.Rows, row)
		if !slices.Contains(page.Verdicts, row.Verdict) {
			page.Verdicts = append(page.Verdicts, row.Verdict)
		}
		if run.Result == nil {
			continue
		}
		kind := kindOf(run.Result)
		if !slices.ContainsFunc(page.Trends, func(o option) bool { return o.Value == kind }) {
			page.Trends = append(page.Trends, option{Value: kind, Text: kind})
		}
	}
	if !slices.ContainsFunc(page.Trends, func(o option) bool { return o.Value == q.Trend }) && len(page.Trends) > 0 {
		q.Trend = page.Trends[0].Value
	}
	known := slices.ContainsFunc(comparedFigures, func(f comparedFigure) bool { return f.name == q.Figure })
	if !known {
		q.Figure = "response_time.p99"
	}
	for i := range page.Trends {
		page.Trends[i].Chosen = page.Trends[i].Value == q.Trend
	}
	for _, f := range comparedFigures {
		page.Figures = append(page.Figures, option{f.name, f.title, f.name == q.Figure})
		if f.name == q.Figure {
			page.Trend = newTrend(runs, q.Trend, f)
		}
	}
	return execute("index", "the page of a folder", page)
}

func newIndexRow(run Indexed) indexRow {
	row := indexRow{Path: run.Path, Verdict: "NONE", Tone: "unknown", Problem: clean(run.Problem, lineLimit), Scenario: clean(run.Path, lineLimit)}
	r := run.Result
	if r == nil {
		return row
	}
	lag := lagOf(r)
	row.Link = (&url.URL{Path: "run/" + run.Path + "/report.html"}).EscapedPath()
	row.Verdict, row.Tone, row.Started = upper(r.Verdict), tone(r.Verdict), when(r)
	row.Scenario, row.Architecture = clean(r.Run.Scenario, nameLimit), clean(r.Run.Architecture, nameLimit)
	row.Lost, row.Recovery = lostText(&r.Items), recoveryText(r)
	row.Response = pair(figureOf(&r.ResponseTime, r.ResponseTime.P50), figureOf(&r.ResponseTime, r.ResponseTime.P99))
	row.Lag = pair(figureOf(lag, lag.P50), figureOf(lag, lag.P99))
	return row
}

// newTrend draws a figure over the runs of one kind; nil with fewer than two.
func newTrend(runs []Indexed, kind string, f comparedFigure) *htmlTrend {
	t := &htmlTrend{}
	type value struct {
		v float64
		r *bench.Result
	}
	var values []value
	hi := 0.0
	for _, run := range slices.Backward(runs) {
		if run.Result == nil || kindOf(run.Result) != kind {
			continue
		}
		v := f.of(run.Result)
		if v == nil || math.IsNaN(*v) || math.IsInf(*v, 0) {
			t.Absent++
			continue
		}
		values = append(values, value{*v, run.Result})
		hi = max(hi, *v)
	}
	if len(values) < 2 {
		return nil
	}
	label := func(v float64) string { return inUnit(f.unit, v) }
	if f.unit == "ms" {
		label = shortDuration
	}
	y := scale{0, max(hi*1.15, 1e-3), false}
	if hi == 0 {
		y.hi = 1
	}
	t.Ticks = y.ticks(4, label)
	t.Width = float64(len(values) - 1)
	var line []point
	var told []string
	for i, v := range values {
		x := float64(i)
		line = append(line, point{x, y.y(v.v)})
		d := trendDot{X: 2 + 96*x/t.Width, Y: y.y(v.v), Tone: tone(v.r.Verdict)}
		d.Text = upper(v.r.Verdict) + ", " + when(v.r) + ": " + inUnit(f.unit, v.v)
		d.Shape = map[string]string{"pass": "circle", "fail": "diamond"}[d.Tone]
		t.Dots = append(t.Dots, d)
		told = append(told, inUnit(f.unit, v.v))
	}
	t.Path = pathOf([][]point{line})
	t.Alt = fmt.Sprintf("%s of %s, from the oldest to the newest of %d runs: %s", f.title, kind, len(values), strings.Join(told[max(0, len(told)-20):], ", "))
	return t
}
