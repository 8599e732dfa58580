package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// ReadFormat is the name and version of the files of a final read. Those of the
// first version, whose pages are no columns, are read too.
const ReadFormat = "ackproof.read/v2"

const firstReadFormat = "ackproof.read/v1"

// Table names one of the things that a final read reads; it is the name of its
// file too.
type Table string

// The tables of a final read.
const (
	Items       Table = "items"
	Effects     Table = "effects"
	DeadLetters Table = "deadletters"
	Latest      Table = "latest" // of a read of versions alone
)

// tablesOf lists the tables of a read.
func tablesOf(versions bool) []Table {
	all := []Table{Items, Effects, DeadLetters, Latest}
	if !versions {
		all = all[:len(all)-1]
	}
	return all
}

const (
	rowSize     = 56 // of the first version
	rowsPerPage = 1024

	// MaxForeign is how many foreign ids a file keeps as text; all are counted.
	MaxForeign = 100
	// maxForeignText bounds one of them: a key of DynamoDB may have 2,048 bytes.
	maxForeignText = 256
)

// ReadHeader says whose final read it is.
type ReadHeader struct {
	Format string      `json:"format"` // set by CreateRead
	Table  Table       `json:"table"`  // set by CreateRead
	Run    bench.RunID `json:"run"`
	Agent  uint8       `json:"agent"`
	Number int         `json:"number"` // from 1
	Begun  time.Time   `json:"begun"`

	// Versions: several requests have written one item, and the results table has a
	// row for each item beside those for each request.
	Versions bool `json:"versions,omitempty"`
	// NoLetters: nobody looked for dead letters.
	NoLetters bool `json:"no_letters,omitempty"`
}

// trailer ends a complete file.
type trailer struct {
	Rows        int64       `json:"rows"`
	Pages       int64       `json:"pages"`
	Foreign     int64       `json:"foreign"`
	Samples     []string    `json:"samples,omitempty"`
	Fingerprint Fingerprint `json:"fingerprint"`
}

// Fingerprint describes a set of rows whatever their order. Xor alone would not
// see a row that is there twice more, nor would Sum see two changes that
// cancel; together with the count they differ for any difference that is not
// made on purpose.
type Fingerprint struct {
	Count uint64 `json:"count"`
	Xor   uint64 `json:"xor"`
	Sum   uint64 `json:"sum"`
}

// String prints it so that two can be compared as text.
func (f Fingerprint) String() string {
	return fmt.Sprintf("%d rows %016x %016x", f.Count, f.Xor, f.Sum)
}

func (f *Fingerprint) add(x uint64) {
	f.Count++
	f.Xor ^= x
	f.Sum += x
}

func (f *Fingerprint) join(g Fingerprint) {
	f.Count += g.Count
	f.Xor ^= g.Xor
	f.Sum += g.Sum
}

// ReadWriter writes one final read. It is safe for concurrent use: the tables
// may be read at the same time, and a table by several readers.
type ReadWriter struct {
	tables map[Table]*tableWriter
}

// tableWriter writes one file.
type tableWriter struct {
	mu   sync.Mutex
	f    *os.File
	rows bench.Rows // of the page being filled
	page []byte     // a block being made
	end  trailer
	err  error // the first one; nothing is written after it
}

// CreateRead begins the files of a final read in dir, which must not hold one.
func CreateRead(dir string, h ReadHeader) (*ReadWriter, error) {
	if !h.Run.Valid() {
		return nil, fmt.Errorf("create read %s: run id %q is none", dir, h.Run)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("create read: %w", err)
	}
	w := &ReadWriter{tables: map[Table]*tableWriter{}}
	for _, t := range tablesOf(h.Versions) {
		f, err := os.OpenFile(filepath.Join(dir, string(t)), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("create read: %w", err), w.Close())
		}
		h.Format, h.Table = ReadFormat, t
		w.tables[t] = &tableWriter{f: f}
		if err := w.tables[t].json(blockHeader, h); err != nil {
			return nil, errors.Join(fmt.Errorf("create read: %w", err), w.Close())
		}
	}
	return w, nil
}

