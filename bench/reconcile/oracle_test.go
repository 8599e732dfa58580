package reconcile

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ackproof/ackproof/bench"
)

// oracle judges a world a second time, the way one would on paper: by id, with
// maps, and with no thought for speed. It is written from the table in the
// package comment, and shares nothing with the judge but the types.
func oracle(w *world) map[uint64]string {
	e := w.e
	if e.PerKey {
		return keyOracle(w)
	}
	items, commits, delivered := map[string]bool{}, map[string]bool{}, map[string]bool{}
	newest := map[string]bench.Sequence{}
	storedDigests := map[string][]bench.Digest{}
	applications := [2]map[string]int64{{}, {}}
	effects := map[string][]bench.Effect{}
	ids := map[string]uint64{}
	note := func(seq uint64) string { ids[idOf(seq)] = seq; return idOf(seq) }
	for seq := range w.outcomes {
		note(uint64(seq))
	}
	for r := range w.reads {
		for _, i := range w.reads[r].items {
			if e.ItemsObserved {
				id := note(i.Seq)
				items[id] = true
				if i.HasDigest {
					storedDigests[id] = append(storedDigests[id], i.Digest)
				}
			}
		}
		for _, v := range w.reads[r].effects {
			if e.EffectsObserved && v.Count != 0 {
				id := note(v.Seq)
				effects[id] = append(effects[id], v)
				if v.Count > 0 {
					applications[r][id] += v.Count
				}
			}
		}
	}
	latest, final, lastWrite := map[uint64]bench.Effect{}, map[uint64]uint64{}, map[uint64]bench.Sequence{}
	if e.Key != nil {
		for r := range w.reads {
			for _, i := range w.reads[r].items {
				if _, known := final[e.Key(i.Seq)]; i.Seq < uint64(len(w.outcomes)) && e.ItemsObserved && (e.Reads[r].Complete || !known) {
					final[e.Key(i.Seq)] = i.Seq
				}
			}
			for _, v := range w.reads[r].latest {
				if !e.EffectsObserved {
					continue
				}
				v.Sequence = bench.Sequence{}
				v.Count = -1
				effects[note(v.Seq)] = append(effects[note(v.Seq)], v)
				if _, known := latest[e.Key(v.Seq)]; e.Reads[r].Complete || !known {
					latest[e.Key(v.Seq)] = v
				}
			}
		}
		inTable := maps.Clone(final)
		for _, c := range w.commits {
			id, _ := bench.ParseID(c.ID)
			n, err := bench.ParseSequence(c.Sequence)
			k := e.Key(id.Seq)
			if _, known := inTable[k]; err == nil && !known && n.Compare(lastWrite[k]) > 0 {
				final[k], lastWrite[k] = id.Seq, n
			}
		}
	}
	for _, c := range w.commits {
		commits[c.ID] = true
		id, _ := bench.ParseID(c.ID)
		note(id.Seq)
		if n, err := bench.ParseSequence(c.Sequence); err == nil && n.Compare(newest[c.ID]) > 0 {
			newest[c.ID] = n
		}
	}
	for _, d := range w.deliveries {
		delivered[d.ID] = true
		id, _ := bench.ParseID(d.ID)
		note(id.Seq)
	}
	letters := map[string]bool{}
	from := []int{0, 1}
	if e.Reads[1].Complete && w.reads[1].letters != nil {
		from = []int{1}
	} else if e.Reads[0].Complete && w.reads[0].letters != nil {
		from = []int{0}
	}
	for _, r := range from {
		for _, l := range w.reads[r].letters {
			if l.Readable {
				letters[idOf(l.Seq)] = true
			}
		}
	}
	whole := e.Reads[0].Complete || e.Reads[1].Complete
	drained := e.Drain.Proof != bench.DrainNone

	out := map[uint64]string{}
	for id, seq := range ids {
		outcome := bench.Unsent
		if seq < uint64(len(w.outcomes)) {
			outcome = w.outcomes[seq]
		}
		hasEffect := len(effects[id]) > 0
		seenStored := items[id] || commits[id] || e.Architecture == bench.Streams && delivered[id]
		stored, storedKnown := seenStored, seenStored || e.ItemsObserved && whole
		if !e.ItemsObserved {
			stored = seenStored || outcome == bench.Acknowledged || outcome == bench.Unknown && hasEffect
			storedKnown = true
		}
		effectKnown := hasEffect || e.EffectsObserved && whole
		if e.Key != nil && e.ItemsObserved {
			stored = seenStored || hasEffect
			storedKnown = stored || e.StreamWhole && e.Architecture == bench.Streams || e.Architecture != bench.Streams && whole && e.EffectsObserved
		}

		excuse := func(otherwise string) string {
			if letters[id] {
				return "dead_lettered"
			}
			if !drained {
				return "pending"
			}
			return otherwise
		}
		verdict := func() string {
			if outcome == bench.Unsent {
				if (seenStored || hasEffect) && !e.TablesShared {
					return "unexpected"
				}
				return ""
			}
			if outcome == bench.Refused {
				if stored || hasEffect {
					return "phantom"
				}
				if !storedKnown || !effectKnown {
					return "unread"
				}
				return "rejected"
			}
			if !storedKnown {
				return "unread"
			}
			if hasEffect && !stored {
				return "orphan_effect"
			}
			if outcome == bench.Acknowledged && !stored {
				return excuse("lost_write")
			}
			if !effectKnown {
				return "unread"
			}
			if !stored {
				if !drained {
					return "pending"
				}
				return "not_applied"
			}
			if !hasEffect {
				if e.Architecture == bench.Sync && outcome == bench.Unknown {
					return excuse("partial")
				}
				return excuse("lost_processing")
			}
			if max(applications[0][id], applications[1][id]) > 1 && e.Guarantee.Effects == ExactlyOnce {
				return "duplicated"
			}
			outdated, current, late := false, false, true
			for _, d := range storedDigests[id] {
				if d != digestOf(seq) {
					return "wrong_effect"
				}
			}
			for _, v := range effects[id] {
				if v.HasDigest && v.Digest != digestOf(seq) {
					return "wrong_effect"
				}
				if n, ok := newest[id]; ok && !v.Sequence.IsZero() && e.Key == nil {
					if v.Sequence.Compare(n) < 0 {
						outdated = true
					} else {
						current = true
					}
				}
				if e.Guarantee.Deadline == 0 || !v.At.After(e.Started.Add(due(seq)+e.Guarantee.Deadline)) {
					late = false
				}
			}
			unsure := false
			if f, known := final[key(e, seq)]; e.Key != nil && known && f == seq {
				shown, there := latest[key(e, seq)]
				switch {
				case there && shown.Seq == seq:
				case there || e.EffectsObserved && whole:
					outdated = true
				default:
					unsure = true
				}
			}
			if unsure {
				return "unread"
			}
			if outdated && !current {
				if !drained {
					return "pending"
				}
				return "wrong_effect"
			}
			if outcome == bench.Unknown {
				return "recovered"
			}
			if late {
				return "processed_late"
			}
			return "processed"
		}
		out[seq] = verdict()
	}
	return out
}

