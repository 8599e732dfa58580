package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
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
	e := rd.endpoints
	if e.ItemsTable == "" || e.ResultsTable == "" || e.Attributes != nil && (!rd.byKey() || e.StreamARN == "") {
		return nil, errors.New("sentinels need an items table with a stream and a results table, and the ids as keys of both")
	}
	d, err := openDynamoDB(ctx, e, r.dialer())
	if err != nil {
		return nil, err
	}
	d.Config.RetryMaxAttempts, d.Config.Retryer = 0, nil // a look may be repeated
	arn := e.StreamARN
	if arn == "" {
		out, err := d.DB().DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &e.ItemsTable})
		if err != nil {
			return nil, fmt.Errorf("find the stream of %s: %w", e.ItemsTable, err)
		}
		if arn = aws.ToString(out.Table.LatestStreamArn); arn == "" {
			return nil, fmt.Errorf("find the stream of %s: it has none", e.ItemsTable)
		}
	}
	l := &line{reader: rd, closed: map[string]bool{}}
	l.tail = tail.Reader{ARN: arn, Take: l.take, Streams: d.Reader()}
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
		key, _ := rec.Dynamodb.Keys[l.reader.items.names[rowID]].(*types.AttributeValueMemberS)
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
