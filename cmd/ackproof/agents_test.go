package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
)

// Two agents, each with a system of its own on this machine, send one plan, and are
// judged as one run: docs/large-loads.md, as a user would type it.
func TestConformanceAgentsOfOneRun(t *testing.T) {
	if os.Getenv("ACKPROOF_CONFORMANCE") == "" {
		t.Skip("waits for an agreed start: set ACKPROOF_CONFORMANCE=1")
	}
	t.Parallel()
	built(t, "cmd/ackproof") // which takes its time
	start := clock.Real{}.Now().Add(25 * time.Second).UTC().Format(time.RFC3339)
	dir := t.TempDir()
	var agents []*session
	for i := 1; i <= 2; i++ {
		agents = append(agents, startAckproofIn(t, dir, "run", "baseline", "--rate", "100/s", "--for", "3s", "--quiet",
			"--agent", fmt.Sprintf("%d/2", i), "--run-id", "k3v9x2ab", "--start-at", start))
	}
	for i, a := range agents {
		if code := a.code(); code != 0 && code != 3 {
			t.Fatalf("agent %d: exit %d\n%s", i+1, code, a.stderr.String())
		}
	}
	dirs, err := filepath.Glob(filepath.Join(dir, "runs", "*-k3v9x2ab-agent-*"))
	if err != nil || len(dirs) != 2 {
		t.Fatalf("%v, %v", dirs, err)
	}
	whole := startAckproofIn(t, dir, "reconcile", dirs[1], dirs[0])
	if code := whole.code(); code != 0 && code != 3 {
		t.Fatalf("exit %d\n%s%s", code, whole.stdout.String(), whole.stderr.String())
	}
	folder := strings.TrimSuffix(dirs[0], "-agent-1") + "-agents"
	r := resultOf(t, folder)
	if r.Requests.Planned != 300 || r.Items.Processed != r.Requests.Acknowledged || r.Requests.Acknowledged < 290 || r.Verdict == bench.Fail {
		t.Errorf("verdict %s, %+v, %+v", r.Verdict, r.Requests, r.Items)
	}
	for i, d := range dirs {
		if one := resultOf(t, d); one.Requests.Planned != 150 {
			t.Errorf("agent %d planned %d", i+1, one.Requests.Planned)
		}
	}
	trace := startAckproofIn(t, dir, "trace", folder, "k3v9x2ab-02-0000000007")
	if code := trace.code(); code != 0 || !strings.Contains(trace.stdout.String(), "k3v9x2ab-02-0000000007") {
		t.Errorf("trace: exit %d\n%s%s", code, trace.stdout.String(), trace.stderr.String())
	}
}

// What agents must agree upon is asked for, with what to type.
func TestAgentsAreToldWhatToAgreeUpon(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--agent", "1/3"}, "ackproof run crash --agent 3/3 --run-id "},
		{[]string{"--agent", "4/3"}, "is no share"},
		{[]string{"--run-id", "k3v9x2ab"}, "go with --agent"},
		{[]string{"--agent", "1/2", "--run-id", "x", "--start-at", "2020-01-01T00:00:00Z"}, "has passed"},
	} {
		s := startAckproof(t, append([]string{"run", "crash"}, c.args...)...)
		if code := s.code(); code != 2 || !strings.Contains(s.stderr.String(), c.want) {
			t.Errorf("%v: exit %d, want 2 and %q\n%s", c.args, code, c.want, s.stderr.String())
		}
	}
}

// A run that was judged while its backlog still drained is judged again from its
// live tables: what was pending has come.
func TestConformanceJudgedAgainWhileTheBacklogDrains(t *testing.T) {
	if os.Getenv("ACKPROOF_CONFORMANCE") == "" {
		t.Skip("waits for a slow backlog: set ACKPROOF_CONFORMANCE=1")
	}
	t.Parallel()
	s := startAckproof(t, "run", "baseline", "--rate", "100/s", "--for", "3s", "--quiet", "--hold",
		"--set", "processor.work=40ms", "--set", "mapping.batchSize=10", "--set", "processor.concurrency=1", "--set", "table.shards=1", "--set", "overload=true", "--set", "drain.timeout=1s")
	until(t, time.Minute, "a verdict", func() bool { return strings.Contains(s.stderr.String(), "stays up") })
	dir := s.runDir()
	first := resultOf(t, dir)
	if first.Items.Pending == 0 || first.Verdict != bench.VerdictUnknown {
		t.Fatalf("verdict %s, %+v: nothing was pending", first.Verdict, first.Items)
	}
	last := first.Items.Pending
	until(t, time.Minute, "an empty backlog", func() bool {
		again := startAckproofIn(t, s.dir, "reconcile", dir)
		if code := again.code(); code == 0 || code == 1 {
			t.Fatalf("exit %d of a run whose drain was not proven\n%s%s", code, again.stdout.String(), again.stderr.String())
		}
		r := resultOf(t, dir)
		if r.Items.Pending > last {
			t.Fatalf("pending from %d to %d", last, r.Items.Pending)
		}
		last = r.Items.Pending
		return last == 0
	})
	if r := resultOf(t, dir); r.Items.Processed != first.Items.Processed+first.Items.Pending {
		t.Errorf("%+v, at first %+v", r.Items, first.Items)
	}
}
