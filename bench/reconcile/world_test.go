package reconcile

import (
	"fmt"
	"iter"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
)

const testRun = bench.RunID("k3v9x2ab")

var testStart = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is a small run in plain values, from which evidence is made. A new one
// is a run in which everything went well.
type world struct {
	outcomes []bench.Outcome // Unsent: not sent
	slow     map[uint64]bool // by request: answered when all others were
	again    map[uint64]bool // by request: the answer is that of a retry
	reads    [2]struct {
		items   []bench.Item
		effects []bench.Effect
		latest  []bench.Effect
		letters []bench.DeadLetter
	}
	commits    []bench.Commit
	deliveries []bench.Delivery
	e          Evidence
}

func idOf(seq uint64) string { return bench.ID{Run: testRun, Seq: seq}.String() }

func digestOf(seq uint64) bench.Digest { return bench.Digest(seq*7919 + 1) }

func digestsOf(first uint64, into []bench.Digest) {
	for i := range into {
		into[i] = digestOf(first + uint64(i))
	}
}

func due(seq uint64) time.Duration { return time.Duration(seq) * 10 * time.Millisecond }

func goodEffect(seq uint64) bench.Effect {
	return bench.Effect{Seq: seq, Count: 1, Sequence: bench.Sequence{Lo: 1000 + seq}, Digest: digestOf(seq),
		HasDigest: true, At: testStart.Add(due(seq) + 50*time.Millisecond)}
}

// newWorld makes a run of n requests, one every 10 ms, with one fault in its
// middle third, all of it good.
func newWorld(n uint64) *world {
	w := &world{}
	for seq := range n {
		w.outcomes = append(w.outcomes, bench.Acknowledged)
		for r := range w.reads {
			w.reads[r].items = append(w.reads[r].items, bench.Item{Seq: seq, Digest: digestOf(seq), HasDigest: true})
			w.reads[r].effects = append(w.reads[r].effects, goodEffect(seq))
		}
		sequence := fmt.Sprint(1000 + seq)
		w.commits = append(w.commits, bench.Commit{Shard: "s0", Sequence: sequence, ID: idOf(seq), At: testStart.Add(due(seq))})
		w.deliveries = append(w.deliveries, bench.Delivery{Shard: "s0", Sequence: sequence, ID: idOf(seq), Batch: seq / 10,
			Attempt: 1, At: testStart.Add(due(seq)), Outcome: bench.Delivered})
	}
	third, two := due(n/3), due(2*n/3)
	sendDelay, response, cpu := 2*time.Millisecond, 20*time.Millisecond, 0.4
	clean, planned := true, int64(3)
	w.e = Evidence{
		IDs: bench.Numbering{Run: testRun, Agents: 1}, Architecture: bench.Streams, Started: testStart,
		Planned: int64(n), Due: due, Digests: digestsOf,
		Stage: func(seq uint64) int {
			if seq < n/2 {
				return 0
			}
			return 1
		},
		Stages:        []Stage{{Name: "one", To: due(n / 2)}, {Name: "two", From: due(n / 2), To: due(n)}},
		ItemsObserved: true, EffectsObserved: true, CleanStart: &clean,
		Faults:       []Fault{{Text: "at 1s: processor.kill", From: third, To: two, Planned: &planned, Bitten: 3, Undone: true}},
		Guarantee:    Guarantee{Effects: ExactlyOnce},
		Drain:        bench.Drain{Proof: bench.DrainPositions, Ms: 120},
		LoadFinished: true, HarnessFinished: true,
		Timing: Timing{SendDelayP99: &sendDelay, ResponseP99: &response, GeneratorCPU: &cpu},
	}
	for r := range w.e.Reads {
		w.e.Reads[r].Complete = true
		w.e.Reads[r].Fingerprint = "same"
	}
	return w
}

