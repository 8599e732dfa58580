package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/peer"
)

// abroad is a built-in scenario as the engines of others can hold it.
type abroad struct {
	name  string
	args  []string // scaled so that the stream gets at most maxAbroad records, and moto keeps up
	exact bool     // each count follows from plan and seed alone, so all must be the same
	check func(t *testing.T, r *bench.Result, dir string)
	but   *ending // how it ends there, where an engine breaks a promise of the service
}

// ending is how a scenario must end on some engines, and why not as elsewhere.
type ending struct {
	engines []string
	codes   string // verdict and codes of the reasons
	check   func(t *testing.T, r *bench.Result, dir string)
}

// on gives what must be so on an engine, whose verdict and reasons are codes
// unless the engine has an ending of its own.
func (a abroad) on(engine, codes string) ending {
	if a.but != nil && slices.Contains(a.but.engines, engine) {
		return *a.but
	}
	return ending{codes: codes, check: a.check}
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

// unhurried drops what a scenario asks of the recovery: how soon a slow engine
// recovers on a busy machine is not compared.
const unhurried = "--set=expect=['lost == 0', 'duplicated == 0']"

// poisoned scales where the 600th request is a bad one: it is the 60th then.
func poisoned(more ...string) []string {
	return serial(0.1, append([]string{"--set", "workload.poison=[60]"}, more...)...)
}

// late scales as serial does, and lets the mapping gather records for a second:
// at a tenth of the rate a batch would else hold so few that the bad one may
// have nobody beside it.
func late(more ...string) []string {
	return serial(0.1, append([]string{"--set", "mapping.maximumBatchingWindowInSeconds=1"}, more...)...)
}

// missing is a load behind which there is a calm.
const missing = "--set=load=[{name: warm-up, for: 1s, rate: 20/s, warmup: true}, {name: steady, for: 5s, rate: 20/s}, {name: calm, for: 12s, rate: 2/s}]"

// tenth scales a fault on the 301st to the 900th PutItem along.
var tenth = serial(0.1, "--set", "faults=['on PutItem 31 to 90: table.throttle 30%']")

// Every built-in scenario that needs nothing which dynoxide and moto cannot do
// (see unplayed): the faults are those of our gateway, mapping and Lambda host,
// and of the proxy before the engine. Where a scenario names certain requests
// (poison: the 600th; on PutItem 301 to 900) they are scaled along, and so is
// the gateway's limit, which is a rate of its own.
var abroads = []abroad{
	{name: "baseline", args: serial(0.1), exact: true, check: checkOf("baseline")},
	{name: "crash", args: serial(0.1, unhurried), check: func(t *testing.T, r *bench.Result, _ string) {
		if r.Items.Lost() != 0 || *r.Items.Duplicated != 0 || r.Items.Processed != r.Requests.Acknowledged {
			t.Errorf("of %d acknowledged, %d processed once, %d lost, %d duplicated", r.Requests.Acknowledged, r.Items.Processed, r.Items.Lost(), *r.Items.Duplicated)
		}
		// How often a processor is up to be killed, of six times, is the engine's speed.
		if r.Faults[0].Bitten < 2 || *r.Deliveries.Redelivered == 0 || r.Faults[1].Bitten == 0 {
			t.Errorf("%d kills, %d redelivered, %d throttled", r.Faults[0].Bitten, *r.Deliveries.Redelivered, r.Faults[1].Bitten)
		}
	}},
	{name: "lost-answer", args: serial(0.1), check: checkOf("lost-answer")},
	{name: "shapes", args: serial(0.1), exact: true, check: checkOf("shapes")},
	{name: "lossy", args: serial(0.1), check: checkOf("lossy")},
	{name: "poison", args: poisoned("--set", "drain.timeout=4s"), check: checkPoison(60)},
	{name: "outage", args: serial(0.2, unhurried), exact: true, check: checkOf("outage")},
	{name: "outage", args: scaled(0.2, "--architecture", "fire-and-forget"), check: func(t *testing.T, r *bench.Result, _ string) {
		if r.Items.LostWrite == 0 {
			t.Error("nothing was lost")
		}
	}},
	{name: "outage", args: scaled(0.2, "--architecture", "sync"), check: func(t *testing.T, r *bench.Result, _ string) {
		if r.Requests.Unknown == 0 || r.Items.Lost() != 0 {
			t.Errorf("%d requests unknown, %d lost", r.Requests.Unknown, r.Items.Lost())
		}
	}},
	{name: "poison-bisect", args: poisoned(), exact: true, check: checkOf("poison-bisect")},
	{name: "partial-answer", args: poisoned("--set", "expect=['lost == 0', 'duplicated == 0', 'items.dead_lettered > 0']"), check: func(t *testing.T, r *bench.Result, _ string) {
		// At this rate the bad record may be the last of its batch.
		if n := r.Items.DeadLettered; n < 1 || n > 100 || r.Items.Processed != r.Requests.Planned-n {
			t.Errorf("%d dead-lettered, %d of %d processed", n, r.Items.Processed, r.Requests.Planned)
		}
	}},
	{name: "ignored-answer", args: poisoned(), check: checkOf("ignored-answer")},
	{name: "late-start", args: serial(0.2), check: checkLateStart},
	{name: "lanes", args: serial(0.2, unhurried), exact: true, check: checkOf("lanes")},
	{name: "naive-mapping", args: tenth, exact: true, check: checkOf("naive-mapping")},
	{name: "throttled", args: tenth, exact: true, check: checkOf("throttled")},
	{name: "gateway-limit", args: serial(0.1, "--set", "gateway.throttle.rate=5/s", "--set", "gateway.throttle.burst=5", "--set", "expect=['lost == 0', 'requests.refused > 30']"), check: checkOf("gateway-limit")},
	// One connection: moto breaks off with an error where two transactions meet in it.
	{name: "late-answer", args: scaled(0.2, "--set", "request.connections=1", "--set", "gateway.integrationTimeout=1s", "--set", "faults=['at 2500ms for 1s: processor.slow by=1500ms']"), check: checkOf("late-answer")},
	{name: "overwrite", args: serial(0.2), exact: true, check: checkOf("overwrite")},
	{name: "escape", args: serial(0.2), exact: true, check: checkOf("escape")},
	{name: "passthrough", args: serial(0.2), exact: true, check: checkOf("passthrough")},
	// Where something is lost. What is lost is computed from what was seen.
	// Its calm keeps its rate and is longer: only an invocation gives time to what
	// goes on behind an answer, and that has to end before the tables are read.
	{name: "background", args: late("--set", "load.scale=1", "--set", "load=[{name: warm-up, for: 1s, rate: 10/s, warmup: true}, {name: steady, for: 4s, rate: 20/s}, {name: calm, for: 5s, rate: 1/s}]"), check: checkOf("background")},
	{name: "big-batch", args: scaled(0.5, "--set", "request.connections=1", "--set", "processor.timeout=20s"), exact: true, check: checkOf("big-batch")},
	{name: "event-dropped", args: serial(0.1, "--set", "workload.poison=[30, 50, 70]"), exact: true, check: checkEvents(0, 30, 50, 70)},
	{name: "event-letter", args: serial(0.1, "--set", "workload.poison=[30, 50, 70]"), exact: true, check: checkEvents(3)},
	{name: "event-refused", args: serial(0.1, "--set", "workload.poison=[30, 50]"), exact: true, check: checkEvents(0, 30, 50)},
	{name: "given-up", args: late("--set", "workload.poison=[40]"), check: checkBehind(40, every)},
	{name: "insert-only", args: serial(0.1), check: checkOf("insert-only")},
	{name: "marked-first", args: late("--set", "workload.poison=[40]"), check: checkBehind(40, func(attempt int) bool { return attempt == 1 })},
	{name: "narrow-filter", args: serial(0.1), exact: true, check: checkOf("narrow-filter")},
	{name: "paused", args: serial(0.1), exact: true, check: checkOf("paused")},
	{name: "refused-letter", args: serial(0.1, "--set", "workload.poison=[30, 50]"), exact: true, check: checkRefused(30, 50)},
	// The calm is for a slow engine, so that it comes back to polling under load.
	{name: "replaced", args: serial(1, missing), check: checkMissed(time.Second, true)},
	{name: "updated", args: serial(1, missing), check: checkMissed(time.Second, true)},
	// A put that changes nothing leaves a record on dynoxide and moto, against
	// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html:
	// there the work really is done twice, and ackproof says so.
	{name: "same-again", args: serial(0.1), check: checkOf("same-again"), but: &ending{
		[]string{peer.Dynoxide, peer.Moto}, "fail[duplicated expectation_missed]", func(t *testing.T, r *bench.Result, _ string) {
			if n := r.Faults[0].Bitten; n == 0 || *r.Items.Duplicated != n || *r.Deliveries.Records != r.Requests.Planned+n || r.Items.Processed != r.Requests.Planned-n || *r.Deliveries.Redelivered != 0 {
				t.Errorf("%d came twice, %d duplicated, %d records of %d requests, %d processed, %d redelivered", n, *r.Items.Duplicated, *r.Deliveries.Records, r.Requests.Planned, r.Items.Processed, *r.Deliveries.Redelivered)
			}
		}}},
	// Where something is done twice.
	{name: "bisected", args: late("--set", "workload.poison=[30, 45, 60]"), check: checkTwice(30, 45, 60)},
	{name: "done-twice", args: serial(0.1), check: checkOf("done-twice")},
	{name: "new-id", args: serial(0.1), check: checkOf("new-id")},
	// As same-again: a put that changes nothing leaves a record there.
	{name: "sent-again", args: serial(0.1, "--set", "gates.evidence=10"), check: checkOf("sent-again"), but: &ending{
		[]string{peer.Dynoxide, peer.Moto}, "fail[duplicated expectation_missed]", func(t *testing.T, r *bench.Result, dir string) {
			if again, _ := retried(t, dir, r.Requests.Planned); len(again) == 0 || *r.Items.Duplicated != int64(len(again)) {
				t.Errorf("%d sent again, %d duplicated", len(again), *r.Items.Duplicated)
			}
		}}},
	{name: "sent-anew", args: serial(0.1, "--set", "gates.evidence=10"), check: checkOf("sent-anew")},
	{name: "versions", args: serial(0.2), check: checkOf("versions")},
	{name: "hot-keys", args: serial(0.2, unhurried), check: checkOf("hot-keys")},
	// Whether an older version is put over a newer one is chance. Here nearly all of the
	// load is one batch of each lane, each of sixty items has several versions in it, and a
	// few of the writes are held up for longer than the rest takes: fifteen and more of the
	// embedded engine's items come out in the wrong order, so that a run without any is not
	// to be expected in a million.
	{name: "stale-overwrite", args: scaled(1, "--set", "load=[{name: warm-up, for: 1s, rate: 10/s, warmup: true}, {name: steady, for: 4s, rate: 60/s}, {name: calm, for: 9s, rate: 0.5/s}]",
		"--set", "faults=['at 1s for 10s: results.late 5% by=3s']", "--set", "mapping.maximumBatchingWindowInSeconds=5", "--set", "mapping.parallelizationFactor=4", "--set", "workload.keys=60", "--set", "workload.skew=uniform",
		"--set", "gates.evidence=1", "--set", "request.connections=1", "--set", "processor.timeout=20s"), check: checkOf("stale-overwrite")},
	{name: "old-version", args: late("--set", "workload.poison=[25]"), check: checkVersions(25)},
	{name: "replayed", args: serial(0.1), check: checkOf("replayed")},
	{name: "retried-batch", args: late("--set", "workload.poison=[30, 45, 60]"), check: checkTwice(30, 45, 60)},
}

// checkLateStart wants lost what a mapping at LATEST has missed before its first poll,
// whenever a slow engine answers that: in each shard all that is lost lies before all
// that was delivered.
func checkLateStart(t *testing.T, r *bench.Result, dir string) {
	s := watched(t, dir)
	want, begun := s.undelivered(time.Time{}), map[string]bool{}
	s.same("lost", s.found(bench.LostProcessing), want)
	slices.SortFunc(s.commits, func(a, b bench.Commit) int { return number(t, a.Sequence).Compare(number(t, b.Sequence)) })
	for _, c := range s.commits {
		lost := want[seqs{}.add(t, c.ID)]
		if lost && begun[c.Shard] {
			t.Errorf("%s is lost, and one before it in %s was delivered", c.ID, c.Shard)
		}
		begun[c.Shard] = begun[c.Shard] || !lost
	}
	if !want[0] || r.Items.Pending != 0 {
		t.Errorf("%d lost, the first request among them: %v; %d pending", len(want), want[0], r.Items.Pending)
	}
}

// checkOf is what must be so on the embedded engine at full rate.
func checkOf(name string) func(t *testing.T, r *bench.Result, dir string) {
	all := slices.Concat(builtins, rules, losses, duplicates)
	return all[slices.IndexFunc(all, func(b builtin) bool { return b.name == name })].check
}

// TestConformanceOutside plays the built-in scenarios on engines that others
// have written: the verdict, its reasons, and where they can be computed the
// counts must be those of the embedded engine.
func TestConformanceOutside(t *testing.T) {
	if os.Getenv("ACKPROOF_CONFORMANCE") != "all" {
		t.Skip("set ACKPROOF_CONFORMANCE=all: this needs Node and Python and takes minutes")
	}
	engines := []string{peer.Dynoxide, peer.Moto}
	if os.Getenv(peer.LocalEnv) != "" {
		engines = append(engines, peer.Local)
	}
	for i, a := range abroads {
		t.Run(strings.Join(append([]string{a.name}, a.args...), " "), func(t *testing.T) {
			t.Parallel()
			begin := func(args ...string) *session {
				return startAckproof(t, slices.Concat([]string{"run", a.name, "--quiet", "--seed", strconv.Itoa(1000 + i)}, a.args, args)...)
			}
			var servers []*peer.Server // fresh: old records slow them down, or other streams do
			for _, engine := range engines {
				servers = append(servers, peer.Start(t, engine))
			}
			// Side by side: at such a rate they wait most of the time.
			here, there := begin("--set", "table.shards=1"), make([]*session, len(servers))
			for i, server := range servers {
				there[i] = begin("--dynamodb", server.URL)
			}
			want := judged(t, here, a.check)
			for i, server := range servers {
				t.Run(server.Name, func(t *testing.T) {
					end := a.on(server.Name, codes(want))
					got := judged(t, there[i], end.check)
					if got.Run.DynamoDB != server.URL || got.Run.Target != "local" {
						t.Errorf("the result says %q on target %s", got.Run.DynamoDB, got.Run.Target)
					}
					if d := cmp.Diff(end.codes, codes(got)); d != "" {
						t.Errorf("verdict and reasons (- as it must be, + %s):\n%s", server.Name, d)
					}
					if d := cmp.Diff(want.Items, got.Items); a.exact && d != "" {
						t.Errorf("items (- embedded, + %s):\n%s", server.Name, d)
					}
					if _, tables, err := server.Call(t.Context(), "ListTables", []byte("{}")); err != nil || strings.Contains(string(tables), "ackproof-") {
						t.Errorf("tables are left behind: %s (%v)", tables, err)
					}
				})
			}
		})
	}
}

// judged waits for the end of a run, and checks what must be so on every engine,
// and what must be so on this one.
func judged(t *testing.T, s *session, check func(*testing.T, *bench.Result, string)) bench.Result {
	t.Helper()
	code := s.code()
	r := resultOf(t, s.latest())
	t.Logf("seed %d, exit code %d, verdict %s, drained by %s", r.Run.Seed, code, r.Verdict, r.Drain.Proof)
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
	check(t, &r, s.latest())
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
