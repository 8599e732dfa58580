package processor

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"
)

// The forms in which the processor of the article that this architecture comes
// from can be played (https://medium.com/nerd-for-tech/asynchronous-api-with-dynamodb-streams-4117776f2fa4).
// There is one table. The handler takes the INSERT records of a batch, all at
// once, does the business logic of each, and then updates the very item: an
// attribute error where there was one, else a time to live of 300 s, since what
// is done is needed no longer.
const (
	// ArticlePrinted has the test as it is printed, the wrong way round. Where
	// there was no error it writes the error that there is not: DynamoDB refuses
	// the update for its empty values, the invocation fails, and the batch comes
	// again until the stream forgets it. Where there was one, the item gets the
	// time to live and expires without a trace.
	ArticlePrinted = "printed"
	// ArticleIntended turns the test round and changes nothing else.
	ArticleIntended = "intended"
	// ArticleCorrected also writes under a condition, so that a redelivery changes
	// nothing and an item that has expired is not made anew, and fails where the
	// business logic does, so that the mapping can try again or hand it over.
	ArticleCorrected = "corrected"
)

// Articles lists the forms.
func Articles() []string { return []string{ArticlePrinted, ArticleIntended, ArticleCorrected} }

// articleTTL is how long a processed item stays.
const articleTTL = 300 * time.Second

// article handles a stream event as the article's code does.
func (h *Handler) article(ctx context.Context, records []record) error {
	return h.allAtOnce(ctx, records, func(ctx context.Context, r record) error {
		if r.EventName != string(events.DynamoDBOperationTypeInsert) {
			return nil
		}
		return h.processInsert(ctx, r)
	})
}

// allAtOnce begins with all records and fails with the first error, as Promise.all
// does; but it waits for the others, which there go on behind the answer.
func (h *Handler) allAtOnce(ctx context.Context, records []record, do func(context.Context, record) error) error {
	var all errgroup.Group
	all.SetLimit(keepAlive)
	for _, r := range records {
		all.Go(func() error { return do(ctx, r) })
	}
	return all.Wait()
}

func (h *Handler) processInsert(ctx context.Context, r record) error {
	id, payload, err := r.item()
	if err != nil {
		return fmt.Errorf("read record %.60q: %w", r.EventID, err)
	}
	failed := h.work(ctx, id, payload)
	done := effect{id: id, sequence: r.Change.SequenceNumber, digest: h.digest(payload)}
	switch {
	case h.cfg.Article == ArticlePrinted && failed == nil:
		err = h.onItem(ctx, id, "SET #error = :error", map[string]string{"#error": "error"}, nil)
	case h.cfg.Article == ArticlePrinted:
		err = h.onItem(ctx, id, "SET #ttl = :ttl", map[string]string{"#ttl": "ttl"}, map[string]types.AttributeValue{":ttl": h.ttl()})
	case failed == nil:
		err = h.expireLater(ctx, done)
	case h.cfg.Article == ArticleIntended:
		err = h.onItem(ctx, id, "SET #error = :error", map[string]string{"#error": "error"}, map[string]types.AttributeValue{":error": text(failed.Error())})
	default:
		return failed
	}
	if failed != nil {
		log.Printf("business logic: %v", failed)
	}
	if err != nil {
		return fmt.Errorf("update item %q: %w", id, err)
	}
	return nil
}

// expireLater gives a processed item its time to live. The same write carries
// what the judge knows an effect by, so that both are there or neither.
func (h *Handler) expireLater(ctx context.Context, e effect) error {
	u := h.write(e, "")
	u.TableName = &h.cfg.ItemsTable
	u.UpdateExpression = aws.String("SET #ttl = :ttl, " + (*u.UpdateExpression)[len("SET "):])
	u.ExpressionAttributeNames["#ttl"], u.ExpressionAttributeValues[":ttl"] = "ttl", h.ttl()
	if h.cfg.Article == ArticleCorrected {
		u.ConditionExpression = aws.String("attribute_exists(id) AND (attribute_not_exists(#sequence) OR #sequence < :sequence)")
	}
	err := h.updateItem(ctx, u)
	if _, there := errors.AsType[*types.ConditionalCheckFailedException](err); there {
		return nil
	}
	return err
}

// onItem updates an item without any condition. Without values it sends an empty
// map, as the article's SDK does when it has left out what is undefined.
func (h *Handler) onItem(ctx context.Context, id, update string, names map[string]string, values map[string]types.AttributeValue) error {
	if values == nil {
		values = map[string]types.AttributeValue{}
	}
	_, err := h.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &h.cfg.ItemsTable, Key: map[string]types.AttributeValue{"id": text(id)},
		UpdateExpression: &update, ExpressionAttributeNames: names, ExpressionAttributeValues: values,
	})
	return err
}

func (h *Handler) ttl() types.AttributeValue {
	return number(strconv.FormatInt(h.clock.Now().Add(articleTTL).Unix(), 10))
}
