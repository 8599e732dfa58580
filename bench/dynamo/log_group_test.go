package dynamo

import (
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestNobodyIsAnsweredBeforeTheLogIsWritten holds a write(2) up. Meanwhile no
// writer is answered, nor any reader that has seen what is not written; those
// that have seen nothing new before it came are. All that gathers is one write.
func TestNobodyIsAnsweredBeforeTheLogIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, _ := open(t, t.TempDir(), Options{Shards: 1})
		defer e.Close()
		var told teller
		e.Observe(&told)
		call(t, e, "CreateTable", indexed)
		page := call(t, e, "ListStreams", `{}`)["Streams"].([]any)[0].(map[string]any)
		shard := e.Ends("tab")[0].Shard
		it := call(t, e, "GetShardIterator", fmt.Sprintf(`{"StreamArn":"%s","ShardId":"%s","ShardIteratorType":"TRIM_HORIZON"}`, page["StreamArn"], shard))["ShardIterator"]

		// A datagram is a write, whole.
		ends, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_DGRAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		in, out := os.NewFile(uintptr(ends[0]), "in"), os.NewFile(uintptr(ends[1]), "out")
		defer in.Close()
		sound := e.log.file
		defer sound.Close()
		e.log.mu.Lock()
		e.log.file, e.log.writing = out, true
		e.log.mu.Unlock()

		var answered atomic.Int64
		const writers = 64
		for i := range writers {
			go func() {
				do(e, epoch, "PutItem", fmt.Sprintf(`{"TableName":"tab","Item":{"pk":{"S":"p%d"},"sk":{"S":"s"},"o":{"S":"o"}}}`, i))
				answered.Add(1)
			}()
		}
		synctest.Wait()
		readers := [][2]string{
			{"GetItem", `{"TableName":"tab","Key":{"pk":{"S":"p1"},"sk":{"S":"s"}}}`},
			{"Scan", `{"TableName":"tab"}`},
			{"Query", `{"TableName":"tab","IndexName":"owner","KeyConditionExpression":"o = :o","ExpressionAttributeValues":{":o":{"S":"o"}}}`},
			{"GetRecords", fmt.Sprintf(`{"ShardIterator":"%s"}`, it)},
			{"PutItem", `{"TableName":"tab","Item":{"pk":{"S":"p1"},"sk":{"S":"s"}},"ConditionExpression":"attribute_not_exists(pk)"}`}, // its refusal tells too
			{"DescribeTable", `{"TableName":"tab"}`},
		}
		for _, r := range readers {
			go func() {
				do(e, epoch, r[0], r[1])
				answered.Add(1)
			}()
		}
		synctest.Wait()
		if n := answered.Load(); n > 0 || len(told.told) > 0 {
			t.Errorf("%d are answered and %d records told while nothing is written", n, len(told.told))
		}
		size := len(e.log.buf)
		e.log.mu.Lock()
		e.log.writing = false
		e.log.mu.Unlock()
		e.log.idle.Broadcast()
		synctest.Wait()
		if n := answered.Load(); n != writers+int64(len(readers)) || len(told.told) != writers {
			t.Errorf("%d are answered and %d records told when all is written", n, len(told.told))
		}
		b := make([]byte, 1<<20)
		if n, err := in.Read(b); err != nil || n != size || size < writers*logHead {
			t.Errorf("the first write has %d bytes of %d: %v", n, size, err)
		}

		// And if it fails, none of them is told what is not there.
		e.log.mu.Lock()
		e.log.writing = true
		e.log.mu.Unlock()
		var failed atomic.Int64
		for _, r := range append([][2]string{{"DeleteItem", `{"TableName":"tab","Key":{"pk":{"S":"p2"},"sk":{"S":"s"}}}`}}, readers...) {
			go func() {
				if _, err := do(e, epoch, r[0], r[1]); err != nil && err.Status == 500 {
					failed.Add(1)
				}
			}()
			synctest.Wait()
		}
		out.Close()
		e.log.mu.Lock()
		e.log.writing = false
		e.log.mu.Unlock()
		e.log.idle.Broadcast()
		synctest.Wait()
		if n := failed.Load(); n != 1+int64(len(readers)) {
			t.Errorf("%d operations failed with the write, want %d", n, 1+len(readers))
		}
	})
}

// TestASnapshotIsBetweenTwoWrites compacts while a write is under way and entries
// wait that nobody has asked about yet: those of items that expire in a Tick.
func TestASnapshotIsBetweenTwoWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		e, _ := open(t, dir, Options{Shards: 1})
		defer e.Close()
		call(t, e, "CreateTable", benchTable)
		call(t, e, "UpdateTimeToLive", `{"TableName":"items","TimeToLiveSpecification":{"Enabled":true,"AttributeName":"ttl"}}`)
		call(t, e, "PutItem", fmt.Sprintf(`{"TableName":"items","Item":{"id":{"S":"a"},"ttl":{"N":"%d"}}}`, epoch.Unix()))
		later := epoch.Add(time.Minute)
		if e.Tick(later) != 1 || len(e.log.buf) == 0 {
			t.Fatal("nothing waits to be written")
		}
		e.log.mu.Lock()
		e.log.writing = true
		e.log.mu.Unlock()
		ended := make(chan error, 1)
		go func() { ended <- e.compact() }()
		synctest.Wait()
		if e.log.segment != 1 {
			t.Error("a segment begins while the one before is written")
		}
		e.log.mu.Lock()
		e.log.writing = false
		e.log.mu.Unlock()
		e.log.idle.Broadcast()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if n := e.log.begun.Load() - e.log.written.Load(); n > 0 {
			t.Errorf("%d entries wait for a segment that is not theirs", n)
		}
		want := dump(e, later)
		e.Close()
		again, _ := open(t, dir, Options{Shards: 1})
		defer again.Close()
		if got := dump(again, later); got != want {
			t.Errorf("found\n%s\nwant\n%s", got, want)
		}
	})
}