func key(e Evidence, seq uint64) uint64 {
	if e.Key == nil {
		return 0
	}
	return e.Key(seq)
}

// drawWorld makes a small history in which anything may be missing, doubled or
// wrong, also in one read and not in the other.
func drawWorld(t *rapid.T) *world {
	n := rapid.Uint64Range(0, 12).Draw(t, "requests")
	w := newWorld(n)
	if keys := rapid.Uint64Range(0, 4).Draw(t, "keys"); keys > 0 {
		if w = newVersionsWorld(n, keys); rapid.Bool().Draw(t, "one row") {
			w = newKeyedWorld(n, keys)
		}
		w.e.StreamWhole = rapid.Bool().Draw(t, "stream whole")
	}
	chance := func(what string, percent int) bool { return rapid.IntRange(1, 100).Draw(t, what) <= percent }
	e := &w.e
	e.Architecture = rapid.SampledFrom(bench.Architectures()).Draw(t, "architecture")
	e.Guarantee.Effects = rapid.SampledFrom([]EffectGuarantee{ExactlyOnce, AtLeastOnce, NoGuarantee}).Draw(t, "guarantee")
	e.Guarantee.DeadLettersAllowed = chance("letters allowed", 50)
	if chance("deadline", 30) {
		e.Guarantee.Deadline = 60 * time.Millisecond
	}
	w.slow, w.again = map[uint64]bool{}, map[uint64]bool{}
	for seq := range n {
		w.slow[seq], w.again[seq] = chance("slow", 20), chance("again", 10)
	}
	e.ItemsObserved, e.EffectsObserved = !chance("no items", 15), !chance("no effects", 15)
	e.TablesShared = chance("shared", 20)
	if chance("undrained", 30) {
		e.Drain.Proof = bench.DrainNone
	}
	for r := range e.Reads {
		e.Reads[r].Complete = !chance("incomplete", 25)
	}
	for seq := range w.outcomes {
		w.outcomes[seq] = rapid.SampledFrom([]bench.Outcome{
			bench.Acknowledged, bench.Acknowledged, bench.Acknowledged, bench.Refused, bench.Unknown, bench.Unsent,
		}).Draw(t, "outcome")
	}
	for r := range w.reads {
		read := &w.reads[r]
		read.items = slices.DeleteFunc(read.items, func(bench.Item) bool { return chance("no item", 25) })
		read.effects = slices.DeleteFunc(read.effects, func(bench.Effect) bool { return chance("no effect", 25) })
		for i := range read.items {
			if chance("item wrong", 5) {
				read.items[i].Digest++
			}
		}
		for i := range read.effects {
			v := &read.effects[i]
			v.Count = rapid.SampledFrom([]int64{1, 1, 1, 1, 2, -1, 0}).Draw(t, "count")
			v.Sequence.Lo = rapid.SampledFrom([]uint64{v.Sequence.Lo, v.Sequence.Lo, v.Sequence.Lo - 1, 0}).Draw(t, "sequence")
			if chance("wrong", 10) {
				v.Digest++
			}
			if chance("no digest", 10) {
				v.HasDigest = false
			}
			if chance("slow", 20) {
				v.At = v.At.Add(time.Second)
			}
		}
		read.latest = slices.DeleteFunc(read.latest, func(bench.Effect) bool { return chance("no latest", 15) })
		for i := range read.latest {
			v := &read.latest[i]
			if k := w.e.Key(v.Seq); chance("an older one", 20) {
				*v = goodEffect(k)
			}
			if chance("latest wrong", 10) {
				v.Digest++
			}
			if e.PerKey && chance("no name", 40) {
				v.Seq, v.OfKey, v.HasDigest = w.e.Key(v.Seq), true, chance("digest", 50)
				if chance("no sequence", 50) {
					v.Sequence = bench.Sequence{}
				}
			}
		}
		for i, v := range read.items {
			if e.PerKey && chance("no version", 10) {
				read.items[i] = bench.Item{Seq: w.e.Key(v.Seq), OfKey: true}
			}
		}
		if e.PerKey && n > 0 && chance("own row", 20) {
			read.effects = append(read.effects, goodEffect(rapid.Uint64Range(0, n-1).Draw(t, "of")))
		}
		if len(read.effects) > 0 && chance("second row", 20) {
			read.effects = append(read.effects, rapid.SampledFrom(read.effects).Draw(t, "row"))
		}
		if chance("beyond the plan", 10) {
			read.items = append(read.items, bench.Item{Seq: n + 3})
			read.effects = append(read.effects, bench.Effect{Seq: n + 5, Count: 1})
		}
		if chance("a destination", 50) {
			read.letters = []bench.DeadLetter{}
			for seq := range n {
				if chance("letter", 25) {
					read.letters = append(read.letters, bench.DeadLetter{Seq: seq, Readable: chance("readable", 60)})
				}
			}
		}
	}
	w.commits = slices.DeleteFunc(w.commits, func(bench.Commit) bool { return chance("no commit", 30) })
	w.deliveries = slices.DeleteFunc(w.deliveries, func(bench.Delivery) bool { return chance("no delivery", 40) })
	if chance("stream not observed", 20) {
		w.commits, w.deliveries = nil, nil
	}
	return w
}

