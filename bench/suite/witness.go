package suite

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/processor"
)

// witness stands between a handler and its client and takes down, for each id,
// what was written. It knows nothing of the judge, and reads neither ledger nor
// tables: two who have not talked to each other must say the same.
//
// What a process that was killed has written it cannot know, so it gives bounds:
// what must have been found, and what may not.
type witness struct {
	mu  sync.Mutex
	ids map[string]*testimony
}

// testimony is what was seen of one id.
type testimony struct {
	tried   int // writes that were sent
	refused int // of them, those that DynamoDB refused for good
	applied int // of them, those that were answered with success
	adding  int // of the applied, those that add to the count
}

// watched is a handler's client with the witness before it.
type watched struct {
	processor.DynamoDB
	witness *witness
}

// UpdateItem notes the write and its answer.
func (w watched) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, options ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	out, err := w.DynamoDB.UpdateItem(ctx, in, options...)
	key, ok := in.Key["id"].(*types.AttributeValueMemberS)
	if !ok {
		return out, err
	}
	w.witness.mu.Lock()
	defer w.witness.mu.Unlock()
	t := w.witness.ids[key.Value]
	if t == nil {
		t = &testimony{}
		w.witness.ids[key.Value] = t
	}
	t.tried++
	var condition *types.ConditionalCheckFailedException
	var denied interface{ ErrorCode() string }
	switch {
	case err == nil:
		t.applied++
		if strings.Contains(*in.UpdateExpression, "ADD #count") {
			t.adding++
		}
	case errors.As(err, &condition): // an effect is there; it was noted, or its answer was lost
	case errors.As(err, &denied) && denied.ErrorCode() == "AccessDeniedException":
		t.refused++
	}
	return out, err
}

// maxContradictions bounds how many are told.
const maxContradictions = 5

// contradictions holds the findings of a result against the testimony.
func (w *witness) contradictions(p Probe, r *bench.Result) (all []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	say := func(format string, args ...any) {
		if len(all) < maxContradictions {
			all = append(all, fmt.Sprintf(format, args...))
		}
	}
	found := map[string]bench.ItemVerdict{}
	for _, f := range r.Findings {
		found[f.ID] = f.Verdict
		t := w.of(f.ID)
		switch f.Verdict {
		case bench.LostProcessing, bench.DeadLettered, bench.Pending:
			if t.applied > 0 {
				say("%s is said to be %s, and its effect was written", f.ID, f.Verdict)
			}
		case bench.Duplicated:
			if t.tried < 2 {
				say("%s is said to be duplicated, and was written %d times", f.ID, t.tried)
			}
		case bench.LostWrite:
			if t.tried > 0 {
				say("%s is said to be lost before the table, and the processor has seen it", f.ID)
			}
		}
	}
	exactlyOnce := p.Name != "late"
	for id, t := range w.ids {
		v := found[id]
		switch {
		case strings.Contains(id, "#") || !strings.HasPrefix(id, string(r.Run.ID)): // no id of the client's
		case t.tried == t.refused && v != bench.LostProcessing && v != bench.DeadLettered && v != bench.Pending:
			say("%s was refused each time, and is not found", id)
		case exactlyOnce && t.adding > 1 && v != bench.Duplicated && v != bench.Phantom:
			say("%s was applied %d times, and is not found", id, t.adding)
		}
	}
	for _, seq := range p.Poison {
		id := bench.ID{Run: r.Run.ID, Seq: seq}.String()
		if _, ok := found[id]; !ok {
			say("%s can never be processed, and is not found", id)
		}
	}
	return all
}

// of gives the testimony about an id, an empty one where there is none.
func (w *witness) of(id string) testimony {
	if t := w.ids[id]; t != nil {
		return *t
	}
	return testimony{}
}