// newVersionsWorld is newWorld with requests that share keys: request n writes key
// n modulo the number of keys.
func newVersionsWorld(n, keys uint64) *world {
	w := newWorld(n)
	w.e.Keys, w.e.Key, w.e.StreamWhole = keys, func(seq uint64) uint64 { return seq % keys }, true
	final := func(seq uint64) bool { return seq+keys >= n }
	for r := range w.reads {
		w.reads[r].items = slices.DeleteFunc(w.reads[r].items, func(i bench.Item) bool { return !final(i.Seq) })
		for _, v := range w.reads[r].effects {
			if final(v.Seq) {
				v.Count = int64(1 + v.Seq/keys)
				w.reads[r].latest = append(w.reads[r].latest, v)
			}
		}
	}
	return w
}

// showLatest makes the row of a key show the effect of a request.
func (w *world) showLatest(seq uint64) {
	for r := range w.reads {
		for i, v := range w.reads[r].latest {
			if w.e.Key(v.Seq) == w.e.Key(seq) {
				w.reads[r].latest[i] = goodEffect(seq)
			}
		}
	}
}

// newKeyedWorld is newVersionsWorld with a results table that has one row for all
// versions of a key. Request 15 has a key of its own, so that not all are superseded that
// the fault met.
func newKeyedWorld(n, keys uint64) *world {
	w := newVersionsWorld(n, keys)
	w.e.PerKey, w.e.Guarantee.Effects = true, AtLeastOnce
	if n > 15 {
		w.e.Keys, w.e.Key = keys+1, func(seq uint64) uint64 {
			if seq == 15 {
				return keys
			}
			return seq % keys
		}
	}
	for r := range w.reads {
		w.reads[r].effects = nil
		if n > 15 {
			w.reads[r].items = append(w.reads[r].items, bench.Item{Seq: 15, Digest: digestOf(15), HasDigest: true})
			w.reads[r].latest = append(w.reads[r].latest, goodEffect(15))
		}
		for i := range w.reads[r].latest {
			w.reads[r].latest[i].Count = -1
		}
	}
	return w
}

// noNames takes from the rows of keys the names of the versions that they show.
func (w *world) noNames(change func(*bench.Effect)) {
	for r := range w.reads {
		for i := range w.reads[r].latest {
			v := &w.reads[r].latest[i]
			v.Seq, v.OfKey = w.e.Key(v.Seq), true
			change(v)
		}
	}
}

// showItem makes the item of a key that of a request.
func (w *world) showItem(seq uint64) {
	for r := range w.reads {
		for i, v := range w.reads[r].items {
			if w.e.Key(v.Seq) == w.e.Key(seq) {
				w.reads[r].items[i] = bench.Item{Seq: seq, Digest: digestOf(seq), HasDigest: true}
			}
		}
	}
}

// attempt is what the client saw of a request: an answer after 5 ms.
func (w *world) attempt(seq uint64) bench.Attempt {
	a := bench.Attempt{Seq: seq, Outcome: w.outcomes[seq], Sent: due(seq), End: due(seq) + 5*time.Millisecond}
	if w.slow[seq] {
		a.End = due(uint64(len(w.outcomes)) + 1)
	}
	if w.again[seq] {
		a.Retry = 1
	}
	return a
}

// evidence makes the evidence of the world as it stands.
func (w *world) evidence() Evidence {
	e := w.e
	e.Attempts = func(first uint64, into []bench.Attempt) {
		for i := range into {
			seq := first + uint64(i)
			into[i] = w.attempt(seq)
			into[i].Retry = 0 // which nobody tells of all
		}
	}
	e.Answer = w.attempt
	for r := range e.Reads {
		e.Reads[r].Items = pages(slices.Values(w.reads[r].items), bench.Item.Row)
		e.Reads[r].Effects = pages(slices.Values(w.reads[r].effects), bench.Effect.Row)
		e.Reads[r].Latest = pages(slices.Values(w.reads[r].latest), bench.Effect.Row)
		if w.reads[r].letters != nil {
			e.Reads[r].DeadLetters = pages(slices.Values(w.reads[r].letters), bench.DeadLetter.Row)
		}
	}
	if e.Reads[0].Fingerprint == "same" && !reflect.DeepEqual(w.reads[0], w.reads[1]) {
		e.Reads[1].Fingerprint = "other"
	}
	e.Commits, e.Deliveries = all(w.commits), all(w.deliveries)
	return e
}

