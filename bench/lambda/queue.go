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
//	         │                               └─ else: Drop ─► (destination) ─► Sent   │
//	         └──────────────────────────── later ─────────────────────────────────────┘
//
// With an on-failure destination a dropped event is settled when Sent says what
// the destination said; without one, at once. What Lambda does when the
// destination refuses is told by a metric alone, so there is no second try
// (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html).
//
// What it does not model: that Lambda may deliver an event more than once
// without any error, and that it deletes events unsent when the queue is long.
type Queue struct {
	retries     int
	delays      []time.Duration
	maxAge      time.Duration
	destination bool

	waiting  eventHeap
	pushed   uint64
	leased   int // handed out by Next, not Done yet
	sending  int // dropped, not Sent yet
	counters Counters
}

// Counters are the metrics of asynchronous invocation, under the names of
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html.
type Counters struct {
	AsyncEventsDropped          int64 // given up, whether a destination took them or not
	DestinationDeliveryFailures int64 // of them, those that the destination refused: they are nowhere
}

// AsyncEvent is one event of an asynchronous invocation.
type AsyncEvent struct {
	Invocation bench.Invocation // the request id stays the same over all attempts
	Queued     time.Time        // when it was accepted
	Attempts   int              // invocations that have failed
	Throttles  int              // refusals in a row

	failure *bench.FunctionError // of the last attempt that ran; nil: none has
	due     time.Time
	number  uint64 // in order of Push
}

// Drop says that an event was given up.
type Drop struct {
	Event  AsyncEvent
	Reason DropReason
}

// DropReason is why an event was given up: the condition of its invocation
// record (https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html).
type DropReason string

// The reasons. The page names the first two. It says that events which come
// while the reserved concurrency is 0 are handed over without any retry, and not
// under which condition; the third name is the one that was seen.
const (
	RetriesExhausted        DropReason = "RetriesExhausted"
	EventAgeExceeded        DropReason = "EventAgeExceeded"
	ZeroReservedConcurrency DropReason = "ZeroReservedConcurrency"
)

// onFailurePayload is the one form that an on-failure destination of
// asynchronous invocation has: each record holds the event.
const onFailurePayload = "payload"

// NewQueue makes an empty queue. RetryDelays nil is one minute and two minutes;
// the last delay serves for all later failures. MaximumEventAgeInSeconds 0 is
// six hours. MaximumRetryAttempts has no default: 0 is none. AWS allows ages
// from 60 s; shorter ones are for runs in scaled time. OnFailure is empty or
// payload. The error joins everything that is wrong.
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
	if f := async.OnFailure; f != "" && f != onFailurePayload {
		errs = append(errs, fmt.Errorf("async: onFailure: %q; want %q, or nothing", f, onFailurePayload))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &Queue{retries: async.MaximumRetryAttempts, delays: delays, maxAge: age, destination: async.OnFailure != ""}, nil
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
			drops = append(drops, *q.drop(event, EventAgeExceeded))
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
// could save it any more. Nor is one kept that the function's reserved
// concurrency of 0 has turned away.
func (q *Queue) Done(now time.Time, event AsyncEvent, answer bench.Answer) *Drop {
	q.leased--
	var delay time.Duration
	switch {
	case answer.Disabled:
		return q.drop(event, ZeroReservedConcurrency)
	case answer.Throttled:
		delay = throttleDelay(event.Throttles)
		event.Throttles++
	case answer.Error == nil:
		return nil
	default:
		event.Attempts++
		event.Throttles = 0
		event.failure = answer.Error
		if event.Attempts > q.retries {
			return q.drop(event, RetriesExhausted)
		}
		delay = q.delays[min(event.Attempts, len(q.delays))-1]
	}
	event.due = now.Add(delay)
	if event.due.Sub(event.Queued) > q.maxAge {
		return q.drop(event, EventAgeExceeded)
	}
	heap.Push(&q.waiting, event)
	return nil
}

// drop gives an event up.
func (q *Queue) drop(event AsyncEvent, reason DropReason) *Drop {
	q.counters.AsyncEventsDropped++
	if q.destination {
		q.sending++
	}
	return &Drop{event, reason}
}

// Sent says what the destination has said to the record of a dropped event; the
// error is its own. It is to be called once for each Drop of a queue that has a
// destination, and for none of another.
func (q *Queue) Sent(err error) {
	q.sending--
	if err != nil {
		q.counters.DestinationDeliveryFailures++
	}
}

// throttleDelay doubles from 1 s up to 5 min.
func throttleDelay(throttles int) time.Duration {
	if throttles > 8 { // 2^9 s are more than the cap
		return throttleCap
	}
	return min(throttleBase<<throttles, throttleCap)
}

// Len reports how many events are not settled: waiting, handed out by Next, or
// on their way to the destination. The last two kinds count so that no observer
// can catch an event between the queue and where it goes, and take the pipeline
// for drained.
func (q *Queue) Len() int { return len(q.waiting) + q.leased + q.sending }

// Counters reports the metrics so far.
func (q *Queue) Counters() Counters { return q.counters }

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
