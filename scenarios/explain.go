package scenarios

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/ackproof/ackproof/bench"
)

// Explain says of an expectation that was not met what it was and where to look, and
// of one that is unknown what is missing. rows are those of the run's series, x is
// what [Expectation.Eval] gave. A met one needs no words: the text is empty.
func (e Expectation) Explain(r *bench.Result, rows []bench.SeriesRow, x bench.Expectation) string {
	switch {
	case x.OK == nil:
		return e.whyUnknown(r, x)
	case *x.OK:
		return ""
	}
	what := "it never came to an end" + e.atLeast(r)
	if x.Actual != nil {
		what = "it was " + e.show(*x.Actual) + e.distance(*x.Actual)
	}
	if where := e.where(r, rows); where != "" {
		what += "; " + where
	}
	return what
}

// atLeast says what a percentile that never came to an end exceeds.
func (e *Expectation) atLeast(r *bench.Result) string {
	whole := tree(r)
	for _, phase := range r.Phases {
		if phase.Name == e.Phase {
			whole = tree(phase)
		}
	}
	for _, kind := range r.Kinds {
		if kind.Name == e.Kind {
			whole = tree(kind)
		}
	}
	if n := number(whole, strings.TrimSuffix(e.Path, e.last())+"at_least."+e.last()); n != nil && e.inLatency() {
		return ", and is " + e.show(*n) + " at least"
	}
	return ""
}

// show writes a value in the expectation's unit.
func (e *Expectation) show(v float64) string {
	switch {
	case e.inMS() && math.Abs(v) >= 1000:
		return strconv.FormatFloat(v/1000, 'g', 4, 64) + "s"
	case e.inMS():
		return strconv.FormatFloat(v, 'g', 4, 64) + "ms"
	case v == math.Trunc(v):
		return strconv.FormatFloat(v, 'f', -1, 64) + e.Unit
	}
	return strconv.FormatFloat(v, 'g', 6, 64) + e.Unit
}

// distance says by how much the limit was missed, where that says more than the value.
func (e *Expectation) distance(v float64) string {
	if e.Op == "==" || e.Op == "!=" || e.Value == 0 {
		return ""
	}
	by := "above"
	if v < e.Value {
		by = "below"
	}
	if v == e.Value {
		return ", the limit itself"
	}
	return fmt.Sprintf(", %s %s the limit", e.show(math.Abs(v-e.Value)), by)
}

// whyUnknown says what is missing for a decision.
func (e *Expectation) whyUnknown(r *bench.Result, x bench.Expectation) string {
	for _, gate := range e.rests() {
		if gateDown(r, gate) {
			return fmt.Sprintf("it rests on the gate %q, which is down: %s", gate, detail(r, gate))
		}
	}
	if r.Clock.Moved && e.byTwoClocks() {
		return "the processor's clock was moved while the run lasted: " + e.Path + " is told by it and by ours"
	}
	if x.Actual != nil {
		for _, gate := range bench.TimingGates() {
			if gateDown(r, gate) {
				return fmt.Sprintf("it was %s, which may be the load generator's fault: %s", e.show(*x.Actual), detail(r, gate))
			}
		}
	}
	switch {
	case e.Phase != "" && !hasPhase(r, e.Phase):
		return "the run did not come to the phase " + e.Phase
	case (e.Path == aliasRecovery || e.Path == "recovery_ms") && len(r.Backlog) == 0:
		return "nobody saw how many items waited, and so not when they were done with"
	case e.Fault != "" || e.Path == aliasRecovery:
		return "no fault that is meant has struck, so there is nothing to measure"
	case r.Run.Architecture == bench.Sync && strings.HasPrefix(e.Path, "processing_lag."):
		return "sync answers when all work is done: there is no lag to measure"
	}
	return "this run could not observe " + e.Path
}

func detail(r *bench.Result, gate bench.Gate) string {
	for _, g := range r.Gates {
		if g.Name == gate {
			return g.Detail
		}
	}
	return "it was not looked at"
}

func hasPhase(r *bench.Result, name string) bool {
	for _, p := range r.Phases {
		if p.Name == name {
			return true
		}
	}
	return false
}

