package run_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/run"
	"github.com/ackproof/ackproof/bench/synth"
)

// What series.json says is what the files say: telling a run with it, without it,
// with a damaged one and with that of another judgement gives the same.
func TestTellWithAndWithoutItsSeries(t *testing.T) {
	run.Long(t)
	made := makeRun(t, t.TempDir(), synth.Options{Requests: 20_000, Seed: 3, Each: 20, Watched: true})
	result, want, err := run.Judge(made.Dir, run.JudgeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(made.Dir, "series.json")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	another := bytes.Replace(whole, []byte(want.Result), []byte("00000000"), 1)
	for name, content := range map[string][]byte{
		"whole": whole, "missing": nil, "torn": whole[:len(whole)/2], "changed": bytes.Replace(whole, []byte(`"offered":1`), []byte(`"offered":2`), 1),
		"of another result": another,
	} {
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if content != nil {
			if err := os.WriteFile(path, content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		told, got, err := run.Tell(made.Dir)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got.Result = want.Result // "": it was not read
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-judged +told):\n%.2000s", name, d)
		}
		if d := cmp.Diff(result.Items, told.Items); d != "" {
			t.Errorf("%s: items (-judged +told):\n%s", name, d)
		}
	}
}

// The rows count every finding that fails a run, and the lives are those of the
// first of each verdict, as `trace` tells them.
func TestSeriesOfFindings(t *testing.T) {
	const each = 40
	made := makeRun(t, t.TempDir(), synth.Options{Requests: 20_000, Seed: 4, Each: each, Watched: true})
	r, s, err := run.Judge(made.Dir, run.JudgeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var lost, wrong, offered, sent int64
	for _, row := range s.Rows {
		lost, wrong, offered = lost+row.Lost, wrong+row.Wrong, offered+row.Offered
		sent += row.Acknowledged + row.Refused + row.Unknown
		if row.Offered > 0 && (row.Min == nil || *row.Min > *row.P50 || *row.P50 > *row.P90 || *row.P90 > *row.P99 || *row.P99 > *row.Max*1.001) {
			t.Fatalf("a row out of order: %+v", row)
		}
	}
	if want := r.Items.Lost(); lost != want || lost != 2*each {
		t.Errorf("%d lost in the rows, %d in the result", lost, want)
	}
	if want := *r.Items.Unexpected + *r.Items.Duplicated + *r.Items.WrongEffect + r.Items.Phantom + r.Items.OrphanEffect; wrong != want {
		t.Errorf("%d wrong in the rows, %d in the result", wrong, want)
	}
	if offered != r.Requests.Planned || sent != r.Requests.Sent {
		t.Errorf("%d offered, %d sent; planned %d, sent %d", offered, sent, r.Requests.Planned, r.Requests.Sent)
	}
	if len(s.Rows) > bench.MaxSeriesRows*3/2 || s.Invocations == nil || *s.Invocations == 0 {
		t.Errorf("%d rows, invocations %v", len(s.Rows), s.Invocations)
	}
	told := map[string]int{}
	for _, life := range s.Traces {
		told[life.Verdict]++
	}
	if len(s.Traces) != bench.MaxTraces || len(told) != 8 || told["lost_write"] != bench.MaxTraces/8 {
		t.Errorf("%d lives: %v", len(s.Traces), told)
	}
	for _, life := range []bench.Trace{s.Traces[0], s.Traces[len(s.Traces)-1]} {
		alone, err := run.Trace(made.Dir, life.ID)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(*alone, life); d != "" {
			t.Errorf("the life of %s (-trace +series):\n%s", life.ID, d)
		}
	}
}
