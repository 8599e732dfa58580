package run

import (
	"iter"
	"math"
	"runtime"
	"sync"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/stats"
)

// span is a piece of the plan, with what is known of its requests beside the
// ledger: positions from the start of load, stats.Never where nothing was seen.
// Everything is indexed by seq − first.
type span struct {
	f        *files
	first, n uint64
	effect   []time.Duration // the first one
	again    []bool          // applied more than once, so that effect may be of another time; nil: no fault was planned
	stored   []time.Duration // nil, as handed: nobody watched the machines
	handed   []time.Duration // to the processor, for the first time
}

// spans goes through the plan, from a request on, in pieces of at most
// f.portions.span requests. Rows come in the order of the tables, which is none, so
// that each piece goes through all of them: a piece that is not wanted is left out.
// Where the whole plan is one piece, it is kept.
func (f *files) spans(from uint64, wanted func(first, n uint64) bool) iter.Seq[*span] {
	return func(yield func(*span) bool) {
		if f.whole != nil {
			yield(f.whole)
			return
		}
		n := uint64(f.plan.Len())
		size := min(n, f.portions.span)
		s := &span{f: f, effect: make([]time.Duration, size)}
		if len(f.faults) > 0 {
			s.again = make([]bool, size)
		}
		if f.log != nil {
			s.stored, s.handed = make([]time.Duration, size), make([]time.Duration, size)
		}
		for first := from; first < n; first += size {
			if !wanted(first, min(size, n-first)) {
				continue
			}
			s.first, s.n = first, min(size, n-first)
			s.fill()
			if s.n == n {
				f.whole = s
			}
			if !yield(s) {
				return
			}
		}
	}
}

// fill looks for the requests of the span in tables and log: each core for those of
// a share, where they are many enough for going through the files once more.
func (s *span) fill() {
	if s.n < 1<<16 {
		s.look(s.first, s.n)
	} else {
		shares(s.first, s.n, func(_ int, from, to uint64) { s.look(from, to-from) })
	}
	s.f.spent(s.n, costSpan)
}

// look goes through tables and log for the n requests from first on.
func (s *span) look(first, n uint64) {
	at := first - s.first
	for _, times := range [][]time.Duration{s.effect, s.stored, s.handed} {
		if times == nil {
			continue
		}
		for i := range times[at : at+n] {
			times[at+uint64(i)] = stats.Never
		}
	}
	var again []bool
	if s.again != nil {
		again = s.again[at : at+n]
		clear(again)
	}
	effect, origin := s.effect[at:at+n], bench.OriginOf(s.f.effectsFrom())
	var rows []int
	for _, read := range s.f.differing() {
		for page := range s.f.effects(&read) {
			rows = page.Within(first, n, rows)
			for _, row := range rows {
				t := stats.Never
				if page.Flags[row]&bench.RowHasTime != 0 {
					t = origin.Since(page.Ms[row])
				}
				i := page.Seq[row] - first
				effect[i] = min(effect[i], t)
				if again != nil && int64(page.Count[row]) > appliedOnce {
					again[i] = true
				}
			}
		}
	}
	defer s.right(first, n)
	if s.f.log == nil {
		return
	}
	for c := range s.f.log.Commits() {
		if seq, ok := s.f.seq(c.ID); ok && seq-first < n && !c.Removed {
			s.stored[seq-s.first] = min(s.stored[seq-s.first], c.At.Sub(s.f.started))
		}
	}
	var invocation invocation
	if first == 0 {
		invocation = s.f.timeline.watch(s.f.log, s.f.started)
	}
	for d := range s.f.log.Deliveries() {
		invocation.delivery(d)
		if seq, ok := s.f.seq(d.ID); ok && seq-first < n {
			s.handed[seq-s.first] = min(s.handed[seq-s.first], d.At.Sub(s.f.started))
		}
	}
}

// seq is the number of an id of this run.
func (f *files) seq(id string) (uint64, bool) {
	parsed, err := bench.ParseKey(id)
	if err != nil {
		return 0, false
	}
	return f.ids().Seq(parsed)
}

// differing lists the reads that must be gone through: of the last two one, where
// both found the same, and all before them.
func (f *files) differing() []read {
	last := f.lastTwo()
	return append(last[:len(last):len(last)], f.earlier...)
}

// lastTwo are the last two reads, or one of them where both found the same.
func (f *files) lastTwo() []read {
	if a, b := &f.reads[0], &f.reads[1]; a.Complete() && b.Complete() && a.Fingerprint() == b.Fingerprint() {
		return f.reads[:1]
	}
	return f.reads[:]
}

// times gives what is known of a request of the span.
func (s *span) times(seq uint64, a *bench.Attempt) stats.Times {
	i := seq - s.first
	t := stats.Times{Acked: stats.Never, Stored: stats.Never, Effect: s.effect[i]}
	if s.hidden(seq, a) {
		return t
	}
	if a.Outcome == bench.Acknowledged {
		t.Acked = a.End
	}
	if s.stored != nil {
		t.Stored = s.stored[i]
	}
	if s.f.manifest.Architecture != bench.Streams && t.Effect != stats.Never {
		t.Stored = t.Effect // in one transaction
	}
	return t
}

