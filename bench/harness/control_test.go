package harness_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/harness"
	"github.com/ackproof/ackproof/bench/processor"
)

// A system that fails without any fault is found out before the first one strikes;
// one that fails under it alone is not accused of more.
func TestControl(t *testing.T) {
	long(t)
	for _, tt := range []struct {
		name    string
		defect  string
		set     []string
		clean   bool
		verdict bench.Verdict
		least   int64 // lost to the fault
	}{
		{name: "sound", clean: true, verdict: bench.Pass},
		{name: "loses without a fault", set: []string{"gateway.defect=lose-nth=20"}, verdict: bench.Fail, least: 1},
		{name: "loses under the fault", defect: processor.DefectSwallow, set: []string{`faults=["at 3s for 2s: results.deny"]`}, clean: true, verdict: bench.Fail, least: 120},
		{name: "drops what fails", set: []string{`faults=["at 3s for 2s: processor.error"]`, "mapping.maximumRetryAttempts=0"}, clean: true, verdict: bench.Fail, least: 120},
		{name: "doubles what is replayed", defect: processor.DefectNonIdempotent, set: []string{`faults=["at 4s: mapping.recreate by=300ms"]`}, clean: true, verdict: bench.Fail},
		{name: "misses what comes meanwhile", set: []string{`faults=["at 4s: mapping.recreate by=500ms"]`, "mapping.startingPosition=LATEST"}, clean: true, verdict: bench.Fail, least: 30},
		{name: "a bad record before the fault", set: []string{"workload.poison=[60]", "mapping.maximumRetryAttempts=0", "mapping.bisectBatchOnFunctionError=true"}, verdict: bench.Fail},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := play(t, withDefect(tt.defect), harness.Options{Scenario: kill, Set: tt.set})
			c := r.Control
			if r.Verdict != tt.verdict || c == nil || c.Clean == nil || *c.Clean != tt.clean {
				t.Fatalf("verdict %s, control %+v", r.Verdict, c)
			}
			if accused := strings.Contains(fmt.Sprint(r.Reasons), string(bench.CodeControlNotClean)); accused == tt.clean {
				t.Errorf("reasons %v", r.Reasons)
			}
			if c.Sent < 100 || c.ToMs < 2000 || c.ToMs > 4000 {
				t.Errorf("control %+v", c)
			}
			if lost := *r.Faults[0].ObservedLoss; lost < tt.least || tt.clean && lost != r.Items.Lost() {
				t.Errorf("%d lost to the fault, %d in all", lost, r.Items.Lost())
			}
			for _, f := range r.Findings {
				if tt.clean && f.Verdict == bench.LostProcessing && f.DuringFault == "" {
					t.Errorf("%s (due %.0f ms) is lost outside of the fault", f.ID, float64(f.Seq)*1000/60)
				}
			}
		})
	}
}
