package dynamo

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/ackproof/ackproof/bench/clock"
)

func TestAKilledServerHasWhatItAcknowledged(t *testing.T) { killServers(t, 3) }

// ACKPROOF_SOAK sets how often.
func TestSoakKilledServer(t *testing.T) {
	rounds, err := strconv.Atoi(os.Getenv("ACKPROOF_SOAK"))
	if err != nil || rounds < 1 {
		t.Skip("set ACKPROOF_SOAK to a number of rounds")
	}
	killServers(t, rounds)
}

// killServers kills a server with SIGKILL while 16 clients write and one reads its
// stream, again and again on one folder. What a client was told is in the table and
// in the stream, and each record that was read has its sequence number again.
func killServers(t *testing.T, rounds int) {
	seed := clock.Entropy()
	t.Logf("seed %d", seed)
	dir := t.TempDir()
	acknowledged := map[int64]bool{} // by number of the item
	read := map[string]string{}      // by shard and sequence number: id
	next := int64(0)
	for round := range rounds {
		s := startBenchServer(t, "data:"+dir)
		var mu sync.Mutex
		var wg sync.WaitGroup
		enough, killed := make(chan struct{}, 1), make(chan struct{})
		after := len(acknowledged) + 200 + int(clock.Draw(seed, "killed after", uint64(round))*1500)
		for range 16 {
			conn, err := net.Dial("tcp", s.addr)
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				defer conn.Close()
				c := &rawClient{conn: conn, r: bufio.NewReader(conn)}
				for {
					mu.Lock()
					next++
					mine := next
					mu.Unlock()
					if c.put(mine, "hello") != nil {
						return // killed: unknown
					}
					mu.Lock()
					acknowledged[mine] = true
					if len(acknowledged) == after {
						enough <- struct{}{}
					}
					mu.Unlock()
				}
			})
		}
		wg.Go(func() { readStream(t, s.addr, killed, read) })
		select {
		case <-enough:
		case <-time.After(time.Minute):
			t.Error("the writers have come to a standstill")
		}
		syscall.Kill(s.pid, syscall.SIGKILL)
		close(killed)
		wg.Wait()
		checkFound(t, dir, acknowledged, read)
	}
	if len(read) == 0 {
		t.Error("nothing was read of the stream")
	}
	t.Logf("%d acknowledged, %d records read", len(acknowledged), len(read))
}

// readStream reads all shards again and again until the server is killed, and
// notes what it finds.
func readStream(t *testing.T, addr string, killed chan struct{}, read map[string]string) {
	c := dynamodbstreams.New(dynamodbstreams.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://" + addr), Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider("AKTEST", "secret", ""),
	})
	ctx := t.Context()
	streams, err := c.ListStreams(ctx, &dynamodbstreams.ListStreamsInput{})
	if err != nil {
		return
	}
	stream, err := c.DescribeStream(ctx, &dynamodbstreams.DescribeStreamInput{StreamArn: streams.Streams[0].StreamArn})
	if err != nil {
		return
	}
	iterators := map[string]*string{}
	for _, sh := range stream.StreamDescription.Shards {
		out, err := c.GetShardIterator(ctx, &dynamodbstreams.GetShardIteratorInput{StreamArn: streams.Streams[0].StreamArn, ShardId: sh.ShardId, ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
		if err != nil {
			return
		}
		iterators[*sh.ShardId] = out.ShardIterator
	}
	for {
		for shard, it := range iterators {
			page, err := c.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{ShardIterator: it})
			if err != nil {
				select {
				case <-killed:
				case <-time.After(time.Minute):
					t.Errorf("read the stream: %v", err)
				}
				return
			}
			for _, r := range page.Records {
				read[shard+" "+*r.Dynamodb.SequenceNumber] = r.Dynamodb.Keys["id"].(*types.AttributeValueMemberS).Value
			}
			iterators[shard] = page.NextShardIterator
		}
	}
}

