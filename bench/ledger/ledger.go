package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ackproof/ackproof/bench"
)

// Ledger is a request ledger opened for reading. Its methods may be called
// from many goroutines at once, except Close.
type Ledger struct {
	header      Header
	headerSound bool
	started     time.Time
	closed      bool
	planned     uint64
	have        uint64 // whole cells in the file; those behind it are torn
	cells       []byte
	problems    problems
}

// Open opens the ledger in dir and looks at every cell. Damage is no error: it
// is listed by Problems, and the requests concerned are Torn. An error means
// that there is no ledger here, or one of a format that is not ours.
func Open(dir string) (*Ledger, error) {
	l := &Ledger{}
	if err := l.readSmallFiles(dir); err != nil {
		return nil, fmt.Errorf("open ledger %s: %w", dir, err)
	}
	path := filepath.Join(dir, cellsFile)
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	l.measure(path, info.Size())
	if l.have > 0 {
		l.cells, err = unix.Mmap(int(f.Fd()), 0, int(l.have*cellSize), unix.PROT_READ, unix.MAP_SHARED)
		if err != nil {
			return nil, fmt.Errorf("open ledger: map %s: %w", path, err)
		}
	}
	l.check(dir, path)
	return l, nil
}

// readSmallFiles reads header and start.
func (l *Ledger) readSmallFiles(dir string) error {
	path := filepath.Join(dir, headerFile)
	err := readSealed(path, &l.header)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		l.problems.add("%s is missing", path)
	case errors.Is(err, errDamaged):
		l.problems.add("%s is damaged: %v", path, err)
	case err != nil:
		return err
	case l.header.Format != Format:
		return fmt.Errorf("format %q is not known; this version reads %s", l.header.Format, Format)
	default:
		if err := l.header.validate(); err != nil {
			l.problems.add("%s: %v", path, err)
			break
		}
		l.headerSound = true
		l.planned = uint64(l.header.Planned)
	}

	var start startBody
	path = filepath.Join(dir, startFile)
	switch err := readSealed(path, &start); {
	case err == nil:
		l.started = start.Started
	case errors.Is(err, fs.ErrNotExist): // the load never began
	case errors.Is(err, errDamaged):
		l.problems.add("%s is damaged: %v", path, err)
	default:
		return err
	}
	return nil
}

// measure compares the file's size with the plan. Without a sound header the
// file itself says how many requests there were.
func (l *Ledger) measure(path string, size int64) {
	l.have = uint64(size) / cellSize
	if !l.headerSound {
		l.planned = l.have
	}
	want := l.planned * cellSize
	switch {
	case uint64(size) < want:
		l.problems.add("%s: %d bytes where %d are due: request %d and all after it are lost", path, size, want, l.have)
	case uint64(size) > want:
		l.problems.add("%s: %d bytes where %d are due: the rest is not read", path, size, want)
		l.have = l.planned
	}
}

// check looks at every cell, and holds the count against what the writer
// counted: a page of zeros, which a lost disk block leaves behind, is a page
// of sound cells that were never sent.
func (l *Ledger) check(dir, path string) {
	var got endBody
	for seq := range l.have {
		_, s := l.At(seq)
		switch s {
		case Torn:
			l.problems.add("%s: the cell of request %d, at byte %d, is torn", path, seq, seq*cellSize)
			got.Sent++
		case SentOnly:
			got.Sent++
		case Finished:
			got.Sent++
			got.Finished++
		}
	}
	var want endBody
	endPath := filepath.Join(dir, endFile)
	switch err := readSealed(endPath, &want); {
	case errors.Is(err, fs.ErrNotExist): // the writer was killed
	case err != nil:
		l.problems.add("%s is damaged: %v", endPath, err)
	default:
		l.closed = true
		if got != want {
			l.problems.add("%s: %d sent and %d finished requests, where the writer counted %d and %d",
				path, got.Sent, got.Finished, want.Sent, want.Finished)
		}
	}
}

// Header gives the header. Where it was damaged (see Problems) it is what was
// left of it.
func (l *Ledger) Header() Header { return l.header }

// Started gives the time of day of the start of load; zero: it never began.
func (l *Ledger) Started() time.Time { return l.started }

// Closed reports whether the writer came to its end. Where it did not, it was
// killed; what it had recorded is here all the same.
func (l *Ledger) Closed() bool { return l.closed }

// Len is the number of planned requests.
func (l *Ledger) Len() uint64 { return l.planned }

// At gives what is known of a request. Of one that is SentOnly or Torn the
// outcome is bench.Unknown and the class bench.ClassNone. A seq beyond Len is
// Unsent.
func (l *Ledger) At(seq uint64) (bench.Attempt, State) {
	if seq >= l.have {
		if seq < l.planned {
			return bench.Attempt{Seq: seq, Outcome: bench.Unknown}, Torn
		}
		return bench.Attempt{Seq: seq}, Unsent
	}
	return decodeCell(l.cells[seq*cellSize:][:cellSize], seq)
}

// Attempts gives what is known of as many requests as into has room for, from
// first on. Whoever was sent is not bench.Unsent.
func (l *Ledger) Attempts(first uint64, into []bench.Attempt) {
	for i := range into {
		into[i], _ = l.At(first + uint64(i))
	}
}

// Request is At in the form that the judge asks for.
func (l *Ledger) Request(seq uint64) (_ bench.Attempt, sent bool) {
	a, s := l.At(seq)
	return a, s != Unsent
}

// All gives every planned request in order.
func (l *Ledger) All() iter.Seq2[bench.Attempt, State] {
	return func(yield func(bench.Attempt, State) bool) {
		for seq := range l.planned {
			if !yield(l.At(seq)) {
				return
			}
		}
	}
}

// Problems lists what is damaged, and where; empty: nothing. A writer that was
// killed is no problem of the file.
func (l *Ledger) Problems() []string { return l.problems.all() }

// Close lets go of the file. The ledger must not be used afterwards.
func (l *Ledger) Close() error {
	cells := l.cells
	l.cells, l.have = nil, 0
	if cells == nil {
		return nil
	}
	return unix.Munmap(cells)
}
