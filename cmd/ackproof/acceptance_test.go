package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/reports"
)

// built gives the path of a command of this module, built without the race
// detector: a stack that is ten times slower would be another experiment.
var built = func() func(t *testing.T, pkg string) string {
	var mu sync.Mutex
	done := map[string]string{}
	return func(t *testing.T, pkg string) string {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		if path, ok := done[pkg]; ok {
			return path
		}
		path := filepath.Join(buildDir, filepath.Base(pkg))
		out, err := exec.Command("go", "build", "-o", path, "github.com/ackproof/ackproof/"+pkg).CombinedOutput()
		if err != nil {
			t.Fatalf("build %s: %v\n%s", pkg, err, out)
		}
		done[pkg] = path
		return path
	}
}()

// session is one call of ackproof in a folder of its own.
type session struct {
	t              *testing.T
	dir            string
	cmd            *exec.Cmd
	stdout, stderr safeBuffer
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// startAckproof starts a call; the test ends it if nothing else does.
func startAckproof(t *testing.T, args ...string) *session {
	t.Helper()
	return startAckproofIn(t, t.TempDir(), args...)
}

// startAckproofIn starts a call in a folder that is there.
func startAckproofIn(t *testing.T, dir string, args ...string) *session {
	t.Helper()
	return startAckproofWith(t, dir, nil, args...)
}

// live skips what plays with the built ackproof where -short is said, which goes with
// -race: it is built without the race detector.
func live(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("plays with the built ackproof: without -short")
	}
}

// startAckproofWith starts a call with further variables in its environment.
func startAckproofWith(t *testing.T, dir string, env []string, args ...string) *session {
	t.Helper()
	live(t)
	s := &session{t: t, dir: dir}
	s.cmd = exec.Command(built(t, "cmd/ackproof"), args...)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = s.dir, &s.stdout, &s.stderr
	s.cmd.Env = append(os.Environ(), "TMPDIR="+s.dir, "ACKPROOF_STATE="+filepath.Join(s.dir, "state")) // what a killed call leaves goes with the test
	s.cmd.Env = append(s.cmd.Env, env...)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.cmd.Process.Kill()
		s.cmd.Wait()
		if t.Failed() {
			t.Logf("ackproof %s\n%s%s", strings.Join(args, " "), s.stdout.String(), s.stderr.String())
		}
	})
	return s
}

// code waits for the end of a call.
func (s *session) code() int {
	s.t.Helper()
	timer := time.AfterFunc(3*time.Minute, func() { s.cmd.Process.Kill() })
	defer timer.Stop()
	err := s.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return s.cmd.ProcessState.ExitCode()
}

// latest is the run directory.
func (s *session) latest() string { return filepath.Join(s.dir, "runs", "latest") }

// runDir is the only run directory, before `latest` points to it.
func (s *session) runDir() string {
	dirs, _ := filepath.Glob(filepath.Join(s.dir, "runs", "*-*-*"))
	if len(dirs) != 1 {
		return ""
	}
	return dirs[0]
}

func readJSON[T any](t *testing.T, path string) T {
	t.Helper()
	var v T
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// resultOf reads result.json and holds it to its published schema, and series.json
// to its own where there is one.
func resultOf(t *testing.T, dir string) bench.Result {
	t.Helper()
	path := filepath.Join(dir, "result.json")
	if err := resultSchema().Validate(readJSON[any](t, path)); err != nil {
		t.Errorf("%s: %v", path, err)
	}
	series := filepath.Join(dir, "series.json")
	if _, err := os.Stat(series); err == nil {
		if err := seriesSchema().Validate(readJSON[any](t, series)); err != nil {
			t.Errorf("%s: %v", series, err)
		}
	}
	return readJSON[bench.Result](t, path)
}

var (
	resultSchema = sync.OnceValue(func() *jsonschema.Resolved { return schemaIn(reports.ResultSchema) })
	seriesSchema = sync.OnceValue(func() *jsonschema.Resolved { return schemaIn(reports.SeriesSchema) })
)

func schemaIn(text []byte) *jsonschema.Resolved {
	var s jsonschema.Schema
	if err := json.Unmarshal(text, &s); err != nil {
		panic(err)
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		panic(err)
	}
	return resolved
}

// lines reads a file of JSON lines.
func lines[T any](t *testing.T, path string) []T {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []T
	for d := json.NewDecoder(f); ; {
		var v T
		switch err := d.Decode(&v); {
		case err == io.EOF:
			return all
		case err != nil:
			t.Fatalf("%s: %v", path, err)
		}
		all = append(all, v)
	}
}

// event is a line of events.jsonl.
type event struct {
	TMs   float64 `json:"t_ms"`
	Kind  string  `json:"kind"`
	PID   int     `json:"pid"`
	Fault *int    `json:"fault"`
	Text  string  `json:"text"`
}

func until(t *testing.T, limit time.Duration, what string, condition func() bool) {
	t.Helper()
	deadline, tick := time.After(limit), time.NewTicker(20*time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("after %v it is not so that %s", limit, what)
		}
	}
}

func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil && !zombie(pid)
}

// zombie reports whether a process is dead and only waits to be reaped: orphans
// in a container may wait for ever.
func zombie(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return strings.HasPrefix(rest, "Z")
}
