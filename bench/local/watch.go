package local

import (
	"encoding/json"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/ledger"
)

// flushEvery bounds what a killed cloud can take with it of what it saw.
const flushEvery = 50 * time.Millisecond

// eventWriter tells the parent what happens, a line of JSON an event. Events
// wait until the first line, which says that the process is ready, is out.
type eventWriter struct {
	bench.NoObserver
	mu   sync.Mutex
	out  io.Writer
	held []bench.Event
	live bool
}

// first writes the first line, and lets the events go that waited for it.
func (w *eventWriter) first(r ready) {
	w.mu.Lock()
	defer w.mu.Unlock()
	encoder := json.NewEncoder(w.out)
	encoder.Encode(r) // a parent that is gone is noticed by the lifeline
	for _, e := range w.held {
		encoder.Encode(e)
	}
	w.held, w.live = nil, true
}

// Event hands an event to the parent.
func (w *eventWriter) Event(e bench.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.live {
		w.held = append(w.held, e)
		return
	}
	json.NewEncoder(w.out).Encode(e)
}

// watch is the cloud's Observer: what is frequent goes to the run directory,
// events go to the parent, which keeps those of all processes in one file.
type watch struct {
	*ledger.Deliveries
	*eventWriter
	stop chan struct{}
}

func newWatch(d *ledger.Deliveries, events *eventWriter) *watch {
	w := &watch{Deliveries: d, eventWriter: events, stop: make(chan struct{})}
	go func() {
		tick := time.NewTicker(flushEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				d.Flush()
			case <-w.stop:
				return
			}
		}
	}()
	return w
}

func (w *watch) close() error {
	close(w.stop)
	return w.Deliveries.Close()
}

// told is an Injector whose strikes are told as events. A strike at a process is
// told by the Lambda host, which knows the process.
type told struct {
	Faults
	observer bench.Observer
	clock    clock.Clock
}

// Struck counts the strike and tells it.
func (t told) Struck(s bench.Strike) {
	t.Faults.Struck(s)
	if !strings.HasPrefix(s.Kind, string(bench.PlaceProcessor)+".") {
		t.observer.Event(bench.Event{At: t.clock.Now(), Kind: bench.EventStrike, Fault: &s.Fault, Text: s.Kind})
	}
}
