package faults

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func newSet(t testing.TB, seed uint64, lines ...string) *Set {
	t.Helper()
	var all []Fault
	for _, l := range lines {
		all = append(all, mustParse(t, l))
	}
	return NewSet(seed, all)
}

// ask asks and, like a machine that obeys, reports the strike.
func ask(s *Set, place bench.Place, op string, process int) bool {
	strike := s.Ask(bench.Op{Place: place, Name: op, Process: process})
	s.Struck(strike)
	return strike.Kind != ""
}

func wantBites(t *testing.T, s *Set, i int, planned, bitten int64) {
	t.Helper()
	if got, want := s.Bites()[i], (bench.Bites{Planned: planned, Bitten: bitten}); got != want {
		t.Errorf("fault %d: bites %+v, want %+v", i, got, want)
	}
}

func TestTimeline(t *testing.T) {
	var all []Fault
	for _, l := range []string{"at 2s for 3s every 1s: processor.kill", "at 1s for 1s: table.throttle", "at 5s: processor.error", "on Invoke 3: invoke.fail"} {
		all = append(all, mustParse(t, l))
	}
	s := time.Second
	want := []Moment{
		{0, 3, false},
		{1 * s, 1, false}, {2 * s, 1, true}, {2 * s, 0, false}, {3 * s, 0, false}, {4 * s, 0, false},
		{5 * s, 0, true}, {5 * s, 2, false},
	}
	if diff := cmp.Diff(want, Timeline(all)); diff != "" {
		t.Error(diff)
	}
	if from, to := all[0].Window(); from != 2*s || to != 5*s {
		t.Errorf("window %s to %s, want 2s to 5s", from, to)
	}
}

func TestOneStrikeIsUsedUp(t *testing.T) {
	s := newSet(t, 1, "at 1s for 3s every 1s: processor.error")
	if ask(s, bench.PlaceProcessor, bench.OpHandOver, 1) {
		t.Fatal("struck before it began")
	}
	s.Begin(0)
	if ask(s, bench.PlaceProcessor, bench.OpAnswer, 1) || ask(s, bench.PlaceInvoke, "Invoke", 0) {
		t.Fatal("struck at another operation")
	}
	if !ask(s, bench.PlaceProcessor, bench.OpHandOver, 1) || ask(s, bench.PlaceProcessor, bench.OpHandOver, 2) {
		t.Fatal("one begin must strike once")
	}
	s.Begin(0)
	s.Begin(0)
	wantBites(t, s, 0, 3, 1)
	if !ask(s, bench.PlaceProcessor, bench.OpHandOver, 1) {
		t.Fatal("a second begin did not strike")
	}
	s.End(0)
	if ask(s, bench.PlaceProcessor, bench.OpHandOver, 1) {
		t.Fatal("struck after its end")
	}
	wantBites(t, s, 0, 3, 2) // the unused strike stays planned
}

func TestKillInWindowKillsOnce(t *testing.T) {
	s := newSet(t, 1, "at 1s for 3s: processor.kill after-effects")
	s.Begin(0)
	if !ask(s, bench.PlaceProcessor, bench.OpAnswer, 4) || ask(s, bench.PlaceProcessor, bench.OpAnswer, 5) {
		t.Fatal("a window of processor.kill must kill one process")
	}
	wantBites(t, s, 0, 1, 1)
}

func TestAfterWrite(t *testing.T) {
	s := newSet(t, 1, "at 0s for 9s every 1s: processor.kill after-write 3")
	write := func(p int) bool { return ask(s, bench.PlaceProcessor, bench.OpWrite, p) }
	write(1) // before it is armed: does not count
	s.Begin(0)
	got := []bool{write(1), write(2), write(1), write(2), write(2)}
	if want := []bool{false, false, false, false, true}; !slices.Equal(got, want) {
		t.Fatalf("process 2 was the first with 3 writes; struck %v, want %v", got, want)
	}
	if write(1) { // its third, but the strike is used up
		t.Fatal("struck without a strike")
	}
	s.Begin(0) // counts from here
	got = []bool{write(1), write(1), write(1)}
	if want := []bool{false, false, true}; !slices.Equal(got, want) {
		t.Fatalf("second strike: %v, want %v", got, want)
	}
	wantBites(t, s, 0, 2, 2)
}

func TestWindowShare(t *testing.T) {
	const n = 10_000
	run := func(seed uint64, lines ...string) []bool {
		s := newSet(t, seed, lines...)
		for i := range lines {
			s.Begin(i)
		}
		struck := make([]bool, n)
		for i := range struck {
			strike := s.Ask(bench.Op{Place: bench.PlaceTable, Name: "PutItem"})
			s.Struck(strike)
			struck[i] = strike.Kind != "" && strike.Fault == 0
		}
		if b := s.Bites()[0]; b.Planned != 3000 || b.Bitten < 2700 || b.Bitten > 3300 {
			t.Errorf("seed %d: 30 %% of %d operations: %+v", seed, n, b)
		}
		return struck
	}
	a := run(7, "at 0s for 9s: table.throttle 30%")
	if !slices.Equal(a, run(7, "at 0s for 9s: table.throttle 30%")) {
		t.Error("the same seed struck other operations")
	}
	if slices.Equal(a, run(8, "at 0s for 9s: table.throttle 30%")) {
		t.Error("another seed struck the same operations")
	}
	if !slices.Equal(a, run(7, "at 0s for 9s: table.throttle 30%", "at 0s for 9s: table.throttle 50%")) {
		t.Error("a second fault disturbed the draws of the first")
	}
}

