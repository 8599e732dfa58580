package reports

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"slices"
	"strings"

	"github.com/ackproof/ackproof/bench"
)

// A page is one file that needs nothing outside itself: it can be mailed, kept for
// years and opened without a network. Its policy (CSP) forbids every load, and
// every style and script but its own two, which it names by their hashes. Without
// script it shows all that it has to say; with it, the pointer reads values, a
// drag zooms, tables sort and filter.
//
// page/*.tmpl has a file for each section.

//go:embed page
var pageFiles embed.FS

var (
	styleSheet = asset("style.css")
	script     = asset("report.js")
	policy     = fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; img-src data:; base-uri 'none'; form-action ", digest(styleSheet), digest(script))
)

func asset(name string) string {
	b, err := pageFiles.ReadFile("page/" + name)
	if err != nil {
		panic(err) // it is part of the program
	}
	return strings.TrimSpace(string(b))
}

// digest is how a policy names what stands in a page.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

var pages = template.Must(template.New("pages").Funcs(template.FuncMap{
	"style":  func() template.CSS { return template.CSS(styleSheet) }, // ours, and constant
	"script": func() template.JS { return template.JS(script) },       // so is this
	"policy": func(form string) string { return policy + "'" + form + "'" },
	"table": func(caption string, columns []string, rows [][]string) htmlTable {
		return htmlTable{Caption: caption, Columns: columns, Rows: rows}
	},
	"list":  func(s ...string) []string { return s },
	"tone":  tone,
	"words": words,
	"wrong": func(cell string) bool {
		return slices.Contains([]string{"DOWN", "NO", "missed"}, cell) || strings.HasPrefix(cell, "NO: ")
	},
	"chart": func(l lane, on any) laneOn { return laneOn{l, on} },
}).ParseFS(pageFiles, "page/*.tmpl"))

// laneOn is a lane with what it lies on: a timeline, or the overlay of several.
type laneOn struct {
	lane
	On any
}

// htmlTable is what the template "table" prints.
type htmlTable struct {
	Caption string
	Columns []string
	Rows    [][]string
}

// htmlPicture is a picture by the plot library, on a ground of its own.
type htmlPicture struct {
	Title, Alt string
	Source     template.URL // data: in an <img>, where even a hostile SVG can run nothing
}

// htmlReport is everything that report.tmpl prints, cleaned; escaping is
// html/template's.
type htmlReport struct {
	Title, Verdict, Tone, Headline, About, Promise, When string
	Reasons, Notes                                       []string
	Key                                                  []figureRow
	Flow                                                 htmlFlow
	Timeline                                             *htmlTimeline
	Curves                                               []*htmlCurves
	CloudWatch                                           *htmlCloudWatch
	Findings                                             htmlFindings
	FaultColumns                                         []string
	Control                                              string
	Latencies, Faults, Items                             [][]string
	Expectations, Gates, Generator                       [][]string
	Phases, Run, Environment                             [][]string
	Definitions                                          [][]string
	Scenario, Availability                               string
	Cost                                                 *htmlCost
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

// HTML gives report.html. s may be nil: what it would tell is then left out.
func HTML(r *bench.Result, s *bench.Series) ([]byte, error) {
	if s == nil {
		s = new(bench.Series)
	}
	page := htmlReport{
		Verdict: upper(r.Verdict), Tone: tone(r.Verdict), Headline: headline(r),
		About: clean(r.Run.About, lineLimit), Promise: promise(r), When: when(r),
		Key: keyFigures(r), Flow: newFlow(r), Timeline: newTimeline(r, s), Curves: distributions(r, s), CloudWatch: newCloudWatch(r, s), Findings: newFindings(r, s),
		Latencies: latencyRows(r), FaultColumns: faultColumns, Faults: faultRows(r), Control: controlText(r.Control), Items: meaningRows(&r.Items),
		Expectations: expectationRows(r), Gates: allGateRows(r), Generator: generatorRows(&r.Load), Phases: phaseRows(r), Run: runRows(r), Definitions: definitions(),
		Availability: availabilityText(&r.Availability), Scenario: cleanLines(s.Scenario, scenarioLimit),
		Cost: newCost(r.Cost),
	}
	page.Title = page.Verdict + ": " + page.Headline
	if r.Verdict != bench.Pass {
		page.Reasons = reasonLines(r)
	}
	for _, n := range r.Notes {
		page.Notes = append(page.Notes, clean(n, lineLimit))
	}
	for _, f := range s.Environment {
		page.Environment = append(page.Environment, []string{clean(f.Name, nameLimit), clean(f.Value, lineLimit)})
	}
	return execute("report", "report.html", page)
}

func execute(name, file string, page any) ([]byte, error) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name+".tmpl", page); err != nil {
		return nil, fmt.Errorf("make %s: %w", file, err)
	}
	return b.Bytes(), nil
}

// when tells the day and the minute in which the load began, as the file says it.
func when(r *bench.Result) string {
	day, clock, ok := strings.Cut(clean(r.Run.Started, 40), "T")
	if !ok || len(clock) < 5 {
		return ""
	}
	return day + ", " + clock[:5] + " UTC"
}

// allGateRows lists the gates, those that are down first.
func allGateRows(r *bench.Result) [][]string {
	var down, passed [][]string
	for _, g := range r.Gates {
		row := []string{words(clean(string(g.Name), nameLimit)), "passed", clean(g.Detail, lineLimit)}
		if g.OK {
			passed = append(passed, row)
			continue
		}
		row[1] = "DOWN"
		down = append(down, row)
	}
	return append(down, passed...)
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
		{"bitten", "How often a fault really struck, counted where it strikes, and how often it was to. Of a fault that takes a share of the operations that is a mean, from which chance strays to both sides."},
		{"percentiles", "From an HDR histogram of 3 significant digits, by nearest rank. Unbounded: the rank falls among values that were never seen to end. Mean and maximum are unbounded as soon as one such value exists."},
		{"not observed", "The figure could not be seen in this run. It is not zero."},
		{"gates", "Pieces of evidence. While one that bears on losses is down, the run cannot pass, whatever the numbers say; a loss that is proven still fails it."},
	}
}
