package reconcile

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// gates looks at each piece of evidence that a pass needs. Each rule gives its
// answer and what it saw, in numbers, whichever way it went: a gate that only
// speaks when it is down cannot be checked.
func (j *judge) gates() {
	rules := map[bench.Gate]func() (bool, string){
		bench.GateAcknowledged:         j.gateAcknowledged,
		bench.GatePlanComplete:         j.gatePlanComplete,
		bench.GateRateKept:             j.gateRateKept,
		bench.GateEvidenceAroundFaults: j.gateAround,
		bench.GateFaultsBit:            j.gateFaultsBit,
		bench.GateFaultsUndone:         j.gateFaultsUndone,
		bench.GateCleanStart:           j.gateCleanStart,
		bench.GateLedgerComplete:       j.gateLedger,
		bench.GateReadsComplete:        j.gateReadsComplete,
		bench.GateReadsAgree:           j.gateReadsAgree,
		bench.GateDrained:              j.gateDrained,
		bench.GateEffectsObserved:      j.gateEffects,
		bench.GateHarnessAlive:         j.gateHarness,
		bench.GateSendDelay:            j.gateSendDelay,
		bench.GateGeneratorCPU:         j.gateCPU,
	}
	for _, list := range [][]bench.Gate{bench.AccountGates(), bench.TimingGates()} {
		for _, g := range list {
			ok, detail := rules[g]() // a gate without a rule is a nil call: it cannot be forgotten
			j.account.Gates = append(j.account.Gates, bench.GateResult{Name: g, OK: ok, Detail: detail})
		}
	}
}

// bare reports that the run is a plain load test: no table is named and no
// effect promised, so that there is nothing to read, drain or observe.
func (j *judge) bare() bool {
	return !j.e.ItemsObserved && !j.e.EffectsObserved && j.e.Guarantee.Effects == NoGuarantee
}

const bareDetail = "not needed: no table is named and no effect is promised"

func (j *judge) gateAcknowledged() (bool, string) {
	r := j.account.Requests
	return r.Acknowledged > 0, fmt.Sprintf("%s of %s sent requests were acknowledged", num(r.Acknowledged), num(r.Sent))
}

func (j *judge) gatePlanComplete() (bool, string) {
	r := j.account.Requests
	text := fmt.Sprintf("%s requests were planned, %s sent and %s left unsent", num(r.Planned), num(r.Sent), num(r.Unsent))
	switch {
	case r.Planned == 0:
		return false, "no request was planned"
	case !j.e.LoadFinished && j.e.Stopped != "":
		return false, "the load was ended early, since " + j.e.Stopped + "; " + text
	case !j.e.LoadFinished:
		return false, "the load was cut off before the end of its plan: " + text
	}
	return true, "the load came to the end of its plan: " + text
}

func (j *judge) gateRateKept() (bool, string) {
	ok, worst := true, 1.0
	var low []string
	for i, s := range j.counts.Stages {
		if s.Planned == 0 {
			continue
		}
		share := float64(s.Sent) / float64(s.Planned)
		worst = min(worst, share)
		if share < j.e.Thresholds.RateKept {
			ok = false
			name := "the load"
			if len(j.e.Stages) > 0 {
				name = fmt.Sprintf("stage %q", j.e.Stages[i].Name)
			}
			low = append(low, fmt.Sprintf("%s sent %s of %s requests (%s)", name, num(s.Sent), num(s.Planned), percent(share)))
		}
	}
	if ok {
		return true, fmt.Sprintf("every stage sent at least %s of its plan; %s is asked for", percent(worst), percent(j.e.Thresholds.RateKept))
	}
	return false, fmt.Sprintf("%s; %s is asked for", strings.Join(low, "; "), percent(j.e.Thresholds.RateKept))
}

