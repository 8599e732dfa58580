package reports

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/stats"
)

// WriteCapacity tells a search in its folder: capacity.json, capacity.html,
// capacity.md and plots/.
func WriteCapacity(dir string, c *bench.Capacity) error {
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("write capacity: %w", err)
	}
	files := map[string][]byte{"capacity.json": append(data, '\n'), "capacity.md": CapacityMarkdown(c)}
	pictures := make(map[string][]byte)
	for _, f := range capacityFigures(c) {
		svg, err := f.svg()
		if err != nil {
			return fmt.Errorf("write capacity: %w", err)
		}
		png, err := f.png()
		if err != nil {
			return fmt.Errorf("write capacity: %w", err)
		}
		pictures[f.name] = svg
		files[filepath.Join("plots", f.name+".svg")], files[filepath.Join("plots", f.name+".png")] = svg, png
	}
	if files["capacity.html"], err = capacityHTML(c, pictures); err != nil {
		return fmt.Errorf("write capacity: %w", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "plots"), 0o755); err != nil {
		return fmt.Errorf("write capacity: %w", err)
	}
	var errs []error
	for name, data := range files {
		errs = append(errs, writeFile(filepath.Join(dir, name), data))
	}
	return errors.Join(errs...)
}

// capacityAnswers are the answers in the order in which they are read.
func capacityAnswers(c *bench.Capacity) [][2]string {
	rows := [][2]string{
		{"response time", answerText(&c.Response)},
		{"backlog", answerText(&c.Backlog)},
	}
	if c.AtLeast != nil {
		rows = append(rows, [2]string{"at least", clean(c.AtLeast.Text, lineLimit)})
	}
	if s := c.Spike; s != nil {
		text := "not all of its trials were seen to drain"
		if s.DrainMs != nil {
			text = "drained in " + duration(*s.DrainMs)
			if lo, hi, ok := spikeRange(s); ok && lo < hi {
				text += " (" + duration(lo) + " to " + duration(hi) + " in " + plural(int64(len(s.Trials)), "trial") + ")"
			}
		}
		rows = append(rows, [2]string{"spike", fmt.Sprintf("%s requests beyond %s, in %s: %s", number(s.Size), exactRate(s.Base), duration(s.ForMs), text)})
	}
	return rows
}

func answerText(a *bench.CapacityAnswer) string {
	text := clean(a.Text, lineLimit)
	if a.Knee != nil {
		text += "; its p99 turns upward at about " + exactRate(*a.Knee)
	}
	return text
}

func spikeRange(s *bench.Spike) (lo, hi float64, ok bool) {
	var all []float64
	for _, t := range s.Trials {
		if t.DrainMs != nil {
			all = append(all, *t.DrainMs)
		}
	}
	if len(all) == 0 {
		return 0, 0, false
	}
	return slices.Min(all), slices.Max(all), true
}

// capacityConditions say under which the answers hold.
func capacityConditions(c *bench.Capacity) string {
	s := &c.Settings
	var expect []string
	for _, e := range s.Expect {
		expect = append(expect, clean(e, lineLimit))
	}
	return fmt.Sprintf("%s on %s, %s; expected: %s, %s acknowledged; each probe %s after %s of settling; an end of an interval is settled by %d probes in agreement",
		clean(c.Scenario, nameLimit), clean(c.Target, nameLimit), clean(c.Architecture, nameLimit), strings.Join(expect, ", "), percent(s.Acknowledged), duration(s.HoldMs), duration(s.SettleMs), s.Repeats)
}

// capacityColumns and capacityRows are the table of the probes by rate.
var capacityColumns = []string{"rate", "probes", "API holds", "processor keeps up", "response p50", "response p99", "lag p50", "lag p99", "backlog grows by"}

func capacityRows(c *bench.Capacity) [][]string {
	var rates []float64
	for _, p := range c.Probes {
		if !slices.Contains(rates, p.Rate) {
			rates = append(rates, p.Rate)
		}
	}
	slices.Sort(rates)
	var rows [][]string
	for _, r := range rates {
		var here []bench.CapacityProbe
		for _, p := range c.Probes {
			if p.Rate == r {
				here = append(here, p)
			}
		}
		rows = append(rows, []string{
			exactRate(r), count(int64(len(here))),
			sights(here, func(p *bench.CapacityProbe) bench.Sight { return p.Response }),
			sights(here, func(p *bench.CapacityProbe) bench.Sight { return p.Backlog }),
			middle(here, func(p *bench.CapacityProbe) *float64 { return p.P50 }, duration),
			middle(here, func(p *bench.CapacityProbe) *float64 { return p.P99 }, duration),
			middle(here, func(p *bench.CapacityProbe) *float64 { return p.LagP50 }, duration),
			middle(here, func(p *bench.CapacityProbe) *float64 { return p.LagP99 }, duration),
			middle(here, func(p *bench.CapacityProbe) *float64 { return p.Growth }, func(v float64) string { return number(float64(int64(v))) + "/s" }),
		})
	}
	return rows
}

// sights is "4 of 5", with what the others showed where that was neither.
func sights(probes []bench.CapacityProbe, of func(*bench.CapacityProbe) bench.Sight) string {
	n := map[bench.Sight]int64{}
	for i := range probes {
		n[of(&probes[i])]++
	}
	if told := n[bench.SightHolds] + n[bench.SightBreaks]; told > 0 {
		text := fmt.Sprintf("%d of %d", n[bench.SightHolds], told)
		if n[bench.SightLimited] > 0 {
			text += fmt.Sprintf(", %d limited", n[bench.SightLimited])
		}
		return text
	}
	if n[bench.SightLimited] > 0 {
		return "limited"
	}
	return notObserved
}

// middle is the median; unbounded where one of them never ended.
func middle(probes []bench.CapacityProbe, of func(*bench.CapacityProbe) *float64, show func(float64) string) string {
	var all []float64
	for i := range probes {
		v := of(&probes[i])
		if v == nil {
			return "–"
		}
		all = append(all, *v)
	}
	iv, _ := stats.MedianInterval(all)
	return show(iv.Median)
}

// ProbeLine tells what one probe has shown, in one line.
func ProbeLine(p *bench.CapacityProbe) string {
	parts := []string{"API " + string(p.Response), "backlog " + string(p.Backlog)}
	if p.P99 != nil {
		parts = append(parts, "p99 "+duration(*p.P99))
	}
	if p.Growth != nil {
		parts = append(parts, "backlog "+growth(*p.Growth))
	}
	line := exactRate(p.Rate) + ": " + strings.Join(parts, ", ")
	if p.Why != "" {
		line += " (" + clean(p.Why, lineLimit) + ")"
	}
	return line
}

// exactRate writes a rate with all the digits that the search gives it.
func exactRate(rps float64) string { return number(rps) + "/s" }

func growth(perSecond float64) string {
	n := int64(perSecond)
	switch {
	case n > 0:
		return "+" + count(n) + "/s"
	case n < 0:
		return count(n) + "/s"
	}
	return "steady"
}

// SpikeLine tells what one trial of a spike has shown.
func SpikeLine(t *bench.SpikeTrial) string {
	if t.DrainMs == nil {
		return clean(t.Why, lineLimit)
	}
	return "drained in " + duration(*t.DrainMs)
}

