package stats

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ackproof/ackproof/bench"
)

const sec = time.Second

// flat offers 100 requests a second for ever.
func flat(_, _ time.Duration) float64 { return 100 }

// recoveryOf is Recovery of two sorted lists. It fails where more is asked for
// than the pieces that decide.
func recoveryOf(arrivals, effects []time.Duration, w Window, loadEnd time.Duration, offered Offered) (*float64, bool) {
	b, within := changes(arrivals, effects)
	return b.Recovery(w, loadEnd, offered, within)
}

// changes counts two sorted lists, and gives the moments of them.
func changes(arrivals, effects []time.Duration) (*Backlog, Within) {
	b := NewBacklog(0)
	for _, t := range arrivals {
		b.count(t, func(s *passed) { s.joined++ })
	}
	for _, t := range effects {
		b.count(t, func(s *passed) { s.left++ })
	}
	return b, func(from, to time.Duration) ([]time.Duration, []time.Duration) {
		return between(arrivals, from, to), between(effects, from, to)
	}
}

func between(sorted []time.Duration, from, to time.Duration) []time.Duration {
	return sorted[upTo(sorted, from):upTo(sorted, to)]
}

// backlogOf counts items in two parts, and joins them.
func backlogOf(items []Times, end time.Duration) *Backlog {
	b, other := NewBacklog(end), NewBacklog(end)
	for i, it := range items {
		if i%3 == 0 {
			other.Add(it)
		} else {
			b.Add(it)
		}
	}
	b.Merge(other)
	return b
}

// mean makes a rate that changes at one moment an average over time, as a plan's is.
func mean(change time.Duration, early, late float64) Offered {
	return func(from, to time.Duration) float64 {
		before, after := max(0, min(to, change)-from), max(0, to-max(from, change))
		return (early*before.Seconds() + late*after.Seconds()) / (to - from).Seconds()
	}
}

// at turns seconds into positions, sorted.
func at(seconds ...float64) []time.Duration {
	var out []time.Duration
	for _, s := range seconds {
		out = append(out, time.Duration(s*float64(sec)))
	}
	slices.Sort(out)
	return out
}

func TestRecovery(t *testing.T) {
	w := Window{10 * sec, 12 * sec}
	doubled := mean(12*sec, 100, 200)
	tests := []struct {
		name              string
		arrivals, effects []time.Duration
		w                 Window
		loadEnd           time.Duration
		offered           Offered
		want              *float64
		afterLoad         bool
	}{
		{"no backlog at all", nil, nil, w, 20 * sec, flat, p(0), false},
		// Normal is 1 (6 to 6.5 s). Three pile up in the window; the second
		// effect, at 14 s, brings the backlog down to 1.
		{"back to the level before", at(6, 10, 10.5, 11), at(6.5, 13, 14, 18), w, 20 * sec, flat, p(2000), false},
		// The same, but the level before was seen more than 5 s before: normal
		// is 0, and only the last effect will do.
		{"older than five seconds", at(4, 10, 10.5, 11), at(4.5, 13, 14, 18), w, 20 * sec, flat, p(6000), false},
		// In force at 5 s though it began at 4 s: it counts.
		{"reaches into the five seconds", at(4, 10, 10.5, 11), at(5.5, 13, 14, 18), w, 20 * sec, flat, p(2000), false},
		// At 14 s the level is normal, but at 14.9 s a new one joins: 1 s was
		// not over. From 15.2 s it stays.
		{"must stay for a second", at(6, 10, 10.5, 11, 14.9), at(6.5, 13, 14, 15.2, 18), w, 20 * sec, flat, p(3200), false},
		{"twice the load, twice the level", at(6, 10, 10.5, 11), at(6.5, 13, 14, 18), w, 20 * sec, doubled, p(1000), false},
		{"only after the load", at(6, 10, 11), at(6.5, 21, 22), w, 20 * sec, flat, p(10_000), true},
		// At the end of the load normal becomes 0: what was good enough at 1
		// still counts only if it was reached before.
		{"lost more than is normal", at(6, 10, 10.5, 11), at(6.5, 13), w, 20 * sec, flat, nil, false},
		{"lost, but not more than is normal", at(6, 10, 11), at(6.5, 13), w, 20 * sec, flat, p(1000), false},
		{"never loaded before", at(0.5, 1), at(3, 4), Window{0, 2 * sec}, 20 * sec, flat, p(2000), false},
		{"window outlasts the load", at(10, 11), at(25), w, 11 * sec, flat, nil, false},
		{"empty at the window's end, load over", at(10, 11), at(11.5, 11.6), w, 11 * sec, flat, p(0), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, after := recoveryOf(tt.arrivals, tt.effects, tt.w, tt.loadEnd, tt.offered)
			if d := cmp.Diff(tt.want, got); d != "" || after != tt.afterLoad {
				t.Errorf("after load %v, want %v; recovery (-want +got):\n%s", after, tt.afterLoad, d)
			}
		})
	}
}

