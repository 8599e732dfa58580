package eventsource

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

// describeInterval is how often the list of shards is read again. Shards live
// for hours; AWS allows 10 such calls a second for the whole account
// (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_DescribeStream.html).
const describeInterval = time.Second

// Streams is the part of the public Streams API that a mapping needs.
// *dynamodbstreams.Client is one.
type Streams interface {
	DescribeStream(context.Context, *dynamodbstreams.DescribeStreamInput, ...func(*dynamodbstreams.Options)) (*dynamodbstreams.DescribeStreamOutput, error)
	GetShardIterator(context.Context, *dynamodbstreams.GetShardIteratorInput, ...func(*dynamodbstreams.Options)) (*dynamodbstreams.GetShardIteratorOutput, error)
	GetRecords(context.Context, *dynamodbstreams.GetRecordsInput, ...func(*dynamodbstreams.Options)) (*dynamodbstreams.GetRecordsOutput, error)
}

// Destination takes what the mapping gives up. It is called by several shards
// and lanes at the same time.
type Destination interface {
	// Send keeps the document. An error means that it did not: the records are
	// lost, and counted so. A real destination is given the document alone; the
	// records tell the harness what it stands for, also where the document does
	// not hold them.
	Send(ctx context.Context, doc Document, records []Record) error
}

// Config says what a mapping connects. All fields are needed but Destination,
// which is needed where Settings.OnFailure names one, and Observer.
type Config struct {
	Settings    bench.Mapping
	StreamARN   string
	FunctionARN string
	Region      string
	Streams     Streams
	Function    bench.Function
	Destination Destination
	Observer    bench.Observer // nil: nobody is told
	Injector    bench.Injector // asked at bench.PlaceDelivery; nil: no faults
	Clock       clock.Clock    // must run with the timers of package time
	Seed        uint64

	// Positions are those that a mapping had before, by shard: sequence numbers of
	// the last records settled. If they are given, be it empty, the work goes on
	// behind them, and a shard without one is read from its oldest record, whatever
	// StartingPosition says: nothing that was not settled is skipped.
	Positions map[string]string
	// Keeper keeps how many retries were spent of batches that fail, for a mapping
	// that goes on in the place of this one; nil: their budgets begin anew.
	Keeper Keeper

	// Numbers is where the numbers of shards begin: above those of a mapping that
	// was there before, so that numbers of batches and request ids stay unique.
	Numbers uint32
	// Disabled makes it begin in that state, for Enable to end.
	Disabled bool
}

// check returns everything that keeps a mapping from being started.
func (c Config) check() error {
	errs := Validate(c.Settings)
	need := func(ok bool, name string) {
		if !ok {
			errs = append(errs, fmt.Errorf("mapping: %s is missing", name))
		}
	}
	need(c.StreamARN != "", "StreamARN")
	need(c.FunctionARN != "", "FunctionARN")
	need(c.Region != "", "Region")
	need(c.Streams != nil, "Streams")
	need(c.Function != nil, "Function")
	need(c.Clock != nil, "Clock")
	need(c.Destination != nil || c.Settings.OnFailure == "", "Destination, which OnFailure asks for,")
	return errors.Join(errs...)
}

// Mapping is an event source mapping. Its methods are safe for concurrent use.
type Mapping struct {
	config Config          // Settings: written under control and mu
	ctx    context.Context // what is in flight ends early with it

	control sync.Mutex         // held by whoever starts, stops or changes the work
	stop    context.CancelFunc // begins nothing new from then on
	running sync.WaitGroup
	ended   chan struct{} // a shard has come to its end; holds one

	mu            sync.Mutex
	state         State    // written under control too
	shards        []*shard // in the order of their discovery
	made          uint32   // shards ever discovered
	byID          map[string]*shard
	trials        map[string][]Trial // of the mapping before, by shard
	describeError string
}

