package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/stats"
)

// comparedFigure is a figure of a result that runs are compared by.
type comparedFigure struct {
	name, title, unit string
	of                func(*bench.Result) *float64
	never             func(*bench.Result) bool // why there is no value; nil: it was not observed
}

// comparedFigures are the rows of a comparison in the order in which they are
// read: losses first, then what the client was told, then times.
var comparedFigures = []comparedFigure{
	{"lost", "lost", "items", func(r *bench.Result) *float64 { n, _ := lost(&r.Items); return fromInt(n) }, nil},
	{"lost_share", "lost, share of acknowledged", "%", lostShare, nil},
	{"items.duplicated", "duplicated", "items", func(r *bench.Result) *float64 { return fromInt(r.Items.Duplicated) }, nil},
	{"items.wrong_effect", "processed wrongly", "items", func(r *bench.Result) *float64 { return fromInt(r.Items.WrongEffect) }, nil},
	{"items.phantom", "refused and stored all the same", "items", observed(func(i *bench.Items) int64 { return i.Phantom }), nil},
	{"items.orphan_effect", "processed and never stored", "items", observed(func(i *bench.Items) int64 { return i.OrphanEffect }), nil},
	{"items.unexpected", "never sent and found", "items", func(r *bench.Result) *float64 { return fromInt(r.Items.Unexpected) }, nil},
	{"items.dead_lettered", "dead-lettered", "items", observed(func(i *bench.Items) int64 { return i.DeadLettered }), nil},
	{"items.pending", "still waiting", "items", func(r *bench.Result) *float64 { return fromInt(&r.Items.Pending) }, nil},
	{"items.unread", "not observed", "items", func(r *bench.Result) *float64 { return fromInt(&r.Items.Unread) }, nil},
	{"requests.acknowledged", "acknowledged", "requests", func(r *bench.Result) *float64 { return fromInt(&r.Requests.Acknowledged) }, nil},
	{"requests.refused", "refused", "requests", func(r *bench.Result) *float64 { return fromInt(&r.Requests.Refused) }, nil},
	{"requests.unknown", "unknown to the client", "requests", func(r *bench.Result) *float64 { return fromInt(&r.Requests.Unknown) }, nil},
	{"requests.unsent", "unsent", "requests", func(r *bench.Result) *float64 { return fromInt(&r.Requests.Unsent) }, nil},
	{"load.achieved_rps", "rate that was sent", "/s", func(r *bench.Result) *float64 {
		if r.Load.AchievedRPS == 0 {
			return nil
		}
		return &r.Load.AchievedRPS
	}, nil},
	{"response_time.p50", "response time p50", "ms", func(r *bench.Result) *float64 { return r.ResponseTime.P50 }, unending(responseOf)},
	{"response_time.p99", "response time p99", "ms", func(r *bench.Result) *float64 { return r.ResponseTime.P99 }, unending(responseOf)},
	{"response_time.max", "response time max", "ms", func(r *bench.Result) *float64 { return r.ResponseTime.Max }, unending(responseOf)},
	{"processing_lag.p50", "processing lag p50", "ms", func(r *bench.Result) *float64 { return lagOf(r).P50 }, unending(lagOf)},
	{"processing_lag.p99", "processing lag p99", "ms", func(r *bench.Result) *float64 { return lagOf(r).P99 }, unending(lagOf)},
	{"completion_time.p50", "completion time p50", "ms", func(r *bench.Result) *float64 { return completionOf(r).P50 }, unending(completionOf)},
	{"completion_time.p99", "completion time p99", "ms", func(r *bench.Result) *float64 { return completionOf(r).P99 }, unending(completionOf)},
	{"recovery", "slowest recovery", "ms", func(r *bench.Result) *float64 {
		ms, _, never := slowest(r.Faults)
		if never {
			return nil
		}
		return ms
	}, func(r *bench.Result) bool { _, _, never := slowest(r.Faults); return never }},
	{"cost.per_million.low", "AWS cost per million, at least", unitUSD, func(r *bench.Result) *float64 {
		if r.Cost == nil || r.Cost.PerMillion == nil {
			return nil
		}
		return &r.Cost.PerMillion.Low
	}, nil},
	{"cost.per_million.high", "AWS cost per million, at most", unitUSD, func(r *bench.Result) *float64 {
		if r.Cost == nil || r.Cost.PerMillion == nil {
			return nil
		}
		return r.Cost.PerMillion.High
	}, nil},
}

