package run

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/scenarios"
)

// # How two clocks are held against each other
//
// An effect carries the time of the processor's clock; all else of a lag is told by
// ours. During the load a few items are asked for, again and again, until their effects
// are there. What the processor's clock said when it applied one, and ours when we had
// seen it, and ours when we had sent it, bound the difference between the two: nothing
// is applied before it was sent, nor seen before it was applied. Each item gives such
// an interval, all of them together the one that lies in each. No network delay has
// to be guessed, and none is taken to be symmetric.

// pace is how often a table is asked. Where a read is paid for, that is seldom: the
// bounds are then wider.
type pace struct {
	every time.Duration // between two items that are asked for
	poll  time.Duration // between two times of asking
}

var (
	paceHere = pace{every: 20 * time.Millisecond, poll: 50 * time.Millisecond}
	paceAway = pace{every: 500 * time.Millisecond, poll: 250 * time.Millisecond}
)

const (
	sampleOpen   = 100              // items asked for at a time: as many as one request may name
	sampleMost   = 2000             // items in all
	sampleGiveUp = 10 * time.Second // after which an item is not asked for any more
	sampleWait   = 2 * time.Second  // for an answer
	sampleKept   = 100              // items that are written down at a time
)

// sample is one item whose effect was seen to come: the processor's clock and ours.
type sample struct {
	Seq       uint64  `json:"seq"`
	Processed int64   `json:"processed_at"` // of the effect, in ms since 1970 by the processor's clock
	UnseenMs  float64 `json:"unseen_ms"`    // when we last asked and it was not there; -1: it was there at once
	SeenMs    float64 `json:"seen_ms"`      // when we had the answer that it was there
}

// sampler asks for items during the load.
type sampler struct {
	r       *Run
	reader  *reader
	started time.Time
	open    map[string]sample
	next    uint64
	at      time.Duration // up to when items were chosen
	chosen  int
	pace    pace
	seen    []sample // and not written down yet
}

// sample asks for items until the returned function is called, which keeps what was
// seen. Nobody asks where that would cost a budget, or could not be told from the
// processor's own reading of the items.
func (r *Run) sample(ctx context.Context, rd *reader, started time.Time) (stop func()) {
	effects := rd.effects
	if effects.table == "" || effects.table == rd.items.table || effects.names[rowProcessedAt] == "" || r.opts.Scenario.Read.Capacity > 0 || r.opts.Scenario.Target.Results.PerKey || r.opts.Scenario.Guarantee.Effects == scenarios.NoEffects {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &sampler{r: r, reader: rd, started: started, open: map[string]sample{}, pace: paceHere}
	if name := r.opts.Target.Name(); name == "aws" || name == "http" {
		s.pace = paceAway
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for clock.Wait(s.pace.poll, ctx.Done()) {
			s.choose(r.since(started))
			s.ask(ctx)
			s.keep(sampleKept)
		}
	}()
	return func() {
		cancel()
		<-done
		s.keep(1)
	}
}

// keep writes down what was seen, if it is enough.
func (s *sampler) keep(enough int) {
	if len(s.seen) >= enough {
		s.r.evidence(evidenceSamples, s.seen)
		s.seen = nil
	}
}

// choose takes items among those that are due next.
func (s *sampler) choose(now time.Duration) {
	plan := s.r.plan
	for ; s.at <= now+s.pace.poll; s.at += s.pace.every {
		seq := max(s.next, uint64(plan.DueBefore(s.at)))
		if seq >= uint64(plan.Len()) || len(s.open) >= sampleOpen || s.chosen >= sampleMost {
			continue
		}
		s.open[plan.ID(seq).String()] = sample{Seq: seq, UnseenMs: -1}
		s.next = seq + 1
		s.chosen++
	}
}

// ask looks at all open items with one request. One that fails says nothing.
func (s *sampler) ask(ctx context.Context) {
	now, effects := s.r.since(s.started), s.reader.effects
	var keys []attributes
	for id, item := range s.open {
		if now-s.r.plan.Due(item.Seq) > sampleGiveUp {
			delete(s.open, id)
			continue
		}
		keys = append(keys, effects.key(id))
	}
	if len(keys) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, sampleWait)
	defer cancel()
	out, err := s.reader.db.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
		RequestItems: map[string]types.KeysAndAttributes{effects.table: {ConsistentRead: aws.Bool(true), Keys: keys}},
	})
	if err != nil {
		return
	}
	answered := s.r.since(s.started)
	if len(out.UnprocessedKeys) > 0 {
		return // nobody has looked for some of them
	}
	for _, found := range out.Responses[effects.table] {
		row := effects.values(found)
		id := text(row[rowID])
		item, asked := s.open[id]
		at, err := strconv.ParseInt(number(row[rowProcessedAt]), 10, 64)
		if !asked || err != nil {
			continue
		}
		item.Processed, item.SeenMs = at, ms(answered)
		s.seen = append(s.seen, item)
		delete(s.open, id)
	}
	for id, item := range s.open {
		item.UnseenMs = ms(now)
		s.open[id] = item
	}
}

// clocks is what the samples tell of the processor's clock.
type clocks struct {
	bench.Clocks
	offset time.Duration // of the processor's clock, where it is proven to be off; else 0
}

// compareClocks bounds how far the processor's clock is ahead of ours. An effect's time
// is whole milliseconds, rounded down.
func compareClocks(samples []sample, sent func(seq uint64) (time.Duration, bool), started time.Time) clocks {
	var c clocks
	low, high := math.Inf(-1), math.Inf(1)
	for _, s := range samples {
		at, ok := sent(s.Seq)
		if !ok {
			continue
		}
		processed := ms(time.UnixMilli(s.Processed).Sub(started))
		low = max(low, processed-s.SeenMs)
		high = min(high, processed+1-ms(at))
		c.Samples++
	}
	if c.Samples == 0 {
		return c
	}
	if low > high {
		c.Moved = true
		return c
	}
	offset, bound := (low+high)/2, (high-low)/2
	c.OffsetMs, c.ErrorMs = &offset, &bound
	if low > 0 || high < 0 {
		c.Corrected, c.offset = true, time.Duration(offset*float64(time.Millisecond))
	}
	return c
}

// notes says what a reader must know of the clocks.
func (c *clocks) notes() []string {
	switch {
	case c.Moved:
		return []string{fmt.Sprintf("the processor's clock was moved while the run lasted: no one offset explains all of %d items that were seen to come, so processing lag and completion time are not to be trusted", c.Samples)}
	case c.Corrected:
		return []string{fmt.Sprintf("the processor's clock is %+.1f ms ahead, give or take %.1f ms: the times of effects were corrected by that", *c.OffsetMs, *c.ErrorMs)}
	}
	return nil
}

// sentAt is when a request was sent.
func (f *files) sentAt(seq uint64) (time.Duration, bool) {
	if seq >= uint64(f.plan.Len()) {
		return 0, false
	}
	a, state := f.ledger.At(seq)
	return a.Sent, state != ledger.Unsent
}

// effectsFrom is the start of load by the clock that stamps the effects.
func (f *files) effectsFrom() time.Time { return f.started.Add(f.clocks.offset) }

// readSamples takes in what the sampler has kept.
func (s *story) readSamples(data json.RawMessage) {
	var some []sample
	if json.Unmarshal(data, &some) == nil {
		s.samples = append(s.samples, some...)
	}
}
