package capacity

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/stats"
	"github.com/ackproof/ackproof/scenarios"
)

// Names of the stages of a probe, and of a run with a spike.
const (
	stageSettle = "settle"
	stageHold   = "hold"
	stageBefore = "before"
	stageSpike  = "spike"
	stageAfter  = "after"
)

// Settings say how a search is made. Fill them with [Settings.Complete].
type Settings struct {
	Expect          []scenarios.Expectation // of the hold; empty: those of the scenario on response time, else DefaultExpect
	Acknowledged    float64                 // share of the hold's requests
	GrowthTolerated float64                 // share of the rate
	Settle, Hold    time.Duration
	Drain           time.Duration // how long a probe waits for the pipeline to become empty: what is left does not matter
	Search          Options
	Spike           float64 // requests beyond the base rate; 0: as many as five seconds of the sustained rate
	SpikeTrials     int     // 0: none
	AtLeast         float64 // a rate that it must take; 0: none
}

// DefaultExpect is what an API must meet of which nothing else was said.
const DefaultExpect = "response_time.p99 < 100ms"

// The rest of the defaults.
const (
	defaultAcknowledged = 0.99
	defaultGrowth       = 0.02
	probeDrain          = 5 * time.Second
)

// Complete fills in what is not set, from the scenario.
func (s *Settings) Complete(of *scenarios.Scenario) error {
	s.Search = s.Search.filled()
	if s.GrowthTolerated == 0 {
		s.GrowthTolerated = defaultGrowth
	}
	if err := s.askAtLeast(); err != nil {
		return err
	}
	if s.Search.Start <= s.Search.Lowest {
		for _, stage := range of.Load {
			from, to := stage.Rates()
			s.Search.Start = max(s.Search.Start, float64(from), float64(to))
		}
	}
	if len(s.Expect) == 0 {
		for _, e := range of.Expect {
			if strings.HasPrefix(e.Path, "response_time.") && e.Phase == "" && e.Fault == "" {
				s.Expect = append(s.Expect, e)
			}
		}
	}
	if len(s.Expect) == 0 {
		e, err := scenarios.ParseExpectation(DefaultExpect)
		if err != nil {
			return err
		}
		s.Expect = append(s.Expect, e)
	}
	for i, e := range s.Expect {
		held, err := scenarios.ParseExpectation(e.String() + " in " + stageHold)
		if err != nil {
			return fmt.Errorf("%w: the API is held to it in one phase of a probe, so it must be a figure of phases", err)
		}
		s.Expect[i] = held
	}
	if s.Acknowledged == 0 {
		s.Acknowledged = defaultAcknowledged
	}
	if s.Drain == 0 {
		s.Drain = probeDrain
	}
	return nil
}

// askAtLeast makes the search decide whether a rate is taken: by the rate itself, and by
// the next one whose low end is not below it when the growth that cannot be told from
// noise is taken off. There the search starts, unless it is told where.
func (s *Settings) askAtLeast() error {
	if s.AtLeast == 0 {
		return nil
	}
	beyond := roundUp(s.AtLeast / (1 - s.GrowthTolerated))
	if s.Search.Highest < beyond {
		return fmt.Errorf("--at-least %s: to show that, %s must be tried: raise --to", scenarios.Rate(s.AtLeast), scenarios.Rate(beyond))
	}
	s.Search.Ask = []float64{s.AtLeast, beyond}
	if s.Search.Start <= s.Search.Lowest {
		s.Search.Start = beyond
	}
	return nil
}

// Probe gives the scenario that holds one rate.
func (s *Settings) Probe(of *scenarios.Scenario, rate float64) (*scenarios.Scenario, error) {
	r := scenarios.Rate(rate)
	return of.ForCapacity([]scenarios.Stage{
		{Name: stageSettle, For: s.Settle, Rate: &r, Warmup: true},
		{Name: stageHold, For: s.Hold, Rate: &r},
	}, s.Expect, s.Drain)
}

// See tells what the run of a probe shows.
func (s *Settings) See(r *bench.Result, rate float64) bench.CapacityProbe {
	p := bench.CapacityProbe{Rate: rate, Response: bench.SightNone, Backlog: bench.SightNone, GeneratorOK: r.Load.GeneratorOK}
	i := slices.IndexFunc(r.Phases, func(p bench.Phase) bool { return p.Name == stageHold })
	if i < 0 || r.Phases[i].ResponseTime.Count == 0 {
		p.Why = "nothing was sent in the hold"
		return p
	}
	hold := &r.Phases[i]
	p.Acknowledged = float64(hold.Acknowledged) / float64(hold.ResponseTime.Count)
	p.P50, p.P99 = hold.ResponseTime.P50, hold.ResponseTime.P99
	if hold.Lag != nil {
		p.LagP50, p.LagP99 = hold.Lag.P50, hold.Lag.P99
	}
	var why []string
	say := func(format string, args ...any) { why = append(why, fmt.Sprintf(format, args...)) }
	p.Response = s.response(r, p.Acknowledged, say)
	p.Backlog = s.backlog(r, hold, &p, say)
	p.Why = strings.Join(why, "; ")
	return p
}

