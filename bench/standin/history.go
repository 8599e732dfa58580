package standin

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/ackproof/ackproof/bench/clock"
)

const (
	// lookEvery lies between two looks at tables that can be restored.
	lookEvery = 300 * time.Millisecond
	// kept is how long what was seen is remembered.
	kept = 20 * time.Second
)

// history is what tables held, each few moments: their point-in-time recovery.
type history struct {
	clock clock.Clock
	read  func(table string) []string

	mu    sync.Mutex
	looks map[string][]look

	end  context.CancelFunc
	done sync.WaitGroup
}

// look is what a table held when it was looked at.
type look struct {
	at    time.Time // when it was begun
	lines []string
}

// newHistory begins to look at tables.
func newHistory(c clock.Clock, read func(table string) []string, tables ...string) *history {
	ctx, end := context.WithCancel(context.Background())
	h := &history{clock: c, read: read, looks: map[string][]look{}, end: end}
	h.done.Go(func() {
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for {
			for _, table := range tables {
				h.look(table)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return h
}

func (h *history) look(table string) {
	now := h.clock.Now()
	l := look{now, h.read(table)}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.looks[table] = append(slices.DeleteFunc(h.looks[table], func(old look) bool { return now.Sub(old.at) > kept }), l)
}

// asOf gives what a table held at a moment, which is over: what was seen next.
func (h *history) asOf(table string, at time.Time) (lines []string, known bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	looks := h.looks[table]
	i := slices.IndexFunc(looks, func(l look) bool { return !l.at.Before(at) })
	if i < 0 || i == 0 && looks[0].at.Sub(at) > lookEvery*2 {
		return nil, false
	}
	return looks[i].lines, true
}

// stop ends the looking.
func (h *history) stop() {
	h.end()
	h.done.Wait()
}
