package clock

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestVirtualStandsStillUntilItIsMoved(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	v := NewVirtual(start)
	if !v.Now().Equal(start) {
		t.Fatalf("it stands at %v, want %v", v.Now(), start)
	}
	v.Advance(24 * time.Hour)
	if got := v.Now().Sub(start); got != 24*time.Hour {
		t.Fatalf("it moved by %v, want a day", got)
	}
	if got := Since(v, start); got != 24*time.Hour {
		t.Errorf("%v have passed since, want a day", got)
	}
	if began := (Real{}).Now(); Since(Real{}, began) < 0 || Since(Real{}, began.Add(-time.Hour)) < time.Hour {
		t.Error("the wall clock went back")
	}
	defer func() {
		if recover() == nil {
			t.Error("it went back in time")
		}
	}()
	v.Advance(-1)
}

func TestChanceIsAFunctionOfSeedLabelAndNumber(t *testing.T) {
	type chance struct {
		rand, bits uint64
		draw       float64
	}
	of := func(seed uint64, label string, n uint64) chance {
		return chance{rand: Rand(seed, label).Uint64(), bits: Bits(seed, label, n), draw: Draw(seed, label, n)}
	}
	first := of(1, "a", 7)
	if again := of(1, "a", 7); again != first {
		t.Errorf("the same seed, label and number give %v and then %v", first, again)
	}
	for _, other := range []chance{of(2, "a", 7), of(1, "b", 7)} {
		if other.rand == first.rand || other.bits == first.bits || other.draw == first.draw {
			t.Errorf("another seed or label gives %v, as before", other)
		}
	}
	if next := of(1, "a", 8); next.bits == first.bits || next.draw == first.draw {
		t.Errorf("another number gives %v, as before", next)
	}
}

func TestDrawsAreUniform(t *testing.T) {
	const n, share = 100_000, 0.3
	hits := 0
	for i := range uint64(n) {
		d := Draw(42, "uniform", i)
		if d < 0 || d >= 1 {
			t.Fatalf("draw %d = %v is outside [0, 1)", i, d)
		}
		if d < share {
			hits++
		}
	}
	// Six standard deviations: sqrt(n·p·(1-p)) is 145.
	if hits < 30_000-870 || hits > 30_000+870 {
		t.Errorf("%d of %d draws are below %v", hits, n, share)
	}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began, stop := time.Now(), make(chan struct{})
		if !Wait(time.Hour, stop) || time.Since(began) != time.Hour {
			t.Errorf("an hour has not passed, but %v", time.Since(began))
		}
		time.AfterFunc(time.Minute, func() { close(stop) })
		if Wait(time.Hour, stop) || time.Since(began) != time.Hour+time.Minute {
			t.Errorf("it was not stopped after a minute: %v", time.Since(began))
		}
		if Wait(0, stop) {
			t.Error("nothing was to pass, and that after the stop")
		}
		if !Wait(-time.Hour, nil) {
			t.Error("an hour ago has not passed")
		}
	})
}
