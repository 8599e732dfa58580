package scenarios

import (
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench"
)

func TestParseExpectation(t *testing.T) {
	for text, want := range map[string]string{
		"lost == 0":                                               "lost == 0",
		"  lost  ==  0 in  steady ":                               "lost == 0 in steady",
		"recovery < 20s":                                          "recovery < 20s",
		"response_time.p99 <= 0.05s":                              "response_time.p99 <= 50ms",
		"processing_lag.p50 > -3ms":                               "processing_lag.p50 > -3ms",
		"load.achieved_rps >= 600/m":                              "load.achieved_rps >= 10/s",
		"requests.unknown < 0.5%":                                 "requests.unknown < 0.5%",
		"bitten >= 6 for processor.kill":                          "bitten >= 6 for processor.kill",
		"recovery_ms < 1s for at 5000ms for 2s: invoke.fail 100%": "recovery_ms < 1s for at 5s for 2s: invoke.fail",
		"response_time.count > 10 in steady":                      "response_time.count > 10 in steady",
		"drain.ms < 0":                                            "drain.ms < 0",
		"availability.share >= 99.9%":                             "availability.share >= 99.9%",
		"availability.worst_second > 0.5":                         "availability.worst_second > 0.5",
		"response_time.p99 < 50ms of large":                       "response_time.p99 < 50ms of large",
		"acknowledged >= 99% of large":                            "acknowledged >= 99% of large",
		"acknowledged >= 99% in steady":                           "acknowledged >= 99% in steady",
	} {
		e, err := ParseExpectation(text)
		if err != nil || e.String() != want {
			t.Errorf("%q: %q, %v; want %q", text, e, err, want)
		}
		back, err := ParseExpectation(e.String())
		if err != nil || back != e {
			t.Errorf("%q came back as %+v, %v", e, back, err)
		}
	}
	for text, want := range map[string]string{
		"lost":                           "want PATH OP VALUE",
		"lots == 0":                      "did you mean lost?",
		"verdict == 0":                   "unknown path",
		"run.seed == 1":                  "unknown path",
		"requests.sent == 1 in steady":   "unknown path",
		"lost == 0 of large":             "unknown path",
		"sent > 99% of large":            "is no share",
		"lost = 0":                       "unknown operator",
		"lost == none":                   "is no value",
		"lost == NaN":                    "is no value",
		"lost == 5s":                     "is no time",
		"lost == 5/s":                    "is no rate",
		"recovery < 20":                  "give 20 a unit, such as 20ms",
		"recovery < 20%":                 "is no share",
		"response_time.p99 < 5%":         "is no share",
		"lost == 0 within steady":        "only \"in PHASE\"",
		"lost == 0 in steady and so on":  "only \"in PHASE\"",
		"lost == 0 for":                  "only \"in PHASE\"",
		"response_time.count < 5s":       "is no time",
		"bitten == 1 fro processor.kill": "only",
	} {
		if _, err := ParseExpectation(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func ptr[T any](v T) *T { return &v }

func evalResult() *bench.Result {
	return &bench.Result{
		Backlog:      []bench.BacklogRow{{}},
		Requests:     bench.Requests{Planned: 200, Sent: 200, Unknown: 1},
		Items:        bench.Items{Attempted: 100, LostWrite: 1, LostProcessing: 2},
		Availability: bench.Availability{Share: ptr(0.985)},
		ResponseTime: bench.Latency{Count: 100, Censored: 10, P50: ptr(4.0)},
		ServiceTime:  bench.Latency{Count: 100},
		Phases:       []bench.Phase{{Name: "steady", ResponseTime: bench.Latency{Count: 100}, Acknowledged: 90, Items: bench.Items{LostWrite: 1}}},
		Kinds:        []bench.KindFigures{{Name: "large", Sent: 50, Acknowledged: 45, ResponseTime: bench.Latency{Count: 50, P99: ptr(7.0)}}},
		Faults: []bench.FaultResult{
			{Text: "at 1s: processor.kill", Kind: "processor.kill", Bitten: 1, RecoveryMs: ptr(1500.0)},
			{Text: "at 2s: processor.kill", Kind: "processor.kill", Bitten: 2, RecoveryMs: ptr(2500.0)},
			{Text: "at 3s: invoke.fail", Kind: "invoke.fail", Bitten: 3},
			{Text: "at 4s: gateway.cut", Kind: "gateway.cut"},
		},
		Gates: []bench.GateResult{{Name: bench.GateEffectsObserved, OK: true}, {Name: bench.GateSendDelay, OK: true}},
	}
}

func TestEval(t *testing.T) {
	yes, no := ptr(true), ptr(false)
	for _, tt := range []struct {
		expect string
		actual *float64
		ok     *bool
		// down: with a timing gate down
		down *bool
	}{
		{"lost == 0", ptr(3.0), no, no},
		{"lost <= 3", ptr(3.0), yes, yes},
		{"lost != 3", ptr(3.0), no, no},
		{"lost < 5%", ptr(3.0), yes, yes},
		{"lost == 1 in steady", ptr(1.0), yes, yes},
		{"acknowledged >= 90 in steady", ptr(90.0), yes, yes},
		{"acknowledged >= 95% of large", ptr(90.0), no, no},
		{"response_time.p99 < 5ms of large", ptr(7.0), no, nil},
		{"response_time.p99 < 5ms of small", nil, nil, nil},
		{"lost == 0 in other", nil, nil, nil},
		{"requests.unknown <= 0.5%", ptr(0.5), yes, yes},
		{"availability.share >= 99%", ptr(98.5), no, no},
		{"availability.share >= 0.98", ptr(0.985), yes, yes},
		{"availability.worst_second > 0", nil, nil, nil},
		{"acknowledged >= 95% in steady", ptr(90.0), no, no},
		{"duplicated == 0", nil, nil, nil}, // null: not observed
		{"response_time.p50 < 5ms", ptr(4.0), yes, yes},
		{"response_time.p50 < 3ms", ptr(4.0), no, nil},
		{"response_time.p99 < 5s", nil, no, nil},   // censored: it never ended
		{"service_time.p99 < 5s", nil, nil, nil},   // nothing measured
		{"processing_lag.p99 < 5s", nil, nil, nil}, // sync has none
		{"recovery < 5s", nil, no, no},             // invoke.fail bit, and there was no recovery
		{"recovery < 5s for processor.kill", ptr(2500.0), yes, yes},
		{"recovery < 2s for processor.kill", ptr(2500.0), no, nil},
		{"recovery_ms < 2s for at 1s: processor.kill", ptr(1500.0), yes, yes},
		{"recovery < 5s for gateway.cut", nil, nil, nil}, // it did not bite
		{"bitten > 1 for processor.kill", ptr(2.0), yes, yes},
		{"planned > 1 for processor.kill", nil, nil, nil},
		{"bitten > 9 for processor.kill", ptr(2.0), no, no},
	} {
		e, err := ParseExpectation(tt.expect)
		if err != nil {
			t.Error(err)
			continue
		}
		r := evalResult()
		check := func(name string, want *bool) {
			got := e.Eval(r)
			if got.Expect != e.String() || !equal(got.Actual, tt.actual) || !equal(got.OK, want) {
				t.Errorf("%s, %s: actual %v, ok %v; want %v, %v", tt.expect, name, show(got.Actual), show(got.OK), show(tt.actual), show(want))
			}
		}
		check("gates up", tt.ok)
		r.Gates[1].OK = false
		check("timing gate down", tt.down)
	}
	// Where effects cannot be seen, recovery is not missed but unknown.
	r := evalResult()
	r.Gates[0].OK = false
	e, _ := ParseExpectation("recovery < 5s")
	if got := e.Eval(r); got.OK != nil {
		t.Errorf("recovery without effects: %v", *got.OK)
	}
}

func equal[T comparable](a, b *T) bool { return (a == nil) == (b == nil) && (a == nil || *a == *b) }

func show[T any](p *T) any {
	if p == nil {
		return "null"
	}
	return *p
}
