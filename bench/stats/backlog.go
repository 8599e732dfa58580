package stats

import (
	"math"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// Never is the time of what has not happened. It lies after every other time.
const Never = time.Duration(math.MaxInt64)

// Times is what is known of one item, as positions from the start of load.
// What has not happened, or was not seen, is [Never]; the zero Times means that
// everything happened at the start of load.
type Times struct {
	Acked  time.Duration // the client had read the answer
	Stored time.Duration // the write was committed
	Effect time.Duration // the processor's work was visible
}

// Pending gives the moments at which an item joined the backlog (acknowledged or
// stored) and at which it left it (its effect, or [Never]). An item whose effect
// came first was never in it: ok is false. That is what keeps the difference of
// the two counts from dipping below the truth.
func (t Times) Pending() (joined, left time.Duration, ok bool) {
	joined = min(t.Acked, t.Stored)
	return joined, t.Effect, joined < t.Effect
}

// afterEnd is how far behind the end of the observation times are still told
// apart: a clock may be off. What lies beyond has not happened, for a backlog.
const afterEnd = 3600

// Backlog counts what happened in each second: 40 bytes a second, whatever the
// number of items. What it tells of full seconds is exact; for what lies between
// two of them [Backlog.Recovery] asks for the few seconds that decide.
//
// It belongs to one goroutine at a time; merge one of each at the end.
type Backlog struct {
	seconds []passed // [i]: in the second that ends with i s, which belongs to it
	end     int      // the last second of the rows
}

// passed counts what happened in one second.
type passed struct{ acked, stored, effects, joined, left int64 }

// NewBacklog makes a backlog for an observation that ended at a moment.
func NewBacklog(end time.Duration) *Backlog { return &Backlog{end: max(0, secondOf(end))} }

// secondOf is the second that a time belongs to; what is before the start of
// load belongs to 0.
func secondOf(t time.Duration) int {
	if t <= 0 {
		return 0
	}
	return int((t-1)/time.Second) + 1
}

// Add counts one item.
func (b *Backlog) Add(t Times) {
	b.count(t.Acked, func(s *passed) { s.acked++ })
	b.count(t.Stored, func(s *passed) { s.stored++ })
	b.count(t.Effect, func(s *passed) { s.effects++ })
	if joined, left, ok := t.Pending(); ok {
		b.count(joined, func(s *passed) { s.joined++ })
		b.count(left, func(s *passed) { s.left++ })
	}
}

func (b *Backlog) count(t time.Duration, enter func(*passed)) {
	i := secondOf(t)
	if i > b.end+afterEnd {
		return
	}
	if i >= len(b.seconds) {
		b.seconds = append(b.seconds, make([]passed, i+1-len(b.seconds))...)
	}
	enter(&b.seconds[i])
}

// Merge adds what other has counted; both are of the same observation.
func (b *Backlog) Merge(other *Backlog) {
	if n := len(other.seconds) - len(b.seconds); n > 0 {
		b.seconds = append(b.seconds, make([]passed, n)...)
	}
	for i, s := range other.seconds {
		b.seconds[i].add(s)
	}
}

func (s *passed) add(o passed) {
	s.acked += o.acked
	s.stored += o.stored
	s.effects += o.effects
	s.joined += o.joined
	s.left += o.left
}

// Rows gives the state at the start of load and at every full second after it,
// up to the first one that is not before the end of the observation. Counts are
// of all that happened up to and with that moment; Pending is exact for it.
func (b *Backlog) Rows() []bench.BacklogRow {
	rows := make([]bench.BacklogRow, 0, b.end+1)
	var sum passed
	for i := range b.end + 1 {
		if i < len(b.seconds) {
			sum.add(b.seconds[i])
		}
		rows = append(rows, bench.BacklogRow{
			TMs:          float64(i) * 1e3,
			Acknowledged: sum.acked,
			Stored:       sum.stored,
			Processed:    sum.effects,
			Pending:      sum.joined - sum.left,
		})
	}
	return rows
}
