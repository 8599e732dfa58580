package eventsource

import (
	"fmt"
	"math"
	"slices"
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
	From        From          // where to begin; the zero From: at the oldest record
	Shard       string
	Number      uint32 // of the shard within the mapping: makes batch numbers and draws its own
	StreamARN   string
	FunctionARN string
	Region      string
	Seed        uint64
	Trials      []Trial // of a machine before this one
}

// Machine holds the rules of one shard. It belongs to one goroutine.
//
// [Machine.Next] says what to do. A Poll is answered before Next is called
// again; Invoke and Send are answered at any later time, each once, while Next
// goes on with the other lanes. Times given to a machine must not go back.
type Machine struct {
	config MachineConfig
	source source
	filter filter

	// Reading. last guards the order, from is where the next poll reads on:
	// they part after a gap only.
	from                From
	start               FromKind       // where to begin while nothing was read: Horizon or Latest
	last                bench.Sequence // newest record read
	lastText            string
	pollAt              time.Time // earliest time of the next poll
	asked               int       // limit of the poll under way
	polling             bool      // a poll is not answered yet
	pollBegan, polledAt time.Time // when the last poll was asked for; when one was that gave all there was
	closed              bool      // the shard's end has been read

	lanes    []lane
	progress progress
	trials   []Trial // inherited, and not come to yet

	batches  uint64 // made so far
	draws    uint64 // made so far
	counters Counters
}

// NewMachine makes the machine of a shard that is read from its oldest record,
// or from config.From. It panics if the settings have not passed Validate.
func NewMachine(config MachineConfig) *Machine {
	m := &Machine{config: config, source: source{streamARN: config.StreamARN, region: config.Region}, trials: slices.Clone(config.Trials)}
	if config.From.Kind == 0 {
		config.From.Kind = Horizon
	}
	m.reset(config.Settings, config.From)
	return m
}

// reset forgets what is held and begins to read at a place.
func (m *Machine) reset(settings bench.Mapping, from From) {
	if errs := Validate(settings); errs != nil {
		panic(fmt.Sprintf("eventsource: machine with bad settings: %v", errs[0]))
	}
	m.config.Settings = settings
	m.filter = mustFilter(settings.FilterCriteria)
	m.from, m.lastText, m.last = from, from.Sequence, bench.Sequence{}
	m.start = Horizon
	if from.Kind == Latest {
		m.start = Latest
	}
	if from.Sequence != "" {
		m.last, _ = bench.ParseSequence(from.Sequence) // it was one when it was read
	}
	m.polling, m.closed = false, false
	m.pollAt, m.polledAt = time.Time{}, time.Time{}
	m.progress = progress{checkpoint: from.Sequence}
	m.lanes = make([]lane, settings.ParallelizationFactor)
	for i := range m.lanes {
		m.lanes[i].number = i
	}
}

// Restart takes up the work anew under other settings, or the same: at the
// checkpoint, or at the given place where the position is lost. What is held
// and not settled is forgotten, so it is read again from behind the checkpoint,
// and what other lanes have settled beyond it is delivered twice. Counters,
// numbers and request ids go on. A poll that is not answered is forgotten; no
// Invoke and no Send may be.
func (m *Machine) Restart(settings bench.Mapping, lost *From) {
	for i := range m.lanes {
		if m.lanes[i].waiting != nil {
			panic("eventsource: restart while an invocation or a document is not answered")
		}
	}
	from := From{Kind: m.start}
	if at := m.progress.checkpoint; at != "" {
		from = From{Kind: AfterSequence, Sequence: at}
	}
	if lost != nil {
		from, m.trials = *lost, nil
	}
	m.reset(settings, from)
}

// Next says what to do at a time. Calling it again after Wait and End is free.
func (m *Machine) Next(now time.Time) Action {
	if m.polling {
		panic("eventsource: next asked for while a poll is not answered")
	}
	var wake time.Time
	empty := true
	for i := range m.lanes {
		l := &m.lanes[i]
		if l.waiting == nil {
			a, at := m.step(now, l)
			if a != nil {
				l.waiting = a
				return a
			}
			wake = sooner(wake, at)
		}
		empty = empty && l.idle() && len(l.pending) == 0
	}
	if m.closed && empty {
		return End{}
	}
	if limit := m.room(); limit > 0 && !m.closed {
		if !now.Before(m.pollAt) {
			m.asked, m.polling = limit, true
			m.pollAt = now.Add(m.config.Settings.PollInterval)
			m.pollBegan = now
			return Poll{From: m.from, Limit: limit}
		}
		wake = sooner(wake, m.pollAt)
	}
	return Wait{Until: wake}
}

