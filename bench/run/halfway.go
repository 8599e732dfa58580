package run

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/stats"
)

// halfway is figures in the making, as they are written down for a judgement that is
// cut off: those of the requests below Done.
type halfway struct {
	Done       uint64
	Whole      bool // all is there: nothing is left to be merged or found out
	End        time.Duration
	Effects    bool
	LastSent   time.Duration
	Histograms []*stats.Histogram // in the order of figures.histograms
	Kinds      [][4]int64         // outcomes by kind of request
	Stages     []int64            // acknowledged

	Backlog      *stats.Backlog
	Availability *stats.Availability
	Reach        []time.Duration
	Extents      [][2]time.Duration `json:",omitempty"`
	Recoveries   []halfwayRecovery
	Drains       []halfwayRecovery

	Rows                []bench.SeriesRow
	Open                map[int]*halfwaySlot `json:",omitempty"`
	Watched             bool
	Invocations, Failed int64
}

type halfwayRecovery struct {
	Ms        *float64
	AfterLoad bool
	Rate      *float64
}

type halfwaySlot struct {
	Row           bench.SeriesRow
	Response, Lag *stats.Histogram
	Least         time.Duration
}

// histograms lists all distributions, in one order.
func (g *figures) histograms() []*stats.Histogram {
	c := &g.client
	all := []*stats.Histogram{&g.response, &g.service, &g.lag, &g.completion, &g.dispatch, &g.sendDelay, &c.firstByte}
	for i := range g.byOutcome {
		all = append(all, &g.byOutcome[i])
	}
	for i := range c.byStatus {
		all = append(all, &c.byStatus[i])
	}
	for i := range c.kinds {
		all = append(all, &c.kinds[i].response, &c.kinds[i].service)
	}
	for i := range g.stages {
		all = append(all, &g.stages[i].response, &g.stages[i].lag)
	}
	return all
}

// down writes figures down.
func (g *figures) down(done uint64, whole bool, t *timeline, x extents) ([]byte, error) {
	h := halfway{
		Done: done, Whole: whole, End: g.end, Effects: g.effects, LastSent: g.lastSent, Histograms: g.histograms(),
		Backlog: g.backlog, Availability: &g.availability, Reach: g.reach,
		Rows: t.rows, Watched: t.watched, Invocations: t.invocations, Failed: t.failed, Open: map[int]*halfwaySlot{},
	}
	for i := range g.client.kinds {
		h.Kinds = append(h.Kinds, g.client.kinds[i].outcomes)
	}
	for i := range g.stages {
		h.Stages = append(h.Stages, g.stages[i].acknowledged)
	}
	for _, e := range x {
		h.Extents = append(h.Extents, [2]time.Duration{e.from, e.to})
	}
	for i, one := range t.open {
		h.Open[i] = &halfwaySlot{one.row, &one.response, &one.lag, one.least}
	}
	for _, r := range g.recoveries {
		h.Recoveries = append(h.Recoveries, halfwayRecovery{r.ms, r.afterLoad, r.rate})
	}
	for _, r := range g.drains {
		h.Drains = append(h.Drains, halfwayRecovery{r.ms, r.afterLoad, r.rate})
	}
	return json.Marshal(&h)
}

// readHalfway reads what down has written, of this run.
func (f *files) readHalfway(b []byte) (*halfway, error) {
	h := halfway{Backlog: new(stats.Backlog)}
	if err := json.Unmarshal(b, &h); err != nil {
		return nil, err
	}
	n := uint64(f.plan.Len())
	g := f.newFigures(observation{})
	g.client.kind(max(0, len(h.Kinds)-1))
	g.client.kinds = g.client.kinds[:len(h.Kinds)]
	t := newTimeline(f.plan.Duration(), h.End, f.plan.Len())
	ok := h.Done <= n && len(h.Kinds) <= len(f.scenario.RequestKinds()) && len(h.Stages) == len(g.stages) &&
		len(h.Histograms) == len(g.histograms()) && len(h.Reach) == len(f.faults) && len(h.Rows) == len(t.rows) &&
		h.Backlog != nil && h.Availability != nil
	for _, one := range h.Histograms {
		ok = ok && one != nil
	}
	for i, one := range h.Open {
		ok = ok && one != nil && one.Response != nil && one.Lag != nil && i >= 0 && i < t.load
	}
	if h.Whole {
		ok = ok && h.Done == n && len(h.Recoveries) == len(f.faults) && len(h.Drains) == len(f.scenario.Load)
	} else {
		ok = ok && len(h.Extents) == len(newExtents(n))
	}
	if !ok {
		return nil, fmt.Errorf("figures of another run")
	}
	return &h, nil
}

// resume gives the figures that were written down to g, which has none yet, and to
// the timeline and the extents of the run.
func (f *files) resume(g *figures, h *halfway) {
	g.observation = observation{end: h.End, effects: h.Effects, lastSent: h.LastSent}
	for i, outcomes := range h.Kinds {
		g.client.kind(i).outcomes = outcomes
	}
	for i, into := range g.histograms() {
		into.Merge(h.Histograms[i])
	}
	for i, n := range h.Stages {
		g.stages[i].acknowledged = n
	}
	g.backlog.Merge(h.Backlog)
	g.availability.Merge(h.Availability)
	copy(g.reach, h.Reach)
	for i, e := range h.Extents {
		f.extents[i] = extent{e[0], e[1]}
	}
	for _, r := range h.Recoveries {
		g.recoveries = append(g.recoveries, recovered{r.Ms, r.AfterLoad, r.Rate})
	}
	for _, r := range h.Drains {
		g.drains = append(g.drains, recovered{r.Ms, r.AfterLoad, r.Rate})
	}
	t := f.timeline
	copy(t.rows, h.Rows)
	t.watched, t.invocations, t.failed = h.Watched, h.Invocations, h.Failed
	for i, one := range h.Open {
		s := &slot{row: one.Row, least: one.Least}
		s.response.Merge(one.Response)
		s.lag.Merge(one.Lag)
		t.open[i] = s
	}
}