// where says when, or of what, it was worst, and which file shows it.
func (e *Expectation) where(r *bench.Result, rows []bench.SeriesRow) string {
	in := e.rows(r, rows)
	switch first, _, _ := strings.Cut(e.Path, "."); {
	case e.Path == aliasRecovery || e.Path == "recovery_ms":
		return e.whereRecovery(r)
	case first == "items" || e.Path == aliasLost || e.Path == aliasDuplicated:
		return e.whereItems(r)
	case first == "processing_lag" || first == "completion_time" || first == "dispatch_lag":
		return worst(r, in, "lag p99", func(row *bench.SeriesRow) *float64 { return row.LagP99 }) + "plots/lag-cdf.svg and plots/backlog.svg show it"
	case first == "response_time" || first == "service_time" || first == "response_time_by":
		return worst(r, in, "response p99", func(row *bench.SeriesRow) *float64 { return row.P99 }) + "plots/response-time.svg shows it"
	case e.Path == "requests.refused", e.Path == "requests.unknown", e.Path == "requests.acknowledged", e.Path == "acknowledged", e.Kind != "", first == "availability":
		return worst(r, in, "not acknowledged", notAcknowledged) + "plots/availability.svg shows it"
	case first == "load" || e.Path == "requests.unsent":
		return fmt.Sprintf("the generator sent %.4g/s of %.4g/s, with a send delay p99 of %.4gms; the gates tell whether it kept up", r.Load.AchievedRPS, r.Load.OfferedRPS, r.Load.SendDelay.P99)
	case first == "drain":
		return "drained by " + string(r.Drain.Proof) + "; plots/backlog.svg shows it"
	}
	return ""
}

// rows are those of the phase that is meant, or all.
func (e *Expectation) rows(r *bench.Result, rows []bench.SeriesRow) []bench.SeriesRow {
	for _, p := range r.Phases {
		if p.Name != e.Phase {
			continue
		}
		var in []bench.SeriesRow
		for _, row := range rows {
			if row.TMs >= p.FromMs && row.TMs < p.ToMs {
				in = append(in, row)
			}
		}
		return in
	}
	return rows
}

// notAcknowledged is how many requests that were due in a row were told something
// else, or nothing.
func notAcknowledged(row *bench.SeriesRow) *float64 {
	if row.Offered == 0 || row.Offered == row.Acknowledged {
		return nil
	}
	n := float64(row.Offered - row.Acknowledged)
	return &n
}

// worst names the row with the largest value, the phase it lies in, and the faults that
// were in force.
func worst(r *bench.Result, rows []bench.SeriesRow, what string, of func(*bench.SeriesRow) *float64) string {
	var at *bench.SeriesRow
	most := math.Inf(-1)
	for i := range rows {
		if v := of(&rows[i]); v != nil && *v > most {
			at, most = &rows[i], *v
		}
	}
	if at == nil {
		return ""
	}
	text := fmt.Sprintf("worst at %.4gs (%s %.4g)", at.TMs/1000, what, most)
	for _, p := range r.Phases {
		if at.TMs >= p.FromMs && at.TMs < p.ToMs {
			text += ", in phase " + p.Name
		}
	}
	for _, f := range r.Faults {
		if f.Bitten > 0 && at.TMs >= f.AtMs && at.TMs <= f.AtMs+f.ForMs {
			text += fmt.Sprintf(", during %q", f.Text)
		}
	}
	return text + "; "
}

// whereRecovery names the fault that took longest, or from which there was no recovery.
func (e *Expectation) whereRecovery(r *bench.Result) string {
	text, longest := "", -1.0
	for _, f := range r.Faults {
		if e.Fault != "" && f.Kind != e.Fault && f.Text != e.Fault || f.Bitten == 0 {
			continue
		}
		if f.RecoveryMs == nil {
			return fmt.Sprintf("the backlog never came back after %q; plots/backlog.svg shows it", f.Text)
		}
		if *f.RecoveryMs > longest {
			longest, text = *f.RecoveryMs, fmt.Sprintf("it was slowest after %q; plots/backlog.svg shows it", f.Text)
		}
	}
	return text
}

// whereItems names the first finding of the verdicts that are meant.
func (e *Expectation) whereItems(r *bench.Result) string {
	meant := func(v bench.ItemVerdict) bool {
		switch e.Path {
		case aliasLost:
			return v == bench.LostWrite || v == bench.LostProcessing
		case aliasDuplicated:
			return v == bench.Duplicated
		}
		return v.String() == e.last()
	}
	for _, f := range r.Findings {
		if meant(f.Verdict) {
			during := ""
			if f.DuringFault != "" {
				during = fmt.Sprintf(" during %q", f.DuringFault)
			}
			return fmt.Sprintf("the first is %s%s, last seen %s; findings.jsonl names all, 'ackproof trace' tells their lives", f.ID, during, f.LastStation)
		}
	}
	return ""
}
