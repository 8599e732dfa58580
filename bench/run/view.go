package run

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/load"
)

// viewEvery is how often the live view is renewed.
const viewEvery = 500 * time.Millisecond

// view is what is known for the live view, and which faults are armed.
type view struct {
	mu     sync.Mutex
	faults map[int]string
	now    bench.Progress
}

func (v *view) step(name string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.now.Step = name
}

func (v *view) arm(fault int, text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.faults == nil {
		v.faults = map[int]string{}
	}
	v.faults[fault] = text
}

func (v *view) disarm(fault int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.faults, fault)
}

// armed lists the faults that are armed now, in order.
func (v *view) armed() []int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Sorted(maps.Keys(v.faults))
}

// progress changes what is known and returns a copy.
func (v *view) progress(change func(*bench.Progress)) bench.Progress {
	v.mu.Lock()
	defer v.mu.Unlock()
	change(&v.now)
	p := v.now
	p.Faults = nil
	for _, i := range slices.Sorted(maps.Keys(v.faults)) {
		p.Faults = append(p.Faults, v.faults[i])
	}
	return p
}

// watch renews the live view during the load, until the returned function is
// called.
func (r *Run) watch(ctx context.Context, attack *load.Attack, started time.Time) (stop func()) {
	if r.opts.Progress == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		last, lastAt := int64(0), time.Duration(0)
		for clock.Wait(viewEvery, ctx.Done()) {
			s, at := attack.Snapshot(), r.since(started)
			position, bitten := r.look(ctx)
			r.opts.Progress(r.view.progress(func(p *bench.Progress) {
				p.Elapsed, p.Total, p.Planned = at, r.plan.Duration(), r.plan.Len()
				p.Stage = r.stageAt(at)
				p.Rate = float64(s.Sent-last) / (at - lastAt).Seconds()
				counted(p, s)
				p.P50, p.P99, p.Backlog, p.Bitten = s.P50, s.P99, r.backlog(position), bitten
			}))
			last, lastAt = s.Sent, at
		}
	})
	return func() {
		cancel()
		done.Wait()
		r.view.progress(func(p *bench.Progress) { counted(p, attack.Snapshot()) }) // what comes next shows all of them
	}
}

// counted takes in what became of the requests so far.
func counted(p *bench.Progress, s load.Snapshot) {
	p.Sent, p.Acknowledged, p.Refused, p.Unknown = s.Sent, s.Acknowledged, s.Refused, s.Unknown
}

// look asks the target what the live view shows; nothing depends on the answer.
func (r *Run) look(ctx context.Context) (*bench.Position, int64) {
	var bitten int64
	if bites, err := r.opts.Target.Bites(ctx); err == nil {
		for _, b := range bites {
			bitten += b.Bitten
		}
	}
	position, err := r.opts.Target.Position(ctx)
	if err != nil {
		return nil, bitten
	}
	return &position, bitten
}

// backlog estimates what waits to be processed; -1: not known.
func (r *Run) backlog(p *bench.Position) int64 {
	if p == nil || r.plan.Keys() > 0 { // a version has two effects, or one where it is no news to its key
		return -1
	}
	if r.stack.Architecture != bench.Streams {
		return int64(p.Queued + p.Open)
	}
	return max(0, p.Committed-p.Effects)
}

func (r *Run) stageAt(t time.Duration) string {
	name := ""
	for _, s := range r.plan.Stages() {
		if t >= s.From {
			name = s.Name
		}
	}
	return name
}
