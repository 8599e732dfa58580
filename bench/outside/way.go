package outside

import (
	"context"
	"fmt"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// lacksFault says why a fault cannot strike a system that is not ours; empty: it can,
// by commands of the user's, or between client and API, where the load generator
// itself strikes.
func lacksFault(faults Faults, i int, text string) string {
	switch faults.Place(i) {
	case bench.PlaceExec:
		return ""
	case bench.PlaceClient:
		if faults.When(i) == bench.MidBody {
			return fmt.Sprintf("the fault %q would send half a request, which the load generator does not: strike before the request, or leave the fault out", text)
		}
		return ""
	}
	return fmt.Sprintf("the fault %q strikes inside the system, which is not ackproof's: break it with commands of your own (exec.run), strike between client and API (client.cut and its like), on AWS name its function (target.function, --target aws), or leave the fault out", text)
}

// OnTheWay decides which requests are struck between client and API.
func (t *Target) OnTheWay() bench.Injector { return t.faults }

// pulls reports whether a lever makes a fault.
func (t *Target) pulls(fault int) bool {
	return t.Outlives(t.stack, fault)
}

// Outlives says that a fault that a lever makes is in force until it is undone.
func (t *Target) Outlives(stack bench.Stack, fault int) bool {
	return t.opts.Levers != nil && t.opts.Levers.Pulls(stack, fault)
}

// Begin pulls a lever, or arms a fault between client and API. Those of commands the
// run begins itself.
func (t *Target) Begin(ctx context.Context, fault int) error {
	if t.pulls(fault) {
		return t.opts.Levers.Begin(ctx, fault)
	}
	t.faults.Begin(fault)
	return nil
}

// End takes it back.
func (t *Target) End(ctx context.Context, fault int) error {
	if t.pulls(fault) {
		return t.opts.Levers.End(ctx, fault)
	}
	t.faults.End(fault)
	return nil
}

// Bites are those of levers, and those between client and API; the run counts those
// of commands itself.
func (t *Target) Bites(ctx context.Context) ([]bench.Bites, error) {
	all := t.faults.Bites()
	if t.opts.Levers == nil {
		return all, nil
	}
	pulled, err := t.opts.Levers.Bites(ctx)
	for i := range all {
		if t.pulls(i) && i < len(pulled) {
			all[i] = pulled[i]
		}
	}
	return all, err
}

// Patience is that of the levers.
func (t *Target) Patience() time.Duration {
	if t.opts.Levers == nil {
		return 0
	}
	return t.opts.Levers.Patience()
}

// Undoing is the command that undoes what levers have left.
func (t *Target) Undoing() []string { return t.opts.Levers.Undoing() }
