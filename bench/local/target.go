package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/eventsource"
	"github.com/ackproof/ackproof/bench/lambda"
)

// Options say how the local target is run.
type Options struct {
	Exe       string // plays the roles; empty: this executable
	NewFaults NewFaults
	Port      int       // of the API, 0: a free one
	DynamoDB  Outside   // the tables are there; zero: in an engine of our own
	Log       io.Writer // what the processes say besides; nil: nowhere
}

// Target is the local target. It serves one run.
type Target struct {
	opts    Options
	places  Faults // asked for places only
	site    site   // of all its parts
	cloud   *child
	gateway *child
	code    string // folder of the processor's unpacked package
	lent    *lent  // nil: the embedded engine is used
}

// New makes a local target.
func New(opts Options) *Target {
	if opts.Log == nil {
		opts.Log = io.Discard
	}
	return &Target{opts: opts}
}

// Name is "local".
func (t *Target) Name() string { return "local" }

// Lacks names what the local target cannot do of a stack.
func (t *Target) Lacks(stack bench.Stack) []string {
	var lacks []string
	if t.opts.DynamoDB.URL != "" {
		lacks = append(lacks, t.opts.DynamoDB.lacks(stack, t.opts.NewFaults)...)
	}
	faults, err := t.opts.NewFaults(stack.Seed, stack.Faults)
	if err != nil {
		lacks = append(lacks, err.Error())
	}
	if stack.OneTable && stack.Architecture != bench.Streams {
		lacks = append(lacks, fmt.Sprintf("with one table for items and effects the architecture %s would write an item twice in one transaction: leave table.oneTable out, or use %s", stack.Architecture, bench.Streams))
	}
	for i := 0; err == nil && i < len(stack.Faults); i++ {
		if lack := lackOfPlace(stack, faults.Place(i)); lack != "" {
			lacks = append(lacks, fmt.Sprintf("the fault %q needs %s, or leave it out", stack.Faults[i], lack))
		}
	}
	if stack.Architecture == bench.Streams {
		for _, err := range eventsource.Validate(stack.Mapping) {
			lacks = append(lacks, err.Error())
		}
	}
	lacks = append(lacks, gatewayLacks(stack)...)
	if stack.Processor.MemoryMB > 0 && !lambda.CanLimitMemory() {
		lacks = append(lacks, "processor.memory: this system does not say how much memory a process holds; leave it out")
	}
	if p := stack.Processor.Path; p != "" {
		if err := lambda.CheckProgram(p); err != nil {
			lacks = append(lacks, err.Error())
		}
	}
	return lacks
}

// lackOfPlace says what a fault at a place needs and the architecture does not
// have, and what to do; empty: nothing.
func lackOfPlace(stack bench.Stack, place bench.Place) string {
	events := stack.Architecture == bench.FireAndForget
	switch {
	case stack.Architecture == bench.Streams, events && place == bench.PlaceClock, !isLever(place) && place != bench.PlaceDestination:
		return ""
	case events && place == bench.PlaceDestination:
		if stack.Async.OnFailure != "" {
			return ""
		}
		return "an on-failure destination: say async: {onFailure: payload}"
	}
	return fmt.Sprintf("a stream and a mapping, and the architecture %s has none: use %s", stack.Architecture, bench.Streams)
}

// Start starts cloud and gateway and waits until both, and the processor's
// processes, are ready.
func (t *Target) Start(ctx context.Context, stack bench.Stack, events func(bench.Event)) (bench.Endpoints, error) {
	exe := t.opts.Exe
	if exe == "" {
		self, err := os.Executable()
		if err != nil {
			return bench.Endpoints{}, fmt.Errorf("start the local target: %w", err)
		}
		exe = self
	}
	var err error
	if stack.Data != "" {
		if stack, err = adopt(stack); err != nil {
			return bench.Endpoints{}, err
		}
	}
	if t.places, err = t.opts.NewFaults(stack.Seed, stack.Faults); err != nil {
		return bench.Endpoints{}, err
	}
	program, err := t.openProcessor(stack)
	if err != nil {
		return bench.Endpoints{}, err
	}
	token := fmt.Sprintf("%016x%016x", clock.Entropy(), clock.Entropy())
	config := cloudConfig{Stack: stack, Token: token, Exe: exe, Processor: program, site: t.site}
	if config.Outside = t.opts.DynamoDB.URL; config.Outside != "" {
		if t.lent, err = borrow(ctx, config.Outside, stack); err != nil {
			return bench.Endpoints{}, err
		}
		config.StreamARN = t.lent.streamARN
	}
	var cloud, gateway ready
	t.cloud, cloud, err = t.startCloud(ctx, config, events)
	if err != nil {
		return bench.Endpoints{}, errors.Join(err, t.Stop())
	}
	t.gateway, gateway, err = t.spawn(ctx, exe, RoleGateway, token,
		gatewayConfig{Stack: stack, Token: token, DynamoDB: cloud.URL, Invoke: cloud.Invoke, Port: t.opts.Port, site: t.site}, events)
	if err != nil {
		return bench.Endpoints{}, errors.Join(err, t.Stop())
	}
	return bench.Endpoints{
		API: gateway.URL, DynamoDB: cloud.URL, Region: Region,
		ItemsTable: ItemsTable(stack.Run), ResultsTable: resultsTable(stack), Outside: t.opts.DynamoDB.URL,
	}, nil
}

