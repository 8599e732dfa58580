package reconcile

import (
	"fmt"
	"slices"
	"testing"

	"github.com/ackproof/ackproof/bench"
)

// unwatched is a world of which nobody has read the stream.
func (w *world) unwatched() {
	w.e.StreamWhole, w.commits, w.deliveries = false, nil, nil
}

// TestOneRowForAllVersions plants what can go wrong where the results table has one row
// for all versions of a key. Of 30 requests over 5 keys, 25 to 29 are the final ones,
// and 15, which has a key of its own.
func TestOneRowForAllVersions(t *testing.T) {
	bySequence := func(v *bench.Effect) { v.HasDigest = false }
	byDigest := func(v *bench.Effect) { v.Sequence = bench.Sequence{} }
	unread := func(seqs ...uint64) string {
		var all []string
		for _, seq := range seqs {
			all = append(all, fmt.Sprint(seq, " unread"))
		}
		return fmt.Sprint(all)
	}
	finals := []uint64{15, 25, 26, 27, 28, 29}
	all := make([]uint64, 30)
	for i := range all {
		all[i] = uint64(i)
	}
	others := slices.DeleteFunc(slices.Clone(all), func(seq uint64) bool { return slices.Contains(finals, seq) })
	tests := []struct {
		name     string
		plant    func(*world)
		verdict  bench.Verdict
		findings string
	}{
		{"nothing", func(*world) {}, bench.Pass, "[]"},
		{"nothing, and nobody reads the stream", (*world).unwatched, bench.Pass, "[]"},
		{"a stale overwrite, or a last version that is swallowed", func(w *world) { w.showLatest(12) }, bench.Fail, "[27 wrong_effect]"},
		{"the same, and nobody reads the stream", func(w *world) { w.showLatest(12); w.unwatched() }, bench.Fail, "[27 wrong_effect]"},
		{"a key without a row", func(w *world) {
			for r := range w.reads {
				w.reads[r].latest = w.reads[r].latest[1:]
			}
		}, bench.Fail, "[25 lost_processing]"},
		{"a row of other content", func(w *world) {
			for r := range w.reads {
				w.reads[r].latest[1].Digest++
			}
		}, bench.Fail, "[26 wrong_effect]"},
		{"rows that name nothing but a sequence number", func(w *world) { w.noNames(bySequence) }, bench.Pass, "[]"},
		{"the same, of an older record", func(w *world) { w.showLatest(12); w.noNames(bySequence) }, bench.Fail, "[27 wrong_effect]"},
		{"the same, and nobody reads the stream", func(w *world) { w.noNames(bySequence); w.unwatched() }, bench.VerdictUnknown, unread(finals...)},
		{"rows that name nothing but a digest", func(w *world) { w.noNames(byDigest); w.unwatched() }, bench.Pass, "[]"},
		{"the same, of older content", func(w *world) { w.showLatest(12); w.noNames(byDigest); w.unwatched() }, bench.Fail, "[27 wrong_effect]"},
		{"the right record, and other content", func(w *world) {
			w.noNames(func(v *bench.Effect) {
				if v.Seq == 1 {
					v.Digest++
				}
			})
		}, bench.Fail, "[26 wrong_effect]"},
		{"rows that name nothing", func(w *world) { w.noNames(func(v *bench.Effect) { bySequence(v); byDigest(v) }) }, bench.VerdictUnknown, unread(finals...)},
		{"a middle version never stored", func(w *world) { w.vanish(12) }, bench.Fail, "[12 lost_write]"},
		{"the same, and nobody reads the stream", func(w *world) { w.unwatched(); w.vanish(12) }, bench.Pass, "[]"},
		{"a last version never stored", func(w *world) { w.vanish(27); w.showLatest(22); w.addItem(22) }, bench.Fail, "[27 lost_write]"},
		{"the same, and nobody reads the stream: it was sent after the final one was acknowledged", func(w *world) {
			w.unwatched()
			w.showItem(22)
			w.showLatest(22)
		}, bench.Fail, "[27 lost_write]"},
		{"the same at the same time as the final one", func(w *world) {
			w.unwatched()
			w.showItem(22)
			w.showLatest(22)
			w.slow = map[uint64]bool{22: true}
		}, bench.Pass, "[]"},
		{"the same after a final one that was sent again", func(w *world) {
			w.unwatched()
			w.showItem(22)
			w.showLatest(22)
			w.again = map[uint64]bool{22: true}
		}, bench.Pass, "[]"},
		{"the same where the acknowledgement comes before the write", func(w *world) {
			w.unwatched()
			w.showItem(22)
			w.showLatest(22)
			w.e.Architecture = bench.FireAndForget
		}, bench.Pass, "[]"},
		{"a key of which nothing is stored", func(w *world) {
			w.unwatched()
			w.noItem(15)
			for r := range w.reads {
				w.reads[r].latest = slices.DeleteFunc(w.reads[r].latest, func(v bench.Effect) bool { return v.Seq == 15 })
			}
		}, bench.Fail, "[15 lost_write]"},
		{"a refused version of which nothing is seen", func(w *world) { w.outcomes[12] = bench.Refused; w.vanish(12) }, bench.Pass, "[]"},
		{"the same, and nobody reads the stream", func(w *world) { w.outcomes[12] = bench.Refused; w.unwatched() }, bench.VerdictUnknown, "[12 unread]"},
		{"a refused version that is in the stream", func(w *world) { w.outcomes[12] = bench.Refused }, bench.Fail, "[12 phantom]"},
		{"a refused version that is shown", func(w *world) { w.outcomes[12] = bench.Refused; w.showLatest(12); w.unwatched() }, bench.Fail, "[12 phantom 27 wrong_effect]"},
		{"a refused version that is the final one", func(w *world) { w.outcomes[27] = bench.Refused; w.unwatched() }, bench.Fail, "[27 phantom]"},
		{"versions of unknown outcome, one stored, one not", func(w *world) {
			w.outcomes[12], w.outcomes[13] = bench.Unknown, bench.Unknown
			w.vanish(13)
		}, bench.Pass, "[]"},
		{"a final version of unknown outcome that is never processed", func(w *world) { w.outcomes[27] = bench.Unknown; w.showLatest(22) }, bench.Fail, "[27 wrong_effect]"},
		{"the same where the API does all work itself", func(w *world) {
			w.e.Architecture = bench.Sync
			w.unwatched()
			w.outcomes[27] = bench.Unknown
			w.showLatest(22)
		}, bench.Pass, "[27 partial]"},
		{"an older row before the end", func(w *world) { w.showLatest(12); w.undrained() }, bench.VerdictUnknown, "[27 pending]"},
		{"a final version that was given up", func(w *world) { w.showLatest(12); w.deadLetter(true, 27) }, bench.Fail, "[27 dead_lettered]"},
		{"another version that was given up", func(w *world) { w.deadLetter(true, 12) }, bench.Fail, "[12 dead_lettered]"},
		{"an item that does not say which version it is", func(w *world) { w.noItemNames() }, bench.Pass, "[]"},
		{"the same, and nobody reads the stream", func(w *world) { w.noItemNames(); w.unwatched() }, bench.VerdictUnknown, unread(others...)},
		{"reads that are cut off", func(w *world) {
			for r := range w.reads {
				w.reads[r].items, w.reads[r].latest, w.e.Reads[r].Complete = nil, nil, false
			}
			w.unwatched()
		}, bench.VerdictUnknown, unread(all...)},
		{"a fault that met nobody of whom anything is known", func(w *world) { w.e.Faults[0].From = due(16) }, bench.VerdictUnknown, "[]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newKeyedWorld(30, 5)
			tt.plant(w)
			w.expect(t, tt.verdict, tt.findings)
		})
	}
}

