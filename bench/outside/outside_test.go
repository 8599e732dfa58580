package outside_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/bench/local"
	"github.com/ackproof/ackproof/bench/outside"
	"github.com/ackproof/ackproof/bench/targettest"
	"github.com/ackproof/ackproof/faults"
)

// TestMain lets the test binary play the roles of the local target's processes: a
// local stack is the system of somebody else here.
func TestMain(m *testing.M) {
	if code, played := local.Main(localFaults); played {
		os.Exit(code)
	}
	os.Exit(m.Run())
}

func localFaults(seed uint64, texts []string) (local.Faults, error) {
	return faults.ParseSet(seed, texts)
}

func newTarget() *outside.Target {
	return outside.New(outside.Options{Name: "http", Clock: clock.Real{}, NewFaults: func(seed uint64, texts []string) (outside.Faults, error) { return faults.ParseSet(seed, texts) }})
}

// theirs starts a stack, and names it as its owner would.
func theirs(t *testing.T) bench.System { return theirsOf(t, targettest.Stack(t)) }

func theirsOf(t *testing.T, settings bench.Stack) bench.System {
	stack := local.New(local.Options{NewFaults: localFaults, Log: t.Output()})
	t.Cleanup(func() {
		if err := stack.Stop(); err != nil {
			t.Error(err)
		}
	})
	e, err := stack.Start(t.Context(), settings, func(bench.Event) {})
	if err != nil {
		t.Fatal(err)
	}
	return bench.System{URL: e.API, DynamoDB: e.DynamoDB, Items: e.ItemsTable, Results: e.ResultsTable, Attributes: bench.OwnAttributes(), ByKey: true, Stream: "auto"}
}

func TestTheSystemOfSomebodyElseIsATarget(t *testing.T) {
	targettest.RunOutside(t, func(t *testing.T) (bench.Target, bench.System) { return newTarget(), theirs(t) }, false)
}

// TestTheStreamIsReadFromTheStartOn: what was in it before is nobody's evidence, and
// of what comes nothing is left out, not even what came last.
func TestTheStreamIsReadFromTheStartOn(t *testing.T) {
	system := theirs(t)
	put := func(ids ...string) {
		t.Helper()
		for _, id := range ids {
			putItem(t, system, id)
		}
	}
	stack := targettest.Stack(t)
	id := func(seq uint64) string { return bench.ID{Run: stack.Run, Seq: seq}.String() }
	put(id(0))
	stack.System = system
	target := newTarget()
	e, err := target.Start(t.Context(), stack, func(bench.Event) {})
	if err != nil || !strings.Contains(e.StreamARN, system.Items) || e.Region != "us-east-1" {
		t.Fatalf("%+v, %v", e, err)
	}
	put(id(1), "somebody else's", bench.ID{Run: stack.Run, Agent: bench.CanaryAgent}.String(), id(2), id(3))
	if err := target.Stop(); err != nil {
		t.Fatal(err)
	}
	log, err := ledger.ReadDeliveries(filepath.Join(stack.Dir, "deliveries"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for c := range log.Commits() {
		seen[c.ID] = c.Shard != "" && c.Sequence != "" && !c.At.IsZero()
	}
	if len(seen) != 3 || !seen[id(1)] || !seen[id(2)] || !seen[id(3)] || len(log.Problems()) > 0 {
		t.Errorf("commits %v, want those of requests 1 to 3; problems %v", seen, log.Problems())
	}
}

// TestAStreamThatShowsNoVersions is told from others before the load.
func TestAStreamThatShowsNoVersions(t *testing.T) {
	settings := targettest.Stack(t)
	settings.ViewType = "KEYS_ONLY"
	system := theirsOf(t, settings)
	for _, version := range []string{"", "version"} {
		stack := targettest.Stack(t)
		stack.System, stack.System.Version = system, version
		target := newTarget()
		_, err := target.Start(t.Context(), stack, func(bench.Event) {})
		if refused := err != nil && strings.Contains(err.Error(), "shows no new images"); refused != (version != "") {
			t.Errorf("versions told by %q: %v", version, err)
		}
		if err := target.Stop(); err != nil {
			t.Error(err)
		}
	}
}

// TestTablesThatCannotBeAskedForIds are told from others before the load.
func TestTablesThatCannotBeAskedForIds(t *testing.T) {
	system := theirs(t)
	for name, c := range map[string]struct {
		change func(*bench.System)
		want   string
	}{
		"another key":     {func(s *bench.System) { s.ItemID = "payload" }, "say read: {by: scan}"},
		"another stream":  {func(s *bench.System) { s.Stream = "arn:aws:dynamodb:us-east-1:000000000000:table/x/stream/y" }, "target: {stream: none}"},
		"no such results": {func(s *bench.System) { s.Results = "nope" }, "table nope"},
	} {
		stack := targettest.Stack(t)
		stack.System = system
		c.change(&stack.System)
		target := newTarget()
		if _, err := target.Start(t.Context(), stack, func(bench.Event) {}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if err := target.Stop(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
