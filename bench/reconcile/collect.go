package reconcile

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// flags is what was seen of one id.
type flags uint16

const (
	inItems      flags = 1 << iota // found in a final read of the items table
	inStream                       // its commit, or the delivery of its record, was seen
	delivered                      // handed to the processor
	applied                        // has an effect
	twice                          // applied more than once
	deadReadable                   // a dead letter of it can be read back
	wrongDigest                    // a digest was compared, and was wrong
	fresh                          // an effect is of the newest write
	stale                          // an effect is of an older write
	onTime                         // an effect within the deadline, or of unknown time
	here                           // a counted row in the read of the results table that is gone through
	told                           // an item has told what the digest must be, where the evidence cannot
	over                           // a record of it is settled
	open                           // a record of it is not, as far as is known
	later                          // handed over or applied when a fault had struck
	unsure                         // the final item of its key, and the key's latest effect was not read

	found = inItems | inStream | applied
)

// extraID is an id of this run beyond its plan.
type extraID struct {
	seq  uint64
	seen flags
}

// judge is the work under way: as a whole, and of one window.
type judge struct {
	e      *Evidence
	n      uint64
	w      *window
	v      *Versions // nil: each request has an item of its own
	counts counts
	half   *Halfway
	shards map[string]bench.Sequence
	origin bench.Origin

	itemsKnown   bool // what is not in the items table is known not to be there
	effectsKnown bool
	drained      bool

	account Account
}

// seq gives the number of an id of this run, as text; false: it is none.
func (j *judge) seq(id string) (uint64, bool) {
	v, err := bench.ParseKey(id)
	if err != nil {
		return 0, false
	}
	return j.e.IDs.Seq(v)
}

// mark notes what was seen of an id.
func (j *judge) mark(seq uint64, f flags) {
	if i, ok := j.w.at(seq); ok {
		j.w.seen[i] |= f
		return
	}
	j.markBeyond(seq, f)
}

// markBeyond notes what was seen of an id behind the plan, in the first window
// alone: it is in none.
func (j *judge) markBeyond(seq uint64, f flags) {
	if j.w.first == 0 && seq >= j.n && !j.sentinel(seq) {
		j.counts.Beyond[seq] |= f
	}
}

// sentinel reports whether a number is one of the harness's own: neither judged nor
// counted.
func (j *judge) sentinel(seq uint64) bool { return seq >= j.n && seq-j.n < j.e.Sentinels }

// collect goes through the evidence of a window.
func (j *judge) collect() {
	j.commits()
	j.deliveries()
	j.tables()
	j.order()
	j.deadLetters()
}

// tables goes through the final reads, and through one of those that found the
// same.
func (j *judge) tables() {
	var done []*Read
	for _, reads := range [][]Read{j.e.Reads[:], j.e.Earlier} {
		for r := range reads {
			read := &reads[r]
			same := func(d *Read) bool {
				return d.Complete && read.Complete && d.Fingerprint == read.Fingerprint && d.Fingerprint != ""
			}
			if slices.ContainsFunc(done, same) {
				continue
			}
			if len(done) > 0 {
				j.w.again()
			}
			done = append(done, read)
			j.items(read)
			j.effects(read)
			j.latestEffects(read)
		}
	}
}

// unplanned lists the ids of this run that were never planned, and are there.
func (j *judge) unplanned() {
	for seq, f := range j.counts.Beyond {
		if f&found != 0 && j.e.seesUnsent() {
			j.account.extra = append(j.account.extra, extraID{seq, f})
		}
	}
	slices.SortFunc(j.account.extra, func(a, b extraID) int { return cmp.Compare(a.seq, b.seq) })
}

func (j *judge) commits() {
	if j.e.Commits == nil {
		return
	}
	w := j.w
	var records int64
	for c := range j.e.Commits {
		seq, ours := j.seq(c.ID)
		if ours && j.sentinel(seq) {
			continue
		}
		records++
		i, here := w.at(seq)
		if !ours || !here && seq < j.n {
			continue
		}
		n, err := bench.ParseSequence(c.Sequence)
		until, known := j.shards[c.Shard]
		switch {
		case c.Removed: // asks for no work: nothing depends on its being settled
			j.mark(seq, inStream)
		case known && err == nil && n.Compare(until) <= 0:
			j.mark(seq, inStream|over)
		default:
			j.mark(seq, inStream|open)
		}
		switch {
		case err != nil || !here:
		case c.Removed:
			// What has gone was there: an effect of the last version is not
			// outdated by it, and to be handed its removal is not to be handed it.
			w.removals[seq] = removal{c.Shard, n}
		case !j.e.OneTable && !strings.Contains(c.ID, "#") && n.Compare(w.newest[i]) > 0:
			w.newest[i] = n // of the request's own item: another one of it is no newer version
		}
	}
	j.counts.Records = records
}

