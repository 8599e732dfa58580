package ledger

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// A slot that is handed on still has the cells of the block before it: of the next
// block they say nothing, whether its writer is killed, the machine loses its power, or
// all ends well.
func TestSlotsAreUsedAgain(t *testing.T) {
	const planned, sent = 200 * blockRows, 100 * blockRows
	w, dir := create(t, planned)
	for seq := range uint64(sent) {
		if err := w.Reserve(t.Context(), seq, 0); err != nil {
			t.Fatal(err)
		}
		w.Done(attempt(seq))
	}
	w.Done(bench.Attempt{Seq: 5, Retry: 1, Outcome: bench.Unknown, Sent: 1, End: 2})
	var left string
	for deadline := time.Now().Add(10 * time.Second); left == ""; {
		dir := copyOf(t, dir)
		if b, err := os.ReadFile(filepath.Join(dir, cellsFile)); err == nil && stale(b, sent/blockRows) {
			left = dir
		} else if time.Now().After(deadline) {
			t.Fatal("no slot is used again")
		}
	}
	check := func(what, dir string, unsent State) {
		t.Helper()
		l := open(t, dir)
		if p := l.Problems(); len(p) > 0 || l.Retries() > 1 {
			t.Errorf("%s: %d retries, %q", what, l.Retries(), p)
		}
		for seq := range uint64(planned) {
			want := Finished
			if seq >= sent {
				want = unsent
			}
			a, state := l.At(seq)
			if want == Reserved && state == Unsent {
				continue // its block has no slot yet
			}
			if state != want || state == Finished && a != attempt(seq) {
				t.Fatalf("%s: request %d is %v: %+v; want %v", what, seq, state, a, want)
			}
		}
	}
	check("killed", left, Unsent)
	off := copyOf(t, left)
	header := open(t, off).Header()
	header.Boot = "another"
	if err := writeSealed(filepath.Join(off, headerFile), header); err != nil {
		t.Fatal(err)
	}
	check("without power", off, Reserved)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	check("closed", dir, Unsent)
}

// stale says that a block from one on has a slot with cells that are no zeros.
func stale(cells []byte, from uint64) bool {
	for i := range maxSlots {
		kind, number, _, ok := decodeHead(cells[i*headSize:])
		at := windowHeads + i*slotSize
		if ok && kind == slotFirsts && number >= from && at+slotSize <= len(cells) && !bytes.Equal(cells[at:][:slotSize], make([]byte, slotSize)) {
			return true
		}
	}
	return false
}
