package run_test

import (
	"context"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/run"
)

// dying is a target of which a process dies when its first fault begins, for good or
// not.
type dying struct {
	*inProcess
	kind   bench.EventKind
	events func(bench.Event)
}

func (d *dying) Start(ctx context.Context, stack bench.Stack, events func(bench.Event)) (bench.Endpoints, error) {
	d.events = events
	return d.inProcess.Start(ctx, stack, events)
}

func (d *dying) Begin(ctx context.Context, i int) error {
	d.events(bench.Event{At: clock.Real{}.Now(), Kind: d.kind, Text: "the target is gone"})
	return d.inProcess.Begin(ctx, i)
}

func (d *dying) Position(context.Context) (bench.Position, error) {
	if d.kind == bench.EventTargetDeath {
		return bench.Position{Open: 1}, nil // it would never drain
	}
	return bench.Position{}, nil
}

// Nobody waits for a target that is gone for good: not with the rest of the load,
// nor for the drain.
func TestARunEndsWithItsTarget(t *testing.T) {
	target := &dying{inProcess: &inProcess{t: t}, kind: bench.EventTargetDeath}
	defer target.Stop()
	r, err := run.Prepare(run.Options{
		Scenario: scenario(t, `
name: files
load: [{name: steady, for: 5m, rate: 100/s}]
drain: {timeout: 5m}
faults: ["at 100ms: processor.kill"]
`), Target: target, Seed: 11, Out: t.TempDir(), Clock: clock.Real{},
	})
	if err != nil {
		t.Fatal(err)
	}
	began := clock.Real{}.Now()
	if _, err := r.Do(t.Context()); err == nil || err.Error() != "the target is gone" {
		t.Errorf("the run ends with %v", err)
	}
	took := clock.Real{}.Now().Sub(began)
	if took >= time.Minute {
		t.Errorf("it took %v", took)
	}
	result := judge(t, r.Dir())
	if result.Verdict != bench.VerdictUnknown || result.Requests.Unsent == 0 || result.Run.Finished == nil {
		t.Errorf("verdict %s, %d unsent, finished %v", result.Verdict, result.Requests.Unsent, result.Run.Finished)
	}
	for _, why := range result.Reasons {
		if why.Code == bench.CodeInterrupted {
			t.Errorf("nobody has interrupted it: %s", why.Text)
		}
	}
}

// A fault by number that lost its count with a process, and not before its last
// number, is told: what it should have struck besides it did not.
func TestAFaultThatLostItsCount(t *testing.T) {
	dir := carryOutOn(t, `
name: files
load: [{name: steady, for: 2s, rate: 100/s}]
faults: ["on PutItem 37: table.throttle"]
`, &dying{inProcess: &inProcess{t: t}, kind: bench.EventTargetReturn})
	bit := func(dir string) bool {
		for _, g := range judge(t, dir).Gates {
			if g.Name == bench.GateFaultsBit {
				return g.OK
			}
		}
		t.Fatal("no such gate")
		return false
	}
	if !bit(dir) {
		t.Error("all that it should strike was struck before the death")
	}
	damaged := copyRun(t, dir)
	replace(t, damaged, `"Planned":1`, `"Planned":2`)
	if bit(damaged) {
		t.Error("one of two strikes that a dead process was to make is missing, and nothing is said")
	}
	alive := copyRun(t, damaged)
	replace(t, alive, `"target_return"`, `"processor_start"`)
	if !bit(alive) {
		t.Error("nothing has died")
	}
}
