package bench

import (
	"iter"
	"math"
	"time"
)

// Rows is a page of rows of a final read, a column each. All columns have one
// length, and are valid until the next page is asked for. A hundred million rows
// are gone through in a few seconds this way, and one by one in a minute.
type Rows struct {
	Seq    []uint64
	Ms     []uint64 // when, in ms of the Unix epoch, where the flag RowHasTime is set
	Count  []uint64 // how often it was applied, with 1 added; 0: the table does not tell
	Hi, Lo []uint64 // sequence number; both 0: none
	Digest []uint64 // where the flag RowHasDigest is set
	Flags  []uint64
}

// The flags of a row, as files hold them.
const (
	RowHasDigest = 1 << iota
	RowReadable  // a dead letter that can be read back
	RowHasTime
	RowOfKey // Seq is the number of a shared key: the row does not name the version that it shows
)

// Len is the number of rows.
func (r *Rows) Len() int { return len(r.Seq) }

// Columns gives all columns in the order of the fields.
func (r *Rows) Columns() [len(Row{})]*[]uint64 {
	return [...]*[]uint64{&r.Seq, &r.Ms, &r.Count, &r.Hi, &r.Lo, &r.Digest, &r.Flags}
}

// Within lists the rows of the n requests from first on, in the room of into. There
// is no branch in it that depends on what it finds.
func (r *Rows) Within(first, n uint64, into []int) []int {
	if cap(into) < r.Len() {
		into = make([]int, r.Len())
	}
	into = into[:r.Len()]
	found := 0
	for row, seq := range r.Seq {
		into[found] = row
		if seq-first < n { // far beyond n where it lies before first
			found++
		}
	}
	return into[:found]
}

// Row is a row with its fields in the order of the columns of [Rows].
type Row [7]uint64

// Append adds a row.
func (r *Rows) Append(row Row) {
	for c, column := range r.Columns() {
		*column = append(*column, row[c])
	}
}

// Reset takes all rows away.
func (r *Rows) Reset() {
	for _, column := range r.Columns() {
		*column = (*column)[:0]
	}
}

// Row gives a row with its fields in that order.
func (r *Rows) Row(i int) (row Row) {
	for c, column := range r.Columns() {
		row[c] = (*column)[i]
	}
	return row
}

// Of gives the row under the number of the request that it is of, which it did not name.
func (r Row) Of(seq uint64) Row {
	r[0] = seq
	r[6] &^= RowOfKey
	return r
}

// Row gives the item as a row.
func (i Item) Row() Row {
	return Row{0: i.Seq, 2: 1, 5: uint64(i.Digest), 6: flag(i.HasDigest, RowHasDigest) | flag(i.OfKey, RowOfKey)}
}

// Row gives the effect as a row. Its time is kept in ms.
func (e Effect) Row() Row {
	ms, dated := msOf(e.At)
	return Row{e.Seq, ms, uint64(e.Count + 1), e.Sequence.Hi, e.Sequence.Lo, uint64(e.Digest), flag(e.HasDigest, RowHasDigest) | flag(e.OfKey, RowOfKey) | dated}
}

// Row gives the dead letter as a row. Its time is kept in ms.
func (d DeadLetter) Row() Row {
	ms, dated := msOf(d.At)
	return Row{0: d.Seq, 1: ms, 2: 1, 6: flag(d.Readable, RowReadable) | dated}
}

func flag(set bool, f uint64) uint64 {
	if set {
		return f
	}
	return 0
}

func msOf(t time.Time) (ms, dated uint64) {
	if t.IsZero() {
		return 0, 0
	}
	return uint64(t.UnixMilli()), RowHasTime
}

// Item gives a row of the items table.
func (r *Rows) Item(i int) Item {
	return Item{Seq: r.Seq[i], OfKey: r.Flags[i]&RowOfKey != 0, Digest: Digest(r.Digest[i]), HasDigest: r.Flags[i]&RowHasDigest != 0}
}

// Effect gives a row of the results table.
func (r *Rows) Effect(i int) Effect {
	return Effect{
		Seq: r.Seq[i], OfKey: r.Flags[i]&RowOfKey != 0, Count: int64(r.Count[i]) - 1, Sequence: Sequence{Hi: r.Hi[i], Lo: r.Lo[i]},
		Digest: Digest(r.Digest[i]), HasDigest: r.Flags[i]&RowHasDigest != 0, At: r.at(i),
	}
}

// DeadLetter gives a dead letter.
func (r *Rows) DeadLetter(i int) DeadLetter {
	return DeadLetter{Seq: r.Seq[i], Readable: r.Flags[i]&RowReadable != 0, At: r.at(i)}
}

func (r *Rows) at(i int) time.Time {
	if r.Flags[i]&RowHasTime == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(r.Ms[i])).UTC()
}

// Each gives the rows of some pages one by one, such as each(pages, (*Rows).Item).
func Each[T any](pages iter.Seq[*Rows], row func(*Rows, int) T) iter.Seq[T] {
	return func(yield func(T) bool) {
		for page := range pages {
			for i := range page.Len() {
				if !yield(row(page, i)) {
					return
				}
			}
		}
	}
}

// Origin is a moment that the times of rows are counted from.
type Origin struct {
	ms   int64
	rest time.Duration // below a ms
}

// OriginOf makes one of a time of day.
func OriginOf(t time.Time) Origin {
	return Origin{ms: t.UnixMilli(), rest: time.Duration(t.Nanosecond()) % time.Millisecond}
}

// Since is how long after the origin a time of a row is; what no Duration can hold
// is the nearest that one can.
func (o Origin) Since(ms uint64) time.Duration {
	const most = int64(math.MaxInt64/time.Millisecond) - 1
	d := int64(ms) - o.ms
	return time.Duration(max(-most, min(d, most)))*time.Millisecond - o.rest
}
