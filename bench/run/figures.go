package run

import (
	"fmt"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/reconcile"
	"github.com/ackproof/ackproof/bench/stats"
)

// times holds, for every planned request, what is known of its stations, as
// positions from the start of load; stats.Never where it was not seen there.
type times struct {
	attempts []bench.Attempt
	sent     []bool
	items    []stats.Times   // acknowledged, stored, effect
	handed   []time.Duration // first handed to the processor
	observed time.Duration   // the end of the observation: what had not happened then is censored
	effects  bool            // a final read was complete: an effect that was not found is none
	lastSent time.Duration
}

// times reads the times of all requests from the files.
func (f *files) times() *times {
	n := int(f.plan.Len())
	t := &times{
		attempts: make([]bench.Attempt, n), sent: make([]bool, n), items: make([]stats.Times, n), handed: make([]time.Duration, n),
		observed: f.story.last,
		effects:  f.reads[0].Complete() || f.reads[1].Complete(),
	}
	for i := range n {
		t.items[i] = stats.Times{Acked: stats.Never, Stored: stats.Never, Effect: stats.Never}
		t.handed[i] = stats.Never
		t.attempts[i], t.sent[i] = f.ledger.Request(uint64(i))
		if t.sent[i] && t.attempts[i].Outcome == bench.Acknowledged {
			t.items[i].Acked = t.attempts[i].End
		}
		if t.sent[i] {
			t.lastSent = max(t.lastSent, t.attempts[i].Sent)
			t.observed = max(t.observed, t.attempts[i].End)
		}
	}
	f.watched(t, n)
	for _, read := range f.reads {
		for e := range read.Effects() {
			if e.Seq < uint64(n) && !e.At.IsZero() {
				t.items[e.Seq].Effect = min(t.items[e.Seq].Effect, e.At.Sub(f.started))
				if f.manifest.Architecture != bench.Streams {
					t.items[e.Seq].Stored = t.items[e.Seq].Effect // in one transaction
				}
			}
		}
	}
	return t
}

// watched adds what the machines were seen to do, where they were watched.
func (f *files) watched(t *times, n int) {
	if f.log == nil {
		return
	}
	for c := range f.log.Commits() {
		if i, ok := f.index(c.ID, n); ok && !c.Removed {
			t.items[i].Stored = min(t.items[i].Stored, c.At.Sub(f.started))
		}
	}
	for d := range f.log.Deliveries() {
		if i, ok := f.index(d.ID, n); ok {
			t.handed[i] = min(t.handed[i], d.At.Sub(f.started))
		}
	}
}

// index is the number of an id of this run.
func (f *files) index(id string, n int) (int, bool) {
	parsed, err := bench.ParseKey(id)
	if err != nil || parsed.Run != f.manifest.Run || parsed.Agent != 0 || parsed.Seq >= uint64(n) {
		return 0, false
	}
	return int(parsed.Seq), true
}

// stage holds the distributions of one stage of the load.
type stage struct {
	response, lag stats.Histogram
	acknowledged  int64
}

// figures are the distributions of a run, warm-up left out where its definition
// says so.
type figures struct {
	response, service, lag, completion, dispatch, sendDelay stats.Histogram
	byOutcome                                               [4]stats.Histogram
	stages                                                  []stage
}

// figures goes through all requests once.
func (f *files) figures(t *times) *figures {
	g := &figures{stages: make([]stage, len(f.plan.Stages()))}
	stages := f.plan.Stages()
	for i := range t.attempts {
		due, number := f.plan.Due(uint64(i)), f.plan.Stage(uint64(i))
		g.request(&g.stages[number], t, i, due, stages[number].Warmup)
	}
	return g
}

