package run_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/run"
	"github.com/ackproof/ackproof/bench/synth"
)

// notListed are verdicts that are counted and of which no finding is made.
var notListed = []bench.ItemVerdict{bench.ProcessedLate, bench.Recovered, bench.NotApplied, bench.Rejected}

// makeRun makes a run.
func makeRun(t testing.TB, out string, opts synth.Options) *synth.Run {
	t.Helper()
	r, err := synth.Make(out, opts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// foundExactly holds what was found against what was planted, id by id.
func foundExactly(t testing.TB, made *synth.Run, r *bench.Result) {
	t.Helper()
	f, err := os.Open(filepath.Join(made.Dir, "findings.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	found := map[bench.ItemVerdict][]uint64{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var one bench.Finding
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			t.Fatal(err)
		}
		found[one.Verdict] = append(found[one.Verdict], one.Seq)
	}
	want := map[bench.ItemVerdict][]uint64{}
	for v, seqs := range made.Planted {
		want[v] = seqs
		if n, known := r.Items.Of(v); !known || n != int64(len(seqs)) {
			t.Errorf("%d %s, %d were planted", n, v, len(seqs))
		}
	}
	for _, v := range notListed {
		delete(want, v)
	}
	if d := cmp.Diff(want, found); d != "" {
		t.Errorf("findings (-planted +found):\n%.4000s", d)
	}
}

func TestPlantedFindingsAreFoundExactly(t *testing.T) {
	for i, opts := range []synth.Options{
		{Requests: 100_000, Each: 17},
		{Requests: 20_000, Each: 5, Watched: true},
		{Requests: 5_000, Each: 5, Architecture: bench.Sync},
		{Requests: 5_000, Each: 5, Undrained: true},
		{Requests: 5_000, Each: 5, CutOff: true},
		{Requests: 20_000},
	} {
		opts.Seed = uint64(i + 1)
		t.Run(fmt.Sprintf("%+v", opts), func(t *testing.T) {
			made := makeRun(t, t.TempDir(), opts)
			r, series, err := run.Judge(made.Dir, run.JudgeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			foundExactly(t, made, r)
			if opts.Each == 0 && r.Verdict != bench.Pass {
				t.Errorf("a run without findings: %s, %v", r.Verdict, r.Reasons)
			}
			if opts.Each > 0 && r.Verdict != bench.Fail {
				t.Errorf("verdict %s", r.Verdict)
			}
			if len(series.Rows) < 20 || r.Faults[0].RecoveryMs == nil && opts.Each == 0 {
				t.Errorf("%d rows; recovery %v", len(series.Rows), r.Faults[0].RecoveryMs)
			}
		})
	}
}
