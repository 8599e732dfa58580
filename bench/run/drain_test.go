package run_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/run"
)

// A target that shows neither its position nor a stream is seen to be silent.
func TestDrainOfATargetThatShowsNothing(t *testing.T) {
	dir := carryOut(t, plan+`
processor: {timeout: 100ms, work: 0ms}
mapping: {batchSize: 10, retryBase: 10ms, retryCap: 100ms}
drain: {quiet: 600ms}
`, &inProcess{secret: true})
	r := judge(t, dir)
	if r.Verdict != bench.Pass || r.Drain.Proof != bench.DrainQuiet || r.Drain.Ms < 600 {
		t.Errorf("verdict %s %v, drained by %s after %.0f ms", r.Verdict, r.Reasons, r.Drain.Proof, r.Drain.Ms)
	}
}

func TestDrainThatIsNotShownSaysWhy(t *testing.T) {
	dir := carryOut(t, plan+"drain: {proof: sentinels}\n", &inProcess{})
	r := judge(t, dir)
	if r.Verdict != bench.VerdictUnknown || r.Drain.Proof != bench.DrainNone || !strings.Contains(strings.Join(r.Notes, " "), "it has none") {
		t.Errorf("verdict %s, drained by %s, notes %q", r.Verdict, r.Drain.Proof, r.Notes)
	}
}

// Silence lies between two looks: what comes while one is under way may be seen by
// it or not.
func TestSilence(t *testing.T) {
	got := run.Silences([][3]int{{5, 0, 10}, {5, 20, 30}, {6, 40, 50}, {6, 60, 70}, {6, 200, 201}})
	if want := []int{-10, 10, -10, 10, 150}; !slices.Equal(got, want) {
		t.Errorf("silent for %v, want %v", got, want)
	}
}

func TestRoundWithoutLanes(t *testing.T) {
	r := run.NewRound(1, 2)
	r.See(0, "a", true)
	r.See(1, "b", false)
	if m := r.Missing("a", "b"); m != "shard b" {
		t.Errorf("missing %q", m)
	}
	if n := r.Wants(false, "a", "b"); n != 0 {
		t.Errorf("%d more are sent at once", n)
	}
	if n := r.Wants(true, "a", "b"); n != 4 {
		t.Errorf("%d more are sent for what may be lost", n)
	}
	r.See(2, "b", true) // one is enough, the other may have been left out by a filter
	if m := r.Missing("a", "b"); m != "" {
		t.Errorf("missing %q", m)
	}
	if m := r.Missing("a", "b", "c"); m != "shard c" {
		t.Errorf("a shard that came up: missing %q", m)
	}
	if r.Missing() == "" {
		t.Error("no shard at all is a proof")
	}
}

func TestRoundWithLanes(t *testing.T) {
	const lanes = 10
	n := run.SentinelsFor(lanes, 4)
	left := 1.0
	for range n {
		left *= 1 - 1.0/lanes
	}
	if chance := left * lanes * 4; chance > 1e-6 || chance < 1e-7 {
		t.Errorf("%d sentinels: a lane is left out with a chance of %g", n, chance)
	}
	r := run.NewRound(lanes, 4)
	for i := range n {
		r.See(uint64(i), "a", i > 0)
	}
	if r.Missing("a") == "" {
		t.Error("one that is not done may be in a lane of its own")
	}
	r.See(0, "a", true)
	if m := r.Missing("a"); m != "" {
		t.Errorf("missing %q", m)
	}
}
