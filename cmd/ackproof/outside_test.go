package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/peer"
	"github.com/ackproof/ackproof/scenarios"
)

// abroad is a built-in scenario as the engines of others can hold it.
type abroad struct {
	name  string
	args  []string // scaled so that the stream gets at most maxAbroad records, and moto keeps up
	exact bool     // each count follows from plan and seed alone, so all must be the same
	check func(t *testing.T, r *bench.Result, dir string)
}

// maxAbroad is how many stream records dynoxide can hold: each write reads all
// of them.
const maxAbroad = 5000

// scaled makes arguments of a factor.
func scaled(factor float64, more ...string) []string {
	return append([]string{"--set", "load.scale=" + strconv.FormatFloat(factor, 'f', -1, 64)}, more...)
}

// serial scales, and writes one item at a time: moto gives two records that are
// written at once the same sequence number, and readers pass over the second.
// ackproof sees it and calls such a run unknown. Batches are small and may take
// their time, since moto on a busy machine needs 50 ms for a write.
func serial(factor float64, more ...string) []string {
	return scaled(factor, append([]string{"--set", "request.connections=1", "--set", "mapping.batchSize=20", "--set", "processor.timeout=20s"}, more...)...)
}

// poisoned scales where the 600th request is a bad one: it is the 60th then.
func poisoned(more ...string) []string {
	return serial(0.1, append([]string{"--set", "workload.poison=[60]"}, more...)...)
}

// tenth scales a fault on the 301st to the 900th PutItem along.
var tenth = serial(0.1, "--set", "faults=['on PutItem 31 to 90: table.throttle 30%']")

// Every built-in scenario. None needs what dynoxide and moto cannot do: the
// faults are those of our gateway, mapping and Lambda host, and of the proxy
// before the engine. Those that want a certain request to be there (poison: the
// 600th; on PutItem 301 to 900) are scaled less, and so is the gateway's limit,
// which is a rate of its own.
var abroads = []abroad{
	{"baseline", serial(0.1), true, checkOf("baseline")},
	{"crash", serial(0.1), false, func(t *testing.T, r *bench.Result, _ string) {
		if r.Items.Lost() != 0 || *r.Items.Duplicated != 0 || r.Items.Processed != r.Requests.Acknowledged {
			t.Errorf("of %d acknowledged, %d processed once, %d lost, %d duplicated", r.Requests.Acknowledged, r.Items.Processed, r.Items.Lost(), *r.Items.Duplicated)
		}
		if r.Faults[0].Bitten < 6 || *r.Deliveries.Redelivered == 0 || r.Faults[1].Bitten == 0 {
			t.Errorf("%d kills, %d redelivered, %d throttled", r.Faults[0].Bitten, *r.Deliveries.Redelivered, r.Faults[1].Bitten)
		}
	}},
	{"lost-answer", serial(0.1), false, checkOf("lost-answer")},
	{"lossy", serial(0.1), false, checkOf("lossy")},
	{"poison", poisoned(), false, checkPoison(60)},
	{"outage", serial(0.2), true, checkOf("outage")},
	{"outage", scaled(0.2, "--architecture", "fire-and-forget"), false, func(t *testing.T, r *bench.Result, _ string) {
		if r.Items.LostWrite == 0 {
			t.Error("nothing was lost")
		}
	}},
	{"outage", scaled(0.2, "--architecture", "sync"), false, func(t *testing.T, r *bench.Result, _ string) {
		if r.Requests.Unknown == 0 || r.Items.Lost() != 0 {
			t.Errorf("%d requests unknown, %d lost", r.Requests.Unknown, r.Items.Lost())
		}
	}},
	{"poison-bisect", poisoned(), true, checkOf("poison-bisect")},
	{"partial-answer", poisoned("--set", "expect=['lost == 0', 'duplicated == 0', 'items.dead_lettered > 0']"), false, func(t *testing.T, r *bench.Result, _ string) {
		// At this rate the bad record may be the last of its batch.
		if n := r.Items.DeadLettered; n < 1 || n > 100 || r.Items.Processed != r.Requests.Planned-n {
			t.Errorf("%d dead-lettered, %d of %d processed", n, r.Items.Processed, r.Requests.Planned)
		}
	}},
	{"ignored-answer", poisoned(), false, checkOf("ignored-answer")},
	{"late-start", serial(0.2), false, func(t *testing.T, r *bench.Result, _ string) {
		// Up to five seconds of the load, less what it took to start, and more
		// by what a slow engine takes for an iterator at the end of its stream.
		if n := r.Items.LostProcessing; n < 20 || n > 40+4*40 || r.Findings[0].Seq != 0 || r.Items.Pending != 0 {
			t.Errorf("%d lost in processing, the first is %d, %d pending", n, r.Findings[0].Seq, r.Items.Pending)
		}
	}},
	{"lanes", serial(0.2), true, checkOf("lanes")},
	{"naive-mapping", tenth, true, checkOf("naive-mapping")},
	{"throttled", tenth, true, checkOf("throttled")},
	{"gateway-limit", serial(0.2, "--set", "gateway.throttle.rate=40/s", "--set", "gateway.throttle.burst=20", "--set", "expect=['lost == 0', 'requests.refused > 60']"), false, checkOf("gateway-limit")},
	{"late-answer", scaled(0.2), false, checkOf("late-answer")},
	{"overwrite", serial(0.2), true, checkOf("overwrite")},
	{"escape", serial(0.2), true, checkOf("escape")},
	{"passthrough", serial(0.2), true, checkOf("passthrough")},
}

