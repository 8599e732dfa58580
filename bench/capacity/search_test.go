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

// TestTheGeneratorsLimitIsNotTheSystems: where something else gave out first, the
// answer is a bound from below, whose rate was taken.
func TestTheGeneratorsLimitIsNotTheSystems(t *testing.T) {
	for seed := range uint64(200) {
		s := system{name: "generator", limit: 9000, top: 2000, hitch: 0.05}
		a, _ := search(t, s, Options{Start: 500}, seed)
		if a.Status != bench.CapacityAtLeast || a.High != 0 || a.Low > 2000 || a.Low < 2000/1.5 {
			t.Fatalf("seed %d: %+v", seed, a)
		}
	}
}

// TestAskedRatesAreDecided: the interval lies on one side of each rate that is asked
// for. In at least 95 of 100 searches that is the right side, and with noise in 90 of
// 100 one of its ends is settled.
func TestAskedRatesAreDecided(t *testing.T) {
	const seeds = 500
	for _, limit := range []float64{20, 300, 470, 499, 505, 520, 560, 3000} {
		for _, s := range []system{{name: "exact", limit: limit}, {name: "noisy", limit: limit, hitch: 0.05, luck: 0.05, guess: true}} {
			wrong, open := 0, 0
			for seed := range uint64(seeds) {
				a, _ := search(t, s, Options{Start: 511, Ask: []float64{500, 511}, Highest: 600}, seed)
				switch {
				case a.Low >= 500 && (a.Status == bench.CapacityFound || a.Status == bench.CapacityAtLeast):
					if limit < 500 {
						wrong++
					}
				case a.High > 0 && a.High <= 500 && a.Status == bench.CapacityFound:
					if limit >= 500 {
						wrong++
					}
				default:
					open++
				}
			}
			t.Logf("%s, limit %v/s: %d wrong, %d undecided of %d", s.name, limit, wrong, open, seeds)
			if wrong > seeds/20 || open > seeds/10 || s.name == "exact" && wrong+open > 0 {
				t.Errorf("%s, limit %v/s: %d wrong, %d undecided of %d", s.name, limit, wrong, open, seeds)
			}
		}
	}
}

func TestTheEdgesOfASearch(t *testing.T) {
	if a, _ := search(t, system{limit: 0.1}, Options{Start: 100, Lowest: 2}, 1); a.Status != bench.CapacityBelow || a.High != 2 {
		t.Errorf("below the lowest rate: %+v", a)
	}
	if a, _ := search(t, system{limit: 1e9}, Options{Start: 100, Highest: 1000}, 1); a.Status != bench.CapacityAtLeast || a.Low != 1000 {
		t.Errorf("above the highest rate: %+v", a)
	}
	if a, n := search(t, system{limit: 1e9, top: 0.5}, Options{Start: 100, Lowest: 50}, 1); a.Status != bench.CapacityNone || n > 10 {
		t.Errorf("a generator that can do nothing: %+v after %d probes", a, n)
	}
	if a := Conclude(Options{}, nil); a.Status != bench.CapacityNone {
		t.Errorf("nothing seen: %+v", a)
	}
}

// TestInterrupted: after each probe there is an answer, which claims no more than was
// seen, and the rest of the search takes no longer for being told anew.
func TestInterrupted(t *testing.T) {
	o := Options{Start: 500, Repeats: 3}
	var seen []Sighting
	for n := 0; ; n++ {
		a := Conclude(o, seen)
		if a.Status == bench.CapacityFound && (a.Low > 1234 || a.High < 1234) || n == 1 && a.Status != bench.CapacityOpen {
			t.Errorf("after %d probes: %+v", n, a)
		}
		left := Left(o, seen)
		rate, done := Next(o, seen)
		if done {
			if left != 0 || a.Status != bench.CapacityFound {
				t.Errorf("at the end %d probes are left, and the answer is %+v", left, a)
			}
			return
		}
		if left < 1 || left > 40 {
			t.Errorf("after %d probes %d are left", n, left)
		}
		sight := bench.SightHolds
		if rate > 1234 {
			sight = bench.SightBreaks
		}
		seen = append(seen, Sighting{Rate: rate, Sight: sight}, Sighting{Rate: 7, Sight: bench.SightNone}) // the second shows nothing
	}
}
