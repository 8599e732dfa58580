package reconcile

import (
	"fmt"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// Judge gives every sent id its verdict, and the run its own. It panics where
// the books do not balance: that cannot be, whatever the evidence.
func Judge(e Evidence) Account {
	e.Thresholds = e.Thresholds.withDefaults()
	if e.Guarantee.Effects == "" {
		e.Guarantee.Effects = ExactlyOnce
	}
	n := uint64(max(e.Planned, 0))
	e.Planned = int64(n)
	j := &judge{
		e: &e, n: n,
		seen:    make([]flags, n),
		outcome: make([]bench.Outcome, n),
		beyond:  map[uint64]flags{},
	}
	complete := e.Reads[0].Complete || e.Reads[1].Complete
	j.itemsKnown = e.ItemsObserved && complete
	j.effectsKnown = e.EffectsObserved && complete
	j.drained = isDrained(&e)

	j.account.verdicts = make([]bench.ItemVerdict, n)
	j.collect()
	j.decide()
	j.balance()
	j.findings()
	j.gates()
	j.reasons()
	return j.account
}

// isDrained reports whether the drain was proven. A shard that is still held
// up refutes any proof.
func isDrained(e *Evidence) bool {
	for _, s := range e.Blocked {
		if s.Behind > 0 || s.Head != nil {
			return false
		}
	}
	switch e.Drain.Proof {
	case bench.DrainPositions, bench.DrainSentinels, bench.DrainQuiet:
		return true
	}
	return false
}

// decide gives the verdicts and counts them.
func (j *judge) decide() {
	a := &j.account
	a.PhaseItems = make([]bench.Items, len(j.e.Stages))
	a.FaultLoss = make([]int64, len(j.e.Faults))
	for seq := range j.n {
		a.verdicts[seq] = j.verdict(seq)
	}
	j.observability()
	for seq := range j.n {
		v := a.verdicts[seq]
		if v == bench.NoVerdict {
			continue
		}
		j.count(&a.Items, seq, v)
		if stage := j.stage(seq); stage >= 0 {
			j.count(&a.PhaseItems[stage], seq, v)
		}
		if v == bench.LostWrite || v == bench.LostProcessing {
			due := j.e.Due(seq)
			for i := range j.e.Faults {
				if j.e.Faults[i].covers(due) {
					a.FaultLoss[i]++
				}
			}
		}
	}
	if a.Items.Unexpected != nil {
		*a.Items.Unexpected += int64(len(a.extra))
	}
}

func (j *judge) count(items *bench.Items, seq uint64, v bench.ItemVerdict) {
	if v != bench.Unexpected {
		items.Attempted++
	}
	items.Add(v)
}

// stage gives the stage of a request; -1: none that is listed.
func (j *judge) stage(seq uint64) int {
	if j.e.Stage == nil {
		return -1
	}
	if s := j.e.Stage(seq); s >= 0 && s < len(j.e.Stages) {
		return s
	}
	return -1
}

// verdict finds the first line of the table that matches.
func (j *judge) verdict(seq uint64) bench.ItemVerdict {
	s, outcome := j.seen[seq], j.outcome[seq]
	stored, storedKnown := j.stored(s, outcome)
	effect := s&applied != 0
	effectKnown := effect || j.effectsKnown
	switch {
	case outcome == bench.Unsent:
		if s&found != 0 && !j.e.TablesShared {
			return bench.Unexpected
		}
		return bench.NoVerdict
	case outcome == bench.Refused:
		return refusedVerdict(stored || effect, storedKnown && effectKnown)
	case !storedKnown:
		return bench.Unread
	case effect && !stored:
		return bench.OrphanEffect
	case !stored && outcome == bench.Acknowledged:
		// Whether it has an effect nobody needs to know: promised and not
		// stored is a loss either way.
		return j.missing(s, bench.LostWrite)
	case !effectKnown:
		return bench.Unread
	case !stored && !j.drained:
		return bench.Pending
	case !stored:
		return bench.NotApplied
	case effect:
		return j.effectVerdict(s, outcome)
	case outcome == bench.Unknown && j.e.Architecture == bench.Sync:
		return j.missing(s, bench.Partial)
	}
	return j.missing(s, bench.LostProcessing)
}

func refusedVerdict(there, known bool) bench.ItemVerdict {
	switch {
	case there:
		return bench.Phantom
	case !known:
		return bench.Unread
	}
	return bench.Rejected
}

// stored reports whether an id is stored, and whether that is known.
func (j *judge) stored(s flags, o bench.Outcome) (stored, known bool) {
	if s&(inItems|inStream) != 0 {
		return true, true
	}
	if !j.e.ItemsObserved {
		// Nobody can look. The acknowledgement is taken at its word, and an
		// effect of a request that may have arrived shows that it did.
		return o == bench.Acknowledged || o == bench.Unknown && s&applied != 0, true
	}
	return false, j.itemsKnown
}

// missing is the verdict of an id that did not come as far as it should have:
// excused by a dead letter, or undecided, or else what it looks like.
func (j *judge) missing(s flags, v bench.ItemVerdict) bench.ItemVerdict {
	switch {
	case s&deadReadable != 0:
		return bench.DeadLettered
	case !j.drained && (v == bench.LostWrite || s&over == 0 || s&open != 0):
		return bench.Pending
	}
	return v
}

// effectVerdict judges an id that is stored and has an effect.
func (j *judge) effectVerdict(s flags, o bench.Outcome) bench.ItemVerdict {
	outdated := s&stale != 0 && s&fresh == 0
	switch {
	case s&twice != 0 && j.e.Guarantee.Effects == ExactlyOnce:
		return bench.Duplicated
	case s&wrongDigest != 0:
		return bench.WrongEffect
	case outdated && !j.drained:
		return bench.Pending // the newer one may be on its way
	case outdated:
		return bench.WrongEffect
	case o == bench.Unknown:
		return bench.Recovered
	case s&onTime == 0:
		return bench.ProcessedLate
	}
	return bench.Processed
}

// observability makes null what could not be seen, in the whole and in each
// phase. What was proven is never null.
func (j *judge) observability() {
	var duplicated, wrong bool
	for _, v := range j.account.verdicts {
		duplicated = duplicated || v == bench.Duplicated
		wrong = wrong || v == bench.WrongEffect
	}
	zero := func(observed bool) *int64 {
		if !observed {
			return nil
		}
		return new(int64)
	}
	each := func(items *bench.Items) {
		items.Duplicated = zero(duplicated || j.effectsKnown && j.countsObserved())
		items.WrongEffect = zero(wrong || j.effectsKnown && j.uncompared == 0)
		items.Unexpected = zero(!j.e.TablesShared)
	}
	each(&j.account.Items)
	for i := range j.account.PhaseItems {
		each(&j.account.PhaseItems[i])
	}
}

// countsObserved reports whether the results table tells how often each effect
// was applied.
func (j *judge) countsObserved() bool { return j.e.EffectsObserved && j.uncounted == 0 }

// balance asserts that every planned request is in the books exactly once.
func (j *judge) balance() {
	r, i := j.account.Requests, j.account.Items
	var sum int64
	for _, v := range bench.ItemVerdicts() {
		if v != bench.Unexpected {
			n, _ := i.Of(v)
			sum += n
		}
	}
	switch {
	case r.Planned != r.Unsent+r.Sent:
		panic(fmt.Sprintf("reconcile: %d planned, but %d unsent and %d sent", r.Planned, r.Unsent, r.Sent))
	case r.Sent != r.Acknowledged+r.Refused+r.Unknown:
		panic(fmt.Sprintf("reconcile: %d sent, but %d acknowledged, %d refused and %d unknown",
			r.Sent, r.Acknowledged, r.Refused, r.Unknown))
	case i.Attempted != r.Sent:
		panic(fmt.Sprintf("reconcile: %d sent, but %d judged", r.Sent, i.Attempted))
	case sum != i.Attempted:
		panic(fmt.Sprintf("reconcile: %d attempted, but the verdicts add up to %d", i.Attempted, sum))
	}
}

// covers reports whether a moment lies in the fault's window. A window without
// a width holds its one moment.
func (f *Fault) covers(t time.Duration) bool {
	return t >= f.From && (t < f.To || t == f.From)
}
