package scenarios

import (
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench"
)

// trial is a result with one response time p99, all gates up; nil: some requests
// never ended.
func trial(p99 *float64, lost int64, change func(*bench.Result)) bench.Result {
	r := bench.Result{Verdict: bench.Pass, ResponseTime: bench.Latency{Count: 100, P99: p99}}
	r.Items.Attempted, r.Items.LostWrite = 100, lost
	r.Requests.Acknowledged = 100 - lost
	if p99 == nil {
		r.ResponseTime.Censored = 5
	}
	for _, g := range append(bench.AccountGates(), bench.TimingGates()...) {
		r.Gates = append(r.Gates, bench.GateResult{Name: g, OK: true})
	}
	if change != nil {
		change(&r)
	}
	return r
}

func down(gate bench.Gate) func(*bench.Result) {
	return func(r *bench.Result) {
		for i := range r.Gates {
			r.Gates[i].OK = r.Gates[i].Name != gate
		}
	}
}

func TestTolerance(t *testing.T) {
	ms := func(v float64) *float64 { return &v }
	side := func(values ...float64) (out []bench.Result) {
		for _, v := range values {
			out = append(out, trial(&v, 0, nil))
		}
		return out
	}
	one := func(r bench.Result) []bench.Result { return []bench.Result{r} }
	tests := []struct {
		name, text     string
		baseline, side []bench.Result
		want           string // held, not, unknown
	}{
		{"more by more", "response_time.p99 +10%", side(100), side(111), "held"},
		{"more by just that", "response_time.p99 +10%", side(100), side(110), "not"},
		{"less is better", "response_time.p99 +10%", side(100), side(10), "not"},
		{"in units", "response_time.p99 +5ms", side(100), side(106), "held"},
		{"in larger units", "response_time.p99 +1s", side(100), side(1100), "not"},
		{"of nothing any is more", "lost +10%", one(trial(ms(1), 0, nil)), one(trial(ms(1), 1, nil)), "held"},
		{"as many as before", "lost +0", one(trial(ms(1), 3, nil)), one(trial(ms(1), 3, nil)), "not"},
		{"one more", "lost +0", one(trial(ms(1), 3, nil)), one(trial(ms(1), 4, nil)), "held"},
		{"fewer", "requests.acknowledged -5", side(1), one(trial(ms(1), 6, nil)), "held"},
		{"not so many fewer", "requests.acknowledged -10%", side(1), one(trial(ms(1), 6, nil)), "not"},
		{"never is later than any time", "response_time.p99 +10%", side(100), one(trial(nil, 0, nil)), "held"},
		{"never as before", "response_time.p99 +10%", one(trial(nil, 0, nil)), one(trial(nil, 0, nil)), "not"},
		{"at last", "response_time.p99 +10%", one(trial(nil, 0, nil)), side(100), "not"},
		{"medians", "response_time.p99 +10%", side(100, 90, 1000), side(105, 5000, 100), "not"},
		{"not observed", "processing_lag.p99 +10%", side(100), side(100), "unknown"},
		{"without evidence", "lost +0", side(1), one(trial(ms(1), 4, down(bench.GateReadsComplete))), "unknown"},
		{"one trial without evidence", "lost +0", side(1), append(side(1, 2), trial(ms(1), 0, down(bench.GateReadsComplete))), "unknown"},
		{"a late generator may be why", "response_time.p99 +10%", side(100), one(trial(ms(200), 0, down(bench.GateSendDelay))), "unknown"},
		{"a late generator and in time all the same", "response_time.p99 +10%", side(100), one(trial(ms(90), 0, down(bench.GateSendDelay))), "not"},
		{"no more than noise", "response_time.p99 +10%", side(100, 200, 100, 200, 100, 100), side(100, 100, 200, 200, 200, 200), "not"},
		{"more than noise", "response_time.p99 +10%", side(100, 101, 102, 103, 104, 105), side(121, 122, 123, 124, 125, 126), "held"},
		{"nothing to compare with", "lost +0", nil, side(1), "unknown"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tolerance, err := ParseTolerance(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if tolerance.String() != tt.text {
				t.Errorf("printed as %q", tolerance)
			}
			got, f := "unknown", tolerance.Eval(tt.baseline, tt.side)
			if f.Held != nil {
				got = map[bool]string{true: "held", false: "not"}[*f.Held]
			}
			if got != tt.want {
				t.Errorf("%s, want %s: %+v", got, tt.want, f)
			}
		})
	}
}

func TestParseToleranceErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "want PATH +VALUE",
		"response_time.p99":             "want PATH +VALUE",
		"response_time.p9 +10%":         "did you mean response_time.p90?",
		"response_time.p99 10%":         "has no sign",
		"response_time.p99 +-10%":       "no number",
		"response_time.p99 +10":         "give 10 a unit",
		"requests.sent +10ms":           "is no time",
		"requests.sent +10% during x":   `only "in PHASE"`,
		"requests.sent +ten%":           "ten",
		"items.lost_write +0 for":       `only "in PHASE"`,
		"response_time.p99 +10% in x y": `only "in PHASE"`,
	} {
		if got, err := ParseTolerance(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want %q", text, got, err, want)
		}
	}
}

// What is read is printed so that it is read again as the same.
func FuzzParseTolerance(f *testing.F) {
	for _, s := range []string{"response_time.p99 +10%", "lost +0", "requests.acknowledged -5", "recovery +1.5s", "response_time.p99 +5ms in steady", "recovery_ms +1s for processor.kill"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseTolerance(text)
		if err != nil {
			return
		}
		if b, err := ParseTolerance(a.String()); err != nil || b != a {
			t.Errorf("%q is printed as %q, which is read as %+v, %v", text, a, b, err)
		}
	})
}
