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
	err       error         // nil: the answer was read to its end
}

// sender sends requests, each once, and reads the answers to their end. An
// exchange that was given up has the error errGivenUp or errInterrupted.
type sender interface {
	send(ctx context.Context, seq uint64, deadline time.Time) exchange
	giveUp() // what is under way, and all that comes
	close()  // connections that are idle
	connections() Connections
}

// roundTripper carries out one request from its number alone. The answer is
// read to its end here, so that its time is the request's and not that of
// whoever reads it later.
type roundTripper struct {
	attack *Attack
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
	if err := a.book.Reserve(rt.ctx, seq, 0); err != nil {
		if rt.ctx.Err() == nil {
			rt.noBook(bookError{err})
		}
		a.counts[bench.Unsent].Add(1)
		return nil, err
	}
	x := a.sender.send(rt.ctx, seq, a.cfg.Start.Add(a.plan.Due(seq)+a.cfg.Timeout))
	at := a.judge(seq, x)
	a.done(at)
	if x.status == 0 {
		return nil, x.err
	}
	return &http.Response{StatusCode: x.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody, Request: in}, nil
}

// handed tells the book that a request is about to be handed to a connection.
func (a *Attack) handed(seq uint64) time.Duration {
	now := a.elapsed()
	a.book.Sent(seq, 0, now)
	return now
}

// judge decides the client's outcome. Only a declared status refuses, besides a
// connection that was refused before a byte was sent; what is not certain is
// Unknown.
func (a *Attack) judge(seq uint64, x exchange) bench.Attempt {
	at := bench.Attempt{Seq: seq, Status: x.status, Sent: x.sent, FirstByte: max(x.firstByte, 0), End: a.elapsed(), Outcome: bench.Unknown}
	if x.err != nil {
		at.Error = inShort(x.err)
	}
	switch {
	case x.sent < 0 && errors.Is(x.err, syscall.ECONNREFUSED):
		at.Outcome, at.Class, at.Sent = bench.Refused, bench.ClassConnRefused, at.End
		a.book.Sent(seq, 0, at.Sent)
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
