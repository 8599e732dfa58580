// Package letters opens what an on-failure destination holds, as an operator would:
// of what can be found in it, or where it leads to, the ids are told.
//
// The destination of an event source mapping gets a document. In S3 the event is in
// it; SQS and SNS are told no more than where in the stream the records were, and
// they are read back from there:
// https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
// The record of an asynchronous event holds the event, wherever it goes to:
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
package letters

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/ackproof/ackproof/bench"
)

// Streams is the part of DynamoDB Streams that reads records back.
type Streams interface {
	GetShardIterator(context.Context, *dynamodbstreams.GetShardIteratorInput, ...func(*dynamodbstreams.Options)) (*dynamodbstreams.GetShardIteratorOutput, error)
	GetRecords(context.Context, *dynamodbstreams.GetRecordsInput, ...func(*dynamodbstreams.Options)) (*dynamodbstreams.GetRecordsOutput, error)
}

// Document is what a destination is handed.
type Document struct {
	Timestamp string `json:"timestamp"`          // UTC
	Range     *Range `json:"DDBStreamBatchInfo"` // of a mapping's
	Payload   string `json:"payload"`            // of a mapping's, in S3: the event
	// RequestPayload is the event of an asynchronous invocation.
	RequestPayload json.RawMessage `json:"requestPayload"`
}

// Range is a batch in its stream.
type Range struct {
	ShardID             string `json:"shardId"`
	StartSequenceNumber string `json:"startSequenceNumber"`
	EndSequenceNumber   string `json:"endSequenceNumber"`
	StreamARN           string `json:"streamArn"`
}

// Parse reads a document. An error says that it is none.
func Parse(body []byte) (*Document, error) {
	var d Document
	if err := json.Unmarshal(body, &d); err != nil {
		return nil, fmt.Errorf("read a dead letter: %w", err)
	}
	if d.Range == nil && d.Payload == "" && d.RequestPayload == nil {
		return nil, errors.New("read a dead letter: it is no document of Lambda's")
	}
	return &d, nil
}

// At is when it was written; the zero time: it does not say.
func (d *Document) At() time.Time {
	at, _ := time.Parse(time.RFC3339Nano, d.Timestamp)
	return at
}

// Names are the attributes that tell whose an item is.
type Names struct{ ID, Version string }

// item is an item of which texts alone matter.
type item map[string]struct{ S string }

// InPayload finds the ids of the records in a kept event.
func InPayload(payload string, n Names) (map[string]bool, error) {
	var event struct {
		Records []struct {
			DynamoDB struct{ Keys, NewImage, OldImage item } `json:"dynamodb"`
		}
	}
	if err := json.Unmarshal([]byte(payload), &event); err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for _, record := range event.Records {
		r := record.DynamoDB
		for _, of := range []item{r.Keys, r.NewImage, r.OldImage} {
			if id := of[n.ID].S; id != "" {
				found[bench.WriterOf(id, r.NewImage[n.Version].S)] = true
				break
			}
		}
	}
	return found, nil
}

// InStream finds the ids of the records of a batch, each of which idOf tells. What the
// stream has trimmed is not found; that is no error.
func InStream(ctx context.Context, streams Streams, in Range, idOf func(types.Record) string) (map[string]bool, error) {
	found := map[string]bool{}
	last, err := bench.ParseSequence(in.EndSequenceNumber)
	if err != nil {
		return nil, err
	}
	out, err := streams.GetShardIterator(ctx, &dynamodbstreams.GetShardIteratorInput{
		StreamArn: &in.StreamARN, ShardId: &in.ShardID,
		ShardIteratorType: types.ShardIteratorTypeAtSequenceNumber, SequenceNumber: &in.StartSequenceNumber,
	})
	if err != nil {
		return found, untrimmed(err)
	}
	for iterator := out.ShardIterator; iterator != nil; {
		page, err := streams.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: iterator, Limit: aws.Int32(1000)})
		if err != nil {
			return found, untrimmed(err)
		}
		for _, r := range page.Records {
			if r.Dynamodb == nil {
				return nil, fmt.Errorf("shard %s: a record without content", in.ShardID)
			}
			n, err := bench.ParseSequence(aws.ToString(r.Dynamodb.SequenceNumber))
			if err != nil {
				return nil, err
			}
			if n.Compare(last) > 0 {
				return found, nil
			}
			found[idOf(r)] = true
			if n == last {
				return found, nil
			}
		}
		// The last record was in the stream once, so an end before it says
		// that the stream has trimmed it.
		if len(page.Records) == 0 {
			return found, nil
		}
		iterator = page.NextShardIterator
	}
	return found, nil
}

// untrimmed takes away the error that says that the stream has trimmed the
// place, or dropped the shard.
func untrimmed(err error) error {
	if _, ok := errors.AsType[*types.TrimmedDataAccessException](err); ok {
		return nil
	}
	if _, ok := errors.AsType[*types.ResourceNotFoundException](err); ok {
		return nil
	}
	return err
}

// RequestIn finds the first id of a run in a text. It looks for the id itself, since
// a scenario is free to give a request's body any form.
func RequestIn(text string, run bench.RunID) (bench.ID, bool) {
	length := len(bench.ID{Run: run}.String())
	for {
		_, rest, found := strings.Cut(text, string(run)+"-")
		if !found {
			return bench.ID{}, false
		}
		start := len(text) - len(rest) - len(run) - 1
		if found := text[start:]; len(found) >= length {
			if id, err := bench.ParseID(found[:length]); err == nil {
				return id, true
			}
		}
		text = rest
	}
}
