package load

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"
)

// standard sends through net/http. TLS connections speak HTTP/1.1 too: HTTP/2
// would put all requests on one connection, and would send again what a server
// says it has not begun.
type standard struct {
	attack *Attack
	client *http.Transport
	setups setups
}

func newStandard(a *Attack) *standard {
	s := &standard{attack: a, setups: setups{clock: a.cfg.Clock}}
	dial := (&net.Dialer{}).DialContext
	if a.cfg.Dialer != nil {
		dial = a.cfg.Dialer.DialContext
	}
	s.client = &http.Transport{
		MaxConnsPerHost:     a.cfg.Connections,
		MaxIdleConnsPerHost: a.cfg.Connections,
		MaxIdleConns:        a.cfg.Connections,
		IdleConnTimeout:     idleTimeout,
		DisableCompression:  true, // a body is read as it came
		Proxy:               nil,  // the host that was confirmed is the host that is loaded

		MaxResponseHeaderBytes: maxHead,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := s.setups.dial(ctx, dial, network, address)
			if err != nil {
				return nil, err // no typed nil
			}
			return conn, nil
		},
	}
	return s
}

// send puts a request on the wire.
func (s *standard) send(ctx context.Context, t attempt, deadline time.Time) exchange {
	a := s.attack
	ctx, cancel := context.WithDeadlineCause(ctx, deadline, errGivenUp)
	defer cancel()
	var sent, firstByte atomic.Int64
	sent.Store(int64(never))
	firstByte.Store(int64(never))
	var handshake time.Time
	trace := &httptrace.ClientTrace{
		// net/http calls it before it writes. It may call it again, where an
		// idle connection turned out to be dead before a byte of the request
		// was written: the last connection is the one that got it.
		GotConn:              func(httptrace.GotConnInfo) { sent.Store(int64(a.handed(t, a.elapsed()))) },
		GotFirstResponseByte: func() { firstByte.Store(int64(a.elapsed())) },
		TLSHandshakeStart:    func() { handshake = a.cfg.Clock.Now() },
		TLSHandshakeDone: func(_ tls.ConnectionState, err error) {
			if err == nil {
				s.setups.handshake(a.cfg.Clock.Now().Sub(handshake))
			}
		},
	}
	status, err := s.roundTrip(httptrace.WithClientTrace(ctx, trace), t)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause
	}
	return exchange{status, time.Duration(sent.Load()), time.Duration(firstByte.Load()), a.elapsed(), err}
}

// onceBody is a body that net/http can read once and not rewind, whatever its
// length, so that it never takes a request for one that may be sent again.
type onceBody struct{ io.Reader }

func (onceBody) Close() error { return nil }

func (s *standard) roundTrip(ctx context.Context, t attempt) (status int, err error) {
	kind := s.attack.cfg.Kinds[s.attack.plan.Kind(t.seq)]
	var body []byte
	if !idempotent(kind.Method) {
		body = s.attack.plan.AppendBody(nil, t.seq, t.retry)
	}
	req, err := http.NewRequestWithContext(ctx, kind.Method, s.attack.cfg.URL+kind.Path, onceBody{bytes.NewReader(body)})
	if err != nil {
		return 0, err
	}
	req.ContentLength = int64(len(body))
	if len(body) == 0 && !idempotent(kind.Method) {
		req.Body = http.NoBody // says Content-Length: 0, and may not be sent again either
	}
	for _, h := range kind.header() {
		if strings.EqualFold(h.name, "Host") {
			req.Host = h.value
			continue
		}
		req.Header.Set(h.name, h.value)
	}
	if sign := s.attack.cfg.Sign; sign != nil {
		if err := sign(req, body, s.attack.cfg.Clock.Now()); err != nil {
			return 0, err
		}
	}
	resp, err := s.client.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	return resp.StatusCode, discard(resp.Body)
}

// idempotent reports whether net/http would send a request of this method again
// if it had no body.
func idempotent(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

// discard reads a body to its end.
func discard(body io.Reader) error {
	read, err := io.Copy(io.Discard, io.LimitReader(body, maxAnswer+1))
	if err == nil && read > maxAnswer {
		return errTooLong
	}
	return err
}

// giveUp does nothing: the context of each request has ended.
func (s *standard) giveUp() {}

func (s *standard) close() { s.client.CloseIdleConnections() }

func (s *standard) connections() Connections { return s.setups.connections() }
