// Package tail reads a DynamoDB stream to its end, beside whatever else reads it,
// and forgets nothing of where it stands. It is one of the two readers that a
// shard may have
// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html).
//
// DescribeStream is asked for the names of shards alone. What it says about
// their ends is known late, and one engine says it wrongly.
package tail

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/ackproof/ackproof/bench"
)

const (
	// Interval is how often a stream is looked at, as often as Lambda does.
	Interval = 250 * time.Millisecond
	// lookTimeout bounds one look.
	lookTimeout = 30 * time.Second
)

// Streams is the part of DynamoDB Streams that reads.
type Streams interface {
	DescribeStream(context.Context, *dynamodbstreams.DescribeStreamInput, ...func(*dynamodbstreams.Options)) (*dynamodbstreams.DescribeStreamOutput, error)
	GetShardIterator(context.Context, *dynamodbstreams.GetShardIteratorInput, ...func(*dynamodbstreams.Options)) (*dynamodbstreams.GetShardIteratorOutput, error)
	GetRecords(context.Context, *dynamodbstreams.GetRecordsInput, ...func(*dynamodbstreams.Options)) (*dynamodbstreams.GetRecordsOutput, error)
}

// Page is what one GetRecords gave. Every record has its content.
type Page struct {
	Shard   string
	Records []types.Record
	Closed  bool // the shard is read to its end, and will have no more
}

// Reader reads one stream. Its methods are called by one goroutine at a time.
type Reader struct {
	Streams Streams
	ARN     string
	Take    func(Page) error // is given every page, also an empty one, the first when the shard is found

	shards []*shard
}

// shard is one shard as far as it was read.
type shard struct {
	id       string
	iterator *string // nil: to be made
	closed   bool
	last     string // sequence number of the newest record
	number   bench.Sequence
}

// SkipPast leaves out what the stream holds at this moment: what comes into it
// after SkipPast has returned is read.
func (r *Reader) SkipPast(ctx context.Context) error {
	if err := r.discover(ctx); err != nil {
		return err
	}
	for _, s := range r.shards {
		out, err := r.Streams.GetShardIterator(ctx, &dynamodbstreams.GetShardIteratorInput{StreamArn: &r.ARN, ShardId: &s.id, ShardIteratorType: types.ShardIteratorTypeLatest})
		if err != nil {
			return fmt.Errorf("get iterator of shard %s: %w", s.id, err)
		}
		s.iterator = out.ShardIterator
	}
	return nil
}

// Follow looks every Interval until ctx ends. A look that fails is incomplete, and
// the next one tries again.
func Follow(ctx context.Context, look func(context.Context) error) {
	tick := time.NewTicker(Interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			look(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// Look reads every shard up to an empty page, or its end. A shard that closes
// meanwhile has children, which are read too.
func (r *Reader) Look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	for known := -1; known != len(r.shards); {
		known = len(r.shards)
		for _, s := range r.shards {
			if err := r.read(ctx, s); err != nil {
				return err
			}
		}
		if err := r.discover(ctx); err != nil {
			return err
		}
	}
	return nil
}

// discover adds the shards that are not known yet.
func (r *Reader) discover(ctx context.Context) error {
	known := map[string]bool{}
	for _, s := range r.shards {
		known[s.id] = true
	}
	in := &dynamodbstreams.DescribeStreamInput{StreamArn: &r.ARN}
	for {
		out, err := r.Streams.DescribeStream(ctx, in)
		if err != nil {
			return fmt.Errorf("describe stream %s: %w", r.ARN, err)
		}
		if out.StreamDescription == nil {
			return fmt.Errorf("describe stream %s: answer without a description", r.ARN)
		}
		for _, found := range out.StreamDescription.Shards {
			if id := aws.ToString(found.ShardId); id != "" && !known[id] {
				known[id] = true
				r.shards = append(r.shards, &shard{id: id})
				if err := r.Take(Page{Shard: id}); err != nil {
					return err
				}
			}
		}
		if in.ExclusiveStartShardId = out.StreamDescription.LastEvaluatedShardId; in.ExclusiveStartShardId == nil {
			return nil
		}
	}
}

func (r *Reader) read(ctx context.Context, s *shard) error {
	for !s.closed {
		if err := r.place(ctx, s); err != nil {
			return err
		}
		page, err := r.Streams.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: s.iterator, Limit: aws.Int32(1000)})
		if err != nil {
			s.iterator = nil // it may have expired
			return fmt.Errorf("get records of shard %s: %w", s.id, err)
		}
		s.iterator = page.NextShardIterator
		s.closed = page.NextShardIterator == nil
		for _, record := range page.Records {
			if record.Dynamodb == nil {
				return fmt.Errorf("shard %s: a record without content", s.id)
			}
			n, err := bench.ParseSequence(aws.ToString(record.Dynamodb.SequenceNumber))
			if err != nil {
				return fmt.Errorf("shard %s: %w", s.id, err)
			}
			if s.last == "" || n.Compare(s.number) > 0 {
				s.last, s.number = *record.Dynamodb.SequenceNumber, n
			}
		}
		if err := r.Take(Page{Shard: s.id, Records: page.Records, Closed: s.closed}); err != nil {
			return err
		}
		if len(page.Records) == 0 {
			return nil
		}
	}
	return nil
}

// place makes an iterator where there is none: behind the last record seen.
func (r *Reader) place(ctx context.Context, s *shard) error {
	if s.iterator != nil {
		return nil
	}
	in := &dynamodbstreams.GetShardIteratorInput{StreamArn: &r.ARN, ShardId: &s.id, ShardIteratorType: types.ShardIteratorTypeTrimHorizon}
	if s.last != "" {
		in.ShardIteratorType, in.SequenceNumber = types.ShardIteratorTypeAfterSequenceNumber, aws.String(s.last)
	}
	out, err := r.Streams.GetShardIterator(ctx, in)
	if err != nil {
		return fmt.Errorf("get iterator of shard %s: %w", s.id, err)
	}
	s.iterator = out.ShardIterator
	return nil
}
