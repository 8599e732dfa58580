package harness_test

import (
	"context"
	"maps"
	"slices"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/harness"
)

// maxWrites is how many items one BatchWriteItem takes:
// https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
const maxWrites = 25

// batching is a handler that writes many effects with one call. What comes back in
// UnprocessedItems it writes again, or, careless, it does not look there; back notes
// the ids.
func batching(careless bool, back *set) func(harness.Env) handler {
	return func(env harness.Env) handler {
		o := &orders{db: dynamodb.NewFromConfig(env.AWS), results: env.ResultsTable}
		return func(ctx context.Context, e events.DynamoDBEvent) (any, error) {
			for records := range slices.Chunk(e.Records, maxWrites) {
				var puts []types.WriteRequest
				for _, record := range records {
					row, err := o.row(record.Change)
					if err != nil {
						return nil, err
					}
					v := row.ExpressionAttributeValues
					puts = append(puts, types.WriteRequest{PutRequest: &types.PutRequest{Item: map[string]types.AttributeValue{
						"id": row.Key["id"], "sequence": v[":sequence"], "digest": v[":digest"], "processedAt": v[":now"], "count": v[":one"],
					}}})
				}
				for len(puts) > 0 {
					out, err := o.db.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{o.results: puts}})
					if err != nil {
						return nil, err
					}
					puts = out.UnprocessedItems[o.results]
					for _, put := range puts {
						back.add(put.PutRequest.Item["id"].(*types.AttributeValueMemberS).Value)
					}
					if careless {
						break
					}
				}
			}
			return nil, nil
		}
	}
}

// Of a batch that is throttled some writes come back, as the answer to a call that
// has succeeded. Who does not look loses exactly those.
func TestWritesThatComeBackUnprocessed(t *testing.T) {
	for _, careless := range []bool{false, true} {
		var back set
		r := play(t, batching(careless, &back), harness.Options{Scenario: kill, Set: []string{`faults=["on BatchWriteItem 20 to 80: results.throttle 50%"]`}})
		if r.Faults[0].Bitten == 0 || len(back.ids) == 0 {
			t.Errorf("careless %v: bitten %d, %d came back", careless, r.Faults[0].Bitten, len(back.ids))
		}
		if careless {
			expectFound(t, r, bench.LostProcessing, slices.Collect(maps.Keys(back.ids)))
		} else if r.Verdict != bench.Pass || r.Items.Processed != 540 {
			t.Errorf("verdict %s %v, %d processed", r.Verdict, r.Reasons, r.Items.Processed)
		}
	}
}
