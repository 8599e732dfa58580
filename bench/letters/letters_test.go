package letters_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/letters"
)

const run = bench.RunID("k3v9x2ab")

func id(seq uint64) string { return bench.ID{Run: run, Seq: seq}.String() }

// The forms are those of
// https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html and
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
const (
	ofMapping = `{"requestContext":{"requestId":"r","functionArn":"arn:aws:lambda:us-east-1:123456789012:function:f","condition":"RetryAttemptsExhausted","approximateInvokeCount":1},
		"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},"version":"1.0","timestamp":"2026-11-14T00:13:49.717Z",
		"DDBStreamBatchInfo":{"shardId":"shardId-00000001573689847184-864758bb","startSequenceNumber":"800000000003126276362","endSequenceNumber":"800000000003126276362",
		"approximateArrivalOfFirstRecord":"2026-11-14T00:13:19Z","approximateArrivalOfLastRecord":"2026-11-14T00:13:19Z","batchSize":1,
		"streamArn":"arn:aws:dynamodb:us-east-1:123456789012:table/mytable/stream/2026-11-14T00:04:06.388"}}`
	ofEvent = `{"version":"1.0","timestamp":"2026-11-14T18:16:05.568Z","requestContext":{"requestId":"r","functionArn":"f","condition":"RetriesExhausted","approximateInvokeCount":3},
		"requestPayload":{"body":"{\"id\":\"k3v9x2ab-00-0000000011\"}"},"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},"responsePayload":{"errorMessage":"no"}}`
	payload = `{"Records":[{"eventName":"INSERT","dynamodb":{"Keys":{"id":{"S":"k3v9x2ab-00-0000000001"}},"NewImage":{"id":{"S":"k3v9x2ab-00-0000000001"},"n":{"N":"1"},"l":{"L":[{"NULL":true}]}},"SequenceNumber":"111"}},
		{"eventName":"INSERT","dynamodb":{"Keys":{"pk":{"S":"other"}},"NewImage":{"pk":{"S":"other"},"id":{"S":"k3v9x2ab-00-0000000002"}}}},
		{"eventName":"REMOVE","dynamodb":{"Keys":{"pk":{"S":"other"}},"OldImage":{"id":{"S":"k3v9x2ab-00-0000000003"}}}},
		{"eventName":"MODIFY","dynamodb":{"Keys":{"id":{"S":"k3v9x2ab-key-0000000007"}},"NewImage":{"version":{"S":"k3v9x2ab-00-0000000004"}}}}]}`
)

func TestParse(t *testing.T) {
	d, err := letters.Parse([]byte(ofMapping))
	if err != nil || d.Range == nil || d.Range.ShardID != "shardId-00000001573689847184-864758bb" || d.Range.StartSequenceNumber != "800000000003126276362" || d.At().Year() != 2026 {
		t.Errorf("%+v, %v", d, err)
	}
	d, err = letters.Parse([]byte(ofEvent))
	if err != nil || d.RequestPayload == nil {
		t.Fatalf("%+v, %v", d, err)
	}
	if got, ok := letters.RequestIn(string(d.RequestPayload), run); !ok || got.Seq != 11 {
		t.Errorf("in the event: %v, %v", got, ok)
	}
	for _, none := range []string{"", "hello", "{}", `{"Records":[]}`, `{"Message":"x","timestamp":"y"}`, `[1]`} {
		if d, err := letters.Parse([]byte(none)); err == nil {
			t.Errorf("%q is a document: %+v", none, d)
		}
	}
}

func TestInPayload(t *testing.T) {
	got, err := letters.InPayload(payload, letters.Names{ID: "id", Version: "version"})
	want := map[string]bool{id(1): true, id(2): true, id(3): true, id(4): true}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	if _, err := letters.InPayload(payload[:100], letters.Names{ID: "id"}); err == nil {
		t.Error("half an event was read")
	}
}

func TestRequestIn(t *testing.T) {
	for text, want := range map[string]uint64{
		id(5): 5, "x" + id(6) + "#1": 6, string(run) + "-x " + id(7): 7,
		"": 0, string(run) + "-": 0, strings.Replace(id(5), string(run), "00000000", 1): 0, id(5)[:15]: 0,
	} {
		if got, found := letters.RequestIn(text, run); found != (want > 0) || got.Seq != want {
			t.Errorf("%q: %v, %v", text, got, found)
		}
	}
}

// FuzzParse opens anything: what a destination holds is others' too.
func FuzzParse(f *testing.F) {
	escaped, _ := json.Marshal(payload)
	for _, s := range []string{ofMapping, ofEvent, `{"payload":` + string(escaped) + `}`, `{"payload":"{\"Records\":[{\"dynamodb\":{\"Keys\":{\"id\":{}}}}]}"}`, "null", "{}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := letters.Parse(b)
		if err != nil {
			return
		}
		d.At()
		found, err := letters.InPayload(d.Payload, letters.Names{ID: "id", Version: "version"})
		if err != nil && found != nil {
			t.Errorf("%v beside %v", found, err)
		}
		if id, ok := letters.RequestIn(string(d.RequestPayload), run); ok && (id.Run != run || !strings.Contains(string(d.RequestPayload), id.String())) {
			t.Errorf("%s is not in %q", id, d.RequestPayload)
		}
	})
}
