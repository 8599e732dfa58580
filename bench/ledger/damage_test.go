package ledger

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ackproof/ackproof/bench"
)

// torn lists the requests that are torn, none of which says anything.
func torn(t *testing.T, l *Ledger) (all []uint64) {
	t.Helper()
	for a, s := range l.All() {
		if s == Torn {
			all = append(all, a.Seq)
			if a.Outcome != bench.Unknown || a.Class != bench.ClassNone || a.Sent != 0 {
				t.Errorf("a torn request says %+v", a)
			}
		}
	}
	return all
}

// numbers are the numbers from one up to another.
func numbers(from, to uint64) (all []uint64) {
	for seq := from; seq < to; seq++ {
		all = append(all, seq)
	}
	return all
}

// Every damage is found, located, and accuses nobody.
func TestLedgerDamage(t *testing.T) {
	const n = 2*blockRows + 100
	second := func(b []byte) int { return nth(b, "apbA", 2) }
	tests := []struct {
		name, file string
		change     func([]byte) []byte
		want       string // in a problem
		torn       []uint64
	}{
		{"bit flip", attemptsFile, func(b []byte) []byte { b[second(b)+500] ^= 4; return b }, "requests 4096 to 8191", numbers(4096, 8192)},
		{"truncated", attemptsFile, func(b []byte) []byte { return b[:len(b)-5] }, "requests 8192 to 8291", numbers(8192, n)},
		{"cut between two blocks", attemptsFile, func(b []byte) []byte { return b[:second(b)] }, "1 blocks, 4096 sent", numbers(4096, n)},
		{"a block is gone", attemptsFile, func(b []byte) []byte { return append(b[:second(b):second(b)], b[nth(b, "apbA", 3):]...) }, "requests 4096 to 8191", numbers(4096, 8192)},
		{"a block twice", attemptsFile, func(b []byte) []byte { return append(b, b[nth(b, "apbA", 3):]...) }, "none of this format", nil},
		{"empty", attemptsFile, func([]byte) []byte { return nil }, "requests 0 to 8291", numbers(0, n)},
		{"longer", attemptsFile, func(b []byte) []byte { return append(b, 1) }, "torn block head", nil},
		{"its head", attemptsFile, func(b []byte) []byte { b[20] ^= 1; return b }, "no header", nil},
		{"header flipped", headerFile, func(b []byte) []byte { b[40] ^= 1; return b }, "header.json is damaged", nil},
		{"header cut", headerFile, func(b []byte) []byte { return b[:20] }, "header.json is damaged", nil},
		{"end flipped", endFile, func(b []byte) []byte { b[30] ^= 1; return b }, "end.json is damaged", nil},
		{"start flipped", startFile, func(b []byte) []byte { b[30] ^= 1; return b }, "start.json is damaged", nil},
	}
	whole := filled(t, n)
	if err := writeSealed(filepath.Join(whole, startFile), startBody{testStart}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := copyOf(t, whole)
			edit(t, filepath.Join(dir, tt.file), tt.change)
			l := open(t, dir)
			if !strings.Contains(strings.Join(l.Problems(), "\n"), tt.want) {
				t.Errorf("problems %q, want %q", l.Problems(), tt.want)
			}
			if l.Len() != n {
				t.Errorf("len %d", l.Len())
			}
			if d := cmp.Diff(tt.torn, torn(t, l)); d != "" {
				t.Error(d)
			}
			sameInStretches(t, l)
		})
	}
	for _, name := range []string{headerFile, attemptsFile} {
		t.Run(name+" missing", func(t *testing.T) {
			dir := copyOf(t, whole)
			os.Remove(filepath.Join(dir, name))
			if l := open(t, dir); l.Len() != n || len(l.Problems()) == 0 {
				t.Errorf("%d %v", l.Len(), l.Problems())
			}
		})
	}
}

func copyOf(t testing.TB, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "ledger")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// nth finds the nth place of a text.
func nth(b []byte, text string, n int) int {
	at := -1
	for range n {
		next := strings.Index(string(b[at+1:]), text)
		if next < 0 {
			panic("there is no " + text)
		}
		at += 1 + next
	}
	return at
}

