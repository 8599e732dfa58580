package main

import (
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/local"
	"github.com/ackproof/ackproof/bench/standin"
)

// TestRunOnAStackThatIsSetOtherwise: what a scenario states of its system and the stack
// has otherwise is told, all at once, before anything is sent; what it does not state is
// taken as the stack has it.
func TestRunOnAStackThatIsSetOtherwise(t *testing.T) {
	t.Parallel()
	u := newCloudUser(t, standin.Options{}) // names alone: nothing runs behind them
	u.write("bootstrap", "\x7fELF")
	u.write("mine.yaml", `load: [{name: steady, for: 3s, rate: 100/s}]
processor: {work: 1ms, memory: 512, env: {LEVEL: quiet}}
mapping: {batchSize: 5, bisectBatchOnFunctionError: true}
`)
	u.must(exitPass, "deploy", "mine.yaml", "--yes", "--processor", filepath.Join(u.dir, "bootstrap"), "--ready", "0", "--arch", "x86_64")
	tells := func(s *session, is bool, all ...string) {
		t.Helper()
		for _, text := range all {
			if strings.Contains(s.stderr.String(), text) != is {
				t.Errorf("%q is told: want %v\n%s", text, is, &s.stderr)
			}
		}
	}
	// Nothing answers where the tables would be: the run ends there, and not before.
	same := u.must(exitMisuse, "run", "--target", "aws", "mine.yaml")
	tells(same, false, "the scenario says", "has another value", "ackproof deploy")
	tells(same, true, "aws       account "+standin.ID+", region "+standin.Region+", as arn:aws:iam::", "load      300 requests in 3s; canaries go ahead",
		"API Gateway $0.0010, DynamoDB", "Prices of us-east-1 as known on 2025-07-21", "Not in it: free tiers", "table ackproof-Items")

	for _, c := range []struct {
		id, property string
		value        any
	}{
		{"Mapping", "BatchSize", 7}, {"Mapping", "ParallelizationFactor", 3}, {"Mapping", "MaximumRetryAttempts", 4}, {"Mapping", "BisectBatchOnFunctionError", false},
		{"Mapping", "DestinationConfig", map[string]any{"OnFailure": map[string]any{"Destination": "arn:aws:s3:::letters"}}},
		{"Processor", "MemorySize", 1024}, {"Processor", "Timeout", 9},
		{"Processor", "Environment", map[string]any{"Variables": map[string]any{"RESULTS_TABLE": "r", "ACKPROOF_WORK": "4ms", "LEVEL": "secret-of-theirs"}}},
	} {
		u.account.Change("ackproof", c.id, c.property, c.value)
	}
	other := u.must(exitMisuse, "run", "--target", "aws", "mine.yaml", "--set", "mapping.maximumRetryAttempts=9", "--env", "MODE=x")
	tells(other, true, "5 errors, nothing was started",
		"mine.yaml:3:22: mapping.batchSize: the scenario says 5, and stack ackproof has 7",
		"mapping.bisectBatchOnFunctionError: the scenario says true, and stack ackproof has false",
		"--set mapping.maximumRetryAttempts=9: mapping.maximumRetryAttempts: the scenario says 9, and stack ackproof has 4",
		"processor.env.LEVEL: stack ackproof has another value", "processor.env.MODE: stack ackproof has no such variable",
		"'ackproof deploy mine.yaml --set mapping.maximumRetryAttempts=9' makes the stack so",
		"processor.memory: the scenario says 512; stack ackproof has 1024, and so it is told", "processor.work: the scenario says 1ms; stack ackproof has 4ms")
	tells(other, false, "secret-of-theirs", "parallelizationFactor", "onFailure", "processor.timeout", "load      ")
	// Somebody has changed it by hand, which CloudFormation does not see.
	if s := u.must(exitPass, "deploy", "mine.yaml", "--yes", "--processor", filepath.Join(u.dir, "bootstrap"), "--ready", "0", "--arch", "x86_64"); !strings.Contains(s.stdout.String(), "is as it should be") {
		t.Errorf("deployed once more: %s", &s.stdout)
	}
	u.write("less.yaml", "load: [{name: steady, for: 3s, rate: 100/s}]\nworkload: {payload: 64B}\n")
	less := u.must(exitMisuse, "run", "--target", "aws", "less.yaml")
	tells(less, false, "the scenario says", "has another value")
	tells(less, true, "table ackproof-Items")
	// To whoever owns it, it is a stack of his own.
	u.write("orders.yaml", `load: [{name: steady, for: 3s, rate: 100/s}]
mapping: {batchSize: 6}
request: {sign: sigv4}
target:
  stack: ackproof
  url: "${output:ApiUrl}"
  function: "${output:FunctionName}"
  items:   {table: "${output:ItemsTable}"}
  results: {table: "${output:ResultsTable}"}
`)
	theirs := u.must(exitMisuse, "run", "orders.yaml")
	tells(theirs, true, "orders.yaml:2:22: mapping.batchSize: the scenario says 6, and the system of orders has 7; correct the scenario")
	tells(theirs, false, "ackproof deploy")
	wrong := u.must(exitMisuse, "run", "--target", "aws", "less.yaml", "--set", "architecture=sync")
	tells(wrong, true, "--set architecture=sync: architecture: the scenario says sync, and stack ackproof has streams")
	u.must(exitPass, "destroy", "--yes")
}

