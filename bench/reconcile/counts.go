package reconcile

import (
	"github.com/ackproof/ackproof/bench"
)

// judged is what is kept of an id once its window is over: its verdict and the
// last station at which it was seen, in one byte.
type judged uint8

const verdictBits = 5 // there are fewer than 32 verdicts

var stations = [...]bench.Station{
	bench.StationSent, bench.StationAcknowledged, bench.StationStored, bench.StationDelivered, bench.StationEffect,
}

// The stations by number.
const (
	atSent judged = iota << verdictBits
	atAcknowledged
	atStored
	atDelivered
	atEffect
)

func asJudged(v bench.ItemVerdict, station judged) judged { return judged(v) | station }

func (d judged) verdict() bench.ItemVerdict { return bench.ItemVerdict(d & (1<<verdictBits - 1)) }
func (d judged) station() bench.Station     { return stations[d>>verdictBits] }

// perVerdict counts by item verdict.
type perVerdict [1 << verdictBits]int64

func (p *perVerdict) add(o *perVerdict) {
	for v := range p {
		p[v] += o[v]
	}
}

// counts is everything that is counted id by id, in one window or in several. What
// a table does not show may turn out only with its last row, so the books are made
// of it at the end.
type counts struct {
	Requests bench.Requests
	Items    perVerdict
	Phases   []perVerdict // by stage
	Loss     []int64      // by fault
	Stages   []stageCount // by stage; one for all where none is listed
	Around   []aroundFault
	Control  control
	Findings perVerdict // without those beyond the plan
	Acked    perVerdict // of them, the acknowledged ones
	Firsts   map[bench.ItemVerdict]uint64

	First, Last uint64 // of those that survived; First is the plan's length without any

	Uncounted  int64 // effects of this run whose applications nobody counted
	Untimed    int64 // of them all, those without a time, where there is a deadline
	Uncompared int64 // and those with neither digest nor sequence to compare

	// Of the whole evidence, in each window anew; redelivered ones are of its own.
	Beyond                           map[uint64]flags // what was seen of ids behind the plan
	Records, Delivered, DeadLettered int64
	Redelivered                      int64
}

// stageCount is how much of a stage was sent.
type stageCount struct{ Planned, Sent int64 }

// aroundFault counts requests by when they were due.
type aroundFault struct {
	SentBefore, SentIn, SentAfter, AckBefore, AckIn, AckAfter int64

	ToldIn int64 // sent inside, and not superseded
}

func (a *aroundFault) add(o aroundFault) {
	a.SentBefore += o.SentBefore
	a.SentIn += o.SentIn
	a.SentAfter += o.SentAfter
	a.AckBefore += o.AckBefore
	a.AckIn += o.AckIn
	a.AckAfter += o.AckAfter
	a.ToldIn += o.ToldIn
}

func newCounts(e *Evidence) counts {
	return counts{
		Phases: make([]perVerdict, len(e.Stages)), Loss: make([]int64, len(e.Faults)),
		Stages: make([]stageCount, len(e.Stages)), Around: make([]aroundFault, len(e.Faults)),
		Firsts: map[bench.ItemVerdict]uint64{}, First: uint64(e.Planned), Control: newControl(e), Beyond: map[uint64]flags{},
	}
}

// join adds the counts of another window.
func (c *counts) join(o *counts) {
	c.Requests.Sent += o.Requests.Sent
	c.Requests.Unsent += o.Requests.Unsent
	c.Requests.Acknowledged += o.Requests.Acknowledged
	c.Requests.Refused += o.Requests.Refused
	c.Requests.Unknown += o.Requests.Unknown
	c.Items.add(&o.Items)
	c.Findings.add(&o.Findings)
	c.Acked.add(&o.Acked)
	for i := range c.Phases {
		c.Phases[i].add(&o.Phases[i])
		c.Stages[i].Planned += o.Stages[i].Planned
		c.Stages[i].Sent += o.Stages[i].Sent
	}
	for i := range c.Around {
		c.Around[i].add(o.Around[i])
		c.Loss[i] += o.Loss[i]
	}
	c.Control.add(&o.Control)
	for v, seq := range o.Firsts {
		if first, ok := c.Firsts[v]; !ok || seq < first {
			c.Firsts[v] = seq
		}
	}
	c.First, c.Last = min(c.First, o.First), max(c.Last, o.Last)
	c.Uncounted += o.Uncounted
	c.Untimed += o.Untimed
	c.Uncompared += o.Uncompared
	for seq, f := range o.Beyond {
		c.Beyond[seq] |= f
	}
	c.Records, c.Delivered, c.DeadLettered = o.Records, o.Delivered, max(c.DeadLettered, o.DeadLettered)
	c.Redelivered += o.Redelivered
}

