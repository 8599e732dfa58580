package dynamo

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A log is compacted when its segments have grown to several times the snapshot
// that they follow. So the folder holds a few times the live data at most, and
// the cost of a snapshot is shared by as many writes as it has rows.
const (
	compactFrom  = 64 << 20 // bytes of segments below which it is not worth it
	compactTimes = 2
	framed       = 64 << 10 // about how long an entry of a snapshot is
)

// Compact replaces the log by a snapshot of what is live, if it has grown to
// several times that; it reports whether it has. What retention and deletes have
// ended is gone from the disk then. The engine stands still while it notes what
// there is, about 0.1 s for a million items, and not while that is written. It
// belongs into a goroutine of the driver, called again and again. An engine
// without a log has nothing to compact.
func (e *Engine) Compact() (bool, error) {
	l := e.log
	if l == nil {
		return false, nil
	}
	l.mu.Lock()
	grown := l.older + l.offset
	l.mu.Unlock()
	if grown < compactFrom || grown < compactTimes*l.snapshot {
		return false, nil
	}
	return true, e.compact()
}

func (e *Engine) compact() error {
	l := e.log
	l.compacting.Lock()
	defer l.compacting.Unlock()
	im, err := e.freeze()
	if err != nil {
		return fmt.Errorf("compact %s: %w", l.dir, err)
	}
	size, err := l.write(im, &e.options)
	if err != nil {
		return fmt.Errorf("compact %s: %w", l.dir, err)
	}
	l.mu.Lock()
	l.snapshot, l.older = size, 0
	l.mu.Unlock()
	old, err := look(l.dir)
	if err != nil {
		return err
	}
	for _, name := range old.stale {
		if err := os.Remove(filepath.Join(l.dir, name)); err != nil {
			return fmt.Errorf("compact %s: %w", l.dir, err)
		}
	}
	return nil
}

// image is an engine at one moment. Rows and records never change, so it needs
// little more than their addresses.
type image struct {
	number  int // of the segment that begins with it
	streams []streamImage
	tables  []tableImage
	tokens  []tokenState
	ids     []digest
	notes   []string
}

type tableImage struct {
	state tableState
	rows  []*row
}

type streamImage struct {
	state  streamState
	shards [][]record
}

// freeze begins a new segment and takes down the state at its beginning: with
// everything locked, so that no commit step is on both sides.
func (e *Engine) freeze() (*image, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	tables := slices.SortedFunc(maps.Values(e.tables), func(a, b *table) int { return strings.Compare(a.name, b.name) })
	streams := maps.Clone(e.streams)
	for _, t := range tables {
		t.lockAll()
		defer t.unlockAll()
		if t.stream != nil { // its end is shown, also when retention has ended it
			streams[t.stream.arn] = t.stream
		}
	}
	e.notes.mu.Lock()
	defer e.notes.mu.Unlock()
	l := e.log
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.writing {
		l.idle.Wait()
	}
	if l.begun.Load() != l.written.Load() && l.err == nil {
		l.writeGroup()
	}
	if l.err != nil {
		return nil, l.err
	}
	if err := l.begins(l.segment+1, &e.options); err != nil {
		return nil, err
	}
	im := &image{number: l.segment, notes: e.notes.image()}
	for _, arn := range slices.Sorted(maps.Keys(streams)) {
		im.streams = append(im.streams, streams[arn].image())
	}
	for _, t := range tables {
		im.tables = append(im.tables, t.image())
	}
	e.tokens.mu.Lock()
	defer e.tokens.mu.Unlock()
	for _, x := range e.tokens.oldest {
		im.ids = append(im.ids, x.token)
		im.tokens = append(im.tokens, *e.tokens.m[x.token])
	}
	return im, nil
}

func (t *table) image() tableImage {
	im := tableImage{state: t.state(), rows: make([]*row, 0, t.items.Load())}
	for i := range t.stripes {
		t.stripes[i].ascend(nil, math.MaxUint64, func(r *row) bool {
			im.rows = append(im.rows, r)
			return true
		})
	}
	return im
}

