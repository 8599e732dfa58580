package ledger

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
)

func commit(n int) bench.Commit {
	return bench.Commit{Removed: n%5 == 0, Shard: fmt.Sprint("shard-", n%4), Sequence: fmt.Sprint(1000 + n),
		ID: bench.ID{Run: testRun, Seq: uint64(n)}.String(), At: testStart.Add(time.Duration(n))}
}

func delivery(n int) bench.Delivery {
	c := commit(n)
	return bench.Delivery{Shard: c.Shard, Sequence: c.Sequence, ID: c.ID, Batch: uint64(n / 10), Attempt: n % 3, At: c.At,
		Outcome: bench.DeliveryCrash}
}

func writeDeliveries(t testing.TB, n int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "deliveries")
	d, err := CreateDeliveries(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		d.Committed(commit(i))
		d.Delivered([]bench.Delivery{delivery(i), delivery(i)})
		d.DeadLettered([]bench.DeadLetter{{Seq: uint64(i), Readable: i%2 == 0}})
		if i%100 == 99 {
			d.Flush()
		}
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestDeliveriesRoundTrip(t *testing.T) {
	const n = 2500
	l, err := ReadDeliveries(writeDeliveries(t, n))
	if err != nil || len(l.Problems()) != 0 {
		t.Fatal(err, l.Problems())
	}
	commits, deliveries, letters := slices.Collect(l.Commits()), slices.Collect(l.Deliveries()), slices.Collect(l.DeadLetters())
	if len(commits) != n || len(deliveries) != 2*n || len(letters) != n {
		t.Fatalf("%d %d %d", len(commits), len(deliveries), len(letters))
	}
	for i := range n {
		if commits[i] != commit(i) || deliveries[2*i+1] != delivery(i) || letters[i] != (bench.DeadLetter{Seq: uint64(i), Readable: i%2 == 0}) {
			t.Fatalf("%d: %+v %+v %+v", i, commits[i], deliveries[2*i+1], letters[i])
		}
	}
}

func TestDeliveriesConcurrentAndReopened(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		d, err := CreateDeliveries(dir)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				for i := range 500 {
					d.Committed(commit(g*500 + i))
					if i%50 == 0 {
						d.Flush()
					}
				}
			})
		}
		wg.Wait()
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		d.Committed(commit(1)) // after Close: not recorded, and said so
		if err := d.Flush(); err == nil {
			t.Error("a commit after Close was lost in silence")
		}
	}
	l, err := ReadDeliveries(dir)
	if err != nil || len(l.Problems()) != 0 || !l.Ended() {
		t.Fatal(err, l.Problems())
	}
	count := map[string]int{}
	for c := range l.Commits() {
		count[c.ID]++
	}
	for i := range 2000 {
		if count[commit(i).ID] != 2 {
			t.Fatalf("commit %d: %d", i, count[commit(i).ID])
		}
	}
}

func TestDeliveriesTornTail(t *testing.T) {
	dir := writeDeliveries(t, 300)
	path := filepath.Join(dir, deliveriesFile)
	if l, err := ReadDeliveries(dir); err != nil || !l.Ended() {
		t.Fatal("a log that was closed has no end", err)
	}
	edit(t, path, func(b []byte) []byte { return b[:bytes.LastIndex(b, []byte(blockMagic))-10] })
	l, err := ReadDeliveries(dir)
	if err != nil || l.Ended() || len(l.Problems()) != 1 || !strings.Contains(l.Problems()[0], "torn block") {
		t.Fatal(err, l.Problems())
	}
	if n := len(slices.Collect(l.Commits())); n != 200 {
		t.Errorf("%d commits, want those of the two whole blocks", n)
	}
	edit(t, path, func(b []byte) []byte { b[100] ^= 1; return b })
	if l, err = ReadDeliveries(dir); err != nil || len(l.Problems()) != 2 {
		t.Fatal(err, l.Problems())
	}
	if n := len(slices.Collect(l.Commits())); n != 100 {
		t.Errorf("%d commits, want those of the one sound block", n)
	}
}

// A log from which a block is gone, whole and without a trace, does not agree
// with its trailer. One of a version without trailers is read as it was.
func TestDeliveriesEnd(t *testing.T) {
	dir := writeDeliveries(t, 300)
	path := filepath.Join(dir, deliveriesFile)
	first := func(b []byte) (from, to int) {
		from = bytes.Index(b, []byte(blockMagic+"R"))
		return from, from + 3 + bytes.Index(b[from+3:], []byte(blockMagic))
	}
	edit(t, path, func(b []byte) []byte {
		from, to := first(b)
		return append(b[:from:from], b[to:]...)
	})
	l, err := ReadDeliveries(dir)
	if err != nil || len(l.Problems()) != 1 || !strings.Contains(l.Problems()[0], "trailer") {
		t.Error(err, l.Problems())
	}
	edit(t, path, func(b []byte) []byte {
		from, _ := first(b)
		return b[from:bytes.LastIndex(b, []byte(blockMagic))]
	})
	l, err = ReadDeliveries(dir)
	if err != nil || len(l.Problems()) != 0 || l.Ended() || len(slices.Collect(l.Commits())) != 200 {
		t.Error(err, l.Problems())
	}
	// Who was killed has no trailer; who came after has one of its own.
	d, err := CreateDeliveries(dir)
	if err != nil {
		t.Fatal(err)
	}
	d.Committed(commit(1))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err = ReadDeliveries(dir); err != nil || len(l.Problems()) != 0 || !l.Ended() || len(slices.Collect(l.Commits())) != 201 {
		t.Error(err, l.Problems())
	}
}

// FuzzDeliveries gives the reader sound blocks of any content, and damage.
func FuzzDeliveries(f *testing.F) {
	sound, _ := os.ReadFile(filepath.Join(writeDeliveries(f, 20), deliveriesFile))
	f.Add(sound[blockHead:], []byte(nil), uint32(20))
	f.Add([]byte{recCommit, 0}, sound, uint32(1))
	f.Add([]byte{recShard, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1}, []byte("apbR"), uint32(1))
	f.Fuzz(func(t *testing.T, body, tail []byte, rows uint32) {
		dir := t.TempDir()
		b := append(make([]byte, blockHead), body...)
		sealBlock(b, blockRecords, int(rows))
		if err := os.WriteFile(filepath.Join(dir, deliveriesFile), append(b, tail...), 0o644); err != nil {
			t.Fatal(err)
		}
		l, err := ReadDeliveries(dir)
		if err != nil {
			t.Fatal(err)
		}
		for range l.Commits() {
		}
		for range l.Deliveries() {
		}
		for range l.DeadLetters() {
		}
	})
}

func BenchmarkCommitted(b *testing.B) {
	d, err := CreateDeliveries(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	c := commit(7)
	b.ReportAllocs()
	for b.Loop() {
		d.Committed(c)
	}
}