// costTolerance is how far the cost of a run without faults, told from its files, may be
// from what was foreseen: what is sent, stored, processed and read is the same, and what
// is not seen on AWS, how long the function ran, is a hundredth of it.
const costTolerance = 0.02

// TestConformanceForeseenOnAWS deploys and runs with the permissions of docs/aws.md alone,
// and holds what the run was foreseen to cost against what it did, and against what an
// independent counter and another reader of the tables saw. Of two runs on one stack that
// was changed between them the comparison says so.
func TestConformanceForeseenOnAWS(t *testing.T) {
	t.Parallel()
	u := newCloudUser(t, standin.Options{System: func() bench.Target { return local.New(local.Options{NewFaults: newFaults, Log: t.Output()}) }})
	u.policies("run")
	if s := u.types(nil, "deploy", "--yes", "--arch", hostArch, "--processor", built(t, "cmd/streamprocessor")); s.cmd.ProcessState.ExitCode() == exitPass || !strings.Contains(s.stderr.String(), "is not authorized to perform: cloudformation:CreateChangeSet") {
		t.Fatalf("the policy of a run is enough to deploy: %s", &s.stderr)
	}
	refused := len(u.account.Refused())
	u.policies("run", "deploy")
	u.write("quiet.yaml", strings.Replace(awsScenario, "processor: {work: 0ms", "processor: {work: 1ms", 1))
	u.deploys("quiet.yaml")
	u.policies("run")
	before := u.account.Calls()
	one := u.must(exitPass, "run", "--target", "aws", "quiet.yaml")
	first := resultOf(t, one.latest())
	calls := float64(u.account.Calls() - before)
	c := first.Cost
	if c == nil || c.Foreseen == nil || c.Foreseen.High == nil || c.Run.Low < c.Foreseen.Low*(1-costTolerance) || c.Run.Low > *c.Foreseen.High*(1+costTolerance) {
		t.Fatalf("foreseen %+v, and it cost %+v", c.Foreseen, c.Run)
	}
	if !strings.Contains(one.stdout.String(), "foreseen    $") || !strings.Contains(one.stderr.String(), "cost      $0.0") {
		t.Errorf("it does not stand beside the cost, or was not told ahead: %s%s", &one.stdout, &one.stderr)
	}
	// By hand, at the prices of the list: what came through the API, what is in the tables,
	// and two reads by id of two tables.
	e, run := u.account.System(), string(first.Run.ID)
	rows := func(table string) (n float64) {
		for id := range keys(t, e.DynamoDB, table) {
			if strings.HasPrefix(id, run) {
				n++
			}
		}
		return n
	}
	hand := (calls*3.5 + (rows(e.ItemsTable)+rows(e.ResultsTable))*0.625 + 4*300*0.125) / 1e6
	own := calls - 300 // canaries and sentinels, which the estimate leaves out and says so
	if own < 1 || own > 20 || math.Abs(hand-own*(3.5+2*0.625)/1e6-c.Foreseen.Low) > costTolerance*c.Foreseen.Low {
		t.Errorf("by hand %.6f USD with %v requests of the measurement itself; foreseen %+v", hand, own, c.Foreseen)
	}

	u.account.Change("ackproof", "Processor", "MemorySize", 512)
	two := u.must(exitPass, "run", "--target", "aws", "quiet.yaml")
	runs, err := filepath.Glob(filepath.Join(u.dir, "runs", "2*"))
	if err != nil || len(runs) != 2 {
		t.Fatal(runs, err)
	}
	compared := u.must(exitPass, "compare", runs[0], runs[1])
	if want := "were not set alike (processor.memory)"; !strings.Contains(compared.stdout.String(), want) || strings.Contains(two.stderr.String(), "the scenario says") {
		t.Errorf("the comparison does not say %q: %s\n%s", want, &compared.stdout, &two.stderr)
	}
	u.must(exitPass, "cloudwatch", two.latest())
	u.policies("run", "deploy")
	u.must(exitPass, "destroy", "--yes")
	if b, all := u.account.Buckets(), u.account.Refused(); len(b) > 0 || len(all) > refused {
		t.Errorf("left %v, refused %v", b, all[refused:])
	}
	t.Logf("permissions that were taken: %v", u.account.Used())
}
