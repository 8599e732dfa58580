package eventsource

import (
	"fmt"
	"math"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

// batch is records that are invoked, retried and settled together.
type batch struct {
	number    uint64
	requestID string
	records   []record
	payload   []byte

	failed    int       // attempts that have failed and spent of the retry budget
	throttled int       // refusals in a row since
	retryAt   time.Time // not to be tried before; zero: at once
	lastError string
	condemned Condition // why it is given up; empty: it is not
}

// newBatch numbers the batch and gives it a request id of its own.
func (m *Machine) newBatch(records []record) *batch {
	n := m.batches
	m.batches++
	label := m.label("request")
	return &batch{
		// Shard in the high half, so that the number is unique in the mapping
		// without the machines knowing each other.
		number:    uint64(m.config.Number)<<32 | n&math.MaxUint32,
		requestID: uuid(clock.Bits(m.config.Seed, label, 2*n), clock.Bits(m.config.Seed, label, 2*n+1)),
		records:   records,
		payload:   encodeEvent(records),
	}
}

// oversized reports whether the event is too large to be handed over: one
// record that is larger than the payload limit.
func (b *batch) oversized() bool { return len(b.payload) > maxPayload }

func (b *batch) facts() []Record {
	facts := make([]Record, len(b.records))
	for i := range b.records {
		facts[i] = b.records[i].Record
	}
	return facts
}

// run says what to do for the batch at the head of the queue.
func (m *Machine) run(now time.Time) Action {
	for len(m.queue) > 0 {
		b := m.queue[0]
		if b.condemned == "" {
			if now.Before(b.retryAt) {
				return Wait{Until: b.retryAt}
			}
			m.expire(now, b)
			b = m.queue[0] // expire may have cut it
		}
		if b.condemned != "" {
			if m.config.Settings.OnFailure != "" {
				return m.ask(Send{Document: m.document(now, b, b.condemned), Records: b.facts()})
			}
			m.counters.Dropped += int64(len(b.records))
			m.settle()
			continue
		}
		if b.oversized() {
			// AWS refuses such an event before the function runs, yet spends
			// retries on it.
			m.fail(now, b, fmt.Sprintf("event of %d bytes is over the payload limit of %d", len(b.payload), maxPayload))
			continue
		}
		return m.ask(Invoke{
			Batch: b.number, Attempt: b.failed + 1, RequestID: b.requestID, Payload: b.payload, Records: b.facts(),
		})
	}
	return m.Next(now)
}

// expire condemns the records of the head batch that are older than
// MaximumRecordAgeInSeconds. Records are in the order of their time, so these
// are the first ones; a younger rest is cut off and goes on as a batch of its
// own, with a new request id and a fresh budget as any other cut has.
func (m *Machine) expire(now time.Time, b *batch) {
	limit := m.config.Settings.MaximumRecordAgeInSeconds
	if limit == forever {
		return
	}
	oldest := now.Add(-time.Duration(limit) * time.Second)
	old := 0
	for old < len(b.records) && b.records[old].Created.Before(oldest) {
		old++
	}
	if old == 0 {
		return
	}
	b.condemned = RecordAgeExceeded
	if old < len(b.records) {
		rest := m.newBatch(b.records[old:])
		b.records = b.records[:old:old]
		b.payload = encodeEvent(b.records)
		m.queue = append([]*batch{b, rest}, m.queue[1:]...)
	}
}

// Answered answers Invoke. The time is that of the answer.
func (m *Machine) Answered(now time.Time, a bench.Answer) {
	invoke := answered[Invoke](m)
	b := m.queue[0]
	if a.Throttled {
		// Refused before the function ran: spends no retry
		// (https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html).
		m.counters.Throttles++
		b.retryAt = now.Add(m.backoff(b.throttled))
		b.throttled++
		return
	}
	b.throttled = 0
	m.counters.Invocations++
	if invoke.Attempt > 1 {
		m.counters.Retries++
	}
	switch {
	case a.Error != nil:
		m.fail(now, b, describe(a.Error))
	case a.HandedAt.IsZero():
		// To believe this would lose the batch without a trace.
		m.fail(now, b, "success of an event that was handed to no process")
	default:
		m.counters.Settled += int64(len(b.records))
		m.settle()
	}
}

// fail notes a failed attempt: MaximumRetryAttempts N allows N+1 attempts.
func (m *Machine) fail(now time.Time, b *batch, reason string) {
	b.lastError = reason
	b.retryAt = now.Add(m.backoff(b.failed))
	b.failed++
	if limit := m.config.Settings.MaximumRetryAttempts; limit != forever && b.failed > limit {
		b.condemned = RetryAttemptsExhausted
	}
}

// Sent answers Send; the error is the destination's. Whether it took the
// document or not, the records are gone: AWS moves the checkpoint all the same
// and counts them as dropped.
func (m *Machine) Sent(err error) {
	answered[Send](m)
	n := int64(len(m.queue[0].records))
	if err != nil {
		m.counters.DestinationDeliveryFailures++
		m.counters.Dropped += n
	} else {
		m.counters.DeadLettered += n
	}
	m.settle()
}

// settle takes the head batch off the queue and moves the checkpoint past it.
func (m *Machine) settle() {
	b := m.queue[0]
	m.checkpoint = b.records[len(b.records)-1].Sequence
	m.queue[0] = nil
	m.queue = m.queue[1:]
}

// backoff is the wait after the n-th failure in a row, 0-based: RetryBase
// doubling, 20 % more or less, never over RetryCap.
func (m *Machine) backoff(n int) time.Duration {
	base, limit := m.config.Settings.RetryBase, m.config.Settings.RetryCap
	d := limit
	if n < 63 && base <= limit>>n {
		d = base << n
	}
	jitter := 0.8 + 0.4*clock.Draw(m.config.Seed, m.label("back-off"), m.draws)
	m.draws++
	return min(time.Duration(float64(d)*jitter), limit)
}

// label names a kind of draw of this shard. It holds the shard's number and
// not its name: names carry the time of day, and the same seed must give the
// same draws tomorrow.
func (m *Machine) label(kind string) string {
	return fmt.Sprintf("eventsource/%d/%s", m.config.Number, kind)
}

func describe(e *bench.FunctionError) string {
	switch {
	case e.Type == "":
		return e.Message
	case e.Message == "":
		return e.Type
	}
	return e.Type + ": " + e.Message
}

// uuid makes a version 4 UUID of 128 bits.
func uuid(hi, lo uint64) string {
	hi = hi&^0xf000 | 0x4000
	lo = lo&^(3<<62) | 1<<63
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", hi>>32, hi>>16&0xffff, hi&0xffff, lo>>48, lo&0xffffffffffff)
}
