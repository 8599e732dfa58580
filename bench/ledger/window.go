package ledger

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// The window is the file of cells. Heads come first, one for each slot that there
// may be, then the slots, each with the cells of one block. The sizes are multiples
// of 64 KiB, so that each part can be mapped whatever a page is.
const (
	headSize    = 64
	maxSlots    = 4096
	windowHeads = maxSlots * headSize
	slotSize    = blockRows * cellSize
	growSlots   = 16 // at most this many slots are added at a time
)

// The kinds of a slot, in its head. The kind of a free one is 0, as all of its head.
const (
	slotFirsts  = 1 // cell i is that of request number × blockRows + i
	slotRetries = 2 // cells are taken as they come
)

// slot holds the cells of one block while it is written.
type slot struct {
	head, cells []byte
	kind        byte
	number      uint64       // of the block; of retries, of the slots that have held some
	left        atomic.Int64 // cells that are not finished
	written     bool         // to attempts; whether it is on the disk nobody knows yet
}

func (s *slot) cell(i int) []byte { return s.cells[i*cellSize : (i+1)*cellSize : (i+1)*cellSize] }

// begin hands the slot to a block of rows requests. Its cells may be left from the one
// before (cellOf). Assigned is how many blocks have been handed a slot by then, this one
// included.
func (s *slot) begin(kind byte, number, assigned uint64, rows int) {
	s.kind, s.number, s.written = kind, number, false
	s.left.Store(int64(rows))
	encodeHead(s.head, kind, number, assigned)
}

// release takes the slot back.
func (s *slot) release() {
	clear(s.head)
	s.kind = 0
}

// encodeHead writes the kind last: until it is there, the slot is free.
func encodeHead(b []byte, kind byte, number, assigned uint64) {
	binary.LittleEndian.PutUint64(b[8:], number)
	binary.LittleEndian.PutUint64(b[16:], assigned)
	binary.LittleEndian.PutUint32(b[24:], headSum(b, kind))
	b[0] = kind
}

func headSum(b []byte, kind byte) uint32 {
	return crc32.Update(crc32.Checksum(b[8:24], castagnoli), castagnoli, []byte{kind})
}

// decodeHead reads a head; false: it is damaged. The kind of a free slot is 0.
func decodeHead(b []byte) (kind byte, number, assigned uint64, ok bool) {
	if kind = b[0]; kind == 0 {
		return 0, 0, 0, true
	}
	ok = binary.LittleEndian.Uint32(b[24:]) == headSum(b, kind) && (kind == slotFirsts || kind == slotRetries)
	return kind, binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:]), ok
}

// window is the file of cells of a writer. Its slots are used again and again, and
// there are as many as blocks were under way at once.
type window struct {
	f     *os.File
	heads []byte
	parts [][]byte // what is mapped
	slots int
	free  []*slot
}

// createWindow makes the file with its first slots.
func createWindow(path string, slots int) (*window, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, err
	}
	w := &window{f: f}
	if err := reserve(f, windowHeads); err != nil {
		return w, err
	}
	if w.heads, err = w.mapPart(0, windowHeads); err != nil {
		return w, err
	}
	return w, w.grow(slots)
}

// reserve makes a file longer by real zeros: a hole would take its blocks only
// when it is stored into, and a full disk would then be a SIGBUS.
func reserve(f *os.File, size int) error {
	at, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	zeros := make([]byte, min(size, 1<<20))
	for left := size; left > 0; {
		n, err := f.Write(zeros[:min(left, len(zeros))])
		if err != nil {
			f.Truncate(at)
			return fmt.Errorf("reserve %d bytes in %s: %w", size, f.Name(), err)
		}
		left -= n
	}
	if err := f.Sync(); err != nil { // some file systems allocate only now
		return fmt.Errorf("reserve %d bytes in %s: %w", size, f.Name(), err)
	}
	return nil
}

func (w *window) mapPart(at int64, size int) ([]byte, error) {
	part, err := unix.Mmap(int(w.f.Fd()), at, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", w.f.Name(), err)
	}
	w.parts = append(w.parts, part)
	return part, nil
}

// grow adds n slots.
func (w *window) grow(n int) error {
	if n = min(n, maxSlots-w.slots); n == 0 { // an empty mapping is an error of mmap(2)
		return nil
	}
	if err := reserve(w.f, n*slotSize); err != nil {
		return err
	}
	part, err := w.mapPart(int64(windowHeads)+int64(w.slots)*slotSize, n*slotSize)
	if err != nil {
		return err
	}
	for i := range n {
		head := w.heads[(w.slots+i)*headSize:][:headSize:headSize]
		w.free = append(w.free, &slot{head: head, cells: part[i*slotSize:][:slotSize:slotSize]})
	}
	w.slots += n
	return nil
}

// take gives a free slot, and makes some where there is none; nil: there can be no
// more of them.
func (w *window) take() (*slot, error) {
	if len(w.free) == 0 {
		if w.slots == maxSlots {
			return nil, nil
		}
		if err := w.grow(min(max(w.slots, 2), growSlots)); err != nil {
			return nil, err
		}
	}
	s := w.free[len(w.free)-1]
	w.free = w.free[:len(w.free)-1]
	return s, nil
}

// full says that there is no free slot, and can be no more of them.
func (w *window) full() bool { return len(w.free) == 0 && w.slots == maxSlots }

// syncHeads brings the heads to the disk, and leaves the cells alone.
func (w *window) syncHeads() error { return syncPart(w.heads) }

// syncPart brings to the disk what is mapped there.
func syncPart(part []byte) error {
	if err := unix.Msync(part, unix.MS_SYNC); err != nil {
		return fmt.Errorf("sync the ledger's cells: %w", err)
	}
	return nil
}

// close lets go of the file.
func (w *window) close() error {
	err := w.f.Close()
	for _, part := range w.parts {
		if e := unix.Munmap(part); err == nil {
			err = e
		}
	}
	w.parts, w.heads, w.free = nil, nil, nil
	return err
}
