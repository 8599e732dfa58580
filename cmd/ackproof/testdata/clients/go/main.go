// A stream processor in Go, on the official runtime client aws-lambda-go.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

type processor struct {
	db      *dynamodb.Client
	results string
}

// handle applies one effect for each new or changed item. What it cannot apply
// it reports, and the batch is handed over again from there.
func (p processor) handle(ctx context.Context, event events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
	var response events.DynamoDBEventResponse
	for _, record := range event.Records {
		if record.EventName == "REMOVE" {
			continue
		}
		if err := p.apply(ctx, record.Change); err != nil {
			response.BatchItemFailures = append(response.BatchItemFailures,
				events.DynamoDBBatchItemFailure{ItemIdentifier: record.Change.SequenceNumber})
			break
		}
	}
	return response, nil
}

// apply writes once for each version of an item, however often it is called.
func (p processor) apply(ctx context.Context, change events.DynamoDBStreamRecord) error {
	digest := sha256.Sum256([]byte(change.NewImage["payload"].String()))
	_, err := p.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName:                &p.results,
		Key:                      map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: change.NewImage["id"].String()}},
		UpdateExpression:         aws.String("SET #sequence = :sequence, digest = :digest, processedAt = :now ADD #count :one"),
		ConditionExpression:      aws.String("attribute_not_exists(id) OR #sequence < :sequence"),
		ExpressionAttributeNames: map[string]string{"#sequence": "sequence", "#count": "count"},
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":sequence": &types.AttributeValueMemberN{Value: change.SequenceNumber},
			":digest":   &types.AttributeValueMemberS{Value: hex.EncodeToString(digest[:8])},
			":now":      &types.AttributeValueMemberN{Value: strconv.FormatInt(time.Now().UnixMilli(), 10)},
			":one":      &types.AttributeValueMemberN{Value: "1"},
		},
	})
	if _, done := errors.AsType[*types.ConditionalCheckFailedException](err); done {
		return nil
	}
	return err
}

func main() {
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		panic(err)
	}
	p := processor{dynamodb.NewFromConfig(cfg), os.Getenv("RESULTS_TABLE")}
	if os.Getenv("ANSWER") == "wrong-case" {
		lambda.Start(wrongCase{p, map[string]bool{}}.handle)
		return
	}
	lambda.Start(p.handle)
}
