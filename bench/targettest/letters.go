package targettest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/sdk"
)

// RunLetters runs what is asked of a target that reads the on-failure destination of
// somebody else's system: a queue or a bucket that others use too. newTarget gives the
// target, the system that it is told of, and how Lambda would put something there.
func RunLetters(t *testing.T, newTarget func(t *testing.T) (target bench.Target, theirs bench.System, put func(name string, body []byte))) {
	target, theirs, put := newTarget(t)
	put("before", document(map[string]any{"payload": `{"Records":[]}`}))
	s := start(t, target, func(stack *bench.Stack) { stack.System = theirs })
	if letters, err := target.DeadLetters(t.Context()); err != nil || letters == nil || len(letters) > 0 {
		t.Fatalf("before anything was given up: %v, %v; want an empty list, which says that somebody has looked", letters, err)
	}
	s.postAll()
	arn, first, second := s.pair(theirs)
	another := strings.Replace(s.id(9), string(s.run), "00000000", 1)
	for name, body := range map[string][]byte{
		"range":   document(map[string]any{"DDBStreamBatchInfo": batch(arn, first.shard, first.sequence, second.sequence)}),
		"payload": document(map[string]any{"DDBStreamBatchInfo": batch(arn, "gone", "1", "1"), "payload": event(s.id(7), s.id(8), another)}),
		"async": document(map[string]any{"requestPayload": map[string]any{"body": fmt.Sprintf(`{"order":{"number":%q}}`, s.id(11))},
			"requestContext": map[string]any{"condition": "RetriesExhausted"}}),
		"another stream": document(map[string]any{"DDBStreamBatchInfo": batch(strings.Replace(arn, "/stream/", "-of-others/stream/", 1), first.shard, first.sequence, first.sequence)}),
		"another run":    document(map[string]any{"payload": event(another)}),
		"a canary":       document(map[string]any{"payload": event(bench.ID{Run: s.run, Agent: bench.CanaryAgent}.String())}),
		"forgotten":      document(map[string]any{"DDBStreamBatchInfo": batch(arn, "shardId-00000000000000000000-deadbeef", first.sequence, first.sequence)}),
		"no document":    []byte("hello"),
		"another kind":   []byte(`{"Records":[]}`),
	} {
		put(name, body)
	}
	want := []uint64{first.seq, second.seq, 7, 8, 11}
	slices.Sort(want)
	for _, look := range []string{"first", "second"} {
		letters, err := target.DeadLetters(t.Context())
		if err != nil {
			t.Fatalf("the %s look: %v", look, err)
		}
		var got []uint64
		for _, l := range letters {
			got = append(got, l.Seq)
			if !l.Readable || l.At.Year() != 2026 {
				t.Errorf("the letter of request %d is %+v", l.Seq, l)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("the %s look finds letters of %d, want %d", look, got, want)
		}
	}
	if err := target.Stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// written is where a request's record is in the stream.
type written struct {
	seq             uint64
	shard, sequence string
}

// pair finds two records of one shard that follow each other, both of the first
// requests, and the stream.
func (s *system) pair(theirs bench.System) (arn string, first, second written) {
	s.t.Helper()
	d, err := sdk.OpenDynamoDB(s.t.Context(), theirs.DynamoDB, "", "", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	table, err := d.DB().DescribeTable(s.t.Context(), &dynamodb.DescribeTableInput{TableName: &theirs.Items})
	if err != nil {
		s.t.Fatal(err)
	}
	arn = aws.ToString(table.Table.LatestStreamArn)
	streams := d.Reader()
	all, err := streams.DescribeStream(s.t.Context(), &dynamodbstreams.DescribeStreamInput{StreamArn: &arn})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, shard := range all.StreamDescription.Shards {
		at, err := streams.GetShardIterator(s.t.Context(), &dynamodbstreams.GetShardIteratorInput{StreamArn: &arn, ShardId: shard.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
		if err != nil {
			s.t.Fatal(err)
		}
		page, err := streams.GetRecords(s.t.Context(), &dynamodbstreams.GetRecordsInput{ShardIterator: at.ShardIterator})
		if err != nil {
			s.t.Fatal(err)
		}
		for _, r := range page.Records {
			key, _ := r.Dynamodb.Keys[theirs.ItemID].(*types.AttributeValueMemberS)
			id, err := bench.ParseKey(key.Value)
			if err != nil || id.Run != s.run || id.Seq == 7 || id.Seq == 8 || id.Seq == 11 {
				first = written{}
				continue
			}
			one := written{id.Seq, aws.ToString(shard.ShardId), aws.ToString(r.Dynamodb.SequenceNumber)}
			if first.shard == one.shard {
				return arn, first, one
			}
			first = one
		}
	}
	s.t.Fatal("no two of the requests follow each other in a shard")
	return "", first, second
}

// document is what a destination is handed.
func document(fields map[string]any) []byte {
	fields["version"], fields["timestamp"] = "1.0", "2026-11-30T15:00:00.123Z"
	b, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return b
}

func batch(arn, shard, first, last string) map[string]any {
	at := time.Date(2026, 11, 30, 14, 59, 0, 0, time.UTC).Format(time.RFC3339)
	return map[string]any{
		"shardId": shard, "startSequenceNumber": first, "endSequenceNumber": last, "batchSize": 2, "streamArn": arn,
		"approximateArrivalOfFirstRecord": at, "approximateArrivalOfLastRecord": at,
	}
}

// event is a stream event as text.
func event(ids ...string) string {
	var records []any
	for _, id := range ids {
		records = append(records, map[string]any{"eventName": "INSERT", "dynamodb": map[string]any{
			"Keys":     map[string]any{"id": map[string]any{"S": id}},
			"NewImage": map[string]any{"id": map[string]any{"S": id}, "more": map[string]any{"L": []any{map[string]any{"N": "1"}}}},
		}})
	}
	b, err := json.Marshal(map[string]any{"Records": records})
	if err != nil {
		panic(err)
	}
	return string(b)
}
