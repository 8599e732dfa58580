// Package capacity finds how much a system can take: a step machine that says at
// which rate to probe next, and what follows from all probes so far.
//
// A probe holds one rate for a while and shows, of each question, whether the
// system takes it. Near the limit that is a matter of chance, and a busy machine
// can make any probe look bad. So the answer is an interval whose ends are
// settled by repeated probes:
//
//   - steps: from the first rate on, twice or half of it, until one is taken and a
//     higher one is not;
//   - bisection, until the two are as near to each other as was asked for;
//   - repeats: an end is settled when its probes agree so far that a rate which is
//     taken in one of two probes would show that by chance at most once in 2^Repeats.
//     An end that cannot be settled lies too near to the limit, and the next rate
//     outward takes its place.
//
// Everything is a pure function of the sightings: there is no other state, so that a
// search can be interrupted at any time, told again and gone on with. The limit is
// taken to be one: what takes a rate takes every lower one.
package capacity

import (
	"math"
	"slices"
	"strconv"

	"github.com/ackproof/ackproof/bench"
)

// Sighting is what one probe has shown of one question.
type Sighting struct {
	Rate  float64
	Sight bench.Sight
	// Hint is the limit as this probe by itself makes one guess it, such as the
	// rate at which a processor worked that could not follow; 0: no guess. It says
	// where to look next and is never part of an answer.
	Hint float64
}

// Options are those of a search.
type Options struct {
	Start     float64 // the first rate, requests per second
	Lowest    float64 // no lower rate is tried
	Highest   float64 // no higher one
	Precision float64 // how far apart the ends may be: 0.1 is a tenth
	Repeats   int     // probes in agreement that settle an end
	// Ask are rates that the interval must not hold inside: it is to lie on one side.
	Ask []float64
}

// Defaults are the options that a field of 0 stands for, but Start.
var Defaults = Options{Lowest: 1, Highest: 1e6, Precision: 0.1, Repeats: 5}

func (o Options) filled() Options {
	if o.Lowest == 0 {
		o.Lowest = Defaults.Lowest
	}
	if o.Highest == 0 {
		o.Highest = Defaults.Highest
	}
	if o.Precision == 0 {
		o.Precision = Defaults.Precision
	}
	if o.Repeats == 0 {
		o.Repeats = Defaults.Repeats
	}
	o.Start = min(max(o.Start, o.Lowest), o.Highest)
	return o
}

// limitedProbes is how many probes in which something else was the limit it takes
// to give a rate up: a busy machine can do that once.
const limitedProbes = 3

// Answer is what the sightings show. Low and High are 0 where there is none.
type Answer struct {
	Status    bench.CapacityStatus
	Low, High float64
}

// Next says at which rate to probe next; done is true when the answer can become no
// better.
func Next(o Options, seen []Sighting) (rate float64, done bool) {
	rate, _, done = look(o.filled(), seen)
	return rate, done
}

// Conclude gives the answer as far as it is known.
func Conclude(o Options, seen []Sighting) Answer {
	_, a, _ := look(o.filled(), seen)
	return a
}

// Left estimates how many probes are still to be made, taking the limit to lie in
// the middle of where it can lie.
func Left(o Options, seen []Sighting) int {
	o = o.filled()
	t := tally(o, seen)
	limit := t.guess(o)
	seen = slices.Clone(seen)
	for n := 0; ; n++ {
		rate, done := Next(o, seen)
		if done || n >= 100 {
			return n
		}
		sight := bench.SightHolds
		if rate > limit {
			sight = bench.SightBreaks
		}
		seen = append(seen, Sighting{Rate: rate, Sight: sight})
	}
}

