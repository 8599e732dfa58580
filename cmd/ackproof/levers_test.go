package main

import (
	"archive/zip"
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/ackproof/ackproof/bench"
	ours "github.com/ackproof/ackproof/bench/aws"
	"github.com/ackproof/ackproof/bench/breakable"
	"github.com/ackproof/ackproof/bench/clock"
	"github.com/ackproof/ackproof/bench/peer"
	"github.com/ackproof/ackproof/bench/sdk"
)

// longConformance skips a test that is none of every day.
func longConformance(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("ACKPROOF_CONFORMANCE") != "all" {
		t.Skip("set ACKPROOF_CONFORMANCE=all: " + why)
	}
}

// function makes a function on moto.
func function(t *testing.T, client *lambda.Client, roles *iam.Client, name string) {
	t.Helper()
	role, err := roles.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("r"), AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	var code bytes.Buffer
	z := zip.NewWriter(&code)
	if _, err := z.Create("bootstrap"); err != nil {
		t.Fatal(err)
	}
	z.Close()
	if _, err := client.CreateFunction(t.Context(), &lambda.CreateFunctionInput{
		FunctionName: &name, Role: role.Role.Arn, Runtime: "provided.al2023", Handler: aws.String("bootstrap"), Code: &types.FunctionCode{ZipFile: code.Bytes()},
	}); err != nil {
		t.Fatal(err)
	}
}

// TestConformanceUndoOnAStack: what a dead run has left on a stack is undone by a call
// on another machine, which knows the account alone; what may not be is told, and stays.
func TestConformanceUndoOnAStack(t *testing.T) {
	longConformance(t, "it needs moto")
	moto := peer.Start(t, peer.MotoAWS)
	resp, err := http.Post(moto.URL+"/moto-api/config", "application/json", strings.NewReader(`{"lambda":{"use_docker":false}}`))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	config := sdk.Local("eu-west-1", nil)
	config.BaseEndpoint = &moto.URL
	client := lambda.NewFromConfig(config)
	const name = "orders-processor"
	function(t, client, iam.NewFromConfig(config), name)
	reserved := func() int32 {
		out, err := client.GetFunctionConcurrency(t.Context(), &lambda.GetFunctionConcurrencyInput{FunctionName: aws.String(name)})
		if err != nil {
			t.Fatal(err)
		}
		if out.ReservedConcurrentExecutions == nil {
			return -1
		}
		return *out.ReservedConcurrentExecutions
	}
	a, err := ours.OpenAccount(t.Context(), moto.URL, "eu-west-1", "")
	if err != nil {
		t.Fatal(err)
	}
	l := ours.NewLevers(ours.LeverOptions{Account: a, Parts: ours.Parts{Stack: "orders", Function: name}, Clock: clock.Real{}})
	if err := l.Open(t.Context(), bench.Stack{Run: "01234567", Faults: []string{"at 3s for 9s: invoke.disable"}}); err != nil {
		t.Fatal(err)
	}
	if err := l.Begin(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	undo := func(endpoint string) *session {
		return startAckproofIn(t, t.TempDir(), "faults", "undo", "--stack", "orders", "--region", "eu-west-1", "--endpoint", endpoint)
	}
	u, err := url.Parse(moto.URL)
	if err != nil {
		t.Fatal(err)
	}
	through := httputil.NewSingleHostReverseProxy(u)
	denying := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete && strings.Contains(r.URL.Path, "/concurrency") {
			w.Header().Set("X-Amzn-ErrorType", "AccessDeniedException")
			http.Error(w, `{"Message":"no"}`, http.StatusForbidden)
			return
		}
		through.ServeHTTP(w, r)
	}))
	defer denying.Close()
	for _, step := range []struct {
		endpoint  string
		code      int
		says      string
		remaining int32
	}{
		{denying.URL, exitHarness, "lacks the permission lambda:DeleteFunctionConcurrency", 0},
		{moto.URL, exitPass, `"at 3s for 9s: invoke.disable" of run 01234567, open since`, -1},
		{moto.URL, exitPass, "no fault is open on stack orders", -1},
	} {
		s := undo(step.endpoint)
		code := s.code()
		if said := s.stdout.String() + s.stderr.String(); code != step.code || !strings.Contains(said, step.says) || reserved() != step.remaining {
			t.Errorf("exit code %d, want %d; reserved %d, want %d; it says %s", code, step.code, reserved(), step.remaining, said)
		}
	}
}

