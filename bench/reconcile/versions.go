package reconcile

import "github.com/ackproof/ackproof/bench"

// versions is what was seen of the keys that requests share, indexed by key. A
// request is kept as its number and one more: 0 is none.
type versions struct {
	final  []uint64         // whose version the items table has
	newest []bench.Sequence // of the commits
	wrote  []uint64         // who made that one
	latest []uint64         // whose effect the key's row in the results table shows
}

func newVersions(e *Evidence) *versions {
	if e.Key == nil {
		return nil
	}
	return &versions{
		final: make([]uint64, e.Keys), newest: make([]bench.Sequence, e.Keys), wrote: make([]uint64, e.Keys),
		latest: make([]uint64, e.Keys),
	}
}

// finalItem takes in a row of the items table. Of two reads the later one counts, if
// it came to its end.
func (j *judge) finalItem(seq uint64, complete bool) {
	if seq >= j.n {
		return // of no key
	}
	if k := j.e.Key(seq); complete || j.v.final[k] == 0 {
		j.v.final[k] = seq + 1
	}
}

// committed takes in a record of the stream, which decides on the order of a key's
// versions: what the clients know of time is not when the table was written.
func (j *judge) committed(seq uint64, n bench.Sequence) {
	if seq >= j.n {
		return
	}
	if k := j.e.Key(seq); n.Compare(j.v.newest[k]) > 0 {
		j.v.newest[k], j.v.wrote[k] = n, seq+1
	}
}

// latestEffects takes in the rows that show the latest effect of each key. Such a
// row is an effect of its version too; how often it was applied only the version's
// own row tells.
func (j *judge) latestEffects(r *Read) {
	if j.v == nil || r.Latest == nil || !j.e.EffectsObserved {
		return
	}
	for v := range r.Latest {
		if j.w.first == 0 && v.Seq < j.n {
			if k := j.e.Key(v.Seq); r.Complete || j.v.latest[k] == 0 {
				j.v.latest[k] = v.Seq + 1
			}
		}
		j.mark(v.Seq, applied|j.timely(v))
		if i, here := j.w.at(v.Seq); here {
			j.compare(i, v)
		}
	}
}

// order finds out, of each key whose final item is of the window, whether its latest
// effect is of that item.
func (j *judge) order() {
	if j.v == nil {
		return
	}
	for k, final := range j.v.final {
		if final == 0 {
			final = j.v.wrote[k]
		}
		i, here := j.w.at(final - 1)
		if final == 0 || !here {
			continue
		}
		s := &j.w.seen[i]
		switch {
		case j.v.latest[k] == final:
			*s |= fresh
		case j.v.latest[k] != 0 || j.effectsKnown:
			*s |= stale
		default:
			*s |= unsure
		}
	}
}

// storedVersion reports whether a version is stored, and whether that is known. One
// that was overwritten is in no table: that it never was there only a stream tells
// that was read whole; without a stream, that it has no effect of its own.
func (j *judge) storedVersion(s flags) (stored, known bool) {
	if s&found != 0 {
		return true, true
	}
	if j.e.Architecture == bench.Streams {
		return false, j.e.StreamWhole
	}
	return false, j.itemsKnown && j.effectsKnown
}
