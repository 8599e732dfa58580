package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

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
	faults  Faults // those of the cloud, and what was told of the others' strikes
	site    site   // of all its parts
	cloud   *part
	gateway *part
	code    string // folder of the processor's unpacked package
	scratch string // folder of the data, where they are for this run alone
	lent    *lent  // nil: the embedded engine is used
	events  func(bench.Event)

	mu         sync.Mutex
	processors map[int]bool   // process ids of those that have started and not died
	position   bench.Position // the furthest counters that were told
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
	for i := 0; err == nil && i < len(stack.Faults); i++ {
		if faults.Place(i) == bench.PlaceCloud && stack.Data == "" {
			lacks = append(lacks, fmt.Sprintf("the fault %q would end the run: the tables are in the memory of what it kills; say table.durable: true, or --data, and they are on disk", stack.Faults[i]))
		}
	}
	if stack.OneTable && stack.Architecture != bench.Streams {
		lacks = append(lacks, fmt.Sprintf("with one table for items and effects the architecture %s would write an item twice in one transaction: leave table.oneTable out, or use %s", stack.Architecture, bench.Streams))
	}
	for i := 0; err == nil && i < len(stack.Faults); i++ {
		if lack := lackOfPlace(stack, faults.Place(i)); lack != "" {
			lacks = append(lacks, fmt.Sprintf("the fault %q needs %s, or leave it out", stack.Faults[i], lack))
		}
	}
	for i := 0; err == nil && i < len(stack.Faults) && stack.OneTable; i++ {
		if place := faults.Place(i); place == bench.PlaceResults || place == bench.PlaceSkew {
			lacks = append(lacks, fmt.Sprintf("the fault %q needs a results table, and with table.oneTable there is none: leave one of the two out", stack.Faults[i]))
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
	case place == bench.PlaceFunction, place == bench.PlaceFIS:
		return "a function on AWS: say --target aws"
	case stack.Architecture == bench.Streams, events && place == bench.PlaceClock, !ofMapping(place):
		return ""
	case events && place == bench.PlaceDestination:
		if stack.Async.OnFailure != "" {
			return ""
		}
		return "an on-failure destination: say async: {onFailure: payload}"
	}
	return fmt.Sprintf("a stream and a mapping, and the architecture %s has none: use %s", stack.Architecture, bench.Streams)
}

// ofMapping reports whether a place is one of stream, mapping and their control
// plane.
func ofMapping(place bench.Place) bool {
	return isLever(place) || place == bench.PlaceDestination || place == bench.PlaceRead || place == bench.PlaceDelivery
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
		if stack.Scratch {
			t.scratch = stack.Data
		}
		if stack, err = adopt(stack); err != nil {
			return bench.Endpoints{}, err
		}
	}
	if t.faults, err = t.opts.NewFaults(stack.Seed, stack.Faults); err != nil {
		return bench.Endpoints{}, err
	}
	program, err := t.openProcessor(stack)
	if err != nil {
		return bench.Endpoints{}, err
	}
	t.events, t.processors = events, map[int]bool{}
	token := fmt.Sprintf("%016x%016x", clock.Entropy(), clock.Entropy())
	config := cloudConfig{Stack: stack, Token: token, Exe: exe, Processor: program, site: t.site}
	if config.Outside = t.opts.DynamoDB.URL; config.Outside != "" {
		if t.lent, err = borrow(ctx, config.Outside, stack); err != nil {
			return bench.Endpoints{}, err
		}
		config.StreamARN = t.lent.streamARN
	}
	api, err := t.bring(ctx, config)
	if err != nil {
		return bench.Endpoints{}, errors.Join(err, t.Stop())
	}
	return bench.Endpoints{
		API: api, DynamoDB: t.cloud.sockets[0].url(), Region: Region,
		ItemsTable: ItemsTable(stack.Run), ResultsTable: resultsTable(stack), Outside: t.opts.DynamoDB.URL,
	}, nil
}

