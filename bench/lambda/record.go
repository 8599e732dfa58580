package lambda

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// InvocationRecord is what an on-failure destination is given for one
// asynchronous event that was given up. Its JSON is that of
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html.
// Unlike the document of an event source mapping it holds the event itself,
// whatever kind of destination it goes to: nothing has to be read back from
// anywhere.
type InvocationRecord struct {
	Version        string          `json:"version"`   // "1.0"
	Timestamp      string          `json:"timestamp"` // UTC, milliseconds
	RequestContext RequestContext  `json:"requestContext"`
	RequestPayload json.RawMessage `json:"requestPayload"` // the event
	// ResponseContext and ResponsePayload are those of the last attempt. The page
	// shows them for a function that ran and failed. One that was turned away
	// with 429 has that status and no payload, one that was not to run at all has
	// neither; so it was seen, and the page does not say.
	ResponseContext *ResponseContext `json:"responseContext,omitempty"`
	ResponsePayload *ErrorBody       `json:"responsePayload,omitempty"`
}

// RequestContext is the queue's side of the last attempt.
type RequestContext struct {
	RequestID   string     `json:"requestId"`   // the same over all attempts
	FunctionARN string     `json:"functionArn"` // with its version: …:$LATEST
	Condition   DropReason `json:"condition"`
	// ApproximateInvokeCount is how often the function ran; refusals do not count.
	ApproximateInvokeCount int `json:"approximateInvokeCount"`
}

// ResponseContext is the function's side of the last attempt.
type ResponseContext struct {
	StatusCode      int    `json:"statusCode"` // 200, also of a failure: the invoke call itself was answered
	ExecutedVersion string `json:"executedVersion,omitempty"`
	FunctionError   string `json:"functionError,omitempty"` // "Unhandled" for an error, a time-out and a crash
}

// Record makes the record of a dropped event of a function.
func (d Drop) Record(now time.Time, functionARN string) InvocationRecord {
	r := InvocationRecord{
		Version: "1.0", Timestamp: now.UTC().Format(timestamp),
		RequestContext: RequestContext{
			RequestID: d.Event.Invocation.RequestID, FunctionARN: functionARN + ":" + functionVersion,
			Condition: d.Reason, ApproximateInvokeCount: d.Event.Attempts,
		},
		RequestPayload: asJSON(d.Event.Invocation.Payload),
	}
	switch {
	case d.Reason == ZeroReservedConcurrency:
	case d.Event.Throttles > 0:
		r.ResponseContext = &ResponseContext{StatusCode: http.StatusTooManyRequests}
	case d.Event.failure != nil:
		r.ResponseContext = &ResponseContext{StatusCode: http.StatusOK, ExecutedVersion: functionVersion, FunctionError: unhandled}
		r.ResponsePayload = bodyOf(d.Event.failure)
	}
	return r
}

// unhandled is what Lambda calls every failure of a function that it notices.
const unhandled = "Unhandled"

// bodyOf is a failure as a caller of the function sees it.
func bodyOf(e *bench.FunctionError) *ErrorBody { return &ErrorBody{Message: e.Message, Type: e.Type} }

// asJSON is the event as it is. The Invoke API takes JSON alone; a Go caller may
// have queued any bytes, and those become a string.
func asJSON(payload []byte) json.RawMessage {
	if json.Valid(payload) {
		return payload
	}
	text, err := json.Marshal(string(payload))
	if err != nil {
		panic("lambda: a string does not marshal: " + err.Error()) // cannot be
	}
	return text
}
