package scenarios

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/ackproof/ackproof/bench"
)

// Eval compares the expectation with what came out.
//
// OK is null (unknown) where the number cannot be observed, where evidence that it
// rests on is missing (a gate is down), where the processor's clock was moved under a
// time that it tells, and where a missed timing expectation may be the generator's
// fault (a timing gate is down). It is
// false where the number is null because it never happened: a fault that bit
// and from which the system did not recover, a percentile that lies among
// requests which never ended. Actual is in the expectation's unit.
func (e Expectation) Eval(r *bench.Result) bench.Expectation {
	out := bench.Expectation{Expect: e.String(), Unit: e.Unit}
	if out.Unit == unitNone && e.inMS() {
		out.Unit = unitMS // a limit of 0 needs no unit
	}
	found := e.find(r)
	if slices.ContainsFunc(e.rests(), func(g bench.Gate) bool { return gateDown(r, g) }) {
		out.Actual = found.value
		return out
	}
	if r.Clock.Moved && e.byTwoClocks() {
		out.Actual = found.value
		return out
	}
	var ok bool
	switch {
	case found.value != nil && !e.decided(r, *found.value):
		out.Actual = found.value
		return out
	case found.value != nil:
		out.Actual = found.value
		ok = compare(*found.value, e.Op, e.Value)
	case found.never:
		ok = false
	default:
		return out
	}
	// A late generator makes times longer, and may send requests too late to be
	// answered; it cannot make a system stay broken.
	late := found.value != nil || strings.HasPrefix(e.Path, "response_time")
	if !ok && late && e.timing() && timingGateDown(r) {
		return out
	}
	out.OK = &ok
	return out
}

// decided reports whether the items that nobody could judge leave the answer as it
// is: each of them may be one more of those that are counted.
func (e *Expectation) decided(r *bench.Result, n float64) bool {
	undecided := float64(r.Items.Unread + r.Items.Pending)
	verdict, items := strings.CutPrefix(e.Path, "items.")
	if e.Path == aliasLost || e.Path == aliasDuplicated {
		verdict, items = "", true
	}
	if undecided == 0 || !items || slices.Contains([]string{"attempted", "rejected", "unread", "pending"}, verdict) {
		return true
	}
	if e.Unit == unitPercent {
		return false
	}
	for more := 1.0; more <= undecided; more++ {
		if compare(n+more, e.Op, e.Value) != compare(n, e.Op, e.Value) {
			return false
		}
		if n+more > e.Value {
			break // it stays as it is from here on
		}
	}
	return true
}

// found is a number of the result. Without a value: it never happened, or else
// it was not observed.
type found struct {
	value *float64
	never bool
}

// find looks the number up.
func (e *Expectation) find(r *bench.Result) found {
	switch {
	case e.Phase != "":
		for _, phase := range r.Phases {
			if phase.Name == e.Phase {
				return e.in(tree(phase))
			}
		}
		return found{}
	case e.Kind != "":
		for _, kind := range r.Kinds {
			if kind.Name == e.Kind {
				return e.in(tree(kind))
			}
		}
		return found{}
	case e.Fault != "" || e.Path == aliasRecovery:
		return e.inFaults(r)
	}
	return e.in(tree(r))
}

// tree is the JSON form of a value: what a reader of result.json sees.
func tree(v any) map[string]any {
	data, err := json.Marshal(v)
	if err != nil {
		panic("scenarios: a result has no JSON form: " + err.Error())
	}
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		panic("scenarios: a result's JSON form is no object: " + err.Error())
	}
	return m
}

// number walks a dotted path; nil: null, or not there.
func number(tree map[string]any, path string) *float64 {
	var at any = tree
	for key := range strings.SplitSeq(path, ".") {
		m, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = m[key]
	}
	if n, ok := at.(float64); ok {
		return &n
	}
	return nil
}

// in looks the path up in a result or a phase.
func (e *Expectation) in(tree map[string]any) found {
	var n *float64
	switch e.Path {
	case aliasLost:
		write, processing := number(tree, "items.lost_write"), number(tree, "items.lost_processing")
		if write != nil && processing != nil {
			sum := *write + *processing
			n = &sum
		}
	case aliasDuplicated:
		n = number(tree, "items.duplicated")
	default:
		n = number(tree, e.Path)
	}
	if n == nil {
		return found{never: e.censored(tree)}
	}
	if e.Unit != unitPercent {
		return found{value: n}
	}
	if e.isShare() {
		percent := *n * 100
		return found{value: &percent}
	}
	whole := number(tree, e.whole())
	if whole == nil || *whole == 0 {
		return found{}
	}
	share := *n / *whole * 100
	return found{value: &share}
}

// censored reports whether a null percentile lies among values that were never
// seen to end. Then it is longer than any limit, not unobserved.
func (e *Expectation) censored(tree map[string]any) bool {
	if !e.inLatency() || !e.inMS() {
		return false
	}
	n := number(tree, strings.TrimSuffix(e.Path, e.last())+"censored")
	return n != nil && *n > 0
}

// inFaults takes the largest number among the faults that are meant; where one
// of them bit and the system never recovered, there is none. Faults that did
// not bite say nothing about recovery.
func (e *Expectation) inFaults(r *bench.Result) found {
	recovery := e.Path == aliasRecovery || e.Path == "recovery_ms"
	path := e.Path
	if recovery {
		path = "recovery_ms"
	}
	var worst *float64
	for _, f := range r.Faults {
		if e.Fault != "" && f.Kind != e.Fault && f.Text != e.Fault || recovery && f.Bitten == 0 {
			continue
		}
		n := number(tree(f), path)
		switch {
		case n == nil && recovery && len(r.Backlog) == 0:
			return found{} // nobody saw what waited
		case n == nil && recovery:
			return found{never: true}
		case n == nil:
			return found{}
		case n != nil && (worst == nil || *n > *worst):
			worst = n
		}
	}
	return found{value: worst}
}

// byTwoClocks reports whether the number is a time between moments that two clocks
// tell: ours and the one of the processor.
func (e *Expectation) byTwoClocks() bool {
	first, _, _ := strings.Cut(e.Path, ".")
	return e.inMS() && (first == "processing_lag" || first == "completion_time")
}

// rests lists the gates of the evidence that the number rests on. What the client
// saw needs a whole load and a whole ledger; what became of it needs the tables
// read at rest, too. While one of them is down nothing is decided here: a loss
// that is proven all the same fails the run by itself.
func (e *Expectation) rests() []bench.Gate {
	gates := []bench.Gate{bench.GatePlanComplete, bench.GateLedgerComplete, bench.GateHarnessAlive}
	if e.Kind != "" {
		return gates
	}
	for _, client := range []string{"requests.", "response_time", "service_time.", "load.", "availability."} {
		if strings.HasPrefix(e.Path, client) {
			return gates
		}
	}
	return append(gates, bench.GateReadsComplete, bench.GateReadsAgree, bench.GateDrained, bench.GateEffectsObserved)
}

func gateDown(r *bench.Result, gate bench.Gate) bool {
	return slices.ContainsFunc(r.Gates, func(g bench.GateResult) bool { return g.Name == gate && !g.OK })
}

func timingGateDown(r *bench.Result) bool {
	return slices.ContainsFunc(bench.TimingGates(), func(g bench.Gate) bool { return gateDown(r, g) })
}

func compare(actual float64, op string, value float64) bool {
	switch op {
	case "==":
		return actual == value
	case "!=":
		return actual != value
	case "<":
		return actual < value
	case "<=":
		return actual <= value
	case ">":
		return actual > value
	}
	return actual >= value
}
