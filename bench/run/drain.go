package run

import (
	"context"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// drainPoll is how often the target is asked how far it has come.
const drainPoll = 50 * time.Millisecond

// drain waits until the pipeline is seen to be empty. The proof is by positions:
// every checkpoint at its shard's last record, no event queued, no invocation
// open, seen twice in a row, since the two halves of one look are not one moment.
func (r *Run) drain(ctx context.Context) error {
	r.phase("draining")
	began := r.opts.Clock.Now()
	timeout := r.opts.Scenario.Drain.Timeout
	d := drained{Drain: bench.Drain{Proof: bench.DrainNone}}
	var err error
	for seen := 0; seen < 2; {
		var p bench.Position
		if p, err = r.opts.Target.Position(context.WithoutCancel(ctx)); err != nil {
			break
		}
		d.Position = p
		if r.opts.Progress != nil {
			r.opts.Progress(r.view.progress(func(now *bench.Progress) { now.Stage, now.Backlog, now.Rate = "", r.backlog(&p), 0 }))
		}
		if p.Drained() {
			if seen++; seen == 2 {
				d.Proof = bench.DrainPositions
			}
		} else {
			seen = 0
		}
		if r.since(began) > timeout || ctx.Err() != nil {
			break
		}
		if seen < 2 {
			wait(ctx, drainPoll)
		}
	}
	d.Ms = ms(r.since(began))
	r.evidence(evidenceDrain, d)
	return err
}
