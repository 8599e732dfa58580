package scenarios

import (
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench"
)

// TestExplain: what is not met says what it was and where to look, what is unknown
// says what is missing, and what is met says nothing.
func TestExplain(t *testing.T) {
	result := func() *bench.Result {
		r := evalResult()
		r.Run.Architecture = bench.Streams
		r.Phases[0].FromMs, r.Phases[0].ToMs = 3000, 9000
		r.Faults[0].AtMs, r.Faults[0].ForMs = 4000, 3000
		r.Findings = []bench.Finding{
			{Verdict: bench.Duplicated, ID: "r-00-0"}, {Verdict: bench.LostProcessing, ID: "r-00-7", LastStation: bench.StationStored, DuringFault: "at 2s: processor.kill"},
		}
		r.Gates[1].Detail = "p99 was 80 ms"
		r.ResponseTime.AtLeast = &bench.AtLeast{P99: 7250}
		return r
	}
	rows := []bench.SeriesRow{
		{TMs: 1000, Offered: 10, Acknowledged: 10, P99: ptr(900.0)},
		{TMs: 5000, Offered: 10, Acknowledged: 3, P99: ptr(400.0), LagP99: ptr(70.0)},
		{TMs: 8000, Offered: 10, Acknowledged: 9, P99: ptr(300.0), LagP99: ptr(20.0)},
	}
	for _, tt := range []struct {
		expect string
		spoil  func(*bench.Result)
		want   []string // nil: not a word
	}{
		{"lost <= 3", nil, nil},
		{"lost == 0", nil, []string{"it was 3;", "first is r-00-7", `during "at 2s: processor.kill"`, "last seen stored", "findings.jsonl", "ackproof trace"}},
		{"lost < 1%", nil, []string{"it was 3%, 2% above the limit"}},
		{"items.lost_write == 0", nil, []string{"it was 1"}},
		{"response_time.p50 < 3ms", nil, []string{"it was 4ms, 1ms above the limit", "worst at 1s (response p99 900)", "plots/response-time.svg"}},
		{"response_time.p50 >= 1s", nil, []string{"it was 4ms, 996ms below the limit"}},
		{"response_time.p50 < 4ms", nil, []string{"the limit itself"}},
		{"response_time.p99 < 5s", nil, []string{"it never came to an end, and is 7.25s at least"}},
		{"acknowledged >= 95 in steady", nil, []string{"it was 90", "worst at 5s (not acknowledged 7)", "in phase steady", `during "at 1s: processor.kill"`, "availability"}},
		{"requests.unknown == 0", nil, []string{"it was 1", "not acknowledged 7"}},
		{"recovery < 5s", nil, []string{"never came back after \"at 3s: invoke.fail\""}},
		{"recovery < 2s for processor.kill", nil, []string{"it was 2.5s, 500ms above the limit", "slowest after \"at 2s: processor.kill\"", "plots/backlog.svg"}},
		{"load.achieved_rps >= 10/s", nil, []string{"it was 0/s", "generator"}},
		{"response_time.p50 < 3ms", func(r *bench.Result) { r.Gates[1].OK = false }, []string{"it was 4ms", "generator's fault", "p99 was 80 ms"}},
		{"lost == 0", func(r *bench.Result) { r.Gates[0].OK, r.Gates[0].Detail = false, "no final read" }, []string{`the gate "effects_observed"`, "no final read"}},
		{"processing_lag.p99 < 5s", func(r *bench.Result) { r.Clock.Moved, r.Lag = true, &bench.Latency{Count: 1, P99: ptr(3.0)} }, []string{"clock was moved"}},
		{"duplicated == 0", nil, []string{"could not observe duplicated"}},
		{"recovery < 5s", func(r *bench.Result) { r.Backlog = nil }, []string{"nobody saw how many items waited"}},
		{"recovery < 5s for gateway.cut", nil, []string{"no fault that is meant has struck"}},
		{"lost == 0 in other", nil, []string{"did not come to the phase other"}},
		{"processing_lag.p99 < 5s", func(r *bench.Result) { r.Run.Architecture = bench.Sync }, []string{"sync answers when all work is done"}},
	} {
		e, err := ParseExpectation(tt.expect)
		if err != nil {
			t.Error(err)
			continue
		}
		r := result()
		if tt.spoil != nil {
			tt.spoil(r)
		}
		got := e.Explain(r, rows, e.Eval(r))
		if tt.want == nil && got != "" {
			t.Errorf("%s is met, and explained: %q", tt.expect, got)
		}
		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q does not say %q", tt.expect, got, want)
			}
		}
	}
}

// TestEveryPathIsExplained: whichever figure is named, a miss has words.
func TestEveryPathIsExplained(t *testing.T) {
	for _, path := range resultPaths {
		e := Expectation{Path: path, Op: "==", Value: -12345}
		r := evalResult()
		if got := e.Explain(r, nil, e.Eval(r)); got == "" {
			t.Errorf("%s: not a word", path)
		}
	}
}
