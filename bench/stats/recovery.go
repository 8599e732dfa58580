package stats

import (
	"slices"
	"time"
)

const (
	// before is how long before a window the backlog is taken for normal.
	before = 5 * time.Second
	// stay is how long the backlog must be normal again to count as such.
	stay = time.Second
)

// Window is the time in which a fault strikes: from its first strike to the
// end of its duration.
type Window struct{ From, To time.Duration }

// Union joins windows that overlap or touch, since nobody can say which of two
// faults at once the system recovers from. The result is in rising order.
func Union(windows []Window) []Window {
	sorted := slices.Clone(windows)
	slices.SortFunc(sorted, func(a, b Window) int {
		switch {
		case a.From < b.From:
			return -1
		case a.From > b.From:
			return 1
		}
		return 0
	})
	var out []Window
	for _, w := range sorted {
		if n := len(out); n > 0 && w.From <= out[n-1].To {
			out[n-1].To = max(out[n-1].To, w.To)
			continue
		}
		out = append(out, w)
	}
	return out
}

// Offered gives the rate of the plan, in requests per second, averaged from
// one position to a later one.
type Offered func(from, to time.Duration) float64

// Recovery tells how long after the end of a fault window the backlog was back
// to normal: the time to the first moment from which it stays for 1 s at or
// below the maximum of the 5 s before the window, scaled by the rate offered
// then (in that 1 s) to the rate offered in those 5 s. Windows that overlap
// must be joined before ([Union]).
//
// arrivals and effects are the sorted lists of [Pending]; they give the backlog
// as an exact step function. The result is in milliseconds: nil where the
// backlog never came back, which it cannot where more was lost than is normal.
// afterLoad says that the moment lies after the end of the load. From then on
// nothing is offered, so that normal means empty; the same holds for a window
// that begins with the load, since nothing was seen before it.
//
// A backlog falls only by an effect, so the window's end, the end of the load
// and the moments of effects are tried. Where the offered rate climbs, the
// bound may be met a little earlier, between two effects: the result then errs
// upward, by at most the time to the next one.
func Recovery(arrivals, effects []time.Duration, w Window, loadEnd time.Duration, offered Offered) (ms *float64, afterLoad bool) {
	steps := backlogSteps(arrivals, effects)
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
	for _, t := range candidates(effects, w.To, loadEnd) {
		// The tolerance absorbs the rounding of the quotient; levels are whole.
		if float64(peaks.over(t, t+stay)) <= bound(t)+1e-6 {
			took := float64(t-w.To) / 1e6
			return &took, t >= loadEnd
		}
	}
	return nil, false
}

// candidates lists the moments from which the backlog may be normal, rising.
func candidates(effects []time.Duration, from, loadEnd time.Duration) []time.Duration {
	later := effects[upTo(effects, from):]
	list := append(make([]time.Duration, 0, len(later)+2), from)
	list = append(list, later...)
	if loadEnd > from {
		i, _ := slices.BinarySearch(list, loadEnd)
		list = slices.Insert(list, i, loadEnd)
	}
	return list
}

// level is the backlog from one moment to the next step.
type level struct {
	at time.Duration
	n  int64
}

// backlogSteps merges the two sorted lists into the step function, one step for
// each distinct moment.
func backlogSteps(arrivals, effects []time.Duration) []level {
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
		steps = append(steps, level{at, int64(i - j)})
	}
	return steps
}

// stepAt finds the step in force at t; -1 before the first, where the backlog
// is 0.
func stepAt(steps []level, t time.Duration) int {
	i, found := slices.BinarySearchFunc(steps, t, func(s level, t time.Duration) int {
		switch {
		case s.at < t:
			return -1
		case s.at > t:
			return 1
		}
		return 0
	})
	if found {
		return i
	}
	return i - 1
}

// maxLevel is the largest backlog in [from, to).
func maxLevel(steps []level, from, to time.Duration) int64 {
	i, most := stepAt(steps, from), int64(0)
	if i >= 0 {
		most = steps[i].n
	}
	for i++; i < len(steps) && steps[i].at < to; i++ {
		most = max(most, steps[i].n)
	}
	return most
}

// peaks answers for the maximum over windows whose ends only move forward, in
// linear time altogether: a queue of the steps that may still become the
// maximum, with falling levels.
type peaks struct {
	steps []level
	next  int   // the first step not seen yet
	queue []int // indices into steps, levels falling
}

func newPeaks(steps []level) *peaks { return &peaks{steps: steps} }

// over is the largest backlog in [from, to], both ends included.
func (p *peaks) over(from, to time.Duration) int64 {
	for ; p.next < len(p.steps) && p.steps[p.next].at <= to; p.next++ {
		for n := len(p.queue); n > 0 && p.steps[p.queue[n-1]].n <= p.steps[p.next].n; n-- {
			p.queue = p.queue[:n-1]
		}
		p.queue = append(p.queue, p.next)
	}
	// A step is still in force at from if the one after it comes later.
	for len(p.queue) > 0 && p.queue[0]+1 < len(p.steps) && p.steps[p.queue[0]+1].at <= from {
		p.queue = p.queue[1:]
	}
	if len(p.queue) == 0 {
		return 0
	}
	return p.steps[p.queue[0]].n
}
