package ledger

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
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
	problems    problems
	maps        [][]byte

	first firstCells // not nil: a ledger of the first version, and nothing below

	blocks    []blockPlace // of first attempts, in their order
	retries   []entry      // in their order
	texts     map[uint16]string
	reach     uint64 // blocks from here on were never sent
	uncertain bool   // a cell without a mark may have lost it
}

// blockPlace is where the first attempts of blockRows requests are.
type blockPlace struct {
	number  uint64
	sealed  sealedBlock
	cells   []byte // not nil: not sealed yet
	retried bool   // some of them were sent again
}

// Open opens the ledger in dir and looks at all that is there. Damage is no error:
// it is listed by Problems, and the requests concerned are Torn. An error means
// that there is no ledger here, or one of a format that is not ours.
func Open(dir string) (*Ledger, error) {
	l := &Ledger{texts: map[uint16]string{}}
	err := l.readSmallFiles(dir)
	if err == nil && l.isFirst(dir) {
		err = l.openFirst(dir)
	} else if err == nil {
		err = l.open(dir)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open ledger %s: %w", dir, err), l.Close())
	}
	return l, nil
}

// isFirst says whether the ledger is of the first version. Without a header, its
// files tell.
func (l *Ledger) isFirst(dir string) bool {
	if l.headerSound {
		return l.header.Format == firstFormat
	}
	_, attempts := os.Lstat(filepath.Join(dir, attemptsFile))
	cells, err := os.Lstat(filepath.Join(dir, cellsFile))
	if err != nil || attempts == nil {
		return false
	}
	l.planned = uint64(cells.Size()) / firstCellSize
	return true
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
	case l.header.Format != Format && l.header.Format != firstFormat:
		return fmt.Errorf("format %q is not known; this version reads %s and %s", l.header.Format, Format, firstFormat)
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

// readEnd reads what the writer counted; false: it did not come to its end, or
// what it said is damaged.
func (l *Ledger) readEnd(dir string) (end endBody, ok bool) {
	path := filepath.Join(dir, endFile)
	switch err := readSealed(path, &end); {
	case errors.Is(err, fs.ErrNotExist): // the writer was killed
	case err != nil:
		l.problems.add("%s is damaged: %v", path, err)
	default:
		l.closed = true
	}
	return end, l.closed
}

// mapFile maps a whole file for reading.
func mapFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() == 0 { // an empty mapping is an error of mmap(2)
		return nil, err
	}
	b, err := unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %s: %w", path, err)
	}
	return b, nil
}

// Header gives the header. Where it was damaged (see Problems) it is what was
// left of it.
func (l *Ledger) Header() Header { return l.header }

// Started gives the time of day of the start of load; zero: it never began.
func (l *Ledger) Started() time.Time { return l.started }

// Closed reports whether the writer came to its end. Where it did not, it was
// killed; what it had recorded is here all the same.
func (l *Ledger) Closed() bool { return l.closed }

// Len is the number of planned requests. Without a sound header it is that up to
// the last one of which something is left.
func (l *Ledger) Len() uint64 { return l.planned }

// At gives what is known of a request, as all its attempts together have it
// ([bench.Attempt.Joined]). Of one that is not Finished and counts as sent, the
// outcome is bench.Unknown and the class bench.ClassNone. A seq beyond Len is
// Unsent.
func (l *Ledger) At(seq uint64) (bench.Attempt, State) {
	if seq >= l.planned {
		return bench.Attempt{Seq: seq}, Unsent
	}
	if l.first != nil {
		e := l.first.at(seq)
		s := e.state()
		return e.Attempt, s
	}
	place := l.place(seq / blockRows)
	a, s := l.firstAttempt(place, seq)
	if place != nil && place.retried {
		for _, e := range l.retriesOf(seq) {
			a, s = l.joined(a, s, e)
		}
	}
	return a, s
}

// joined joins what is known of a request with a later attempt at it.
func (l *Ledger) joined(a bench.Attempt, s State, e entry) (bench.Attempt, State) {
	later, state := l.told(e, false)
	joint := a.Joined(later)
	if joint.Retry == later.Retry {
		s = state
	}
	return joint, s
}

