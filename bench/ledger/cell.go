package ledger

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/ackproof/ackproof/bench"
)

const cellSize = 32

// The marks of a cell.
const (
	markNever    = 0
	markSent     = 1
	markFinished = 2
)

// State is what the ledger knows of one request.
type State uint8

// The states.
const (
	Unsent   State = iota // no byte of it was handed to a connection
	SentOnly              // it left, and the writer died before its outcome was written
	Finished              // its outcome is known
	Torn                  // its cell is damaged: it counts as sent, outcome unknown
)

var stateNames = [...]string{"unsent", "sent", "finished", "torn"}

// String gives the state's name.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "invalid"
}

// encodeCell fills a cell in place. The sum is computed over the cell itself
// and not over a copy: a copy would escape to the heap.
func encodeCell(c []byte, mark byte, a *bench.Attempt) {
	_ = c[cellSize-1]
	c[0] = mark
	c[1] = byte(a.Outcome)
	c[2] = byte(a.Class)
	binary.LittleEndian.PutUint16(c[4:], uint16(a.Status))
	binary.LittleEndian.PutUint64(c[8:], uint64(a.Sent))
	binary.LittleEndian.PutUint64(c[16:], uint64(a.End))
	binary.LittleEndian.PutUint32(c[24:], uint32(a.Seq))
	binary.LittleEndian.PutUint32(c[28:], crc32.Checksum(c[:28], castagnoli))
}

// decodeCell reads cell seq. A torn one gives an attempt that nobody can be
// accused by: sent at an unknown time, outcome unknown.
func decodeCell(c []byte, seq uint64) (bench.Attempt, State) {
	_ = c[cellSize-1]
	if binary.LittleEndian.Uint64(c)|binary.LittleEndian.Uint64(c[8:])|
		binary.LittleEndian.Uint64(c[16:])|binary.LittleEndian.Uint64(c[24:]) == 0 {
		return bench.Attempt{Seq: seq}, Unsent
	}
	torn := bench.Attempt{Seq: seq, Outcome: bench.Unknown}
	if binary.LittleEndian.Uint32(c[28:]) != crc32.Checksum(c[:28], castagnoli) ||
		binary.LittleEndian.Uint32(c[24:]) != uint32(seq) {
		return torn, Torn
	}
	a := bench.Attempt{
		Seq:     seq,
		Outcome: bench.Outcome(c[1]),
		Class:   bench.Class(c[2]),
		Status:  int(binary.LittleEndian.Uint16(c[4:])),
		Sent:    time.Duration(binary.LittleEndian.Uint64(c[8:])),
		End:     time.Duration(binary.LittleEndian.Uint64(c[16:])),
	}
	switch {
	case c[0] == markSent:
		a.Outcome, a.Class = bench.Unknown, bench.ClassNone
		return a, SentOnly
	case c[0] != markFinished || a.Outcome > bench.Unknown || a.Class > bench.ClassInterrupted:
		return torn, Torn // sound, but of a version that we do not know
	case a.Outcome == bench.Unsent:
		return a, Unsent // given up before its first byte, and said so
	}
	return a, Finished
}
