package eventsource

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestMappingGoesOnAtPositions is a mapping whose process was killed: it goes on
// behind what was settled, and where nothing was it begins at the oldest record,
// also under LATEST, which would skip what came before the kill.
func TestMappingGoesOnAtPositions(t *testing.T) {
	for _, c := range []struct {
		name, start string
		positions   map[string]string
		want        int
	}{
		{"new", "TRIM_HORIZON", nil, 15},
		{"new at the end", "LATEST", nil, 0},
		{"behind a record", "TRIM_HORIZON", map[string]string{"shard-0": sequenceText(7)}, 3 + 5},
		{"behind all", "TRIM_HORIZON", map[string]string{"shard-0": sequenceText(10), "shard-1": sequenceText(15)}, 0},
		{"behind none", "LATEST", map[string]string{}, 15},
		{"behind a record, begun at the end", "LATEST", map[string]string{"shard-0": sequenceText(10), "shard-1": sequenceText(14)}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := &journal{}
				// The child waits for its parent, which is settled to its end or not.
				stream := &fakeStream{shards: []*fakeShard{{id: "shard-0", closed: true}, {id: "shard-1", parent: "shard-0"}}}
				stream.put(0, records(1, 10, epoch)...)
				stream.put(1, records(11, 15, epoch)...)
				config := testConfig(stream, works, j)
				config.Settings.StartingPosition, config.Positions = c.start, c.positions
				m := start(t, config)
				time.Sleep(10 * time.Second)
				synctest.Wait()
				if len(j.deliveries) != c.want {
					t.Errorf("%d records delivered, want %d", len(j.deliveries), c.want)
				}
				if p := m.Position()[1]; c.want > 0 && p.Checkpoint != sequenceText(15) {
					t.Errorf("position %+v", p)
				}
			})
		})
	}
}

// TestMappingBeginsDisabled is a mapping that was disabled when its process was
// killed: it begins to work when it is enabled, and numbers its batches above
// those of the one before.
func TestMappingBeginsDisabled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{}
		stream := &fakeStream{shards: []*fakeShard{{id: "shard-0"}}}
		stream.put(0, records(1, 10, epoch)...)
		config := testConfig(stream, works, j)
		config.Positions, config.Disabled, config.Numbers = map[string]string{"shard-0": sequenceText(7)}, true, 5
		m := start(t, config)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if len(j.deliveries) > 0 || m.State() != Disabled {
			t.Fatalf("%d records delivered, state %s", len(j.deliveries), m.State())
		}
		if err := m.Enable(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if len(j.deliveries) != 3 || j.deliveries[0].Batch>>32 != 5 {
			t.Errorf("deliveries %+v, want three of shard number 5", j.deliveries)
		}
	})
}