func TestAgainstOracle(t *testing.T) {
	seen := map[string]int{}
	unseen := func(v bench.ItemVerdict) bool { return seen[v.String()] == 0 }
	// A hundred histories are too few to meet each verdict, and two thousand almost
	// always enough.
	for round := 0; round < 20 || round < 200 && slices.ContainsFunc(bench.ItemVerdicts(), unseen); round++ {
		rapid.Check(t, func(t *rapid.T) { compareWithOracle(t, seen) })
	}
	for _, v := range bench.ItemVerdicts() {
		if unseen(v) {
			t.Errorf("no history had an item that is %v: the oracle compared nothing there", v)
		}
	}
}

func compareWithOracle(t *rapid.T, seen map[string]int) {
	w := drawWorld(t)
	want, a := oracle(w), w.judge()

	counts := map[string]int64{}
	var findings []string
	seqs := make([]uint64, 0, len(want))
	for seq := range want {
		seqs = append(seqs, seq)
	}
	slices.Sort(seqs)
	for _, seq := range seqs {
		v := want[seq]
		if got := a.Of(seq).String(); got != v {
			t.Fatalf("request %d: judge %q, oracle %q", seq, got, v)
		}
		seen[v]++
		counts[v]++
		switch v {
		case "", "processed", "processed_late", "recovered", "not_applied", "rejected", "superseded":
		case "unread":
			if w.e.EffectsObserved {
				findings = append(findings, fmt.Sprint(seq, " ", v))
			}
		default:
			findings = append(findings, fmt.Sprint(seq, " ", v))
		}
	}
	for _, v := range bench.ItemVerdicts() {
		got, observed := a.Items.Of(v)
		if !observed && counts[v.String()] > 0 {
			t.Fatalf("%v is null, and was seen %d times", v, counts[v.String()])
		}
		if observed && got != counts[v.String()] {
			t.Fatalf("%v: counted %d, oracle %d", v, got, counts[v.String()])
		}
	}
	byOutcome := map[bench.Outcome]int64{}
	for _, o := range w.outcomes {
		byOutcome[o]++
	}
	requests := bench.Requests{
		Planned: int64(len(w.outcomes)), Unsent: byOutcome[bench.Unsent], Sent: int64(len(w.outcomes)) - byOutcome[bench.Unsent],
		Acknowledged: byOutcome[bench.Acknowledged], Refused: byOutcome[bench.Refused], Unknown: byOutcome[bench.Unknown],
	}
	if a.Requests != requests {
		t.Fatalf("requests %+v, oracle %+v", a.Requests, requests)
	}
	if p := a.PhaseItems; p[0].Attempted+p[1].Attempted != a.Items.Attempted || p[0].Lost()+p[1].Lost() != a.Items.Lost() {
		t.Fatalf("phases %+v, together %+v", p, a.Items)
	}
	var got []string
	for _, f := range a.Findings {
		got = append(got, fmt.Sprint(f.Seq, " ", f.Verdict))
	}
	if !slices.Equal(got, findings) {
		t.Fatalf("findings %v, oracle %v", got, findings)
	}
	sameInWindows(t, w, a)
	if want := oracleVerdict(w, counts, a); a.Verdict != want {
		t.Fatalf("run: judge %s %v, oracle %s", a.Verdict, a.Reasons, want)
	}
}

