package reconcile

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
)

func TestGoodRunPasses(t *testing.T) {
	for _, n := range []uint64{9, 30, 3000} {
		a := newWorld(n).judge()
		if a.Verdict != bench.Pass || len(a.Reasons) != 0 || len(a.Findings) != 0 {
			t.Fatalf("%d requests: %s %v %v", n, a.Verdict, a.Reasons, a.Findings)
		}
		if a.Items.Processed != int64(n) || a.Requests.Acknowledged != int64(n) {
			t.Fatalf("%d requests: %+v %+v", n, a.Items, a.Requests)
		}
		for _, g := range a.Gates {
			if !g.OK || g.Detail == "" {
				t.Errorf("gate %s: %v %q", g.Name, g.OK, g.Detail)
			}
		}
		if d := a.Deliveries; *d.Records != int64(n) || *d.Delivered != int64(n) || *d.Redelivered != 0 || d.DeadLettered != nil {
			t.Errorf("deliveries %+v", d)
		}
	}
}

// TestVerdictTable goes through the table row by row: what is done to one id
// of a good run, and what becomes of it and of the run.
func TestVerdictTable(t *testing.T) {
	const id = 50
	unknown := func(w *world) { w.outcomes[id] = bench.Unknown }
	refused := func(w *world) { w.outcomes[id] = bench.Refused }
	do := func(steps ...func(*world)) []func(*world) { return steps }
	vanish := func(w *world) { w.vanish(id) }
	noEffect := func(w *world) { w.noEffect(id) }
	undrained := func(w *world) { w.undrained() }
	readable := func(w *world) { w.deadLetter(true, id) }
	unreadable := func(w *world) { w.deadLetter(false, id) }
	change := func(f func(*bench.Effect)) func(*world) { return func(w *world) { w.changeEffect(id, f) } }
	incomplete := func(w *world) { w.e.Reads[0].Complete, w.e.Reads[1].Complete = false, false }
	arch := func(a string) func(*world) { return func(w *world) { w.e.Architecture = a } }
	atLeastOnce := func(w *world) { w.e.Guarantee.Effects = AtLeastOnce }
	allowLetters := func(w *world) { w.e.Guarantee.DeadLettersAllowed = true }
	late := func(w *world) { w.e.Guarantee.Deadline = 49 * time.Millisecond }
	tests := []struct {
		name    string
		steps   []func(*world)
		want    bench.ItemVerdict
		verdict bench.Verdict
		station bench.Station // of its finding, "" for none
	}{
		{"unread: no complete read", do(vanish, incomplete), bench.Unread, bench.VerdictUnknown, bench.StationAcknowledged},
		{"unread: stored, effects not whole", do(noEffect, incomplete), bench.Unread, bench.VerdictUnknown, bench.StationDelivered},
		{"seen is seen, whole or not", do(incomplete), bench.Processed, bench.VerdictUnknown, ""},
		{"unread: refused, incomplete", do(refused, vanish, incomplete), bench.Unread, bench.VerdictUnknown, bench.StationSent},
		{"phantom: stored", do(refused, noEffect), bench.Phantom, bench.Fail, bench.StationDelivered},
		{"phantom: effect", do(refused), bench.Phantom, bench.Fail, bench.StationEffect},
		{"phantom beats incomplete", do(refused, incomplete), bench.Phantom, bench.Fail, bench.StationEffect},
		{"rejected", do(refused, vanish), bench.Rejected, bench.Pass, ""},
		{"rejected, not drained", do(refused, vanish, undrained), bench.Rejected, bench.VerdictUnknown, ""},
		{"orphan", do(func(w *world) { w.noItem(id); w.noTrace(id) }), bench.OrphanEffect, bench.Fail, bench.StationEffect},
		{"orphan of an unknown", do(unknown, func(w *world) { w.noItem(id); w.noTrace(id) }), bench.OrphanEffect, bench.Fail, bench.StationEffect},
		{"no orphan: its commit was seen", do(func(w *world) { w.noItem(id) }), bench.Processed, bench.Pass, ""},
		{"lost write", do(vanish), bench.LostWrite, bench.Fail, bench.StationAcknowledged},
		{"lost write, not drained", do(vanish, undrained), bench.Pending, bench.VerdictUnknown, bench.StationAcknowledged},
		{"lost write, readable letter", do(vanish, readable), bench.DeadLettered, bench.Fail, bench.StationAcknowledged},
		{"lost write, readable letter allowed", do(vanish, readable, allowLetters), bench.DeadLettered, bench.Pass, bench.StationAcknowledged},
		{"lost write, unreadable letter", do(vanish, unreadable), bench.LostWrite, bench.Fail, bench.StationAcknowledged},
		{"unknown, nothing", do(unknown, vanish), bench.NotApplied, bench.Pass, ""},
		{"unknown, nothing, not drained", do(unknown, vanish, undrained), bench.Pending, bench.VerdictUnknown, bench.StationSent},
		{"duplicated", do(change(func(v *bench.Effect) { v.Count = 2 })), bench.Duplicated, bench.Fail, bench.StationEffect},
		{"duplicated beats late drain", do(undrained, change(func(v *bench.Effect) { v.Count = 2 })), bench.Duplicated, bench.Fail, bench.StationEffect},
		{"duplicated by rows", do(func(w *world) {
			for r := range w.reads {
				w.reads[r].effects = append(w.reads[r].effects, goodEffect(id))
			}
		}), bench.Duplicated, bench.Fail, bench.StationEffect},
		{"duplicates allowed", do(atLeastOnce, change(func(v *bench.Effect) { v.Count = 9 })), bench.Processed, bench.Pass, ""},
		{"wrong digest", do(change(func(v *bench.Effect) { v.Digest++ })), bench.WrongEffect, bench.Fail, bench.StationEffect},
		{"stored wrong digest", do(func(w *world) { w.reads[0].items[id].Digest++ }), bench.WrongEffect, bench.Fail, bench.StationEffect},
		{"older than stored", do(change(func(v *bench.Effect) { v.Sequence.Lo-- })), bench.WrongEffect, bench.Fail, bench.StationEffect},
		{"older than stored, not drained", do(undrained, change(func(v *bench.Effect) { v.Sequence.Lo-- })), bench.Pending, bench.VerdictUnknown, bench.StationEffect},
		{"recovered", do(unknown), bench.Recovered, bench.Pass, ""},
		{"late", do(late), bench.ProcessedLate, bench.Pass, ""},
		{"late but unknown", do(late, unknown), bench.Recovered, bench.Pass, ""},
		{"processed beside a letter", do(readable), bench.Processed, bench.Pass, ""},
		{"stored, readable letter", do(noEffect, readable), bench.DeadLettered, bench.Fail, bench.StationDelivered},
		{"stored, readable letter allowed", do(noEffect, readable, allowLetters), bench.DeadLettered, bench.Pass, bench.StationDelivered},
		{"stored, letter gone by the second read", do(noEffect, readable, func(w *world) { w.reads[1].letters[0].Readable = false }),
			bench.LostProcessing, bench.Fail, bench.StationDelivered},
		{"stored, not drained", do(noEffect, undrained), bench.Pending, bench.VerdictUnknown, bench.StationDelivered},
		{"partial", do(noEffect, unknown, arch(bench.Sync)), bench.Partial, bench.Pass, bench.StationDelivered},
		{"sync and acknowledged", do(noEffect, arch(bench.Sync)), bench.LostProcessing, bench.Fail, bench.StationDelivered},
		{"streams and unknown", do(noEffect, unknown), bench.LostProcessing, bench.Fail, bench.StationDelivered},
		{"lost processing", do(noEffect), bench.LostProcessing, bench.Fail, bench.StationDelivered},
		{"never delivered", do(noEffect, func(w *world) { w.noTrace(id) }), bench.LostProcessing, bench.Fail, bench.StationStored},
		{"an application of zero is none", do(change(func(v *bench.Effect) { v.Count = 0 })), bench.LostProcessing, bench.Fail, bench.StationDelivered},
		{"delivery is no storage without a stream", do(func(w *world) { w.noItem(id); w.noEffect(id); w.commits = nil }, arch(bench.FireAndForget)),
			bench.LostWrite, bench.Fail, bench.StationDelivered},
		{"unexpected", do(func(w *world) { w.outcomes[id] = bench.Unsent }), bench.Unexpected, bench.Fail, bench.StationEffect},
		{"unsent", do(func(w *world) { w.outcomes[id] = bench.Unsent }, vanish), bench.NoVerdict, bench.Pass, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(90)
			for _, s := range tt.steps {
				s(w)
			}
			a := w.judge()
			if got := a.Of(id); got != tt.want {
				t.Fatalf("verdict %v, want %v", got, tt.want)
			}
			if a.Verdict != tt.verdict {
				t.Errorf("run: %s %v, want %s", a.Verdict, a.Reasons, tt.verdict)
			}
			var station bench.Station
			for _, f := range a.Findings {
				if f.Seq == id {
					station = f.LastStation
					if f.ID != idOf(id) || f.Verdict != tt.want || f.DuringFault != "at 1s: processor.kill" {
						t.Errorf("finding %+v", f)
					}
				}
			}
			if station != tt.station {
				t.Errorf("last station %q, want %q", station, tt.station)
			}
		})
	}
}

