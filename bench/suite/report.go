package suite

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/reports"
)

// Report is suite.json: what the probes of one processor came to.
type Report struct {
	Verdict      bench.Verdict `json:"verdict"`
	Diagnosis    Diagnosis     `json:"diagnosis"`
	Observations []Observation `json:"observations"`
	Settings     []Setting     `json:"settings"`
	Processor    string        `json:"processor"` // as it was given; empty: the built-in one
	Target       string        `json:"target"`
	Seed         uint64        `json:"seed"`
	Version      string        `json:"version"`
	Dir          string        `json:"-"` // for people; empty: not named
}

// Setting is a value of the mapping. The run was set so: it is no finding.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Given bool   `json:"given"` // by the user; else ackproof chose it
}

// Judge gives the report its verdict: pass needs every probe to have decided.
func (r *Report) Judge() {
	switch {
	case r.Diagnosis.Sureness == Nothing && len(r.Diagnosis.Undecided) == 0:
		r.Verdict = bench.Pass
	case r.Diagnosis.Sureness == Nothing, r.Diagnosis.Sureness == Unknown:
		r.Verdict = bench.VerdictUnknown
	default:
		r.Verdict = bench.Fail
	}
}

// Style says how to print to a terminal.
type Style struct {
	Color bool
	Width int // in characters
}

const (
	red    = "1;31"
	green  = "1;32"
	yellow = "1;33"
	bold   = "1"
	dim    = "2"
)

func (s Style) paint(code, text string) string {
	if !s.Color || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s Style) cut(text string) string {
	if s.Width <= 0 || utf8.RuneCountInString(text) <= s.Width {
		return text
	}
	return string([]rune(text)[:s.Width-1]) + "…"
}

func verdictColor(v bench.Verdict) string {
	switch v {
	case bench.Pass:
		return green
	case bench.Fail:
		return red
	}
	return yellow
}

