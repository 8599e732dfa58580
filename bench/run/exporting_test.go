package run

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/scenarios"
)

// refusing is a DynamoDB that refuses to export.
type refusing struct {
	exportAPI
	err    error
	asked  int
	tokens map[string]bool
}

func (x *refusing) DescribeTable(context.Context, *dynamodb.DescribeTableInput, ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error) {
	return &dynamodb.DescribeTableOutput{Table: &types.TableDescription{TableArn: aws.String("arn")}}, nil
}

func (x *refusing) ExportTableToPointInTime(_ context.Context, in *dynamodb.ExportTableToPointInTimeInput, _ ...func(*dynamodb.Options)) (*dynamodb.ExportTableToPointInTimeOutput, error) {
	x.asked++
	x.tokens[*in.ClientToken] = true
	return nil, x.err
}

// TestAnExportThatIsRefused is asked for again, as the same one, until the time is over
// where it comes too soon, and a few times where anything else is wrong.
func TestAnExportThatIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		err   error
		lasts time.Duration
		asked [2]int
		says  string
	}{
		"too soon": {&types.InvalidExportTimeException{}, 10 * time.Minute, [2]int{60, 75}, "InvalidExportTimeException"},
		"too many": {&types.LimitExceededException{}, 10 * time.Minute, [2]int{60, 75}, "LimitExceededException"},
		"not ours": {errors.New("AccessDenied"), 10 * time.Second, [2]int{6, 6}, "AccessDenied; it takes the permission dynamodb:ExportTableToPointInTime"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				began := clock.Real{}.Now()
				x := &refusing{err: c.err, tokens: map[string]bool{}}
				r := &Run{opts: Options{Scenario: &scenarios.Scenario{Read: scenarios.Read{Bucket: "b", Prefix: "p"}}, Clock: clock.Real{}}}
				_, err := r.beginExport(ctx, &reader{exports: x}, "items", began, "token")
				if err == nil || !strings.Contains(err.Error(), c.says) || x.asked < c.asked[0] || x.asked > c.asked[1] || len(x.tokens) != 1 {
					t.Errorf("asked %d times as %d exports, then %v; want %v times, %q", x.asked, len(x.tokens), err, c.asked, c.says)
				}
				if took := (clock.Real{}).Now().Sub(began); took > c.lasts {
					t.Errorf("it took %v, want %v at most", took, c.lasts)
				}
			})
		})
	}
}
