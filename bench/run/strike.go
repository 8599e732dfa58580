package run

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/faults"
)

// undoTimeout bounds how long a fault may take to be confirmed undone.
const undoTimeout = 15 * time.Second

// strike carries out the timeline of the faults: it arms and takes away each at
// its time. When ctx ends it stops; what is armed then is taken away by undo.
func (r *Run) strike(ctx context.Context, started time.Time) error {
	if !r.strikes() {
		return nil
	}
	commands, ctx := errgroup.WithContext(ctx)
	var ends sync.WaitGroup
	defer ends.Wait()
	for _, m := range faults.Timeline(r.manifest.faults) {
		if m.At <= 0 && !m.End && r.manifest.faults[m.Fault].On != "" {
			continue // armed before the first request
		}
		if !clock.Wait(m.At-r.since(started), ctx.Done()) {
			return commands.Wait()
		}
		if m.End {
			// The confirmation may take a while; other faults have their own times.
			ends.Go(func() { r.end(context.WithoutCancel(ctx), m.Fault) })
			continue
		}
		if strike := r.slowly(m.Fault); strike != nil { // may take a while too
			r.opened(m.Fault)
			done := r.outside.begins(m.Fault)
			commands.Go(func() error { defer done(); return r.begun(m.Fault, strike(ctx, m.Fault)) })
			continue
		}
		if err := r.begin(ctx, m.Fault); err != nil {
			return errors.Join(err, commands.Wait())
		}
	}
	return commands.Wait()
}

// slowly gives what begins a fault that may take a while; nil: it takes none.
func (r *Run) slowly(fault int) func(context.Context, int) error {
	switch {
	case r.isOutside(fault):
		return r.breakOutside
	case r.outlives(fault):
		return r.pull
	}
	return nil
}

// beginCounted arms the faults that count operations from the start of load: the
// first request must find them armed.
func (r *Run) beginCounted(ctx context.Context) error {
	for i, f := range r.manifest.faults {
		if f.On != "" && r.strikes() {
			if err := r.begin(ctx, i); err != nil {
				return err
			}
		}
	}
	return nil
}

// begin arms a fault, or adds a strike. That it is open is on disk before.
func (r *Run) begin(ctx context.Context, fault int) error {
	r.opened(fault)
	return r.begun(fault, r.opts.Target.Begin(ctx, fault))
}

func (r *Run) opened(fault int) {
	text := r.stack.Faults[fault]
	r.note(bench.Event{At: r.opts.Clock.Now(), Kind: bench.EventFaultBegin, Fault: &fault, Text: text})
	r.view.arm(fault, text)
}

func (r *Run) begun(fault int, err error) error {
	if err != nil {
		return fmt.Errorf("begin fault %q: %w", r.stack.Faults[fault], err)
	}
	return nil
}

// end takes a fault away and notes it when that is confirmed.
func (r *Run) end(ctx context.Context, fault int) error {
	text := r.stack.Faults[fault]
	switch {
	case r.isOutside(fault): // its commands have timeouts of their own
		if err := r.mendOutside(ctx, fault); err != nil {
			return err
		}
	case r.outlives(fault):
		if err := r.release(ctx, fault); err != nil {
			return fmt.Errorf("undo fault %q: %w", text, err)
		}
	default:
		ctx, cancel := context.WithTimeout(ctx, undoTimeout)
		defer cancel()
		if err := r.opts.Target.End(ctx, fault); err != nil {
			return fmt.Errorf("undo fault %q: %w", text, err)
		}
	}
	r.view.disarm(fault)
	r.note(bench.Event{At: r.opts.Clock.Now(), Kind: bench.EventFaultEnd, Fault: &fault, Text: text})
	return nil
}

// undoing is how long it may take to take away all that outlives the run, and to
// hear how often it has struck.
func (r *Run) undoing() time.Duration {
	return r.opts.patience() * time.Duration(1+len(r.manifest.faults))
}

// undo takes away what is still armed, and asks how often each fault has struck.
func (r *Run) undo(ctx context.Context) error {
	var errs []error
	if r.outside.journal != nil && r.opts.patience() > 0 {
		r.view.step("undoing") // and counting, which may take minutes
	}
	for _, fault := range r.view.armed() {
		errs = append(errs, r.end(ctx, fault))
	}
	bites, err := r.opts.Target.Bites(ctx)
	if err == nil {
		r.addOutside(bites)
		r.evidence(evidenceBites, bites)
	}
	return errors.Join(append(errs, err)...)
}
