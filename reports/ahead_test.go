package reports

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
)

// TestAhead: whoever is asked knows where, how much, how long and at what cost, for all
// runs and agents together; what nobody can estimate is told as such.
func TestAhead(t *testing.T) {
	host := "https://" + strings.Repeat("a", 120) + ".example.com/items"
	a := &Ahead{Account: "account 1, region r, as arn:x", API: host + "\x1b[2J", Tables: "read by get, DynamoDB in r", Runs: 3, Requests: 12_000, Lasts: 90 * time.Second}
	told := func() string {
		t.Helper()
		var b bytes.Buffer
		if err := a.Tell(&b); err != nil {
			t.Fatal(err)
		}
		return strings.Join(strings.Fields(b.String()), " ")
	}
	has := func(text string, all ...string) {
		t.Helper()
		for _, want := range all {
			if !strings.Contains(text, want) {
				t.Errorf("nothing is said of %q: %s", want, text)
			}
		}
	}
	has(told(), "aws account 1, region r, as arn:x", host, "tables read by get", "load 3 runs, 12,000 requests in 1m30s together; canaries go ahead", "cost not estimated", "--prices FILE")
	if strings.Contains(told(), "\x1b") {
		t.Error("what steers a terminal gets through")
	}
	half, one := 0.5, 1.25
	a.Cost = &bench.Cost{
		Prices: bench.PriceList{Date: "2026-01-02", Region: "nowhere"}, Run: bench.Estimate{Low: 1, High: &one}, LeftOut: []string{"taxes", "logs"},
		Services: []bench.ServiceCost{{Service: "API Gateway", Run: bench.Estimate{Low: 0.5, High: &half}}, {Service: "Lambda", Run: bench.Estimate{Low: 0.5}}},
	}
	has(told(), "cost $1.00 to $1.25 together: API Gateway $0.50, Lambda at least $0.50.", "nothing is tried again", "Prices of nowhere as known on 2026-01-02", "Not in it: taxes; logs.")
	a.Runs, a.Share, a.Account, a.Tables = 1, "share 1/3, 4000", "", ""
	if text := told(); strings.Contains(text, "aws account") || strings.Contains(text, "tables") {
		t.Errorf("of what there is none: %s", text)
	}
	has(told(), "load 12,000 requests in 1m30s; of them this agent sends share 1/3, 4000", "cost $1.00 to $1.25 for all agents together")
}
