package reports

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench"
)

func TestCompareExit(t *testing.T) {
	runs := architectures() // pass, pass, fail
	for _, tt := range []struct {
		own  string
		want int
	}{{bench.Streams, 0}, {bench.FireAndForget, 1}, {"", 1}, {"another", 3}} {
		if got := Compare(runsOf(runs, nil, nil), tt.own).Exit; got != tt.want {
			t.Errorf("own %q: exit %d, want %d", tt.own, got, tt.want)
		}
	}
	runs[0].Verdict = ""
	if got := Compare(runsOf(runs, nil, nil), bench.Streams).Exit; got != 3 {
		t.Errorf("a run without a verdict: exit %d, want 3", got)
	}
	if got := Compare(runsOf(nil, nil, nil), ""); got.Exit != 3 || got.Runs == nil {
		t.Errorf("of nothing: %+v", got)
	}
}

// With five trials a side nothing is claimed; with six a shift is seen, and A
// against A shows nothing.
func TestCompareTrials(t *testing.T) {
	for _, tt := range []struct {
		n     int
		shift float64
		want  string
		not   string
	}{
		{5, 50, "too few trials to tell", "differs"},
		{6, 50, "differs by 50.0 ms", "too few"},
		{6, 0, "no difference that these trials can show", "differs by"},
	} {
		notes := strings.Join(Compare(runsOf(trials(tt.n, tt.shift), nil, nil), "").Notes, "\n")
		if !strings.Contains(notes, tt.want) || strings.Contains(notes, tt.not) {
			t.Errorf("%d trials, shift %g: want %q and not %q in\n%s", tt.n, tt.shift, tt.want, tt.not, notes)
		}
	}
}

// The folders that runs were made in are the sides: of one architecture, and of
// several. A run beside them is a side of its own.
func TestCompareGroups(t *testing.T) {
	runs := trials(6, 50) // six of streams, six of sync
	for i := range runs {
		runs[i].Run.ID = bench.RunID(fmt.Sprintf("run%d", i))
	}
	sidesOf := func(groups ...string) string {
		c := Compare(runsOf(runs, nil, groups), "")
		names, _ := sides(&c)
		return strings.Join(names, "|")
	}
	groups := make([]string, len(runs))
	for i := range runs {
		groups[i] = map[string]string{bench.Streams: "a", bench.Sync: "b"}[runs[i].Run.Architecture]
	}
	if got := sidesOf(groups...); got != "a|b" {
		t.Errorf("two groups: %s", got)
	}
	if got := sidesOf(slices.Repeat([]string{"a"}, 12)...); got != "a streams|a sync" {
		t.Errorf("one group of two architectures: %s", got)
	}
	if got := sidesOf("", "a", "", "a"); got != "run0|a|run2|"+strings.Join(strings.Fields("run4 run5 run6 run7 run8 run9 run10 run11"), "|") {
		t.Errorf("a group and single runs: %s", got)
	}
	c := Compare(runsOf(runs, nil, groups), "")
	d := c.Differences[slices.IndexFunc(c.Differences, func(d bench.ComparedDifference) bool { return d.Figure == "response_time.p99" })]
	if !d.Real || *d.Change != 50 || d.Superiority != 1 || d.From.Side != "a" || d.To.Trials != 6 {
		t.Errorf("response time p99: %+v", d)
	}
	if same := d.To; same.Low == nil || *same.Low > *same.Median {
		t.Errorf("interval of the second side: %+v", same)
	}
}

