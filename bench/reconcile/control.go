package reconcile

import (
	"fmt"
	"strings"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// control is the phase before anything was broken: requests that were due, and by
// all that is known done with, before the first fault struck.
//
// What was due a little earlier than the strike may still have been under way, and
// is no control: [Fault.Reach] says how much earlier. And what was handed over or
// applied again after the strike may have been spoilt then, however early it was
// due: a mapping that is made anew hands the whole stream over once more.
type control struct {
	Strike time.Duration // the first one
	End    time.Duration // of the phase; 0: there is none

	Sent, Acked int64
	Items       perVerdict
	Failed      perVerdict // of the items, those that no fault can have spoilt
}

// newControl finds the phase.
func newControl(e *Evidence) (c control) {
	first := -1
	for i, f := range e.Faults {
		struck := f.From > 0 || f.To > 0 || f.Bitten > 0 // else it waits for a number that has not come
		if struck && (first < 0 || f.From < e.Faults[first].From) {
			first = i
		}
	}
	if first >= 0 {
		c.Strike = e.Faults[first].From
		c.End = max(0, c.Strike-e.Faults[first].Reach)
	}
	return c
}

// add adds the counts of another window.
func (c *control) add(o *control) {
	c.Sent += o.Sent
	c.Acked += o.Acked
	c.Items.add(&o.Items)
	c.Failed.add(&o.Failed)
}

// countControl enters n sent requests that are alike, if they are of the phase.
func (j *judge) countControl(seq uint64, o bench.Outcome, v bench.ItemVerdict, n int64) {
	c := &j.counts.Control
	if j.e.Due(seq) >= c.End {
		return
	}
	c.Sent += n
	if o == bench.Acknowledged {
		c.Acked += n
	}
	c.Items[v] += n
}

// noteControl enters a finding, if it is of the phase and no fault's doing.
func (j *judge) noteControl(seq uint64, s flags, v bench.ItemVerdict) {
	c := &j.counts.Control
	if s&later == 0 && j.consequence(v) == bench.Fail && j.e.Due(seq) < c.End {
		c.Failed[v]++
	}
}

// afterStrike reports whether a moment is one at which a fault had struck.
func (j *judge) afterStrike(t time.Duration) bool {
	c := &j.counts.Control
	return c.End > 0 && t >= c.Strike
}

// controlBooks makes the account of the phase; nil: the run has no fault.
func (j *judge) controlBooks(items bench.Items) *bench.Control {
	if len(j.e.Faults) == 0 {
		return nil
	}
	c := &j.counts.Control
	r := &bench.Control{ToMs: float64(c.End) / float64(time.Millisecond), Sent: c.Sent, Acknowledged: c.Acked, Items: items}
	undecided := int64(0)
	for _, v := range bench.ItemVerdicts() {
		r.Failed += c.Failed[v]
		if j.consequence(v) == bench.VerdictUnknown {
			undecided += c.Items[v]
		}
	}
	clean := r.Failed == 0
	told := c.Sent > c.Items[bench.Superseded] // of one at least it is known what became of it
	if c.Acked > 0 && told && (!clean || undecided == 0) {
		r.Clean = &clean
	}
	return r
}

// controlReason says that the faults are not to blame; false: they may be.
func (j *judge) controlReason() (bench.Reason, bool) {
	c := j.account.Control
	if c == nil || c.Failed == 0 {
		return bench.Reason{}, false
	}
	var parts []string
	for _, v := range bench.ItemVerdicts() {
		if n := j.counts.Control.Failed[v]; n > 0 {
			parts = append(parts, num(n)+" "+strings.ReplaceAll(v.String(), "_", " "))
		}
	}
	return bench.Reason{Code: bench.CodeControlNotClean, Text: fmt.Sprintf(
		"of %s due in the first %v, before anything was broken, %s: the faults are not to blame for that",
		plural(c.Sent, "item"), j.counts.Control.End.Round(10*time.Millisecond), strings.Join(parts, ", "))}, true
}
