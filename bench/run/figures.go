package run

import (
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/predict"
	"github.com/ackproof/ackproof/bench/reconcile"
	"github.com/ackproof/ackproof/bench/stats"
)

// stage holds the distributions of one stage of the load.
type stage struct {
	response, lag stats.Histogram
	acknowledged  int64
}

// figures are the distributions of a run, warm-up left out where its definition
// says so, and what happened when. They are counts: none of them grows
// with the number of requests.
type figures struct {
	observation
	response, service, lag, completion, dispatch, sendDelay stats.Histogram
	byOutcome                                               [4]stats.Histogram
	client                                                  clientFigures
	stages                                                  []stage
	backlog                                                 *stats.Backlog
	availability                                            stats.Availability
	timeline                                                *timeline
	recoveries                                              []recovered     // by fault
	drains                                                  []recovered     // by stage
	reach                                                   []time.Duration // by fault
}

// recovered is how a fault was recovered from, as [stats.Backlog.Recovery] has it.
type recovered struct {
	ms        *float64
	afterLoad bool
	rate      *float64 // at which the backlog was worked off, items per second
}

// newFigures makes figures of nothing yet.
func (f *files) newFigures(o observation) *figures {
	return &figures{observation: o, stages: make([]stage, len(f.plan.Stages())), backlog: stats.NewBacklog(o.end + time.Second), reach: make([]time.Duration, len(f.faults))}
}

// figures goes through all requests, each core through a share of its own: through
// those that a judgement which was cut off has not gone through.
func (f *files) figures() *figures {
	h := f.partial.figures(f)
	var o observation
	if h == nil {
		h = new(halfway)
		o = f.observe()
	} else {
		o = observation{end: h.End, effects: h.Effects, lastSent: h.LastSent}
	}
	f.timeline = newTimeline(f.plan.Duration(), o.end, f.plan.Len())
	f.extents = newExtents(uint64(f.plan.Len()))
	all := make([]*figures, cores())
	for i := range all {
		all[i] = f.newFigures(o)
	}
	g := all[0]
	if h.Done > 0 {
		f.resume(g, h)
		f.kept(h.Done, f.portions.figures)
	}
	if !h.Whole {
		f.count(h.Done, all)
		for _, other := range all[1:] {
			g.merge(other)
		}
		f.conclude(g)
	}
	g.timeline = f.timeline
	f.whole, f.extents, f.timeline = nil, nil, nil
	f.partial.concluded(f, g)
	debug.FreeOSMemory() // the judge is about to take as much again, and only one of the two was reckoned with
	return g
}

// count enters the requests from one on.
func (f *files) count(from uint64, all []*figures) {
	strikes := make([]time.Duration, len(f.faults))
	for i := range strikes {
		strikes[i], _ = f.window(i)
	}
	stages, kinds := f.plan.Stages(), len(f.scenario.RequestKinds())
	var mu sync.Mutex
	everything := func(uint64, uint64) bool { return true }
	for s := range f.spans(from, everything) {
		shares(s.first, s.n, func(core int, from, to uint64) {
			g, open := all[core], openSlot{timeline: f.timeline}
			block := from / blockSize
			own := newExtents(to - block*blockSize)
			f.eachAnswer(from, to, func(seq uint64, a *bench.Attempt) {
				due, number, times := f.plan.Due(seq), f.plan.Stage(seq), s.times(seq, a)
				g.request(&g.stages[number], a, times, s.handedAt(seq), due, stages[number].Warmup)
				if !stages[number].Warmup {
					g.client.request(a, due, g.end)
					if kinds > 1 {
						g.client.kind(f.plan.Kind(seq)).request(a, due, g.end)
					}
				}
				g.backlog.Add(times)
				g.reaches(strikes, due, s.doneAt(seq, a, g.effects))
				own.add(seq/blockSize-block, times)
				open.request(a, times.Effect, due)
			})
			open.close()
			mu.Lock()
			defer mu.Unlock()
			for i, e := range own {
				at := &f.extents[block+uint64(i)]
				at.from, at.to = min(at.from, e.from), max(at.to, e.to)
			}
		})
		f.spent(s.n, costFigure)
		if done := s.first + s.n; done < uint64(f.plan.Len()) {
			f.partial.counted(f, done, all)
		}
	}
}