// unitUSD is the unit of money.
const unitUSD = "$"

func responseOf(r *bench.Result) *bench.Latency { return &r.ResponseTime }

// unending reports whether a time that has no value has none because some of
// what it describes never ended.
func unending(of func(*bench.Result) *bench.Latency) func(*bench.Result) bool {
	return func(r *bench.Result) bool { return of(r).Censored > 0 }
}

func fromInt(n *int64) *float64 {
	if n == nil {
		return nil
	}
	f := float64(*n)
	return &f
}

// observed is a count of items that is null where no item was observed.
func observed(of func(*bench.Items) int64) func(*bench.Result) *float64 {
	return func(r *bench.Result) *float64 {
		if n, _ := lost(&r.Items); n == nil {
			return nil
		}
		n := of(&r.Items)
		return fromInt(&n)
	}
}

func lostShare(r *bench.Result) *float64 {
	n, _ := lost(&r.Items)
	if n == nil || r.Requests.Acknowledged == 0 {
		return nil
	}
	share := float64(*n) / float64(r.Requests.Acknowledged) * 100
	return &share
}

func completionOf(r *bench.Result) *bench.Latency {
	if r.Completion == nil {
		return new(bench.Latency)
	}
	return r.Completion
}

// Run is one of the runs of a comparison.
type Run struct {
	Result *bench.Result
	Series *bench.Series // nil: curves and settings of this run are not known
	Dir    string        // as a link from the page; "": none
	Group  string        // that it was made in; "": none
	// Configuration is what 'run --vary' set of it; "": nothing.
	Configuration string
	// Capacity is what a search has found of its system, the same for all runs of one
	// system; nil: no search is known.
	Capacity *bench.ComparedCapacity
}

// configured is what a run is called among those that were made with it: by what was
// varied, or by its architecture.
func configured(r *bench.ComparedRun) string { return cmp.Or(r.Configuration, r.Architecture) }

// Compare puts runs side by side, in the order given. own is the scenario's
// own architecture: runs of another are controls, and Exit is the exit code of
// the worst verdict among those that are none (0 pass, 1 fail, 3 unknown; 3
// too where every run is a control). An empty own means that none is a control.
//
// The runs of one group are the trials of one side, as are those of one
// configuration, or architecture, where there is no group or it holds several.
// Where two sides have at least [stats.MinTrials] each, Differences and Notes tell
// which figures differ by more than noise; with fewer the notes say that nobody
// can tell.
func Compare(runs []Run, own string) bench.Comparison {
	c := bench.Comparison{
		Schema: bench.ComparisonSchema, Runs: []bench.ComparedRun{}, Differences: []bench.ComparedDifference{},
		Settings: differingSettings(runs), Notes: []string{},
	}
	seen := make(map[string]int)
	for i := range runs {
		seen[cmp.Or(runs[i].Configuration, runs[i].Result.Run.Architecture)]++
	}
	var verdicts []bench.Verdict
	for i := range runs {
		run := &runs[i].Result.Run
		out := bench.ComparedRun{
			ID: run.ID, Scenario: run.Scenario, Architecture: run.Architecture, Configuration: runs[i].Configuration,
			Verdict: runs[i].Result.Verdict, Control: own != "" && run.Architecture != own, Dir: runs[i].Dir,
		}
		if out.Label = configured(&out); seen[out.Label] > 1 {
			out.Label = string(run.ID)
		}
		if !out.Control {
			verdicts = append(verdicts, out.Verdict)
		}
		c.Runs = append(c.Runs, out)
	}
	nameSides(&c, runs)
	for _, f := range comparedFigures {
		row := bench.ComparedFigure{Name: f.name, Title: f.title, Unit: f.unit}
		for i := range runs {
			v := f.of(runs[i].Result)
			row.Values = append(row.Values, v)
			if v == nil && f.never != nil && f.never(runs[i].Result) {
				row.Never = append(row.Never, i)
			}
		}
		c.Figures = append(c.Figures, row)
	}
	c.Capacity = comparedCapacities(runs)
	c.Exit = exitCode(verdicts)
	c.Differences = append(c.Differences, differences(&c)...)
	c.Notes = append(c.Notes, comparisonNotes(runs, &c)...)
	return c
}

