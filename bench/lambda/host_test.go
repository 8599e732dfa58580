package lambda

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
)

func TestInvoke(t *testing.T) {
	h := startHost(t, config(t, "go"))
	first := invoke(t, h, goEvent{Say: "hello"})
	second := invoke(t, h, goEvent{Say: "again"})
	if first.Error != nil || second.Error != nil {
		t.Fatalf("errors %+v, %+v", first.Error, second.Error)
	}
	var a, b struct {
		Said string
		PID  int
	}
	if err := json.Unmarshal(first.Payload, &a); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(second.Payload, &b); err != nil {
		t.Fatal(err)
	}
	if a.Said != "hello" || b.Said != "again" || a.PID == 0 || a.PID != b.PID {
		t.Errorf("answers %s and %s; want the echo of one process", first.Payload, second.Payload)
	}
	if first.HandedAt.IsZero() || !second.HandedAt.After(first.HandedAt) {
		t.Errorf("handed over at %v and %v", first.HandedAt, second.HandedAt)
	}
	poll(t, "no invocation open", func() bool { return h.Open() == 0 })
}

// TestEnds has a row for each way in which an invocation can end.
func TestEnds(t *testing.T) {
	for _, test := range []struct {
		role    string
		event   goEvent
		timeout time.Duration
		init    time.Duration

		kind    string // of the error; "": success
		message string // part of it
		outcome bench.DeliveryOutcome
		handed  bool
		death   string // part of the death's text; "": the process lives on
	}{
		{role: "go", event: goEvent{Fail: "no such item"}, kind: "customError", message: "no such item", outcome: bench.DeliveryError, handed: true},
		{role: "go", event: goEvent{Panic: "oh no"}, kind: "string", message: "oh no", outcome: bench.DeliveryError, handed: true, death: "exit status 1"},
		{role: "go", event: goEvent{Sleep: time.Minute}, timeout: 300 * time.Millisecond,
			kind: TypeTimedout, message: "Task timed out after 0.30 seconds", outcome: bench.DeliveryTimeout, handed: true, death: "reset by time-out of 300ms"},
		{role: "exit-3", kind: TypeExitError, message: "Error: Runtime exited with error: exit status 3", outcome: bench.DeliveryCrash, handed: true, death: "exit status 3"},
		{role: "exit-0", kind: TypeExitError, message: "Runtime exited without providing a reason", outcome: bench.DeliveryCrash, handed: true, death: "exit status 0"},
		{role: "suicide", kind: TypeExitError, message: "Runtime exited with error: signal: killed", outcome: bench.DeliveryCrash, handed: true, death: "signal: killed"},
		{role: "exit-in-init", kind: TypeExitError, message: "exit status 4", outcome: bench.DeliveryCrash, death: "exit status 4"},
		{role: "init-error", kind: "Function.NoTable", message: "no table", outcome: bench.DeliveryCrash, death: "exit status 1"},
		{role: "never-next", init: 200 * time.Millisecond, timeout: 300 * time.Millisecond, kind: TypeTimedout, message: "Task timed out after 0.30 seconds", outcome: bench.DeliveryTimeout, death: "never asked for work"},
		{role: "half-response", kind: TypeTruncated, outcome: bench.DeliveryError, handed: true},
		{role: "huge-response", kind: TypeResponseSize, message: "6291556", outcome: bench.DeliveryError, handed: true},
		{role: "trailer-error", kind: "Runtime.StreamError", message: "late", outcome: bench.DeliveryError, handed: true},
		{role: "plain-error", kind: TypeFunctionUnknown, message: "not json", outcome: bench.DeliveryError, handed: true},
		{role: "answer-exit", handed: true, death: "exit status 9"},
		{role: "answer-hang", timeout: 600 * time.Millisecond, handed: true, death: "reset by time-out"},
		{role: "next-twice", handed: true},
	} {
		name := test.role
		if test.role == "go" {
			name += " " + test.kind
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var events diary
			cfg := config(t, test.role)
			cfg.Observer = &events
			if test.timeout > 0 {
				cfg.Timeout = test.timeout
			}
			h := startHost(t, cfg)
			if test.init > 0 {
				h.initLimit = test.init
			}
			answer := invoke(t, h, test.event)
			if test.kind == "" {
				if answer.Error != nil {
					t.Fatalf("error %+v, want success", answer.Error)
				}
			} else if answer.Error == nil {
				t.Fatalf("success %s, want %s", answer.Payload, test.kind)
			} else {
				if answer.Error.Type != test.kind || answer.Error.Outcome != test.outcome || !strings.Contains(answer.Error.Message, test.message) {
					t.Errorf("error %+v, want type %s, outcome %v, message with %q", *answer.Error, test.kind, test.outcome, test.message)
				}
			}
			if handed := !answer.HandedAt.IsZero(); handed != test.handed {
				t.Errorf("handed over: %v, want %v", handed, test.handed)
			}
			if test.role == "next-twice" && string(answer.Payload) != "403" {
				t.Errorf("a second next was answered %s, want 403", answer.Payload)
			}
			poll(t, "no invocation open", func() bool { return h.Open() == 0 })
			if test.death == "" {
				if deaths := events.of(bench.EventProcessorDeath); len(deaths) > 0 {
					t.Errorf("the process died: %s", deaths[0].Text)
				}
				return
			}
			poll(t, "a death", func() bool { return len(events.of(bench.EventProcessorDeath)) > 0 })
			if death := events.of(bench.EventProcessorDeath)[0]; !strings.Contains(death.Text, test.death) || death.PID == 0 {
				t.Errorf("death of %d: %q, want %q in it", death.PID, death.Text, test.death)
			}
		})
	}
}

