package dynamo

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"
)

// Kinds of changes. A number is a varint of encoding/binary, signed where it is
// a time, which is in ns since 1970; a text is its length and its bytes; an item
// is the number of its attributes, then name and value of each. What concerns
// tables and streams as a whole is rare and is JSON: the state after the change.
const (
	kindHeader = 'H' // JSON: fileHeader; the first entry of a file, and only that

	kindPut    = 'p' // table, flags, record, item
	kindDelete = 'd' // table, flags, record, key as an item
	kindToken  = 'k' // 32 bytes: tokenMark; time
	kindTable  = 'T' // JSON: tableState
	kindDrop   = 'D' // table
	kindStream = 'S' // JSON: streamState
	kindNote   = 'n' // key, text; empty: it is gone

	// Only in a snapshot, where one version of an item can be in the table and in
	// two records. They are numbered from 1 in their order.
	kindVersion = 'v' // item
	kindInto    = 'i' // table: the rows that follow are its own
	kindRow     = 'r' // version
	kindFrom    = 'f' // stream, shard: the records that follow are its own
	kindRecord  = 'c' // flags, record, old version, new version; 0: none
	kindEnd     = 'E' // the snapshot is whole
)

// Flags of a change.
const (
	flagRecorded = 1 << iota // a record follows: time, sequence number above sequenceBase
	flagExpired              // by time to live
)

// fileHeader says what a file is.
type fileHeader struct {
	Region, Account string
	Number          int // of the segment, or of the segment that begins with the snapshot
}

// tableState is a table without its rows.
type tableState struct {
	Name, ARN, ID    string
	Created          int64
	Keys, Definition []attrState
	Billing          string
	Capacity         [2]int
	OnDemand         int64  `json:",omitempty"`
	Protected        bool   `json:",omitempty"`
	Class            string `json:",omitempty"`
	Ceiling          [2]int
	Encrypted        bool              `json:",omitempty"`
	MasterKey        string            `json:",omitempty"`
	Tags             map[string]string `json:",omitempty"`
	Expiry           string            `json:",omitempty"`
	Stream           string            `json:",omitempty"` // ARN
	Indexes          []indexState      `json:",omitempty"`
}

type attrState struct{ Name, Type string }

type indexState struct {
	Name       string
	Local      bool
	Keys       []attrState
	Hashes     int
	Projection string
	Include    []string
	Capacity   [2]int
}

// streamState is a stream without its records. A time of 0 is none.
type streamState struct {
	ARN, Label, Table string
	Keys              []attrState
	View              string
	Created           int64
	Seed              uint64
	Closed            int64 `json:",omitempty"`
	Made              int
	Latest            int64
	Shards            []shardState
}

// shardState is a shard. Where its records come from counts only for one that is
// not known yet.
type shardState struct {
	ID, Parent  string
	Seed, Start uint64
	First, Last uint64
	Closed      int64 `json:",omitempty"`
	Open        bool  // takes records
	Next        int64 // number of the record that comes next
	LastOff     uint64
	LastAt      int64 `json:",omitempty"`
}

func attrStates(keys []keyAttr) []attrState {
	out := make([]attrState, len(keys))
	for i, a := range keys {
		out[i] = attrState{a.name, a.kind.String()}
	}
	return out
}

// state takes a table down. Engine and table are locked, or nobody knows it yet.
func (t *table) state() tableState {
	s := tableState{
		Name: t.name, ARN: t.arn, ID: t.id, Created: t.created.UnixNano(),
		Keys: attrStates(t.keys), Definition: attrStates(t.definition), Billing: t.billing, Capacity: t.capacity, OnDemand: nanos(t.onDemand),
		Protected: t.settings.protected, Class: t.settings.class, Ceiling: t.settings.ceiling,
		Encrypted: t.settings.encrypted, MasterKey: t.settings.masterKey, Tags: maps.Clone(t.tags), Expiry: t.expiry,
	}
	if t.stream != nil {
		s.Stream = t.stream.arn
	}
	for _, ix := range t.indexes {
		s.Indexes = append(s.Indexes, indexState{ix.name, ix.local, attrStates(ix.keys), ix.hashes, ix.projection, ix.include, ix.capacity})
	}
	return s
}

