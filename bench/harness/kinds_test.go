package harness_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/harness"
	"github.com/ackproof/ackproof/bench/processor"
)

// struck are the faults that are struck on a sound processor, each with what is
// seen of it from outside.
var struck = []struct {
	fault  string
	inTwo  bool // clients are left in doubt
	stored bool // of those, what they have sent is stored
	told   bool // clients are told that they are refused
	again  bool // records are delivered again
	some   bool // how many clients are in doubt is chance
}{
	{fault: "at 3s for 2s: table.error 10%", inTwo: true},
	{fault: "at 3s for 2s: table.error 10% after-commit", inTwo: true, stored: true},
	{fault: "at 3s for 2s: table.cut 10%", inTwo: true, stored: true},
	{fault: "at 3s for 2s: table.cut 10% before", inTwo: true},
	{fault: "at 3s for 2s: table.cut 10% mid-answer", inTwo: true, stored: true},
	{fault: "on PutItem 200 to 280: table.cut", inTwo: true, stored: true},
	{fault: "at 3s for 2s: table.delay 10% by=300ms"},
	{fault: "at 3s for 2s: table.delay 10% after-commit by=300ms"},
	{fault: "at 3s for 2s: table.deny 10%", told: true},
	{fault: "at 3s for 2s: client.cut 10%", inTwo: true},
	{fault: "at 3s for 2s: client.cut 10% mid-body", inTwo: true},
	{fault: "at 3s for 2s: client.delay 10% by=300ms"},
	{fault: "at 3s for 2s: client.delay 10% after-commit by=300ms"},
	{fault: "at 3s for 2s: client.delay 10% by=1m", inTwo: true},
	{fault: "at 3s for 2s: client.delay 10% after-commit by=1m", inTwo: true, stored: true},
	{fault: "at 3s for 2s: client.error 10%", inTwo: true},
	{fault: "at 3s for 2s: client.error 10% after-commit", inTwo: true, stored: true},
	{fault: "on Request 200 to 280: client.throttle 50%", told: true},
	{fault: "at 3s for 2s every 1s: gateway.kill", some: true},
	{fault: "at 3s for 2s: results.deny 10%", again: true},
	{fault: "at 3s for 2s: results.throttle 20%"},
	{fault: "at 3s for 2s: results.error 20%"},
	{fault: "at 3s for 2s: results.error 20% after-commit"},
	{fault: "at 3s for 2s: results.cut 20%"},
	{fault: "at 3s for 2s: results.cut 20% before"},
	{fault: "at 3s for 2s: results.cut 20% mid-answer"},
	{fault: "at 3s for 2s: results.delay 5% by=200ms"},
	{fault: "at 3s for 2s every 1s: results.late by=4s", again: true},
	{fault: "at 3s for 2s: stream.throttle"},
	{fault: "at 3s for 2s: stream.expire 30%"},
	{fault: "at 3s for 2s: stream.deny"},
	{fault: "at 3s for 2s every 1s: stream.split"},
	{fault: "at 3s for 2s: mapping.repeat 30%", again: true},
}

// Each fault bites a sound processor, which loses nothing and does nothing twice;
// whose outcome is in doubt is exactly who was struck, and what is stored is what
// the fault let through.
func TestConformanceKindsOnASoundProcessor(t *testing.T) {
	conformance(t, "a run for each kind, in about 15 s")
	for _, tt := range struck {
		t.Run(tt.fault, func(t *testing.T) {
			r := play(t, builtIn, harness.Options{Scenario: kill, Set: []string{fmt.Sprintf("faults=[%q]", tt.fault)}})
			if r.Verdict != bench.Pass || r.Items.Lost() != 0 {
				t.Errorf("verdict %s, %v", r.Verdict, r.Reasons)
			}
			f := r.Faults[0]
			if f.Bitten == 0 || !f.Undone {
				t.Errorf("bitten %d, undone %v", f.Bitten, f.Undone)
			}
			unknown, recovered, absent, refused := int64(0), int64(0), int64(0), int64(0)
			if tt.told {
				refused = f.Bitten
			}
			if tt.inTwo {
				unknown, absent = f.Bitten, f.Bitten
			}
			if tt.stored {
				recovered, absent = absent, 0
			}
			if !tt.some && (r.Requests.Unknown != unknown || r.Items.Recovered != recovered || r.Items.NotApplied != absent) {
				t.Errorf("bitten %d: %d clients in doubt, %d stored and %d not, want %d, %d and %d", f.Bitten,
					r.Requests.Unknown, r.Items.Recovered, r.Items.NotApplied, unknown, recovered, absent)
			}
			if !tt.some && (r.Requests.Refused != refused || r.Items.Rejected != refused) {
				t.Errorf("bitten %d: %d clients refused, %d rejected, want %d", f.Bitten, r.Requests.Refused, r.Items.Rejected, refused)
			}
			if tt.again && *r.Deliveries.Redelivered == 0 {
				t.Error("nothing was delivered again")
			}
		})
	}
}

