package ledger

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ackproof/ackproof/bench"
)

func item(seq uint64) bench.Item {
	return bench.Item{Seq: seq, Digest: bench.Digest(seq * 3), HasDigest: true}
}

func effect(seq uint64) bench.Effect {
	return bench.Effect{Seq: seq, Count: 1 + int64(seq%3), Sequence: bench.Sequence{Hi: 7, Lo: seq}, Digest: bench.Digest(seq),
		HasDigest: seq%2 == 0, At: testStart.Add(time.Duration(seq) * time.Millisecond)}
}

// writeRead writes a read of the given ids, in that order.
func writeRead(t testing.TB, seqs []uint64, foreign ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "1")
	w, err := CreateRead(dir, ReadHeader{Run: testRun, Number: 1, Begun: testStart, Versions: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, seq := range seqs {
		if err := w.Item(item(seq)); err != nil {
			t.Fatal(err)
		}
		if err := w.Effect(effect(seq)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.DeadLetter(bench.DeadLetter{Seq: 5, Readable: true, At: testStart}), w.Latest(effect(3))); err != nil {
		t.Fatal(err)
	}
	for _, id := range foreign {
		if err := w.Foreign(Items, id); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	if err := w.Item(item(0)); err == nil {
		t.Fatal("a finished read took another row")
	}
	return dir
}

func upTo(n uint64) []uint64 {
	var s []uint64
	for i := range n {
		s = append(s, i)
	}
	return s
}

func openRead(t testing.TB, dir string) *Read {
	t.Helper()
	r, err := OpenRead(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestReadRoundTrip(t *testing.T) {
	const n = 2*rowsPerPage + 17
	r := openRead(t, writeRead(t, upTo(n), "abc", strings.Repeat("x", 999)))
	if !r.Complete() || len(r.Problems()) != 0 || r.Header().Run != testRun || r.Header().Number != 1 {
		t.Fatalf("%v %v %+v", r.Complete(), r.Problems(), r.Header())
	}
	items, effects := slices.Collect(r.Items()), slices.Collect(r.Effects())
	if len(items) != n || len(effects) != n {
		t.Fatalf("%d items, %d effects", len(items), len(effects))
	}
	for i := range uint64(n) {
		if items[i] != item(i) || !cmp.Equal(effects[i], effect(i)) {
			t.Fatalf("row %d: %+v %+v", i, items[i], effects[i])
		}
	}
	want := []bench.DeadLetter{{Seq: 5, Readable: true, At: testStart}}
	if d := cmp.Diff(want, slices.Collect(r.DeadLetters())); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]bench.Effect{effect(3)}, slices.Collect(r.Latest())); d != "" {
		t.Error(d)
	}
	if n, s := r.Foreign(); n != 2 || s[0] != "abc" || len(s[1]) != maxForeignText {
		t.Errorf("foreign %d %q", n, s)
	}
	for range r.Items() {
		break // an iterator may be left
	}
}

// TestReadWithoutVersions: the file of the latest effects is there where there are
// versions, and is missed there alone.
func TestReadWithoutVersions(t *testing.T) {
	dir := t.TempDir()
	w, err := CreateRead(dir, ReadHeader{Run: testRun})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Latest(effect(1)); err == nil {
		t.Error("a latest effect in a read without versions")
	}
	if err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	if r := openRead(t, dir); !r.Complete() || len(slices.Collect(r.Latest())) != 0 {
		t.Errorf("complete %v, latest %v: %v", r.Complete(), slices.Collect(r.Latest()), r.Problems())
	}
	dir = writeRead(t, upTo(3))
	if err := os.Remove(filepath.Join(dir, string(Latest))); err != nil {
		t.Fatal(err)
	}
	if r := openRead(t, dir); r.Complete() {
		t.Error("complete without the file of the latest effects")
	}
}

func TestForeignIsBounded(t *testing.T) {
	var ids []string
	for i := range 3 * MaxForeign {
		ids = append(ids, fmt.Sprint(i))
	}
	if n, s := openRead(t, writeRead(t, nil, ids...)).Foreign(); n != 3*MaxForeign || len(s) != MaxForeign {
		t.Errorf("%d counted, %d kept", n, len(s))
	}
}

func TestFingerprint(t *testing.T) {
	base := openRead(t, writeRead(t, upTo(100), "a")).Fingerprint()
	shuffled := upTo(100)
	rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	if got := openRead(t, writeRead(t, shuffled, "a")).Fingerprint(); got != base {
		t.Errorf("order matters: %v, %v", got, base)
	}
	for name, dir := range map[string]string{
		"one less":    writeRead(t, upTo(99), "a"),
		"one twice":   writeRead(t, append(upTo(100), 3), "a"),
		"one thrice":  writeRead(t, append(upTo(100), 3, 3), "a"),
		"one other":   writeRead(t, append(upTo(99), 100), "a"),
		"no foreign":  writeRead(t, upTo(100)),
		"other id":    writeRead(t, upTo(100), "b"),
		"two swapped": writeRead(t, append(upTo(98), 199, 0), "a"),
	} {
		if openRead(t, dir).Fingerprint() == base {
			t.Errorf("%s: the same fingerprint", name)
		}
	}
}

func TestReadDamage(t *testing.T) {
	const n = 3*rowsPerPage + 1
	// firstPage is where the first page begins, and how long it is.
	firstPage := func(b []byte) (at, length int) {
		at = bytes.Index(b, []byte(blockMagic+"C"))
		return at, blockHead + int(binary.LittleEndian.Uint32(b[at+4:]))
	}
	tests := []struct {
		name   string
		change func([]byte) []byte
		want   string
		rows   int // items that are left
	}{
		{"flip in page 2", func(b []byte) []byte { b[len(b)/2] ^= 1; return b }, "checksum does not match", n - rowsPerPage},
		{"no trailer", func(b []byte) []byte { return b[:bytes.LastIndex(b, []byte(blockMagic))] }, "no trailer", n},
		{"torn trailer", func(b []byte) []byte { return b[:len(b)-3] }, "torn block", n},
		{"torn page", func(b []byte) []byte { return b[:len(b)/2] }, "cut off after 1024 rows", rowsPerPage},
		{"a page cut out", func(b []byte) []byte {
			first, page := firstPage(b)
			return append(b[:first:first], b[first+page:]...)
		}, "where the trailer counts", n - rowsPerPage},
		{"a page twice", func(b []byte) []byte {
			first, page := firstPage(b)
			return append(b[:first+page:first+page], b[first:]...)
		}, "where the trailer counts", n + rowsPerPage},
		{"garbage before a page", func(b []byte) []byte {
			first, _ := firstPage(b)
			return append(append(b[:first:first], "apbCgarbage"...), b[first:]...)
		}, "11 bytes are lost", n},
		{"empty", func([]byte) []byte { return nil }, "no header", 0},
		{"written on", func(b []byte) []byte { return append(b, b...) }, "behind the trailer", n},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := writeRead(t, upTo(n))
			edit(t, filepath.Join(dir, string(Items)), tt.change)
			r := openRead(t, dir)
			if r.Complete() || !strings.Contains(strings.Join(r.Problems(), "\n"), tt.want) {
				t.Errorf("complete %v, problems %q, want %q", r.Complete(), r.Problems(), tt.want)
			}
			if got := len(slices.Collect(r.Items())); got != tt.rows {
				t.Errorf("%d rows, want %d", got, tt.rows)
			}
		})
	}
	t.Run("a file missing", func(t *testing.T) {
		dir := writeRead(t, upTo(3))
		os.Remove(filepath.Join(dir, string(Effects)))
		if r := openRead(t, dir); r.Complete() {
			t.Error("complete")
		}
	})
	t.Run("a file of the other table", func(t *testing.T) {
		dir := writeRead(t, upTo(3))
		b, _ := os.ReadFile(filepath.Join(dir, string(Items)))
		os.WriteFile(filepath.Join(dir, string(Effects)), b, 0o644)
		if r := openRead(t, dir); r.Complete() {
			t.Error("complete")
		}
	})
	t.Run("not finished", func(t *testing.T) {
		dir := t.TempDir()
		w, err := CreateRead(dir, ReadHeader{Run: testRun})
		if err != nil {
			t.Fatal(err)
		}
		w.Item(item(1))
		w.Close()
		if r := openRead(t, dir); r.Complete() {
			t.Error("complete")
		}
	})
}

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

func TestEvents(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	w, err := CreateEvents(path)
	if err != nil {
		t.Fatal(err)
	}
	two := 2
	early := bench.Event{At: testStart.Add(-1500 * time.Millisecond), Kind: bench.EventPhase, Text: "starting\nup"}
	late := bench.Event{At: testStart.Add(12345 * time.Microsecond), Kind: bench.EventStrike, PID: 71, Fault: &two, Data: json.RawMessage("{\"a\":\n1}")}
	if err := w.Append(early); err != nil {
		t.Fatal(err)
	}
	// Killed now, the event would be there.
	got, bad, err := ReadEvents(path)
	if err != nil || len(bad) != 0 || len(got) != 1 || !got[0].At.Equal(early.At) || got[0].T != 0 {
		t.Fatalf("%+v %v %v", got, bad, err)
	}
	if err := w.SetStart(testStart); err != nil {
		t.Fatal(err)
	}
	if err := w.SetStart(testStart); err == nil {
		t.Error("the load started twice")
	}
	if err := w.Append(late); err != nil {
		t.Fatal(err)
	}
	if err := w.Append(bench.Event{Kind: "x", Data: json.RawMessage("{")}); err == nil {
		t.Error("broken JSON was written")
	}
	w.Close()
	if err := w.Append(late); err == nil {
		t.Error("written after Close")
	}
	got, bad, err = ReadEvents(path)
	if err != nil || len(bad) != 0 {
		t.Fatal(bad, err)
	}
	early.At, late.At = time.Time{}, time.Time{}
	late.Data = json.RawMessage(`{"a":1}`)
	want := []TimedEvent{{-1500 * time.Millisecond, early}, {12345 * time.Microsecond, late}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	text, _ := os.ReadFile(path)
	if first, _, _ := strings.Cut(string(text), "\n"); first != `{"t_ms":-1500,"kind":"phase","text":"starting\nup","crc":"89b09910"}` {
		t.Errorf("first line %s", first)
	}
	if _, err := os.Stat(earlyPath(path)); err == nil {
		t.Error("the file of early events was left behind")
	}

	edit(t, path, func(b []byte) []byte {
		return append(b[:len(b)-4], "\nnonsense\n{\"t_ms\":1}\n\n{\"t_ms\":1,\"kind\":\"phase\"}"...)
	})
	got, bad, err = ReadEvents(path)
	if err != nil || len(got) != 1 || len(bad) != 5 {
		t.Errorf("%+v %q %v", got, bad, err)
	}

	// A file of the time before checksums is read as it is.
	old := `{"t_ms":1,"kind":"phase"}` + "\n"
	edit(t, path, func([]byte) []byte { return []byte(old + old) })
	if got, bad, err = ReadEvents(path); err != nil || len(got) != 2 || len(bad) != 0 {
		t.Errorf("%+v %q %v", got, bad, err)
	}
	// But one line of it among others has lost its own.
	edit(t, path, func([]byte) []byte { return append(append([]byte(old), text...), old...) })
	if got, bad, err = ReadEvents(path); err != nil || len(got) != 2 || len(bad) != 2 {
		t.Errorf("%+v %q %v", got, bad, err)
	}
}

// FuzzRead flips and cuts a sound read: a change must never pass for complete.
func FuzzRead(f *testing.F) {
	dir := writeRead(f, upTo(1500), "foreign")
	sound := map[Table][]byte{}
	for _, t := range tablesOf(true) {
		sound[t], _ = os.ReadFile(filepath.Join(dir, string(t)))
	}
	f.Add(uint32(0), byte(1), uint32(1<<30), []byte(nil))
	f.Add(uint32(60000), byte(128), uint32(0), []byte("apb"))
	f.Add(uint32(3), byte(0), uint32(70000), []byte("apbT\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00{}"))
	f.Fuzz(func(t *testing.T, at uint32, flip byte, cut uint32, more []byte) {
		dir := t.TempDir()
		changed := append([]byte(nil), sound[Items]...)
		changed[int(at)%len(changed)] ^= flip
		changed = append(changed[:min(int(cut), len(changed))], more...)
		for _, table := range tablesOf(true) {
			b := sound[table]
			if table == Items {
				b = changed
			}
			if err := os.WriteFile(filepath.Join(dir, string(table)), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		r := openRead(t, dir)
		same := bytes.Equal(changed, sound[Items])
		if r.Complete() != same {
			t.Fatalf("complete %v, same %v: %v", r.Complete(), same, r.Problems())
		}
		if r.Complete() != (len(r.Problems()) == 0) {
			t.Fatalf("complete %v with problems %v", r.Complete(), r.Problems())
		}
		for i := range r.Items() {
			if i != item(i.Seq) {
				t.Fatalf("an item that nobody wrote: %+v", i)
			}
		}
	})
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

// FuzzEvents gives the reader any text.
func FuzzEvents(f *testing.F) {
	f.Add([]byte(`{"t_ms":1,"kind":"phase"}` + "\n"))
	f.Add([]byte(`{"at":"2026-03-01T12:00:00Z","kind":"phase","fault":1,"data":[1]}` + "\n{"))
	f.Add([]byte("\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		events, bad, err := decodeEvents("events", bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		lines := bytes.Count(b, []byte("\n"))
		if len(b) > 0 && b[len(b)-1] != '\n' {
			lines++
		}
		if lines <= maxProblems && len(events)+len(bad) != lines {
			t.Fatalf("%d events and %d problems of %d lines", len(events), len(bad), lines)
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

func BenchmarkReadItems(b *testing.B) {
	const n = 100_000
	r := openRead(b, writeRead(b, upTo(n)))
	b.ReportAllocs()
	for b.Loop() {
		for range r.Items() {
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/row")
}
