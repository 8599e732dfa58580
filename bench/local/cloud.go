package local

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/dynamo"
	"github.com/ackproof/ackproof/bench/eventsource"
	"github.com/ackproof/ackproof/bench/lambda"
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/bench/sdk"
)

// functionName is AWS's name for the processor in everything that it is told.
const functionName = "StreamProcessor"

// cloudConfig is what the cloud is told in its first line of input.
type cloudConfig struct {
	Stack bench.Stack
	Token string
	Exe   string // plays the built-in processor

	// Processor is what is run of Stack.Processor.Path, the zero value for the
	// built-in one.
	Processor lambda.Program
	URL       string // of DynamoDB as it is reached
	Outside   string // URL of a DynamoDB that has the run's tables; empty: the embedded one
	StreamARN string // of the items table there

	// Again is of a cloud that goes on in the place of one that has died within
	// the run: how far it had come, as far as it had told.
	Again *again
	site  site
}

// cloud is the process that holds DynamoDB, the event source mapping and the
// Lambda host with the processor's processes.
type cloud struct {
	cfg     cloudConfig
	clock   clock.Clock   // of this machine
	time    *skippedClock // of table, stream, mapping and asynchronous events
	faults  Faults
	levers  levers
	watch   *watch
	store   store
	db      *dynamodb.Client
	stream  string // ARN of the stream that the mapping reads
	host    *lambda.Host
	mapping *eventsource.Mapping // nil but for the architecture streams
	streams *skipping
	letters letterBox
	engine  *dynamo.Engine    // nil: the tables are outside
	resumed map[string]string // checkpoints of the stack that was here before; nil: there was none
	effects atomic.Int64      // writes to the results table
	stored  atomic.Int64      // writes to the items table
	life    uint32            // 0: nothing of a cloud before this one is there
	killed  bool              // nothing is written down any more
	close   []func() error
}

// runCloud plays the cloud until it is told to stop.
func runCloud(ctx context.Context, cfg cloudConfig, faults Faults, events io.Writer) error {
	killed := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if cfg.Again != nil {
		faults.Resume(cfg.Again.Faults)
	}
	c := &cloud{
		cfg: cfg, clock: clock.Real{}, time: &skippedClock{real: clock.Real{}}, faults: faults,
		levers: levers{pulled: map[int]string{}, undone: map[int]error{}},
	}
	out := &eventWriter{out: events}
	r, err := c.start(ctx, cancel, out)
	if err != nil {
		r.Error = err.Error()
	}
	out.first(r)
	if err == nil {
		<-ctx.Done()
	}
	c.killed = killed.Err() != nil
	return c.stop(err)
}

func (c *cloud) start(ctx context.Context, cancel func(), events *eventWriter) (ready, error) {
	stack := c.cfg.Stack
	listeners, err := c.cfg.site.handed(2)
	if err != nil {
		return ready{}, err
	}
	deliveries, err := ledger.CreateDeliveries(filepath.Join(stack.Dir, "deliveries"))
	if err != nil {
		return ready{}, err
	}
	c.watch = newWatch(deliveries, events)
	c.onStop(c.watch.close)

	injector, observer := told{c.faults, c.watch, c.clock}, realTime{c.watch, c.time}
	if err := c.openStore(ctx, injector, observer); err != nil {
		return ready{}, err
	}
	if err := c.goOn(observer); err != nil {
		return ready{}, err
	}
	c.guard(ctx, injector)
	c.onStop(serve(listeners[0], c.store).Close)

	config := sdkConfig(&c.cfg.URL, c.cfg.site.dial())
	c.db = dynamodb.NewFromConfig(config)
	if c.cfg.Outside == "" {
		if err := c.openTables(ctx); err != nil {
			return ready{}, err
		}
	}
	client := dynamodbstreams.NewFromConfig(config)
	c.letters.streams, c.letters.injector, c.letters.observer, c.letters.clock, c.letters.run = client, injector, c.watch, c.clock, stack.Run
	if err := c.startHost(ctx, c.cfg.URL, injector); err != nil {
		return ready{}, err
	}
	if stack.Architecture == bench.Streams {
		if err := c.startMapping(ctx, client, injector, observer); err != nil {
			return ready{}, err
		}
	}
	c.onStop(serve(listeners[1], c.host).Close)
	control, controlURL, err := c.cfg.site.serve(0, c.controls(cancel))
	if err != nil {
		return ready{}, err
	}
	c.onStop(control.Close)
	c.pullAgain()
	return ready{Control: controlURL}, nil
}

