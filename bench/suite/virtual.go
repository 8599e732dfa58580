package suite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/harness"
	"github.com/ackproof/ackproof/bench/processor"
)

// Virtual runs a cell with the built-in processor in this process, and holds what
// the judge has found against the table and against a witness of its own. In a
// bubble of testing/synctest it takes as long as it computes, about a third of a
// second; outside of one it takes as long as its scenario.
func (c Cell) Virtual(ctx context.Context, seed uint64) (Outcome, error) {
	set, err := c.Overrides()
	if err != nil {
		return Outcome{}, err
	}
	saw := &witness{ids: map[string]*testimony{}}
	newHandler := func(env harness.Env) harness.Handler[json.RawMessage, any] {
		cfg, err := processor.FromEnv(env.Getenv)
		if err != nil {
			panic(err) // reported as Lambda reports a function that cannot start
		}
		return processor.New(cfg, watched{dynamodb.NewFromConfig(env.AWS), saw}, clock.Real{}).Handle
	}
	result, err := harness.Run(ctx, newHandler, harness.Options{Scenario: Base, Set: set, Seed: seed})
	if err != nil {
		return Outcome{}, fmt.Errorf("%s of %s: %w", c.Probe, c.Configuration, err)
	}
	o := c.Judge(result)
	p, _ := ProbeNamed(c.Probe)
	o.Wrong = append(o.Wrong, saw.contradictions(p, result)...)
	return o, nil
}

// The standard library makes bubbles for tests alone: synctest.Test wants a
// *testing.T, and only a test's main makes one. So a copy of the executable
// becomes a test's main, with each cell as a test, and tells its outcomes on its
// standard output, a line of JSON each. What the testing package itself prints is
// not for anybody.

// childEnv is the environment variable that makes a copy of the executable run
// cells.
const childEnv = "ACKPROOF_VIRTUAL"

// job is what the copy is told on its standard input.
type job struct {
	Seed  uint64
	Cells []Cell
}

// line is what it tells of one cell.
type line struct {
	Outcome Outcome
	Error   string
}

// Main runs cells and ends the process where the environment asks for it. Else it
// does nothing. Whoever calls [RunVirtual] must call it first thing in main.
func Main() {
	if os.Getenv(childEnv) == "" {
		return
	}
	os.Unsetenv(childEnv)
	var j job
	if err := json.NewDecoder(os.Stdin).Decode(&j); err != nil {
		fmt.Fprintln(os.Stderr, "ackproof selftest: read the cells:", err)
		os.Exit(1)
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		fmt.Fprintln(os.Stderr, "ackproof selftest:", err)
		os.Exit(1)
	}
	out := json.NewEncoder(os.Stdout)
	os.Stdout, os.Args = null, os.Args[:1] // the testing package reads flags and prints
	log.SetOutput(io.Discard)              // and so do the processors
	var mu sync.Mutex
	cells := testing.InternalTest{Name: "cells", F: func(t *testing.T) {
		for _, c := range j.Cells {
			t.Run(c.Configuration+" "+c.Probe, func(t *testing.T) {
				t.Parallel()
				var l line
				synctest.Test(t, func(t *testing.T) {
					o, err := c.Virtual(t.Context(), j.Seed)
					if l.Outcome = o; err != nil {
						l.Outcome.Cell, l.Error = c, err.Error()
					}
				})
				mu.Lock()
				defer mu.Unlock()
				if err := out.Encode(l); err != nil {
					panic(err) // nobody listens any more
				}
			})
		}
	}}
	testing.Main(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{cells}, nil, nil)
}

// RunVirtual runs cells in the time of bubbles, as many at once as there are CPUs,
// in a copy of this executable. It tells each outcome as it comes, from one
// goroutine. An error means that not all could be run.
func RunVirtual(ctx context.Context, seed uint64, cells []Cell, stderr io.Writer, tell func(Outcome)) error {
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("run cells: %w", err)
	}
	in, out := io.Pipe()
	child := exec.CommandContext(ctx, exe)
	child.Env = append(os.Environ(), childEnv+"=1")
	child.Stdin, child.Stderr = in, stderr
	stdout, err := child.StdoutPipe()
	if err != nil {
		return fmt.Errorf("run cells: %w", err)
	}
	if err := child.Start(); err != nil {
		return fmt.Errorf("run cells: %w", err)
	}
	go func() { out.CloseWithError(json.NewEncoder(out).Encode(job{seed, cells})) }()
	told, errs := 0, []error(nil)
	for lines := json.NewDecoder(stdout); ; told++ {
		var l line
		if err := lines.Decode(&l); err != nil {
			if !errors.Is(err, io.EOF) {
				errs = append(errs, fmt.Errorf("read an outcome: %w", err))
			}
			break
		}
		if l.Error != "" {
			errs = append(errs, errors.New(l.Error))
			continue
		}
		tell(l.Outcome)
	}
	in.Close()
	if err := child.Wait(); err != nil {
		errs = append(errs, fmt.Errorf("run cells: %w", err))
	}
	if told != len(cells) {
		errs = append(errs, fmt.Errorf("%d of %d cells have told their outcome", told, len(cells)))
	}
	return errors.Join(append(errs, ctx.Err())...)
}