// openProcessor finds the user's processor. A zip is unpacked here and not in
// the cloud, since the cloud may be killed and could not clean up.
func (t *Target) openProcessor(stack bench.Stack) (lambda.Program, error) {
	if stack.Processor.Path == "" || t.site.function != nil {
		return lambda.Program{}, nil
	}
	t.code = filepath.Join(stack.Dir, "processor")
	return lambda.OpenProgram(stack.Processor.Path, t.code)
}

// startCloud starts a cloud. One that is given the data folder of another, which
// is gone, and the port of its DynamoDB goes on in its place.
func (t *Target) startCloud(ctx context.Context, cfg cloudConfig, events func(bench.Event)) (*child, ready, error) {
	return t.spawn(ctx, cfg.Exe, RoleCloud, cfg.Token, cfg, events)
}

// holder is the process in which a fault lives.
func (t *Target) holder(fault int) *child {
	if t.places.Place(fault) == bench.PlaceGateway {
		return t.gateway
	}
	return t.cloud
}

// Begin arms a fault, or adds a strike. Time passes for both processes.
func (t *Target) Begin(ctx context.Context, fault int) error {
	if t.places.Place(fault) == bench.PlaceClock {
		if err := t.gateway.control.call(ctx, "POST", fmt.Sprintf("/faults/%d/begin", fault), nil); err != nil {
			return err
		}
	}
	return t.holder(fault).control.call(ctx, "POST", fmt.Sprintf("/faults/%d/begin", fault), nil)
}

// End takes a fault away. For one that killed processes it returns when each
// has a successor that has asked for work.
func (t *Target) End(ctx context.Context, fault int) error {
	return t.holder(fault).control.call(ctx, "POST", fmt.Sprintf("/faults/%d/end", fault), nil)
}

// Bites asks the process in which each fault lives.
func (t *Target) Bites(ctx context.Context) ([]bench.Bites, error) {
	var cloud, gateway []bench.Bites
	if err := t.cloud.control.call(ctx, "GET", "/bites", &cloud); err != nil {
		return nil, err
	}
	if err := t.gateway.control.call(ctx, "GET", "/bites", &gateway); err != nil {
		return nil, err
	}
	for i := range cloud {
		if t.holder(i) == t.gateway {
			cloud[i] = gateway[i]
		}
	}
	return cloud, nil
}

// Position asks the gateway what is on its way into the pipeline, and then the
// cloud how far that has come: in this order nothing slips between the two.
func (t *Target) Position(ctx context.Context) (p bench.Position, err error) {
	var open int
	if err := t.gateway.control.call(ctx, "GET", "/open", &open); err != nil {
		return p, err
	}
	err = t.cloud.control.call(ctx, "GET", "/position", &p)
	p.Open += open
	return p, err
}

// DeadLetters reads the on-failure destination.
func (t *Target) DeadLetters(ctx context.Context) (letters []bench.DeadLetter, err error) {
	err = t.cloud.control.call(ctx, "GET", "/deadletters", &letters)
	return letters, err
}

// Stop takes everything down. It may be called twice.
func (t *Target) Stop() error {
	var errs []error
	for _, c := range []**child{&t.gateway, &t.cloud} {
		if *c != nil {
			errs = append(errs, (*c).stop())
			*c = nil
		}
	}
	if t.code != "" {
		errs = append(errs, os.RemoveAll(t.code))
		t.code = ""
	}
	if t.lent != nil {
		errs = append(errs, t.lent.giveBack())
		t.lent = nil
	}
	return errors.Join(errs...)
}
