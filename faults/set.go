package faults

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"sync"
	"sync/atomic"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

// Set decides which operations are struck: the bench.Injector of a target. It
// is safe for concurrent use.
//
// Whether the n-th operation that a fault sees is struck is drawn from seed,
// fault and n alone. So a run with the same seed strikes the same operations of
// the same order, and one fault does not disturb the draws of another.
type Set struct {
	seed uint64
	open atomic.Int32 // faults that are armed: without any, Ask costs one load

	mu     sync.Mutex
	states []state
}

var _ bench.Injector = (*Set)(nil)

// ParseSet makes the injector of faults given as texts. All that is wrong with
// them is said at once.
func ParseSet(seed uint64, texts []string) (*Set, error) {
	faults := make([]Fault, len(texts))
	var errs []error
	for i, text := range texts {
		var err error
		faults[i], err = Parse(text)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return NewSet(seed, faults), nil
}

// Place says where fault i strikes.
func (s *Set) Place(i int) bench.Place { return s.states[i].fault.Kind.Place }

// When says at which moment of a request fault i strikes; empty: its kind has none.
func (s *Set) When(i int) bench.When { return bench.When(s.states[i].fault.Placement) }

// state is what the set knows of one fault.
type state struct {
	fault Fault
	label string // of its draws
	armed bool

	seen    uint64   // operations drawn for, or counted by `on`
	begun   uint64   // strikes drawn for
	pending []strike // strikes that are due and not used, oldest first
	// writes counts the writes of each process while armed, for after-write.
	writes map[int]uint64

	planned, bitten int64
	before          int64 // of a window: planned in the processes before this one
}

// strike is one strike that waits for its operation.
type strike struct {
	// base is what state.writes was when it was armed, so that the writes since
	// then are a difference and a write costs one addition however many wait.
	base map[int]uint64
}

// NewSet makes the injector of the faults; none is armed. The indices of the
// faults are those of Begin, End and bench.Strike.
func NewSet(seed uint64, faults []Fault) *Set {
	s := &Set{seed: seed, states: make([]state, len(faults))}
	for i, f := range faults {
		st := &s.states[i]
		*st = state{fault: f, label: fmt.Sprintf("fault %d", i)}
		if f.On != "" {
			// Which of the numbered operations will be struck is known before.
			for n := f.First; n <= f.Last; n++ {
				if s.hit(st, n) {
					st.planned++
				}
			}
		}
	}
	return s
}

// hit draws whether the n-th operation, or strike, of a fault is one of its
// share.
func (s *Set) hit(st *state, n uint64) bool {
	return st.fault.Share >= 100 || clock.Draw(s.seed, st.label, n)*100 < st.fault.Share
}

// Begin arms fault i or, where it strikes once per begin, adds one strike. It
// panics on an index that no fault has.
func (s *Set) Begin(i int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &s.states[i]
	if !st.armed {
		st.armed = true
		st.writes = map[int]uint64{}
		s.open.Add(1)
	}
	if !st.fault.OneStrike() {
		return
	}
	st.begun++
	if s.hit(st, st.begun) {
		st.planned++
		st.pending = append(st.pending, strike{base: maps.Clone(st.writes)})
	}
}

// End takes fault i away. Strikes that found no operation stay planned and were
// not bitten. Ending a fault that is not armed does nothing.
func (s *Set) End(i int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &s.states[i]
	if st.armed {
		st.armed, st.pending, st.writes = false, nil, nil
		s.open.Add(-1)
	}
}

// Armed lists the indices of the faults that are armed, in order.
func (s *Set) Armed() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	armed := []int{}
	for i := range s.states {
		if s.states[i].armed {
			armed = append(armed, i)
		}
	}
	return armed
}

// Bites reports how often each fault should have struck so far, and has.
// Planned counts the strikes that are due; for a window it counts the
// operations that were drawn, and for a fault by number those it names.
func (s *Set) Bites() []bench.Bites {
	s.mu.Lock()
	defer s.mu.Unlock()
	bites := make([]bench.Bites, len(s.states))
	for i := range s.states {
		bites[i] = bench.Bites{Planned: s.states[i].due(), Bitten: s.states[i].bitten}
	}
	return bites
}

// Ask decides the fate of one operation. The first fault that wants it has it;
// the others count it as seen, so that their draws stay their own.
func (s *Set) Ask(op bench.Op) bench.Strike {
	if s.open.Load() == 0 {
		return bench.Strike{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	chosen := bench.Strike{Fault: -1}
	for i := range s.states {
		st := &s.states[i]
		if !st.armed || st.fault.Kind.Place != op.Place {
			continue
		}
		if s.wants(st, op, chosen.Fault < 0) {
			chosen = bench.Strike{Fault: i, Kind: st.fault.Kind.Name, Delay: st.fault.By}
			if !st.fault.atProcessor() {
				chosen.When = bench.When(st.fault.Placement)
			}
		}
	}
	if chosen.Fault < 0 {
		return bench.Strike{}
	}
	return chosen
}

// wants lets a fault see an operation and says whether the fault takes it. Only
// where the operation is free is a strike used up.
func (s *Set) wants(st *state, op bench.Op, free bool) bool {
	f := &st.fault
	switch {
	case f.On != "":
		if op.Name != f.On {
			return false
		}
		st.seen++
		return free && f.First <= st.seen && st.seen <= f.Last && s.hit(st, st.seen)
	case f.atProcessor() && f.Placement != "" && op.Name != f.Placement.op():
		return false
	case f.OneStrike():
		if f.Placement == AfterWrite {
			st.writes[op.Process]++
		}
		if !free || !st.ready(op.Process) {
			return false
		}
		st.pending = st.pending[1:]
		return true
	}
	st.seen++
	return free && s.hit(st, st.seen)
}

// due is how many strikes the plan asks for: those that are due, or the share of
// the operations that were seen. It is no count of draws that hit: the two agree
// only if the draws are right.
func (st *state) due() int64 {
	if st.fault.On != "" || st.fault.OneStrike() {
		return st.planned
	}
	return st.before + int64(math.Round(float64(st.seen)*st.fault.Share/100))
}

// ready reports whether the oldest waiting strike may hit an operation of a
// process. The oldest has seen the most writes, so no other can be ready first.
func (st *state) ready(process int) bool {
	if len(st.pending) == 0 {
		return false
	}
	if st.fault.Placement != AfterWrite {
		return true
	}
	return st.writes[process]-st.pending[0].base[process] >= uint64(st.fault.Writes)
}

// Struck counts a strike that has really happened, also one that was asked for
// before its fault's end. A strike of no fault is ignored.
func (s *Set) Struck(strike bench.Strike) {
	if strike.Kind == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if strike.Fault >= 0 && strike.Fault < len(s.states) {
		s.states[strike.Fault].bitten++
	}
}