// bring opens the addresses and brings the cloud up, and the gateway behind it. It
// gives the URL of the API.
func (t *Target) bring(ctx context.Context, cfg cloudConfig) (api string, err error) {
	returns := cfg.Stack.Data != "" && cfg.Outside == ""
	door := returns // the gateway has no data of its own
	for i := range cfg.Stack.Faults {
		door = door || t.faults.Place(i) == bench.PlaceDoor
	}
	t.cloud = &part{role: RoleCloud, events: t.events, returns: returns}
	t.gateway = &part{role: RoleGateway, events: t.events, returns: door}
	for _, a := range []struct {
		part *part
		port int
	}{{t.gateway, t.opts.Port}, {t.cloud, 0}, {t.cloud, 0}} { // API; DynamoDB, Invoke
		k, err := t.site.open(a.port)
		if err != nil {
			return "", err
		}
		a.part.sockets = append(a.part.sockets, k)
	}
	cfg.URL = t.cloud.sockets[0].url()
	t.cloud.start = func(ctx context.Context, next bool) (*child, error) {
		cfg := cfg
		if next {
			t.bury()
			cfg.Again = t.again()
		}
		return t.spawn(ctx, cfg.Exe, RoleCloud, cfg.Token, cfg, t.cloud.sockets, t.hear)
	}
	config := gatewayConfig{Stack: cfg.Stack, Token: cfg.Token, DynamoDB: cfg.URL, Invoke: t.cloud.sockets[1].url(), site: t.site}
	t.gateway.start = func(ctx context.Context, next bool) (*child, error) {
		config := config
		if next {
			config.Faults = t.faults.States()
			if err := t.cloud.call(ctx, "GET", "/ahead", &config.Ahead); err != nil {
				return nil, err
			}
		}
		return t.spawn(ctx, cfg.Exe, RoleGateway, cfg.Token, config, t.gateway.sockets, t.hear)
	}
	if err := t.cloud.up(ctx); err != nil {
		return "", err
	}
	return t.gateway.sockets[0].url(), t.gateway.up(ctx)
}

// hear takes down what a process tells, which is a fact from then on, and hands
// it on.
func (t *Target) hear(e bench.Event) {
	switch e.Kind {
	case bench.EventStrike:
		if e.Fault != nil {
			t.faults.Told(*e.Fault)
		}
	case bench.EventProcessorStart, bench.EventProcessorDeath:
		t.mu.Lock()
		if t.processors[e.PID] = true; e.Kind == bench.EventProcessorDeath {
			delete(t.processors, e.PID)
		}
		t.mu.Unlock()
	}
	t.events(e)
}

// bury tells of the deaths that the cloud did not live to tell of.
func (t *Target) bury() {
	t.mu.Lock()
	dead := slices.Sorted(maps.Keys(t.processors))
	clear(t.processors)
	t.mu.Unlock()
	for _, pid := range dead {
		t.events(bench.Event{At: clock.Real{}.Now(), Kind: bench.EventProcessorDeath, PID: pid, Text: "killed with the cloud"})
	}
}