// What does not go together is told before anything is asked of AWS.
func TestUndoFlags(t *testing.T) {
	for _, args := range [][]string{{"faults", "undo", "runs/latest", "--stack", "x"}, {"faults", "undo", "--region", "eu-west-1"}} {
		var out bytes.Buffer
		w := world{args: args, getenv: os.Getenv, stdout: &out, stderr: &out, clock: clock.Real{}, width: 80}
		if code := execute(t.Context(), w); code != exitMisuse || !strings.Contains(out.String(), "--stack") {
			t.Errorf("%q: exit code %d, %s", args, code, &out)
		}
	}
}

// limited reports whether a table has a maximum throughput.
func limited(t *testing.T, url, table string) bool {
	t.Helper()
	d, err := sdk.OpenDynamoDB(t.Context(), url, "", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	out, err := d.DB().DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &table})
	if err != nil {
		t.Fatal(err)
	}
	return out.Table.OnDemandThroughput != nil
}

const leverScenario = `load: [{name: steady, for: 24s, rate: 50/s}]
processor: {work: 0ms, timeout: 3s}
drain: {proof: sentinels}
faults:
  - "at 2s for 4s: invoke.disable"
  - "at 10s for 2s: mapping.disable"
  - "at 14s for 2s: results.throttle"
  - "at 19s for 2s: table.throttle"
expect: ["lost == 0", "duplicated == 0"]
`

// TestConformanceLeversOnAStack strikes a deployed system by AWS's levers, as a user
// types it, in an account that is played on this machine: the function is stopped and
// the mapping disabled in truth, CloudWatch counts what was refused, all of it is put
// back, and nothing is lost. A run that is killed meanwhile is undone from another
// machine, by the account alone, and its own machine finds nothing to do any more.
func TestConformanceLeversOnAStack(t *testing.T) {
	longConformance(t, "two runs, in 50 s")
	u := newCloudUser(t, soundSystem(t))
	u.write("levers.yaml", leverScenario)
	u.policies("run", "deploy")
	u.deploys("levers.yaml")
	u.policies("run", "faults")
	refused := u.must(exitMisuse, "run", "--target", "aws", "levers.yaml", "--set", `faults=["at 2s for 4s: invoke.disable 50%", "at 8s for 2s: gateway.cut 10%"]`)
	for _, want := range []string{"leave the share out", "AWS has no lever for gateway.cut", "2 errors, nothing was started"} {
		if !strings.Contains(refused.stderr.String(), want) {
			t.Errorf("what AWS cannot do: nothing is said of %q: %s", want, &refused.stderr)
		}
	}
	s := u.must(exitPass, "run", "--target", "aws", "levers.yaml")
	r := resultOf(t, s.latest())
	if len(r.Faults) != 4 || r.Faults[1].Bitten != 1 || slices.ContainsFunc(r.Faults, func(f bench.FaultResult) bool { return f.Bitten < 1 || !f.Undone }) || r.Items.Lost() != 0 || r.Items.Rejected != r.Faults[3].Bitten {
		t.Errorf("faults %+v, items %+v", r.Faults, r.Items)
	}
	if e := u.account.System(); limited(t, e.DynamoDB, e.ItemsTable) || limited(t, e.DynamoDB, e.ResultsTable) {
		t.Error("a table is still limited")
	}
	if lag := r.Lag; lag == nil || lag.Max == nil || *lag.Max < 3000 {
		t.Errorf("the function was stopped for 4 s, and the longest lag is %v ms", lag)
	}
	if stopped, disabled := u.account.Pulled("ackproof"); stopped || disabled {
		t.Errorf("left: stopped %v, disabled %v", stopped, disabled)
	}
	// To whoever owns it, it is a stack of his own.
	u.write("orders.yaml", leverScenario+`request: {sign: sigv4}
target:
  stack: ackproof
  url: "${output:ApiUrl}"
  function: "${output:FunctionName}"
  items:   {table: "${output:ItemsTable}", payload: payload}
  results: {table: "${output:ResultsTable}", processedAt: processedAt, count: count, digest: digest, sequence: sequence}
`)
	killed := startAckproofWith(t, u.dir, u.account.Environ(), "run", "orders.yaml")
	deadline := time.After(time.Minute)
	for stopped := false; !stopped; stopped, _ = u.account.Pulled("ackproof") {
		select {
		case <-deadline:
			t.Fatal("the lever was never pulled")
		case <-time.After(20 * time.Millisecond):
		}
	}
	killed.cmd.Process.Kill()
	killed.code()
	another := startAckproofWith(t, t.TempDir(), u.account.Environ(), "faults", "undo", "--stack", "ackproof")
	if code := another.code(); code != exitPass || !strings.Contains(another.stdout.String(), `"at 2s for 4s: invoke.disable" of run `) {
		t.Errorf("another machine: exit %d, %s%s", code, &another.stdout, &another.stderr)
	}
	if stopped, _ := u.account.Pulled("ackproof"); stopped {
		t.Error("it is still stopped")
	}
	own := u.must(exitPass, "faults", "undo")
	if !strings.Contains(own.stderr.String(), `had left "at 2s for 4s: invoke.disable" open: undone, and confirmed`) {
		t.Errorf("its own machine: %s%s", &own.stdout, &own.stderr)
	}
	u.policies("deploy")
	u.must(exitPass, "destroy", "--yes")
	if b, refused := u.account.Buckets(), u.account.Refused(); len(b) > 0 || len(refused) > 0 {
		t.Errorf("left %v, refused %v", b, refused)
	}
}

