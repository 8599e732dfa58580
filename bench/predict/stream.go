package predict

import (
	"math"
	"time"

	"github.com/ackproof/ackproof/faults"
)

// stream is the model of a fault behind the stream.
func (m *model) stream(defect string) *Loss {
	s := m.s.Mapping
	bounded := s.MaximumRetryAttempts >= 0 && s.OnFailure == "none"
	poison := bounded && len(m.s.Workload.Poison) > 0
	switch m.f.Kind.Name {
	case "invoke.throttle", "invoke.disable", "mapping.disable", "stream.throttle", "stream.expire", "stream.deny", "stream.split", "mapping.repeat", "clock.skip", "clock.skew":
		if poison || defect != "" && defect != "swallow" && defect != "empty-failures" {
			return nil
		}
		return kept()
	case "mapping.update":
		if s.StartingPosition == "LATEST" {
			return nil
		}
		return kept()
	case "mapping.recreate":
		return m.recreate()
	case "stream.restart":
		all := m.due(m.from, m.plan.Duration())
		return loss("orphaned", m.due(m.from+m.lag, m.plan.Duration()), all, all+m.rate()*m.lag.Seconds())
	case "results.deny":
		return m.deny(defect, bounded || poison)
	}
	switch {
	case defect != "" && defect != "swallow" && defect != "empty-failures" || poison:
		return nil
	case !bounded && (defect == "" || m.outside()):
		return kept()
	case m.f.Placement == faults.AfterEffects:
		return kept() // what was to be written is written
	case s.BisectBatchOnFunctionError || m.f.On != "" || !m.outside():
		return nil
	case m.f.OneStrike():
		return m.strikes()
	case m.f.Placement != "" && m.f.Placement != faults.Before:
		return nil
	}
	return m.givenUp()
}

// outside reports whether the fault fails an invocation from outside, where no
// handler can take it for a success.
func (m *model) outside() bool {
	switch m.f.Kind.Name {
	case "invoke.fail", "processor.error", "processor.kill":
		return true
	}
	return false
}

// deny is the model of writes that are refused: each record that the handler could
// not write, and takes for done.
func (m *model) deny(defect string, bounded bool) *Loss {
	switch partial := m.s.Processor.Env["ACKPROOF_PARTIAL"] == "true"; {
	case defect == "swallow", defect == "empty-failures":
	case defect != "" || bounded:
		return nil
	case partial && len(m.s.Mapping.FunctionResponseTypes) == 0:
		// What the handler names as failed nobody reads, and what is behind the first
		// one it leaves out: whole ends of batches.
		return nil
	default:
		return kept()
	}
	if m.f.On != "" || m.f.OneStrike() {
		return nil
	}
	return portion("swallowed", m.due(m.from, m.to-m.lag), m.due(m.from, m.to), m.due(m.from-m.lag, m.to), m.share)
}

// recreate is the model of a mapping that is made anew: what is in the stream and
// not read when it is deleted, and all that comes until its first poll.
func (m *model) recreate() *Loss {
	if m.s.Mapping.StartingPosition != "LATEST" {
		return kept()
	}
	gap := m.f.By
	if gap == 0 {
		gap = m.s.Mapping.StartDelay
	}
	poll := m.s.Mapping.PollInterval
	n, rate := m.due(m.from, m.from+gap), m.rate()
	return loss("missed", n-rate*0.05, n+rate*poll.Seconds(), n+rate*(2*poll+300*time.Millisecond).Seconds())
}

// batch is how many records a batch has in a shard while nothing is wrong: what
// comes while the one before it is polled for and worked on.
func (m *model) batch() float64 {
	each := m.rate() / float64(m.s.Table.Shards)
	work := (m.s.Processor.Work + m.s.Processor.Burn + time.Millisecond).Seconds()
	n := each * m.s.Mapping.PollInterval.Seconds() / max(0.1, 1-each*work)
	return min(float64(m.s.Mapping.BatchSize), max(1, n))
}

