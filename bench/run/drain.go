package run

import (
	"context"
	"errors"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/scenarios"
)

const (
	// drainPoll is how often the target is asked how far it has come.
	drainPoll = 50 * time.Millisecond
	// restBetweenReads lies between the two final reads: work that goes on behind
	// an answer shows as a difference.
	restBetweenReads = time.Second
)

// rest looks once more, after the final reads, whether the pipeline stood still
// meanwhile: an effect that came between is late and not lost.
type rest func(context.Context) (atRest, error)

// drain waits until the pipeline is seen to be empty, by the best proof that the
// scenario asks for and the target allows: positions, else sentinels, else
// silence. It ends with drain.timeout; only a silence that has begun by then is
// waited out. What it gives looks whether it is still so.
func (r *Run) drain(ctx context.Context, rd *reader) (rest, error) {
	r.phase("draining")
	if rd.items.table == "" && rd.effects.table == "" {
		r.drained(drained{Drain: bench.Drain{Proof: bench.DrainNone}})
		return func(context.Context) (atRest, error) { return atRest{Unchanged: true}, nil }, nil // nothing can be seen, and nothing was promised
	}
	proof := r.opts.Scenario.Drain.Proof
	if proof == scenarios.ProofAuto || proof == scenarios.ProofPositions {
		still, err := r.byPositions(ctx)
		if proof == scenarios.ProofPositions || !errors.Is(err, bench.ErrPositionWithheld) {
			return still, err
		}
	}
	w := &watcher{reader: rd}
	if proof != scenarios.ProofQuiet && r.stack.Architecture == bench.Streams {
		switch line, err := r.line(ctx, rd); {
		case err == nil:
			r.bySentinels(ctx, line, w)
			return w.rest, nil
		case proof == scenarios.ProofSentinels:
			r.drained(drained{Drain: bench.Drain{Proof: bench.DrainNone}, Why: err.Error()})
			return w.rest, nil
		}
	}
	r.byQuiet(ctx, w)
	return w.rest, nil
}

// byPositions proves that every checkpoint is at its shard's last record, no event
// queued and no invocation open, seen twice in a row, since the two halves of one
// look are not one moment. A target that withholds its position gives
// [bench.ErrPositionWithheld].
func (r *Run) byPositions(ctx context.Context) (rest, error) {
	began := r.opts.Clock.Now()
	d := drained{Drain: bench.Drain{Proof: bench.DrainNone}}
	var err error
	for seen := 0; d.Proof == bench.DrainNone && !d.TimedOut; clock.Wait(drainPoll, ctx.Done()) {
		var p bench.Position
		if p, err = r.opts.Target.Position(context.WithoutCancel(ctx)); errors.Is(err, bench.ErrPositionWithheld) {
			return r.stillThere(d.Position), err
		}
		if err == nil {
			d.Position = p
			if seen++; !p.Drained() {
				seen = 0
			}
			if seen == 2 {
				d.Proof = bench.DrainPositions
			}
			r.showDrain(r.backlog(&p))
		}
		d.TimedOut = r.since(began) > r.opts.Scenario.Drain.Timeout
		if ctx.Err() != nil {
			break
		}
	}
	r.drained(d)
	return r.stillThere(d.Position), err
}

// drained keeps how the drain ended.
func (r *Run) drained(d drained) {
	d.Ms = ms(r.since(r.loadEnded))
	r.evidence(evidenceDrain, d)
}

// showDrain renews the live view.
func (r *Run) showDrain(backlog int64) {
	if r.opts.Progress == nil {
		return
	}
	r.opts.Progress(r.view.progress(func(now *bench.Progress) {
		now.Stage, now.Backlog, now.Rate = "", backlog, 0
		now.Elapsed, now.Total = r.since(r.loadEnded), r.opts.Scenario.Drain.Timeout
	}))
}

// stillThere looks whether the position is the one that it was.
func (r *Run) stillThere(before bench.Position) rest {
	return func(ctx context.Context) (atRest, error) {
		after, err := r.opts.Target.Position(ctx)
		if err != nil {
			return atRest{}, err
		}
		unchanged := after.Drained() && after.Committed == before.Committed && after.Effects == before.Effects
		return atRest{Unchanged: unchanged, Position: after}, nil
	}
}

// rest keeps what is seen after the final reads.
func (r *Run) rest(ctx context.Context, still rest) error {
	a, err := still(ctx)
	if err == nil {
		r.evidence(evidenceAtRest, a)
	}
	return err
}
