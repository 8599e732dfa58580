// Package harness is the engine as a library, for Go tests: hand over a Lambda
// handler and a scenario, get the verdict.
//
//	func TestNothingIsLost(t *testing.T) {
//		synctest.Test(t, func(t *testing.T) {
//			harness.Check(t, newHandler, harness.Options{Scenario: "crash"})
//		})
//	}
//
// [Run] is all there is; [Check] fails a test over what Run finds.
//
// A run is the one of the command line, judged by the same judge from the same
// files: requests go through an API to a DynamoDB table, its stream is handed to
// the handler under the rules of Lambda's event source mapping, faults strike,
// and every single request is accounted for. But no process is started and no
// port is opened. All parts live in this process, and the handler is called in
// it, so that a debugger, the race detector and a coverage profile see it.
//
// # Time
//
// A run takes as long as its scenario, 20 seconds and more for the built-in
// ones. Inside a bubble of testing/synctest it takes as long as it computes: what
// waits, waits in the bubble's time. Everything between the client and the
// handler is made for that. The handler keeps to the rules of the bubble: time
// stands still while it waits for something outside, such as a socket, or for a
// mutex. One that cannot is run outside of a bubble.
//
// Either way the load, the system and the handler share the machine and the
// heap: a verdict holds, a latency is for orientation. The seed fixes what is
// sent and which operations are struck, and not the order in which goroutines
// run.
//
// # Sandboxes
//
// As Lambda does, a run starts execution environments, runs one invocation at a
// time in each, and starts another one when one has died. Here they are called
// sandboxes. Whatever is made for a sandbox is made in the function that makes
// its handler, as a Lambda function makes it before lambda.Start.
//
// A goroutine cannot be killed, hence a sandbox is killed by being cut off: from
// that moment on, its invocation's context has ended, its connections are closed,
// in the middle of an answer too, and nothing that it still does reaches the
// table. The mapping sees what it sees when a process dies (Runtime.ExitError).
// What differs from SIGKILL:
//
//   - Package variables are not wiped. What a dead sandbox has left in them, the
//     next one finds; a client that is kept there is dead with its sandbox.
//   - Code runs on until it looks at its context or uses the connection. What it
//     does besides DynamoDB has an effect.
//   - A handler that never returns keeps its goroutine, also after the run.
//
// os.Exit and log.Fatal in a handler end the test itself. A panic is caught,
// reported as aws-lambda-go reports it, and ends the sandbox, as there.
//
// For the real thing, a process and SIGKILL: ackproof run --processor.
package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/events"
	runtimeclient "github.com/aws/aws-lambda-go/lambda"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/local"
	"github.com/ackproof/ackproof/bench/run"
	"github.com/ackproof/ackproof/faults"
	"github.com/ackproof/ackproof/scenarios"
)

// Handler is a Lambda handler that takes events of type E, as lambda.Start of
// aws-lambda-go takes it: usually events.DynamoDBEvent.
type Handler[E, R any] = func(context.Context, E) (R, error)

// Options say what is run. The zero value is the built-in scenario crash, with
// a seed of its own, and leaves nothing behind.
type Options struct {
	// Scenario is the name of a built-in scenario or a file. "": crash.
	Scenario string
	// Set overrides values of the scenario, each as path=value:
	// "mapping.batchSize=10", `faults=["at 2s: processor.kill after-write 5"]`.
	Set []string
	// Architecture is streams, sync or fire-and-forget. "": the scenario's own.
	Architecture string
	// Rate, such as "200/s", and For replace the scenario's load. Zero: they do
	// not; one alone is refused.
	Rate string
	For  time.Duration
	// Seed decides what is sent, and what is struck. 0: a new one, which the
	// result names.
	Seed uint64
	// Dir is the folder in which the run directory is made: the ledger, both
	// final reads, result.json and all else that ackproof report and ackproof
	// reconcile read. "": a temporary one, which is removed. Check keeps it
	// where the test fails.
	Dir string
}

// Run carries out one run against the handlers that newHandler makes, one for
// each sandbox, and gives its result. newHandler is called by one goroutine at a
// time, the handlers are called concurrently, each with one event at a time.
//
// An error without a result is misuse, everything that is wrong at once: nothing
// was sent. An error beside a result says what went wrong while requests were
// under way, or that ctx has ended; the result is then what could still be
// judged, and never a pass.
func Run[E, R any](ctx context.Context, newHandler func(Env) Handler[E, R], o Options) (*bench.Result, error) {
	x, err := prepare(newHandler, o)
	if err != nil {
		return nil, err
	}
	result, _, err := x.do(ctx)
	return result, err
}

// experiment is one run that is known to make sense.
type experiment struct {
	scenario *scenarios.Scenario
	options  Options
	name     string // of the function that makes the handlers
	make     func(Env) runtimeclient.Handler
	dir      string // the run directory, once there is one
}