// sameInWindows judges the world again in windows: that may cost time, and change
// nothing.
func sameInWindows(t *rapid.T, w *world, want Account) {
	e := w.evidence()
	e.Window = rapid.Uint64Range(1, uint64(len(w.outcomes))+1).Draw(t, "window")
	e.cores = rapid.Uint64Range(1, 4).Draw(t, "cores")
	var found []bench.Finding
	e.Found = func(f bench.Finding) { found = append(found, f) }
	if got := Judge(e); !reflect.DeepEqual(got, want) {
		t.Fatalf("in windows of %d, %d cores: %+v, at once %+v", e.Window, e.cores, got, want)
	}
	if !slices.Equal(found, want.Findings) {
		t.Fatalf("in windows of %d: found %v, at once %v", e.Window, found, want.Findings)
	}
}

// oracleVerdict says what the counts make of the run.
func oracleVerdict(w *world, counts map[string]int64, a Account) bench.Verdict {
	promised := w.e.Guarantee.Effects != NoGuarantee
	failing := "lost_write duplicated wrong_effect phantom orphan_effect unexpected"
	if promised {
		failing += " lost_processing"
		if !w.e.Guarantee.DeadLettersAllowed {
			failing += " dead_lettered"
		}
	}
	for _, v := range strings.Fields(failing) {
		if counts[v] > 0 {
			return bench.Fail
		}
	}
	if promised && counts["pending"]+counts["unread"] > 0 {
		return bench.VerdictUnknown
	}
	for _, g := range a.Gates {
		if !g.OK && g.Name != bench.GateSendDelay && g.Name != bench.GateGeneratorCPU {
			return bench.VerdictUnknown
		}
	}
	return bench.Pass
}

// TestBooksMustBalance plants each way in which the books could be wrong, and
// asks that none of them passes.
func TestBooksMustBalance(t *testing.T) {
	for name, change := range map[string]func(*Account){
		"one unsent too many": func(a *Account) { a.Requests.Unsent++ },
		"outcomes swapped":    func(a *Account) { a.Requests.Unknown++ },
		"one sent not judged": func(a *Account) { a.Items.Attempted--; a.Items.Processed-- },
		"one judged twice":    func(a *Account) { a.Items.LostWrite++ },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			j := &judge{account: newWorld(30).judge()}
			j.balance() // sound as it stands
			change(&j.account)
			j.balance()
		})
	}
}
