package cost

import (
	"math"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// Tally counts the invocations that a log of deliveries shows. The records of one follow
// each other in it.
type Tally struct {
	perRecord, timeout time.Duration

	invocations Amount
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

// expected is what so many records will make, each of them processed once, in batches of
// which nothing is known but how many records they may have.
func expected(records int64, batchSize int, perRecord, timeout time.Duration) *Tally {
	t := NewTally(perRecord, timeout)
	n := float64(records)
	least := math.Ceil(n / float64(max(1, batchSize)))
	t.written, t.invocations = Exactly(n), Between(least, n)
	// Each invocation is billed from its first millisecond on.
	t.seconds = Between(max(n*perRecord.Seconds(), least/1000), n*billed(perRecord))
	return t
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
	t.invocations = t.invocations.Plus(Exactly(1))
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
	return t.invocations, t.written, t.seconds
}
