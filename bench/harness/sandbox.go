package harness

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	runtimeclient "github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/ackproof/ackproof/bench/lambda"
	"github.com/ackproof/ackproof/bench/local"
	"github.com/ackproof/ackproof/bench/sdk"
)

// Env is what a sandbox is given, for the handler that is made for it.
type Env struct {
	// AWS reaches the run's DynamoDB, with credentials that are this sandbox's
	// own: dynamodb.NewFromConfig(env.AWS). A client of it is dead when the
	// sandbox is, so each sandbox makes its own.
	AWS aws.Config
	// ItemsTable is the table that the stream is of, ResultsTable the one in
	// which the judge looks for effects: one row an item, see ackproof's README.
	ItemsTable, ResultsTable string

	vars map[string]string
}

// Getenv gives an environment variable as a Lambda process would find it: those
// that Lambda sets, ITEMS_TABLE, RESULTS_TABLE, and the scenario's
// processor.env. Nothing of it is in the environment of this process, which all
// sandboxes share. Without such a variable it is "".
func (e Env) Getenv(name string) string { return e.vars[name] }

// newEnv reads the environment variables of a sandbox.
func newEnv(vars []string, dial local.Dial) Env {
	e := Env{vars: map[string]string{}}
	for _, kv := range vars {
		name, value, _ := strings.Cut(kv, "=")
		e.vars[name] = value
	}
	e.ItemsTable, e.ResultsTable = e.vars["ITEMS_TABLE"], e.vars["RESULTS_TABLE"]
	e.AWS = aws.Config{
		Region:       e.vars["AWS_REGION"],
		BaseEndpoint: aws.String(e.vars["AWS_ENDPOINT_URL_DYNAMODB"]),
		Credentials: credentials.NewStaticCredentialsProvider(
			e.vars["AWS_ACCESS_KEY_ID"], e.vars["AWS_SECRET_ACCESS_KEY"], e.vars["AWS_SESSION_TOKEN"]),
		HTTPClient: sdk.HTTPClient(dial),
	}
	return e
}

// function starts the sandboxes of a run.
type function struct {
	make    func(Env) runtimeclient.Handler
	turn    chan struct{} // holds one: whoever has it may call make. No mutex, since make may wait for a timer
	started atomic.Int64
	living  sync.WaitGroup
}

func newFunction(newHandler func(Env) runtimeclient.Handler) *function {
	return &function{make: newHandler, turn: make(chan struct{}, 1)}
}

// start starts a sandbox.
func (f *function) start(vars []string, dial local.Dial) (lambda.Child, error) {
	s := &sandbox{number: int(f.started.Add(1)), network: dial, conns: map[net.Conn]bool{}, ended: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	f.living.Go(func() {
		// Also where the handler ends its goroutine, as t.FailNow does.
		defer s.end(lambda.Ending{Text: "exit status 1"})
		s.live(f, newEnv(vars, s.dial))
	})
	return s, nil
}

// patience is how long handlers may take to return after their sandbox has
// ended. It is for those that are on their way: one that never returns cannot
// be made to.
const patience = time.Second

// wait waits until every handler has returned, but not for ever.
func (f *function) wait() {
	done := make(chan struct{})
	go func() { f.living.Wait(); close(done) }()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}

// sandbox is an execution environment: a goroutine that speaks the Runtime API
// and calls the handler, and the network as it is seen from there. It is a
// [lambda.Child].
type sandbox struct {
	number  int
	network local.Dial
	ctx     context.Context // ends with the sandbox
	cancel  context.CancelFunc
	ended   chan struct{}

	mu     sync.Mutex
	over   bool
	ending lambda.Ending
	conns  map[net.Conn]bool
}

// firstPID is above all that a system gives to its processes (Linux: 1<<22), so
// that no signal which is meant for a sandbox can ever reach a process.
const firstPID = 1 << 30

// PID is the number of the sandbox, counted from firstPID.
func (s *sandbox) PID() int { return firstPID + s.number }

// Wait waits until the sandbox has ended, which its goroutine may outlive.
func (s *sandbox) Wait() lambda.Ending {
	<-s.ended
	return s.ending
}

// Kill cuts the sandbox off.
func (s *sandbox) Kill() { s.end(lambda.Ending{Text: "signal: killed", Killed: true}) }

// Terminate cuts it off too: SIGTERM is for functions that have registered an
// extension, and a handler cannot.
func (s *sandbox) Terminate() { s.Kill() }

// end ends the sandbox, once: the first cause counts. From then on nothing that
// its goroutine does reaches the other parts.
func (s *sandbox) end(how lambda.Ending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	s.over, s.ending = true, how
	s.cancel()
	for c := range s.conns {
		c.Close()
	}
	close(s.ended)
}

// errDead is what a client of a dead sandbox gets.
var errDead = errors.New("this sandbox has ended, and its clients with it: make them in the function that makes the handler, so that each sandbox has its own")

// dial opens a connection that lasts no longer than the sandbox.
func (s *sandbox) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := s.network(ctx, network, address)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		c.Close()
		return nil, fmt.Errorf("sandbox %d: %w", s.number, errDead)
	}
	s.conns[c] = true
	return &conn{Conn: c, sandbox: s}, nil
}

// conn is a connection of a sandbox.
type conn struct {
	net.Conn
	sandbox *sandbox
}

// Close closes the connection, and the sandbox need not do it any more.
func (c *conn) Close() error {
	c.sandbox.mu.Lock()
	delete(c.sandbox.conns, c.Conn)
	c.sandbox.mu.Unlock()
	return c.Conn.Close()
}
