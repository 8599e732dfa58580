package faults

import (
	"testing"

	"github.com/ackproof/ackproof/bench"
)

// TestASetGoesOnInThePlaceOfAnother kills the set that strikes, and hands what
// the other one was told to a third.
func TestASetGoesOnInThePlaceOfAnother(t *testing.T) {
	lines := []string{"at 1s for 3s every 1s: processor.error", "at 1s for 3s: table.throttle 50%", "on Invoke 1 to 3: invoke.fail", "at 9s: processor.slow by=1s"}
	dead, told, next := newSet(t, 1, lines...), newSet(t, 1, lines...), newSet(t, 1, lines...)
	for _, s := range []*Set{dead, told} {
		s.Begin(0)
		s.Begin(0)
		s.Begin(1)
		s.Begin(2)
	}
	strikes := func(s *Set, place bench.Place, op string, times int) (n int64) {
		for range times {
			if ask(s, place, op, 1) {
				n++
			}
		}
		return n
	}
	if n := strikes(dead, bench.PlaceProcessor, bench.OpHandOver, 1); n != 1 {
		t.Fatalf("%d strikes", n)
	}
	told.Told(0)
	throttled := strikes(dead, bench.PlaceTable, "PutItem", 100)
	for range throttled {
		told.Told(1)
	}
	strikes(dead, bench.PlaceInvoke, "Invoke", 1)
	told.Told(2)

	next.Resume(told.States())
	wantBites(t, next, 0, 2, 1)
	wantBites(t, next, 1, throttled, throttled)
	wantBites(t, next, 2, 3, 1)
	wantBites(t, next, 3, 0, 0)
	if n := strikes(next, bench.PlaceProcessor, bench.OpHandOver, 5); n != 1 {
		t.Errorf("%d strikes, want the one that waited", n)
	}
	if n := strikes(next, bench.PlaceInvoke, "Invoke", 5); n != 0 {
		t.Errorf("a fault by number has struck %d operations of which it does not know the number", n)
	}
	more := strikes(next, bench.PlaceTable, "PutItem", 100)
	if wantBites(t, next, 1, throttled+50, throttled+more); more < 30 || more > 70 {
		t.Errorf("%d of 100 struck by half", more)
	}
	next.End(1)
	if n := strikes(next, bench.PlaceTable, "PutItem", 100); n != 0 {
		t.Errorf("%d strikes after the end", n)
	}
	next.Begin(3)
	next.Begin(0)
	wantBites(t, next, 0, 3, 2)
	wantBites(t, next, 3, 1, 0)
}
