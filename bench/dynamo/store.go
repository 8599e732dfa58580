package dynamo

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"
	"sync"

	"github.com/ackproof/ackproof/bench"
)

// row is one version of an item in the table, or an entry of an index. It never
// changes: a write puts a new row in its place, and the stream keeps both.
type row struct {
	key  key
	item item
	size int // bytes; of an index, those of the attributes that it shows
}

// writer is the id of the request that wrote the item, for the observer.
func (r *row) writer() string { return bench.WriterOf(r.key.part, r.item.get("version").text) }

// key is the primary key of an item, or the place of an entry in an index; rng
// is of kindNone where there is no range key. hash places it: the leading bits
// choose the stripe, the bucket, the segment of a parallel scan and the shard.
type key struct {
	hash uint64
	part string // of the partition key, whose type the schema fixes
	rng  value
	base *key // of the item, for the entry of an index, where many may have one key
}

// compare orders keys as Scan meets them: by hash, so that an item never moves
// when others come and go, then by key.
func (k *key) compare(other *key) int {
	if c := k.compareParts(other.hash, other.part); c != 0 {
		return c
	}
	return k.compareRanges(other)
}

func (k *key) compareParts(hash uint64, part string) int {
	if k.hash != hash {
		if k.hash < hash {
			return -1
		}
		return 1
	}
	return strings.Compare(k.part, part)
}

// compareRange orders range keys: by value, or, where several attributes of an
// index make one, attribute by attribute.
func compareRange(a, b value) int {
	if a.kind == kindL && b.kind == kindL {
		return slices.CompareFunc(a.list(), b.list(), compareRange)
	}
	c, _ := a.compare(b)
	return c
}

// lastBase is the base of a key that comes behind all others of its range key.
var lastBase = new(key)

