package standin

import (
	"path/filepath"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/ledger"
)

// invoked is what Lambda tells of the invocations of a minute.
type invoked struct {
	count, errors float64
	age           time.Duration // of the last record of an invocation, at most
}

// invocations reads what the function was handed, by the minute, from the log that the
// system writes of it. The age is the time from when the stream had the last record of an
// invocation until the function was given it.
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
func (s *stack) invocations() map[time.Time]*invoked {
	if s.target == nil {
		return nil
	}
	log, err := ledger.ReadDeliveries(filepath.Join(s.dir, "deliveries"))
	if err != nil {
		return nil // nothing was handed over yet
	}
	committed := map[string]time.Time{}
	for c := range log.Commits() {
		committed[c.Sequence] = c.At
	}
	byMinute := map[time.Time]*invoked{}
	var last bench.Delivery
	close := func() {
		if last.ID == "" {
			return
		}
		minute := last.At.UTC().Truncate(time.Minute)
		if byMinute[minute] == nil {
			byMinute[minute] = &invoked{}
		}
		i := byMinute[minute]
		i.count++
		if last.Outcome != bench.Delivered {
			i.errors++
		}
		if at, ok := committed[last.Sequence]; ok {
			i.age = max(i.age, last.At.Sub(at))
		}
	}
	for d := range log.Deliveries() { // the records of an invocation follow each other
		if d.Shard != last.Shard || d.Batch != last.Batch || d.Attempt != last.Attempt {
			close()
		}
		last = d
	}
	close()
	return byMinute
}

// metric is one figure of a minute.
func (i *invoked) metric(name string) (float64, bool) {
	switch name {
	case "Invocations Sum":
		return i.count, true
	case "Errors Sum":
		return i.errors, true
	case "IteratorAge Maximum":
		return float64(i.age.Milliseconds()), true
	}
	return 0, false
}
