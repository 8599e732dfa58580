package reconcile

import (
	"github.com/ackproof/ackproof/bench"
)

// findings lists the ids that are worth a look, by seq.
//
// Position is where an id lies among those that survived (processed, late or
// recovered), in the order in which the client sent them: head before the
// first survivor, tail behind the last, middle between two. A lost head points
// at a start (a mapping that began at the wrong place), a lost tail at an end
// (a batch that was never flushed), a lost middle at a fault. Where nothing
// survived, all is head.
func (j *judge) findings() {
	a, c := &j.account, &j.counts
	for i, d := range a.judged {
		seq, v := uint64(i), d.verdict()
		if !j.isFinding(v) {
			continue
		}
		f := j.finding(seq, v, d.station())
		f.DuringFault = j.duringFault(seq)
		switch {
		case seq < c.First:
			f.Position = "head"
		case seq > c.Last:
			f.Position = "tail"
		default:
			f.Position = "middle"
		}
		j.found(f)
	}
	for _, x := range a.extra { // sorted, and behind the plan
		j.found(j.finding(x.seq, bench.Unexpected, stations[station(x.seen, bench.Unsent)>>verdictBits]))
	}
}

// found hands a finding over. Only the first ones are kept: where all is lost,
// there are as many as requests.
func (j *judge) found(f bench.Finding) {
	if len(j.account.Findings) < bench.MaxFindings {
		j.account.Findings = append(j.account.Findings, f)
	}
	if j.e.Found != nil {
		j.e.Found(f)
	}
}

func survived(v bench.ItemVerdict) bool {
	return v == bench.Processed || v == bench.ProcessedLate || v == bench.Recovered
}

// isFinding reports whether a verdict is worth a line. Where no results table
// is named every id is unread, which is a fact about the run and no finding
// about an id.
func (j *judge) isFinding(v bench.ItemVerdict) bool {
	switch v {
	case bench.DeadLettered, bench.Pending, bench.Partial:
		return true
	case bench.Unread:
		return j.e.EffectsObserved
	}
	return v.Fails()
}

func (j *judge) finding(seq uint64, v bench.ItemVerdict, last bench.Station) bench.Finding {
	return bench.Finding{Verdict: v, ID: j.id(seq), Seq: seq, LastStation: last}
}

func (j *judge) id(seq uint64) string {
	return j.e.IDs.ID(seq).String()
}

// station is the last one at which an id was seen. What is only taken as
// stored, since nobody could look, was not seen there.
func station(s flags, o bench.Outcome) judged {
	switch {
	case s&applied != 0:
		return atEffect
	case s&delivered != 0:
		return atDelivered
	case s&(inItems|inStream) != 0:
		return atStored
	case o == bench.Acknowledged:
		return atAcknowledged
	}
	return atSent
}

// duringFault names the first fault that the request may have been lost to.
func (j *judge) duringFault(seq uint64) string {
	if faults := j.blamed(j.e.Due(seq)); len(faults) > 0 {
		return j.e.Faults[faults[0]].Text
	}
	return ""
}