// look is the machine's one step.
func look(o Options, seen []Sighting) (next float64, a Answer, done bool) {
	t := tally(o, seen)
	a = t.answer()
	probe := func(rate float64) (float64, Answer, bool) { return rate, a, false }
	cut := t.cut()
	lo, hi := t.at(cut-1), t.at(cut)
	switch {
	case len(t.rates) == 0:
		return probe(round(o.Start))
	case hi == nil && lo.rate < o.Highest:
		return probe(round(min(2*lo.rate, o.Highest)))
	case lo == nil && hi.rate > o.Lowest:
		return probe(round(max(hi.rate/2, o.Lowest)))
	case lo != nil && hi != nil && hi.rate > lo.rate*(1+o.Precision)*1.001:
		if rate, ok := t.between(lo.rate, hi.rate, o.Precision); ok {
			return probe(rate)
		}
	}
	for _, rate := range o.Ask {
		if lo != nil && hi != nil && lo.rate < rate && rate < hi.rate {
			return probe(rate)
		}
	}
	if rate, ok := t.settle(cut-1, -1, o); ok {
		return probe(rate)
	}
	if rate, ok := t.settle(cut, +1, o); ok {
		return probe(rate)
	}
	return 0, a, true
}

// counts are the sightings at one rate.
type counts struct {
	rate                   float64
	holds, breaks, limited int
	repeats                int
}

// agree reports whether n of n+m sightings are too many for chance, if each were as
// likely as not: one in 2^repeats at most, and half of that for each that says
// otherwise, since every further probe is one more chance to be wrong.
func agree(n, m, repeats int) bool {
	if n <= m {
		return false
	}
	tail, ways := 0.0, 1.0 // ways to choose i of n+m
	for i := 0; i <= m; i++ {
		tail += ways
		ways = ways * float64(n+m-i) / float64(i+1)
	}
	return tail*math.Pow(0.5, float64(n+m)) <= math.Pow(0.5, float64(repeats+m))
}

func (c *counts) taken() bool    { return agree(c.holds, c.breaks, c.repeats) }
func (c *counts) notTaken() bool { return agree(c.breaks, c.holds, c.repeats) }

// given up: something else is the limit here.
func (c *counts) givenUp() bool {
	return c.limited >= limitedProbes && c.holds+c.breaks < c.limited
}

// undecided reports whether more probes are not worth it: both ways were seen so
// often that the rate lies at the limit.
func (c *counts) undecided() bool { return min(c.holds, c.breaks) > 2 }

// tallied are the sightings by rate, rising.
type tallied struct {
	rates []counts
	hints []float64
}

func tally(o Options, seen []Sighting) *tallied {
	t := &tallied{}
	for _, s := range seen {
		if s.Sight == bench.SightNone {
			continue
		}
		i, found := slices.BinarySearchFunc(t.rates, s.Rate, func(c counts, rate float64) int {
			switch {
			case c.rate < rate:
				return -1
			case c.rate > rate:
				return 1
			}
			return 0
		})
		if !found {
			t.rates = slices.Insert(t.rates, i, counts{rate: s.Rate, repeats: o.Repeats})
		}
		switch s.Sight {
		case bench.SightHolds:
			t.rates[i].holds++
		case bench.SightBreaks:
			t.rates[i].breaks++
		default:
			t.rates[i].limited++
		}
		if s.Hint > 0 {
			t.hints = append(t.hints, s.Hint)
		}
	}
	slices.Sort(t.hints)
	return t
}

// at is a rate by its index; nil: there is none.
func (t *tallied) at(i int) *counts {
	if i < 0 || i >= len(t.rates) {
		return nil
	}
	return &t.rates[i]
}

// cut is the index of the first rate beyond the limit, as most sightings have it:
// the one place that fewest of them contradict. A probe in which something else was
// the limit is no sign that the rate is taken.
func (t *tallied) cut() int {
	wrong, best := 0, 0
	for _, c := range t.rates {
		wrong += c.holds
	}
	least := wrong
	for i, c := range t.rates {
		wrong += c.breaks + c.limited - c.holds
		if wrong < least {
			least, best = wrong, i+1
		}
	}
	return best
}

