// Package dynamo is a DynamoDB table with its stream: the store that the local
// target writes to, and the change log that feeds its processor.
//
// It is written for judging an asynchronous API, so it is exact where loss and
// duplication are decided, and says no where it does not know: a parameter
// that it does not have is a ValidationException that names it, never a silent
// success. Numbers keep all 38 digits. A write that changes nothing leaves no
// record. Capacity, throttling and errors of the service are not modelled; a
// [bench.Injector] puts them in, seeded and counted.
//
// # One core, two faces
//
// [Engine] is a step machine: no goroutine, no wall clock, no randomness but
// what the seed gives. Each operation takes the time as an argument, so that
// 24 hours of retention pass in one line of a test. [NewServer] speaks the wire
// protocol over it, well enough for an unmodified AWS SDK; [NewTransport] does
// so without a socket, and [Front] over one at a fraction of the cost of net/http.
//
// # Concurrency
//
// An Engine may be called from many goroutines. The range of key hashes is cut
// into 64 stripes, each with a lock; the shards of the stream are cut from the
// same range. A write holds its stripe while it reads the old row, decides,
// stores the new row and appends the record, so the table and its stream change
// in one step, and the records of one item are in the order of its changes:
//
//	stripe lock ─► old row ─► condition, update ─► new row ─► indexes ─► shard lock ─► record, Committed
//
// Locks are taken in one order: engine, stripes of a table ascending and tables by
// name, the log, then for a moment the tokens, the stripe of an index or a shard. A
// transaction takes all its stripes before it looks at anything. Switching a
// stream, splitting a shard, changing indexes and deleting a table take every
// stripe, so no write can slip between.
//
// Rows, values and records never change once made. Readers take pointers under
// the lock and encode after it; a page of a Scan is no snapshot, but as the
// order is that of the hash, an item that is there throughout a paged Scan is
// returned exactly once, whatever comes and goes beside it. Items of puts are read
// where they lie in the request's buffer and packed into memory of their own
// before they are stored: see [pack].
//
// # Durability
//
// An engine of [New] is in memory. One of [Open] keeps a log in a folder and
// survives the death of its process with all that it has acknowledged: see [log].
// It has no goroutine either; the driver calls [Engine.Compact] once in a while.
//
// # What is not there
//
// Global tables, backups, PartiQL, resource policies, the legacy parameters from
// before expressions, and eventually consistent reads: every read of a table or a
// local index is strongly consistent. What the service does in the background is
// done at once: a table or index is ready when the call that makes it returns, an
// item expires within a second of its time to live.
package dynamo

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// Options configure an Engine. Zero values are the defaults.
type Options struct {
	Region    string        // default us-east-1
	Account   string        // default 000000000000
	Shards    int           // of each stream; default 4
	Retention time.Duration // of stream records; default 24 h
	Seed      uint64        // of shard ids, sequence number gaps and event ids
}

// Engine holds tables and streams. Make one with [New].
type Engine struct {
	options Options

	mu       sync.RWMutex
	tables   map[string]*table
	streams  map[string]*stream // by ARN; those switched off stay until retention ends
	observer bench.Observer
	log      *log // nil: in memory only

	expressions cache
	tokens      tokens
	notes       notes

	expiring atomic.Bool  // some table has had a time to live
	ticked   atomic.Int64 // the second in which Tick was last run

	readers      atomic.Uint64 // shard iterators asked for
	crowdedReads atomic.Int64
}

// New makes an engine without tables.
func New(o Options) *Engine {
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.Account == "" {
		o.Account = "000000000000"
	}
	if o.Shards <= 0 {
		o.Shards = 4
	}
	if o.Retention <= 0 {
		o.Retention = 24 * time.Hour
	}
	return &Engine{options: o, tables: map[string]*table{}, streams: map[string]*stream{}, observer: bench.NoObserver{}}
}

