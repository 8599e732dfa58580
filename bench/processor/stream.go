package processor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"

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

// answer is what a stream event is answered with where the mapping asks for it:
// which record failed
// (https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html),
// and the state of a tumbling window
// (https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html).
type answer struct {
	State    json.RawMessage `json:"state,omitempty"`
	Failures []itemFailure   `json:"batchItemFailures"`
}

type itemFailure struct {
	ItemIdentifier string `json:"itemIdentifier"`
}

// batch handles a stream event. The state of a window is handed on as it is: the
// processor aggregates nothing. Without Partial a failure is an error, and the
// whole batch comes again; with it the first record that failed is named.
func (h *Handler) batch(ctx context.Context, records []record, windowed bool, state json.RawMessage) (any, error) {
	if h.defect.name == DefectMarkFirst && !h.marked.first(ctx) {
		records = nil // "done already"
	}
	partial := h.cfg.Partial || h.defect.continues()
	var failed []string
	err := h.finish(ctx, func(ctx context.Context) error { return h.stream(ctx, records, &failed) })
	if err != nil && (!partial || len(failed) == 0) {
		return nil, err
	}
	if !windowed && !partial {
		return nil, nil
	}
	out := answer{Failures: []itemFailure{}}
	if windowed {
		out.State = state
	}
	if err != nil {
		log.Printf("reported as failed: %v", err)
		out.Failures = h.defect.named(failed)
	}
	return out, nil
}

// stream handles the records of one batch, in order. The first error ends it,
// unless a defect goes on; failed are the sequence numbers of what has failed.
func (h *Handler) stream(ctx context.Context, records []record, failed *[]string) error {
	if h.defect.name == DefectAllAtOnce {
		return h.allAtOnce(ctx, records, h.record)
	}
	var errs []error
	for i, r := range records {
		// A batch of one has no tail, so that a retry after a bisection, or a
		// trickle of load, does not lose everything.
		if h.defect.name == DefectDropTail && i > 0 && i == len(records)-1 {
			continue
		}
		if err := h.swallowed(h.record(ctx, r)); err != nil {
			*failed = append(*failed, r.Change.SequenceNumber)
			errs = append(errs, err)
			if !h.defect.continues() {
				break
			}
		}
	}
	return errors.Join(errs...)
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
	return h.update(ctx, effect{id: id, version: r.version(), sequence: r.Change.SequenceNumber, digest: h.digest(payload)})
}

// version tells the writes of one item apart, where the item says which it is.
func (r record) version() string {
	if v := r.Change.NewImage["version"].S; v != nil {
		return *v
	}
	return ""
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
