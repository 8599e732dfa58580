package reports

import (
	"fmt"
	"io"
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
	legend := rowsLegend(c)
	for i, name := range rows[0] { // columns are narrow here
		if short, ok := strings.CutSuffix(name, isControl); ok {
			if rows[0][i] = short + "*"; !strings.HasPrefix(legend, "* ") {
				legend = joinNonEmpty("; ", "* control: its verdict does not count", legend)
			}
		}
	}
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
	settings := settingRows(c)
	if len(c.Notes)+len(c.FailIf)+len(settings)+len(legend) > 0 {
		b.WriteString("\n")
	}
	labelled := func(label, text string) {
		for _, l := range wrap(text, width-len(label)-2, 4) {
			b.WriteString(label + "  " + l + "\n")
			label = strings.Repeat(" ", len(label))
		}
	}
	if legend != "" {
		labelled("read", legend)
	}
	for _, l := range tolerated(c) {
		labelled("fail-if", l)
	}
	for i, row := range settings {
		if i == maxSettings {
			labelled("setting", fmt.Sprintf("%d more differ", len(settings)-i))
			break
		}
		labelled("setting", row[0]+": "+strings.Join(row[1:], " | "))
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

// maxSettings is how many settings that differ a terminal shows.
const maxSettings = 12

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
	if legend := rowsLegend(c); legend != "" {
		fmt.Fprintf(&b, "\n%s\n", escapeMarkdown(legend))
	}
	if rows := settingRows(c); len(rows) > 0 {
		columns[0] = "setting"
		markdownTable(&b, "What differs between the settings", columns, rows)
	}
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
