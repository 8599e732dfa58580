package reports

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"

	"github.com/ackproof/ackproof/bench"
)

// htmlFindings bounds the table of findings in report.html; the first
// openFindings of them are seen at once, the rest unfolds.
const htmlFindings, openFindings = 100, 10

//go:embed report.html.tmpl
var reportTemplate string

//go:embed compare.html.tmpl
var compareTemplate string

//go:embed capacity.html.tmpl
var capacityTemplate string

//go:embed style.css
var styleSheet string

// The pages reference nothing outside themselves and hold no script: they can
// be mailed, kept for years and opened without a network. Pictures are data
// URIs in <img>, where even a hostile SVG can run nothing.
var pages = template.Must(template.Must(template.Must(template.New("report").Funcs(template.FuncMap{
	"style": func() template.CSS { return template.CSS(styleSheet) }, // ours, and constant
	"table": func(caption string, columns []string, rows [][]string) htmlTable {
		return htmlTable{caption, columns, rows}
	},
	"list": func(s ...string) []string { return s },
	"tone": tone,
}).Parse(reportTemplate)).New("compare").Parse(compareTemplate)).New("capacity").Parse(capacityTemplate))

// htmlTable is what the template "table" prints.
type htmlTable struct {
	Caption string
	Columns []string
	Rows    [][]string
}

// htmlPicture is one <img>.
type htmlPicture struct {
	Title, Alt string
	Source     template.URL
}

// flowBar is a station with its width in percent of the widest.
type flowBar struct {
	Name, Count, Left string
	Width, Gap        float64 // what got here, and what did not since the station before
}

// htmlReport is everything that report.html.tmpl prints, cleaned; escaping is
// html/template's.
type htmlReport struct {
	Title, Verdict, Tone, Headline, About, Promise string
	Reasons, Notes                                 []string
	Key                                            []figureRow
	Flow                                           []flowBar
	Timelines, Distributions                       []htmlPicture
	Latencies, Faults, Items, Findings             [][]string
	Expectations, Gates, Phases, Run, Definitions  [][]string
	MoreFindings                                   [][]string
	FindingsLeft                                   string
}

// tone is the class that colours a verdict.
func tone(v bench.Verdict) string {
	switch v {
	case bench.Pass:
		return "pass"
	case bench.Fail:
		return "fail"
	}
	return "unknown"
}

func htmlPage(r *bench.Result, s *bench.Series, pictures map[string][]byte) ([]byte, error) {
	page := htmlReport{
		Verdict: upper(r.Verdict), Tone: tone(r.Verdict), Headline: headline(r),
		About: clean(r.Run.About, lineLimit), Promise: promise(r),
		Key: keyFigures(r), Flow: flowBars(r),
		Latencies: latencyRows(r), Faults: faultRows(r), Items: meaningRows(&r.Items), Findings: findingRows(r, htmlFindings),
		Expectations: expectationRows(r), Phases: phaseRows(r), Run: runRows(r), Definitions: definitions(),
	}
	if len(page.Findings) > openFindings {
		page.Findings, page.MoreFindings = page.Findings[:openFindings], page.Findings[openFindings:]
	}
	page.Title = page.Verdict + ": " + page.Headline
	if r.Verdict != bench.Pass {
		page.Reasons = reasonLines(r)
	}
	for _, n := range r.Notes {
		page.Notes = append(page.Notes, clean(n, lineLimit))
	}
	for _, g := range r.Gates {
		state := "passed"
		if !g.OK {
			state = "DOWN"
		}
		page.Gates = append(page.Gates, []string{words(clean(string(g.Name), nameLimit)), state, clean(g.Detail, lineLimit)})
	}
	if n := len(r.Findings) - htmlFindings; n > 0 {
		page.FindingsLeft = count(int64(n)) + " more in result.json, and all of them in findings.jsonl."
	}
	for _, f := range figures(r, s) {
		svg, ok := pictures[f.name]
		if !ok || f.name == "flow" { // the page draws the flow by itself
			continue
		}
		p := htmlPicture{f.title, f.alt, template.URL("data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString(svg))}
		if f.name == "response-time" || f.name == "backlog" || f.name == "availability" {
			page.Timelines = append(page.Timelines, p)
		} else {
			page.Distributions = append(page.Distributions, p)
		}
	}
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, "report", page); err != nil {
		return nil, fmt.Errorf("make report.html: %w", err)
	}
	return b.Bytes(), nil
}

// flowBars scales the flow to percent.
func flowBars(r *bench.Result) []flowBar {
	stations := flow(r)
	most := int64(1)
	for _, s := range stations {
		if s.Count != nil {
			most = max(most, *s.Count)
		}
	}
	var bars []flowBar
	before := 0.0
	for i, s := range stations {
		bar := flowBar{Name: s.Name, Count: countOf(s.Count), Left: s.Left}
		if s.Count != nil {
			bar.Width = float64(*s.Count) / float64(most) * 100
			if i > 0 && before > bar.Width {
				bar.Gap = max(before-bar.Width, 0.4) // one lost item of a million must be seen
			}
			before = bar.Width
		}
		bars = append(bars, bar)
	}
	return bars
}

// meaningRows is itemRows with an explanation of each verdict.
func meaningRows(i *bench.Items) [][]string {
	rows := itemRows(i)
	for k, row := range rows {
		for _, v := range bench.ItemVerdicts() {
			if words(v.String()) == row[0] {
				rows[k] = append(row, meaning(v))
			}
		}
	}
	return rows
}

// definitions says how each figure is defined.
func definitions() [][]string {
	return [][]string{
		{"acknowledged, refused, unknown", "What the client was told. A 5xx, a time-out or a broken connection is unknown, not refused: the request may have been accepted."},
		{"response time", "From when the schedule wanted the request sent (due) to its answer read to the end, warm-up left out. A slow answer delays no other request, so a stall is counted in full. An unknown request counts until it was given up; an unsent one counts as never answered."},
		{"availability", "Acknowledged of the requests that were due outside of warm-up, by the second in which they were due. In a dark second nothing was acknowledged."},
		{"service time", "From the first byte handed to a connection to the answer read to the end. It hides waiting and is not the API's response time."},
		{"processing lag", "From acknowledged to effect; negative where the effect was quicker than the answer. Items without an effect count as slower than all others."},
		{"completion time", "From due to effect: the figure to compare architectures by."},
		{"dispatch lag", "From committed to handed to the processor."},
		{"lost", "Acknowledged and never stored, or stored and never processed, after the pipeline was seen to be drained."},
		{"backlog", "Items acknowledged or stored, and without effect."},
		{"recovery", "From the end of a fault window to the first moment from which the backlog stays for 1 s at or below its maximum in the 5 s before the window, scaled to the rate offered then. Never: it did not come back."},
		{"bitten", "How often a fault really struck, counted where it strikes, of how often it was planned to."},
		{"percentiles", "From an HDR histogram of 3 significant digits, by nearest rank. Unbounded: the rank falls among values that were never seen to end. Mean and maximum are unbounded as soon as one such value exists."},
		{"not observed", "The figure could not be seen in this run. It is not zero."},
		{"gates", "Pieces of evidence. While one that bears on losses is down, the run cannot pass, whatever the numbers say; a loss that is proven still fails it."},
	}
}
