package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/aws"
	"github.com/ackproof/ackproof/bench/local"
	"github.com/ackproof/ackproof/bench/standin"
)

// cloudUser is somebody at a shell whose AWS configuration leads to an account that is
// played on this machine.
type cloudUser struct {
	t       *testing.T
	dir     string
	account *standin.Account
}

func newCloudUser(t *testing.T, o standin.Options) *cloudUser {
	t.Helper()
	if os.Getenv("ACKPROOF_CONFORMANCE") == "" && o.System != nil {
		t.Skip("set ACKPROOF_CONFORMANCE=1: it deploys a system and loads it")
	}
	u := &cloudUser{t, t.TempDir(), standin.Start(t, o)}
	clone, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	u.write("go.work", "go "+goVersion(t, clone)+"\nuse "+clone+"\n") // 'deploy' builds the processor out of it
	u.allow(strings.NewReplacer("ackproof*", "*", "ackproof-ACCOUNT-REGION", "*", "EXPORTS", "*"), "run", "deploy", "faults")
	return u
}

// policies gives the account's key what docs say that it takes, and takes from it all
// else. Exports go to the bucket kept.
func (u *cloudUser) policies(names ...string) {
	u.t.Helper()
	u.allow(strings.NewReplacer("EXPORTS", "kept"), names...)
}

// allow is policies with the names of what may be touched replaced.
func (u *cloudUser) allow(named *strings.Replacer, policies ...string) {
	u.t.Helper()
	var all [][]byte
	for _, name := range policies {
		text, err := os.ReadFile(filepath.Join("../../docs", "aws-policy-"+name+".json"))
		if err != nil {
			u.t.Fatal(err)
		}
		all = append(all, []byte(named.Replace(string(text))))
	}
	if err := u.account.Allow(all...); err != nil {
		u.t.Fatal(err)
	}
}

// goVersion is that which the module asks for.
func goVersion(t *testing.T, clone string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(clone, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "go "); ok {
			return strings.TrimSpace(v)
		}
	}
	t.Fatal("go.mod names no version of Go")
	return ""
}

// types a command and waits for its end.
func (u *cloudUser) types(env []string, args ...string) *session {
	u.t.Helper()
	s := startAckproofWith(u.t, u.dir, slices.Concat(u.account.Environ(), []string{"GOWORK=" + filepath.Join(u.dir, "go.work")}, env), args...)
	s.code()
	return s
}

// must end with a code.
func (u *cloudUser) must(code int, args ...string) *session {
	u.t.Helper()
	s := u.types(nil, args...)
	if got := s.cmd.ProcessState.ExitCode(); got != code {
		u.t.Fatalf("ackproof %s: exit %d, want %d\n%s%s", strings.Join(args, " "), got, code, &s.stdout, &s.stderr)
	}
	return s
}

func (u *cloudUser) write(name, text string) {
	u.t.Helper()
	if err := os.WriteFile(filepath.Join(u.dir, name), []byte(text), 0o644); err != nil {
		u.t.Fatal(err)
	}
}

// hostArch is what a function must be built for to run here.
var hostArch = map[string]string{"arm64": aws.ARM64, "amd64": aws.X8664}[runtime.GOARCH]

// deploys a scenario for the processors that run here. The StreamProcessor's package is
// built as for any user in one test of the long conformance alone: it takes half a minute.
func (u *cloudUser) deploys(file string, more ...string) *session {
	u.t.Helper()
	args := append([]string{"deploy", file, "--yes", "--arch", hostArch}, more...)
	if os.Getenv("ACKPROOF_CONFORMANCE") != "all" || file != builtFor {
		args = append(args, "--processor", built(u.t, "cmd/streamprocessor"))
	}
	return u.must(exitPass, args...)
}

// deniedWrites is a system whose results table refuses a part of all writes.
func deniedWrites(t *testing.T) standin.Options {
	return standin.Options{
		System: func() bench.Target { return local.New(local.Options{NewFaults: newFaults, Log: t.Output()}) },
		Faults: []string{"at 0s for 1h: results.deny 5%"},
	}
}