// Observe makes the engine tell the observer of every stream record, in the
// order of its shard, within the step that commits it; an engine with a log does
// when the record is written. It must be called before the first write.
func (e *Engine) Observe(o bench.Observer) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.observer = o
	if e.log != nil {
		e.log.observer = o
	}
}

// Call is one operation as it came over the wire.
type Call struct {
	Operation string // PutItem, GetRecords, ...
	Body      []byte // JSON; not kept
}

// Reply is the answer to a Call.
type Reply struct {
	Body   []byte  // JSON
	Writes []Write // what was committed, one entry a table
}

// Write is a committed write: an operation that changed or confirmed rows. A
// put of what is there already counts, as its client is told of success; a
// failed condition does not.
type Write struct {
	AccessKeyID string // of the caller; filled in by the server
	Table       string
	Rows        int
}

// Do runs one operation at the given time. Time may stand still and may differ
// a little between goroutines; the engine keeps each shard's times in order.
func (e *Engine) Do(now time.Time, c Call) (Reply, *Error) {
	op := operations[c.Operation]
	if op == nil {
		return Reply{}, refuse(codeUnknownOperation, "The embedded DynamoDB has no operation %.60q", c.Operation)
	}
	x := &execution{}
	x.reset()
	if err := x.req.decode(op, c.Body); err != nil {
		return Reply{}, err.frame(op)
	}
	if err := e.run(now, x); err != nil {
		return Reply{}, err.frame(op)
	}
	return Reply{Body: x.w.b, Writes: x.writes}, nil
}

func (e *Engine) run(now time.Time, x *execution) *Error {
	if err := e.log.failed(); err != nil {
		return unlogged(err)
	}
	e.tick(now)
	x.now = now
	err := x.req.op.run(e, x)
	if lost := e.settle(); lost != nil { // also of a refusal, which tells what it saw
		x.writes = x.writes[:0]
		return lost
	}
	return err
}

// execution is one operation under way. The server uses one again for the next,
// so that what a request needs besides what it stores is no garbage.
type execution struct {
	now    time.Time
	req    request
	w      writer
	writes []Write
	first  [1]Write // room for the writes of nearly all operations
	plan   plan     // of a write of one item
	token  *tokenMark
	body   []byte // the server's buffer of the request
}

// maxKept is how large a buffer may be that is kept for the next request.
const maxKept = 64 << 10

// reset makes an execution ready for the next request.
func (x *execution) reset() {
	body, answer := x.body[:0], x.w.b[:0]
	if cap(body) > maxKept {
		body = nil
	}
	if cap(answer) > maxKept {
		answer = nil
	}
	*x = execution{body: body, w: writer{answer}}
	x.writes = x.first[:0]
}

func (x *execution) wrote(table string) {
	for i := range x.writes {
		if x.writes[i].Table == table {
			x.writes[i].Rows++
			return
		}
	}
	x.writes = append(x.writes, Write{Table: table, Rows: 1})
}

// table finds a table that is not deleted.
func (e *Engine) table(name string) (*table, *Error) {
	e.mu.RLock()
	t := e.tables[name]
	e.mu.RUnlock()
	if t == nil {
		return nil, tableNotFound(name)
	}
	return t, nil
}

func (e *Engine) tableARN(name string) string {
	return fmt.Sprintf("arn:aws:dynamodb:%s:%s:table/%s", e.options.Region, e.options.Account, name)
}

// change is one write of a commit step: what the row of a key was and is.
type change struct {
	table    *table
	key      *key
	old, new *row       // nil: there was none, there is none
	expired  bool       // nobody asked for it but the time to live
	units    indexUnits // what it cost in the indexes; set by commit
}

// row is the item as it is now, or as it was where it is gone.
func (c *change) row() *row {
	if c.new != nil {
		return c.new
	}
	return c.old
}

