package dynamo

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

// maxBody is how long a request may be: that of a full BatchWriteItem.
const maxBody = 16 << 20

// strikeThrottle is the one kind of strike that the table knows: the operation
// is refused before it does anything.
const strikeThrottle = "table.throttle"

// ServerOptions configure the HTTP face of an engine.
type ServerOptions struct {
	Engine *Engine
	Clock  clock.Clock // nil: the wall clock

	// Injector is asked at bench.PlaceTable, under the operation's name, before
	// an operation on the items of ItemsTable begins; once for a batch or
	// transaction that touches it. Nil: no faults.
	Injector   bench.Injector
	ItemsTable string

	// Observer is told of every stream record, within the step that commits it
	// and in the order of its shard. Nil: nobody is.
	Observer bench.Observer

	// Wrote is called once for each table that an operation has written to,
	// after the commit and before the answer is sent. It may hold the answer
	// back, or see to it that nobody is left to read it. Nil: not called.
	Wrote func(Write)
}

// server is the handler.
type server struct {
	ServerOptions
	ids        uint64 // seed of request ids
	requests   atomic.Uint64
	executions sync.Pool
}

// NewServer makes the handler that speaks DynamoDB's wire protocol: JSON 1.0,
// the operation in X-Amz-Target, errors as JSON with status 400 or 500. Any
// credentials are accepted and no signature is verified; a request without any
// is refused, as a client that forgot them would find out too late.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.LowLevelAPI.html
func NewServer(o ServerOptions) http.Handler {
	if o.Clock == nil {
		o.Clock = clock.Real{}
	}
	if o.Injector == nil {
		o.Injector = bench.NoFaults{}
	}
	if o.Observer != nil {
		o.Engine.Observe(o.Observer)
	}
	return &server{ServerOptions: o, ids: clock.Bits(o.Engine.options.Seed, "requests", 0), executions: sync.Pool{New: func() any { return new(execution) }}}
}

// Headers that are always the same, and those of the answer {}, which is that of
// nearly all writes.
var (
	contentType = []string{"application/x-amz-json-1.0"}
	serverName  = []string{"Server"} // what the service calls itself
	emptyLength = []string{"2"}
	emptyCRC    = []string{strconv.FormatUint(uint64(crc32.ChecksumIEEE([]byte("{}"))), 10)}
)

// ServeHTTP answers one request.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h["Server"] = serverName
	h["X-Amzn-Requestid"] = []string{string(s.appendID(make([]byte, 0, 52)))}
	if r.Method == http.MethodGet && r.URL.Path == "/" {
		// What the service says to whoever only wants to know if it is there.
		fmt.Fprintf(w, "healthy: %s ", r.Host)
		return
	}
	x := s.execution()
	defer s.executions.Put(x)
	status, body := x.answer(s.serve(x, r))
	h["Content-Type"] = contentType
	if string(body) == "{}" {
		h["Content-Length"], h["X-Amz-Crc32"] = emptyLength, emptyCRC
	} else {
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
		h["X-Amz-Crc32"] = []string{strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10)}
	}
	w.WriteHeader(status)
	w.Write(body) // the client is gone if it fails, and will find that out itself
}

// execution gives one that is ready for a request; its user puts it back.
func (s *server) execution() *execution {
	x := s.executions.Get().(*execution)
	x.reset()
	return x
}

// answer is the status and the body that go back.
func (x *execution) answer(err *Error) (int, []byte) {
	if err != nil {
		return err.Status, err.body()
	}
	return http.StatusOK, x.w.b
}

func (s *server) serve(x *execution, r *http.Request) *Error {
	op, caller, err := admit(r.Method, r.Header.Get("X-Amz-Target"), r.Header.Get("Authorization"))
	if err != nil {
		return err
	}
	if err := x.read(r); err != nil {
		return err
	}
	return s.perform(x, op, caller, x.body)
}

// admit finds out what is asked for, and by whom.
func admit(method, target, authorization string) (*operation, string, *Error) {
	op, err := operationOf(method, target)
	if err != nil {
		return nil, "", err
	}
	caller, err := accessKeyID(authorization)
	return op, caller, err
}

// perform runs an operation. The body must not change meanwhile.
func (s *server) perform(x *execution, op *operation, caller string, body []byte) *Error {
	if err := x.req.decode(op, body); err != nil {
		return err.frame(op)
	}
	if err := s.strike(&x.req); err != nil {
		return err
	}
	if err := s.Engine.run(s.Clock.Now(), x); err != nil {
		return err.frame(op)
	}
	if s.Wrote != nil {
		for _, wr := range x.writes {
			wr.AccessKeyID = caller
			s.Wrote(wr)
		}
	}
	return nil
}

// read reads the request's body into the execution's buffer. A client may have
// compressed it.
func (x *execution) read(r *http.Request) *Error {
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
		return x.readPlain(r)
	case "gzip":
		return x.expand(gzip.NewReader(r.Body))
	case "deflate":
		return x.expand(zlib.NewReader(r.Body))
	default:
		return errEncoding(fmt.Errorf("Content-Encoding %.40q is none of gzip and deflate", encoding))
	}
}