// Terminal prints the report. Its only errors are those of w.
func (r *Report) Terminal(w io.Writer, s Style) error {
	var b strings.Builder
	// labelled prints a text that goes on under its own beginning.
	labelled := func(code, label, text string) {
		for i, l := range fold(text, s.Width-utf8.RuneCountInString(label)) {
			if i > 0 {
				label = strings.Repeat(" ", utf8.RuneCountInString(label))
			}
			b.WriteString(s.paint(code, label+l) + "\n")
		}
	}
	for i, l := range fold(r.headline(), s.Width-len("UNKNOWN  ")) {
		head := strings.Repeat(" ", len(r.Verdict)+2)
		if i == 0 {
			head = s.paint(verdictColor(r.Verdict), strings.ToUpper(string(r.Verdict))) + "  "
		}
		b.WriteString(head + l + "\n")
	}
	b.WriteString("\n")
	for _, o := range r.Observations {
		p, _ := ProbeNamed(o.Probe)
		code := ""
		switch {
		case o.Unknown != "":
			code = yellow
		case strings.Trim(o.Letters, harmless) != "":
			code = red
		}
		labelled(code, fmt.Sprintf("  %-9s %-3s ", o.Probe, o.mark()), o.String()+": "+p.About)
	}
	for i, c := range r.Diagnosis.Candidates {
		b.WriteString("\n")
		labelled(bold, fmt.Sprintf("  %d  ", i+1), c.Title+c.fits())
		for _, text := range c.For {
			labelled("", "     speaks for it      ", text)
		}
		for _, text := range c.Against {
			labelled("", "     speaks against it  ", text)
		}
		labelled("", "     what to change     ", c.Change)
	}
	b.WriteString("\n")
	label := "  settings     "
	for _, text := range settingLines(r.Settings) {
		labelled(dim, label, text)
		label = strings.Repeat(" ", len(label))
	}
	if r.Dir != "" {
		b.WriteString(s.paint(dim, "  report       "+r.Dir+"/suite.html") + "\n")
		b.WriteString(s.paint(dim, "  next         "+r.next()) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// fold breaks a text into lines of a width between its words; 0 or less: one line.
func fold(text string, width int) []string {
	if width <= 0 {
		return []string{text}
	}
	lines := []string{""}
	for word := range strings.FieldsSeq(text) {
		last := &lines[len(lines)-1]
		switch {
		case *last == "":
			*last = word
		case utf8.RuneCountInString(*last)+1+utf8.RuneCountInString(word) <= width:
			*last += " " + word
		default:
			lines = append(lines, word)
		}
	}
	return lines
}

// headline is the diagnosis in a sentence, with how sure it is.
func (r *Report) headline() string {
	switch r.Diagnosis.Sureness {
	case Sure, Likely:
		return fmt.Sprintf("%s (%s)", r.Diagnosis.Text, r.Diagnosis.Sureness)
	}
	return r.Diagnosis.Text
}

// next is what the reader can type.
func (r *Report) next() string {
	for _, o := range r.Observations {
		if o.Dir != "" && strings.Trim(o.Letters, harmless) != "" {
			return "ackproof report " + o.Dir
		}
	}
	return "ackproof faults"
}

// mark is the letters of an observation, or why there are none.
func (o *Observation) mark() string {
	switch {
	case o.Unknown != "":
		return "?"
	case o.Letters == "":
		return "·"
	}
	return o.Letters
}

// fits says how well a candidate fits.
func (c *Candidate) fits() string {
	text := fmt.Sprintf(" (%s, %s)", c.Name, c.Part)
	if c.Setting {
		text = fmt.Sprintf(" (%s, a setting of this run, not inferred)", c.Name)
	}
	return text
}

// settingLines tells the settings, those that ackproof chose and those given.
func settingLines(settings []Setting) []string {
	var own, given []string
	for _, s := range settings {
		if s.Given {
			given = append(given, s.Name+"="+s.Value)
		} else {
			own = append(own, s.Name+"="+s.Value)
		}
	}
	var lines []string
	if len(own) > 0 {
		lines = append(lines, "chosen by ackproof: "+strings.Join(own, " "))
	}
	if len(given) > 0 {
		lines = append(lines, "given: "+strings.Join(given, " "))
	}
	return lines
}

// Markdown gives suite.md. Texts from outside, which are those of the processor
// and of gates, are shown as code or escaped.
func (r *Report) Markdown() []byte {
	var b strings.Builder
	name := "the built-in processor"
	if r.Processor != "" {
		name = "`" + strings.ReplaceAll(r.Processor, "`", "'") + "`"
	}
	fmt.Fprintf(&b, "# %s: %s\n\nThe suite against %s on the %s target, seed %d.\n\n", strings.ToUpper(string(r.Verdict)), r.headline(), name, r.Target, r.Seed)
	b.WriteString("| probe | what is done | shows | |\n| --- | --- | --- | --- |\n")
	for _, o := range r.Observations {
		p, _ := ProbeNamed(o.Probe)
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", o.Probe, p.About, o.mark(), reports.MarkdownText(o.String()))
	}
	fmt.Fprintf(&b, "\nFingerprint: `%s`\n", r.Diagnosis.Fingerprint)
	for i, c := range r.Diagnosis.Candidates {
		fmt.Fprintf(&b, "\n## %d. %s%s\n\n", i+1, c.Title, c.fits())
		for _, text := range c.For {
			fmt.Fprintf(&b, "- speaks for it: %s\n", reports.MarkdownText(text))
		}
		for _, text := range c.Against {
			fmt.Fprintf(&b, "- speaks against it: %s\n", reports.MarkdownText(text))
		}
		fmt.Fprintf(&b, "\nWhat to change: %s.\n", c.Change)
	}
	b.WriteString("\n## Settings\n\nWhat the mapping is set to is known, and not inferred.\n\n")
	for _, text := range settingLines(r.Settings) {
		fmt.Fprintf(&b, "- %s\n", reports.MarkdownText(text))
	}
	b.WriteString("\n" + legend())
	return []byte(b.String())
}

// HTML gives suite.html.
func (r *Report) HTML() ([]byte, error) {
	name := "the built-in processor"
	if r.Processor != "" {
		name = r.Processor
	}
	page := reports.SuitePage{
		Verdict: r.Verdict, Headline: r.headline(), Fingerprint: r.Diagnosis.Fingerprint, Legend: legend(),
		About:     fmt.Sprintf("the suite against %s on the %s target, seed %d, ackproof %s", name, r.Target, r.Seed, r.Version),
		Undecided: slices.Clone(r.Diagnosis.Undecided), Settings: settingLines(r.Settings),
	}
	for _, o := range r.Observations {
		p, _ := ProbeNamed(o.Probe)
		one := reports.SuiteProbe{Name: o.Probe, About: p.About, Shows: o.mark(), Words: o.String(), Bad: o.Unknown == "" && strings.Trim(o.Letters, harmless) != ""}
		if o.Dir != "" {
			one.Run = filepath.Base(o.Dir)
		}
		page.Probes = append(page.Probes, one)
	}
	for i, c := range r.Diagnosis.Candidates {
		page.Candidates = append(page.Candidates, reports.SuiteCandidate{
			Rank: i + 1, Title: c.Title, Fits: strings.Trim(c.fits(), " ()"), For: slices.Clone(c.For), Against: slices.Clone(c.Against), Change: c.Change,
		})
	}
	return reports.SuiteHTML(page)
}

// legend explains the letters.
func legend() string {
	var parts []string
	for _, l := range letters {
		parts = append(parts, fmt.Sprintf("%c items %s", l.letter, l.words))
	}
	return "Letters: " + strings.Join(parts, ", ") + "; · nothing; ? unknown.\n"
}