// Start reads the list of shards and begins to work, after StartDelay. It fails
// where the settings are wrong, with all errors at once, or where the stream
// cannot be described. The end of ctx stops the mapping and cuts short what is
// in flight; Stop waits for that to end.
func Start(ctx context.Context, config Config) (*Mapping, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	if config.Observer == nil {
		config.Observer = bench.NoObserver{}
	}
	if config.Injector == nil {
		config.Injector = bench.NoFaults{}
	}
	m := &Mapping{config: config, ctx: ctx, stop: func() {}, ended: make(chan struct{}, 1), byID: make(map[string]*shard), made: config.Numbers}
	var err error
	if m.trials, err = readTrials(config.Keeper); err != nil {
		return nil, err
	}
	if err := m.discover(ctx); err != nil {
		return nil, err
	}
	m.control.Lock()
	defer m.control.Unlock()
	if config.Disabled {
		m.enter(Disabled)
		return m, nil
	}
	m.begin(config.Positions == nil)
	return m, nil
}

// Stop begins nothing new and waits until nothing is in flight: at most the
// rest of one invocation a lane, unless the context given to Start ends. It may
// be called twice.
func (m *Mapping) Stop() {
	m.control.Lock()
	defer m.control.Unlock()
	m.stop()
	m.running.Wait()
}

// Position says how far each known shard has come, in the order of their
// discovery; also those that wait for their parent, and those that have ended.
// Last is left empty: only the stream knows it.
func (m *Mapping) Position() []bench.ShardPosition {
	shards := m.list()
	positions := make([]bench.ShardPosition, len(shards))
	for i, s := range shards {
		s.mu.Lock()
		positions[i] = s.machine.Position()
		s.mu.Unlock()
	}
	return positions
}

// Metrics are the counters of all shards together.
type Metrics struct {
	Counters
	State State
	// LastReadError is the newest fault of a shard's current row of failed
	// reads, or of the list of shards; empty where the last read of each worked.
	LastReadError string
}

// Metrics returns what was counted so far.
func (m *Mapping) Metrics() Metrics {
	m.mu.Lock()
	sum := Metrics{State: m.state, LastReadError: m.describeError}
	m.mu.Unlock()
	for _, s := range m.list() {
		s.mu.Lock()
		sum.add(s.machine.Counters())
		if s.readError != "" {
			sum.LastReadError = s.readError
		}
		s.mu.Unlock()
	}
	return sum
}

func (m *Mapping) list() []*shard {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.shards[:len(m.shards):len(m.shards)]
}

// follow keeps up with the stream: shards split and close while it runs.
func (m *Mapping) follow(reading context.Context) {
	tick := time.NewTicker(describeInterval)
	defer tick.Stop()
	for {
		select {
		case <-reading.Done():
			return
		case <-m.ended:
		case <-tick.C:
		}
		m.look(reading)
		m.startShards(reading)
	}
}

// look reads the list of shards again, and notes where that fails.
func (m *Mapping) look(reading context.Context) {
	err := m.discover(reading)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.describeError = ""
	if err != nil && reading.Err() == nil {
		m.describeError = err.Error()
	}
}

// discover adds the shards that are not known yet. The list is taken whole or
// not at all: a child from a first page must not pass for an orphan because its
// parent is on the second.
func (m *Mapping) discover(reading context.Context) error {
	var found []types.Shard
	in := &dynamodbstreams.DescribeStreamInput{StreamArn: &m.config.StreamARN}
	for {
		out, err := m.config.Streams.DescribeStream(reading, in)
		if err != nil {
			return fmt.Errorf("describe stream %s: %w", m.config.StreamARN, err)
		}
		if out.StreamDescription == nil {
			return fmt.Errorf("describe stream %s: answer without a description", m.config.StreamARN)
		}
		found = append(found, out.StreamDescription.Shards...)
		if in.ExclusiveStartShardId = out.StreamDescription.LastEvaluatedShardId; in.ExclusiveStartShardId == nil {
			break
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range found {
		id := deref(f.ShardId)
		if _, known := m.byID[id]; known || id == "" {
			continue
		}
		s := newShard(m, id, deref(f.ParentShardId), m.made)
		m.made++
		m.shards = append(m.shards, s)
		m.byID[id] = s
	}
	return nil
}

// startShards starts every shard whose parent is settled to its end, or is not
// in the stream any more. An item's changes before a split are in the parent
// and those after it in a child, so this keeps their order
// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html).
func (m *Mapping) startShards(reading context.Context) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.shards {
		parent := m.byID[s.parent]
		waits := parent != nil && !s.atLatest && !parent.finished()
		if s.started || waits || s.finished() || reading.Err() != nil {
			continue
		}
		s.started = true
		m.running.Go(func() { s.run(reading) })
	}
}
