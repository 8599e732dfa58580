package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ackproof/ackproof/bench"
)

const (
	aheadFirst = 8  // blocks that have a slot before their first request comes
	aheadMost  = 64 // where requests had to wait for one, up to so many

	maxErrorTexts = 1000 // different ones that are kept
	maxErrorText  = 200  // bytes of one
)

// Writer records attempts. Each request goes through Reserve, Sent and Done, in
// this order, and so does each retry; they may be called from many goroutines at
// once, as long as no two of them have the same attempt in hand.
type Writer struct {
	dir     string
	planned uint64
	table   []atomic.Pointer[slot] // by block; nil: it has none yet
	front   atomic.Uint64          // the last block that was asked for
	failure atomic.Pointer[error]

	writing [8]guard // by number of the request
	closed  bool     // guarded by all of them

	waiting struct {
		sync.Mutex
		moved           chan struct{} // closed when something has changed that a Reserve may wait for
		firsts, retries bool          // what is waited for
	}
	again  retries
	errors errorTexts
	sealer sealer
}

// guard is read-held while a cell is written, so that Close cannot unmap below it.
// There are several, each with memory of its own around it: cores that write cells
// at the same time would wait for one.
type guard struct {
	sync.RWMutex
	_ [128]byte
}

// retries are the attempts after the first.
type retries struct {
	sync.Mutex
	slot *slot
	next int // free cell of slot
	open map[attemptKey]openRetry
}

type attemptKey struct {
	seq   uint64
	retry int
}

// openRetry is where a retry that is not over has its cell.
type openRetry struct {
	slot *slot
	cell int
}

// errorTexts gives every text a number, from 1 on.
type errorTexts struct {
	sync.Mutex
	numbers map[string]uint16
}

// sealedSlot stands in the table for a block that is on disk for good.
var sealedSlot = new(slot)

// Create makes the ledger of a run in dir, which may exist but may hold no
// ledger yet.
func Create(dir string, h Header) (*Writer, error) {
	h.Format, h.Boot = Format, thisBoot()
	if err := h.validate(); err != nil {
		return nil, fmt.Errorf("create ledger %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("create ledger: %w", err)
	}
	w := &Writer{dir: dir, planned: uint64(h.Planned), table: make([]atomic.Pointer[slot], blocks(uint64(h.Planned)))}
	w.waiting.moved = make(chan struct{})
	w.again.open, w.errors.numbers = map[attemptKey]openRetry{}, map[string]uint16{}
	if err := w.begin(h); err != nil {
		return nil, fmt.Errorf("create ledger %s: %w", dir, err)
	}
	go w.sealer.run()
	return w, nil
}

// begin makes the files. If anything fails, those that it made are gone.
func (w *Writer) begin(h Header) (err error) {
	s := &w.sealer
	*s = sealer{w: w, ahead: aheadFirst, wake: make(chan struct{}, 1), stop: make(chan struct{}), stopped: make(chan struct{})}
	attempts := filepath.Join(w.dir, attemptsFile)
	if s.f, err = os.OpenFile(attempts, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			s.f.Close()
			os.Remove(attempts)
		}
	}()
	cells := filepath.Join(w.dir, cellsFile)
	if s.window, err = createWindow(cells, int(min(uint64(len(w.table)), aheadFirst+1))); err != nil {
		if s.window != nil { // else there is a file of somebody else
			s.window.close()
			os.Remove(cells)
		}
		return err
	}
	text, err := json.Marshal(attemptsHeader{Format: Format, Run: h.Run, Agent: h.Agent})
	if err != nil {
		return err
	}
	b := append(make([]byte, blockHead), text...)
	sealBlock(b, blockHeader, 0)
	err = s.append(b)
	if err == nil {
		err = makeSpare(w.dir)
	}
	if err == nil {
		err = s.assign()
	}
	if err == nil {
		err = writeSealed(filepath.Join(w.dir, headerFile), h)
	}
	if err == nil {
		err = syncDir(w.dir)
	}
	if err != nil {
		s.window.close()
		os.Remove(cells)
		os.Remove(filepath.Join(w.dir, spareFile))
	}
	return err
}

func makeSpare(dir string) error {
	f, err := os.Create(filepath.Join(dir, spareFile))
	if err != nil {
		return err
	}
	return errors.Join(reserve(f, spareSize), f.Close())
}

// attemptsHeader begins the file of sealed attempts.
type attemptsHeader struct {
	Format string      `json:"format"`
	Run    bench.RunID `json:"run"`
	Agent  uint8       `json:"agent"`
}

// SetStart records the time of day at which the load starts. All times of
// attempts count from it.
func (w *Writer) SetStart(at time.Time) error {
	return errors.Join(writeSealed(filepath.Join(w.dir, startFile), startBody{Started: at.UTC().Round(0)}), syncDir(w.dir))
}

// Reserve makes sure that an attempt can be recorded: retry is 0 for the first one,
// n for the nth that came after it. It waits while the disk is behind. Where it
// returns an error, which may be that of ctx, the attempt must not be made. Once
// the ledger cannot be written, every Reserve fails with the same error, an
// [ErrFull] where the disk is full. It panics on a seq beyond the plan, which is a
// defect of the caller.
func (w *Writer) Reserve(ctx context.Context, seq uint64, retry int) error {
	if seq >= w.planned {
		panic(fmt.Sprintf("ledger: request %d is beyond the plan of %d", seq, w.planned))
	}
	if retry > 0 {
		return w.reserveRetry(ctx, attemptKey{seq, retry})
	}
	if err := w.failed(); err != nil {
		return err
	}
	block := seq / blockRows
	if w.hasSlot(block) {
		return nil
	}
	return w.await(ctx, &w.waiting.firsts, func() bool { return w.table[block].Load() != nil })
}

