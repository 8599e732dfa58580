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
	payload   []byte // made when it is needed first
	final     bool   // closes a tumbling window; has no records

	failed    int       // attempts that have failed and spent of the retry budget
	throttled int       // refusals in a row since
	retryAt   time.Time // not to be tried before; zero: at once
	lastError string
	unhandled bool      // the last failure was the function's, not one in its answer
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

// encode makes the batch's event, once: a retry sends the same bytes. That of a
// tumbling window holds the state, so it cannot be made before its turn.
func (m *Machine) encode(l *lane, b *batch) {
	if b.payload == nil {
		b.payload = encodeEvent(b.records)
		if l.window != nil {
			b.payload = m.appendWindow(b.payload, l.window, b.final)
		}
	}
}

// step says what to do for a lane that has nothing in flight: an action, or
// when to look again. Neither: it waits for records.
func (m *Machine) step(now time.Time, l *lane) (a Action, wake time.Time) {
	for {
		if len(l.queue) == 0 {
			next := m.gather(now, l)
			if next == nil {
				if len(l.pending) > 0 && m.inherited(l) == nil { // which waits for a poll
					wake = m.windowEnd(l)
				}
				return nil, wake
			}
			l.queue = append(l.queue, next)
		}
		b := l.queue[0]
		if b.condemned == "" {
			if now.Before(b.retryAt) {
				return nil, b.retryAt
			}
			m.expire(now, l, b)
			b = l.queue[0] // expire may have cut it
		}
		m.encode(l, b)
		switch {
		case b.condemned == recordExpired:
			m.counters.Expired += int64(len(b.records))
			m.settle(l)
		case b.condemned != "" && m.config.Settings.OnFailure != "":
			return Send{Lane: l.number, Document: m.document(now, l, b), Records: b.facts()}, wake
		case b.condemned != "":
			m.counters.Dropped += int64(len(b.records))
			m.settle(l)
		case b.oversized():
			// AWS refuses such an event before the function runs, yet spends
			// retries on it.
			m.fail(now, b, outcome{reason: fmt.Sprintf("event of %d bytes is over the payload limit of %d", len(b.payload), maxPayload)})
		default:
			if n := len(b.records); n > 0 {
				m.counters.IteratorAge = now.Sub(b.records[n-1].Created)
			}
			return Invoke{
				Lane: l.number, Batch: b.number, Attempt: b.failed + 1, RequestID: b.requestID, Payload: b.payload, Records: b.facts(),
			}, wake
		}
	}
}

// gather makes the next batch of a lane: the gathered records, or the end of a
// tumbling window; nil: nothing is to go out yet.
func (m *Machine) gather(now time.Time, l *lane) *batch {
	if m.windowOver(now, l) {
		b := m.newBatch(nil)
		b.final = true
		return b
	}
	if !m.ready(now, l) {
		return nil
	}
	t := m.inherited(l)
	b := m.newBatch(m.take(l))
	if t != nil {
		m.tryOn(b, t)
	}
	m.openWindow(l, b)
	return b
}

// retention is how long a stream keeps its records
// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html).
// "For ever", the default of both limits, means until then: no batch outlives its
// records
// (https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html).
const retention = 24 * time.Hour

// recordExpired condemns what the stream itself has forgotten. No limit of the
// mapping was reached, so no destination hears of it, and no metric counts it.
const recordExpired Condition = "expired"

// expire condemns the records of the head batch that are older than
// MaximumRecordAgeInSeconds, or than the stream's retention. Records are in the
// order of their time, so these are the first ones; a younger rest is cut off.
func (m *Machine) expire(now time.Time, l *lane, b *batch) {
	// A second more: Created is rounded down, and the stream still has the record.
	limit, why := retention+time.Second, recordExpired
	if s := m.config.Settings.MaximumRecordAgeInSeconds; s != forever && time.Duration(s)*time.Second <= retention {
		limit, why = time.Duration(s)*time.Second, RecordAgeExceeded
	}
	oldest := now.Add(-limit)
	old := 0
	for old < len(b.records) && b.records[old].Created.Before(oldest) {
		old++
	}
	if old == 0 {
		return
	}
	b.condemned = why
	if old < len(b.records) {
		m.cut(l, old)
	}
}

