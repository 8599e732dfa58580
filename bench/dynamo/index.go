package dynamo

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"
)

// index is a secondary index. Its entries are rows with keys of their own and the
// items of the table; what an index does not project is hidden when it is read.
//
// An entry changes in the same step as its item, under the lock of the item's
// stripe and, for that moment, of the entry's. A local index lies in the stripes
// of its table, and is read under their locks, so its reads are consistent. A
// global one has an order of its own: while an entry moves from one place to
// another, a reader may find it in neither, as readers of the service may.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/SecondaryIndexes.html
type index struct {
	name, arn  string
	local      bool
	keys       []keyAttr
	hashes     int      // of the keys, how many make the partition key; the others are the range key
	projection string   // ALL, KEYS_ONLY or INCLUDE
	include    []string // NonKeyAttributes
	capacity   [2]int
	shows      []string // names of the attributes that it has; nil: all

	items, bytes atomic.Int64
	stripes      [stripes]stripe
}

// prepare works out what the index shows.
func (ix *index) prepare(t *table) {
	ix.arn = t.arn + "/index/" + ix.name
	if ix.projection == "ALL" {
		return
	}
	for _, a := range slices.Concat(t.keys, ix.keys) {
		ix.shows = append(ix.shows, a.name)
	}
	ix.shows = append(ix.shows, ix.include...)
}

func (ix *index) isKey(name string) bool {
	return slices.ContainsFunc(ix.keys, func(a keyAttr) bool { return a.name == name })
}

// shown is what the index has of an item.
func (ix *index) shown(it item) item {
	if ix.shows == nil {
		return it
	}
	out := make(item, 0, len(ix.shows))
	for _, a := range it {
		if slices.Contains(ix.shows, a.name) {
			out = append(out, a)
		}
	}
	return out
}

// entry makes the index's row for a row of the table; nil where the item has not
// all of the index's key, and so is not in it.
func (ix *index) entry(r *row) *row {
	if r == nil {
		return nil
	}
	k, ok := ix.place(r.item)
	if !ok {
		return nil
	}
	k.base = &r.key
	size := r.size
	if ix.shows != nil {
		size = ix.shown(r.item).size()
	}
	return &row{key: k, item: r.item, size: size}
}

// place gives the key that an item has in the index, without its base; false
// where it lacks an attribute of it.
func (ix *index) place(it item) (k key, ok bool) {
	values := make([]value, len(ix.keys))
	for i, a := range ix.keys {
		// An older item may have what no key can be, and then is not in an index
		// that is made later.
		v := it.get(a.name)
		if v.kind != a.kind || v.text == "" || v.kind != kindN && len(v.text) > ix.limit(i) {
			return k, false
		}
		values[i] = v
	}
	k.part = partitionText(values[:ix.hashes])
	k.hash = hashOf(k.part)
	switch ranges := values[ix.hashes:]; len(ranges) {
	case 0:
	case 1:
		k.rng = ranges[0]
	default: // ordered attribute by attribute
		k.rng = listOf(kindL, ranges)
	}
	return k, true
}

// partitionText makes one text of the attributes of a partition key, unlike that
// of any other attributes.
func partitionText(values []value) string {
	if len(values) == 1 {
		return values[0].text
	}
	var b strings.Builder
	for _, v := range values {
		fmt.Fprintf(&b, "%d:%s", len(v.text), v.text)
	}
	return b.String()
}

// change brings the index up to date with a change of the table, whose stripe is
// locked, and returns the capacity units that it costs.
func (ix *index) change(old, new *row) float64 {
	was, is := ix.entry(old), ix.entry(new)
	units := ix.units(was, is)
	if was != nil {
		ix.items.Add(-1)
		ix.bytes.Add(-int64(was.size))
		if is == nil || is.key.compare(&was.key) != 0 {
			s := &ix.stripes[stripeOf(was.key.hash)]
			s.mu.Lock()
			s.remove(&was.key)
			s.mu.Unlock()
		}
	}
	if is != nil {
		ix.items.Add(1)
		ix.bytes.Add(int64(is.size))
		s := &ix.stripes[stripeOf(is.key.hash)]
		s.mu.Lock()
		s.put(is)
		s.mu.Unlock()
	}
	return units
}

// units is what a change costs: a write for an entry that comes, goes or is
// changed, two for one that moves, none for one that stays as it was.
func (ix *index) units(was, is *row) float64 {
	switch {
	case was == nil && is == nil:
		return 0
	case was == nil || is == nil:
		return writeUnits(was, is)
	case is.key.compare(&was.key) != 0:
		return writeUnits(was, nil) + writeUnits(is, nil)
	case ix.shown(was.item).equal(ix.shown(is.item)):
		return 0
	}
	return writeUnits(was, is)
}

