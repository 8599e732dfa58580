package reconcile

import (
	"slices"

	"github.com/ackproof/ackproof/bench"
)

// keyOracle is oracle where the results table has one row for all versions of a key.
func keyOracle(w *world) map[uint64]string {
	e := w.e
	planned := uint64(len(w.outcomes))
	readDone := e.Reads[0].Complete || e.Reads[1].Complete
	o := &keyedWorld{world: w, whole: e.Architecture == bench.Streams && e.StreamWhole, done: readDone, seen: map[uint64]bool{}, effects: map[uint64][]bench.Effect{}, applied: map[uint64]int64{}}
	for r := range w.reads {
		once := map[uint64]int64{}
		for _, i := range w.reads[r].items {
			if e.ItemsObserved && !i.OfKey {
				o.seen[i.Seq] = true
				if i.HasDigest && i.Digest != digestOf(i.Seq) {
					o.spoilt = append(o.spoilt, i.Seq)
				}
			}
		}
		for _, v := range w.reads[r].effects {
			if e.EffectsObserved && v.Count != 0 {
				o.effects[v.Seq] = append(o.effects[v.Seq], v)
				once[v.Seq] += max(v.Count, 0)
			}
		}
		for _, v := range w.reads[r].latest {
			if !e.EffectsObserved {
				continue
			}
			if seq, is := o.version(v); is {
				o.effects[seq] = append(o.effects[seq], v)
			}
		}
		for seq, n := range once {
			o.applied[seq] = max(o.applied[seq], n)
		}
	}
	for _, c := range w.commits {
		o.seen[seqOf(c.ID)] = true
	}
	for _, d := range w.deliveries {
		if e.Architecture == bench.Streams {
			o.seen[seqOf(d.ID)] = true
		}
	}
	out := map[uint64]string{}
	for seq := range planned {
		out[seq] = o.verdict(seq)
	}
	for seq := range o.seen {
		if seq >= planned && !e.TablesShared {
			out[seq] = "unexpected"
		}
	}
	for seq := range o.effects {
		if seq >= planned && !e.TablesShared {
			out[seq] = "unexpected"
		}
	}
	return out
}

type keyedWorld struct {
	*world
	whole, done bool
	seen        map[uint64]bool // in a table or in the stream
	spoilt      []uint64        // with other content than was sent
	effects     map[uint64][]bench.Effect
	applied     map[uint64]int64
}

func seqOf(id string) uint64 {
	parsed, _ := bench.ParseID(id)
	return parsed.Seq
}

// last is the last record of a key.
func (o *keyedWorld) last(k uint64) (seq uint64, n bench.Sequence, any bool) {
	for _, c := range o.commits {
		if m, err := bench.ParseSequence(c.Sequence); err == nil && o.e.Key(seqOf(c.ID)) == k && m.Compare(n) > 0 {
			seq, n, any = seqOf(c.ID), m, true
		}
	}
	return seq, n, any
}

// newest is the version that an item must show.
func (o *keyedWorld) newest(k uint64) (seq uint64, there, known bool) {
	var in *bench.Item // what the table shows last, by what it can be relied on
	for r := range o.reads {
		for _, i := range o.reads[r].items {
			key := i.Seq
			if !i.OfKey {
				if i.Seq >= uint64(len(o.outcomes)) {
					continue
				}
				key = o.e.Key(i.Seq)
			}
			if key == k && o.e.ItemsObserved && (in == nil || o.e.Reads[r].Complete) {
				in = &i
			}
		}
	}
	if in != nil && !in.OfKey {
		return in.Seq, true, true
	}
	seq, _, there = o.last(k)
	return seq, there, o.whole || in == nil && !there && o.done && o.e.ItemsObserved
}

// version is the version that a row shows, as far as that can be told: the newest, or
// one that it names.
func (o *keyedWorld) version(v bench.Effect) (seq uint64, is bool) {
	if !v.OfKey {
		return v.Seq, true
	}
	newest, shows := o.showsNewest(v)
	return newest, shows == "yes"
}

// showsNewest says whether a row that names no version shows the newest: yes, no or
// unknown.
func (o *keyedWorld) showsNewest(v bench.Effect) (newest uint64, answer string) {
	newest, there, known := o.newest(v.Seq)
	if !known || !there {
		return 0, "unknown"
	}
	say := map[bool]string{true: "yes", false: "no"}
	last, n, any := o.last(v.Seq)
	numbered := any && last == newest && !v.Sequence.IsZero()
	switch {
	case numbered && v.Sequence == n:
		return newest, "yes"
	case v.HasDigest:
		return newest, say[v.Digest == digestOf(newest)]
	case numbered && v.Sequence.Compare(n) < 0:
		return newest, "no"
	}
	return newest, "unknown"
}