// settled gives, by shard, the sequence number up to which everything is over:
// the checkpoint, or all that lies before the oldest record that is still tried.
// What is between the two was trimmed from the stream and can never be read.
func (j *judge) settled() map[string]bench.Sequence {
	shards := map[string]bench.Sequence{}
	for _, p := range j.e.Over {
		n, err := bench.ParseSequence(p.Checkpoint)
		if oldest, bad := bench.ParseSequence(p.Oldest); bad == nil {
			n, err = oldest.Before(), nil
		}
		if err == nil {
			shards[p.Shard] = n
		}
	}
	return shards
}

// removal is the record of one, by its place.
type removal struct {
	shard string
	n     bench.Sequence
}

// deliveries counts what was handed over. A record is its id, its shard and its
// sequence number: of an item that was stored under two keys, two shards may have the
// same. Nearly every id has one record, so the first is kept in a slice and only the
// others need a map.
func (j *judge) deliveries() {
	if j.e.Deliveries == nil {
		return
	}
	type record struct {
		seq uint64
		n   bench.Sequence
	}
	w := j.w
	var all, again int64
	others, shards := map[record]bool{}, map[string]uint64{}
	mark := delivered
	if j.e.Architecture == bench.Streams {
		mark |= inStream // a stream record is handed over, so there was one
	}
	for d := range j.e.Deliveries {
		seq, ours := j.seq(d.ID)
		if ours && j.sentinel(seq) {
			continue
		}
		all++
		i, here := w.at(seq)
		if !ours || !here && (seq < j.n || w.first > 0) {
			continue
		}
		n, _ := bench.ParseSequence(d.Sequence) // an asynchronous event has none: zero
		if here && j.afterStrike(d.At.Sub(j.e.Started)) {
			j.mark(seq, later)
		}
		shard, met := shards[d.Shard]
		if !met {
			shard = uint64(len(shards))
			shards[d.Shard] = shard
		}
		own := bench.Sequence{Hi: n.Hi ^ shard<<32, Lo: n.Lo} // of this shard, in the room of a number
		known := here && w.seen[i]&delivered != 0
		switch r := (record{seq, own}); {
		case known && w.handed[i] == own, others[r]:
			again++
		case known || !here:
			others[r] = true
		default:
			w.handed[i] = own
		}
		if gone, ok := w.removals[seq]; ok && gone == (removal{d.Shard, n}) {
			j.mark(seq, mark&^delivered)
			continue
		}
		j.mark(seq, mark)
	}
	j.counts.Delivered, j.counts.Redelivered = all, again
}

func (j *judge) items(r *Read) {
	if r.Items == nil || !j.e.ItemsObserved {
		return
	}
	w := j.w
	rows := r.Items
	if j.v != nil {
		rows = j.v.named(rows, nil)
	}
	for page := range rows {
		j.beyondPage(page, func(int) flags { return inItems })
		w.pick(page)
		for k, i := range w.places {
			row := w.rows[k]
			f := inItems
			switch digest := bench.Digest(page.Digest[row]); {
			case page.Flags[row]&bench.RowHasDigest == 0:
			case j.e.Digests == nil:
				w.expected[i] = digest // the effect must be of what is stored, at least
				f |= told
			case digest != w.want[k]:
				f |= wrongDigest
			}
			w.seen[i] |= f
		}
	}
}

// beyondPage notes the rows of a page that lie behind the plan.
func (j *judge) beyondPage(page *bench.Rows, is func(row int) flags) {
	if j.w.first > 0 {
		return
	}
	for row, seq := range page.Seq {
		if seq >= j.n {
			if f := is(row); f != 0 {
				j.markBeyond(seq, f)
			}
		}
	}
}

