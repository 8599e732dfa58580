package run

import (
	"encoding/json"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/bench/stats"
)

// story is what events.jsonl tells the judge.
type story struct {
	clean       *bool     // nil: nobody looked
	canary      *canaries // nil: none was sent
	stopped     string    // why the load was ended early; "": it was not
	exports     *exports  // that both final reads were made of; nil: none
	generator   *generator
	bites       []bench.Bites   // nil: never asked
	begun       []bool          // by fault
	beganAt     []time.Duration // by fault: when it was first armed
	undone      []bool          // by fault
	struck      []stats.Window  // by fault: first and last strike; From is stats.Never without one
	skews       skews
	drain       drained
	sentinels   int // ids beyond the plan that are the harness's own
	written     *written
	samples     []sample // of effects that were seen to come
	finished    *finished
	finishedAt  time.Duration
	deaths      []bench.Mark
	lives       lives         // of the processor's processes
	last        time.Duration // of any event: the run was alive then
	phases      map[string]time.Duration
	targetDeath string                // of a process of the target itself, unasked; "": none
	returned    bool                  // a process of the target itself has died and come back
	settled     []bench.ShardPosition // at the end of the drain, if no effect was applied from then to the end of the reads
	atRest      bool                  // after the final reads nothing had changed since the drain
	gaps        int                   // times at which the mapping found records trimmed that it had not read
	disorder    int                   // records with a sequence number that was not above the one before
	dropped     int                   // events that the asynchronous queue gave up and no destination took
	sent        int                   // events that it gave up and the on-failure destination took
}

// tell goes through the events in order.
func tell(events []ledger.TimedEvent, faults int) story {
	s := story{begun: make([]bool, faults), beganAt: make([]time.Duration, faults), undone: make([]bool, faults), struck: make([]stats.Window, faults), phases: map[string]time.Duration{}}
	for i := range s.struck {
		s.struck[i].From = stats.Never
	}
	s.drain.Proof = bench.DrainNone
	for _, e := range events {
		s.last = max(s.last, e.T)
		s.lives.event(e)
		switch e.Kind {
		case bench.EventPhase:
			s.phases[e.Text] = e.T
		case bench.EventFaultBegin, bench.EventFaultEnd:
			if e.Fault != nil && *e.Fault >= 0 && *e.Fault < faults {
				if e.Kind == bench.EventFaultBegin && !s.begun[*e.Fault] {
					s.begun[*e.Fault], s.beganAt[*e.Fault] = true, e.T
				}
				s.undone[*e.Fault] = e.Kind == bench.EventFaultEnd
			}
		case bench.EventStrike:
			if e.Fault != nil && *e.Fault >= 0 && *e.Fault < faults {
				w := &s.struck[*e.Fault]
				w.From, w.To = min(w.From, e.T), max(w.To, e.T)
			}
		case bench.EventTargetDeath:
			s.targetDeath = e.Text
		case bench.EventTargetReturn:
			s.returned = true
		case bench.EventProcessorDeath:
			s.deaths = append(s.deaths, bench.Mark{TMs: ms(e.T), Text: e.Text})
		case bench.EventEvidence:
			s.evidence(e)
		}
	}
	return s
}

// ahead takes in what is known only of a system that is not ours.
func (s *story) ahead(e ledger.TimedEvent) {
	var c canaries
	var st stopped
	var ex exports
	switch {
	case e.Text == evidenceCanary && json.Unmarshal(e.Data, &c) == nil:
		s.canary = &c
	case e.Text == evidenceStopped && json.Unmarshal(e.Data, &st) == nil:
		s.stopped = st.Why
	case e.Text == evidenceExports && json.Unmarshal(e.Data, &ex) == nil:
		s.exports = &ex
	}
}

// evidence takes in one piece. What cannot be read is evidence that is missing.
func (s *story) evidence(e ledger.TimedEvent) {
	s.told(e)
	switch e.Text {
	case evidenceCleanStart:
		var c cleanStart
		if json.Unmarshal(e.Data, &c) == nil {
			clean := c.Items == 0 && c.Effects == 0
			s.clean = &clean
		}
	case evidenceCanary, evidenceStopped, evidenceExports:
		s.ahead(e)
	case evidenceGenerator:
		var g generator
		if json.Unmarshal(e.Data, &g) == nil {
			s.generator = &g
		}
	case evidenceBites:
		var b []bench.Bites
		if json.Unmarshal(e.Data, &b) == nil && len(b) == len(s.begun) {
			s.bites = b
		}
	case evidenceDrain:
		var d drained
		if json.Unmarshal(e.Data, &d) == nil {
			s.drain = d
		}
	case evidenceSentinels:
		var sent sentinelsSent
		if json.Unmarshal(e.Data, &sent) == nil {
			s.sentinels = max(s.sentinels, sent.Sent)
		}
	case evidenceAtRest:
		var a atRest
		read := json.Unmarshal(e.Data, &a) == nil
		s.atRest = read && a.Unchanged
		if read && a.Position.Effects == s.drain.Position.Effects {
			s.settled = s.drain.Position.Shards
		}
	case evidenceWritten:
		var w written
		if json.Unmarshal(e.Data, &w) == nil {
			s.written = &w
		}
	case evidenceSamples:
		s.readSamples(e.Data)
	case evidenceFinished:
		var f finished
		if json.Unmarshal(e.Data, &f) == nil {
			s.finished, s.finishedAt = &f, e.T
		}
	}
}

// told takes in what the machines of the target tell.
func (s *story) told(e ledger.TimedEvent) {
	var machine struct {
		Evidence string // of whoever reads the stream
		Dropped  string // by the asynchronous queue, and why
		Sent     bool   // and taken by the on-failure destination
		Ms       float64
	}
	if json.Unmarshal(e.Data, &machine) == nil {
		if machine.Evidence == "stream_gap" {
			s.gaps++
		}
		if machine.Evidence == "clock_offset" {
			s.skews = append(s.skews, skewed{e.T, time.Duration(machine.Ms * float64(time.Millisecond))})
		}
		if machine.Evidence == "stream_order" {
			s.disorder++
		}
		switch {
		case machine.Dropped != "" && machine.Sent:
			s.sent++
		case machine.Dropped != "":
			s.dropped++
		}
	}
}

// over reports whether a fault is not in force: confirmed undone, or never begun
// nor seen to strike.
func (s *story) over(fault int) bool {
	return s.undone[fault] || !s.begun[fault] && s.bitten(fault) == 0 && s.struck[fault].From == stats.Never
}

// proof is how the pipeline was seen to be empty. What went on while the tables
// were read refutes it.
func (s *story) proof() bench.Drain {
	d := s.drain.Drain
	if !s.atRest {
		d.Proof = bench.DrainNone
	}
	return d
}

func (s *story) interrupted() bool { return s.finished != nil && s.finished.Interrupted }

// planned is how many strikes of a fault were due; nil: not known.
func (s *story) planned(fault int) *int64 {
	if s.bites == nil || s.bites[fault].Planned < 0 {
		return nil
	}
	return &s.bites[fault].Planned
}

// bitten is how often a fault was seen to strike where it strikes.
func (s *story) bitten(fault int) int64 {
	if s.bites == nil {
		return 0
	}
	return s.bites[fault].Bitten
}