// TestPlanted plants exactly k of each defect and asks for exactly these ids.
func TestPlanted(t *testing.T) {
	const n = 900
	defects := []struct {
		verdict bench.ItemVerdict
		plant   func(*world, []uint64)
	}{
		{bench.LostWrite, func(w *world, s []uint64) { w.vanish(s...) }},
		{bench.LostProcessing, func(w *world, s []uint64) { w.noEffect(s...) }},
		{bench.Duplicated, func(w *world, s []uint64) {
			for _, seq := range s {
				w.changeEffect(seq, func(v *bench.Effect) { v.Count = 2 })
			}
		}},
	}
	places := []struct {
		name string
		from func(k uint64) uint64
	}{
		{"head", func(uint64) uint64 { return 0 }},
		{"middle", func(k uint64) uint64 { return n/2 - k/2 }},
		{"tail", func(k uint64) uint64 { return n - k }},
	}
	for _, d := range defects {
		for _, k := range []uint64{1, 7, 100} {
			for _, p := range places {
				var want []uint64
				for i := range k {
					want = append(want, p.from(k)+i)
				}
				w := newWorld(n)
				d.plant(w, want)
				a := w.judge()
				if got, _ := a.Items.Of(d.verdict); got != int64(k) || a.Items.Processed != n-int64(k) || a.Verdict != bench.Fail {
					t.Fatalf("%v %s %d: counted %d, %s", d.verdict, p.name, k, got, a.Verdict)
				}
				var got []uint64
				for _, f := range a.Findings {
					got = append(got, f.Seq)
					if f.Verdict != d.verdict || f.Position != p.name {
						t.Fatalf("%v %s %d: finding %+v", d.verdict, p.name, k, f)
					}
				}
				if !slices.Equal(got, want) {
					t.Fatalf("%v %s %d: found %v", d.verdict, p.name, k, got)
				}
				early := p.name == "head" // before the fault has struck
				if early != hasCode(a, bench.CodeControlNotClean) {
					t.Fatalf("reasons %v", a.Reasons)
				}
				if n := len(a.Reasons); n != 1 && !(early && n == 2) || a.Reasons[0].Code != bench.Code(d.verdict.String()) ||
					!strings.HasSuffix(a.Reasons[0].Text, "first "+idOf(want[0])) {
					t.Fatalf("reasons %v", a.Reasons)
				}
			}
		}
	}
}

