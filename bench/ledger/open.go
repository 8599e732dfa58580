package ledger

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/ackproof/ackproof/bench"
)

func compare(a, b uint64) int { return cmp.Compare(a, b) }

// byAttempt orders entries by request, and those of one by attempt.
func byAttempt(a, b entry) int {
	return cmp.Or(compare(a.Seq, b.Seq), cmp.Compare(a.Retry, b.Retry))
}

// open reads the files of attempts and cells.
func (l *Ledger) open(dir string) error {
	end, closed := l.readEnd(dir)
	got, torn, err := l.readAttempts(filepath.Join(dir, attemptsFile))
	if err != nil {
		return err
	}
	if closed {
		if torn != "" {
			l.problems.add("%s", torn)
		}
		if got != end {
			l.reach = blocks(l.planned)
			l.problems.add("%s: %d blocks, %d sent and %d finished requests, %d retries; the writer counted %d, %d, %d and %d",
				filepath.Join(dir, attemptsFile), got.Blocks, got.Sent, got.Finished, got.Retries, end.Blocks, end.Sent, end.Finished, end.Retries)
		}
	} else if err := l.readCells(filepath.Join(dir, cellsFile)); err != nil {
		return err
	}
	slices.SortFunc(l.blocks, func(a, b blockPlace) int { return compare(a.number, b.number) })
	slices.SortFunc(l.retries, byAttempt)
	l.retries = slices.CompactFunc(l.retries, func(a, b entry) bool { return byAttempt(a, b) == 0 }) // sealed, and still in cells
	if !l.headerSound && len(l.blocks) > 0 {
		last := l.blocks[len(l.blocks)-1]
		l.planned = last.number*blockRows + uint64(max(last.sealed.rows, len(last.cells)/cellSize))
		l.reach = blocks(l.planned)
	}
	if lost := l.gaps(filepath.Join(dir, attemptsFile)); torn != "" && !closed && lost {
		// Where nothing is lost, its cells are still there: a writer was killed at it.
		l.problems.add("%s", torn)
	}
	for _, e := range l.retries {
		if p := l.place(e.Seq / blockRows); p != nil {
			p.retried = true
		}
	}
	return nil
}

// readAttempts goes through the sealed blocks. It counts what is there. A torn end
// is given back: what stood there may be in cells.
func (l *Ledger) readAttempts(path string) (got endBody, torn string, _ error) {
	b, err := mapFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && l.headerSound:
		l.problems.add("%s is missing", path)
		return got, "", nil
	case err != nil:
		return got, "", err
	}
	l.maps = append(l.maps, b)
	seen := map[uint64]bool{}
	headed := false
	torn, err = scanToTail(path, &l.problems, func(one block) bool {
		switch one.kind {
		case blockHeader:
			headed = l.checkAttemptsHeader(path, one) || headed
		case blockError:
			l.texts[uint16(one.rows)] = string(one.body)
		case blockFirsts, blockRetries:
			body := b[one.at+blockHead:][:len(one.body):len(one.body)] // one.body lives for this call alone
			if s, ok := openBlock(one.rows, body); ok && l.add(one.kind, s, seen, &got) {
				got.Blocks++
				break
			}
			fallthrough
		default:
			l.problems.add("%s: a block that is none of this format, at byte %d", path, one.at)
		}
		return true
	})
	if !headed && err == nil {
		l.problems.add("%s: no header", path)
	}
	return got, torn, err
}

func (l *Ledger) checkAttemptsHeader(path string, one block) bool {
	var h attemptsHeader
	if err := json.Unmarshal(one.body, &h); err != nil || h.Format != Format {
		l.problems.add("%s: a header of another format, at byte %d", path, one.at)
		return false
	}
	if l.headerSound && (h.Run != l.header.Run || h.Agent != l.header.Agent) {
		l.problems.add("%s is that of run %s and agent %d, %s of run %s and agent %d", path, h.Run, h.Agent, headerFile, l.header.Run, l.header.Agent)
	}
	return true
}