// genTimes draws items on a grid of 100 ms, some lost, some with an effect
// before the answer was read.
func genTimes(t *rapid.T) []Times {
	grid := func(label string, lo, hi int) time.Duration {
		return time.Duration(rapid.IntRange(lo, hi).Draw(t, label)) * 100 * ms
	}
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Times {
		it := Times{Acked: grid("acked", 0, 150), Stored: Never, Effect: Never}
		switch rapid.IntRange(0, 3).Draw(t, "fate") {
		case 0:
			it.Stored = it.Acked - min(it.Acked, 100*ms)
			it.Effect = it.Acked + grid("after", -3, 60)
		case 1:
			it.Effect = it.Acked + grid("after", 0, 20)
		case 2:
			it.Acked, it.Stored = Never, it.Acked
			it.Effect = it.Stored + grid("after", 0, 20)
		}
		return it
	}), 0, 60).Draw(t, "items")
}

// pendingAt counts by the definition, item by item.
func pendingAt(items []Times, t time.Duration) (n int64) {
	for _, it := range items {
		if min(it.Acked, it.Stored) <= t && it.Effect > t {
			n++
		}
	}
	return n
}

// Recovery agrees with the definition, tried moment by moment. All times lie on
// a grid of 100 ms, so looking at every grid point is exact.
func TestRecoveryAgainstDefinition(t *testing.T) {
	const tick = 100 * ms
	rapid.Check(t, func(t *rapid.T) {
		items := genTimes(t)
		w := Window{From: time.Duration(rapid.IntRange(0, 100).Draw(t, "from")) * tick}
		w.To = w.From + time.Duration(rapid.IntRange(0, 40).Draw(t, "for"))*tick
		loadEnd := 15 * sec
		rate := rapid.Float64Range(0.3, 3).Draw(t, "rate after")
		offered := mean(w.To, 100, 100*rate)

		normal := int64(0)
		for u := max(0, w.From-5*sec); u < w.From; u += tick {
			normal = max(normal, pendingAt(items, u))
		}
		var want *float64
		wantAfter := false
		for u := w.To; u <= 40*sec && want == nil; u += tick {
			bound := float64(normal) * rate
			if u >= loadEnd || w.From == 0 {
				bound = 0
			}
			most := int64(0)
			for v := u; v <= u+sec; v += tick {
				most = max(most, pendingAt(items, v))
			}
			if float64(most) <= bound+1e-6 {
				want, wantAfter = p(float64(u-w.To)/1e6), u >= loadEnd
			}
		}

		arrivals, effects := pending(items)
		got, after := recoveryOf(arrivals, effects, w, loadEnd, offered)
		if d := cmp.Diff(want, got); d != "" || after != wantAfter {
			t.Fatalf("after load %v, want %v; recovery (-definition +got):\n%s", after, wantAfter, d)
		}
	})
}

func TestBacklog(t *testing.T) {
	items := []Times{
		{Acked: 200 * ms, Stored: 100 * ms, Effect: 2500 * ms},
		{Acked: 1 * sec, Stored: Never, Effect: Never},     // fire and forget, lost
		{Acked: Never, Stored: 1500 * ms, Effect: 2 * sec}, // the client never heard
		{Acked: 900 * ms, Stored: 800 * ms, Effect: 850 * ms},
	}
	want := []bench.BacklogRow{
		{TMs: 0},
		{TMs: 1000, Acknowledged: 3, Stored: 2, Processed: 1, Pending: 2},
		{TMs: 2000, Acknowledged: 3, Stored: 3, Processed: 2, Pending: 2},
		{TMs: 3000, Acknowledged: 3, Stored: 3, Processed: 3, Pending: 1},
	}
	if d := cmp.Diff(want, backlogOf(items, 2600*ms).Rows()); d != "" {
		t.Errorf("rows (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]bench.BacklogRow{{}}, backlogOf(nil, 0).Rows()); d != "" {
		t.Errorf("of nothing (-want +got):\n%s", d)
	}
}

// Pending in every row is what the definition counts.
func TestBacklogAgainstDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		items := genTimes(t)
		for i, row := range backlogOf(items, 20*sec).Rows() {
			if want := pendingAt(items, time.Duration(i)*sec); row.Pending != want {
				t.Fatalf("row %d: pending %d, want %d", i, row.Pending, want)
			}
		}
	})
}

func TestUnion(t *testing.T) {
	in := []Window{{8 * sec, 9 * sec}, {1 * sec, 3 * sec}, {2 * sec, 5 * sec}, {5 * sec, 6 * sec}, {2 * sec, 3 * sec}}
	want := []Window{{1 * sec, 6 * sec}, {8 * sec, 9 * sec}}
	if d := cmp.Diff(want, Union(in)); d != "" {
		t.Errorf("union (-want +got):\n%s", d)
	}
	if in[0].From != 8*sec {
		t.Error("the argument was changed")
	}
}

