package dynamo

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	stypes "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
	"github.com/google/go-cmp/cmp"

	"github.com/ackproof/ackproof/bench"
)

func (w *world) stream(table string) *stypes.StreamDescription {
	w.Helper()
	l, err := w.streams.ListStreams(w.ctx, &dynamodbstreams.ListStreamsInput{TableName: &table})
	w.must(err)
	d, err := w.streams.DescribeStream(w.ctx, &dynamodbstreams.DescribeStreamInput{StreamArn: l.Streams[len(l.Streams)-1].StreamArn})
	w.must(err)
	return d.StreamDescription
}

func (w *world) iterator(d *stypes.StreamDescription, shard, kind, sequence string) *string {
	w.Helper()
	in := &dynamodbstreams.GetShardIteratorInput{StreamArn: d.StreamArn, ShardId: &shard, ShardIteratorType: stypes.ShardIteratorType(kind)}
	if sequence != "" {
		in.SequenceNumber = &sequence
	}
	out, err := w.streams.GetShardIterator(w.ctx, in)
	w.must(err)
	return out.ShardIterator
}

// drain reads a shard until a page is empty, or the shard has ended.
func (w *world) drain(it *string) (records []stypes.Record, next *string) {
	w.Helper()
	for it != nil {
		out, err := w.streams.GetRecords(w.ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: it})
		w.must(err)
		records = append(records, out.Records...)
		it = out.NextShardIterator
		if len(out.Records) == 0 {
			break
		}
	}
	return records, it
}

func (w *world) drainAll(table string) map[string][]stypes.Record {
	d := w.stream(table)
	all := map[string][]stypes.Record{}
	for _, sh := range d.Shards {
		all[*sh.ShardId], _ = w.drain(w.iterator(d, *sh.ShardId, "TRIM_HORIZON", ""))
	}
	return all
}

func TestStreamRecord(t *testing.T) {
	both(t, func(t *testing.T, socket bool) {
		w := newWorld(t, socket, Options{Shards: 1}, ServerOptions{})
		w.create("items", "", "NEW_AND_OLD_IMAGES")
		w.put("items", avMap{"pk": s("a"), "v": n(1)})
		w.put("items", avMap{"pk": s("a"), "v": n("1.0")}) // changes nothing
		w.put("items", avMap{"pk": s("a"), "v": n(22)})
		for range 2 { // the second one finds nothing
			_, err := w.db.DeleteItem(w.ctx, &dynamodb.DeleteItemInput{TableName: aws.String("items"), Key: avMap{"pk": s("a")}})
			w.must(err)
		}
		d := w.stream("items")
		if d.StreamStatus != "ENABLED" || len(d.Shards) != 1 || d.Shards[0].SequenceNumberRange.EndingSequenceNumber != nil {
			t.Fatalf("stream %+v", d)
		}
		records, next := w.drain(w.iterator(d, *d.Shards[0].ShardId, "TRIM_HORIZON", ""))
		if next == nil {
			t.Error("an open shard has ended")
		}
		var names []stypes.OperationType
		for i, r := range records {
			names = append(names, r.EventName)
			if len(*r.EventID) != 32 || *r.EventVersion != "1.1" || *r.EventSource != "aws:dynamodb" || *r.AwsRegion != "us-east-1" {
				t.Errorf("record %+v", r)
			}
			if at := r.Dynamodb.ApproximateCreationDateTime; !at.Equal(epoch.Truncate(time.Second)) {
				t.Errorf("created %v", at)
			}
			if i > 0 && sequenceOf(t, r).Compare(sequenceOf(t, records[i-1])) <= 0 {
				t.Errorf("sequence number %s after %s", *r.Dynamodb.SequenceNumber, *records[i-1].Dynamodb.SequenceNumber)
			}
		}
		if want := []stypes.OperationType{"INSERT", "MODIFY", "REMOVE"}; !cmp.Equal(names, want) {
			t.Fatalf("records %v, want %v", names, want)
		}
		// pk+a is 3 bytes, v+1 and v+22 are 3: keys, old and new image.
		if got := *records[1].Dynamodb.SizeBytes; got != 3+6+6 {
			t.Errorf("SizeBytes %d, want 15", got)
		}
	})
}

