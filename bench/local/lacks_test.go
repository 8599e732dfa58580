package local

import (
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench"
)

// at is a set of one fault at a place.
type at struct {
	oneFault
	place bench.Place
}

func (f *at) Place(int) bench.Place { return f.place }

// TestWhatOnlyStreamsHasIsLackingElsewhere: a fault that could not bite, or a
// table that could not be written, is refused before the first request.
func TestWhatOnlyStreamsHasIsLackingElsewhere(t *testing.T) {
	for _, place := range []bench.Place{bench.PlaceMapping, bench.PlaceStream, bench.PlaceClock, bench.PlaceDestination, bench.PlaceTable} {
		target := New(Options{NewFaults: func(uint64, []string) (Faults, error) { return &at{place: place}, nil }})
		lacks := strings.Join(target.Lacks(bench.Stack{Architecture: bench.Sync, Gateway: bench.Gateway{Path: "/items"}, Faults: []string{"the fault"}}), "; ")
		if want := place != bench.PlaceTable; strings.Contains(lacks, `the fault "the fault" needs a stream`) != want {
			t.Errorf("%s: lacks %q", place, lacks)
		}
	}
	target := New(Options{NewFaults: func(uint64, []string) (Faults, error) { return &at{place: bench.PlaceResults}, nil }})
	for _, one := range []bool{true, false} {
		lacks := strings.Join(target.Lacks(bench.Stack{Architecture: bench.Streams, OneTable: one, Gateway: bench.Gateway{Path: "/items"}, Faults: []string{"the fault"}}), "; ")
		if strings.Contains(lacks, `the fault "the fault" needs a results table`) != one {
			t.Errorf("one table %v: lacks %q", one, lacks)
		}
	}
	target = New(Options{NewFaults: func(uint64, []string) (Faults, error) { return &oneFault{}, nil }})
	for architecture, want := range map[string]bool{bench.Streams: false, bench.Sync: true, bench.FireAndForget: true} {
		lacks := strings.Join(target.Lacks(bench.Stack{Architecture: architecture, OneTable: true, Gateway: bench.Gateway{Path: "/items"}}), "; ")
		if strings.Contains(lacks, "twice in one transaction") != want {
			t.Errorf("%s with one table: lacks %q", architecture, lacks)
		}
	}
}
