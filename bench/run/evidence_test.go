package run_test

import (
	"context"
	"encoding/json"
	"errors"
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
)

// without removes the lines of events.jsonl that contain a text.
func without(t *testing.T, dir, text string) {
	t.Helper()
	path := filepath.Join(dir, "events.jsonl")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	removed := 0
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, text) {
			removed++
			continue
		}
		kept = append(kept, line)
	}
	if removed == 0 {
		t.Fatalf("no line of events.jsonl contains %q", text)
	}
	if err := os.WriteFile(path, summed(t, strings.Join(kept, "")), 0o644); err != nil {
		t.Fatal(err)
	}
}

// replace changes the lines of events.jsonl that contain a text.
func replace(t *testing.T, dir, old, new string) {
	t.Helper()
	path := filepath.Join(dir, "events.jsonl")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), old) {
		t.Fatalf("events.jsonl does not contain %q", old)
	}
	if err := os.WriteFile(path, summed(t, strings.ReplaceAll(string(b), old, new)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// summed gives each line the checksum that it would have been written with: what
// a test plants is other evidence, not damage.
func summed(t *testing.T, text string) []byte {
	t.Helper()
	var all []byte
	for line := range strings.Lines(text) {
		object, _, found := strings.Cut(line, `,"crc":`)
		if !found {
			t.Fatalf("events.jsonl: no checksum in %s", line)
		}
		all = append(append(all, ledger.AppendSum([]byte(object+"}"))...), '\n')
	}
	return all
}

// flip turns one bit of a file.
func flip(t *testing.T, path string, at int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[at] ^= 1
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// Each piece of evidence of a run is a gate of its own: without it a pass is
// unknown, and no other gate is down.
func TestEvidenceThatIsMissingInTheFilesMakesAPassUnknown(t *testing.T) {
	run.Long(t)
	clean := carryOut(t, `
name: files
load: [{name: steady, for: 2s, rate: 400/s}]
faults: ["at 900ms for 200ms: invoke.throttle"]
`, &inProcess{})
	if r := judge(t, clean); r.Verdict != bench.Pass {
		t.Fatalf("the clean run: verdict %s, reasons %v", r.Verdict, r.Reasons)
	}
	tests := []struct {
		gate   bench.Gate
		damage func(dir string)
	}{
		{bench.GateCleanStart, func(dir string) { without(t, dir, `"clean_start"`) }},
		{bench.GateCleanStart, func(dir string) { replace(t, dir, `"items":0`, `"items":1`) }},
		{bench.GateFaultsBit, func(dir string) { replace(t, dir, `"Bitten":1`, `"Bitten":0`) }},
		{bench.GateFaultsUndone, func(dir string) { without(t, dir, `"fault_end"`) }},
		{bench.GateDrained, func(dir string) { replace(t, dir, `"positions"`, `"none"`) }},
		{bench.GateHarnessAlive, func(dir string) { without(t, dir, `"finished"`) }},
		{bench.GatePlanComplete, func(dir string) { replace(t, dir, `"complete":true`, `"complete":false`) }},
		{bench.GateLedgerComplete, func(dir string) { flip(t, filepath.Join(dir, "ledger", "attempts"), 20) }},
	}
	for i, tt := range tests {
		t.Run(fmt.Sprintf("%d %s", i, tt.gate), func(t *testing.T) {
			dir := copyRun(t, clean)
			tt.damage(dir)
			expectOnlyDown(t, judge(t, dir), tt.gate)
		})
	}
	for _, name := range []string{"items", "effects"} {
		t.Run("a damaged read of "+name, func(t *testing.T) {
			dir := copyRun(t, clean)
			flip(t, filepath.Join(dir, "reads", "2", name), 900)
			r := judge(t, dir)
			if r.Verdict != bench.VerdictUnknown || r.Items.Lost() != 0 {
				t.Errorf("verdict %s, %d lost", r.Verdict, r.Items.Lost())
			}
		})
	}
}

func expectOnlyDown(t *testing.T, r *bench.Result, gate bench.Gate) {
	t.Helper()
	if r.Verdict != bench.VerdictUnknown {
		t.Errorf("verdict %s, want unknown; reasons %v", r.Verdict, r.Reasons)
	}
	for _, g := range r.Gates {
		if timing := g.Name == bench.GateSendDelay || g.Name == bench.GateGeneratorCPU; g.OK != (g.Name != gate) && !timing {
			t.Errorf("gate %s is up: %v (%s)", g.Name, g.OK, g.Detail)
		}
	}
}

// Everything that is told is computed from the evidence: without it there is
// nothing, with it everything is as before.
func TestEveryFigureComesFromTheFiles(t *testing.T) {
	dir := carryOut(t, plan, &inProcess{})
	first, err := json.Marshal(judge(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := copyRun(t, dir)
	if err := errors.Join(os.Remove(filepath.Join(elsewhere, "result.json")), os.Remove(filepath.Join(elsewhere, "findings.jsonl")), os.RemoveAll(dir)); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(judge(t, elsewhere))
	if err != nil {
		t.Fatal(err)
	}
	if string(first) != string(again) {
		t.Errorf("judged elsewhere, from the evidence alone:\n%s\nwant\n%s", again, first)
	}
}

func TestARunThatCannotStartLeavesNothing(t *testing.T) {
	out := filepath.Join(t.TempDir(), "runs")
	_, err := run.Prepare(run.Options{Scenario: scenario(t, plan), Target: &inProcess{lacks: []string{"one thing", "another"}}, Out: out, Clock: clock.Real{}})
	if err == nil || !strings.Contains(err.Error(), "one thing\nanother") {
		t.Errorf("error %v, want both things that are lacking", err)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("a folder was made for a run that cannot be")
	}
}

func TestATableThatIsNotEmptyIsNoCleanStart(t *testing.T) {
	r := judge(t, carryOut(t, plan, &inProcess{dirty: true}))
	if r.Verdict != bench.VerdictUnknown {
		t.Errorf("verdict %s with somebody else's item in the table, want unknown; reasons %v", r.Verdict, r.Reasons)
	}
}

func TestADirectoryWithoutARun(t *testing.T) {
	for _, files := range []map[string]string{
		{},
		{"run.json": "{"},
		{"run.json": `{"schema":"ackproof.run/v9"}`},
		{"run.json": `{"schema":"ackproof.run/v1","run":"../../..","architecture":"streams"}`},
		{"run.json": `{"schema":"ackproof.run/v1","run":"00000000","architecture":"streams","planned":600}`, "scenario.yaml": "nonsense: true"},
	} {
		dir := t.TempDir()
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := run.Judge(dir, run.JudgeOptions{}); err == nil {
			t.Errorf("%v was judged", files)
		}
	}
}

// chatty tells an event that no file can hold, while the load is on.
type chatty struct{ inProcess }

func (p *chatty) Start(ctx context.Context, stack bench.Stack, events func(bench.Event)) (bench.Endpoints, error) {
	time.AfterFunc(400*time.Millisecond, func() {
		events(bench.Event{At: clock.Real{}.Now(), Kind: bench.EventEvidence, Data: json.RawMessage("{torn")})
	})
	return p.inProcess.Start(ctx, stack, events)
}

// A run whose events are not written is not carried on, and does not pass for one
// that knows everything.
func TestAnEventThatIsNotWrittenEndsTheRun(t *testing.T) {
	target := &chatty{}
	target.t = t
	r, err := run.Prepare(run.Options{
		Scenario: scenario(t, "name: long\nload: [{name: steady, for: 30s, rate: 100/s}]"), Target: target, Seed: 11, Out: t.TempDir(), Clock: clock.Real{},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer target.Stop()
	if _, err = r.Do(t.Context()); err == nil || !strings.Contains(err.Error(), "events.jsonl cannot be written") {
		t.Fatalf("the run ended with %v", err)
	}
	result := judge(t, r.Dir())
	if result.Verdict != bench.VerdictUnknown || result.Requests.Unsent < 1000 {
		t.Errorf("verdict %s, %d requests were not sent", result.Verdict, result.Requests.Unsent)
	}
}
