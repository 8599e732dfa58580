package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// touching writes a scenario whose fault is a file that commands make and remove:
// open while it is there. It gives the folder.
func touching(t *testing.T, count, undo string) (dir, flag string) {
	t.Helper()
	dir = t.TempDir()
	flag = filepath.Join(dir, "flag")
	text := fmt.Sprintf(`
load:
  - {name: steady, for: 6s, rate: 60/s}
processor: {work: 2ms, timeout: 3s, concurrency: 4}
faults:
  - "at 2s for 2s: exec.run command=touch"
commands:
  - name: touch
    do: {run: [touch, flag], timeout: 9s}
    undo: {run: [sh, -c, %q]}
    confirm: {run: [test, "!", -e, flag]}
    count: {run: [sh, -c, %q]}
`, undo, count)
	if err := os.WriteFile(filepath.Join(dir, "touching.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir, flag
}

const (
	seven  = "test ! -e flag; echo $(($? * 7))"
	remove = "rm -f flag"
)

func there(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func TestCommandsAreStruckCountedAndUndone(t *testing.T) {
	t.Parallel()
	dir, flag := touching(t, seven, remove)
	s := startAckproofIn(t, dir, "run", "touching.yaml", "--quiet")
	until(t, time.Minute, "the fault is open", func() bool { return there(flag) })
	if code := s.code(); code != exitPass {
		t.Errorf("exit code %d, want %d", code, exitPass)
	}
	r := resultOf(t, s.latest())
	if f := r.Faults[0]; f.Bitten != 7 || f.Planned != nil || !f.Undone {
		t.Errorf("bitten %d, planned %v, undone %v", f.Bitten, f.Planned, f.Undone)
	}
	if left, _ := os.ReadDir(filepath.Join(dir, "state")); there(flag) || len(left) != 0 {
		t.Errorf("the file is left: %v; in the folder of the journals: %v", there(flag), left)
	}
}

func TestCommandsThatBiteNobodyAreUnknown(t *testing.T) {
	t.Parallel()
	dir, _ := touching(t, "echo 5", remove)
	s := startAckproofIn(t, dir, "run", "touching.yaml", "--quiet")
	if code := s.code(); code != exitUnknown {
		t.Errorf("exit code %d, want %d", code, exitUnknown)
	}
	if r := resultOf(t, s.latest()); !strings.Contains(fmt.Sprint(r.Reasons), "never struck") {
		t.Errorf("reasons %q", r.Reasons)
	}
}

// killedWhileOpen kills a run with SIGKILL while its fault is open.
func killedWhileOpen(t *testing.T) (dir, flag string) {
	t.Helper()
	dir, flag = touching(t, seven, remove)
	s := startAckproofIn(t, dir, "run", "touching.yaml", "--quiet")
	until(t, time.Minute, "the fault is open", func() bool { return there(flag) })
	s.cmd.Process.Kill()
	s.cmd.Wait()
	if !there(flag) {
		t.Fatal("a run that is killed undoes nothing")
	}
	return dir, flag
}

func TestWhatAKilledRunLeavesIsSaidAndUndone(t *testing.T) {
	t.Parallel()
	dir, flag := killedWhileOpen(t)
	said := startAckproofIn(t, dir, "scenarios")
	if code := said.code(); code != exitPass || !strings.Contains(said.stderr.String(), "exec.run command=touch") || !there(flag) {
		t.Errorf("exit code %d, said %q, still open %v", code, &said.stderr, there(flag))
	}
	undo := startAckproofIn(t, dir, "faults", "undo", filepath.Join("runs", "latest"))
	if code := undo.code(); code != exitPass || there(flag) || !strings.Contains(undo.stderr.String(), "undone, and confirmed") {
		t.Errorf("exit code %d, still open %v", code, there(flag))
	}
	again := startAckproofIn(t, dir, "faults", "undo")
	if code := again.code(); code != exitPass || !strings.Contains(again.stdout.String(), "no fault is open") {
		t.Errorf("exit code %d", code)
	}
	if code := startAckproofIn(t, dir, "faults", "undo", "nowhere").code(); code != exitMisuse {
		t.Errorf("a run that is none: exit code %d", code)
	}
}

func TestTheNextRunUndoesFirst(t *testing.T) {
	t.Parallel()
	dir, flag := killedWhileOpen(t)
	next := startAckproofIn(t, dir, "run", "nosuch")
	if code := next.code(); code != exitMisuse || there(flag) {
		t.Errorf("exit code %d, still open %v", code, there(flag))
	}
}

// The first interrupt ends gracefully, with what is known; the second at once, and
// what is open is undone all the same.
func TestInterruptsUndo(t *testing.T) {
	t.Parallel()
	dir, flag := touching(t, seven, "sleep 0.3; "+remove)
	s := startAckproofIn(t, dir, "run", "touching.yaml", "--quiet")
	until(t, time.Minute, "the fault is open", func() bool { return there(flag) })
	s.cmd.Process.Signal(os.Interrupt)
	if code := s.code(); code != exitInterrupted || there(flag) {
		t.Errorf("once: exit code %d, still open %v", code, there(flag))
	}
	if r := resultOf(t, s.latest()); r.Verdict != bench.VerdictUnknown || !r.Faults[0].Undone || r.Faults[0].Bitten != 7 {
		t.Errorf("once: verdict %s, %+v", r.Verdict, r.Faults[0])
	}

	dir, flag = touching(t, seven, "sleep 0.3; "+remove)
	s = startAckproofIn(t, dir, "run", "touching.yaml")
	until(t, time.Minute, "the fault is open", func() bool { return there(flag) })
	s.cmd.Process.Signal(os.Interrupt)
	until(t, time.Minute, "the first interrupt is heard", func() bool { return strings.Contains(s.stderr.String(), "interrupted:") })
	s.cmd.Process.Signal(os.Interrupt)
	if code := s.code(); code != exitInterrupted || there(flag) {
		t.Errorf("twice: exit code %d, still open %v", code, there(flag))
	}
	if there(filepath.Join(s.latest(), "result.json")) {
		t.Error("twice: it was judged, so it did not end at once")
	}
}