// abandoned is a ledger whose writer never came to its end. Of three blocks and a
// half, the first is sealed; in the second, request 5000 is on the wire.
func abandoned(t *testing.T) string {
	t.Helper()
	w, dir := create(t, 3*blockRows+100)
	for seq := range uint64(2 * blockRows) {
		w.Sent(seq, 0, attempt(seq).Sent)
		if seq != 5000 {
			w.Done(attempt(seq))
		}
	}
	w.Done(bench.Attempt{Seq: 4999, Retry: 1, Outcome: bench.Unknown, Class: bench.ClassTimeout, Sent: 5, End: 9, Error: "too late"})
	deadline := time.After(10 * time.Second)
	for {
		left := copyOf(t, dir)
		b, err := os.ReadFile(filepath.Join(left, cellsFile))
		if err != nil {
			t.Fatal(err)
		}
		if headAt(b, 0) < 0 && headAt(b, 1) >= 0 && headAt(b, 2) >= 0 && headAt(b, 3) >= 0 {
			return left
		}
		select {
		case <-deadline:
			t.Fatal("the first block is not sealed")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// What a killed writer leaves is whole, and so is what it was at.
func TestAbandonedLedger(t *testing.T) {
	dir := abandoned(t)
	l := open(t, dir)
	if l.Closed() || len(l.Problems()) > 0 || l.Len() != 3*blockRows+100 {
		t.Errorf("closed %v, %d requests, %q", l.Closed(), l.Len(), l.Problems())
	}
	counts := map[State]int{}
	for _, s := range l.All() {
		counts[s]++
	}
	if d := cmp.Diff(map[State]int{Finished: 2*blockRows - 1, SentOnly: 1, Unsent: blockRows + 100}, counts); d != "" {
		t.Error(d)
	}
	sameInStretches(t, l)
	if n := l.Retries(); n != 1 {
		t.Errorf("%d retries", n)
	}

	t.Run("after a power failure", func(t *testing.T) {
		dir := copyOf(t, dir)
		header := l.Header()
		header.Boot = "another"
		if err := writeSealed(filepath.Join(dir, headerFile), header); err != nil {
			t.Fatal(err)
		}
		// The slot's cells, cleared when it was handed on, are those of before again.
		edit(t, filepath.Join(dir, cellsFile), func(b []byte) []byte {
			copy(b[cellAt(b, 2, 0):][:slotSize], b[cellAt(b, 1, 0):][:slotSize])
			return b
		})
		l := open(t, dir)
		if a, s := l.At(2*blockRows + 7); s != Reserved || a.Outcome != bench.Unknown {
			t.Errorf("what may have been on the wire is %v: %+v", s, a)
		}
		if _, s := l.At(5001); s != Finished || len(l.Problems()) > 0 {
			t.Errorf("%v, %q", s, l.Problems())
		}
		sameInStretches(t, l)
	})
	for name, tt := range map[string]struct {
		file   string
		change func([]byte) []byte
		want   string
		torn   []uint64
	}{
		"a block that was being sealed": {attemptsFile, func(b []byte) []byte { return append(b, b[nth(b, "apbA", 1):][:900]...) }, "", nil},
		"the sealed block is damaged":   {attemptsFile, func(b []byte) []byte { b[nth(b, "apbA", 1)+500] ^= 1; return b }, "requests 0 to 4095", numbers(0, blockRows)},
		"a cell is damaged":             {cellsFile, func(b []byte) []byte { b[cellAt(b, 1, 77)+9] ^= 1; return b }, "of request 4173", []uint64{blockRows + 77}},
		"a cell holds its neighbour": {cellsFile, func(b []byte) []byte {
			copy(b[cellAt(b, 1, 77):][:cellSize], b[cellAt(b, 1, 78):])
			return b
		}, "of request 4173", []uint64{blockRows + 77}},
		"a head is damaged":            {cellsFile, func(b []byte) []byte { b[headAt(b, 1)+9] ^= 1; return b }, "the head of slot", numbers(blockRows, 2*blockRows)},
		"a block that was never begun": {cellsFile, func(b []byte) []byte { clear(b[headAt(b, 3):][:headSize]); return b }, "requests 12288 to 12387", numbers(3*blockRows, 3*blockRows+100)},
		"the cells are cut off":        {cellsFile, func(b []byte) []byte { return b[:windowHeads+77] }, "is cut off", nil},
		"the heads are cut off":        {cellsFile, func(b []byte) []byte { return b[:99] }, "99 bytes", nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := copyOf(t, dir)
			edit(t, filepath.Join(dir, tt.file), tt.change)
			l := open(t, dir)
			if all := strings.Join(l.Problems(), "\n"); (tt.want == "") != (all == "") || !strings.Contains(all, tt.want) {
				t.Errorf("problems %q, want %q", all, tt.want)
			}
			if d := cmp.Diff(tt.torn, torn(t, l)); tt.torn != nil && d != "" {
				t.Error(d)
			}
			sameInStretches(t, l)
		})
	}
}

// headAt finds the head of the slot of a block, -1: it has none; cellAt finds one of
// its cells.
func headAt(b []byte, number uint64) int {
	for i := range maxSlots {
		if kind, n, _, ok := decodeHead(b[i*headSize:]); ok && kind == slotFirsts && n == number {
			return i * headSize
		}
	}
	return -1
}

func cellAt(b []byte, number uint64, row int) int {
	return windowHeads + headAt(b, number)/headSize*slotSize + row*cellSize
}

// What is packed comes back, whatever the values are.
func TestPackedRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 300), rapid.Just(^uint64(0)), rapid.Uint64Range(1<<40, 1<<40+1<<20))
		values := rapid.SliceOfN(number, 1, frameRows).Draw(t, "values")
		if step := rapid.Uint64Range(0, 1<<30).Draw(t, "step"); rapid.Bool().Draw(t, "on a line") {
			for i := range values {
				values[i] = values[i]&0xffff + uint64(i)*step
			}
		}
		b := append(appendLine(nil, values), make([]byte, packedTail)...)
		var l line
		rest, ok := openLine(b, len(values), &l)
		if !ok || len(rest) != packedTail {
			t.Fatalf("opened %v, %d bytes are left", ok, len(rest))
		}
		got := make([]uint64, len(values))
		unpack(&l, got)
		for i, v := range values {
			if got[i] != v || l.at(i) != v {
				t.Fatalf("value %d is %d, and comes back as %d and %d", i, v, got[i], l.at(i))
			}
		}
	})
}