// hasSlot says whether a block has its slot, or had it, and has those that follow it
// prepared.
func (w *Writer) hasSlot(block uint64) bool {
	for front := w.front.Load(); block > front; front = w.front.Load() {
		if w.front.CompareAndSwap(front, block) {
			w.sealer.nudge()
		}
	}
	return w.table[block].Load() != nil
}

// await waits until something is there that the sealer makes.
func (w *Writer) await(ctx context.Context, waits *bool, there func() bool) error {
	for {
		w.waiting.Lock()
		moved := w.waiting.moved
		w.waiting.Unlock()
		switch err := w.failed(); {
		case err != nil:
			return err
		case there():
			return nil
		}
		w.waiting.Lock()
		*waits = true
		w.waiting.Unlock()
		w.sealer.nudge()
		select {
		case <-moved:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (w *Writer) reserveRetry(ctx context.Context, key attemptKey) error {
	take := func() bool {
		w.again.Lock()
		defer w.again.Unlock()
		if _, there := w.again.open[key]; there {
			return true
		}
		if w.again.slot == nil || w.again.next == blockRows {
			w.again.slot = nil
			return false
		}
		w.again.open[key] = openRetry{w.again.slot, w.again.next}
		w.again.next++
		return true
	}
	if err := w.failed(); err != nil {
		return err
	}
	if take() {
		return nil
	}
	return w.await(ctx, &w.waiting.retries, take)
}

// Sent records that the first byte of an attempt is about to be handed to a
// connection. Call it before that byte leaves: a request that the ledger does
// not know must not exist. After Close it does nothing.
func (w *Writer) Sent(seq uint64, retry int, at time.Duration) {
	a := bench.Attempt{Seq: seq, Retry: retry, Sent: at}
	w.put(markSent, &a)
}

// Done records how an attempt ended, for good. One whose outcome is bench.Unsent
// was given up before its first byte left, which must be true. After Close it does
// nothing: the attempt then stays sent, with an unknown outcome.
func (w *Writer) Done(a bench.Attempt) { w.put(markFinished, &a) }

// Err is why nothing can be recorded any more; nil: it can.
func (w *Writer) Err() error { return w.failed() }

func (w *Writer) failed() error {
	if err := w.failure.Load(); err != nil {
		return *err
	}
	return nil
}

func (w *Writer) put(mark byte, a *bench.Attempt) {
	// Whoever has not reserved, such as a test, waits here.
	reserved := a.Retry == 0 && a.Seq < w.planned && w.table[a.Seq/blockRows].Load() != nil
	if !reserved && w.Reserve(context.Background(), a.Seq, a.Retry) != nil {
		return // nothing was sent: its Reserve had failed
	}
	g := &w.writing[a.Seq%uint64(len(w.writing))]
	g.RLock()
	if !w.closed {
		w.store(mark, a)
	}
	g.RUnlock() // no defer: what panics here is a defect that ends the process
}

// store writes an attempt to its cell.
func (w *Writer) store(mark byte, a *bench.Attempt) {
	var errText uint16
	if a.Error != "" {
		errText = w.errorText(a.Error)
	}
	s, i := w.table[a.Seq/blockRows].Load(), int(a.Seq%blockRows)
	if a.Retry > 0 {
		s, i = w.retryCell(mark, a)
	}
	if s == sealedSlot {
		return // it is over
	}
	cell := s.cell(i)
	over := cell[0] == markFinished && seqOf(cell) == a.Seq // else it is left from another block
	encodeCell(cell, mark, errText, a)
	if mark == markFinished && !over && s.left.Add(-1) == 0 {
		w.sealer.nudge()
	}
}

// retryCell gives the cell of a retry, and forgets it when it is over.
func (w *Writer) retryCell(mark byte, a *bench.Attempt) (*slot, int) {
	w.again.Lock()
	defer w.again.Unlock()
	key := attemptKey{a.Seq, a.Retry}
	at := w.again.open[key]
	if mark == markFinished {
		delete(w.again.open, key)
	}
	return at.slot, at.cell
}

// errorText gives the number of a text, which is written down the first time.
func (w *Writer) errorText(text string) uint16 {
	text = text[:min(len(text), maxErrorText)]
	w.errors.Lock()
	defer w.errors.Unlock()
	if n, ok := w.errors.numbers[text]; ok {
		return n
	}
	if len(w.errors.numbers) == maxErrorTexts {
		return 0
	}
	n := uint16(len(w.errors.numbers) + 1)
	b := append(make([]byte, blockHead), text...)
	sealBlock(b, blockError, int(n))
	if err := w.sealer.append(b); err != nil {
		w.fail(err)
		return 0
	}
	w.errors.numbers[text] = n
	return n
}

// Close seals what is left, and writes down that it did. A second call does
// nothing. Where the ledger could not be written, its error is that of Reserve; if
// that was for lack of room, what was recorded is sealed all the same.
func (w *Writer) Close() error {
	for i := range w.writing {
		w.writing[i].Lock()
		defer w.writing[i].Unlock()
	}
	if w.closed {
		return nil
	}
	w.closed = true
	if err := w.sealer.close(); err != nil {
		return fmt.Errorf("close ledger %s: %w", w.dir, err)
	}
	return nil
}