// What was varied names the sides: alone, within a group beside another group, and of
// the runs where a side has one. No side is a control: the worst verdict counts.
func TestCompareVaried(t *testing.T) {
	results := trials(6, 50)
	runs := runsOf(results, nil, nil)
	for i := range runs {
		results[i].Run.ID = bench.RunID(fmt.Sprintf("run%d", i))
		runs[i].Configuration = map[string]string{bench.Streams: "mapping.batchSize=10", bench.Sync: "mapping.batchSize=100"}[results[i].Run.Architecture]
		results[i].Run.Architecture = bench.Streams
	}
	c := Compare(runs, "")
	if names, _ := sides(&c); strings.Join(names, "|") != "mapping.batchSize=10|mapping.batchSize=100" {
		t.Errorf("sides %q", names)
	}
	if got := strings.Join(comparisonColumns(&c), "|"); got != "mapping.batchSize=10, 6 runs|mapping.batchSize=100, 6 runs" {
		t.Errorf("columns %q", got)
	}
	if notes := strings.Join(c.Notes, "\n"); !strings.Contains(notes, "mapping.batchSize=100") || !strings.Contains(notes, "differs by 50.0 ms") {
		t.Errorf("the notes do not tell the difference:\n%s", notes)
	}
	if got := runLabel(&c, 1); got != c.Runs[1].Configuration+" run1" {
		t.Errorf("a trial is labelled %q", got)
	}
	results[11].Verdict = bench.Fail
	if got := Compare(runs, "").Exit; got != 1 {
		t.Errorf("one run of the last side fails: exit %d, want 1", got)
	}
	two := Compare(runs[:2], "")
	if got := strings.Join(comparisonColumns(&two), "|"); got != two.Runs[0].Configuration+"|"+two.Runs[1].Configuration {
		t.Errorf("columns of one run a side: %q", got)
	}
	for i := range runs {
		runs[i].Group = "a"
	}
	alone := Compare(append(runs, Run{Result: &results[0], Group: "b"}), "")
	if names, _ := sides(&alone); strings.Join(names, "|") != "a mapping.batchSize=10|a mapping.batchSize=100|b" {
		t.Errorf("beside another group: sides %q", names)
	}
}

// Two runs of one architecture are told apart in the pictures as they are in the table;
// the trials of a side are not.
func TestOverlaysAreTheColumns(t *testing.T) {
	runs := settled()
	runs[1].Result.Run.Architecture = runs[0].Result.Run.Architecture
	classes := func(runs []Run) (out []string) {
		c := Compare(runs, "")
		for _, o := range overlays(&c, runs) {
			out = append(out, o.class+" "+o.name)
		}
		return out
	}
	id := func(r Run) string { return string(r.Result.Run.ID) }
	if got, want := classes(runs), []string{"side0 " + id(runs[0]) + " streams", "side1 " + id(runs[1]) + " streams"}; !slices.Equal(got, want) {
		t.Errorf("two runs: %q, want %q", got, want)
	}
	for i := range runs {
		runs[i].Group = "group"
	}
	if got, want := classes(runs), []string{"side0 group, 2 runs", "side0 "}; !slices.Equal(got, want) {
		t.Errorf("two trials: %q, want %q", got, want)
	}
}

// TestDeployedOtherwise: where two runs found their systems on AWS set otherwise, the
// comparison says so, once; what one of them did not find is no difference.
func TestDeployedOtherwise(t *testing.T) {
	run := func(facts ...bench.Fact) Run {
		r, s := passing()
		s.Environment, s.Scenario = facts, "mapping: {batchSize: "+facts[0].Value+"}\n"
		return Run{Result: r, Series: s}
	}
	deployed := func(name, value string) bench.Fact { return bench.Fact{Name: bench.DeployedFact + name, Value: value} }
	c := Compare([]Run{
		run(deployed("mapping.batchSize", "10"), deployed("function: runtime", "a"), deployed("function: code", "x")),
		run(deployed("mapping.batchSize", "33"), deployed("function: runtime", "a")),
	}, "")
	if len(c.Settings) != 1 || c.Settings[0].Name != "run: deployed: mapping.batchSize" {
		t.Errorf("settings that differ: %+v", c.Settings)
	}
	if !slices.ContainsFunc(c.Notes, func(n string) bool { return strings.Contains(n, "were not set alike (mapping.batchSize)") }) {
		t.Errorf("notes %q", c.Notes)
	}
}
