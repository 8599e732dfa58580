package ledger

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/ackproof/ackproof/bench"
)

const cellSize = 48

// The marks of a cell, and of a sealed attempt.
const (
	markNever    = 0
	markSent     = 1
	markFinished = 2
	markTorn     = 3 // sealed alone: the cell was damaged before it was sealed
)

// State is what the ledger knows of one request.
type State uint8

// The states.
const (
	Unsent   State = iota // no byte of it was handed to a connection
	SentOnly              // it left, and the writer died before its outcome was written
	Finished              // its outcome is known
	Torn                  // its cell or block is damaged: it counts as sent, outcome unknown
	Reserved              // it may have left when the machine stopped: it counts as sent, outcome unknown
)

var stateNames = [...]string{"unsent", "sent", "finished", "torn", "reserved"}

// String gives the state's name.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "invalid"
}

// entry is what the ledger holds of one attempt. The error is the number of its
// text; 0: none.
type entry struct {
	mark    byte
	errText uint16
	bench.Attempt
}

// state reads the mark. An attempt without a known outcome gets Unknown.
func (e *entry) state() State {
	switch {
	case e.mark == markNever:
		e.Attempt = bench.Attempt{Seq: e.Seq, Retry: e.Retry}
		return Unsent
	case e.mark == markSent:
		e.Outcome, e.Class = bench.Unknown, bench.ClassNone
		return SentOnly
	case e.mark != markFinished || e.Outcome > bench.Unknown || e.Class > bench.ClassInterrupted:
		e.Attempt = bench.Attempt{Seq: e.Seq, Retry: e.Retry, Outcome: bench.Unknown}
		return Torn // damaged, or of a version that we do not know
	case e.Outcome == bench.Unsent:
		return Unsent // given up before its first byte, and said so
	}
	return Finished
}

// encodeCell fills a cell in place. The sum is computed over the cell itself
// and not over a copy: a copy would escape to the heap.
func encodeCell(c []byte, mark byte, errText uint16, a *bench.Attempt) {
	_ = c[cellSize-1]
	c[0] = mark
	c[1] = byte(a.Outcome)
	c[2] = byte(a.Class)
	binary.LittleEndian.PutUint16(c[4:], uint16(a.Status))
	binary.LittleEndian.PutUint16(c[6:], errText)
	binary.LittleEndian.PutUint64(c[8:], uint64(a.Sent))
	binary.LittleEndian.PutUint64(c[16:], uint64(a.FirstByte))
	binary.LittleEndian.PutUint64(c[24:], uint64(a.End))
	binary.LittleEndian.PutUint64(c[32:], a.Seq)
	binary.LittleEndian.PutUint16(c[40:], uint16(a.Retry))
	binary.LittleEndian.PutUint32(c[44:], crc32.Checksum(c[:44], castagnoli))
}

// seqOf is the request that a cell holds.
func seqOf(c []byte) uint64 { return binary.LittleEndian.Uint64(c[32:]) }

// decodeCell reads a cell; false: it is torn.
func decodeCell(c []byte) (entry, bool) {
	_ = c[cellSize-1]
	var all uint64
	for i := 0; i < cellSize; i += 8 {
		all |= binary.LittleEndian.Uint64(c[i:])
	}
	if all == 0 {
		return entry{}, true
	}
	if binary.LittleEndian.Uint32(c[44:]) != crc32.Checksum(c[:44], castagnoli) {
		return entry{}, false
	}
	return entry{mark: c[0], errText: binary.LittleEndian.Uint16(c[6:]), Attempt: bench.Attempt{
		Outcome:   bench.Outcome(c[1]),
		Class:     bench.Class(c[2]),
		Status:    int(binary.LittleEndian.Uint16(c[4:])),
		Sent:      time.Duration(binary.LittleEndian.Uint64(c[8:])),
		FirstByte: time.Duration(binary.LittleEndian.Uint64(c[16:])),
		End:       time.Duration(binary.LittleEndian.Uint64(c[24:])),
		Seq:       seqOf(c),
		Retry:     int(binary.LittleEndian.Uint16(c[40:])),
	}}, true
}

// cellOf reads the cell of a request. One that holds a request of another block is
// left from the block that had the slot before; one that holds another request of the
// same block is torn.
func cellOf(c []byte, seq uint64) entry {
	e, ok := decodeCell(c)
	switch {
	case ok && e.mark != markNever && e.Seq/blockRows != seq/blockRows:
		e = entry{}
	case !ok || e.mark != markNever && (e.Seq != seq || e.Retry != 0):
		e = entry{mark: markTorn}
	}
	e.Seq = seq
	return e
}
