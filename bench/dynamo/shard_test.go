package dynamo

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	stypes "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

// TestShardLineage rolls and splits shards between writes and reads everything
// back, parents before children: every key's chain of images must be unbroken.
func TestShardLineage(t *testing.T) {
	w := newWorld(t, false, Options{Shards: 2}, ServerOptions{})
	w.create("items", "", "NEW_AND_OLD_IMAGES")
	const keys, rounds = 40, 4
	write := func(round int) {
		for i := range keys {
			w.put("items", avMap{"pk": s(fmt.Sprint(i)), "v": n(round)})
		}
	}
	write(0)
	first := *w.stream("items").Shards[0].ShardId
	children, err := w.engine.Split(w.clock.Now(), "items", first)
	w.must(err)
	write(1)
	grandchild, err := w.engine.RollShard(w.clock.Now(), "items", children[1])
	w.must(err)
	write(2)
	if _, err := w.engine.RollShard(w.clock.Now(), "items", first); err == nil {
		t.Error("a closed shard was rolled again")
	}
	_, err = w.engine.RollShard(w.clock.Now(), "items", grandchild)
	w.must(err)
	write(3)

	d := w.stream("items")
	if len(d.Shards) != 6 {
		t.Fatalf("%d shards, want 2 and 2 children, a grandchild and its child", len(d.Shards))
	}
	done := map[string]bool{}
	last := map[string]string{}
	records := 0
	for _, sh := range d.Shards { // the order of the listing is parents first
		if sh.ParentShardId != nil && !done[*sh.ParentShardId] {
			t.Fatalf("shard %s comes before its parent", *sh.ShardId)
		}
		done[*sh.ShardId] = true
		rs, next := w.drain(w.iterator(d, *sh.ShardId, "TRIM_HORIZON", ""))
		closed := sh.SequenceNumberRange.EndingSequenceNumber != nil
		if closed != (next == nil) {
			t.Errorf("shard %s: closed %v, next iterator %v", *sh.ShardId, closed, next)
		}
		for _, r := range rs {
			records++
			key := r.Dynamodb.Keys["pk"].(*stypes.AttributeValueMemberS).Value
			if old := flat(r.Dynamodb.OldImage)["v"]; old != last[key] {
				t.Fatalf("key %s: old image %q, want %q", key, old, last[key])
			}
			last[key] = flat(r.Dynamodb.NewImage)["v"]
		}
		if n := w.engine.Behind("items", *sh.ShardId, ""); n != int64(len(rs)) {
			t.Errorf("shard %s is %d records behind the beginning, want %d", *sh.ShardId, n, len(rs))
		}
		for i := range rs {
			if n := w.engine.Behind("items", *sh.ShardId, *rs[i].Dynamodb.SequenceNumber); n != int64(len(rs)-i-1) {
				t.Errorf("shard %s is %d records behind record %d of %d", *sh.ShardId, n, i, len(rs))
			}
		}
	}
	if records != keys*rounds {
		t.Errorf("%d records, want %d", records, keys*rounds)
	}
	f, err := w.streams.DescribeStream(w.ctx, &dynamodbstreams.DescribeStreamInput{StreamArn: d.StreamArn, ShardFilter: &stypes.ShardFilter{Type: "CHILD_SHARDS", ShardId: &first}})
	w.must(err)
	if got := f.StreamDescription.Shards; len(got) != 2 || *got[0].ParentShardId != first {
		t.Errorf("children of %s: %v", first, got)
	}
	var paged []string
	in := &dynamodbstreams.DescribeStreamInput{StreamArn: d.StreamArn, Limit: aws.Int32(1)}
	for {
		out, err := w.streams.DescribeStream(w.ctx, in)
		w.must(err)
		for _, sh := range out.StreamDescription.Shards {
			paged = append(paged, *sh.ShardId)
		}
		if in.ExclusiveStartShardId = out.StreamDescription.LastEvaluatedShardId; in.ExclusiveStartShardId == nil {
			break
		}
	}
	if len(paged) != 6 {
		t.Errorf("pages of one shard gave %v", paged)
	}

	// A closed shard goes with its last record; what is open stays.
	w.clock.Advance(25 * time.Hour)
	if d := w.stream("items"); len(d.Shards) != 3 {
		t.Errorf("%d shards after a day, want the 3 open ones", len(d.Shards))
	}
	if w.engine.Behind("items", "nosuch", "") != -1 || w.engine.Behind("items", *d.Shards[0].ShardId, "x") != -1 {
		t.Error("Behind knows a shard or sequence number that is none")
	}
}

