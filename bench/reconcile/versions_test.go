package reconcile

import (
	"slices"
	"testing"

	"github.com/ackproof/ackproof/bench"
)

// TestVersions plants what can go wrong with requests that share keys. Of 30 of
// them, over 5 keys, 25 to 29 are the final ones.
func TestVersions(t *testing.T) {
	tests := []struct {
		name     string
		plant    func(*world)
		verdict  bench.Verdict
		findings string
	}{
		{"nothing", func(*world) {}, bench.Pass, "[]"},
		{"a stale overwrite", func(w *world) { w.showLatest(12) }, bench.Fail, "[27 wrong_effect]"},
		{"a stale overwrite, seen in the sequence numbers alone", func(w *world) {
			w.showLatest(12)
			for r := range w.reads { // the final item was not read
				w.reads[r].items = nil
				w.e.Reads[r].Complete = false
			}
		}, bench.Fail, "[27 wrong_effect]"},
		{"a key without a latest effect", func(w *world) {
			for r := range w.reads {
				w.reads[r].latest = w.reads[r].latest[1:]
			}
		}, bench.Fail, "[25 wrong_effect]"},
		{"a latest effect of other content", func(w *world) {
			for r := range w.reads {
				w.reads[r].latest[1].Digest++
			}
		}, bench.Fail, "[26 wrong_effect]"},
		{"a middle version never processed", func(w *world) { w.noEffect(12) }, bench.Fail, "[12 lost_processing]"},
		{"a final version never processed", func(w *world) { w.noEffect(27); w.showLatest(22) }, bench.Fail, "[27 lost_processing]"},
		{"a middle version never stored", func(w *world) { w.vanish(12) }, bench.Fail, "[12 lost_write]"},
		{"a final version never stored", func(w *world) {
			w.vanish(27)
			w.showLatest(22)
			for r := range w.reads {
				w.reads[r].items = append(w.reads[r].items, bench.Item{Seq: 22, Digest: digestOf(22), HasDigest: true})
			}
		}, bench.Fail, "[27 lost_write]"},
		{"a version applied twice", func(w *world) { w.changeEffect(12, func(v *bench.Effect) { v.Count = 2 }) }, bench.Fail, "[12 duplicated]"},
		{"a refused version that is there", func(w *world) { w.outcomes[12] = bench.Refused }, bench.Fail, "[12 phantom]"},
		{"a refused version that is not", func(w *world) { w.outcomes[12] = bench.Refused; w.vanish(12) }, bench.Pass, "[]"},
		{"versions of unknown outcome, one stored, one not", func(w *world) {
			w.outcomes[12], w.outcomes[13] = bench.Unknown, bench.Unknown
			w.vanish(13)
		}, bench.Pass, "[]"},
		{"a version that comes late in the stream is the newest, whenever it was sent", func(w *world) {
			for i := range w.commits {
				if w.commits[i].ID == idOf(7) {
					w.commits[i].Sequence = "5000"
				}
			}
			for r := range w.reads {
				for i := range w.reads[r].items {
					if w.reads[r].items[i].Seq == 27 {
						w.reads[r].items[i] = bench.Item{Seq: 7, Digest: digestOf(7), HasDigest: true}
					}
				}
			}
			w.showLatest(7)
		}, bench.Pass, "[]"},
		{"the same, with the effect of the one that was sent last", func(w *world) {
			for r := range w.reads {
				for i := range w.reads[r].items {
					if w.reads[r].items[i].Seq == 27 {
						w.reads[r].items[i] = bench.Item{Seq: 7, Digest: digestOf(7), HasDigest: true}
					}
				}
			}
		}, bench.Fail, "[7 wrong_effect]"},
		{"a version without a trace in a stream that was not read whole", func(w *world) { w.e.StreamWhole = false; w.vanish(12) }, bench.VerdictUnknown, "[12 unread]"},
		{"the same where it has an effect", func(w *world) { w.e.StreamWhole = false; w.noTrace(12) }, bench.Pass, "[]"},
		{"a version without a trace where there is no stream", func(w *world) { w.e.Architecture = bench.Sync; w.vanish(12) }, bench.Fail, "[12 lost_write]"},
		{"a stale overwrite before the end", func(w *world) { w.showLatest(12); w.undrained() }, bench.VerdictUnknown, "[27 pending]"},
		{"latest effects that were not read", func(w *world) {
			for r := range w.reads {
				w.reads[r].latest = nil
				w.e.Reads[r].Complete = false
			}
		}, bench.VerdictUnknown, "[25 unread 26 unread 27 unread 28 unread 29 unread]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newVersionsWorld(30, 5)
			tt.plant(w)
			w.expect(t, tt.verdict, tt.findings)
		})
	}
}

// TestVersionsReadsDisagree: of two final reads the later one says what is final.
func TestVersionsReadsDisagree(t *testing.T) {
	w := newVersionsWorld(30, 5)
	older := slices.Clone(w.reads[0].items)
	for i := range older {
		older[i] = bench.Item{Seq: older[i].Seq - 5, Digest: digestOf(older[i].Seq - 5), HasDigest: true}
	}
	w.reads[0].items = older
	if a := w.judge(); len(a.Findings) != 0 {
		t.Errorf("findings %v, want none: the second read shows the final items", a.Findings)
	}
}
