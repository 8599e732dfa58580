package run

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/scenarios"
)

// # How sentinels prove that nothing is left
//
// A sentinel is an item of the run's own, sent through the API when the load is
// over. A mapping without lanes hands the records of a shard over in order, and
// begins with a batch when the one before it is settled: processed, given up or
// handed to a destination
// (https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html). So one sentinel in
// each shard that has an effect shows that all before it were handed over. They may
// be in its own batch, which may still fail and be tried again. So there are two
// rounds: what is sent when the first has its effects is in a later batch, and its
// effect shows that the first one's batch is settled.
//
// With lanes the order holds in a lane, and nobody tells which lane a record is in.
// Then so many sentinels go to each shard that the chance of having left a lane out
// is below missChance, and all of them must have their effects.

const (
	sentinelRounds = 2
	// missChance bounds the chance that any lane of any shard has no sentinel.
	missChance = 1e-6
	// maxSentinels bounds how many are sent in all: where they are lost, more are sent.
	maxSentinels = 20_000
	// sentinelEvery lies between two of them.
	sentinelEvery = 2 * time.Millisecond
	// sentAgain is how long a shard without lanes may owe an effect before it gets
	// another sentinel: one may be lost, or left out by a filter.
	sentAgain = 3 * time.Second
	// streamPoll is how often a shard is read. Five reads a second are allowed, of
	// all its readers:
	// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_GetRecords.html
	streamPoll = 500 * time.Millisecond
)

// bySentinels proves that every shard has delivered what came before the sentinels.
func (r *Run) bySentinels(ctx context.Context, l *line, w *watcher) {
	began := r.opts.Clock.Now()
	late := func() bool { return r.since(began) > r.opts.Scenario.Drain.Timeout }
	d := drained{Drain: bench.Drain{Proof: bench.DrainNone}}
	var err error
	for range sentinelRounds {
		if err = r.round(ctx, l, late); err != nil {
			break
		}
	}
	if err == nil {
		err = w.settle(ctx)
	}
	switch {
	case err == nil:
		d.Proof = bench.DrainSentinels
	case ctx.Err() == nil:
		d.Why = err.Error()
	}
	d.TimedOut, d.Sentinels = late(), l.sent
	r.drained(d)
}

// round sends sentinels until each shard has shown them done. An error says that it
// is too late, and why it has come so far.
func (r *Run) round(ctx context.Context, l *line, late func() bool) error {
	var sentAt time.Time
	for l.moved = true; ; {
		if l.moved { // what was sent before is in shards that are not all there are
			l.round = newRound(r.stack.Mapping.ParallelizationFactor, len(l.open()), uint64(r.plan.Len())+uint64(l.sent))
			l.moved, sentAt = false, time.Time{}
		}
		now := r.opts.Clock.Now()
		if n := l.round.wants(l.open(), sentAt.IsZero(), now.Sub(sentAt) > sentAgain); n > 0 && l.sent+n <= maxSentinels {
			if err := r.sendSentinels(ctx, l, n); err != nil {
				return err
			}
			sentAt = now
		}
		err := errors.Join(l.tail.Look(ctx), l.effects(ctx))
		missing := l.round.missing(l.open())
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil && missing == "" && !l.moved:
			return nil
		case late() && err != nil:
			return err
		case late() && missing == "":
			return errors.New("the stream's shards came and went to the end")
		case late():
			return fmt.Errorf("%s: of what was sent after the load not all was seen to be processed", missing)
		}
		r.showDrain(-1)
		clock.Wait(streamPoll, ctx.Done())
	}
}

// round is one round of sentinels, and what was seen of them.
type round struct {
	lanes int               // of a shard
	need  int               // sentinels a shard
	first uint64            // sequence number of its first sentinel
	shard map[uint64]string // by sentinel: where the stream has shown it
	done  map[uint64]bool   // by sentinel: it has its effect
}

func newRound(lanes, shards int, first uint64) *round {
	return &round{lanes: lanes, need: sentinelsFor(lanes, shards), first: first, shard: map[uint64]string{}, done: map[uint64]bool{}}
}

