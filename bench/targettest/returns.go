package targettest

import (
	"maps"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// durable puts the tables on disk, and makes the processor slow enough for much
// to wait when everything is killed.
func durable(t *testing.T, stack *bench.Stack) {
	stack.Data = filepath.Join(t.TempDir(), "data")
	stack.Processor.Work = 5 * time.Millisecond
}

// killCloud kills everything by fault 0, and returns when it is up again.
func (s *system) killCloud() {
	s.t.Helper()
	before := s.bitten(0)
	s.begin(0)
	s.http.CloseIdleConnections() // those to the dead
	s.end(0)
	if n := s.bitten(0); n != before+1 {
		s.t.Errorf("after one more strike %d are counted, and %d before", n, before)
	}
}

// outlives kills everything while what was acknowledged waits to be processed.
func outlives(t *testing.T, target bench.Target, architecture string) {
	s := start(t, target, func(stack *bench.Stack) {
		durable(t, stack)
		stack.Architecture, stack.Faults = architecture, []string{"at 0s: cloud.kill"}
	})
	want := http.StatusOK
	if architecture == bench.FireAndForget {
		want = http.StatusAccepted
	}
	for seq := range uint64(requests / 2) {
		if got := s.post(seq); got != want {
			t.Fatalf("status %d before the kill", got)
		}
	}
	told, err := target.Position(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if done := len(s.rows(s.endpoints.ResultsTable)); architecture != bench.Sync && done == requests/2 {
		t.Errorf("all %d are processed before the kill, which proves little then", done)
	}
	s.killCloud()
	if p, err := target.Position(t.Context()); err != nil || p.Committed < told.Committed || p.Effects < told.Effects {
		t.Errorf("counters %+v (%v) have fallen below %+v", p, err, told)
	}
	for seq := uint64(requests / 2); seq < requests; seq++ {
		if got := s.post(seq); got != want {
			t.Errorf("status %d after the kill, at the same address", got)
		}
	}
	s.drain()
	s.expectOnce()
	if !s.seen(bench.EventTargetReturn) || s.seen(bench.EventTargetDeath) {
		t.Error("that it is up again was not told, or it was told as dead for good")
	}
}

// lettersOutlive kills everything when all records are given up and settled: no
// redelivery would bring their letters back.
func lettersOutlive(t *testing.T, target bench.Target) {
	s := start(t, target, func(stack *bench.Stack) {
		durable(t, stack)
		stack.Mapping.MaximumRetryAttempts, stack.Mapping.OnFailure = 0, "payload"
		stack.Faults = []string{"at 0s: cloud.kill", "at 0s for 10s: invoke.fail"}
	})
	s.begin(1)
	s.postAll()
	s.drain()
	read := func() map[uint64]bool {
		letters, err := target.DeadLetters(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		readable := map[uint64]bool{}
		for _, l := range letters {
			readable[l.Seq] = readable[l.Seq] || l.Readable
		}
		return readable
	}
	before, bitten := read(), s.bitten(1)
	s.killCloud()
	if after := read(); len(before) != requests || !maps.Equal(before, after) {
		t.Errorf("%d dead letters before the kill and %d after it, want %d", len(before), len(after), requests)
	}
	if n := s.bitten(1); n < bitten {
		t.Errorf("%d strikes are counted after the kill, and %d before", n, bitten)
	}
}

// faultsOutlive kills everything while a window and a lever are in force.
func faultsOutlive(t *testing.T, target bench.Target) {
	s := start(t, target, func(stack *bench.Stack) {
		durable(t, stack)
		stack.Faults = []string{"at 0s: cloud.kill", "at 0s for 10s: mapping.disable", "at 0s for 10s: table.throttle", "at 0s: clock.skip by=1h"}
	})
	s.pulled(1)
	s.pulled(3)
	s.postAll()
	s.begin(2)
	if got := s.post(0); got != http.StatusTooManyRequests {
		t.Errorf("status %d under the throttle", got)
	}
	s.killCloud()
	if got := s.post(0); got != http.StatusTooManyRequests {
		t.Errorf("status %d: the throttle is gone with the process", got)
	}
	if n := s.bitten(2); n != 2 {
		t.Errorf("%d throttled operations counted, want one before the kill and one after it", n)
	}
	s.end(2)
	if got := s.post(0); got != http.StatusOK {
		t.Errorf("status %d after the throttle", got)
	}
	s.killCloud()
	if n := len(s.rows(s.endpoints.ResultsTable)); n != 0 {
		t.Errorf("%d effects: the mapping is not disabled any more", n)
	}
	s.end(1)
	s.drain()
	s.expectOnce()
	if n, m := s.bitten(1), s.bitten(3); n != 1 || m != 1 {
		t.Errorf("the levers were pulled %d and %d times, want once each", n, m)
	}
}
