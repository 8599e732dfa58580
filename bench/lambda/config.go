package lambda

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

// Config says what to run and how. The zero value of each field but Command is
// the default; with Start, Command is not needed.
type Config struct {
	Program                     // what to run; Command is looked up in PATH like a shell does, Dir "" is that of the binary
	Env          []string       // K=V beside what Lambda sets; reserved names are refused
	FunctionName string         // "": StreamProcessor
	Region       string         // "": us-east-1
	Timeout      time.Duration  // of one invocation, at most 900 s; 0: 3 s, as Lambda's default
	Concurrency  int            // processes, and invocations at once; 0: 1
	MemoryMB     int            // a process with its descendants is killed above it; 0: no limit, and the function is told 128
	Async        bench.Async    // rules of InvokeAsync; see NewQueue for the defaults
	Log          io.Writer      // the children's output, line by line; nil: nowhere
	Injector     bench.Injector // nil: no faults
	Observer     bench.Observer // nil: nobody
	Clock        clock.Clock    // nil: the wall clock
	AsyncClock   clock.Clock    // by which asynchronous events wait and age; nil: Clock. Whoever lets it jump calls TimePassed
	Seed         uint64         // of request and trace ids; another one for each host on the same Keeper
	Keeper       Keeper         // of asynchronous events; nil: they die with the host
	// OnFailure is the destination that Async.OnFailure asks for, called by many at
	// a time. An error means that it has not taken the record: the event is lost.
	OnFailure func(ctx context.Context, record InvocationRecord) error

	// Listen opens the listener of a process's Runtime API; nil: on a loopback
	// port. Start starts an execution environment with the environment
	// variables that it has; nil: a process of the operating system that runs
	// Command. Both are for a function that lives in the caller's memory.
	Listen func() (net.Listener, error)
	Start  func(env []string) (Child, error)
}

const (
	defaultTimeout = 3 * time.Second
	defaultMemory  = 128               // MB, that a function without a limit is told
	maxTimeout     = 900 * time.Second // https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
	maxEnv         = 4 << 10           // bytes of Env, names and values; the same page
	// initLimit bounds the time from the start of a process to its first
	// request for work
	// (https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html).
	initLimit = 10 * time.Second
)

// withDefaults fills in the zero values.
func (c Config) withDefaults() Config {
	c.Handler = cmp.Or(c.Handler, entryPoint)
	c.FunctionName = cmp.Or(c.FunctionName, "StreamProcessor")
	c.Region = cmp.Or(c.Region, "us-east-1")
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Concurrency == 0 {
		c.Concurrency = 1
	}
	if c.Log == nil {
		c.Log = io.Discard
	}
	if c.Injector == nil {
		c.Injector = bench.NoFaults{}
	}
	if c.Observer == nil {
		c.Observer = bench.NoObserver{}
	}
	if c.Clock == nil {
		c.Clock = clock.Real{}
	}
	if c.AsyncClock == nil {
		c.AsyncClock = c.Clock
	}
	if c.Listen == nil {
		c.Listen = func() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }
	}
	return c
}

// Validate returns everything that is wrong with the configuration, joined, or
// nil. It does not touch the file system: a binary that is not there shows in
// Warm, or in the answer of the first invocation, as it does on AWS.
func (c Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Start == nil && (len(c.Command) == 0 || c.Command[0] == "") {
		bad("command: empty; give the path of the function's binary")
	}
	if c.Timeout < 0 || c.Timeout > maxTimeout {
		bad("timeout: %v; want up to %v, or 0 for %v", c.Timeout, maxTimeout, defaultTimeout)
	}
	if c.Concurrency < 0 || c.Concurrency > maxProcess {
		bad("concurrency: %d; want 1 to %d, or 0 for 1", c.Concurrency, maxProcess)
	}
	if c.MemoryMB < 0 {
		bad("memory: %d MB; want a positive number, or 0 for no limit", c.MemoryMB)
	}
	if c.MemoryMB > 0 && !CanLimitMemory() {
		bad("memory: %d MB; this system does not say how much memory a process holds, so no limit can be kept; leave it out", c.MemoryMB)
	}
	size := 0
	for _, kv := range c.Env {
		size += len(kv)
		name, _, ok := strings.Cut(kv, "=")
		switch {
		case !ok || name == "":
			bad("env: %q; want NAME=VALUE", kv)
		case reserved(name):
			bad("env: %s is set by Lambda itself; leave it out", name)
		}
	}
	if size > maxEnv {
		bad("env: %d bytes in all, at most %d are allowed", size, maxEnv)
	}
	if _, err := NewQueue(c.Async); err != nil {
		errs = append(errs, err)
	}
	if c.Async.OnFailure != "" && c.OnFailure == nil {
		bad("OnFailure: missing, and async.onFailure asks for it")
	}
	return errors.Join(errs...)
}
