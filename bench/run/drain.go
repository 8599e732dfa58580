package run

import (
	"context"
	"time"

	"github.com/ackproof/ackproof/bench"
)

const (
	// drainPoll is how often the target is asked how far it has come.
	drainPoll = 50 * time.Millisecond
	// restBetweenReads lies between the two final reads: work that goes on behind
	// an answer shows as a difference.
	restBetweenReads = time.Second
)

// drain waits until the pipeline is seen to be empty. The proof is by positions:
// every checkpoint at its shard's last record, no event queued, no invocation
// open, seen twice in a row, since the two halves of one look are not one moment.
// What it gives is kept, and must still be so after the final reads.
func (r *Run) drain(ctx context.Context) (bench.Position, error) {
	r.phase("draining")
	began := r.opts.Clock.Now()
	d := drained{Drain: bench.Drain{Proof: bench.DrainNone}}
	var err error
	for seen := 0; d.Proof == bench.DrainNone && !d.TimedOut; wait(ctx, drainPoll) {
		var p bench.Position
		if p, err = r.opts.Target.Position(context.WithoutCancel(ctx)); err == nil {
			d.Position = p
			if seen++; !p.Drained() {
				seen = 0
			}
			if seen == 2 {
				d.Proof = bench.DrainPositions
			}
			if r.opts.Progress != nil {
				r.opts.Progress(r.view.progress(func(now *bench.Progress) {
					now.Stage, now.Backlog, now.Rate = "", r.backlog(&p), 0
					now.Elapsed, now.Total = r.since(r.loadEnded), r.opts.Scenario.Drain.Timeout
				}))
			}
		}
		d.TimedOut = r.since(began) > r.opts.Scenario.Drain.Timeout
		if ctx.Err() != nil {
			break
		}
	}
	d.Ms = ms(r.since(r.loadEnded))
	r.evidence(evidenceDrain, d)
	return d.Position, err
}

// rest makes sure, after the final reads, that nothing has gone on meanwhile: an
// effect that came between is late and not lost.
func (r *Run) rest(ctx context.Context, before bench.Position) error {
	after, err := r.opts.Target.Position(ctx)
	if err != nil {
		return err
	}
	unchanged := after.Drained() && after.Committed == before.Committed && after.Effects == before.Effects
	r.evidence(evidenceAtRest, atRest{Unchanged: unchanged, Position: after})
	return nil
}