// CapacityTerminal prints what was found. Its only errors are those of w.
func CapacityTerminal(w io.Writer, c *bench.Capacity, opt Options) error {
	var b strings.Builder
	width := opt.width()
	if c.Interrupted {
		b.WriteString(opt.paint(yellow, "INTERRUPTED") + "  this is what was known\n\n")
	}
	line := func(label, text string) {
		const margin = 15
		for i, l := range wrap(text, width-margin-2, 6) {
			if i > 0 {
				label = ""
			}
			b.WriteString("  " + label + strings.Repeat(" ", margin-len(label)) + l + "\n")
		}
	}
	for _, a := range capacityAnswers(c) {
		line(a[0], a[1])
	}
	b.WriteString("\n")
	line("under", capacityConditions(c))
	for _, n := range c.Notes {
		line("note", clean(n, lineLimit))
	}
	line("probes", fmt.Sprintf("%d, each a run directory", len(c.Probes)))
	if opt.Dir != "" {
		b.WriteString("\n")
		line("curves", filepath.Join(opt.Dir, "capacity.html"))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// CapacityMarkdown gives capacity.md.
func CapacityMarkdown(c *bench.Capacity) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "## Capacity of %s\n\n", MarkdownText(c.Scenario))
	for _, a := range capacityAnswers(c) {
		fmt.Fprintf(&b, "- **%s**: %s\n", a[0], MarkdownText(a[1]))
	}
	fmt.Fprintf(&b, "\n%s.\n\n", MarkdownText(capacityConditions(c)))
	for _, n := range c.Notes {
		fmt.Fprintf(&b, "- %s\n", MarkdownText(n))
	}
	b.WriteString("\n| " + strings.Join(capacityColumns, " | ") + " |\n|" + strings.Repeat("---|", len(capacityColumns)) + "\n")
	for _, row := range capacityRows(c) {
		b.WriteString("| " + strings.Join(row, " | ") + " |\n")
	}
	return []byte(b.String())
}

// capacityFigures are the curves over the rate.
func capacityFigures(c *bench.Capacity) []picture {
	return []picture{
		{"capacity-response", "Response time over rate", "Curves: p50 and p99 of response time at each rate, every probe a dot; where the answer lies is shaded, the knee is marked.",
			func(dc draw.Canvas) {
				drawCapacity(dc, c, &c.Response, "Response time over rate", "response time",
					func(p *bench.CapacityProbe) *float64 { return p.P50 }, func(p *bench.CapacityProbe) *float64 { return p.P99 })
			}},
		{"capacity-lag", "Processing lag over rate", "Curves: p50 and p99 of processing lag at each rate, every probe a dot; where the answer lies is shaded, the knee is marked.",
			func(dc draw.Canvas) {
				drawCapacity(dc, c, &c.Backlog, "Processing lag over rate", "processing lag",
					func(p *bench.CapacityProbe) *float64 { return p.LagP50 }, func(p *bench.CapacityProbe) *float64 { return p.LagP99 })
			}},
	}
}

// drawCapacity draws two percentiles over the rate. A probe whose percentile is
// unbounded has no dot; its rate is marked at the upper edge.
func drawCapacity(c draw.Canvas, all *bench.Capacity, a *bench.CapacityAnswer, title, yLabel string, p50, p99 func(*bench.CapacityProbe) *float64) {
	p := newPlot("offered rate (requests per second)", yLabel)
	legend := []entry{{text: "p50", line: &lineMain}, {text: "p99", line: &lineTail}}
	if a.Low != nil && a.High != nil {
		legend = append(legend, entry{text: "the limit lies here", fill: shade})
	}
	if a.Knee != nil {
		legend = append(legend, entry{text: "knee, " + exactRate(*a.Knee), line: &lineDeath})
	}
	c = header(c, title, legend)
	lo, hi, most := 0.0, 0.0, 0.0
	drawn := false
	for _, curve := range []struct {
		of  func(*bench.CapacityProbe) *float64
		sty draw.LineStyle
	}{{p50, lineMain}, {p99, lineTail}} {
		dots, line := capacityCurve(all.Probes, curve.of)
		for _, xy := range dots {
			if !drawn {
				lo = xy.Y
			}
			lo, hi, drawn = min(lo, xy.Y), max(hi, xy.Y), true
		}
		if len(line) > 0 {
			p.Add(newLine(line, curve.sty, plotter.NoStep),
				&plotter.Scatter{XYs: dots, GlyphStyle: draw.GlyphStyle{Color: curve.sty.Color, Radius: 1.6, Shape: draw.CircleGlyph{}}})
		}
	}
	if !drawn {
		nothing(c)
		return
	}
	for _, one := range all.Probes {
		most = max(most, one.Rate)
	}
	scaleMs(&p.Y, lo, hi)
	p.X.Min, p.X.Max, p.X.Tick.Marker = 0, most*1.04, countTicks{}
	c = draw.Crop(c, 0, -8, 0, -6)
	data := p.DataCanvas(c)
	x := func(rps float64) vg.Length { return data.X(p.X.Norm(rps)) }
	if a.Low != nil && a.High != nil {
		fillRect(data, shade, vg.Point{X: x(*a.Low), Y: data.Min.Y}, vg.Point{X: max(x(*a.High), x(*a.Low)+1), Y: data.Max.Y})
	}
	rules(data, p)
	p.Draw(c)
	if a.Knee != nil {
		data.StrokeLine2(lineDeath, x(*a.Knee), data.Min.Y, x(*a.Knee), data.Min.Y+14)
	}
	markUnbounded(data, all.Probes, p99, x)
}