// Item writes one row of the items table.
func (w *ReadWriter) Item(i bench.Item) error {
	return w.tables[Items].row(i.Row())
}

// Effect writes one row of the results table.
func (w *ReadWriter) Effect(e bench.Effect) error {
	return w.tables[Effects].row(e.Row())
}

// Latest writes the row that the results table has for an item of several versions.
func (w *ReadWriter) Latest(e bench.Effect) error {
	t := w.tables[Latest]
	if t == nil {
		return fmt.Errorf("write read: a latest effect of request %d, and this is no read of versions", e.Seq)
	}
	return t.row(e.Row())
}

// DeadLetter writes one dead letter.
func (w *ReadWriter) DeadLetter(d bench.DeadLetter) error {
	return w.tables[DeadLetters].row(d.Row())
}

// Foreign notes a key of a table that is no id of this run and agent.
func (w *ReadWriter) Foreign(t Table, id string) error {
	if w := w.tables[t]; w != nil {
		w.foreign(id)
		return nil
	}
	return fmt.Errorf("foreign id %.40q: no table %q", id, t)
}

// Finish writes the trailers and closes the files. Call it only when every page
// of every table has been read: it says that nothing is missing.
func (w *ReadWriter) Finish() error {
	var errs []error
	for _, t := range w.tables {
		errs = append(errs, t.finish())
	}
	if err := errors.Join(append(errs, w.Close())...); err != nil {
		return fmt.Errorf("finish read: %w", err)
	}
	return nil
}

// Close closes the files without a word on whether they are complete: they
// count as incomplete unless Finish came first. A second call does nothing.
func (w *ReadWriter) Close() error {
	var errs []error
	for _, t := range w.tables {
		errs = append(errs, t.close())
	}
	return errors.Join(errs...)
}

func (w *tableWriter) row(r bench.Row) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.f == nil && w.err == nil {
		w.err = os.ErrClosed
	}
	if w.err != nil {
		return fmt.Errorf("write read: %w", w.err)
	}
	w.rows.Append(r)
	w.end.Fingerprint.add(hashRow(r))
	w.end.Rows++
	if w.rows.Len() < rowsPerPage {
		return nil
	}
	return w.flush()
}

func (w *tableWriter) foreign(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end.Foreign++
	w.end.Fingerprint.add(hashText(id))
	if len(w.end.Samples) < MaxForeign {
		w.end.Samples = append(w.end.Samples, id[:min(len(id), maxForeignText)])
	}
}

// hashText is FNV-1a of a foreign key, mixed: its high bits are poor for texts that
// differ in one late byte. It begins otherwise than a row's hash.
func hashText(s string) uint64 {
	x := uint64(14695981039346656037) ^ 1
	for i := range len(s) {
		x = (x ^ uint64(s[i])) * 1099511628211
	}
	x = (x ^ x>>32) * 0x9fb21c651e98df25
	return x ^ x>>28
}

// flush writes the page, if it holds anything. The lock is held.
func (w *tableWriter) flush() error {
	if w.rows.Len() == 0 || w.err != nil {
		return w.err
	}
	w.page = appendColumns(append(w.page[:0], make([]byte, blockHead)...), &w.rows)
	sealBlock(w.page, blockColumns, w.rows.Len())
	if err := w.write(w.page); err != nil {
		return err
	}
	w.end.Pages++
	w.rows.Reset()
	return nil
}

func (w *tableWriter) write(b []byte) error {
	if w.f == nil {
		w.err = os.ErrClosed
	}
	if w.err == nil {
		_, w.err = w.f.Write(b)
	}
	return w.err
}

func (w *tableWriter) json(kind byte, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	b := append(make([]byte, blockHead), text...)
	sealBlock(b, kind, 0)
	return w.write(b)
}

func (w *tableWriter) finish() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.flush(); err != nil {
		return err
	}
	if err := w.json(blockTrailer, w.end); err != nil {
		return err
	}
	return w.f.Sync()
}

func (w *tableWriter) close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.f == nil {
		return nil
	}
	f := w.f
	w.f = nil
	return f.Close()
}
