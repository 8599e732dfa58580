package run_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/bench/run"
	"github.com/ackproof/ackproof/scenarios"
)

// benchRequests is how many requests the synthetic run is of.
const benchRequests = 100_000

// synthetic makes the files of a run in which everything went well.
func synthetic(b *testing.B, n int) string {
	b.Helper()
	const id = bench.RunID("k3v9x2ab")
	dir := b.TempDir()
	s, err := scenarios.Parse("s.yaml", fmt.Appendf(nil, "name: synthetic\nload: [{name: steady, for: %ds, rate: 5000/s}]\nprocessor: {work: 0ms}\noverload: true\n", n/5000), nil)
	if err != nil {
		b.Fatal(err)
	}
	start := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
	check := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	check(os.WriteFile(filepath.Join(dir, "scenario.yaml"), s.YAML(), 0o644))
	check(os.WriteFile(filepath.Join(dir, "events.jsonl"), nil, 0o644))
	check(os.WriteFile(filepath.Join(dir, "run.json"), fmt.Appendf(nil,
		`{"schema":"ackproof.run/v1","run":%q,"scenario":"synthetic","target":"local","architecture":"streams","seed":1,"planned":%d,"created":%q}`,
		id, n, start.Format(time.RFC3339Nano)), 0o644))
	plan := scenarios.NewPlan(s, id, 0, 1)
	book, err := ledger.Create(filepath.Join(dir, "ledger"), ledger.Header{Run: id, Planned: int64(n), Seed: 1, Created: start})
	check(err)
	check(book.SetStart(start))
	log, err := ledger.CreateDeliveries(filepath.Join(dir, "deliveries"))
	check(err)
	var reads [2]*ledger.ReadWriter
	for r := range reads {
		reads[r], err = ledger.CreateRead(filepath.Join(dir, "reads", fmt.Sprint(r+1)), ledger.ReadHeader{Run: id, Number: r + 1, Begun: start})
		check(err)
	}
	for seq := range uint64(n) {
		due := plan.Due(seq)
		book.Done(bench.Attempt{Seq: seq, Outcome: bench.Acknowledged, Class: bench.ClassStatus, Status: 200, Sent: due + 1000, End: due + 2_000_000})
		at := start.Add(due + 1_500_000)
		text, sequence := plan.ID(seq).String(), fmt.Sprint(1_000_000_000+seq)
		log.Committed(bench.Commit{Shard: "shard-1", Sequence: sequence, ID: text, At: at})
		log.Delivered([]bench.Delivery{{Shard: "shard-1", Sequence: sequence, ID: text, Batch: seq / 100, Attempt: 1, At: at.Add(time.Millisecond), Outcome: bench.Delivered}})
		for _, r := range reads {
			check(r.Item(bench.Item{Seq: seq}))
			check(r.Effect(bench.Effect{Seq: seq, Count: 1, At: at.Add(2 * time.Millisecond)}))
		}
	}
	check(book.Close())
	check(log.Close())
	for _, r := range reads {
		check(r.Finish())
	}
	return dir
}

// BenchmarkExport writes a run down; the judging before is part of it.
func BenchmarkExport(b *testing.B) {
	dir := synthetic(b, benchRequests)
	for _, e := range run.ExportEncodings() {
		b.Run(string(e), func(b *testing.B) {
			for b.Loop() {
				done, err := run.Export(b.Context(), dir, io.Discard, e)
				if err != nil || done.Rows != benchRequests {
					b.Fatalf("%d rows, %v", done.Rows, err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRequests, "ns/row")
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			b.ReportMetric(float64(m.Sys)/(1<<20), "MiB")
		})
	}
}
