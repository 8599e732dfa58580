package ledger

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// DeliveriesFormat is the name and version of the deliveries' log.
const DeliveriesFormat = "ackproof.deliveries/v2"

const (
	deliveriesFile = "log"
	flushAt        = 64 << 10 // a block is written at the latest when it holds this much

	recShard      = 1
	recCommit     = 2
	recDelivery   = 3
	recDeadLetter = 4
	recRemoval    = 5 // a commit that took the item away; the fields are a commit's
)

// Deliveries records what the machines did: it is the part of a bench.Observer
// that must be kept. It buffers up to 64 KiB, since commits come by the
// thousand; the owner calls Flush every 100 ms or so, which bounds what a
// kill -9 takes with it. It is safe for concurrent use.
type Deliveries struct {
	mu     sync.Mutex
	f      *os.File
	end    session
	buf    []byte            // a block being filled; its head is the first 16 bytes
	rows   int               // in buf
	shards map[string]uint64 // numbers given in buf
	err    error             // the first one; nothing is recorded after it
}

// session is the log from one CreateDeliveries to its Close; its trailer says
// how much there was of it.
type session struct {
	Format string `json:"format,omitempty"` // in the header
	Blocks int64  `json:"blocks,omitempty"` // in the trailer, as what follows
	Rows   int64  `json:"rows,omitempty"`
}

// CreateDeliveries opens the log in dir for appending, and makes it where it
// does not exist: a cloud that is started again goes on in the same file, with
// a header of its own.
func CreateDeliveries(dir string) (*Deliveries, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("create deliveries: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, deliveriesFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("create deliveries: %w", err)
	}
	if err := cutTorn(f, dir); err != nil {
		return nil, errors.Join(fmt.Errorf("create deliveries: %w", err), f.Close())
	}
	d := &Deliveries{f: f, buf: make([]byte, blockHead, 2*flushAt), shards: map[string]uint64{}}
	if err := d.mark(blockHeader, session{Format: DeliveriesFormat}); err != nil {
		return nil, errors.Join(fmt.Errorf("create deliveries: %w", err), f.Close())
	}
	return d, nil
}

// cutTorn takes off the end the block that a writer was at when it was killed: a
// block behind it would make it damage.
func cutTorn(f *os.File, dir string) error {
	log, err := ReadDeliveries(dir)
	if err != nil {
		return err
	}
	return f.Truncate(log.Size())
}

// mark writes a header or a trailer.
func (d *Deliveries) mark(kind byte, s session) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	b := append(make([]byte, blockHead), text...)
	sealBlock(b, kind, 0)
	_, err = d.f.Write(b)
	return err
}

// Committed records one write that reached the table and its stream.
func (d *Deliveries) Committed(c bench.Commit) {
	d.mu.Lock()
	defer d.mu.Unlock()
	shard := d.shard(c.Shard)
	kind := byte(recCommit)
	if c.Removed {
		kind = recRemoval
	}
	d.buf = append(d.buf, kind)
	d.buf = binary.AppendUvarint(d.buf, shard)
	d.buf = appendText(d.buf, c.Sequence)
	d.buf = appendText(d.buf, c.ID)
	d.buf = appendTime(d.buf, c.At)
	d.recorded()
}

// Delivered records the deliveries of one invocation.
func (d *Deliveries) Delivered(batch []bench.Delivery) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, v := range batch {
		shard := d.shard(v.Shard)
		d.buf = append(d.buf, recDelivery)
		d.buf = binary.AppendUvarint(d.buf, shard)
		d.buf = appendText(d.buf, v.Sequence)
		d.buf = appendText(d.buf, v.ID)
		d.buf = binary.AppendUvarint(d.buf, v.Batch)
		d.buf = binary.AppendUvarint(d.buf, uint64(max(v.Attempt, 0)))
		d.buf = append(d.buf, byte(v.Outcome))
		d.buf = appendTime(d.buf, v.At)
		d.recorded()
	}
}

