package ledger

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// ErrFull says that the ledger cannot be written because there is no room: the disk
// is full, or a limit of the user or the process is reached.
var ErrFull = errors.New("no room for the ledger")

// syncEvery is how old a mark may be that a power failure can take.
const syncEvery = time.Second

// sealAtOnce is how many blocks are over before they are sealed, unless syncEvery has
// passed: each time is one more sync of the file.
const sealAtOnce = 4

// sealer works behind the load: it hands slots to the blocks that come next, and
// brings those that are over to the file of attempts.
type sealer struct {
	w       *Writer
	window  *window
	wake    chan struct{}
	stop    chan struct{}
	stopped chan struct{}

	appending sync.Mutex
	f         *os.File
	size      int64 // of its whole blocks

	ahead    uint64  // blocks that are to have a slot before they are asked for
	assigned uint64  // blocks that have a slot, or had one
	busy     []*slot // that hold cells
	retries  uint64  // slots that held retries
	end      endBody
	buf      []byte
	entries  []entry
}

// nudge makes the sealer look for work.
func (s *sealer) nudge() {
	select {
	case s.wake <- struct{}{}:
	default: // it is about to look
	}
}

func (s *sealer) run() {
	defer close(s.stopped)
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
	for {
		var err error
		select {
		case <-s.stop:
			return
		case <-tick.C:
			if s.w.failed() == nil {
				err = s.seal(over)
			}
			err = errors.Join(err, s.sync())
		case <-s.wake:
			if s.w.failed() == nil {
				err = errors.Join(s.sealMany(), s.assign())
			}
		}
		if err != nil {
			s.w.fail(err)
		}
	}
}

// sync brings the cells to the disk, but for those of blocks that nobody has asked for:
// to sync a page makes the next store into it a fault.
func (s *sealer) sync() error {
	front := s.w.front.Load()
	for _, one := range s.busy {
		if one.kind == slotFirsts && one.number > front {
			continue
		}
		if err := syncPart(one.cells); err != nil {
			return err
		}
	}
	return nil
}

// over says that a slot's block is, of which so many cells are left.
func over(left int64) bool { return left == 0 }

// sealMany seals the blocks that are over, if they are many or their slots are needed.
func (s *sealer) sealMany() error {
	n := 0
	for _, one := range s.busy {
		if over(one.left.Load()) {
			n++
		}
	}
	if n < sealAtOnce && !s.window.full() {
		return nil
	}
	return s.seal(over)
}

// fail keeps the first error, and lets nobody wait any longer.
func (w *Writer) fail(err error) {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		err = fmt.Errorf("%w: %w", ErrFull, err)
	}
	w.failure.CompareAndSwap(nil, &err)
	w.moved()
}

// moved wakes whoever waits.
func (w *Writer) moved() {
	w.waiting.Lock()
	defer w.waiting.Unlock()
	close(w.waiting.moved)
	w.waiting.moved = make(chan struct{})
}

// append writes one block, whole or not at all.
func (s *sealer) append(b []byte) error {
	s.appending.Lock()
	defer s.appending.Unlock()
	if _, err := s.f.WriteAt(b, s.size); err != nil {
		s.f.Truncate(s.size)
		return err
	}
	s.size += int64(len(b))
	return nil
}

// assign hands slots to the blocks that come next. Only when that is on the disk
// may their requests be sent: after a power failure the numbers of a block that has
// a slot may have been on the wire, and no others.
func (s *sealer) assign() error {
	w := s.w
	firsts, again := w.wanted()
	if firsts {
		s.ahead = min(2*s.ahead, aheadMost)
	}
	front := w.front.Load() + 1
	want := min(uint64(len(w.table)), front+s.ahead)
	if s.assigned >= front+s.ahead/2 && !firsts {
		want = s.assigned // several at once are one sync
	}
	var fresh []*slot
	for s.assigned < want {
		one, err := s.window.take()
		if err != nil {
			return err
		}
		if one == nil {
			break // until a block is over
		}
		rows := min(blockRows, w.planned-s.assigned*blockRows)
		one.begin(slotFirsts, s.assigned, s.assigned+1, int(rows))
		s.assigned++
		fresh = append(fresh, one)
	}
	var more *slot
	if again {
		var err error
		if more, err = s.assignRetries(); err != nil {
			return err
		}
	}
	if len(fresh) == 0 && more == nil {
		return nil
	}
	if err := s.window.syncHeads(); err != nil {
		return err
	}
	for _, one := range fresh {
		w.table[one.number].Store(one)
	}
	s.busy = append(s.busy, fresh...)
	if more != nil {
		s.busy = append(s.busy, more)
		w.again.Lock()
		w.again.slot, w.again.next = more, 0
		w.again.Unlock()
	}
	w.moved()
	return nil
}

