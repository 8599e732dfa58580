package run

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/sdk"
	"github.com/ackproof/ackproof/scenarios"
)

const (
	// canaryEvery lies between two canaries: a mapping that starts at LATEST never
	// delivers the first ones.
	canaryEvery = 2 * time.Second
	// canaryLook lies between two looks for what became of them.
	canaryLook = 200 * time.Millisecond
	// maxCanaries is as many as one look asks for.
	maxCanaries = maxKeys
)

// canaries says what the canaries have proven: that the API, the tables and the
// processor that were named belong together, and that they work.
type canaries struct {
	Sent    int     `json:"sent"`
	Items   bool    `json:"items"`   // one of them is stored; false: nobody could look
	Effects bool    `json:"effects"` // one of them is processed
	Ms      float64 `json:"ms"`      // until all was seen
}

// canary sends canaries to a system that is not ours until one is delivered. That a
// mapping says Enabled proves nothing
// (https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html), and a table in
// which no request of ours has ever been seen may be the wrong one, where absence
// is no loss.
func (r *Run) canary(ctx context.Context, rd *reader) error {
	if !r.opts.Scenario.Named() {
		return nil
	}
	s, err := r.deliver(ctx, rd, false)
	if err == nil {
		r.evidence(evidenceCanary, s)
	}
	return err
}

// Ready sends canaries to a system that is not ours until one is delivered, as a run
// does before its load, and keeps nothing. A new API may refuse at first what it
// takes a moment later: until target.canary is over, that is waited for. It says how
// many canaries it took, and how long.
func Ready(ctx context.Context, o Options) (sent int, after time.Duration, err error) {
	r, err := newRun(o)
	if err != nil {
		return 0, 0, err
	}
	r.manifest.Endpoints, err = o.Target.Start(ctx, r.stack, func(bench.Event) {})
	defer o.Target.Stop()
	if err == nil {
		err = r.openSigner(ctx)
	}
	if err != nil {
		return 0, 0, err
	}
	rd, err := newReader(ctx, r.manifest.Endpoints, r.plan, o.Scenario.Read, o.Clock, r.dialer())
	if err != nil {
		return 0, 0, err
	}
	s, err := r.deliver(ctx, rd, true)
	return s.Sent, time.Duration(s.Ms * float64(time.Millisecond)), err
}

// deliver sends canaries until one is seen to be delivered. Patient, it also waits for
// an API that does not take them yet.
func (r *Run) deliver(ctx context.Context, rd *reader, patient bool) (s canaries, err error) {
	began := r.opts.Clock.Now()
	plan := scenarios.NewPlan(r.opts.Scenario, r.id, bench.CanaryAgent, r.opts.Seed)
	// Agents that load one system have canaries of their own: one that is stored
	// proves nothing about what another agent was told to load.
	first := uint64(max(0, r.opts.Share.Agent-1)) * maxCanaries
	items, effects := rd.endpoints.ItemsTable != "", rd.endpoints.ResultsTable != "" && r.opts.Scenario.Guarantee.Effects != scenarios.NoEffects
	var refused error // the last canary was
	for last := time.Duration(-canaryEvery); ; {
		if at := r.since(began); at-last >= canaryEvery && s.Sent < maxCanaries {
			last = at
			refused = r.sendCanary(ctx, plan, first+uint64(s.Sent))
			if refused != nil && !patient {
				return s, refused
			}
			s.Sent++
		}
		if s.Items, err = r.seesCanary(ctx, rd, plan, first, s.Sent, rd.items); err == nil && effects {
			s.Effects, err = r.seesCanary(ctx, rd, plan, first, s.Sent, rd.effects)
		}
		switch {
		case err != nil:
			return s, fmt.Errorf("look for a canary: %w", err)
		case s.Items == items && (s.Effects || !effects) && refused == nil:
			s.Ms = ms(r.since(began))
			return s, nil
		case r.since(began) > r.opts.Scenario.Target.Canary && refused != nil:
			return s, refused
		case r.since(began) > r.opts.Scenario.Target.Canary:
			return s, r.silent(s, items)
		case !clock.Wait(canaryLook, ctx.Done()):
			return s, ctx.Err()
		}
	}
}

