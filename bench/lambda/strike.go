package lambda

import (
	"fmt"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

// The kinds of strikes that this package can carry out.
const (
	strikeThrottle = "invoke.throttle"
	strikeDisable  = "invoke.disable"
	strikeFail     = "invoke.fail"
	strikeKill     = "processor.kill"
	strikeError    = "processor.error"
	strikeSlow     = "processor.slow"
)

// ask asks what should go wrong with an operation of a process. Never with
// h.mu held: the injector is foreign code.
func (h *Host) ask(name string, p *process) bench.Strike {
	return h.cfg.Injector.Ask(bench.Op{Place: bench.PlaceProcessor, Name: name, Process: p.number})
}

// struck tells injector and observer that a strike has really happened.
func (h *Host) struck(s bench.Strike, pid int) {
	h.cfg.Injector.Struck(s)
	fault := s.Fault
	h.cfg.Observer.Event(bench.Event{At: h.cfg.Clock.Now(), Kind: bench.EventStrike, PID: pid, Fault: &fault, Text: s.Kind})
}

// strikeInvoke asks at the place before a process is chosen. It reports
// whether the invocation has ended there.
func (h *Host) strikeInvoke() (bench.Answer, bool) {
	s := h.cfg.Injector.Ask(bench.Op{Place: bench.PlaceInvoke, Name: "Invoke"})
	switch s.Kind {
	case "":
		return bench.Answer{}, false
	case strikeThrottle:
		h.struck(s, 0)
		return bench.Answer{Throttled: true}, true
	case strikeDisable:
		h.struck(s, 0)
		return bench.Answer{Throttled: true, Disabled: true}, true
	case strikeFail:
		h.struck(s, 0)
		return failed(TypeRuntimeUnknown, "the invocation was failed by "+s.Kind, bench.DeliveryError), true
	}
	return bench.Answer{Error: unknownStrike(s, bench.PlaceInvoke, "Invoke")}, true
}

// unknownStrike is the answer to a strike that the place cannot carry out. The
// injector should never have sent it, but a panic would take the whole cloud
// down with the run's evidence in it.
func unknownStrike(s bench.Strike, place bench.Place, op string) *bench.FunctionError {
	return &bench.FunctionError{
		Type:    TypeUnknownStrike,
		Message: fmt.Sprintf("internal error: strike %q is unknown at %s %s", s.Kind, place, op),
		Outcome: bench.DeliveryError,
	}
}

// slow holds an operation of the process up; the clock of the time-out goes on.
// It is counted when it begins, because it is felt from then on: a delay that
// the time-out cuts short must be on the books before the answer is out.
func (h *Host) slow(p *process, s bench.Strike) {
	h.struck(s, p.pid)
	clock.Wait(s.Delay, p.dead)
}

// killNow kills the process by a fault and returns when it is buried. Where it
// was doomed by another cause already, it only waits.
func (h *Host) killNow(p *process, s bench.Strike) {
	h.mu.Lock()
	h.doom(p, cause{kind: byFault, strike: s})
	h.mu.Unlock()
	<-p.dead
}

// Wrote is to be called by the DynamoDB face when a write to the results table
// has committed and before it is answered: accessKeyID is the key that the
// request was signed with, rows how many rows the write has changed. A kill
// returns only when the process is dead, so the answer of the write never
// arrives. Keys that are not of a living process are ignored.
func (h *Host) Wrote(accessKeyID string, rows int) {
	number, ok := ProcessOfKey(accessKeyID)
	if !ok {
		return
	}
	for range rows {
		h.mu.Lock()
		p := h.procs[number]
		if p != nil && p.cause.kind != alive {
			p = nil
		}
		h.mu.Unlock()
		if p == nil {
			return
		}
		switch s := h.ask(bench.OpWrite, p); s.Kind {
		case "":
		case strikeKill:
			h.killNow(p, s)
			return
		default:
			// There is no answer to put it into yet: the invocation's own will
			// carry it.
			h.mu.Lock()
			if p.inv != nil {
				p.inv.override = unknownStrike(s, bench.PlaceProcessor, bench.OpWrite)
			}
			h.mu.Unlock()
		}
	}
}
