package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// storm is a run in which something goes wrong at every hop between the processes.
// Writes to the results table are few while the way there is disturbed, so the
// faults that strike a share of them go on when the others are over.
const storm = `
load: [{name: steady, for: 9s, rate: 200/s}]
processor: {work: 1ms, timeout: 5s, concurrency: 4}
mapping: {pollInterval: 20ms, batchSize: 10}
faults:
  - "at 2s for 3s: table.error 3%"
  - "at 2s for 3s: table.error 3% after-commit"
  - "at 2s for 3s: table.cut 3%"
  - "at 2s for 3s: table.cut 3% before"
  - "at 2s for 3s: table.cut 3% mid-answer"
  - "at 2s for 3s: table.delay 3% by=200ms"
  - "at 2s for 3s: table.deny 6%"
  - "at 2s for 3s: client.cut 3%"
  - "at 2s for 3s: client.cut 3% mid-body"
  - "at 2s for 3s: client.delay 3% by=100ms"
  - "at 2s for 3s: client.delay 3% after-commit by=100ms"
  - "at 2s for 3s: client.error 3%"
  - "at 2s for 3s: client.error 3% after-commit"
  - "at 2s for 3s: client.throttle 6%"
  - "at 3s for 2s every 1s: gateway.kill"
  - "at 2s for 6s: results.deny 5%"
  - "at 2s for 6s: results.throttle 5%"
  - "at 2s for 6s: results.error 5% after-commit"
  - "at 2s for 6s: results.cut 5%"
  - "at 2s for 6s: results.cut 5% mid-answer"
  - "at 2s for 6s: results.delay 5% by=100ms"
  - "at 2s for 3s every 1s: results.late by=3s"
  - "at 2s for 3s: stream.throttle 30%"
  - "at 2s for 3s: stream.expire 30%"
  - "at 5s for 2s: stream.deny 30%"
  - "at 2s for 3s every 1s: stream.split"
  - "at 2s for 3s: mapping.repeat 60%"
`

// Each of them bites real processes, all at once, and a sound system passes.
func TestAStormOfFaultsBitesAndNothingIsLost(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "storm.yaml"), []byte(storm), 0o644); err != nil {
		t.Fatal(err)
	}
	s := startAckproofIn(t, dir, "run", "storm.yaml", "--quiet")
	if code := s.code(); code != exitPass {
		t.Errorf("exit code %d, want %d", code, exitPass)
	}
	r := resultOf(t, s.latest())
	if want := strings.Count(storm, "  - \""); len(r.Faults) != want {
		t.Fatalf("%d faults, want %d", len(r.Faults), want)
	}
	for _, f := range r.Faults {
		if f.Bitten == 0 || !f.Undone {
			t.Errorf("%s: bitten %d, undone %v", f.Text, f.Bitten, f.Undone)
		}
	}
	if r.Items.Lost() != 0 || r.Items.Recovered == 0 || r.Items.NotApplied == 0 || *r.Deliveries.Redelivered == 0 {
		t.Errorf("%d lost, %d recovered, %d not applied, %d redelivered", r.Items.Lost(), r.Items.Recovered, r.Items.NotApplied, *r.Deliveries.Redelivered)
	}
}