// state takes a stream down. Its table is locked as a whole, or nobody knows it
// yet.
func (s *stream) state() streamState {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := streamState{
		ARN: s.arn, Label: s.label, Table: s.table, Keys: attrStates(s.keys), View: s.view,
		Created: s.created.UnixNano(), Seed: s.seed, Closed: nanos(s.closed), Made: s.made, Latest: s.latest,
	}
	for _, sh := range s.shards {
		sh.mu.RLock()
		out.Shards = append(out.Shards, shardState{
			ID: sh.id, Parent: sh.parent, Seed: sh.seed, Start: sh.start, First: sh.first, Last: sh.last,
			Closed: nanos(sh.closed), Open: slices.Contains(s.open, sh), Next: sh.next, LastOff: sh.lastOff, LastAt: nanos(sh.lastAt),
		})
		sh.mu.RUnlock()
	}
	return out
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func timeOf(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}

// logSetup logs what concerns a stream or table as a whole, as it is now; nil
// leaves one out, and a table that is gone is dropped. Both are locked.
func (e *Engine) logSetup(s *stream, t *table) {
	l := e.log
	if l == nil {
		return
	}
	l.begin()
	if s != nil {
		l.buf = appendJSON(append(l.buf, kindStream), s.state())
	}
	switch {
	case t != nil && t.gone:
		l.buf = appendText(append(l.buf, kindDrop), t.name)
	case t != nil:
		l.buf = appendJSON(append(l.buf, kindTable), t.state())
	}
	l.end()
}

// change adds a change to the entry under way, and its record, if it has one.
func (l *log) change(c *change, r *record) {
	if c.new != nil {
		l.buf = appendRecord(appendText(append(l.buf, kindPut), c.table.name), r)
		l.buf = appendItem(l.buf, c.new.item)
		return
	}
	l.buf = appendRecord(appendText(append(l.buf, kindDelete), c.table.name), r)
	l.buf = appendItem(l.buf, keyItem(c.table.keys, c.key))
}

// token adds a ClientRequestToken to the entry of its transaction.
func (l *log) token(m *tokenMark, now time.Time) { l.buf = appendToken(l.buf, m, now) }

func appendToken(b []byte, m *tokenMark, at time.Time) []byte {
	b = append(append(append(b, kindToken), m.id[:]...), m.actions[:]...)
	return binary.AppendVarint(b, at.UnixNano())
}

// appendRecord appends the flags and, where there is a record, its place.
func appendRecord(b []byte, r *record) []byte {
	flags := byte(0)
	if r.expired {
		flags |= flagExpired
	}
	if r.off == 0 { // no record has the number below the first
		return append(b, flags)
	}
	b = binary.AppendVarint(append(b, flags|flagRecorded), r.at)
	return binary.AppendUvarint(b, r.off)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendJSON(b []byte, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic("dynamo: a state that cannot be encoded: " + err.Error()) // texts and numbers always can
	}
	return appendText(b, string(text))
}

func appendItem(b []byte, it item) []byte {
	b = binary.AppendUvarint(b, uint64(len(it)))
	for i := range it {
		b = appendValue(appendText(b, it[i].name), &it[i].value)
	}
	return b
}

func appendValue(b []byte, v *value) []byte {
	b = append(b, byte(v.kind))
	switch v.kind {
	case kindM:
		return appendItem(b, v.attrs())
	case kindL, kindSS, kindNS, kindBS:
		list := v.list()
		b = binary.AppendUvarint(b, uint64(len(list)))
		for i := range list {
			b = appendValue(b, &list[i])
		}
		return b
	}
	return appendText(b, v.text)
}

var (
	errShort = errors.New("it ends in the middle of a change")
	errValue = errors.New("it holds a value that cannot be")
)

// entryReader reads the body of an entry. After an error it gives zero values;
// whoever reads looks at err once for a change. Texts share the memory of the
// body.
type entryReader struct {
	s   string
	err error
}

func (r *entryReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.s = ""
}

func (r *entryReader) byte() byte {
	if r.s == "" {
		r.fail(errShort)
		return 0
	}
	c := r.s[0]
	r.s = r.s[1:]
	return c
}

func (r *entryReader) uint() uint64 {
	for n, shift := uint64(0), 0; shift < 64; shift += 7 {
		c := r.byte()
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return n
		}
	}
	r.fail(errValue)
	return 0
}

