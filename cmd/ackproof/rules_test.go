package main

import (
	"maps"
	"os"
	"slices"
	"testing"

	"github.com/ackproof/ackproof/bench"
)

// The scenarios that show one rule of AWS each. They take minutes together, so
// only `make conformance` plays them, with those of losses_test.go and
// duplicates_test.go.
var rules = []builtin{
	{"shapes", exitPass, func(t *testing.T, r *bench.Result, _ string) {
		// 1.5 s of 200/s on average, 2 s of 100/s and half of one of 500/s more, 2 s of
		// 200/s twice; the recording has its own. On other engines it is a tenth of that.
		scale := int64(1)
		if r.Requests.Planned < 500 {
			scale = 10
		}
		for stage, want := range map[string]int64{"steps": 300, "spike": 450, "wave": 400, "random": 400} {
			for _, p := range r.Phases {
				if p.Name == stage && p.Items.Attempted != want/scale {
					t.Errorf("stage %s has %d requests, want %d", stage, p.Items.Attempted, want/scale)
				}
			}
		}
		if len(r.Kinds) != 2 || r.Kinds[0].Acknowledged < 5*r.Kinds[1].Acknowledged || r.Kinds[1].Acknowledged == 0 {
			t.Errorf("kinds %+v: want nine small ones for a large one", r.Kinds)
		}
		if len(r.Phases) != 6 || len(r.Expectations) != 3 || r.Items.Processed != r.Requests.Planned {
			t.Errorf("%d phases, %d expectations, %d of %d processed", len(r.Phases), len(r.Expectations), r.Items.Processed, r.Requests.Planned)
		}
	}},
	// What the event source mapping decides.
	{"power-cycle", exitPass, checkPowerCycle},
	{"poison-bisect", exitPass, func(t *testing.T, r *bench.Result, _ string) {
		if r.Items.DeadLettered != 1 || r.Items.Processed != r.Requests.Planned-1 || *r.Deliveries.Redelivered == 0 {
			t.Errorf("%d dead-lettered, %d of %d processed, %d redelivered: want the bad record alone, found by delivering others again",
				r.Items.DeadLettered, r.Items.Processed, r.Requests.Planned, *r.Deliveries.Redelivered)
		}
	}},
	{"partial-answer", exitPass, func(t *testing.T, r *bench.Result, _ string) {
		// Without bisecting the healthy records behind the bad one go with it.
		if n := r.Items.DeadLettered; n < 2 || n > 100 || r.Items.Processed != r.Requests.Planned-n {
			t.Errorf("%d dead-lettered, %d of %d processed", n, r.Items.Processed, r.Requests.Planned)
		}
	}},
	{"ignored-answer", exitFail, func(t *testing.T, r *bench.Result, _ string) {
		// One answer that nobody read: at most one batch, delivered and gone.
		if n := r.Items.LostProcessing; n < 1 || n > 100 || *r.Deliveries.Redelivered != 0 {
			t.Errorf("%d lost in processing, %d redelivered", n, *r.Deliveries.Redelivered)
		}
	}},
	{"late-start", exitFail, func(t *testing.T, r *bench.Result, _ string) {
		// Up to five seconds of the load, less what it took to start.
		if n := r.Items.LostProcessing; n < 100 || n > 200+3*200 || r.Findings[0].Seq != 0 || r.Items.Pending != 0 {
			t.Errorf("%d lost in processing, the first is %d, %d pending", n, r.Findings[0].Seq, r.Items.Pending)
		}
	}},
	{"lanes", exitPass, func(t *testing.T, r *bench.Result, dir string) {
		if r.Items.Processed != r.Requests.Planned || *r.Deliveries.Redelivered == 0 || r.Faults[0].Bitten == 0 {
			t.Errorf("%d of %d processed, %d redelivered, %d killed", r.Items.Processed, r.Requests.Planned, *r.Deliveries.Redelivered, r.Faults[0].Bitten)
		}
		// The order of an item is kept, that of the shard is not: batches of
		// different lanes overtake each other.
		overtaken, last := 0, bench.Sequence{}
		for _, d := range watched(t, dir).deliveries {
			n := number(t, d.Sequence)
			if n.Compare(last) < 0 {
				overtaken++
			}
			last = n
		}
		if overtaken == 0 {
			t.Error("no record was overtaken by another item's: is this more than one lane?")
		}
	}},
	// What the gateway decides. The counts are exact: each follows from the
	// strikes, or from the plan.
	{"naive-mapping", exitFail, func(t *testing.T, r *bench.Result, _ string) {
		bitten := r.Faults[0].Bitten
		if bitten == 0 || r.Items.LostWrite != bitten || r.Requests.Acknowledged != r.Requests.Planned || r.Items.Processed != r.Requests.Planned-bitten {
			t.Errorf("%d writes throttled, %d of %d acknowledged, %d lost, %d processed", bitten, r.Requests.Acknowledged, r.Requests.Planned, r.Items.LostWrite, r.Items.Processed)
		}
	}},
	{"throttled", exitPass, func(t *testing.T, r *bench.Result, _ string) {
		bitten := r.Faults[0].Bitten
		if bitten == 0 || r.Items.Rejected != bitten || r.Requests.Refused != bitten || r.Items.Processed != r.Requests.Planned-bitten {
			t.Errorf("%d writes throttled, %d requests refused, %d rejected, %d processed", bitten, r.Requests.Refused, r.Items.Rejected, r.Items.Processed)
		}
	}},
	{"gateway-limit", exitPass, func(t *testing.T, r *bench.Result, _ string) {
		if r.Items.Rejected != r.Requests.Refused || r.Items.Processed != r.Requests.Acknowledged {
			t.Errorf("%d refused, %d rejected; %d acknowledged, %d processed", r.Requests.Refused, r.Items.Rejected, r.Requests.Acknowledged, r.Items.Processed)
		}
	}},
	{"late-answer", exitPass, func(t *testing.T, r *bench.Result, _ string) {
		if r.Requests.Unknown == 0 || r.Items.Recovered != r.Requests.Unknown || r.Items.Processed != r.Requests.Acknowledged {
			t.Errorf("%d requests unknown, %d recovered; %d acknowledged, %d processed", r.Requests.Unknown, r.Items.Recovered, r.Requests.Acknowledged, r.Items.Processed)
		}
	}},
	{"overwrite", exitFail, func(t *testing.T, r *bench.Result, _ string) {
		if r.Items.LostWrite != r.Requests.Planned*9/10 || *r.Items.WrongEffect == 0 || r.Requests.Acknowledged != r.Requests.Planned {
			t.Errorf("%d of %d acknowledged, %d lost, %d wrong", r.Requests.Acknowledged, r.Requests.Planned, r.Items.LostWrite, *r.Items.WrongEffect)
		}
	}},
	{"escape", exitFail, func(t *testing.T, r *bench.Result, _ string) {
		if *r.Items.WrongEffect != r.Requests.Planned {
			t.Errorf("%d of %d with a wrong effect", *r.Items.WrongEffect, r.Requests.Planned)
		}
	}},
	{"passthrough", exitFail, func(t *testing.T, r *bench.Result, _ string) {
		if r.Items.LostWrite != r.Requests.Planned || r.Requests.Acknowledged != r.Requests.Planned {
			t.Errorf("%d of %d acknowledged, %d lost", r.Requests.Acknowledged, r.Requests.Planned, r.Items.LostWrite)
		}
	}},
}

func TestConformanceScenarios(t *testing.T) {
	if os.Getenv("ACKPROOF_CONFORMANCE") == "" {
		t.Skip("set ACKPROOF_CONFORMANCE=1: this takes minutes")
	}
	play(t, rules)
	play(t, losses)
	play(t, duplicates)
	for _, c := range cured {
		playWith(t, builtin{c.name, exitPass, c.check}, c.with...)
	}
	// What load that only inserts cannot see.
	playWith(t, builtin{"stale-overwrite", exitPass, func(*testing.T, *bench.Result, string) {}}, "--set", "workload.kind=unique", "--set", "workload.keys=0", "--set", "workload.skew=uniform")
	// Without the condition the replayed versions are applied again; what is
	// promised here is at least once, so that only their count shows it.
	playWith(t, builtin{"old-version", exitPass, func(t *testing.T, _ *bench.Result, dir string) {
		_, effects := watched(t, dir).read()
		if most := slices.Max(slices.Collect(maps.Values(effects))); most <= 2 {
			t.Errorf("an item of two versions was applied %d times at most", most)
		}
	}}, "--env", "ACKPROOF_DEFECT=non-idempotent")
}
