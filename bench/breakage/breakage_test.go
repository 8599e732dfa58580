package breakage

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
)

const run = bench.RunID("01234567")

func sh(script string) Command {
	return Command{Run: []string{"/bin/sh", "-c", script}, Timeout: 10 * time.Second}
}

// touching is a breakage that is a file: it is open while the file is there.
func touching(dir string) Open {
	return Open{Fault: 3, Text: "at 1s for 1s: exec.run command=touch", Dir: dir, Env: []string{"FLAG=flag"}, Commands: Commands{
		Do: sh(`touch "$FLAG"`), Undo: sh(`rm -f "$FLAG"`), Confirm: sh(`test ! -e "$FLAG"`), Count: sh(`if test -e "$FLAG"; then echo 7; else echo 2; fi`),
	}}
}

func folder(t *testing.T) *Folder {
	t.Helper()
	state := filepath.Join(t.TempDir(), "state")
	f, err := NewFolder(func(string) string { return state })
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func create(t *testing.T, f *Folder) (j *Journal, dir string) {
	t.Helper()
	dir = t.TempDir()
	j, err := f.Create(run, dir)
	if err != nil {
		t.Fatal(err)
	}
	return j, dir
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func TestBrokenCountedUndoneAndGone(t *testing.T) {
	f := folder(t)
	j, dir := create(t, f)
	flag := filepath.Join(dir, "flag")
	before, err := j.Begin(t.Context(), touching(dir))
	if err != nil || before != 2 || !exists(flag) {
		t.Fatalf("counted %d before, broken: %v, %v", before, exists(flag), err)
	}
	if after, err := j.Count(t.Context(), 3); err != nil || after != 7 {
		t.Errorf("counted %d, %v", after, err)
	}
	for range 2 { // the second time nothing is open
		if err := j.Undo(t.Context(), 3); err != nil || exists(flag) {
			t.Errorf("still broken: %v, %v", exists(flag), err)
		}
	}
	if err := j.Close(); err != nil || exists(filepath.Join(dir, FileName)) {
		t.Errorf("the journal is left: %v", err)
	}
	if left, err := f.Left(); err != nil || len(left) != 0 {
		t.Errorf("%d left, %v", len(left), err)
	}
}

// What is on disk before the command runs is enough to undo it, under either name
// of the journal, and by nobody else while the run lives.
func TestLeftByADeadRun(t *testing.T) {
	for name, of := range map[string]func(f *Folder, dir string) (*Journal, error){
		"by its directory": func(f *Folder, dir string) (*Journal, error) { return f.Of(dir) },
		"by its id":        func(f *Folder, _ string) (*Journal, error) { return f.Of(string(run)) },
		"of all, its directory removed": func(f *Folder, dir string) (*Journal, error) {
			if err := os.Remove(filepath.Join(dir, FileName)); err != nil {
				return nil, err
			}
			left, err := f.Left()
			if len(left) != 1 {
				return nil, errors.New("not one is left")
			}
			return left[0], err
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := folder(t)
			j, dir := create(t, f)
			o := touching(dir)
			o.Commands.Do = sh(`touch "$FLAG"; exit 9`) // cut off halfway
			if _, err := j.Begin(t.Context(), o); err == nil || !strings.Contains(err.Error(), "exit status 9") {
				t.Fatalf("it broke: %v", err)
			}
			if left, err := f.Left(); err != nil || len(left) != 0 {
				t.Fatalf("%d left by a run that lives, %v", len(left), err)
			}
			if _, err := f.Of(dir); !errors.Is(err, ErrAlive) {
				t.Fatalf("a run that lives: %v", err)
			}
			j.file.Close() // as the kernel does it for a process that was killed
			l, err := of(f, dir)
			if err != nil {
				t.Fatal(err)
			}
			if got := l.Texts(); len(got) != 1 || got[0] != o.Text {
				t.Errorf("open: %q", got)
			}
			if err := errors.Join(l.UndoAll(t.Context()), l.Close()); err != nil {
				t.Error(err)
			}
			if exists(filepath.Join(dir, "flag")) {
				t.Error("still broken")
			}
			if _, err := f.Of(string(run)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the journal is left: %v", err)
			}
		})
	}
}

func TestWhatIsNotConfirmedStaysOpen(t *testing.T) {
	f := folder(t)
	j, dir := create(t, f)
	o := touching(dir)
	o.Commands.Undo = sh("true")
	if _, err := j.Begin(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if err := f.UndoMine(t.Context()); err == nil || !strings.Contains(err.Error(), "not confirmed") {
		t.Errorf("undone: %v", err)
	}
	j.Close()
	left, err := f.Left()
	if err != nil || len(left) != 1 || len(left[0].Texts()) != 1 {
		t.Fatalf("%d left, %v", len(left), err)
	}
	left[0].file.Close()
}

func TestCommandsEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		run  Command
		want string
	}{
		"timeout": {Command{Run: []string{"/bin/sh", "-c", "sleep 600 & sleep 600"}, Timeout: 50 * time.Millisecond}, "killed after its timeout of 50ms"},
		"missing": {Command{Run: []string{"no-such-program-of-ours"}, Timeout: time.Second}, "not found"},
		"fails":   {sh("echo why >&2; exit 3"), "exit status 3: why"},
		"none":    {Command{}, "no command"},
	} {
		if _, err := tt.run.run(t.Context(), "", nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A daemon that holds the output does not hold us, and lives on.
	out, err := sh(`(exec 9>&1; sleep 600) & echo $!`).run(t.Context(), "", nil)
	if err != nil || strings.TrimSpace(out) == "" {
		t.Fatalf("%q, %v", out, err)
	}
	if _, err := sh("kill "+out).run(t.Context(), "", nil); err != nil {
		t.Errorf("it does not live on: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sh("true").run(ctx, "", nil); err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("interrupted: %v", err)
	}
}

func TestCountsThatAreNone(t *testing.T) {
	for _, printed := range []string{"", "x", "-1", "1 2", "1.5"} {
		o := Open{Commands: Commands{Count: sh("echo '" + printed + "'")}}
		if n, err := o.count(t.Context()); err == nil || !strings.Contains(err.Error(), "want one whole number") {
			t.Errorf("%q: %d, %v", printed, n, err)
		}
	}
}

func FuzzJournal(f *testing.F) {
	f.Add([]byte(`{"Run":"01234567","Dir":"/r"}` + "\n" + `{"Open":{"Fault":1,"Text":"x"}}` + "\n" + `{"Over":1}` + "\n"))
	f.Add([]byte(`{"Run":"01234567","Dir":"/r"}` + "\n" + `{"Open":{"Fau`))
	f.Fuzz(func(t *testing.T, b []byte) {
		j := Journal{open: map[int]Open{}}
		if err := j.decode(b); err == nil && (!j.Run.Valid() || j.Dir == "") {
			t.Errorf("taken without a run: %q", b)
		}
	})
}

// What takes too long ends with all that it has started: who reads from its child
// comes to an end.
func TestATimeoutEndsTheWholeGroup(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := os.ReadFile(pipe)
		ended <- err
	}()
	c := Command{Run: []string{"/bin/sh", "-c", "exec 3>pipe; sleep 30 & sleep 30"}, Timeout: 300 * time.Millisecond}
	if _, err := c.run(t.Context(), dir, nil); err == nil {
		t.Error("no error")
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("its child lives on")
	}
}
