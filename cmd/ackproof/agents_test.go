package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
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

// Two agents on two machines load one system that is not ours, and are judged as one
// run: docs/large-loads.md, as a user would type it. Each is asked for its own
// requests; the first one alone breaks the system. The one system is sound, the other
// skips records, and takes no id twice.
func TestConformanceAgentsOnOneSystem(t *testing.T) {
	if os.Getenv("ACKPROOF_CONFORMANCE") == "" {
		t.Skip("waits for an agreed start: set ACKPROOF_CONFORMANCE=1")
	}
	t.Parallel()
	built(t, "cmd/ackproof") // which takes its time
	t.Run("sound", func(t *testing.T) {
		t.Parallel()
		stack := startTheirs(t)
		pids := strings.Trim(fmt.Sprint(family(t, stack.cmd.Process.Pid)[1:]), "[]")
		agents := loadTogether(t, stack.scenario(t, fmt.Sprintf(freeze, pids)))
		for i, a := range agents {
			if !strings.Contains(a.stderr.String(), "'ackproof reconcile' with the directories of all 2 agents") {
				t.Errorf("agent %d is not told how to judge the run: %s", i+1, &a.stderr)
			}
			r := resultOf(t, a.latest())
			if r.Requests.Planned != 200 || r.Items.Unexpected != nil || *r.Deliveries.Records != 200 || r.Faults[0].Bitten != int64(1-i) {
				t.Errorf("agent %d: %d planned, unexpected %v, %d records, bitten %d", i+1, r.Requests.Planned, r.Items.Unexpected, *r.Deliveries.Records, r.Faults[0].Bitten)
			}
		}
		// From two places, and again from one folder, which may be anywhere.
		whole := startAckproofIn(t, t.TempDir(), "reconcile", agents[1].latest(), agents[0].latest())
		if code := whole.code(); code != exitPass {
			t.Errorf("exit %d", code)
		}
		all := filepath.Join(t.TempDir(), "all")
		for i, a := range agents {
			if err := os.CopyFS(filepath.Join(all, fmt.Sprint("from-", i)), os.DirFS(a.latest())); err != nil {
				t.Fatal(err)
			}
		}
		again := startAckproofIn(t, filepath.Dir(all), "reconcile", "all/")
		if code := again.code(); code != exitPass {
			t.Errorf("exit %d of the same in one folder", code)
		}
		r := resultOf(t, all)
		if r.Items.Processed+r.Items.Recovered != 400 || *r.Deliveries.Records != 400 || r.Drain.Proof != bench.DrainSentinels || r.Faults[0].Bitten != 1 || !r.Faults[0].Undone || sentAhead(r) < 2 {
			t.Errorf("%+v; %d records; drained by %s; fault %+v; %v; %q", r.Items, *r.Deliveries.Records, r.Drain.Proof, r.Faults[0], r.Reasons, r.Notes)
		}
		trace := startAckproofIn(t, filepath.Dir(all), "trace", "all/", string(r.Run.ID)+"-02-0000000007")
		if code := trace.code(); code != exitPass || !strings.Contains(trace.stdout.String(), "-02-0000000007") {
			t.Errorf("trace: exit %d\n%s", code, &trace.stdout)
		}
	})
	t.Run("lossy", func(t *testing.T) {
		t.Parallel()
		stack := holdTheirs(t, "--env", "ACKPROOF_DEFECT=skip-nth=50", "--set", onceEach)
		agents := loadTogether(t, stack.scenario(t, `expect: ["lost == 0"]`))
		all := t.TempDir()
		for i, a := range agents {
			if err := os.Rename(a.runDir(), filepath.Join(all, fmt.Sprint("from-", i))); err != nil {
				t.Fatal(err)
			}
		}
		if whole := startAckproofIn(t, all, "reconcile", "."); whole.code() != exitFail {
			t.Error("the losses of both were not found")
		}
		r, items, effects := resultOf(t, all), keys(t, stack.DynamoDB, stack.Tables.Items), keys(t, stack.DynamoDB, stack.Tables.Results)
		var want, got []string
		of := map[uint8]int{} // by agent
		for id := range items {
			k, err := bench.ParseKey(id)
			if err == nil && k.Run == r.Run.ID && k.Agent != bench.CanaryAgent && k.Seq < 200 && !effects[id] {
				want = append(want, id)
				of[k.Agent]++
			}
		}
		for _, f := range lines[bench.Finding](t, filepath.Join(all, "findings.jsonl")) {
			if got = append(got, f.ID); f.Verdict != bench.LostProcessing {
				t.Errorf("finding %+v", f)
			}
		}
		slices.Sort(want)
		if slices.Sort(got); !slices.Equal(got, want) || of[1] == 0 || of[2] == 0 {
			t.Errorf("lost %q, another reader finds %q", got, want)
		}
	})
}

// sentAhead is how many canaries the notes of a result tell of.
func sentAhead(r bench.Result) (n int) {
	for _, note := range r.Notes {
		if fmt.Sscanf(note, "%d canary request(s)", &n); n > 0 {
			break
		}
	}
	return n
}

// onceEach makes an API refuse an id that it has seen before.
const onceEach = `gateway.template={"TableName": "$stageVariables.itemsTable", "ConditionExpression": "attribute_not_exists(id)",
"Item": {"id": {"S": $input.json('$.id')}, "payload": {"S": $input.json('$.payload')}}}`

// loadTogether has two agents run theirs.yaml of a folder, each in a folder of its
// own, as they are told to when one asks.
func loadTogether(t *testing.T, dir string) (agents []*session) {
	t.Helper()
	start := clock.Real{}.Now().Add(25 * time.Second).UTC().Format(time.RFC3339)
	asked := startAckproofIn(t, dir, "run", "theirs.yaml", "--target", "http", "--agent", "1/2", "--quiet", "--start-at", start)
	if code := asked.code(); code != exitMisuse {
		t.Fatalf("exit %d", code)
	}
	for line := range strings.Lines(asked.stderr.String()) {
		command, ok := strings.CutPrefix(strings.TrimSpace(line), "ackproof run ")
		if !ok {
			continue
		}
		machine := t.TempDir()
		copyFile(t, filepath.Join(dir, "theirs.yaml"), filepath.Join(machine, "theirs.yaml"))
		agents = append(agents, startAckproofIn(t, machine, append([]string{"run"}, strings.Fields(command)...)...))
	}
	if len(agents) != 2 {
		t.Fatalf("told to start %d agents: %s", len(agents), &asked.stderr)
	}
	for i, a := range agents {
		if code := a.code(); code == exitMisuse || code == exitHarness {
			t.Fatalf("agent %d: exit %d", i+1, code)
		}
	}
	return agents
}

// What agents must agree upon is asked for, with what to type.
func TestAgentsAreToldWhatToAgreeUpon(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--agent", "1/3"}, "ackproof run crash --agent 3/3 --run-id "},
		{[]string{"--agent", "1/2", "--rate", "10/s", "--for", "2s", "--quiet", "--set", "expect=['lost == 0']", "--set", "name=it's"},
			`ackproof run crash --for 2s --quiet --rate 10/s --set 'expect=['\''lost == 0'\'']' --set 'name=it'\''s' --agent 2/2 --run-id `},
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
