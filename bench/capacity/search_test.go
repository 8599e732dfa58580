package capacity

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

// system is a model of what is probed: its limit is known by construction.
type system struct {
	name  string
	limit float64
	blur  float64 // standard deviation of what a probe takes for the limit, as a share of it
	hitch float64 // probability that a probe is spoilt, which makes any rate look too high
	luck  float64 // probability that a probe near the limit, by less than a tenth, sees what it should not
	guess bool    // a probe beyond the limit gives a hint, 5 % off
	top   float64 // beyond it something else is the limit; 0: nothing is
}

func (s system) probe(draw *rand.Rand, rate float64) Sighting {
	out := Sighting{Rate: rate, Sight: bench.SightHolds}
	switch {
	case s.top > 0 && rate > s.top:
		out.Sight = bench.SightLimited
	case draw.Float64() < s.hitch:
		out.Sight = bench.SightBreaks
	default:
		beyond := rate > s.limit*math.Exp(draw.NormFloat64()*s.blur)
		if math.Abs(math.Log(rate/s.limit)) < 0.1 && draw.Float64() < s.luck {
			beyond = !beyond
		}
		if beyond {
			out.Sight = bench.SightBreaks
			if s.guess {
				out.Hint = s.limit * (1 + 0.05*draw.NormFloat64())
			}
		}
	}
	return out
}

func search(t *testing.T, s system, o Options, seed uint64) (Answer, int) {
	t.Helper()
	draw := clock.Rand(seed, s.name)
	var seen []Sighting
	for len(seen) < 500 {
		rate, done := Next(o, seen)
		if done {
			return Conclude(o, seen), len(seen)
		}
		if rate < Defaults.Lowest || rate > Defaults.Highest {
			t.Fatalf("%s, seed %d: probe %d is at %v", s.name, seed, len(seen), rate)
		}
		seen = append(seen, s.probe(draw, rate))
	}
	t.Fatalf("%s, seed %d: no end after %d probes", s.name, seed, len(seen))
	return Answer{}, 0
}

// TestLimitLiesInTheInterval: in at least 95 of 100 searches, whatever the noise.
func TestLimitLiesInTheInterval(t *testing.T) {
	models := []system{
		{name: "exact"},
		{name: "hint", guess: true},
		{name: "blurred", blur: 0.05},
		{name: "very blurred", blur: 0.2},
		{name: "hitches", hitch: 0.1},
		{name: "lucky", luck: 0.25},
		{name: "all at once", blur: 0.05, hitch: 0.1, luck: 0.1, guess: true},
	}
	const seeds = 1000
	for _, s := range models {
		missed, open, probes, width := 0, 0, 0, 0.0
		for seed := range uint64(seeds) {
			s.limit = 20 * math.Exp(clock.Rand(seed, "limit").Float64()*7) // 20/s to 22,000/s
			a, n := search(t, s, Options{Start: 500}, seed)
			probes += n
			switch {
			case a.Status != bench.CapacityFound:
				open++
			case s.limit < a.Low || s.limit > a.High:
				missed++
			default:
				width += a.High/a.Low - 1
			}
		}
		t.Logf("%-13s missed %d, not settled %d of %d; %.1f probes, %.1f %% wide", s.name, missed, open, seeds, float64(probes)/seeds, 100*width/float64(seeds-missed-open))
		if missed > seeds/20 {
			t.Errorf("%s: the limit lies outside of the interval in %d of %d searches", s.name, missed, seeds)
		}
		if open > seeds/50 {
			t.Errorf("%s: %d of %d searches have ended without an interval", s.name, open, seeds)
		}
	}
}
