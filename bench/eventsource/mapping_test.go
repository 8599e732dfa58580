package eventsource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

// *dynamodbstreams.Client must do.
var _ Streams = (*dynamodbstreams.Client)(nil)

// fakeStream is a stream in memory behind the public API.
type fakeStream struct {
	mu      sync.Mutex
	shards  []*fakeShard
	reads   []time.Time       // of GetRecords
	fail    func(n int) error // of the n-th GetRecords, 0-based; nil: none fails
	asked   []string          // iterators made: shard, type, sequence number
	pageLen int               // shards in one page of DescribeStream; 0: all
}

type fakeShard struct {
	id, parent string
	log        []types.Record
	trimmed    int // records of the log that are gone
	closed     bool
}

func (f *fakeStream) put(shard int, page ...types.Record) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.shards[shard].log = append(f.shards[shard].log, page...)
}

func (f *fakeStream) DescribeStream(_ context.Context, in *dynamodbstreams.DescribeStreamInput, _ ...func(*dynamodbstreams.Options)) (*dynamodbstreams.DescribeStreamOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if aws.ToString(in.StreamArn) != testSource.streamARN {
		return nil, &types.ResourceNotFoundException{}
	}
	d := &types.StreamDescription{}
	for _, s := range f.shards {
		if in.ExclusiveStartShardId != nil && s.id <= *in.ExclusiveStartShardId {
			continue
		}
		if f.pageLen > 0 && len(d.Shards) == f.pageLen {
			d.LastEvaluatedShardId = d.Shards[f.pageLen-1].ShardId
			break
		}
		shard := types.Shard{ShardId: aws.String(s.id)}
		if s.parent != "" {
			shard.ParentShardId = aws.String(s.parent)
		}
		d.Shards = append(d.Shards, shard)
	}
	return &dynamodbstreams.DescribeStreamOutput{StreamDescription: d}, nil
}

func (f *fakeStream) GetShardIterator(_ context.Context, in *dynamodbstreams.GetShardIteratorInput, _ ...func(*dynamodbstreams.Options)) (*dynamodbstreams.GetShardIteratorOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, strings.TrimSpace(fmt.Sprint(*in.ShardId, " ", in.ShardIteratorType, " ", aws.ToString(in.SequenceNumber))))
	for i, s := range f.shards {
		if s.id != *in.ShardId {
			continue
		}
		at := s.trimmed
		if in.ShardIteratorType == types.ShardIteratorTypeLatest {
			at = len(s.log)
		}
		if in.ShardIteratorType == types.ShardIteratorTypeAfterSequenceNumber {
			at = 1 + slices.IndexFunc(s.log, func(r types.Record) bool { return *r.Dynamodb.SequenceNumber == *in.SequenceNumber })
			if at-1 < s.trimmed {
				return nil, &types.TrimmedDataAccessException{}
			}
		}
		return &dynamodbstreams.GetShardIteratorOutput{ShardIterator: aws.String(fmt.Sprintf("%d/%d", i, at))}, nil
	}
	return nil, &types.ResourceNotFoundException{}
}

func (f *fakeStream) GetRecords(_ context.Context, in *dynamodbstreams.GetRecordsInput, _ ...func(*dynamodbstreams.Options)) (*dynamodbstreams.GetRecordsOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reads = append(f.reads, time.Now())
	if f.fail != nil {
		if err := f.fail(len(f.reads) - 1); err != nil {
			return nil, err
		}
	}
	shard, position, _ := strings.Cut(*in.ShardIterator, "/")
	i, _ := strconv.Atoi(shard)
	at, err := strconv.Atoi(position)
	if err != nil {
		return nil, &types.ResourceNotFoundException{Message: aws.String("no iterator: " + *in.ShardIterator)}
	}
	s := f.shards[i]
	if at < s.trimmed {
		return nil, &types.TrimmedDataAccessException{}
	}
	end := min(at+int(*in.Limit), len(s.log))
	out := &dynamodbstreams.GetRecordsOutput{Records: s.log[at:end]}
	if !s.closed || end < len(s.log) {
		out.NextShardIterator = aws.String(fmt.Sprintf("%d/%d", i, end))
	}
	return out, nil
}

// journal is an Observer and a Destination that remember.
type journal struct {
	bench.NoObserver
	mu         sync.Mutex
	deliveries []bench.Delivery
	letters    []bench.DeadLetter
	events     []bench.Event
	documents  []Document
	refuse     error
}

func (j *journal) Delivered(d []bench.Delivery) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.deliveries = append(j.deliveries, d...)
}

// seen are the deliveries so far, for a test whose mapping goes on delivering.
func (j *journal) seen() []bench.Delivery {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.deliveries)
}

