package reports

// Rules of output, for the summary and the live line alike:
//
//   - The verdict is the first word; then one sentence; then aligned figures.
//   - At most maxLines lines, none wider than the terminal: what does not fit is
//     cut with "…", and what is left out is counted.
//   - No capitals but the verdict, no full stop after a fragment, no boxes.
//   - Colour only where Options.Color says so, and never the only carrier of a
//     meaning: the words say the same.
//   - The last line is something that the reader can type.
//   - Text from outside never reaches the terminal uncleaned.
//   - The summary is an answer and belongs on stdout; the live line is progress
//     and belongs on stderr. The caller chooses; this package prints nowhere by
//     itself and asks no environment.

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/ackproof/ackproof/bench"
)

const (
	maxLines     = 25
	defaultWidth = 100 // where the caller does not know the terminal
	minWidth     = 40  // narrower cannot hold a figure; lines then wrap
)

// Options say how to print to a terminal.
type Options struct {
	TTY   bool // a live line may be rewritten in place
	Color bool // ANSI colours may be used
	Width int  // in characters; 0: 100
	// WidthNow asks for the width anew, for what is rewritten in place; nil: Width.
	WidthNow func() int
	Dir      string // the run directory, for the next step; empty: not named
}

func (o Options) width() int {
	if o.Width <= 0 {
		return defaultWidth
	}
	return max(minWidth, o.Width)
}

// The colours, as ANSI codes: those of a terminal's own palette, so that they
// suit its background.
const (
	bold   = "1"
	dim    = "2"
	red    = "1;31"
	green  = "1;32"
	yellow = "1;33"
)