func sequenceOf(t *testing.T, r stypes.Record) bench.Sequence {
	t.Helper()
	text := *r.Dynamodb.SequenceNumber
	q, err := bench.ParseSequence(text)
	if err != nil || len(text) < 21 {
		t.Fatalf("sequence number %q: %v", text, err)
	}
	return q
}

func TestViewTypes(t *testing.T) {
	for view, want := range map[string][2]bool{"KEYS_ONLY": {}, "NEW_IMAGE": {true, false}, "OLD_IMAGE": {false, true}, "NEW_AND_OLD_IMAGES": {true, true}} {
		w := newWorld(t, false, Options{Shards: 1}, ServerOptions{})
		w.create("items", "N", view)
		w.put("items", avMap{"pk": s("a"), "sk": n(1), "v": n(1)})
		w.put("items", avMap{"pk": s("a"), "sk": n(1), "v": n(2)})
		for _, records := range w.drainAll("items") {
			r := records[1].Dynamodb
			if got := [2]bool{r.NewImage != nil, r.OldImage != nil}; got != want || len(r.Keys) != 2 {
				t.Errorf("%s: images %v, want %v; keys %v", view, got, want, r.Keys)
			}
		}
	}
}

func TestIterators(t *testing.T) {
	w := newWorld(t, false, Options{Shards: 1}, ServerOptions{})
	w.create("items", "", "NEW_IMAGE")
	const many = 2500
	for i := range many {
		w.put("items", avMap{"pk": s(fmt.Sprint(i))})
	}
	d := w.stream("items")
	shard := *d.Shards[0].ShardId
	all, _ := w.drain(w.iterator(d, shard, "TRIM_HORIZON", ""))
	if len(all) != many {
		t.Fatalf("%d records, want %d", len(all), many)
	}
	digits := map[int]bool{}
	for _, r := range all {
		digits[len(*r.Dynamodb.SequenceNumber)] = true
	}
	if len(digits) < 2 {
		t.Error("all sequence numbers are of one length: nothing here would find a reader that compares texts")
	}
	for _, i := range []int{0, 1, 1023, 1024, many - 1} {
		seq := *all[i].Dynamodb.SequenceNumber
		at, _ := w.drain(w.iterator(d, shard, "AT_SEQUENCE_NUMBER", seq))
		after, _ := w.drain(w.iterator(d, shard, "AFTER_SEQUENCE_NUMBER", seq))
		if len(at) != many-i || len(after) != many-i-1 || *at[0].Dynamodb.SequenceNumber != seq {
			t.Errorf("record %d: %d at, %d after", i, len(at), len(after))
		}
	}
	latest := w.iterator(d, shard, "LATEST", "")
	w.put("items", avMap{"pk": s("new")})
	if got, _ := w.drain(latest); len(got) != 1 {
		t.Errorf("LATEST gave %d records, want 1", len(got))
	}
	out, err := w.streams.GetRecords(w.ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: w.iterator(d, shard, "TRIM_HORIZON", ""), Limit: aws.Int32(7)})
	w.must(err)
	if len(out.Records) != 7 {
		t.Errorf("Limit 7 gave %d records", len(out.Records))
	}
	_, err = w.streams.GetRecords(w.ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: latest, Limit: aws.Int32(1001)})
	if err == nil || !strings.Contains(err.Error(), "ValidationException: 1 validation error detected: Value '1001' at 'limit'") {
		t.Errorf("Limit 1001: %v", err)
	}
	w.clock.Advance(iteratorLife + time.Second)
	_, err = w.streams.GetRecords(w.ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: latest})
	wantError[*stypes.ExpiredIteratorException](t, err)
	_, err = w.streams.GetShardIterator(w.ctx, &dynamodbstreams.GetShardIteratorInput{StreamArn: d.StreamArn, ShardId: &shard, ShardIteratorType: "AT_SEQUENCE_NUMBER", SequenceNumber: aws.String("5")})
	wantValidation(t, err, "Invalid SequenceNumber")
}