// Each fault brings out the bug that its kind says it exposes: of the processor, or
// in how the API and its client are set up.
func TestKindsExpose(t *testing.T) {
	long(t)
	const (
		naive = "gateway.statusMapping=naive"
		anew  = "request.retries={max: 1, sameId: false}"
		told  = "request.ack=[200, 429]"
	)
	for _, tt := range []struct {
		fault, defect string
		verdict       bench.ItemVerdict
		set           []string
	}{
		{"at 3s for 2s: mapping.repeat 30%", processor.DefectNonIdempotent, bench.Duplicated, nil},
		{"at 3s for 2s: results.cut 20%", processor.DefectNonIdempotent, bench.Duplicated, nil},
		{"at 3s for 2s: results.cut 20% mid-answer", processor.DefectNonIdempotent, bench.Duplicated, nil},
		{"at 3s for 2s: results.error 20% after-commit", processor.DefectNonIdempotent, bench.Duplicated, nil},
		{"at 3s for 2s: results.deny 20%", processor.DefectSwallow, bench.LostProcessing, nil},
		{"at 3s for 5s: results.throttle", processor.DefectSwallow, bench.LostProcessing, nil},
		{"at 3s for 2s: results.error", processor.DefectSwallow, bench.LostProcessing, nil},
		{"at 3s for 2s: table.deny 20%", "", bench.LostWrite, []string{naive}},
		{"at 3s for 2s: client.error 20% after-commit", "", bench.Duplicated, []string{anew}},
		{"at 3s for 2s: client.delay 20% after-commit by=2s", "", bench.Duplicated, []string{anew, "request.timeout=1s"}},
		{"at 3s for 2s: client.throttle 20%", "", bench.LostWrite, []string{told, "request.refused=[400]"}},
	} {
		t.Run(tt.fault+" "+tt.defect, func(t *testing.T) {
			r := play(t, func(env harness.Env) harness.Handler[json.RawMessage, any] {
				cfg, err := processor.FromEnv(env.Getenv)
				if err != nil {
					panic(err)
				}
				cfg.Defect = tt.defect
				return processor.New(cfg, dynamodb.NewFromConfig(env.AWS), clock.Real{}).Handle
			}, harness.Options{Scenario: kill, Set: append([]string{fmt.Sprintf("faults=[%q]", tt.fault)}, tt.set...)})
			if r.Verdict != bench.Fail || len(r.Findings) == 0 || r.Faults[0].Bitten == 0 {
				t.Errorf("verdict %s %v, %d findings, bitten %d", r.Verdict, r.Reasons, len(r.Findings), r.Faults[0].Bitten)
			}
			again := r.Requests.Unknown // their second attempts were struck as well
			if len(tt.set) > 0 && int64(len(r.Findings))+again != r.Faults[0].Bitten {
				t.Errorf("%d findings, %d struck again, bitten %d", len(r.Findings), again, r.Faults[0].Bitten)
			}
			if sentAgain := slices.Contains(tt.set, anew); sentAgain != (r.Requests.Retries == int64(len(r.Findings))) || sentAgain != (r.Requests.Retries > 0) {
				t.Errorf("sent again %d times, %d findings", r.Requests.Retries, len(r.Findings))
			}
			for _, f := range r.Findings {
				if f.Verdict != tt.verdict {
					t.Errorf("%s is %s", f.ID, f.Verdict)
				}
			}
		})
	}
}

// A fault that finds nothing to strike proves nothing, and its run is no pass.
func TestKindsThatBiteNobodyAreUnknown(t *testing.T) {
	for fault, why := range map[string]string{
		"on UpdateItem 1: table.cut":           "never struck", // nobody updates items
		"on PutItem 9999: table.throttle":      "never struck", // beyond the load
		"on DeleteItem 1: results.cut":         "never struck",
		"at 3s for 1ms: mapping.repeat 0.001%": "never struck", // a share of next to nothing
	} {
		r := play(t, builtIn, harness.Options{Scenario: kill, Set: []string{fmt.Sprintf("faults=[%q]", fault)}})
		if r.Verdict != bench.VerdictUnknown || !strings.Contains(fmt.Sprint(r.Reasons), why) {
			t.Errorf("%s: verdict %s, %v", fault, r.Verdict, r.Reasons)
		}
	}
}

// What cannot strike, as far as it is known beforehand, is refused.
func TestKindsThatCannotStrikeAreRefused(t *testing.T) {
	for why, set := range map[string][]string{
		"above 0%":                  {`faults=["at 3s: table.cut 0%"]`},
		"the load ends at 9s":       {`faults=["at 10s: table.cut"]`},
		"after the load":            {`faults=["at 8s for 2s: table.cut"]`},
		"needs a results table":     {`faults=["at 3s: results.cut"]`, "table.oneTable=true"},
		"needs a stream":            {`faults=["at 3s: mapping.repeat"]`, "architecture=sync"},
		"fault \"at 3s for 1s: str": {`faults=["at 3s for 1s: stream.throttle"]`, "architecture=sync"},
		"ackproof run":              {`faults=["at 3s for 1s: exec.run command=x"]`, `commands=[{name: x, do: {run: [a]}, undo: {run: [a]}, confirm: {run: [a]}, count: {run: [a]}}]`},
	} {
		r, err := harness.Run(t.Context(), builtIn, harness.Options{Scenario: kill, Set: set})
		if err == nil || r != nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v", why, err)
		}
	}
}
