package lambda

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// TestRecords: the record of each condition, and an event that counts as queued
// until the destination has answered.
func TestRecords(t *testing.T) {
	const head = `{"version":"1.0","timestamp":"2026-11-23T12:00:09.000Z","requestContext":{"requestId":"r","functionArn":"arn:f:$LATEST","condition":`
	const failed = `,"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},"responsePayload":{"errorMessage":"x","errorType":"X"}}`
	for _, test := range []struct {
		name    string
		answers []bench.Answer
		payload string
		refusal error
		want    string
	}{
		{"exhausted", []bench.Answer{failure, failure}, `{"a":1}`, nil, head + `"RetriesExhausted","approximateInvokeCount":2},"requestPayload":{"a":1}` + failed},
		{"refused", []bench.Answer{failure, failure}, `not JSON`, errors.New("gone"), head + `"RetriesExhausted","approximateInvokeCount":2},"requestPayload":"not JSON"` + failed},
		{"too old, throttled", []bench.Answer{throttled, throttled, throttled, throttled}, `1`, nil, head + `"EventAgeExceeded","approximateInvokeCount":0},"requestPayload":1,"responseContext":{"statusCode":429}}`},
		{"disabled", []bench.Answer{failure, {Throttled: true, Disabled: true}}, `1`, nil, head + `"ZeroReservedConcurrency","approximateInvokeCount":1},"requestPayload":1}`},
	} {
		q, err := NewQueue(bench.Async{MaximumRetryAttempts: 1, MaximumEventAgeInSeconds: 10, RetryDelays: []time.Duration{time.Second}, OnFailure: "payload"})
		if err != nil {
			t.Fatal(err)
		}
		q.Push(noon, bench.Invocation{RequestID: "r", Payload: []byte(test.payload)})
		var drop *Drop
		for i, now := 0, noon; i < len(test.answers); i++ {
			event, ok, wait, _ := q.Next(now)
			if !ok {
				now = now.Add(wait)
				event, _, _, _ = q.Next(now)
			}
			drop = q.Done(now, event, test.answers[i])
		}
		if drop == nil || q.Len() != 1 {
			t.Fatalf("%s: drop %+v with %d queued, want one on its way", test.name, drop, q.Len())
		}
		text, err := json.Marshal(drop.Record(noon.Add(9*time.Second), "arn:f"))
		if err != nil || string(text) != test.want {
			t.Errorf("%s: %v\n got %s\nwant %s", test.name, err, text, test.want)
		}
		q.Sent(test.refusal)
		want := Counters{AsyncEventsDropped: 1}
		if test.refusal != nil {
			want.DestinationDeliveryFailures = 1
		}
		if q.Len() != 0 || q.Counters() != want {
			t.Errorf("%s: %d queued, %+v; want 0, %+v", test.name, q.Len(), q.Counters(), want)
		}
	}
}