// exitCode is that of the worst verdict. No verdict is no pass.
func exitCode(verdicts []bench.Verdict) int {
	worst := bench.Pass
	for _, v := range verdicts {
		worst = worst.Worse(v)
	}
	switch {
	case worst == bench.Fail:
		return 1
	case worst == bench.Pass && len(verdicts) > 0:
		return 0
	}
	return 3
}

// comparisonNotes says what a reader must know before believing a difference.
func comparisonNotes(runs []Run, c *bench.Comparison) []string {
	var notes []string
	differs := func(what string, of func(*bench.RunInfo) string) {
		for i := 1; i < len(runs); i++ {
			if of(&runs[i].Result.Run) != of(&runs[0].Result.Run) {
				notes = append(notes, "the runs differ in "+what+": a difference may come from there")
				return
			}
		}
	}
	differs("scenario", func(r *bench.RunInfo) string { return r.Scenario })
	differs("target", func(r *bench.RunInfo) string { return r.Target })
	differs("host", func(r *bench.RunInfo) string { return fmt.Sprint(r.Host) })
	differs("version of ackproof", func(r *bench.RunInfo) string { return r.Version })
	if names := deployedOtherwise(c.Settings); len(names) > 0 {
		notes = append(notes, "the systems on AWS were not set alike ("+strings.Join(names, ", ")+"): a difference may come from there")
	}
	if len(runs) == 2 { // trials have a seed each, as they should
		differs("seed", func(r *bench.RunInfo) string { return fmt.Sprint(r.Seed) })
	}
	for i := range runs {
		if p := runs[i].Result.Phases; len(p) > 0 && !slices.ContainsFunc(p, func(p bench.Phase) bool { return p.Warmup }) {
			notes = append(notes, "no stage of "+runName(c, i)+" is a warm-up: its figures hold the time in which the processor starts")
			break
		}
	}
	for i := range runs {
		if !runs[i].Result.Load.GeneratorOK && runs[i].Result.Requests.Sent > 0 {
			notes = append(notes, "the load generator did not keep up in "+runName(c, i)+": its times are upper bounds")
		}
	}
	for _, l := range []struct {
		name string
		of   func(*bench.Result) *bench.Latency
	}{
		{"response time p99", func(r *bench.Result) *bench.Latency { return &r.ResponseTime }},
		{"processing lag p99", lagOf}, {"completion time p99", completionOf},
	} {
		for i := range runs {
			if d := l.of(runs[i].Result); d.P99 == nil && d.Censored > 0 {
				notes = append(notes, fmt.Sprintf("%s of %s is unbounded: %s of %s never ended", l.name, runName(c, i), count(d.Censored), count(d.Count)))
			}
		}
	}
	for i := range runs {
		for _, n := range runs[i].Result.Notes {
			if n = runName(c, i) + ": " + n; !slices.Contains(notes, n) {
				notes = append(notes, n)
			}
		}
	}
	return slices.Concat(notes, capacityNotes(c, runs), trialNotes(c))
}

// runName is how notes name a run: its label, cleaned.
func runName(c *bench.Comparison, i int) string { return clean(c.Runs[i].Label, nameLimit) }

