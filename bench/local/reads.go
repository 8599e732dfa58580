package local

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
	"github.com/aws/smithy-go"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/eventsource"
)

// The kinds of strikes at the mapping's reads of the stream.
const (
	strikeStreamThrottle = "stream.throttle"
	strikeStreamExpire   = "stream.expire"
	strikeStreamDeny     = "stream.deny"
)

// reads stands between the mapping and the stream. A read that is struck is not
// sent on.
type reads struct {
	eventsource.Streams
	injector bench.Injector
}

// GetRecords asks about each read.
func (r *reads) GetRecords(ctx context.Context, in *dynamodbstreams.GetRecordsInput, opts ...func(*dynamodbstreams.Options)) (*dynamodbstreams.GetRecordsOutput, error) {
	var err error
	s := r.injector.Ask(bench.Op{Place: bench.PlaceRead, Name: "GetRecords"})
	switch s.Kind {
	case strikeStreamThrottle:
		err = &types.LimitExceededException{Message: aws.String("Rate exceeded for shard: too many read it")}
	case strikeStreamExpire:
		err = &types.ExpiredIteratorException{Message: aws.String("Iterator expired. The iterator was created more than 15 minutes ago")}
	case strikeStreamDeny:
		err = &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "not authorized to perform: dynamodb:GetRecords because no identity-based policy allows it"}
	default:
		return r.Streams.GetRecords(ctx, in, opts...)
	}
	r.injector.Struck(s)
	return nil, err
}
