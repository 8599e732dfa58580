package dynamo

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"sort"
	"strconv"
	"strings"
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
	seed       uint64

	closed time.Time // zero: enabled; written under the engine's lock, all stripes and mu
	// open are the shards that take records, by their part of the range of
	// hashes. It is guarded by all stripes of the table, as the stream itself is.
	open []*shard

	mu     sync.RWMutex
	shards []*shard // all that are kept, parents before their children; replaced, never changed
	made   int      // shards made so far
	latest int64    // ms in the id of the newest one
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
	id, parent  string
	seed        uint64
	start       uint64 // sequence number that the shard starts at, as an offset
	first, last uint64 // hashes of the keys that it takes

	mu      sync.RWMutex
	chunks  [][]record
	base    int64 // number of the first record of chunks[0]
	trimmed int64 // number of the first record that retention has left
	next    int64 // number of the record that comes next
	lastOff uint64
	lastAt  time.Time
	closed  time.Time // zero: open
	readers []reading
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
	s.seed = clock.Bits(o.Seed, s.arn, 0)
	n := uint64(o.Shards)
	for i := range n {
		first, _ := bits.Div64(i, 0, n) // shards share the range of hashes evenly, as partitions do
		last := uint64(math.MaxUint64)
		if i < n-1 {
			last, _ = bits.Div64(i+1, 0, n)
			last--
		}
		s.openShard(now, nil, first, last)
	}
	return s
}

// openShard opens a shard for a part of the range of hashes. The table is locked
// as a whole, or nobody knows it yet.
func (s *stream) openShard(now time.Time, parent *shard, first, last uint64) *shard {
	s.mu.Lock()
	defer s.mu.Unlock()
	seed := clock.Bits(s.seed, "shard", uint64(s.made))
	s.made++
	sh := &shard{seed: seed, start: seed % 4096, first: first, last: last}
	// Ids sort by age, so children behind their parents, however fast they come.
	s.latest = max(s.latest, now.UnixMilli())
	if parent != nil {
		sh.parent = parent.id
		sh.start = parent.lastOff + 1 + seed%997
		if s.latest <= parent.opened() {
			s.latest = parent.opened() + 1
		}
	}
	sh.id = fmt.Sprintf("shardId-%020d-%08x", s.latest, uint32(seed))
	sh.lastOff = sh.start
	s.shards = append(slices.Clone(s.shards), sh)
	slices.SortFunc(s.shards, func(a, b *shard) int { return strings.Compare(a.id, b.id) })
	s.open = append(s.open, sh)
	slices.SortFunc(s.open, func(a, b *shard) int { return cmp.Compare(a.first, b.first) })
	return sh
}

// opened is the time in the shard's id, in ms.
func (s *shard) opened() int64 {
	ms, _ := strconv.ParseInt(s.id[len("shardId-"):len("shardId-")+20], 10, 64)
	return ms
}

// kept gives the shards that can be read: a closed one goes when its last record
// has.
func (s *stream) kept(now time.Time, retention time.Duration) []*shard {
	s.mu.Lock()
	defer s.mu.Unlock()
	gone := func(sh *shard) bool {
		sh.mu.RLock()
		defer sh.mu.RUnlock()
		return !sh.closed.IsZero() && now.Sub(sh.closed) >= retention
	}
	if s.closed.IsZero() && slices.ContainsFunc(s.shards, gone) {
		s.shards = slices.DeleteFunc(slices.Clone(s.shards), gone)
	}
	return s.shards
}

// close ends a stream: its shards are closed and can be read until retention
// ends.
func (s *stream) close(now time.Time) {
	s.mu.Lock()
	s.closed = now
	s.mu.Unlock()
	for _, sh := range s.open {
		sh.close(now)
	}
	s.open = nil
}

func (s *shard) close(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = now
}

const labelFormat = "2006-01-02T15:04:05.000"

// shardOf gives the open shard of a key.
func (s *stream) shardOf(hash uint64) *shard {
	i, found := slices.BinarySearchFunc(s.open, hash, func(sh *shard, h uint64) int { return cmp.Compare(sh.first, h) })
	if !found {
		i--
	}
	return s.open[i]
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
// that what is told has the shard's order. It returns the record with its place.
func (s *shard) append(now time.Time, retention time.Duration, r record, committed func(*shard, uint64)) record {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Callers take the time before they get here, so it may step back; a log
	// that is searched and trimmed by time must not.
	if now.Before(s.lastAt) {
		now = s.lastAt
	}
	s.trim(now, retention)
	r.off, r.at = s.lastOff+1+clock.Bits(s.seed, "gap", uint64(s.next))%997, now.UnixNano()
	s.keep(r)
	s.lastAt = now // with its monotonic reading
	committed(s, r.off)
	return r
}

// keep puts a record, which has its place, behind all others.
func (s *shard) keep(r record) {
	if n := len(s.chunks); n == 0 || len(s.chunks[n-1]) == chunkRecords {
		size := chunkRecords
		if n == 0 {
			size = 16 // a stream of a few records stays small
		}
		s.chunks = append(s.chunks, make([]record, 0, size))
	}
	tail := &s.chunks[len(s.chunks)-1]
	*tail = append(*tail, r)
	s.next++
	s.lastOff, s.lastAt = r.off, r.time()
}

// trim forgets what is older than the retention. Records count as gone the
// moment they expire; their memory goes by whole chunks.
func (s *shard) trim(now time.Time, retention time.Duration) {
	horizon := now.Add(-retention).UnixNano()
	for s.trimmed < s.next && s.at(s.trimmed).at < horizon {
		s.trimmed++
		if s.trimmed-s.base >= int64(len(s.chunks[0])) && (len(s.chunks[0]) == chunkRecords || s.trimmed == s.next) {
			s.base = s.trimmed
			s.chunks[0] = nil
			s.chunks = s.chunks[1:]
		}
	}
}

func (s *shard) at(n int64) *record {
	i := n - s.base
	return &s.chunks[i/chunkRecords][i%chunkRecords]
}

// search gives the number of the first kept record for which f holds, f being
// false and then true along the log.
func (s *shard) search(f func(*record) bool) int64 {
	return s.trimmed + int64(sort.Search(int(s.next-s.trimmed), func(i int) bool { return f(s.at(s.trimmed + int64(i))) }))
}

// appendEventID appends the record's id: 32 hex digits, the same at every reading.
func (s *shard) appendEventID(b []byte, off uint64) []byte {
	for _, half := range [...]string{"event", "event'"} {
		word := clock.Bits(s.seed, half, off)
		for shift := 60; shift >= 0; shift -= 4 {
			b = append(b, hexDigits[word>>shift&15])
		}
	}
	return b
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