func (o Options) paint(code, s string) string {
	if !o.Color || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
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

// cut shortens a line to the width.
func cut(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	return string([]rune(s)[:width-1]) + "…"
}

// Terminal prints the summary of a run in at most 25 lines. Its only errors are
// those of w.
func Terminal(w io.Writer, r *bench.Result, opt Options) error {
	width := opt.width()
	var b strings.Builder
	line := func(code, s string) { b.WriteString(opt.paint(code, cut(s, width)) + "\n") }

	verdict := upper(r.Verdict)
	promised, rows := wrap(promise(r), width, 3), summaryRows(r)
	var notes []string
	for _, n := range r.Notes {
		notes = append(notes, clean(n, lineLimit))
	}
	notes = list(opt, "note", notes, noteLines)
	// What is left of the lines belongs to the reasons.
	reasons := list(opt, "why", reasonLines(r), maxLines-len(promised)-len(rows)-len(notes)-furniture)

	b.WriteString(opt.paint(verdictColor(r.Verdict), verdict) + "  " + opt.paint(bold, cut(headline(r), width-len(verdict)-2)) + "\n")
	for _, l := range promised {
		line("", l)
	}
	if r.Verdict != bench.Pass {
		b.WriteString("\n" + strings.Join(reasons, ""))
	}
	b.WriteString("\n")
	for _, f := range rows {
		code := ""
		if f.bad {
			code = red
		}
		line(code, fmt.Sprintf("  %-11s %s", f.Name, f.Value))
	}
	b.WriteString(strings.Join(notes, ""))
	if opt.Dir != "" {
		dir := clean(opt.Dir, lineLimit)
		b.WriteString("\n")
		// Never cut: these are there to be copied.
		b.WriteString(opt.paint(dim, "  report      "+dir+"/report.html") + "\n")
		next := "  next        " + nextStep(r, dir)
		if command, _, ok := strings.Cut(next, "   #"); ok && utf8.RuneCountInString(next) > width {
			next = command
		}
		b.WriteString(opt.paint(dim, next) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Furniture are the headline, three blank lines and the two of the next step.
const (
	furniture = 6
	noteLines = 4
)

// reasonLines tells why a run is no pass.
func reasonLines(r *bench.Result) []string {
	var out []string
	for _, reason := range r.Reasons {
		out = append(out, words(clean(string(reason.Code), nameLimit))+": "+clean(reason.Text, lineLimit))
	}
	if len(out) == 0 {
		out = append(out, "no reason was recorded")
	}
	return out
}

// list lays entries out under one label, in at most limit lines; those for which
// there is no room are counted.
func list(opt Options, label string, entries []string, limit int) []string {
	var lines []string
	indent := func(text string) string {
		s := fmt.Sprintf("  %-11s %s\n", label, text)
		label = ""
		return s
	}
	for i, e := range entries {
		room := limit - len(lines)
		if more := len(entries) - i - 1; more > 0 {
			room-- // for the line that counts them
		}
		if room < 1 {
			return append(lines, indent(fmt.Sprintf("and %s more in the report", count(int64(len(entries)-i)))))
		}
		for _, l := range wrap(e, opt.width()-14, min(room, 4)) {
			lines = append(lines, indent(l))
		}
	}
	return lines
}

// summaryRow is a line of the summary.
type summaryRow struct {
	Name, Value string
	bad         bool // speaks against the run
}

func summaryRows(r *bench.Result) []summaryRow {
	q, lag := &r.Requests, lagOf(r)
	sent := count(q.Sent)
	if q.Sent != q.Planned {
		sent += " of " + count(q.Planned)
	}
	sent += " sent"
	if r.Load.AchievedRPS > 0 {
		sent += " at " + rate(r.Load.AchievedRPS)
	}
	sent += ": " + count(q.Acknowledged) + " acknowledged, " + count(q.Refused) + " refused, " + count(q.Unknown) + " unknown"
	response := spread(&r.ResponseTime)
	rows := []summaryRow{{"requests", sent, q.Sent < q.Planned}}
	if text := sentAgain(q); text != "" {
		rows = append(rows, summaryRow{"sent again", text, false})
	}
	rows = append(rows, []summaryRow{
		{"response", response, false},
		{"lag", spread(lag), false},
		{"lost", joinNonEmpty(": ", lostText(&r.Items), lostWhere(&r.Items)), r.Items.Lost() > 0},
		{"duplicated", noneOr(r.Items.Duplicated), r.Items.Duplicated != nil && *r.Items.Duplicated > 0},
	}...)
	if d := r.Deliveries; d.Delivered != nil && d.Redelivered != nil {
		rows = append(rows, summaryRow{"deliveries", count(*d.Delivered) + " records handed over, " + count(*d.Redelivered) + " of them again", false})
	}
	if len(r.Faults) > 0 {
		text, ok := faultsText(r.Faults)
		if c := r.Control; c != nil && c.Clean != nil {
			text += map[bool]string{true: "; clean before", false: "; NOT clean before"}[*c.Clean]
			ok = ok && *c.Clean
		}
		rows = append(rows, summaryRow{"faults", text, !ok}, summaryRow{"recovery", recoveryText(r), false})
		if text, ok := againstPrediction(r.Faults); text != "" {
			rows = append(rows, summaryRow{"predicted", text, !ok})
		}
	}
	met, missed, unknown := tally(r.Expectations)
	if n := met + missed + unknown; n > 0 {
		text := fmt.Sprintf("%d of %d met", met, n)
		if unknown > 0 {
			text += fmt.Sprintf(", %d could not be judged", unknown)
		}
		rows = append(rows, summaryRow{"expected", text, missed > 0})
	}
	if down := gatesDown(r.Gates); len(r.Gates) > 0 {
		text := fmt.Sprintf("%d of %d gates passed", len(r.Gates)-len(down), len(r.Gates))
		if len(down) > 0 {
			text += "; down: " + strings.Join(down, ", ")
		}
		rows = append(rows, summaryRow{"evidence", text, len(down) > 0})
	}
	if c := r.Cost; c != nil && c.Incurred && r.Verdict == bench.Pass { // else there is more to say than fits
		rows = append(rows, summaryRow{"cost", estimate(&c.Run) + ", " + estimate(c.PerMillion) + " a million requests; prices of " + clean(c.Prices.Date, nameLimit), false})
		if c.Foreseen != nil {
			rows = append(rows, summaryRow{"foreseen", estimate(c.Foreseen) + " before it began, if all goes well", false})
		}
	}
	if why := r.Load.GeneratorReason; why != "" {
		rows = append(rows, summaryRow{"generator", "was a limit: " + clean(why, lineLimit), true})
	}
	return rows
}

// spread is "p50 1.2 ms, p99 8.0 ms, max 120 ms".
func spread(l *bench.Latency) string {
	p50, p99, most := figureOf(l, l.P50), figureOf(l, l.P99), figureOf(l, l.Max)
	if p50 == p99 && p99 == most && l.P50 == nil {
		return p50
	}
	return "p50 " + p50 + ", p99 " + p99 + ", max " + most
}

func noneOr(n *int64) string {
	if n != nil && *n == 0 {
		return "none"
	}
	return countOf(n)
}

func joinNonEmpty(sep string, parts ...string) string {
	var kept []string
	for _, p := range parts {
		if p != "" {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, sep)
}

// faultsText sums up all faults; ok is false where one did not strike or was
// not undone.
func faultsText(faults []bench.FaultResult) (text string, ok bool) {
	var bitten, idle, open int64
	for i := range faults {
		bitten += faults[i].Bitten
		if faults[i].Bitten == 0 {
			idle++
		}
		if !faults[i].Undone {
			open++
		}
	}
	text = plural(int64(len(faults)), "fault") + ", " + plural(bitten, "strike") + " bitten"
	if idle > 0 {
		text += "; " + count(idle) + " never struck"
	}
	if open > 0 {
		return text + "; " + count(open) + " NOT undone", false
	}
	return text + "; all undone", idle == 0
}

// tally counts expectations by what came of them.
func tally(all []bench.Expectation) (met, missed, unknown int) {
	for _, e := range all {
		switch {
		case e.OK == nil:
			unknown++
		case *e.OK:
			met++
		default:
			missed++
		}
	}
	return met, missed, unknown
}

// gatesDown names the gates that are down.
func gatesDown(gates []bench.GateResult) []string {
	var down []string
	for _, g := range gates {
		if !g.OK {
			down = append(down, words(clean(string(g.Name), nameLimit)))
		}
	}
	return down
}

// nextStep is the command that helps most with this verdict.
func nextStep(r *bench.Result, dir string) string {
	switch {
	case r.Verdict == bench.Fail && len(r.Findings) > 0:
		return "ackproof report " + dir + "   # and findings.jsonl names every item"
	case r.Verdict == bench.Pass:
		return "ackproof compare " + dir + " RUN   # against another run"
	}
	return "ackproof reconcile " + dir + "   # judge again"
}

// wrap breaks a sentence into at most limit lines of the width; what is left is
// cut from the last, and so is a word that is longer than a line.
func wrap(s string, width, limit int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		switch {
		case line == "":
			line = word
		case len(lines) < limit-1 && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width:
			lines = append(lines, cut(line, width))
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, cut(line, width))
}
