package harness_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/ackproof/ackproof/bench/harness"
)

// orders is the function under test: for each record it writes one row, which
// says that the work was done and how often.
type orders struct {
	db      *dynamodb.Client
	results string
}

// newOrders does what main does before lambda.Start.
func newOrders(env harness.Env) harness.Handler[events.DynamoDBEvent, any] {
	o := &orders{db: dynamodb.NewFromConfig(env.AWS), results: env.ResultsTable}
	return o.handle
}

func (o *orders) handle(ctx context.Context, e events.DynamoDBEvent) (any, error) {
	for _, record := range e.Records {
		if err := o.apply(ctx, record.Change); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// apply does the work of one record, unless it was done before: the stream
// delivers at least once.
func (o *orders) apply(ctx context.Context, change events.DynamoDBStreamRecord) error {
	done, err := o.row(change)
	if err != nil {
		return err
	}
	done.ConditionExpression = aws.String("attribute_not_exists(id) OR #sequence < :sequence")
	_, err = o.db.UpdateItem(ctx, done)
	if _, before := errors.AsType[*types.ConditionalCheckFailedException](err); before {
		return nil
	}
	return err
}

// row is what the judge looks for in the results table.
func (o *orders) row(change events.DynamoDBStreamRecord) (*dynamodb.UpdateItemInput, error) {
	id, payload := change.NewImage["id"], change.NewImage["payload"]
	if id.DataType() != events.DataTypeString || payload.DataType() != events.DataTypeString {
		return nil, errors.New("an item without id or payload")
	}
	sum := sha256.Sum256([]byte(payload.String()))
	number := func(s string) types.AttributeValue { return &types.AttributeValueMemberN{Value: s} }
	return &dynamodb.UpdateItemInput{
		TableName:                &o.results,
		Key:                      map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: id.String()}},
		UpdateExpression:         aws.String("SET #sequence = :sequence, digest = :digest, processedAt = :now ADD #count :one"),
		ExpressionAttributeNames: map[string]string{"#sequence": "sequence", "#count": "count"},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":sequence": number(change.SequenceNumber),
			":digest":   &types.AttributeValueMemberS{Value: hex.EncodeToString(sum[:8])},
			":now":      number(strconv.FormatInt(time.Now().UnixMilli(), 10)),
			":one":      number("1"),
		},
	}, nil
}

// The function is killed after its fifth write, while 200 requests come in every
// second. In a test, [harness.Check] inside of synctest.Test does the same in
// less time.
func ExampleRun() {
	result, err := harness.Run(context.Background(), newOrders, harness.Options{
		Scenario: "baseline", Rate: "200/s", For: 2 * time.Second,
		Set: []string{`faults=["at 500ms for 1s: processor.kill after-write 5"]`},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Verdict)
	fmt.Println(result.Faults[0].Bitten, "killed")
	fmt.Println(result.Items.Processed, "processed, each of them once")
	// Output:
	// pass
	// 1 killed
	// 400 processed, each of them once
}
