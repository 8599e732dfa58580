// Package run carries out one experiment: the phases of a run, in order.
//
//	prepare  the run directory and run.json, before anything is started
//	start    the target comes up with empty tables, seen to be empty
//	load     the plan is sent while the timeline of faults strikes
//	undo     every fault is taken away, the undoing confirmed
//	drain    until the pipeline is seen to be empty, or drain.timeout
//	read     items, effects and dead letters, twice
//	judge    from the files alone
//
// It knows no target, only the seam [bench.Target]. Everything it learns goes
// to the run directory at once; [Judge] reads nothing else, so that a run can be
// judged again, elsewhere and later, and a crash of any phase loses nothing that
// was known.
package run

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/breakage"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/cost"
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/bench/load"
	"github.com/ackproof/ackproof/scenarios"
)

// startTimeout bounds how long a target may take to come up, afterLoad how long
// undoing and reading may take beside the drain.
const (
	startTimeout = time.Minute
	afterLoad    = 2 * time.Minute
)

// startDelay lies between the last preparation and the start of load, so that
// the first request can be sent on time.
const startDelay = 20 * time.Millisecond

// Options say what is run.
type Options struct {
	Scenario  *scenarios.Scenario
	Target    bench.Target
	Processor string // a Lambda binary; empty: the built-in one
	Seed      uint64
	Share     bench.Share // of the plan; zero: all of it
	ID        bench.RunID // all agents of a run have the same; empty: a new one
	StartAt   time.Time   // when the load is to begin, for agents that must begin together; zero: as soon as all is ready
	Out       string      // the folder that holds run directories
	Data      bool        // the embedded DynamoDB keeps its data in the run directory
	Version   string
	Prices    []byte // the price file; nil: the list that comes with ackproof
	Clock     clock.Clock
	Deployed  *bench.Deployed      // how the system on AWS is set; nil: nobody has asked
	Cloud     Cloud                // the account of AWS that the scenario has something to do with; nil: none
	Breakages *breakage.Folder     // for the journals of faults that are made of commands; nil: such faults are refused
	Progress  func(bench.Progress) // called once in a while from one goroutine; nil: nobody looks
}

// Run is one experiment. Make it with Prepare, carry it out with Do.
type Run struct {
	opts     Options
	id       bench.RunID
	dir      string
	plan     *scenarios.Plan
	stack    bench.Stack
	manifest manifest
	events   *ledger.EventWriter
	book     *ledger.Writer
	view     view
	gone     context.CancelCauseFunc // ends the waiting for a target that is gone for good
	outside  outside
	lost     atomic.Pointer[unwritten] // the first event that was not written
	headers  []map[string]string       // as they are sent, by kind of request
	sign     load.Sign                 // nil: nothing is signed

	attemptCost, costLimit float64 // US dollars, by the estimate; 0: there is no limit

	loadEnded time.Time
	hadOut    bool // the folder of run directories was there before
}

// Prepare checks everything that can be checked before the first request, and
// makes the run directory. All that is wrong is said at once, and nothing is
// left behind.
func Prepare(o Options) (*Run, error) {
	r, err := newRun(o)
	if err != nil {
		return nil, err
	}
	if err := r.makeDir(); err != nil {
		return nil, err
	}
	r.stack.Dir = r.dir
	if r.stack.Data != "" {
		r.stack.Data = filepath.Join(r.dir, dataDir)
	}
	return r, nil
}

// Check says what Prepare would find wrong, and makes nothing: of several runs that
// belong together all are checked before the first one starts.
func Check(o Options) error {
	_, err := newRun(o)
	return err
}

