package load

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
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
	ctx    context.Context // ends when the run gives up what is under way
}

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

	status, sent, err := rt.send(ctx, seq)
	at := a.judge(ctx, seq, status, sent, err)
	if at.Outcome == bench.Unsent {
		a.counts[bench.Unsent].Add(1)
		return nil, err
	}
	a.done(at)
	if status == 0 {
		return nil, err
	}
	return &http.Response{StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody, Header: http.Header{}, Request: in}, nil
}

// send puts the request on the wire. It returns the status (0: none was read),
// when the request was handed to a connection (-1: never) and what went wrong.
func (rt *roundTripper) send(ctx context.Context, seq uint64) (status int, sent time.Duration, err error) {
	a := rt.attack
	var sentAt atomic.Int64
	sentAt.Store(-1)
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
		// net/http calls this before it writes. It may call it again, where an
		// idle connection turned out to be dead before a byte of the request
		// was written: the last connection is the one that got it.
		now := a.elapsed()
		sentAt.Store(int64(now))
		a.book.Sent(seq, now)
	}}
	req, err := NewRequest(httptrace.WithClientTrace(ctx, trace), a.cfg.Method, a.cfg.URL, a.plan.Body(seq), a.cfg.Header, a.cfg.Sign, a.cfg.Clock.Now())
	if err != nil {
		return 0, -1, err
	}
	resp, err := a.client.RoundTrip(req)
	if err != nil {
		return 0, time.Duration(sentAt.Load()), err
	}
	defer resp.Body.Close()
	read, err := io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && read > maxAnswer {
		err = errTooLong
	}
	return resp.StatusCode, time.Duration(sentAt.Load()), err
}

// NewRequest makes one request as the attack sends it. Sign may be nil.
func NewRequest(ctx context.Context, method, url string, body []byte, header map[string]string, sign Sign, now time.Time) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.GetBody = nil // nothing can rewind it, hence nothing re-sends it
	req.Header.Set("Content-Type", "application/json")
	for k, v := range header {
		req.Header.Set(k, v)
	}
	if sign != nil {
		err = sign(req, body, now)
	}
	return req, err
}

// judge decides the client's outcome. Only a declared status refuses, besides a
// connection that was refused before a byte was sent; what is not certain is
// Unknown.
func (a *Attack) judge(ctx context.Context, seq uint64, status int, sent time.Duration, err error) bench.Attempt {
	at := bench.Attempt{Seq: seq, Status: status, Sent: sent, End: a.elapsed(), Outcome: bench.Unknown}
	switch {
	case sent < 0 && errors.Is(err, syscall.ECONNREFUSED):
		at.Outcome, at.Class, at.Sent = bench.Refused, bench.ClassConnRefused, at.End
		a.book.Sent(seq, at.Sent)
	case sent < 0:
		at.Outcome = bench.Unsent
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