// sentinelsFor is how many sentinels a shard needs. A lane is left out by n of them
// with a chance of (1 - 1/lanes)^n; there are lanes × shards that may be.
func sentinelsFor(lanes, shards int) int {
	if lanes <= 1 {
		return 1
	}
	all := float64(lanes * max(1, shards))
	return int(math.Ceil(math.Log(missChance/all) / math.Log(1-1/float64(lanes))))
}

// of counts the sentinels that a shard has shown, and those of them with an effect.
func (o *round) of(shard string) (shown, done int) {
	for seq, s := range o.shard {
		if s == shard {
			shown++
			if o.done[seq] {
				done++
			}
		}
	}
	return shown, done
}

// missing names a shard that has not shown enough; "": none.
func (o *round) missing(open []string) string {
	for _, s := range open {
		shown, done := o.of(s)
		if shown < o.need || o.lanes <= 1 && done == 0 || o.lanes > 1 && done < shown {
			return "shard " + s
		}
	}
	if len(open) == 0 {
		return "there is no shard"
	}
	return ""
}

// wants is how many sentinels to send now: at first, and again where a shard has
// owed one for long. Where they fall nobody can say beforehand. Of twice as many as
// are needed few shards get too few, and the next ones find those.
func (o *round) wants(open []string, first, again bool) int {
	if n := 2 * o.need * len(open); first {
		return n
	} else if !again {
		return 0
	}
	for _, s := range open {
		if shown, done := o.of(s); shown < o.need || o.lanes <= 1 && done == 0 {
			return 2 * o.need * len(open)
		}
	}
	return 0
}

// sendSentinels sends n more through the API. That they are sent is on disk before:
// nobody shall take them for something that was never sent.
func (r *Run) sendSentinels(ctx context.Context, l *line, n int) error {
	plan := sentinelPlan{plan: r.plan, first: uint64(r.plan.Len()) + uint64(l.sent), n: int64(n)}
	l.sent += n
	r.evidence(evidenceSentinels, sentinelsSent{Sent: l.sent})
	_, err := r.attack(plan, noBook{}, r.opts.Clock.Now(), l.reader.endpoints).Run(ctx)
	return err
}

// sentinelPlan is a piece of the plan beyond its end.
type sentinelPlan struct {
	plan  *scenarios.Plan
	first uint64
	n     int64
}

// Len is how many there are.
func (p sentinelPlan) Len() int64 { return p.n }

// Due lets them follow one another closely.
func (p sentinelPlan) Due(seq uint64) time.Duration { return time.Duration(seq) * sentinelEvery }

// Kind is that of any request.
func (p sentinelPlan) Kind(seq uint64) int { return p.plan.Kind(p.first + seq) }

// AppendBody appends the body of any request.
func (p sentinelPlan) AppendBody(dst []byte, seq uint64, _ int) []byte {
	return p.plan.AppendBody(dst, p.first+seq, 0)
}

// noBook forgets what the client is told of sentinels: what counts is what the
// stream shows.
type noBook struct{}

// Reserve has room.
func (noBook) Reserve(context.Context, uint64, int) error { return nil }

// Sent forgets.
func (noBook) Sent(uint64, int, time.Duration) {}

// Done forgets.
func (noBook) Done(bench.Attempt) {}

// effects looks for the effects of the sentinels that the stream has shown.
func (l *line) effects(ctx context.Context) error {
	var keys []attributes
	for seq := range l.round.shard {
		if !l.round.done[seq] {
			keys = append(keys, l.reader.key(l.reader.effects, seq))
		}
	}
	one := l.reader.oneTable()
	var mu sync.Mutex
	for page := range slices.Chunk(keys, maxKeys) {
		err := l.reader.getKeys(ctx, l.reader.effects.table, page, func(items []attributes) error {
			mu.Lock()
			defer mu.Unlock()
			for _, item := range items {
				row := l.reader.effects.values(item)
				id, err := bench.ParseKey(text(row[rowID]))
				if err == nil && (!one || row[rowProcessedAt].Type != "") {
					l.round.done[id.Seq] = true
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("look for the effects of sentinels: %w", err)
		}
	}
	return nil
}
