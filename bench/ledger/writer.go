package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ackproof/ackproof/bench"
)

// Format is the name and version of the request ledger. A reader refuses one
// that it does not know.
const Format = "ackproof.ledger/v1"

const (
	headerFile = "header.json"
	startFile  = "start.json"
	endFile    = "end.json"
	cellsFile  = "cells"
)

// Header says whose requests the cells are. Together with the scenario it is
// all that is needed to judge the run again.
type Header struct {
	Format  string          `json:"format"` // set by Create
	Run     bench.RunID     `json:"run"`
	Agent   uint8           `json:"agent"`
	Planned int64           `json:"planned"` // number of cells
	Seed    uint64          `json:"seed"`
	Created time.Time       `json:"created"`
	Plan    json.RawMessage `json:"plan,omitempty"` // what else the caller wants to find again, as JSON
}

// validate returns everything that is wrong with a header.
func (h Header) validate() error {
	var errs []error
	if !h.Run.Valid() {
		errs = append(errs, fmt.Errorf("run id %q is none; make one with bench.NewRunID", h.Run))
	}
	if h.Agent > 99 {
		errs = append(errs, fmt.Errorf("agent %d: want 0 to 99", h.Agent))
	}
	if h.Planned < 0 || h.Planned > bench.MaxSeq+1 || h.Planned > math.MaxInt/cellSize {
		errs = append(errs, fmt.Errorf("%d planned requests: want 0 to %d", h.Planned, int64(bench.MaxSeq)+1))
	}
	return errors.Join(errs...)
}

type startBody struct {
	Started time.Time `json:"started"`
}

type endBody struct {
	Sent     int64 `json:"sent"`
	Finished int64 `json:"finished"`
}

// Writer records requests. Sent and Done may be called from many goroutines at
// once, as long as no two of them have the same request in hand.
type Writer struct {
	dir     string
	planned uint64
	mu      sync.RWMutex // read-held while a cell is written, so that Close cannot unmap below it
	cells   []byte       // nil when closed
}

// Create makes the ledger of a run in dir, which may exist but may hold no
// ledger yet. Every byte that the run will need on disk is written now.
func Create(dir string, h Header) (*Writer, error) {
	h.Format = Format
	if err := h.validate(); err != nil {
		return nil, fmt.Errorf("create ledger %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("create ledger: %w", err)
	}
	path := filepath.Join(dir, cellsFile)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("create ledger: %w", err)
	}
	defer f.Close() // the mapping outlives the descriptor
	size := h.Planned * cellSize
	if err := writeZeros(f, size); err != nil {
		os.Remove(path)
		return nil, fmt.Errorf("create ledger %s: reserve %d bytes for %d requests: %w", path, size, h.Planned, err)
	}
	w := &Writer{dir: dir, planned: uint64(h.Planned), cells: []byte{}}
	if size > 0 { // an empty mapping is an error of mmap(2)
		w.cells, err = unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			return nil, fmt.Errorf("create ledger: map %s: %w", path, err)
		}
	}
	if err := writeSealed(filepath.Join(dir, headerFile), h); err != nil {
		return nil, errors.Join(fmt.Errorf("create ledger: %w", err), w.unmap())
	}
	return w, nil
}

// writeZeros writes real zeros: a hole would take its blocks only when it is
// stored into, and a full disk would then be a SIGBUS.
func writeZeros(f *os.File, size int64) error {
	zeros := make([]byte, min(size, 1<<20))
	for left := size; left > 0; {
		n, err := f.Write(zeros[:min(left, int64(len(zeros)))])
		if err != nil {
			return err
		}
		left -= int64(n)
	}
	return f.Sync() // some file systems allocate only now
}

// SetStart records the time of day at which the load starts. All times of
// cells count from it.
func (w *Writer) SetStart(at time.Time) error {
	return writeSealed(filepath.Join(w.dir, startFile), startBody{Started: at.UTC().Round(0)})
}

// Sent records that the first byte of a request is about to be handed to a
// connection. Call it before that byte leaves: a request that the ledger does
// not know must not exist. After Close it does nothing. It panics on a seq
// beyond the plan, which is a defect of the caller.
func (w *Writer) Sent(seq uint64, at time.Duration) {
	a := bench.Attempt{Seq: seq, Sent: at}
	w.put(markSent, &a)
}

// Done records the outcome of a request. After Close it does nothing: the
// request then stays sent, with an unknown outcome. An attempt whose outcome
// is bench.Unsent takes a mark of Sent back, and must be true. It panics on a
// seq beyond the plan.
func (w *Writer) Done(a bench.Attempt) { w.put(markFinished, &a) }

func (w *Writer) put(mark byte, a *bench.Attempt) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if a.Seq >= w.planned {
		panic(fmt.Sprintf("ledger: request %d is beyond the plan of %d", a.Seq, w.planned))
	}
	if w.cells == nil {
		return
	}
	at := a.Seq * cellSize
	encodeCell(w.cells[at:at+cellSize:at+cellSize], mark, a)
}

// Close brings everything to the disk and writes down that it did. A second
// call does nothing.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cells == nil {
		return nil
	}
	var end endBody
	for seq := range w.planned {
		switch _, s := decodeCell(w.cells[seq*cellSize:][:cellSize], seq); s {
		case Finished:
			end.Finished++
			end.Sent++
		case SentOnly, Torn:
			end.Sent++
		}
	}
	var err error
	if len(w.cells) > 0 {
		err = unix.Msync(w.cells, unix.MS_SYNC)
	}
	err = errors.Join(err, w.unmap())
	if err == nil {
		err = writeSealed(filepath.Join(w.dir, endFile), end)
	}
	if err != nil {
		return fmt.Errorf("close ledger %s: %w", w.dir, err)
	}
	return nil
}

func (w *Writer) unmap() error {
	cells := w.cells
	w.cells = nil
	if len(cells) == 0 {
		return nil
	}
	return unix.Munmap(cells)
}
