package reconcile

import (
	"runtime"
	"sync"

	"github.com/ackproof/ackproof/bench"
)

// plane is a set of small numbers, a bit each.
type plane []uint64

func newPlane(n uint64) plane       { return make(plane, (n+63)/64) }
func (p plane) set(i uint64)        { p[i/64] |= 1 << (i % 64) }
func (p plane) has(i uint64) bool   { return p[i/64]&(1<<(i%64)) != 0 }
func (p plane) bit(i uint64) uint64 { return p[i/64] >> (i % 64) & 1 }

// window is what was seen of the ids that are judged together: everything is
// indexed by seq − first. Rows come in the order of the tables, which is none,
// so what does not fit into memory at once is judged window by window, and each
// goes through all rows. That costs time in proportion and changes nothing else.
//
// What the items table says is kept in planes of its own, so that one core can
// go through the items while another goes through the effects.
type window struct {
	e        *Evidence
	first, n uint64

	seen     []flags
	items    plane                     // found in a final read of the items table
	wrong    plane                     // found with a payload whose digest is wrong
	expected []bench.Digest            // what digests must be
	known    plane                     // where the evidence cannot tell: those that an item told
	made     sync.Once                 // all of expected, where the evidence can tell
	newest   []bench.Sequence          // of the commits that wrote; nil: no commits were seen
	handed   []bench.Sequence          // of the record that was first handed over
	removals map[uint64]bench.Sequence // by seq: the commit that took the item away, if one did
}

// newWindow makes a window for up to n ids.
func newWindow(e *Evidence, n uint64) *window {
	w := &window{e: e, seen: make([]flags, n), items: newPlane(n), wrong: newPlane(n), expected: make([]bench.Digest, n)}
	if e.Digest == nil {
		w.known = newPlane(n)
	}
	if e.Commits != nil {
		w.newest = make([]bench.Sequence, n)
	}
	if e.Deliveries != nil {
		w.handed = make([]bench.Sequence, n)
	}
	return w
}

// begin empties the window for the n ids from first on. What is left of another
// window in expected and handed is never looked at: known, made and seen say
// what holds.
func (w *window) begin(first, n uint64) {
	w.first, w.n, w.made, w.removals = first, n, sync.Once{}, map[uint64]bench.Sequence{}
	clear(w.seen)
	clear(w.items)
	clear(w.wrong)
	clear(w.known)
	clear(w.newest)
}

// at gives the place of an id; false: it is not in the window.
func (w *window) at(seq uint64) (uint64, bool) {
	i := seq - w.first // far beyond n where seq lies before the window
	return i, i < w.n
}

// flags is everything that was seen of an id.
func (w *window) flags(i uint64) flags {
	return w.seen[i] | flags(w.items.bit(i))*inItems | flags(w.wrong.bit(i))*wrongDigest
}

// digest is what the digest of an id's payload must be. Making a payload again
// costs more than everything else here: it is done once per id, by all cores,
// when the first row shows a digest. A table may show none.
func (w *window) digest(i uint64) bench.Digest {
	if w.e.Digest != nil {
		w.made.Do(w.makeAll)
	}
	return w.expected[i]
}

func (w *window) makeAll() {
	share := w.n/uint64(runtime.GOMAXPROCS(0)) + 1
	var cores sync.WaitGroup
	for from := uint64(0); from < w.n; from += share {
		cores.Go(func() {
			for i := from; i < min(from+share, w.n); i++ {
				w.expected[i] = w.e.Digest(w.first + i)
			}
		})
	}
	cores.Wait()
}

// expect takes the digest that an item showed for the one to expect.
func (w *window) expect(i uint64, d bench.Digest) {
	w.expected[i] = d
	w.known.set(i)
}
