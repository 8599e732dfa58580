package stats

import (
	"math"
	"slices"
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

// arrival is when the item's owner could begin to wait for it.
func (t Times) arrival() time.Duration { return min(t.Acked, t.Stored) }

// Pending gives, each in rising order, the moments at which an item joined the
// backlog (acknowledged or stored) and at which one left it (its effect). An
// item whose effect came first was never in it and is in neither list; that is
// what keeps the difference of the two counts from dipping below the truth.
func Pending(items []Times) (arrivals, effects []time.Duration) {
	for _, t := range items {
		if a := t.arrival(); a < t.Effect {
			arrivals = append(arrivals, a)
			if t.Effect != Never {
				effects = append(effects, t.Effect)
			}
		}
	}
	slices.Sort(arrivals)
	slices.Sort(effects)
	return arrivals, effects
}

// Backlog gives the state at from and at every full second after it, up to the
// first one that is not before to. Counts are of all that happened up to and
// with that moment; Pending is exact for it.
func Backlog(items []Times, from, to time.Duration) []bench.BacklogRow {
	var acked, stored, effects []time.Duration
	for _, t := range items {
		acked = appendSeen(acked, t.Acked)
		stored = appendSeen(stored, t.Stored)
		effects = appendSeen(effects, t.Effect)
	}
	slices.Sort(acked)
	slices.Sort(stored)
	slices.Sort(effects)
	joined, left := Pending(items)
	rows := []bench.BacklogRow{}
	for t := from; ; t += time.Second {
		rows = append(rows, bench.BacklogRow{
			TMs:          float64(t) / 1e6,
			Acknowledged: upTo(acked, t),
			Stored:       upTo(stored, t),
			Processed:    upTo(effects, t),
			Pending:      upTo(joined, t) - upTo(left, t),
		})
		if t >= to {
			return rows
		}
	}
}

func appendSeen(list []time.Duration, t time.Duration) []time.Duration {
	if t == Never {
		return list
	}
	return append(list, t)
}

// upTo counts the times of a sorted list that are not after t.
func upTo(sorted []time.Duration, t time.Duration) int64 {
	n, _ := slices.BinarySearchFunc(sorted, t, func(e, t time.Duration) int {
		if e <= t {
			return -1
		}
		return 1
	})
	return int64(n)
}