// commit is the commit step: it stores what was decided, brings the indexes up
// to date and appends a record for each row that has changed. The stripes of the
// keys are locked, and their tables are not gone. The changes, and the token of
// the transaction, if there is one, are one entry of the log.
func (e *Engine) commit(now time.Time, token *tokenMark, changes []change) {
	e.log.begin()
	changed := false
	for i := range changes {
		c := &changes[i]
		if !c.table.place(c) {
			continue
		}
		changed = true
		r := record{old: c.old, new: c.new, expired: c.expired}
		if s := c.table.stream; s != nil && s.closed.IsZero() {
			r = s.shardOf(c.key.hash).append(now, e.options.Retention, r, func(sh *shard, off uint64) { e.committed(now, sh, off, c) })
		}
		if e.log != nil {
			e.log.change(c, &r)
		}
	}
	if e.log != nil && token != nil {
		e.log.token(token, now)
		changed = true
	}
	if !changed {
		e.log.cancel()
		return
	}
	e.log.end()
}

// committed tells the observer of a record whose shard is locked, or notes that
// it is to be told.
func (e *Engine) committed(now time.Time, sh *shard, off uint64, made *change) {
	if _, deaf := e.observer.(bench.NoObserver); deaf {
		return
	}
	c := bench.Commit{Shard: sh.id, Sequence: sequence(off).String(), ID: made.row().writer(), At: now, Removed: made.new == nil}
	if e.log != nil {
		e.log.told = append(e.log.told, c)
		return
	}
	e.observer.Committed(c)
}

// place puts the new row in the place of the old one, in the table and in its
// indexes. It reports whether anything has changed.
func (t *table) place(c *change) bool {
	old, new := c.old, c.new
	s := t.stripe(c.key.hash)
	switch {
	case new == old: // nothing before and after, or a ConditionCheck
		return false
	case new == nil:
		s.remove(c.key)
		t.items.Add(-1)
		t.bytes.Add(-int64(old.size))
	case old == nil:
		s.put(new)
		t.items.Add(1)
		t.bytes.Add(int64(new.size))
	case old.item.equal(new.item):
		return false // exactly as it was: no record
	default:
		s.put(new)
		t.bytes.Add(int64(new.size - old.size))
	}
	for _, ix := range t.indexes {
		if u := ix.change(old, new); u > 0 {
			c.units = append(c.units, indexUnit{ix, u})
		}
	}
	if t.expiry != "" && new != nil {
		t.expect(new)
	}
	return true
}

// indexUnits are the capacity units that a write cost in the indexes that it
// changed.
type indexUnits []indexUnit

type indexUnit struct {
	index *index
	units float64
}

// cache keeps parsed expressions by grammar and text. A program uses a handful
// of texts; one that builds a new text for every request must not fill the
// memory, so a full cache starts anew.
type cache struct {
	mu sync.RWMutex
	m  map[cacheKey]*parsed
}

type cacheKey struct {
	grammar grammar
	text    string
}

const cacheSize = 1024

// parse parses an expression, or finds it parsed. Failures are not kept.
func (c *cache) parse(g grammar, text string) (*parsed, *Error) {
	k := cacheKey{g, text}
	c.mu.RLock()
	x := c.m[k]
	c.mu.RUnlock()
	if x != nil {
		return x, nil
	}
	k.text = strings.Clone(text) // what is parsed holds on to it
	x, err := parse(g, k.text)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil || len(c.m) >= cacheSize {
		c.m = make(map[cacheKey]*parsed)
	}
	c.m[k] = x
	return x, nil
}

// oneOf refuses a value outside an enumeration; "" stands for a parameter that
// was not given.
func oneOf(parameter, v string, allowed ...string) *Error {
	if v == "" || slices.Contains(allowed, v) {
		return nil
	}
	return invalid("1 validation error detected: Value '%.60s' at '%s' failed to satisfy constraint: Member must satisfy enum value set: [%s]",
		v, parameter, strings.Join(allowed, ", "))
}
