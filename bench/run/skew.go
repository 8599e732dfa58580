package run

import (
	"fmt"
	"slices"
	"time"
)

// skews are the differences of the processor's clock that were seen, in the order
// of time: the times of effects are the processor's, all others are not.
type skews []skewed

// skewed says that from a moment on the processor's clock was ahead; below 0:
// behind.
type skewed struct{ from, ahead time.Duration }

// skewNoise is how exactly the differences are known.
const skewNoise = 100 * time.Millisecond

// right gives the moment that the processor's clock called t, no earlier than
// least: by the difference that was in force at it. Where none fits, t stands.
func (k skews) right(t, least time.Duration) time.Duration {
	best, found := t, false
	from, ahead := time.Duration(-1<<62), time.Duration(0) // what held before the first
	for i := range len(k) + 1 {
		until := time.Duration(1 << 62)
		if i < len(k) {
			until = k[i].from
		}
		moment := t - ahead
		if moment >= from-skewNoise && moment < until+skewNoise && moment >= least-skewNoise && (!found || moment < best) {
			best, found = moment, true
		}
		if i < len(k) {
			from, ahead = k[i].from, k[i].ahead
		}
	}
	return best
}

// note says what the clock was off by, at most; "": it was not.
func (k skews) note() string {
	if len(k) == 0 {
		return ""
	}
	worst := slices.MaxFunc(k, func(a, b skewed) int { return int(min(1, max(-1, a.ahead.Abs()-b.ahead.Abs()))) })
	word := "ahead"
	if worst.ahead < 0 {
		word = "behind"
	}
	return fmt.Sprintf("the processor's clock was up to %v %s of the table's, which saw its writes come: the times of effects are the table's, to within %v",
		worst.ahead.Abs().Round(time.Millisecond), word, skewNoise)
}
