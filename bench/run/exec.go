package run

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/breakage"
	"github.com/ackproof/ackproof/scenarios"
)

// outside keeps the faults that outlive a run that is killed: those that are made
// of the user's own commands, of which no target knows, and those of a target that
// is [bench.Outliving].
type outside struct {
	journal *breakage.Journal // nil: the run has no such fault

	mu      sync.Mutex
	broken  map[int]*sync.WaitGroup // done when the breaking is over, well or not
	before  map[int]int64           // what was counted before; missing: nothing could be
	counted map[int]int64           // strikes
}

// isOutside reports whether a fault is made of the user's own commands.
func (r *Run) isOutside(fault int) bool {
	return r.opts.Scenario.Faults[fault].Kind.Place == bench.PlaceExec
}

// outlives reports whether a fault is one of the target's that outlives the run.
func (r *Run) outlives(fault int) bool {
	t, ok := r.opts.Target.(bench.Outliving)
	return ok && !r.isOutside(fault) && t.Outlives(r.stack, fault)
}

// patience bounds how long such a fault may take to begin and to end; 0: the target
// has none.
func (o Options) patience() time.Duration {
	if t, ok := o.Target.(bench.Outliving); ok {
		return t.Patience()
	}
	return 0
}

// checkOutside says what such faults need and the run does not have.
func (r *Run) checkOutside() error {
	for i, f := range r.opts.Scenario.Faults {
		switch {
		case r.opts.Breakages != nil:
		case r.isOutside(i):
			return fmt.Errorf("the fault %q runs commands on this machine, whose undoing outlives a run: strike it with ackproof run, or leave it out", f)
		case r.outlives(i):
			return fmt.Errorf("the fault %q outlives a run that is killed, and there is no folder to write down what undoes it: name one with ACKPROOF_STATE", f)
		}
	}
	return nil
}

// openJournal makes the journal of what will be open, if anything will.
func (r *Run) openJournal() (err error) {
	for i := range r.manifest.faults {
		if r.isOutside(i) || r.outlives(i) {
			r.outside.broken, r.outside.before, r.outside.counted = map[int]*sync.WaitGroup{}, map[int]int64{}, map[int]int64{}
			r.outside.journal, err = r.opts.Breakages.Create(r.id, r.dir)
			return err
		}
	}
	return nil
}

// begins notes that a fault is about to begin, so that its end waits for it.
func (o *outside) begins(fault int) (done func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.broken[fault] == nil {
		o.broken[fault] = new(sync.WaitGroup)
	}
	o.broken[fault].Add(1)
	return o.broken[fault].Done
}

// hasBegun returns when a fault has begun, well or not, which is bounded.
func (o *outside) hasBegun(fault int) {
	o.mu.Lock()
	broken := o.broken[fault]
	o.mu.Unlock()
	broken.Wait()
}

// pull begins a fault of the target's that outlives the run. What undoes it is on
// disk before. An interrupt is no error: it is undone like any other.
func (r *Run) pull(interrupt context.Context, fault int) error {
	wd, err := os.Getwd()
	if err != nil {
		return err
	}
	undo := breakage.Command{Run: r.opts.Target.(bench.Outliving).Undoing(), Timeout: r.opts.patience()}
	if err := r.outside.journal.Note(breakage.Open{
		Fault: fault, Text: r.stack.Faults[fault], Commands: breakage.Commands{Undo: undo, Confirm: undo}, Dir: wd,
	}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(interrupt, r.opts.patience())
	defer cancel()
	if err := r.opts.Target.Begin(ctx, fault); err != nil && interrupt.Err() == nil {
		return err
	}
	return nil
}

// release ends such a fault.
func (r *Run) release(ctx context.Context, fault int) error {
	r.outside.hasBegun(fault)
	ctx, cancel := context.WithTimeout(ctx, r.opts.patience())
	defer cancel()
	if err := r.opts.Target.End(ctx, fault); err != nil {
		return err
	}
	return r.outside.journal.Over(fault)
}

// breakOutside begins a fault of the user's own commands.
func (r *Run) breakOutside(ctx context.Context, fault int) error {
	wd, err := os.Getwd()
	if err != nil {
		return err
	}
	before, err := r.outside.journal.Begin(ctx, breakage.Open{
		Fault: fault, Text: r.stack.Faults[fault], Commands: r.commands(fault), Dir: wd, Env: r.commandEnv(),
	})
	switch {
	case err != nil && ctx.Err() != nil:
		return nil // interrupted: undone like any other
	case err != nil:
		return err
	}
	r.outside.mu.Lock()
	defer r.outside.mu.Unlock()
	r.outside.before[fault] = before
	return nil
}

// commands are those that a fault names.
func (r *Run) commands(fault int) breakage.Commands {
	i := slices.IndexFunc(r.opts.Scenario.Commands, func(b scenarios.Breakage) bool { return b.Name == r.manifest.faults[fault].Named })
	b := r.opts.Scenario.Commands[i] // validated
	return breakage.Commands{Do: breakage.Command(b.Do), Undo: breakage.Command(b.Undo), Confirm: breakage.Command(b.Confirm), Count: breakage.Command(b.Count)}
}

// commandEnv tells the commands what they are to break.
func (r *Run) commandEnv() []string {
	e := r.manifest.Endpoints
	return []string{
		"ACKPROOF_RUN=" + string(r.id), "ACKPROOF_RUN_DIR=" + r.dir, "ACKPROOF_API=" + e.API, "ACKPROOF_DYNAMODB=" + e.DynamoDB,
		"ACKPROOF_ITEMS_TABLE=" + e.ItemsTable, "ACKPROOF_RESULTS_TABLE=" + e.ResultsTable,
	}
}

// mendOutside counts how often such a fault has struck, and undoes it. What cannot
// be counted has struck nobody, as far as anybody knows.
func (r *Run) mendOutside(ctx context.Context, fault int) error {
	o := &r.outside
	o.hasBegun(fault)
	o.mu.Lock()
	before, ok := o.before[fault]
	delete(o.before, fault) // counted once, though undone twice
	o.mu.Unlock()
	if ok {
		after, err := o.journal.Count(ctx, fault)
		if err != nil {
			r.note(bench.Event{At: r.opts.Clock.Now(), Kind: bench.EventEvidence, Fault: &fault, Text: "its strikes were not counted: " + err.Error()})
		}
		o.mu.Lock()
		o.counted[fault] = max(0, after-before)
		o.mu.Unlock()
	}
	return o.journal.Undo(ctx, fault)
}

// addOutside puts the strikes of such faults among the target's. How many were
// due nobody knows.
func (r *Run) addOutside(bites []bench.Bites) {
	for i := range bites {
		if r.isOutside(i) {
			r.outside.mu.Lock()
			bites[i] = bench.Bites{Planned: -1, Bitten: r.outside.counted[i]}
			r.outside.mu.Unlock()
		}
	}
}