// gateAround asks for enough requests before, inside and after each fault: a
// fault that met no load has proven nothing. A moment without a width has no
// inside.
func (j *judge) gateAround() (bool, string) {
	around := j.counts.Around
	if len(around) == 0 {
		return true, "no fault was planned"
	}
	share := int64(math.Ceil(j.e.Thresholds.AroundShare * float64(j.account.Requests.Planned)))
	need := max(min(j.e.Thresholds.AroundFaults, share), 1)
	var lacks []string
	for i, a := range around {
		f := &j.e.Faults[i]
		lack := func(n, need int64, what string) {
			if n < need {
				lacks = append(lacks, fmt.Sprintf("fault %q: %s of %s needed requests were %s it", f.Text, num(n), num(need), what))
			}
		}
		lack(a.SentBefore, need, "sent before")
		lack(a.SentAfter, need, "sent after")
		lack(a.AckBefore, 1, "acknowledged before")
		lack(a.AckAfter, 1, "acknowledged after")
		if f.To > f.From {
			lack(a.SentIn, need, "sent during")
			if a.SentIn > 0 && a.ToldIn == 0 {
				lacks = append(lacks, fmt.Sprintf("fault %q: of %s sent during it nobody can tell what became of any: newer versions have replaced all of them; write more keys, or end the load sooner", f.Text, plural(a.SentIn, "request")))
			}
			if !f.AcceptPath {
				lack(a.AckIn, 1, "acknowledged during")
			}
		}
	}
	if len(lacks) > 0 {
		return false, strings.Join(lacks, "; ")
	}
	return true, fmt.Sprintf("at least %s requests were sent before, during and after each of %s", num(need), plural(int64(len(around)), "fault"))
}

// gateFaultsBit asks that every fault struck at least once, counted where it
// strikes. Fewer strikes than planned are told, and pass: a fault that waits
// for the tenth write may come to its end before it. One by number that has lost its
// count does not: it was cut off in the midst of its numbers.
func (j *judge) gateFaultsBit() (bool, string) {
	if len(j.e.Faults) == 0 {
		return true, "no fault was planned"
	}
	ok := true
	var parts []string
	for _, f := range j.e.Faults {
		planned := ""
		if f.Planned != nil { // a share of the operations strikes more often than its mean, too
			planned = ", " + num(*f.Planned) + " expected"
		}
		if f.Bitten <= 0 {
			ok = false
			parts = append(parts, fmt.Sprintf("fault %q never struck%s", f.Text, planned))
			continue
		}
		struck := fmt.Sprintf("fault %q struck %s%s", f.Text, plural(f.Bitten, "time"), planned)
		if f.Uncounted && f.Planned != nil && f.Bitten < *f.Planned {
			ok = false
			struck += ", and not again: what counts its operations died"
		}
		parts = append(parts, struck)
	}
	return ok, strings.Join(parts, "; ")
}

func (j *judge) gateFaultsUndone() (bool, string) {
	if len(j.e.Faults) == 0 {
		return true, "no fault was planned"
	}
	var open []string
	for _, f := range j.e.Faults {
		if !f.Undone {
			open = append(open, fmt.Sprintf("%q", f.Text))
		}
	}
	if len(open) > 0 {
		return false, "not confirmed as undone: " + strings.Join(open, ", ")
	}
	return true, fmt.Sprintf("%s confirmed as undone", plural(int64(len(j.e.Faults)), "fault"))
}

func (j *judge) gateCleanStart() (bool, string) {
	foreign, sample := j.foreign()
	clean := j.e.CleanStart
	switch {
	case j.bare():
		return true, bareDetail
	case clean != nil && !*clean:
		return false, "the tables were not empty before the load"
	case j.e.TablesShared && j.e.TablesWhole:
		return true, "the tables are shared; what they hold of other runs was left out"
	case j.e.TablesShared:
		return true, "the tables are shared; they were asked for this run's ids alone"
	case foreign > 0:
		return false, fmt.Sprintf("%s in the tables that %s none of this run, such as %s",
			plural(foreign, "id"), isAre(foreign), sample)
	case clean == nil:
		return false, "nobody looked whether the tables were empty before the load"
	}
	return true, "the tables were empty before the load, and hold no id of another run"
}

// foreign counts keys that are no id of this run, as the read that found more
// of them did.
func (j *judge) foreign() (int64, string) {
	var n int64
	sample := "(not kept)"
	for _, r := range j.e.Reads {
		if r.Foreign > n {
			n = r.Foreign
			if len(r.ForeignIDs) > 0 {
				sample = fmt.Sprintf("%q", r.ForeignIDs[0])
			}
		}
	}
	return n, sample
}

