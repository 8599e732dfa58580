package run

import (
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench/clock"
)

// TestCompareClocks: the true offset always lies within the bound that is told, a clock
// that is off by more than the bound is corrected, and one that was moved is noticed.
func TestCompareClocks(t *testing.T) {
	started := time.Date(2026, 11, 23, 10, 0, 0, 123_456_789, time.UTC)
	simulate := func(seed uint64, offset func(at time.Duration) time.Duration) clocks {
		draw := clock.Rand(seed, "clocks")
		var samples []sample
		sent := map[uint64]time.Duration{}
		for seq := range uint64(300) {
			at := time.Duration(seq) * 20 * time.Millisecond
			sent[seq] = at
			applied := at + time.Duration(5e6+draw.ExpFloat64()*150e6)
			asked := applied + time.Duration(draw.Float64()*float64(50*time.Millisecond)) + time.Millisecond
			samples = append(samples, sample{
				Seq: seq, Processed: started.Add(applied + offset(applied)).UnixMilli(), SeenMs: ms(asked),
			})
		}
		return compareClocks(samples, func(seq uint64) (time.Duration, bool) { at, ok := sent[seq]; return at, ok && seq != 7 }, started)
	}
	for seed := range uint64(100) {
		offset := time.Duration((clock.Draw(seed, "offset", 0) - 0.5) * 4e9)
		if seed%4 == 0 {
			offset = 0
		}
		c := simulate(seed, func(time.Duration) time.Duration { return offset })
		if c.OffsetMs == nil || c.Moved || c.Samples != 299 {
			t.Fatalf("seed %d: %+v", seed, c)
		}
		if off := ms(offset) - *c.OffsetMs; off > *c.ErrorMs || off < -*c.ErrorMs {
			t.Errorf("seed %d: the offset is %v, and was told to be %v ± %v ms", seed, offset, *c.OffsetMs, *c.ErrorMs)
		}
		if *c.ErrorMs > 15 {
			t.Errorf("seed %d: a bound of %v ms says nothing", seed, *c.ErrorMs)
		}
		if c.Corrected != (ms(offset.Abs()) > *c.ErrorMs*2) && ms(offset.Abs()) > 40 {
			t.Errorf("seed %d: offset %v, corrected %v", seed, offset, c.Corrected)
		}
		if offset == 0 && (c.Corrected || c.offset != 0) {
			t.Errorf("seed %d: a clock that is right was corrected by %v", seed, c.offset)
		}
		moved := simulate(seed, func(at time.Duration) time.Duration {
			if at > 3*time.Second {
				return offset + 500*time.Millisecond
			}
			return offset
		})
		if !moved.Moved || moved.OffsetMs != nil || len(moved.notes()) == 0 {
			t.Errorf("seed %d: a clock that was moved by 500 ms: %+v", seed, moved)
		}
	}
	if c := compareClocks(nil, nil, started); c.OffsetMs != nil || c.Moved || c.Samples != 0 || c.notes() != nil {
		t.Errorf("nothing seen: %+v", c)
	}
}
