package ledger

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ackproof/ackproof/bench"
)

// A writer without room stops the load: what it cannot record is refused, what was
// under way is still recorded, and whoever reads is told. The room is that of a
// process with a limit on the size of its files, and of a small file system where
// one can be made.
func TestNoRoom(t *testing.T) {
	if dir := os.Getenv("LEDGER_TEST_NO_ROOM"); dir != "" {
		fillUp(t, dir, os.Getenv("LEDGER_TEST_LIMIT") != "")
		return
	}
	t.Run("the limit of a process", func(t *testing.T) { noRoom(t, t.TempDir(), "LEDGER_TEST_LIMIT=1") })
	t.Run("a small file system", func(t *testing.T) {
		dir := t.TempDir()
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=6m"); err != nil {
			t.Skipf("no file system can be mounted here: %v", err)
		}
		defer unix.Unmount(dir, unix.MNT_DETACH)
		noRoom(t, dir)
	})
}

// roomReport is what the child says of itself.
type roomReport struct {
	Reserved, Refused uint64
	Err               string
	Full              bool
	Close             string
}

func noRoom(t *testing.T, dir string, env ...string) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestNoRoom$")
	cmd.Env = append(append(os.Environ(), "LEDGER_TEST_NO_ROOM="+filepath.Join(dir, "ledger")), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the writer died: %v\n%s", err, out)
	}
	var r roomReport
	if err := json.Unmarshal(out[:strings.IndexByte(string(out), '\n')], &r); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if r.Reserved == 0 || r.Refused == 0 || !r.Full || r.Close == "" {
		t.Errorf("%+v", r)
	}
	l := open(t, filepath.Join(dir, "ledger"))
	if !l.Closed() || len(l.Problems()) > 0 { // it was sealed into the spare room
		t.Errorf("closed %v, %q", l.Closed(), l.Problems())
	}
	for seq := range l.Len() {
		a, s := l.At(seq)
		if want := seq < r.Reserved; (s == Finished) != want || want && a != attempt(seq) {
			t.Fatalf("request %d of %d that were reserved is %v: %+v", seq, r.Reserved, s, a)
		}
	}
	t.Logf("%d requests had room; then: %s", r.Reserved, r.Err)
}

// fillUp records requests until there is no room, with many under way at once.
func fillUp(t *testing.T, dir string, limit bool) {
	const planned = 64 * blockRows
	w, err := Create(dir, Header{Run: testRun, Planned: planned})
	if err != nil {
		t.Fatal(err)
	}
	if limit {
		most := syscall.Rlimit{Cur: 3 << 20, Max: 3 << 20}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &most); err != nil {
			t.Fatal(err)
		}
	}
	var r roomReport
	var full error
	for seq := range uint64(planned) {
		if err := w.Reserve(t.Context(), seq, 0); err != nil {
			r.Refused, full = r.Refused+1, err
			continue
		}
		w.Sent(seq, 0, 1)
		r.Reserved++
	}
	for seq := range r.Reserved {
		w.Done(attempt(seq)) // all of them end only now
	}
	r.Err, r.Full = full.Error(), errors.Is(full, ErrFull)
	if err := w.Close(); err != nil {
		r.Close = err.Error()
	}
	json.NewEncoder(os.Stdout).Encode(r)
}

// What it takes to record a request, in CPU time: load-ns on the path of the load,
// sealing-ns behind it.
func BenchmarkRecord(b *testing.B) {
	w, _ := create(b, int64(b.N))
	b.ReportAllocs()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	thread, process := cpuTime(b, unix.RUSAGE_THREAD), cpuTime(b, unix.RUSAGE_SELF)
	b.ResetTimer()
	for seq := range uint64(b.N) {
		if err := w.Reserve(b.Context(), seq, 0); err != nil {
			b.Fatal(err)
		}
		w.Sent(seq, 0, time.Duration(seq))
		w.Done(bench.Attempt{Seq: seq, Outcome: bench.Acknowledged, Class: bench.ClassStatus, Status: 200,
			Sent: time.Duration(seq), FirstByte: time.Duration(seq + 1), End: time.Duration(seq + 2)})
	}
	b.StopTimer()
	own := cpuTime(b, unix.RUSAGE_THREAD) - thread
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	all := cpuTime(b, unix.RUSAGE_SELF) - process
	b.ReportMetric(float64(own)/float64(b.N), "load-ns")
	b.ReportMetric(float64(all-own)/float64(b.N), "sealing-ns")
}

// cpuTime is what a thread, or the process, has used so far.
func cpuTime(b *testing.B, who int) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(who, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