// builtFor is the scenario for which 'deploy' builds the package itself.
const builtFor = "aws.yaml"

const awsScenario = `load: [{name: steady, for: 3s, rate: 100/s}]
processor: {work: 0ms, timeout: 3s}
mapping: {batchSize: 5} # a whole batch is tried again for one write
drain: {proof: sentinels}
expect: ["lost == 0", "duplicated == 0"]
`

// TestConformanceAWS deploys, runs, looks and removes, as a user types it, in an
// account that is played on this machine. Writes of the processor are denied now and
// then: one that lets errors out loses nothing, one that swallows them does, and the
// items that it loses are those that another reader misses.
func TestConformanceAWS(t *testing.T) {
	t.Run("errors are let out", func(t *testing.T) {
		t.Parallel()
		o := deniedWrites(t)
		o.Polls = time.Hour
		u := newCloudUser(t, o)
		u.write("aws.yaml", awsScenario)
		if s := u.types(nil, "deploy", "aws.yaml", "--yes", "--ready", "1s", "--arch", hostArch, "--processor", built(t, "cmd/streamprocessor"), "--stack", "late"); s.cmd.ProcessState.ExitCode() != exitUnknown || !strings.Contains(s.stderr.String(), "no effect of them appeared in table") {
			t.Errorf("a mapping that does not poll yet: exit %d, %s", s.cmd.ProcessState.ExitCode(), &s.stderr)
		}
		u.must(exitPass, "destroy", "--yes", "--stack", "late")
		u.account.PollAfter(time.Second)
		d := u.deploys("aws.yaml")
		for _, want := range []string{"add      Mapping ", "a million requests: ", "ready: a canary was processed after"} {
			if !strings.Contains(d.stdout.String(), want) {
				t.Errorf("deploy says nothing of %q:\n%s", want, &d.stdout)
			}
		}
		if told := d.stderr.String(); !strings.Contains(told, "account "+standin.ID+", region "+standin.Region) || !strings.Contains(told, "create_complete") {
			t.Errorf("deploy told %s", told)
		}
		s := u.must(exitPass, "run", "--target", "aws", "aws.yaml")
		r := resultOf(t, s.latest())
		if r.Items.Processed != 300 || r.Run.Target != "aws" || r.Drain.Proof != bench.DrainSentinels || r.Cost == nil || !r.Cost.Incurred || r.Deliveries.Records == nil || *r.Deliveries.Records != 300 || r.Lag == nil {
			t.Errorf("%+v of %+v, drain %+v, cost %+v, records %v", r.Items, r.Run, r.Drain, r.Cost, r.Deliveries.Records)
		}
		if told := s.stderr.String(); !strings.HasPrefix(told, "ackproof: stack ackproof in account "+standin.ID+", region "+standin.Region) {
			t.Errorf("whose account it is was not told first: %s", told)
		}
		c := u.must(exitPass, "cloudwatch", s.latest())
		started, err := time.Parse(time.RFC3339Nano, r.Run.Started)
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprint(u.account.CallsFrom(started)); !strings.Contains(c.stdout.String(), want) {
			t.Errorf("CloudWatch has seen %s requests:\n%s", want, &c.stdout)
		}
		if html, err := os.ReadFile(filepath.Join(s.latest(), "report.html")); err != nil || !strings.Contains(string(html), "CloudWatch") {
			t.Errorf("the report has nothing of CloudWatch: %v", err)
		}
		u.must(exitPass, "status")
		u.must(exitPass, "destroy", "--yes")
		u.must(exitMisuse, "run", "--target", "aws", "aws.yaml")
		if b, refused := u.account.Buckets(), u.account.Refused(); len(b) > 0 || len(refused) > 0 {
			t.Errorf("left %v, refused %v", b, refused)
		}
	})
	t.Run("errors are swallowed", func(t *testing.T) {
		t.Parallel()
		u := newCloudUser(t, deniedWrites(t))
		u.write("swallow.yaml", strings.Replace(awsScenario, "timeout: 3s}", "timeout: 3s, env: {ACKPROOF_DEFECT: swallow}}", 1))
		u.deploys("swallow.yaml", "--stack", "orders")
		// To whoever owns it, it is a stack of his own.
		u.write("orders.yaml", awsScenario+`request: {sign: sigv4}
target:
  stack: orders
  url: "${output:ApiUrl}"
  items:   {table: "${output:ItemsTable}", payload: payload}
  results: {table: "${output:ResultsTable}", processedAt: processedAt, count: count, digest: digest, sequence: sequence}
`)
		s := u.must(exitFail, "run", "orders.yaml")
		r := resultOf(t, s.latest())
		want, got := u.missed(r.Run.ID, r.Requests.Planned), []string{}
		for _, f := range lines[bench.Finding](t, filepath.Join(s.latest(), "findings.jsonl")) {
			if f.Verdict == bench.LostProcessing {
				got = append(got, f.ID)
			}
		}
		slices.Sort(got)
		if len(want) == 0 || !slices.Equal(got, want) || r.Run.Target != "aws" {
			t.Errorf("%d lost items reported on %s, another reader misses %d", len(got), r.Run.Target, len(want))
		}
		c := u.must(exitPass, "cloudwatch", s.latest(), "--stack", "orders")
		for _, want := range []string{fmt.Sprintf("no error is counted, and %d items are lost", len(want)), fmt.Sprintf("and %d items are lost: what is gone does not", len(want))} {
			if told := strings.Join(strings.Fields(c.stdout.String()), " "); !strings.Contains(told, want) {
				t.Errorf("beside CloudWatch nothing is said of %q:\n%s", want, &c.stdout)
			}
		}
		if series, err := os.ReadFile(filepath.Join(s.latest(), "series.json")); err != nil || !strings.Contains(string(series), `"invocations":null`) {
			t.Errorf("invocations that nobody saw were counted: %v", err)
		}
		u.wrongNames()
	})
}

