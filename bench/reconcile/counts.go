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

// counts is everything that is counted id by id. What a table does not show may
// turn out only with its last row, so the books are made of it at the end.
type counts struct {
	items    perVerdict
	phases   []perVerdict // by stage
	loss     []int64      // by fault
	control  control
	stages   []stageCount // by stage; one for all where none is listed
	around   []aroundFault
	findings perVerdict // without those beyond the plan
	acked    perVerdict // of them, the acknowledged ones
	firsts   map[bench.ItemVerdict]uint64

	first, last uint64 // of those that survived; first is the plan's length without any
}

// stageCount is how much of a stage was sent.
type stageCount struct{ planned, sent int64 }

// aroundFault counts requests by when they were due.
type aroundFault struct{ sentBefore, sentIn, sentAfter, ackBefore, ackIn, ackAfter int64 }

func newCounts(e *Evidence) counts {
	return counts{
		phases: make([]perVerdict, len(e.Stages)), loss: make([]int64, len(e.Faults)),
		stages: make([]stageCount, len(e.Stages)), around: make([]aroundFault, len(e.Faults)),
		firsts: map[bench.ItemVerdict]uint64{}, first: uint64(e.Planned), control: newControl(e),
	}
}

// count enters one planned request.
func (j *judge) count(seq uint64, s flags, o bench.Outcome, v bench.ItemVerdict) {
	c, stage := &j.counts, j.stage(seq)
	j.countRequest(o)
	c.items[v]++
	if stage >= 0 {
		c.phases[stage][v]++
		c.stages[stage].planned++
		if o != bench.Unsent {
			c.stages[stage].sent++
		}
	}
	if len(j.e.Faults) > 0 && o != bench.Unsent {
		j.countAround(seq, o, v)
		j.countControl(seq, s, o, v)
	}
	if survived(v) {
		c.first, c.last = min(c.first, seq), seq
	}
	if j.isFinding(v) {
		if c.findings[v]++; c.findings[v] == 1 {
			c.firsts[v] = seq
		}
		if o == bench.Acknowledged {
			c.acked[v]++
		}
	}
}

func (j *judge) countRequest(o bench.Outcome) {
	r := &j.account.Requests
	switch o {
	case bench.Unsent:
		r.Unsent++
		return
	case bench.Acknowledged:
		r.Acknowledged++
	case bench.Refused:
		r.Refused++
	default:
		r.Unknown++
	}
	r.Sent++
}

// countAround enters a sent request by where it was due beside the faults.
func (j *judge) countAround(seq uint64, o bench.Outcome, v bench.ItemVerdict) {
	due := j.e.Due(seq)
	var ack int64
	if o == bench.Acknowledged {
		ack = 1
	}
	if v == bench.LostWrite || v == bench.LostProcessing {
		for _, i := range j.blamed(due) {
			j.counts.loss[i]++
		}
	}
	for i := range j.counts.around {
		switch a, f := &j.counts.around[i], &j.e.Faults[i]; {
		case f.covers(due):
			a.sentIn++
			a.ackIn += ack
		case due < f.From:
			a.sentBefore++
			a.ackBefore += ack
		default:
			a.sentAfter++
			a.ackAfter += ack
		}
	}
}

// books makes the account of what was counted. What could not be seen is null,
// in the whole and in each phase; what was proven is never null.
func (j *judge) books() {
	c, a := &j.counts, &j.account
	duplicated := c.items[bench.Duplicated] > 0 || j.effectsKnown && j.countsObserved()
	wrong := c.items[bench.WrongEffect] > 0 || j.effectsKnown && j.uncompared == 0
	zero := func(observed bool) *int64 {
		if !observed {
			return nil
		}
		return new(int64)
	}
	enter := func(items *bench.Items, n *perVerdict) {
		items.Duplicated, items.WrongEffect, items.Unexpected = zero(duplicated), zero(wrong), zero(!j.e.TablesShared)
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
	enter(&a.Items, &c.items)
	a.PhaseItems = make([]bench.Items, len(c.phases))
	for i := range c.phases {
		enter(&a.PhaseItems[i], &c.phases[i])
	}
	if a.Items.Unexpected != nil {
		*a.Items.Unexpected += int64(len(a.extra))
	}
	var control bench.Items
	enter(&control, &c.control.items)
	a.Control = j.controlBooks(control)
	a.FaultLoss = c.loss
	a.Requests.Planned = j.e.Planned
	if len(c.stages) == 0 {
		c.stages = []stageCount{{a.Requests.Planned, a.Requests.Sent}}
	}
}

// countsObserved reports whether the results table tells how often each effect
// was applied.
func (j *judge) countsObserved() bool { return j.e.EffectsObserved && j.uncounted == 0 }