// again is what the next cloud goes on with.
func (t *Target) again() *again {
	t.mu.Lock()
	defer t.mu.Unlock()
	return &again{Faults: t.faults.States(), Committed: t.position.Committed, Effects: t.position.Effects}
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

// holder is the part in which a fault lives.
func (t *Target) holder(fault int) *part {
	switch t.faults.Place(fault) {
	case bench.PlaceGateway, bench.PlaceClient:
		return t.gateway
	}
	return t.cloud
}

// Begin arms a fault, or adds a strike. Time passes for both processes.
func (t *Target) Begin(ctx context.Context, fault int) error {
	path := fmt.Sprintf("/faults/%d/begin", fault)
	switch place := t.faults.Place(fault); place {
	case bench.PlaceCloud, bench.PlaceDoor:
		t.faults.Begin(fault)
		return t.kill(ctx, place)
	case bench.PlaceClock:
		if err := t.gateway.call(ctx, "POST", path, nil); err != nil {
			return err
		}
	}
	// What is armed while a process is up, its successor arms again: it is not told
	// twice.
	c, err := t.holder(fault).live(ctx, func() { t.faults.Begin(fault) })
	if err != nil {
		return err
	}
	if err = c.control.call(ctx, "POST", path, nil); err != nil && t.holder(fault).returns && c.diedOver(err) {
		return nil
	}
	return err
}

// partsAt are those that a fault at a place kills.
func (t *Target) partsAt(place bench.Place) []*part {
	switch place {
	case bench.PlaceCloud:
		return []*part{t.gateway, t.cloud}
	case bench.PlaceDoor:
		return []*part{t.gateway}
	}
	return nil
}

// kill kills the parts at a place at one moment, and returns when they are dead.
func (t *Target) kill(ctx context.Context, place bench.Place) error {
	strike := t.faults.Ask(bench.Op{Place: place, Name: bench.OpPull})
	if strike.Kind == "" {
		return nil // not one of the share
	}
	parts := t.partsAt(place)
	for _, p := range parts { // what is down cannot be killed
		if _, err := p.live(ctx, nil); err != nil {
			return err
		}
	}
	at := clock.Real{}.Now()
	dead := make(chan error, len(parts))
	for _, p := range parts {
		go func() { dead <- p.kill(ctx) }()
	}
	var errs []error
	for range parts {
		errs = append(errs, <-dead)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	t.faults.Struck(strike)
	t.events(bench.Event{At: at, Kind: bench.EventStrike, Fault: &strike.Fault, Text: strike.Kind})
	return nil
}

// End takes a fault away. For one that killed processes it returns when each
// has a successor that has asked for work.
func (t *Target) End(ctx context.Context, fault int) error {
	t.faults.End(fault)
	if parts := t.partsAt(t.faults.Place(fault)); parts != nil {
		var errs []error
		for _, p := range parts {
			_, err := p.live(ctx, nil)
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	}
	return t.holder(fault).call(ctx, "POST", fmt.Sprintf("/faults/%d/end", fault), nil)
}

// Bites asks the process in which each fault lives.
func (t *Target) Bites(ctx context.Context) ([]bench.Bites, error) {
	var cloud, gateway []bench.Bites
	if err := t.cloud.call(ctx, "GET", "/bites", &cloud); err != nil {
		return nil, err
	}
	if err := t.gateway.call(ctx, "GET", "/bites", &gateway); err != nil {
		return nil, err
	}
	ours := t.faults.Bites()
	for i := range cloud {
		switch t.faults.Place(i) {
		case bench.PlaceGateway, bench.PlaceClient:
			cloud[i] = gateway[i]
		case bench.PlaceCloud, bench.PlaceDoor:
			cloud[i] = ours[i]
		}
	}
	return cloud, nil
}

// Position asks the gateway what is on its way into the pipeline, and then the
// cloud how far that has come: in this order nothing slips between the two.
func (t *Target) Position(ctx context.Context) (p bench.Position, err error) {
	var open int
	if err := t.gateway.call(ctx, "GET", "/open", &open); err != nil {
		return p, err
	}
	if err = t.cloud.call(ctx, "GET", "/position", &p); err != nil {
		return p, err
	}
	p.Open += open
	t.mu.Lock()
	defer t.mu.Unlock()
	t.position.Committed, t.position.Effects = max(t.position.Committed, p.Committed), max(t.position.Effects, p.Effects)
	return p, nil
}

// DeadLetters reads the on-failure destination.
func (t *Target) DeadLetters(ctx context.Context) (letters []bench.DeadLetter, err error) {
	err = t.cloud.call(ctx, "GET", "/deadletters", &letters)
	return letters, err
}

// Letters gives all that the on-failure destination was handed, as bytes, in the order
// in which it came.
func (t *Target) Letters(ctx context.Context) (letters []bench.Letter, err error) {
	err = t.cloud.call(ctx, "GET", "/letters", &letters)
	return letters, err
}

// Stop takes everything down. It may be called twice.
func (t *Target) Stop() error {
	var errs []error
	for _, p := range []*part{t.gateway, t.cloud} {
		if p != nil {
			errs = append(errs, p.stop())
		}
	}
	if t.scratch != "" {
		errs = append(errs, os.RemoveAll(t.scratch))
		t.scratch = ""
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
