// Package lambda runs a Lambda function as real child processes: it starts
// them, feeds them through the Lambda Runtime API, times them out, kills them
// and buries them.
//
// A processor that is called as a Go function cannot crash: it can only return.
// What loses data in production is the crash between two of its writes, and
// that needs a process which can be sent SIGKILL. So the function is an
// unmodified Lambda binary, and this package plays the part of the Lambda
// service around it
// (https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html).
//
//	        Invoke, InvokeAsync, ServeHTTP
//	                   │
//	Host   throttle ─► waiters ─► assign ──────────────► answer
//	                                │                      ▲
//	process (one listener each)   next ─► [HandOver]   response, error ─► [Answer]
//	                                │                      │
//	child process                 event ──► work ──────────┘
//	                                         │
//	DynamoDB face                    write ──┴─► [Write]   reported through Wrote
//
// In brackets: the moments at which a [bench.Injector] may strike. They lie in
// the host, never in the function, so they strike any binary.
//
// Each process has a Runtime API listener of its own, since the API has no
// notion of a caller: the port is what tells the processes apart. For the same
// reason each has an access key of its own, by which the DynamoDB face can say
// whose write it has just committed ([ProcessOfKey]).
//
// The rules of asynchronous invocation are a step machine ([Queue]) that is
// given the time; everything else here is a live driver, because there is no
// virtual time for a process of the operating system.
//
// An initialisation that fails under an invocation is run once more, as a part
// of it and on its time; a second failure is its answer. Warm has no invocation:
// there the first failure is the last.
//
// What is not modelled: response streaming to the caller. A streamed response is
// taken, buffered, as the answers of an event source mapping are.
package lambda

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// Host runs one function. It is safe for concurrent use. It implements
// [bench.Function] and, as Lambda's Invoke API, [net/http.Handler].
type Host struct {
	cfg       Config
	initLimit time.Duration // initLimit, shorter in tests
	grace     time.Duration // shutdownGrace, longer in tests
	log       *lineLog
	forker    *forker
	async     *dispatcher

	mu       sync.Mutex
	closed   bool
	procs    map[int]*process // all that are not buried, by number
	last     int              // number of the youngest process
	idle     []*process       // those that wait in next; the last one is used first, as the warmest
	waiters  []*invocation    // invocations without a process, oldest first
	taken    int              // invocations not answered yet: the concurrency that throttling looks at
	open     int              // invocations not complete: until the process asks for work again, or dies
	requests uint64           // request ids given out

	// owed is how many processes killed by a fault have no successor yet that
	// has asked for work. It never exceeds the places that are free for
	// successors: a kill moves one from ready to owed, a first next moves one
	// back. So the debt can always be paid.
	owed     int
	settled  chan struct{} // closed and renewed whenever owed falls to 0
	failures int           // initialisations that have failed in a row
	retrying bool          // retryLater is under way
	lastInit error         // the last of them

	watching        sync.WaitGroup // watchMemory
	lives           sync.WaitGroup // of processes with their extensions
	extensionEvents atomic.Uint64  // given out
	ended           chan struct{}  // closed by Close
	closing         sync.Once
	closeErr        error
}

// invocation is one call on its way. Its fields are guarded by Host.mu.
type invocation struct {
	id       string
	payload  []byte
	handedAt time.Time
	finished bool // the answer is given
	moved    bool // it has been taken from a process that died before it had the event
	again    bool // an initialisation has failed under it: the second is its own
	override *bench.FunctionError
	done     chan bench.Answer // holds the one answer
}

// Start checks the configuration and makes a host. Processes are started by
// the first invocations, or by Warm. The caller must Close it.
func Start(cfg Config) (*Host, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("start lambda host: %w", err)
	}
	cfg = cfg.withDefaults()
	queue, err := restore(cfg.Async, cfg.Keeper)
	if err != nil {
		return nil, fmt.Errorf("start lambda host: %w", err)
	}
	h := &Host{
		cfg: cfg, initLimit: initLimit, grace: shutdownGrace, log: &lineLog{w: cfg.Log}, forker: newForker(),
		procs: map[int]*process{}, settled: make(chan struct{}), ended: make(chan struct{}),
	}
	h.async = newDispatcher(h, queue)
	if cfg.MemoryMB > 0 {
		h.watching.Go(h.watchMemory)
	}
	return h, nil
}

// Invoke runs the function once and waits for its end, or for the end of ctx;
// the function goes on then, as it does when a caller of Lambda hangs up.
func (h *Host) Invoke(ctx context.Context, in bench.Invocation) bench.Answer {
	if answer, struck := h.strikeInvoke(); struck {
		return answer
	}
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return failed(TypeClosed, "the host is closed", bench.DeliveryError)
	}
	if h.taken >= h.cfg.Concurrency {
		h.mu.Unlock()
		return bench.Answer{Throttled: true}
	}
	inv := &invocation{id: in.RequestID, payload: in.Payload, done: make(chan bench.Answer, 1)}
	if inv.id == "" {
		inv.id = h.requestID()
	}
	h.taken++
	h.open++
	h.assign(inv)
	h.mu.Unlock()

	select {
	case answer := <-inv.done:
		return answer
	case <-ctx.Done():
		return h.abandon(inv, ctx.Err())
	}
}

// assign gives the invocation to a process that waits for work, or lets it wait
// for one. The caller holds h.mu.
func (h *Host) assign(inv *invocation) {
	if n := len(h.idle); n > 0 {
		p := h.idle[n-1]
		h.idle = h.idle[:n-1]
		p.take(inv)
		return
	}
	h.waiters = append(h.waiters, inv)
	h.balance()
}

