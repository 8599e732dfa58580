package reports

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/stats"
)

// nameSides says of each run whose trial it is: its group's, and where a group
// holds several configurations or architectures that one's within it. A run that
// belongs to no group is its configuration's, or a side of its own beside groups.
func nameSides(c *bench.Comparison, runs []Run) {
	group := func(i int) string { return runs[i].Group }
	mixed := make(map[string]bool)
	first := make(map[string]string)
	any := false
	for i := range c.Runs {
		g, own := group(i), configured(&c.Runs[i])
		any = any || g != ""
		if other, ok := first[g]; !ok {
			first[g] = own
		} else if other != own {
			mixed[g] = true
		}
	}
	for i := range c.Runs {
		r := &c.Runs[i]
		switch g := group(i); {
		case !any:
			r.Side = configured(r)
		case g == "":
			r.Side = string(r.ID)
		case mixed[g]:
			r.Side = g + " " + configured(r)
		default:
			r.Side = g
		}
	}
}

// grouped reports whether a side is more than an architecture.
func grouped(c *bench.Comparison) bool {
	return slices.ContainsFunc(c.Runs, func(r bench.ComparedRun) bool { return r.Side != r.Architecture })
}

// sides lists the sides in order of appearance, with their runs.
func sides(c *bench.Comparison) (names []string, runs map[string][]int) {
	runs = make(map[string][]int)
	for i, r := range c.Runs {
		if runs[r.Side] == nil {
			names = append(names, r.Side)
		}
		runs[r.Side] = append(runs[r.Side], i)
	}
	return names, runs
}

// differences compares the first side with each other one. What is real is
// decided for all figures of two sides at once.
func differences(c *bench.Comparison) []bench.ComparedDifference {
	names, runs := sides(c)
	var all []bench.ComparedDifference
	for _, other := range names[min(1, len(names)):] {
		var found []bench.ComparedDifference
		var p []float64
		for i := range c.Figures {
			f := &c.Figures[i]
			if f.Unit == unitUSD {
				continue // it follows from what the others count
			}
			from, to := trialsOf(f, runs[names[0]]), trialsOf(f, runs[other])
			d, ok := stats.Differ(from, to)
			if !ok {
				continue
			}
			p = append(p, d.P)
			found = append(found, bench.ComparedDifference{
				Figure: f.Name, From: comparedSide(names[0], len(from), d.From), To: comparedSide(other, len(to), d.To),
				Change: d.Change(), Superiority: d.Superiority, P: d.P,
			})
		}
		for i, real := range stats.Discoveries(p) {
			found[i].Real = real
		}
		all = append(all, found...)
	}
	return all
}

// trialsOf are the values of a side's trials: +Inf where it never came to an end,
// and none at all where one trial has not observed it.
func trialsOf(f *bench.ComparedFigure, runs []int) (out []float64) {
	for _, i := range runs {
		switch {
		case f.Values[i] != nil:
			out = append(out, *f.Values[i])
		case slices.Contains(f.Never, i):
			out = append(out, math.Inf(1))
		default:
			return nil
		}
	}
	return out
}

func comparedSide(name string, trials int, iv stats.Interval) bench.ComparedSide {
	bounded := func(v float64) *float64 {
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return nil
		}
		return &v
	}
	return bench.ComparedSide{Side: name, Trials: trials, Median: bounded(iv.Median), Low: bounded(iv.Low), High: bounded(iv.High)}
}

// trialNotes tells what the trials show of the first side and each other one.
func trialNotes(c *bench.Comparison) []string {
	names, runs := sides(c)
	if len(names) < 2 {
		if len(c.Runs) > 1 {
			return []string{fmt.Sprintf("%d runs of one architecture: their spread is the noise that a difference must exceed", len(c.Runs))}
		}
		return nil
	}
	var notes []string
	for _, other := range names[1:] {
		n, m := len(runs[names[0]]), len(runs[other])
		against := clean(names[0], nameLimit) + " against " + clean(other, nameLimit)
		if min(n, m) < stats.MinTrials {
			notes = append(notes, fmt.Sprintf("%s: %d and %d trials are too few trials to tell a difference from noise; it takes %d a side", against, n, m, stats.MinTrials))
			continue
		}
		var same []string
		for i := range c.Differences {
			d := &c.Differences[i]
			f := figure(c, d.Figure)
			switch {
			case f == nil || d.From.Side != names[0] || d.To.Side != other:
			case d.Real:
				notes = append(notes, difference(f, d))
			default:
				same = append(same, f.Title)
			}
		}
		if len(same) > 0 {
			notes = append(notes, fmt.Sprintf("%s, %d and %d trials: no difference that these trials can show in %s", against, n, m, strings.Join(same, ", ")))
		}
	}
	return notes
}

func figure(c *bench.Comparison, name string) *bench.ComparedFigure {
	for i := range c.Figures {
		if c.Figures[i].Name == name {
			return &c.Figures[i]
		}
	}
	return nil
}

// difference tells a real difference in one figure.
func difference(f *bench.ComparedFigure, d *bench.ComparedDifference) string {
	value := func(v *float64) string {
		if v == nil {
			return unbounded
		}
		return inUnit(f.Unit, *v)
	}
	show := func(s *bench.ComparedSide) string {
		return clean(s.Side, nameLimit) + " " + value(s.Median) + " [" + value(s.Low) + ", " + value(s.High) + "]"
	}
	by := "one of them is unbounded"
	if d.Change != nil {
		by = "differs by " + inUnit(f.Unit, math.Abs(*d.Change))
		if base := d.From.Median; base != nil && *base > 0 && f.Unit != "%" {
			by += fmt.Sprintf(" (%+.0f %%)", *d.Change / *base * 100)
		}
	}
	return fmt.Sprintf("%s: %s, %s (median and 95 %% interval of %d and %d trials): %s, p = %.2g", f.Title, show(&d.From), show(&d.To), d.From.Trials, d.To.Trials, by, d.P)
}

// tolerated tells what the tolerances of a comparison came to, one line each.
func tolerated(c *bench.Comparison) []string {
	var lines []string
	for _, f := range c.FailIf {
		value := func(v *float64) string {
			if v == nil {
				return "none"
			}
			return inUnit(f.Unit, *v)
		}
		came := "unknown"
		if f.Held != nil {
			came = map[bool]string{true: "EXCEEDED", false: "not exceeded"}[*f.Held] + ", " + value(f.Actual) + " against " + value(f.Baseline)
		}
		lines = append(lines, clean(f.FailIf, lineLimit)+": "+came+" ("+clean(f.Side, nameLimit)+" against the baseline)")
	}
	return lines
}
