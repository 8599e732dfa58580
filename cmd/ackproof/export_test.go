package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench"
)

// Other people's tools read what export writes, and find in it what result.json
// says: the real vegeta command, DuckDB and pandas.
func TestConformanceExport(t *testing.T) {
	if os.Getenv("ACKPROOF_CONFORMANCE") != "all" {
		t.Skip("set ACKPROOF_CONFORMANCE=all: this builds vegeta and installs DuckDB and pandas")
	}
	s := startAckproof(t, "run", "lossy", "--quiet")
	if code := s.code(); code != exitFail {
		t.Fatalf("exit code %d, want %d", code, exitFail)
	}
	r := resultOf(t, s.latest())
	dir := t.TempDir()
	for _, file := range []string{"requests.csv", "requests.jsonl", "requests.parquet", "results.vegeta"} {
		export := startAckproof(t, "export", s.latest(), "--out", filepath.Join(dir, file))
		if code := export.code(); code != exitPass {
			t.Fatalf("%s: exit code %d", file, code)
		}
	}
	t.Run("vegeta", func(t *testing.T) { vegetaReads(t, filepath.Join(dir, "results.vegeta"), &r) })
	t.Run("duckdb and pandas", func(t *testing.T) { pythonReads(t, dir, &r) })
}

// output runs a command and gives what it prints.
func output(t *testing.T, env []string, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, stderr.String())
	}
	return out
}

func vegetaReads(t *testing.T, results string, r *bench.Result) {
	const module = "github.com/tsenart/vegeta/v12"
	bin := t.TempDir()
	version := strings.TrimSpace(string(output(t, nil, "go", "list", "-m", "-f", "{{.Version}}", module)))
	output(t, []string{"GOBIN=" + bin, "GOFLAGS="}, "go", "install", module+"@"+version)
	vegeta := filepath.Join(bin, "vegeta")

	var m struct {
		Requests  int64              `json:"requests"`
		Success   float64            `json:"success"`
		Latencies map[string]float64 `json:"latencies"` // ns
	}
	if err := json.Unmarshal(output(t, nil, vegeta, "report", "-type=json", results), &m); err != nil {
		t.Fatal(err)
	}
	if m.Requests != r.ResponseTime.Count || m.Requests == 0 || m.Success != float64(r.ResponseBy.Acknowledged.Count)/float64(m.Requests) {
		t.Errorf("vegeta reports %d requests, %v of them well; result.json has %d, and %d acknowledged", m.Requests, m.Success, r.ResponseTime.Count, r.ResponseBy.Acknowledged.Count)
	}
	for name, want := range map[string]*float64{
		"mean": r.ResponseTime.Mean, "max": r.ResponseTime.Max, "50th": r.ResponseTime.P50, "90th": r.ResponseTime.P90, "95th": r.ResponseTime.P95,
	} {
		// Percentiles of vegeta are estimates between two values.
		if got := m.Latencies[name] / 1e6; math.Abs(got-*want) > 0.02+*want/20 {
			t.Errorf("vegeta reports %s %v ms, result.json has %v", name, got, *want)
		}
	}
	if page := string(output(t, nil, vegeta, "plot", results)); !strings.Contains(page, "lossy ") {
		t.Errorf("vegeta plots %d bytes without our phases", len(page))
	}
}

// python reads the same figures from each file, in two ways.
const python = `
import json, sys, duckdb, pandas
out = {}
measured = "not warmup and (response_time_ms is not null or waited_ms is not null)"
for name in ["requests.csv", "requests.jsonl", "requests.parquet"]:
    path = sys.argv[1] + "/" + name
    row = duckdb.sql(f"""select count(*), count(*) filter (verdict = 'lost_processing'), count(*) filter ({measured}),
        quantile_disc(response_time_ms, 0.5) filter ({measured}), max(response_time_ms) filter ({measured}),
        count(distinct id), typeof(any_value(seq)), typeof(any_value(warmup)), count(distinct shard)
        from '{path}'""").fetchone()
    out["duckdb " + name] = row[:6]
    if name.endswith("parquet"):
        assert row[6:8] == ("BIGINT", "BOOLEAN"), row
        t = duckdb.sql(f"select due_at from '{path}' limit 1").fetchone()[0]
        assert t.tzinfo is not None, t
    p = {"csv": pandas.read_csv, "parquet": pandas.read_parquet}.get(name.split(".")[1], lambda f: pandas.read_json(f, lines=True))(path)
    m = p[~p.warmup.astype(bool) & (p.response_time_ms.notna() | p.waited_ms.notna())].response_time_ms
    out["pandas " + name] = [len(p), int((p.verdict == "lost_processing").sum()), len(m), float(m.quantile(0.5, interpolation="higher")), float(m.max()), int(p.id.nunique())]
print(json.dumps(out))
`

func pythonReads(t *testing.T, dir string, r *bench.Result) {
	python3, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 on this machine")
	}
	venv := filepath.Join(t.TempDir(), "venv")
	output(t, nil, python3, "-m", "venv", venv)
	own := filepath.Join(venv, "bin", "python")
	output(t, nil, own, "-m", "pip", "install", "-q", "--only-binary", ":all:", "duckdb==1.4.1", "pandas==2.3.3", "pyarrow==21.0.0", "pytz==2026.6")
	var got map[string][]float64
	if err := json.Unmarshal(output(t, nil, own, "-c", python, dir), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 6 {
		t.Fatalf("%d files were read, want 3 in 2 ways", len(got))
	}
	for way, v := range got {
		want := []float64{float64(r.Requests.Planned), float64(r.Items.LostProcessing), float64(r.ResponseTime.Count), *r.ResponseTime.P50, *r.ResponseTime.Max, float64(r.Requests.Planned)}
		for i := range want {
			if math.Abs(v[i]-want[i]) > 0.003+math.Abs(want[i])/500 || i != 3 && i != 4 && v[i] != want[i] {
				t.Errorf("%s: %v, want %s", way, v, fmt.Sprint(want))
				break
			}
		}
	}
}
