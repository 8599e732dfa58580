// Package outside is the target that is somebody else's system: any API at a URL,
// with its tables, and perhaps its stream, at any DynamoDB endpoint.
//
// Nothing of it is started, stopped or changed, but by levers. It is looked at
// through the public DynamoDB API alone: that its tables can be read by the run's
// ids, and what comes into its stream, which is evidence that a request was stored.
// How far its pipeline has come it does not show, and of faults it bears those that
// the user's own commands make, those for which it is given [Levers], and those
// between client and API, which the load generator makes.
package outside

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	streamtypes "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/bench/sdk"
	"github.com/ackproof/ackproof/bench/tail"
)

// nameAWS is the name of the target that is a stack. What a scenario says of its
// processor says how it was deployed.
const nameAWS = "aws"

// Values of [bench.System.Stream] beside an ARN.
const (
	streamAuto = "auto"
	streamNone = "none"
)

const (
	// flushEvery bounds what a kill -9 takes of the commits that were seen.
	flushEvery = 100 * time.Millisecond
	// lastLook bounds the look at the stream when the target is stopped.
	lastLook = 10 * time.Second
)

// Faults is the language of the faults, as far as the target must know it.
type Faults interface {
	bench.Injector
	// Place is where the i-th fault strikes.
	Place(i int) bench.Place
	// When is at which moment of a request; empty: it has none.
	When(i int) bench.When
	// Begin arms a fault, or adds one strike; End takes it away.
	Begin(i int)
	End(i int)
	// Bites are those that the injector has counted.
	Bites() []bench.Bites
}

// Levers break a system by the control plane of whoever runs it. They are used as a
// [bench.Target] is, and know the faults by the same numbers. Those of the user's own
// commands are none of theirs.
type Levers interface {
	Lacks(stack bench.Stack) []string
	// Pulls reports whether a lever makes a fault of a stack. One between client and API
	// for which there is none is made by the load generator.
	Pulls(stack bench.Stack, fault int) bool
	// Open looks at all that will be pulled, and changes nothing.
	Open(ctx context.Context, stack bench.Stack) error
	Begin(ctx context.Context, fault int) error
	End(ctx context.Context, fault int) error
	Bites(ctx context.Context) ([]bench.Bites, error)
	Patience() time.Duration
	Undoing() []string
}

// Options say how the target is run.
type Options struct {
	Levers    Levers // nil: there are none
	Name      string // http, or aws where the system is a stack that was deployed
	NewFaults func(seed uint64, texts []string) (Faults, error)
	Clock     clock.Clock
	// Letters opens an on-failure destination: a queue, or else a bucket.
	Letters func(ctx context.Context, queue, bucket string) (bench.LetterBox, error)
}

// Target is somebody else's system. It serves one run.
type Target struct {
	opts   Options
	stack  bench.Stack
	faults Faults

	mu     sync.Mutex
	stop   func() // ends the reading of the stream; nil: none is read
	closed error  // what the stop of it gave
	post   *post  // nil: nobody looks for dead letters
}

// New makes the target.
func New(opts Options) *Target { return &Target{opts: opts} }

// Name is http or aws.
func (t *Target) Name() string { return t.opts.Name }

// Shared says that the system may be loaded by several agents of a run at once: it
// was there before.
func (t *Target) Shared() bool { return true }

// Lacks names what cannot be done to a system that is not ours.
func (t *Target) Lacks(stack bench.Stack) (lacks []string) {
	if stack.System == (bench.System{}) {
		lacks = append(lacks, "the scenario names no system: say where its API is, target: {url: ...}, and its tables")
	}
	faults, err := t.opts.NewFaults(stack.Seed, stack.Faults)
	if err != nil {
		lacks = append(lacks, err.Error())
	}
	if t.opts.Levers != nil {
		lacks = append(lacks, t.opts.Levers.Lacks(stack)...)
	}
	for i := 0; err == nil && t.opts.Levers == nil && i < len(stack.Faults); i++ {
		if lack := lacksFault(faults, i, stack.Faults[i]); lack != "" {
			lacks = append(lacks, lack)
		}
	}
	for _, l := range []struct {
		asked bool
		what  string
	}{
		{(stack.System.LetterQueue != "" || stack.System.LetterBucket != "") && stack.Architecture == bench.Sync, "target.deadLetters: an API that invokes its processor itself and waits has no on-failure destination; leave it out"},
		{stack.Processor.Path != "", "--processor: the system has a processor of its own; leave it out"},
		{len(stack.Processor.Env) > 0 && t.opts.Name != nameAWS, "processor.env: the system's processor is not started here; leave it out"},
		{stack.Data != "", "--data and table.durable are of the embedded DynamoDB; leave them out"},
	} {
		if l.asked {
			lacks = append(lacks, l.what)
		}
	}
	return lacks
}