// TestConformanceABreakableProcessor strikes the StreamProcessor's binary by what is set
// in its environment, as on AWS, in processes that really die: each strike is one line
// of its log, a sound processor loses nothing, and one that is not idempotent is found.
func TestConformanceABreakableProcessor(t *testing.T) {
	longConformance(t, "two runs, in 10 s")
	bootstrap := built(t, "cmd/streamprocessor")
	built(t, "cmd/ackproof")
	until := clock.Real{}.Now().Add(20 * time.Second).UnixMilli() // behind it the flags sleep, though nobody has removed them
	kill := breakable.Flag{Run: "01234567", Kind: breakable.Kill, Placement: breakable.AfterWrite, Writes: 4, Share: 100, Once: true, EveryMs: 1000, UntilMs: until}
	fail := breakable.Flag{Run: "01234567", Fault: 1, Kind: breakable.Error, Placement: breakable.AfterEffects, Share: 20, UntilMs: until}
	for defect, verdict := range map[string]int{"": exitPass, "non-idempotent": exitFail} {
		t.Run(defect, func(t *testing.T) {
			t.Parallel()
			s := startAckproofIn(t, t.TempDir(), "run", "baseline", "--rate", "100/s", "--for", "6s", "--quiet", "--processor", bootstrap,
				"--set", "mapping.batchSize=10", "--env", kill.Variable()+"="+kill.Encode(), "--env", fail.Variable()+"="+fail.Encode(), "--env", "ACKPROOF_DEFECT="+defect)
			if code := s.code(); code != verdict {
				t.Errorf("exit code %d, want %d", code, verdict)
			}
			log, err := os.ReadFile(filepath.Join(s.latest(), "processor.log"))
			if err != nil {
				t.Fatal(err)
			}
			deaths := 0
			for _, e := range lines[map[string]any](t, filepath.Join(s.latest(), "events.jsonl")) {
				if e["kind"] == string(bench.EventProcessorDeath) {
					deaths++
				}
			}
			killed, failed := strings.Count(string(log), kill.Line()), strings.Count(string(log), fail.Line())
			if killed == 0 || failed == 0 || deaths != killed {
				t.Errorf("%d lines of kills and %d of errors, %d deaths", killed, failed, deaths)
			}
			r := resultOf(t, s.latest())
			if lost, again := r.Items.Lost(), *r.Deliveries.Redelivered; lost != 0 || again == 0 {
				t.Errorf("%d lost, %d delivered again", lost, again)
			}
		})
	}
}
