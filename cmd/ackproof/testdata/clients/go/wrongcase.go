package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

// The answer with keys in the wrong case, as a handler has it that was copied
// from the Go sample in the documentation
// (https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html).
// The event source mapping looks for batchItemFailures, finds none, and takes
// the batch for done.
type (
	failure  struct{ ItemIdentifier string }
	response struct{ BatchItemFailures []failure }
)

// wrongCase is a processor whose dependency is gone for a moment at every
// fiftieth item. It stops there and says so. The next attempt would succeed, if
// there were one.
type wrongCase struct {
	processor
	seen map[string]bool
}

func (w wrongCase) handle(ctx context.Context, event events.DynamoDBEvent) (response, error) {
	for _, record := range event.Records {
		id := record.Change.NewImage["id"].String()
		number, err := strconv.Atoi(id[strings.LastIndexByte(id, '-')+1:])
		unavailable := number%50 == 7 && !w.seen[id]
		if !unavailable {
			err = w.apply(ctx, record.Change)
		}
		if err != nil || unavailable {
			w.seen[id] = true
			return response{[]failure{{record.Change.SequenceNumber}}}, nil
		}
	}
	return response{[]failure{}}, nil
}