func (j *journal) DeadLettered(d []bench.DeadLetter) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.letters = append(j.letters, d...)
}

func (j *journal) Event(e bench.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = append(j.events, e)
}

func (j *journal) Send(_ context.Context, doc Document, _ []Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.documents = append(j.documents, doc)
	return j.refuse
}

// told gives the deliveries as "number/attempt/outcome".
func (j *journal) told() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var list []string
	for _, d := range j.deliveries {
		id, _ := bench.ParseID(d.ID)
		list = append(list, fmt.Sprintf("%d/%d/%v", id.Seq, d.Attempt, d.Outcome))
	}
	return strings.Join(list, " ")
}

type function func(ctx context.Context, in bench.Invocation) bench.Answer

func (f function) Invoke(ctx context.Context, in bench.Invocation) bench.Answer { return f(ctx, in) }

func works(context.Context, bench.Invocation) bench.Answer { return success(time.Now()) }

func testConfig(streams Streams, f function, j *journal) Config {
	return Config{
		Settings: defaults(), StreamARN: testSource.streamARN, FunctionARN: "arn:aws:lambda:us-east-1:000000000000:function:p",
		Region: "us-east-1", Streams: streams, Function: f, Destination: j, Observer: j, Clock: clock.Real{}, Seed: 1,
	}
}

// start runs a mapping that is stopped at the end of the test.
func start(t *testing.T, config Config) *Mapping {
	t.Helper()
	m, err := Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Stop)
	return m
}

func oneShard(page ...types.Record) *fakeStream {
	return &fakeStream{shards: []*fakeShard{{id: "shard-0", log: page}}}
}

func TestMappingDelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		stream := &fakeStream{pageLen: 1, shards: []*fakeShard{{id: "shard-0"}, {id: "shard-1"}}}
		stream.put(0, records(1, 150, epoch)...)
		var seen []string
		m := start(t, testConfig(stream, func(_ context.Context, in bench.Invocation) bench.Answer {
			var e events.DynamoDBEvent
			if err := json.Unmarshal(in.Payload, &e); err != nil {
				t.Error(err)
			}
			for _, r := range e.Records {
				seen = append(seen, r.Change.SequenceNumber)
			}
			return success(time.Now())
		}, j))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if len(seen) != 150 || seen[0] != sequenceText(1) || seen[149] != sequenceText(150) {
			t.Errorf("the function saw %d records", len(seen))
		}
		if len(j.deliveries) != 150 {
			t.Fatalf("%d deliveries, want 150", len(j.deliveries))
		}
		want := bench.Delivery{Shard: "shard-0", Sequence: sequenceText(150), ID: "k3v9x2ab-00-0000000150", Batch: 1, Attempt: 1,
			At: j.deliveries[149].At, Outcome: bench.Delivered}
		if got := j.deliveries[149]; got != want || got.At.IsZero() {
			t.Errorf("delivery %+v, want %+v", got, want)
		}
		positions := m.Position()
		if len(positions) != 2 || positions[0] != (bench.ShardPosition{Shard: "shard-0", Checkpoint: sequenceText(150)}) ||
			positions[1] != (bench.ShardPosition{Shard: "shard-1"}) {
			t.Errorf("positions %+v", positions)
		}
		// Another shard's batches have numbers of their own.
		stream.put(1, records(151, 151, epoch)...)
		time.Sleep(time.Second)
		synctest.Wait()
		if last := j.deliveries[len(j.deliveries)-1]; last.Shard != "shard-1" || last.Batch != 1<<32 {
			t.Errorf("delivery %+v", last)
		}
		if got := m.Metrics(); got.Polled != 151 || got.Invocations != 3 || got.Settled != 151 || got.LastReadError != "" {
			t.Errorf("metrics %+v", got)
		}
	})
}

func TestMappingPollsFourTimesASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stream := oneShard()
		start(t, testConfig(stream, works, &journal{}))
		time.Sleep(10*time.Second - time.Millisecond)
		synctest.Wait()
		if n := len(stream.reads); n != 40 {
			t.Errorf("%d polls in 10 s, want 40", n)
		}
	})
}

func TestMappingRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, stream := &journal{}, oneShard(records(1, 2, epoch)...)
		var at []time.Time
		var ids []string
		m := start(t, testConfig(stream, func(_ context.Context, in bench.Invocation) bench.Answer {
			at, ids = append(at, time.Now()), append(ids, in.RequestID)
			switch len(at) {
			case 1:
				return failure(time.Now())
			case 2: // refused: no delivery, whatever else the answer says
				return bench.Answer{Throttled: true, HandedAt: time.Now()}
			case 3:
				return bench.Answer{HandedAt: time.Now(), Error: &bench.FunctionError{Type: "Sandbox.Timedout", Outcome: bench.DeliveryTimeout}}
			case 4: // a process that died before it was given the event: no delivery
				return bench.Answer{Error: &bench.FunctionError{Type: "Runtime.ExitError", Outcome: bench.DeliveryCrash}}
			}
			return success(time.Now())
		}, j))
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		if p := m.Position()[0]; p.Head == nil || p.Head.Attempts != 1 || p.Head.ID != "k3v9x2ab-00-0000000001" || p.Behind != 2 {
			t.Errorf("position while failing: %+v", p)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got, want := j.told(), "1/1/error 2/1/error 1/2/timeout 2/2/timeout 1/4/ok 2/4/ok"; got != want {
			t.Errorf("told %s, want %s", got, want)
		}
		if slices.ContainsFunc(ids, func(id string) bool { return id != ids[0] }) {
			t.Errorf("request ids %v, want one", ids)
		}
		for i, middle := range []time.Duration{200, 200, 400, 800} {
			middle *= time.Millisecond
			if gap := at[i+1].Sub(at[i]); gap < middle*8/10 || gap > middle*12/10 {
				t.Errorf("gap %d is %v, want %v +-20 %%", i, gap, middle)
			}
		}
		got := m.Metrics().Counters
		if got.Invocations != 4 || got.Retries != 3 || got.Throttles != 1 || m.Position()[0].Head != nil {
			t.Errorf("metrics %+v", got)
		}
	})
}

func TestMappingParks(t *testing.T) {
	for name, refuse := range map[string]error{"taken": nil, "refused": errors.New("access denied")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := &journal{refuse: refuse}
				foreign := streamRecord(3, epoch, "p")
				foreign.Dynamodb.Keys["id"] = &attrS{Value: "canary"}
				config := testConfig(oneShard(append(records(1, 2, epoch), foreign)...), func(context.Context, bench.Invocation) bench.Answer {
					return failure(time.Now())
				}, j)
				config.Settings.MaximumRetryAttempts, config.Settings.OnFailure = 0, "payload"
				m := start(t, config)
				time.Sleep(time.Second)
				synctest.Wait()
				if len(j.documents) != 1 || j.documents[0].BatchInfo.BatchSize != 3 {
					t.Fatalf("documents %+v", j.documents)
				}
				want, dead := 2, int64(3) // the foreign id has no number to be told by
				if refuse != nil {
					want, dead = 0, 0
				}
				if len(j.letters) != want || want > 0 && (j.letters[1].Seq != 2 || !j.letters[1].Readable || j.letters[1].At.IsZero()) {
					t.Errorf("dead letters %+v", j.letters)
				}
				if c := m.Metrics(); c.DeadLettered != dead || c.Dropped != 3-dead {
					t.Errorf("metrics %+v", c)
				}
				if p := m.Position()[0]; p.Checkpoint != sequenceText(3) || p.Behind != 0 {
					t.Errorf("position %+v", p)
				}
			})
		})
	}
}

// TestMappingLineage: a child starts only after its parent is settled, although
// it is there from the start; the grandchild appears later.
func TestMappingLineage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		stream := &fakeStream{shards: []*fakeShard{
			{id: "shard-0", parent: "trimmed-long-ago", log: records(1, 1, epoch), closed: true},
			{id: "shard-1", parent: "shard-0", log: records(2, 2, epoch)},
		}}
		var tries int
		m := start(t, testConfig(stream, func(context.Context, bench.Invocation) bench.Answer {
			if tries++; tries < 4 {
				return failure(time.Now())
			}
			return success(time.Now())
		}, j))
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		if p := m.Position(); len(p) != 2 || p[0].Behind != 1 || p[1] != (bench.ShardPosition{Shard: "shard-1"}) {
			t.Errorf("positions %+v, want the child untouched", p)
		}
		time.Sleep(5 * time.Second)
		stream.mu.Lock()
		stream.shards[1].closed = true
		stream.shards = append(stream.shards, &fakeShard{id: "shard-2", parent: "shard-1", log: records(3, 3, epoch)})
		stream.mu.Unlock()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		// Four tries take 1.4 s, and 0.3 s more at most: the child does not wait
		// for the next tick of the list of shards, at 2 s.
		if at := j.deliveries[4].At.Sub(j.deliveries[0].At); at > 1900*time.Millisecond {
			t.Errorf("the child began %v after its parent", at)
		}
		if got, want := j.told(), "1/1/error 1/2/error 1/3/error 1/4/ok 2/1/ok 3/1/ok"; got != want {
			t.Errorf("told %s, want %s", got, want)
		}
	})
}

func TestMappingReadFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, stream := &journal{}, oneShard(records(1, 1, epoch)...)
		stream.fail = func(n int) error {
			switch n {
			case 2:
				return &types.ExpiredIteratorException{}
			case 4:
				return &types.InternalServerError{}
			}
			return nil
		}
		m := start(t, testConfig(stream, works, j))
		time.Sleep(800 * time.Millisecond) // polls 0, 1, 2 and at once 3, 4
		synctest.Wait()
		if got := m.Metrics(); got.ReadErrors != 2 || !strings.Contains(got.LastReadError, "InternalServerError") {
			t.Errorf("metrics %+v", got)
		}
		// While it reads on, the stream trims a record that was never read.
		stream.put(0, records(2, 3, epoch)...)
		stream.mu.Lock()
		stream.shards[0].trimmed = 2
		stream.mu.Unlock()
		time.Sleep(time.Second)
		synctest.Wait()
		if want := []string{"shard-0 TRIM_HORIZON", "shard-0 AFTER_SEQUENCE_NUMBER " + sequenceText(1),
			"shard-0 AFTER_SEQUENCE_NUMBER " + sequenceText(1), "shard-0 TRIM_HORIZON"}; !slices.Equal(stream.asked, want) {
			t.Errorf("iterators %q, want %q", stream.asked, want)
		}
		if got, want := j.told(), "1/1/ok 3/1/ok"; got != want {
			t.Errorf("told %s, want %s", got, want)
		}
		if len(j.events) != 1 || j.events[0].Kind != bench.EventEvidence ||
			string(j.events[0].Data) != `{"evidence":"stream_gap","shard":"shard-0","after":"`+sequenceText(1)+`"}` {
			t.Errorf("events %+v", j.events)
		}
		if got := m.Metrics(); got.Gaps != 1 || got.LastReadError != "" {
			t.Errorf("metrics %+v", got)
		}
	})
}

func TestMappingStopWaitsForTheInvocation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		m := start(t, testConfig(oneShard(records(1, 200, epoch)...), func(ctx context.Context, _ bench.Invocation) bench.Answer {
			handed := time.Now()
			select {
			case <-time.After(3 * time.Second):
				return success(handed)
			case <-ctx.Done():
				return bench.Answer{}
			}
		}, j))
		time.Sleep(time.Second)
		begun := time.Now()
		m.Stop()
		if took := time.Since(begun); took != 2*time.Second {
			t.Errorf("stop took %v, want the 2 s left of the invocation", took)
		}
		if p := m.Position()[0]; len(j.deliveries) != 100 || p.Checkpoint != sequenceText(100) || p.Behind != 0 {
			t.Errorf("%d deliveries, position %+v", len(j.deliveries), p)
		}
		m.Stop()
	})
}

// TestMappingCutShort: what the end of the context interrupts settles nothing.
func TestMappingCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		config := testConfig(oneShard(records(1, 1, epoch)...), func(ctx context.Context, _ bench.Invocation) bench.Answer {
			<-ctx.Done()
			return bench.Answer{}
		}, j)
		config.Settings.MaximumRetryAttempts = 0
		ctx, cancel := context.WithCancel(t.Context())
		m, err := Start(ctx, config)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		cancel()
		m.Stop()
		if p := m.Position()[0]; p.Checkpoint != "" || p.Behind != 1 || len(j.deliveries) != 0 || m.Metrics().Invocations != 0 {
			t.Errorf("position %+v, %d deliveries, metrics %+v", p, len(j.deliveries), m.Metrics())
		}
		for _, err := range []error{m.Disable(), m.Enable(), m.Update(config.Settings), m.Recreate(config.Settings)} {
			if !errors.Is(err, context.Canceled) {
				t.Errorf("after the end of its context: %v", err)
			}
		}
	})
}

func TestStartRefuses(t *testing.T) {
	_, err := Start(t.Context(), Config{Settings: bench.Mapping{OnFailure: "payload"}})
	for _, want := range []string{"BatchSize 0", "StreamARN is missing", "Streams is missing", "Function is missing", "Clock is missing", "Destination, which OnFailure asks for, is missing"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v lacks %q", err, want)
		}
	}
	config := testConfig(oneShard(), works, &journal{})
	config.StreamARN = "arn:aws:dynamodb:us-east-1:000000000000:table/none/stream/1"
	if _, err := Start(t.Context(), config); err == nil || !strings.Contains(err.Error(), "describe stream arn:aws:dynamodb:us-east-1:000000000000:table/none") {
		t.Errorf("error %v", err)
	}
}
