package load

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// maxAnswer bounds what is read of an answer. API Gateway's own limit is 10 MB:
// https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
const maxAnswer = 10 << 20

var (
	errInterrupted = errors.New("the run was interrupted")
	errGivenUp     = errors.New("request.timeout has passed")
	errTooLong     = errors.New("the answer is longer than 10 MB")
)

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
	deadline := a.cfg.Start.Add(a.plan.Due(seq) + a.cfg.Timeout)
	ctx, cancel := context.WithDeadlineCause(rt.ctx, deadline, errGivenUp)
	defer cancel()

	if err := a.book.Reserve(ctx, seq, 0); err != nil {
		if ctx.Err() == nil {
			rt.noBook(bookError{err})
		}
		a.counts[bench.Unsent].Add(1)
		return nil, err
	}
	seen, err := rt.send(ctx, seq)
	at := a.judge(ctx, seq, seen, err)
	a.done(at)
	if seen.status == 0 {
		return nil, err
	}
	return &http.Response{StatusCode: seen.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody, Header: http.Header{}, Request: in}, nil
}

// seen is what the client saw of an attempt.
type seen struct {
	status    int           // 0: none was read
	sent      time.Duration // handed to a connection; -1: never
	firstByte time.Duration // of the answer; 0: none came
}

// send puts the request on the wire. The error says what went wrong.
func (rt *roundTripper) send(ctx context.Context, seq uint64) (s seen, err error) {
	a := rt.attack
	var sentAt, firstByteAt atomic.Int64
	sentAt.Store(-1)
	defer func() { s.sent, s.firstByte = time.Duration(sentAt.Load()), time.Duration(firstByteAt.Load()) }()
	trace := &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) {
			// net/http calls this before it writes. It may call it again, where an
			// idle connection turned out to be dead before a byte of the request
			// was written: the last connection is the one that got it.
			now := a.elapsed()
			sentAt.Store(int64(now))
			a.book.Sent(seq, 0, now)
		},
		GotFirstResponseByte: func() { firstByteAt.Store(int64(a.elapsed())) },
	}
	body := a.plan.Body(seq)
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, trace), a.cfg.Method, a.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return s, err
	}
	req.GetBody = nil // nothing can rewind it, hence nothing re-sends it
	req.Header.Set("Content-Type", "application/json")
	for k, v := range a.cfg.Header {
		req.Header.Set(k, v)
	}
	resp, err := a.client.RoundTrip(req)
	if err != nil {
		return s, err
	}
	s.status = resp.StatusCode
	defer resp.Body.Close()
	read, err := io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && read > maxAnswer {
		err = errTooLong
	}
	return s, err
}

// judge decides the client's outcome. Only a declared status refuses, besides a
// connection that was refused before a byte was sent; what is not certain is
// Unknown.
func (a *Attack) judge(ctx context.Context, seq uint64, s seen, err error) bench.Attempt {
	status, sent := s.status, s.sent
	at := bench.Attempt{Seq: seq, Status: status, Sent: sent, FirstByte: s.firstByte, End: a.elapsed(), Outcome: bench.Unknown}
	if err != nil {
		at.Error = inShort(context.Cause(ctx), err)
	}
	switch {
	case sent < 0 && errors.Is(err, syscall.ECONNREFUSED):
		at.Outcome, at.Class, at.Sent = bench.Refused, bench.ClassConnRefused, at.End
		a.book.Sent(seq, 0, at.Sent)
	case sent < 0:
		at.Outcome, at.Sent = bench.Unsent, 0
	case err == nil && a.ack[status]:
		at.Outcome, at.Class = bench.Acknowledged, bench.ClassStatus
	case err == nil && a.refused[status]:
		at.Outcome, at.Class = bench.Refused, bench.ClassStatus
	case err == nil:
		at.Class = bench.ClassStatus
	case errors.Is(context.Cause(ctx), errInterrupted):
		at.Class = bench.ClassInterrupted
	case errors.Is(context.Cause(ctx), errGivenUp):
		at.Class = bench.ClassTimeout
	case status != 0:
		at.Class = bench.ClassUnreadable
	default:
		at.Class = bench.ClassReset
	}
	return at
}

// inShort says what went wrong without what differs from request to request, such
// as ports: the ledger keeps each text once.
func inShort(cause, err error) string {
	if cause != nil {
		return cause.Error()
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		what := op.Err
		if call, ok := errors.AsType[*os.SyscallError](what); ok {
			what = call.Err
		}
		return op.Op + ": " + what.Error()
	}
	return err.Error()
}
