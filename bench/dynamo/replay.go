package dynamo

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// replay makes an engine what it was, entry by entry. Nobody else knows the
// engine meanwhile, so nothing is locked. What does not follow from the entries
// before is an error: a log is replayed as it was written, or not at all.
type replay struct {
	e        *Engine
	header   fileHeader
	versions []*row // of the snapshot; the first one is nil
	into     *table
	from     *shard
	fromKeys []keyAttr
	ended    bool // the end of the snapshot was there
}

var errFollows = errors.New("it does not follow from what lies before it")

// entry replays the body of one entry. Its texts are not kept.
func (p *replay) entry(body string) error {
	r := &entryReader{s: body}
	for r.s != "" && r.err == nil {
		if err := p.change(r.byte(), r); r.err == nil && err != nil {
			return err
		}
	}
	return r.err
}

func (p *replay) change(kind byte, r *entryReader) error {
	switch kind {
	case kindPut, kindDelete:
		return p.write(kind == kindDelete, r)
	case kindToken:
		m := &tokenMark{digest([]byte(r.bytes16())), digest([]byte(r.bytes16()))}
		at := timeOf(r.time())
		if _, err := p.e.tokens.begin(at, m); err == nil && r.err == nil {
			p.e.tokens.end(at, m.id, true)
		}
	case kindTable:
		var s tableState
		if r.json(&s); r.err == nil {
			return p.table(&s)
		}
	case kindStream:
		var s streamState
		if r.json(&s); r.err == nil {
			return p.stream(&s)
		}
	case kindDrop:
		name := r.text()
		if p.e.tables[name] == nil {
			return errFollows
		}
		delete(p.e.tables, name)
	case kindNote:
		key, text := strings.Clone(r.text()), strings.Clone(r.text())
		if r.err == nil {
			p.e.notes.set(key, text)
		}
	case kindHeader:
		r.json(&p.header)
	case kindEnd:
		p.ended = true
	default:
		return p.snapshot(kind, r)
	}
	return nil
}

// bytes16 reads a digest.
func (r *entryReader) bytes16() string {
	if s := r.bytes(16); r.err == nil {
		return s
	}
	return string(make([]byte, 16))
}

// write replays a put or a delete, and the record that it has left.
func (p *replay) write(gone bool, r *entryReader) error {
	t := p.e.tables[r.text()]
	rec, recorded := r.record()
	it := r.item(0)
	if t == nil || r.err != nil {
		return errFollows
	}
	new := &row{item: pack(it)}
	if err := new.find(t.keys); err != nil {
		return err
	}
	c := change{table: t, key: &new.key, old: t.stripe(new.key.hash).get(&new.key), new: new}
	if gone {
		c.new = nil
	}
	if !t.place(&c) {
		return errFollows
	}
	if !recorded {
		return nil
	}
	if t.stream == nil || !t.stream.takes(c.key.hash) {
		return errFollows
	}
	rec.old, rec.new = c.old, c.new
	return p.record(t.stream.shardOf(c.key.hash), rec)
}

// find works out size and key of a row.
func (r *row) find(keys []keyAttr) error {
	if r.size = r.item.size(); r.key.part != "" {
		return nil
	}
	var err *Error
	if r.key, err = keyOf(keys, r.item); err != nil {
		return err
	}
	return nil
}

// takes reports whether an open shard takes a key's records.
func (s *stream) takes(hash uint64) bool {
	return len(s.open) > 0 && s.open[0].first <= hash && s.shardOf(hash).last >= hash
}

func (p *replay) record(sh *shard, r record) error {
	if r.off <= sh.lastOff {
		return errFollows
	}
	sh.trim(r.time(), p.e.options.Retention)
	sh.keep(r)
	return nil
}

// table makes a table, or makes it what it was after a change.
func (p *replay) table(s *tableState) error {
	keys, err := keyAttrs(s.Keys)
	definition, err2 := keyAttrs(s.Definition)
	if cmp.Or(err, err2) != nil || len(keys) < 1 || len(keys) > 2 {
		return errValue
	}
	t := p.e.tables[s.Name]
	if t == nil {
		t = &table{name: s.Name, keys: keys}
		p.e.tables[s.Name] = t
	}
	t.arn, t.id, t.created, t.definition = s.ARN, s.ID, timeOf(s.Created), definition
	t.billing, t.capacity, t.onDemand, t.tags = s.Billing, s.Capacity, timeOf(s.OnDemand), s.Tags
	t.settings = settings{protected: s.Protected, class: s.Class, ceiling: s.Ceiling, encrypted: s.Encrypted, masterKey: s.MasterKey}
	if t.stream = p.e.streams[s.Stream]; t.stream == nil && s.Stream != "" {
		return errFollows
	}
	if t.expiry != s.Expiry {
		t.expiry = s.Expiry
		t.expectAll()
		p.e.expiring.Store(true)
	}
	return p.indexes(t, s.Indexes)
}