// between gives a rate inside a bracket: just beside the hint if that lies inside,
// else the geometric middle.
func (t *tallied) between(lo, hi, precision float64) (float64, bool) {
	inside := func(rate float64) (float64, bool) {
		rate = round(rate)
		return rate, rate > lo*(1+precision/4) && rate < hi/(1+precision/4)
	}
	if n := len(t.hints); n > 0 {
		hint, step := t.hints[n/2], math.Sqrt(1+0.9*precision)
		for _, rate := range []float64{hint / step, hint * step} {
			if rate, ok := inside(rate); ok {
				return rate, true
			}
		}
	}
	return inside(math.Sqrt(lo * hi))
}

// settle gives the rate to probe so that an end becomes settled: from index i
// outward, the first that is neither settled nor beyond hope. ok is false when the
// end is settled, or cannot be.
func (t *tallied) settle(i, outward int, o Options) (rate float64, ok bool) {
	last := 0.0
	for ; i >= 0 && i < len(t.rates); i += outward {
		c := &t.rates[i]
		if last > 0 && math.Abs(math.Log(c.rate/last)) > 1.6*math.Log1p(o.Precision) {
			break // a rate in between is nearer to the limit
		}
		if done := c.taken; outward > 0 {
			done = c.notTaken
			if done() || c.givenUp() {
				return 0, false
			}
		} else if done() {
			return 0, false
		}
		if !c.undecided() && !c.taken() && !c.notTaken() && !c.givenUp() {
			return c.rate, true
		}
		last = c.rate
	}
	if last == 0 {
		return 0, false // at an edge: there is nothing on this side of the limit
	}
	next := round(last * math.Pow(1+o.Precision, float64(outward)))
	if next < o.Lowest || next > o.Highest || next == last {
		return 0, false
	}
	return next, true
}

// answer is the interval that is settled, or else what single probes show.
func (t *tallied) answer() Answer {
	cut := t.cut()
	var a Answer
	settledLow, settledHigh, limited := false, false, false
	for i := cut - 1; i >= 0; i-- {
		if t.rates[i].taken() {
			a.Low, settledLow = t.rates[i].rate, true
			break
		}
	}
	for i := cut; i < len(t.rates); i++ {
		if t.rates[i].notTaken() {
			a.High, settledHigh = t.rates[i].rate, true
			break
		}
		if t.rates[i].givenUp() {
			limited = true
			break
		}
	}
	switch {
	case settledLow && settledHigh:
		a.Status = bench.CapacityFound
		return a
	case settledLow && (limited || cut == len(t.rates)):
		a.Status = bench.CapacityAtLeast
		return a
	case settledHigh && cut == 0:
		a.Status = bench.CapacityBelow
		return a
	case len(t.rates) == 0 || limited && cut == 0:
		a.Status = bench.CapacityNone
		return a
	}
	a.Status = bench.CapacityOpen
	if c := t.at(cut - 1); c != nil && !settledLow {
		a.Low = c.rate
	}
	if c := t.at(cut); c != nil && !settledHigh && c.breaks > 0 {
		a.High = c.rate
	}
	return a
}

// guess is where the limit may be.
func (t *tallied) guess(o Options) float64 {
	cut := t.cut()
	lo, hi := t.at(cut-1), t.at(cut)
	switch {
	case lo != nil && hi != nil:
		return math.Sqrt(lo.rate * hi.rate)
	case lo != nil:
		return 3 * lo.rate
	case hi != nil:
		return hi.rate / 3
	}
	return 3 * o.Start
}

// round keeps three significant digits: rates are for people, and probes of both
// questions at the same rate count for both.
func round(rate float64) float64 {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(rate, 'g', 3, 64), 64)
	if err != nil {
		return rate // infinite, or no number
	}
	return rounded
}

// roundUp gives the next rate of three digits.
func roundUp(rate float64) float64 {
	unit := math.Pow10(int(math.Floor(math.Log10(rate))) - 2)
	return round(math.Ceil(rate/unit-1e-9) * unit)
}