// Start sees that the tables are there and can be read, and begins to read the
// stream.
func (t *Target) Start(ctx context.Context, stack bench.Stack, _ func(bench.Event)) (bench.Endpoints, error) {
	t.stack = stack
	s := stack.System
	var err error
	if t.faults, err = t.opts.NewFaults(stack.Seed, stack.Faults); err != nil {
		return bench.Endpoints{}, err
	}
	if t.opts.Levers != nil {
		if err := t.opts.Levers.Open(ctx, stack); err != nil {
			return bench.Endpoints{}, err
		}
	}
	attributes := s.Attributes
	e := bench.Endpoints{API: s.URL, DynamoDB: s.DynamoDB, Region: s.Region, Profile: s.Profile, ItemsTable: s.Items, ResultsTable: s.Results, Attributes: &attributes}
	if err := t.openPost(ctx, stack); err != nil {
		return e, err
	}
	if s.Items == "" && s.Results == "" {
		return e, nil
	}
	d, err := sdk.OpenDynamoDB(ctx, s.DynamoDB, s.Region, s.Profile, nil)
	if err != nil {
		return e, err
	}
	e.Region = d.Config.Region
	items, err := describe(ctx, d, s.Items, s.ItemID, s.ByKey)
	_, err2 := describe(ctx, d, s.Results, s.EffectID, s.ByKey)
	if err := errors.Join(err, err2); err != nil {
		return e, err
	}
	if e.StreamARN, err = streamOf(s, items); err != nil || e.StreamARN == "" {
		return e, err
	}
	if t.post != nil {
		t.post.stream, t.post.streams = e.StreamARN, d.Reader()
	}
	return e, t.follow(ctx, d, e.StreamARN, stack)
}

// describe sees that a table is there, and that it can be asked for ids where it
// shall be. Of no table it gives nothing.
func describe(ctx context.Context, d sdk.DynamoDB, table, id string, byKey bool) (*types.TableDescription, error) {
	if table == "" {
		return nil, nil
	}
	out, err := d.DB().DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &table})
	if err != nil {
		return nil, fmt.Errorf("table %s at %s: %w", table, place(d), err)
	}
	keys := out.Table.KeySchema
	if byKey && (len(keys) != 1 || aws.ToString(keys[0].AttributeName) != id) {
		var names []string
		for _, k := range keys {
			names = append(names, aws.ToString(k.AttributeName))
		}
		return nil, fmt.Errorf("table %s: its key is %s, so it cannot be asked for the run's ids by %q; say read: {by: scan}, and all of it is read", table, strings.Join(names, " and "), id)
	}
	return out.Table, nil
}

func place(d sdk.DynamoDB) string {
	if d.Tables == "" {
		return "AWS, " + d.Config.Region
	}
	return d.Tables
}

// streamOf finds the stream that is to be read; "": none.
func streamOf(s bench.System, items *types.TableDescription) (string, error) {
	switch {
	case s.Stream == streamNone || items == nil:
		return "", nil
	case s.Stream != streamAuto:
		return s.Stream, nil
	case items.StreamSpecification == nil || !aws.ToBool(items.StreamSpecification.StreamEnabled):
		return "", nil
	case items.StreamSpecification.StreamViewType == types.StreamViewTypeKeysOnly && !keyed(items, s.ItemID):
		return "", fmt.Errorf("the stream of table %s has keys alone, and %q is none of them: say target: {stream: none}", s.Items, s.ItemID)
	}
	if s.Version != "" && !seesVersions(items.StreamSpecification.StreamViewType) {
		return "", fmt.Errorf("the stream of table %s shows no new images, and so not which version of an item a record is of: say target: {stream: none}", s.Items)
	}
	return aws.ToString(items.LatestStreamArn), nil
}