// DeadLettered records what was handed to the on-failure destination.
func (d *Deliveries) DeadLettered(letters []bench.DeadLetter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, v := range letters {
		d.buf = append(d.buf, recDeadLetter)
		d.buf = binary.AppendUvarint(d.buf, v.Seq)
		d.buf = append(d.buf, 0)
		if v.Readable {
			d.buf[len(d.buf)-1] = 1
		}
		d.buf = appendTime(d.buf, v.At)
		d.recorded()
	}
}

// Flush writes what is buffered, as one block. It returns the first error of
// any write so far: what came after it is not recorded.
func (d *Deliveries) Flush() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.flush()
}

// Close flushes, writes the trailer if everything else was written, and closes
// the file. A second call does nothing.
func (d *Deliveries) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.f == nil {
		return nil
	}
	err := d.flush()
	if err == nil {
		err = d.mark(blockTrailer, d.end)
	}
	err = errors.Join(err, d.f.Close())
	d.f = nil
	return err
}

// shard gives the number of a shard within the block being filled.
func (d *Deliveries) shard(name string) uint64 {
	n, ok := d.shards[name]
	if !ok {
		n = uint64(len(d.shards))
		d.shards[name] = n
		d.buf = append(d.buf, recShard)
		d.buf = appendText(d.buf, name)
		d.rows++
	}
	return n
}

func (d *Deliveries) recorded() {
	d.rows++
	if len(d.buf) >= flushAt {
		d.flush() // its error is kept
	}
}

func (d *Deliveries) flush() error {
	if d.f == nil && d.err == nil && d.rows > 0 {
		d.err = fmt.Errorf("write deliveries: %w", os.ErrClosed)
	}
	if d.rows > 0 && d.err == nil {
		sealBlock(d.buf, blockRecords, d.rows)
		if _, err := d.f.Write(d.buf); err != nil {
			d.err = fmt.Errorf("write deliveries: %w", err)
		} else {
			d.end.Blocks++
			d.end.Rows += int64(d.rows)
		}
	}
	d.buf, d.rows = d.buf[:blockHead], 0
	clear(d.shards)
	return d.err
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return binary.AppendVarint(b, 0)
	}
	return binary.AppendVarint(b, t.UnixNano())
}

// DeliveryLog is the deliveries of a run, opened for reading. Its iterators go
// through the file each time.
type DeliveryLog struct {
	path     string
	size     int64
	ended    bool
	problems problems
}