// TestLossAndDuplicateDoNotCancel is the blind spot of every checker that
// compares counts.
func TestLossAndDuplicateDoNotCancel(t *testing.T) {
	w := newWorld(90)
	w.noEffect(10)
	w.changeEffect(20, func(v *bench.Effect) { v.Count = 2 })
	a := w.judge()
	if a.Items.LostProcessing != 1 || *a.Items.Duplicated != 1 || a.Verdict != bench.Fail {
		t.Fatalf("%+v", a.Items)
	}
}

func TestUnexpected(t *testing.T) {
	w := newWorld(30)
	for r := range w.reads {
		w.reads[r].items = append(w.reads[r].items, bench.Item{Seq: 40}, bench.Item{Seq: 31}, bench.Item{Seq: 40})
	}
	w.commits = append(w.commits, bench.Commit{ID: idOf(99), Sequence: "5"})
	a := w.judge()
	if *a.Items.Unexpected != 3 || a.Verdict != bench.Fail || a.Items.Attempted != 30 {
		t.Fatalf("%s %+v", a.Verdict, a.Items)
	}
	for i, seq := range []uint64{31, 40, 99} {
		if f := a.Findings[i]; f.Seq != seq || f.Verdict != bench.Unexpected || f.LastStation != bench.StationStored || a.Of(seq) != bench.Unexpected {
			t.Errorf("finding %+v", f)
		}
	}
	if a.Of(32) != bench.NoVerdict {
		t.Error("an id that nobody saw has a verdict")
	}

	w.e.Sentinels = 2 // 30 and 31 are the harness's own
	if a := w.judge(); *a.Items.Unexpected != 2 {
		t.Errorf("with sentinels: %d", *a.Items.Unexpected)
	}
	w.e.TablesShared = true
	if a := w.judge(); a.Items.Unexpected != nil || len(a.Findings) != 0 || a.Verdict != bench.Pass {
		t.Errorf("in shared tables: %s %+v", a.Verdict, a.Findings)
	}

	// With a damaged ledger nobody can say that it was never sent.
	w = newWorld(30)
	w.outcomes[7] = bench.Unsent
	w.e.LedgerProblems = []string{"cells: page 3 is lost"}
	if a := w.judge(); *a.Items.Unexpected != 1 || a.Verdict != bench.VerdictUnknown {
		t.Errorf("with a damaged ledger: %s %v", a.Verdict, a.Reasons)
	}
}

