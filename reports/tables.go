package reports

import (
	"fmt"

	"github.com/ackproof/ackproof/bench"
)

// The rows of the tables, as plain cleaned text. Each format escapes them in
// its own way.

func keyRows(r *bench.Result) [][]string {
	var rows [][]string
	for _, f := range keyFigures(r) {
		rows = append(rows, []string{f.Name, f.Value})
	}
	return rows
}

func expectationRows(r *bench.Result) [][]string {
	var rows [][]string
	for _, e := range r.Expectations {
		rows = append(rows, []string{clean(e.Expect, lineLimit), actualText(&e), expectationResult(e), clean(e.Why, lineLimit)})
	}
	return rows
}

// actualText is what came out of an expectation.
func actualText(e *bench.Expectation) string {
	if e.Actual == nil {
		return notObserved
	}
	return inUnit(e.Unit, *e.Actual)
}

func expectationResult(e bench.Expectation) string {
	switch {
	case e.OK == nil:
		return "unknown"
	case *e.OK:
		return "met"
	}
	return "missed"
}

// faultColumns are those of faultRows.
var faultColumns = []string{"fault", "bitten", "undone", "recovery", "lost to it", "predicted"}

func faultRows(r *bench.Result) [][]string {
	var rows [][]string
	for i := range r.Faults {
		f := &r.Faults[i]
		undone := "yes"
		if !f.Undone {
			undone = "NO"
		}
		rows = append(rows, []string{clean(f.Text, lineLimit), bites(f), undone, recovery(r, f.RecoveryMs, f.RecoveredAfterLoad), countOf(f.ObservedLoss), predictedText(f)})
	}
	return rows
}

// itemRows lists the verdicts that occurred or could not be observed.
func itemRows(i *bench.Items) [][]string {
	var rows [][]string
	for _, v := range bench.ItemVerdicts() {
		n, observed := i.Of(v)
		switch {
		case !observed:
			rows = append(rows, []string{words(v.String()), notObserved})
		case n > 0:
			rows = append(rows, []string{words(v.String()), count(n)})
		}
	}
	return rows
}

// gateRows lists the gates that are down.
func gateRows(r *bench.Result) [][]string {
	var rows [][]string
	for _, g := range r.Gates {
		if !g.OK {
			rows = append(rows, []string{words(clean(string(g.Name), nameLimit)), clean(g.Detail, lineLimit)})
		}
	}
	return rows
}

func findingRows(r *bench.Result, limit int) [][]string {
	var rows [][]string
	for i := range r.Findings[:min(limit, len(r.Findings))] {
		rows = append(rows, findingCells(&r.Findings[i]))
	}
	return rows
}

// findingCells are verdict, id, last station, fault and position.
func findingCells(f *bench.Finding) []string {
	during := clean(f.DuringFault, lineLimit)
	if during == "" {
		during = "outside faults"
	}
	return []string{words(f.Verdict.String()), clean(f.ID, nameLimit), clean(string(f.LastStation), nameLimit), during, clean(f.Position, nameLimit)}
}

// latencyRow is a distribution as cells: name, count, percentiles, maximum.
func latencyRow(name string, l *bench.Latency) []string {
	if l == nil {
		l = new(bench.Latency)
	}
	values := count(l.Count)
	if l.Censored > 0 {
		values += fmt.Sprintf(" (%s never ended)", count(l.Censored))
	}
	row := []string{name, values}
	least := l.AtLeast
	if least == nil {
		least = new(bench.AtLeast)
	}
	row = append(row, figureOf(l, l.Mean))
	for _, p := range []struct {
		value *float64
		least float64
	}{{l.P50, least.P50}, {l.P90, least.P90}, {l.P95, least.P95}, {l.P99, least.P99}, {l.P999, least.P999}, {l.Max, least.Max}} {
		if p.value == nil && l.AtLeast != nil {
			row = append(row, "≥ "+duration(p.least)) // it never ended, and was seen to go on as long
			continue
		}
		row = append(row, figureOf(l, p.value))
	}
	return row
}

func latencyRows(r *bench.Result) [][]string {
	rows := [][]string{latencyRow("response time", &r.ResponseTime)}
	for _, by := range []struct {
		name string
		of   *bench.Latency
	}{{"… acknowledged", &r.ResponseBy.Acknowledged}, {"… refused", &r.ResponseBy.Refused}, {"… unknown", &r.ResponseBy.Unknown}} {
		if by.of.Count > 0 && by.of.Count < r.ResponseTime.Count {
			rows = append(rows, latencyRow(by.name, by.of))
		}
	}
	return append(rows,
		latencyRow("service time", &r.ServiceTime),
		latencyRow("processing lag", r.Lag),
		latencyRow("completion time", r.Completion),
		latencyRow("dispatch lag", r.DispatchLag),
	)
}