func (s *stream) image() streamImage {
	im := streamImage{state: s.state()}
	for i := range im.state.Shards {
		sh := s.shard(im.state.Shards[i].ID)
		if sh == nil { // retention has ended it meanwhile
			im.shards = append(im.shards, nil)
			continue
		}
		sh.mu.RLock()
		records := make([]record, 0, sh.next-sh.trimmed)
		for n := sh.trimmed; n < sh.next; n++ {
			records = append(records, *sh.at(n))
		}
		sh.mu.RUnlock()
		x := &im.state.Shards[i] // as it was before the first record that is kept
		if x.Next -= int64(len(records)); len(records) > 0 {
			x.LastOff, x.LastAt = records[0].off-1, records[0].at
		}
		im.shards = append(im.shards, records)
	}
	return im
}

// write writes a snapshot and returns its size.
func (l *log) write(im *image, o *Options) (int64, error) {
	f, size, err := l.create(snapshotFile, im.number, o)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	w := &snapshotWriter{out: bufio.NewWriterSize(f, 1<<20), at: size, versions: map[*row]uint64{}, b: make([]byte, logHead, 2*framed)}
	for i := range im.streams {
		w.stream(&im.streams[i])
	}
	for i := range im.tables {
		w.table(&im.tables[i])
	}
	for i, t := range im.tokens {
		w.b = appendToken(w.b, &tokenMark{im.ids[i], t.actions}, t.at)
		w.cut(framed)
	}
	for i := 0; i < len(im.notes); i += 2 {
		w.b = appendNote(w.b, im.notes[i], im.notes[i+1])
		w.cut(framed)
	}
	w.b = append(w.b, kindEnd)
	w.cut(0)
	if w.err == nil {
		w.err = w.out.Flush()
	}
	if w.err == nil { // the segments that it replaces are about to go
		w.err = f.Sync()
	}
	if w.err != nil {
		return 0, w.err
	}
	return w.at, l.name(snapshotFile, im.number)
}

// snapshotWriter writes a snapshot. A version of an item is written where it is
// first met, and is a number from then on.
type snapshotWriter struct {
	out      *bufio.Writer
	at       int64  // in the file, of the entry under way
	b        []byte // the entry under way
	versions map[*row]uint64
	err      error
}

// cut ends the entry under way if it has grown to a size.
func (w *snapshotWriter) cut(size int) {
	if len(w.b) < size || w.err != nil {
		return
	}
	seal(w.b, w.at)
	_, w.err = w.out.Write(w.b)
	w.at += int64(len(w.b))
	w.b = w.b[:logHead]
}

func (w *snapshotWriter) stream(im *streamImage) {
	w.b = appendJSON(append(w.b, kindStream), im.state)
	for i, records := range im.shards {
		w.b = appendText(append(w.b, kindFrom), im.state.ARN)
		w.b = appendText(w.b, im.state.Shards[i].ID)
		for j := range records {
			r := &records[j]
			old, new := w.version(r.old), w.version(r.new)
			w.b = appendRecord(append(w.b, kindRecord), r)
			w.b = appendUvarints(w.b, old, new)
			w.cut(framed)
		}
	}
}

func (w *snapshotWriter) table(im *tableImage) {
	w.b = appendJSON(append(w.b, kindTable), im.state)
	w.b = appendText(append(w.b, kindInto), im.state.Name)
	for _, r := range im.rows {
		n := w.version(r)
		w.b = appendUvarints(append(w.b, kindRow), n)
		w.cut(framed)
	}
}

// version gives the number of a row, and writes it if it has none yet.
func (w *snapshotWriter) version(r *row) uint64 {
	if r == nil {
		return 0
	}
	n, ok := w.versions[r]
	if !ok {
		n = uint64(len(w.versions) + 1)
		w.versions[r] = n
		w.b = appendItem(append(w.b, kindVersion), r.item)
	}
	return n
}

func appendUvarints(b []byte, numbers ...uint64) []byte {
	for _, n := range numbers {
		b = binary.AppendUvarint(b, n)
	}
	return b
}
