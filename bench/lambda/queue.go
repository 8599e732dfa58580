package lambda

import (
	"container/heap"
	"errors"
	"fmt"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// Defaults and limits of asynchronous invocation
// (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html).
const (
	maxRetryAttempts = 2
	defaultEventAge  = 6 * time.Hour // also the most that Lambda allows
	throttleBase     = time.Second
	throttleCap      = 5 * time.Minute
)

// defaultRetryDelays are Lambda's waits after the first and second failure.
var defaultRetryDelays = []time.Duration{time.Minute, 2 * time.Minute}

// Queue holds the rules of asynchronous invocation: which event is to be
// invoked when, and when it is given up. It is a step machine: it has no
// goroutine and reads no clock, and it belongs to one goroutine at a time.
//
//	Push ─► due ─► Next ─► (invoke) ─► Done ─┬─ success: gone
//	         ▲                               ├─ failure: retries left, young enough ──┐
//	         │                               ├─ throttled: young enough, no attempt ──┤
//	         │                               └─ else: dropped                         │
//	         └──────────────────────────── later ─────────────────────────────────────┘
//
// What it does not model: that Lambda may deliver an event more than once
// without any error.
type Queue struct {
	retries int
	delays  []time.Duration
	maxAge  time.Duration

	waiting eventHeap
	pushed  uint64
	leased  int // handed out by Next, not Done yet
	dropped int64
}

// AsyncEvent is one event of an asynchronous invocation.
type AsyncEvent struct {
	Invocation bench.Invocation // the request id stays the same over all attempts
	Queued     time.Time        // when it was accepted
	Attempts   int              // invocations that have failed
	Throttles  int              // refusals in a row

	due    time.Time
	number uint64 // in order of Push
}

// Drop says that an event was given up.
type Drop struct {
	Event  AsyncEvent
	Reason DropReason
}

// DropReason is why an event was given up, in the words of Lambda's invocation
// records.
type DropReason string

// The reasons.
const (
	RetriesExhausted DropReason = "RetriesExhausted"
	EventAgeExceeded DropReason = "EventAgeExceeded"
)

// NewQueue makes an empty queue. RetryDelays nil is one minute and two minutes;
// the last delay serves for all later failures. MaximumEventAgeInSeconds 0 is
// six hours. MaximumRetryAttempts has no default: 0 is none. AWS allows ages
// from 60 s; shorter ones are for runs in scaled time. The error joins
// everything that is wrong.
func NewQueue(async bench.Async) (*Queue, error) {
	var errs []error
	if n := async.MaximumRetryAttempts; n < 0 || n > maxRetryAttempts {
		errs = append(errs, fmt.Errorf("async: maximumRetryAttempts: %d; want 0, 1 or 2", n))
	}
	age := time.Duration(async.MaximumEventAgeInSeconds) * time.Second
	if age < 0 || age > defaultEventAge {
		errs = append(errs, fmt.Errorf("async: maximumEventAgeInSeconds: %d; want 1 to 21600, or 0 for 21600", async.MaximumEventAgeInSeconds))
	}
	if age == 0 {
		age = defaultEventAge
	}
	delays := async.RetryDelays
	if len(delays) == 0 {
		delays = defaultRetryDelays
	}
	for i, d := range delays {
		if d < 0 {
			errs = append(errs, fmt.Errorf("async: retryDelays[%d]: %v; want no negative duration", i, d))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &Queue{retries: async.MaximumRetryAttempts, delays: delays, maxAge: age}, nil
}

// Push accepts an event; it is due at once.
func (q *Queue) Push(now time.Time, in bench.Invocation) {
	q.pushed++
	heap.Push(&q.waiting, AsyncEvent{Invocation: in, Queued: now, due: now, number: q.pushed})
}

// Next hands out the event that has been due for longest, for its next
// attempt. With none due, ok is false and wait says how long it is to the next
// one, or is negative where nothing waits. Events that have grown too old
// meanwhile are dropped on the way.
func (q *Queue) Next(now time.Time) (event AsyncEvent, ok bool, wait time.Duration, drops []Drop) {
	for len(q.waiting) > 0 {
		if wait := q.waiting[0].due.Sub(now); wait > 0 {
			return AsyncEvent{}, false, wait, drops
		}
		event := heap.Pop(&q.waiting).(AsyncEvent)
		if now.Sub(event.Queued) > q.maxAge {
			q.dropped++
			drops = append(drops, Drop{event, EventAgeExceeded})
			continue
		}
		q.leased++
		return event, true, 0, drops
	}
	return AsyncEvent{}, false, -1, drops
}

// Done says how the attempt of an event that Next handed out has ended. It
// returns a drop, or nil where the event succeeded or waits again. An event
// whose next attempt would come after its age limit is dropped now: nothing
// could save it any more.
func (q *Queue) Done(now time.Time, event AsyncEvent, answer bench.Answer) *Drop {
	q.leased--
	var delay time.Duration
	switch {
	case answer.Throttled:
		delay = throttleDelay(event.Throttles)
		event.Throttles++
	case answer.Error == nil:
		return nil
	default:
		event.Attempts++
		event.Throttles = 0
		if event.Attempts > q.retries {
			q.dropped++
			return &Drop{event, RetriesExhausted}
		}
		delay = q.delays[min(event.Attempts, len(q.delays))-1]
	}
	event.due = now.Add(delay)
	if event.due.Sub(event.Queued) > q.maxAge {
		q.dropped++
		return &Drop{event, EventAgeExceeded}
	}
	heap.Push(&q.waiting, event)
	return nil
}

// throttleDelay doubles from 1 s up to 5 min.
func throttleDelay(throttles int) time.Duration {
	if throttles > 8 { // 2^9 s are more than the cap
		return throttleCap
	}
	return min(throttleBase<<throttles, throttleCap)
}

// Len reports how many events are not settled: waiting, or handed out by Next.
// The second kind counts so that no observer can catch an event between the
// queue and the function, and take the pipeline for drained.
func (q *Queue) Len() int { return len(q.waiting) + q.leased }

// Dropped reports how many events were given up so far.
func (q *Queue) Dropped() int64 { return q.dropped }

// eventHeap orders events by due time, then by arrival.
type eventHeap []AsyncEvent

func (e eventHeap) Len() int { return len(e) }
func (e eventHeap) Less(i, j int) bool {
	if !e[i].due.Equal(e[j].due) {
		return e[i].due.Before(e[j].due)
	}
	return e[i].number < e[j].number
}
func (e eventHeap) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *eventHeap) Push(x any)   { *e = append(*e, x.(AsyncEvent)) }
func (e *eventHeap) Pop() any {
	old := *e
	last := old[len(old)-1]
	old[len(old)-1] = AsyncEvent{} // let the payload go
	*e = old[:len(old)-1]
	return last
}