// right tells the effects of the n requests from first on by the clock of all else.
func (s *span) right(first, n uint64) {
	k := s.f.story.skews
	for seq := first; seq < first+n && len(k) > 0; seq++ {
		least, effect := s.f.plan.Due(seq), &s.effect[seq-s.first]
		if handed := s.handedAt(seq); handed != stats.Never {
			least = max(least, handed)
		}
		if *effect != stats.Never {
			*effect = k.right(*effect, least)
		}
	}
}

// appliedOnce is the count of a row with one application, as [bench.Rows] has it.
const appliedOnce = 2

// doneAt is when all that was asked for by a request was there for the first time,
// as far as it could be seen: what was applied again, later, has lost the time of
// its first effect, and was done soon after it was handed over.
func (s *span) doneAt(seq uint64, a *bench.Attempt, effects bool) time.Duration {
	i := seq - s.first
	switch {
	case a.Outcome == bench.Unsent || a.Class == bench.ClassNone:
		return stats.Never
	case s.again != nil && s.again[i]:
		return s.handedAt(seq)
	case effects && !s.hidden(seq, a) && (a.Outcome == bench.Acknowledged || s.effect[i] != stats.Never):
		return s.effect[i]
	}
	return a.End
}

// handedAt is when a request was first handed to the processor.
func (s *span) handedAt(seq uint64) time.Duration {
	if s.handed == nil {
		return stats.Never
	}
	return s.handed[seq-s.first]
}

// shares cuts a piece of the plan into one for each core, and waits for all.
func shares(first, n uint64, do func(core int, from, to uint64)) {
	cores := uint64(cores())
	var all sync.WaitGroup
	for c := range cores {
		from, to := first+n*c/cores, first+n*(c+1)/cores
		if from < to {
			all.Go(func() { do(int(c), from, to) })
		}
	}
	all.Wait()
}

func cores() int { return runtime.GOMAXPROCS(0) }

// blockSize is how many requests share an extent.
const blockSize = 1 << 12

// extents say of each block of requests when it was in the backlog: between which
// moments one of them joined or left it. They are few, and in most runs narrow:
// who looks for the moments of some seconds need not ask every request.
type extents []extent

type extent struct{ from, to time.Duration }

func newExtents(n uint64) extents {
	all := make(extents, (n+blockSize-1)/blockSize)
	for i := range all {
		all[i] = extent{from: stats.Never, to: math.MinInt64}
	}
	return all
}

// add notes when a request joined the backlog and left it.
func (x extents) add(block uint64, t stats.Times) {
	joined, left, ok := t.Pending()
	if !ok {
		return
	}
	if left == stats.Never {
		left = joined
	}
	e := &x[block]
	e.from, e.to = min(e.from, joined), max(e.to, left)
}

// within reports whether any of some requests may have joined or left after from
// and not after to.
func (x extents) within(first, n uint64, from, to time.Duration) bool {
	for _, e := range x[first/blockSize : (first+n-1)/blockSize+1] {
		if e.from <= to && e.to > from {
			return true
		}
	}
	return false
}

// observation is what the whole ledger says of time.
type observation struct {
	end      time.Duration // what had not happened then is censored
	effects  bool          // a final read was complete: an effect that was not found is none
	lastSent time.Duration
}

// each calls do for what the ledger knows of some requests, but for their answers.
func (f *files) each(from, to uint64, do func(seq uint64, a *bench.Attempt)) {
	each(f.ledger.Attempts, from, to, do)
}

// eachAnswer is each with the answers.
func (f *files) eachAnswer(from, to uint64, do func(seq uint64, a *bench.Attempt)) {
	each(f.ledger.Answers, from, to, do)
}

func each(read func(uint64, []bench.Attempt), from, to uint64, do func(seq uint64, a *bench.Attempt)) {
	var attempts [512]bench.Attempt
	for ; from < to; from += uint64(len(attempts)) {
		some := attempts[:min(uint64(len(attempts)), to-from)]
		read(from, some)
		for i := range some {
			do(from+uint64(i), &some[i])
		}
	}
}

// observe goes through the ledger once.
func (f *files) observe() observation {
	all := make([]observation, cores())
	shares(0, uint64(f.plan.Len()), func(core int, from, to uint64) {
		var o observation
		f.each(from, to, func(_ uint64, a *bench.Attempt) {
			if a.Outcome != bench.Unsent {
				o.lastSent, o.end = max(o.lastSent, a.Sent), max(o.end, a.End)
			}
		})
		all[core] = o
	})
	o := observation{end: f.story.last, effects: f.scenario.Target.EffectsTimed() && (f.reads[0].Complete() || f.reads[1].Complete())}
	for _, one := range all {
		o.lastSent, o.end = max(o.lastSent, one.lastSent), max(o.end, one.end)
	}
	return o
}
