package local

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/lambda"
	"github.com/ackproof/ackproof/bench/letters"
)

// sendEvent keeps the record of an asynchronous event, unless a fault refuses
// it. What can be read back is what its bytes say:
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
func (b *letterBox) sendEvent(_ context.Context, record lambda.InvocationRecord) error {
	if b.refuse() {
		return errRefused
	}
	text, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("the record cannot be written: %w", err)
	}
	l := letter{Record: text, At: b.clock.Now()}
	if err := b.take(l); err != nil {
		return err
	}
	if dead, err := b.openRecord(l); err == nil && len(dead) > 0 {
		b.observer.DeadLettered(dead)
	}
	return nil
}

// openRecord finds the request in the kept event. An event that is none of this
// run's requests, such as one that somebody has sent by hand, is no dead letter
// of the run.
func (b *letterBox) openRecord(l letter) ([]bench.DeadLetter, error) {
	var record struct {
		RequestPayload json.RawMessage `json:"requestPayload"`
	}
	if err := json.Unmarshal(l.Record, &record); err != nil {
		return nil, fmt.Errorf("read back the record of an asynchronous event: %w", err)
	}
	var event struct {
		Body string `json:"body"`
	}
	if err := json.Unmarshal(record.RequestPayload, &event); err != nil {
		return nil, nil
	}
	id, found := letters.RequestIn(event.Body, b.run)
	if !found {
		return nil, nil
	}
	return []bench.DeadLetter{{Seq: id.Seq, Readable: true, At: l.At}}, nil
}