// checkFound opens what a killed server has left, as soon as its lock is gone.
func checkFound(t *testing.T, dir string, acknowledged map[int64]bool, read map[string]string) {
	t.Helper()
	var e *Engine
	deadline := time.Now().Add(10 * time.Second)
	for {
		var err error
		var rec Recovery
		if e, rec, err = Open(dir, Options{Shards: 2}); err == nil {
			t.Logf("found %d entries, %d bytes torn", rec.Entries, rec.Torn)
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
	defer e.Close()
	records := map[string]string{}
	inserted := map[string]bool{}
	for _, sh := range e.tables["items"].stream.shards {
		last := uint64(0)
		for n := range sh.next {
			r := sh.at(n)
			if r.off <= last {
				t.Fatalf("shard %s: sequence number %d after %d", sh.id, r.off, last)
			}
			last = r.off
			records[sh.id+" "+sequence(r.off).String()] = r.row().key.part
			inserted[r.row().key.part] = true
		}
	}
	for number := range acknowledged {
		id := fmt.Sprintf("k3v9x2ab-00-%010d", number)
		k := key{hash: hashOf(id), part: id}
		if e.tables["items"].read(&k) == nil || !inserted[id] {
			t.Errorf("%s was acknowledged and is gone; in the stream: %v", id, inserted[id])
		}
	}
	for _, place := range slices.Sorted(maps.Keys(read)) {
		if records[place] != read[place] {
			t.Errorf("record %s was %s when it was read and is %q now", place, read[place], records[place])
		}
	}
}

// FuzzReplay holds that no bytes break what reads a log, and that what it takes
// for an engine can be written down.
func FuzzReplay(f *testing.F) {
	dir := f.TempDir()
	e, _ := open(f, dir, Options{Shards: 2})
	call(f, e, "CreateTable", indexed)
	call(f, e, "PutItem", `{"TableName":"tab","Item":{"pk":{"S":"a"},"sk":{"S":"b"},"o":{"S":"o"},"set":{"NS":["3","1.5"]},"deep":{"M":{"a":{"L":[{"NULL":true},{"BOOL":true},{"B":"AAE="}]}}}}}`)
	call(f, e, "TransactWriteItems", `{"ClientRequestToken":"t","TransactItems":[{"Delete":{"TableName":"tab","Key":{"pk":{"S":"a"},"sk":{"S":"b"}}}}]}`)
	seed := func() {
		for _, name := range []string{fileName(segmentFile, 1), fileName(segmentFile, 2), fileName(snapshotFile, 2)} {
			b, err := os.ReadFile(dir + "/" + name)
			if err != nil {
				continue
			}
			f.Add(b, true)
			scanLog(bytes.NewReader(b), func(body string) error { f.Add([]byte(body), false); return nil })
		}
	}
	seed()
	if err := e.compact(); err != nil {
		f.Fatal(err)
	}
	call(f, e, "DeleteTable", `{"TableName":"tab"}`)
	seed()
	e.Close()
	f.Fuzz(func(t *testing.T, b []byte, file bool) {
		p := newReplay(New(Options{Shards: 2}))
		if file {
			if end, torn, at, err := scanLog(bytes.NewReader(b), p.entry); err == nil && end+torn != int64(len(b)) || at > int64(len(b)) {
				t.Fatalf("%d bytes sound and %d torn of %d", end, torn, len(b))
			}
		} else {
			// The entry behind a table and an item, which it can refer to.
			do(p.e, epoch, "CreateTable", indexed)
			do(p.e, epoch, "PutItem", `{"TableName":"tab","Item":{"pk":{"S":"a"},"sk":{"S":"b"},"o":{"S":"o"}}}`)
			p.versions = append(p.versions, p.e.tables["tab"].read(&key{hash: hashOf("a"), part: "a", rng: value{kind: kindS, text: "b"}}))
			p.entry(string(b))
		}
		dump(p.e, epoch)
	})
}
