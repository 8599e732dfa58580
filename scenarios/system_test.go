package scenarios

import (
	"slices"
	"testing"
)

// A scenario under another load and without its faults is of the same system; one
// setting more or less makes it another.
func TestOtherParts(t *testing.T) {
	load := func(name string, set ...string) *Scenario {
		t.Helper()
		s, err := Load(name, set)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	crash := load("crash")
	probe, err := crash.ForCapacity(crash.Load[1:2], nil, crash.Drain.Timeout)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse("probe.yaml", probe.YAML(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := crash.OtherParts(again); len(got) > 0 {
		t.Errorf("a probe of its capacity, read back: other parts %q", got)
	}
	for _, tt := range []struct {
		set  []string
		want []string
	}{
		{[]string{"load.scale=0.5"}, nil},
		{[]string{"mapping.batchSize=10"}, []string{"mapping"}},
		{[]string{"processor.work=3ms", "workload.payload=1KB"}, []string{"processor", "workload"}},
		{[]string{"architecture=sync"}, []string{"architecture"}},
		{[]string{"request.timeout=3s", "table.shards=2"}, []string{"table", "request"}},
	} {
		if got := crash.OtherParts(load("crash", tt.set...)); !slices.Equal(got, tt.want) {
			t.Errorf("%q: other parts %q, want %q", tt.set, got, tt.want)
		}
	}
	if !slices.Equal(SystemParts(), []string{"architecture", "table", "processor", "mapping", "async", "gateway"}) {
		t.Errorf("the system is %q", SystemParts())
	}
}