// response tells whether the API met what is expected of it.
func (s *Settings) response(r *bench.Result, acknowledged float64, say func(string, ...any)) bench.Sight {
	missed := acknowledged < s.Acknowledged
	if missed {
		say("%.4g %% of the requests were acknowledged", 100*acknowledged)
	}
	for _, e := range r.Expectations {
		switch {
		case e.OK == nil && r.Load.GeneratorOK:
			say("%q cannot be decided", e.Expect)
			return bench.SightNone
		case e.OK == nil:
			say("%q may be missed for the generator's sake", e.Expect)
			return bench.SightLimited
		case !*e.OK && e.Actual == nil:
			missed = true
			say("%q: it never ended", e.Expect)
		case !*e.OK:
			missed = true
			say("%q: it was %.4g", e.Expect, *e.Actual)
		}
	}
	switch {
	case missed && !r.Load.GeneratorOK:
		say("the generator did not keep up")
		return bench.SightLimited
	case missed:
		return bench.SightBreaks
	}
	return bench.SightHolds
}

// backlog tells whether the processor kept up, from the backlog at each full second
// of the hold.
func (s *Settings) backlog(r *bench.Result, hold *bench.Phase, p *bench.CapacityProbe, say func(string, ...any)) bench.Sight {
	if r.Run.Architecture == bench.Sync {
		return bench.SightNone // the client waits for the processor: there is no backlog to grow
	}
	var t, pending, processed []float64
	for _, row := range r.Backlog {
		if row.TMs >= hold.FromMs && row.TMs <= hold.ToMs {
			t, pending, processed = append(t, row.TMs/1e3), append(pending, float64(row.Pending)), append(processed, float64(row.Processed))
		}
	}
	growth, ok := stats.Trend(t, pending)
	if !ok {
		say("the backlog was not observed")
		return bench.SightNone
	}
	n := len(t) - 1
	rate := (processed[n] - processed[0]) / (t[n] - t[0])
	p.Growth, p.Processed = &growth, &rate
	if growth > s.GrowthTolerated*p.Rate {
		say("the backlog grew by %.4g a second", growth)
		return bench.SightBreaks
	}
	if p.Acknowledged < s.Acknowledged {
		say("so the processor was not given the rate")
		return bench.SightLimited
	}
	return bench.SightHolds
}

// Sightings are those of the probes on one question.
func Sightings(probes []bench.CapacityProbe, of func(*bench.CapacityProbe) bench.Sight) []Sighting {
	var all []Sighting
	for i := range probes {
		p := &probes[i]
		s := Sighting{Rate: p.Rate, Sight: of(p)}
		if p.Backlog == bench.SightBreaks && s.Sight == bench.SightBreaks && p.Processed != nil {
			s.Hint = *p.Processed
		}
		all = append(all, s)
	}
	return all
}

// OfResponse and OfBacklog are the two questions.
func OfResponse(p *bench.CapacityProbe) bench.Sight { return p.Response }

// OfBacklog gives what a probe shows of the backlog.
func OfBacklog(p *bench.CapacityProbe) bench.Sight { return p.Backlog }

// Load gives the scenario of a run with a spike: settled at the base rate, five
// seconds that tell what is normal there, the spike, and the base rate again until it
// has drained and a half longer.
func (s *Settings) Load(of *scenarios.Scenario, spike *bench.Spike, drains time.Duration) (*scenarios.Scenario, error) {
	base, high := scenarios.Rate(spike.Base), scenarios.Rate(spike.Rate)
	return of.ForCapacity([]scenarios.Stage{
		{Name: stageSettle, For: s.Settle, Rate: &base, Warmup: true},
		{Name: stageBefore, For: 5 * time.Second, Rate: &base},
		{Name: stageSpike, For: time.Duration(spike.ForMs * float64(time.Millisecond)), Rate: &high},
		{Name: stageAfter, For: drains + drains/2 + 5*time.Second, Rate: &base},
	}, nil, s.Drain)
}

// PlanSpike says how a spike is fired at a system of known limits: onto half of what
// the processor sustains, as fast as the API still takes it with a fifth to spare, in
// a second at least. drains is how long it should take; ok is false where the limits
// leave no room for one.
func (s *Settings) PlanSpike(response, backlog Answer) (spike bench.Spike, drains time.Duration, ok bool) {
	if backlog.Low == 0 {
		return spike, 0, false
	}
	spike.Size, spike.Trials = s.Spike, []bench.SpikeTrial{}
	if spike.Size == 0 {
		spike.Size = math.Round(5 * backlog.Low)
	}
	spike.Base = round(backlog.Low / 2)
	seconds := 1.0
	if response.Low > 0 {
		room := 0.8*response.Low - spike.Base
		if room <= 0 {
			return spike, 0, false
		}
		seconds = max(seconds, math.Ceil(spike.Size/room))
	}
	spike.ForMs = seconds * 1e3
	spike.Rate = spike.Base + spike.Size/seconds
	drain := spike.Size / (backlog.Low - spike.Base)
	return spike, time.Duration(math.Ceil(drain)) * time.Second, true
}

// blurred is the share of a spike's length by which its requests may be sent late, by
// p99, before it is another spike.
const blurred = 0.2

// SeeSpike tells how long a spike took to drain in one run.
func SeeSpike(r *bench.Result) bench.SpikeTrial {
	i := slices.IndexFunc(r.Phases, func(p bench.Phase) bool { return p.Name == stageSpike })
	switch {
	case i < 0 || len(r.Backlog) == 0:
		return bench.SpikeTrial{Why: "the backlog was not observed"}
	case r.Load.SendDelay.P99 > blurred*(r.Phases[i].ToMs-r.Phases[i].FromMs):
		return bench.SpikeTrial{Why: "the generator did not keep up, so the spike was another"}
	case r.Phases[i].RecoveryMs == nil:
		return bench.SpikeTrial{Why: "the backlog did not come back while the run lasted"}
	}
	return bench.SpikeTrial{DrainMs: r.Phases[i].RecoveryMs}
}
