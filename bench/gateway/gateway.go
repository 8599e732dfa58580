// Package gateway is the API of the system under test: it takes a request over
// HTTP and does what an API Gateway REST API would do with it.
//
//	streams          POST ─► mapping template ─► PutItem          ─► 200, or the mapped error
//	sync             POST ─► proxy event      ─► Invoke, wait     ─► the function's own answer
//	fire-and-forget  POST ─► proxy event      ─► Invoke as Event  ─► 202 once it is queued
//
// In streams there is no code between client and table: the template writes the
// PutItem request and the gateway posts it, signed, with nothing understood of
// it. So a template that breaks on a quote breaks here as it would on AWS.
//
// What the client is told decides what may be called a loss, hence the status
// mapping is strict by default: whatever leaves open what happened is a 5xx. In
// streams the reverse holds too, as a definite "not written" of DynamoDB is a
// 4xx; behind a function it does not, since a REST API also says 500 when Lambda
// throttles. What API Gateway does where nobody thought of it, 200 for every
// error of DynamoDB, is there as StatusMapping "naive".
//
// The gateway never sends a request twice and never takes one back: when the
// client goes away the upstream call runs on, as it does on AWS. There are two
// fault places: the way between client and API, there and back, and the moment
// between the upstream's answer and ours.
package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

// Config says what the gateway is in front of. Every field without a stated
// default must be given.
type Config struct {
	Architecture string        // bench.Streams, bench.Sync or bench.FireAndForget
	Settings     bench.Gateway // Path; the rest has defaults

	DynamoDB     string // URL of the DynamoDB endpoint, for streams
	Invoke       string // base URL of the Lambda Invoke API, for the other two
	FunctionName string // for the other two
	ItemsTable   string // for streams
	Region       string

	AccessKeyID     string
	SecretAccessKey string

	// Dial opens the connections to the upstream; default: those of the
	// machine's network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	Injector bench.Injector // default bench.NoFaults
	Clock    clock.Clock    // default clock.Real
	Random   uint64         // seed of the request ids; they repeat with the seed
}

// request is one call of a client, accepted at the door.
type request struct {
	id   string
	http *http.Request
	body []byte // UTF-8
}

// answer is what the client will get.
type answer struct {
	status int
	header http.Header // may be nil: JSON
	body   []byte
}

// integration is what stands behind the route: it writes the upstream request
// and reads the upstream's response.
type integration interface {
	// call writes the upstream request, or says why there is none.
	call(r request) (call, *gatewayResponse)
	// answer maps a response that was read to its end.
	answer(r request, status int, header http.Header, body []byte) answer
}

// gateway is the handler that New makes.
type gateway struct {
	path        string
	integration integration
	upstream    *upstream
	timeout     time.Duration
	bucket      *bucket
	clock       clock.Clock
	injector    bench.Injector
	seed        uint64
	count       atomic.Uint64 // requests accepted so far
	defect      defect
	taken       atomic.Uint64 // requests that lose-nth has counted
}

// New makes the API's handler. Its error joins everything that is wrong with
// the configuration. The handler is safe for concurrent use, and wants a
// server that speaks HTTP/1.1: gateway.cut needs the connection.
func New(c Config) (http.Handler, error) {
	c.Settings = withDefaults(c.Settings)
	if c.Injector == nil {
		c.Injector = bench.NoFaults{}
	}
	if c.Clock == nil {
		c.Clock = clock.Real{}
	}
	if err := errors.Join(c.validate()...); err != nil {
		return nil, fmt.Errorf("make gateway: %w", err)
	}
	g := &gateway{
		path: c.Settings.Path, timeout: c.Settings.IntegrationTimeout, bucket: newBucket(c.Settings.Throttle, c.Clock.Now()),
		clock: c.Clock, injector: c.Injector, seed: c.Random, upstream: newUpstream(c),
	}
	g.defect, _ = parseDefect(c.Settings.Defect) // validated
	if c.Architecture == bench.Streams {
		g.integration = newPutItem(c)
	} else {
		g.integration = newInvoke(c)
	}
	return g, nil
}

// tableName is DynamoDB's rule, which also keeps the name from breaking out of
// the JSON string that a template puts it in.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
var tableName = regexp.MustCompile(`^[a-zA-Z0-9_.-]{3,255}$`)

// validate reports everything that New would fall over later. It knows only
// the fields that the architecture uses.
func (c Config) validate() (errs []error) {
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	errs = CheckSettings(c.Settings)
	base := func(what, s string) {
		if u, err := url.Parse(s); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			bad("%s %q: want a URL such as http://127.0.0.1:8000", what, s)
		}
	}
	switch c.Architecture {
	case bench.Streams:
		base("dynamodb endpoint", c.DynamoDB)
		if !tableName.MatchString(c.ItemsTable) {
			bad("items table %q: want 3 to 255 of a-z, A-Z, 0-9, '_', '-' and '.'", c.ItemsTable)
		}
	case bench.Sync, bench.FireAndForget:
		base("invoke endpoint", c.Invoke)
		if c.FunctionName == "" {
			bad("function name: it is empty")
		}
	default:
		bad("architecture %q: want one of %s", c.Architecture, strings.Join(bench.Architectures(), ", "))
	}
	if c.Region == "" {
		bad("region: it is empty")
	}
	if c.AccessKeyID == "" || c.SecretAccessKey == "" {
		bad("credentials: access key id and secret access key are needed to sign; a local endpoint takes any")
	}
	return errs
}

