// Package sdk makes the HTTP client that the clients of the AWS SDK are given,
// wherever ackproof makes one.
//
// The SDK closes the body of a request as soon as the answer begins. net/http
// sends a body whose type it does not know straight to the connection, and asks
// it once more whether it has ended; where the answer is quicker than that, it
// finds the body closed, takes that for a failure, and closes the connection
// under the answer ("deserialization failed"; aws-sdk-go-v2 issues 1825, 2737,
// 2935). On a socket that is seldom, between two goroutines of one process it is
// the rule. So a body is handed on whole, in memory, where net/http has nothing
// to ask.
package sdk

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// keepAlive is how many idle connections a client keeps to one host: the shards
// of a stream are polled side by side.
const keepAlive = 64

// HTTPClient makes a client of its own, which opens its connections with dial;
// nil: on the machine's network, with the proxy that the environment names. It
// does not ask http.DefaultTransport, which a test may have replaced.
func HTTPClient(dial func(ctx context.Context, network, address string) (net.Conn, error)) *http.Client {
	t := &http.Transport{
		DialContext: dial, MaxIdleConnsPerHost: keepAlive, IdleConnTimeout: 90 * time.Second,
		TLSHandshakeTimeout: 10 * time.Second, ForceAttemptHTTP2: true,
	}
	if dial == nil {
		t.DialContext = (&net.Dialer{Timeout: 30 * time.Second}).DialContext
		t.Proxy = http.ProxyFromEnvironment
	}
	return &http.Client{Transport: whole{t}}
}

// whole is a round tripper that hands requests on with their bodies in memory.
type whole struct{ *http.Transport }

// RoundTrip carries out one request.
func (w whole) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		return w.Transport.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	r.Body.Close()
	if err != nil {
		return nil, fmt.Errorf("read the body of a request: %w", err)
	}
	own := *r // a round tripper must not change what it is given
	own.Body, own.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return w.Transport.RoundTrip(&own)
}