// anyTimes draws items at any nanosecond of a load that rises and falls, with some
// that are lost, seen before their answer, or dated by a clock that is off.
func anyTimes(t *rapid.T) []Times {
	moment := rapid.Int64Range(0, int64(20*sec))
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Times {
		acked := time.Duration(moment.Draw(t, "acked"))
		it := Times{Acked: acked, Stored: acked - time.Duration(rapid.Int64Range(-1e8, 1e8).Draw(t, "stored")), Effect: Never}
		switch rapid.IntRange(0, 9).Draw(t, "fate") {
		case 0:
		case 1:
			it.Acked = Never
			it.Effect = it.Stored + time.Duration(rapid.Int64Range(-1e9, 1e10).Draw(t, "after"))
		case 2:
			it.Effect = (acked/sec + 1) * sec // on the edge of a second
		default:
			it.Effect = acked + time.Duration(rapid.Int64Range(-1e8, 2e9).Draw(t, "after"))
		}
		return it
	}), 0, 300).Draw(t, "items")
}

// The counts by second give what lists of all times gave, to the nanosecond.
func TestBacklogAndRecoveryAgainstListsOfAllTimes(t *testing.T) {
	recovered := 0
	rapid.Check(t, func(t *rapid.T) {
		items := anyTimes(t)
		end := time.Duration(rapid.Int64Range(0, int64(40*sec)).Draw(t, "end"))
		if d := cmp.Diff(oracleBacklog(items, 0, end), backlogOf(items, end).Rows()); d != "" {
			t.Fatalf("rows (-lists +counts):\n%s", d)
		}
		w := Window{From: time.Duration(rapid.Int64Range(0, int64(15*sec)).Draw(t, "from"))}
		w.To = w.From + time.Duration(rapid.Int64Range(0, int64(5*sec)).Draw(t, "for"))
		loadEnd := time.Duration(rapid.Int64Range(int64(10*sec), int64(22*sec)).Draw(t, "load's end"))
		offered := mean(w.To+time.Duration(rapid.Int64Range(0, int64(3*sec)).Draw(t, "change")), 100, rapid.Float64Range(10, 300).Draw(t, "rate"))
		arrivals, effects := pending(items)
		want, wantAfter := oracleRecovery(arrivals, effects, w, loadEnd, offered)
		got, after := recoveryOf(arrivals, effects, w, loadEnd, offered)
		if d := cmp.Diff(want, got); d != "" || after != wantAfter {
			t.Fatalf("after load %v, want %v; recovery (-lists +counts):\n%s", after, wantAfter, d)
		}
		if want != nil && *want > 0 {
			recovered++
		}
		to := w.To + time.Duration(rapid.Int64Range(0, int64(9*sec)).Draw(t, "until"))
		b, within := changes(arrivals, effects)
		if got, want := b.Left(w.From, to, within), len(between(effects, w.From, to)); got != int64(want) {
			t.Fatalf("%d left from %v to %v, want %d", got, w.From, to, want)
		}
	})
	if recovered == 0 {
		t.Error("no backlog of them all took time to recover: nothing was compared")
	}
}

// A backlog that stays above normal is ruled out without a look at its moments.
func TestRecoveryAsksForFewMoments(t *testing.T) {
	b := NewBacklog(0)
	lost := func(i int64) bool { return i/1000 == 12 && i%100 == 0 }
	for i := range int64(100 * 1000) {
		at := time.Duration(i) * ms
		it := Times{Acked: at, Stored: at, Effect: at + ms/2}
		if lost(i) {
			it.Effect = Never
		}
		b.Add(it)
	}
	var asked time.Duration
	got, _ := b.Recovery(Window{10 * sec, 15 * sec}, 100*sec, flat, func(from, to time.Duration) (j, l []time.Duration) {
		asked += to - from
		for i := int64(from/ms) + 1; i <= int64(to/ms); i++ {
			j = append(j, time.Duration(i)*ms)
			if !lost(i - 1) {
				l = append(l, time.Duration(i-1)*ms+ms/2)
			}
		}
		return j, l
	})
	if got != nil || asked > 12*sec {
		t.Errorf("recovery %v, %s of 100 s looked at", got, asked)
	}
}

func BenchmarkRecovery(b *testing.B) {
	var items []Times
	for i := range 100_000 {
		t := time.Duration(i) * 200 * time.Microsecond
		items = append(items, Times{Acked: t, Stored: t, Effect: t + 30*ms})
	}
	arrivals, effects := pending(items)
	// A level of 0.9 × normal is never met during the load: the worst case.
	falling := mean(5*sec, 100, 90)
	b.ResetTimer()
	for range b.N {
		recoveryOf(arrivals, effects, Window{5 * sec, 6 * sec}, 20*sec, falling)
	}
}