// comparedValue writes one cell.
func comparedValue(f *bench.ComparedFigure, i int) string {
	if i >= len(f.Values) || f.Values[i] == nil {
		return absent(f, i)
	}
	if f.Name == "recovery" && *f.Values[i] == 0 {
		return "at once"
	}
	return inUnit(f.Unit, *f.Values[i])
}

// absent says why a run has no value.
func absent(f *bench.ComparedFigure, i int) string {
	switch {
	case !slices.Contains(f.Never, i):
		return notObserved
	case f.Name == "recovery":
		return "never"
	}
	return unbounded
}

func inUnit(unit string, v float64) string {
	switch unit {
	case "ms":
		return duration(v)
	case "%":
		return percent(v / 100)
	case "/s":
		return rate(v)
	case unitUSD:
		return dollars(v)
	}
	return number(v)
}

// side is a column of the table: one run, or all trials of a side.
type side struct {
	name string
	runs []int
}

// isControl marks a control.
const isControl = " (control)"

// maxColumns is how many runs stand beside each other. More are put together by
// their sides, if there is anything to put together.
const maxColumns = 4

// comparedSides gives the columns, controls marked.
func comparedSides(c *bench.Comparison) []side {
	mark := func(name string, i int) string {
		if c.Runs[i].Control {
			return name + isControl
		}
		return name
	}
	names, runs := sides(c)
	var out []side
	if (grouped(c) || len(c.Runs) > maxColumns) && len(names) < len(c.Runs) {
		for _, name := range names {
			n := int64(len(runs[name]))
			out = append(out, side{mark(clean(name, nameLimit)+", "+plural(n, "run"), runs[name][0]), runs[name]})
		}
		return out
	}
	for i := range c.Runs {
		name := runName(c, i)
		if own := configured(&c.Runs[i]); c.Runs[i].Label != own {
			name += " " + clean(own, nameLimit)
		}
		out = append(out, side{mark(name, i), []int{i}})
	}
	return out
}

// comparisonColumns are the names of the columns.
func comparisonColumns(c *bench.Comparison) []string {
	var columns []string
	for _, s := range comparedSides(c) {
		columns = append(columns, s.name)
	}
	return columns
}

// sideVerdict is the verdict of a run, or how often each came out.
func sideVerdict(c *bench.Comparison, s side) string {
	if len(s.runs) == 1 {
		return upper(c.Runs[s.runs[0]].Verdict)
	}
	n := make(map[string]int)
	for _, i := range s.runs {
		n[upper(c.Runs[i].Verdict)]++
	}
	var parts []string
	for _, v := range []string{"FAIL", "UNKNOWN", "PASS"} {
		if n[v] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[v], v))
		}
	}
	return strings.Join(parts, ", ")
}

// sideValue is the value of a run, or median and range of several. One trial
// without the figure takes it from all: a median over those where it could be
// seen would leave out the worst.
func sideValue(f *bench.ComparedFigure, s side) string {
	if len(s.runs) == 1 {
		return comparedValue(f, s.runs[0])
	}
	values := make([]float64, 0, len(s.runs))
	for _, i := range s.runs {
		if i >= len(f.Values) || f.Values[i] == nil {
			return absent(f, i)
		}
		values = append(values, *f.Values[i])
	}
	lo, hi := slices.Min(values), slices.Max(values)
	if lo == hi {
		return inUnit(f.Unit, lo)
	}
	iv, ok := stats.MedianInterval(values)
	if ok { // the interval that holds the true median with at least 95 %
		return inUnit(f.Unit, iv.Median) + " [" + inUnit(f.Unit, iv.Low) + ", " + inUnit(f.Unit, iv.High) + "]"
	}
	return inUnit(f.Unit, iv.Median) + " (" + inUnit(f.Unit, lo) + " to " + inUnit(f.Unit, hi) + ")"
}