// firstAttempt gives the first attempt at a request.
func (l *Ledger) firstAttempt(place *blockPlace, seq uint64) (bench.Attempt, State) {
	i := int(seq % blockRows)
	switch {
	case place == nil && seq/blockRows >= l.reach:
		return bench.Attempt{Seq: seq}, Unsent
	case place != nil && place.cells != nil:
		return l.told(cellOf(place.cells[i*cellSize:], seq), l.uncertain)
	case place != nil && i < place.sealed.rows:
		return l.told(place.sealed.entry(i), false)
	}
	return bench.Attempt{Seq: seq, Outcome: bench.Unknown}, Torn
}

// told gives what an entry says. Uncertain: one without a mark may have lost it.
func (l *Ledger) told(e entry, uncertain bool) (bench.Attempt, State) {
	if uncertain && e.mark == markNever {
		return bench.Attempt{Seq: e.Seq, Outcome: bench.Unknown}, Reserved
	}
	s := e.state()
	if e.errText != 0 && s == Finished {
		e.Error = l.texts[e.errText]
	}
	return e.Attempt, s
}

// place gives where a block is; nil: there is nothing of it.
func (l *Ledger) place(number uint64) *blockPlace {
	if number < uint64(len(l.blocks)) && l.blocks[number].number == number { // none is absent before it, as a rule
		return &l.blocks[number]
	}
	if i, ok := slices.BinarySearchFunc(l.blocks, number, func(p blockPlace, n uint64) int {
		return compare(p.number, n)
	}); ok {
		return &l.blocks[i]
	}
	return nil
}

// retriesOf gives the later attempts at a request, in their order.
func (l *Ledger) retriesOf(seq uint64) []entry {
	bySeq := func(e entry, seq uint64) int { return compare(e.Seq, seq) }
	from, _ := slices.BinarySearchFunc(l.retries, seq, bySeq)
	to := from
	for to < len(l.retries) && l.retries[to].Seq == seq {
		to++
	}
	return l.retries[from:to]
}

// AttemptsAt gives every attempt at a request that is known of, the first one first.
func (l *Ledger) AttemptsAt(seq uint64) iter.Seq2[bench.Attempt, State] {
	return func(yield func(bench.Attempt, State) bool) {
		if l.first != nil || seq >= l.planned {
			yield(l.At(seq))
			return
		}
		if !yield(l.firstAttempt(l.place(seq/blockRows), seq)) {
			return
		}
		for _, e := range l.retriesOf(seq) {
			if !yield(l.told(e, false)) {
				return
			}
		}
	}
}

// Retries counts the attempts after the first, of all requests.
func (l *Ledger) Retries() int { return len(l.retries) }

// Attempts gives what is known of as many requests as into has room for, from
// first on, as At has it. It leaves out what a judge has no use for: status, first
// byte, error and the number of the attempt. Whoever was sent is not bench.Unsent.
func (l *Ledger) Attempts(first uint64, into []bench.Attempt) {
	for s := range l.Stretches(first, first+uint64(len(into))) {
		sent, end := s.Times()
		some := into[s.First-first:][:len(sent)]
		for i := range some {
			some[i] = bench.Attempt{Seq: s.First + uint64(i), Outcome: s.Outcome[i], Class: s.Class[i], Sent: sent[i], End: end[i]}
		}
	}
}

// Answers is Attempts with the status that was read, and when the first byte of the
// answer came.
func (l *Ledger) Answers(first uint64, into []bench.Attempt) {
	for s := range l.Stretches(first, first+uint64(len(into))) {
		some := into[s.First-first:][:len(s.State)]
		sent, end := s.Times()
		for i := range some {
			some[i] = bench.Attempt{Seq: s.First + uint64(i), Outcome: s.Outcome[i], Class: s.Class[i], Sent: sent[i], End: end[i]}
		}
		s.Answers(some)
	}
}

// Request is At in the form that the judge asks for.
func (l *Ledger) Request(seq uint64) (_ bench.Attempt, sent bool) {
	a, s := l.At(seq)
	return a, s != Unsent
}

// All gives every planned request in order, as At has it.
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

// Close lets go of the files. The ledger must not be used afterwards.
func (l *Ledger) Close() error {
	var errs []error
	for _, b := range l.maps {
		if len(b) > 0 {
			errs = append(errs, unix.Munmap(b))
		}
	}
	l.maps, l.first, l.blocks, l.planned = nil, nil, nil, 0
	return errors.Join(errs...)
}
