package reconcile

import "github.com/ackproof/ackproof/bench"

// versions is what was seen of the keys that requests share, indexed by key. A
// request is kept as its number and one more: 0 is none.
type versions struct {
	e      *Evidence
	final  []uint64         // whose version the items table has
	newest []bench.Sequence // of the commits
	wrote  []uint64         // who made that one
	latest []uint64         // whose effect the key's row in the results table shows
}

// newVersions gathers what the windows ask of keys; nil: requests share none.
func newVersions(e *Evidence) *versions {
	if e.Key == nil {
		return nil
	}
	v := &versions{
		e: e, final: make([]uint64, e.Keys), newest: make([]bench.Sequence, e.Keys), wrote: make([]uint64, e.Keys), latest: make([]uint64, e.Keys),
	}
	for _, reads := range [][]Read{e.Earlier, e.Reads[:]} { // in the order of time
		for r := range reads {
			if read := &reads[r]; read.Items != nil && e.ItemsObserved {
				for page := range read.Items {
					v.show(v.final, page, read.Complete)
				}
			}
			if read := &reads[r]; read.Latest != nil && e.EffectsObserved {
				for page := range read.Latest {
					v.show(v.latest, page, read.Complete)
				}
			}
		}
	}
	v.commits()
	return v
}

// show notes which request each key shows in a page. Of several reads the later one
// counts, if it came to its end. What lies behind the plan is of no key.
func (v *versions) show(by []uint64, page *bench.Rows, complete bool) {
	for _, seq := range page.Seq {
		if seq >= uint64(v.e.Planned) {
			continue
		}
		if k := v.e.Key(seq); complete || by[k] == 0 {
			by[k] = seq + 1
		}
	}
}

// commits finds the last record of each key. The stream decides on the order of
// versions: what the clients know of time is not when the table was written.
func (v *versions) commits() {
	if v.e.Commits == nil {
		return
	}
	for c := range v.e.Commits {
		id, err := bench.ParseKey(c.ID)
		if err != nil || c.Removed {
			continue
		}
		seq, ours := v.e.IDs.Seq(id)
		n, err := bench.ParseSequence(c.Sequence)
		if !ours || err != nil || seq >= uint64(v.e.Planned) {
			continue
		}
		if k := v.e.Key(seq); n.Compare(v.newest[k]) > 0 {
			v.newest[k], v.wrote[k] = n, seq+1
		}
	}
}

// latestEffects takes in the rows that show the latest effect of each key. Such a
// row is an effect of its version too; how often it was applied only the version's
// own row tells.
func (j *judge) latestEffects(r *Read) {
	if j.v == nil || r.Latest == nil || !j.e.EffectsObserved {
		return
	}
	w := j.w
	for page := range r.Latest {
		j.beyondPage(page, func(int) flags { return applied })
		w.pick(page)
		for k, i := range w.places {
			row := w.rows[k]
			s := &w.seen[i]
			right, _ := j.compare(*s, i, page, row, w.want[k])
			*s |= applied | right | j.timely(page, row)
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
