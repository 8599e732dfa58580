package local

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/dynamo"
	"github.com/ackproof/ackproof/bench/eventsource"
)

const (
	// tailInterval is how often the stream is looked at, as often as Lambda does.
	tailInterval = 250 * time.Millisecond
	// tailTimeout bounds one look.
	tailTimeout = 30 * time.Second
)

// tail reads the stream of an outside DynamoDB to its end, beside the event
// source mapping and without trusting it: what the mapping has left out shows
// as a checkpoint short of the end. It is the second of the two readers that a
// shard may have
// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html).
//
// DescribeStream is asked for the names of shards alone. What it says about
// their ends is known late, and one engine says it wrongly. That the end has
// been reached is concluded from two things, and both must hold:
//
//   - every item that the proxy has seen put was seen in the stream as often;
//     so a stream that lags behind its table, as AWS's does, is waited for;
//   - a look that began after the last write was answered came to an empty page;
//     so nothing is left behind a write that is no put.
//
// A record whose sequence number is not above those before it breaks what a
// stream promises, and the mapping, like any reader that goes on behind a
// number, passes over it. It is told as evidence and stays waited for. (An
// engine that numbers and appends in two steps does so under concurrent writes.)
//
// A put whose outcome nobody knows is waited for in vain if it was not applied,
// and so is one that changes nothing, which makes no record. The drain is then
// not proven, and the verdict is unknown rather than wrong.
//
// A nil tail, where no stream is read, has seen everything.
type tail struct {
	streams  eventsource.Streams
	arn      string
	observer bench.Observer
	clock    clock.Clock

	looking sync.Mutex // one look at a time; guards the iterators

	mu       sync.Mutex
	shards   []*tailShard
	puts     map[string]*put // by the id of the request: those that the stream has not shown
	unseen   int             // the sum of their counts
	answers  int64           // requests answered with success
	complete int64           // answers that the last complete look began after
}

// tailShard is one shard as far as it was read.
type tailShard struct {
	id       string
	iterator *string // nil: to be made
	closed   bool    // read to the end of a closed shard
	last     string  // sequence number of the newest record, under tail.mu
	number   bench.Sequence
}

// put counts the puts of one item that the stream has not shown.
type put struct {
	n        int
	answered time.Time // zero: not yet
	passed   bool      // its record has come with a number that is not above the last
}

func newTail(streams eventsource.Streams, arn string, observer bench.Observer, c clock.Clock) *tail {
	return &tail{streams: streams, arn: arn, observer: observer, clock: c, puts: map[string]*put{}}
}

// follow looks again and again until ctx ends.
func (t *tail) follow(ctx context.Context) {
	tick := time.NewTicker(tailInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			t.look(ctx) // an error leaves the look incomplete, and the next one tries again
		case <-ctx.Done():
			return
		}
	}
}

// sent notes puts that are about to be sent: their records may be seen before
// they are answered.
func (t *tail) sent(writes []itemWrite) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, w := range writes {
		if !w.put {
			continue
		}
		if t.puts[w.id] == nil {
			t.puts[w.id] = &put{}
		}
		t.puts[w.id].n++
		t.unseen++
	}
}

// refused takes back puts that were not applied.
func (t *tail) refused(writes []itemWrite) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, w := range writes {
		if w.put {
			t.seen(w.id)
		}
	}
}

// answered notes when writes were confirmed.
func (t *tail) answered(writes []itemWrite, at time.Time) {
	if t == nil || len(writes) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.answers++
	for _, w := range writes {
		if p := t.puts[w.id]; w.put && p != nil {
			p.answered = at
		}
	}
}

// seen takes one put off those waited for, and gives the time at which it was
// answered, if that is known.
func (t *tail) seen(id string) time.Time {
	p := t.puts[id]
	if p == nil {
		return time.Time{}
	}
	t.unseen--
	if p.n--; p.n == 0 {
		delete(t.puts, id)
	}
	return p.answered
}

