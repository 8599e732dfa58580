package stats_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/stats"
)

// item is one of a simulated run, whose whole life is known.
type item struct {
	took time.Duration // from acknowledged to effect; stats.Never: it was lost
	seen time.Duration // for how long it was observed
}

// simulate makes items that are acknowledged evenly over a minute, in which the
// observation ends.
func simulate(draw *rand.Rand, took func(ackedAt time.Duration) time.Duration) []item {
	items := make([]item, 4000)
	for i := range items {
		at := time.Duration(draw.Float64() * float64(time.Minute))
		items[i] = item{took: took(at), seen: time.Minute - at}
	}
	return items
}

// TestCensoredBounds: of simulated runs whose truth is known, each true percentile lies
// between the two that are told, however the items were lost; Kaplan's and Meier's
// estimate lies there too; and without anything censored the two are one.
func TestCensoredBounds(t *testing.T) {
	lognormal := func(draw *rand.Rand, median time.Duration) time.Duration {
		return time.Duration(float64(median) * math.Exp(draw.NormFloat64()))
	}
	for seed := range uint64(20) {
		draw := clock.Rand(seed, "censored")
		for name, took := range map[string]func(at time.Duration) time.Duration{
			"all in time":     func(time.Duration) time.Duration { return time.Millisecond * time.Duration(1+draw.IntN(900)) },
			"slow to the end": func(time.Duration) time.Duration { return lognormal(draw, 10*time.Second) },
			"a tenth lost":    func(time.Duration) time.Duration { return lost(draw.Float64() < 0.1, lognormal(draw, time.Second)) },
			"an outage loses all": func(at time.Duration) time.Duration {
				return lost(at > 20*time.Second && at < 30*time.Second, lognormal(draw, time.Second))
			},
			"the slowest are lost": func(time.Duration) time.Duration {
				d := lognormal(draw, time.Second)
				return lost(d > 4*time.Second, d)
			},
			"nearly all lost": func(time.Duration) time.Duration { return lost(draw.Float64() < 0.95, lognormal(draw, time.Second)) },
		} {
			items := simulate(draw, took)
			var h stats.Histogram
			var truth []time.Duration
			censored := 0
			for _, it := range items {
				if it.took > it.seen {
					h.RecordCensored(it.seen)
					censored++
				} else {
					h.Record(it.took)
				}
				truth = append(truth, it.took)
			}
			slices.Sort(truth)
			l := h.Latency()
			if (l.AtLeast == nil) != (censored == 0) {
				t.Fatalf("%s, seed %d: %d censored, lower bounds %v", name, seed, censored, l.AtLeast)
			}
			for _, q := range []struct {
				share float64
				upper *float64
				lower func() float64
			}{
				{0.5, l.P50, func() float64 { return l.AtLeast.P50 }}, {0.9, l.P90, func() float64 { return l.AtLeast.P90 }},
				{0.99, l.P99, func() float64 { return l.AtLeast.P99 }}, {0.999, l.P999, func() float64 { return l.AtLeast.P999 }},
			} {
				const bucket = 1.002 // three significant digits, upward
				true := truth[max(0, int(math.Ceil(q.share*float64(len(truth))-1e-6))-1)]
				ms := float64(true) / 1e6
				if q.upper != nil && ms > *q.upper*bucket {
					t.Errorf("%s, seed %d: p%g is %v ms and was told to be %v at most", name, seed, 100*q.share, ms, *q.upper)
				}
				if censored == 0 {
					if ms < *q.upper/bucket-1e-3 {
						t.Errorf("%s, seed %d: p%g is %v ms and was told to be %v, though nothing is missing", name, seed, 100*q.share, ms, *q.upper)
					}
					continue
				}
				if true != stats.Never && ms < q.lower()/bucket-1e-3 {
					t.Errorf("%s, seed %d: p%g is %v ms and was told to be %v at least", name, seed, 100*q.share, ms, q.lower())
				}
				if q.upper == nil && true != stats.Never && true < 10*time.Millisecond {
					t.Errorf("%s, seed %d: p%g is called unbounded for nothing", name, seed, 100*q.share)
				}
				if km, ok := kaplanMeier(items, q.share); ok {
					ms := float64(km) / 1e6
					if ms < q.lower()/bucket-1e-3 || q.upper != nil && ms > *q.upper*bucket {
						t.Errorf("%s, seed %d: the estimate of p%g, %v ms, lies outside of the bounds", name, seed, 100*q.share, ms)
					}
				}
			}
		}
	}
}

func lost(is bool, else_ time.Duration) time.Duration {
	if is {
		return stats.Never
	}
	return else_
}

// kaplanMeier is the product-limit estimate of a percentile: the first moment by which
// at least that share has ended, each step taken of those still observed.
func kaplanMeier(items []item, share float64) (time.Duration, bool) {
	sorted := slices.Clone(items)
	slices.SortFunc(sorted, func(a, b item) int { return int(min(a.took, a.seen) - min(b.took, b.seen)) })
	going := 1.0
	for i, it := range sorted {
		if it.took > it.seen {
			continue
		}
		going *= 1 - 1/float64(len(sorted)-i)
		if 1-going >= share-1e-9 {
			return it.took, true
		}
	}
	return 0, false
}