// newRun checks the options and makes a run without its directory.
func newRun(o Options) (*Run, error) {
	r := &Run{opts: o, id: o.ID}
	if r.id == "" {
		r.id = bench.NewRunID(clock.Entropy())
	}
	r.plan = scenarios.NewPlan(o.Scenario, r.id, 0, o.Seed).Share(o.Share)
	r.stack = o.Scenario.Stack(o.Seed)
	r.stack.Run, r.stack.Agent = r.id, o.Share.Agent
	r.stack.Processor.Path = o.Processor
	if r.stack.Scratch = o.Scenario.Table.Durable && !o.Data; r.stack.Scratch || o.Data {
		r.stack.Data = dataDir // below the run directory, which is not made yet
	}
	errs := []error{r.checkOutside(), r.readHeaders()}
	if r.opts.Prices == nil {
		_, r.opts.Prices = cost.List()
	} else if _, err := cost.ParsePrices(r.opts.Prices); err != nil {
		errs = append(errs, err)
	}
	errs = append(errs, r.checkCloud(), r.checkCost())
	if r.plan.Keys() > 0 && o.Share.Of > 1 {
		errs = append(errs, errors.New("workload: {kind: versions} cannot be shared by several agents: which write of a key was the last, none of them knows"))
	}
	for _, lack := range o.Target.Lacks(r.stack) {
		errs = append(errs, errors.New(lack))
	}
	if o.Processor != "" && r.stack.Architecture != bench.Streams && !slices.Contains(o.Scenario.Processor.Accepts, "proxy") {
		errs = append(errs, fmt.Errorf("%s hands the processor API Gateway proxy events; if %s understands them, say processor.accepts: [stream, proxy]", r.stack.Architecture, o.Processor))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return r, nil
}

// Dir is the run directory.
func (r *Run) Dir() string { return r.dir }

// Do carries the run out. When ctx ends, the load stops, the faults are undone,
// and what is known is read and kept; so too when a process of the target is gone
// for good: nobody is left to load, or to wait for. The target stays up: the caller
// stops it. An error that is a [NotStarted] came before the first request.
func (r *Run) Do(interrupt context.Context) (bench.Endpoints, error) {
	defer r.close()
	ctx, gone := context.WithCancelCause(interrupt)
	defer gone(nil)
	r.gone = gone
	r.phase("starting")
	endpoints, err := r.start(ctx)
	if err != nil {
		return endpoints, NotStarted{err}
	}
	reader, err := newReader(ctx, endpoints, r.plan, r.opts.Scenario.Read, r.opts.Clock, r.dialer())
	if err == nil {
		err = errors.Join(r.seeAlarm(ctx), r.seeExports(ctx, reader), r.seeCleanStart(ctx, reader))
	}
	if err == nil {
		err = r.canary(ctx, reader)
	}
	if err != nil {
		return endpoints, NotStarted{orDeath(ctx, err)}
	}
	loadErr := r.load(ctx, endpoints, reader)
	if errors.As(loadErr, new(NotStarted)) {
		return endpoints, loadErr
	}
	if err := r.book.Close(); !errors.Is(loadErr, ledger.ErrFull) { // else it says the same once more
		loadErr = errors.Join(loadErr, err)
	}
	r.loadEnded = r.opts.Clock.Now()
	// From here on an interrupt must not keep us from undoing and reading: it
	// only cuts the waiting short. A target that hangs must not keep us for ever.
	after, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterLoad+r.undoing()+r.opts.Scenario.Drain.Timeout+r.opts.Scenario.Drain.Quiet+readingTime(r.opts.Scenario, r.plan))
	defer cancel()
	undoErr := r.undo(after)
	still, drainErr := r.drain(ctx, reader)
	readErr := r.read(ctx, after, reader)
	err = orDeath(ctx, errors.Join(loadErr, undoErr, drainErr, readErr, r.rest(after, still)))
	r.finish(interrupt.Err() != nil, err)
	if lost := r.lost.Load(); lost != nil && !errors.Is(err, *lost) { // the very last one
		err = errors.Join(err, *lost)
	}
	return endpoints, err
}

// targetGone says which process of the target is gone for good.
type targetGone struct{ error }

// unwritten says why events are not recorded: a run that nobody can judge later is
// not carried on.
type unwritten struct{ error }

// orDeath gives the death of the target, or of the record, in the place of what
// follows from it.
func orDeath(ctx context.Context, err error) error {
	if death, dead := errors.AsType[targetGone](context.Cause(ctx)); dead {
		return death
	}
	if lost, ok := errors.AsType[unwritten](context.Cause(ctx)); ok {
		return lost
	}
	return err
}

// note keeps an event. The run ends with the first one that cannot be kept.
func (r *Run) note(e bench.Event) {
	if err := r.events.Append(e); err != nil {
		lost := unwritten{fmt.Errorf("%s cannot be written: %w", eventsFile, err)}
		r.lost.CompareAndSwap(nil, &lost)
		r.gone(lost)
	}
}

// hear keeps what the target tells.
func (r *Run) hear(e bench.Event) {
	r.note(e)
	if e.Kind == bench.EventTargetDeath {
		r.gone(targetGone{errors.New(e.Text)})
	}
}

// NotStarted is an error from before the first request.
type NotStarted struct{ error }

// Unwrap gives the cause.
func (n NotStarted) Unwrap() error { return n.error }

// start brings the target up.
func (r *Run) start(ctx context.Context) (bench.Endpoints, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	endpoints, err := r.opts.Target.Start(ctx, r.stack, r.hear)
	if err != nil {
		return endpoints, err
	}
	r.manifest.Endpoints = endpoints
	return endpoints, errors.Join(r.manifest.write(r.dir), r.openSigner(ctx))
}

