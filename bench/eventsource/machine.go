package eventsource

import (
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/ackproof/ackproof/bench"
)

// Bounds of one page of GetRecords
// (https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_GetRecords.html).
const (
	maxPageRecords = 1_000
	maxPageBytes   = 1 << 20
)

// MachineConfig says what a machine is for.
type MachineConfig struct {
	Settings    bench.Mapping // must have passed Validate
	Shard       string
	Number      uint32 // of the shard within the mapping: makes batch numbers and draws its own
	StreamARN   string
	FunctionARN string
	Region      string
	Seed        uint64
}

// Machine holds the rules of one shard. It belongs to one goroutine.
//
// [Machine.Next] says what to do; Poll, Invoke and Send are answered with one
// call of the method named there before Next is called again. Times given to a
// machine must not go back.
type Machine struct {
	config MachineConfig
	source source

	// Reading. last guards the order, from is where the next poll reads on:
	// they part after a gap only.
	from     From
	last     bench.Sequence // newest record read
	lastText string
	pollAt   time.Time // earliest time of the next poll
	asked    int       // limit of the poll under way
	closed   bool      // the shard's end has been read

	// Gathering: records read and in no batch yet.
	pending      []record
	pendingBytes int
	windowOpened time.Time // when the batching window began; zero: it has not

	// queue holds the batches to run, its head first. There are several only
	// where one was cut, and no record is gathered into a new one before.
	queue      []*batch
	checkpoint string

	waiting  Action // the action that is not answered yet; nil: none
	batches  uint64 // made so far
	draws    uint64 // made so far
	counters Counters
}

// NewMachine makes the machine of a shard that is read from its oldest record.
// It panics if the settings have not passed Validate.
func NewMachine(config MachineConfig) *Machine {
	if errs := Validate(config.Settings); errs != nil {
		panic(fmt.Sprintf("eventsource: machine with bad settings: %v", errs[0]))
	}
	return &Machine{
		config: config,
		source: source{streamARN: config.StreamARN, region: config.Region},
		from:   From{Kind: Horizon},
	}
}

// Next says what to do at a time. Calling it again after Wait and End is free.
func (m *Machine) Next(now time.Time) Action {
	if m.waiting != nil {
		panic(fmt.Sprintf("eventsource: next asked for while %T is not answered", m.waiting))
	}
	if len(m.queue) == 0 && m.ready(now) {
		m.queue = append(m.queue, m.newBatch(m.take()))
	}
	if len(m.queue) > 0 {
		return m.run(now)
	}
	if m.closed {
		return End{}
	}
	if wake := m.wake(); now.Before(wake) {
		return Wait{Until: wake}
	}
	// Only what fits into the next batch is asked for. A shard that fails reads
	// nothing ahead, so what it has not reached stays in the stream and is
	// subject to its retention.
	m.asked = min(maxPageRecords, m.config.Settings.BatchSize-len(m.pending))
	m.pollAt = now.Add(m.config.Settings.PollInterval)
	return m.ask(Poll{From: m.from, Limit: m.asked})
}

// wake is when there is something to do for a shard without a batch: the next
// poll, or the end of the window.
func (m *Machine) wake() time.Time {
	if end := m.windowEnd(); len(m.pending) > 0 && end.Before(m.pollAt) {
		return end
	}
	return m.pollAt
}

func (m *Machine) windowEnd() time.Time {
	return m.windowOpened.Add(time.Duration(m.config.Settings.MaximumBatchingWindowInSeconds) * time.Second)
}

// ready reports whether the gathered records go out now: the first of window
// over, BatchSize reached and payload limit reached decides
// (https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html).
// The window begins with the first record gathered, and not before the last
// batch is settled. A closed shard has nothing left to wait for.
func (m *Machine) ready(now time.Time) bool {
	if len(m.pending) == 0 {
		return false
	}
	if m.windowOpened.IsZero() {
		m.windowOpened = now
	}
	return m.closed ||
		len(m.pending) >= m.config.Settings.BatchSize ||
		eventSize(len(m.pending), m.pendingBytes) >= maxPayload ||
		!now.Before(m.windowEnd())
}

// take removes the records of the next batch: at most BatchSize of them, and
// no more than fit into one payload, but at least one.
func (m *Machine) take() []record {
	n, size := 0, 0
	for n < len(m.pending) && n < m.config.Settings.BatchSize {
		size += len(m.pending[n].json)
		if n > 0 && eventSize(n+1, size) > maxPayload {
			size -= len(m.pending[n].json)
			break
		}
		n++
	}
	records := m.pending[:n:n]
	m.pending = m.pending[n:]
	m.pendingBytes -= size
	m.windowOpened = time.Time{}
	return records
}