func (j *judge) gateLedger() (bool, string) {
	if p := j.e.LedgerProblems; len(p) > 0 {
		return false, fmt.Sprintf("%s in the ledger, first: %s", plural(int64(len(p)), "problem"), p[0])
	}
	return true, fmt.Sprintf("all %s of the plan are sound", plural(j.account.Requests.Planned, "entry"))
}

func (j *judge) gateReadsComplete() (bool, string) {
	if j.bare() {
		return true, bareDetail
	}
	var missing []string
	for i, r := range j.e.Reads {
		if !r.Complete {
			missing = append(missing, fmt.Sprintf("final read %d is not complete", i+1))
		}
	}
	if p := j.e.ReadProblems; len(p) > 0 {
		missing = append(missing, fmt.Sprintf("%s in the reads, first: %s", plural(int64(len(p)), "problem"), p[0]))
	}
	if len(missing) > 0 {
		return false, strings.Join(missing, "; ")
	}
	return true, "two final reads, every page of both"
}

func (j *judge) gateReadsAgree() (bool, string) {
	a, b := j.e.Reads[0].Fingerprint, j.e.Reads[1].Fingerprint
	switch {
	case j.bare():
		return true, bareDetail
	case a == "" || b == "":
		return false, "there are no two final reads to compare"
	case a != b:
		return false, fmt.Sprintf("the final reads differ: %s, then %s", a, b)
	}
	return true, "both final reads found the same: " + a
}

func (j *judge) gateDrained() (bool, string) {
	after := time.Duration(j.e.Drain.Ms * float64(time.Millisecond)).Round(time.Millisecond)
	switch {
	case j.bare():
		return true, bareDetail
	case j.drained:
		return true, fmt.Sprintf("seen to be drained (%s) %v after the load", j.e.Drain.Proof, after)
	case len(j.e.Blocked) > 0:
		return false, fmt.Sprintf("%s still held up %v after the load", plural(int64(len(j.e.Blocked)), "shard"), after)
	}
	return false, fmt.Sprintf("not seen to be drained within %v of the load", after)
}

// gateEffects asks that what is promised can be seen: exactly once is a claim
// about how often, and a table that does not tell how often cannot bear it.
func (j *judge) gateEffects() (bool, string) {
	g := j.e.Guarantee.Effects
	switch {
	case g == NoGuarantee:
		return true, "not needed: no effect is promised"
	case !j.e.EffectsObserved:
		return false, "no results table is named, so that no effect was seen"
	case g == ExactlyOnce && j.e.PerKey:
		return false, "exactly-once is promised, and one row for all versions of an item does not tell how often each was applied"
	case g == ExactlyOnce && !j.countsObserved():
		return false, fmt.Sprintf("exactly-once is promised, and %s not tell how often they were applied",
			plural(j.counts.Uncounted, "effect row")+doDoes(j.counts.Uncounted))
	case j.counts.Untimed > 0:
		return false, fmt.Sprintf("a deadline is promised, and %s not tell when they were applied",
			plural(j.counts.Untimed, "effect row")+doDoes(j.counts.Untimed))
	}
	return true, "the results table was read"
}

func (j *judge) gateHarness() (bool, string) {
	if !j.e.HarnessFinished {
		return false, "the run did not come to its end"
	}
	return true, "the run came to its end"
}

func (j *judge) gateSendDelay() (bool, string) {
	t := j.e.Timing
	if t.SendDelayP99 == nil || t.ResponseP99 == nil {
		return false, "not measured"
	}
	limit := max(j.e.Thresholds.SendDelay, time.Duration(j.e.Thresholds.SendDelayShare*float64(*t.ResponseP99)))
	return *t.SendDelayP99 <= limit, fmt.Sprintf("99 %% of requests were sent within %v of being due; the limit is %v",
		t.SendDelayP99.Round(time.Microsecond), limit.Round(time.Microsecond))
}

func (j *judge) gateCPU() (bool, string) {
	cpu := j.e.Timing.GeneratorCPU
	if cpu == nil || math.IsNaN(*cpu) {
		return false, "not measured"
	}
	return *cpu <= j.e.Thresholds.GeneratorCPUMax, fmt.Sprintf("the generator used %s of its CPU time; the limit is %s",
		percent(*cpu), percent(j.e.Thresholds.GeneratorCPUMax))
}
