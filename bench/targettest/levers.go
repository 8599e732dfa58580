package targettest

import (
	"testing"

	"github.com/ackproof/ackproof/bench"
)

// pulled begins a lever and waits until it is done.
func (s *system) pulled(fault int) {
	s.t.Helper()
	s.begin(fault)
	s.until("the lever is done", func() bool { return s.bitten(fault) == 1 })
}

// effects is how many items have been processed.
func (s *system) effects() int { return len(s.rows(s.endpoints.ResultsTable)) }

// disabled: what comes meanwhile waits and is no proof of anything; a mapping that
// is made anew delivers it again, and nothing is done twice.
func disabled(t *testing.T, target bench.Target) {
	s := start(t, target, func(stack *bench.Stack) {
		stack.Faults = []string{"at 0s for 10s: mapping.disable", "at 0s: mapping.recreate by=50ms", "at 0s: mapping.update by=50ms"}
	})
	s.pulled(0)
	s.postAll()
	p, err := target.Position(t.Context())
	if err != nil || p.Drained() || s.effects() != 0 {
		t.Errorf("with the mapping disabled: drained %v, %d effects (%v)", p.Drained(), s.effects(), err)
	}
	s.end(0)
	s.drain()
	s.expectOnce()
	for fault := 1; fault <= 2; fault++ {
		s.pulled(fault)
		s.end(fault)
		s.drain()
		s.expectOnce()
	}
}

// forgotten: what the stream has trimmed will never be delivered, so it must not
// be waited for.
func forgotten(t *testing.T, target bench.Target) {
	s := start(t, target, func(stack *bench.Stack) {
		stack.Faults = []string{"at 0s for 10s: mapping.disable", example[clockSkip]}
	})
	s.pulled(0)
	s.postAll()
	s.pulled(1)
	s.end(1)
	s.end(0)
	s.drain()
	if n := s.effects(); n != 0 || len(s.rows(s.endpoints.ItemsTable)) != requests {
		t.Errorf("%d effects, %d items", n, len(s.rows(s.endpoints.ItemsTable)))
	}
	s.post(requests)
	s.drain()
	if n := s.effects(); n != 1 {
		t.Errorf("%d effects of the one item behind the day", n)
	}
}

// anotherStream: a mapping reads the stream that it was made for.
func anotherStream(t *testing.T, target bench.Target) {
	s := start(t, target, func(stack *bench.Stack) { stack.Faults = []string{example[streamRestart]} })
	s.post(requests)
	s.drain()
	s.pulled(0)
	s.post(requests + 1)
	s.end(0)
	s.postAll()
	s.drain()
	if n := s.effects(); n != 1 {
		t.Errorf("%d effects, want that of the one item in the old stream", n)
	}
}
