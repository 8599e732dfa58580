package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/ackproof/ackproof/bench/clock"
)

// maxResponse bounds what is read of an upstream's response, in bytes: more
// than any the services give (Lambda: 6 MB).
const maxResponse = 10 << 20

// call is one request to the upstream.
type call struct {
	service string // for the signature: dynamodb or lambda
	url     string
	header  http.Header // owned by the call
	body    []byte
}

// upstream posts signed requests, each exactly once.
type upstream struct {
	transport   *http.Transport
	signer      *v4.Signer // caches the derived key of the day
	credentials aws.Credentials
	region      string
	clock       clock.Clock
}

// newUpstream makes a transport of its own: the default one is shared by the
// whole process and keeps two idle connections a host, so that under load most
// requests would pay for a dial.
func newUpstream(c Config) *upstream {
	if c.Dial == nil {
		c.Dial = (&net.Dialer{Timeout: 5 * time.Second}).DialContext
	}
	return &upstream{
		transport: &http.Transport{
			// No proxy, no compression, no HTTP/2: one call is one plain
			// exchange, and a connection is kept for each one in flight, so
			// that a dial is no part of the API's response time.
			DialContext:         c.Dial,
			MaxIdleConns:        0, // no bound
			MaxIdleConnsPerHost: 4096,
			IdleConnTimeout:     90 * time.Second,
			DisableCompression:  true,
		},
		signer:      v4.NewSigner(),
		credentials: aws.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, Source: "gateway"},
		region:      c.Region,
		clock:       c.Clock,
	}
}

// post sends the call once and reads the whole response. After an error it is
// not known whether the upstream has acted.
//
// It uses the transport, not a client, since a client follows redirects. The
// transport re-sends a request on its own only where it may read the body
// again, hence GetBody is nil. https://pkg.go.dev/net/http#Transport
func (u *upstream) post(ctx context.Context, c call) (status int, header http.Header, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(c.body))
	if err != nil {
		return 0, nil, nil, fmt.Errorf("make upstream request: %w", err)
	}
	req.GetBody = nil
	req.Header = c.header
	sum := sha256.Sum256(c.body)
	hash := hex.EncodeToString(sum[:])
	if err := u.signer.SignHTTP(ctx, u.credentials, req, hash, c.service, u.region, u.clock.Now()); err != nil {
		return 0, nil, nil, fmt.Errorf("sign upstream request: %w", err)
	}
	resp, err := u.transport.RoundTrip(req)
	if err != nil {
		return 0, nil, nil, fmt.Errorf("post to upstream: %w", err)
	}
	defer resp.Body.Close()
	// Read to the end, so that the connection can be used again.
	var buf bytes.Buffer
	buf.Grow(int(min(max(resp.ContentLength, 0), maxResponse)) + bytes.MinRead)
	n, err := buf.ReadFrom(io.LimitReader(resp.Body, maxResponse+1))
	if err == nil && n > maxResponse {
		err = errors.New("it is longer than 10 MiB")
	}
	if err != nil {
		return 0, nil, nil, fmt.Errorf("read upstream response: %w", err)
	}
	return resp.StatusCode, resp.Header, buf.Bytes(), nil
}
