package processor

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-lambda-go/events"

	"github.com/ackproof/ackproof/bench"
)

// record is what the processor reads of a stream record. It is a type of its
// own and not events.DynamoDBEventRecord, since that one decodes every
// attribute of both images, and panics on a binary set whose elements are no
// strings; a bad event must be an error, not the end of the process.
// https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
type record struct {
	EventID   string `json:"eventID"`
	EventName string `json:"eventName"`
	Change    struct {
		Keys           map[string]attribute
		NewImage       map[string]attribute
		SequenceNumber string
	} `json:"dynamodb"`
}

// attribute is a string or binary attribute value; of the other types it is
// empty.
type attribute struct {
	S *string
	B []byte // base64 in JSON
}

// bytes returns the value's bytes; false for the other types.
func (a attribute) bytes() ([]byte, bool) {
	if a.S != nil {
		return []byte(*a.S), true
	}
	return a.B, a.B != nil
}

// stream handles the records of one batch, in order. The first error ends it:
// the mapping will deliver the batch again, from its first record on.
func (h *Handler) stream(ctx context.Context, records []record) error {
	for i, r := range records {
		// A batch of one has no tail, so that a retry after a bisection, or a
		// trickle of load, does not lose everything.
		if h.defect.name == DefectDropTail && i > 0 && i == len(records)-1 {
			continue
		}
		if err := h.swallowed(h.record(ctx, r)); err != nil {
			return err
		}
	}
	return nil
}

func (h *Handler) record(ctx context.Context, r record) error {
	insert := r.EventName == string(events.DynamoDBOperationTypeInsert)
	modify := r.EventName == string(events.DynamoDBOperationTypeModify)
	if !insert && !modify || modify && h.defect.name == DefectInsertOnly {
		return nil // a deletion asks for no work
	}
	if h.defect.name == DefectSkip && h.seen.hit(h.defect.nth) {
		return nil
	}
	id, payload, err := r.item()
	if err != nil {
		return fmt.Errorf("read record %.60q: %w", r.EventID, err)
	}
	// The condition compares numbers: what is none must not reach it.
	if _, err := bench.ParseSequence(r.Change.SequenceNumber); err != nil {
		return fmt.Errorf("read record %.60q: %w", r.EventID, err)
	}
	if err := h.work(ctx, id, payload); err != nil {
		return err
	}
	return h.update(ctx, effect{id: id, sequence: r.Change.SequenceNumber, digest: h.digest(payload)})
}

// item takes id and payload out of the record.
func (r record) item() (id string, payload []byte, err error) {
	if r.Change.NewImage == nil {
		return "", nil, errors.New("it has no NewImage: set the stream's view type to NEW_IMAGE or NEW_AND_OLD_IMAGES")
	}
	key := r.Change.NewImage["id"]
	if key.S == nil {
		return "", nil, errors.New("the item has no attribute id of type S")
	}
	payload, ok := r.Change.NewImage["payload"].bytes()
	if !ok {
		return "", nil, fmt.Errorf("item %q has no attribute payload of type S or B", *key.S)
	}
	return *key.S, payload, nil
}
