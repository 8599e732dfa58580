package local

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/lambda"
)

// Function starts an execution environment of a function that lives in this
// process. It is given the environment variables of a Lambda process, and dial,
// which alone reaches the addresses that they name.
type Function func(env []string, dial Dial) (lambda.Child, error)

// Dial opens a connection, as net.Dialer.DialContext does.
type Dial = func(ctx context.Context, network, address string) (net.Conn, error)

// Inside is the local target inside this process: the same parts in goroutines
// instead of processes, and pipes in memory between them instead of sockets.
// Nothing is started and no port is opened, which is what a Go test wants, and
// all of it may live in a bubble of testing/synctest. The price is that load
// and system share one heap, so that its latencies mean little, and that an
// execution environment cannot be killed, only cut off: see [lambda.Child].
type Inside struct{ *Target }

var _ bench.Dialer = Inside{}

// NewInside makes a local target inside this process.
func NewInside(newFaults NewFaults, function Function) Inside {
	t := New(Options{NewFaults: newFaults})
	t.site = site{memory: newMemory(), function: function}
	return Inside{t}
}

// Name is "in-process".
func (Inside) Name() string { return "in-process" }

// Lacks names what it cannot do of a stack. Processor.Path is the function's
// name here, and no file.
func (i Inside) Lacks(stack bench.Stack) []string {
	stack.Processor.Path = ""
	lacks := i.Target.Lacks(stack)
	if stack.Processor.MemoryMB > 0 {
		lacks = append(lacks, "processor.memory: the function has no memory of its own in this process; leave it out")
	}
	return lacks
}

// DialContext reaches the endpoints that Start returns.
func (i Inside) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return i.site.memory.DialContext(ctx, network, address)
}

// site is where a part of the target is, and how it reaches the others. The zero
// value is a process of its own on the loopback network.
type site struct {
	memory   *memory
	function Function
	sockets  []*socket // handed to this part
}

// listen opens a listener on a loopback port (0: a free one), or in memory.
func (s site) listen(port int) (net.Listener, error) {
	if s.memory != nil {
		return s.memory.Listen()
	}
	return net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
}

// dial is nil on the loopback network.
func (s site) dial() Dial {
	if s.memory == nil {
		return nil
	}
	return s.memory.DialContext
}

// host makes the Lambda host run the function where it lives.
func (s site) host(cfg lambda.Config) lambda.Config {
	if s.function != nil {
		cfg.Listen = s.memory.Listen
		cfg.Start = func(env []string) (lambda.Child, error) { return s.function(env, s.dial()) }
	}
	return cfg
}

// spawn starts a part of the target, as a process or as a goroutine. Either way
// it is told a configuration, says when it is ready, tells its events in lines
// of JSON, and is moved over its control channel: what one can do, the other can.
//
// To kill a goroutine is to cancel it: its connections break off, and it writes
// nothing more down (see cloud.killed).
func (t *Target) spawn(ctx context.Context, exe, role, token string, config any, sockets []*socket, events func(bench.Event)) (*child, error) {
	if t.site.memory == nil {
		return spawn(ctx, exe, role, token, config, sockets, t.opts.Log, events)
	}
	var run func(ctx context.Context, faults Faults, out io.Writer) error
	var stack bench.Stack
	switch cfg := config.(type) {
	case cloudConfig:
		cfg.site.sockets = sockets
		stack, run = cfg.Stack, func(ctx context.Context, f Faults, out io.Writer) error { return runCloud(ctx, cfg, f, out) }
	case gatewayConfig:
		cfg.site.sockets = sockets
		stack, run = cfg.Stack, func(ctx context.Context, f Faults, out io.Writer) error { return runGateway(ctx, cfg, f, out) }
	default:
		panic(fmt.Sprintf("local: no part has a configuration of type %T", config))
	}
	faults, err := t.opts.NewFaults(stack.Seed, stack.Faults) // each part has a set of its own
	if err != nil {
		return nil, err
	}
	in, out := io.Pipe()
	part, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		err := run(part, faults, out)
		out.Close()
		ended <- err
	}()
	c := newChild(role, os.Getpid(), in)
	c.kill = func() { cancel(); in.Close() } // who still tells something is not kept waiting
	c.reap = func() error { return <-ended }
	abort := context.AfterFunc(ctx, c.kill)
	defer abort()
	return c, c.attach(func(url string) *control {
		return newControlOver(&http.Transport{DialContext: t.site.dial()}, url, token)
	}, events)
}
