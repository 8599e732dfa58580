package run_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/bench/run"
	"github.com/ackproof/ackproof/bench/synth"
)

// antiJoin asks DuckDB which acknowledged ids have no effect, on two threads.
const antiJoin = `
import json, sys, time, duckdb
duckdb.sql("set threads = 2")
duckdb.sql("set enable_progress_bar = false") # it would be in the answer
begun, cpu = time.perf_counter(), time.process_time()
n = duckdb.sql(f"""select count(*) from '{sys.argv[1]}' a anti join
    (select id from '{sys.argv[1]}' where processed_ms is not null) e on a.id = e.id
    where a.outcome = 'acknowledged'""").fetchone()[0]
took, cpu = time.perf_counter() - begun, time.process_time() - cpu
held = next(int(l.split()[1]) << 10 for l in open("/proc/self/status") if l.startswith("VmHWM"))
print(json.dumps({"Missing": n, "Seconds": took, "CPU": cpu, "Held": held}))
`

// TestConformanceScaleRatios asks three ways which acknowledged ids have no effect:
// the judge, which answers far more; the map of strings of a checker that is
// written in an afternoon; and the anti-join of a database.
func TestConformanceScaleRatios(t *testing.T) {
	if os.Getenv("ACKPROOF_SCALE") == "" {
		t.Skip("takes minutes; run it with ACKPROOF_SCALE=1e7 or 'make scale'")
	}
	n := int64(0)
	for _, size := range scales(t) {
		if size <= 10_000_000 { // the map would not fit with more
			n = max(n, size)
		}
	}
	if n == 0 {
		t.Skip("nothing of up to 10,000,000 requests is asked for")
	}
	made := makeRun(t, t.TempDir(), synth.Options{Requests: n, Seed: 5, Each: 50})
	missing := 0
	for _, v := range []bench.ItemVerdict{bench.LostWrite, bench.LostProcessing, bench.DeadLettered} {
		missing += len(made.Planted[v])
	}
	judged := judgeIn(t, made, n, run.DefaultMemory)

	cpu, begun := cpuTime(t), time.Now()
	if got := naive(t, made.Dir, n); got != missing {
		t.Errorf("the map of strings finds %d, want %d", got, missing)
	}
	used := cpuTime(t) - cpu
	t.Logf("a map of strings: %.1f s and %.1f s of CPU, %.2f times the judge's", time.Since(begun).Seconds(), used.Seconds(), used.Seconds()/judged.Seconds())

	python3, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 on this machine, hence no DuckDB")
	}
	file := filepath.Join(t.TempDir(), "run.parquet")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	encoding, _ := run.EncodingOf(file)
	if _, err := run.Export(t.Context(), made.Dir, f, encoding); err != nil {
		t.Fatal(err)
	}
	venv := filepath.Join(t.TempDir(), "venv")
	python := filepath.Join(venv, "bin", "python")
	var got struct {
		Missing, Held int64
		Seconds, CPU  float64
	}
	for _, args := range [][]string{
		{python3, "-m", "venv", venv},
		{python, "-m", "pip", "install", "-q", "--only-binary", ":all:", "duckdb==1.4.1"},
		{python, "-c", antiJoin, file},
	} {
		out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).Output()
		if err != nil {
			t.Fatalf("%q: %v\n%s", args[:2], err, told(err))
		}
		if slices.Contains(args, antiJoin) {
			if err := json.Unmarshal(out, &got); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got.Missing != int64(missing) {
		t.Errorf("DuckDB finds %d, want %d", got.Missing, missing)
	}
	t.Logf("DuckDB's anti-join of the Parquet export: %.1f s and %.1f s of CPU, %d MB, %.2f times the judge's CPU", got.Seconds, got.CPU, got.Held>>20, got.CPU/judged.Seconds())
}

// naive counts the acknowledged ids without an effect by a map of their texts.
func naive(t *testing.T, dir string, n int64) (missing int) {
	t.Helper()
	book, err := ledger.Open(filepath.Join(dir, "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	read, err := ledger.OpenRead(filepath.Join(dir, "reads", "1"))
	if err != nil {
		t.Fatal(err)
	}
	id := func(seq uint64) string { return bench.ID{Run: book.Header().Run, Seq: seq}.String() }
	effects := map[string]bool{}
	for e := range read.Effects() {
		effects[id(e.Seq)] = true
	}
	for seq := range uint64(n) {
		if a, sent := book.Request(seq); sent && a.Outcome == bench.Acknowledged && !effects[id(seq)] {
			missing++
		}
	}
	return missing
}

// told is what a command that failed said of it.
func told(err error) []byte {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.Stderr
	}
	return nil
}
