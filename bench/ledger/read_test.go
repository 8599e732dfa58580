package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