// checkOf is what must be so on the embedded engine at full rate.
func checkOf(name string) func(t *testing.T, r *bench.Result, dir string) {
	all := slices.Concat(builtins, rules)
	return all[slices.IndexFunc(all, func(b builtin) bool { return b.name == name })].check
}

// TestConformanceOutside plays the built-in scenarios on engines that others
// have written: the verdict, its reasons, and where they can be computed the
// counts must be those of the embedded engine.
func TestConformanceOutside(t *testing.T) {
	if os.Getenv("ACKPROOF_CONFORMANCE") != "all" {
		t.Skip("set ACKPROOF_CONFORMANCE=all: this needs Node and Python and takes minutes")
	}
	for _, name := range scenarios.Builtins() {
		if !slices.ContainsFunc(abroads, func(a abroad) bool { return a.name == name }) {
			t.Errorf("the scenario %s is not played on other engines: add it, or say here what they lack", name)
		}
	}
	engines := []string{peer.Dynoxide, peer.Moto}
	if os.Getenv(peer.LocalEnv) != "" {
		engines = append(engines, peer.Local)
	}
	for i, a := range abroads {
		t.Run(strings.Join(append([]string{a.name}, a.args...), " "), func(t *testing.T) {
			t.Parallel()
			seed := uint64(1000 + i)
			want := a.play(t, seed, "--set", "table.shards=1")
			for _, engine := range engines {
				t.Run(engine, func(t *testing.T) {
					server := peer.Start(t, engine) // fresh: old records slow it down, or other streams do
					got := a.play(t, seed, "--dynamodb", server.URL)
					if got.Run.DynamoDB != server.URL || got.Run.Target != "local" {
						t.Errorf("the result says %q on target %s", got.Run.DynamoDB, got.Run.Target)
					}
					if d := cmp.Diff(codes(want), codes(got)); d != "" {
						t.Errorf("verdict and reasons (- embedded, + %s):\n%s", engine, d)
					}
					if d := cmp.Diff(want.Items, got.Items); a.exact && d != "" {
						t.Errorf("items (- embedded, + %s):\n%s", engine, d)
					}
					if _, tables, err := server.Call(t.Context(), "ListTables", []byte("{}")); err != nil || strings.Contains(string(tables), "ackproof-") {
						t.Errorf("tables are left behind: %s (%v)", tables, err)
					}
				})
			}
		})
	}
}

// play runs the scenario once, and checks what must be so on every engine.
func (a abroad) play(t *testing.T, seed uint64, args ...string) bench.Result {
	t.Helper()
	s := startAckproof(t, slices.Concat([]string{"run", a.name, "--quiet", "--seed", strconv.FormatUint(seed, 10)}, a.args, args)...)
	code := s.code()
	r := resultOf(t, s.latest())
	t.Logf("seed %d, exit code %d, verdict %s, drained by %s", seed, code, r.Verdict, r.Drain.Proof)
	if code != exitOf(r.Verdict) || r.Requests.Planned > maxAbroad {
		t.Errorf("exit code %d with verdict %s, %d requests planned of at most %d", code, r.Verdict, r.Requests.Planned, maxAbroad)
	}
	if r.Verdict != bench.VerdictUnknown {
		for _, g := range r.Gates {
			if !g.OK && !slices.Contains(bench.TimingGates(), g.Name) { // those are the machine's
				t.Errorf("gate %s is down: %s", g.Name, g.Detail)
			}
		}
	}
	a.check(t, &r, s.latest())
	return r
}

// codes spells a verdict with the codes of its reasons.
func codes(r bench.Result) string {
	var list []string
	for _, reason := range r.Reasons {
		list = append(list, string(reason.Code))
	}
	slices.Sort(list)
	return fmt.Sprint(r.Verdict, slices.Compact(list))
}

// A run that is interrupted deletes its tables too, and touches no others.
func TestConformanceOutsideInterrupted(t *testing.T) {
	if os.Getenv("ACKPROOF_CONFORMANCE") != "all" {
		t.Skip("set ACKPROOF_CONFORMANCE=all: this needs Node")
	}
	server := peer.Start(t, peer.Dynoxide)
	const old = "ackproof-00000000-items"
	made := `{"TableName":"` + old + `","BillingMode":"PAY_PER_REQUEST","KeySchema":[{"AttributeName":"id","KeyType":"HASH"}],"AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}]}`
	if status, answer, err := server.Call(t.Context(), "CreateTable", []byte(made)); err != nil || status != 200 {
		t.Fatalf("%d %s %v", status, answer, err)
	}
	s := startAckproof(t, "run", "crash", "--quiet", "--set", "load.scale=0.1", "--dynamodb", server.URL)
	underLoad(t, s)
	manifest, err := os.ReadFile(filepath.Join(s.runDir(), "run.json"))
	if err != nil || !strings.Contains(string(manifest), server.URL) {
		t.Errorf("run.json does not name the endpoint (%v)", err)
	}
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := s.code(); code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
	_, tables, err := server.Call(t.Context(), "ListTables", []byte("{}"))
	if err != nil || strings.Count(string(tables), "ackproof-") != 1 || !strings.Contains(string(tables), old) {
		t.Errorf("left are %s (%v), want the older run's table alone", tables, err)
	}
}