func TestInvalidEntrypoint(t *testing.T) {
	h := startHost(t, Config{Program: Program{Command: []string{"/nowhere/bootstrap"}}})
	answer := invoke(t, h, goEvent{})
	if answer.Error == nil || answer.Error.Type != TypeInvalidEntrypoint || !answer.HandedAt.IsZero() {
		t.Errorf("answer %+v, want %s", answer, TypeInvalidEntrypoint)
	}
	err := h.Warm(context.Background(), 1)
	if err == nil || !strings.Contains(err.Error(), "/nowhere/bootstrap") {
		t.Errorf("warm: %v, want an error that names the binary", err)
	}
}

func TestWarm(t *testing.T) {
	var events diary
	cfg := config(t, "go")
	cfg.Concurrency = 2
	cfg.Observer = &events
	h := startHost(t, cfg)
	if err := h.Warm(context.Background(), 2); err != nil {
		t.Fatal(err)
	}
	if n := len(h.Processes()); n != 2 {
		t.Errorf("%d processes, want 2", n)
	}
	poll(t, "two starts", func() bool { return len(events.of(bench.EventProcessorStart)) == 2 })
	if err := h.Warm(context.Background(), 3); err == nil {
		t.Error("3 processes at a concurrency of 2: no error")
	}
}

func TestWarmTellsLastWords(t *testing.T) {
	h := startHost(t, config(t, "exit-in-init"))
	err := h.Warm(context.Background(), 1)
	if err == nil || !strings.Contains(err.Error(), "no configuration found") || !strings.Contains(err.Error(), "exit status 4") {
		t.Errorf("error %v, want exit status and last output", err)
	}
}

// TestInitialisationIsRunAgain: what fails at the start is run once more inside
// of the invocation, on the invocation's time, and no third time.
func TestInitialisationIsRunAgain(t *testing.T) {
	var events diary
	cfg := config(t, "second-init")
	cfg.Observer = &events
	cfg.Env = append(cfg.Env, "MARK="+filepath.Join(t.TempDir(), "mark"))
	h := startHost(t, cfg)
	answer := invoke(t, h, goEvent{Say: "hello"})
	if answer.Error != nil || answer.HandedAt.IsZero() {
		t.Fatalf("the second initialisation succeeds, and the answer is %+v", answer.Error)
	}
	if deaths := events.of(bench.EventProcessorDeath); len(deaths) != 1 || !strings.Contains(deaths[0].Text, "exit status 6") {
		t.Errorf("deaths %v, want that of the first initialisation", deaths)
	}

	var failing diary
	cfg = config(t, "exit-in-init")
	cfg.Observer = &failing
	h = startHost(t, cfg)
	if answer := invoke(t, h, goEvent{}); answer.Error == nil || answer.Error.Type != TypeExitError {
		t.Fatalf("%+v", answer)
	}
	if deaths := failing.of(bench.EventProcessorDeath); len(deaths) != 2 {
		t.Errorf("%d initialisations, want 2", len(deaths))
	}

	h = startHost(t, config(t, "never-next"))
	h.initLimit = 200 * time.Millisecond
	if err := h.Warm(context.Background(), 1); err == nil || !strings.Contains(err.Error(), "Init timed out after 0.20 seconds") {
		t.Errorf("warm: %v", err)
	}
}

