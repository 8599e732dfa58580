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
	j := &judge{e: &e, n: n, beyond: map[uint64]flags{}}
	complete := e.Reads[0].Complete || e.Reads[1].Complete
	j.itemsKnown = e.ItemsObserved && complete
	j.effectsKnown = e.EffectsObserved && complete
	j.drained = isDrained(&e)
	j.shards = j.settled()
	j.counts = newCounts(&e)
	j.account.judged = make([]judged, n)

	size := n
	if e.Window > 0 {
		size = min(n, e.Window)
	}
	j.w = newWindow(&e, size)
	for first := uint64(0); ; first += size { // once even of an empty plan: something may be there
		j.w.begin(first, min(size, n-first))
		j.collect()
		j.decide()
		if first+size >= n {
			break
		}
	}
	j.unplanned()
	j.books()
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

// decide gives the ids of the window their verdicts, and counts them.
func (j *judge) decide() {
	verdicts := j.account.judged[j.w.first:][:j.w.n]
	for i := range verdicts {
		seq := j.w.first + uint64(i)
		outcome := bench.Unsent
		if a, sent := j.e.Request(seq); sent {
			outcome = a.Outcome
			if outcome != bench.Acknowledged && outcome != bench.Refused {
				outcome = bench.Unknown // sent without an outcome is one that nobody knows
			}
		}
		s := j.w.flags(uint64(i))
		v := j.verdict(s, outcome)
		verdicts[i] = asJudged(v, station(s, outcome))
		j.count(seq, s, outcome, v)
	}
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
func (j *judge) verdict(s flags, outcome bench.Outcome) bench.ItemVerdict {
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

// blamed lists the faults that a request may have been lost to: those in whose
// windows it was due; where there is none, the first that it was under way for when
// it began, or whose last strike was still at work.
func (j *judge) blamed(due time.Duration) (faults []int) {
	for i := range j.e.Faults {
		if j.e.Faults[i].covers(due) {
			faults = append(faults, i)
		}
	}
	for i := range j.e.Faults {
		f := &j.e.Faults[i]
		until := f.To
		if f.Lasts > 0 {
			until += f.Lasts + f.Reach // and until things go their way again
		}
		if len(faults) == 0 && f.Bitten > 0 && due >= f.From-f.Reach && due < until {
			return []int{i}
		}
	}
	return faults
}

// covers reports whether a moment lies in the fault's window. A window without
// a width holds its one moment.
func (f *Fault) covers(t time.Duration) bool {
	return t >= f.From && (t < f.To || t == f.From)
}
