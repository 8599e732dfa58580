package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/ledger"
)

// A disk that fills up under the load stops it: nothing is sent that cannot be
// recorded, what was recorded is judged, and the verdict is unknown and says why.
func TestConformanceAFullDiskStopsTheRun(t *testing.T) {
	if os.Getenv("ACKPROOF_CONFORMANCE") == "" {
		t.Skip("set ACKPROOF_CONFORMANCE=1: it takes a quarter of a minute, and mounts a file system")
	}
	t.Parallel()
	dir := t.TempDir()
	runs := filepath.Join(dir, "runs")
	if err := os.Mkdir(runs, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", runs, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("no small file system can be made here: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(runs, unix.MNT_DETACH) })
	text := "name: full\nload: [{name: steady, for: 60s, rate: 800/s}]\nprocessor: {work: 0ms, concurrency: 2}\n"
	if err := os.WriteFile(filepath.Join(dir, "full.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s := startAckproofIn(t, dir, "run", "full.yaml", "--quiet", "--set", "drain.timeout=5s")
	until(t, time.Minute, "the load is on", func() bool {
		b, _ := os.ReadFile(filepath.Join(s.runDir(), "events.jsonl"))
		return s.runDir() != "" && bytes.Contains(b, []byte(`"text":"load"`))
	})
	fill(t, filepath.Join(runs, "other"))
	if code := s.code(); code != exitHarness {
		t.Errorf("exit code %d", code)
	}
	r := resultOf(t, s.runDir())
	told := strings.Join(r.Notes, "\n")
	if r.Verdict != bench.VerdictUnknown || r.Requests.Unsent == 0 || r.Requests.Acknowledged == 0 || !strings.Contains(told, "no space left on device") {
		t.Errorf("verdict %s, %+v, notes %q", r.Verdict, r.Requests, told)
	}
	if r.Items.Lost() != 0 {
		t.Errorf("%d lost", r.Items.Lost())
	}
	book, err := ledger.Open(filepath.Join(s.runDir(), "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	if !book.Closed() || len(book.Problems()) > 0 {
		t.Errorf("the ledger was not brought to its end: %q", book.Problems())
	}
	if !strings.Contains(s.stderr.String(), "no space left on device") {
		t.Errorf("nobody says why: %s", s.stderr.String())
	}
}

// fill writes a file until there is no room.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 16; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
}
