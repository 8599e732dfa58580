package reconcile

import (
	"cmp"
	"slices"

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
	haveDigest                     // expected[seq] is filled in
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
	e        *Evidence
	n        uint64
	seen     []flags
	outcome  []bench.Outcome // Unsent: not sent
	beyond   map[uint64]flags
	expected []bench.Digest            // by seq, see digest
	newest   []bench.Sequence          // of the commits that wrote, by seq; nil: no commits were seen
	removals map[uint64]bench.Sequence // by seq: the commit that took the item away, if one did

	itemsKnown   bool // what is not in the items table is known not to be there
	effectsKnown bool
	drained      bool

	rows       int64 // effects of this run, in both reads
	uncounted  int64 // of them, those whose applications nobody counted
	untimed    int64 // effect rows without a time, where there is a deadline
	uncompared int64 // of them, those with neither digest nor sequence to compare

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

// mark notes what was seen of an id, which may be one beyond the plan.
func (j *judge) mark(seq uint64, f flags) {
	if seq < j.n {
		j.seen[seq] |= f
	} else if seq-j.n >= j.e.Sentinels {
		j.beyond[seq] |= f
	}
}

func (j *judge) collect() {
	j.requests()
	j.commits()
	j.deliveries()
	for r := range j.e.Reads {
		j.items(&j.e.Reads[r])
	}
	mark := [...]flags{seenFirst, seenSecond}
	for r := range j.e.Reads {
		j.effects(&j.e.Reads[r], mark[r])
	}
	j.deadLetters()
	for seq, f := range j.beyond {
		if f&found != 0 && !j.e.TablesShared {
			j.account.extra = append(j.account.extra, extraID{seq, f})
		}
	}
	slices.SortFunc(j.account.extra, func(a, b extraID) int { return cmp.Compare(a.seq, b.seq) })
}

func (j *judge) requests() {
	count := &j.account.Requests
	count.Planned = j.e.Planned
	for seq := range j.n {
		a, sent := j.e.Request(seq)
		if !sent {
			count.Unsent++
			continue
		}
		count.Sent++
		switch a.Outcome {
		case bench.Acknowledged:
			count.Acknowledged++
		case bench.Refused:
			count.Refused++
		default: // sent without an outcome is one that nobody knows
			a.Outcome = bench.Unknown
			count.Unknown++
		}
		j.outcome[seq] = a.Outcome
	}
}

func (j *judge) commits() {
	if j.e.Commits == nil {
		return
	}
	j.newest, j.removals = make([]bench.Sequence, j.n), map[uint64]bench.Sequence{}
	var records int64
	shards := j.settled()
	for c := range j.e.Commits {
		records++
		seq, ours := j.seq(c.ID)
		if !ours {
			continue
		}
		n, err := bench.ParseSequence(c.Sequence)
		until, known := shards[c.Shard]
		switch {
		case c.Removed: // asks for no work: nothing depends on its being settled
			j.mark(seq, inStream)
		case known && err == nil && n.Compare(until) <= 0:
			j.mark(seq, inStream|over)
		default:
			j.mark(seq, inStream|open)
		}
		switch {
		case err != nil || seq >= j.n:
		case c.Removed:
			// What has gone was there: an effect of the last version is not
			// outdated by it, and to be handed its removal is not to be handed it.
			j.removals[seq] = n
		case !j.e.OneTable && n.Compare(j.newest[seq]) > 0:
			j.newest[seq] = n
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
	var all, again int64
	first := make([]bench.Sequence, j.n)
	others := map[record]bool{}
	mark := delivered
	if j.e.Architecture == bench.Streams {
		mark |= inStream // a stream record is handed over, so there was one
	}
	for d := range j.e.Deliveries {
		all++
		seq, ours := j.seq(d.ID)
		if !ours {
			continue
		}
		n, _ := bench.ParseSequence(d.Sequence) // an asynchronous event has none: zero
		known := seq < j.n && j.seen[seq]&delivered != 0
		switch r := (record{seq, n}); {
		case known && first[seq] == n, others[r]:
			again++
		case known || seq >= j.n:
			others[r] = true
		default:
			first[seq] = n
		}
		if gone, ok := j.removals[seq]; ok && gone == n {
			j.mark(seq, mark&^delivered)
			continue
		}
		j.mark(seq, mark)
	}
	j.account.Deliveries.Delivered = &all
	j.account.Deliveries.Redelivered = &again
}

func (j *judge) items(r *Read) {
	if r.Items == nil || !j.e.ItemsObserved {
		return
	}
	for i := range r.Items {
		j.mark(i.Seq, inItems)
		if i.Seq < j.n && i.HasDigest && j.e.Digest != nil {
			if i.Digest != j.digest(i.Seq) {
				j.seen[i.Seq] |= wrongDigest
			}
		}
		if i.Seq < j.n && i.HasDigest && j.e.Digest == nil {
			j.expect(i.Seq, i.Digest) // the effect must be of what is stored, at least
		}
	}
}

// digest is what the payload's digest must be. It is computed once per id:
// making a payload again costs more than everything else here.
func (j *judge) digest(seq uint64) bench.Digest {
	if j.seen[seq]&haveDigest == 0 && j.e.Digest != nil {
		j.expect(seq, j.e.Digest(seq))
	}
	return j.expected[seq]
}

func (j *judge) expect(seq uint64, d bench.Digest) {
	if j.expected == nil {
		j.expected = make([]bench.Digest, j.n)
	}
	j.expected[seq] = d
	j.seen[seq] |= haveDigest
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
		if v.Seq >= j.n {
			j.mark(v.Seq, applied)
			continue
		}
		j.rows++
		s := &j.seen[v.Seq]
		if v.Count > 1 || v.Count > 0 && *s&here != 0 {
			*s |= twice
		}
		if v.Count < 0 {
			j.uncounted++
		} else {
			*s |= here
		}
		*s |= applied
		if !j.compare(v) {
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
func (j *judge) compare(v bench.Effect) bool {
	compared := false
	s := &j.seen[v.Seq]
	if v.HasDigest && (j.e.Digest != nil || *s&haveDigest != 0) {
		compared = true
		if v.Digest != j.digest(v.Seq) {
			*s |= wrongDigest
		}
	}
	if !v.Sequence.IsZero() && j.newest != nil && !j.newest[v.Seq].IsZero() {
		compared = true
		if v.Sequence.Compare(j.newest[v.Seq]) < 0 {
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
