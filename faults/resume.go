package faults

import "github.com/ackproof/ackproof/bench"

// Told counts a strike of fault i that a set in another process has made: one of
// those that wait is used up.
func (s *Set) Told(i int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &s.states[i]
	st.bitten++
	if len(st.pending) > 0 {
		st.pending = st.pending[1:]
	}
}

// States gives how far each fault has come, by what this set was told.
//
// What a window has seen besides, and not struck, nobody has told: it counts as
// planned what has bitten.
func (s *Set) States() []bench.FaultState {
	s.mu.Lock()
	defer s.mu.Unlock()
	states := make([]bench.FaultState, len(s.states))
	for i := range s.states {
		st := &s.states[i]
		states[i] = bench.FaultState{
			Armed: st.armed, Begun: st.begun, Pending: len(st.pending),
			Bites: bench.Bites{Planned: max(st.due(), st.bitten), Bitten: st.bitten},
		}
		if st.fault.On != "" {
			states[i].Planned = st.planned
		}
	}
	return states
}

// Resume makes a new set go on where another one was. It must be called before
// the first Begin.
//
// Strikes that wait go on waiting, and a window is in force again; the writes of
// a process are counted anew, since it is another process. A fault by number is
// not armed again: how many operations were seen is gone with the process, and it
// would strike others than it names. What it has not bitten stays missing, and the
// gate faults_bit is down.
func (s *Set) Resume(states []bench.FaultState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, was := range states {
		st := &s.states[i]
		st.begun, st.bitten = was.Begun, was.Bitten
		switch {
		case st.fault.On != "":
			continue
		case st.fault.OneStrike():
			st.planned = was.Planned
		default:
			st.before = was.Planned
		}
		if !was.Armed || st.armed {
			continue
		}
		st.armed, st.writes = true, map[int]uint64{}
		st.pending = make([]strike, was.Pending)
		s.open.Add(1)
	}
}
