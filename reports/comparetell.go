package reports

import (
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/ackproof/ackproof/bench"
)

// CompareTerminal prints a comparison as a table. Where the runs do not fit
// beside each other, each is printed as a block of its own. Its only errors are
// those of w.
func CompareTerminal(w io.Writer, c *bench.Comparison, opt Options) error {
	var b strings.Builder
	width := opt.width()
	for _, s := range claims(c) {
		b.WriteString(strings.Join(wrap(s, width, 3), "\n  ") + "\n")
	}
	b.WriteString("\n")
	rows := append([][]string{append([]string{""}, comparisonColumns(c)...)}, comparisonRows(c)...)
	widths := make([]int, len(rows[0]))
	total := 0
	for i := range widths {
		for _, row := range rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
		total += widths[i] + 2
	}
	if total-2 <= width {
		for _, row := range rows {
			b.WriteString(strings.TrimRight(comparisonLine(row, widths, opt), " ") + "\n")
		}
	} else {
		for i := 1; i < len(rows[0]); i++ {
			b.WriteString(opt.paint(bold, cut(rows[0][i], width)) + "\n")
			for _, row := range rows[1:] {
				b.WriteString("  " + row[0] + strings.Repeat(" ", widths[0]-utf8.RuneCountInString(row[0])+2) + paintVerdict(row[i], row[i], opt) + "\n")
			}
		}
	}
	if len(c.Notes)+len(c.FailIf) > 0 {
		b.WriteString("\n")
	}
	labelled := func(label, text string) {
		for _, l := range wrap(text, width-len(label)-2, 4) {
			b.WriteString(label + "  " + l + "\n")
			label = strings.Repeat(" ", len(label))
		}
	}
	for _, l := range tolerated(c) {
		labelled("fail-if", l)
	}
	for _, n := range c.Notes {
		labelled("note", clean(n, lineLimit))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// comparisonLine aligns the title left and the values right.
func comparisonLine(row []string, widths []int, opt Options) string {
	var b strings.Builder
	for i, cell := range row {
		gap := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
		if i == 0 {
			b.WriteString(cell + gap)
			continue
		}
		b.WriteString("  " + gap + paintVerdict(cell, cell, opt))
	}
	return b.String()
}

// paintVerdict colours a cell that is a verdict.
func paintVerdict(cell, text string, opt Options) string {
	switch cell {
	case "PASS":
		return opt.paint(green, text)
	case "FAIL":
		return opt.paint(red, text)
	case "UNKNOWN":
		return opt.paint(yellow, text)
	}
	return text
}

// CompareMarkdown gives comparison.md.
func CompareMarkdown(c *bench.Comparison) []byte {
	var b strings.Builder
	b.WriteString("# Comparison\n")
	if sentences := claims(c); len(sentences) > 0 {
		b.WriteString("\n")
		for _, s := range sentences {
			fmt.Fprintf(&b, "- %s\n", escapeMarkdown(s))
		}
	}
	columns := []string{""}
	for _, name := range comparisonColumns(c) {
		columns = append(columns, escapeMarkdown(name))
	}
	markdownTable(&b, "", columns, comparisonRows(c))
	if len(c.FailIf) > 0 {
		b.WriteString("\n## Against the baseline\n\n")
		for _, l := range tolerated(c) {
			fmt.Fprintf(&b, "- %s\n", escapeMarkdown(l))
		}
	}
	if len(c.Notes) > 0 {
		b.WriteString("\n## Notes\n\n")
		for _, n := range c.Notes {
			fmt.Fprintf(&b, "- %s\n", MarkdownText(n))
		}
	}
	return []byte(b.String())
}

// htmlComparison is what compare.html.tmpl prints.
type htmlComparison struct {
	Title                             string
	Claims, Tolerated, Notes, Columns []string
	Rows                              [][]string
	Runs                              []htmlRun
	Picture                           *scatter
}

type htmlRun struct{ Label, Scenario, ID, Dir string }

// CompareHTML gives comparison.html: one file, like report.html. The links to
// the runs' own reports are relative to it.
func CompareHTML(c *bench.Comparison) ([]byte, error) {
	page := htmlComparison{Title: fmt.Sprintf("Comparison of %d runs", len(c.Runs)), Claims: claims(c), Tolerated: tolerated(c), Columns: append([]string{""}, comparisonColumns(c)...), Rows: comparisonRows(c), Picture: newScatter(c)}
	for _, n := range c.Notes {
		page.Notes = append(page.Notes, clean(n, lineLimit))
	}
	for i, r := range c.Runs {
		page.Runs = append(page.Runs, htmlRun{runLabel(c, i), clean(r.Scenario, nameLimit), clean(string(r.ID), nameLimit), r.Dir})
	}
	return execute("compare", "comparison.html", page)
}

// runLabel names one run: by its architecture, with its id where several share
// that, and marked if it is a control.
func runLabel(c *bench.Comparison, i int) string {
	name := runName(c, i)
	if c.Runs[i].Control {
		name += " (control)"
	}
	return name
}

// scatter is the picture of response time against loss: the best architecture
// stands at the lower left. Positions are in the units of the SVG's view box.
type scatter struct {
	Dots     []scatterDot
	XTicks   []scatterTick
	YTicks   []scatterTick
	Unplaced string // runs without one of the two figures
}

type scatterDot struct {
	X, Y, TextX, TextY float64
	Anchor             string
	Label, Tone        string
	Shape              string // of the verdict: circle, square or diamond, so that colour is not needed
}

type scatterTick struct {
	At   float64
	Text string
}

// The plotting area within the view box of 720 × 320.
const scatterLeft, scatterRight, scatterTop, scatterBottom = 90, 690, 24, 262

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
	s := &scatter{Unplaced: strings.Join(unplaced, ", ")}
	from, to := math.Floor(math.Log10(lo)), math.Ceil(math.Log10(hi))
	if to <= from {
		to = from + 1
	}
	most = max(most*1.15, 0.1)
	x := func(ms float64) float64 {
		return scatterLeft + (math.Log10(ms)-from)/(to-from)*(scatterRight-scatterLeft)
	}
	y := func(v float64) float64 { return scatterBottom - v/most*(scatterBottom-scatterTop) }
	for e := from; e <= to; e++ {
		s.XTicks = append(s.XTicks, scatterTick{round1(x(math.Pow(10, e))), shortDuration(math.Pow(10, e))})
	}
	for _, t := range stepTicks(0, most, 4, number) {
		s.YTicks = append(s.YTicks, scatterTick{round1(y(t.Value)), t.Label + " %"})
	}
	for i := range c.Runs {
		if has(i) {
			s.place(round1(x(*p99[i])), round1(y(*share[i])), runLabel(c, i), c.Runs[i].Verdict)
		}
	}
	return s
}

// place adds a dot, with its label where it covers no earlier one.
func (s *scatter) place(x, y float64, label string, v bench.Verdict) {
	d := scatterDot{X: x, Y: y, TextX: x + 12, TextY: y - 8, Anchor: "start", Label: cut(label, 36), Tone: tone(v)}
	d.Shape = map[string]string{"pass": "circle", "fail": "diamond"}[d.Tone]
	if x > (scatterLeft+scatterRight)/2 {
		d.TextX, d.Anchor = x-12, "end"
	}
	for again := true; again; {
		again = false
		for _, o := range s.Dots {
			if math.Abs(o.TextY-d.TextY) < 15 && math.Abs(o.TextX-d.TextX) < 230 {
				d.TextY, again = o.TextY-15, true
			}
		}
	}
	s.Dots = append(s.Dots, d)
}

func round1(v float64) float64 { return math.Round(v*10) / 10 }
