package ledger

import (
	"encoding/binary"
	"math/bits"
)

// packedTail is behind the last column of a block: eight bytes can be read at any
// place that holds a value.
const packedTail = 8

// line is a column of whole numbers in one frame, as its head has it: value i is
// base + i × step + what stands in its width bits. All wraps around in 64 bits.
type line struct {
	base, step uint64
	width      int
	data       []byte // of all frames' columns that follow, so that a read of eight bytes stays inside
}

// appendLine packs the values of a column. Times that a plan spaces evenly lie near
// a line; where the line from the first to the last value is none, it is flat.
func appendLine(b []byte, values []uint64) []byte {
	step, least, width := flat(values)
	if n := len(values) - 1; n > 0 && width > 0 {
		slope := uint64(int64(values[n]-values[0]) / int64(n))
		if l, w := spread(values, slope); w < width {
			step, least, width = slope, l, w
		}
	}
	b = append(b, byte(width))
	b = binary.AppendVarint(b, int64(least))
	b = binary.AppendVarint(b, int64(step))
	if width == 0 {
		return b
	}
	// Bits are filled from the lowest on.
	var word uint64
	have := 0
	for i, v := range values {
		v -= least + uint64(i)*step
		word |= v << have
		if have+width >= 64 {
			b = binary.LittleEndian.AppendUint64(b, word)
			word = 0
			if have > 0 {
				word = v >> (64 - have)
			}
			have += width - 64
			continue
		}
		have += width
	}
	for ; have > 0; have -= 8 {
		b = append(b, byte(word))
		word >>= 8
	}
	return b
}

func flat(values []uint64) (step, least uint64, width int) {
	least, width = spread(values, 0)
	return 0, least, width
}

// spread is the least of what values have beyond a line through 0, and how many
// bits the others have beyond that.
func spread(values []uint64, step uint64) (least uint64, width int) {
	low, high := int64(values[0]), int64(values[0])
	for i, v := range values {
		beyond := int64(v - uint64(i)*step)
		low, high = min(low, beyond), max(high, beyond)
	}
	return uint64(low), bits.Len64(uint64(high) - uint64(low))
}

// openLine reads the head of a column of n values and gives what is behind it;
// false: it is none.
func openLine(b []byte, n int, l *line) (rest []byte, ok bool) {
	if len(b) == 0 || b[0] > 64 {
		return nil, false
	}
	l.width = int(b[0])
	base, k := binary.Varint(b[1:])
	if k <= 0 {
		return nil, false
	}
	b = b[1+k:]
	step, k := binary.Varint(b)
	if k <= 0 {
		return nil, false
	}
	b = b[k:]
	size := (n*l.width + 7) / 8
	if len(b) < size+packedTail {
		return nil, false
	}
	l.base, l.step, l.data = uint64(base), uint64(step), b
	return b[size:], true
}

// at gives one value.
func (l *line) at(i int) uint64 {
	v := l.base + uint64(i)*l.step
	if l.width == 0 {
		return v
	}
	bit := i * l.width
	word := binary.LittleEndian.Uint64(l.data[bit>>3:]) >> (bit & 7)
	if l.width > 56 && bit&7 > 0 { // the last bits stand in a ninth byte, which is there: a shift of 64 gives 0
		word |= uint64(l.data[bit>>3+8]) << (64 - bit&7)
	}
	return v + word&(^uint64(0)>>(64-l.width))
}

// unpack gives all values.
func unpack[T ~int64 | ~uint64](l *line, into []T) {
	v := l.base
	if l.width == 0 {
		for i := range into {
			into[i] = T(v)
			v += l.step
		}
		return
	}
	if l.width > 56 {
		for i := range into {
			into[i] = T(l.at(i))
		}
		return
	}
	mask, width, bit := ^uint64(0)>>(64-l.width), l.width, 0
	for i := range into {
		into[i] = T(v + binary.LittleEndian.Uint64(l.data[bit>>3:])>>(bit&7)&mask)
		v += l.step
		bit += width
	}
}
