// Package load sends a plan's requests at their due times: plan in, vegeta
// attack out.
//
// The load is open: a slow answer never delays the next request. Request n is
// due at a moment that is a pure function of the plan, so response time can be
// counted from there, and a request that could not be sent in time shows as
// send delay instead of vanishing.
//
// vegeta owns the schedule and the workers. Three things of its are replaced:
//
//   - The Pacer waits for the plan's due times and stops by count. vegeta's own
//     stop by time, and silently drop what the schedule still owes.
//   - Connections are bounded, workers are not. A bound on workers delays the
//     sending of a request without a trace in the figures (coordinated
//     omission); a bound on connections makes it wait where it can be seen.
//   - A RoundTripper of our own, keyed by X-Vegeta-Seq, builds the body, tells
//     the [Book] before the first byte leaves and after the answer has been
//     read to its end. vegeta's Timestamp and Latency are not used: the first
//     precedes the wait for a connection.
//
// Two senders stand behind the RoundTripper. Plain HTTP/1.1 over the machine's
// network goes through a client of our own (lean.go), which needs no goroutine
// for a connection and about half of net/http's CPU; all else, such as TLS, goes
// through net/http (standard.go). A request has the same outcome with both,
// which a test holds against a server that misbehaves in every way it knows.
//
// No attempt is sent twice, and a request has one unless [Config.Retries] models a
// client that sends again. The lean sender opens another connection only
// where no byte of the request was taken by the first. net/http is given no
// header that makes it believe it may, and no way to rewind a body.
package load

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

// WorkerCap bounds vegeta's workers, which are requests under way. It is a fuse
// against a target that swallows everything, not a setting: a run that reaches
// it was not an open load any more, and is unknown.
const WorkerCap = 50_000

// maxRecent bounds the response times that wait for a Snapshot.
const maxRecent = 1 << 16

// Plan says what is sent and when. It is called from many goroutines.
type Plan interface {
	// Len is how many requests there are, numbered from 0.
	Len() int64
	// Due is when request seq wants to be sent, from the start of load. It
	// never decreases with seq.
	Due(seq uint64) time.Duration
	// Kind is which of [Config.Kinds] request seq is.
	Kind(seq uint64) int
	// AppendBody appends the body of an attempt at request seq to dst and returns
	// it: 0 is the first, n the nth retry.
	AppendBody(dst []byte, seq uint64, retry int) []byte
}

// Book is told of every attempt at a request: 0 is the first, n the nth retry. An
// attempt that cannot be reserved is not made, and the attack ends with the error.
// Sent is called before the first byte is handed to a connection, Done when an
// attempt that was reserved is over, also where it was never sent. All are on the
// path of the load: they must be quick, and safe for concurrent use with different
// attempts.
type Book interface {
	Reserve(ctx context.Context, seq uint64, retry int) error
	Sent(seq uint64, retry int, at time.Duration)
	Done(a bench.Attempt)
}

// Sign signs a request, whose body is given beside it. It is called from many
// goroutines.
type Sign func(r *http.Request, body []byte, now time.Time) error

// Config says how to send.
type Config struct {
	URL         string         // scheme and host, such as http://127.0.0.1:8080
	Kinds       []Kind         // of requests: at least one
	Ack         []int          // statuses that acknowledge
	Refused     []int          // statuses that say for sure that nothing was done
	Timeout     time.Duration  // from due until a request is given up, and of each retry
	Retries     Retries        // the zero value: none
	Connections int            // at most, all to one host
	Start       time.Time      // start of load: due times count from here
	Dialer      bench.Dialer   // nil: the machine's network
	Sign        Sign           // nil: requests are not signed
	Injector    bench.Injector // of strikes between client and API; nil: none
	Clock       clock.Clock

	// Workers bounds the requests under way; 0: [WorkerCap]. With a plan in which
	// everything is due at once it makes a closed load, for benchmarks alone.
	Workers uint64
}

// Retries is a client that sends again what was not acknowledged. A request that
// waits to be sent again holds no connection, and delays no other.
type Retries struct {
	Max     int             // beside the first attempt
	On      []bench.Outcome // of the attempts so far together
	BackOff func(seq uint64, retry int) time.Duration
}

func (r *Retries) wants(o bench.Outcome, retry int) bool {
	return retry <= r.Max && slices.Contains(r.On, o)
}

// Kind is what requests of one kind have in common.
type Kind struct {
	Method, Path string
	Header       map[string]string
}

// Attack is one run of a plan. Make it with New, run it once with Run.
type Attack struct {
	cfg      Config
	plan     Plan
	book     Book
	sender   sender
	ack      map[int]bool
	refused  map[int]bool
	inFlight atomic.Int64
	peak     atomic.Int64
	counts   [4]atomic.Int64 // by outcome; Unsent counts those given up unsent
	attempts atomic.Int64    // that were sent

	mu     sync.Mutex
	recent []time.Duration // response times since the last Snapshot
}

// New prepares an attack.
func New(cfg Config, plan Plan, book Book) *Attack {
	if cfg.Workers == 0 {
		cfg.Workers = WorkerCap
	}
	if cfg.Injector == nil {
		cfg.Injector = bench.NoFaults{}
	}
	a := &Attack{cfg: cfg, plan: plan, book: book, ack: set(cfg.Ack), refused: set(cfg.Refused)}
	if canBeLean(&a.cfg) {
		a.sender = newLean(a)
	} else {
		a.sender = newStandard(a)
	}
	return a
}