// startHost starts the processor's processes and waits until they are warm.
func (c *cloud) startHost(ctx context.Context, url string, injector bench.Injector) error {
	stack := c.cfg.Stack
	log, err := os.OpenFile(filepath.Join(stack.Dir, "processor.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	c.onStop(log.Close)
	program := c.cfg.Processor
	env := append([]string{
		"ITEMS_TABLE=" + ItemsTable(stack.Run), "RESULTS_TABLE=" + resultsTable(stack),
		"AWS_ENDPOINT_URL_DYNAMODB=" + url,
		"ACKPROOF_WORK=" + stack.Processor.Work.String(), "ACKPROOF_BURN=" + stack.Processor.Burn.String(),
		// The built-in processor reports what failed where the mapping listens.
		"ACKPROOF_PARTIAL=" + strconv.FormatBool(len(stack.Mapping.FunctionResponseTypes) > 0),
	}, stack.Processor.Env...)
	if stack.Processor.Path == "" {
		program = lambda.Program{Command: []string{c.cfg.Exe}}
		env = append(env, RoleEnv+"="+RoleProcessor)
	}
	c.host, err = lambda.Start(c.cfg.site.host(lambda.Config{
		Program: program, Env: env, FunctionName: functionName, Region: Region,
		Timeout: stack.Processor.Timeout, Concurrency: stack.Processor.Concurrency, MemoryMB: stack.Processor.MemoryMB, Async: stack.Async,
		Log: log, Injector: injector, Observer: c.watch, Clock: c.clock, AsyncClock: c.time, Seed: stack.Seed + uint64(c.life), Keeper: c.keeper(), OnFailure: c.letters.sendEvent,
	}))
	if err != nil {
		return err
	}
	c.onStop(c.host.Close)
	return c.host.Warm(ctx, stack.Processor.Concurrency)
}

// startMapping starts the event source mapping between the stream and the host.
func (c *cloud) startMapping(ctx context.Context, client *dynamodbstreams.Client, injector bench.Injector, observer bench.Observer) (err error) {
	c.streams = &skipping{Streams: &reads{client, injector}, skipped: map[string]string{}, ends: func(ctx context.Context) ([]dynamo.ShardEnd, error) { return c.store.look(ctx, c.stream) }}
	c.mapping, err = eventsource.Start(ctx, eventsource.Config{
		Settings: c.cfg.Stack.Mapping, StreamARN: c.stream, FunctionARN: functionARN, Region: Region,
		Streams: c.streams, Function: c.host, Destination: &c.letters,
		Observer: observer, Injector: injector, Clock: c.time, Seed: c.cfg.Stack.Seed, Positions: c.resumed, Keeper: c.keeper(),
		Numbers: c.life << lifeShift, Disabled: c.levers.inForce(leverDisable),
	})
	if err != nil {
		return err
	}
	c.keepCheckpoints()
	c.onStop(func() error { c.mapping.Stop(); return nil })
	return nil
}

// controls are the calls that the parent may make.
func (c *cloud) controls(stop func()) *controlServer {
	s := newControlServer(c.cfg.Token, c.faults, c.pull, c.settled, stop)
	s.answer("GET /position", func() (any, error) { return c.position(), nil })
	s.answer("GET /ahead", func() (any, error) { return c.time.ahead.Load(), nil })
	s.answer("GET /deadletters", func() (any, error) { return c.letters.readBack() })
	s.answer("GET /letters", func() (any, error) { return c.letters.handedOver() })
	return s
}

// settled waits until the successor of every processor that a fault has killed
// has asked for work, or takes a lever back. The other faults are over when they
// are taken away.
func (c *cloud) settled(ctx context.Context, fault int) error {
	switch place := c.faults.Place(fault); {
	case place == bench.PlaceProcessor:
		return c.host.Settled(ctx)
	case isLever(place):
		return c.release(ctx, fault)
	}
	return nil
}

// wrote is told of every committed write before it is answered.
func (c *cloud) wrote(w dynamo.Write) {
	_, processor := lambda.ProcessOfKey(w.AccessKeyID)
	switch results := resultsTable(c.cfg.Stack); {
	case w.Table == results && (processor || !c.cfg.Stack.OneTable):
		c.effects.Add(int64(w.Rows))
		c.host.Wrote(w.AccessKeyID, w.Rows)
	case w.Table == ItemsTable(c.cfg.Stack.Run):
		c.stored.Add(int64(w.Rows))
	}
}

// position says how far everything has come.
func (c *cloud) position() bench.Position {
	p := bench.Position{Committed: c.stored.Load(), Effects: c.effects.Load(), Queued: c.host.Queued(), Open: c.host.Open()}
	if c.mapping != nil {
		p.Shards = c.mapping.Position()
	}
	ends, unseen, writing := c.store.position(c.stream)
	p.Unseen, p.Open = unseen, p.Open+writing
	if c.mapping == nil {
		return p
	}
	last := map[string]string{}
	for _, end := range ends {
		last[end.Shard] = end.Last
	}
	for i := range p.Shards {
		c.locate(&p.Shards[i], last)
		delete(last, p.Shards[i].Shard)
	}
	for shard, end := range last { // not read by the mapping yet
		p.Shards = append(p.Shards, bench.ShardPosition{Shard: shard, Last: end})
	}
	return p
}

// locate sets where the shard of the mapping's stream ends, and how far it is
// settled. What the stream has trimmed will never be delivered: it is lost, and
// must not pass for work that is still to be done. The same holds of what is in
// another stream of the table than the mapping's: nobody reads it.
func (c *cloud) locate(p *bench.ShardPosition, last map[string]string) {
	p.Checkpoint = c.streams.reached(*p)
	end, kept := last[p.Shard]
	switch {
	case !kept: // the stream has let go of the whole shard
		p.Last = p.Checkpoint
		return
	case p.Behind == 0 && p.Checkpoint != end && c.store.behind(c.stream, p.Shard, p.Checkpoint) == 0:
		p.Checkpoint = end
	}
	p.Last = end
}

func (c *cloud) onStop(f func() error) { c.close = append(c.close, f) }

// stop closes in reverse order and returns the first error.
func (c *cloud) stop(err error) error {
	for i := len(c.close) - 1; i >= 0; i-- {
		if cerr := c.close[i](); err == nil {
			err = cerr
		}
	}
	return err
}

// sdkConfig is an SDK configuration for an endpoint on this machine.
func sdkConfig(url *string, dial Dial) aws.Config {
	c := sdk.Local(Region, dial)
	c.BaseEndpoint = url
	return c
}