// markUnbounded marks the rates at which a percentile never ended.
func markUnbounded(data draw.Canvas, probes []bench.CapacityProbe, of func(*bench.CapacityProbe) *float64, x func(float64) vg.Length) {
	for i := range probes {
		if of(&probes[i]) == nil {
			at := x(probes[i].Rate)
			data.FillPolygon(orange, []vg.Point{{X: at - 3, Y: data.Max.Y - 6}, {X: at + 3, Y: data.Max.Y - 6}, {X: at, Y: data.Max.Y}})
		}
	}
}

// capacityCurve gives a dot for each probe, and the line through the medians.
func capacityCurve(probes []bench.CapacityProbe, of func(*bench.CapacityProbe) *float64) (dots, line plotter.XYs) {
	at := map[float64][]float64{}
	var rates []float64
	for i := range probes {
		v := of(&probes[i])
		if v == nil {
			continue
		}
		r := probes[i].Rate
		if at[r] == nil {
			rates = append(rates, r)
		}
		at[r] = append(at[r], *v)
		dots = append(dots, plotter.XY{X: r, Y: *v})
	}
	slices.Sort(rates)
	for _, r := range rates {
		iv, _ := stats.MedianInterval(at[r])
		line = append(line, plotter.XY{X: r, Y: iv.Median})
	}
	return dots, line
}

// htmlCapacity is everything that capacity.html.tmpl prints, cleaned.
type htmlCapacity struct {
	Title, Conditions string
	Interrupted       bool
	Answers           [][2]string
	Pictures          []htmlPicture
	Columns           []string
	Rows              [][]string
	Notes             []string
	Probes            []htmlProbe
}

type htmlProbe struct{ Dir, Rate, For, Response, Backlog, Why string }

func capacityHTML(c *bench.Capacity, pictures map[string][]byte) ([]byte, error) {
	page := htmlCapacity{
		Title: "Capacity of " + clean(c.Scenario, nameLimit), Conditions: capacityConditions(c), Interrupted: c.Interrupted,
		Answers: capacityAnswers(c), Columns: capacityColumns, Rows: capacityRows(c),
	}
	for _, n := range c.Notes {
		page.Notes = append(page.Notes, clean(n, lineLimit))
	}
	for _, f := range capacityFigures(c) {
		page.Pictures = append(page.Pictures, htmlPicture{f.title, f.alt, template.URL("data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString(pictures[f.name]))})
	}
	for _, p := range c.Probes {
		page.Probes = append(page.Probes, htmlProbe{clean(p.Dir, lineLimit), exactRate(p.Rate), clean(p.For, nameLimit), string(p.Response), string(p.Backlog), clean(p.Why, lineLimit)})
	}
	return execute("capacity", "capacity.html", page)
}