// availabilityText tells how much of what clients wanted they were promised; "":
// nothing was due.
func availabilityText(a *bench.Availability) string {
	if a.Share == nil || a.WorstSecond == nil {
		return ""
	}
	text := percent(*a.Share) + " of the requests due were acknowledged, in the worst second " + percent(*a.WorstSecond)
	if a.DarkSeconds > 0 {
		text += "; in " + plural(a.DarkSeconds, "second") + " none was"
	}
	return text
}

func phaseRows(r *bench.Result) [][]string {
	var rows [][]string
	for i := range r.Phases {
		p := &r.Phases[i]
		name := clean(p.Name, nameLimit)
		if p.Warmup && name != "warm-up" {
			name += " (warm-up)"
		}
		lag := p.Lag
		if lag == nil {
			lag = new(bench.Latency)
		}
		rows = append(rows, []string{
			name, duration(p.FromMs) + " to " + duration(p.ToMs), count(p.Acknowledged),
			pair(figureOf(&p.ResponseTime, p.ResponseTime.P50), figureOf(&p.ResponseTime, p.ResponseTime.P99)),
			pair(figureOf(lag, lag.P50), figureOf(lag, lag.P99)), lostText(&p.Items),
		})
	}
	return rows
}

func runRows(r *bench.Result) [][]string {
	finished := "cut off"
	if r.Run.Finished != nil {
		finished = clean(*r.Run.Finished, nameLimit)
	}
	h := r.Run.Host
	rows := [][]string{
		{"run", clean(string(r.Run.ID), nameLimit)},
		{"scenario", clean(r.Run.Scenario, nameLimit)},
		{"target", clean(r.Run.Target, nameLimit)},
		{"architecture", clean(r.Run.Architecture, nameLimit)},
		{"seed", fmt.Sprint(r.Run.Seed)},
		{"load began", clean(r.Run.Started, nameLimit)},
		{"finished", finished},
		{"ackproof", clean(r.Run.Version, nameLimit)},
		{"load from", clean(fmt.Sprintf("%s/%s, %d CPUs", h.OS, h.Arch, h.CPUs), nameLimit)},
		{"drain proven by", clean(string(r.Drain.Proof), nameLimit) + ", " + duration(r.Drain.Ms) + " after the load"},
		{"records committed", countOf(r.Deliveries.Records)},
		{"deliveries", countOf(r.Deliveries.Delivered) + ", again: " + countOf(r.Deliveries.Redelivered) + ", dead-lettered: " + countOf(r.Deliveries.DeadLettered)},
	}
	if at, within := r.Clock.OffsetMs, r.Clock.ErrorMs; at != nil && within != nil {
		rows = append(rows, []string{"clock of the processor", duration(*at) + " ahead of ours, ± " + duration(*within)})
	}
	return rows
}

// generatorRows tell what the load generator saw of itself: whether a slow answer
// may have been its own doing.
func generatorRows(l *bench.LoadFigures) [][]string {
	kept := "yes"
	if !l.GeneratorOK {
		kept = "NO"
	}
	rows := [][]string{
		{"kept up", joinNonEmpty(": ", kept, clean(l.GeneratorReason, lineLimit))},
		{"offered, achieved", rate(l.OfferedRPS) + ", " + rate(l.AchievedRPS)},
		{"send delay p50 / p99 / max", duration(l.SendDelay.P50) + " / " + duration(l.SendDelay.P99) + " / " + duration(l.SendDelay.Max)},
	}
	g := l.Generator
	if g == nil {
		return append(rows, []string{"what it saw of itself", notObserved})
	}
	busy := notObserved
	if g.CPUShare != nil {
		busy = percent(*g.CPUShare) + " of all cores"
	}
	return append(rows,
		[]string{"CPU", busy},
		[]string{"garbage collection", "held it up for " + duration(g.GCPauseMs) + " in all, " + duration(g.GCPauseMaxMs) + " at most"},
		[]string{"scheduling p99", duration(g.SchedulingP99Ms)},
		[]string{"requests under way", count(g.InFlightMax) + " at most"},
		[]string{"connections", count(g.ConnectionsOpened) + " opened, " + count(g.ConnectionsFailed) + " failed, " + count(g.ConnectionsOpenMax) + " open at most"},
	)
}