// The count of a row, as [bench.Rows] has it, with 1 added.
const (
	countUnknown = 0
	countNone    = 1 // a row that says it was never applied
	countOnce    = 2
)

// effects notes the applications that one read found. Rows of one id within
// one read add up; across reads they are the same ones.
func (j *judge) effects(r *Read) {
	if r.Effects == nil || !j.e.EffectsObserved {
		return
	}
	w, deadline := j.w, j.e.Guarantee.Deadline
	for page := range r.Effects {
		j.beyondPage(page, func(row int) flags {
			if page.Count[row] == countNone {
				return 0
			}
			return applied
		})
		w.pick(page)
		for k, i := range w.places {
			row := w.rows[k]
			count := page.Count[row]
			if count == countNone {
				continue
			}
			s := &w.seen[i]
			f := applied
			if int64(count) > countOnce || count == countOnce && *s&here != 0 {
				f |= twice
			}
			if int64(count) <= countUnknown {
				j.counts.Uncounted++
			} else {
				f |= here
			}
			right, compared := j.compare(*s, i, page, row, w.want[k])
			if !compared {
				j.counts.Uncompared++
			}
			f |= j.struck(page, row)
			if deadline != 0 && page.Flags[row]&bench.RowHasTime == 0 {
				j.counts.Untimed++
			}
			*s |= f | right | j.timely(page, row)
		}
	}
}

// at is when the effect of a row was applied, which tells it.
func (j *judge) at(page *bench.Rows, row int) time.Duration {
	return j.moment(page.Seq[row], page.Ms[row])
}

// moment is when the effect of a request was applied, that says so in ms.
func (j *judge) moment(seq, ms uint64) time.Duration {
	at := j.origin.Since(ms)
	if j.e.Right != nil {
		at = j.e.Right(seq, at)
	}
	return at
}

// struck is later for an effect that was applied when a fault had struck, or nobody
// knows when.
func (j *judge) struck(page *bench.Rows, row int) flags {
	if page.Flags[row]&bench.RowHasTime == 0 || j.afterStrike(j.at(page, row)) {
		return later
	}
	return 0
}

// timely is onTime for an effect within the deadline, or of unknown time.
func (j *judge) timely(page *bench.Rows, row int) flags {
	deadline, dated := j.e.Guarantee.Deadline, page.Flags[row]&bench.RowHasTime != 0
	if deadline == 0 || !dated || j.at(page, row)-j.e.Due(page.Seq[row]) <= deadline {
		return onTime
	}
	return 0
}

// compare holds an effect against what it should be; false: there was nothing to
// compare.
func (j *judge) compare(seen flags, i uint64, page *bench.Rows, row int, want bench.Digest) (f flags, compared bool) {
	if page.Flags[row]&bench.RowHasDigest != 0 && (j.e.Digests != nil || seen&told != 0) {
		compared = true
		if j.e.Digests == nil {
			want = j.w.expected[i] // told after the page was picked, perhaps
		}
		if bench.Digest(page.Digest[row]) != want {
			f |= wrongDigest
		}
	}
	sequence := bench.Sequence{Hi: page.Hi[row], Lo: page.Lo[row]}
	if j.v == nil && !sequence.IsZero() && j.w.newest != nil && !j.w.newest[i].IsZero() {
		compared = true
		f |= fresh
		if sequence.Compare(j.w.newest[i]) < 0 {
			f ^= fresh | stale
		}
	}
	return f, compared
}

// deadLetters notes the dead letters.
func (j *judge) deadLetters() {
	for _, r := range j.letters() {
		var n int64
		for page := range r.DeadLetters {
			for row, seq := range page.Seq {
				if j.sentinel(seq) {
					continue
				}
				n++
				if page.Flags[row]&bench.RowReadable != 0 {
					j.mark(seq, deadReadable)
				}
			}
		}
		j.counts.DeadLettered = max(j.counts.DeadLettered, n)
	}
}

// letters lists the reads of which the dead letters count: the last that is
// complete and has any, else all.
func (j *judge) letters() []*Read {
	var all []*Read
	for _, reads := range [][]Read{j.e.Earlier, j.e.Reads[:]} {
		for r := range reads {
			if reads[r].DeadLetters != nil {
				all = append(all, &reads[r])
			}
		}
	}
	for _, r := range slices.Backward(all) {
		if r.Complete {
			return []*Read{r}
		}
	}
	return all
}
