package local

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

// skippedClock is the time of the API, and of the cloud's table, stream, mapping
// and queue of asynchronous events: the real one, ahead by what clock.skip has let pass. So a day of AWS
// fits into a run without any of its limits being another than on AWS. The
// processor keeps the real time, and so does everything that is told: see
// [realTime].
type skippedClock struct {
	real  clock.Clock
	ahead atomic.Int64 // ns

	mu    sync.Mutex
	skips []skip
}

// skip is a moment at which the time has jumped.
type skip struct {
	From  time.Time     // first moment behind it, by the skipped clock
	Ahead time.Duration // from then on
}

// Now is the time as the cloud sees it.
func (c *skippedClock) Now() time.Time { return c.real.Now().Add(time.Duration(c.ahead.Load())) }

// skip lets time pass, at once and for good.
func (c *skippedClock) skip(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ahead := time.Duration(c.ahead.Load()) + by
	c.skips = append(c.skips, skip{c.real.Now().Add(ahead), ahead})
	c.ahead.Store(int64(ahead))
}

// skipped lists the jumps so far.
func (c *skippedClock) skipped() []skip {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.skips)
}

// resume makes it the time of a clock that has jumped so.
func (c *skippedClock) resume(skips []skip) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.skips = skips; len(skips) > 0 {
		c.ahead.Store(int64(skips[len(skips)-1].Ahead))
	}
}

// realTime gives the real time of a moment by the skipped clock.
func (c *skippedClock) realTime(t time.Time) time.Time {
	if c.ahead.Load() == 0 {
		return t
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := len(c.skips) - 1; i >= 0; i-- {
		if s := c.skips[i]; !t.Before(s.From) {
			return t.Add(-s.Ahead)
		}
	}
	return t
}

// realTime is an Observer of machines that live by the skipped clock. What they
// tell is told on with the time at which it really was, so that the figures of a
// run are those of this machine.
type realTime struct {
	bench.Observer
	clock *skippedClock
}

// Committed tells a commit.
func (o realTime) Committed(c bench.Commit) {
	c.At = o.clock.realTime(c.At)
	o.Observer.Committed(c)
}

// DeadLettered tells dead letters.
func (o realTime) DeadLettered(letters []bench.DeadLetter) {
	for i := range letters {
		letters[i].At = o.clock.realTime(letters[i].At)
	}
	o.Observer.DeadLettered(letters)
}

// Event tells an event.
func (o realTime) Event(e bench.Event) {
	e.At = o.clock.realTime(e.At)
	o.Observer.Event(e)
}
