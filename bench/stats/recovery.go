package stats

import (
	"math"
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

// Within gives, each in rising order, the moments at which items joined the
// backlog and left it, as [Times.Pending] has them, of those that lie after from
// and not after to.
type Within func(from, to time.Duration) (joined, left []time.Duration)

// Recovery tells how long after the end of a fault window the backlog was back
// to normal: the time to the first moment from which it stays for 1 s at or
// below the maximum of the 5 s before the window, scaled by the rate offered
// then (in that 1 s) to the rate offered in those 5 s. Windows that overlap
// must be joined before ([Union]).
//
// The backlog is taken as the exact step function of the items' times, of which
// within gives the pieces that decide; most seconds are ruled out by the level
// at their end. The result is in milliseconds: nil where the
// backlog never came back, which it cannot where more was lost than is normal.
// afterLoad says that the moment lies after the end of the load. From then on
// nothing is offered, so that normal means empty; the same holds for a window
// that begins with the load, since nothing was seen before it.
//
// A backlog falls only by an effect, so the window's end, the end of the load
// and the moments of effects are tried. Where the offered rate climbs, the
// bound may be met a little earlier, between two effects: the result then errs
// upward, by at most the time to the next one.
func (b *Backlog) Recovery(w Window, loadEnd time.Duration, offered Offered, within Within) (ms *float64, afterLoad bool) {
	r := recovery{b: b, w: w, loadEnd: loadEnd, offered: offered, within: within, levels: b.levels()}
	if from := max(0, w.From-before); from < w.From {
		r.normal = float64(maxLevel(r.steps(secondOf(from), secondOf(w.From)), from, w.From))
		r.base = offered(from, w.From)
	}
	last := max(secondOf(w.To), secondOf(loadEnd), len(b.seconds)-1)
	for i := secondOf(w.To); i <= last; i++ {
		if float64(r.level(i)) > r.ceiling(i)+1e-6 {
			continue
		}
		j := r.piece(i, last)
		if t, ok := r.first(i, j); ok {
			took := float64(t-w.To) / 1e6
			return &took, t >= loadEnd
		}
		i = j
	}
	return nil, false
}

// Left counts the items that left the backlog after from and not after to. It asks
// for the moments of two seconds at most.
func (b *Backlog) Left(from, to time.Duration, within Within) int64 {
	count := func(from, to time.Duration) int64 {
		_, left := within(from, to)
		return int64(len(left))
	}
	i, j := secondOf(from), secondOf(to)
	if i >= j {
		return count(from, to)
	}
	n := count(from, time.Duration(i)*time.Second) + count(time.Duration(j-1)*time.Second, to)
	for _, s := range b.seconds[min(i+1, len(b.seconds)):min(j, len(b.seconds))] {
		n += s.left
	}
	return n
}

// recovery is a search for the moment at which the backlog was normal again.
type recovery struct {
	b            *Backlog
	w            Window
	loadEnd      time.Duration
	offered      Offered
	within       Within
	levels       []int64 // at the end of each second
	normal, base float64
}

func (b *Backlog) levels() []int64 {
	levels, n := make([]int64, len(b.seconds)), int64(0)
	for i, s := range b.seconds {
		n += s.joined - s.left
		levels[i] = n
	}
	return levels
}

// level is the backlog at the end of a second.
func (r *recovery) level(i int) int64 {
	if i < 0 || len(r.levels) == 0 {
		return 0
	}
	return r.levels[min(i, len(r.levels)-1)]
}

// bound is the highest backlog that is normal from a moment on.
func (r *recovery) bound(t time.Duration) float64 {
	if t >= r.loadEnd || r.base <= 0 {
		return 0
	}
	return r.normal * r.offered(t, min(t+stay, r.loadEnd)) / r.base
}

// ceiling is not below the bound at any moment of a second. The end of that
// second lies within the stay after each of its moments, so that a level beyond
// the ceiling there rules all of them out.
func (r *recovery) ceiling(i int) float64 {
	from, to := max(0, time.Duration(i-1)*time.Second), time.Duration(i+1)*time.Second
	switch {
	case r.base <= 0 || from >= r.loadEnd:
		return 0
	case to > r.loadEnd:
		return math.Inf(1) // the mean of the short rest of the load may be anything
	}
	// All that is offered within one second of the two, in that one.
	return r.normal * r.offered(from, to) * (to - from).Seconds() / r.base * (1 + 1e-9)
}

// pieceSize is how many moments are asked for at once, where one second does not
// have more.
const pieceSize = 1 << 18

// piece is the last second up to which moments are asked for, from a second on:
// asking may be a way through a hundred million requests.
func (r *recovery) piece(i, last int) int {
	n := r.moments(i) + r.moments(i+1)
	for ; i < last && n+r.moments(i+2) <= pieceSize; i++ {
		n += r.moments(i + 2)
	}
	return i
}

func (r *recovery) moments(i int) int64 {
	if i >= len(r.b.seconds) {
		return 0
	}
	return r.b.seconds[i].joined + r.b.seconds[i].left
}

// first is the first moment of the seconds i to j from which the backlog is
// normal.
func (r *recovery) first(i, j int) (time.Duration, bool) {
	steps := r.steps(i, j+1)
	peaks := newPeaks(steps)
	for _, t := range r.candidates(steps, time.Duration(j)*time.Second) {
		// The tolerance absorbs the rounding of the quotient; levels are whole.
		if float64(peaks.over(t, t+stay)) <= r.bound(t)+1e-6 {
			return t, true
		}
	}
	return 0, false
}

// candidates lists the moments from which the backlog may be normal, rising: of
// those that the steps cover, up to the last one to try.
func (r *recovery) candidates(steps []level, last time.Duration) []time.Duration {
	var list []time.Duration
	add := func(t time.Duration) {
		if t > steps[0].at && t <= last {
			list = append(list, t)
		}
	}
	add(r.w.To)
	if r.loadEnd > r.w.To {
		add(r.loadEnd)
	}
	for i := 1; i < len(steps); i++ {
		if steps[i].at > r.w.To && steps[i].fell {
			add(steps[i].at)
		}
	}
	slices.Sort(list)
	return list
}

// level is the backlog from one moment to the next step.
type level struct {
	at   time.Duration
	n    int64
	fell bool // an item left it at that moment
}

// steps gives the step function over the seconds i to j, one step for each
// distinct moment behind a first one, which is the level before them.
func (r *recovery) steps(i, j int) []level {
	from := time.Duration(math.MinInt64)
	if i > 0 {
		from = time.Duration(i-1) * time.Second
	}
	joined, left := r.within(from, time.Duration(j)*time.Second)
	n := r.level(i - 1)
	steps := append(make([]level, 0, 1+len(joined)+len(left)), level{at: from, n: n})
	for len(joined) > 0 || len(left) > 0 {
		at := Never
		if len(joined) > 0 {
			at = joined[0]
		}
		if len(left) > 0 {
			at = min(at, left[0])
		}
		fell := len(left) > 0 && left[0] == at
		for ; len(joined) > 0 && joined[0] == at; joined = joined[1:] {
			n++
		}
		for ; len(left) > 0 && left[0] == at; left = left[1:] {
			n--
		}
		steps = append(steps, level{at, n, fell})
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
