package local

import (
	"context"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/dynamo"
	"github.com/ackproof/ackproof/bench/eventsource"
)

// skipping notes from which record on a mapping reads that starts at LATEST.
// What lies before is never delivered: without this note the pipeline would seem
// to have it still before itself, and a loss would pass for work not done.
type skipping struct {
	eventsource.Streams
	ends func(context.Context) ([]dynamo.ShardEnd, error)

	mu      sync.Mutex
	skipped map[string]string // by shard: sequence number of the last record skipped
}

// skipTries bounds how often an iterator is made anew because records came in
// meanwhile. Under such a load later records move the checkpoint anyway.
const skipTries = 20

// GetShardIterator makes the iterator between two equal looks at the stream's
// ends: a record that came between them might be before or behind it.
func (s *skipping) GetShardIterator(ctx context.Context, in *dynamodbstreams.GetShardIteratorInput, opts ...func(*dynamodbstreams.Options)) (*dynamodbstreams.GetShardIteratorOutput, error) {
	for try := 0; in.ShardIteratorType == types.ShardIteratorTypeLatest; try++ {
		before, err := s.end(ctx, *in.ShardId)
		if err != nil {
			return nil, err
		}
		out, err := s.Streams.GetShardIterator(ctx, in, opts...)
		if err != nil {
			return nil, err
		}
		after, err := s.end(ctx, *in.ShardId)
		if err != nil {
			return nil, err
		}
		if try == skipTries || after == before {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.skipped[*in.ShardId] = before
			return out, nil
		}
	}
	return s.Streams.GetShardIterator(ctx, in, opts...)
}

func (s *skipping) end(ctx context.Context, shard string) (string, error) {
	ends, err := s.ends(ctx)
	if i := slices.IndexFunc(ends, func(e dynamo.ShardEnd) bool { return e.Shard == shard }); i >= 0 {
		return ends[i].Last, err
	}
	return "", err
}

// reached is the checkpoint, or what was skipped where that is further.
func (s *skipping) reached(p bench.ShardPosition) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	skipped, err := bench.ParseSequence(s.skipped[p.Shard])
	if err != nil {
		return p.Checkpoint // nothing was
	}
	if done, err := bench.ParseSequence(p.Checkpoint); err == nil && done.Compare(skipped) > 0 {
		return p.Checkpoint
	}
	return s.skipped[p.Shard]
}