// FuzzLedger gives Open files of any content.
func FuzzLedger(f *testing.F) {
	block := func(number uint64, entries ...entry) []byte {
		for i := range entries {
			entries[i].Seq = number*blockRows + uint64(i)
		}
		return appendBlock(nil, blockFirsts, entries)
	}
	one := entry{mark: markFinished, Attempt: attempt(0)}
	f.Add(block(0, one, one), []byte{}, []byte(`{"crc":"00000000","body":{}}`))
	f.Add(block(bench.MaxSeq/blockRows, one), []byte{}, []byte("null")) // a number that is sound, and far away
	f.Add(append(block(7, one), block(1<<20, one)[:40]...), make([]byte, windowHeads), []byte(`{"body":null}`))
	f.Add([]byte{}, []byte{}, []byte(`{"body":null}`))
	f.Fuzz(func(t *testing.T, attempts, cells, header []byte) {
		dir := t.TempDir()
		for name, b := range map[string][]byte{attemptsFile: attempts, cellsFile: cells, headerFile: header, startFile: header, endFile: header} {
			if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		l, err := Open(dir)
		if err != nil {
			return
		}
		defer l.Close()
		// All that exist, and the ends of what does not.
		for _, p := range l.blocks {
			sameAround(t, l, p.number*blockRows)
		}
		sameAround(t, l, 0)
		sameAround(t, l, l.Len()-min(l.Len(), 1))
		if len(l.Problems()) == 0 {
			t.Fatal("files of any content pass for a ledger")
		}
	})
}

// sameAround reads some requests from one on, each way.
func sameAround(t *testing.T, l *Ledger, first uint64) {
	t.Helper()
	to := min(first+300, l.Len())
	for s := range l.Stretches(first, max(first, to)) {
		sent, end := s.Times()
		for i, state := range s.State {
			a, alone := l.At(s.First + uint64(i))
			if a.Seq != s.First+uint64(i) || state != alone || a.Sent != sent[i] || a.End != end[i] {
				t.Fatalf("request %d: %v at %v alone, %v at %v among others", a.Seq, alone, a.Sent, state, sent[i])
			}
			if state == Finished && (a.Outcome == bench.Unsent || a.Outcome > bench.Unknown) {
				t.Fatalf("finished with outcome %v", a.Outcome)
			}
		}
	}
}

// FuzzBlock opens blocks of any content: what opens can be gone through.
func FuzzBlock(f *testing.F) {
	one := entry{mark: markFinished, Attempt: attempt(0)}
	f.Add(appendBlock(nil, blockFirsts, []entry{one, one})[blockHead:], uint16(2))
	f.Fuzz(func(t *testing.T, body []byte, rows uint16) {
		s, ok := openBlock(int(rows), body)
		if !ok {
			return
		}
		for i := range s.rows {
			e := s.entry(i)
			e.state()
		}
	})
}

// FuzzCellFlip flips bits of a sound cell: it must never read as another sound
// attempt.
func FuzzCellFlip(f *testing.F) {
	f.Add(uint64(7), uint64(1), byte(0), byte(31))
	f.Add(uint64(1<<33), uint64(0x8000000000000000), byte(8), byte(44))
	f.Fuzz(func(t *testing.T, seq, mask uint64, at, at2 byte) {
		c := make([]byte, cellSize)
		a := attempt(seq)
		encodeCell(c, markFinished, 0, &a)
		before := string(c)
		c[at%cellSize] ^= byte(mask)
		c[at2%cellSize] ^= byte(mask >> 8)
		switch got := cellOf(c, seq); {
		case string(c) == before:
			if got.Attempt != a || got.mark != markFinished {
				t.Fatalf("unchanged, and reads as %+v", got)
			}
		case got.mark != markTorn:
			t.Fatalf("flipped, and reads as %+v", got)
		}
	})
}
