package run_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/bench/run"
)

// watchedTarget is an inProcess that keeps a log of deliveries, as the local
// target does.
type watchedTarget struct{ inProcess }

func (p *watchedTarget) Start(ctx context.Context, stack bench.Stack, events func(bench.Event)) (bench.Endpoints, error) {
	log, err := ledger.CreateDeliveries(filepath.Join(stack.Dir, "deliveries"))
	if err != nil {
		return bench.Endpoints{}, err
	}
	for seq := range uint64(60) {
		c := bench.Commit{Shard: "shard-1", Sequence: "1", ID: bench.ID{Run: stack.Run, Seq: seq}.String(), At: clock.Real{}.Now()}
		log.Committed(c)
		log.Delivered([]bench.Delivery{{Shard: c.Shard, Sequence: c.Sequence, ID: c.ID, Batch: seq, Attempt: 1, At: c.At, Outcome: bench.Delivered}})
		if seq%20 == 19 {
			log.Flush()
		}
	}
	if err := log.Close(); err != nil {
		return bench.Endpoints{}, err
	}
	return p.inProcess.Start(ctx, stack, events)
}

// evidenceFiles lists the files of a run that it is judged from. A file that is
// neither one of them nor made from them fails the test: it would be a file whose
// damage nobody has thought of.
func evidenceFiles(t testing.TB, dir string) (files []string) {
	t.Helper()
	made := []string{"result.json", "findings.jsonl", "prices.yaml"} // the last is no evidence: the user may replace it
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(dir, path)
		if err == nil && !d.IsDir() && !slices.Contains(made, name) {
			files = append(files, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"run.json", "scenario.yaml", "events.jsonl", "deliveries/log", "ledger/header.json", "ledger/attempts", "ledger/start.json", "ledger/end.json", "reads/1/items", "reads/2/effects"} {
		if !slices.Contains(files, name) {
			t.Fatalf("there is no %s among %q", name, files)
		}
	}
	return files
}

// damaged is a change of one file: a byte that is another, or an end that is gone.
type damaged struct {
	file string
	at   int
	flip byte // 0: cut off there
}

func (d damaged) String() string {
	if d.flip == 0 {
		return fmt.Sprintf("%s cut off at byte %d", d.file, d.at)
	}
	return fmt.Sprintf("%s with byte %d changed by %#x", d.file, d.at, d.flip)
}

// expectSeen judges a run with one damaged file: it is unknown, and the file is
// named. The damage is taken back.
func expectSeen(t *testing.T, dir string, d damaged) {
	t.Helper()
	path := filepath.Join(dir, d.file)
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(sound) == 0 {
		t.Fatalf("%s is empty", d.file)
	}
	d.at %= len(sound)
	b := slices.Clone(sound[:d.at])
	if d.flip != 0 {
		b = slices.Clone(sound)
		b[d.at] ^= d.flip
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	defer os.WriteFile(path, sound, 0o644)
	r, _, err := run.Judge(dir, run.JudgeOptions{})
	if err != nil {
		t.Errorf("%v: %v", d, err)
		return
	}
	var told []string
	for _, reason := range r.Reasons {
		told = append(told, reason.Text)
	}
	if r.Verdict != bench.VerdictUnknown {
		t.Errorf("%v: verdict %s: %q", d, r.Verdict, told)
	}
	if !strings.Contains(strings.Join(append(told, r.Notes...), "\n"), d.file) && d.file != "events.jsonl" {
		t.Errorf("%v: not named in %q", d, told)
	}
}

func soundRun(t testing.TB) string {
	t.Helper()
	target := &watchedTarget{}
	target.t, _ = t.(*testing.T)
	return carryOutOn(t, plan, target)
}

func TestDamage(t *testing.T) {
	run.Long(t)
	clean, other := soundRun(t), soundRun(t)
	t.Run("of any file is seen", func(t *testing.T) { testDamage(t, copyRun(t, clean)) })
	testStrangers(t, clean, other)
	t.Run("of the result is not told", func(t *testing.T) { testDamagedResult(t, copyRun(t, clean)) })
}

// Whatever is damaged, the run is unknown: never a pass, never a failure that
// nobody can answer for, and no panic. The file is named.
func testDamage(t *testing.T, dir string) {
	files := evidenceFiles(t, dir)
	if r := judge(t, dir); r.Verdict != bench.Pass {
		t.Fatalf("the sound run: verdict %s, reasons %v", r.Verdict, r.Reasons)
	}
	seed := clock.Entropy()
	t.Logf("seed %d", seed)
	began := clock.Real{}.Now()
	n := uint64(0)
	draw := func(below int) int { n++; return int(clock.Draw(seed, "damage", n) * float64(below)) }
	for _, file := range files {
		info, err := os.Stat(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		size := int(info.Size())
		for range 3 {
			expectSeen(t, dir, damaged{file, draw(size), byte(1 + draw(255))})
			expectSeen(t, dir, damaged{file, draw(size), 0})
		}
		expectSeen(t, dir, damaged{file, 0, 0})
		expectSeen(t, dir, damaged{file, size - 1, 0})
	}
	t.Logf("%d files, %v a judgement", len(files), clock.Real{}.Now().Sub(began)/time.Duration(8*len(files)))
	if r := judge(t, dir); r.Verdict != bench.Pass {
		t.Errorf("after all damage was taken back: verdict %s, reasons %v", r.Verdict, r.Reasons)
	}
}

// Blocks that are gone without a trace, and files of another run.
func testStrangers(t *testing.T, clean, other string) {
	move := func(name string) func(dir string) error {
		return func(dir string) error {
			return errors.Join(os.RemoveAll(filepath.Join(dir, name)), os.CopyFS(filepath.Join(dir, name), os.DirFS(filepath.Join(other, name))))
		}
	}
	for name, change := range map[string]func(dir string) error{
		"the ledger of another run": move("ledger"),
		"a read of another run":     move("reads/1"),
		"no deliveries":             func(dir string) error { return os.Remove(filepath.Join(dir, "deliveries", "log")) },
		"deliveries cut off between two blocks": func(dir string) error {
			path := filepath.Join(dir, "deliveries", "log")
			b, err := os.ReadFile(path)
			return errors.Join(err, os.WriteFile(path, b[:strings.LastIndex(string(b), "apbR")], 0o644))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := copyRun(t, clean)
			if err := change(dir); err != nil {
				t.Fatal(err)
			}
			if r := judge(t, dir); r.Verdict != bench.VerdictUnknown {
				t.Errorf("verdict %s", r.Verdict)
			}
		})
	}
}

// A result that has changed since it was judged is not told.
func testDamagedResult(t *testing.T, dir string) {
	judge(t, dir)
	path := filepath.Join(dir, "result.json")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(strings.Replace(string(b), `"seed": 11`, `"seed": 12`, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := run.ReadRuns([]string{dir}); err == nil || !strings.Contains(err.Error(), "ackproof reconcile") {
		t.Errorf("told all the same: %v", err)
	}
}

func TestEncodeResult(t *testing.T) {
	b, err := run.EncodeResult(&bench.Result{Lag: &bench.Latency{}})
	object, whole := bytes.CutSuffix(b, []byte("\n"))
	if summed, serr := ledger.CheckSum(object); err != nil || serr != nil || !summed || !whole || !bytes.Contains(b, []byte(`"processing_lag": {`)) {
		t.Errorf("%v, %v: %.80s", err, serr, b)
	}
	nan := new(bench.Result)
	nan.Load.OfferedRPS = math.NaN()
	if _, err := run.EncodeResult(nan); err == nil {
		t.Error("a NaN was written as JSON")
	}
}

// FuzzDamage changes a byte of any file of a run, or cuts it off.
func FuzzDamage(f *testing.F) {
	clean := soundRun(f)
	files := evidenceFiles(f, clean)
	f.Add(uint8(0), uint32(10), byte(1))
	f.Add(uint8(3), uint32(100), byte(0))
	f.Fuzz(func(t *testing.T, file uint8, at uint32, flip byte) {
		dir := copyRun(t, clean)
		expectSeen(t, dir, damaged{files[int(file)%len(files)], int(at), flip})
	})
}