// ServeHTTP answers one request.
func (g *gateway) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	s := g.injector.Ask(bench.Op{Place: bench.PlaceClient, Name: "Request"})
	onReturn := s.When == bench.AfterCommit
	if !onReturn && !g.arrives(w, hr, s) {
		return
	}
	r, a, cut := g.serve(w, hr)
	if cut || onReturn && !g.returns(w, hr, s) {
		return
	}
	send(w, r, a)
}

// serve does the API's work on a request that has come, and gives the answer; cut
// says that nobody can hear it any more.
func (g *gateway) serve(w http.ResponseWriter, hr *http.Request) (r request, a answer, cut bool) {
	r, refused := g.accept(w, hr)
	if refused != nil {
		return r, refused.answer(), false
	}
	a, acted := g.act(r)
	if !acted {
		return r, a, false
	}
	cut, other := g.strike(w, hr, r)
	if other != nil {
		a = *other
	}
	return r, a, cut
}

// integrate has the upstream act, and gives the answer to the client; acted says
// that it is the upstream's own.
func (g *gateway) integrate(r request) (a answer, acted bool) {
	c, refused := g.integration.call(r)
	if refused != nil {
		return refused.answer(), false
	}
	// A client that goes away takes nothing back: AWS lets the integration
	// finish, and so a request without an answer may well be stored. Neither
	// does the time-out, which ends our waiting and not what DynamoDB is doing.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.http.Context()), g.timeout)
	defer cancel()
	status, header, body, err := g.upstream.post(ctx, c)
	if err != nil {
		failed := integrationFailure
		if errors.Is(err, context.DeadlineExceeded) {
			failed = integrationTimeout
		}
		return failed.answer(), false
	}
	return g.integration.answer(r, status, header, body), true
}

// accept checks route, headers, rate and size, and reads the body. Whoever is
// refused here can be sure that nothing was written, so that all of it is 4xx.
func (g *gateway) accept(w http.ResponseWriter, hr *http.Request) (request, *gatewayResponse) {
	r := request{id: g.newID(), http: hr}
	switch {
	case hr.URL.Path != g.path || hr.Method != http.MethodPost:
		// What API Gateway says to any method and path that it has no route for.
		return r, &missingAuthenticationToken
	case headerLength(hr.Header) > MaxHeaders:
		return r, &headersTooLarge
	case !g.bucket.take(g.clock.Now()):
		return r, &throttledResponse
	case hr.ContentLength > MaxBody:
		return r, &requestTooLarge
	}
	var buf bytes.Buffer
	buf.Grow(int(max(hr.ContentLength, 0)) + bytes.MinRead) // in one piece; -1: unknown
	if _, err := buf.ReadFrom(http.MaxBytesReader(w, hr.Body, MaxBody)); err != nil {
		if _, tooLong := errors.AsType[*http.MaxBytesError](err); tooLong {
			return r, &requestTooLarge
		}
		g := badRequestBody("Could not read the request body")
		return r, &g
	}
	r.body = buf.Bytes()
	if !utf8.Valid(r.body) {
		// JSON is UTF-8; what is not must not reach the table as other bytes
		// than the client's, nor break the upstream's own JSON.
		g := badRequestBody("Request body is not UTF-8")
		return r, &g
	}
	return r, nil
}

// headerLength is how long names and values of the headers are, in bytes.
func headerLength(h http.Header) int {
	n := 0
	for k, values := range h {
		for _, v := range values {
			n += len(k) + len(v)
		}
	}
	return n
}

// newID makes a request id in the form of a version 4 UUID. It is a function of
// seed and count: a gateway that is started anew in the same run needs another
// seed, or a template that uses $context.requestId as key would overwrite items.
func (g *gateway) newID() string {
	n := g.count.Add(1) - 1
	hi, lo := clock.Bits(g.seed, "gateway request id, high", n), clock.Bits(g.seed, "gateway request id, low", n)
	hi = hi&^0xf000 | 0x4000
	lo = lo&^(3<<62) | 2<<62
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", hi>>32, hi>>16&0xffff, hi&0xffff, lo>>48, lo&(1<<48-1))
}

// send writes the answer. A write error means that the client is gone, which
// is the client's to notice.
func send(w http.ResponseWriter, r request, a answer) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	for k, v := range a.header {
		h[k] = v
	}
	h.Set("X-Amzn-Requestid", r.id)
	w.WriteHeader(a.status)
	_, _ = io.Copy(w, bytes.NewReader(a.body))
}
