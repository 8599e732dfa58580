package main

import (
	"strings"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
)

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
func TestJudgedAgainWhileTheBacklogDrains(t *testing.T) {
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