// realMark stands behind a value that differs from that of the first side by more
// than noise.
const realMark = " ≠"

// marked is sideValue with its mark.
func marked(c *bench.Comparison, f *bench.ComparedFigure, s side) string {
	text := sideValue(f, s)
	for i := range c.Differences {
		if d := &c.Differences[i]; d.Real && d.Figure == f.Name && len(s.runs) > 1 && c.Runs[s.runs[0]].Side == d.To.Side {
			return text + realMark
		}
	}
	return text
}

// rowsLegend says how the rows are to be read; "" where there is nothing to say.
func rowsLegend(c *bench.Comparison) string {
	var parts []string
	for _, row := range comparisonRows(c)[1:] {
		for _, cell := range row[1:] {
			if strings.Contains(cell, "[") && len(parts) == 0 {
				parts = append(parts, "median [interval that holds the true one with 95 %]")
			}
			if strings.HasSuffix(cell, realMark) {
				parts = append(parts, "≠ differs from the first side by more than noise")
				if len(c.Capacity) > 0 {
					parts = append(parts, "of a capacity: the two intervals do not meet")
				}
				return strings.Join(parts, "; ")
			}
		}
	}
	return strings.Join(parts, "; ")
}

// comparisonRows are the table's rows: title first, verdicts in the first row,
// rows in which every run has 0 left out unless they tell of losses.
func comparisonRows(c *bench.Comparison) [][]string {
	columns := comparedSides(c)
	verdicts := []string{"verdict"}
	for _, s := range columns {
		verdicts = append(verdicts, sideVerdict(c, s))
	}
	rows := [][]string{verdicts}
	for k := range c.Figures {
		f := &c.Figures[k]
		idle := f.Unit != "ms" && f.Unit != "/s" && !strings.HasPrefix(f.Name, "lost")
		for _, v := range f.Values {
			idle = idle && v != nil && *v == 0
		}
		if f.Unit == unitUSD { // nothing to see where nobody knows what is behind the API
			idle = !slices.ContainsFunc(f.Values, func(v *float64) bool { return v != nil })
		}
		if idle {
			continue
		}
		row := []string{clean(f.Title, nameLimit)}
		for _, s := range columns {
			row = append(row, marked(c, f, s))
		}
		rows = append(rows, row)
		if f.Name == "recovery" { // after what the runs show, before what it costs
			rows = append(rows, comparedCapacityRows(c, columns)...)
		}
	}
	return rows
}

// claims is the comparison in one sentence a run: what it lost of what it
// promised, and how quickly it answered.
func claims(c *bench.Comparison) []string {
	byName := make(map[string]*bench.ComparedFigure)
	for i := range c.Figures {
		byName[c.Figures[i].Name] = &c.Figures[i]
	}
	loss, acked, p99 := byName["lost"], byName["requests.acknowledged"], byName["response_time.p99"]
	if loss == nil || acked == nil || p99 == nil {
		return nil
	}
	var out []string
	for _, s := range comparedSides(c) {
		what := sideValue(loss, s) + " lost of " + sideValue(acked, s) + " acknowledged"
		switch none, seen := noLoss(loss, s); {
		case !seen:
			what = "loss not observed"
		case none && strings.Contains(sideVerdict(c, s), "UNKNOWN"):
			what = "none seen lost of " + sideValue(acked, s) + " acknowledged"
		case none:
			what = "none lost of " + sideValue(acked, s) + " acknowledged"
		}
		out = append(out, s.name+": "+what+", 99 % answered within "+sideValue(p99, s))
	}
	return out
}

// noLoss tells whether no run of a side lost anything, and whether that was
// seen in all of them.
func noLoss(loss *bench.ComparedFigure, s side) (none, seen bool) {
	none = true
	for _, i := range s.runs {
		if i >= len(loss.Values) || loss.Values[i] == nil {
			return false, false
		}
		none = none && *loss.Values[i] == 0
	}
	return none, true
}