func set(statuses []int) map[int]bool {
	m := make(map[int]bool, len(statuses))
	for _, s := range statuses {
		m[s] = true
	}
	return m
}

// Run sends the plan and returns when every request is over. When ctx ends
// nothing more is sent, and what is under way is given up after a grace of one
// second.
func (a *Attack) Run(ctx context.Context) (Figures, error) {
	ctx, noBook := context.WithCancelCause(ctx)
	defer noBook(nil)
	work, giveUp := context.WithCancelCause(context.WithoutCancel(ctx))
	defer giveUp(nil)
	defer a.sender.close()
	stop := context.AfterFunc(ctx, func() {
		time.AfterFunc(time.Second, func() { giveUp(errInterrupted) })
	})
	defer stop()
	defer context.AfterFunc(work, func() { a.sender.giveUp() })()

	attacker := vegeta.NewAttacker(
		vegeta.Client(&http.Client{
			Transport:     &roundTripper{attack: a, on: ctx, ctx: work, noBook: noBook},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}),
		vegeta.Workers(min(a.cfg.Workers, vegeta.DefaultWorkers)),
		vegeta.MaxWorkers(a.cfg.Workers),
	)
	defer lazierGC()()
	targeter := vegeta.NewStaticTargeter(vegeta.Target{Method: http.MethodPost, URL: "http://ackproof/"}) // the sender knows better
	before := readUsage(a.cfg.Clock)
	var results int64
	for range attacker.Attack(targeter, &pacer{attack: a, ctx: ctx, seen: math.MinInt64}, 0, "") {
		results++
	}
	figures := readUsage(a.cfg.Clock).since(before)
	figures.InFlight, figures.Unsent = a.peak.Load(), a.counts[bench.Unsent].Load()
	figures.Connections = a.sender.connections()
	figures.WorkerCapHit = a.peak.Load() >= int64(WorkerCap)
	if lost, ok := errors.AsType[bookError](context.Cause(ctx)); ok {
		return figures, fmt.Errorf("load: no request can be recorded any more, so that none is sent: %w", lost.error)
	}
	if ctx.Err() == nil && results != a.plan.Len() {
		return figures, fmt.Errorf("load: %d of %d requests came back from vegeta", results, a.plan.Len())
	}
	return figures, nil
}

// pacer is vegeta's clockwork, wound up by the plan. It waits inside Pace so
// that an interrupt is not kept waiting by a low rate.
type pacer struct {
	attack *Attack
	ctx    context.Context
	seen   time.Duration // on the clock, when it was last looked at; before that, the least there is
}

// Pace waits until request number hits is due.
func (p *pacer) Pace(_ time.Duration, hits uint64) (time.Duration, bool) {
	a := p.attack
	if p.ctx.Err() != nil || int64(hits) >= a.plan.Len() {
		return 0, true
	}
	due := a.plan.Due(hits)
	if due > p.seen { // else it is certain without the clock
		p.seen = a.elapsed()
	}
	if due <= p.seen {
		return 0, false // behind: send at once, the delay is on the record
	}
	return 0, !clock.Wait(due-p.seen, p.ctx.Done())
}

// Rate is not used by the attack; vegeta's interface asks for it.
func (p *pacer) Rate(time.Duration) float64 { return 0 }

func (a *Attack) elapsed() time.Duration { return clock.Since(a.cfg.Clock, a.cfg.Start) }

// Counts is how many requests are over, by outcome.
type Counts struct{ Acknowledged, Refused, Unknown int64 }

// Done is how many there are.
func (c Counts) Done() int64 { return c.Acknowledged + c.Refused + c.Unknown }

// Counts tells how many requests are over. Anybody may call it at any time.
func (a *Attack) Counts() Counts {
	return Counts{a.counts[bench.Acknowledged].Load(), a.counts[bench.Refused].Load(), a.counts[bench.Unknown].Load()}
}

// Attempts tells how many attempts have been sent. Anybody may call it at any time.
func (a *Attack) Attempts() int64 { return a.attempts.Load() }

// Snapshot is the state of an attack under way.
type Snapshot struct {
	Sent, Acknowledged, Refused, Unknown int64
	P50, P99                             time.Duration // of the response times since the last snapshot
}

// Snapshot tells how far the attack has come. Only one goroutine may call it.
func (a *Attack) Snapshot() Snapshot {
	a.mu.Lock()
	recent := a.recent
	a.recent = nil
	a.mu.Unlock()
	counts := a.Counts()
	s := Snapshot{Acknowledged: counts.Acknowledged, Refused: counts.Refused, Unknown: counts.Unknown, Sent: counts.Done()}
	if n := len(recent); n > 0 {
		slices.Sort(recent)
		s.P50, s.P99 = recent[n/2], recent[n*99/100]
	}
	return s
}

// over counts a request for Snapshot.
func (a *Attack) over(at bench.Attempt) {
	a.counts[at.Outcome].Add(1)
	if at.Outcome == bench.Unsent {
		return
	}
	a.mu.Lock()
	if len(a.recent) < maxRecent { // nobody may be looking
		a.recent = append(a.recent, at.End-a.plan.Due(at.Seq))
	}
	a.mu.Unlock()
}
