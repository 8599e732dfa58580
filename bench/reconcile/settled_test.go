package reconcile

import (
	"fmt"
	"testing"

	"github.com/ackproof/ackproof/bench"
)

// TestWhatIsSettledIsOver: beside a shard that is blocked, what was settled and
// has no effect is lost; what is still tried, and what nobody knows of, is not.
func TestWhatIsSettledIsOver(t *testing.T) {
	shard := func(checkpoint, oldest int) bench.ShardPosition {
		p := bench.ShardPosition{Shard: "s0"}
		if checkpoint > 0 {
			p.Checkpoint = fmt.Sprint(checkpoint)
		}
		if oldest > 0 {
			p.Oldest, p.Behind = fmt.Sprint(oldest), 1
		}
		return p
	}
	for _, tt := range []struct {
		name string
		over []bench.ShardPosition
		lost int64 // of 10, 20 and 30, whose sequence numbers are 1010, 1020 and 1030
	}{
		{"no position", nil, 0},
		{"nothing settled", []bench.ShardPosition{shard(0, 0)}, 0},
		{"up to the checkpoint", []bench.ShardPosition{shard(1020, 0)}, 2},
		{"trimmed between checkpoint and oldest", []bench.ShardPosition{shard(1005, 1030)}, 2},
		{"the oldest is not over", []bench.ShardPosition{shard(1019, 1020)}, 1},
		{"everything", []bench.ShardPosition{shard(1089, 0)}, 3},
		{"another shard's", []bench.ShardPosition{{Shard: "s1", Checkpoint: "1089"}}, 0},
	} {
		w := newWorld(90)
		w.noEffect(10, 20, 30)
		w.undrained()
		w.e.Over = tt.over
		a := w.judge()
		if a.Items.LostProcessing != tt.lost || a.Items.Pending != 3-tt.lost {
			t.Errorf("%s: %d lost, %d pending, want %d lost", tt.name, a.Items.LostProcessing, a.Items.Pending, tt.lost)
		}
		if want := bench.VerdictUnknown; tt.lost == 0 && a.Verdict != want || tt.lost > 0 && a.Verdict != bench.Fail {
			t.Errorf("%s: %s", tt.name, a.Verdict)
		}
	}
}

// TestSettledNeedsEveryRecord: an item that was written again may be waiting in
// its second record, and a write that nobody saw in the stream is not over.
func TestSettledNeedsEveryRecord(t *testing.T) {
	w := newWorld(90)
	w.noEffect(10)
	w.vanish(20)
	w.undrained()
	w.commits = append(w.commits, bench.Commit{Shard: "s0", Sequence: "5000", ID: idOf(10)})
	w.e.Over = []bench.ShardPosition{{Shard: "s0", Checkpoint: "1089"}}
	if a := w.judge(); a.Items.Pending != 2 || a.Items.Lost() != 0 {
		t.Errorf("%+v, want both pending", a.Items)
	}
	w.commits[len(w.commits)-1].Removed = true // which brings no effect, so nobody waits for it
	if a := w.judge(); a.Of(10) != bench.LostProcessing || a.Of(20) != bench.Pending {
		t.Errorf("10 is %s, 20 is %s", a.Of(10), a.Of(20))
	}
}

// TestARemovalIsNoNewerVersion: an item that has expired was there, its effect is
// not outdated by that, and to be handed its removal is not to be handed it.
func TestARemovalIsNoNewerVersion(t *testing.T) {
	w := newWorld(90)
	w.noItem(10, 20)
	w.noEffect(20)
	for i, seq := range []uint64{10, 20} {
		sequence := fmt.Sprint(5000 + i)
		w.commits = append(w.commits, bench.Commit{Shard: "s0", Sequence: sequence, ID: idOf(seq), Removed: true})
		w.deliveries = append(w.deliveries, bench.Delivery{Shard: "s0", Sequence: sequence, ID: idOf(seq), Batch: 99, Attempt: 1, Outcome: bench.Delivered})
	}
	for i, d := range w.deliveries { // 20 itself was never handed over
		if d.ID == idOf(20) && d.Sequence == "1020" {
			w.deliveries[i].ID = idOf(21)
		}
	}
	a := w.judge()
	if a.Of(10) != bench.Processed || a.Of(20) != bench.LostProcessing || a.Items.LostWrite != 0 {
		t.Errorf("10 is %s, 20 is %s", a.Of(10), a.Of(20))
	}
	if f := a.Findings[0]; f.Seq != 20 || f.LastStation != bench.StationStored {
		t.Errorf("finding %+v, want 20 last seen in the store", f)
	}
}

// TestOneTable: an effect that is written onto its item makes a commit that is
// newer than the effect, and no newer version.
func TestOneTable(t *testing.T) {
	for _, one := range []bool{true, false} {
		w := newWorld(90)
		w.commits = append(w.commits, bench.Commit{Shard: "s0", Sequence: "5000", ID: idOf(10)})
		w.e.OneTable = one
		if a := w.judge(); (a.Of(10) == bench.Processed) != one {
			t.Errorf("one table %v: %s", one, a.Of(10))
		}
	}
}

// TestTwoItemsOfOneRequest: their effects add up.
func TestTwoItemsOfOneRequest(t *testing.T) {
	w := newWorld(90)
	w.commits = append(w.commits, bench.Commit{Shard: "s0", Sequence: "5000", ID: idOf(10) + "#second"})
	for r := range w.reads {
		second := goodEffect(10)
		second.Sequence = bench.Sequence{Lo: 5000}
		w.reads[r].effects = append(w.reads[r].effects, second)
	}
	if a := w.judge(); a.Of(10) != bench.Duplicated || *a.Items.Duplicated != 1 {
		t.Errorf("10 is %s", a.Of(10))
	}
}
