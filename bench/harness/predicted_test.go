package harness_test

import (
	"testing"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/harness"
)

// What is predicted from the settings alone is what happens: the loss lies in the
// range, and the range is narrow enough to say something.
func TestConformancePredictedLoss(t *testing.T) {
	conformance(t, "a run for each model, in about 11 s")
	swallow := "processor.env.ACKPROOF_DEFECT=swallow"
	for _, tt := range []struct {
		name  string
		set   []string
		model string
		least int64 // predicted
		width float64
	}{
		{"a sound system keeps it", []string{`faults=["at 3s for 2s: invoke.fail"]`}, "kept", 0, 0},
		{"the client is told", []string{`faults=["at 3s for 2s: table.throttle 50%"]`}, "kept", 0, 0},
		{"swallowed", []string{swallow, `faults=["at 3s for 2s: results.deny"]`}, "swallowed", 110, 0.7},
		{"a share swallowed", []string{swallow, `faults=["at 3s for 3s: results.deny 40%"]`}, "swallowed", 60, 1.2},
		{"no retry", []string{"mapping.maximumRetryAttempts=0", `faults=["at 3s for 3s: processor.error"]`}, "given up", 170, 0.5},
		{"no retry, a share", []string{"mapping.maximumRetryAttempts=0", `faults=["at 3s for 3s: invoke.fail 50%"]`}, "given up", 80, 2},
		{"two retries", []string{"mapping.maximumRetryAttempts=2", "mapping.retryCap=400ms", `faults=["at 2s for 5s: invoke.fail"]`}, "given up", 150, 1},
		{"two retries, small batches", []string{"mapping.maximumRetryAttempts=2", "mapping.batchSize=5", `faults=["at 2s for 5s: processor.error"]`}, "given up", 100, 1},
		{"a destination", []string{"mapping.maximumRetryAttempts=0", "mapping.onFailure=payload", "guarantee.deadLetters=allow", `faults=["at 3s for 2s: invoke.fail"]`}, "kept", 0, 0},
		{"after the effects", []string{"mapping.maximumRetryAttempts=0", `faults=["at 3s for 2s: processor.error after-effects"]`}, "kept", 0, 0},
		{"struck before", []string{"mapping.maximumRetryAttempts=0", `faults=["at 3s for 3s every 500ms: processor.kill"]`}, "struck", 12, 6},
		{"struck in the middle", []string{"mapping.maximumRetryAttempts=0", "load=[{name: steady, for: 9s, rate: 200/s}]", `faults=["at 3s for 3s every 500ms: processor.kill after-write 3"]`}, "struck", 10, 12},
		{"struck, one retry", []string{"mapping.maximumRetryAttempts=1", `faults=["at 3s for 3s every 1s: processor.kill"]`}, "kept", 0, 0},
		{"LATEST", []string{"mapping.startingPosition=LATEST", `faults=["at 4s: mapping.recreate by=1s"]`}, "missed", 60, 0.7},
		{"a stream that nobody reads", []string{`faults=["at 4s for 1s: stream.restart"]`}, "orphaned", 300, 0.3},
		{"200 whatever happened", []string{"gateway.statusMapping=naive", `faults=["at 3s for 3s: table.throttle 50%"]`}, "unanswered", 80, 1.2},
		{"answered too early", []string{"gateway.defect=early-answer", `faults=["at 3s for 3s: table.throttle 50%"]`}, "unanswered", 80, 1.2},
		{"dropped events", []string{"architecture=fire-and-forget", "async.retryDelays=[1s, 1s]", `faults=["at 2s for 5s: invoke.fail"]`}, "dropped", 170, 0.5},
		{"a share of events", []string{"architecture=fire-and-forget", "async.maximumRetryAttempts=1", "async.retryDelays=[1s]", `faults=["at 2s for 5s: invoke.fail 50%"]`}, "dropped", 50, 2},
		{"a client that waits", []string{"architecture=sync", `faults=["at 3s for 2s: processor.error"]`}, "kept", 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := play(t, builtIn, harness.Options{Scenario: kill, Set: append([]string{"drain.timeout=10s", "mapping.retryBase=200ms"}, tt.set...)})
			f := r.Faults[0]
			if f.PredictedLoss == nil || f.PredictedBy != tt.model {
				t.Fatalf("predicted %v by %q, want it by %q", f.PredictedLoss, f.PredictedBy, tt.model)
			}
			in, n := *f.PredictedRange, *f.PredictedLoss
			t.Logf("predicted %d (%d to %d), observed %d", n, in.Low, in.High, *f.ObservedLoss)
			if !in.Holds(*f.ObservedLoss) || !in.Holds(n) || n < tt.least || r.Verdict == bench.VerdictUnknown && r.Items.Lost() == 0 {
				t.Errorf("verdict %s, predicted %d (%d to %d), observed %d", r.Verdict, n, in.Low, in.High, *f.ObservedLoss)
			}
			if width := float64(in.High - in.Low); width > tt.width*float64(n) {
				t.Errorf("predicted %d (%d to %d): that says little", n, in.Low, in.High)
			}
		})
	}
}
