package stats

import (
	"math"
	"slices"

	"golang.org/x/perf/benchmath"
)

// FalseDiscoveryRate is how many of the differences that a comparison calls real
// may be noise, on average. Between two sides that do not differ at all it is
// the probability of calling anything different.
const FalseDiscoveryRate = 0.05

// Difference is what the trials of two sides show of one figure.
type Difference struct {
	From, To Interval
	// Superiority is the share of pairs, one trial of each side, in which the
	// second side's is the larger; a tie counts half. 0.5: neither.
	Superiority float64
	// P is how probable trials at least as far apart are where the sides do not
	// differ: of the two-sided Mann–Whitney test, exact for few trials. It asks
	// for the order of the values alone, so a percentile that is unbounded may
	// stand as +Inf.
	P float64
}

// Differ compares the trials of two sides. ok is false with fewer than
// [MinTrials] on either, and where all values are the same: there is nothing to
// test. See [MedianInterval] for what a trial is.
func Differ(from, to []float64) (d Difference, ok bool) {
	a, okA := MedianInterval(from)
	b, okB := MedianInterval(to)
	if !okA || !okB || slices.Min(from) == slices.Max(from) && slices.Min(to) == slices.Max(to) && from[0] == to[0] {
		return d, false
	}
	thresholds := benchmath.DefaultThresholds
	test := benchmath.AssumeNothing.Compare(
		benchmath.NewSample(slices.Clone(from), &thresholds), // it sorts what it is given
		benchmath.NewSample(slices.Clone(to), &thresholds))
	wins := 0.0
	for _, x := range from {
		for _, y := range to {
			switch {
			case y > x:
				wins++
			case y == x:
				wins += 0.5
			}
		}
	}
	return Difference{From: a, To: b, Superiority: wins / float64(len(from)*len(to)), P: test.P}, true
}

// Change is by how much the median grew; null where one of them is unbounded.
func (d Difference) Change() *float64 {
	change := d.To.Median - d.From.Median
	if math.IsInf(change, 0) || math.IsNaN(change) {
		return nil
	}
	return &change
}

// Discoveries tells which of several tests made together show a difference, by
// the procedure of Benjamini and Hochberg (1995) at [FalseDiscoveryRate]: of ten
// figures compared at 5 % each, one would be called different in two comparisons
// of five that compare a thing with itself.
func Discoveries(p []float64) []bool {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		switch {
		case p[i] < p[j]:
			return -1
		case p[i] > p[j]:
			return 1
		}
		return 0
	})
	found := make([]bool, len(p))
	for rank := len(order); rank > 0; rank-- {
		if p[order[rank-1]] <= FalseDiscoveryRate*float64(rank)/float64(len(p)) {
			for _, i := range order[:rank] {
				found[i] = true
			}
			break
		}
	}
	return found
}