// expand reads what comes out of a decompressor. The limit is that of the plain
// body, whatever the size on the wire.
func (x *execution) expand(r io.Reader, err error) *Error {
	if err != nil {
		return errEncoding(err)
	}
	b := bytes.NewBuffer(x.body)
	_, err = b.ReadFrom(io.LimitReader(r, maxBody+1))
	x.body = b.Bytes()
	switch {
	case err != nil:
		return errEncoding(err)
	case len(x.body) > maxBody:
		return errTooLong()
	}
	return nil
}

// errEncoding is what the service says of a body that it cannot decompress: it takes
// that for a fault of its own.
func errEncoding(err error) *Error {
	return &Error{Status: 500, Code: codeInternal, Message: "decompress request: " + err.Error()}
}

func (x *execution) readPlain(r *http.Request) *Error {
	if r.ContentLength > maxBody {
		return errTooLong()
	}
	if n := int(r.ContentLength); n > cap(x.body) {
		x.body = make([]byte, 0, n+n/4+512) // the next one may be a little longer
	}
	for {
		if len(x.body) == cap(x.body) {
			x.body = append(x.body, 0)[:len(x.body)]
		}
		n, err := r.Body.Read(x.body[len(x.body):cap(x.body)])
		x.body = x.body[:len(x.body)+n]
		switch {
		case len(x.body) > maxBody:
			return errTooLong()
		case err == io.EOF || err == nil && len(x.body) == int(r.ContentLength):
			return nil
		case err != nil:
			return refuse(codeSerialization, "read request: %s", err)
		}
	}
}

func errTooLong() *Error {
	return &Error{Status: 413, Code: "RequestEntityTooLargeException", Message: "the request is longer than 16 MB"}
}

// strike asks the injector about an operation on the items table.
func (s *server) strike(req *request) *Error {
	if !req.op.data || s.ItemsTable == "" || !req.touches(s.ItemsTable) {
		return nil
	}
	strike := s.Injector.Ask(bench.Op{Place: bench.PlaceTable, Name: req.op.name})
	switch strike.Kind {
	case "":
		return nil
	case strikeThrottle:
		s.Injector.Struck(strike)
		return refuse(codeThroughput, "The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning level with the UpdateTable API.")
	}
	return &Error{Status: 500, Code: codeInternal, Message: fmt.Sprintf("the table does not know the fault kind %q", strike.Kind)}
}

// operationOf finds the operation and holds it against its service.
func operationOf(method, target string) (*operation, *Error) {
	service, name, _ := strings.Cut(target, ".")
	op := operations[name]
	known := op != nil && (op.streams && service == "DynamoDBStreams_20120810" || !op.streams && service == "DynamoDB_20120810")
	if method != http.MethodPost || !known {
		return nil, refuse(codeUnknownOperation, "The embedded DynamoDB has no operation %.80q", target)
	}
	return op, nil
}

// accessKeyID reads who is calling from a Signature Version 4 header:
// AWS4-HMAC-SHA256 Credential=AKID/date/region/service/aws4_request, ...
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
func accessKeyID(authorization string) (string, *Error) {
	if authorization == "" {
		return "", refuse(codeMissingToken, "Request must contain either a valid (registered) AWS access key ID or X.509 certificate.")
	}
	rest, ok := strings.CutPrefix(authorization, "AWS4-HMAC-SHA256 ")
	_, rest, found := strings.Cut(rest, "Credential=")
	id, _, slash := strings.Cut(rest, "/")
	if !ok || !found || !slash || id == "" {
		return "", refuse(codeIncompleteSignature, "Authorization header requires 'Credential' parameter. Authorization=%.80s", authorization)
	}
	return id, nil
}

// appendID appends the id of the next request: 52 characters, as the service's have.
func (s *server) appendID(b []byte) []byte {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
	n := s.requests.Add(1)
	var word uint64
	for i := range 52 {
		if i%12 == 0 { // a word has bits for 12 letters
			word = clock.Bits(s.ids, "", n*5+uint64(i/12))
		}
		b = append(b, letters[word>>(5*(i%12))&31])
	}
	return b
}

// NewTransport makes a round tripper that calls the handler in the caller's
// goroutine, without a socket: the same code for a fraction of the cost. A
// request whose context has ended is not begun; one that has begun is finished.
func NewTransport(h http.Handler) http.RoundTripper { return transport{h} }

type transport struct{ handler http.Handler }

// RoundTrip runs one request.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil { // allowed to a client, and not to a handler
		r = r.WithContext(r.Context())
		r.Body = http.NoBody
	}
	defer r.Body.Close()
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	rec := &recorder{header: http.Header{}, status: http.StatusOK}
	t.handler.ServeHTTP(rec, r)
	return &http.Response{
		Status: strconv.Itoa(rec.status) + " " + http.StatusText(rec.status), StatusCode: rec.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: rec.header, ContentLength: int64(rec.body.Len()), Body: io.NopCloser(&rec.body), Request: r,
	}, nil
}

// recorder takes down an answer.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header gives the header to be filled in.
func (r *recorder) Header() http.Header { return r.header }

// WriteHeader sets the status.
func (r *recorder) WriteHeader(status int) { r.status = status }

// Write takes part of the body.
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }
