package capacity

import (
	"strings"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/scenarios"
)

// held is a run of a probe: 10 s at a rate, of which a share was acknowledged, and a
// backlog that grew by so many items a second.
func held(rate, acknowledged, growth float64) *bench.Result {
	yes := true
	r := &bench.Result{Run: bench.RunInfo{Architecture: bench.Streams}, Load: bench.LoadFigures{GeneratorOK: true}}
	p99 := 4.0
	hold := bench.Phase{Name: "hold", FromMs: 3000, ToMs: 13000, Acknowledged: int64(10 * rate * acknowledged)}
	hold.ResponseTime = bench.Latency{Count: int64(10 * rate), P50: &p99, P99: &p99}
	r.Phases = []bench.Phase{{Name: "settle", ToMs: 3000}, hold}
	r.Expectations = []bench.Expectation{{Expect: "response_time.p99 < 100ms in hold", Actual: &p99, OK: &yes}}
	for s := range 20 {
		saw := []float64{0, 0.2, 0.1}[s%3] * rate // what a poll has not fetched yet
		r.Backlog = append(r.Backlog, bench.BacklogRow{TMs: float64(s) * 1e3, Pending: int64(saw + growth*float64(s)), Processed: int64((rate - growth) * float64(s))})
	}
	return r
}

func TestWhatAProbeShows(t *testing.T) {
	no := false
	late := 250.0
	missed := func(r *bench.Result) { r.Expectations[0].OK, r.Expectations[0].Actual = &no, &late }
	busy := func(r *bench.Result) { r.Load.GeneratorOK = false }
	for _, tt := range []struct {
		name              string
		result            *bench.Result
		spoil             []func(*bench.Result)
		response, backlog bench.Sight
		why               string
	}{
		{"all well", held(1000, 1, 0), nil, bench.SightHolds, bench.SightHolds, ""},
		{"a growth within noise", held(1000, 1, 15), nil, bench.SightHolds, bench.SightHolds, ""},
		{"a growing backlog", held(1000, 1, 50), nil, bench.SightHolds, bench.SightBreaks, "the backlog grew by 50 a second"},
		{"a shrinking backlog", held(1000, 1, -50), nil, bench.SightHolds, bench.SightHolds, ""},
		{"late answers", held(1000, 1, 0), []func(*bench.Result){missed}, bench.SightBreaks, bench.SightHolds, "it was 250"},
		{"answers that never came", held(1000, 1, 0), []func(*bench.Result){missed, func(r *bench.Result) { r.Expectations[0].Actual = nil }}, bench.SightBreaks, bench.SightHolds, "it never ended"},
		{"quick refusals", held(1000, 0.9, 0), nil, bench.SightBreaks, bench.SightLimited, "90 % of the requests were acknowledged"},
		{"refusals, and the rest is too much", held(1000, 0.9, 300), nil, bench.SightBreaks, bench.SightBreaks, "grew by 300"},
		{"a busy generator that made it", held(1000, 1, 0), []func(*bench.Result){busy}, bench.SightHolds, bench.SightHolds, ""},
		{"a busy generator", held(1000, 1, 0), []func(*bench.Result){busy, missed}, bench.SightLimited, bench.SightHolds, "the generator did not keep up"},
		{"a busy generator that sent too few", held(1000, 0.5, 0), []func(*bench.Result){busy}, bench.SightLimited, bench.SightLimited, "so the processor was not given the rate"},
		{"undecided", held(1000, 1, 0), []func(*bench.Result){func(r *bench.Result) { r.Expectations[0].OK = nil }}, bench.SightNone, bench.SightHolds, "cannot be decided"},
		{"undecided for the generator's sake", held(1000, 1, 0), []func(*bench.Result){busy, func(r *bench.Result) { r.Expectations[0].OK = nil }}, bench.SightLimited, bench.SightHolds, "generator's sake"},
		{"effects not seen", held(1000, 1, 0), []func(*bench.Result){func(r *bench.Result) { r.Backlog = nil }}, bench.SightHolds, bench.SightNone, "not observed"},
		{"a client that waits", held(1000, 1, 50), []func(*bench.Result){func(r *bench.Result) { r.Run.Architecture = bench.Sync }}, bench.SightHolds, bench.SightNone, ""},
		{"nothing sent", held(1000, 1, 0), []func(*bench.Result){func(r *bench.Result) { r.Phases[1].ResponseTime.Count = 0 }}, bench.SightNone, bench.SightNone, "nothing was sent"},
		{"cut off before", held(1000, 1, 0), []func(*bench.Result){func(r *bench.Result) { r.Phases = r.Phases[:1] }}, bench.SightNone, bench.SightNone, "nothing was sent"},
	} {
		for _, spoil := range tt.spoil {
			spoil(tt.result)
		}
		s := &Settings{Acknowledged: 0.99, GrowthTolerated: 0.02}
		p := s.See(tt.result, 1000)
		if p.Response != tt.response || p.Backlog != tt.backlog || !strings.Contains(p.Why, tt.why) || tt.why == "" && p.Why != "" {
			t.Errorf("%s: response %s, backlog %s, %q; want %s, %s, %q", tt.name, p.Response, p.Backlog, p.Why, tt.response, tt.backlog, tt.why)
		}
	}
}

func TestCompleteTakesTheScenariosOwn(t *testing.T) {
	of, err := scenarios.Load("baseline", []string{`expect=["response_time.p95 < 20ms", "lost == 0"]`})
	if err != nil {
		t.Fatal(err)
	}
	s := Settings{Settle: time.Second, Hold: 5 * time.Second}
	if err := s.Complete(of); err != nil {
		t.Fatal(err)
	}
	if len(s.Expect) != 1 || s.Expect[0].String() != "response_time.p95 < 20ms in hold" || s.Search.Start != 500 {
		t.Errorf("%v, from %v/s; want the scenario's expectation on response time, from its highest rate", s.Expect, s.Search.Start)
	}
	probe, err := s.Probe(of, 800)
	if err != nil {
		t.Fatal(err)
	}
	if len(probe.Faults) > 0 || len(probe.Load) != 2 || !probe.Load[0].Warmup || float64(*probe.Load[1].Rate) != 800 {
		t.Errorf("%+v", probe.Load)
	}
	bare, _ := scenarios.Load("baseline", nil)
	s = Settings{}
	if err := s.Complete(bare); err != nil || s.Expect[0].String() != DefaultExpect+" in hold" {
		t.Errorf("%v, %v; want %s", s.Expect, err, DefaultExpect)
	}
	wrong, _ := scenarios.ParseExpectation("drain.ms < 1s")
	s = Settings{Expect: []scenarios.Expectation{wrong}}
	if err := s.Complete(bare); err == nil || !strings.Contains(err.Error(), "must be a figure of phases") {
		t.Errorf("an expectation that no phase has: %v", err)
	}
}

// A rate that must be taken is where the search starts, raised by the growth that the
// low end is lowered by.
func TestCompleteAsksAtLeast(t *testing.T) {
	of, err := scenarios.Load("baseline", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ rate, from, to, start float64 }{
		{500, 0, 0, 511}, {490, 0, 0, 500}, {98, 0, 0, 100}, {1000, 0, 1030, 1030}, {500, 200, 0, 200},
	} {
		s := Settings{AtLeast: tt.rate, Search: Options{Start: tt.from, Highest: tt.to}}
		if err := s.Complete(of); err != nil || s.Search.Start != tt.start {
			t.Errorf("%v/s from %v: starts at %v, %v; want %v", tt.rate, tt.from, s.Search.Start, err, tt.start)
		}
		if ask := s.Search.Ask; len(ask) != 2 || ask[0] != tt.rate || ask[1]*0.98 < tt.rate || ask[1]*0.98 > tt.rate*1.02 {
			t.Errorf("%v/s: asks for %v", tt.rate, ask)
		}
	}
	s := Settings{AtLeast: 500, Search: Options{Highest: 505}}
	if err := s.Complete(of); err == nil || !strings.Contains(err.Error(), "511/s must be tried") {
		t.Errorf("a highest rate that cannot show it: %v", err)
	}
}