func (g *figures) request(st *stage, t *times, i int, due time.Duration, warmup bool) {
	a, item := t.attempts[i], t.items[i]
	if !t.sent[i] && due > t.observed {
		return // the run was cut off before
	}
	if !t.sent[i] {
		// It waited at least until the end and was never answered.
		st.response.RecordCensored(t.observed - due)
		if !warmup {
			g.response.RecordCensored(t.observed - due)
		}
		return
	}
	end := a.End
	if a.Class == bench.ClassNone {
		end = stats.Never // on the wire when ackproof was killed: nobody knows when it ended
	}
	between(&st.response, due, end, t.observed)
	if a.Outcome == bench.Acknowledged {
		st.acknowledged++
		between(&st.lag, item.Acked, item.Effect, t.observed)
	}
	if warmup {
		return
	}
	between(&g.response, due, end, t.observed)
	between(&g.byOutcome[a.Outcome], due, end, t.observed)
	if a.Sent >= due { // a damaged cell has no time of sending
		between(&g.service, a.Sent, end, t.observed)
		g.sendDelay.Record(a.Sent - due)
	}
	if a.Outcome == bench.Acknowledged {
		between(&g.lag, item.Acked, item.Effect, t.observed)
	}
	if item.Effect != stats.Never || item.Acked != stats.Never || item.Stored != stats.Never {
		between(&g.completion, due, item.Effect, t.observed)
	}
	if item.Stored != stats.Never {
		between(&g.dispatch, item.Stored, t.handed[i], t.observed)
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
func (f *files) fill(r *bench.Result, t *times, g *figures, account reconcile.Account) {
	r.ResponseTime, r.ServiceTime = g.response.Latency(), g.service.Latency()
	r.ResponseBy = bench.ResponseBy{
		Acknowledged: g.byOutcome[bench.Acknowledged].Latency(),
		Refused:      g.byOutcome[bench.Refused].Latency(),
		Unknown:      g.byOutcome[bench.Unknown].Latency(),
	}
	if t.effects {
		completion := g.completion.Latency()
		r.Completion = &completion
	}
	if t.effects && f.manifest.Architecture != bench.Sync {
		lag := g.lag.Latency()
		r.Lag = &lag
	}
	if f.manifest.Architecture == bench.Streams && f.log != nil {
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
		r.Phases = append(r.Phases, p)
	}
	r.Load = f.load(r, t, g)
	f.fillFaults(r, t, account)
	if t.effects {
		r.Backlog = stats.Backlog(t.items, 0, t.observed+time.Second)
	}
}

// load says how well the generator kept its plan.
func (f *files) load(r *bench.Result, t *times, g *figures) bench.LoadFigures {
	figures := bench.LoadFigures{SendDelay: stats.SendDelay(&g.sendDelay), GeneratorOK: true}
	if seconds := f.plan.Duration().Seconds(); seconds > 0 {
		figures.OfferedRPS = float64(r.Requests.Planned) / seconds
	}
	// A load that ran late took longer; one that was cut off, less.
	took := t.lastSent
	if f.story.generator != nil && f.story.generator.Complete {
		took = max(took, f.plan.Duration())
	}
	if seconds := took.Seconds(); seconds > 0 {
		figures.AchievedRPS = float64(r.Requests.Sent) / seconds
	}
	for _, gate := range r.Gates {
		if gate.Name == bench.GateSendDelay || gate.Name == bench.GateGeneratorCPU {
			figures.GeneratorOK = figures.GeneratorOK && gate.OK
		}
	}
	return figures
}

// fillFaults tells of each fault what it did, and how soon the system was itself
// again. Windows that overlap are one, and share their recovery.
func (f *files) fillFaults(r *bench.Result, t *times, account reconcile.Account) {
	windows := make([]stats.Window, len(f.faults))
	for i := range f.faults {
		from, to := f.window(i)
		windows[i] = stats.Window{From: from, To: to}
	}
	arrivals, effects := stats.Pending(t.items)
	united := stats.Union(windows)
	for i, fault := range f.faults {
		loss := account.FaultLoss[i]
		fr := bench.FaultResult{
			Text: fault.String(), Kind: fault.Kind.Name, AtMs: ms(windows[i].From), ForMs: ms(windows[i].To - windows[i].From),
			Planned: f.story.planned(i), Bitten: f.story.bitten(i), Undone: f.story.over(i), ObservedLoss: &loss,
		}
		for _, w := range united {
			if fr.Bitten == 0 || !t.effects || t.observed < w.To {
				continue // there was nothing to recover from, or nobody saw it
			}
			if w.From <= windows[i].From && windows[i].To <= w.To {
				fr.RecoveryMs, fr.RecoveredAfterLoad = stats.Recovery(arrivals, effects, w, f.plan.Duration(), f.offered)
			}
		}
		r.Faults = append(r.Faults, fr)
	}
}

// offered is the plan's rate between two moments.
func (f *files) offered(from, to time.Duration) float64 {
	if to <= from {
		return 0
	}
	return float64(f.plan.DueBefore(to)-f.plan.DueBefore(from)) / (to - from).Seconds()
}

// expect judges the expectations and joins their verdict to the judge's.
func (f *files) expect(r *bench.Result) {
	for _, expectation := range f.scenario.Expect {
		x := expectation.Eval(r)
		r.Expectations = append(r.Expectations, x)
		switch {
		case x.OK == nil:
			r.Verdict = r.Verdict.Worse(bench.VerdictUnknown)
			r.Reasons = append(r.Reasons, bench.Reason{Code: bench.CodeExpectationUnk, Text: fmt.Sprintf("%q cannot be decided", x.Expect)})
		case !*x.OK && x.Actual == nil:
			r.Verdict = bench.Fail
			r.Reasons = append(r.Reasons, bench.Reason{Code: bench.CodeExpectation, Text: fmt.Sprintf("%q: it never happened", x.Expect)})
		case !*x.OK:
			r.Verdict = bench.Fail
			r.Reasons = append(r.Reasons, bench.Reason{Code: bench.CodeExpectation, Text: fmt.Sprintf("%q: it was %.6g", x.Expect, *x.Actual)})
		}
	}
}