// position gives what the last look has found, and how many writes are still to
// be seen.
func (t *tail) position() (ends []dynamo.ShardEnd, unseen int) {
	if t == nil {
		return nil, 0
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	unseen = t.unseen
	if unseen == 0 && t.complete < t.answers {
		unseen = 1 // of which nothing is known but that nobody has looked since
	}
	return t.ends(), unseen
}

func (t *tail) ends() []dynamo.ShardEnd {
	ends := make([]dynamo.ShardEnd, len(t.shards))
	for i, s := range t.shards {
		ends[i] = dynamo.ShardEnd{Shard: s.id, Last: s.last, Closed: s.closed}
	}
	return ends
}

// look reads every shard to its end.
func (t *tail) look(ctx context.Context) ([]dynamo.ShardEnd, error) {
	t.looking.Lock()
	defer t.looking.Unlock()
	ctx, cancel := context.WithTimeout(ctx, tailTimeout)
	defer cancel()
	t.mu.Lock()
	began := t.answers
	t.mu.Unlock()
	// A shard that closes meanwhile has children, which must be read too.
	for known := -1; known != len(t.shards); {
		known = len(t.shards)
		for _, s := range t.shards {
			if err := t.read(ctx, s); err != nil {
				return nil, err
			}
		}
		if err := t.discover(ctx); err != nil {
			return nil, err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.complete = began
	return t.ends(), nil
}

// discover adds the shards that are not known yet.
func (t *tail) discover(ctx context.Context) error {
	known := map[string]bool{}
	for _, s := range t.shards {
		known[s.id] = true
	}
	in := &dynamodbstreams.DescribeStreamInput{StreamArn: &t.arn}
	for {
		out, err := t.streams.DescribeStream(ctx, in)
		if err != nil {
			return fmt.Errorf("describe stream %s: %w", t.arn, err)
		}
		if out.StreamDescription == nil {
			return fmt.Errorf("describe stream %s: answer without a description", t.arn)
		}
		for _, found := range out.StreamDescription.Shards {
			if id := aws.ToString(found.ShardId); id != "" && !known[id] {
				known[id] = true
				t.mu.Lock()
				t.shards = append(t.shards, &tailShard{id: id})
				t.mu.Unlock()
			}
		}
		if in.ExclusiveStartShardId = out.StreamDescription.LastEvaluatedShardId; in.ExclusiveStartShardId == nil {
			return nil
		}
	}
}

// read reads a shard up to an empty page, or its end.
func (t *tail) read(ctx context.Context, s *tailShard) error {
	for !s.closed {
		if err := t.place(ctx, s); err != nil {
			return err
		}
		page, err := t.streams.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: s.iterator, Limit: aws.Int32(1000)})
		if err != nil {
			s.iterator = nil // it may have expired
			return fmt.Errorf("get records of shard %s: %w", s.id, err)
		}
		s.iterator = page.NextShardIterator
		if err := t.take(s, page.Records, page.NextShardIterator == nil); err != nil {
			return err
		}
		if len(page.Records) == 0 {
			return nil
		}
	}
	return nil
}

// place makes an iterator where there is none: behind the last record seen.
func (t *tail) place(ctx context.Context, s *tailShard) error {
	if s.iterator != nil {
		return nil
	}
	in := &dynamodbstreams.GetShardIteratorInput{StreamArn: &t.arn, ShardId: &s.id, ShardIteratorType: types.ShardIteratorTypeTrimHorizon}
	if s.last != "" {
		in.ShardIteratorType, in.SequenceNumber = types.ShardIteratorTypeAfterSequenceNumber, aws.String(s.last)
	}
	out, err := t.streams.GetShardIterator(ctx, in)
	if err != nil {
		return fmt.Errorf("get iterator of shard %s: %w", s.id, err)
	}
	s.iterator = out.ShardIterator
	return nil
}

// take notes the records of a page and tells the observer of each commit. Its
// time is that of the answer to the put, one hop after the commit; the record's
// own is a whole second.
func (t *tail) take(s *tailShard, records []types.Record, closed bool) error {
	now := t.clock.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	s.closed = closed
	for _, r := range records {
		if r.Dynamodb == nil {
			return fmt.Errorf("shard %s: a record without content", s.id)
		}
		text := aws.ToString(r.Dynamodb.SequenceNumber)
		n, err := bench.ParseSequence(text)
		if err != nil {
			return fmt.Errorf("shard %s: %w", s.id, err)
		}
		id := eventsource.WriterOf(r)
		if id == "" {
			continue
		}
		if s.last != "" && n.Compare(s.number) <= 0 {
			t.outOfOrder(now, s, text, id)
			continue
		}
		s.last, s.number = text, n
		at := now
		if r.EventName != types.OperationTypeRemove {
			if answered := t.seen(id); !answered.IsZero() {
				at = answered
			}
		}
		t.observer.Committed(bench.Commit{Shard: s.id, Sequence: text, ID: id, At: at})
	}
	return nil
}

// outOfOrder tells of a record that a reader passes over, unless it was seen
// before.
func (t *tail) outOfOrder(now time.Time, s *tailShard, sequence, id string) {
	p := t.puts[id]
	if p == nil || p.passed {
		return
	}
	p.passed = true
	data, err := json.Marshal(map[string]string{"evidence": "stream_order", "shard": s.id, "sequence": sequence, "last": s.last, "id": id})
	if err != nil {
		panic("local: evidence that cannot be encoded: " + err.Error()) // texts always can
	}
	t.observer.Event(bench.Event{At: now, Kind: bench.EventEvidence, Data: data,
		Text: fmt.Sprintf("shard %s: the record of %s has sequence number %s, not above that of the one before it, %s", s.id, id, sequence, s.last)})
}