// silent says what was not seen of the canaries, and what that may mean.
func (r *Run) silent(s canaries, items bool) error {
	e := r.manifest.Endpoints
	if items && !s.Items {
		return fmt.Errorf("%d canaries were acknowledged, and none appeared in table %s within %v: is it the table of %s, and %s the attribute that carries the %s?",
			s.Sent, e.ItemsTable, r.opts.Scenario.Target.Canary, e.API, e.Attributes.ItemID, r.carried(e.Attributes.Version))
	}
	return fmt.Errorf("%d canaries were acknowledged, and no effect of them appeared in table %s within %v: is the processor running, is that its table, and %s the attribute that carries the %s? "+
		"A longer target.canary waits longer; guarantee: {effects: none} asks for no effects", s.Sent, e.ResultsTable, r.opts.Scenario.Target.Canary, e.Attributes.EffectID, r.carried(e.Attributes.EffectVersion))
}

// carried says what attributes carry: the key of an item, and in another one its
// version, where it has several.
func (r *Run) carried(version string) string {
	if r.plan.Keys() == 0 || version == "" {
		return "id"
	}
	return "key, " + version + " the one that carries the version"
}

// sendCanary sends one, as the load will be sent.
func (r *Run) sendCanary(ctx context.Context, plan *scenarios.Plan, seq uint64) error {
	var answer lastAnswer
	url := r.manifest.Endpoints.API + r.opts.Scenario.Request.Path
	_, err := r.attack(sentinelPlan{plan: plan, first: seq, n: 1}, &answer, r.opts.Clock.Now(), r.manifest.Endpoints).Run(ctx)
	switch {
	case err != nil:
		return err
	case answer.got.Outcome == bench.Acknowledged:
		return nil
	case answer.got.Status != 0:
		return fmt.Errorf("the first request, a canary, was answered %d by %s: correct target.url, request or request.ack", answer.got.Status, url)
	}
	return fmt.Errorf("the first request, a canary, had no answer from %s (%s): is that the URL of the API?", url, answer.got.Class)
}

// lastAnswer is a book of one request.
type lastAnswer struct {
	noBook
	got bench.Attempt
}

// Done remembers.
func (l *lastAnswer) Done(a bench.Attempt) { l.got = a }

var errFound = errors.New("found")

// seesCanary reports whether any of n canaries, from the first on, is in a table.
func (r *Run) seesCanary(ctx context.Context, rd *reader, plan *scenarios.Plan, first uint64, n int, in source) (bool, error) {
	if in.table == "" {
		return false, nil
	}
	// Of one table an item is an effect when it says when it was processed.
	later := rd.oneTable() && len(in.names) > rowProcessedAt
	named := plan.Keys() > 0 && in.names[rowVersion] != "" && (in.table == rd.items.table || perKey(rd.endpoints))
	own, end := *rd, first+uint64(n)
	own.plan = plan
	found := func(rows []attributes) error {
		for _, row := range rows {
			v := in.values(row)
			id, err := bench.ParseKey(text(v[rowID]))
			if named && text(v[rowVersion]) != text(v[rowID]) {
				continue // it does not say which version it is
			}
			if later && v[rowProcessedAt].Type == "" {
				continue
			}
			if err == nil && id.Run == r.id && id.Agent == bench.CanaryAgent && id.Seq >= first && id.Seq < end {
				return errFound
			}
		}
		return nil
	}
	var err error
	if rd.byKey() {
		err = own.get(ctx, in, first, end, own.key, found)
	} else {
		err = own.scan(ctx, in.table, found)
	}
	if errors.Is(err, errFound) {
		return true, nil
	}
	return false, err
}

// readHeaders finds what the requests carry that is never written down.
func (r *Run) readHeaders() error {
	for _, kind := range r.opts.Scenario.RequestKinds() {
		sent, err := kind.SentHeaders()
		if err != nil {
			return err
		}
		r.headers = append(r.headers, sent)
	}
	return nil
}

// openSigner finds the credentials that requests are signed with.
func (r *Run) openSigner(ctx context.Context) error {
	if r.opts.Scenario.Request.Sign != scenarios.SignSigV4 {
		return nil
	}
	e := r.manifest.Endpoints
	sign, err := sdk.SignAPI(ctx, e.API, e.Region, e.Profile)
	if err != nil {
		return fmt.Errorf("request.sign: %w", err)
	}
	r.sign = sign
	return nil
}