// pages makes pages of rows, of a few each.
func pages[T any](rows iter.Seq[T], row func(T) bench.Row) iter.Seq[*bench.Rows] {
	return func(yield func(*bench.Rows) bool) {
		var page bench.Rows
		for r := range rows {
			page.Append(row(r))
			if page.Len() == 7 {
				if !yield(&page) {
					return
				}
				page.Reset()
			}
		}
		if page.Len() > 0 {
			yield(&page)
		}
	}
}

// all is slices.Values, but nil stays nil: not observed.
func all[T any](s []T) iter.Seq[T] {
	if s == nil {
		return nil
	}
	return slices.Values(s)
}

func (w *world) judge() Account { return Judge(w.evidence()) }

// The edits below each change one thing, in both reads and in the logs.

func (w *world) noItem(seqs ...uint64) {
	for r := range w.reads {
		w.reads[r].items = slices.DeleteFunc(w.reads[r].items, func(i bench.Item) bool { return slices.Contains(seqs, i.Seq) })
	}
}

func (w *world) noEffect(seqs ...uint64) {
	for r := range w.reads {
		w.reads[r].effects = slices.DeleteFunc(w.reads[r].effects, func(v bench.Effect) bool { return slices.Contains(seqs, v.Seq) })
	}
}

func (w *world) noTrace(seqs ...uint64) {
	texts := map[string]bool{}
	for _, s := range seqs {
		texts[idOf(s)] = true
	}
	w.commits = slices.DeleteFunc(w.commits, func(c bench.Commit) bool { return texts[c.ID] })
	w.deliveries = slices.DeleteFunc(w.deliveries, func(d bench.Delivery) bool { return texts[d.ID] })
}

// vanish takes away everything that was seen behind the client.
func (w *world) vanish(seqs ...uint64) {
	w.noItem(seqs...)
	w.noEffect(seqs...)
	w.noTrace(seqs...)
}

func (w *world) changeEffect(seq uint64, change func(*bench.Effect)) {
	for r := range w.reads {
		for i := range w.reads[r].effects {
			if w.reads[r].effects[i].Seq == seq {
				change(&w.reads[r].effects[i])
			}
		}
	}
}

func (w *world) changeEffects(change func(*bench.Effect)) {
	for r := range w.reads {
		for i := range w.reads[r].effects {
			change(&w.reads[r].effects[i])
		}
	}
}

func (w *world) deadLetter(readable bool, seqs ...uint64) {
	for r := range w.reads {
		for _, s := range seqs {
			w.reads[r].letters = append(w.reads[r].letters, bench.DeadLetter{Seq: s, Readable: readable})
		}
	}
}

func (w *world) undrained() { w.e.Drain.Proof = bench.DrainNone }

// expect judges the world, whole and in windows, and holds the verdict and the findings,
// such as [12 unread], against what they must be.
func (w *world) expect(t *testing.T, verdict bench.Verdict, findings string) {
	t.Helper()
	for _, window := range []uint64{0, 7} {
		e := w.evidence()
		e.Window = window
		a := Judge(e)
		var got []string
		for _, f := range a.Findings {
			got = append(got, fmt.Sprint(f.Seq, " ", f.Verdict))
		}
		if a.Verdict != verdict || fmt.Sprint(got) != findings {
			t.Errorf("in windows of %d: %v %v, want %v %s (%v)", window, a.Verdict, got, verdict, findings, a.Reasons)
		}
	}
}