// conclude makes what follows from all requests together.
func (f *files) conclude(g *figures) {
	for i, st := range f.plan.Stages() {
		if !st.Warmup {
			g.response.Merge(&g.stages[i].response)
			g.lag.Merge(&g.stages[i].lag)
		}
	}
	f.timeline.finish(f.manifest.Architecture != bench.Sync, f.story.deaths)
	f.recover(g)
	f.recoverStages(g)
}

func (g *figures) merge(o *figures) {
	g.service.Merge(&o.service)
	g.completion.Merge(&o.completion)
	g.dispatch.Merge(&o.dispatch)
	g.sendDelay.Merge(&o.sendDelay)
	g.availability.Merge(&o.availability)
	g.client.merge(&o.client)
	for i := range g.byOutcome {
		g.byOutcome[i].Merge(&o.byOutcome[i])
	}
	for i := range g.stages {
		g.stages[i].response.Merge(&o.stages[i].response)
		g.stages[i].lag.Merge(&o.stages[i].lag)
		g.stages[i].acknowledged += o.stages[i].acknowledged
	}
	g.backlog.Merge(o.backlog)
	for i := range g.reach {
		g.reach[i] = max(g.reach[i], o.reach[i])
	}
}

// settledBefore is how much of the time before a strike tells how long requests
// take when nothing is wrong.
const settledBefore = 5 * time.Second

// reaches takes a request for what it tells of how much earlier than a strike one
// could be due and still be under way at it: as early as one that was, and as early
// as twice what those have taken that were done before.
func (g *figures) reaches(strikes []time.Duration, due, done time.Duration) {
	for i, at := range strikes {
		switch {
		case due >= at || done == stats.Never:
		case done >= at:
			g.reach[i] = max(g.reach[i], at-due)
		case due >= at-settledBefore:
			g.reach[i] = max(g.reach[i], 2*(done-due))
		}
	}
}

// request enters one request. Response time and lag of the whole run are those of
// its stages.
func (g *figures) request(st *stage, a *bench.Attempt, item stats.Times, handed, due time.Duration, warmup bool) {
	sent := a.Outcome != bench.Unsent
	if !sent && due > g.end {
		return // the run was cut off before
	}
	if !warmup {
		g.availability.Add(due, sent && a.Outcome == bench.Acknowledged)
	}
	if !sent {
		st.response.RecordCensored(g.end - due) // it waited at least until the end and was never answered
		return
	}
	end := ended(a)
	between(&st.response, due, end, g.end)
	if a.Outcome == bench.Acknowledged {
		st.acknowledged++
	}
	if item.Acked != stats.Never {
		between(&st.lag, item.Acked, item.Effect, g.end)
	}
	if warmup {
		return
	}
	between(&g.byOutcome[a.Outcome], due, end, g.end)
	if a.Sent >= due { // a damaged cell has no time of sending
		between(&g.service, a.Sent, end, g.end)
		g.sendDelay.Record(a.Sent - due)
	}
	if item.Effect != stats.Never || item.Acked != stats.Never || item.Stored != stats.Never {
		between(&g.completion, due, item.Effect, g.end)
	}
	if item.Stored != stats.Never {
		between(&g.dispatch, item.Stored, handed, g.end)
	}
}

// between records the time from one station to another, censored where the
// other was not reached.
func between(h *stats.Histogram, from, to, observed time.Duration) {
	if to == stats.Never {
		h.RecordCensored(max(0, observed-from))
		return
	}
	h.Record(to - from)
}

// timing is what the timing gates look at.
func (g *figures) timing(own *generator) reconcile.Timing {
	var timing reconcile.Timing
	if g.sendDelay.Count() > 0 {
		p99 := time.Duration(stats.SendDelay(&g.sendDelay).P99 * float64(time.Millisecond))
		timing.SendDelayP99 = &p99
	}
	response := g.response.Latency()
	switch {
	case response.P99 != nil:
		p99 := time.Duration(*response.P99 * float64(time.Millisecond))
		timing.ResponseP99 = &p99
	case response.Censored > 0:
		never := stats.Never // the API stalls: that is not the generator's delay
		timing.ResponseP99 = &never
	}
	if own != nil && own.CPUShare >= 0 {
		timing.GeneratorCPU = &own.CPUShare
	}
	return timing
}

