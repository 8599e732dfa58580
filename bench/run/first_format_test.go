package run_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/run"
)

// A run that was carried out when the ledger had its first format is judged,
// exported and traced as it was then: testdata/first-format holds the run, and what
// ackproof of that day said of it.
func TestARunOfTheFirstLedgerFormat(t *testing.T) {
	stored := filepath.Join("testdata", "first-format")
	dir := copyRun(t, stored)
	then, now := readJSON[bench.Result](t, filepath.Join(stored, "result.json")), judge(t, dir)
	if now.Verdict != then.Verdict || now.Verdict != bench.Fail {
		t.Errorf("verdict %s, then it was %s", now.Verdict, then.Verdict)
	}
	now.Lag.AtLeast = then.Lag.AtLeast // is newer
	for name, both := range map[string][2]any{
		"requests": {then.Requests, now.Requests}, "items": {then.Items, now.Items}, "response time": {then.ResponseTime, now.ResponseTime},
		"service time": {then.ServiceTime, now.ServiceTime}, "lag": {then.Lag, now.Lag}, "lost": {lost(then), lost(now)}, "start": {then.Run.Started, now.Run.Started},
	} {
		if d := cmp.Diff(both[0], both[1]); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	result, _, err := run.Tell(dir)
	if err != nil || result.Verdict != then.Verdict {
		t.Errorf("told again: %v", err)
	}

	b, err := os.ReadFile(filepath.Join(stored, "export.csv"))
	if err != nil {
		t.Fatal(err)
	}
	wasExported, exported := fromCSV(t, b), fromCSV(t, export(t, dir, "csv"))
	if len(exported.rows) != len(wasExported.rows) || len(exported.rows) == 0 {
		t.Fatalf("%d rows, then there were %d", len(exported.rows), len(wasExported.rows))
	}
	for i := range wasExported.rows {
		for _, name := range wasExported.names {
			if was, is := wasExported.cell(i, name), exported.cell(i, name); was != is {
				t.Errorf("request %d: %s is %q, and was %q", i, name, is, was)
			}
		}
		if exported.cell(i, "first_byte_ms") != "" || exported.cell(i, "attempts") != "1" || exported.cell(i, "error") != "" {
			t.Errorf("request %d has what nobody wrote down then", i)
		}
	}

	was := readJSON[bench.Trace](t, filepath.Join(stored, "trace.json"))
	is := trace(t, dir, was.ID)
	if d := cmp.Diff(was.Steps, is.Steps); d != "" || was.Verdict != is.Verdict || was.Outcome != is.Outcome {
		t.Errorf("traced as %s (%s), then as %s (%s): %s", is.Verdict, is.Outcome, was.Verdict, was.Outcome, d)
	}
}

func lost(r *bench.Result) (ids []string) {
	for _, f := range r.Findings {
		ids = append(ids, f.Verdict.String()+" "+f.ID)
	}
	slices.Sort(ids)
	return ids
}

func readJSON[T any](t *testing.T, path string) *T {
	t.Helper()
	b, err := os.ReadFile(path)
	v := new(T)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}
