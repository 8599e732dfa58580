package aws

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/faults"
)

// patience bounds how long a lever may take to be in force, and to be confirmed
// undone. An event source mapping may take minutes to stop.
const patience = 10 * time.Minute

// Parts are what of a system on AWS levers are pulled at.
type Parts struct {
	Stack          string // by whose name the journal is found
	API, Stage     string // id of the REST API, and its stage
	Function       string
	Items, Results string // tables
	Stream         string // ARN
}

// Parts are those of a stack of ours.
func (s *Status) Parts() Parts {
	return Parts{
		Stack: s.Name, API: apiOf(s.Outputs[OutURL]), Stage: stageName, Function: s.Outputs[outFunction],
		Items: s.Outputs[OutItems], Results: s.Outputs[OutResults], Stream: s.Outputs[outStream],
	}
}

// PartsOf are those of a system of somebody's own, by the URL of its API and the names
// that it has; a stream that is not named by its ARN is that of the items table.
func PartsOf(stack, address, function, items, results, stream string) Parts {
	p := Parts{Stack: stack, API: apiOf(address), Function: function, Items: items, Results: results}
	if u, err := url.Parse(address); err == nil {
		p.Stage, _, _ = strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	}
	if strings.HasPrefix(stream, "arn:") {
		p.Stream = stream
	}
	return p
}

// LeverOptions say what is broken and how.
type LeverOptions struct {
	Account *Account
	Parts   Parts
	Undoing []string // the command that undoes what is open
	Clock   clock.Clock
}

// Levers break a system on AWS by its control plane. They serve one run.
type Levers struct {
	opts  LeverOptions
	hand  *hand
	stack bench.Stack

	pulls []*pull
}

// pull is one fault, and its lever.
type pull struct {
	fault faults.Fault
	lever lever // nil: a fault of the user's own commands

	mu       sync.Mutex
	noted    bool // it is in the journal
	in       bool // it is in force, or has been
	from, to time.Time
}

// NewLevers makes them; nothing is asked of AWS.
func NewLevers(o LeverOptions) *Levers {
	return &Levers{opts: o, hand: &hand{Account: o.Account, clock: o.Clock, poll: lookAgain}}
}

// Patience bounds how long a fault takes to begin and to end.
func (l *Levers) Patience() time.Duration { return patience }

// Undoing is the command that undoes what is open in the account.
func (l *Levers) Undoing() []string { return l.opts.Undoing }

// Open looks at all that will be pulled, that it can be, and that it can be counted.
// What an earlier run has left open must be undone first: what it would find broken
// is not its own doing. All that is wrong is said at once.
func (l *Levers) Open(ctx context.Context, stack bench.Stack) error {
	l.stack, l.pulls = stack, nil
	if err := l.findStream(ctx); err != nil {
		return err
	}
	var errs []error
	some := false
	for i, text := range stack.Faults {
		f, err := faults.Parse(text)
		if err != nil {
			return err // Lacks has said so
		}
		p := &pull{fault: f}
		if p.lever = l.lever(i, f); p.lever != nil {
			some = true
			if err := p.lever.look(ctx, l.hand); err != nil {
				errs = append(errs, fmt.Errorf("the fault %q: %w", text, err))
			}
		}
		l.pulls = append(l.pulls, p)
	}
	if !some {
		return nil
	}
	open, err := l.opts.Account.OpenFaults(ctx, l.opts.Parts.Stack)
	for _, o := range open {
		errs = append(errs, fmt.Errorf("run %s on %s has left %q open since %s: 'ackproof faults undo --stack %s' undoes it", o.Run, o.Host, o.Text, o.Since.Format(time.RFC3339), o.Stack))
	}
	return errors.Join(append(errs, err)...)
}

// findStream finds the stream of the items table, where a fault takes it and nobody has
// named it.
func (l *Levers) findStream(ctx context.Context) error {
	p := &l.opts.Parts
	if p.Stream != "" || p.Items == "" || l.stack.Architecture != bench.Streams || len(l.stack.Faults) == 0 {
		return nil
	}
	t, err := (&capacity{Table: p.Items}).now(ctx, l.hand)
	if err == nil {
		p.Stream = text(t.LatestStreamArn)
	}
	return err
}

// entry is what the journal says of a fault.
func (l *Levers) entry(fault int) OpenFault {
	return OpenFault{Stack: l.opts.Parts.Stack, Run: l.stack.Run, Fault: fault, Text: l.stack.Faults[fault]}
}

// Begin pulls the lever of a fault, and returns when the control plane says that it
// is in force. How to undo it is in the account's journal before. A fault that is in
// force is struck again by itself.
func (l *Levers) Begin(ctx context.Context, fault int) error {
	p := l.pulls[fault]
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.noted {
		return nil
	}
	if err := p.lever.look(ctx, l.hand); err != nil { // it may be long since Open
		return err
	}
	if err := l.hand.note(ctx, l.entry(fault), p.lever); err != nil {
		return err
	}
	p.noted, p.from = true, l.hand.clock.Now()
	if err := p.lever.pull(ctx, l.hand); err != nil {
		return err
	}
	p.in = true
	return nil
}

// End puts back what was before, and returns when that is seen to be so. What cannot
// be confirmed stays in the journal.
func (l *Levers) End(ctx context.Context, fault int) error {
	p := l.pulls[fault]
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.noted {
		return nil
	}
	var unseen error
	if s, ok := p.lever.(seer); ok && p.in {
		unseen = s.see(ctx, l.hand) // it is undone all the same
	}
	if err := l.hand.putBack(ctx, p.lever); err != nil {
		return errors.Join(err, unseen)
	}
	p.to = l.hand.clock.Now()
	if err := l.hand.over(ctx, l.entry(fault)); err != nil {
		return err
	}
	p.noted = false
	return unseen
}

// Bites asks the counters how often each fault has struck. They are late, so that one
// that says 0 is asked again until it could know better.
func (l *Levers) Bites(ctx context.Context) ([]bench.Bites, error) {
	bites := make([]bench.Bites, len(l.pulls))
	var errs []error
	for i, p := range l.pulls {
		bites[i].Planned = -1
		if p.lever == nil {
			continue
		}
		p.mu.Lock()
		n, err := l.bitten(ctx, p)
		p.mu.Unlock()
		if err != nil {
			errs = append(errs, fmt.Errorf("count how often %q has struck: %w", l.stack.Faults[i], err))
		}
		bites[i].Bitten = n
	}
	return bites, errors.Join(errs...)
}

func (l *Levers) bitten(ctx context.Context, p *pull) (int64, error) {
	if !p.in {
		return 0, nil
	}
	to := p.to
	if to.IsZero() {
		to = l.hand.clock.Now() // it could not be undone
	}
	for {
		n, err := p.lever.count(ctx, l.hand, p.from, to)
		if n > 0 || err != nil || l.hand.clock.Now().Sub(to) >= p.lever.late() || !clock.Wait(l.hand.poll, ctx.Done()) {
			return n, err
		}
	}
}
