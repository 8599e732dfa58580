package local

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddb "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/dynamo"
	"github.com/ackproof/ackproof/bench/eventsource"
	"github.com/ackproof/ackproof/bench/letters"
)

// movable is a clock that a test moves.
type movable struct{ ahead atomic.Int64 }

var begin = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func (c *movable) Now() time.Time { return begin.Add(time.Duration(c.ahead.Load())) }

// streamOf starts the embedded DynamoDB with some items in one shard, and gives
// their stream and its records.
func streamOf(t *testing.T, c *movable, items int) (*dynamodbstreams.Client, *dynamo.Engine, string, []types.Record, func(seq int)) {
	t.Helper()
	engine := dynamo.New(dynamo.Options{Region: Region, Shards: 1, Seed: 1})
	server, url, err := site{}.serve(0, dynamo.NewServer(dynamo.ServerOptions{Engine: engine, Clock: c}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	sdk := sdkConfig(&url, nil)
	db, streams := dynamodb.NewFromConfig(sdk), dynamodbstreams.NewFromConfig(sdk)
	stack := bench.Stack{Run: "k3v9x2ab", Architecture: bench.Streams, ViewType: "NEW_IMAGE"}
	_, arn, err := createTables(t.Context(), db, stack)
	if err != nil {
		t.Fatal(err)
	}
	put := func(seq int) {
		id := bench.ID{Run: stack.Run, Seq: uint64(seq)}.String()
		if _, err := db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String(ItemsTable(stack.Run)),
			Item: map[string]ddb.AttributeValue{"id": &ddb.AttributeValueMemberS{Value: id}}}); err != nil {
			t.Fatal(err)
		}
	}
	for seq := range items {
		put(seq)
	}
	return streams, engine, arn, readAll(t, streams, arn, types.ShardIteratorTypeTrimHorizon), put
}

// readAll reads the only shard of a stream.
func readAll(t *testing.T, streams eventsource.Streams, arn string, from types.ShardIteratorType) []types.Record {
	t.Helper()
	d, err := streams.DescribeStream(t.Context(), &dynamodbstreams.DescribeStreamInput{StreamArn: &arn})
	if err != nil {
		t.Fatal(err)
	}
	it, err := streams.GetShardIterator(t.Context(), &dynamodbstreams.GetShardIteratorInput{StreamArn: &arn,
		ShardId: d.StreamDescription.Shards[0].ShardId, ShardIteratorType: from})
	if err != nil {
		t.Fatal(err)
	}
	page, err := streams.GetRecords(t.Context(), &dynamodbstreams.GetRecordsInput{ShardIterator: it.ShardIterator})
	if err != nil {
		t.Fatal(err)
	}
	return page.Records
}

// letterOf makes the document for the records from one place to another.
func letterOf(arn, shard string, list []types.Record, payload string) (eventsource.Document, []eventsource.Record) {
	doc := eventsource.Document{Timestamp: "2026-01-02T03:04:06.234Z", Payload: payload}
	doc.BatchInfo = eventsource.BatchInfo{ShardID: shard, StreamARN: arn,
		StartSequenceNumber: *list[0].Dynamodb.SequenceNumber, EndSequenceNumber: *list[len(list)-1].Dynamodb.SequenceNumber}
	var records []eventsource.Record
	for _, r := range list {
		records = append(records, eventsource.Record{ID: r.Dynamodb.Keys["id"].(*types.AttributeValueMemberS).Value})
	}
	return doc, records
}

// spelled spells dead letters as seq, with a + where they can be read.
func spelled(letters []bench.DeadLetter) string {
	var list []string
	for _, l := range letters {
		list = append(list, fmt.Sprint(l.Seq, map[bool]string{true: "+", false: "-"}[l.Readable]))
	}
	return strings.Join(list, " ")
}

// TestLettersAreReadBack: those without a payload from the stream, until it has
// trimmed them; those with one from there.
func TestLettersAreReadBack(t *testing.T) {
	c := &movable{}
	streams, engine, arn, list, put := streamOf(t, c, 20)
	shard := engine.Ends(ItemsTable("k3v9x2ab"))[0].Shard
	box := &letterBox{streams: streams}
	send := func(doc eventsource.Document, records []eventsource.Record) {
		if err := box.Send(context.Background(), doc, records); err != nil {
			t.Fatal(err)
		}
	}
	send(letterOf(arn, shard, list[2:4], ""))
	send(letterOf(arn, shard, list[5:6], `{"Records":[{"dynamodb":{"Keys":{"id":{"S":"k3v9x2ab-00-0000000005"}}}}]}`))
	send(letterOf(arn, shard, list[6:7], `{"Records":[]}`))
	letters, err := box.readBack()
	if got, want := spelled(letters), "2+ 3+ 5+ 6-"; err != nil || got != want {
		t.Fatalf("%s, want %s (%v)", got, want, err)
	}
	if !letters[0].At.Equal(begin.Add(1234 * time.Millisecond)) {
		t.Errorf("handed over at %v", letters[0].At)
	}
	// A day later the stream has forgotten them; the payload has not.
	c.ahead.Store(int64(25 * time.Hour))
	put(2000) // trimming is done when something is written
	if letters, err = box.readBack(); err != nil || spelled(letters) != "2- 3- 5+ 6-" {
		t.Errorf("after a day: %s (%v)", spelled(letters), err)
	}
}

