package harness_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/harness"
	"github.com/ackproof/ackproof/bench/processor"
)

// withDefect is the built-in processor with a bug.
func withDefect(defect string) func(harness.Env) harness.Handler[json.RawMessage, any] {
	return func(env harness.Env) harness.Handler[json.RawMessage, any] {
		cfg, err := processor.FromEnv(env.Getenv)
		if err != nil {
			panic(err)
		}
		cfg.Defect = defect
		return processor.New(cfg, dynamodb.NewFromConfig(env.AWS), clock.Real{}).Handle
	}
}

// Each proof of a drain passes a sound run, whatever was done to it, and is told
// by its name.
func TestConformanceDrainOfASoundRunIsProven(t *testing.T) {
	conformance(t, "a run for each proof, in about 7 s")
	for _, tt := range []struct {
		proof bench.DrainProof
		set   []string
	}{
		{bench.DrainPositions, nil},
		{bench.DrainSentinels, nil},
		{bench.DrainSentinels, []string{"mapping.parallelizationFactor=4"}},
		{bench.DrainSentinels, []string{`faults=["at 3s for 3s every 1s: stream.split"]`}},
		{bench.DrainSentinels, []string{`faults=["at 6s for 2s: invoke.fail"]`}}, // its backlog is worked off after the load
		{bench.DrainSentinels, []string{"workload={kind: versions, keys: 20, skew: zipf}"}},
		{bench.DrainSentinels, []string{"request.retries={max: 2}", `faults=["at 3s for 2s: gateway.cut 20%"]`}},
		{bench.DrainQuiet, nil},
		{bench.DrainQuiet, []string{`faults=["at 6s for 2s: invoke.fail"]`}},
		{bench.DrainQuiet, []string{"architecture=fire-and-forget"}},
		{bench.DrainQuiet, []string{"architecture=sync"}},
	} {
		t.Run(fmt.Sprint(tt.proof, tt.set), func(t *testing.T) {
			r := play(t, builtIn, harness.Options{Scenario: kill, Set: append([]string{"drain.proof=" + string(tt.proof)}, tt.set...)})
			if r.Verdict != bench.Pass || r.Drain.Proof != tt.proof || *r.Items.Unexpected != 0 {
				t.Errorf("verdict %s, drained by %s, %d unexpected", r.Verdict, r.Drain.Proof, *r.Items.Unexpected)
			}
			// What was cut at each attempt is stored, and nobody was told.
			stored := r.Requests.Acknowledged + r.Requests.Unknown
			if d := r.Deliveries; d.Records != nil && *d.Records > stored {
				t.Errorf("%d records of %d requests: sentinels are counted", *d.Records, stored)
			}
		})
	}
}

// A loss is a loss however the drain was proven, the same one; one that rests on
// silence says so.
func TestDrainShowsLosses(t *testing.T) {
	long(t)
	for _, proof := range []bench.DrainProof{bench.DrainPositions, bench.DrainSentinels, bench.DrainQuiet} {
		t.Run(string(proof), func(t *testing.T) {
			r := play(t, withDefect(processor.DefectSwallow), harness.Options{Scenario: kill, Seed: 9, Set: []string{
				"drain.proof=" + string(proof), `faults=["at 3s for 2s: results.deny"]`,
			}})
			if r.Verdict != bench.Fail || r.Drain.Proof != proof || r.Items.LostProcessing < 100 || r.Items.Pending != 0 {
				t.Errorf("verdict %s, drained by %s, %d lost, %d pending", r.Verdict, r.Drain.Proof, r.Items.LostProcessing, r.Items.Pending)
			}
			silent := strings.Contains(fmt.Sprint(r.Reasons), string(bench.CodeDrainedBySilence))
			if silent != (proof == bench.DrainQuiet) {
				t.Errorf("reasons %v", r.Reasons)
			}
		})
	}
}

// A shard that a bad record holds up is not drained: what waits behind it is
// pending, and not lost. The lanes beside it prove nothing about it.
func TestDrainOfABlockedShardIsNotProven(t *testing.T) {
	for _, lanes := range []string{"1", "4"} {
		r := play(t, builtIn, harness.Options{Scenario: kill, Set: []string{
			"drain.proof=sentinels", "drain.timeout=20s", "faults=[]", "workload.poison=[300]", "mapping.parallelizationFactor=" + lanes, "mapping.retryCap=2s",
		}})
		if r.Verdict != bench.VerdictUnknown || r.Drain.Proof != bench.DrainNone || r.Items.Pending == 0 || r.Items.Lost() != 0 {
			t.Errorf("%s lanes: verdict %s, drained by %s, %d pending, %d lost", lanes, r.Verdict, r.Drain.Proof, r.Items.Pending, r.Items.Lost())
		}
		if !strings.Contains(fmt.Sprint(r.Notes), "could not be shown: shard") {
			t.Errorf("%s lanes: notes %q", lanes, r.Notes)
		}
	}
}
