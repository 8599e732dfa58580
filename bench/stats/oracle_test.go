package stats

import (
	"slices"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// The figures as they were first computed, from lists of all times: what the
// counts by second must agree with.

// pending lists the moments of all items, sorted.
func pending(items []Times) (arrivals, effects []time.Duration) {
	for _, t := range items {
		if a := min(t.Acked, t.Stored); a < t.Effect {
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

// oracleBacklog gives the state at from and at every full second after it, up to the
// first one that is not before to. Counts are of all that happened up to and
// with that moment; Pending is exact for it.
func oracleBacklog(items []Times, from, to time.Duration) []bench.BacklogRow {
	var acked, stored, effects []time.Duration
	for _, t := range items {
		acked = appendSeen(acked, t.Acked)
		stored = appendSeen(stored, t.Stored)
		effects = appendSeen(effects, t.Effect)
	}
	slices.Sort(acked)
	slices.Sort(stored)
	slices.Sort(effects)
	joined, left := pending(items)
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

// oracleRecovery is the step function of all moments, searched from end to end.
func oracleRecovery(arrivals, effects []time.Duration, w Window, loadEnd time.Duration, offered Offered) (ms *float64, afterLoad bool) {
	steps := oracleSteps(arrivals, effects)
	normal, base := 0.0, 0.0
	if from := max(0, w.From-before); from < w.From {
		normal = float64(maxLevel(steps, from, w.From))
		base = offered(from, w.From)
	}
	bound := func(t time.Duration) float64 {
		if t >= loadEnd || base <= 0 {
			return 0
		}
		return normal * offered(t, min(t+stay, loadEnd)) / base
	}
	peaks := newPeaks(steps)
	for _, t := range oracleCandidates(effects, w.To, loadEnd) {
		// The tolerance absorbs the rounding of the quotient; levels are whole.
		if float64(peaks.over(t, t+stay)) <= bound(t)+1e-6 {
			took := float64(t-w.To) / 1e6
			return &took, t >= loadEnd
		}
	}
	return nil, false
}

// oracleCandidates lists the moments from which the backlog may be normal, rising.
func oracleCandidates(effects []time.Duration, from, loadEnd time.Duration) []time.Duration {
	later := effects[upTo(effects, from):]
	list := append(make([]time.Duration, 0, len(later)+2), from)
	list = append(list, later...)
	if loadEnd > from {
		i, _ := slices.BinarySearch(list, loadEnd)
		list = slices.Insert(list, i, loadEnd)
	}
	return list
}

// oracleSteps merges the two sorted lists into the step function, one step for
// each distinct moment.
func oracleSteps(arrivals, effects []time.Duration) []level {
	steps := make([]level, 0, len(arrivals)+len(effects))
	for i, j := 0, 0; i < len(arrivals) || j < len(effects); {
		at := Never
		if i < len(arrivals) {
			at = arrivals[i]
		}
		if j < len(effects) {
			at = min(at, effects[j])
		}
		for i < len(arrivals) && arrivals[i] == at {
			i++
		}
		for j < len(effects) && effects[j] == at {
			j++
		}
		steps = append(steps, level{at: at, n: int64(i - j)})
	}
	return steps
}
