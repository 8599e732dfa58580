package local

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/dynamo"
	"github.com/ackproof/ackproof/bench/sdk"
)

const (
	// maxBody is how long a request may be: that of a full BatchWriteItem.
	maxBody = 16 << 20
	// forwardTimeout bounds one call of the engine behind. It runs on when the
	// client is gone: what has begun is finished, as in the service.
	forwardTimeout = 30 * time.Second
)

// strikeThrottle is the one kind of strike that a table knows.
const strikeThrottle = "table.throttle"

// proxy stands before an outside DynamoDB and does there what the embedded
// engine does itself: it throttles the items table when a fault says so, and
// tells of each write after it has been committed and before the caller hears
// of it. That moment is the only one at which "kill the processor after its
// tenth write" can be done, and it needs no hook in engine or processor.
//
//	gateway, processor, mapping, final reads ─► proxy ─► engine
//	                                             ├─► injector  before it is sent on
//	                                             └─► wrote     between success and answer
//
// It signs every request anew: engines that keep a database for each access key
// would else give each processor process one of its own.
type proxy struct {
	sdk.DynamoDB
	transport *http.Transport
	signer    *v4.Signer
	clock     clock.Clock
	injector  bench.Injector
	items     string // table
	wrote     func(dynamo.Write)
	tail      *tail        // nil: no stream is read
	writing   atomic.Int64 // requests that write and are under way
}

// refusal is an error answer of the wire protocol.
type refusal struct {
	status        int
	code, message string
}

// throttled is what a table says that has not enough throughput.
var throttled = refusal{http.StatusBadRequest, "ProvisionedThroughputExceededException", "The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning level with the UpdateTable API."}

// codeDenied is told by what looks at a request before the table does: it has a
// name space of its own, and spells the message in another way.
const codeDenied = "AccessDeniedException"

func (r refusal) body() []byte {
	space, message := "com.amazonaws.dynamodb.v20120810#", "message"
	if r.code == codeDenied {
		space, message = "com.amazon.coral.service#", "Message"
	}
	b, err := json.Marshal(map[string]string{"__type": space + r.code, message: r.message})
	if err != nil {
		panic("local: a text that cannot be encoded: " + err.Error()) // every text can
	}
	return b
}

// ServeHTTP answers one request.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	switch {
	case err != nil:
		return // the client is gone before it has asked
	case len(body) > maxBody:
		answer(w, refusal{http.StatusRequestEntityTooLarge, "RequestEntityTooLargeException", "the request is longer than 16 MB"})
		return
	}
	service, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if strings.HasPrefix(service, "DynamoDBStreams_") {
		p.pass(w, r, p.Streams, body)
		return
	}
	if slices.Contains([]string{"ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"}, op) {
		answer(w, refusal{http.StatusBadRequest, "UnknownOperationException", "PartiQL is not supported here: ackproof could not see what a statement writes"})
		return
	}
	req, ok := readRequest(op, body)
	if !ok { // the engine says what is wrong with it
		p.pass(w, r, p.Tables, body)
		return
	}
	if refused := p.strike(&req); refused != nil {
		answer(w, *refused)
		return
	}
	if len(req.writes) == 0 {
		p.pass(w, r, p.Tables, body)
		return
	}
	p.write(w, r, &req, body)
}

// strike asks the injector about an operation on the items table.
func (p *proxy) strike(req *request) *refusal {
	if !isData(req.op) || !req.touches(p.items) {
		return nil
	}
	strike := p.injector.Ask(bench.Op{Place: bench.PlaceTable, Name: req.op})
	switch strike.Kind {
	case "":
		return nil
	case strikeThrottle:
		p.injector.Struck(strike)
		return &throttled
	}
	return &refusal{http.StatusInternalServerError, "InternalServerError", fmt.Sprintf("the table does not know the fault kind %q", strike.Kind)}
}

// isData reports whether an operation is one on items, which can be throttled.
func isData(op string) bool {
	switch op {
	case "PutItem", "UpdateItem", "DeleteItem", "GetItem", "Query", "Scan", "BatchWriteItem", "BatchGetItem", "TransactWriteItems", "TransactGetItems":
		return true
	}
	return false
}

// pass sends a request on that writes nothing.
func (p *proxy) pass(w http.ResponseWriter, r *http.Request, url string, body []byte) {
	a, err := p.forward(r, url, body)
	if err != nil {
		answer(w, unreachable(err))
		return
	}
	a.send(w)
}