// add takes a block in; false: it cannot be one of this ledger.
func (l *Ledger) add(kind byte, s sealedBlock, seen map[uint64]bool, got *endBody) bool {
	number := s.first / blockRows
	if kind == blockFirsts {
		want := uint64(blockRows)
		if l.headerSound {
			want = min(want, l.planned-min(l.planned, s.first))
		}
		if s.first%blockRows != 0 || s.first > bench.MaxSeq || seen[number] || l.headerSound && uint64(s.rows) != want {
			return false
		}
	}
	var f frame
	for n := range s.frames() {
		s.frame(n, &f)
		first := s.first + uint64(n*frameRows)
		if q := f.lines[colSeq]; kind == blockFirsts && (q.width != 0 || q.at(0) != first || q.at(f.rows-1) != first+uint64(f.rows-1)) {
			return false
		}
	}
	for n := range s.frames() {
		s.frame(n, &f)
		for i := range f.rows {
			if kind == blockFirsts {
				got.add(kind, statesOf[byte(f.lines[colWhat].at(i))].state)
				continue
			}
			e := f.entry(i)
			l.retries = append(l.retries, e)
			got.add(kind, e.state())
		}
	}
	if kind == blockFirsts {
		seen[number] = true
		l.blocks = append(l.blocks, blockPlace{number: number, sealed: s})
	}
	return true
}

// readCells takes the blocks in that were not sealed when the writer was killed. A
// slot whose block is sealed was about to be released.
func (l *Ledger) readCells(path string) error {
	l.reach = blocks(l.planned)
	b, err := mapFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		l.problems.add("%s is missing, and the writer did not come to its end", path)
		return nil
	case err != nil:
		return err
	}
	l.maps = append(l.maps, b)
	if len(b) < windowHeads {
		l.problems.add("%s: %d bytes, where the heads alone take %d", path, len(b), windowHeads)
		return nil
	}
	l.uncertain = l.header.Boot == "" || l.header.Boot != thisBoot()
	sealed := map[uint64]bool{}
	for _, p := range l.blocks {
		sealed[p.number] = true
	}
	var reach uint64
	damaged := false
	for i := range maxSlots {
		kind, number, assigned, ok := decodeHead(b[i*headSize:])
		at := windowHeads + i*slotSize
		switch {
		case ok && kind == 0:
			continue
		case !ok || kind == slotFirsts && (number > bench.MaxSeq/blockRows || l.headerSound && number >= blocks(l.planned)):
			l.problems.add("%s: the head of slot %d, at byte %d, is damaged", path, i, i*headSize)
			damaged = true
			continue
		case at+slotSize > len(b):
			l.problems.add("%s: slot %d, at byte %d, is cut off", path, i, at)
			damaged = true
			continue
		}
		reach = max(reach, assigned)
		l.addSlot(path, kind, number, b[at:][:slotSize:slotSize], int64(at), sealed)
	}
	if !damaged {
		l.reach = max(reach, l.sealedReach())
	}
	return nil
}

func (l *Ledger) sealedReach() (n uint64) {
	for _, p := range l.blocks {
		n = max(n, p.number+1)
	}
	return n
}

// addSlot takes one slot in.
func (l *Ledger) addSlot(path string, kind byte, number uint64, cells []byte, at int64, sealed map[uint64]bool) {
	rows := blockRows
	if kind == slotFirsts {
		if sealed[number] {
			return
		}
		sealed[number] = true
		if l.headerSound {
			rows = int(min(blockRows, l.planned-min(l.planned, number*blockRows)))
		}
		cells = cells[:rows*cellSize]
		l.blocks = append(l.blocks, blockPlace{number: number, cells: cells})
	}
	for i := range rows {
		e, ok := decodeCell(cells[i*cellSize:])
		if kind == slotFirsts {
			e = cellOf(cells[i*cellSize:], number*blockRows+uint64(i))
			ok = e.mark != markTorn
		}
		switch {
		case !ok:
			l.problems.add("%s: the cell at byte %d, %s, is torn", path, at+int64(i*cellSize), owner(kind, number, i))
		case kind == slotRetries && e.mark != markNever:
			l.retries = append(l.retries, e)
		}
	}
}

func owner(kind byte, number uint64, i int) string {
	if kind == slotRetries {
		return "of a retry"
	}
	return fmt.Sprintf("of request %d", number*blockRows+uint64(i))
}

// gaps reports the blocks of which nothing is left, though their requests may have
// been sent. They are counted, and not visited.
func (l *Ledger) gaps(path string) (lost bool) {
	gap := func(from, to uint64) {
		if from < to {
			l.problems.add("%s: nothing is left of requests %d to %d: they count as sent, their outcomes unknown",
				path, from*blockRows, min(to*blockRows, l.planned)-1)
			lost = true
		}
	}
	next := uint64(0)
	for _, p := range l.blocks {
		gap(next, min(p.number, l.reach))
		next = p.number + 1
	}
	gap(next, l.reach)
	return lost
}