// TestLettersAreHandedOver: what a queue or a bucket would hold is what others can read.
func TestLettersAreHandedOver(t *testing.T) {
	box := &letterBox{}
	doc := eventsource.Document{Timestamp: "2026-01-02T03:04:06.234Z", BatchInfo: eventsource.BatchInfo{ShardID: "shard", StartSequenceNumber: "7"}}
	if err := box.Send(t.Context(), doc, nil); err != nil {
		t.Fatal(err)
	}
	record, at := []byte(`{"requestPayload":{"body":"x"}}`), begin.Add(time.Hour)
	if err := box.take(letter{Record: record, At: at}); err != nil {
		t.Fatal(err)
	}
	got, err := box.handedOver()
	if err != nil || len(got) != 2 || !got[0].At.Equal(begin.Add(1234*time.Millisecond)) || !got[1].At.Equal(at) || string(got[1].Body) != string(record) {
		t.Fatalf("%v (%v)", got, err)
	}
	if d, err := letters.Parse(got[0].Body); err != nil || d.Range == nil || d.Range.ShardID != "shard" || d.Range.StartSequenceNumber != "7" {
		t.Errorf("%+v (%v)", d, err)
	}
}

// refusing strikes every document.
type refusing struct{ struck int }

func (r *refusing) Ask(op bench.Op) bench.Strike {
	if op.Place != bench.PlaceDestination {
		return bench.Strike{}
	}
	return bench.Strike{Kind: "destination.refuse"}
}

func (r *refusing) Struck(bench.Strike) { r.struck++ }

func TestARefusedDocumentIsNotKept(t *testing.T) {
	r := &refusing{}
	box := &letterBox{injector: r}
	if err := box.Send(t.Context(), eventsource.Document{Timestamp: "2026-01-02T03:04:06.234Z"}, nil); !errors.Is(err, errRefused) || r.struck != 1 {
		t.Errorf("%v, struck %d times", err, r.struck)
	}
	if letters, err := box.readBack(); len(letters) != 0 || err != nil {
		t.Errorf("%v (%v)", letters, err)
	}
}

func TestALetterThatCannotBeUnderstoodIsAnError(t *testing.T) {
	for name, doc := range map[string]eventsource.Document{
		"time":     {Timestamp: "yesterday"},
		"payload":  {Timestamp: "2026-01-02T03:04:06.234Z", Payload: "{"},
		"sequence": {Timestamp: "2026-01-02T03:04:06.234Z"},
	} {
		box := &letterBox{}
		if err := box.Send(t.Context(), doc, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := box.readBack(); err == nil || !strings.Contains(err.Error(), "read back the dead letter of") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSkippingNotesWhatLatestLeavesOut, so that a loss does not pass for work
// that is still to be done.
func TestSkippingNotesWhatLatestLeavesOut(t *testing.T) {
	c := &movable{}
	client, engine, arn, list, put := streamOf(t, c, 5)
	table := ItemsTable("k3v9x2ab")
	shard := engine.Ends(table)[0].Shard
	s := &skipping{Streams: client, skipped: map[string]string{}, ends: func(context.Context) ([]dynamo.ShardEnd, error) { return engine.Ends(table), nil }}
	if got := s.reached(bench.ShardPosition{Shard: shard}); got != "" {
		t.Errorf("reached %q before an iterator was made", got)
	}
	if n := len(readAll(t, s, arn, types.ShardIteratorTypeLatest)); n != 0 {
		t.Errorf("LATEST gave %d records that were there", n)
	}
	last := *list[4].Dynamodb.SequenceNumber
	if got := s.reached(bench.ShardPosition{Shard: shard}); got != last {
		t.Errorf("reached %q, want the last record skipped, %s", got, last)
	}
	put(5)
	next := engine.Ends(table)[0].Last
	if got := s.reached(bench.ShardPosition{Shard: shard, Checkpoint: next}); got != next || next == last {
		t.Errorf("reached %q, want the checkpoint, %s", got, next)
	}
	if s.reached(bench.ShardPosition{Shard: "other", Checkpoint: "7"}) != "7" {
		t.Error("a shard of which nothing was skipped has moved")
	}
}