// ask notes the action that must be answered.
func (m *Machine) ask(a Action) Action {
	m.waiting = a
	return a
}

// answered takes the action that is being answered, which must be an A.
func answered[A Action](m *Machine) A {
	a, ok := m.waiting.(A)
	if !ok {
		panic(fmt.Sprintf("eventsource: answer to %T, but %T was asked for", a, m.waiting))
	}
	m.waiting = nil
	return a
}

// Polled answers Poll with a page of records in the stream's order; closed says
// that the shard ends with it. The time is that of the answer. A record that
// cannot be taken over is an error: the page counts as a failed poll, nothing
// of it is kept, and the shard reads it again after the interval.
func (m *Machine) Polled(now time.Time, page []types.Record, closed bool) error {
	answered[Poll](m)
	fresh := make([]record, 0, len(page))
	last, bytes := m.last, int64(0)
	for _, r := range page {
		taken, err := m.source.newRecord(r, now)
		if err != nil {
			m.from = m.resume()
			m.counters.ReadErrors++
			return fmt.Errorf("read shard %s: %w", m.config.Shard, err)
		}
		bytes += deref(r.Dynamodb.SizeBytes)
		// After a gap the horizon may lie before what was read already; a
		// record that is held or settled must not come in twice.
		if taken.seq.Compare(last) > 0 {
			last = taken.seq
			fresh = append(fresh, taken)
		}
	}
	for _, r := range fresh {
		m.pendingBytes += len(r.json)
		m.lastText = r.Sequence
	}
	m.pending = append(m.pending, fresh...)
	m.last = last
	m.from = From{Kind: Continue}
	m.closed = closed
	m.counters.Polls++
	m.counters.Polled += int64(len(fresh))
	// A full page says that there is more, so the next poll need not wait. A
	// page that was cut by its size does not show it in the count; the largest
	// record is near half the limit, so a page over half of it may have been cut.
	if len(page) >= m.asked || bytes > maxPageBytes/2 {
		m.pollAt = now
	}
	return nil
}

// Gap says that the stream had trimmed the place to read on from: records
// behind After may be gone without ever having been read
// (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html:
// records live 24 hours).
type Gap struct {
	Shard string `json:"shard"`
	After string `json:"after"` // newest sequence number read before; empty: nothing was
}

// PollFailed answers Poll where nothing could be read. The next poll makes a
// new iterator, after the interval. It returns the gap where there is one; the
// caller must report it, since the records in it are lost in silence otherwise.
func (m *Machine) PollFailed(fault ReadFault) *Gap {
	answered[Poll](m)
	m.counters.ReadErrors++
	switch fault {
	case DataTrimmed:
		gap := &Gap{Shard: m.config.Shard, After: m.lastText}
		m.counters.Gaps++
		m.from = From{Kind: Horizon}
		m.lastText = "" // not to be asked for again; last still guards the order
		return gap
	case IteratorExpired:
		// It grew old while a batch was retried: the stream is not at fault, so
		// there is no reason to wait. A new one that has expired too is a fault.
		if m.from.Kind == Continue {
			m.pollAt = time.Time{}
		}
	}
	m.from = m.resume()
	return nil
}

// resume is where to read on with a new iterator: behind what was read. That
// is the checkpoint, but for records that are gathered and must not come twice.
func (m *Machine) resume() From {
	if m.from.Kind == Horizon || m.lastText == "" {
		return From{Kind: Horizon}
	}
	return From{Kind: AfterSequence, Sequence: m.lastText}
}

// Counters returns what was counted so far.
func (m *Machine) Counters() Counters { return m.counters }

// Position says how far the shard has come. Last is left empty: only the
// stream knows it. Behind counts the records that are read and not settled.
func (m *Machine) Position() bench.ShardPosition {
	p := bench.ShardPosition{Shard: m.config.Shard, Checkpoint: m.checkpoint, Behind: len(m.pending)}
	for _, b := range m.queue {
		p.Behind += len(b.records)
	}
	if len(m.queue) > 0 && m.queue[0].failed > 0 {
		b := m.queue[0]
		p.Head = &bench.Head{ID: b.records[0].ID, Sequence: b.records[0].Sequence, Attempts: b.failed, Error: b.lastError}
	}
	return p
}
