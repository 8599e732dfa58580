package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/ackproof/ackproof/bench"
)

// streamAPI is the part of DynamoDB Streams that reads.
type streamAPI interface {
	DescribeStream(context.Context, *dynamodbstreams.DescribeStreamInput, ...func(*dynamodbstreams.Options)) (*dynamodbstreams.DescribeStreamOutput, error)
	GetShardIterator(context.Context, *dynamodbstreams.GetShardIteratorInput, ...func(*dynamodbstreams.Options)) (*dynamodbstreams.GetShardIteratorOutput, error)
	GetRecords(context.Context, *dynamodbstreams.GetRecordsInput, ...func(*dynamodbstreams.Options)) (*dynamodbstreams.GetRecordsOutput, error)
}

// lookTimeout bounds one look at all shards.
const lookTimeout = 30 * time.Second

// line is the stream of the items table from now on: in which shard each sentinel
// lies.
type line struct {
	reader  *reader
	streams streamAPI
	arn     string
	shards  map[string]*lineShard
	sent    int // sentinels, over all rounds
	round   *round
}

// lineShard is a shard as far as it was read.
type lineShard struct {
	parent   string
	iterator *string
	ended    bool // it takes no new records
}

// line opens the stream of the items table behind its newest records. An error
// means that there is none that can be read.
func (r *Run) line(ctx context.Context, rd *reader) (*line, error) {
	ctx, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	e := rd.endpoints
	options := dynamoOptions(e, r.dialer())
	l := &line{reader: rd, shards: map[string]*lineShard{}, streams: dynamodbstreams.New(dynamodbstreams.Options{
		Region: options.Region, BaseEndpoint: options.BaseEndpoint, HTTPClient: options.HTTPClient, Credentials: options.Credentials,
	})}
	out, err := dynamodb.New(options).DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &e.ItemsTable})
	if err != nil {
		return nil, fmt.Errorf("find the stream of %s: %w", e.ItemsTable, err)
	}
	if l.arn = aws.ToString(out.Table.LatestStreamArn); l.arn == "" {
		return nil, fmt.Errorf("find the stream of %s: it has none", e.ItemsTable)
	}
	return l, l.describe(ctx, types.ShardIteratorTypeLatest)
}

// describe looks for shards that are not known yet, to be read from a place.
func (l *line) describe(ctx context.Context, from types.ShardIteratorType) error {
	in := &dynamodbstreams.DescribeStreamInput{StreamArn: &l.arn}
	for {
		out, err := l.streams.DescribeStream(ctx, in)
		if err != nil {
			return fmt.Errorf("list the shards of the stream: %w", err)
		}
		for _, s := range out.StreamDescription.Shards {
			id := aws.ToString(s.ShardId)
			if l.shards[id] != nil {
				continue
			}
			shard := &lineShard{
				parent: aws.ToString(s.ParentShardId),
				ended:  s.SequenceNumberRange != nil && s.SequenceNumberRange.EndingSequenceNumber != nil,
			}
			if !shard.ended {
				it, err := l.streams.GetShardIterator(ctx, &dynamodbstreams.GetShardIteratorInput{StreamArn: &l.arn, ShardId: &id, ShardIteratorType: from})
				if err != nil {
					return fmt.Errorf("begin to read shard %s: %w", id, err)
				}
				shard.iterator = it.ShardIterator
			}
			l.shards[id] = shard
		}
		if in.ExclusiveStartShardId = out.StreamDescription.LastEvaluatedShardId; in.ExclusiveStartShardId == nil {
			return nil
		}
	}
}

// read reads every open shard to its end, and those that have taken the place of
// one that has ended.
func (l *line) read(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	var errs []error
	for id, s := range l.shards {
		for !s.ended {
			out, err := l.streams.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: s.iterator})
			if err != nil {
				errs = append(errs, fmt.Errorf("read shard %s: %w", id, err))
				break
			}
			for _, rec := range out.Records {
				l.see(id, rec)
			}
			s.iterator = out.NextShardIterator
			s.ended = s.iterator == nil
			if len(out.Records) == 0 {
				break
			}
		}
	}
	for _, id := range l.open() {
		if l.shards[id].ended { // what goes on in its place has not been named yet
			return errors.Join(append(errs, l.describe(ctx, types.ShardIteratorTypeTrimHorizon))...)
		}
	}
	return errors.Join(errs...)
}

// open lists the shards that take new records, in order. One that has ended
// without a shard that goes on in its place stands for those that nobody has named
// yet, and keeps the proof from being made.
func (l *line) open() []string {
	parents := map[string]bool{}
	for _, s := range l.shards {
		parents[s.parent] = true
	}
	var open []string
	for _, id := range slices.Sorted(maps.Keys(l.shards)) {
		if s := l.shards[id]; !s.ended || !parents[id] {
			open = append(open, id)
		}
	}
	return open
}

// see notes a record, if it is a sentinel's of this round.
func (l *line) see(shard string, rec types.Record) {
	if rec.Dynamodb == nil {
		return
	}
	key, _ := rec.Dynamodb.Keys["id"].(*types.AttributeValueMemberS)
	if key == nil {
		return
	}
	id, err := bench.ParseKey(key.Value)
	if err != nil || l.round == nil {
		return
	}
	if seq, ours := l.reader.plan.IDs().Seq(id); ours && seq >= l.round.first {
		l.round.shard[seq] = shard
	}
}