// write sends a request on that writes, and tells what has become of it.
func (p *proxy) write(w http.ResponseWriter, r *http.Request, req *request, body []byte) {
	p.writing.Add(1)
	defer p.writing.Add(-1)
	mine := slices.DeleteFunc(slices.Clone(req.writes), func(i itemWrite) bool { return i.table != p.items })
	p.tail.sent(mine)
	a, err := p.forward(r, p.Tables, body)
	switch {
	case err != nil:
		// Not sent at all, or nobody knows: then the stream has to tell.
		if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
			p.tail.refused(mine)
		}
		answer(w, unreachable(err))
		return
	case a.status == http.StatusOK:
		left := unprocessed(req.op, a.body)
		done := without(req.writes, left)
		p.tail.refused(slices.DeleteFunc(left, func(i itemWrite) bool { return i.table != p.items }))
		p.tail.answered(without(mine, left), p.clock.Now())
		caller := accessKeyID(r.Header.Get("Authorization"))
		for len(done) > 0 { // one call a table
			table := done[0].table
			rest := slices.DeleteFunc(slices.Clone(done), func(i itemWrite) bool { return i.table == table })
			p.wrote(dynamo.Write{AccessKeyID: caller, Table: table, Rows: len(done) - len(rest)})
			done = rest
		}
	case a.status < http.StatusInternalServerError:
		p.tail.refused(mine)
	}
	a.send(w)
}

// without gives the writes that are not among others.
func without(all, others []itemWrite) []itemWrite {
	return slices.DeleteFunc(slices.Clone(all), func(i itemWrite) bool { return slices.Contains(others, i) })
}

// upstreamAnswer is an answer of the engine, read to its end.
type upstreamAnswer struct {
	status int
	header http.Header
	body   []byte
}

// send hands it on. The client is gone if that fails, and will find out itself.
func (a upstreamAnswer) send(w http.ResponseWriter) {
	for name, values := range a.header {
		if strings.HasPrefix(name, "X-Amz") || name == "Content-Type" {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(a.status)
	w.Write(a.body)
}

// forward calls the engine once. net/http sends again on its own only what was
// not written at all; after any other error nobody knows whether it has acted.
func (p *proxy) forward(r *http.Request, url string, body []byte) (upstreamAnswer, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), forwardTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/", bytes.NewReader(body))
	if err != nil {
		return upstreamAnswer{}, err
	}
	for _, name := range []string{"Content-Type", "X-Amz-Target"} {
		req.Header[name] = r.Header[name]
	}
	credentials, err := p.Config.Credentials.Retrieve(ctx)
	if err != nil {
		return upstreamAnswer{}, err
	}
	sum := sha256.Sum256(body)
	if err := p.signer.SignHTTP(ctx, credentials, req, hex.EncodeToString(sum[:]), "dynamodb", p.Config.Region, p.clock.Now()); err != nil {
		return upstreamAnswer{}, err
	}
	resp, err := p.transport.RoundTrip(req)
	if err != nil {
		return upstreamAnswer{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err == nil && len(b) > maxBody {
		err = errors.New("the answer is longer than 16 MB")
	}
	return upstreamAnswer{resp.StatusCode, resp.Header, b}, err
}

// unreachable is what a client hears when the engine does not answer: what the
// service says when it does not know itself what has happened.
func unreachable(err error) refusal {
	return refusal{http.StatusInternalServerError, "InternalServerError", "the DynamoDB behind ackproof's proxy did not answer: " + err.Error()}
}

func answer(w http.ResponseWriter, r refusal) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(r.status)
	w.Write(r.body())
}

// accessKeyID reads who is calling from a Signature Version 4 header; empty: it
// does not say.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
func accessKeyID(authorization string) string {
	_, rest, _ := strings.Cut(authorization, "Credential=")
	id, _, _ := strings.Cut(rest, "/")
	return id
}

// position says how far the stream has been seen.
func (p *proxy) position(string) (ends []dynamo.ShardEnd, unseen, writing int) {
	ends, unseen = p.tail.position()
	return ends, unseen, int(p.writing.Load())
}

// behind is not known: it would have to be read.
func (p *proxy) behind(_, _, _ string) int64 { return -1 }

// look gives the ends of the shards as they are now.
func (p *proxy) look(ctx context.Context, _ string) ([]dynamo.ShardEnd, error) {
	return p.tail.look(ctx)
}
