package lambda

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// Keeper keeps texts under keys where they survive the host's process; the empty
// text takes what is there away. A text is safe when Keep has returned.
type Keeper interface {
	Keep(key, text string) error
	Kept(prefix string) map[string]string
}

// keptPrefix begins the keys of asynchronous events; their request id follows.
const keptPrefix = "event/"

// keptEvent is an asynchronous event on disk.
type keptEvent struct {
	Queued  time.Time `json:"queued"`
	Payload []byte    `json:"payload"`
}

// keep writes an event down before its caller learns that it was accepted:
// Lambda's own queue does not die with a machine. It stays until it is settled,
// so a host that dies meanwhile invokes it again, with all its retries.
func (d *dispatcher) keep(at time.Time, in bench.Invocation) error {
	if d.host.cfg.Keeper == nil {
		return nil
	}
	text, err := json.Marshal(keptEvent{at, in.Payload})
	if err != nil {
		return fmt.Errorf("invoke asynchronously: %w", err)
	}
	if err := d.host.cfg.Keeper.Keep(keptPrefix+in.RequestID, string(text)); err != nil {
		return fmt.Errorf("invoke asynchronously: %w", err)
	}
	return nil
}

// forget takes a settled event off the disk. Where that fails it stays there, and
// a later host invokes it again: twice is allowed, never is not.
func (d *dispatcher) forget(event AsyncEvent) {
	if k := d.host.cfg.Keeper; k != nil {
		k.Keep(keptPrefix+event.Invocation.RequestID, "")
	}
}

// restore makes the queue, with the events that a host before this one has left
// unsettled, in the order in which they were accepted. They are due at once.
func restore(rules bench.Async, k Keeper) (*Queue, error) {
	q, err := NewQueue(rules)
	if err != nil || k == nil {
		return q, err
	}
	kept := k.Kept(keptPrefix)
	events := make(map[string]keptEvent, len(kept))
	var errs []error
	for key, text := range kept {
		var e keptEvent
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			errs = append(errs, fmt.Errorf("read the asynchronous event %s: %w", key, err))
		}
		events[key] = e
	}
	for _, key := range slices.SortedFunc(maps.Keys(events), func(a, b string) int { return events[a].Queued.Compare(events[b].Queued) }) {
		q.Push(events[key].Queued, bench.Invocation{RequestID: key[len(keptPrefix):], Payload: events[key].Payload})
	}
	return q, errors.Join(errs...)
}