// count enters n planned requests that are alike: in outcome, verdict and stage,
// and in where they were due beside the faults.
func (j *judge) count(seq uint64, o bench.Outcome, v bench.ItemVerdict, n int64) {
	c, stage := &j.counts, j.stage(seq)
	c.countRequest(o, n)
	c.Items[v] += n
	if stage >= 0 {
		c.Phases[stage][v] += n
		c.Stages[stage].Planned += n
		if o != bench.Unsent {
			c.Stages[stage].Sent += n
		}
	}
	if len(j.e.Faults) > 0 && o != bench.Unsent {
		j.countAround(seq, o, v, n)
		j.countControl(seq, o, v, n)
	}
}

// note enters what is told of single requests.
func (j *judge) note(seq uint64, s flags, o bench.Outcome, v bench.ItemVerdict) {
	c := &j.counts
	if survived(v) {
		c.First, c.Last = min(c.First, seq), seq
	}
	if j.isFinding(v) {
		if c.Findings[v]++; c.Findings[v] == 1 {
			c.Firsts[v] = seq
		}
		if o == bench.Acknowledged {
			c.Acked[v]++
		}
		j.noteControl(seq, s, v)
	}
}

func (c *counts) countRequest(o bench.Outcome, n int64) {
	r := &c.Requests
	switch o {
	case bench.Unsent:
		r.Unsent += n
		return
	case bench.Acknowledged:
		r.Acknowledged += n
	case bench.Refused:
		r.Refused += n
	default:
		r.Unknown += n
	}
	r.Sent += n
}

// countAround enters sent requests by where they were due beside the faults.
func (j *judge) countAround(seq uint64, o bench.Outcome, v bench.ItemVerdict, n int64) {
	due := j.e.Due(seq)
	var ack int64
	if o == bench.Acknowledged {
		ack = n
	}
	if v == bench.LostWrite || v == bench.LostProcessing {
		for _, i := range j.blamed(due) {
			j.counts.Loss[i] += n
		}
	}
	for i := range j.counts.Around {
		switch a, f := &j.counts.Around[i], &j.e.Faults[i]; f.side(due) {
		case inside:
			a.SentIn += n
			a.AckIn += ack
			if v != bench.Superseded {
				a.ToldIn += n
			}
		case before, reached:
			a.SentBefore += n
			a.AckBefore += ack
		case lasting, after:
			a.SentAfter += n
			a.AckAfter += ack
		}
	}
}

// alike reports whether all requests from one to another are of one stage, on one
// side of each fault, and all or none of them control. Due times only rise.
func (j *judge) alike(first, last uint64) bool {
	if j.stage(first) != j.stage(last) {
		return false
	}
	from, to := j.e.Due(first), j.e.Due(last)
	if end := j.counts.Control.End; from < end && to >= end {
		return false
	}
	for i := range j.e.Faults {
		if f := &j.e.Faults[i]; f.side(from) != f.side(to) {
			return false
		}
	}
	return true
}

// books makes the account of what was counted. What could not be seen is null,
// in the whole and in each phase; what was proven is never null.
func (j *judge) books() {
	c, a := &j.counts, &j.account
	duplicated := c.Items[bench.Duplicated] > 0 || j.effectsKnown && j.countsObserved()
	wrong := c.Items[bench.WrongEffect] > 0 || j.effectsKnown && c.Uncompared == 0
	seen := func(observed bool, n int64) *int64 {
		if !observed {
			return nil
		}
		return &n
	}
	enter := func(items *bench.Items, n *perVerdict) {
		items.Duplicated, items.WrongEffect, items.Unexpected = seen(duplicated, 0), seen(wrong, 0), seen(j.e.seesUnsent(), 0)
		for _, v := range bench.ItemVerdicts() {
			if n[v] == 0 {
				continue
			}
			items.Add(v, n[v])
			if v != bench.Unexpected {
				items.Attempted += n[v]
			}
		}
	}
	enter(&a.Items, &c.Items)
	a.PhaseItems = make([]bench.Items, len(c.Phases))
	for i := range c.Phases {
		enter(&a.PhaseItems[i], &c.Phases[i])
	}
	if a.Items.Unexpected != nil {
		*a.Items.Unexpected += int64(len(a.extra))
	}
	var items bench.Items
	enter(&items, &c.Control.Items)
	a.Control = j.controlBooks(items)
	a.FaultLoss = c.Loss
	a.Requests = c.Requests
	a.Requests.Planned = j.e.Planned
	a.Deliveries = bench.Deliveries{
		Records: seen(j.e.Commits != nil, c.Records), DeadLettered: seen(len(j.letters()) > 0, c.DeadLettered),
		Delivered: seen(j.e.Deliveries != nil, c.Delivered), Redelivered: seen(j.e.Deliveries != nil, c.Redelivered),
	}
	if len(c.Stages) == 0 {
		c.Stages = []stageCount{{a.Requests.Planned, a.Requests.Sent}}
	}
}

// countsObserved reports whether the results table tells how often each effect
// was applied.
func (j *judge) countsObserved() bool {
	return j.e.EffectsObserved && !j.e.PerKey && j.counts.Uncounted == 0
}
