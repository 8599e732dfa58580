package reconcile

import (
	"github.com/ackproof/ackproof/bench"
)

// window is what was seen of the ids that are judged together: everything is
// indexed by seq − first. Rows come in the order of the tables, which is none,
// so that each window goes through all of them, and takes what is its own. That
// costs time in proportion and changes nothing else.
type window struct {
	e        *Evidence
	first, n uint64

	seen     []flags
	expected []bench.Digest     // what digests must be; where the evidence cannot tell, what an item told
	made     bool               // expected is filled in, where the evidence can tell
	newest   []bench.Sequence   // of the commits that wrote; nil: no commits were seen
	handed   []bench.Sequence   // of the record that was first handed over
	removals map[uint64]removal // by seq: the commit that took the item away, if one did

	rows   []int    // of a page, those of this window
	places []uint64 // and where in it they are
	want   []bench.Digest
}

// newWindow makes a window for up to n ids.
func newWindow(e *Evidence, n uint64) *window {
	w := &window{e: e, seen: make([]flags, n), expected: make([]bench.Digest, n)}
	if e.Commits != nil {
		w.newest = make([]bench.Sequence, n)
	}
	if e.Deliveries != nil {
		w.handed = make([]bench.Sequence, n)
	}
	return w
}

// begin empties the window for the n ids from first on. What is left of another
// window in expected and handed is never looked at: made and seen say what holds.
func (w *window) begin(first, n uint64) {
	w.first, w.n, w.made, w.removals = first, n, false, map[uint64]removal{}
	clear(w.seen)
	clear(w.newest)
}

// at gives the place of an id; false: it is not in the window.
func (w *window) at(seq uint64) (uint64, bool) {
	i := seq - w.first // far beyond n where seq lies before the window
	return i, i < w.n
}

// pick finds the rows of a page that are of the window, and what digests they must
// have. That is a loop of its own: the places are far from each other, and a
// processor waits for many of them at once, but not beyond a branch that it guesses
// wrong.
func (w *window) pick(page *bench.Rows) {
	w.rows = page.Within(w.first, w.n, w.rows)
	found := len(w.rows)
	if cap(w.places) < found {
		w.places, w.want = make([]uint64, page.Len()), make([]bench.Digest, page.Len())
	}
	w.places, w.want = w.places[:found], w.want[:found]
	if w.e.Digests != nil && !w.made && found > 0 && shown(page) {
		w.made = true
		w.e.Digests(w.first, w.expected[:w.n])
	}
	for k, row := range w.rows {
		i := page.Seq[row] - w.first
		w.places[k], w.want[k] = i, w.expected[i]
	}
}

// shown reports whether a row of a page has a digest. Making payloads again costs
// more than everything else here, and a table may show none.
func shown(page *bench.Rows) bool {
	for _, f := range page.Flags {
		if f&bench.RowHasDigest != 0 {
			return true
		}
	}
	return false
}

// again makes a second row of an id in a read that has not begun yet tell apart
// from one of the reads before.
func (w *window) again() {
	for i := range w.seen {
		w.seen[i] &^= here
	}
}
