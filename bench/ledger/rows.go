package ledger

import (
	"encoding/binary"
	"iter"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// row is a row of any table of a final read.
type row struct {
	seq                 uint64
	at                  time.Time
	count               int64
	sequence            bench.Sequence
	digest              bench.Digest
	hasDigest, readable bool
}

// The columns of a page.
const rowColumns = 7

// words are the columns of one row. A count has 1 added: -1, which says that the
// table does not tell, is then beside the others and not 2⁶⁴ away.
type words [rowColumns]uint64

func (r row) words() words {
	var flags, ms uint64
	if r.hasDigest {
		flags |= flagDigest
	}
	if r.readable {
		flags |= flagReadable
	}
	if !r.at.IsZero() {
		flags |= flagTime
		ms = uint64(r.at.UnixMilli())
	}
	return words{r.seq, ms, uint64(r.count + 1), r.sequence.Hi, r.sequence.Lo, uint64(r.digest), flags}
}

func (w words) row() row {
	r := row{
		seq: w[0], count: int64(w[2]) - 1, sequence: bench.Sequence{Hi: w[3], Lo: w[4]}, digest: bench.Digest(w[5]),
		hasDigest: w[6]&flagDigest != 0, readable: w[6]&flagReadable != 0,
	}
	if w[6]&flagTime != 0 {
		r.at = time.UnixMilli(int64(w[1])).UTC()
	}
	return r
}

// hash mixes a row for the fingerprint. Each word is multiplied in full, so that
// rows that differ in a bit of one word differ everywhere.
func (w words) hash() uint64 {
	x := uint64(14695981039346656037)
	for _, v := range w {
		x = (x ^ v) * 0x9fb21c651e98df25
		x ^= x >> 32
	}
	return x
}

// maxRows bounds what a damaged page may claim: its columns may take no byte.
const maxRows = 1 << 16

const (
	columnHead = 1 + 8 // width and base
	// columnTail is behind the last column: eight bytes can be read at any place
	// that holds a value.
	columnTail = 8
)

// appendColumns appends rows as columns: of each, how many bytes a value takes (0
// to 8), the smallest value, and what the values have beyond it.
func appendColumns(b []byte, rows []words) []byte {
	for c := range rowColumns {
		least, most := rows[0][c], rows[0][c]
		for i := range rows {
			least, most = min(least, rows[i][c]), max(most, rows[i][c])
		}
		width := 0
		for beyond := most - least; beyond > 0; beyond >>= 8 {
			width++
		}
		b = append(b, byte(width))
		b = binary.LittleEndian.AppendUint64(b, least)
		for i := range rows {
			var value [8]byte
			binary.LittleEndian.PutUint64(value[:], rows[i][c]-least)
			b = append(b, value[:width]...)
		}
	}
	return append(b, make([]byte, columnTail)...)
}

// page is a page of rows, in either form.
type page struct {
	rows  int
	fixed []byte // of the first version: rows of rowSize bytes
	body  []byte
	cols  [rowColumns]column
}

// column is where the values of a column are.
type column struct {
	at, width  int
	base, mask uint64
}

// openPage reads the heads of a page's columns; false: it is none.
func openPage(b block) (p page, ok bool) {
	p.rows = b.rows
	if b.kind == blockPage {
		p.fixed = b.body
		return p, len(b.body) == b.rows*rowSize
	}
	p.body = b.body
	at := 0
	for c := range p.cols {
		if b.kind != blockColumns || b.rows == 0 || b.rows > maxRows || len(b.body)-at < columnHead {
			return page{}, false
		}
		width := int(b.body[at])
		p.cols[c] = column{at: at + columnHead, width: width, base: binary.LittleEndian.Uint64(b.body[at+1:])}
		if width > 8 {
			return page{}, false
		}
		if width > 0 {
			p.cols[c].mask = ^uint64(0) >> (64 - 8*width)
		}
		at += columnHead
		if (len(b.body)-at)/max(width, 1) < b.rows && width > 0 {
			return page{}, false
		}
		at += b.rows * width
	}
	return p, at+columnTail == len(b.body)
}

// all gives the rows.
func (p *page) all() iter.Seq[words] {
	return func(yield func(words) bool) {
		for i := range p.rows {
			if !yield(p.words(i)) {
				return
			}
		}
	}
}

func (p *page) words(i int) (w words) {
	if p.fixed != nil {
		for c := range w {
			w[c] = binary.LittleEndian.Uint64(p.fixed[i*rowSize+8*c:])
		}
		w[2]++
		w[6] &= 0xff
		return w
	}
	for c := range w {
		k := &p.cols[c]
		w[c] = k.base + binary.LittleEndian.Uint64(p.body[k.at+i*k.width:])&k.mask
	}
	return w
}
