package ledger

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ackproof/ackproof/bench"
)

const testRun = bench.RunID("k3v9x2ab")

var testStart = time.Date(2026, 3, 1, 12, 0, 0, 123e6, time.UTC)

func create(t testing.TB, planned int64) (*Writer, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "ledger")
	w, err := Create(dir, Header{Run: testRun, Agent: 3, Planned: planned, Seed: 42, Created: testStart, Plan: json.RawMessage(`{"a":1}`)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w, dir
}

func open(t testing.TB, dir string) *Ledger {
	t.Helper()
	l, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func attempt(seq uint64) bench.Attempt {
	return bench.Attempt{Seq: seq, Outcome: bench.Acknowledged, Class: bench.ClassStatus, Status: 200,
		Sent: time.Duration(seq) * time.Millisecond, End: time.Duration(seq)*time.Millisecond + 77}
}

func TestLedgerRoundTrip(t *testing.T) {
	w, dir := create(t, 5)
	if err := w.SetStart(testStart); err != nil {
		t.Fatal(err)
	}
	w.Sent(0, 1)
	w.Done(attempt(0))
	w.Sent(1, 5*time.Second)
	refused := bench.Attempt{Seq: 3, Outcome: bench.Refused, Class: bench.ClassConnRefused, Sent: -time.Second, End: 9}
	w.Done(refused)
	w.Sent(4, 0)
	w.Done(bench.Attempt{Seq: 4, Outcome: bench.Unsent, Class: bench.ClassInterrupted})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	w.Done(attempt(2)) // too late: ignored, and no crash

	l := open(t, dir)
	h := l.Header()
	if h.Run != testRun || h.Agent != 3 || h.Planned != 5 || h.Seed != 42 || !h.Created.Equal(testStart) || string(h.Plan) != `{"a":1}` {
		t.Errorf("header %+v", h)
	}
	if !l.Started().Equal(testStart) || !l.Closed() || l.Len() != 5 || len(l.Problems()) != 0 {
		t.Errorf("started %v, closed %v, len %d, problems %v", l.Started(), l.Closed(), l.Len(), l.Problems())
	}
	type entry struct {
		A bench.Attempt
		S State
	}
	var got []entry
	for a, s := range l.All() {
		got = append(got, entry{a, s})
	}
	want := []entry{
		{attempt(0), Finished},
		{bench.Attempt{Seq: 1, Outcome: bench.Unknown, Sent: 5 * time.Second}, SentOnly},
		{bench.Attempt{Seq: 2}, Unsent},
		{refused, Finished},
		{bench.Attempt{Seq: 4, Class: bench.ClassInterrupted}, Unsent},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if _, sent := l.Request(1); !sent {
		t.Error("a request that was on the wire counts as not sent")
	}
	if _, sent := l.Request(4); sent {
		t.Error("a request that never left counts as sent")
	}
	if a, s := l.At(99); s != Unsent || a.Seq != 99 {
		t.Errorf("beyond the plan: %v %v", a, s)
	}
}

func TestCreateRefuses(t *testing.T) {
	_, dir := create(t, 1)
	if _, err := Create(dir, Header{Run: testRun, Planned: 1}); err == nil {
		t.Error("an existing ledger was overwritten")
	}
	_, err := Create(t.TempDir(), Header{Run: "nope", Agent: 100, Planned: -1})
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("want all three errors, got %v", err)
	}
	if _, err := Open(t.TempDir()); err == nil {
		t.Error("no ledger was opened")
	}
	if err := writeSealed(filepath.Join(dir, headerFile), Header{Format: "ackproof.ledger/v9"}); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "ackproof.ledger/v9") {
		t.Errorf("a format of the future: %v", err)
	}
}

func TestEmptyLedger(t *testing.T) {
	w, dir := create(t, 0)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if l := open(t, dir); l.Len() != 0 || len(l.Problems()) != 0 {
		t.Errorf("%d %v", l.Len(), l.Problems())
	}
}

func TestBeyondPlanPanics(t *testing.T) {
	w, _ := create(t, 1)
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
		w.Sent(0, 0) // and no lock is left behind
	}()
	w.Sent(1, 0)
}

