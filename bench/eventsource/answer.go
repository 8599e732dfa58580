package eventsource

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/ackproof/ackproof/bench"
)

// reportBatchItemFailures is the FunctionResponseType with which a function
// says how much of a batch it has done
// (https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html).
const reportBatchItemFailures = "ReportBatchItemFailures"

// outcome is what one invocation means for its batch.
type outcome struct {
	// took counts the records that are done, from the front of the batch. It
	// is all of them where nothing failed.
	took      int
	failed    bool
	reason    string          // of a failure, for people
	unhandled bool            // the function failed; else its answer says that records did
	state     json.RawMessage // of a tumbling window; nil where none was answered
}

// judge reads the answer to an invocation that was not throttled.
func judge(s bench.Mapping, records []Record, a bench.Answer) outcome {
	switch {
	case a.Error != nil:
		return outcome{failed: true, unhandled: true, reason: describe(a.Error)}
	case a.HandedAt.IsZero():
		// To believe this would lose the batch without a trace.
		return outcome{failed: true, unhandled: true, reason: "success of an event that was handed to no process"}
	}
	out := outcome{took: len(records)}
	if s.TumblingWindowInSeconds > 0 {
		// https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-windows.html
		if out.state = member(a.Payload, "state"); out.state == nil {
			return outcome{failed: true, reason: "answer without state, which a tumbling window asks for"}
		}
	}
	// Without the setting the list is not looked at: a function that reports
	// its failures this way has then reported a full success.
	if slices.Contains(s.FunctionResponseTypes, reportBatchItemFailures) {
		out.took, out.reason = done(records, a.Payload)
		out.failed = out.took < len(records)
	}
	return out
}

// done reads an answer of the form {"batchItemFailures":[{"itemIdentifier":
// "sequence number"}]}. The lowest number listed is where to go on: that record
// and everything behind it count as failed, the listed ones or not. It gives how
// many records lie before it, and why it is not all of them.
//
// No answer, no list and an empty list are a success. A list that cannot be
// understood, or that names a record which is not in the batch, fails the batch
// as a whole. Keys are read as they are spelled, so {"BatchItemFailures":...}
// is no list, and hence a success.
func done(records []Record, answer []byte) (n int, reason string) {
	raw := member(answer, "batchItemFailures")
	if raw == nil {
		return len(records), ""
	}
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return 0, "batchItemFailures is no list"
	}
	n = len(records)
	for _, element := range list {
		var identifier string
		if raw := member(element, "itemIdentifier"); raw == nil || json.Unmarshal(raw, &identifier) != nil || identifier == "" {
			return 0, fmt.Sprintf("batchItemFailures: %.100s names no record", element)
		}
		at := find(records, identifier)
		if at < 0 {
			return 0, fmt.Sprintf("batchItemFailures: record %.60q is not in the batch", identifier)
		}
		if at < n {
			n, reason = at, fmt.Sprintf("the function reports record %s as failed", identifier)
		}
	}
	return n, reason
}

// find gives the place of a sequence number in a batch, -1 where it has none.
// Numbers are compared as such: a batch is in their order, and one with a
// leading zero is still the same.
func find(records []Record, identifier string) int {
	want, err := bench.ParseSequence(identifier)
	if err != nil {
		return -1
	}
	return slices.IndexFunc(records, func(r Record) bool {
		own, err := bench.ParseSequence(r.Sequence)
		return err == nil && own == want
	})
}

// member gives a member of a JSON object by its exact name; nil where there is
// no object, no such member, or null. encoding/json alone would take a name in
// any case.
func member(object []byte, name string) json.RawMessage {
	var members map[string]json.RawMessage
	if json.Unmarshal(object, &members) != nil {
		return nil
	}
	raw := bytes.TrimSpace(members[name])
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	return raw
}