// ReadDeliveries opens the log in dir and checks it from end to end. Damage is
// no error; Problems lists it, and the sound blocks are given.
func ReadDeliveries(dir string) (*DeliveryLog, error) {
	l := &DeliveryLog{path: filepath.Join(dir, deliveriesFile)}
	var found session
	err := scanBlocks(l.path, &l.problems, func(b block) bool {
		l.size = b.at + int64(blockHead+len(b.body))
		l.ended = false
		switch b.kind {
		case blockRecords:
			l.records(b)
			found.Blocks++
			found.Rows += int64(b.rows)
		case blockHeader:
			var head session
			if err := json.Unmarshal(b.body, &head); err != nil || head.Format != DeliveriesFormat {
				l.problems.add("%s: header at byte %d: format %q, this version reads %s", l.path, b.at, head.Format, DeliveriesFormat)
			}
			found = session{} // whoever wrote before was killed, if there is no trailer: that is its story, and no damage
		case blockTrailer:
			var end session
			if err := json.Unmarshal(b.body, &end); err != nil || end != found {
				l.problems.add("%s: %d records in %d blocks before the trailer at byte %d, which counts %d in %d",
					l.path, found.Rows, found.Blocks, b.at, end.Rows, end.Blocks)
			}
			l.ended = true
		default:
			l.problems.add("%s: a block that is none of this format, at byte %d", l.path, b.at)
		}
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("read deliveries: %w", err)
	}
	return l, nil
}

// records checks a block of records.
func (l *DeliveryLog) records(b block) {
	dec, rows := recordDecoder{b: b.body}, 0
	for dec.next() {
		rows++
	}
	if !dec.ended() || rows != b.rows {
		l.problems.add("%s: block at byte %d: record %d of %d cannot be read", l.path, b.at, rows, b.rows)
	}
}

// Ended reports whether the log ends with the trailer of whoever wrote last. One
// that does not was cut off, is still being written, or is of a version before
// v2, which had no trailer.
func (l *DeliveryLog) Ended() bool { return l.ended }

// Size is where the last sound block ends, in bytes.
func (l *DeliveryLog) Size() int64 { return l.size }

// Problems lists what is damaged, and where. A torn tail, which a kill -9 of
// the writer leaves, is listed too.
func (l *DeliveryLog) Problems() []string { return l.problems.all() }

// Commits gives the writes that reached the table and its stream.
func (l *DeliveryLog) Commits() iter.Seq[bench.Commit] {
	return func(yield func(bench.Commit) bool) {
		commit := func(kind byte) bool { return kind == recCommit || kind == recRemoval }
		l.each(commit, func(d *recordDecoder) bool { return yield(d.commit) })
	}
}

// Deliveries gives the records handed to the processor.
func (l *DeliveryLog) Deliveries() iter.Seq[bench.Delivery] {
	return func(yield func(bench.Delivery) bool) {
		l.each(func(kind byte) bool { return kind == recDelivery }, func(d *recordDecoder) bool { return yield(d.delivery) })
	}
}

// DeadLetters gives the records handed to the on-failure destination.
func (l *DeliveryLog) DeadLetters() iter.Seq[bench.DeadLetter] {
	return func(yield func(bench.DeadLetter) bool) {
		l.each(func(kind byte) bool { return kind == recDeadLetter }, func(d *recordDecoder) bool { return yield(d.letter) })
	}
}

// each gives the records of the wanted kinds, up to the first in each block that cannot
// be read; ReadDeliveries has reported those.
func (l *DeliveryLog) each(wanted func(kind byte) bool, yield func(*recordDecoder) bool) {
	var seen problems
	_ = scanBlocks(l.path, &seen, func(b block) bool {
		if b.kind != blockRecords {
			return true
		}
		dec := recordDecoder{b: b.body}
		for dec.next() {
			if wanted(dec.kind) && !yield(&dec) {
				return false
			}
		}
		return true
	})
}

// recordDecoder reads the records of one block.
type recordDecoder struct {
	b      []byte
	bad    bool
	shards []string

	kind     byte
	commit   bench.Commit
	delivery bench.Delivery
	letter   bench.DeadLetter
}

// next reads one record; false: the block is over, or cannot be read.
func (d *recordDecoder) next() bool {
	if len(d.b) == 0 || d.bad {
		return false
	}
	d.kind = d.byte()
	switch d.kind {
	case recShard:
		d.shards = append(d.shards, d.text())
	case recCommit, recRemoval:
		d.commit = bench.Commit{Shard: d.shard(), Sequence: d.text(), ID: d.text(), At: d.time(), Removed: d.kind == recRemoval}
	case recDelivery:
		d.delivery = bench.Delivery{
			Shard: d.shard(), Sequence: d.text(), ID: d.text(), Batch: d.uvarint(), Attempt: int(d.uvarint()),
			Outcome: bench.DeliveryOutcome(d.byte()), At: d.time(),
		}
	case recDeadLetter:
		d.letter = bench.DeadLetter{Seq: d.uvarint(), Readable: d.byte() != 0, At: d.time()}
	default:
		d.bad = true
	}
	return !d.bad
}

// ended reports whether every byte was read.
func (d *recordDecoder) ended() bool { return len(d.b) == 0 && !d.bad }

func (d *recordDecoder) byte() byte {
	if len(d.b) == 0 {
		d.bad = true
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

func (d *recordDecoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *recordDecoder) time() time.Time {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.bad = true
		return time.Time{}
	}
	d.b = d.b[n:]
	if v == 0 {
		return time.Time{}
	}
	return time.Unix(0, v).UTC()
}

func (d *recordDecoder) text() string {
	n := d.uvarint()
	if d.bad || n > uint64(len(d.b)) {
		d.bad = true
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}

func (d *recordDecoder) shard() string {
	n := d.uvarint()
	if d.bad || n >= uint64(len(d.shards)) {
		d.bad = true
		return ""
	}
	return d.shards[n]
}
