package run

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/breakage"
	"github.com/ackproof/ackproof/scenarios"
)

// outside does the faults that are made of the user's own commands: no target
// knows of them.
type outside struct {
	journal *breakage.Journal // nil: the run has no such fault

	mu      sync.Mutex
	broken  map[int]chan struct{} // closed when the breaking is over, well or not
	before  map[int]int64         // what was counted before; missing: nothing could be
	counted map[int]int64         // strikes
}

// isOutside reports whether a fault is made of the user's own commands.
func (r *Run) isOutside(fault int) bool {
	return r.manifest.faults[fault].Kind.Place == bench.PlaceExec
}

// checkOutside says what such faults need and the run does not have.
func (o Options) checkOutside() error {
	for _, f := range o.Scenario.Faults {
		if f.Kind.Place == bench.PlaceExec && o.Breakages == nil {
			return fmt.Errorf("the fault %q runs commands on this machine, whose undoing outlives a run: strike it with ackproof run, or leave it out", f)
		}
	}
	return nil
}

// openJournal makes the journal of what will be open, if anything will.
func (r *Run) openJournal() (err error) {
	for i := range r.manifest.faults {
		if r.isOutside(i) {
			r.outside.broken, r.outside.before, r.outside.counted = map[int]chan struct{}{}, map[int]int64{}, map[int]int64{}
			r.outside.journal, err = r.opts.Breakages.Create(r.id, r.dir)
			return err
		}
	}
	return nil
}

// begins notes that a fault is about to begin, so that its end waits for it.
func (o *outside) begins(fault int) (done func()) {
	ended := make(chan struct{})
	o.mu.Lock()
	defer o.mu.Unlock()
	o.broken[fault] = ended
	return func() { close(ended) }
}

// breakOutside begins such a fault.
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
	o.mu.Lock()
	broken := o.broken[fault]
	o.mu.Unlock()
	<-broken // bounded by the timeout of what breaks
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