// indexes gives a table the indexes that it had. One that is new is filled.
func (p *replay) indexes(t *table, states []indexState) error {
	had := t.indexes
	t.indexes = nil
	for _, s := range states {
		keys, err := keyAttrs(s.Keys)
		if err != nil || s.Hashes < 1 || s.Hashes > len(keys) {
			return errValue
		}
		if i := slices.IndexFunc(had, func(ix *index) bool { return ix.name == s.Name }); i >= 0 {
			had[i].capacity = s.Capacity
			t.indexes = append(t.indexes, had[i])
			continue
		}
		ix := &index{name: s.Name, keys: keys, hashes: s.Hashes, local: s.Local, projection: s.Projection, include: s.Include, capacity: s.Capacity}
		ix.prepare(t)
		ix.fill(t)
		t.indexes = append(t.indexes, ix)
	}
	return nil
}

func keyAttrs(states []attrState) ([]keyAttr, error) {
	out := make([]keyAttr, len(states))
	for i, a := range states {
		if out[i] = (keyAttr{a.Name, kindOf(a.Type)}); out[i].kind != kindS && out[i].kind != kindN && out[i].kind != kindB {
			return nil, errValue
		}
	}
	return out, nil
}

// stream makes a stream, or makes it what it was after a change.
func (p *replay) stream(s *streamState) error {
	keys, err := keyAttrs(s.Keys)
	if err != nil || len(keys) < 1 || len(keys) > 2 {
		return errValue
	}
	st := p.e.streams[s.ARN]
	if st == nil {
		st = &stream{arn: s.ARN, label: s.Label, table: s.Table, keys: keys, view: s.View, created: timeOf(s.Created), seed: s.Seed}
		p.e.streams[s.ARN] = st
	}
	st.closed, st.made, st.latest = timeOf(s.Closed), s.Made, s.Latest
	known := st.shards
	st.shards, st.open = nil, nil
	for _, x := range s.Shards {
		i := slices.IndexFunc(known, func(sh *shard) bool { return sh.id == x.ID })
		var sh *shard
		switch {
		case i >= 0:
			sh = known[i]
		case len(x.ID) < len("shardId-")+20 || x.First > x.Last:
			return errValue
		default:
			sh = &shard{id: x.ID, parent: x.Parent, seed: x.Seed, start: x.Start, first: x.First, last: x.Last}
			sh.base, sh.trimmed, sh.next = x.Next, x.Next, x.Next
			sh.lastOff, sh.lastAt = x.LastOff, timeOf(x.LastAt)
		}
		sh.closed = timeOf(x.Closed)
		st.shards = append(st.shards, sh)
		if x.Open {
			st.open = append(st.open, sh)
		}
	}
	slices.SortFunc(st.shards, func(a, b *shard) int { return strings.Compare(a.id, b.id) })
	slices.SortFunc(st.open, func(a, b *shard) int { return cmp.Compare(a.first, b.first) })
	return nil
}

// snapshot replays a change that only a snapshot has.
func (p *replay) snapshot(kind byte, r *entryReader) error {
	switch kind {
	case kindVersion:
		p.versions = append(p.versions, &row{item: pack(r.item(0))})
	case kindInto:
		if p.into = p.e.tables[r.text()]; p.into == nil {
			return errFollows
		}
	case kindRow:
		v, err := p.version(r.uint())
		if err != nil || v == nil || p.into == nil {
			return errFollows
		}
		if err := v.find(p.into.keys); err != nil {
			return err
		}
		if p.into.stripe(v.key.hash).get(&v.key) != nil || !p.into.place(&change{table: p.into, key: &v.key, new: v}) {
			return errFollows
		}
	case kindFrom:
		s := p.e.streams[r.text()]
		id := r.text()
		if s == nil {
			return errFollows
		}
		if p.from, p.fromKeys = s.shard(id), s.keys; p.from == nil {
			return errFollows
		}
	case kindRecord:
		rec, recorded := r.record()
		var err, err2 error
		rec.old, err = p.version(r.uint())
		rec.new, err2 = p.version(r.uint())
		if !recorded || cmp.Or(err, err2) != nil || p.from == nil || rec.row() == nil {
			return errFollows
		}
		for _, v := range []*row{rec.old, rec.new} {
			if v != nil {
				if err := v.find(p.fromKeys); err != nil {
					return err
				}
			}
		}
		return p.record(p.from, rec)
	default:
		return fmt.Errorf("it holds a change of the unknown kind %q", kind)
	}
	return nil
}

// version gives a version of an item by its number; 0 is none.
func (p *replay) version(n uint64) (*row, error) {
	if n >= uint64(len(p.versions)) {
		return nil, errFollows
	}
	return p.versions[n], nil
}

// newReplay makes a replay into an engine that is empty.
func newReplay(e *Engine) *replay { return &replay{e: e, versions: []*row{nil}} }

// check holds the first entry of a file against what it should be.
func (p *replay) check(number int) error {
	o := &p.e.options
	switch h := p.header; {
	case h.Number != number:
		return fmt.Errorf("it calls itself number %d: it was renamed", h.Number)
	case h.Region != o.Region || h.Account != o.Account:
		return fmt.Errorf("it belongs to region %s and account %s, not to %s and %s", h.Region, h.Account, o.Region, o.Account)
	}
	return nil
}
