package reconcile

import (
	"fmt"
	"runtime"
	"sync"
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
	j := &judge{e: &e, n: n, origin: bench.OriginOf(e.Started)}
	complete := e.Reads[0].Complete || e.Reads[1].Complete
	j.itemsKnown = e.ItemsObserved && complete
	j.effectsKnown = e.EffectsObserved && complete
	j.drained = isDrained(&e)
	j.shards = j.settled()
	if j.half = e.From; j.half == nil {
		j.half = NewHalfway(&e)
	}
	j.counts, j.account.judged = j.half.counts, j.half.verdicts
	if j.half.Judged == 0 || j.half.Judged < n {
		j.v = NewVersions(&e)
		j.windows()
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

// smallestWindow is how many ids are worth a window of their own.
const smallestWindow = 1 << 16

// windows judges window by window, each core one at a time. A window asks nothing of
// another, and what they count is added up.
func (j *judge) windows() {
	size := j.n
	if j.e.Window > 0 {
		size = min(size, j.e.Window)
	}
	cores := j.e.cores
	if cores == 0 {
		cores = max(1, min(uint64(runtime.GOMAXPROCS(0)), size/smallestWindow))
	}
	size = max(1, (size+cores-1)/cores) // of an empty plan too: something may be there
	rooms := make([]*window, cores)
	for first := j.half.Judged; first == 0 || first < j.n; first += size * cores {
		var side sync.WaitGroup
		parts := make([]*judge, cores)
		for c := range cores {
			from := first + c*size
			if from >= j.n && from > 0 {
				break
			}
			side.Go(func() {
				if rooms[c] == nil {
					rooms[c] = newWindow(j.e, min(size, j.n))
				}
				parts[c] = j.window(rooms[c], from, min(size, j.n-from))
			})
		}
		side.Wait()
		for _, part := range parts {
			if part != nil {
				j.counts.join(&part.counts)
			}
		}
		if j.half.Judged, j.half.counts = min(j.n, first+size*cores), j.counts; j.e.Halfway != nil {
			j.e.Halfway(j.half)
		}
	}
}

// window judges the n ids from first on.
func (j *judge) window(w *window, first, n uint64) *judge {
	part := *j
	part.w, part.counts = w, newCounts(j.e)
	w.begin(first, n)
	part.collect()
	part.decide()
	return &part
}

// block is how many requests are decided at a time.
const block = 1024

// decide gives the ids of the window their verdicts, and counts them.
func (j *judge) decide() {
	var attempts [block]bench.Attempt
	for from := uint64(0); from < j.w.n; from += block {
		n, first := min(block, j.w.n-from), j.w.first+from
		j.e.Attempts(first, attempts[:n])
		alike := j.alike(first, first+n-1)
		var same [bench.Unknown + 1]perVerdict
		for i := range n {
			outcome, s := attempts[i].Outcome, j.w.seen[from+i]
			v := j.verdict(first+i, s, &attempts[i])
			j.account.judged[first+i] = asJudged(v, station(s, outcome))
			j.note(first+i, s, outcome, v)
			if alike {
				same[outcome][v]++
			} else {
				j.count(first+i, outcome, v, 1)
			}
		}
		for o := range same {
			for v, n := range same[o] {
				if n > 0 {
					j.count(first, bench.Outcome(o), bench.ItemVerdict(v), n)
				}
			}
		}
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
func (j *judge) verdict(seq uint64, s flags, a *bench.Attempt) bench.ItemVerdict {
	outcome := a.Outcome
	stored, storedKnown := j.stored(seq, s, a)
	effect := s&applied != 0
	effectKnown := effect || j.effectsKnown
	switch {
	case outcome == bench.Unsent:
		if s&found != 0 && j.e.seesUnsent() {
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
	case j.v != nil && j.e.PerKey:
		return j.unshown(seq, s, outcome)
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
func (j *judge) stored(seq uint64, s flags, a *bench.Attempt) (stored, known bool) {
	switch {
	case j.v == nil || !j.e.ItemsObserved:
	case j.e.PerKey:
		return j.storedBehind(seq, s, a)
	default:
		return j.storedVersion(s)
	}
	if s&(inItems|inStream) != 0 {
		return true, true
	}
	if !j.e.ItemsObserved {
		// Nobody can look. The acknowledgement is taken at its word, and an
		// effect of a request that may have arrived shows that it did.
		return a.Outcome == bench.Acknowledged || a.Outcome == bench.Unknown && s&applied != 0, true
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
	case s&unsure != 0:
		return bench.Unread
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

// side says where a moment lies beside a fault.
type side int

const (
	before  side = iota
	reached      // what was due then was under way when it began
	inside
	lasting // its last strike was still at work
	after
)

// side of a fault's window. One without a width holds its one moment.
func (f *Fault) side(t time.Duration) side {
	switch {
	case t < f.From-f.Reach:
		return before
	case t < f.From:
		return reached
	case t < f.To || t == f.From:
		return inside
	case f.Lasts > 0 && t < f.To+f.Lasts+f.Reach: // and until things go their way again
		return lasting
	}
	return after
}

// blamed lists the faults that a request may have been lost to: those in whose
// windows it was due; where there is none, the first that it was under way for when
// it began, or whose last strike was still at work.
func (j *judge) blamed(due time.Duration) (faults []int) {
	near := -1
	for i := range j.e.Faults {
		switch f := &j.e.Faults[i]; f.side(due) {
		case inside:
			faults = append(faults, i)
		case reached, lasting:
			if near < 0 && f.Bitten > 0 {
				near = i
			}
		}
	}
	if len(faults) == 0 && near >= 0 {
		faults = append(faults, near)
	}
	return faults
}