// cut shortens the head batch of a lane. The rest goes on as a batch of its own,
// behind it, with a new request id and a fresh budget of retries, and may be
// tried at once: so it was seen on AWS for the rest behind a partial answer.
func (m *Machine) cut(l *lane, at int) {
	b := l.queue[0]
	l.replace(b, m.newBatch(b.records[at:]))
	b.records = b.records[:at:at]
	b.payload = nil
}

// Answered answers the Invoke of a lane. The time is that of the answer.
func (m *Machine) Answered(now time.Time, lane int, a bench.Answer) {
	l := &m.lanes[lane]
	invoke := answered[Invoke](l)
	b := l.queue[0]
	m.counters.Invoked += int64(len(b.records))
	if a.Throttled {
		// Refused before the function ran: spends no retry
		// (https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html).
		m.counters.Throttles++
		m.counters.FailedInvoke += int64(len(b.records))
		b.retryAt = now.Add(m.backoff(b.throttled))
		b.throttled++
		return
	}
	b.throttled = 0
	m.counters.Invocations++
	if invoke.Attempt > 1 {
		m.counters.Retries++
	}
	out := judge(m.config.Settings, invoke.Records, a)
	m.counters.Settled += int64(out.took)
	m.counters.FailedInvoke += int64(len(b.records) - out.took)
	if out.state != nil && (out.took > 0 || !out.failed) {
		l.window.keep(out.state)
	}
	switch {
	case !out.failed:
		m.settle(l)
	case out.took > 0:
		// The answer is a place to go back to, not a set of records: what lies
		// behind it is delivered again, also what the function has done
		// (https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html).
		m.counters.Rewinds++
		m.cut(l, out.took)
		m.settle(l)
	case m.config.Settings.BisectBatchOnFunctionError && len(b.records) > 1:
		// Depth first, left half first; a split spends no retry
		// (https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html).
		m.counters.Splits++
		half := len(b.records) / 2
		l.replace(m.newBatch(b.records[:half:half]), m.newBatch(b.records[half:]))
	default:
		m.fail(now, b, out)
	}
}

// fail notes a failed attempt: MaximumRetryAttempts N allows N+1 attempts.
func (m *Machine) fail(now time.Time, b *batch, out outcome) {
	b.lastError, b.unhandled = out.reason, out.unhandled
	b.retryAt = now.Add(m.backoff(b.failed))
	b.failed++
	m.exhaust(b)
}

// exhaust condemns a batch that has no attempt left.
func (m *Machine) exhaust(b *batch) {
	if limit := m.config.Settings.MaximumRetryAttempts; limit != forever && b.failed > limit {
		b.condemned = RetryAttemptsExhausted
	}
}

// Sent answers the Send of a lane; the error is the destination's. Whether it
// took the document or not, the records are gone: AWS moves the checkpoint all
// the same and counts them as dropped.
func (m *Machine) Sent(lane int, err error) {
	l := &m.lanes[lane]
	answered[Send](l)
	n := int64(len(l.queue[0].records))
	if err != nil {
		m.counters.DestinationDeliveryFailures++
		m.counters.Dropped += n
	} else {
		m.counters.DeadLettered += n
	}
	m.settle(l)
}

// settle takes the head batch off its lane: its records will not be delivered
// again.
func (m *Machine) settle(l *lane) {
	b := l.queue[0]
	for i := range b.records {
		m.progress.settle(b.records[i].number)
	}
	l.queue[0] = nil
	l.queue = l.queue[1:]
	if b.final {
		l.window = nil
	}
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
