package dynamo

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

// teller notes what it is told.
type teller struct {
	bench.NoObserver
	mu   sync.Mutex
	told []bench.Commit
}

func (o *teller) Committed(c bench.Commit) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.told = append(o.told, c)
}

// TestWhatCannotBeLoggedIsNotAcknowledged takes the disk away.
func TestWhatCannotBeLoggedIsNotAcknowledged(t *testing.T) {
	dir := t.TempDir()
	e, _ := open(t, dir, Options{Shards: 1})
	defer e.Close()
	var told teller
	e.Observe(&told)
	call(t, e, "CreateTable", benchTable)
	put := func(id string) *Error {
		_, err := do(e, epoch, "PutItem", fmt.Sprintf(`{"TableName":"items","Item":{"id":{"S":"%s"}}}`, id))
		return err
	}
	if err := put("a"); err != nil {
		t.Fatal(err)
	}
	before := dump(e, epoch)
	sound := e.log.file
	full, err := os.Open(sound.Name()) // which cannot be written
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	e.log.file = full
	reply, lost := do(e, epoch, "PutItem", `{"TableName":"items","Item":{"id":{"S":"b"}}}`)
	if lost == nil || lost.Status != 500 || lost.Code != codeInternal || len(reply.Writes) > 0 {
		t.Fatalf("a write that is not logged is answered with %v %v", reply, lost)
	}
	// What is in memory is not what will be found, so nobody may see it.
	for _, op := range [][2]string{{"GetItem", `{"TableName":"items","Key":{"id":{"S":"b"}}}`}, {"ListTables", `{}`}, {"PutItem", `{"TableName":"items","Item":{"id":{"S":"c"}}}`}} {
		if _, err := do(e, epoch, op[0], op[1]); err == nil || err.Status != 500 {
			t.Errorf("%s after that: %v", op[0], err)
		}
	}
	if len(told.told) != 1 || told.told[0].ID != "a" {
		t.Errorf("the observer was told of %v", told.told)
	}
	sound.Close()
	e.Close()
	again, _ := open(t, dir, Options{Shards: 1})
	defer again.Close()
	if got := dump(again, epoch); got != before {
		t.Errorf("found\n%s\nwant\n%s", got, before)
	}
}

// TestLogUnderRace lets many write and read at once while the log is compacted.
// A copy of the folder, taken at any moment, holds all that was acknowledged
// before; and at the end all is as it was.
func TestLogUnderRace(t *testing.T) {
	seed := clock.Entropy()
	t.Logf("seed %d", seed)
	dir, o := t.TempDir(), Options{Shards: 2, Seed: seed}
	e, _ := open(t, dir, o)
	defer e.Close()
	var told teller
	e.Observe(&told)
	call(t, e, "CreateTable", indexed)
	const writers, writes = 8, 150
	var mu sync.Mutex
	acknowledged := map[string]int{}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range writes {
				key := fmt.Sprintf("w%d-%d", w, i%20)
				op, body := "PutItem", fmt.Sprintf(`{"TableName":"tab","Item":{"pk":{"S":"%s"},"sk":{"S":"x"},"o":{"S":"o%d"},"v":{"N":"%d"}}}`, key, i%3, i)
				if i%10 == 9 {
					op = "TransactWriteItems"
					body = fmt.Sprintf(`{"TransactItems":[{"Put":%s},{"Update":{"TableName":"tab","Key":{"pk":{"S":"sum"},"sk":{"S":"w%d"}},"UpdateExpression":"ADD n :one","ExpressionAttributeValues":{":one":{"N":"1"}}}}]}`, body, w)
				}
				if _, err := do(e, epoch.Add(time.Duration(i)*time.Millisecond), op, body); err != nil {
					t.Error(err)
				}
				mu.Lock()
				acknowledged[key] = i
				mu.Unlock()
			}
		})
	}
	stop := make(chan struct{})
	var compacting sync.WaitGroup
	compacting.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if err := e.compact(); err != nil {
					t.Error(err)
				}
			}
		}
	})
	for i := range 3 {
		mu.Lock()
		was := maps.Clone(acknowledged)
		mu.Unlock()
		e.log.compacting.Lock() // a folder cannot be copied at one moment while files come and go
		copied := filepath.Join(t.TempDir(), fmt.Sprint(i))
		err := os.CopyFS(copied, os.DirFS(dir))
		e.log.compacting.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		found, _ := open(t, copied, o)
		for key, v := range was {
			r := call(t, found, "GetItem", fmt.Sprintf(`{"TableName":"tab","Key":{"pk":{"S":"%s"},"sk":{"S":"x"}}}`, key))
			var got int
			if it, ok := r["Item"].(map[string]any); ok {
				fmt.Sscan(it["v"].(map[string]any)["N"].(string), &got)
			} else {
				got = -1
			}
			if got < v {
				t.Errorf("%s: version %d was acknowledged, %d is found", key, v, got)
			}
		}
		found.Close()
	}
	wg.Wait()
	close(stop)
	compacting.Wait()
	want := dump(e, epoch)
	last := map[string]bench.Sequence{}
	for _, c := range told.told { // in the order of each shard
		n, _ := bench.ParseSequence(c.Sequence)
		if was, ok := last[c.Shard]; ok && n.Compare(was) <= 0 {
			t.Fatalf("the observer was told of %s after %s", c.Sequence, was)
		}
		last[c.Shard] = n
	}
	e.Close()
	again, _ := open(t, dir, o)
	defer again.Close()
	if got := dump(again, epoch); got != want {
		t.Errorf("found\n%s\nwant\n%s", got, want)
	}
	if n := writers * (writes + writes/10); len(told.told) != n {
		t.Errorf("the observer was told of %d records, want %d", len(told.told), n)
	}
}