func TestFloor(t *testing.T) {
	low, high := 490.0, 540.0
	answer := func(status bench.CapacityStatus, low, high *float64) namedAnswer {
		return namedAnswer{"backlog", bench.CapacityAnswer{Status: status, Low: low, High: high}}
	}
	found := answer(bench.CapacityFound, &low, &high)
	yes, no := true, false
	for _, tt := range []struct {
		rate  float64
		asked []namedAnswer
		want  *bool
		text  string
	}{
		{490, []namedAnswer{found}, &yes, "490/s: backlog yes"},
		{500, []namedAnswer{found}, nil, "backlog undecided"},
		{540, []namedAnswer{found}, &no, "backlog NO"},
		{400, []namedAnswer{answer(bench.CapacityAtLeast, &low, nil)}, &yes, "yes"},
		{500, []namedAnswer{answer(bench.CapacityAtLeast, &low, nil)}, nil, "undecided"},
		{600, []namedAnswer{answer(bench.CapacityBelow, nil, &high)}, &no, "NO"},
		{400, []namedAnswer{answer(bench.CapacityOpen, &low, &high)}, nil, "undecided"},
		{600, []namedAnswer{answer(bench.CapacityOpen, &low, &high)}, nil, "undecided"},
		{400, []namedAnswer{answer(bench.CapacityNone, nil, nil)}, nil, "undecided"},
		{400, []namedAnswer{found, answer(bench.CapacityOpen, nil, nil)}, nil, "yes, backlog undecided"},
		{600, []namedAnswer{found, answer(bench.CapacityOpen, nil, nil)}, &no, "NO, backlog undecided"},
		{400, nil, nil, ""},
	} {
		f := floor(tt.rate, tt.asked)
		if (f.Met == nil) != (tt.want == nil) || f.Met != nil && *f.Met != *tt.want || !strings.Contains(f.Text, tt.text) {
			t.Errorf("%v/s of %+v: %+v; want %v", tt.rate, tt.asked, f, tt.want)
		}
	}
}

func TestPlanSpike(t *testing.T) {
	s := &Settings{}
	spike, drains, ok := s.PlanSpike(Answer{Low: 4000}, Answer{Low: 1000})
	// 5,000 beyond 500/s, at most 2,700/s of them: two seconds; they drain at 500/s.
	if !ok || spike.Size != 5000 || spike.Base != 500 || spike.ForMs != 2000 || spike.Rate != 3000 || drains != 10*time.Second {
		t.Errorf("%+v, %v, %v", spike, drains, ok)
	}
	if _, _, ok := s.PlanSpike(Answer{Low: 4000}, Answer{}); ok {
		t.Error("a spike onto nobody knows what")
	}
	if _, _, ok := s.PlanSpike(Answer{Low: 600}, Answer{Low: 1000}); ok {
		t.Error("a spike that the API cannot take")
	}
}

// TestTheKneeIsTheSystems: a curve that a late generator bends has no knee of the
// system's.
func TestTheKneeIsTheSystems(t *testing.T) {
	c := &bench.Capacity{Architecture: bench.Streams}
	for i, rate := range []float64{100, 200, 400, 800, 1600} {
		p99 := []float64{4, 4, 5, 5, 900}[i]
		c.Probes = append(c.Probes, bench.CapacityProbe{Rate: rate, Response: bench.SightHolds, P99: &p99, GeneratorOK: true})
	}
	s := &Settings{Search: Options{Start: 100}}
	s.Conclude(c, true, false)
	if c.Response.Knee == nil || *c.Response.Knee != 800 {
		t.Errorf("knee at %v, want 800", c.Response.Knee)
	}
	c.Probes[4].GeneratorOK = false
	s.Conclude(c, true, false)
	if c.Response.Knee != nil && *c.Response.Knee == 800 {
		t.Error("the generator's knee is called the system's")
	}
}
