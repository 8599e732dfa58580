package ledger

import (
	"encoding/binary"
	"slices"

	"github.com/ackproof/ackproof/bench"
)

// rowColumns are the columns of a page.
const rowColumns = len(bench.Row{})

// hashRow mixes a row for the fingerprint. Each word is multiplied in full, so that
// rows that differ in a bit of one word differ everywhere.
func hashRow(row bench.Row) uint64 {
	x := uint64(14695981039346656037)
	for _, v := range row {
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
func appendColumns(b []byte, rows *bench.Rows) []byte {
	for _, column := range rows.Columns() {
		least, most := slices.Min(*column), slices.Max(*column)
		width := 0
		for beyond := most - least; beyond > 0; beyond >>= 8 {
			width++
		}
		b = append(b, byte(width))
		b = binary.LittleEndian.AppendUint64(b, least)
		for _, v := range *column {
			var value [8]byte
			binary.LittleEndian.PutUint64(value[:], v-least)
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

// decode reads all columns.
func (p *page) decode(into *bench.Rows) {
	for c, column := range into.Columns() {
		if cap(*column) < p.rows {
			*column = make([]uint64, p.rows)
		}
		*column = (*column)[:p.rows]
		if p.fixed != nil {
			p.decodeFixed(c, *column)
			continue
		}
		p.cols[c].decode(p.body, *column)
	}
}

func (k *column) decode(body []byte, into []uint64) {
	if k.width == 0 {
		for i := range into {
			into[i] = k.base
		}
		return
	}
	body = body[k.at:]
	for i := range into {
		into[i] = k.base + binary.LittleEndian.Uint64(body)&k.mask
		body = body[k.width:]
	}
}

// decodeFixed reads a column of a page of the first version, whose counts have
// nothing added and whose flags are a byte.
func (p *page) decodeFixed(c int, into []uint64) {
	for i := range into {
		v := binary.LittleEndian.Uint64(p.fixed[i*rowSize+8*c:])
		switch c {
		case 2:
			v++
		case 6:
			v &= 0xff
		}
		into[i] = v
	}
}
