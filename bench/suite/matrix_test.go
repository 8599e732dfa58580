package suite

import (
	"io"
	"log"
	"os"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/ackproof/ackproof/bench/clock"
)

func TestMain(m *testing.M) {
	Main() // the copy that runs cells
	log.SetOutput(io.Discard)
	os.Exit(m.Run())
}

// play runs cells in bubbles, as many at once as there are CPUs.
func play(t *testing.T, cells []Cell) map[Cell]Outcome {
	t.Helper()
	seed := clock.Entropy() >> 12
	if text := os.Getenv("ACKPROOF_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("ACKPROOF_SEED=%d", seed)
	var mu sync.Mutex
	all := map[Cell]Outcome{}
	t.Run("cells", func(t *testing.T) {
		for _, c := range cells {
			t.Run(c.Configuration+" "+c.Probe, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					o, err := c.Virtual(t.Context(), seed)
					if err != nil {
						t.Fatal(err)
					}
					for _, w := range o.Wrong {
						t.Errorf("%s (%s)", w, &o.Observation)
					}
					mu.Lock()
					defer mu.Unlock()
					all[c] = o
				})
			})
		}
	})
	return all
}

// TestExposingCells: each bug is found by the first probe that should find it, and
// six faults raise no false alarm.
func TestExposingCells(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long, and ten times as long under the race detector: without -short")
	}
	if all := play(t, Live()); len(all) != len(Live()) || len(all) < 6+len(configurations)-1 {
		t.Errorf("%d cells were played", len(all))
	}
}

// TestConformanceMatrix plays every cell, and then names each bug from what they
// have shown without being told which it is.
func TestConformanceMatrix(t *testing.T) {
	if os.Getenv("ACKPROOF_CONFORMANCE") == "" {
		t.Skip("all cells, in about a minute and a half of CPU time: set ACKPROOF_CONFORMANCE=1")
	}
	all := play(t, Matrix())
	for _, c := range configurations {
		var seen []Observation
		for _, p := range probes {
			seen = append(seen, all[Cell{c.Name, p.Name}].Observation)
		}
		for _, known := range []Known{MappingUnknown, knownOf(c)} {
			d := Diagnose(seen, known)
			t.Logf("%s, known %q: %s, %s (%s)", c.Name, known, d.Sureness, d.Text, d.Fingerprint)
			if wrong := misnamed(c, d); wrong != "" {
				t.Errorf("%s, known %q: %s", c.Name, known, wrong)
			}
		}
	}
}