func (r *entryReader) time() int64 {
	n := r.uint() // zigzag
	return int64(n>>1) ^ -int64(n&1)
}

func (r *entryReader) bytes(n uint64) string {
	if n > uint64(len(r.s)) {
		r.fail(errShort)
		return ""
	}
	out := r.s[:n]
	r.s = r.s[n:]
	return out
}

func (r *entryReader) text() string { return r.bytes(r.uint()) }

func (r *entryReader) json(v any) {
	text := r.text()
	if r.err != nil {
		return
	}
	if err := json.Unmarshal([]byte(text), v); err != nil {
		r.fail(err)
	}
}

// record reads flags and place of a record; recorded says that there is one.
func (r *entryReader) record() (out record, recorded bool) {
	flags := r.byte()
	out.expired, recorded = flags&flagExpired != 0, flags&flagRecorded != 0
	if recorded {
		out.at, out.off = r.time(), r.uint()
	}
	return out, recorded
}

// count reads how many things follow, each of which has some bytes at least: a
// damaged count must not allocate.
func (r *entryReader) count() int {
	n := r.uint()
	if n > uint64(len(r.s)) {
		r.fail(errShort)
		return 0
	}
	return int(n)
}

// item reads an item in the form that the engine keeps: attributes in order.
func (r *entryReader) item(depth int) item {
	n := r.count()
	it := make(item, 0, min(n, 64))
	for i := 0; i < n && r.err == nil; i++ {
		a := attr{name: r.text()}
		if a.value = r.value(depth); i > 0 && a.name <= it[i-1].name {
			r.fail(errValue)
		}
		it = append(it, a)
	}
	return it
}

// value reads a value in the form that the engine keeps: numbers canonical, sets
// sorted.
func (r *entryReader) value(depth int) value {
	v := value{kind: kind(r.byte())}
	switch {
	case v.kind == kindNone || int(v.kind) >= len(kindNames) || depth > 4*maxDepth: // deeper than any request
		r.fail(errValue)
	case v.kind == kindM:
		return mapOf(r.item(depth + 1))
	case v.kind == kindL || v.kind.member() != kindNone:
		return r.list(v.kind, depth)
	default:
		v.text = r.text()
	}
	ok := true
	switch v.kind {
	case kindN:
		text, err := canonicalNumber(v.text)
		ok = err == nil && text == v.text
	case kindBOOL:
		if v.text, ok = truth[v.text]; !ok {
			v.text = "false"
		}
	case kindNULL:
		ok = v.text == ""
	}
	if !ok {
		r.fail(errValue)
	}
	return v
}

// truth gives the texts of a BOOL as constants, which hold on to no entry.
var truth = map[string]string{"true": "true", "false": "false"}

func (r *entryReader) list(k kind, depth int) value {
	n, member := r.count(), k.member()
	list := make([]value, 0, min(n, 64))
	for i := 0; i < n && r.err == nil; i++ {
		v := r.value(depth + 1)
		if member != kindNone && r.err == nil && (v.kind != member || i > 0 && !ascending(list[i-1], v)) {
			r.fail(errValue)
		}
		list = append(list, v)
	}
	return listOf(k, list)
}

func ascending(a, b value) bool {
	c, _ := a.compare(b)
	return c < 0
}
