package reconcile

import (
	"iter"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// Versions is what was seen of the keys that requests share, indexed by key. A
// request is kept as its number and one more: 0 is none.
type Versions struct {
	e      *Evidence
	final  []uint64         // whose version the items table has; or unnamed
	newest []bench.Sequence // of the commits
	wrote  []uint64         // who made that one
	latest []uint64         // whose effect the key's row in the results table shows; or unnamed, or outdated
	whole  bool             // every write is among the commits
	read   bool             // a read came to its end

	// With PerKey alone.
	acked []time.Duration // when the final version was acknowledged; 0: nobody knows that it was, or that it was written before
	at    []uint64        // ms of the effect that the row shows, and one more; 0: it does not say
}

// A row that does not name its version.
const (
	unnamed  = ^uint64(0) - iota // nobody can tell which it is
	outdated                     // it is not the final one
)

// NewVersions gathers what is seen of keys; nil: requests share none.
func NewVersions(e *Evidence) *Versions {
	if e.Key == nil {
		return nil
	}
	v := &Versions{
		e: e, final: make([]uint64, e.Keys), newest: make([]bench.Sequence, e.Keys), wrote: make([]uint64, e.Keys), latest: make([]uint64, e.Keys),
		whole: e.Architecture == bench.Streams && e.StreamWhole, read: e.Reads[0].Complete || e.Reads[1].Complete,
	}
	v.each(func(r *Read) iter.Seq[*bench.Rows] { return r.Items }, e.ItemsObserved, func(_ *bench.Rows, _ int, k, seq uint64, complete bool) {
		if complete || v.final[k] == 0 {
			v.final[k] = seq
		}
	})
	v.commits()
	if e.PerKey {
		v.at = make([]uint64, e.Keys)
		v.answers()
	}
	v.each(func(r *Read) iter.Seq[*bench.Rows] { return r.Latest }, e.EffectsObserved, func(page *bench.Rows, row int, k, seq uint64, complete bool) {
		if !complete && v.latest[k] != 0 {
			return
		}
		if seq == unnamed {
			seq = v.shown(k, page, row)
		}
		if v.latest[k] = seq; v.at != nil {
			v.at[k] = 0
			if page.Flags[row]&bench.RowHasTime != 0 {
				v.at[k] = page.Ms[row] + 1
			}
		}
	})
	return v
}

// each goes through the rows of one table in all reads, in the order of time: of
// several reads the later one counts, if it came to its end. What lies behind the plan
// is of no key.
func (v *Versions) each(of func(*Read) iter.Seq[*bench.Rows], observed bool, do func(page *bench.Rows, row int, k, seq uint64, complete bool)) {
	for _, reads := range [][]Read{v.e.Earlier, v.e.Reads[:]} {
		for r := range reads {
			rows := of(&reads[r])
			if rows == nil || !observed {
				continue
			}
			for page := range rows {
				for row, seq := range page.Seq {
					switch {
					case page.Flags[row]&bench.RowOfKey != 0 && seq < v.e.Keys:
						do(page, row, seq, unnamed, reads[r].Complete)
					case page.Flags[row]&bench.RowOfKey == 0 && seq < uint64(v.e.Planned):
						do(page, row, v.e.Key(seq), seq+1, reads[r].Complete)
					}
				}
			}
		}
	}
}

// commits finds the last record of each key. The stream decides on the order of
// versions: what the clients know of time is not when the table was written.
func (v *Versions) commits() {
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

// answers finds out when the final version of each key was acknowledged, where that
// says that it was written by then: an acknowledgement of an event that waits in a
// queue does not, and of a request that was sent again an earlier attempt may come late.
func (v *Versions) answers() {
	v.acked = make([]time.Duration, v.e.Keys)
	if v.whole || v.e.Architecture == bench.FireAndForget {
		return // the stream knows better, or nobody does
	}
	for k := range v.acked {
		if final, known := v.finalOf(uint64(k)); known && final != 0 {
			if a := v.e.Answer(final - 1); a.Outcome == bench.Acknowledged && a.Retry == 0 {
				v.acked[k] = a.End
			}
		}
	}
}

// finalOf gives the newest version of a key, and whether that is known: the one in the
// items table; where that was not read, the one of the key's last record. 0: none is
// stored.
func (v *Versions) finalOf(k uint64) (final uint64, known bool) {
	if final := v.final[k]; final != 0 && final != unnamed {
		return final, true
	}
	return v.wrote[k], v.whole || v.final[k] == 0 && v.wrote[k] == 0 && v.read && v.e.ItemsObserved
}

// shown finds out which version a row shows that does not name it: the final one,
// where it is made of the final one's record, or else where it has the digest of the
// final one's payload.
func (v *Versions) shown(k uint64, page *bench.Rows, row int) uint64 {
	final, known := v.finalOf(k)
	if !known || final == 0 {
		return unnamed
	}
	sequence := bench.Sequence{Hi: page.Hi[row], Lo: page.Lo[row]}
	numbered := !sequence.IsZero() && v.wrote[k] == final
	if numbered && sequence == v.newest[k] {
		return final
	}
	if page.Flags[row]&bench.RowHasDigest != 0 && v.e.Digests != nil {
		var want [1]bench.Digest
		if v.e.Digests(final-1, want[:]); bench.Digest(page.Digest[row]) == want[0] {
			return final
		}
		return outdated
	}
	if numbered && sequence.Compare(v.newest[k]) < 0 {
		return outdated
	}
	return unnamed
}

// Hidden reports whether nobody tells what became of a version that no row shows: a
// newer one has taken its place, or which is the newest is not known.
func (v *Versions) Hidden(a *bench.Attempt, inStream bool) bool {
	if v == nil || !v.e.PerKey {
		return false
	}
	k := v.e.Key(a.Seq)
	final, known := v.finalOf(k)
	neverStored := !inStream && (v.whole || v.after(k, a))
	return !known || final != 0 && final != a.Seq+1 && !neverStored
}

// after reports whether a request was sent when the final version of its key had been
// acknowledged, and acknowledged itself: it was written later, if it was written.
func (v *Versions) after(k uint64, a *bench.Attempt) bool {
	return a.Outcome == bench.Acknowledged && v.acked[k] > 0 && a.Sent >= v.acked[k]
}

// Shown gives the rows of keys as effects of the versions that they show, without those
// of which that is not known.
func (v *Versions) Shown(rows iter.Seq[*bench.Rows]) iter.Seq[*bench.Rows] {
	return v.named(rows, v.shown)
}

// named gives rows under the versions that of tells where they name none themselves;
// nil: without those.
func (v *Versions) named(rows iter.Seq[*bench.Rows], of func(k uint64, page *bench.Rows, row int) uint64) iter.Seq[*bench.Rows] {
	return func(yield func(*bench.Rows) bool) {
		var some bench.Rows
		for page := range rows {
			some.Reset()
			for row := range page.Len() {
				one := page.Row(row)
				if page.Flags[row]&bench.RowOfKey != 0 {
					seq := unnamed
					if of != nil && page.Seq[row] < v.e.Keys {
						seq = of(page.Seq[row], page, row)
					}
					if seq >= outdated {
						continue
					}
					one = one.Of(seq - 1)
				}
				some.Append(one)
			}
			if !yield(&some) {
				return
			}
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
	for page := range j.v.Shown(r.Latest) {
		j.beyondPage(page, func(int) flags { return applied })
		w.pick(page)
		for k, i := range w.places {
			row := w.rows[k]
			s := &w.seen[i]
			right, _ := j.compare(*s, i, page, row, w.want[k])
			*s |= applied | right | j.timely(page, row) | j.struck(page, row)
		}
	}
}

// order finds out, of each key whose final item is of the window, whether its latest
// effect is of that item.
func (j *judge) order() {
	if j.v == nil {
		return
	}
	for k, latest := range j.v.latest {
		final, _ := j.v.finalOf(uint64(k))
		i, here := j.w.at(final - 1)
		if final == 0 || !here {
			continue
		}
		s := &j.w.seen[i]
		switch {
		case latest == final:
			*s |= fresh
		case latest == unnamed:
			*s |= unsure
		case latest != 0:
			*s |= stale
			if at := j.v.at; at != nil && (at[k] == 0 || j.afterStrike(j.moment(final-1, at[k]-1))) {
				*s |= later
			}
		case !j.effectsKnown:
			*s |= unsure
		case !j.e.PerKey: // else there is no row at all, and nothing was put over it
			*s |= stale
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

// storedBehind is storedVersion where versions have no effects of their own. One of
// which nothing is seen is taken to have been stored before the newest was, unless the
// clients know better: who sends a request when another one has been acknowledged has
// his written after it.
func (j *judge) storedBehind(seq uint64, s flags, a *bench.Attempt) (stored, known bool) {
	k := j.e.Key(seq)
	final, finalKnown := j.v.finalOf(k)
	switch {
	case s&found != 0:
		return true, true
	case j.v.whole:
		return false, true
	case !finalKnown:
		return false, false
	case final == 0: // no version of the item is there
		return false, true
	case a.Outcome == bench.Refused:
		return false, false
	case j.v.after(k, a):
		return false, true
	}
	return true, true
}

// unshown is the verdict of a version that is stored, and that no row shows: it is
// superseded where a newer one is stored; else its item shows an older one, or nothing.
func (j *judge) unshown(seq uint64, s flags, o bench.Outcome) bench.ItemVerdict {
	final, known := j.v.finalOf(j.e.Key(seq))
	older := final != 0 && final != seq+1
	switch {
	case !known, s&unsure != 0:
		return bench.Unread
	case older && s&deadReadable != 0:
		return bench.DeadLettered
	case older:
		return bench.Superseded
	case o == bench.Unknown && j.e.Architecture == bench.Sync:
		return j.missing(s, bench.Partial)
	case s&stale != 0 && j.e.Guarantee.Effects != NoGuarantee:
		return j.missing(s, bench.WrongEffect)
	}
	return j.missing(s, bench.LostProcessing)
}