// row says what the row of a key shows at the end, beside its newest version: that, another, nothing,
// or nobody knows.
func (o *keyedWorld) row(k, newest uint64) string {
	shows := ""
	for r := range o.reads {
		for _, v := range o.reads[r].latest {
			key := v.Seq
			if !v.OfKey {
				key = o.e.Key(v.Seq)
			}
			if key != k || !o.e.EffectsObserved || shows != "" && !o.e.Reads[r].Complete {
				continue
			}
			switch {
			case v.OfKey:
				_, answer := o.showsNewest(v)
				shows = map[string]string{"yes": "it", "no": "another", "unknown": "unknown"}[answer]
			case v.Seq == newest:
				shows = "it"
			default:
				shows = "another"
			}
		}
	}
	if shows == "" && !(o.done && o.e.EffectsObserved) {
		return "unknown"
	}
	return shows
}

// stored says whether a version was stored before the newest one was, or is it.
func (o *keyedWorld) stored(seq uint64) (is, known bool) {
	outcome, effect := o.outcomes[seq], len(o.effects[seq]) > 0
	if !o.e.ItemsObserved {
		return o.seen[seq] || outcome == bench.Acknowledged || outcome == bench.Unknown && effect, true
	}
	newest, there, newestKnown := o.newest(o.e.Key(seq))
	switch {
	case o.seen[seq] || effect:
		return true, true
	case o.whole:
		return false, true
	case !newestKnown:
		return false, false
	case !there:
		return false, true
	case outcome == bench.Refused:
		return false, false
	}
	was, last := o.attempt(seq), o.attempt(newest)
	ordered := last.Outcome == bench.Acknowledged && last.Retry == 0 && o.e.Architecture != bench.FireAndForget
	return !(ordered && was.Outcome == bench.Acknowledged && was.Sent >= last.End), true
}

func (o *keyedWorld) verdict(seq uint64) string {
	e, outcome, effects := &o.e, o.outcomes[seq], o.effects[seq]
	stored, storedKnown := o.stored(seq)
	effectKnown := len(effects) > 0 || e.EffectsObserved && o.done
	switch {
	case outcome == bench.Unsent:
		if (o.seen[seq] || len(effects) > 0) && !e.TablesShared {
			return "unexpected"
		}
		return ""
	case outcome == bench.Refused && (stored || len(effects) > 0):
		return "phantom"
	case outcome == bench.Refused && storedKnown && effectKnown:
		return "rejected"
	case outcome == bench.Refused || !storedKnown:
		return "unread"
	case !stored && outcome == bench.Acknowledged:
		return o.excuse(seq, "lost_write")
	case !effectKnown:
		return "unread"
	case !stored && e.Drain.Proof == bench.DrainNone:
		return "pending"
	case !stored:
		return "not_applied"
	case len(effects) > 0:
		return o.processed(seq)
	}
	newest, there, known := o.newest(e.Key(seq))
	is := there && newest == seq
	row := o.row(e.Key(seq), newest)
	switch {
	case !known || is && row == "unknown":
		return "unread"
	case there && !is && o.given(seq):
		return "dead_lettered"
	case there && !is:
		return "superseded"
	case e.Architecture == bench.Sync && outcome == bench.Unknown:
		return o.excuse(seq, "partial")
	case is && row == "another" && e.Guarantee.Effects != NoGuarantee:
		return o.excuse(seq, "wrong_effect")
	}
	return o.excuse(seq, "lost_processing")
}

// processed is the verdict of one that has an effect.
func (o *keyedWorld) processed(seq uint64) string {
	e := &o.e
	if o.applied[seq] > 1 && e.Guarantee.Effects == ExactlyOnce {
		return "duplicated"
	}
	late := true
	for _, v := range o.effects[seq] {
		if v.HasDigest && v.Digest != digestOf(seq) {
			return "wrong_effect"
		}
		if e.Guarantee.Deadline == 0 || !v.At.After(e.Started.Add(due(seq)+e.Guarantee.Deadline)) {
			late = false
		}
	}
	if slices.Contains(o.spoilt, seq) {
		return "wrong_effect"
	}
	if newest, there, _ := o.newest(e.Key(seq)); there && newest == seq {
		switch row := o.row(e.Key(seq), newest); {
		case row == "another" && e.Drain.Proof == bench.DrainNone:
			return "pending"
		case row == "unknown":
			return "unread"
		case row == "another":
			return "wrong_effect"
		}
	}
	switch {
	case o.outcomes[seq] == bench.Unknown:
		return "recovered"
	case late:
		return "processed_late"
	}
	return "processed"
}

// given reports whether a dead letter of a request can be read back.
func (o *keyedWorld) given(seq uint64) bool {
	from := []int{0, 1}
	if o.e.Reads[1].Complete && o.reads[1].letters != nil {
		from = []int{1}
	} else if o.e.Reads[0].Complete && o.reads[0].letters != nil {
		from = []int{0}
	}
	for _, r := range from {
		for _, l := range o.reads[r].letters {
			if l.Seq == seq && l.Readable {
				return true
			}
		}
	}
	return false
}

func (o *keyedWorld) excuse(seq uint64, otherwise string) string {
	switch {
	case o.given(seq):
		return "dead_lettered"
	case o.e.Drain.Proof == bench.DrainNone:
		return "pending"
	}
	return otherwise
}
