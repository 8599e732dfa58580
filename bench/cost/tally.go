package cost

import (
	"time"

	"github.com/ackproof/ackproof/bench"
)

// Tally counts the invocations that a log of deliveries shows. The records of one follow
// each other in it.
type Tally struct {
	perRecord, timeout time.Duration

	invocations int64
	written     Amount // records whose result was written
	seconds     Amount // billed

	last    bench.Delivery // of the invocation under count
	records int64          // of it, 0: none yet
}

// NewTally counts for a processor that works so long on each record, and is cut off after
// the time-out.
func NewTally(perRecord, timeout time.Duration) *Tally {
	return &Tally{perRecord: perRecord, timeout: timeout}
}

// Add takes the next delivery of the log.
func (t *Tally) Add(d bench.Delivery) {
	if t.records > 0 && (d.Shard != t.last.Shard || d.Batch != t.last.Batch || d.Attempt != t.last.Attempt) {
		t.close()
	}
	t.last = d
	t.records++
}

// close counts the invocation that is complete.
func (t *Tally) close() {
	all := time.Duration(t.records) * t.perRecord
	t.invocations++
	switch t.last.Outcome {
	case bench.Delivered:
		t.written = t.written.Plus(Exactly(float64(t.records)))
		t.seconds = t.seconds.Plus(Exactly(billed(all)))
	case bench.DeliveryTimeout:
		t.written = t.written.Plus(Between(0, float64(t.records)))
		t.seconds = t.seconds.Plus(Exactly(billed(t.timeout)))
	default:
		t.written = t.written.Plus(Between(0, float64(t.records)))
		t.seconds = t.seconds.Plus(Between(billed(0), billed(min(all, t.timeout))))
	}
	t.records = 0
}

// sums gives the invocations, the records written and the seconds billed.
func (t *Tally) sums() (invocations, written, seconds Amount) {
	if t.records > 0 {
		t.close()
	}
	return Exactly(float64(t.invocations)), t.written, t.seconds
}