// compareRanges orders the keys of one partition. Of one range key, a key without
// a base comes before all that have one.
func (k *key) compareRanges(other *key) int {
	c := compareRange(k.rng, other.rng)
	switch {
	case c != 0 || k.base == other.base:
		return c
	case k.base == nil || other.base == lastBase:
		return -1
	case other.base == nil || k.base == lastBase:
		return 1
	}
	return k.base.compare(other.base)
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

// stripe holds a part of a table or index as a hash table that keeps its order:
// the bucket's number is the leading bits of the hash below the stripe's own, so
// doubling the buckets splits each in place and a scan's cursor stays true.
type stripe struct {
	mu      sync.RWMutex
	buckets [][]partition // each sorted by hash, then partition key
	bits    int           // len(buckets) == 1<<bits
	parts   int
}

// partition holds the rows of one partition key, sorted by range key. Most
// partitions have one row, which needs no memory of its own here; the chunks of
// the others keep an insert from moving more than a few hundred pointers.
type partition struct {
	hash uint64 // here too, so that a search needs not look at the rows of others
	one  [1]*row
	many *[][]*row // nil: one
}

func (p *partition) len() int {
	if p.many == nil {
		return 1
	}
	return len(*p.many)
}

func (p *partition) chunk(i int) []*row {
	if p.many == nil {
		return p.one[:]
	}
	return (*p.many)[i]
}

// key gives the key of one of the rows, which all have one hash and part.
func (p *partition) key() *key { return &p.chunk(0)[0].key }

func stripeOf(hash uint64) int { return int(hash >> (64 - stripeBits)) }

func (s *stripe) bucket(hash uint64) int {
	return int(bits.RotateLeft64(hash<<stripeBits, s.bits) & (1<<s.bits - 1))
}

// find locates a partition in its bucket, or the place where it would be.
func (s *stripe) find(k *key) (bucket, i int, ok bool) {
	if s.buckets == nil {
		return 0, 0, false
	}
	bucket = s.bucket(k.hash)
	parts := s.buckets[bucket]
	for i = range parts { // a handful at most
		if parts[i].hash < k.hash {
			continue
		}
		if parts[i].hash > k.hash {
			return bucket, i, false
		}
		if c := strings.Compare(parts[i].key().part, k.part); c >= 0 {
			return bucket, i, c == 0
		}
	}
	return bucket, len(parts), false
}

// partition returns the partition of a key, or nil.
func (s *stripe) partition(k *key) *partition {
	if b, i, ok := s.find(k); ok {
		return &s.buckets[b][i]
	}
	return nil
}

// get returns the row of a key, or nil.
func (s *stripe) get(k *key) *row {
	p := s.partition(k)
	if p == nil {
		return nil
	}
	if c, j, ok := p.find(k); ok {
		return p.chunk(c)[j]
	}
	return nil
}

// put stores a row in the place of any other of its key.
func (s *stripe) put(r *row) {
	b, i, ok := s.find(&r.key)
	if ok {
		s.buckets[b][i].put(r)
		return
	}
	if s.parts >= bucketLoad*len(s.buckets) {
		s.grow()
		b, i, _ = s.find(&r.key)
	}
	s.buckets[b] = slices.Insert(s.buckets[b], i, partition{hash: r.key.hash, one: [1]*row{r}})
	s.parts++
}

// grow doubles the buckets. Every bucket splits into two neighbours.
func (s *stripe) grow() {
	if s.buckets == nil {
		s.buckets = make([][]partition, 1)
		return
	}
	s.bits++
	old := s.buckets
	s.buckets = make([][]partition, 1<<s.bits)
	for n, parts := range old {
		cut := 0
		for cut < len(parts) && s.bucket(parts[cut].hash) == 2*n {
			cut++
		}
		s.buckets[2*n] = slices.Clone(parts[:cut])
		s.buckets[2*n+1] = slices.Clone(parts[cut:])
	}
}

// remove takes a key's row away, if there is one.
func (s *stripe) remove(k *key) {
	b, i, ok := s.find(k)
	if !ok {
		return
	}
	p := &s.buckets[b][i]
	c, j, ok := p.find(k)
	if !ok {
		return
	}
	if p.many != nil {
		chunks := *p.many
		chunks[c] = slices.Delete(chunks[c], j, j+1)
		if len(chunks[c]) == 0 {
			*p.many = slices.Delete(chunks, c, c+1)
		}
	}
	if p.many == nil || len(*p.many) == 0 {
		s.buckets[b] = slices.Delete(s.buckets[b], i, i+1)
		s.parts--
	}
}

// find locates a key: chunk and index of its row, or the place where it would be
// inserted, which is at the end of a chunk rather than before the next one.
func (p *partition) find(k *key) (chunk, i int, ok bool) {
	if p.many == nil {
		c := p.one[0].key.compareRanges(k)
		if c < 0 {
			i = 1
		}
		return 0, i, c == 0
	}
	chunk, ok = slices.BinarySearchFunc(*p.many, k, func(c []*row, k *key) int { return c[0].key.compareRanges(k) })
	if !ok && chunk > 0 {
		chunk--
	}
	i, ok = slices.BinarySearchFunc((*p.many)[chunk], k, func(r *row, k *key) int { return r.key.compareRanges(k) })
	return chunk, i, ok
}

func (p *partition) put(r *row) {
	c, i, ok := p.find(&r.key)
	if ok {
		p.chunk(c)[i] = r
		return
	}
	if p.many == nil {
		p.many = &[][]*row{{p.one[0]}}
		p.one[0] = nil
	}
	chunks := *p.many
	chunks[c] = slices.Insert(chunks[c], i, r)
	if n := len(chunks[c]); n > chunkRows {
		tail := slices.Clone(chunks[c][n/2:])
		chunks[c] = slices.Delete(chunks[c], n/2, n)
		*p.many = slices.Insert(chunks, c+1, tail)
	}
}

// ascend visits the rows at or after from (nil: all) until visit says no.
func (p *partition) ascend(from *key, visit func(*row) bool) bool {
	c, i := 0, 0
	if from != nil {
		c, i, _ = p.find(from)
	}
	for ; c < p.len(); c, i = c+1, 0 {
		for _, r := range p.chunk(c)[i:] {
			if !visit(r) {
				return false
			}
		}
	}
	return true
}

// descend visits the rows before from (nil: all), backwards, until visit says
// no.
func (p *partition) descend(from *key, visit func(*row) bool) bool {
	c := p.len() - 1
	i := len(p.chunk(c))
	if from != nil {
		c, i, _ = p.find(from)
	}
	for {
		for i--; i >= 0; i-- {
			if !visit(p.chunk(c)[i]) {
				return false
			}
		}
		if c--; c < 0 {
			return true
		}
		i = len(p.chunk(c))
	}
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
		parts := s.buckets[b]
		for i := range parts {
			p := &parts[i]
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
		return p.ascend(nil, visit)
	}
	switch c := p.key().compareParts(k.hash, k.part); {
	case c < 0:
		return true
	case c > 0:
		return p.ascend(nil, visit)
	}
	return p.ascend(k, func(r *row) bool { return r.key.compareRanges(k) == 0 || visit(r) })
}