// fill writes the figures into the result.
func (f *files) fill(r *bench.Result, g *figures, account reconcile.Account) {
	r.ResponseTime, r.ServiceTime = g.response.Latency(), g.service.Latency()
	r.ResponseBy = bench.ResponseBy{
		Acknowledged: g.byOutcome[bench.Acknowledged].Latency(),
		Refused:      g.byOutcome[bench.Refused].Latency(),
		Unknown:      g.byOutcome[bench.Unknown].Latency(),
	}
	f.fillClient(r, &g.client)
	r.Availability, r.Clock = g.availability.Figures(), f.clocks.Clocks
	if g.effects {
		completion := g.completion.Latency()
		r.Completion = &completion
	}
	if g.effects && f.manifest.Architecture != bench.Sync {
		lag := g.lag.Latency()
		r.Lag = &lag
	}
	if f.handing() {
		dispatch := g.dispatch.Latency()
		r.DispatchLag = &dispatch
	}
	for i, st := range f.plan.Stages() {
		p := bench.Phase{
			Name: st.Name, Warmup: st.Warmup, FromMs: ms(st.From), ToMs: ms(st.To),
			ResponseTime: g.stages[i].response.Latency(), Acknowledged: g.stages[i].acknowledged, Items: account.PhaseItems[i],
		}
		if r.Lag != nil {
			lag := g.stages[i].lag.Latency()
			p.Lag = &lag
		}
		p.RecoveryMs, p.RecoveredAfterLoad = g.drains[i].ms, g.drains[i].afterLoad
		r.Phases = append(r.Phases, p)
	}
	r.Load = f.load(r, g)
	f.fillFaults(r, g, account)
	if g.effects && !f.perKey() { // of a version that nobody tells of, nobody knows whether it waits
		r.Backlog = g.backlog.Rows()
	}
}

// load says how well the generator kept its plan.
func (f *files) load(r *bench.Result, g *figures) bench.LoadFigures {
	figures := bench.LoadFigures{SendDelay: stats.SendDelay(&g.sendDelay)}
	if seconds := f.plan.Duration().Seconds(); seconds > 0 {
		figures.OfferedRPS = float64(r.Requests.Planned) / seconds
	}
	// A load that ran late took longer; one that was cut off, less.
	took := g.lastSent
	if f.story.generator != nil && f.story.generator.Complete {
		took = max(took, f.plan.Duration())
	}
	if seconds := took.Seconds(); seconds > 0 {
		figures.AchievedRPS = float64(r.Requests.Sent) / seconds
	}
	figures.GeneratorReason = f.generatorReason(r.Gates)
	figures.GeneratorOK = figures.GeneratorReason == ""
	figures.Generator = f.story.generator.figures()
	return figures
}

// fillFaults tells of each fault what it did, and how soon the system was itself
// again.
func (f *files) fillFaults(r *bench.Result, g *figures, account reconcile.Account) {
	predicted := predict.Losses(f.scenario, f.plan)
	for i, fault := range f.faults {
		loss := account.FaultLoss[i]
		from, to := f.window(i)
		r.Faults = append(r.Faults, bench.FaultResult{
			Text: fault.String(), Kind: fault.Kind.Name, AtMs: ms(from), ForMs: ms(to - from),
			Planned: f.story.planned(i), Bitten: f.story.bitten(i), Undone: f.story.over(i), ObservedLoss: &loss,
			RecoveryMs: g.recoveries[i].ms, RecoveredAfterLoad: g.recoveries[i].afterLoad, DrainRPS: g.recoveries[i].rate,
		})
		if p := predicted[i]; p != nil {
			at := &r.Faults[i]
			at.PredictedLoss, at.PredictedRange, at.PredictedBy = &p.Expected, &bench.Range{Low: p.Low, High: p.High}, p.Model
		}
		if f.perKey() || !f.scenario.Target.HasItems() && !f.scenario.Target.HasResults() {
			r.Faults[i].ObservedLoss = nil
		}
	}
}

