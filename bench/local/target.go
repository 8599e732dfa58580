package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/eventsource"
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
	cloud   *child
	gateway *child
	lent    *lent // nil: the embedded engine is used
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
	if err := t.opts.DynamoDB.Check(); err != nil {
		lacks = append(lacks, err.Error())
	}
	if _, err := t.opts.NewFaults(stack.Seed, stack.Faults); err != nil {
		lacks = append(lacks, err.Error())
	}
	if stack.Architecture == bench.Streams {
		for _, err := range eventsource.Validate(stack.Mapping) {
			lacks = append(lacks, err.Error())
		}
	}
	lacks = append(lacks, gatewayLacks(stack)...)
	if p := stack.Processor.Path; p != "" {
		if info, err := os.Stat(p); err != nil {
			lacks = append(lacks, fmt.Sprintf("the processor %s cannot be used: %v", p, err))
		} else if info.IsDir() || info.Mode()&0o111 == 0 {
			lacks = append(lacks, fmt.Sprintf("the processor %s is no executable file; build one with 'go build -o bootstrap ./cmd/streamprocessor'", p))
		}
	}
	return lacks
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
	if t.places, err = t.opts.NewFaults(stack.Seed, stack.Faults); err != nil {
		return bench.Endpoints{}, err
	}
	token := fmt.Sprintf("%016x%016x", clock.Entropy(), clock.Entropy())
	config := cloudConfig{Stack: stack, Token: token, Exe: exe}
	if config.Outside = t.opts.DynamoDB.URL; config.Outside != "" {
		if t.lent, err = borrow(ctx, config.Outside, stack); err != nil {
			return bench.Endpoints{}, err
		}
		config.StreamARN = t.lent.streamARN
	}
	var cloud, gateway ready
	t.cloud, cloud, err = spawn(ctx, exe, RoleCloud, token, config, t.opts.Log, events)
	if err != nil {
		return bench.Endpoints{}, errors.Join(err, t.Stop())
	}
	t.gateway, gateway, err = spawn(ctx, exe, RoleGateway, token,
		gatewayConfig{Stack: stack, Token: token, DynamoDB: cloud.URL, Invoke: cloud.Invoke, Port: t.opts.Port}, t.opts.Log, events)
	if err != nil {
		return bench.Endpoints{}, errors.Join(err, t.Stop())
	}
	return bench.Endpoints{
		API: gateway.URL, DynamoDB: cloud.URL, Region: Region,
		ItemsTable: ItemsTable(stack.Run), ResultsTable: ResultsTable(stack.Run), Outside: t.opts.DynamoDB.URL,
	}, nil
}

// holder is the process in which a fault lives.
func (t *Target) holder(fault int) *child {
	if t.places.Place(fault) == bench.PlaceGateway {
		return t.gateway
	}
	return t.cloud
}

// Begin arms a fault, or adds a strike.
func (t *Target) Begin(ctx context.Context, fault int) error {
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
	if t.lent != nil {
		errs = append(errs, t.lent.giveBack())
		t.lent = nil
	}
	return errors.Join(errs...)
}
