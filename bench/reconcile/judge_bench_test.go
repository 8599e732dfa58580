package reconcile

import (
	"fmt"
	"slices"
	"testing"

	"github.com/ackproof/ackproof/bench"
)

func BenchmarkJudge(b *testing.B) {
	const n = 1_000_000
	w := newWorld(0)
	e := w.e
	e.Planned = n
	e.Stage = func(uint64) int { return 0 }
	e.Stages = e.Stages[:1]
	e.Faults[0].From, e.Faults[0].To = due(n/3), due(2*n/3)
	e.Attempts = func(first uint64, into []bench.Attempt) {
		for i := range into {
			into[i] = bench.Attempt{Seq: first + uint64(i), Outcome: bench.Acknowledged}
		}
	}
	var items, effects []*bench.Rows // as a reader hands them over
	for seq := range uint64(n) {
		if seq%1024 == 0 {
			items, effects = append(items, &bench.Rows{}), append(effects, &bench.Rows{})
		}
		items[len(items)-1].Append(bench.Item{Seq: seq, Digest: digestOf(seq), HasDigest: true}.Row())
		if seq%10_000 != 0 {
			effects[len(effects)-1].Append(goodEffect(seq).Row())
		}
	}
	for r := range e.Reads {
		e.Reads[r].Items, e.Reads[r].Effects = slices.Values(items), slices.Values(effects)
	}
	commits := make([]bench.Commit, n)
	for seq := range commits {
		commits[seq] = bench.Commit{Shard: "s0", Sequence: fmt.Sprint(1000 + seq), ID: idOf(uint64(seq))}
	}
	for _, logs := range []bool{false, true} {
		b.Run(fmt.Sprintf("logs=%v", logs), func(b *testing.B) {
			if logs {
				e.Commits = slices.Values(commits)
			}
			b.ReportAllocs()
			for b.Loop() {
				if a := Judge(e); a.Items.LostProcessing != n/10_000 {
					b.Fatalf("%+v", a.Items)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/request")
		})
	}
}
