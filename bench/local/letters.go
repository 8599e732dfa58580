package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/eventsource"
	"github.com/ackproof/ackproof/bench/lambda"
)

// readBackTimeout bounds the reading back of all letters from the stream.
const readBackTimeout = time.Minute

// letterBox is an on-failure destination. Documents with the payload are kept
// as in an S3 bucket; those without it say no more than where in the stream the
// records were, as a message in SQS does, and are read back from there:
// https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
type letterBox struct {
	streams  eventsource.Streams
	injector bench.Injector // nil: it takes everything
	keeper   lambda.Keeper  // nil: letters die with the process

	mu      sync.Mutex
	letters []letter
}

// letter is a document, and the ids of what was handed over with it. An operator
// would not know them; they tell which dead letters can no longer be read.
type letter struct {
	Document eventsource.Document
	IDs      []string
}

// keptLetters begins the keys of letters; their number follows.
const keptLetters = "letter/"

// keep makes the box one whose letters outlive the process, with those that were
// there before. A letter is safe before its records are settled, and so before any
// checkpoint is behind them.
func (b *letterBox) keep(k lambda.Keeper) error {
	kept := k.Kept(keptLetters)
	for _, key := range slices.Sorted(maps.Keys(kept)) {
		var l letter
		if err := json.Unmarshal([]byte(kept[key]), &l); err != nil {
			return fmt.Errorf("read the dead letter %s: %w", key, err)
		}
		b.letters = append(b.letters, l)
	}
	b.keeper = k
	return nil
}

// errRefused is what a destination says that was deleted, or that the mapping
// may not write to.
var errRefused = errors.New("the destination refuses the document")

// Send keeps a document, unless a fault refuses it.
func (b *letterBox) Send(_ context.Context, doc eventsource.Document, records []eventsource.Record) error {
	if b.injector != nil {
		if strike := b.injector.Ask(bench.Op{Place: bench.PlaceDestination, Name: "Send"}); strike.Kind != "" {
			b.injector.Struck(strike)
			return errRefused
		}
	}
	l := letter{Document: doc}
	for _, r := range records {
		l.IDs = append(l.IDs, r.ID)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.keeper != nil {
		text, err := json.Marshal(l)
		if err == nil {
			err = b.keeper.Keep(fmt.Sprintf(keptLetters+"%012d", len(b.letters)), string(text))
		}
		if err != nil {
			return fmt.Errorf("keep the document: %w", err)
		}
	}
	b.letters = append(b.letters, l)
	return nil
}

// readBack reads the documents, as an operator would: only a record that can be
// found in a kept payload, or in the stream, is a readable dead letter.
func (b *letterBox) readBack() ([]bench.DeadLetter, error) {
	ctx, cancel := context.WithTimeout(context.Background(), readBackTimeout)
	defer cancel()
	b.mu.Lock()
	letters := b.letters[:len(b.letters):len(b.letters)]
	b.mu.Unlock()
	dead := []bench.DeadLetter{}
	for _, l := range letters {
		info := l.Document.BatchInfo
		at, err := time.Parse(time.RFC3339Nano, l.Document.Timestamp)
		if err != nil {
			return nil, fmt.Errorf("read back the dead letter of %s: %w", info.ShardID, err)
		}
		var found map[string]bool
		if l.Document.Payload != "" {
			found, err = inPayload(l.Document.Payload)
		} else {
			found, err = b.inStream(ctx, info)
		}
		if err != nil {
			return nil, fmt.Errorf("read back the dead letter of %s: %w", info.ShardID, err)
		}
		for _, text := range l.IDs {
			if id, err := bench.ParseKey(text); err == nil {
				dead = append(dead, bench.DeadLetter{Seq: id.Seq, Readable: found[text], At: at})
			}
		}
	}
	return dead, nil
}

// inPayload finds the ids of the records in a kept event.
func inPayload(payload string) (map[string]bool, error) {
	var event struct {
		Records []struct {
			DynamoDB struct {
				Keys struct {
					ID struct{ S string } `json:"id"`
				}
			} `json:"dynamodb"`
		}
	}
	if err := json.Unmarshal([]byte(payload), &event); err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for _, record := range event.Records {
		found[record.DynamoDB.Keys.ID.S] = true
	}
	return found, nil
}

// inStream finds the ids of the records between the two sequence numbers of a
// document. What the stream has trimmed is not found; that is no error.
func (b *letterBox) inStream(ctx context.Context, info eventsource.BatchInfo) (map[string]bool, error) {
	found := map[string]bool{}
	last, err := bench.ParseSequence(info.EndSequenceNumber)
	if err != nil {
		return nil, err
	}
	out, err := b.streams.GetShardIterator(ctx, &dynamodbstreams.GetShardIteratorInput{
		StreamArn: &info.StreamARN, ShardId: &info.ShardID,
		ShardIteratorType: types.ShardIteratorTypeAtSequenceNumber, SequenceNumber: &info.StartSequenceNumber,
	})
	if err != nil {
		return found, untrimmed(err)
	}
	for iterator := out.ShardIterator; iterator != nil; {
		page, err := b.streams.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: iterator, Limit: aws.Int32(1000)})
		if err != nil {
			return found, untrimmed(err)
		}
		for _, r := range page.Records {
			n, err := bench.ParseSequence(aws.ToString(r.Dynamodb.SequenceNumber))
			if err != nil {
				return nil, err
			}
			if n.Compare(last) > 0 {
				return found, nil
			}
			if id, ok := r.Dynamodb.Keys["id"].(*types.AttributeValueMemberS); ok {
				found[id.Value] = true
			}
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