func TestObservability(t *testing.T) {
	t.Run("applications are not counted", func(t *testing.T) {
		w := newWorld(30)
		w.changeEffects(func(v *bench.Effect) { v.Count = -1 })
		a := w.judge()
		if a.Items.Duplicated != nil || a.PhaseItems[0].Duplicated != nil || a.Items.Processed != 30 {
			t.Errorf("%+v", a.Items)
		}
		if a.Verdict != bench.VerdictUnknown { // exactly-once is promised, and cannot be seen
			t.Errorf("%s", a.Verdict)
		}
		w.e.Guarantee.Effects = AtLeastOnce
		if a := w.judge(); a.Items.Duplicated != nil || a.Verdict != bench.Pass {
			t.Errorf("at least once: %s %v", a.Verdict, a.Reasons)
		}
	})
	t.Run("a proven duplicate is never null", func(t *testing.T) {
		w := newWorld(30)
		w.changeEffects(func(v *bench.Effect) { v.Count = -1 })
		w.changeEffect(3, func(v *bench.Effect) { v.Count = 2 })
		if a := w.judge(); a.Items.Duplicated == nil || *a.Items.Duplicated != 1 || a.Verdict != bench.Fail {
			t.Errorf("%s %+v", a.Verdict, a.Items)
		}
	})
	t.Run("neither digest nor sequence", func(t *testing.T) {
		w := newWorld(30)
		w.changeEffects(func(v *bench.Effect) { v.HasDigest, v.Sequence = false, bench.Sequence{} })
		if a := w.judge(); a.Items.WrongEffect != nil || a.Verdict != bench.Pass {
			t.Errorf("%s %+v", a.Verdict, a.Items)
		}
		w.changeEffects(func(v *bench.Effect) { v.Sequence = bench.Sequence{Lo: 1000 + v.Seq} })
		if a := w.judge(); a.Items.WrongEffect == nil || *a.Items.WrongEffect != 0 {
			t.Errorf("a sequence number is enough: %+v", a.Items)
		}
	})
	t.Run("the effect is held against what is stored", func(t *testing.T) {
		w := newWorld(30)
		w.e.Digests = nil
		w.changeEffect(4, func(v *bench.Effect) { v.Digest++ })
		if a := w.judge(); *a.Items.WrongEffect != 1 || a.Of(4) != bench.WrongEffect {
			t.Errorf("%+v", a.Items)
		}
	})
	t.Run("no items table", func(t *testing.T) {
		w := newWorld(90)
		w.e.ItemsObserved = false
		w.commits, w.deliveries = nil, nil
		for r := range w.reads {
			w.reads[r].items = nil
		}
		w.noEffect(4, 5)
		w.outcomes[5] = bench.Unknown
		w.outcomes[6] = bench.Unknown
		a := w.judge()
		if a.Of(4) != bench.LostProcessing || a.Of(5) != bench.NotApplied || a.Of(6) != bench.Recovered || a.Verdict != bench.Fail {
			t.Errorf("%v %v %v %s", a.Of(4), a.Of(5), a.Of(6), a.Verdict)
		}
		if f := a.Findings[0]; f.LastStation != bench.StationAcknowledged {
			t.Errorf("assumed storage was taken for seen: %+v", f)
		}
		if !hasCode(a, bench.CodeItemsNotObserved) {
			t.Errorf("reasons %v", a.Reasons)
		}
	})
	t.Run("no tables, nothing promised", func(t *testing.T) {
		w := bareWorld(30)
		a := w.judge()
		if a.Verdict != bench.Pass || a.Items.Unread != 30 || len(a.Findings) != 0 || a.Items.Duplicated != nil || a.Items.WrongEffect != nil {
			t.Errorf("%s %v %+v", a.Verdict, a.Reasons, a.Items)
		}
		w.e.Guarantee.Effects = AtLeastOnce
		if a := w.judge(); a.Verdict != bench.VerdictUnknown {
			t.Errorf("a promise that nobody can see kept: %s", a.Verdict)
		}
	})
	t.Run("nothing promised, and seen to be missing", func(t *testing.T) {
		w := newWorld(30)
		w.e.Guarantee.Effects = NoGuarantee
		w.noEffect(1)
		if a := w.judge(); a.Verdict != bench.Pass || a.Items.LostProcessing != 1 || len(a.Findings) != 1 {
			t.Errorf("%s %+v", a.Verdict, a.Items)
		}
		w.vanish(2)
		if a := w.judge(); a.Verdict != bench.Fail || a.Items.LostWrite != 1 {
			t.Errorf("%s %+v", a.Verdict, a.Items)
		}
	})
}

