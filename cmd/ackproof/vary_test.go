package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench"
)

// sidesOf tells the runs of a call in their order.
func sidesOf(t *testing.T, f *runFlags) string {
	t.Helper()
	_, all, err := f.scenarios("baseline")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range all {
		names = append(names, c.name())
	}
	return strings.Join(names, " | ")
}

func TestVariedTrialsAlternate(t *testing.T) {
	for _, tt := range []struct {
		vary   []string
		trials int
		want   string
	}{
		{nil, 2, "streams | streams"},
		{[]string{"mapping.batchSize=10,100"}, 1, "mapping.batchSize=10 | mapping.batchSize=100"},
		{[]string{"mapping.batchSize=10,100"}, 3, "mapping.batchSize=10 | mapping.batchSize=100 | " +
			"mapping.batchSize=100 | mapping.batchSize=10 | mapping.batchSize=10 | mapping.batchSize=100"},
		{[]string{"mapping.batchSize=10,100", "table.shards=4,8"}, 1, "mapping.batchSize=10 table.shards=4 | mapping.batchSize=10 table.shards=8 | " +
			"mapping.batchSize=100 table.shards=4 | mapping.batchSize=100 table.shards=8"},
	} {
		if got := sidesOf(t, &runFlags{vary: tt.vary, trials: tt.trials}); got != tt.want {
			t.Errorf("%q, %d trials: %s; want %s", tt.vary, tt.trials, got, tt.want)
		}
	}
	if got := sidesOf(t, &runFlags{architecture: "all", trials: 2}); got != "streams | sync | fire-and-forget | fire-and-forget | sync | streams" {
		t.Errorf("all architectures: %s", got)
	}
}

// Each configuration is run as it is called, in a directory of its own, and none is a
// control: the loss of the last one fails the call.
func TestVary(t *testing.T) {
	s := startAckproof(t, "run", "baseline", "--rate", "50/s", "--for", "500ms", "--vary", "processor.env.ACKPROOF_DEFECT=,skip-nth=2", "--quiet", "--json")
	if code := s.code(); code != exitFail {
		t.Errorf("exit code %d, want %d", code, exitFail)
	}
	c := readJSON[bench.Comparison](t, filepath.Join(s.latest(), "comparison.json"))
	var printed bench.Comparison
	if err := json.Unmarshal([]byte(s.stdout.String()), &printed); err != nil || !reflect.DeepEqual(printed, c) {
		t.Errorf("--json prints another comparison than is written: %v", err)
	}
	if len(c.Runs) != 2 || c.Exit != exitFail || c.Runs[0].Verdict == bench.Fail || c.Runs[1].Verdict != bench.Fail {
		t.Fatalf("exit %d, runs %+v; want the second one alone to fail", c.Exit, c.Runs)
	}
	i := slices.IndexFunc(c.Settings, func(s bench.ComparedSetting) bool { return s.Name == "processor.env.ACKPROOF_DEFECT" })
	if i < 0 {
		t.Fatalf("no word of what was varied among %+v", c.Settings)
	}
	for k, r := range c.Runs {
		if want := "processor.env.ACKPROOF_DEFECT=" + c.Settings[i].Values[k]; r.Configuration != want || r.Side != want || r.Control {
			t.Errorf("run %d: %+v; its scenario says %s", k, r, want)
		}
		if got := resultOf(t, filepath.Join(s.latest(), r.Dir)); got.Run.ID != r.ID {
			t.Errorf("%s holds the run %s, want %s", r.Dir, got.Run.ID, r.ID)
		}
	}
	for _, name := range []string{"comparison.html", "comparison.md"} {
		if b, err := os.ReadFile(filepath.Join(s.latest(), name)); err != nil || !bytes.Contains(b, []byte("skip-nth=2")) {
			t.Errorf("%s does not name the configuration (%v)", name, err)
		}
	}
}