// wanted tells what is waited for, once.
func (w *Writer) wanted() (firsts, retries bool) {
	w.waiting.Lock()
	defer w.waiting.Unlock()
	firsts, retries = w.waiting.firsts, w.waiting.retries
	w.waiting.firsts, w.waiting.retries = false, false
	w.again.Lock()
	defer w.again.Unlock()
	return firsts, retries && w.again.slot == nil
}

// assignRetries takes a slot for retries. A retry tells nobody whether the slot is
// that of its block, so none may be left from before.
func (s *sealer) assignRetries() (*slot, error) {
	one, err := s.window.take()
	if err == nil && one != nil {
		clear(one.cells)
		err = syncPart(one.cells)
	}
	if one == nil || err != nil {
		return nil, err
	}
	one.begin(slotRetries, s.retries, s.assigned, blockRows)
	s.retries++
	return one, nil
}

// seal brings the slots of which so many cells are left to the file of attempts,
// and takes them back when that is on the disk.
func (s *sealer) seal(ready func(left int64) bool) error {
	var sealed []*slot
	for _, one := range s.busy {
		if !ready(one.left.Load()) {
			continue
		}
		if !one.written {
			if err := s.sealSlot(one); err != nil {
				return err
			}
		}
		sealed = append(sealed, one)
	}
	if len(sealed) == 0 {
		return nil
	}
	if err := s.f.Sync(); err != nil {
		return err
	}
	for _, one := range sealed {
		if one.kind == slotFirsts {
			s.w.table[one.number].Store(sealedSlot)
		}
		one.release()
		s.window.free = append(s.window.free, one)
	}
	s.busy = slices.DeleteFunc(s.busy, func(one *slot) bool { return one.kind == 0 })
	s.w.moved()
	return nil
}

// sealSlot writes the block of a slot. One that nothing is known of is left out.
func (s *sealer) sealSlot(one *slot) error {
	kind, rows := byte(blockFirsts), min(blockRows, s.w.planned-min(s.w.planned, one.number*blockRows))
	if one.kind == slotRetries {
		kind, rows = blockRetries, blockRows
	}
	s.entries = s.entries[:0]
	known := false
	for i := range int(rows) {
		var e entry
		if kind == blockFirsts {
			e = cellOf(one.cell(i), one.number*blockRows+uint64(i))
		} else if e, _ = decodeCell(one.cell(i)); e.mark == markNever {
			continue
		}
		known = known || e.mark != markNever
		s.entries = append(s.entries, e)
	}
	if !known {
		return nil
	}
	if kind == blockRetries {
		slices.SortFunc(s.entries, byAttempt)
	}
	s.buf = appendBlock(s.buf[:0], kind, s.entries)
	if err := s.append(s.buf); err != nil {
		return err
	}
	one.written = true
	s.end.Blocks++
	for i := range s.entries {
		s.end.add(kind, s.entries[i].state())
	}
	return nil
}

// close seals what is left, and removes the cells. Where that cannot be done they
// stay.
func (s *sealer) close() error {
	close(s.stop)
	<-s.stopped
	failure := s.w.failed()
	err := os.Remove(filepath.Join(s.w.dir, spareFile))
	if failure != nil && !errors.Is(failure, ErrFull) {
		err = failure
	}
	if err == nil {
		err = s.seal(func(int64) bool { return true })
	}
	if err == nil {
		err = s.f.Sync()
	}
	if err == nil {
		err = writeSealed(filepath.Join(s.w.dir, endFile), s.end)
	}
	if err != nil {
		return errors.Join(cmp.Or(failure, err), s.sync(), s.window.close(), s.f.Close())
	}
	cells := s.window.f.Name()
	return errors.Join(failure, syncDir(s.w.dir), s.window.close(), s.f.Close(), os.Remove(cells))
}
