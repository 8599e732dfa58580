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
	// doubled offers twice as much from 12 s on.
	doubled := func(from, _ time.Duration) float64 {
		if from >= 12*sec {
			return 200
		}
		return 100
	}
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
			got, after := Recovery(tt.arrivals, tt.effects, tt.w, tt.loadEnd, tt.offered)
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
		offered := func(from, _ time.Duration) float64 {
			if from >= w.To {
				return 100 * rate
			}
			return 100
		}

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

		arrivals, effects := Pending(items)
		got, after := Recovery(arrivals, effects, w, loadEnd, offered)
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
	if d := cmp.Diff(want, Backlog(items, 0, 2600*ms)); d != "" {
		t.Errorf("rows (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]bench.BacklogRow{{}}, Backlog(nil, 0, 0)); d != "" {
		t.Errorf("of nothing (-want +got):\n%s", d)
	}
}

// Pending in every row is what the definition counts.
func TestBacklogAgainstDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		items := genTimes(t)
		for i, row := range Backlog(items, 0, 20*sec) {
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

func BenchmarkRecovery(b *testing.B) {
	var items []Times
	for i := range 100_000 {
		t := time.Duration(i) * 200 * time.Microsecond
		items = append(items, Times{Acked: t, Stored: t, Effect: t + 30*ms})
	}
	arrivals, effects := Pending(items)
	// A level of 0.9 × normal is never met during the load: the worst case.
	falling := func(from, _ time.Duration) float64 {
		if from < 5*sec {
			return 100
		}
		return 90
	}
	b.ResetTimer()
	for range b.N {
		Recovery(arrivals, effects, Window{5 * sec, 6 * sec}, 20*sec, falling)
	}
}