// sooner is the earlier of two times; a zero time is none.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// answered takes the action of a lane that is being answered, which must be an A.
func answered[A Action](l *lane) A {
	a, ok := l.waiting.(A)
	if !ok {
		panic(fmt.Sprintf("eventsource: answer to %T, but %T was asked for", a, l.waiting))
	}
	l.waiting = nil
	return a
}

// answerPoll takes the poll that is being answered.
func (m *Machine) answerPoll() {
	if !m.polling {
		panic("eventsource: answer to a poll that was not asked for")
	}
	m.polling = false
}

// Polled answers Poll with a page of records in the stream's order; closed says
// that the shard ends with it. The time is that of the answer. A record that
// cannot be taken over is an error: the page counts as a failed poll, nothing
// of it is kept, and the shard reads it again after the interval.
func (m *Machine) Polled(now time.Time, page []types.Record, closed bool) error {
	m.answerPoll()
	fresh := make([]record, 0, len(page))
	last, bytes := m.last, int64(0)
	for i := range page {
		taken, err := m.source.newRecord(page[i], now)
		if err == nil {
			taken.lane, err = m.laneOf(&page[i])
		}
		if err != nil {
			m.from = m.resume()
			m.counters.ReadErrors++
			return fmt.Errorf("read shard %s: %w", m.config.Shard, err)
		}
		bytes += deref(page[i].Dynamodb.SizeBytes)
		// After a gap the horizon may lie before what was read already; a
		// record that is held or settled must not come in twice.
		if taken.seq.Compare(last) > 0 {
			last = taken.seq
			fresh = append(fresh, taken)
		}
	}
	for i := range fresh {
		m.gathered(&fresh[i])
	}
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
	} else {
		m.polledAt = m.pollBegan
	}
	return nil
}

// gathered puts a record that was read into its lane. One that no filter lets
// through is settled at once: the iterator moves over it
// (https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html).
func (m *Machine) gathered(r *record) {
	m.lastText = r.Sequence
	r.number = m.progress.add(r.Sequence)
	if !m.filter.match(r.json) {
		m.counters.Filtered++
		m.progress.settle(r.number)
		return
	}
	r.lane.pending = append(r.lane.pending, *r)
	r.lane.pendingBytes += len(r.json)
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
	m.answerPoll()
	m.counters.ReadErrors++
	if fault == DataTrimmed {
		return m.gap(Horizon)
	}
	if fault == IteratorExpired && m.from.Kind == Continue {
		// It grew old while a batch was retried: the stream is not at fault, so
		// there is no reason to wait. A new one that has expired too is a fault.
		m.pollAt = time.Time{}
		if m.start == Latest && m.lastText == "" {
			return m.gap(Latest) // nobody knows what came since
		}
	}
	m.from = m.resume()
	return nil
}

// gap begins to read anew at a place that may not be the one read up to.
func (m *Machine) gap(from FromKind) *Gap {
	gap := &Gap{Shard: m.config.Shard, After: m.lastText}
	m.counters.Gaps++
	m.from = From{Kind: from}
	m.start = from
	m.lastText = "" // not to be asked for again; last still guards the order
	return gap
}

// resume is where to read on with a new iterator: behind what was read. That
// is the checkpoint, but for records that are gathered and must not come twice.
// Behind nothing, in a shard that was begun at its end, there is only the
// iterator at hand.
func (m *Machine) resume() From {
	switch {
	case m.lastText != "":
		return From{Kind: AfterSequence, Sequence: m.lastText}
	case m.start == Latest && m.from.Kind == Continue:
		return m.from
	}
	return From{Kind: m.start}
}

// Counters returns what was counted so far.
func (m *Machine) Counters() Counters { return m.counters }

// Position says how far the shard has come. Last is left empty: only the
// stream knows it. Behind counts the records that are read and not settled. Of
// several lanes that fail, the head is the one that holds the checkpoint back.
func (m *Machine) Position() bench.ShardPosition {
	p := bench.ShardPosition{Shard: m.config.Shard, Checkpoint: m.progress.checkpoint, Behind: m.progress.open}
	if m.progress.open > 0 {
		p.Oldest = m.progress.entries[0].sequence // those before it are cut off
	}
	oldest := uint64(math.MaxUint64)
	for i := range m.lanes {
		l := &m.lanes[i]
		if len(l.queue) == 0 || l.queue[0].failed == 0 || len(l.queue[0].records) == 0 {
			continue
		}
		b := l.queue[0]
		if r := b.records[0]; r.number < oldest {
			oldest = r.number
			p.Head = &bench.Head{ID: r.ID, Sequence: r.Sequence, Attempts: b.failed, Error: b.lastError}
		}
	}
	return p
}
