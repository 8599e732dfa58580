package run_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/run"
	"github.com/ackproof/ackproof/bench/synth"
)

// What agents name in another way than one alone: ids, shards, files.
var (
	anID  = regexp.MustCompile(`-\d\d-\d{10}`)
	shard = regexp.MustCompile(`agent \d+: `)
	files = regexp.MustCompile(`(\d+ problems? in the reads|found the same: )[^"]*`)
)

// judged is all that is told of a judged run, but for what names its agents.
func judged(t *testing.T, dir string) (told, findings string) {
	r, _, err := run.Judge(dir, run.JudgeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r.Notes = nil
	text, err := run.EncodeResult(r)
	if err != nil {
		t.Fatal(err)
	}
	text = text[:bytes.LastIndex(text, []byte(`"crc"`))]
	all, err := os.ReadFile(filepath.Join(dir, "findings.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	told = anID.ReplaceAllString(string(text), "-ID")
	return files.ReplaceAllString(shard.ReplaceAllString(told, ""), "files"), anID.ReplaceAllString(string(all), "-ID")
}

// Shares of one plan, put together, tell what one ledger with all requests tells:
// every figure, every finding.
func TestSharesTellWhatOneLedgerTells(t *testing.T) {
	run.Long(t)
	seed := clock.Entropy() >> 12
	t.Logf("seed %d", seed)
	chance := clock.Rand(seed, "shares")
	rounds := 6
	if os.Getenv("ACKPROOF_CONFORMANCE") != "" {
		rounds = 30
	}
	for range rounds {
		opts := synth.Options{
			Requests: 1000 + chance.Int64N(3000), Seed: chance.Uint64() >> 12, Each: chance.IntN(10),
			Undrained: chance.IntN(3) == 0, CutOff: chance.IntN(3) == 0, Watched: chance.IntN(2) == 0, Architecture: bench.Architectures()[chance.IntN(2)],
		}
		whole := makeRun(t, t.TempDir(), opts)
		opts.Agents = 1 + chance.IntN(7)
		shares := makeRun(t, t.TempDir(), opts)
		if d := cmp.Diff(whole.Planted, shares.Planted); d != "" {
			t.Fatal(d)
		}
		want, wantFindings := judged(t, whole.Dir)
		got, gotFindings := judged(t, shares.Dir)
		if d := cmp.Diff(want, got) + cmp.Diff(wantFindings, gotFindings); d != "" {
			t.Fatalf("%+v (-one +shares):\n%.4000s", opts, d)
		}
		if d := cmp.Diff(rowsOf(t, whole.Dir), rowsOf(t, shares.Dir)); d != "" {
			t.Fatalf("%+v: exports (-one +shares):\n%.4000s", opts, d)
		}
	}
}

// rowsOf is an export, but for what names agents.
func rowsOf(t *testing.T, dir string) [][]string {
	var out bytes.Buffer
	encoding, _ := run.EncodingOf("x.csv")
	if _, err := run.Export(t.Context(), dir, &out, encoding); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&out).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows[1:] {
		for c, name := range rows[0] {
			switch name {
			case "id", "seq", "body_bytes":
				row[c] = ""
			case "shard":
				row[c] = shard.ReplaceAllString(row[c], "")
			}
		}
	}
	return rows
}

func TestSharesThatDoNotBelongTogether(t *testing.T) {
	opts := synth.Options{Requests: 1000, Seed: 1, Agents: 3}
	for name, c := range map[string]struct {
		change func(dir string) error
		want   string
	}{
		"missing": {func(dir string) error { return os.RemoveAll(filepath.Join(dir, "agent-2")) }, "agent 2/3 is missing"},
		"twice": {func(dir string) error {
			return os.CopyFS(filepath.Join(dir, "copy"), os.DirFS(filepath.Join(dir, "agent-3")))
		}, "are both agent 3/3"},
		"stranger": {func(dir string) error {
			other := makeRun(t, t.TempDir(), synth.Options{Requests: 1000, Seed: 2, Agents: 3})
			return os.CopyFS(filepath.Join(dir, "other"), os.DirFS(filepath.Join(other.Dir, "agent-1")))
		}, "shares of one run are judged together"},
	} {
		t.Run(name, func(t *testing.T) {
			made := makeRun(t, t.TempDir(), opts)
			if err := c.change(made.Dir); err != nil {
				t.Fatal(err)
			}
			if _, _, err := run.Judge(made.Dir, run.JudgeOptions{}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	// One of them alone can be judged by itself.
	made := makeRun(t, t.TempDir(), opts)
	r, _, err := run.Judge(filepath.Join(made.Dir, "agent-2"), run.JudgeOptions{})
	if err != nil || r.Requests.Planned != 333 {
		t.Errorf("one share: %v, %+v", err, r)
	}
}

// Run directories anywhere are gathered by links, once and again.
func TestGather(t *testing.T) {
	made := makeRun(t, t.TempDir(), synth.Options{Requests: 4000, Seed: 1, Agents: 2})
	var dirs []string
	for agent, place := range []string{"far/away/x-agent-1", "near/x-agent-2"} {
		dir := filepath.Join(t.TempDir(), place)
		if err := os.CopyFS(dir, os.DirFS(filepath.Join(made.Dir, fmt.Sprint("agent-", agent+1)))); err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, dir)
	}
	alone := makeRun(t, filepath.Join(filepath.Dir(dirs[0])), synth.Options{Requests: 1000, Seed: 2}) // nobody minds it
	for range 2 {
		folder, err := run.Gather([]string{dirs[1], dirs[0]})
		if err != nil {
			t.Fatal(err)
		}
		r, _, err := run.Judge(folder, run.JudgeOptions{})
		if err != nil || r.Verdict != bench.Pass || r.Requests.Planned != 4000 {
			t.Fatal(err, r.Verdict, r.Reasons)
		}
	}
	if _, err := run.Gather([]string{dirs[0], alone.Dir}); err == nil || !strings.Contains(err.Error(), "one agent alone") {
		t.Error(err)
	}
	if dir, err := run.Gather(dirs[:1]); dir != dirs[0] || err != nil {
		t.Error(dir, err)
	}
}
