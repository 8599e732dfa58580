package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/scenarios"
)

// seeCleanStart makes sure, before the first request, that both tables are
// empty: whatever is in them later is this run's doing. Tables that are asked for
// the run's own ids may hold other data; a first page of each shows that they can
// be read.
func (r *Run) seeCleanStart(ctx context.Context, rd *reader) error {
	var c cleanStart
	count := func(in source, n *int64) error {
		if rd.byKey() && in.table != "" {
			return rd.get(ctx, in, 0, min(maxKeys, rd.rowKeys(in)), rd.rowKey, func(items []attributes) error { *n += int64(len(items)); return nil })
		}
		return rd.rows(ctx, in, func(item attributes) error {
			id, err := bench.ParseKey(text(in.values(item)[rowID]))
			if err != nil || id.Run != r.id || id.Agent != bench.CanaryAgent { // of another agent of this run
				*n++
			}
			return nil
		})
	}
	err := errors.Join(count(rd.items, &c.Items), count(rd.effects, &c.Effects))
	if err != nil {
		return err
	}
	r.evidence(evidenceCleanStart, c)
	return nil
}

// read makes the two final reads, with a rest between them that an interrupt
// cuts short. Both are made even if the first one fails.
func (r *Run) read(ctx, after context.Context, rd *reader) error {
	r.phase("reading")
	if rd.by == scenarios.ReadExport {
		return r.readExports(ctx, after, rd)
	}
	tables := func(w *rowWriter) error { return rd.tables(after, w) }
	first := r.readOnce(after, rd, 1, tables)
	clock.Wait(restBetweenReads, ctx.Done())
	return errors.Join(first, r.readOnce(after, rd, 2, tables))
}

// readOnce makes one final read. What is read is kept whatever happens; the
// read counts as complete only if all of it came through. Where nobody can look for
// dead letters, it says so.
func (r *Run) readOnce(ctx context.Context, rd *reader, n int, tables func(*rowWriter) error) error {
	begun := r.opts.Clock.Now()
	letters, err := r.opts.Target.DeadLetters(ctx)
	w, created := ledger.CreateRead(readDir(r.dir, n), ledger.ReadHeader{
		Run: r.id, Agent: uint8(r.opts.Share.Agent), Number: n, Begun: begun, Versions: r.plan.Keys() > 0, NoLetters: letters == nil,
	})
	if created != nil {
		return created
	}
	defer w.Close()
	errs := []error{err, tables(newRowWriter(r.plan, rd.endpoints, r.opts.Scenario.Read.Shared(), w))}
	for _, l := range letters {
		errs = append(errs, w.DeadLetter(l))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("final read %d: %w", n, err)
	}
	return w.Finish()
}

// readingTime is how long both final reads of both tables may take beyond what a
// reader without a budget needs: twice what the plan's items cost, or until they
// are exported.
func readingTime(s *scenarios.Scenario, plan *scenarios.Plan) time.Duration {
	if s.Read.By == scenarios.ReadExport {
		return 2 * s.Read.Timeout // to be made, and to be read
	}
	if s.Read.Capacity == 0 {
		return 0
	}
	units := float64(plan.Len()) * float64(1+s.Workload.Payload/(4<<10)) // a consistent read of 4 KB is one unit
	return time.Duration(2 * 4 * units / float64(s.Read.Capacity) * float64(time.Second))
}
