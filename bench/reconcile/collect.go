package reconcile

import (
	"cmp"
	"slices"
	"sync"

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
	seenFirst                      // a row in the first read of the results table
	seenSecond                     // and in the second
	over                           // a record of it is settled
	open                           // a record of it is not, as far as is known

	found = inItems | inStream | applied
)

// extraID is an id of this run beyond its plan.
type extraID struct {
	seq  uint64
	seen flags
}

// judge is the work under way.
type judge struct {
	e      *Evidence
	n      uint64
	w      *window
	counts counts
	beyond map[uint64]flags // what was seen of ids behind the plan
	shards map[string]bench.Sequence

	itemsKnown   bool // what is not in the items table is known not to be there
	effectsKnown bool
	drained      bool

	uncounted  int64 // effects of this run whose applications nobody counted
	untimed    int64 // of them all, those without a time, where there is a deadline
	uncompared int64 // and those with neither digest nor sequence to compare

	account Account
}

// seq gives the number of an id of this run, as text; false: it is none.
func (j *judge) seq(id string) (uint64, bool) {
	v, err := bench.ParseKey(id)
	if err != nil || v.Run != j.e.Run || v.Agent != j.e.Agent {
		return 0, false
	}
	return v.Seq, true
}

// mark notes what was seen of an id.
func (j *judge) mark(seq uint64, f flags) {
	if i, ok := j.w.at(seq); ok {
		j.w.seen[i] |= f
		return
	}
	j.markBeyond(j.beyond, seq, f)
}

// markBeyond notes what was seen of an id behind the plan, in the first window
// alone: it is in none.
func (j *judge) markBeyond(beyond map[uint64]flags, seq uint64, f flags) {
	if j.w.first == 0 && seq >= j.n && !j.sentinel(seq) {
		beyond[seq] |= f
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
	j.deadLetters()
}

// tables goes through the final reads: through one of them where both found the
// same. Items and effects meet only in the expected digests, so that two cores
// can go through them side by side, unless it is the items that say what to
// expect.
func (j *judge) tables() {
	reads := j.e.Reads[:]
	if a, b := &reads[0], &reads[1]; a.Complete && b.Complete && a.Fingerprint == b.Fingerprint && a.Fingerprint != "" {
		reads = reads[:1]
	}
	beyond := map[uint64]flags{}
	items := func() {
		for r := range reads {
			j.items(&reads[r], beyond)
		}
	}
	effects := func() {
		mark := [...]flags{seenFirst, seenSecond}
		for r := range reads {
			j.effects(&reads[r], mark[r])
		}
	}
	if j.e.Digest == nil {
		items()
		effects()
	} else {
		var side sync.WaitGroup
		side.Go(items)
		effects()
		side.Wait()
	}
	for seq, f := range beyond {
		j.beyond[seq] |= f
	}
}

// unplanned lists the ids of this run that were never planned, and are there.
func (j *judge) unplanned() {
	for seq, f := range j.beyond {
		if f&found != 0 && !j.e.TablesShared {
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
			w.removals[seq] = n
		case !j.e.OneTable && n.Compare(w.newest[i]) > 0:
			w.newest[i] = n
		}
	}
	j.account.Deliveries.Records = &records
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

// deliveries counts what was handed over. A record is its id and its sequence
// number; nearly every id has one record, so the first is kept in a slice and
// only the others need a map.
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
	others := map[record]bool{}
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
		known := here && w.seen[i]&delivered != 0
		switch r := (record{seq, n}); {
		case known && w.handed[i] == n, others[r]:
			again++
		case known || !here:
			others[r] = true
		default:
			w.handed[i] = n
		}
		if gone, ok := w.removals[seq]; ok && gone == n {
			j.mark(seq, mark&^delivered)
			continue
		}
		j.mark(seq, mark)
	}
	if before := j.account.Deliveries.Redelivered; before != nil {
		again += *before
	}
	j.account.Deliveries.Delivered = &all
	j.account.Deliveries.Redelivered = &again
}

func (j *judge) items(r *Read, beyond map[uint64]flags) {
	if r.Items == nil || !j.e.ItemsObserved {
		return
	}
	w := j.w
	for v := range r.Items {
		i, here := w.at(v.Seq)
		if !here {
			j.markBeyond(beyond, v.Seq, inItems)
			continue
		}
		w.items.set(i)
		switch {
		case !v.HasDigest:
		case j.e.Digest == nil:
			w.expect(i, v.Digest) // the effect must be of what is stored, at least
		case v.Digest != w.digest(i):
			w.wrong.set(i)
		}
	}
}

// effects notes the applications that one read found. Rows of one id within
// one read add up; across reads they are the same ones.
func (j *judge) effects(r *Read, here flags) {
	if r.Effects == nil || !j.e.EffectsObserved {
		return
	}
	for v := range r.Effects {
		if v.Count == 0 {
			continue // a row that says it was never applied
		}
		i, inside := j.w.at(v.Seq)
		if !inside {
			j.mark(v.Seq, applied)
			continue
		}
		s := &j.w.seen[i]
		if v.Count > 1 || v.Count > 0 && *s&here != 0 {
			*s |= twice
		}
		if v.Count < 0 {
			j.uncounted++
		} else {
			*s |= here
		}
		*s |= applied
		if !j.compare(i, v) {
			j.uncompared++
		}
		if j.e.Guarantee.Deadline != 0 && v.At.IsZero() {
			j.untimed++
		}
		if j.e.Guarantee.Deadline == 0 || v.At.IsZero() ||
			v.At.Sub(j.e.Started)-j.e.Due(v.Seq) <= j.e.Guarantee.Deadline {
			*s |= onTime
		}
	}
}

// compare holds an effect against what it should be; false: there was nothing
// to compare.
func (j *judge) compare(i uint64, v bench.Effect) bool {
	compared := false
	w := j.w
	s := &w.seen[i]
	if v.HasDigest && (j.e.Digest != nil || w.known.has(i)) {
		compared = true
		if v.Digest != w.digest(i) {
			*s |= wrongDigest
		}
	}
	if !v.Sequence.IsZero() && w.newest != nil && !w.newest[i].IsZero() {
		compared = true
		if v.Sequence.Compare(w.newest[i]) < 0 {
			*s |= stale
		} else {
			*s |= fresh
		}
	}
	return compared
}

// deadLetters takes the last read that is complete, else whatever there is.
func (j *judge) deadLetters() {
	reads := make([]*Read, 0, 2)
	for r := range j.e.Reads {
		if j.e.Reads[r].DeadLetters != nil {
			reads = append(reads, &j.e.Reads[r])
		}
	}
	for _, r := range slices.Backward(reads) {
		if r.Complete {
			reads = []*Read{r}
			break
		}
	}
	for _, r := range reads {
		var n int64
		for d := range r.DeadLetters {
			if j.sentinel(d.Seq) {
				continue
			}
			n++
			if d.Readable {
				j.mark(d.Seq, deadReadable)
			}
		}
		if c := &j.account.Deliveries.DeadLettered; *c == nil || **c < n {
			*c = &n
		}
	}
}
