package capacity_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/capacity"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/harness"
	"github.com/ackproof/ackproof/bench/processor"
	"github.com/ackproof/ackproof/scenarios"
)

// builtIn is the built-in StreamProcessor as a handler.
func builtIn(env harness.Env) harness.Handler[json.RawMessage, any] {
	cfg, err := processor.FromEnv(env.Getenv)
	if err != nil {
		panic(err)
	}
	return processor.New(cfg, dynamodb.NewFromConfig(env.AWS), clock.Real{}).Handle
}

// TestConformanceTheStacksLimit searches the limit of the whole embedded stack in virtual time,
// where computing takes none: one process that waits 10 ms for each record can do
// 100 a second, and exactly that.
func TestConformanceTheStacksLimit(t *testing.T) {
	if os.Getenv("ACKPROOF_CONFORMANCE") == "" {
		t.Skip("a search of some ten runs; make conformance runs it")
	}
	of, err := scenarios.Load("baseline", []string{"overload=true", "table.shards=1", "processor.concurrency=1", "processor.work=10ms"})
	if err != nil {
		t.Fatal(err)
	}
	settings := capacity.Settings{Settle: 2 * time.Second, Hold: 6 * time.Second, Search: capacity.Options{Start: 30, Repeats: 3}}
	if err := settings.Complete(of); err != nil {
		t.Fatal(err)
	}
	var probes []bench.CapacityProbe
	for {
		rate, done := capacity.Next(settings.Search, capacity.Sightings(probes, capacity.OfBacklog))
		if done {
			break
		}
		probe, err := settings.Probe(of, rate)
		if err != nil {
			t.Fatal(err)
		}
		r := play(t, probe, uint64(len(probes)+1))
		probes = append(probes, settings.See(r, rate))
		t.Logf("%v/s: %s %s", rate, probes[len(probes)-1].Backlog, probes[len(probes)-1].Why)
	}
	const limit = 100
	_, a := settings.Answers(probes)
	if a.Status != bench.CapacityFound || a.Low > limit || a.High < limit || a.High > 1.25*a.Low {
		t.Fatalf("%+v; the limit is %d/s", a, limit)
	}

	// And the spike: at half of the limit it drains at the other half.
	spike, drains, ok := settings.PlanSpike(capacity.Answer{}, capacity.Answer{Low: limit})
	if !ok {
		t.Fatal("no spike")
	}
	run, err := settings.Load(of, &spike, drains)
	if err != nil {
		t.Fatal(err)
	}
	trial := capacity.SeeSpike(play(t, run, 1))
	// In its one second 100 of the 550 are done; the 450 and the rest of the backlog go
	// at 100 - 50 a second, until what a poll finds waiting is as usual again.
	if trial.DrainMs == nil || *trial.DrainMs < 8e3 || *trial.DrainMs > 10e3 {
		t.Errorf("%v requests beyond %v/s: %+v, want 9 s", spike.Size, spike.Base, trial)
	}
}

// play runs a scenario in virtual time. Its timing gates are of no account there: the
// generator does not compete with anybody.
func play(t *testing.T, s *scenarios.Scenario, seed uint64) (r *bench.Result) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "probe.yaml")
	if err := os.WriteFile(file, s.YAML(), 0o644); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var err error
		if r, err = harness.Run(t.Context(), builtIn, harness.Options{Scenario: file, Seed: seed}); err != nil {
			t.Fatal(err)
		}
	})
	return r
}