func TestRetention(t *testing.T) {
	w := newWorld(t, false, Options{Shards: 1}, ServerOptions{})
	w.create("items", "", "NEW_IMAGE")
	for i := range 1500 {
		w.put("items", avMap{"pk": s(fmt.Sprint("old", i))})
	}
	d := w.stream("items")
	shard := *d.Shards[0].ShardId
	old, _ := w.drain(w.iterator(d, shard, "TRIM_HORIZON", ""))
	w.clock.Advance(24*time.Hour - time.Minute)
	w.put("items", avMap{"pk": s("young")})
	stale := w.iterator(d, shard, "TRIM_HORIZON", "")
	w.clock.Advance(2 * time.Minute)
	_, err := w.streams.GetRecords(w.ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: stale})
	wantError[*stypes.TrimmedDataAccessException](t, err)
	_, err = w.streams.GetShardIterator(w.ctx, &dynamodbstreams.GetShardIteratorInput{StreamArn: d.StreamArn, ShardId: &shard,
		ShardIteratorType: "AFTER_SEQUENCE_NUMBER", SequenceNumber: old[3].Dynamodb.SequenceNumber})
	wantError[*stypes.TrimmedDataAccessException](t, err)
	if got, _ := w.drain(w.iterator(d, shard, "TRIM_HORIZON", "")); len(got) != 1 {
		t.Errorf("%d records kept, want 1", len(got))
	}
	ends := w.engine.Ends("items")
	if len(ends) != 1 || ends[0].Records != 1501 || ends[0].Shard != shard {
		t.Errorf("ends %+v", ends)
	}
}

func TestClosedShards(t *testing.T) {
	w := newWorld(t, false, Options{Shards: 2}, ServerOptions{})
	w.create("items", "", "NEW_IMAGE")
	for i := range 50 {
		w.put("items", avMap{"pk": s(fmt.Sprint(i))})
	}
	_, err := w.db.UpdateTable(w.ctx, &dynamodb.UpdateTableInput{TableName: aws.String("items"), StreamSpecification: &types.StreamSpecification{StreamEnabled: aws.Bool(false)}})
	w.must(err)
	w.put("items", avMap{"pk": s("unseen")})
	d := w.stream("items")
	total := 0
	for _, sh := range d.Shards {
		if sh.SequenceNumberRange.EndingSequenceNumber == nil {
			t.Errorf("closed shard %s has no end", *sh.ShardId)
		}
		records, next := w.drain(w.iterator(d, *sh.ShardId, "TRIM_HORIZON", ""))
		total += len(records)
		if next != nil {
			t.Errorf("closed shard %s goes on", *sh.ShardId)
		}
	}
	if total != 50 || d.StreamStatus != "DISABLED" {
		t.Errorf("%d records, status %s", total, d.StreamStatus)
	}
	w.clock.Advance(24 * time.Hour)
	_, err = w.streams.DescribeStream(w.ctx, &dynamodbstreams.DescribeStreamInput{StreamArn: d.StreamArn})
	wantError[*stypes.ResourceNotFoundException](t, err)
}

// spy is an observer that keeps what is committed.
type spy struct {
	bench.NoObserver
	mu      sync.Mutex
	commits map[string][]bench.Commit
}

func (o *spy) Committed(c bench.Commit) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.commits[c.Shard] = append(o.commits[c.Shard], c)
}