// seesVersions reports whether a stream shows which version of an item a record is of.
func seesVersions(view types.StreamViewType) bool {
	return view == types.StreamViewTypeNewImage || view == types.StreamViewTypeNewAndOldImages
}

func keyed(table *types.TableDescription, id string) bool {
	for _, k := range table.KeySchema {
		if aws.ToString(k.AttributeName) == id {
			return true
		}
	}
	return false
}

// follow reads what comes into the stream from now on, into the run's log of
// deliveries.
func (t *Target) follow(ctx context.Context, d sdk.DynamoDB, arn string, stack bench.Stack) error {
	log, err := ledger.CreateDeliveries(filepath.Join(stack.Dir, "deliveries"))
	if err != nil {
		return err
	}
	r := &tail.Reader{Streams: d.Reader(), ARN: arn}
	r.Take = func(p tail.Page) error {
		now := t.opts.Clock.Now()
		for _, record := range p.Records {
			key := writerOf(record, stack.System.ItemID, stack.System.Version)
			if id, err := bench.ParseKey(key); err == nil && id.Run == stack.Run && id.Agent != bench.CanaryAgent {
				log.Committed(bench.Commit{Shard: p.Shard, Sequence: aws.ToString(record.Dynamodb.SequenceNumber), ID: key, At: now, Removed: record.EventName == streamtypes.OperationTypeRemove})
			}
		}
		return nil
	}
	if err := r.SkipPast(ctx); err != nil {
		return errors.Join(fmt.Errorf("%w; target: {stream: none} leaves it unread", err), log.Close())
	}
	following, stop := context.WithCancel(context.WithoutCancel(ctx))
	var done sync.WaitGroup
	done.Go(func() { tail.Follow(following, r.Look) })
	done.Go(func() { flush(following, log) })
	t.stop = func() {
		stop()
		done.Wait()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastLook)
		defer cancel()
		t.closed = errors.Join(r.Look(ctx), log.Close())
	}
	return nil
}

// flush bounds how much of the log is in memory alone.
func flush(ctx context.Context, log *ledger.Deliveries) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			log.Flush() // its error comes again with Close
		case <-ctx.Done():
			return
		}
	}
}

// record is a record of a stream.
type record = streamtypes.Record

// writerOf finds the id of the request that wrote a record: the item's own, among its
// keys or in the item as it is or was, or that of its version.
func writerOf(r record, id, version string) string {
	text := func(m map[string]streamtypes.AttributeValue, name string) string {
		if v, ok := m[name].(*streamtypes.AttributeValueMemberS); ok {
			return v.Value
		}
		return ""
	}
	image := r.Dynamodb.NewImage
	if r.EventName == streamtypes.OperationTypeRemove {
		image = r.Dynamodb.OldImage
	}
	key := cmp.Or(text(r.Dynamodb.Keys, id), text(r.Dynamodb.NewImage, id), text(r.Dynamodb.OldImage, id))
	return bench.WriterOf(key, text(image, version))
}

// Position is withheld.
func (t *Target) Position(context.Context) (bench.Position, error) {
	return bench.Position{}, bench.ErrPositionWithheld
}

// DeadLetters are those in the on-failure destination that the scenario names.
func (t *Target) DeadLetters(ctx context.Context) ([]bench.DeadLetter, error) {
	if t.post == nil {
		return nil, nil
	}
	return t.post.read(ctx)
}

// Stop ends the reading of the stream, after a last look, and gives back the dead
// letters. The system stays as it is.
func (t *Target) Stop() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stop != nil {
		t.stop()
		t.stop = nil
	}
	if t.post != nil {
		t.closed = errors.Join(t.closed, t.post.close())
		t.post = nil
	}
	return t.closed
}
