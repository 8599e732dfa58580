package ledger

import (
	"encoding/binary"
	"time"

	"github.com/ackproof/ackproof/bench"
)

const (
	blockRows = 4096 // requests that are sealed together
	frameRows = 256  // of them, packed together

	blockFirsts  = 'A' // the first attempts of blockRows requests that follow each other
	blockRetries = 'B' // later attempts, of any requests
	blockError   = 'E' // the text of an error; rows is its number
)

// The columns of a frame.
const (
	colSeq = iota
	colRetry
	colWhat // mark, outcome and class
	colStatus
	colError
	colSent
	colLatency // sent to end; 0: it did not end
	colTail    // first byte of the answer to end, and 1 added; 0: none came
	attemptColumns
)

func what(e *entry) uint64 { return uint64(e.mark) | uint64(e.Outcome)<<2 | uint64(e.Class)<<4 }

// columnsOf takes an entry apart. One that was not sent gets the time of the one
// before it, which costs nothing.
func columnsOf(e *entry, before uint64) (c [attemptColumns]uint64) {
	c[colSeq], c[colRetry], c[colWhat] = e.Seq, uint64(e.Retry), what(e)
	if e.mark != markSent && e.mark != markFinished {
		c[colSent] = before
		return c
	}
	c[colStatus], c[colError], c[colSent] = uint64(e.Status), uint64(e.errText), uint64(e.Sent)
	if e.mark == markFinished {
		c[colLatency] = uint64(e.End - e.Sent)
		if e.FirstByte != 0 {
			c[colTail] = uint64(e.End-e.FirstByte) + 1
		}
	}
	return c
}

// appendBlock appends a block of attempts, head and all. Of first attempts, seqs
// follow each other.
func appendBlock(b []byte, kind byte, entries []entry) []byte {
	at := len(b)
	b = append(b, make([]byte, blockHead)...)
	body := len(b)
	b = binary.LittleEndian.AppendUint64(b, entries[0].Seq)
	frames := (len(entries) + frameRows - 1) / frameRows
	b = append(b, make([]byte, 4*frames)...)
	var columns [attemptColumns][frameRows]uint64
	for f := range frames {
		binary.LittleEndian.PutUint32(b[body+8+4*f:], uint32(len(b)-body))
		part := entries[f*frameRows : min((f+1)*frameRows, len(entries))]
		var before uint64
		for i := range part { // the first that was sent
			if part[i].mark == markSent || part[i].mark == markFinished {
				before = uint64(part[i].Sent)
				break
			}
		}
		for i := range part {
			c := columnsOf(&part[i], before)
			before = c[colSent]
			for k := range c {
				columns[k][i] = c[k]
			}
		}
		for k := range columns {
			b = appendLine(b, columns[k][:len(part)])
		}
	}
	b = append(b, make([]byte, packedTail)...)
	sealBlock(b[at:], kind, len(entries))
	return b
}

// sealedBlock is a block of attempts, opened.
type sealedBlock struct {
	first uint64 // seq of its first row
	rows  int
	body  []byte
}

// frame is a part of it, with the places of its columns.
type frame struct {
	rows  int
	lines [attemptColumns]line
}

// openBlock reads the heads of all columns; false: it is none of this format.
func openBlock(rows int, body []byte) (sealedBlock, bool) {
	s := sealedBlock{rows: rows, body: body}
	if rows == 0 || rows > blockRows || len(body) < 8+4*s.frames()+packedTail {
		return s, false
	}
	s.first = binary.LittleEndian.Uint64(body)
	var one frame
	for f := range s.frames() {
		if !s.frame(f, &one) {
			return s, false
		}
	}
	return s, true
}

func (s *sealedBlock) frames() int { return (s.rows + frameRows - 1) / frameRows }

// frame opens one frame.
func (s *sealedBlock) frame(n int, f *frame) (ok bool) {
	at := int(binary.LittleEndian.Uint32(s.body[8+4*n:]))
	if at > len(s.body) {
		return false
	}
	f.rows = min(frameRows, s.rows-n*frameRows)
	rest := s.body[at:]
	for k := range f.lines {
		if rest, ok = openLine(rest, f.rows, &f.lines[k]); !ok {
			return false
		}
	}
	return true
}

// entry gives one row of a frame.
func (f *frame) entry(i int) entry {
	w := f.lines[colWhat].at(i)
	e := entry{mark: byte(w & 3), errText: uint16(f.lines[colError].at(i)), Attempt: bench.Attempt{
		Seq:     f.lines[colSeq].at(i),
		Retry:   int(uint16(f.lines[colRetry].at(i))),
		Outcome: bench.Outcome(w >> 2 & 3),
		Class:   bench.Class(w >> 4),
		Status:  int(uint16(f.lines[colStatus].at(i))),
		Sent:    time.Duration(f.lines[colSent].at(i)),
	}}
	if e.mark == markFinished {
		e.End = e.Sent + time.Duration(f.lines[colLatency].at(i))
		if tail := f.lines[colTail].at(i); tail > 0 {
			e.FirstByte = e.End - time.Duration(tail-1)
		}
	}
	return e
}

// entry gives one row of the block.
func (s *sealedBlock) entry(i int) entry {
	var f frame
	if !s.frame(i/frameRows, &f) { // openBlock has seen it
		return entry{mark: markTorn, Attempt: bench.Attempt{Seq: s.first + uint64(i)}}
	}
	return f.entry(i % frameRows)
}