// fill builds the index from the rows of its table, all of which is locked.
func (ix *index) fill(t *table) {
	for i := range t.stripes {
		t.stripes[i].ascend(nil, math.MaxUint64, func(r *row) bool {
			ix.change(nil, r)
			return true
		})
	}
}

// checkIndexes refuses an item whose value for a key attribute of an index can
// not be one. An item without the attribute is only not in the index.
func (t *table) checkIndexes(it item, update bool) *Error {
	for _, ix := range t.indexes {
		for i, a := range ix.keys {
			v := it.get(a.name)
			switch {
			case v.kind == kindNone:
			case v.kind != a.kind:
				return badParameter("Type mismatch for Index Key %s Expected: %s Actual: %s IndexName: %s", a.name, a.kind, v.kind, ix.name)
			case v.text == "" && update:
				err := invalid("One or more parameter values are not valid. The update expression attempted to update a secondary index key to a value that is not supported. The AttributeValue for a key attribute cannot contain an empty %s value.", kindWord(v.kind))
				err.whole = true
				return err
			case v.text == "":
				err := invalid("One or more parameter values are not valid. A value specified for a secondary index key is not supported. The AttributeValue for a key attribute cannot contain an empty %s value. IndexName: %s, IndexKey: %s", kindWord(v.kind), ix.name, a.name)
				err.whole = true
				return err
			case v.kind != kindN && len(v.text) > ix.limit(i):
				if i < ix.hashes {
					return errHashKey()
				}
				return errRangeKey()
			}
		}
	}
	return nil
}

// limit is how many bytes key attribute i may have.
func (ix *index) limit(i int) int {
	if i < ix.hashes {
		return maxHashKey
	}
	return maxRange
}

func kindWord(k kind) string {
	if k == kindB {
		return "binary"
	}
	return "string"
}

// space is what a Query or Scan reads: a table, or one of its indexes.
type space struct {
	table *table
	index *index // nil: the table itself
}

func (s space) keys() []keyAttr {
	if s.index != nil {
		return s.index.keys
	}
	return s.table.keys
}

// hashes is how many of the keys make the partition key.
func (s space) hashes() int {
	if s.index != nil {
		return s.index.hashes
	}
	return 1
}

func (s space) isKey(name string) bool {
	return slices.ContainsFunc(s.keys(), func(a keyAttr) bool { return a.name == name })
}

// read calls f with a stripe that is locked for reading. That of a local index
// is locked by the table's.
func (s space) read(n int, f func(*stripe)) {
	at := &s.table.stripes[n]
	if s.index == nil || s.index.local {
		at.mu.RLock()
		defer at.mu.RUnlock()
	}
	if s.index != nil {
		at = &s.index.stripes[n]
		at.mu.RLock()
		defer at.mu.RUnlock()
	}
	f(at)
}

// item gives what the space has of a row. A local index fetches from its table
// what it lacks; whole says that it was asked to.
func (s space) item(r *row, whole bool) item {
	if s.index == nil || whole && s.index.local {
		return r.item
	}
	return s.index.shown(r.item)
}

// keyItem is a row's key as a map of attributes, which for an entry of an index
// holds the item's key too.
func (s space) keyItem(r *row) item {
	if s.index == nil {
		return keyItem(s.table.keys, &r.key)
	}
	it := keyItem(s.table.keys, r.key.base)
	for _, a := range s.index.keys {
		it = it.with(a.name, r.item.get(a.name))
	}
	return it
}

// startKey reads an ExclusiveStartKey.
func (s space) startKey(it item) (*key, *Error) {
	if s.index == nil {
		k, err := s.table.exactKey(it)
		return &k, err
	}
	own := func(keys []keyAttr) item {
		var out item
		for _, a := range it {
			if _, ok := attribute(keys, a.name); ok {
				out = append(out, a)
			}
		}
		return out
	}
	base, err := s.table.exactKey(own(s.table.keys))
	if err != nil {
		return nil, err
	}
	k, ok := s.index.place(it)
	if !ok {
		return nil, errSchema()
	}
	for _, a := range it {
		if !s.table.isKey(a.name) && !s.index.isKey(a.name) {
			return nil, errSchema()
		}
	}
	k.base = &base
	return &k, nil
}