// wrongNames are told all at once, before anything is fired.
func (u *cloudUser) wrongNames() {
	before := u.account.Calls()
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"--set", "target.url=${output:Api}", "--set", "target.items.table=${output:Orders}"}, []string{"no output Api (target.url), Orders (target.items.table)", "ApiUrl, Architecture"}},
		{[]string{"--set", "target.items.table=orders", "--set", "target.results.table=done"}, []string{"table orders", "table done"}},
		{[]string{"--stack", "nosuch"}, []string{"there is no such stack"}},
		{[]string{"--region", "us-east-1", "--set", "target.dynamodb.region=eu-west-1"}, []string{"target.dynamodb.region"}},
		{[]string{"--set", "target.limits.rate=10/s"}, []string{"over the limit of 10/s"}},
		{[]string{"--architecture", "sync"}, []string{"the system has one already"}},
		{[]string{"--target", "http"}, []string{"only --target aws"}},
		{[]string{"--set", "faults=['at 1s for 1s: processor.kill']"}, []string{"processor.kill"}},
	} {
		s := u.must(exitMisuse, append([]string{"run", "orders.yaml"}, c.args...)...)
		for _, want := range c.want {
			if !strings.Contains(s.stderr.String(), want) {
				u.t.Errorf("%v: nothing is said of %q: %s", c.args, want, &s.stderr)
			}
		}
	}
	s := u.types([]string{"AWS_ENDPOINT_URL_DYNAMODB=https://dynamodb.example.com"}, "run", "orders.yaml")
	if s.cmd.ProcessState.ExitCode() != exitMisuse || !strings.Contains(s.stderr.String(), "dynamodb.example.com is not this machine") {
		u.t.Errorf("a foreign host was not asked about: %s", &s.stderr)
	}
	if after := u.account.Calls(); after != before {
		u.t.Errorf("%d requests were sent", after-before)
	}
}

