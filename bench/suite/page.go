package suite

import (
	"fmt"
	"io"
	"strings"
)

// Table prints the matrix as it came out, one line a configuration. Wrong cells are
// marked with "!" and told below, each with why; a cell that has no outcome is
// wrong.
func Table(w io.Writer, cells []Cell, outcomes map[Cell]Outcome, s Style) error {
	var b strings.Builder
	planned := map[Cell]bool{}
	for _, c := range cells {
		planned[c] = true
	}
	b.WriteString(s.paint(dim, "  "+head()) + "\n")
	var wrong []string
	for _, c := range configurations {
		var row strings.Builder
		any := false
		fmt.Fprintf(&row, "  %-4s", c.Name)
		for _, p := range probes {
			cell := Cell{c.Name, p.Name}
			text, why := mark(cell, planned[cell], outcomes)
			any = any || planned[cell]
			for _, one := range why {
				wrong = append(wrong, fmt.Sprintf("  %s %s: %s", c.Name, p.Name, one))
			}
			fmt.Fprintf(&row, " %-*s", columnOf(p), text)
		}
		if any {
			b.WriteString(s.cut(row.String()+"  "+c.Title) + "\n")
		}
	}
	if len(wrong) > 0 {
		b.WriteString("\n")
	}
	for _, text := range wrong {
		b.WriteString(s.paint(red, text) + "\n")
	}
	b.WriteString("\n")
	for _, l := range fold(legend(), s.Width-2) {
		b.WriteString(s.paint(dim, "  "+l) + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// mark gives what stands in a cell, and what is wrong with it.
func mark(cell Cell, planned bool, outcomes map[Cell]Outcome) (text string, wrong []string) {
	o, ok := outcomes[cell]
	switch {
	case !planned:
		return "", nil
	case !ok:
		return "!", []string{"it has no outcome"}
	case len(o.Wrong) > 0:
		return "!" + o.Observation.mark(), o.Wrong
	}
	return o.Observation.mark(), nil
}

// columnOf is the width of a probe's column: its name, or the longest letters.
func columnOf(p Probe) int { return max(len(p.Name), 4) }

func head() string {
	var b strings.Builder
	b.WriteString("    ")
	for _, p := range probes {
		fmt.Fprintf(&b, " %-*s", columnOf(p), p.Name)
	}
	return b.String()
}

// Page gives the documentation of the matrix in Markdown: the table that the
// selftest holds ackproof against.
func Page() []byte {
	var b strings.Builder
	b.WriteString(`# The selftest

A checker that passes whatever it is shown looks the same as a system without
bugs. So ackproof is held against bugs that are known: each one below is planted,
each probe is run, and what the judge finds must be what the table says, no more
and no less. One wrong cell is a red build.

    ackproof selftest           every cell, in virtual time
    ackproof selftest --live    one cell for each bug, and six faults on the sound
                                configuration, on real processes

In virtual time a witness stands between the processor and its table, notes what
was written for each id, and must agree with the judge about which ids are lost or
applied twice. It reads neither the ledger nor the tables.

The same table names the bug of a processor that nobody knows: ` + "`ackproof suite`" + `.

## The table

A letter must be there, one in lower case may, · stands for nothing. ` + legend() + `
| |`)
	for _, p := range probes {
		fmt.Fprintf(&b, " %s |", p.Name)
	}
	b.WriteString(" what is planted |\n| --- |" + strings.Repeat(" --- |", len(probes)+1) + "\n")
	for _, c := range configurations {
		fmt.Fprintf(&b, "| %s |", c.Name)
		for _, p := range probes {
			must, may := c.Shows(p.Name)
			text := must + strings.ToLower(may)
			if text == "" {
				text = "·"
			}
			fmt.Fprintf(&b, " %s |", text)
		}
		fmt.Fprintf(&b, " %s |\n", c.Title)
	}
	b.WriteString("\n## The probes\n\n")
	for _, p := range probes {
		fmt.Fprintf(&b, "- **%s**: %s\n", p.Name, p.About)
	}
	b.WriteString("\n## How each is planted, and what to change\n\nOn top of `" + strings.Join(Settings, " ") + "`:\n\n")
	for _, c := range configurations[1:] {
		var set []string
		for _, one := range c.Set {
			set = append(set, "`--set '"+strings.ReplaceAll(one, "'", `'\''`)+"'`")
		}
		fmt.Fprintf(&b, "- **%s** (%s) %s\n  In real life: %s.\n", c.Name, c.Part, strings.Join(set, " "), c.Change)
	}
	b.WriteString("\n## What looks alike\n\nB2 and B4b, B6 and B7, A1 and A2 cannot be told apart from outside. The suite then\nnames both.\n")
	return []byte(b.String())
}
