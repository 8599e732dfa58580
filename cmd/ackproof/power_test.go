package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/dynamo"
	"github.com/ackproof/ackproof/bench/ledger"
	"github.com/ackproof/ackproof/bench/local"
)

// checkPowerCycle: each strike killed everything, all came back, and what the
// dead could not write down any more was told after them: every item has its
// commit, and every commit was handed over.
func checkPowerCycle(t *testing.T, r *bench.Result, dir string) {
	if r.Faults[0].Bitten != 3 || r.Items.Lost() != 0 || *r.Items.Duplicated != 0 {
		t.Errorf("%d times killed, %d lost, %d duplicated", r.Faults[0].Bitten, r.Items.Lost(), *r.Items.Duplicated)
	}
	returned := 0
	for _, e := range lines[event](t, filepath.Join(dir, "events.jsonl")) {
		if e.Kind == string(bench.EventTargetReturn) {
			returned++
		}
	}
	if returned != 6 {
		t.Errorf("cloud and gateway came back %d times in all, want 3 times each", returned)
	}
	s := watched(t, dir)
	committed := seqs{}
	for _, c := range s.commits {
		committed.add(t, c.ID)
	}
	if got, want := int64(len(committed)), r.Items.Processed+r.Items.Recovered; got != want || want == 0 {
		t.Errorf("%d items have a commit, %d are processed", got, want)
	}
	if left := s.undelivered(time.Time{}); len(left) > 0 {
		t.Errorf("%d commits have no delivery: %v", len(left), left)
	}
	if _, err := os.Stat(filepath.Join(dir, "data")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the data of a run that was not asked to keep them are left: %v", err)
	}
}

// early answers before its work is done. Batches are large, so that the checkpoint
// is behind their records long before the work is; and the load ends calmly, so
// that all work that was not killed is done before the tables are read.
const early = `
name: early
load: [{name: steady, for: 3s, rate: 200/s}, {name: calm, for: 2s, rate: 5/s}]
table: {durable: true}
processor: {work: 10ms, env: {ACKPROOF_DEFECT: early-answer}}
mapping: {pollInterval: 20ms, maximumBatchingWindowInSeconds: 1}
faults: ["at 1500ms for 1500ms every 500ms: cloud.kill"]
expect: ["lost == 0"]
`

// The defect that only such a failure brings to light is found.
func TestWorkBehindAnAnswerDiesWithThePower(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "early.yaml"), []byte(early), 0o644); err != nil {
		t.Fatal(err)
	}
	s := startAckproofIn(t, dir, "run", "early.yaml", "--quiet")
	if code := s.code(); code != exitFail {
		t.Errorf("exit code %d, want %d", code, exitFail)
	}
	if r := resultOf(t, s.latest()); r.Items.LostProcessing == 0 || r.Items.LostWrite != 0 {
		t.Errorf("%d lost in processing, %d lost writes", r.Items.LostProcessing, r.Items.LostWrite)
	}
}

// stubborn has a record that fails, 200 ms after its first attempt for the second
// time and every 400 ms from then on, while the cloud is killed.
const stubborn = `
name: stubborn
load: [{name: steady, for: 4s, rate: 100/s}]
workload: {poison: [100]}
table: {durable: true, shards: 1}
processor: {work: 1ms}
mapping: {batchSize: 10, pollInterval: 20ms, maximumRetryAttempts: 6, retryBase: 200ms, retryCap: 400ms, onFailure: payload}
guarantee: {deadLetters: allow}
faults: ["at 1500ms for 1500ms every 500ms: cloud.kill"]
`

