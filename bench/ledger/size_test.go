package ledger

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

// Slots are used again, so that the window is as long as what is under way, and
// what is sealed takes at most 12 bytes a request.
func TestDiskIsBounded(t *testing.T) {
	const n = 200 * blockRows
	w, dir := create(t, n)
	var largest int64
	for seq := range uint64(n) {
		if err := w.Reserve(t.Context(), seq, 0); err != nil {
			t.Fatal(err)
		}
		w.Sent(seq, 0, 1)
		w.Done(realistic(seq))
		if seq%blockRows == 0 {
			info, err := os.Stat(filepath.Join(dir, cellsFile))
			if err != nil {
				t.Fatal(err)
			}
			largest = max(largest, info.Size())
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if whole := int64(n * cellSize); largest > whole {
		t.Errorf("the window grew to %d bytes, all cells would take %d", largest, whole)
	}
	var size int64
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	t.Logf("%.2f bytes a request, the window took up to %d", float64(size)/n, largest)
	if float64(size)/n > 12 {
		t.Errorf("%.2f bytes a request", float64(size)/n)
	}
	sameInStretches(t, open(t, dir))
}

// realistic is an attempt as a run has it: 2,000 requests a second, sent with up to
// 2 ms of delay, answered within some milliseconds, one of 500 after a second.
func realistic(seq uint64) bench.Attempt {
	noise := clock.Bits(1, "realistic", seq)
	sent := time.Duration(seq)*500*time.Microsecond + time.Duration(noise%2e6)
	latency := time.Millisecond + time.Duration(noise>>21%8e6)
	if noise%500 == 0 {
		latency += time.Second
	}
	return bench.Attempt{Seq: seq, Outcome: bench.Acknowledged, Class: bench.ClassStatus, Status: 200,
		Sent: sent, FirstByte: sent + latency - time.Duration(noise>>44%1e5), End: sent + latency}
}
