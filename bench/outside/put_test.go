package outside_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/sdk"
)

// putItem writes as the API would.
func putItem(t *testing.T, s bench.System, id string) {
	t.Helper()
	d, err := sdk.OpenDynamoDB(t.Context(), s.DynamoDB, "", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.DB().PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &s.Items, Item: map[string]types.AttributeValue{
		"id": &types.AttributeValueMemberS{Value: id}, "payload": &types.AttributeValueMemberS{Value: "x"},
	}})
	if err != nil {
		t.Fatal(err)
	}
}