// Each cloud goes on with the retries that the one before it has left: 6 retries
// are 7 invocations however often it dies.
func TestSpentRetriesOutliveTheCloud(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "stubborn.yaml"), []byte(stubborn), 0o644); err != nil {
		t.Fatal(err)
	}
	s := startAckproofIn(t, dir, "run", "stubborn.yaml", "--quiet")
	if code := s.code(); code != exitPass {
		t.Errorf("exit code %d, want %d", code, exitPass)
	}
	r := resultOf(t, s.latest())
	if r.Faults[0].Bitten != 3 || r.Items.DeadLettered == 0 || r.Items.DeadLettered > 10 {
		t.Errorf("%d times killed, %d dead letters; want 3, and at most a batch", r.Faults[0].Bitten, r.Items.DeadLettered)
	}
	log, err := ledger.ReadDeliveries(filepath.Join(s.latest(), "deliveries"))
	if err != nil {
		t.Fatal(err)
	}
	var attempts []int
	for d := range log.Deliveries() {
		if strings.HasSuffix(d.ID, "-0000000100") {
			attempts = append(attempts, d.Attempt)
		}
	}
	// Of an attempt that the cloud did not live to write down nobody knows.
	if n := len(attempts); n == 0 || attempts[n-1] != 7 || n != len(slices.Compact(slices.Sorted(slices.Values(attempts)))) {
		t.Errorf("attempts %v of the record that fails, want each of 1 to 7 once", attempts)
	}
	t.Logf("attempts %v", attempts)
}

// powerless is a short run, of which a campaign kills the processes at random.
const powerless = `
name: powerless
load: [{name: steady, for: 2500ms, rate: 200/s}]
processor: {work: 1ms, concurrency: 2}
mapping: {pollInterval: 20ms}
`

// Cloud, gateway and processors are killed at random moments, one or some of them,
// each by its own process id. With --data nothing that was acknowledged is lost, by
// the judge and by a count of the bare tables; nothing is left running; and each
// run ends in a verdict, which is a pass where nobody was killed but under load.
//
// One run by default, ACKPROOF_SOAK of them in a campaign.
func TestSoakKilledCloud(t *testing.T) {
	live(t)
	if runtime.GOOS != "linux" {
		t.Skip("asks /proc which process plays which role")
	}
	t.Parallel()
	n, err := strconv.Atoi(os.Getenv("ACKPROOF_SOAK"))
	if err != nil || n < 1 {
		n = 1
	}
	seed := clock.Entropy()
	t.Logf("seed %d", seed)
	var passed, returned atomic.Int64
	campaign(t, n, func(t *testing.T, i int) {
		k := &powerCut{t: t, seed: clock.Bits(seed, "run", uint64(i)), dir: t.TempDir()}
		k.run(i == 0)
		returned.Add(int64(k.returned))
		if k.verdict == bench.Pass {
			passed.Add(1)
		}
	})
	t.Logf("%d of %d runs pass, processes came back %d times", passed.Load(), n, returned.Load())
	if returned.Load() == 0 && !t.Failed() {
		t.Error("nothing that was killed came back: nothing is shown")
	}
}

// victims are the roles that are killed together.
var victims = [][]string{{local.RoleCloud}, {local.RoleProcessor}, {local.RoleCloud, local.RoleProcessor}, {local.RoleGateway, local.RoleCloud}}

// powerCut is one run of the campaign.
type powerCut struct {
	t        *testing.T
	seed     uint64
	dir      string
	returned int
	verdict  bench.Verdict
}

