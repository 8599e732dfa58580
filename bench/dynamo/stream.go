package dynamo

import (
	"fmt"
	"math/bits"
	"sort"
	"sync"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

// chunkRecords is how many records one chunk of a shard's log holds.
const chunkRecords = 1024

// sequenceBase is the number below a shard's first record. It lies just under
// 10^21, so that early on in every shard the numbers grow from 21 to 22
// digits, as they do at the service: a reader that compares them as texts is
// wrong, and finds out.
var sequenceBase = bench.Sequence{Hi: 54, Lo: 3875820019684212736 - 1<<16}

// stream is the change log of a table from the moment it was switched on.
// Switching it off closes its shards; switching it on again makes another.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html
type stream struct {
	arn, label string
	table      string
	keys       []keyAttr
	view       string // StreamViewType
	created    time.Time
	closed     time.Time // zero: enabled
	shards     []*shard
}

// record is one change. Its images are the table's own rows.
type record struct {
	off      uint64 // sequence number, above sequenceBase
	at       int64  // ns since 1970
	old, new *row   // nil: there was none, there is none
	expired  bool   // by time to live
}

func (r *record) time() time.Time { return time.Unix(0, r.at) }

// shard is an append-only log, cut into chunks so that an append never moves
// what a reader is looking at and the expired front can be dropped. Records
// are numbered from 0 without gaps; their sequence numbers have gaps.
type shard struct {
	id    string
	seed  uint64
	start uint64 // sequence number that the shard starts at, as an offset

	mu      sync.RWMutex
	chunks  [][]record
	first   int64 // number of the first record of chunks[0]
	trimmed int64 // number of the first record that retention has left
	next    int64 // number of the record that comes next
	lastOff uint64
	lastAt  time.Time
	closed  bool
}

func newStream(t *table, view string, now time.Time, o Options) *stream {
	s := &stream{table: t.name, keys: t.keys, view: view, created: now}
	// The label is part of the ARN and must be new, however quickly a stream is
	// switched off and on again.
	at := now
	if t.stream != nil {
		if old, err := time.Parse(labelFormat, t.stream.label); err == nil && !at.After(old) {
			at = old.Add(time.Millisecond)
		}
	}
	s.label = at.UTC().Format(labelFormat)
	s.arn = t.arn + "/stream/" + s.label
	for i := range o.Shards {
		seed := clock.Bits(o.Seed, s.arn, uint64(i))
		sh := &shard{id: fmt.Sprintf("shardId-%020d-%08x", now.UnixMilli(), uint32(seed)), seed: seed, start: seed % 4096}
		sh.lastOff = sh.start
		s.shards = append(s.shards, sh)
	}
	return s
}

const labelFormat = "2006-01-02T15:04:05.000"

// shardOf gives the shard of a key: shards share the range of hashes evenly,
// as partitions do.
func (s *stream) shardOf(hash uint64) *shard {
	i, _ := bits.Mul64(hash, uint64(len(s.shards)))
	return s.shards[i]
}

func sequence(off uint64) bench.Sequence {
	lo, carry := bits.Add64(sequenceBase.Lo, off, 0)
	return bench.Sequence{Hi: sequenceBase.Hi + carry, Lo: lo}
}

// offset is the inverse of sequence; a number below the base gives 0.
func offset(n bench.Sequence) uint64 {
	if n.Compare(sequenceBase) < 0 {
		return 0
	}
	off, _ := bits.Sub64(n.Lo, sequenceBase.Lo, 0)
	return off
}

// append adds a record and tells committed of it while the shard is locked, so
// that what is told has the shard's order.
func (s *shard) append(now time.Time, retention time.Duration, r record, committed func(*shard, uint64)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Callers take the time before they get here, so it may step back; a log
	// that is searched and trimmed by time must not.
	if now.Before(s.lastAt) {
		now = s.lastAt
	}
	s.trim(now, retention)
	s.lastAt = now
	s.lastOff += 1 + clock.Bits(s.seed, "gap", uint64(s.next))%997
	if n := len(s.chunks); n == 0 || len(s.chunks[n-1]) == chunkRecords {
		size := chunkRecords
		if n == 0 {
			size = 16 // a stream of a few records stays small
		}
		s.chunks = append(s.chunks, make([]record, 0, size))
	}
	tail := &s.chunks[len(s.chunks)-1]
	r.off, r.at = s.lastOff, now.UnixNano()
	*tail = append(*tail, r)
	s.next++
	committed(s, s.lastOff)
}

// trim forgets what is older than the retention. Records count as gone the
// moment they expire; their memory goes by whole chunks.
func (s *shard) trim(now time.Time, retention time.Duration) {
	horizon := now.Add(-retention).UnixNano()
	for s.trimmed < s.next && s.at(s.trimmed).at < horizon {
		s.trimmed++
		if s.trimmed-s.first >= int64(len(s.chunks[0])) && (len(s.chunks[0]) == chunkRecords || s.trimmed == s.next) {
			s.first = s.trimmed
			s.chunks[0] = nil
			s.chunks = s.chunks[1:]
		}
	}
}

func (s *shard) at(n int64) *record {
	i := n - s.first
	return &s.chunks[i/chunkRecords][i%chunkRecords]
}

// search gives the number of the first kept record for which f holds, f being
// false and then true along the log.
func (s *shard) search(f func(*record) bool) int64 {
	return s.trimmed + int64(sort.Search(int(s.next-s.trimmed), func(i int) bool { return f(s.at(s.trimmed + int64(i))) }))
}

// eventID is the record's id: 32 hex digits, the same at every reading.
func (s *shard) eventID(off uint64) string {
	return fmt.Sprintf("%016x%016x", clock.Bits(s.seed, "event", off), clock.Bits(s.seed, "event'", off))
}

// name is INSERT, MODIFY or REMOVE.
func (r *record) name() string {
	switch {
	case r.old == nil:
		return "INSERT"
	case r.new == nil:
		return "REMOVE"
	}
	return "MODIFY"
}

func (r *record) row() *row {
	if r.new != nil {
		return r.new
	}
	return r.old
}

// keyItem is the key as a map of attributes.
func keyItem(keys []keyAttr, k *key) item {
	it := item{{keys[0].name, value{kind: keys[0].kind, text: k.part}}}
	if len(keys) > 1 {
		it = it.with(keys[1].name, k.rng)
	}
	return it
}

// images gives what a view type shows of a record, nil for what it hides.
func (s *stream) images(r *record) (old, new item) {
	if r.old != nil && (s.view == "OLD_IMAGE" || s.view == "NEW_AND_OLD_IMAGES") {
		old = r.old.item
	}
	if r.new != nil && (s.view == "NEW_IMAGE" || s.view == "NEW_AND_OLD_IMAGES") {
		new = r.new.item
	}
	return old, new
}

// ShardEnd says where a shard of a table's current stream ends: for the proof
// that a reader has read it all.
type ShardEnd struct {
	Shard   string
	Last    string // sequence number of the newest record, "" without one
	Records int64  // appended so far, those trimmed since included
}

func (s *stream) ends() []ShardEnd {
	out := make([]ShardEnd, len(s.shards))
	for i, sh := range s.shards {
		sh.mu.RLock()
		out[i] = ShardEnd{Shard: sh.id, Records: sh.next}
		if sh.next > 0 {
			out[i].Last = sequence(sh.lastOff).String()
		}
		sh.mu.RUnlock()
	}
	return out
}
