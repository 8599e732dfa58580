package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/reports"
)

func TestExitOfCapacity(t *testing.T) {
	yes, no := true, false
	for _, tt := range []struct {
		gate                  *bench.CapacityFloor
		interrupted, answered bool
		want                  int
	}{
		{nil, false, true, exitPass}, {nil, false, false, exitUnknown}, {nil, true, true, exitInterrupted},
		{&bench.CapacityFloor{Met: &yes}, false, true, exitPass}, {&bench.CapacityFloor{Met: &yes}, false, false, exitUnknown},
		{&bench.CapacityFloor{Met: &yes}, true, true, exitInterrupted},
		{&bench.CapacityFloor{}, false, true, exitUnknown}, {&bench.CapacityFloor{}, true, false, exitInterrupted},
		{&bench.CapacityFloor{Met: &no}, false, true, exitFail}, {&bench.CapacityFloor{Met: &no}, true, false, exitFail},
	} {
		if got := exitOfCapacity(&bench.Capacity{AtLeast: tt.gate, Interrupted: tt.interrupted}, tt.answered); got != tt.want {
			t.Errorf("%+v: exit code %d, want %d", tt, got, tt.want)
		}
	}
}

// TestConformanceCapacity finds the limit of a real processor of which it is known:
// one process that waits 20 ms for each record does 50 a second at most, and no write
// of an effect takes so long that it does less than 40.
func TestConformanceCapacity(t *testing.T) {
	if os.Getenv("ACKPROOF_CONFORMANCE") == "" {
		t.Skip("a search of half a minute; make conformance runs it")
	}
	t.Parallel()
	s := startAckproof(t, "capacity", "baseline", "--only", "backlog", "--from", "25/s", "--at-least", "30/s", "--hold", "4s", "--settle", "500ms", "--repeats", "1", "--precision", "15%",
		"--set", "table.shards=1", "--set", "processor.concurrency=1", "--set", "processor.work=20ms")
	if code := s.code(); code != exitPass {
		t.Fatalf("exit code %d", code)
	}
	dir := s.latest()
	c := readJSON[bench.Capacity](t, filepath.Join(dir, "capacity.json"))
	if err := schemaIn(reports.CapacitySchema).Validate(readJSON[any](t, filepath.Join(dir, "capacity.json"))); err != nil {
		t.Error(err)
	}
	a := c.Backlog
	if a.Status != bench.CapacityFound || *a.Low > 50 || *a.High < 40 || *a.High > 1.5**a.Low {
		t.Errorf("%s; want an interval about the limit, which lies between 40 and 50", a.Text)
	}
	if c.AtLeast == nil || c.AtLeast.Met == nil || !*c.AtLeast.Met {
		t.Errorf("at least 30/s: %+v", c.AtLeast)
	}
	for _, p := range c.Probes { // every figure comes from a run that is there
		r := resultOf(t, filepath.Join(dir, p.Dir))
		if last := r.Phases[len(r.Phases)-1]; p.P99 == nil || *last.ResponseTime.P99 != *p.P99 {
			t.Errorf("%s: the p99 of the probe is not that of its run", p.Dir)
		}
	}
	// Beside runs of that system, which its own probes are.
	beside := startAckproofIn(t, s.dir, "compare", filepath.Join(dir, c.Probes[0].Dir), filepath.Join(dir, c.Probes[1].Dir), "--capacity", dir, "--json")
	if code := beside.code(); code != exitPass {
		t.Fatalf("compare: exit code %d: %s", code, &beside.stderr)
	}
	var compared bench.Comparison
	if err := json.Unmarshal([]byte(beside.stdout.String()), &compared); err != nil {
		t.Fatal(err)
	}
	if k := compared.Capacity; len(k) != 1 || len(k[0].Runs) != 2 || *k[0].Backlog.Low != *a.Low || *k[0].Backlog.High != *a.High {
		t.Errorf("beside two runs: %+v", k)
	}
	for _, name := range []string{"capacity.html", "capacity.md", "plots/capacity-lag.svg", "plots/capacity-response.png"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}