func TestConcurrentWriters(t *testing.T) {
	const n = 4000
	w, dir := create(t, n)
	var wg sync.WaitGroup
	for g := range uint64(8) {
		wg.Go(func() {
			for seq := g; seq < n; seq += 8 {
				w.Sent(seq, 1)
				w.Done(attempt(seq))
			}
		})
	}
	wg.Wait()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	l := open(t, dir)
	for seq := range uint64(n) {
		if a, s := l.At(seq); a != attempt(seq) || s != Finished {
			t.Fatalf("%v %v", a, s)
		}
	}
}

// edit changes a file in place.
func edit(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, change(b), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func filled(t *testing.T, n int64) string {
	w, dir := create(t, n)
	for seq := range uint64(n) {
		w.Sent(seq, 1)
		w.Done(attempt(seq))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestLedgerDamage: every damage is found, located, and accuses nobody.
func TestLedgerDamage(t *testing.T) {
	tests := []struct {
		name, file string
		change     func([]byte) []byte
		want       string // in a problem
		torn       []uint64
	}{
		{"bit flip", cellsFile, func(b []byte) []byte { b[3*cellSize+9] ^= 4; return b }, "request 3, at byte 96", []uint64{3}},
		{"truncated", cellsFile, func(b []byte) []byte { return b[:7*cellSize+5] }, "request 7 and all after it", []uint64{7, 8, 9}},
		{"empty", cellsFile, func(b []byte) []byte { return nil }, "request 0 and all after", []uint64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
		{"longer", cellsFile, func(b []byte) []byte { return append(b, 1) }, "321 bytes where 320 are due", nil},
		{"cells swapped", cellsFile, func(b []byte) []byte {
			c := append([]byte(nil), b[:cellSize]...)
			copy(b, b[cellSize:2*cellSize])
			copy(b[cellSize:], c)
			return b
		}, "request 0, at byte 0", []uint64{0, 1}},
		{"a page of zeros", cellsFile, func(b []byte) []byte { clear(b[:2*cellSize]); return b }, "8 sent and 8 finished", nil},
		{"header flipped", headerFile, func(b []byte) []byte { b[40] ^= 1; return b }, "header.json is damaged", nil},
		{"header cut", headerFile, func(b []byte) []byte { return b[:20] }, "header.json is damaged", nil},
		{"end flipped", endFile, func(b []byte) []byte { b[30] ^= 1; return b }, "end.json is damaged", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filled(t, 10)
			edit(t, filepath.Join(dir, tt.file), tt.change)
			l := open(t, dir)
			if !strings.Contains(strings.Join(l.Problems(), "\n"), tt.want) {
				t.Errorf("problems %q, want %q", l.Problems(), tt.want)
			}
			if l.Len() != 10 {
				t.Errorf("len %d", l.Len())
			}
			var torn []uint64
			for a, s := range l.All() {
				if s == Torn {
					torn = append(torn, a.Seq)
					if a.Outcome != bench.Unknown || a.Class != bench.ClassNone {
						t.Errorf("a torn cell says %+v", a)
					}
				}
			}
			if d := cmp.Diff(tt.torn, torn); d != "" {
				t.Error(d)
			}
		})
	}
	t.Run("header missing", func(t *testing.T) {
		dir := filled(t, 10)
		os.Remove(filepath.Join(dir, headerFile))
		if l := open(t, dir); l.Len() != 10 || len(l.Problems()) != 1 {
			t.Errorf("%d %v", l.Len(), l.Problems())
		}
	})
}

// TestKilledWriter kills a process that writes as fast as it can, and asks that
// whatever it had reported is there.
func TestKilledWriter(t *testing.T) {
	const planned = 1 << 20
	if dir := os.Getenv("LEDGER_TEST_WRITE"); dir != "" {
		w, err := Create(dir, Header{Run: testRun, Planned: planned})
		if err != nil {
			t.Fatal(err)
		}
		for seq := range uint64(planned) {
			w.Sent(seq, 1)
			if seq%1000 == 999 {
				os.Stdout.WriteString("x") // the parent has been told of it
			}
			w.Done(attempt(seq))
		}
		select {}
	}
	dir := filepath.Join(t.TempDir(), "ledger")
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledWriter$")
	cmd.Env = append(os.Environ(), "LEDGER_TEST_WRITE="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	told := uint64(0)
	buf := make([]byte, 1)
	for range 50 {
		if _, err := out.Read(buf); err != nil {
			t.Fatal(err)
		}
		told += 1000
	}
	cmd.Process.Kill()
	cmd.Wait()

	l := open(t, dir)
	if l.Closed() {
		t.Error("a killed writer counts as closed")
	}
	var torn int
	for seq := range told {
		switch a, s := l.At(seq); {
		case s == Finished && a != attempt(seq):
			t.Fatalf("%+v", a)
		case s == Unsent, s == SentOnly && seq < told-1:
			t.Fatalf("request %d of %d is %v", seq, told, s)
		}
	}
	for _, s := range l.All() {
		if s == Torn {
			torn++
		}
	}
	if torn > 1 { // the one that was being written
		t.Errorf("%d torn cells: %v", torn, l.Problems())
	}
}

// FuzzLedger gives Open a cells file and a header of any content.
func FuzzLedger(f *testing.F) {
	cell := make([]byte, cellSize)
	a := attempt(0)
	encodeCell(cell, markFinished, &a)
	f.Add(cell, []byte(`{"crc":"00000000","body":{}}`))
	f.Add(append(make([]byte, cellSize), cell[:9]...), []byte("null"))
	f.Add([]byte{}, []byte(`{"body":null}`))
	f.Fuzz(func(t *testing.T, cells, header []byte) {
		dir := t.TempDir()
		for name, b := range map[string][]byte{cellsFile: cells, headerFile: header, startFile: header, endFile: header} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		l, err := Open(dir)
		if err != nil {
			return
		}
		defer l.Close()
		n := uint64(0)
		for a, s := range l.All() {
			if a.Seq != n {
				t.Fatalf("cell %d has seq %d", n, a.Seq)
			}
			if s == Finished && (a.Outcome == bench.Unsent || a.Outcome > bench.Unknown) {
				t.Fatalf("finished with outcome %v", a.Outcome)
			}
			n++
		}
		if len(l.Problems()) == 0 && len(cells) != int(l.Len())*cellSize {
			t.Fatalf("%d bytes pass for %d cells", len(cells), l.Len())
		}
	})
}

// FuzzCellFlip flips bits of a sound cell: it must never read as another sound
// attempt.
func FuzzCellFlip(f *testing.F) {
	f.Add(uint64(7), uint64(1), byte(0), byte(31))
	f.Add(uint64(1<<33), uint64(0x8000000000000000), byte(8), byte(28))
	f.Fuzz(func(t *testing.T, seq, mask uint64, at, at2 byte) {
		c := make([]byte, cellSize)
		a := attempt(seq)
		encodeCell(c, markFinished, &a)
		before := string(c)
		c[at%cellSize] ^= byte(mask)
		c[at2%cellSize] ^= byte(mask >> 8)
		got, s := decodeCell(c, seq)
		if string(c) == before {
			if got != a || s != Finished {
				t.Fatalf("unchanged, and reads as %v %+v", s, got)
			}
		} else if s != Torn {
			t.Fatalf("flipped, and reads as %v", s)
		}
	})
}

func BenchmarkSentDone(b *testing.B) {
	const n = 1 << 20
	w, _ := create(b, n)
	b.ReportAllocs()
	seq := uint64(0)
	for b.Loop() {
		w.Sent(seq%n, 12345)
		w.Done(attempt(seq % n))
		seq++
	}
}

func BenchmarkSentDoneParallel(b *testing.B) {
	const n = 1 << 20
	w, _ := create(b, n)
	b.ReportAllocs()
	var mu sync.Mutex
	next := uint64(0)
	b.RunParallel(func(pb *testing.PB) {
		mu.Lock()
		seq := next
		next += n / 64 // apart from each other
		mu.Unlock()
		for pb.Next() {
			w.Sent(seq%n, 12345)
			w.Done(attempt(seq % n))
			seq++
		}
	})
}

func BenchmarkScan(b *testing.B) {
	const n = 1 << 20
	w, dir := create(b, n)
	for seq := range uint64(n) {
		w.Done(attempt(seq))
	}
	w.Close()
	l := open(b, dir)
	b.ReportAllocs()
	seq := uint64(0)
	for b.Loop() {
		if _, s := l.At(seq % n); s != Finished {
			b.Fatal(s)
		}
		seq++
	}
}