// TestMemoryLimit: a function that stays below lives, one that grows past it is
// killed as Lambda kills it, and so is one whose child grows.
func TestMemoryLimit(t *testing.T) {
	if !CanLimitMemory() {
		t.Skip("this system does not say how much memory a process holds")
	}
	var events diary
	cfg := config(t, "go")
	cfg.MemoryMB = 256
	cfg.Observer = &events
	h := startHost(t, cfg)
	if answer := invoke(t, h, goEvent{Hold: 16, Sleep: 100 * time.Millisecond}); answer.Error != nil {
		t.Errorf("killed below its limit: %+v", answer.Error)
	}
	answer := invoke(t, h, goEvent{Hold: 400, Sleep: time.Minute})
	if answer.Error == nil || answer.Error.Type != TypeExitError || !strings.HasSuffix(answer.Error.Message, "signal: killed") || answer.Error.Outcome != bench.DeliveryCrash {
		t.Errorf("answer %+v, want a crash by SIGKILL", answer)
	}
	if deaths := events.of(bench.EventProcessorDeath); len(deaths) != 1 || !strings.Contains(deaths[0].Text, "more than 256 MB") {
		t.Errorf("deaths %v", deaths)
	}
}

func TestThrottle(t *testing.T) {
	cfg := config(t, "go")
	cfg.Concurrency = 2
	h := startHost(t, cfg)
	if err := h.Warm(context.Background(), 2); err != nil {
		t.Fatal(err)
	}
	answers := make(chan bench.Answer, 5)
	for range 5 {
		go func() { answers <- invoke(t, h, goEvent{Sleep: 500 * time.Millisecond}) }()
	}
	throttled := 0
	for range 5 {
		switch answer := <-answers; {
		case answer.Throttled:
			throttled++
			if !answer.HandedAt.IsZero() || answer.Error != nil {
				t.Errorf("throttled answer %+v", answer)
			}
		case answer.Error != nil:
			t.Errorf("error %+v", answer.Error)
		}
	}
	if throttled != 3 {
		t.Errorf("%d of 5 throttled at a concurrency of 2, want 3", throttled)
	}
}

// TestSequentialCallerIsNotThrottled: an answer frees the place although the
// process has not asked for work again yet.
func TestSequentialCallerIsNotThrottled(t *testing.T) {
	h := startHost(t, config(t, "go"))
	for i := range 200 {
		if answer := invoke(t, h, goEvent{Say: "x"}); answer.Throttled || answer.Error != nil {
			t.Fatalf("invocation %d: %+v", i, answer)
		}
	}
	if h.last != 1 {
		t.Errorf("%d processes were started, want 1", h.last)
	}
}

func TestCallerGoesAway(t *testing.T) {
	h := startHost(t, config(t, "go"))
	if err := h.Warm(context.Background(), 1); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		poll(t, "the event is handed over", func() bool {
			h.mu.Lock()
			defer h.mu.Unlock()
			return h.procs[1].state == running
		})
	}()
	answer := h.Invoke(ctx, bench.Invocation{Payload: []byte(`{"sleep":700000000}`)})
	if answer.Error == nil || answer.Error.Type != TypeCancelled || answer.HandedAt.IsZero() {
		t.Errorf("answer %+v, want %s of an event that was handed over", answer, TypeCancelled)
	}
	if h.Open() != 1 {
		t.Error("the function goes on, but no invocation is open")
	}
	if answer := invoke(t, h, goEvent{}); !answer.Throttled {
		t.Errorf("answer %+v; the place should still be taken", answer)
	}
	poll(t, "the function ends", func() bool { return h.Open() == 0 })
}

