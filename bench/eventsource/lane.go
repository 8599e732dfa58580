package eventsource

import (
	"hash/fnv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

// lane is one of the ParallelizationFactor queues of a shard. All records of an
// item go through the same lane, and a lane has one batch in flight, so the
// order of an item is kept while items overtake each other
// (https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html).
type lane struct {
	number int

	// Gathering: records read and in no batch yet.
	pending      []record
	pendingBytes int
	windowOpened time.Time // when the batching window began; zero: it has not

	// queue holds the batches to run, its head first. There are several only
	// where one was cut, and no record is gathered into a new one before.
	queue   []*batch
	waiting Action // the Invoke or Send that is not answered yet; nil: none

	window *tumbling // the tumbling window that is open; nil: none
}

// idle reports whether the lane has nothing to run and waits for records.
func (l *lane) idle() bool { return len(l.queue) == 0 && l.waiting == nil }

// replace puts batches in the place of the head: what it was cut into.
func (l *lane) replace(parts ...*batch) {
	l.queue = append(parts, l.queue[1:]...)
}

// laneOf chooses the lane of a record by its item's key, partition and sort key
// together: AWS promises the order of an item, not that of a partition.
func (m *Machine) laneOf(r *types.Record) (*lane, error) {
	if len(m.lanes) == 1 {
		return &m.lanes[0], nil
	}
	key, err := appendAttributes(m.source.scratch[:0], r.Dynamodb.Keys)
	if err != nil {
		return nil, err
	}
	h := fnv.New64a()
	h.Write(key)
	return &m.lanes[h.Sum64()%uint64(len(m.lanes))], nil
}

// room is how many records may be read now. Without a lane that waits for
// records nothing is read: a shard that fails reads nothing ahead, so what it
// has not reached stays in the stream and is subject to its retention. Else a
// full batch for each lane may be held, in flight included; when one lane is
// blocked, the others go on until the records that wait behind it have used
// that up. (AWS does not say how far it reads ahead.)
func (m *Machine) room() int {
	for i := range m.lanes {
		if m.lanes[i].idle() {
			return min(maxPageRecords, len(m.lanes)*m.config.Settings.BatchSize-m.progress.open)
		}
	}
	return 0
}

// windowEnd is when the batching window of the lane is over.
func (m *Machine) windowEnd(l *lane) time.Time {
	return l.windowOpened.Add(time.Duration(m.config.Settings.MaximumBatchingWindowInSeconds) * time.Second)
}

// ready reports whether the gathered records go out now: the first of window
// over, BatchSize reached and payload limit reached decides
// (https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html).
// The window begins with the first record gathered, and not before the last
// batch is settled. A closed shard has nothing left to wait for, and neither
// has a tumbling window when a record of the next one is there.
func (m *Machine) ready(now time.Time, l *lane) bool {
	if len(l.pending) == 0 {
		return false
	}
	if l.windowOpened.IsZero() {
		l.windowOpened = now
	}
	if t := m.inherited(l); t != nil {
		return m.whole(t)
	}
	return m.closed ||
		len(l.pending) >= m.config.Settings.BatchSize ||
		eventSize(len(l.pending), l.pendingBytes) >= maxPayload ||
		m.ofOneWindow(l) < len(l.pending) ||
		!now.Before(m.windowEnd(l))
}

// take removes the records of the next batch: at most BatchSize of them, of one
// tumbling window, of one trial, and no more than fit into one payload, but at least one.
func (m *Machine) take(l *lane) []record {
	most := min(m.config.Settings.BatchSize, m.ofOneWindow(l), m.ofOneTrial(l))
	n, size := 0, 0
	for n < most {
		size += len(l.pending[n].json)
		if n > 0 && eventSize(n+1, size) > maxPayload {
			size -= len(l.pending[n].json)
			break
		}
		n++
	}
	records := l.pending[:n:n]
	l.pending = l.pending[n:]
	l.pendingBytes -= size
	l.windowOpened = time.Time{}
	return records
}

// progress knows how far a shard is settled. Lanes settle out of order; the
// checkpoint waits for the oldest record that is not.
type progress struct {
	entries    []entry // from the oldest record that is not settled on
	first      uint64  // number of entries[0]
	open       int     // entries that are not settled
	checkpoint string  // sequence number up to which everything is settled; empty: nothing is
}

type entry struct {
	sequence string
	settled  bool
}

// add takes in the next record of the shard and gives its number.
func (p *progress) add(sequence string) uint64 {
	p.entries = append(p.entries, entry{sequence: sequence})
	p.open++
	return p.first + uint64(len(p.entries)-1)
}

// settle notes that a record will not be delivered again, and moves the
// checkpoint over all that is settled without a gap.
func (p *progress) settle(number uint64) {
	p.entries[number-p.first].settled = true
	p.open--
	n := 0
	for n < len(p.entries) && p.entries[n].settled {
		p.checkpoint = p.entries[n].sequence
		n++
	}
	p.entries = p.entries[n:]
	p.first += uint64(n)
}