// bareWorld is a plain load test.
func bareWorld(n uint64) *world {
	w := newWorld(n)
	w.e.ItemsObserved, w.e.EffectsObserved, w.e.CleanStart = false, false, nil
	w.e.Guarantee.Effects, w.e.Drain.Proof = NoGuarantee, bench.DrainNone
	w.commits, w.deliveries = nil, nil
	w.reads[0].items, w.reads[0].effects = nil, nil
	w.reads[1].items, w.reads[1].effects = nil, nil
	w.e.Reads = [2]Read{}
	return w
}

func hasCode(a Account, c bench.Code) bool {
	return slices.ContainsFunc(a.Reasons, func(r bench.Reason) bool { return r.Code == c })
}

func TestPhasesAndFaultLoss(t *testing.T) {
	w := newWorld(90) // stages split at 45, the fault covers 30 to 59
	w.noEffect(10, 30, 44, 45, 59, 60)
	w.vanish(50)
	w.e.Faults = append(w.e.Faults, Fault{Text: "at once", From: due(10), To: due(10), Bitten: 1, Undone: true})
	a := w.judge()
	if a.PhaseItems[0].LostProcessing != 3 || a.PhaseItems[1].LostProcessing != 3 || a.PhaseItems[1].LostWrite != 1 {
		t.Errorf("%+v", a.PhaseItems)
	}
	if a.PhaseItems[0].Attempted != 45 || a.PhaseItems[1].Attempted != 45 {
		t.Errorf("%+v", a.PhaseItems)
	}
	if !slices.Equal(a.FaultLoss, []int64{5, 1}) {
		t.Errorf("fault loss %v", a.FaultLoss)
	}
	if a.Findings[0].DuringFault != "at once" || a.Findings[6].DuringFault != "" {
		t.Errorf("%+v", a.Findings)
	}
}

func TestRedelivered(t *testing.T) {
	w := newWorld(30)
	again := w.deliveries[3]
	again.Attempt = 2
	second := again // another record of the same id, delivered twice
	second.Sequence = "77777"
	w.deliveries = append(w.deliveries, again, second, second, again, bench.Delivery{ID: "somebody-else"})
	a := w.judge()
	if *a.Deliveries.Delivered != 35 || *a.Deliveries.Redelivered != 3 {
		t.Errorf("delivered %d, redelivered %d", *a.Deliveries.Delivered, *a.Deliveries.Redelivered)
	}
}

// Of an item that was stored under two keys, two shards may have the same number: each
// has its own.
func TestTheSameNumberInAnotherShard(t *testing.T) {
	w := newWorld(30)
	other := w.deliveries[3]
	other.Shard += "-other"
	w.deliveries = append(w.deliveries, other)
	if a := w.judge(); *a.Deliveries.Delivered != 31 || *a.Deliveries.Redelivered != 0 {
		t.Errorf("delivered %d, redelivered %d", *a.Deliveries.Delivered, *a.Deliveries.Redelivered)
	}
	w.deliveries = append(w.deliveries, other)
	if a := w.judge(); *a.Deliveries.Delivered != 32 || *a.Deliveries.Redelivered != 1 {
		t.Errorf("and once more: delivered %d, redelivered %d", *a.Deliveries.Delivered, *a.Deliveries.Redelivered)
	}
}