// run carries it out. The first one of a campaign kills the cloud under load, so
// that each campaign shows something.
func (k *powerCut) run(first bool) {
	t := k.t
	if err := os.WriteFile(filepath.Join(k.dir, "powerless.yaml"), []byte(powerless), 0o644); err != nil {
		t.Fatal(err)
	}
	s := startAckproofIn(t, k.dir, "run", "powerless.yaml", "--data", "--quiet")
	until(t, time.Minute, "the load has begun", func() bool { return k.began(s, "load") })
	kills := 1 + int(clock.Bits(k.seed, "kills", 0)%3)
	var told []string
	for i := range kills {
		// From the start of load to the end of the reads, about 4 s later, or 1.5 s
		// for the first run.
		span := 4 * time.Second
		if first {
			span = 1500 * time.Millisecond
		}
		pause := time.Duration(clock.Draw(k.seed, "pause", uint64(i)) * float64(span) / float64(kills))
		<-time.After(pause)
		roles := victims[clock.Bits(k.seed, "victims", uint64(i))%uint64(len(victims))]
		if first && i == 0 {
			roles = victims[0]
		}
		told = append(told, fmt.Sprintf("%v after %v more", roles, pause.Round(time.Millisecond)))
		for pid, role := range k.processes() {
			if slices.Contains(roles, role) {
				syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
	underLoad := !k.began(s, "draining")
	code := s.code()
	t.Logf("killed: %s", strings.Join(told, ", "))
	until(t, 10*time.Second, "no process of the run is left", func() bool { return len(k.processes()) == 0 })

	r := resultOf(t, s.runDir())
	k.verdict = r.Verdict
	if r.Verdict != bench.Pass && (underLoad || r.Verdict != bench.VerdictUnknown) || code != exitOf(r.Verdict) {
		t.Errorf("verdict %s (%v), exit code %d; killed under load alone: %v", r.Verdict, r.Reasons, code, underLoad)
	}
	if r.Items.Lost() != 0 || r.Requests.Acknowledged == 0 {
		t.Errorf("%d of %d acknowledged lost by the judge", r.Items.Lost(), r.Requests.Acknowledged)
	}
	k.count(s.runDir())
	for _, e := range lines[event](t, filepath.Join(s.runDir(), "events.jsonl")) {
		if e.Kind == string(bench.EventTargetReturn) {
			k.returned++
		}
	}
	if left, _ := filepath.Glob(filepath.Join(k.dir, "*")); len(left) != 2 { // the scenario, runs
		t.Errorf("left behind: %v", left)
	}
	t.Logf("verdict %s, %d of %d acknowledged, %d unknown, %d times back", r.Verdict, r.Requests.Acknowledged, r.Requests.Planned, r.Requests.Unknown, k.returned)
}

// began reports whether a phase of the run has begun.
func (k *powerCut) began(s *session, phase string) bool {
	b, _ := os.ReadFile(filepath.Join(s.runDir(), "events.jsonl"))
	return strings.Contains(string(b), `"kind":"phase","text":"`+phase+`"`)
}

// processes lists the roles of the run's processes, those whose parents are gone
// too: all of them have the run's folder in their environment. ackproof itself
// has no role.
func (k *powerCut) processes() map[int]string {
	all := map[int]string{}
	environs, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range environs {
		b, err := os.ReadFile(path)
		env := strings.Split(string(b), "\x00")
		pid, perr := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil || perr != nil || !slices.Contains(env, "TMPDIR="+k.dir) || !alive(pid) {
			continue
		}
		role := ""
		for _, kv := range env {
			if value, ok := strings.CutPrefix(kv, local.RoleEnv+"="); ok {
				role = value
			}
		}
		all[pid] = role
	}
	return all
}

// count looks into the tables that the run has left on disk: each acknowledged
// request is there, and was processed once.
func (k *powerCut) count(run string) {
	t := k.t
	engine, _, err := dynamo.Open(filepath.Join(run, "data", "dynamodb"), dynamo.Options{Region: local.Region})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	book, err := ledger.Open(filepath.Join(run, "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	defer book.Close()
	id := readJSON[struct{ Run bench.RunID }](t, filepath.Join(run, "run.json")).Run
	get := func(table string, seq uint64) (item struct{ Count struct{ N string } }, found bool) {
		reply, refused := engine.Do(clock.Real{}.Now(), dynamo.Call{Operation: "GetItem", Body: []byte(fmt.Sprintf(`{"TableName":%q,"Key":{"id":{"S":%q}}}`, table, bench.ID{Run: id, Seq: seq}.String()))})
		if refused != nil {
			t.Fatal(refused)
		}
		var answer struct{ Item json.RawMessage }
		if err := json.Unmarshal(reply.Body, &answer); err != nil {
			t.Fatal(err)
		}
		if answer.Item == nil {
			return item, false
		}
		if err := json.Unmarshal(answer.Item, &item); err != nil {
			t.Fatal(err)
		}
		return item, true
	}
	acknowledged, lost, undone, twice := 0, 0, 0, 0
	for a := range book.All() {
		if a.Outcome != bench.Acknowledged {
			continue
		}
		acknowledged++
		if _, found := get(local.ItemsTable(id), a.Seq); !found {
			lost++
		}
		effect, found := get(local.ResultsTable(id), a.Seq)
		if !found {
			undone++
		} else if effect.Count.N != "1" {
			twice++
		}
	}
	if acknowledged == 0 || lost+undone+twice > 0 {
		t.Errorf("of %d acknowledged %d are not in the items table, %d have no effect and %d not exactly one", acknowledged, lost, undone, twice)
	}
}