func TestRuntimeStatuses(t *testing.T) {
	var out syncBuffer
	cfg := config(t, "wrong-id")
	cfg.Log = &out
	h := startHost(t, cfg)
	if answer := invoke(t, h, goEvent{}); answer.Error != nil {
		t.Fatalf("error %+v", answer.Error)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go h.Invoke(ctx, bench.Invocation{Payload: []byte(`{}`)})
	poll(t, "the statuses", func() bool { return strings.Contains(out.String(), "statuses 400 202 400") })
}

func TestLog(t *testing.T) {
	var out syncBuffer
	cfg := config(t, "go")
	cfg.Log = &out
	h := startHost(t, cfg)
	ctx := context.Background()
	if a := h.Invoke(ctx, bench.Invocation{RequestID: "request-1", Payload: []byte(`{"print":"one\ntwo"}`)}); a.Error != nil {
		t.Fatal(a.Error)
	}
	poll(t, "two lines", func() bool { return strings.Count(out.String(), "\n") >= 2 })
	lines := strings.Split(out.String(), "\n")
	for i, want := range []string{"one", "two"} {
		fields := strings.Fields(lines[i])
		if len(fields) != 4 || fields[3] != want {
			t.Fatalf("line %q, want time, pid, request and %q", lines[i], want)
		}
		if _, err := time.Parse(timestamp, fields[0]); err != nil {
			t.Error(err)
		}
	}
}

func TestReadLines(t *testing.T) {
	var got []string
	long := strings.Repeat("y", 3*maxLine)
	readLines(strings.NewReader("a\r\n\n"+long+"\nb"), func(s string) { got = append(got, s) })
	if len(got) != 4 || got[0] != "a" || got[1] != "" || got[2] != long[:maxLine]+" ..." || got[3] != "b" {
		t.Errorf("lines of lengths %d: %.20q", len(got), got)
	}
}

func TestCloseGivesSIGTERM(t *testing.T) {
	var out syncBuffer
	cfg := config(t, "go-sigterm")
	cfg.Log = &out
	h := startHost(t, cfg)
	h.grace = 10 * time.Second // a busy machine may not let it speak within half a second
	if a := invoke(t, h, goEvent{}); a.Error != nil {
		t.Fatal(a.Error)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "goodbye") { // its output is whole when Close returns
		t.Errorf("the function said only %q", out.String())
	}
}

func TestCloseEndsInvocations(t *testing.T) {
	h := startHost(t, config(t, "go"))
	answers := make(chan bench.Answer, 1)
	go func() { answers <- invoke(t, h, goEvent{Sleep: time.Minute}) }()
	poll(t, "an invocation", func() bool { return h.Open() == 1 })
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if answer := <-answers; answer.Error == nil {
		t.Errorf("answer %+v, want an error", answer)
	}
	if answer := invoke(t, h, goEvent{}); answer.Error == nil || answer.Error.Type != TypeClosed {
		t.Errorf("answer %+v after Close, want %s", answer, TypeClosed)
	}
	if err := h.InvokeAsync([]byte(`{}`)); err == nil {
		t.Error("InvokeAsync after Close: no error")
	}
}

// TestKilledFromOutside: a user's own command may kill a process that waits.
// Nobody's invocation crashed, and it is no strike of ours.
func TestKilledFromOutside(t *testing.T) {
	var events diary
	cfg := config(t, "go")
	cfg.Observer = &events
	h := startHost(t, cfg)
	if err := h.Warm(context.Background(), 1); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(h.Processes()[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	poll(t, "a death", func() bool { return len(events.of(bench.EventProcessorDeath)) == 1 })
	if death := events.of(bench.EventProcessorDeath)[0]; death.Fault != nil || !strings.Contains(death.Text, "ended: signal: killed") {
		t.Errorf("death %+v, want one without a fault", death)
	}
	if !h.Recovered() {
		t.Error("a successor is owed for a kill that is not ours")
	}
	if a := invoke(t, h, goEvent{}); a.Error != nil {
		t.Errorf("error %+v", a.Error)
	}
}

// isStopped says whether the kernel has stopped each thread of a process: kill(2)
// returns before that.
func isStopped(t *testing.T, pid int) bool {
	t.Helper()
	stats, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(stats) == 0 {
		t.Fatalf("no threads of %d (%v)", pid, err)
	}
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if _, state, ok := strings.Cut(string(b), ") "); err == nil && ok && !strings.HasPrefix(state, "T") {
			return false
		}
	}
	return true
}

// TestFrozen: a process that is stopped with SIGSTOP runs into the time-out and
// can be killed nevertheless.
func TestFrozen(t *testing.T) {
	cfg := config(t, "go")
	cfg.Timeout = 300 * time.Millisecond
	h := startHost(t, cfg)
	if err := h.Warm(context.Background(), 1); err != nil {
		t.Fatal(err)
	}
	pid := h.Processes()[0]
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	poll(t, "a process that is stopped", func() bool { return isStopped(t, pid) })
	if a := invoke(t, h, goEvent{}); a.Error == nil || a.Error.Type != TypeTimedout || a.Error.Outcome != bench.DeliveryTimeout {
		t.Errorf("answer %+v, want %s", a, TypeTimedout)
	}
}