// prepare checks the options.
func prepare[E, R any](newHandler func(Env) Handler[E, R], o Options) (*experiment, error) {
	if o.Seed == 0 {
		o.Seed = clock.Entropy() >> 12 // 52 bits: exact in every JSON reader
	}
	s, err := o.scenario()
	if newHandler == nil {
		err = errors.Join(err, errors.New("there is no handler: newHandler is nil"))
	}
	if err == nil {
		err = accepts(reflect.TypeFor[E](), s.Architecture)
	}
	if err != nil {
		return nil, fmt.Errorf("harness: %w", err)
	}
	if !slices.Contains(s.Processor.Accepts, "proxy") {
		s.Processor.Accepts = append(slices.Clone(s.Processor.Accepts), "proxy") // the handler's type has been looked at
	}
	return &experiment{
		scenario: s, options: o, name: runtime.FuncForPC(reflect.ValueOf(newHandler).Pointer()).Name(),
		make: func(env Env) runtimeclient.Handler {
			handler := newHandler(env)
			if handler == nil {
				panic("the function that makes the handler has made none")
			}
			return runtimeclient.NewHandler(handler)
		},
	}, nil
}

// scenario loads the scenario, and says all that is wrong with the options.
func (o Options) scenario() (*scenarios.Scenario, error) {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	var rate scenarios.Rate
	switch {
	case o.For < 0:
		bad("Options.For is %v: want a duration above 0", o.For)
	case (o.Rate == "") != (o.For == 0):
		bad("Options.Rate and Options.For replace the scenario's load together: give both")
	case o.Rate != "":
		if err := rate.UnmarshalText([]byte(o.Rate)); err != nil {
			bad("Options.Rate: %w", err)
		}
	}
	if o.Architecture != "" && !slices.Contains(bench.Architectures(), o.Architecture) {
		bad("Options.Architecture is %q: want one of %q", o.Architecture, bench.Architectures())
	}
	name := o.Scenario
	if name == "" {
		name = scenarios.Default
	}
	s, err := scenarios.Load(name, o.Set)
	if err != nil || len(errs) > 0 {
		return nil, errors.Join(append(errs, err)...)
	}
	if o.Architecture != "" {
		s, err = s.WithArchitecture(o.Architecture)
	}
	if err == nil && o.Rate != "" {
		s, err = s.WithLoad(rate, o.For)
	}
	return s, err
}

// accepts refuses an architecture that hands the function other events than it
// takes. A type that is not one of the two is the caller's own affair.
func accepts(event reflect.Type, architecture string) error {
	want := reflect.TypeFor[events.APIGatewayProxyRequest]()
	if architecture == bench.Streams {
		want = reflect.TypeFor[events.DynamoDBEvent]()
	}
	known := event == reflect.TypeFor[events.APIGatewayProxyRequest]() || event == reflect.TypeFor[events.DynamoDBEvent]()
	if known && event != want {
		return fmt.Errorf("the handler takes %v, and the architecture %s hands it %v", event, architecture, want)
	}
	return nil
}

// do carries the experiment out. The series is what pictures are drawn from.
func (x *experiment) do(ctx context.Context) (result *bench.Result, series *bench.Series, err error) {
	out := x.options.Dir
	if out == "" {
		if out, err = os.MkdirTemp("", "ackproof-"); err != nil {
			return nil, nil, fmt.Errorf("harness: %w", err)
		}
		defer os.RemoveAll(out)
	}
	function := newFunction(x.make)
	target := local.NewInside(newFaults, function.start)
	r, err := run.Prepare(run.Options{
		Scenario: x.scenario, Target: target, Processor: x.name, Seed: x.options.Seed, Out: out, Version: version(), Clock: clock.Real{},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("harness: %w", err)
	}
	x.dir = r.Dir()
	_, err = r.Do(ctx)
	err = errors.Join(err, target.Stop())
	function.wait()
	if _, early := errors.AsType[run.NotStarted](err); early {
		r.Discard()
		return nil, nil, fmt.Errorf("harness: %w", err)
	}
	result, series, judgeErr := run.Judge(x.dir, run.JudgeOptions{})
	if err = errors.Join(err, judgeErr, ctx.Err()); err != nil {
		err = fmt.Errorf("harness: %w", err)
	}
	return result, series, err
}

func newFaults(seed uint64, texts []string) (local.Faults, error) {
	return faults.ParseSet(seed, texts)
}

// version is that of this module, as the go command recorded it.
func version() string {
	const path = "github.com/ackproof/ackproof"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range append(info.Deps, &info.Main) {
			if m.Path == path && m.Version != "" && m.Version != "(devel)" {
				return m.Version
			}
		}
	}
	return "devel"
}