// TestCompact holds that a snapshot is the state, whatever moment of its making
// the process dies at, and that it takes what is dead off the disk.
func TestCompact(t *testing.T) {
	dir, o := t.TempDir(), Options{Shards: 2, Seed: 3, Retention: time.Hour}
	e, _ := open(t, dir, o)
	defer e.Close()
	call(t, e, "CreateTable", indexed)
	call(t, e, "UpdateTimeToLive", `{"TableName":"tab","TimeToLiveSpecification":{"Enabled":true,"AttributeName":"ttl"}}`)
	now := epoch
	for i := range 3000 {
		now = now.Add(2 * time.Second)
		do(e, now, "PutItem", fmt.Sprintf(`{"TableName":"tab","Item":{"pk":{"S":"p%d"},"sk":{"S":"x"},"note":{"S":"%s"},"o":{"S":"o"}}}`, i%50, strings.Repeat("x", i%500)))
	}
	e.Split(now, "tab", e.Ends("tab")[0].Shard)
	do(e, now, "TransactWriteItems", `{"ClientRequestToken":"once","TransactItems":[{"Put":{"TableName":"tab","Item":{"pk":{"S":"p1"},"sk":{"S":"x"}}}}]}`)
	do(e, now, "CreateTable", benchTable)
	do(e, now, "PutItem", `{"TableName":"items","Item":{"id":{"S":"a"}}}`)
	do(e, now, "DeleteTable", `{"TableName":"items"}`) // its stream lives on
	for _, text := range []string{"was", "is", ""} {
		if err := errors.Join(e.Keep("gone", text), e.Keep("kept", "it "+text)); err != nil {
			t.Fatal(err)
		}
	}
	if got := e.Kept("ke"); len(got) != 1 || got["kept"] != "it " {
		t.Errorf("kept %q", got)
	}
	want := dump(e, now)
	size := func() (sum int64) {
		files, _ := os.ReadDir(dir)
		for _, f := range files {
			info, _ := f.Info()
			sum += info.Size()
		}
		return sum
	}
	before := size()
	check := func(moment string) {
		t.Helper()
		copied := filepath.Join(t.TempDir(), "copy")
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		found, _ := open(t, copied, o)
		defer found.Close()
		if got := dump(found, now); got != want {
			t.Fatalf("%s: found\n%s\nwant\n%s", moment, got, want)
		}
		files, _ := os.ReadDir(copied)
		for _, f := range files {
			if strings.HasSuffix(f.Name(), tmpSuffix) {
				t.Errorf("%s: %s is left", moment, f.Name())
			}
		}
	}
	check("before")
	if did, err := e.Compact(); did || err != nil {
		t.Fatalf("a log of %d bytes was compacted: %v", before, err)
	}
	im, err := e.freeze()
	if err != nil {
		t.Fatal(err)
	}
	check("with a new segment and no snapshot")
	if _, err := e.log.write(im, &e.options); err != nil {
		t.Fatal(err)
	}
	check("with the snapshot and what it replaces")
	e.log.older = compactFrom
	if did, err := e.Compact(); !did || err != nil {
		t.Fatalf("a log that has grown was not compacted: %v", err)
	}
	check("after")
	if after := size(); after > before*3/4 {
		t.Errorf("%d bytes of %d are left", after, before)
	}
	if files, _ := os.ReadDir(dir); len(files) != 3 {
		t.Errorf("the folder holds %v", files)
	}
	for i := range 20 { // it goes on
		do(e, now, "PutItem", fmt.Sprintf(`{"TableName":"tab","Item":{"pk":{"S":"q%d"},"sk":{"S":"x"}}}`, i))
	}
	want = dump(e, now)
	check("gone on")
	snapshot := filepath.Join(dir, fileName(snapshotFile, 3))
	whole, err := os.ReadFile(snapshot)
	if err != nil {
		t.Fatal(err)
	}
	e.Close()
	if err := os.WriteFile(snapshot, whole[:len(whole)-20], 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Open(dir, o); err == nil || !strings.Contains(err.Error(), snapshot) {
		t.Errorf("a snapshot without its end opens: %v", err)
	}
}