// TestOldStreamStaysReadable switches a stream off and on: the new one has
// another ARN, and the old one can be read for a day.
func TestOldStreamStaysReadable(t *testing.T) {
	w := newWorld(t, false, Options{Shards: 1}, ServerOptions{})
	w.create("items", "", "NEW_IMAGE")
	w.put("items", avMap{"pk": s("old")})
	old := w.stream("items")
	w.clock.Advance(time.Hour)
	for _, on := range []bool{false, true} {
		spec := &types.StreamSpecification{StreamEnabled: &on}
		if on {
			spec.StreamViewType = "KEYS_ONLY"
		}
		_, err := w.db.UpdateTable(w.ctx, &dynamodb.UpdateTableInput{TableName: aws.String("items"), StreamSpecification: spec})
		w.must(err)
	}
	w.put("items", avMap{"pk": s("new")})
	l, err := w.streams.ListStreams(w.ctx, &dynamodbstreams.ListStreamsInput{TableName: aws.String("items"), Limit: aws.Int32(1)})
	w.must(err)
	if len(l.Streams) != 1 || l.LastEvaluatedStreamArn == nil || *l.Streams[0].StreamArn != *old.StreamArn {
		t.Errorf("first page of streams %+v", l)
	}
	records, next := w.drain(w.iterator(old, *old.Shards[0].ShardId, "TRIM_HORIZON", ""))
	if len(records) != 1 || next != nil {
		t.Errorf("the old stream has %d records, next %v", len(records), next)
	}
	now := w.stream("items")
	if *now.StreamArn == *old.StreamArn || now.StreamViewType != "KEYS_ONLY" {
		t.Errorf("the new stream is %+v", now)
	}
	w.clock.Advance(23*time.Hour - time.Second)
	w.iterator(old, *old.Shards[0].ShardId, "LATEST", "")
	w.clock.Advance(time.Hour + time.Second)
	_, err = w.streams.DescribeStream(w.ctx, &dynamodbstreams.DescribeStreamInput{StreamArn: old.StreamArn})
	wantError[*stypes.ResourceNotFoundException](t, err)
}

// TestCrowdedShard counts three readers of one shard, and not two.
func TestCrowdedShard(t *testing.T) {
	w := newWorld(t, false, Options{Shards: 1}, ServerOptions{})
	w.create("items", "", "NEW_IMAGE")
	d := w.stream("items")
	var readers [3]*string
	for i := range readers {
		readers[i] = w.iterator(d, *d.Shards[0].ShardId, "LATEST", "")
	}
	poll := func(n int) {
		for i := range n {
			out, err := w.streams.GetRecords(w.ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: readers[i]})
			w.must(err)
			readers[i] = out.NextShardIterator
		}
	}
	for range 5 {
		poll(2)
		w.clock.Advance(250 * time.Millisecond)
	}
	if n := w.engine.CrowdedReads(); n != 0 {
		t.Errorf("two readers crowd a shard %d times", n)
	}
	poll(3)
	if n := w.engine.CrowdedReads(); n != 1 {
		t.Errorf("three readers crowd a shard %d times, want 1", n)
	}
}

// TestTrimFreesMemory lets a day pass without a reader or writer of the shard.
func TestTrimFreesMemory(t *testing.T) {
	e := New(Options{Shards: 1})
	call(t, e, "CreateTable", strings.Replace(createItems, `"NEW_AND_OLD_IMAGES"`, `"KEYS_ONLY"`, 1))
	for i := range 3 * chunkRecords {
		call(t, e, "PutItem", fmt.Sprintf(`{"TableName":"items","Item":{"pk":{"S":"a"},"sk":{"N":"%d"}}}`, i))
	}
	sh := e.tables["items"].stream.shards[0]
	if len(sh.chunks) != 3 {
		t.Fatalf("%d chunks, want 3", len(sh.chunks))
	}
	e.Tick(epoch.Add(24*time.Hour + time.Second))
	if len(sh.chunks) != 0 || sh.trimmed != sh.next {
		t.Errorf("%d chunks left, %d of %d records trimmed", len(sh.chunks), sh.trimmed, sh.next)
	}
	if n := e.Behind("items", sh.id, ""); n != 0 {
		t.Errorf("%d trimmed records count as behind", n)
	}
}
