package run_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/breakage"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/run"
)

// outliving is a target whose faults outlive the run, and take their time.
type outliving struct {
	*inProcess
	slow   time.Duration
	fails  error // what End gives
	denied error // what Begin gives
	undo   []string

	mu    sync.Mutex
	found []string // what is on disk when a fault begins
	order []string
	dir   string // of the journals
}

func (o *outliving) Patience() time.Duration { return 10 * time.Second }
func (o *outliving) Undoing() []string       { return o.undo }

// Outlives leaves out what strikes between client and API.
func (o *outliving) Outlives(stack bench.Stack, i int) bool {
	return !strings.Contains(stack.Faults[i], " client.")
}

func (o *outliving) Begin(_ context.Context, i int) error {
	time.Sleep(o.slow)
	o.mu.Lock()
	defer o.mu.Unlock()
	files, _ := filepath.Glob(filepath.Join(o.dir, "*.jsonl"))
	for _, f := range files {
		b, _ := os.ReadFile(f)
		o.found = append(o.found, string(b))
	}
	o.order = append(o.order, "begun")
	if o.denied != nil {
		return o.denied
	}
	return o.inProcess.Begin(context.Background(), i)
}

func (o *outliving) End(_ context.Context, i int) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.order = append(o.order, "ended")
	return o.fails
}

const outlived = plan + "faults: [\"at 200ms for 300ms: invoke.disable\"]\n"

// play carries a run out on it, and gives what its journals hold afterwards.
func (o *outliving) play(t *testing.T) (dir string, left []*breakage.Journal, err error) {
	t.Helper()
	o.inProcess, o.dir = &inProcess{t: t}, t.TempDir()
	folder, err := breakage.NewFolder(func(string) string { return o.dir })
	if err != nil {
		t.Fatal(err)
	}
	r, err := run.Prepare(run.Options{Scenario: scenario(t, outlived), Target: o, Seed: 11, Out: t.TempDir(), Clock: clock.Real{}, Breakages: folder})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Stop()
	_, err = r.Do(t.Context())
	left, lookErr := folder.Left()
	if lookErr != nil {
		t.Fatal(lookErr)
	}
	return r.Dir(), left, err
}

// What undoes such a fault is on disk before it begins; it ends when it has begun,
// though that took longer than its window; and nothing is left on disk.
func TestFaultsThatOutliveARunAreWrittenDownFirst(t *testing.T) {
	o := &outliving{slow: 500 * time.Millisecond, undo: []string{"ackproof", "faults", "undo", "--stack", "x"}}
	dir, left, err := o.play(t)
	if err != nil || len(left) != 0 {
		t.Errorf("%d journals left, %v", len(left), err)
	}
	if len(o.found) != 1 || !strings.Contains(o.found[0], `"--stack","x"`) {
		t.Errorf("on disk as it began: %q", o.found)
	}
	if !slices.Equal(o.order, []string{"begun", "ended"}) {
		t.Errorf("in order: %q", o.order)
	}
	if f := judge(t, dir).Faults[0]; f.Bitten != 1 || !f.Undone {
		t.Errorf("bitten %d, undone %v", f.Bitten, f.Undone)
	}
}

// One that cannot be undone fails the run and stays on disk; the command that is
// there undoes it later.
func TestAFaultThatIsNotUndoneStaysOnDisk(t *testing.T) {
	o := &outliving{fails: errors.New("access denied"), undo: []string{"/bin/sh", "-c", "true"}}
	dir, left, err := o.play(t)
	if err == nil || !strings.Contains(err.Error(), `undo fault "at 200ms for 300ms: invoke.disable": access denied`) {
		t.Errorf("it says %v", err)
	}
	if f := judge(t, dir); f.Faults[0].Undone || f.Verdict == bench.Pass {
		t.Errorf("undone %v, verdict %s", f.Faults[0].Undone, f.Verdict)
	}
	if len(left) != 1 || len(left[0].Texts()) != 1 {
		t.Fatalf("%d journals left", len(left))
	}
	if err := errors.Join(left[0].UndoAll(t.Context()), left[0].Close()); err != nil {
		t.Error(err)
	}
}

// One that cannot be begun ends the run with the reason, and is undone all the same.
func TestAFaultThatDoesNotBeginEndsTheRun(t *testing.T) {
	o := &outliving{denied: errors.New("lacks the permission x"), undo: []string{"false"}}
	_, left, err := o.play(t)
	if err == nil || !strings.Contains(err.Error(), "begin fault") || !strings.Contains(err.Error(), "lacks the permission x") || len(left) != 0 {
		t.Errorf("%d journals left, %v", len(left), err)
	}
	if !slices.Contains(o.order, "ended") {
		t.Errorf("in order: %q", o.order)
	}
}

// Without a folder for what undoes it there is no fault that outlives a run.
func TestAnOutlivingFaultWantsAFolder(t *testing.T) {
	err := run.Check(run.Options{Scenario: scenario(t, outlived), Target: &outliving{inProcess: &inProcess{t: t}}, Seed: 11, Out: t.TempDir(), Clock: clock.Real{}})
	if err == nil || !strings.Contains(err.Error(), "ACKPROOF_STATE") {
		t.Errorf("it says %v", err)
	}
	// What ends with the run needs none, and leaves no journal.
	ending := strings.Replace(outlived, "invoke.disable", "client.error 50%", 1)
	o := &outliving{inProcess: &inProcess{t: t}}
	if err := run.Check(run.Options{Scenario: scenario(t, ending), Target: o, Seed: 11, Out: t.TempDir(), Clock: clock.Real{}}); err != nil {
		t.Errorf("faults between client and API: %v", err)
	}
}
