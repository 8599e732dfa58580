package main

import (
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/run"
	"github.com/ackproof/ackproof/reports"
)

func TestExitOfTolerances(t *testing.T) {
	yes, no := bench.FailIf{Held: new(bool)}, bench.FailIf{Held: new(bool)}
	*yes.Held = true
	var unknown bench.FailIf
	for _, tt := range []struct {
		all  []bench.FailIf
		want int
	}{
		{nil, exitPass}, {[]bench.FailIf{no}, exitPass}, {[]bench.FailIf{no, unknown}, exitUnknown},
		{[]bench.FailIf{unknown, yes}, exitFail}, {[]bench.FailIf{yes, unknown, no}, exitFail},
	} {
		if got := exitOfTolerances(tt.all); got != tt.want {
			t.Errorf("%+v: exit %d, want %d", tt.all, got, tt.want)
		}
	}
}

// TestConformanceNothingDiffersFromItself plays one configuration 24 times and
// splits the runs at random into two sides of twelve, a thousand times. One split
// in twenty may be called different in anything, and a few more by the luck of the
// draw (three standard deviations). Where the runs of one side are made a second
// slower, that is found each time.
func TestConformanceNothingDiffersFromItself(t *testing.T) {
	if os.Getenv("ACKPROOF_CONFORMANCE") != "all" {
		t.Skip("set ACKPROOF_CONFORMANCE=all: this takes minutes")
	}
	const runs, splits, most = 24, 1000, 50 + 3*7
	dir := t.TempDir()
	s := startAckproofIn(t, dir, "run", "baseline", "--rate", "100/s", "--for", "2s", "--trials", "24", "--quiet")
	if err := s.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	judged, err := run.ReadRuns([]string{dir + "/runs/latest"})
	if err != nil {
		t.Fatal(err)
	}
	var results []bench.Result
	for _, j := range judged[0] {
		results = append(results, j.Result)
	}
	if len(results) != runs {
		t.Fatalf("%d runs, want %d", len(results), runs)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	called := func(slower float64) (different int) {
		for range splits {
			groups := slices.Concat(slices.Repeat([]string{"a"}, runs/2), slices.Repeat([]string{"b"}, runs/2))
			rng.Shuffle(runs, func(i, j int) { groups[i], groups[j] = groups[j], groups[i] })
			split := slices.Clone(results)
			for i := range split {
				if p99 := split[i].ResponseTime.P99; groups[i] == "b" && p99 != nil {
					more := *p99 + slower
					split[i].ResponseTime.P99 = &more
				}
			}
			runs := make([]reports.Run, len(split))
			for i := range split {
				runs[i] = reports.Run{Result: &split[i], Group: groups[i]}
			}
			c := reports.Compare(runs, "")
			if slices.ContainsFunc(c.Differences, func(d bench.ComparedDifference) bool { return d.Real }) {
				different++
			}
		}
		return different
	}
	same, worse := called(0), called(1000)
	t.Logf("of %d splits of %d runs %d are called different; with one side slower %d", splits, runs, same, worse)
	if same > most || worse != splits {
		t.Errorf("of %d splits %d are called different, want at most %d; with one side slower %d, want all", splits, same, most, worse)
	}
}