// TestConcurrentWriters holds the two promises that a judgement rests on, under
// writers that race for few keys: the chain of every key's images is unbroken,
// and the observer is told what the stream says, in its order.
func TestConcurrentWriters(t *testing.T) {
	o := &spy{commits: map[string][]bench.Commit{}}
	w := newWorld(t, false, Options{Shards: 3}, ServerOptions{Observer: o})
	w.create("items", "", "NEW_AND_OLD_IMAGES")
	const writers, writes, keys = 8, 100, 5
	var wg sync.WaitGroup
	for g := range writers {
		wg.Go(func() {
			for i := range writes {
				key := avMap{"pk": s(fmt.Sprint("key", (g+i)%keys))}
				_, err := w.db.UpdateItem(w.ctx, &dynamodb.UpdateItemInput{TableName: aws.String("items"), Key: key,
					UpdateExpression: aws.String("ADD v :one"), ExpressionAttributeValues: avMap{":one": n(1)}})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	last := map[string]map[string]stypes.AttributeValue{}
	total := 0
	for shard, records := range w.drainAll("items") {
		for i, r := range records {
			id := r.Dynamodb.Keys["pk"].(*stypes.AttributeValueMemberS).Value
			if fmt.Sprint(flat(r.Dynamodb.OldImage)) != fmt.Sprint(flat(last[id])) {
				t.Fatalf("%s: old image %v, want %v", id, flat(r.Dynamodb.OldImage), flat(last[id]))
			}
			last[id] = r.Dynamodb.NewImage
			if c := o.commits[shard][i]; c.ID != id || c.Sequence != *r.Dynamodb.SequenceNumber || !c.At.Equal(epoch) {
				t.Fatalf("record %d of %s: observer was told %+v", i, shard, c)
			}
		}
		total += len(records)
	}
	if total != writers*writes {
		t.Errorf("%d records, want %d", total, writers*writes)
	}
}

func flat(image map[string]stypes.AttributeValue) map[string]string {
	m := map[string]string{}
	for k, v := range image {
		switch v := v.(type) {
		case *stypes.AttributeValueMemberN:
			m[k] = v.Value
		case *stypes.AttributeValueMemberS:
			m[k] = v.Value
		}
	}
	return m
}

func TestPagesOfOneMegabyte(t *testing.T) {
	w := newWorld(t, false, Options{Shards: 1}, ServerOptions{})
	w.create("items", "", "NEW_IMAGE")
	const many, size = 250, 10_000
	for i := range many {
		if i == many/2 {
			w.clock.Advance(time.Hour)
		}
		w.put("items", avMap{"pk": s(fmt.Sprint(i)), "big": &types.AttributeValueMemberB{Value: make([]byte, size)}})
	}
	d := w.stream("items")
	it := w.iterator(d, *d.Shards[0].ShardId, "TRIM_HORIZON", "")
	out, err := w.streams.GetRecords(w.ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: it})
	w.must(err)
	if n := len(out.Records); n < 90 || n*size > maxRecordBytes {
		t.Errorf("a page of %d records of 10 KB, want about 1 MB", n)
	}
	if all, _ := w.drain(it); len(all) != many {
		t.Errorf("%d records over all pages, want %d", len(all), many)
	}
	at, err := w.streams.GetShardIterator(w.ctx, &dynamodbstreams.GetShardIteratorInput{StreamArn: d.StreamArn, ShardId: d.Shards[0].ShardId,
		ShardIteratorType: "AT_TIMESTAMP", Timestamp: aws.Time(epoch.Add(time.Minute))})
	w.must(err)
	if half, _ := w.drain(at.ShardIterator); len(half) != many/2 {
		t.Errorf("AT_TIMESTAMP gave %d records, want %d", len(half), many/2)
	}
	f, err := w.streams.DescribeStream(w.ctx, &dynamodbstreams.DescribeStreamInput{StreamArn: d.StreamArn,
		ShardFilter: &stypes.ShardFilter{Type: "CHILD_SHARDS", ShardId: d.Shards[0].ShardId}})
	w.must(err)
	if len(f.StreamDescription.Shards) != 0 {
		t.Errorf("a shard that never split has children %v", f.StreamDescription.Shards)
	}
}