func TestOnOperation(t *testing.T) {
	s := newSet(t, 1, "on PutItem 3 to 4: table.throttle")
	wantBites(t, s, 0, 2, 0)
	s.Begin(0)
	var got []bool
	for range 5 {
		ask(s, bench.PlaceTable, "UpdateItem", 0) // another name is not counted
		got = append(got, ask(s, bench.PlaceTable, "PutItem", 0))
	}
	if want := []bool{false, false, true, true, false}; !slices.Equal(got, want) {
		t.Errorf("struck %v, want %v", got, want)
	}
	wantBites(t, s, 0, 2, 2)
}

func TestSlowCarriesDelay(t *testing.T) {
	s := newSet(t, 1, "at 0s for 1s: processor.slow by=70ms")
	s.Begin(0)
	got := s.Ask(bench.Op{Place: bench.PlaceProcessor, Name: bench.OpHandOver})
	if want := (bench.Strike{Fault: 0, Kind: "processor.slow", Delay: 70 * time.Millisecond}); got != want {
		t.Errorf("strike %+v, want %+v", got, want)
	}
}

func TestOneOperationOneStrike(t *testing.T) {
	s := newSet(t, 1, "at 0s: processor.error", "at 0s: processor.kill")
	s.Begin(0)
	s.Begin(1)
	if got := s.Armed(); !slices.Equal(got, []int{0, 1}) {
		t.Errorf("armed %v", got)
	}
	for want := range 2 {
		got := s.Ask(bench.Op{Place: bench.PlaceProcessor, Name: bench.OpHandOver})
		if got.Kind == "" || got.Fault != want {
			t.Errorf("operation %d: %+v, want fault %d", want, got, want)
		}
	}
}

// TestConcurrent: from many goroutines each strike is given out once.
func TestConcurrent(t *testing.T) {
	s := newSet(t, 1, "at 0s for 1s every 1ms: processor.kill", "at 0s for 1s: invoke.fail 50%")
	s.Begin(1)
	var wg sync.WaitGroup
	for p := range 8 {
		wg.Go(func() {
			for range 250 {
				if p == 0 {
					s.Begin(0)
				}
				ask(s, bench.PlaceProcessor, bench.OpHandOver, p)
				ask(s, bench.PlaceInvoke, "Invoke", 0)
				s.Bites()
			}
		})
	}
	wg.Wait()
	for range 250 { // use up what is left
		ask(s, bench.PlaceProcessor, bench.OpHandOver, 0)
	}
	wantBites(t, s, 0, 250, 250)
	if b := s.Bites()[1]; b.Planned == 0 || b.Bitten < b.Planned*8/10 || b.Bitten > b.Planned*12/10 {
		t.Errorf("window: %+v", b)
	}
}

// TestSetProperties: whatever happens, a set that is obeyed bites no more than
// it planned where the plan is a number of strikes, and an ended fault never strikes.
func TestSetProperties(t *testing.T) {
	places := []bench.Place{bench.PlaceProcessor, bench.PlaceInvoke, bench.PlaceTable, bench.PlaceGateway, bench.PlaceMapping, bench.PlaceClock}
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Custom(drawFault), 1, 5).Draw(t, "faults")
		s := NewSet(rapid.Uint64().Draw(t, "seed"), all)
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			i := rapid.IntRange(0, len(all)-1).Draw(t, "fault")
			switch rapid.IntRange(0, 5).Draw(t, "do") {
			case 0:
				s.Begin(i)
			case 1:
				s.End(i)
			default:
				names := append([]string{bench.OpPull}, all[i].Kind.Ops...)
				op := bench.Op{Place: rapid.SampledFrom(places).Draw(t, "place"), Name: rapid.SampledFrom(names).Draw(t, "op"), Process: rapid.IntRange(1, 3).Draw(t, "process")}
				armed := s.Armed()
				strike := s.Ask(op)
				s.Struck(strike)
				if strike.Kind == "" {
					continue
				}
				if !slices.Contains(armed, strike.Fault) || all[strike.Fault].Kind.Name != strike.Kind || all[strike.Fault].Kind.Place != op.Place {
					t.Fatalf("strike %+v at %+v, armed %v", strike, op, armed)
				}
			}
			for i, b := range s.Bites() {
				// Of a share a plan is the mean: one operation of ten may be hit, or none.
				if drawn := all[i].On == "" && !all[i].OneStrike() && all[i].Share < 100; !drawn && b.Bitten > b.Planned {
					t.Fatalf("%s: bitten %d, planned %d", all[i], b.Bitten, b.Planned)
				}
			}
		}
	})
}

func TestAcceptPath(t *testing.T) {
	for _, tt := range []struct {
		kind, architecture string
		want               bool
	}{
		{"table.throttle", bench.Streams, true},
		{"table.throttle", bench.FireAndForget, false},
		{"gateway.cut", bench.FireAndForget, true},
		{"processor.kill", bench.Streams, false},
		{"processor.kill", bench.Sync, true},
		{"invoke.fail", bench.Sync, true},
	} {
		k, ok := Lookup(tt.kind)
		if !ok || k.OnAcceptPath(tt.architecture) != tt.want {
			t.Errorf("%s in %s: accept path is not %v", tt.kind, tt.architecture, tt.want)
		}
	}
}

func BenchmarkAskIdle(b *testing.B) {
	s := newSet(b, 1, "at 0s for 9s: table.throttle 30%")
	op := bench.Op{Place: bench.PlaceTable, Name: "PutItem"}
	for b.Loop() {
		s.Ask(op)
	}
}

func BenchmarkAskWindow(b *testing.B) {
	s := newSet(b, 1, "at 0s for 9s: table.throttle 30%", "at 0s: processor.kill after-write 10")
	s.Begin(0)
	op := bench.Op{Place: bench.PlaceTable, Name: "PutItem"}
	for b.Loop() {
		s.Ask(op)
	}
}
