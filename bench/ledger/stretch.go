package ledger

import (
	"iter"
	"sync"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// toldState is what the first column of an attempt says by itself.
type toldState struct {
	state   State
	outcome bench.Outcome
	class   bench.Class
}

// statesOf has it for each value of the column.
var statesOf = func() (all [256]toldState) {
	for w := range all {
		e := entry{mark: byte(w & 3), Attempt: bench.Attempt{Outcome: bench.Outcome(w >> 2 & 3), Class: bench.Class(w >> 4)}}
		s := e.state()
		all[w] = toldState{s, e.Outcome, e.Class}
	}
	return all
}()

// Stretch is a piece of the plan, of at most 256 requests that follow each other, as
// [Ledger.At] has them. It belongs to the iteration that gave it, until the next one.
type Stretch struct {
	First   uint64 // number of its first request
	State   []State
	Outcome []bench.Outcome // of each
	Class   []bench.Class

	l        *Ledger
	place    *blockPlace
	frame    frame
	from, to int  // rows of the frame
	packed   bool // the rows are those of a frame
	state    [frameRows]State
	outcome  [frameRows]bench.Outcome
	class    [frameRows]bench.Class
	column   [frameRows]uint64
	sent     [frameRows]time.Duration
	end      [frameRows]time.Duration
}

var stretches = sync.Pool{New: func() any { return new(Stretch) }}

// Stretches goes through the requests from one number up to another, which is not
// among them. It is the way to read all of them: a request takes a few nanoseconds.
// Iterations may go on side by side.
func (l *Ledger) Stretches(from, to uint64) iter.Seq[*Stretch] {
	return func(yield func(*Stretch) bool) {
		s := stretches.Get().(*Stretch)
		s.l = l
		defer stretches.Put(s)
		for from < to {
			n := min(to, (from/frameRows+1)*frameRows) - from
			s.read(from, int(n))
			if !yield(s) {
				return
			}
			from += n
		}
	}
}

// read opens the n requests from first on, which lie in one frame.
func (s *Stretch) read(first uint64, n int) {
	s.First = first
	s.State, s.Outcome, s.Class = s.state[:n], s.outcome[:n], s.class[:n]
	s.place, s.packed = nil, false
	if s.l.first == nil && first+uint64(n) <= s.l.planned {
		s.place = s.l.place(first / blockRows)
	}
	row := int(first % blockRows)
	if s.place != nil && s.place.cells == nil && row+n <= s.place.sealed.rows {
		s.packed = s.place.sealed.frame(row/frameRows, &s.frame)
		s.from, s.to = row%frameRows, row%frameRows+n
	}
	if !s.packed {
		for i := range n {
			var a bench.Attempt
			a, s.State[i] = s.l.At(first + uint64(i))
			s.Outcome[i], s.Class[i] = a.Outcome, a.Class
		}
		return
	}
	if what := &s.frame.lines[colWhat]; what.width == 0 && what.step == 0 {
		t := statesOf[byte(what.base)]
		for i := range n {
			s.State[i], s.Outcome[i], s.Class[i] = t.state, t.outcome, t.class
		}
	} else {
		all := s.column[:s.to]
		unpack(what, all)
		for i, w := range all[s.from:] {
			t := statesOf[byte(w)]
			s.State[i], s.Outcome[i], s.Class[i] = t.state, t.outcome, t.class
		}
	}
	if s.place.retried {
		s.retried(func(i int, a bench.Attempt, state State) {
			s.State[i], s.Outcome[i], s.Class[i] = state, a.Outcome, a.Class
		})
	}
}

// retried gives those requests of the stretch that have later attempts.
func (s *Stretch) retried(set func(i int, a bench.Attempt, state State)) {
	for i := range s.State {
		seq := s.First + uint64(i)
		if len(s.l.retriesOf(seq)) > 0 {
			a, state := s.l.At(seq)
			set(i, a, state)
		}
	}
}

// Times gives when the requests of the stretch were sent, and when those ended that
// are Finished; of others it is 0.
func (s *Stretch) Times() (sent, end []time.Duration) {
	n := len(s.State)
	if !s.packed {
		for i := range n {
			a, _ := s.l.At(s.First + uint64(i))
			s.sent[i], s.end[i] = a.Sent, a.End
		}
		return s.sent[:n], s.end[:n]
	}
	unpack(&s.frame.lines[colSent], s.sent[:s.to])
	unpack(&s.frame.lines[colLatency], s.end[:s.to])
	sent, end = s.sent[s.from:s.to], s.end[s.from:s.to]
	for i, state := range s.State {
		switch state {
		case Finished:
			end[i] += sent[i]
		case SentOnly:
			end[i] = 0
		default:
			a, _ := s.At(i)
			sent[i], end[i] = a.Sent, a.End
		}
	}
	if s.place.retried {
		s.retried(func(i int, a bench.Attempt, _ State) { sent[i], end[i] = a.Sent, a.End })
	}
	return sent, end
}

// Answers adds to attempts at the requests of the stretch, whose times they have,
// the status that was read and when the first byte of the answer came.
func (s *Stretch) Answers(into []bench.Attempt) {
	if s.packed {
		unpack(&s.frame.lines[colStatus], s.column[:s.to])
		for i := range into {
			into[i].Status = int(uint16(s.column[s.from+i]))
		}
		unpack(&s.frame.lines[colTail], s.column[:s.to])
		for i := range into {
			if tail := s.column[s.from+i]; tail > 0 {
				into[i].FirstByte = into[i].End - time.Duration(tail-1)
			}
		}
	}
	for i, state := range s.State {
		if !s.packed || state != Finished || s.place.retried {
			a, _ := s.l.At(s.First + uint64(i))
			into[i].Status, into[i].FirstByte = a.Status, a.FirstByte
		}
	}
}

// At gives all that is known of one request of the stretch, which takes longer.
func (s *Stretch) At(i int) (bench.Attempt, State) {
	if !s.packed || s.place.retried {
		return s.l.At(s.First + uint64(i))
	}
	return s.l.told(s.frame.entry(s.from+i), false)
}
