package reports

import (
	"fmt"
	"slices"

	"github.com/ackproof/ackproof/bench"
)

// A search for capacity takes minutes and is made apart from the runs; a comparison
// tells what it found beside the runs of the same system.

// comparedCapacities lists the searches, each with its runs.
func comparedCapacities(runs []Run) []bench.ComparedCapacity {
	var all []bench.ComparedCapacity
	for i, run := range runs {
		if run.Capacity == nil {
			continue
		}
		k := slices.IndexFunc(all, func(c bench.ComparedCapacity) bool { return c.Dir == run.Capacity.Dir })
		if k < 0 {
			k = len(all)
			all = append(all, *run.Capacity)
			all[k].Runs = nil
		}
		all[k].Runs = append(all[k].Runs, i)
	}
	return all
}

// capacityOf is the search of a side; nil: it has none, or its runs have several.
func capacityOf(c *bench.Comparison, s side) *bench.ComparedCapacity {
	for k := range c.Capacity {
		one := &c.Capacity[k]
		if !slices.ContainsFunc(s.runs, func(i int) bool { return !slices.Contains(one.Runs, i) }) {
			return one
		}
	}
	return nil
}

// comparedCapacityRows are the rows of capacity, without those of which no search
// tells.
func comparedCapacityRows(c *bench.Comparison, columns []side) [][]string {
	if len(c.Capacity) == 0 {
		return nil
	}
	answers := []struct {
		title string
		of    func(*bench.ComparedCapacity) *bench.CapacityAnswer
	}{
		{"capacity of the API", func(k *bench.ComparedCapacity) *bench.CapacityAnswer { return &k.Response }},
		{"capacity of the processor", func(k *bench.ComparedCapacity) *bench.CapacityAnswer { return &k.Backlog }},
	}
	var rows [][]string
	for _, a := range answers {
		row, seen := []string{a.title}, false
		var first *bench.CapacityAnswer
		for i, s := range columns {
			k := capacityOf(c, s)
			if k == nil {
				row = append(row, notObserved)
				continue
			}
			text := capacityInterval(a.of(k))
			seen = seen || text != notObserved
			if i == 0 {
				first = a.of(k)
			} else if first != nil && apart(first, a.of(k)) {
				text += realMark
			}
			row = append(row, text)
		}
		if seen {
			rows = append(rows, row)
		}
	}
	row, seen := []string{"a spike drains in"}, false
	for _, s := range columns {
		text := notObserved
		if k := capacityOf(c, s); k != nil && k.DrainMs != nil {
			text, seen = duration(*k.DrainMs), true
		}
		row = append(row, text)
	}
	if seen {
		rows = append(rows, row)
	}
	return rows
}

// capacityInterval writes an answer between its ends.
func capacityInterval(a *bench.CapacityAnswer) string {
	between := func() string {
		switch {
		case a.Low == nil:
			return "below " + significant(*a.High) + "/s"
		case a.High == nil:
			return "at least " + significant(*a.Low) + "/s"
		}
		return significant(*a.Low) + " to " + significant(*a.High) + "/s"
	}
	switch {
	case a.Status == bench.CapacityNone || a.Low == nil && a.High == nil:
		return notObserved
	case a.Status == bench.CapacityOpen:
		return between() + ", not settled"
	}
	return between()
}

// apart reports whether two answers have no rate in common, by ends that are settled.
func apart(a, b *bench.CapacityAnswer) bool {
	above := func(a, b *bench.CapacityAnswer) bool {
		low := a.Low != nil && (a.Status == bench.CapacityFound || a.Status == bench.CapacityAtLeast)
		high := b.High != nil && (b.Status == bench.CapacityFound || b.Status == bench.CapacityBelow)
		return low && high && *a.Low >= *b.High
	}
	return above(a, b) || above(b, a)
}

// capacityNotes say where the capacities come from.
func capacityNotes(c *bench.Comparison, runs []Run) []string {
	var notes []string
	for _, k := range c.Capacity {
		run := &runs[k.Runs[0]].Result.Run
		note := fmt.Sprintf("the capacity of %s is that of %s, found by %s", sidesOfRuns(c, k.Runs), clean(k.Dir, lineLimit), plural(int64(k.Probes), "probe"))
		if k.Host != run.Host {
			note += ", on another host"
		}
		if k.Version != run.Version {
			note += ", by another version of ackproof"
		}
		notes = append(notes, note)
	}
	return notes
}

// sidesOfRuns names the sides that some runs are of.
func sidesOfRuns(c *bench.Comparison, runs []int) string {
	var names []string
	for _, i := range runs {
		if name := clean(c.Runs[i].Side, nameLimit); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return joinNonEmpty(", ", names...)
}
