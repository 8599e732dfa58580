package run

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/tail"
)

// line is the stream of the items table from now on: in which shard each sentinel
// lies.
type line struct {
	reader *reader
	tail   tail.Reader
	closed map[string]bool // by shard, of those that are known
	moved  bool            // a shard has come or gone in this round
	sent   int             // sentinels, over all rounds
	round  *round
}

// line opens the stream of the items table behind its newest records. An error
// means that there is none that can be read.
func (r *Run) line(ctx context.Context, rd *reader) (*line, error) {
	ctx, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	options := dynamoOptions(rd.endpoints, r.dialer())
	table := rd.endpoints.ItemsTable
	out, err := dynamodb.New(options).DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &table})
	if err != nil {
		return nil, fmt.Errorf("find the stream of %s: %w", table, err)
	}
	arn := aws.ToString(out.Table.LatestStreamArn)
	if arn == "" {
		return nil, fmt.Errorf("find the stream of %s: it has none", table)
	}
	l := &line{reader: rd, closed: map[string]bool{}}
	l.tail = tail.Reader{ARN: arn, Take: l.take, Streams: dynamodbstreams.New(dynamodbstreams.Options{
		Region: options.Region, BaseEndpoint: options.BaseEndpoint, HTTPClient: options.HTTPClient, Credentials: options.Credentials,
	})}
	if err := l.tail.SkipPast(ctx); err != nil {
		return nil, err
	}
	return l, l.tail.Look(ctx) // finds out which shards have ended long ago
}

// take takes in what a shard has given.
func (l *line) take(p tail.Page) error {
	if closed, known := l.closed[p.Shard]; !known || closed != p.Closed {
		l.closed[p.Shard], l.moved = closed || p.Closed, true
	}
	for _, rec := range p.Records {
		key, _ := rec.Dynamodb.Keys["id"].(*types.AttributeValueMemberS)
		if key == nil || l.round == nil {
			continue
		}
		id, err := bench.ParseKey(key.Value)
		if err != nil {
			continue
		}
		if seq, ours := l.reader.plan.IDs().Seq(id); ours && seq >= l.round.first {
			l.round.shard[seq] = p.Shard
		}
	}
	return nil
}

// open lists the shards that take new records, in order.
func (l *line) open() []string {
	var open []string
	for _, shard := range slices.Sorted(maps.Keys(l.closed)) {
		if !l.closed[shard] {
			open = append(open, shard)
		}
	}
	return open
}
