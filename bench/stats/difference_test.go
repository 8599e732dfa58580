package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestDiffer(t *testing.T) {
	low, high := []float64{1, 2, 3, 4, 5, 6}, []float64{7, 8, 9, 10, 11, 12}
	inf := math.Inf(1)
	tests := []struct {
		name        string
		from, to    []float64
		superiority float64
		p           float64 // from tables of the U statistic
		change      float64 // NaN: none
		ok          bool
	}{
		{"all above", low, high, 1, 2.0 / 924, 6, true},
		{"all below", high, low, 0, 2.0 / 924, -6, true},
		{"itself", low, low, 0.5, 1, 0, true},
		{"unbounded is above all", low, []float64{inf, inf, inf, inf, inf, inf}, 1, 2.0 / 924, math.NaN(), true},
		{"five are too few", low[:5], high, 0, 0, 0, false},
		{"nothing varies", []float64{0, 0, 0, 0, 0, 0}, []float64{0, 0, 0, 0, 0, 0}, 0, 0, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, ok := Differ(tt.from, tt.to)
			if ok != tt.ok {
				t.Fatalf("ok %v, want %v", ok, tt.ok)
			}
			if !ok {
				return
			}
			// Ties make the exact distribution a little different.
			if d.Superiority != tt.superiority || math.Abs(d.P-tt.p) > 0.003 {
				t.Errorf("superiority %g, p %g; want %g, %g", d.Superiority, d.P, tt.superiority, tt.p)
			}
			if change := d.Change(); (change == nil) != math.IsNaN(tt.change) || change != nil && *change != tt.change {
				t.Errorf("change %v, want %g", change, tt.change)
			}
		})
	}
}

// The example of the procedure's inventors: of these fifteen, four are found.
func TestDiscoveries(t *testing.T) {
	p := []float64{0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1}
	found := Discoveries(p)
	for i := range p {
		if found[i] != (i < 4) {
			t.Errorf("p %g: found %v", p[i], found[i])
		}
	}
	slices.Reverse(p)
	if found = Discoveries(p); !found[14] || found[0] {
		t.Errorf("the order of the figures decides: %v", found)
	}
	if got := Discoveries(nil); len(got) != 0 {
		t.Errorf("of nothing: %v", got)
	}
}

// A against A: two sides of eight trials with ten figures each, drawn alike, are
// called different in at most 5 % of all comparisons, also where the figures of
// one trial go together. A planted shift is found. Seeded, so that it is the same
// thousand each time: the share is a property of the procedure, not of the day.
func TestNothingIsFoundInNothing(t *testing.T) {
	const pairs, trials, figures = 1000, 8, 10
	rng := rand.New(rand.NewPCG(1995, 289))
	for _, tt := range []struct {
		name        string
		together    float64 // share of a figure's spread that a whole trial has in common
		shift       float64 // of one figure, in spreads
		least, most int
	}{
		{"independent", 0, 0, 1, pairs * 5 / 100},
		{"together", 0.8, 0, 1, pairs * 5 / 100},
		{"one is shifted", 0.5, 4, pairs * 95 / 100, pairs},
	} {
		different := 0
		for range pairs {
			var p []float64
			samples := make([][]float64, 2*figures)
			for side := range 2 {
				for range trials {
					common := rng.NormFloat64()
					for f := range figures {
						v := tt.together*common + (1-tt.together)*rng.NormFloat64()
						if side == 1 && f == 3 {
							v += tt.shift
						}
						samples[side*figures+f] = append(samples[side*figures+f], math.Exp(v)) // skewed, as times are
					}
				}
			}
			for f := range figures {
				d, ok := Differ(samples[f], samples[figures+f])
				if !ok {
					t.Fatal("nothing to test")
				}
				p = append(p, d.P)
			}
			if slices.Contains(Discoveries(p), true) {
				different++
			}
		}
		t.Logf("%s: %d of %d called different", tt.name, different, pairs)
		if different < tt.least || different > tt.most {
			t.Errorf("%s: %d of %d pairs called different, want %d to %d", tt.name, different, pairs, tt.least, tt.most)
		}
	}
}
