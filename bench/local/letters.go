package local

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/eventsource"
)

// letterBox is an on-failure destination that keeps the payload, as an S3
// bucket does: https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
type letterBox struct {
	mu   sync.Mutex
	docs []eventsource.Document
}

// Send keeps a document.
func (b *letterBox) Send(_ context.Context, doc eventsource.Document, _ []eventsource.Record) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.docs = append(b.docs, doc)
	return nil
}

// letters reads the documents back, as an operator would: only a record that can
// be read in a kept payload is a readable dead letter.
func (b *letterBox) letters() ([]bench.DeadLetter, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	letters := []bench.DeadLetter{}
	for _, doc := range b.docs {
		var event struct {
			Records []struct {
				DynamoDB struct {
					Keys struct {
						ID struct{ S string } `json:"id"`
					}
				} `json:"dynamodb"`
			}
		}
		if err := json.Unmarshal([]byte(doc.Payload), &event); err != nil {
			return nil, fmt.Errorf("read back the dead letter of %s: %w", doc.BatchInfo.ShardID, err)
		}
		at, err := time.Parse(time.RFC3339Nano, doc.Timestamp)
		if err != nil {
			return nil, fmt.Errorf("read back the dead letter of %s: %w", doc.BatchInfo.ShardID, err)
		}
		for _, record := range event.Records {
			if id, err := bench.ParseID(record.DynamoDB.Keys.ID.S); err == nil {
				letters = append(letters, bench.DeadLetter{Seq: id.Seq, Readable: true, At: at})
			}
		}
	}
	return letters, nil
}
