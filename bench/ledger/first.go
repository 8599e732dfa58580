package ledger

import (
	"encoding/binary"
	"hash/crc32"
	"path/filepath"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// A ledger of the first version is a file of cells alone, one for each request of
// the plan, in the order of the plan.
const (
	firstFormat   = "ackproof.ledger/v1"
	firstCellSize = 32
)

// firstCells are the cells of such a ledger.
type firstCells []byte

func (c firstCells) have() uint64 { return uint64(len(c)) / firstCellSize }

// at reads the cell of a request, which has no first byte, error or retry.
func (c firstCells) at(seq uint64) entry {
	e := entry{mark: markTorn, Attempt: bench.Attempt{Seq: seq}}
	if seq >= c.have() {
		return e
	}
	b := c[seq*firstCellSize:][:firstCellSize]
	if binary.LittleEndian.Uint64(b)|binary.LittleEndian.Uint64(b[8:])|
		binary.LittleEndian.Uint64(b[16:])|binary.LittleEndian.Uint64(b[24:]) == 0 {
		e.mark = markNever
		return e
	}
	if binary.LittleEndian.Uint32(b[28:]) != crc32.Checksum(b[:28], castagnoli) || binary.LittleEndian.Uint32(b[24:]) != uint32(seq) || b[0] > markFinished {
		return e
	}
	return entry{mark: b[0], Attempt: bench.Attempt{
		Seq: seq, Outcome: bench.Outcome(b[1]), Class: bench.Class(b[2]), Status: int(binary.LittleEndian.Uint16(b[4:])),
		Sent: time.Duration(binary.LittleEndian.Uint64(b[8:])), End: time.Duration(binary.LittleEndian.Uint64(b[16:])),
	}}
}

// openFirst opens a ledger of the first version, and looks at every cell. A page
// of zeros, which a lost disk block leaves behind, is a page of sound cells that
// were never sent: so the counts are held against those of the writer.
func (l *Ledger) openFirst(dir string) error {
	path := filepath.Join(dir, cellsFile)
	b, err := mapFile(path)
	if err != nil {
		return err
	}
	l.maps = append(l.maps, b)
	size, want := uint64(len(b)), l.planned*firstCellSize
	switch {
	case size < want:
		l.problems.add("%s: %d bytes where %d are due: request %d and all after it are lost", path, size, want, size/firstCellSize)
	case size > want:
		l.problems.add("%s: %d bytes where %d are due: the rest is not read", path, size, want)
	}
	l.first = firstCells(b[:min(size/firstCellSize*firstCellSize, want)])
	var got endBody
	for seq := range l.first.have() {
		e := l.first.at(seq)
		s := e.state()
		got.add(blockFirsts, s)
		if s == Torn {
			l.problems.add("%s: the cell of request %d, at byte %d, is torn", path, seq, seq*firstCellSize)
		}
	}
	if want, ok := l.readEnd(dir); ok && got != want {
		l.problems.add("%s: %d sent and %d finished requests, where the writer counted %d and %d",
			path, got.Sent, got.Finished, want.Sent, want.Finished)
	}
	return nil
}