// missed are the requests of a run that another reader finds stored and without an
// effect, by their ids.
func (u *cloudUser) missed(run bench.RunID, planned int64) []string {
	u.t.Helper()
	e, ids := u.account.System(), []string{}
	done := keys(u.t, e.DynamoDB, e.ResultsTable)
	for id := range keys(u.t, e.DynamoDB, e.ItemsTable) {
		if strings.HasPrefix(id, string(run)) && !done[id] && !isCanaryOrSentinel(u.t, id, planned) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// isCanaryOrSentinel reports whether an id is one of the measurement's own.
func isCanaryOrSentinel(t *testing.T, text string, planned int64) bool {
	id, err := bench.ParseKey(text)
	if err != nil {
		t.Fatal(err)
	}
	return id.Agent == bench.CanaryAgent || int64(id.Seq) >= planned
}

// TestDeployThatIsNotReady: a stack whose processor never comes through is told from
// one that does, and what to do.
func TestDeployThatIsNotReady(t *testing.T) {
	u := newCloudUser(t, standin.Options{}) // names alone: nothing runs behind them
	bootstrap := filepath.Join(u.dir, "bootstrap")
	u.write("bootstrap", "\x7fELF")
	s := u.must(exitUnknown, "deploy", "--yes", "--processor", bootstrap, "--ready", "1s")
	if told := s.stderr.String(); !strings.Contains(told, "no canary was seen to come through") || !strings.Contains(told, "ackproof destroy --stack ackproof") {
		t.Errorf("told %s", told)
	}
	if !strings.Contains(s.stdout.String(), "at least $4.7") {
		t.Errorf("of a processor of one's own nobody knows the most: %s", &s.stdout)
	}
	u.must(exitPass, "deploy", "--yes", "--processor", bootstrap, "--ready", "0")
	u.must(exitPass, "destroy", "--yes")
}

// TestConformanceAWSAlternatives deploys the two architectures that invoke their
// function, and runs on them. That nothing is left is shown by silence there.
func TestConformanceAWSAlternatives(t *testing.T) {
	if os.Getenv("ACKPROOF_CONFORMANCE") != "all" {
		t.Skip("set ACKPROOF_CONFORMANCE=all: silence takes a while")
	}
	for _, architecture := range []string{bench.Sync, bench.FireAndForget} {
		t.Run(architecture, func(t *testing.T) {
			t.Parallel()
			o := deniedWrites(t)
			o.Faults = nil
			u := newCloudUser(t, o)
			u.write("other.yaml", `load: [{name: steady, for: 2s, rate: 50/s}]
processor: {work: 0ms, timeout: 1s}
mapping: {retryCap: 1s}
async: {maximumRetryAttempts: 1, retryDelays: [1s]}
drain: {quiet: 10s, timeout: 40s}
expect: ["lost == 0"]
`)
			u.deploys("other.yaml", "--architecture", architecture)
			r := resultOf(t, u.must(exitPass, "run", "--target", "aws", "other.yaml").latest())
			// A function that has no process free refuses, which a busy machine makes it do; the
			// client is told.
			if i := r.Items; i.Processed != r.Requests.Acknowledged || i.Processed+i.NotApplied+i.Rejected != 100 || i.Processed < 25 || r.Run.Architecture != architecture || r.Drain.Proof != bench.DrainQuiet || len(u.account.Refused()) > 0 {
				t.Errorf("%+v of %+v, drain %+v; refused %v", r.Items, r.Run, r.Drain, u.account.Refused())
			}
			if s := u.must(exitMisuse, "run", "--target", "aws", "--architecture", bench.Streams, "other.yaml"); !strings.Contains(s.stderr.String(), "is of the architecture "+architecture) {
				t.Errorf("run as another architecture: %s", &s.stderr)
			}
			u.must(exitPass, "destroy", "--yes")
		})
	}
}
