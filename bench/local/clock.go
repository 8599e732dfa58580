package local

import (
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
	from  time.Time     // first moment behind it, by the skipped clock
	ahead time.Duration // from then on
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

// realTime gives the real time of a moment by the skipped clock.
func (c *skippedClock) realTime(t time.Time) time.Time {
	if c.ahead.Load() == 0 {
		return t
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := len(c.skips) - 1; i >= 0; i-- {
		if s := c.skips[i]; !t.Before(s.from) {
			return t.Add(-s.ahead)
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