// strikes is the model of single strikes without a retry: the batch of each is
// dropped, less what it had written.
func (m *model) strikes() *Loss {
	n := float64(len(m.f.Strikes())) * m.share
	if m.s.Mapping.MaximumRetryAttempts > 0 {
		if m.f.Every > 0 && m.f.Every < 2*m.s.Mapping.RetryBase {
			return nil // one may strike a batch again and again
		}
		return kept()
	}
	batch := m.batch()
	most := n * min(float64(m.s.Mapping.BatchSize), 3*batch+10)
	if m.f.Placement == faults.AfterWrite {
		// Writes are counted over all batches of the process: the K-th falls anywhere
		// in one of them.
		return loss("struck", 0, n*(batch-1)/2, most)
	}
	return loss("struck", n, n*batch, most)
}

// givenUp is the model of a window in which invocations fail: batch after batch is
// tried retries + 1 times and dropped.
func (m *model) givenUp() *Loss {
	retries := m.s.Mapping.MaximumRetryAttempts
	if m.f.On != "" {
		return nil
	}
	if retries == 0 || m.share < 1 {
		all := math.Pow(m.share, float64(retries+1)) // of a batch's attempts fail
		low, high := m.due(m.from, m.to-m.lag), m.due(m.from-m.lag, m.to)
		invocations := float64(m.s.Table.Shards) * (m.to - m.from).Seconds() / m.s.Mapping.PollInterval.Seconds()
		spread := 4 * m.batch() * math.Sqrt(invocations*all*(1-all))
		if retries > 0 {
			low = 0 // attempts may lie behind the window
		}
		return loss("given up", low*all-spread, m.due(m.from, m.to)*all, high*all+spread)
	}
	// Back-off is spread by a fifth to either side.
	slow, fast := m.perShard(1.25, 20*time.Millisecond, false), m.perShard(0.78, 0, true)
	shards := float64(m.s.Table.Shards)
	return loss("given up", slow*shards, m.perShard(1, 5*time.Millisecond, true)*shards, fast*shards)
}

// perShard follows one shard through the window: how many of its records are in
// batches all of whose attempts fail. Stretch is of the waits, each that an attempt
// takes; waiting says that half a poll's records wait already.
func (m *model) perShard(stretch float64, each time.Duration, waiting bool) (lost float64) {
	s := m.s.Mapping
	rate := m.rate() / float64(m.s.Table.Shards)
	poll := s.PollInterval.Seconds()
	var waits float64 // between the first attempt of a batch and its last
	wait := s.RetryBase
	for range s.MaximumRetryAttempts {
		waits += stretch*min(wait, s.RetryCap).Seconds() + each.Seconds()
		wait = min(2*wait, s.RetryCap)
	}
	at, backlog := m.from.Seconds()+poll, rate*poll/2
	if waiting {
		at, backlog = m.from.Seconds()+poll/2, rate*poll
	}
	for at+waits < m.to.Seconds() {
		batch := min(float64(s.BatchSize), max(1, backlog))
		lost += batch
		backlog = max(0, backlog-batch) + rate*waits
		at += waits + each.Seconds()
	}
	return lost
}

// event is the model of an asynchronous invocation.
func (m *model) event(defect string) *Loss {
	a := m.s.Async
	switch {
	case defect != "" || len(m.s.Workload.Poison) > 0:
		return nil
	case a.OnFailure != "none", m.f.Placement == faults.AfterEffects:
		return kept()
	}
	var waits time.Duration // between the first attempt and the last
	for _, d := range a.RetryDelays[:a.MaximumRetryAttempts] {
		waits += d
	}
	switch name := m.f.Kind.Name; {
	case name == "invoke.throttle" || name == "clock.skip" || name == "clock.skew":
		return kept() // tried again for hours
	case !m.outside() || m.f.On != "":
		return nil
	case m.f.OneStrike() && a.MaximumRetryAttempts > 0:
		return kept()
	case m.f.OneStrike():
		n := float64(len(m.f.Strikes())) * m.share
		return loss("struck", 0, n, n)
	case m.f.Placement != "" && m.f.Placement != faults.Before:
		return nil
	}
	all := math.Pow(m.share, float64(a.MaximumRetryAttempts+1))
	slack := 100 * time.Millisecond * time.Duration(1+a.MaximumRetryAttempts)
	return portion("dropped", m.due(m.from, m.to-waits-slack), m.due(m.from, m.to-waits), m.due(m.from-slack, m.to-waits+slack), all)
}
