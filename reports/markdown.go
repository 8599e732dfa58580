package reports

import (
	"fmt"
	"strings"

	"github.com/ackproof/ackproof/bench"
)

// markdownRows bounds the tables of summary.md: it is read in a CI page.
const markdownRows = 20

// Markdown gives summary.md, which is also fit for the step summary of a CI
// system. Text from outside is escaped, so that it can neither make markup nor
// mention anybody.
func Markdown(r *bench.Result) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s: %s\n\n%s\n", upper(r.Verdict), escapeMarkdown(headline(r)), escapeMarkdown(promise(r)))
	if r.Verdict != bench.Pass {
		b.WriteString("\n")
		for _, reason := range r.Reasons {
			fmt.Fprintf(&b, "- **%s**: %s\n", MarkdownText(words(string(reason.Code))), MarkdownText(reason.Text))
		}
	}
	markdownTable(&b, "", []string{"figure", "value"}, keyRows(r))
	b.WriteString("\n")
	for _, f := range flow(r) {
		fmt.Fprintf(&b, "%s **%s**", f.Name, countOf(f.Count))
		if len(f.Left) > 0 {
			fmt.Fprintf(&b, " (%s)", f.left())
		}
		if f.Name != "processed" {
			b.WriteString(" → ")
		}
	}
	b.WriteString("\n")
	if text := sentAgain(&r.Requests); text != "" {
		fmt.Fprintf(&b, "\nSent again: %s.\n", text)
	}
	markdownTable(&b, "Expectations", []string{"expected", "actual", "result", "why"}, expectationRows(r))
	markdownTable(&b, "Faults", faultColumns, faultRows(r))
	if text := controlText(r.Control); text != "" {
		fmt.Fprintf(&b, "\nBefore the first fault: %s.\n", escapeMarkdown(text))
	}
	markdownTable(&b, "Items by verdict", []string{"verdict", "items"}, itemRows(&r.Items))
	markdownTable(&b, "Evidence that is missing", []string{"gate", "detail"}, gateRows(r))
	markdownTable(&b, "Findings", []string{"verdict", "id", "last seen", "fault", "position"}, findingRows(r, markdownRows))
	if n := len(r.Findings); n > markdownRows {
		fmt.Fprintf(&b, "\n%s more in findings.jsonl.\n", count(int64(n-markdownRows)))
	}
	if r.Cost != nil {
		markdownTable(&b, "Cost on AWS", costColumns, costRows(r.Cost))
		fmt.Fprintf(&b, "\n%s.\n", escapeMarkdown(costText(r.Cost)))
	}
	if len(r.Notes) > 0 {
		b.WriteString("\n## Notes\n\n")
		for _, n := range r.Notes {
			fmt.Fprintf(&b, "- %s\n", MarkdownText(n))
		}
	}
	finished := "cut off"
	if r.Run.Finished != nil {
		finished = *r.Run.Finished
	}
	fmt.Fprintf(&b, "\nRun %s, seed %d, %s to %s, ackproof %s.\n", MarkdownText(string(r.Run.ID)), r.Run.Seed,
		MarkdownText(r.Run.Started), MarkdownText(finished), MarkdownText(r.Run.Version))
	return []byte(b.String())
}

// Line gives a run in one line of Markdown, such as a README shows: the verdict,
// the promise, and how quickly it was made.
func Line(r *bench.Result) []byte {
	day, _, _ := strings.Cut(r.Run.Started, "T")
	within := unbounded
	if p := r.ResponseTime.P99; p != nil {
		within = duration(*p)
	} else if r.ResponseTime.Censored == 0 {
		within = notObserved
	}
	return fmt.Appendf(nil, "**ackproof: %s** (%s, %s): %s Response time p99: %s.\n",
		upper(r.Verdict), MarkdownText(r.Run.Scenario), MarkdownText(day), escapeMarkdown(promise(r)), escapeMarkdown(within))
}

// markdownTable writes a table under a heading; nothing at all without rows.
// Cells are escaped here and nowhere else.
func markdownTable(b *strings.Builder, heading string, columns []string, rows [][]string) {
	if len(rows) == 0 {
		return
	}
	b.WriteString("\n")
	if heading != "" {
		fmt.Fprintf(b, "## %s\n\n", heading)
	}
	fmt.Fprintf(b, "| %s |\n|%s\n", strings.Join(columns, " | "), strings.Repeat(" --- |", len(columns)))
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = escapeMarkdown(cell)
		}
		fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
	}
}

// MarkdownText makes a text from outside stand for itself in Markdown, in one line
// of bounded length.
func MarkdownText(s string) string { return escapeMarkdown(clean(s, lineLimit)) }

// escapeMarkdown makes every character stand for itself. Entities are used
// where a backslash does not help: in HTML, in mentions (@) and in bare links
// (://).
func escapeMarkdown(s string) string {
	var b strings.Builder
	for i, c := range s {
		switch {
		case c == '<' || c == '>' || c == '&' || c == '@' || c == '|' || c == '`':
			fmt.Fprintf(&b, "&#%d;", c)
		case c == ':' && strings.HasPrefix(s[i:], "://"), c == '.' && strings.HasSuffix(strings.ToLower(s[:i]), "www"):
			fmt.Fprintf(&b, "&#%d;", c)
		case strings.ContainsRune(`\*_[]~#$!`, c):
			b.WriteByte('\\')
			b.WriteRune(c)
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}
