package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// maxAsyncPayload bounds an asynchronous event, in bytes
// (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
const maxAsyncPayload = 1 << 20

// dispatcher is the live driver of a Queue: it gives it real time and invokes
// what is due.
//
// It never has more invocations under way than the function's concurrency.
// Lambda's own pollers work against a concurrency of a thousand; with four
// processes, an unbounded poller would throttle itself, and the back-off would
// be an artefact of the stand-in.
type dispatcher struct {
	host   *Host
	places chan struct{} // one token for each invocation under way
	wake   chan struct{}
	ctx    context.Context
	cancel context.CancelFunc
	group  sync.WaitGroup

	mu     sync.Mutex
	queue  *Queue
	closed bool
}

func newDispatcher(h *Host, q *Queue) *dispatcher {
	ctx, cancel := context.WithCancel(context.Background())
	d := &dispatcher{
		host: h, queue: q, ctx: ctx, cancel: cancel,
		places: make(chan struct{}, h.cfg.Concurrency), wake: make(chan struct{}, 1),
	}
	d.group.Go(d.run)
	return d
}

// InvokeAsync queues an event, as an invocation of type Event does: the caller
// learns that it was accepted, and nothing of what becomes of it. The payload
// belongs to the host from then on.
func (h *Host) InvokeAsync(payload []byte) error {
	_, err := h.queueEvent("", payload)
	return err
}

func (h *Host) queueEvent(id string, payload []byte) (string, error) {
	if len(payload) > maxAsyncPayload {
		return "", fmt.Errorf("invoke asynchronously: payload has %d bytes, at most %d are allowed", len(payload), maxAsyncPayload)
	}
	if id == "" {
		h.mu.Lock()
		id = h.requestID()
		h.mu.Unlock()
	}
	d, now, in := h.async, h.cfg.AsyncClock.Now(), bench.Invocation{RequestID: id, Payload: payload}
	if err := d.keep(now, in); err != nil {
		return "", err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return "", errors.New("invoke asynchronously: the host is closed")
	}
	d.queue.Push(now, in)
	d.nudge()
	return id, nil
}

// Queued reports how many asynchronous events are not settled: waiting, or
// being invoked.
func (h *Host) Queued() int {
	h.async.mu.Lock()
	defer h.async.mu.Unlock()
	return h.async.queue.Len()
}

// AsyncCounters reports the metrics of asynchronous invocation so far.
func (h *Host) AsyncCounters() Counters {
	h.async.mu.Lock()
	defer h.async.mu.Unlock()
	return h.async.queue.Counters()
}

// TimePassed is to be called when Config.AsyncClock has jumped: what waits in
// the queue may be due, or too old, at once.
func (h *Host) TimePassed() { h.async.nudge() }

// nudge lets run look at the queue again.
func (d *dispatcher) nudge() {
	select {
	case d.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// run invokes events as they fall due and places are free.
func (d *dispatcher) run() {
	for {
		select {
		case d.places <- struct{}{}:
		case <-d.ctx.Done():
			return
		}
		event, ok := d.await()
		if !ok {
			return
		}
		d.group.Go(func() { d.invoke(event) })
	}
}

// await waits for an event that is due; ok is false when the host closes.
func (d *dispatcher) await() (AsyncEvent, bool) {
	for {
		d.mu.Lock()
		event, ok, pause, drops := d.queue.Next(d.host.cfg.AsyncClock.Now())
		d.mu.Unlock()
		for _, drop := range drops {
			d.giveUp(drop)
			d.forget(drop.Event)
		}
		if ok {
			return event, true
		}
		var due <-chan time.Time
		if pause > 0 {
			due = time.After(pause)
		}
		select {
		case <-due:
		case <-d.wake:
		case <-d.ctx.Done():
			return AsyncEvent{}, false
		}
	}
}

// invoke makes one attempt.
func (d *dispatcher) invoke(event AsyncEvent) {
	answer := d.host.Invoke(d.ctx, event.Invocation)
	if d.ctx.Err() != nil {
		return // the answer is ours, not the function's: the event stays unsettled
	}
	d.mu.Lock()
	drop := d.queue.Done(d.host.cfg.AsyncClock.Now(), event, answer)
	d.mu.Unlock()
	if drop != nil {
		d.giveUp(*drop)
	}
	if drop != nil || answer.Error == nil && !answer.Throttled {
		d.forget(event)
	}
	<-d.places
	d.nudge()
}

// giveUp hands a dropped event to the destination, if there is one, and puts it
// on record either way: where none has taken it, that is the evidence of a loss
// that nobody was told of.
func (d *dispatcher) giveUp(drop Drop) {
	now, send := d.host.cfg.AsyncClock.Now(), d.host.cfg.OnFailure
	fate, sent := "dropped", false
	if d.host.cfg.Async.OnFailure != "" {
		err := send(d.ctx, drop.Record(now, d.host.arn()))
		fate, sent = "sent to the on-failure destination", err == nil
		if err != nil {
			fate = "dropped, since " + err.Error() + ","
		}
		defer func() {
			d.mu.Lock()
			d.queue.Sent(err)
			d.mu.Unlock()
		}()
	}
	data, err := json.Marshal(struct {
		Dropped  DropReason `json:"dropped"`
		Request  string     `json:"request"`
		Attempts int        `json:"attempts"`
		AgeMS    int64      `json:"age_ms"`
		Sent     bool       `json:"sent"` // the destination has taken it
	}{drop.Reason, drop.Event.Invocation.RequestID, drop.Event.Attempts, now.Sub(drop.Event.Queued).Milliseconds(), sent})
	if err != nil {
		panic(fmt.Sprintf("lambda: strings and numbers do not marshal: %v", err)) // cannot be
	}
	d.host.cfg.Observer.Event(bench.Event{
		At: d.host.cfg.Clock.Now(), Kind: bench.EventEvidence, Data: data,
		Text: fmt.Sprintf("asynchronous event %s %s after %d attempts: %s", drop.Event.Invocation.RequestID, fate, drop.Event.Attempts, drop.Reason),
	})
}

// close stops invoking and waits for the attempts under way.
func (d *dispatcher) close() {
	d.mu.Lock()
	d.closed = true
	d.mu.Unlock()
	d.cancel()
	d.group.Wait()
}
