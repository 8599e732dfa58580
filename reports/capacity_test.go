package reports

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench"
)

// searched is a search with both answers and a spike.
func searched() *bench.Capacity {
	c := &bench.Capacity{
		Schema: bench.CapacitySchema, Scenario: "baseline", Target: "local", Architecture: bench.Streams, Seed: 7, Started: "2026-11-23T10:00:00Z", Version: "v1",
		Settings: bench.CapacitySettings{Expect: []string{"response_time.p99 < 100ms in hold"}, Acknowledged: 0.99, GrowthTolerated: 0.02, SettleMs: 3000, HoldMs: 10000, Precision: 0.1, Repeats: 2},
		Response: bench.CapacityAnswer{Status: bench.CapacityAtLeast, Low: ptr(4000.0), Text: "the API meets what is expected of it at 4000/s at least; the load generator was the limit, not the system"},
		Backlog:  bench.CapacityAnswer{Status: bench.CapacityFound, Low: ptr(1860.0), High: ptr(2050.0), Knee: ptr(1900.0), Text: "the processor keeps up at 1860/s, and no longer at 2050/s"},
		AtLeast:  &bench.CapacityFloor{Rate: 2000, Text: "2000/s: response time yes, backlog undecided"},
		Spike: &bench.Spike{Size: 9300, Base: 930, Rate: 3000, ForMs: 5000, DrainMs: ptr(9800.0), Trials: []bench.SpikeTrial{
			{Dir: "a", DrainMs: ptr(9700.0)}, {Dir: "b", DrainMs: ptr(9800.0)}, {Dir: "c", DrainMs: ptr(10100.0)}}},
		Notes: []string{"nothing was broken: the faults of the scenario were left out"},
	}
	add := func(rate float64, response, backlog bench.Sight, p99, lag, growth float64) {
		p := bench.CapacityProbe{Dir: "probe-" + number(float64(len(c.Probes))), Rate: rate, For: "backlog", Response: response, Backlog: backlog, Acknowledged: 1, P50: ptr(p99 / 3), P99: ptr(p99), LagP50: ptr(lag / 2), LagP99: ptr(lag), Growth: ptr(growth), Processed: ptr(rate - growth), GeneratorOK: response != bench.SightLimited}
		if lag == 0 {
			p.LagP50, p.LagP99 = nil, nil
		}
		c.Probes = append(c.Probes, p)
	}
	add(500, bench.SightHolds, bench.SightHolds, 4, 300, 0)
	add(1000, bench.SightHolds, bench.SightHolds, 5, 310, 1)
	add(1900, bench.SightHolds, bench.SightHolds, 6, 380, -3)
	add(1900, bench.SightHolds, bench.SightHolds, 6, 400, 2)
	add(2050, bench.SightHolds, bench.SightBreaks, 8, 1400, 90)
	add(2050, bench.SightHolds, bench.SightBreaks, 9, 1500, 95)
	add(4000, bench.SightHolds, bench.SightBreaks, 60, 0, 2020)
	add(8000, bench.SightLimited, bench.SightBreaks, 900, 0, 5900)
	return c
}

// spoiltSearch has what its files may hold after somebody has been at them.
func spoiltSearch() *bench.Capacity {
	c := searched()
	c.Scenario, c.Response.Text, c.Notes, c.Settings.Expect, c.AtLeast.Text = evil, evil, []string{evil}, []string{evil}, evil
	c.Probes[0].Dir, c.Probes[0].Why, c.Spike.Trials[0].Why = evil, evil, evil
	c.Interrupted, c.Spike.DrainMs, c.Backlog = true, nil, bench.CapacityAnswer{}
	return c
}

func TestCapacity(t *testing.T) {
	for name, c := range map[string]*bench.Capacity{"capacity": searched(), "hostile-capacity": spoiltSearch()} {
		var term bytes.Buffer
		if err := CapacityTerminal(&term, c, Options{Width: 80, Dir: "runs/latest"}); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".txt", term.Bytes())
		golden(t, name+".md", CapacityMarkdown(c))
		dir := t.TempDir()
		if err := WriteCapacity(dir, c); err != nil {
			t.Fatal(err)
		}
		page, err := os.ReadFile(filepath.Join(dir, "capacity.html"))
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+".html", imageData.ReplaceAll(bare(page), []byte("data:,picture")))
		checkPage(t, page)
		if strings.ContainsAny(term.String(), "\x1b\u202e") {
			t.Errorf("%s: text that steers a terminal gets through", name)
		}
		for _, picture := range []string{"capacity-response.svg", "capacity-response.png", "capacity-lag.svg", "capacity-lag.png"} {
			if info, err := os.Stat(filepath.Join(dir, "plots", picture)); err != nil || info.Size() < 2000 {
				t.Errorf("%s: %v", picture, err)
			}
		}
	}
	// Nothing known yet is no error.
	if err := WriteCapacity(t.TempDir(), &bench.Capacity{}); err != nil {
		t.Error(err)
	}
}
