package dynamo

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// row is one version of an item in the table. It never changes: a write puts a
// new row in its place, and the stream keeps both.
type row struct {
	key  key
	item item
	size int
}

// key is an item's primary key; rng is of kindNone in a table without a range
// key. hash places it: the leading bits choose the stripe, the bucket, the
// segment of a parallel scan and the shard.
type key struct {
	hash      uint64
	part, rng value
}

// compare orders keys as Scan meets them: by hash, so that an item never moves
// when others come and go, then by key.
func (k key) compare(other key) int {
	if k.hash != other.hash {
		if k.hash < other.hash {
			return -1
		}
		return 1
	}
	if k.part.text != other.part.text {
		return strings.Compare(k.part.text, other.part.text)
	}
	c, _ := k.rng.compare(other.rng)
	return c
}

// hashOf hashes a partition key: FNV-1a, eight bytes at a time, with a
// finaliser, since keys that differ in their last digit must differ in their
// leading bits.
func hashOf(text string) uint64 {
	const prime = 0x100000001b3
	h := uint64(0xcbf29ce484222325) ^ uint64(len(text))
	b := []byte(text)
	for ; len(b) >= 8; b = b[8:] {
		h = (h ^ binary.LittleEndian.Uint64(b)) * prime
		h ^= h >> 32
	}
	for _, c := range b {
		h = (h ^ uint64(c)) * prime
	}
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

const (
	stripeBits = 6
	stripes    = 1 << stripeBits // locks of a table

	bucketLoad = 4   // partitions in a bucket on average, at most
	chunkRows  = 256 // rows in a chunk of a partition, at most
)

// table is one table. Its rows lie in stripes, each with a lock of its own,
// and each stripe is one contiguous part of the range of hashes.
type table struct {
	name       string
	arn, id    string
	created    time.Time
	keys       []keyAttr // hash key, then range key if there is one
	definition []keyAttr
	billing    string
	capacity   [2]int // read, write; shown, never enforced

	items, bytes atomic.Int64
	stripes      [stripes]stripe

	// Guarded by all stripes: held by one to read, by all to write. So no write
	// meets a stream that is being switched, nor a table being deleted.
	stream *stream
	gone   bool
}

// keyAttr is a key attribute.
type keyAttr struct {
	name string
	kind kind
}

// stripe holds a part of the table as a hash table that keeps its order: the
// bucket's number is the leading bits of the hash below the stripe's own, so
// doubling the buckets splits each in place and a scan's cursor stays true.
type stripe struct {
	mu      sync.RWMutex
	buckets [][]*partition // each sorted by hash, then partition key
	bits    int            // len(buckets) == 1<<bits
	parts   int
}

// partition holds the rows of one partition key, sorted by range key. The
// chunks keep an insert from moving more than a few hundred pointers.
type partition struct {
	hash   uint64
	text   string // of the partition key, whose type the table fixes
	chunks [][]*row
}

func stripeOf(hash uint64) int { return int(hash >> (64 - stripeBits)) }

func (t *table) stripe(hash uint64) *stripe { return &t.stripes[stripeOf(hash)] }

func (t *table) lockAll() {
	for i := range t.stripes {
		t.stripes[i].mu.Lock()
	}
}

func (t *table) unlockAll() {
	for i := range t.stripes {
		t.stripes[i].mu.Unlock()
	}
}

func (t *table) isKey(name string) bool {
	return name == t.keys[0].name || len(t.keys) > 1 && name == t.keys[1].name
}

func (s *stripe) bucket(hash uint64) int {
	return int(bits.RotateLeft64(hash<<stripeBits, s.bits) & (1<<s.bits - 1))
}

// find locates a partition in its bucket, or the place where it would be.
func (s *stripe) find(hash uint64, text string) (bucket, i int, ok bool) {
	if s.buckets == nil {
		return 0, 0, false
	}
	bucket = s.bucket(hash)
	i, ok = slices.BinarySearchFunc(s.buckets[bucket], key{hash: hash, part: value{text: text}}, func(p *partition, k key) int {
		return key{hash: p.hash, part: value{text: p.text}}.compare(k)
	})
	return bucket, i, ok
}

// get returns the row of a key, or nil.
func (s *stripe) get(k key) *row {
	b, i, ok := s.find(k.hash, k.part.text)
	if !ok {
		return nil
	}
	p := s.buckets[b][i]
	if c, j, ok := p.find(k.rng); ok {
		return p.chunks[c][j]
	}
	return nil
}

// partition returns the partition of a key, or nil.
func (s *stripe) partition(k key) *partition {
	if b, i, ok := s.find(k.hash, k.part.text); ok {
		return s.buckets[b][i]
	}
	return nil
}

// put stores a row in the place of any other of its key.
func (s *stripe) put(r *row) {
	b, i, ok := s.find(r.key.hash, r.key.part.text)
	if ok {
		s.buckets[b][i].put(r)
		return
	}
	if s.parts >= bucketLoad*len(s.buckets) {
		s.grow()
		b, i, _ = s.find(r.key.hash, r.key.part.text)
	}
	p := &partition{hash: r.key.hash, text: r.key.part.text, chunks: [][]*row{{r}}}
	s.buckets[b] = slices.Insert(s.buckets[b], i, p)
	s.parts++
}

// grow doubles the buckets. Every bucket splits into two neighbours.
func (s *stripe) grow() {
	if s.buckets == nil {
		s.buckets = make([][]*partition, 1)
		return
	}
	s.bits++
	old := s.buckets
	s.buckets = make([][]*partition, 1<<s.bits)
	for n, parts := range old {
		cut, _ := slices.BinarySearchFunc(parts, 2*n+1, func(p *partition, b int) int { return s.bucket(p.hash) - b })
		s.buckets[2*n] = slices.Clone(parts[:cut])
		s.buckets[2*n+1] = slices.Clone(parts[cut:])
	}
}

// remove takes a key's row away, if there is one.
func (s *stripe) remove(k key) {
	b, i, ok := s.find(k.hash, k.part.text)
	if !ok {
		return
	}
	p := s.buckets[b][i]
	if c, j, ok := p.find(k.rng); ok {
		p.chunks[c] = slices.Delete(p.chunks[c], j, j+1)
		if len(p.chunks[c]) == 0 {
			p.chunks = slices.Delete(p.chunks, c, c+1)
		}
	}
	if len(p.chunks) == 0 {
		s.buckets[b] = slices.Delete(s.buckets[b], i, i+1)
		s.parts--
	}
}

// find locates a range key: chunk and index of the row, or the place where it
// would be inserted, which is at the end of a chunk rather than before the
// next one.
func (p *partition) find(rng value) (chunk, i int, ok bool) {
	chunk, ok = slices.BinarySearchFunc(p.chunks, rng, func(c []*row, v value) int { return compareRange(c[0].key.rng, v) })
	if !ok && chunk > 0 {
		chunk--
	}
	i, ok = slices.BinarySearchFunc(p.chunks[chunk], rng, func(r *row, v value) int { return compareRange(r.key.rng, v) })
	return chunk, i, ok
}

func compareRange(a, b value) int { c, _ := a.compare(b); return c }

func (p *partition) put(r *row) {
	c, i, ok := p.find(r.key.rng)
	if ok {
		p.chunks[c][i] = r
		return
	}
	p.chunks[c] = slices.Insert(p.chunks[c], i, r)
	if n := len(p.chunks[c]); n > chunkRows {
		tail := slices.Clone(p.chunks[c][n/2:])
		p.chunks[c] = slices.Delete(p.chunks[c], n/2, n)
		p.chunks = slices.Insert(p.chunks, c+1, tail)
	}
}

// ascend visits the rows whose range key is at or after from (kindNone: all)
// until visit says no.
func (p *partition) ascend(from value, visit func(*row) bool) bool {
	c, i := 0, 0
	if from.kind != kindNone {
		c, i, _ = p.find(from)
	}
	for ; c < len(p.chunks); c, i = c+1, 0 {
		for _, r := range p.chunks[c][i:] {
			if !visit(r) {
				return false
			}
		}
	}
	return true
}

// descend visits the rows whose range key is at or before from, backwards.
func (p *partition) descend(from value, visit func(*row) bool) bool {
	c, i := len(p.chunks)-1, len(p.chunks[len(p.chunks)-1])-1
	if from.kind != kindNone {
		var ok bool
		if c, i, ok = p.find(from); !ok {
			i--
		}
	}
	for ; c >= 0; c-- {
		for ; i >= 0; i-- {
			if !visit(p.chunks[c][i]) {
				return false
			}
		}
		if c > 0 {
			i = len(p.chunks[c-1]) - 1
		}
	}
	return true
}

// ascend visits the stripe's rows whose key is after the given one (all: nil)
// and whose hash is at most last, until visit says no. It reports whether the
// scan is to go on with the next stripe.
func (s *stripe) ascend(after *key, last uint64, visit func(*row) bool) bool {
	b := 0
	if after != nil && s.buckets != nil {
		b = s.bucket(after.hash)
	}
	for ; b < len(s.buckets); b++ {
		for _, p := range s.buckets[b] {
			if p.hash > last {
				return false
			}
			if !p.after(after, visit) {
				return false
			}
		}
	}
	return true
}

// after visits the partition's rows behind a key in scan order.
func (p *partition) after(k *key, visit func(*row) bool) bool {
	if k == nil {
		return p.ascend(value{}, visit)
	}
	switch c := (key{hash: p.hash, part: value{text: p.text}}).compare(key{hash: k.hash, part: k.part}); {
	case c < 0:
		return true
	case c > 0:
		return p.ascend(value{}, visit)
	}
	return p.ascend(k.rng, func(r *row) bool {
		return r.key.compare(*k) == 0 || visit(r)
	})
}
