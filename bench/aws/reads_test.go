package aws

import (
	"encoding/json"
	"testing"

	"github.com/ackproof/ackproof/bench"
)

// TestTemplateForReads: tables that shall be exported have point-in-time recovery, and
// a run finds the on-failure destination among the outputs.
func TestTemplateForReads(t *testing.T) {
	for _, c := range []struct {
		architecture, stream, async string
		recovery                    bool
		output                      string
	}{
		{bench.Streams, "", "", true, ""},
		{bench.Streams, "payload", "", false, OutBucket},
		{bench.Streams, "metadata", "", false, OutQueue},
		{bench.FireAndForget, "", "payload", true, OutQueue},
	} {
		stack := stackOf(c.architecture)
		stack.Mapping.OnFailure, stack.Async.OnFailure = c.stream, c.async
		text, err := Template(stack, Settings{Arch: ARM64, Recovery: c.recovery})
		if err != nil {
			t.Fatal(err)
		}
		var made struct {
			Resources map[string]struct{ Properties map[string]any }
			Outputs   map[string]any
		}
		if err := json.Unmarshal(text, &made); err != nil {
			t.Fatal(err)
		}
		for _, table := range []string{"Items", "Results"} {
			p, _ := made.Resources[table].Properties["PointInTimeRecoverySpecification"].(map[string]any)
			if on, _ := p["PointInTimeRecoveryEnabled"].(bool); on != c.recovery {
				t.Errorf("%+v: %s has recovery %v", c, table, p)
			}
		}
		for _, name := range []string{OutQueue, OutBucket} {
			if _, there := made.Outputs[name]; there != (name == c.output) {
				t.Errorf("%+v: output %s %v", c, name, there)
			}
		}
	}
}
