package load

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

// maxAnswer bounds what is read of an answer. API Gateway's own limit is 10 MB:
// https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
const maxAnswer = 10 << 20

// maxHead bounds the headers of an answer, those of interim ones (100 Continue)
// included. API Gateway sends 10 KB at most.
const maxHead = 1 << 20

var (
	errInterrupted = errors.New("the run was interrupted")
	errGivenUp     = errors.New("request.timeout has passed")
	errTooLong     = errors.New("the answer is longer than 10 MB")
)

// never is the time of what did not happen.
const never = time.Duration(-1)

// exchange is one request and what came back. Times count from the start of load.
type exchange struct {
	status    int           // 0: none was read
	sent      time.Duration // handed to a connection
	firstByte time.Duration // of the answer
	end       time.Duration // its last byte, or what went wrong
	err       error         // nil: the answer was read to its end
}

// attempt is one sending of a request: 0 is the first, n the nth retry.
type attempt struct {
	seq   uint64
	retry int
}

// sender sends attempts, each once, and reads the answers to their end. An
// exchange that was given up has the error errGivenUp or errInterrupted.
type sender interface {
	send(ctx context.Context, t attempt, deadline time.Time) exchange
	giveUp() // what is under way, and all that comes
	close()  // connections that are idle
	connections() Connections
}

// roundTripper carries out one request from its number alone. The answer is
// read to its end here, so that its time is the request's and not that of
// whoever reads it later.
type roundTripper struct {
	attack *Attack
	on     context.Context         // ends when nothing more is to be sent
	ctx    context.Context         // ends when the run gives up what is under way
	noBook context.CancelCauseFunc // ends the attack, since the book cannot be written
}

// bookError is why nothing can be recorded any more.
type bookError struct{ error }

// RoundTrip sends the request that X-Vegeta-Seq names, tells the book, and
// hands vegeta an answer without a body, since nobody reads it there.
func (rt *roundTripper) RoundTrip(in *http.Request) (*http.Response, error) {
	a := rt.attack
	n := a.inFlight.Add(1)
	defer a.inFlight.Add(-1)
	for peak := a.peak.Load(); n > peak && !a.peak.CompareAndSwap(peak, n); peak = a.peak.Load() {
	}
	seq, err := strconv.ParseUint(in.Header.Get("X-Vegeta-Seq"), 10, 64)
	if err != nil {
		return nil, err // vegeta sets it itself
	}
	if err := rt.reserve(attempt{seq, 0}); err != nil {
		a.counts[bench.Unsent].Add(1)
		return nil, err
	}
	at, err := rt.attempt(attempt{seq, 0}, a.plan.Due(seq))
	for retry := 1; a.cfg.Retries.wants(at.Outcome, retry); retry++ {
		if !clock.Wait(a.cfg.Retries.BackOff(seq, retry), rt.on.Done()) || rt.on.Err() != nil || rt.reserve(attempt{seq, retry}) != nil {
			break
		}
		var later bench.Attempt
		later, err = rt.attempt(attempt{seq, retry}, a.elapsed())
		at = at.Joined(later)
	}
	a.over(at)
	if at.Status == 0 {
		return nil, err
	}
	return &http.Response{StatusCode: at.Status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody, Request: in}, nil
}

// reserve makes room in the book. Without it nothing more is sent.
func (rt *roundTripper) reserve(t attempt) error {
	err := rt.attack.book.Reserve(rt.ctx, t.seq, t.retry)
	if err != nil && rt.ctx.Err() == nil {
		rt.noBook(bookError{err})
	}
	return err
}

// attempt makes one attempt at a request, which was due at a time.
func (rt *roundTripper) attempt(t attempt, due time.Duration) (bench.Attempt, error) {
	a := rt.attack
	x := a.send(rt.ctx, t, a.cfg.Start.Add(due+a.cfg.Timeout))
	at := a.judge(t, x)
	a.book.Done(at)
	return at, x.err
}

// handed tells the book that an attempt is handed to a connection now.
func (a *Attack) handed(t attempt, now time.Duration) time.Duration {
	a.attempts.Add(1)
	a.book.Sent(t.seq, t.retry, now)
	return now
}

// judge decides the client's outcome. Only a declared status refuses, besides a
// connection that was refused before a byte was sent; what is not certain is
// Unknown.
func (a *Attack) judge(t attempt, x exchange) bench.Attempt {
	at := bench.Attempt{Seq: t.seq, Retry: t.retry, Status: x.status, Sent: x.sent, FirstByte: max(x.firstByte, 0), End: x.end, Outcome: bench.Unknown}
	if x.err != nil {
		at.Error = inShort(x.err)
	}
	switch {
	case x.sent < 0 && errors.Is(x.err, syscall.ECONNREFUSED):
		at.Outcome, at.Class, at.Sent = bench.Refused, bench.ClassConnRefused, at.End
		a.book.Sent(t.seq, t.retry, at.Sent)
	case x.sent < 0:
		at.Outcome, at.Sent = bench.Unsent, 0
	case x.err == nil && a.ack[x.status]:
		at.Outcome, at.Class = bench.Acknowledged, bench.ClassStatus
	case x.err == nil && a.refused[x.status]:
		at.Outcome, at.Class = bench.Refused, bench.ClassStatus
	case x.err == nil:
		at.Class = bench.ClassStatus
	case errors.Is(x.err, errInterrupted):
		at.Class = bench.ClassInterrupted
	case errors.Is(x.err, errGivenUp):
		at.Class = bench.ClassTimeout
	case x.status != 0:
		at.Class = bench.ClassUnreadable
	default:
		at.Class = bench.ClassReset
	}
	return at
}

// inShort says what went wrong without what differs from request to request, such
// as ports: the ledger keeps each text once.
func inShort(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		what := op.Err
		if call, ok := errors.AsType[*os.SyscallError](what); ok {
			what = call.Err
		}
		return op.Op + ": " + what.Error()
	}
	return err.Error()
}
