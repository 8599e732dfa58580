package local

import (
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

// heard keeps what an Observer is told.
type heard struct {
	bench.NoObserver
	at []time.Time
}

func (h *heard) Committed(c bench.Commit)             { h.at = append(h.at, c.At) }
func (h *heard) DeadLettered(list []bench.DeadLetter) { h.at = append(h.at, list[0].At) }
func (h *heard) Event(e bench.Event)                  { h.at = append(h.at, e.At) }

// TestSkippedTime: the clock is ahead by all skips, and what is told of a moment
// by it is told with the real time of that moment, also of one before a skip.
func TestSkippedTime(t *testing.T) {
	real := clock.NewVirtual(begin)
	c := &skippedClock{real: real}
	h := &heard{}
	o := realTime{h, c}
	var moments []time.Time
	for _, by := range []time.Duration{0, 24 * time.Hour, time.Minute} {
		if by > 0 {
			c.skip(by)
		}
		moments = append(moments, c.Now())
		real.Advance(time.Second)
		moments = append(moments, c.Now())
	}
	if ahead := moments[5].Sub(real.Now()); ahead != 24*time.Hour+time.Minute {
		t.Errorf("%v ahead", ahead)
	}
	for _, m := range moments {
		o.Committed(bench.Commit{At: m})
		o.DeadLettered([]bench.DeadLetter{{At: m}})
		o.Event(bench.Event{At: m})
	}
	for i, at := range h.at {
		if want := begin.Add([]time.Duration{0, 1, 1, 2, 2, 3}[i/3] * time.Second); !at.Equal(want) {
			t.Errorf("moment %d is told as %v, want %v", i/3, at, want)
		}
	}
}
