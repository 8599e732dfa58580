package processor

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// row is what the fake keeps of a result.
type row struct {
	sequence, digest, processedAt string
	count                         int
}

// fake is a DynamoDB that knows the two writes of the processor and nothing
// else. It checks the expressions by their text: that they mean this to a real
// DynamoDB is shown where the processor runs against one.
type fake struct {
	mu      sync.Mutex
	results map[string]row
	items   map[string]string
	fail    func() error // asked before each write; may be nil
	lose    bool         // the next write is done and its answer lost
}

func newFake() *fake { return &fake{results: map[string]row{}, items: map[string]string{}} }

var errLost = errors.New("answer lost")

func s(v types.AttributeValue) string { return v.(*types.AttributeValueMemberS).Value }
func n(v types.AttributeValue) string { return v.(*types.AttributeValueMemberN).Value }

func less(a, b string) bool {
	x, ok := new(big.Int).SetString(a, 10)
	y, ok2 := new(big.Int).SetString(b, 10)
	if !ok || !ok2 {
		panic("no number: " + a + ", " + b)
	}
	return x.Cmp(y) < 0
}

// holds evaluates the condition, where there is one.
func (f *fake) holds(condition *string, id, sequence string) bool {
	if condition == nil {
		return true
	}
	if *condition != "attribute_not_exists(id) OR #sequence < :sequence" {
		panic("condition " + *condition)
	}
	old, there := f.results[id]
	return !there || less(old.sequence, sequence)
}

func (f *fake) apply(update string, names map[string]string, id string, v map[string]types.AttributeValue) {
	count := f.results[id].count
	switch update {
	case "SET #sequence = :sequence, digest = :digest, processedAt = :processedAt ADD #count :one":
	case "SET #sequence = :sequence, digest = :digest, processedAt = :processedAt, #count = :one":
		count = 0
	default:
		panic("update " + update)
	}
	if names["#sequence"] != "sequence" || names["#count"] != "count" || n(v[":one"]) != "1" {
		panic(fmt.Sprint("update ", update, names))
	}
	f.results[id] = row{sequence: n(v[":sequence"]), digest: s(v[":digest"]), processedAt: n(v[":processedAt"]), count: count + 1}
}

func (f *fake) before() error {
	if f.fail == nil {
		return nil
	}
	return f.fail()
}

func (f *fake) after() error {
	if f.lose {
		f.lose = false
		return errLost
	}
	return nil
}

func (f *fake) UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := errors.Join(ctx.Err(), f.before()); err != nil {
		return nil, err
	}
	id := s(in.Key["id"])
	if *in.TableName != "results" {
		panic("table " + *in.TableName)
	}
	if !f.holds(in.ConditionExpression, id, n(in.ExpressionAttributeValues[":sequence"])) {
		return nil, fmt.Errorf("operation error: %w", &types.ConditionalCheckFailedException{})
	}
	f.apply(*in.UpdateExpression, in.ExpressionAttributeNames, id, in.ExpressionAttributeValues)
	return &dynamodb.UpdateItemOutput{}, f.after()
}

func (f *fake) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, _ ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := errors.Join(ctx.Err(), f.before()); err != nil {
		return nil, err
	}
	put, update := in.TransactItems[0].Put, in.TransactItems[1].Update
	id := s(update.Key["id"])
	if len(in.TransactItems) != 2 || *put.TableName != "items" || *update.TableName != "results" || s(put.Item["id"]) != id || len(put.Item) != 2 {
		panic(fmt.Sprint(in))
	}
	if !f.holds(update.ConditionExpression, id, n(update.ExpressionAttributeValues[":sequence"])) {
		return nil, cancelled("None", "ConditionalCheckFailed")
	}
	f.items[id] = s(put.Item["payload"])
	f.apply(*update.UpdateExpression, update.ExpressionAttributeNames, id, update.ExpressionAttributeValues)
	return &dynamodb.TransactWriteItemsOutput{}, f.after()
}

func cancelled(codes ...string) error {
	e := &types.TransactionCanceledException{}
	for _, c := range codes {
		e.CancellationReasons = append(e.CancellationReasons, types.CancellationReason{Code: aws.String(c)})
	}
	return fmt.Errorf("operation error: %w", e)
}
