package eventsource

import (
	"time"
)

// Condition says why records were given up.
type Condition string

// The conditions of a stream mapping. (Those of asynchronous invocation have
// other names.)
const (
	RetryAttemptsExhausted Condition = "RetryAttemptsExhausted"
	RecordAgeExceeded      Condition = "RecordAgeExceeded"
)

// Document is what an on-failure destination is given for one batch that was
// given up. Its JSON is that of
// https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html.
type Document struct {
	RequestContext RequestContext `json:"requestContext"`
	// ResponseContext is absent where the function's answer is not what ended
	// the batch: records too old, or an event too large to be handed over.
	ResponseContext *ResponseContext `json:"responseContext,omitempty"`
	Version         string           `json:"version"`   // "1.0"
	Timestamp       string           `json:"timestamp"` // UTC, milliseconds
	BatchInfo       BatchInfo        `json:"DDBStreamBatchInfo"`
	// TimeWindowInfo is there where a tumbling window is on.
	TimeWindowInfo *TimeWindowInfo `json:"timeWindowInfo,omitempty"`
	// Payload is the whole event as text, as S3 gets it. SQS and SNS get none:
	// their records must be read back from the stream before it trims them.
	Payload string `json:"payload,omitempty"`
}

// TimeWindowInfo is the tumbling window of a batch. AWS documents that it is
// there and not what is in it; these are the names that the event has.
type TimeWindowInfo struct {
	Start                   string `json:"start"`
	End                     string `json:"end"`
	IsFinalInvokeForWindow  bool   `json:"isFinalInvokeForWindow"`
	IsWindowTerminatedEarly bool   `json:"isWindowTerminatedEarly"`
}

// RequestContext is the mapping's side of the last invocation.
type RequestContext struct {
	RequestID   string    `json:"requestId"`
	FunctionARN string    `json:"functionArn"`
	Condition   Condition `json:"condition"`
	// ApproximateInvokeCount is how often the batch was invoked, but 1 where
	// the function never ran.
	ApproximateInvokeCount int `json:"approximateInvokeCount"`
}

// ResponseContext is the function's side of the last invocation.
type ResponseContext struct {
	StatusCode      int    `json:"statusCode"` // 200, also of a failure: the invoke call itself was answered
	ExecutedVersion string `json:"executedVersion"`
	// FunctionError is "Unhandled" for an error, a time-out and a crash, and
	// null where the function succeeded and reported records as failed.
	FunctionError *string `json:"functionError"`
}

// BatchInfo says where in the stream the records were. Times are whole seconds.
type BatchInfo struct {
	ShardID                         string `json:"shardId"`
	StartSequenceNumber             string `json:"startSequenceNumber"`
	EndSequenceNumber               string `json:"endSequenceNumber"`
	ApproximateArrivalOfFirstRecord string `json:"approximateArrivalOfFirstRecord"`
	ApproximateArrivalOfLastRecord  string `json:"approximateArrivalOfLastRecord"`
	BatchSize                       int    `json:"batchSize"`
	StreamARN                       string `json:"streamArn"`
}

// Layouts of the two kinds of time in a document.
const (
	millisLayout = "2006-01-02T15:04:05.000Z"
	secondLayout = "2006-01-02T15:04:05Z"
)

// document makes the document for the batch of a lane that is given up. Where
// the last invocation of a tumbling window is given up, which has no records,
// it names those that the window has seen.
func (m *Machine) document(now time.Time, l *lane, b *batch) Document {
	var first, last Record
	if w := l.window; w != nil {
		first, last = w.first, w.last
	}
	if n := len(b.records); n > 0 {
		first, last = b.records[0].Record, b.records[n-1].Record
	}
	doc := Document{
		RequestContext: RequestContext{
			RequestID:              b.requestID,
			FunctionARN:            m.config.FunctionARN,
			Condition:              b.condemned,
			ApproximateInvokeCount: max(b.failed, 1),
		},
		Version:   "1.0",
		Timestamp: now.UTC().Format(millisLayout),
		BatchInfo: BatchInfo{
			ShardID:                         m.config.Shard,
			StartSequenceNumber:             first.Sequence,
			EndSequenceNumber:               last.Sequence,
			ApproximateArrivalOfFirstRecord: first.Created.UTC().Format(secondLayout),
			ApproximateArrivalOfLastRecord:  last.Created.UTC().Format(secondLayout),
			BatchSize:                       len(b.records),
			StreamARN:                       m.config.StreamARN,
		},
	}
	if m.config.Settings.OnFailure == onFailurePayload {
		doc.Payload = string(b.payload)
	}
	if w := l.window; w != nil {
		doc.TimeWindowInfo = &TimeWindowInfo{
			Start: w.start.Format(secondLayout), End: w.end.Format(secondLayout),
			IsFinalInvokeForWindow: b.final, IsWindowTerminatedEarly: b.final && w.early,
		}
	}
	if b.condemned == RetryAttemptsExhausted && !b.oversized() {
		doc.ResponseContext = &ResponseContext{StatusCode: 200, ExecutedVersion: "$LATEST"}
		if b.unhandled {
			unhandled := "Unhandled"
			doc.ResponseContext.FunctionError = &unhandled
		}
	}
	return doc
}
