package run_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/bench/run"
	"github.com/ackproof/ackproof/bench/synth"
)

// saidOf is what CloudWatch may say of a run.
func saidOf(id bench.RunID) *bench.CloudWatch {
	return &bench.CloudWatch{
		Schema: bench.CloudWatchSchema, Run: id, Account: "123456789012", Region: "eu-west-1", Read: "2026-03-01T14:10:00Z",
		FromMs: -20_000, ToMs: 100_000, PeriodMs: 60_000,
		Metrics: []bench.CloudWatchMetric{{
			Namespace: "AWS/Lambda", Name: "IteratorAge", Statistic: "Maximum", Unit: "Milliseconds", SettledMs: 40_000,
			Dimensions: []bench.CloudWatchDimension{{Name: "FunctionName", Value: "ackproof-processor"}},
			Points:     []bench.CloudWatchPoint{{TMs: -20_000, Value: 0}, {TMs: 40_000, Value: 12.5}},
		}},
	}
}

// TestCloudWatchIsNeverJudged judges a run with and without cloudwatch.json, also one
// that is damaged: the result must be the same to the byte.
func TestCloudWatchIsNeverJudged(t *testing.T) {
	made := makeRun(t, t.TempDir(), synth.Options{Requests: 1000, Seed: 3, Each: 2})
	judged := func() string {
		t.Helper()
		if _, _, err := run.Judge(made.Dir, run.JudgeOptions{}); err != nil {
			t.Fatal(err)
		}
		var all []byte
		for _, name := range []string{"result.json", "findings.jsonl", "series.json"} {
			b, err := os.ReadFile(filepath.Join(made.Dir, name))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, b...)
		}
		return string(all)
	}
	without := judged()
	result, _, err := run.Tell(made.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := run.ReadCloudWatch(made.Dir, result.Run.ID); c != nil || err != nil {
		t.Errorf("nobody has asked, and there is %+v %v", c, err)
	}
	want := saidOf(result.Run.ID)
	if err := run.WriteCloudWatch(made.Dir, want); err != nil {
		t.Fatal(err)
	}
	got, err := run.ReadCloudWatch(made.Dir, result.Run.ID)
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("read back, %v: %s", err, cmp.Diff(want, got))
	}
	if judged() != without {
		t.Error("the judge has read cloudwatch.json")
	}
	path := filepath.Join(made.Dir, "cloudwatch.json")
	if err := os.WriteFile(path, []byte(`{"verdict":"pass"`), 0o644); err != nil {
		t.Fatal(err)
	}
	if judged() != without {
		t.Error("the judge has read a damaged cloudwatch.json")
	}
	if _, err := run.ReadCloudWatch(made.Dir, result.Run.ID); err == nil || !strings.Contains(err.Error(), "ackproof cloudwatch ") {
		t.Errorf("a damaged file: %v", err)
	}
}

// TestCloudWatchFile refuses what is damaged, of another run, or coarser than what is
// there.
func TestCloudWatchFile(t *testing.T) {
	dir := t.TempDir()
	c := saidOf("k3v9x2ab")
	if err := run.WriteCloudWatch(dir, c); err != nil {
		t.Fatal(err)
	}
	if _, err := run.ReadCloudWatch(dir, "k3v9x2ac"); err == nil {
		t.Error("that of another run was read")
	}
	coarse := saidOf("k3v9x2ab")
	coarse.FromMs, coarse.ToMs, coarse.PeriodMs, coarse.Metrics[0].Points = -20_000, 280_000, 300_000, nil
	if err := run.WriteCloudWatch(dir, coarse); err == nil {
		t.Error("minutes were replaced by five minutes")
	}
	path := filepath.Join(dir, "cloudwatch.json")
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := range sound {
		damaged := bytes.Clone(sound)
		damaged[at] ^= 1
		if got, err := run.ParseCloudWatch(damaged); err == nil {
			t.Fatalf("byte %d changed, and it was read: %+v", at, got)
		}
	}
	for n := range sound {
		if _, err := run.ParseCloudWatch(sound[:n]); err == nil {
			t.Fatalf("cut after %d bytes, and it was read", n)
		}
	}
	for name, change := range map[string]func(*bench.CloudWatch){
		"schema":        func(c *bench.CloudWatch) { c.Schema = "ackproof.cloudwatch/v9" },
		"read":          func(c *bench.CloudWatch) { c.Read = "yesterday" },
		"no period":     func(c *bench.CloudWatch) { c.PeriodMs = 0 },
		"half a period": func(c *bench.CloudWatch) { c.ToMs += 30_000 },
		"endless":       func(c *bench.CloudWatch) { c.ToMs = 1e300 },
		"backwards":     func(c *bench.CloudWatch) { c.ToMs = -80_000 },
		"a point late":  func(c *bench.CloudWatch) { c.Metrics[0].Points[1].TMs = 100_000 },
		"order":         func(c *bench.CloudWatch) { c.Metrics[0].Points[1].TMs = -20_000 },
		"many":          func(c *bench.CloudWatch) { c.Metrics = make([]bench.CloudWatchMetric, 501) },
	} {
		bad := saidOf("k3v9x2ab")
		change(bad)
		if err := run.WriteCloudWatch(t.TempDir(), bad); err == nil {
			t.Errorf("%s: written", name)
		}
	}
}

// FuzzCloudWatch reads any file: what is taken can be told, and is written again as
// it is.
func FuzzCloudWatch(f *testing.F) {
	sound, err := json.MarshalIndent(saidOf("k3v9x2ab"), "", "  ")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sound)
	f.Add([]byte(`{"schema":"ackproof.cloudwatch/v1","from_ms":0,"to_ms":60000,"period_ms":60000,"read":"2026-03-01T14:10:00Z","metrics":[{"points":[{"t_ms":0,"value":1e308}]}]}`))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, object []byte) {
		run.ParseCloudWatch(object) // must not fall over without a checksum either
		c, err := run.ParseCloudWatch(append(ledger.AppendSum(object), '\n'))
		if err != nil {
			return
		}
		for i := range c.Metrics {
			c.Metrics[i].Whole()
		}
		c.Unsettled()
		dir := t.TempDir()
		if err := run.WriteCloudWatch(dir, c); err != nil {
			t.Fatalf("read, and not to be written: %v", err)
		}
		if again, err := run.ReadCloudWatch(dir, c.Run); err != nil || !cmp.Equal(again, c) {
			t.Fatalf("read back, %v: %s", err, cmp.Diff(c, again))
		}
	})
}
