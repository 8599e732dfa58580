package targettest

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/ackproof/ackproof/bench"
)

func keepsEveryItem(t *testing.T, target bench.Target, architecture string) {
	s := start(t, target, func(stack *bench.Stack) { stack.Architecture = architecture })
	want := http.StatusOK
	if architecture == bench.FireAndForget {
		want = http.StatusAccepted
	}
	if got := s.postAll(); got[want] != requests {
		t.Errorf("statuses %v, want %d times %d", got, requests, want)
	}
	s.drain()
	s.expectOnce()
	if !s.seen(bench.EventProcessorStart) {
		t.Error("no processor was seen to start")
	}
	if err := target.Stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if s.post(0) != 0 {
		t.Error("the API answers after the target was stopped")
	}
}

func killedAndBack(t *testing.T, target bench.Target) {
	s := start(t, target, func(stack *bench.Stack) {
		stack.Faults = []string{"at 0s for 10s: processor.kill after-write 3"}
	})
	s.begin(0)
	s.postAll()
	s.until("a processor was killed", func() bool { return s.bitten(0) == 1 })
	s.end(0)
	s.drain()
	s.expectOnce()
	if !s.seen(bench.EventProcessorDeath) || !s.seen(bench.EventStrike) {
		t.Error("the death or the strike was not told with its process")
	}
	if n := s.bitten(0); n != 1 {
		t.Errorf("one strike has bitten %d times", n)
	}
}

func givenUp(t *testing.T, target bench.Target) {
	s := start(t, target, func(stack *bench.Stack) {
		stack.Mapping.MaximumRetryAttempts, stack.Mapping.OnFailure = 1, "payload"
		stack.Faults = []string{"at 0s for 10s: invoke.fail"}
	})
	s.begin(0)
	s.postAll()
	s.drain()
	s.end(0)
	letters, err := target.DeadLetters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[uint64]bool{}
	for _, l := range letters {
		seen[l.Seq] = l.Readable && !l.At.IsZero()
	}
	for seq := range uint64(requests) {
		if !seen[seq] {
			t.Errorf("request %d, which the function never got, is no readable dead letter", seq)
		}
	}
	if n := len(s.rows(s.endpoints.ResultsTable)); n != 0 {
		t.Errorf("%d effects of a function that never ran", n)
	}
	if s.bitten(0) == 0 {
		t.Error("the fault bit and was not counted")
	}
}

func cutAnswer(t *testing.T, target bench.Target) {
	s := start(t, target, func(stack *bench.Stack) {
		stack.Faults = []string{"at 0s for 10s: gateway.cut 50%"}
	})
	s.begin(0)
	statuses := s.postAll()
	s.end(0)
	s.drain()
	s.expectOnce()
	n := statuses[0]
	if n == 0 || n == requests {
		t.Errorf("%d of %d answers were cut", n, requests)
	}
	// A bite is counted when it is done, a moment after the client has felt it.
	s.until(fmt.Sprintf("%d cut answers are counted", n), func() bool { return s.bitten(0) >= int64(n) })
	if bitten := s.bitten(0); bitten != int64(n) {
		t.Errorf("%d of %d answers were cut, %d counted", n, requests, bitten)
	}
}

func throttled(t *testing.T, target bench.Target) {
	s := start(t, target, func(stack *bench.Stack) {
		stack.Faults = []string{"at 0s for 10s: table.throttle"}
	})
	s.begin(0)
	if got := s.postAll(); got[http.StatusTooManyRequests] != requests {
		t.Errorf("statuses %v, want %d times 429", got, requests)
	}
	s.end(0)
	if n := s.bitten(0); n != requests {
		t.Errorf("%d operations throttled, %d counted", requests, n)
	}
	if n := len(s.rows(s.endpoints.ItemsTable)); n != 0 {
		t.Errorf("%d items of requests that were refused", n)
	}
	if s.post(0) != http.StatusOK {
		t.Error("the table is throttled after the fault was taken away")
	}
}