// What one row for all versions shows, and what it leaves open.
func TestWhatOneRowForAllVersionsTells(t *testing.T) {
	w := newKeyedWorld(30, 5)
	a := w.judge()
	if a.Items.Processed != 6 || a.Items.Superseded != 24 || a.Items.Duplicated != nil || *a.Items.WrongEffect != 0 {
		t.Errorf("%+v, want 6 processed, 24 superseded, and nobody knows how often", a.Items)
	}
	w.e.Guarantee.Effects = ExactlyOnce
	if a := w.judge(); a.Verdict != bench.VerdictUnknown {
		t.Errorf("exactly-once: %v %v, and nobody has counted", a.Verdict, a.Reasons)
	}
}

// What was put over a row after a fault had struck is not held against the time before
// it; what was before it is.
func TestOneRowAndTheControl(t *testing.T) {
	for name, late := range map[string]bool{"before": false, "after": true} {
		w := newKeyedWorld(30, 5)
		w.e.Faults[0].From, w.e.Faults[0].To = due(28), due(29)
		for r := range w.reads {
			for i := range w.reads[r].latest {
				if v := &w.reads[r].latest[i]; v.Seq == 27 {
					if *v = goodEffect(12); late {
						v.At = testStart.Add(due(28))
					}
				}
			}
		}
		a := w.judge()
		if failed := a.Control.Failed; (failed == 1) == late || a.Items.WrongEffect == nil || *a.Items.WrongEffect != 1 {
			t.Errorf("%s the strike: %d of the control failed, %v wrong", name, failed, a.Items.WrongEffect)
		}
	}
}

// addItem puts an item into the table.
func (w *world) addItem(seq uint64) {
	for r := range w.reads {
		w.reads[r].items = append(w.reads[r].items, bench.Item{Seq: seq, Digest: digestOf(seq), HasDigest: true})
	}
}

// noItemNames takes from the items the names of their versions.
func (w *world) noItemNames() {
	for r := range w.reads {
		for i, v := range w.reads[r].items {
			w.reads[r].items[i] = bench.Item{Seq: w.e.Key(v.Seq), OfKey: true}
		}
	}
}