// recover finds out how soon the system was itself again after each fault.
// Windows that overlap are one, and share their recovery.
func (f *files) recover(g *figures) {
	g.recoveries = make([]recovered, len(f.faults))
	windows := make([]stats.Window, len(f.faults))
	for i := range f.faults {
		windows[i].From, windows[i].To = f.window(i)
	}
	for _, w := range stats.Union(windows) {
		var of []int
		for i := range f.faults {
			if f.story.bitten(i) > 0 && w.From <= windows[i].From && windows[i].To <= w.To {
				of = append(of, i)
			}
		}
		if len(of) == 0 || !g.effects || f.perKey() || g.end < w.To {
			continue // there was nothing to recover from, or nobody saw it
		}
		var one recovered
		one.ms, one.afterLoad = g.backlog.Recovery(w, f.plan.Duration(), f.offered, f.moments)
		if one.ms != nil && *one.ms > 0 {
			left := g.backlog.Left(w.To, w.To+time.Duration(*one.ms*float64(time.Millisecond)), f.moments)
			rate := float64(left) / *one.ms * 1e3
			one.rate = &rate
		}
		for _, i := range of {
			g.recoveries[i] = one
		}
	}
}

// recoverStages finds out how soon the backlog was back at normal after each stage that
// was followed by a lower rate. After any other there is nothing to come back to.
func (f *files) recoverStages(g *figures) {
	stages := f.scenario.Load
	g.drains = make([]recovered, len(stages))
	at := time.Duration(0)
	for i, st := range stages {
		w := stats.Window{From: at, To: at + st.For}
		at = w.To
		if i+1 == len(stages) || !g.effects || f.perKey() || g.end < w.To {
			continue
		}
		_, end := st.Rates()
		if next, _ := stages[i+1].Rates(); next < end {
			g.drains[i].ms, g.drains[i].afterLoad = g.backlog.Recovery(w, f.plan.Duration(), f.offered, f.moments)
		}
	}
}

// moments gives the changes of the backlog between two moments, by going once more
// through those requests that may have had a part in them.
func (f *files) moments(from, to time.Duration) (joined, left []time.Duration) {
	var mu sync.Mutex
	part := func(first, n uint64) bool { return f.extents.within(first, n, from, to) }
	for s := range f.spans(0, part) {
		shares(s.first, s.n, func(_ int, first, end uint64) {
			var j, l []time.Duration
			for seq := first; seq < end; {
				next := min(end, seq|(blockSize-1)+1)
				if part(seq, 1) { // and so is the rest of its block
					f.each(seq, next, func(seq uint64, a *bench.Attempt) {
						in, out, ok := s.times(seq, a).Pending()
						if ok && in > from && in <= to {
							j = append(j, in)
						}
						if ok && out > from && out <= to {
							l = append(l, out)
						}
					})
				}
				seq = next
			}
			mu.Lock()
			defer mu.Unlock()
			joined, left = append(joined, j...), append(left, l...)
		})
	}
	slices.Sort(joined)
	slices.Sort(left)
	return joined, left
}

// offered is the plan's rate between two moments.
func (f *files) offered(from, to time.Duration) float64 {
	if to <= from {
		return 0
	}
	return float64(f.plan.DueBefore(to)-f.plan.DueBefore(from)) / (to - from).Seconds()
}

// expect judges the expectations and joins their verdict to the judge's.
func (f *files) expect(r *bench.Result, g *figures) {
	for _, expectation := range f.scenario.Expectations() {
		x := expectation.Eval(r)
		x.Why = expectation.Explain(r, g.timeline.rows, x)
		r.Expectations = append(r.Expectations, x)
		switch {
		case x.OK == nil:
			r.Verdict = r.Verdict.Worse(bench.VerdictUnknown)
			r.Reasons = append(r.Reasons, bench.Reason{Code: bench.CodeExpectationUnk, Text: fmt.Sprintf("%q cannot be decided: %s", x.Expect, x.Why)})
		case !*x.OK:
			r.Verdict = bench.Fail
			r.Reasons = append(r.Reasons, bench.Reason{Code: bench.CodeExpectation, Text: fmt.Sprintf("%q: %s", x.Expect, x.Why)})
		}
	}
}
