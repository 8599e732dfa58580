package run

import (
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/scenarios"
)

// ExportInWindows is Export with windows of another size, so that a test can
// have several of them.
var ExportInWindows = exportInWindows

// Long skips a test of many runs where -short asks for that, as the race detector
// does: it makes each run ten times as long, and sees nothing in them that it does not
// see in one.
func Long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("many runs: without -short")
	}
}

// ParseCloudWatch reads the bytes of a cloudwatch.json.
var ParseCloudWatch = parseCloudWatch

// FindIn finds requests by name in a run that has no files.
func FindIn(id bench.RunID) func(name string) (uint64, error) {
	s, err := scenarios.Load(scenarios.Default, nil)
	if err != nil {
		panic(err)
	}
	f := &files{dir: "run", manifest: &manifest{Run: id}, plan: scenarios.NewPlan(s, id, 0, 1)}
	return f.find
}

// Round is a round of sentinels.
type Round struct{ *round }

// NewRound makes one.
func NewRound(lanes, shards int) Round { return Round{newRound(lanes, shards, 0)} }

// See notes that a sentinel was shown by a shard, and whether it has its effect.
func (r Round) See(seq uint64, shard string, done bool) {
	r.shard[seq], r.done[seq] = shard, done
}

// Missing and Wants are what the round says of open shards.
func (r Round) Missing(open ...string) string        { return r.missing(open) }
func (r Round) Wants(again bool, open ...string) int { return r.wants(open, false, again) }

// SentinelsFor is how many sentinels a shard needs.
var SentinelsFor = sentinelsFor

// Silences gives for how long nothing has come, after each of some looks: what
// each has seen, and when it began and ended.
func Silences(looks [][3]int) (all []int) {
	var s silence
	for _, l := range looks {
		all = append(all, int(s.add(look{sum: sum{rows: int64(l[0])}, began: time.Duration(l[1]), ended: time.Duration(l[2])})))
	}
	return all
}

// RightTime gives the moment that a clock called t, which was off as the pairs say:
// from when on, and how far ahead; all in ms.
func RightTime(off [][2]int, t, least int) int {
	var k skews
	for _, o := range off {
		k = append(k, skewed{time.Duration(o[0]) * time.Millisecond, time.Duration(o[1]) * time.Millisecond})
	}
	return int(k.right(time.Duration(t)*time.Millisecond, time.Duration(least)*time.Millisecond).Milliseconds())
}
