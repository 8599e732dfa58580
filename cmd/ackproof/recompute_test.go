package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestConformanceRecompute: figures of a run that recovers, and of one that loses, are
// what twenty lines of Python make of their exports.
func TestConformanceRecompute(t *testing.T) {
	if os.Getenv("ACKPROOF_CONFORMANCE") == "" {
		t.Skip("two runs of some seconds, and python3; make conformance runs it")
	}
	t.Parallel()
	script, err := filepath.Abs("../../docs/recompute.py")
	if err != nil {
		t.Fatal(err)
	}
	for name, settings := range map[string][]string{
		"recovers": {`faults=["at 2s for 1s: invoke.fail"]`, "mapping.retryCap=1s"},
		"loses":    {`faults=["at 2s for 1s: invoke.fail"]`, "mapping.maximumRetryAttempts=0", "expect=[]"},
	} {
		args := []string{"run", "baseline", "--rate", "200/s", "--for", "6s", "--quiet", "--seed", "5"}
		for _, set := range settings {
			args = append(args, "--set", set)
		}
		s := startAckproof(t, args...)
		s.code()
		r := resultOf(t, s.latest())
		csv := filepath.Join(s.dir, "run.csv")
		if code := startAckproofIn(t, s.dir, "export", s.latest(), "--out", csv).code(); code != exitPass {
			t.Fatalf("%s: export ends with %d", name, code)
		}
		out, err := exec.Command("python3", script, csv, filepath.Join(s.latest(), "result.json")).Output()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got struct {
			Response *float64   `json:"response_p99"`
			Lag      *float64   `json:"lag_p99"`
			Recovery []*float64 `json:"recovery"`
		}
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		agree := func(figure string, told, recomputed *float64, within float64) {
			t.Helper()
			switch {
			case told == nil && recomputed == nil:
			case told == nil || recomputed == nil:
				t.Errorf("%s: %s: told %v, recomputed %v", name, figure, told, recomputed)
			case *recomputed > *told+0.001 || *recomputed < *told*(1-within)-0.001:
				t.Errorf("%s: %s: told %v, recomputed %v", name, figure, *told, *recomputed)
			}
		}
		const bucket = 0.001 // of the histogram, upward
		agree("p99 of response time", r.ResponseTime.P99, got.Response, bucket)
		agree("p99 of processing lag", r.Lag.P99, got.Lag, bucket)
		if len(got.Recovery) != 1 {
			t.Fatalf("%s: %d windows", name, len(got.Recovery))
		}
		agree("recovery", r.Faults[0].RecoveryMs, got.Recovery[0], 0)
		if loses := name == "loses"; (r.Lag.P99 == nil) != loses || (r.Faults[0].RecoveryMs == nil) != loses {
			t.Errorf("%s: lag p99 %v, recovery %v: the run is not what it should be", name, r.Lag.P99, r.Faults[0].RecoveryMs)
		}
	}
}