// Nor is what was handed over the removal that has its number in another shard.
func TestARemovalInAnotherShard(t *testing.T) {
	w := newWorld(30)
	twice := w.deliveries[3]
	w.deliveries = append(w.deliveries, twice)
	w.commits = append(w.commits, bench.Commit{Shard: twice.Shard + "-other", Sequence: twice.Sequence, ID: twice.ID, Removed: true})
	if a := w.judge(); *a.Deliveries.Delivered != 31 || *a.Deliveries.Redelivered != 1 {
		t.Errorf("delivered %d, redelivered %d", *a.Deliveries.Delivered, *a.Deliveries.Redelivered)
	}
}

func TestDeadLettersCounted(t *testing.T) {
	w := newWorld(30)
	w.deadLetter(false, 1, 2)
	if a := w.judge(); *a.Deliveries.DeadLettered != 2 || a.Verdict != bench.Pass {
		t.Errorf("%+v %s", a.Deliveries, a.Verdict)
	}
}

func TestReasons(t *testing.T) {
	w := newWorld(2000)
	for seq := range uint64(1200) {
		w.outcomes[seq] = bench.Acknowledged
	}
	var lost []uint64
	for seq := uint64(5); seq < 1205; seq++ {
		lost = append(lost, seq)
	}
	w.noEffect(lost...)
	w.outcomes[5] = bench.Unknown
	w.e.Drain.Proof = bench.DrainQuiet
	a := w.judge()
	want := "1,200 items were stored and never processed, 1,199 of them acknowledged: first " + idOf(5)
	if a.Reasons[0].Text != want {
		t.Errorf("%q", a.Reasons[0].Text)
	}
	if !hasCode(a, bench.CodeDrainedBySilence) {
		t.Errorf("%v", a.Reasons)
	}

	w = newWorld(90)
	w.noEffect(3, 4, 5)
	w.undrained()
	w.e.Blocked = []bench.ShardPosition{{Shard: "shard-2", Behind: 3, Head: &bench.Head{ID: idOf(3), Sequence: "1003", Attempts: 17, Error: "Runtime.ExitError"}}}
	a = w.judge()
	want = "shard shard-2 is held up by " + idOf(3) + " (sequence number 1003), which has failed 17 times (Runtime.ExitError); 2 records wait behind it"
	if a.Verdict != bench.VerdictUnknown || a.Items.Pending != 3 || !slices.Contains(a.Reasons, bench.Reason{Code: bench.CodeBlockedShard, Text: want}) {
		t.Errorf("%s %v", a.Verdict, a.Reasons)
	}
	// A proof of drain and a shard that is held up contradict each other.
	w.e.Drain.Proof = bench.DrainPositions
	if a := w.judge(); a.Items.Pending != 3 {
		t.Errorf("%+v", a.Items)
	}
}

func TestNum(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234"} {
		if got := num(n); got != want {
			t.Errorf("num(%d) = %q", n, got)
		}
	}
	if plural(2, "entry") != "2 entries" || plural(1, "entry") != "1 entry" || percent(0.94999) != "94.9 %" || percent(0.95) != "95 %" {
		t.Error(plural(2, "entry"), percent(0.94999), percent(0.95))
	}
}

// Where everything is lost there are as many findings as requests: each is
// handed over, in order, and the account keeps the first.
func TestFindingsAreHandedOver(t *testing.T) {
	const n = bench.MaxFindings + 500
	w := newWorld(n)
	for r := range w.reads {
		w.reads[r].effects = nil
	}
	e := w.evidence()
	e.Window = 300
	var next uint64
	e.Found = func(f bench.Finding) {
		if f.Seq != next || f.Verdict != bench.LostProcessing {
			t.Fatalf("finding %d is %+v", next, f)
		}
		next++
	}
	if a := Judge(e); next != n || len(a.Findings) != bench.MaxFindings || a.Items.LostProcessing != n {
		t.Errorf("%d handed over, %d kept, %d lost of %d", next, len(a.Findings), a.Items.LostProcessing, n)
	}
}

// Two reads that found the same are gone through once; two that differ, both.
func TestSecondReadIsComparedByFingerprint(t *testing.T) {
	for _, differ := range []bool{false, true} {
		w := newWorld(30)
		if differ {
			w.reads[1].items = append(w.reads[1].items, bench.Item{Seq: 40})
		}
		e := w.evidence()
		items, gone := e.Reads[1].Items, false
		e.Reads[1].Items = func(yield func(*bench.Rows) bool) {
			gone = true
			items(yield)
		}
		if a := Judge(e); gone != differ || (*a.Items.Unexpected == 1) != differ {
			t.Errorf("differ %v: gone through %v, %d unexpected", differ, gone, *a.Items.Unexpected)
		}
	}
}