// dialer is how the target is reached; nil: over the machine's network.
func (r *Run) dialer() bench.Dialer {
	d, _ := r.opts.Target.(bench.Dialer)
	return d
}

// load sends the plan while the faults strike. It returns when every request is
// over and every fault has been taken away.
func (r *Run) load(ctx context.Context, endpoints bench.Endpoints, reader *reader) error {
	if err := r.openJournal(); err != nil {
		return NotStarted{err}
	}
	if err := r.beginCounted(ctx); err != nil {
		return NotStarted{err}
	}
	started, err := r.startOfLoad(ctx)
	if err != nil {
		return NotStarted{err}
	}
	r.manifest.Started = started.UTC().Format(time.RFC3339Nano)
	if err := r.manifest.write(r.dir); err != nil {
		return NotStarted{err}
	}
	if err := errors.Join(r.events.SetStart(started), r.book.SetStart(started)); err != nil {
		return NotStarted{err}
	}
	r.phase("load")
	Link(r.opts.Out, r.dir)
	attack := r.attack(r.plan, r.book, started, endpoints)
	stopView := r.watch(ctx, attack, started)
	defer stopView()
	stopSampling := r.sample(ctx, reader, started)
	defer stopSampling()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return r.strike(ctx, started) })
	attacking, end := context.WithCancel(ctx)
	defer end()
	go r.guard(attacking, attack, end)
	group.Go(func() error {
		figures, err := attack.Run(attacking)
		r.evidence(evidenceGenerator, newGenerator(figures, err == nil && attacking.Err() == nil))
		end()
		return err
	})
	return group.Wait()
}

// attack is the load generator, set up for this run.
func (r *Run) attack(plan load.Plan, book load.Book, started time.Time, endpoints bench.Endpoints) *load.Attack {
	request := r.opts.Scenario.Request
	host, prefix := endpoints.API, ""
	if u, err := url.Parse(endpoints.API); err == nil { // of a target of ours, or checked
		host, prefix = u.Scheme+"://"+u.Host, u.EscapedPath()
	}
	var kinds []load.Kind
	for i, k := range r.opts.Scenario.RequestKinds() {
		kinds = append(kinds, load.Kind{Method: k.Method, Path: prefix + k.Path, Header: r.headers[i]})
	}
	var injector bench.Injector
	if t, ok := r.opts.Target.(bench.OnTheWay); ok {
		injector = t.OnTheWay()
	}
	return load.New(load.Config{
		URL: host, Kinds: kinds, Sign: r.sign, Injector: injector,
		Ack: request.Ack, Refused: request.Refused, Timeout: request.Timeout, Connections: request.Connections,
		Retries: load.Retries{Max: request.Retries.Max, On: request.Retries.Outcomes(), BackOff: r.plan.BackOff},
		Start:   started, Clock: r.opts.Clock, Dialer: r.dialer(),
	}, plan, book)
}

// startOfLoad is when the load begins. Where that was agreed upon, it waits until
// shortly before.
func (r *Run) startOfLoad(ctx context.Context) (time.Time, error) {
	soon, agreed := r.opts.Clock.Now().Add(startDelay), r.opts.StartAt
	switch {
	case agreed.IsZero():
		return soon, nil
	case agreed.Before(soon):
		return agreed, fmt.Errorf("the agreed start, %s, has passed: the target was ready %s too late; give all agents a later --start-at",
			agreed.UTC().Format(time.RFC3339), soon.Sub(agreed).Round(time.Millisecond))
	}
	r.phase("waiting for the agreed start")
	if !clock.Wait(agreed.Sub(soon), ctx.Done()) {
		return agreed, ctx.Err()
	}
	return agreed, nil
}

// strikes reports whether the run breaks the system itself. Where several agents
// load one, the first does.
func (r *Run) strikes() bool {
	shared, ok := r.opts.Target.(bench.Shared)
	return r.opts.Share.Agent <= 1 || !ok || !shared.Shared()
}

// phase notes the beginning of a phase.
func (r *Run) phase(name string) {
	r.view.step(name)
	r.note(bench.Event{At: r.opts.Clock.Now(), Kind: bench.EventPhase, Text: name})
}

// finish writes the last evidence: that the harness lived to the end.
func (r *Run) finish(interrupted bool, err error) {
	f := finished{Interrupted: interrupted}
	if err != nil {
		f.Error = err.Error()
	}
	r.wrote()
	r.evidence(evidenceFinished, f)
}

// close closes the files of the run.
func (r *Run) close() {
	if j := r.outside.journal; j != nil {
		j.Close()
	}
	r.book.Close()
	r.events.Close()
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// since is the time since the start of load.
func (r *Run) since(started time.Time) time.Duration { return r.opts.Clock.Now().Sub(started) }
