package run_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/bench/run"
	"github.com/ackproof/ackproof/bench/synth"
	"github.com/ackproof/ackproof/scenarios"
)

// writeExport writes an export of some lines, as S3 has it, in two files.
func writeExport(t testing.TB, dir, table string, at time.Time, lines []string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	var manifest bytes.Buffer
	for i, part := range [][]string{lines[:len(lines)/2], lines[len(lines)/2:]} {
		var packed bytes.Buffer
		zip := gzip.NewWriter(&packed)
		for _, line := range part {
			fmt.Fprintln(zip, line)
		}
		zip.Close()
		sum := md5.Sum(packed.Bytes())
		name := fmt.Sprintf("part%d.json.gz", i)
		line, _ := json.Marshal(map[string]any{"itemCount": len(part), "md5Checksum": base64.StdEncoding.EncodeToString(sum[:]), "dataFileS3Key": "AWSDynamoDB/x/data/" + name})
		manifest.Write(append(line, '\n'))
		if err := os.WriteFile(filepath.Join(dir, "data", name), packed.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	summary, _ := json.Marshal(map[string]any{"tableArn": "arn:aws:dynamodb:us-east-1:123456789012:table/" + table, "exportTime": at.Format(time.RFC3339), "itemCount": len(lines), "outputFormat": "DYNAMODB_JSON", "exportType": "FULL_EXPORT"})
	for name, b := range map[string][]byte{"manifest-files.json": manifest.Bytes(), "manifest-summary.json": summary} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// exported makes an export of both tables of a synthetic run, of what its first read
// holds.
func exported(t testing.TB, runDir string, at time.Time) run.TableExport {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(runDir, "run.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Run  bench.RunID
		Seed uint64
	}
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(runDir, "scenario.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := scenarios.Parse("scenario.yaml", source, nil)
	if err != nil {
		t.Fatal(err)
	}
	plan := scenarios.NewPlan(s, m.Run, 0, m.Seed)
	read, err := ledger.OpenRead(filepath.Join(runDir, "reads", "1"))
	if err != nil {
		t.Fatal(err)
	}
	var items, effects []string
	for i := range read.Items() {
		items = append(items, fmt.Sprintf(`{"Item":{"id":{"S":"%s"},"payload":{"S":"%s"}}}`, plan.ID(i.Seq), plan.AppendPayload(nil, i.Seq)))
	}
	for e := range read.Effects() {
		effects = append(effects, fmt.Sprintf(`{"Item":{"digest":{"S":"%s"},"id":{"S":"%s"},"processedAt":{"N":"%d"},"count":{"N":"%d"},"sequence":{"N":"%s"}}}`,
			e.Digest, plan.ID(e.Seq), e.At.UnixMilli(), e.Count, e.Sequence))
	}
	dir := t.TempDir()
	return run.TableExport{
		Items:   writeExport(t, filepath.Join(dir, "items"), "items", at, items),
		Results: writeExport(t, filepath.Join(dir, "results"), "results", at, effects),
	}
}

var longAfter = time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)

// A run of which no read came to its end is judged from exports, wherever its
// directory lies by then, and all that was planted is found.
func TestJudgedFromExports(t *testing.T) {
	opts := synth.Options{Requests: 5000, Seed: 3, Each: 9}
	whole := makeRun(t, t.TempDir(), opts)
	export := exported(t, whole.Dir, longAfter)
	opts.CutOff = true
	made := makeRun(t, t.TempDir(), opts)
	moved := filepath.Join(t.TempDir(), "elsewhere", "x")
	if err := errorsOf(os.MkdirAll(filepath.Dir(moved), 0o755), os.Rename(made.Dir, moved)); err != nil {
		t.Fatal(err)
	}
	before, _, err := run.Judge(moved, run.JudgeOptions{})
	if err != nil || before.Items.Unread == 0 {
		t.Fatal(err, before.Items)
	}
	if err := run.ReadAgain(t.Context(), moved, run.Again{Exports: []run.TableExport{export, export}, Clock: clock.Real{}}); err != nil {
		t.Fatal(err)
	}
	r, _, err := run.Judge(moved, run.JudgeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	made.Dir, made.Planted = moved, whole.Planted
	foundExactly(t, made, r)
	for _, g := range r.Gates {
		if !g.OK && (g.Name == bench.GateReadsComplete || g.Name == bench.GateReadsAgree) {
			t.Errorf("%s: %s", g.Name, g.Detail)
		}
	}
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// An export that cannot tell of the run is refused, and the run stays as it was.
func TestExportsOfSomethingElse(t *testing.T) {
	made := makeRun(t, t.TempDir(), synth.Options{Requests: 1000, Seed: 3})
	other := makeRun(t, t.TempDir(), synth.Options{Requests: 1000, Seed: 4})
	broken := exported(t, made.Dir, longAfter)
	if err := os.Truncate(filepath.Join(broken.Items, "data", "part1.json.gz"), 100); err != nil {
		t.Fatal(err)
	}
	for want, export := range map[string]run.TableExport{
		"of another run's tables":   exported(t, other.Dir, longAfter),
		"before the load ended":     exported(t, made.Dir, time.Date(2026, 1, 2, 3, 4, 10, 0, time.UTC)),
		"is not as it was exported": broken,
	} {
		err := run.ReadAgain(context.Background(), made.Dir, run.Again{Exports: []run.TableExport{export}, Clock: clock.Real{}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		if left, _ := filepath.Glob(filepath.Join(made.Dir, "reads", "3*")); left != nil {
			t.Errorf("left behind: %v", left)
		}
	}
}

// BenchmarkJudgeFromExports is from packed files to the verdict.
func BenchmarkJudgeFromExports(b *testing.B) {
	const n = 100_000
	made := makeRun(b, b.TempDir(), synth.Options{Requests: n, Seed: 3})
	export := exported(b, made.Dir, longAfter)
	for b.Loop() {
		if err := run.ReadAgain(b.Context(), made.Dir, run.Again{Exports: []run.TableExport{export}, Clock: clock.Real{}}); err != nil {
			b.Fatal(err)
		}
		if _, _, err := run.Judge(made.Dir, run.JudgeOptions{}); err != nil {
			b.Fatal(err)
		}
		os.RemoveAll(filepath.Join(made.Dir, "reads", "3"))
	}
	b.ReportMetric(2*n*float64(b.N)/b.Elapsed().Seconds(), "items/s")
}