// abandon answers for a caller who does not wait any longer. An invocation
// that has no process yet is taken back.
func (h *Host) abandon(inv *invocation, cause error) bench.Answer {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, waiter := range h.waiters {
		if waiter == inv {
			h.waiters = append(h.waiters[:i], h.waiters[i+1:]...)
			h.taken--
			h.open--
			inv.finished = true
			break
		}
	}
	answer := failed(TypeCancelled, "the caller stopped waiting: "+cause.Error(), bench.DeliveryError)
	answer.HandedAt = inv.handedAt
	return answer
}

// finish gives the answer to the caller, once, and frees the place that the
// invocation took in the concurrency. The caller holds h.mu.
func (h *Host) finish(inv *invocation, answer bench.Answer) {
	if inv.finished {
		return
	}
	inv.finished = true
	h.taken--
	answer.HandedAt = inv.handedAt
	inv.done <- answer
}

// balance starts the processes that are missing: one for each invocation that
// waits and each successor that is owed, as far as the concurrency allows. The
// caller holds h.mu.
func (h *Host) balance() {
	if h.closed {
		return
	}
	want := len(h.waiters)
	if h.failures == 0 {
		want = max(want, h.owed)
	} else if h.owed > 0 {
		h.retryLater()
	}
	h.startUpTo(want)
}

// startUpTo starts processes until n are on their way to their first request
// for work, or all places are taken. The caller holds h.mu.
func (h *Host) startUpTo(n int) {
	for _, p := range h.procs {
		if !p.ready && p.cause.kind == alive {
			n--
		}
	}
	for ; n > 0 && len(h.procs) < h.cfg.Concurrency; n-- {
		h.launch()
	}
}

// retryLater starts the owed successors after a pause. Without the pause a
// binary that dies at once would be started without end. The caller holds h.mu.
func (h *Host) retryLater() {
	if h.retrying {
		return
	}
	h.retrying = true
	pause := min(50*time.Millisecond<<min(h.failures, 10), 5*time.Second)
	time.AfterFunc(pause, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.retrying = false
		if !h.closed {
			h.startUpTo(h.owed)
		}
	})
}

// Warm starts processes until n of them live and waits until each of them has
// asked for work, so that no cold start lies in the measured path. A process
// that cannot start is an error that carries its last output.
func (h *Host) Warm(ctx context.Context, n int) error {
	if n > h.cfg.Concurrency {
		return fmt.Errorf("warm lambda host: %d processes asked for, concurrency is %d", n, h.cfg.Concurrency)
	}
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return errors.New("warm lambda host: it is closed")
	}
	for len(h.procs) < n {
		h.launch()
	}
	var waitFor []*process
	for _, p := range h.procs {
		if !p.ready {
			waitFor = append(waitFor, p)
		}
	}
	h.mu.Unlock()
	for _, p := range waitFor {
		select {
		case <-p.asked:
		case <-p.dead:
			if err := p.initError(); err != nil {
				return fmt.Errorf("warm lambda host: %w", err)
			}
		case <-ctx.Done():
			return fmt.Errorf("warm lambda host: process %d has not asked for work: %w", p.number, ctx.Err())
		}
	}
	return nil
}

// Recovered reports whether each process that a fault has killed has a
// successor that has asked for work.
func (h *Host) Recovered() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.owed == 0
}

// Settled waits until Recovered holds: then the kills are undone. When ctx ends
// before, the error names how many successors are missing and, where an
// initialisation has failed, why.
func (h *Host) Settled(ctx context.Context) error {
	for {
		h.mu.Lock()
		owed, settled, last := h.owed, h.settled, h.lastInit
		h.mu.Unlock()
		if owed == 0 {
			return nil
		}
		select {
		case <-settled:
		case <-ctx.Done():
			err := fmt.Errorf("wait for successors of killed processes: %d missing: %w", owed, ctx.Err())
			if last != nil {
				err = fmt.Errorf("%w; last start: %w", err, last)
			}
			return err
		}
	}
}

// Open reports how many invocations are under way: handed in, and the process
// has neither asked for work again nor died. It may still write till then.
func (h *Host) Open() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.open
}

// Processes lists the operating system's ids of the processes that live.
func (h *Host) Processes() []int {
	h.mu.Lock()
	defer h.mu.Unlock()
	var pids []int
	for _, p := range h.procs {
		if p.pid != 0 {
			pids = append(pids, p.pid)
		}
	}
	return pids
}

// Close ends all processes and waits for their end; invocations under way end
// as crashes, asynchronous events that wait are forgotten, but by a Keeper. A process that
// has extensions gets SIGTERM and 500 ms, and external ones 2 s more, as Lambda
// gives them; the others get SIGKILL at once
// (https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html).
// It may be called twice.
func (h *Host) Close() error {
	h.closing.Do(func() {
		h.mu.Lock()
		h.closed = true
		for _, inv := range h.waiters {
			h.open--
			h.finish(inv, failed(TypeClosed, "the host is closed", bench.DeliveryError))
		}
		h.waiters = nil
		var dying []*process
		for _, p := range h.procs {
			dying = append(dying, p)
			h.doom(p, cause{kind: stopped})
		}
		h.mu.Unlock()
		close(h.ended)
		h.watching.Wait()
		h.async.close()
		h.lives.Wait()
		h.killOrphans(dying...)
		var outputs sync.WaitGroup // at once: each may have to wait for its whole grace
		for _, p := range dying {
			if p.output != nil {
				outputs.Go(p.output.wait) // Log is the caller's again after Close
			}
		}
		outputs.Wait()
		h.forker.close()
		if err := h.log.failure(); err != nil {
			h.closeErr = fmt.Errorf("close lambda host: write log: %w", err)
		}
	})
	return h.closeErr
}
