package local

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/dynamo"
	"github.com/ackproof/ackproof/bench/eventsource"
	reading "github.com/ackproof/ackproof/bench/tail"
)

// tail reads the stream of an outside DynamoDB to its end, beside the event
// source mapping and without trusting it: what the mapping has left out shows
// as a checkpoint short of the end. That the end has been reached is concluded
// from two things, and both must hold:
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
	observer bench.Observer
	clock    clock.Clock

	looking sync.Mutex // one look at a time; guards the reader
	reader  reading.Reader

	mu       sync.Mutex
	shards   []*tailShard
	puts     map[string]*put // by the id of the request: those that the stream has not shown
	unseen   int             // the sum of their counts
	answers  int64           // requests answered with success
	complete int64           // answers that the last complete look began after
}

// tailShard is one shard as far as it was read, under tail.mu.
type tailShard struct {
	id     string
	closed bool   // read to the end of a closed shard
	last   string // sequence number of the newest record
	number bench.Sequence
}

// put counts the puts of one item that the stream has not shown.
type put struct {
	n        int
	answered time.Time // zero: not yet
	passed   bool      // its record has come with a number that is not above the last
}

func newTail(streams reading.Streams, arn string, observer bench.Observer, c clock.Clock) *tail {
	t := &tail{observer: observer, clock: c, puts: map[string]*put{}}
	t.reader = reading.Reader{Streams: streams, ARN: arn, Take: t.take}
	return t
}

// follow looks again and again until ctx ends.
func (t *tail) follow(ctx context.Context) {
	reading.Follow(ctx, func(ctx context.Context) error { _, err := t.look(ctx); return err })
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
	t.mu.Lock()
	began := t.answers
	t.mu.Unlock()
	if err := t.reader.Look(ctx); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.complete = began
	return t.ends(), nil
}

// shard finds a shard, or adds one.
func (t *tail) shard(id string) *tailShard {
	i := slices.IndexFunc(t.shards, func(s *tailShard) bool { return s.id == id })
	if i < 0 {
		i = len(t.shards)
		t.shards = append(t.shards, &tailShard{id: id})
	}
	return t.shards[i]
}

// take notes the records of a page and tells the observer of each commit. Its
// time is that of the answer to the put, one hop after the commit; the record's
// own is a whole second.
func (t *tail) take(page reading.Page) error {
	now := t.clock.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.shard(page.Shard)
	s.closed = page.Closed
	for _, r := range page.Records {
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
