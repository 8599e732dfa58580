package aws

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/gateway"
	"github.com/ackproof/ackproof/bench/peer"
)

// stackOf is a stack as a scenario's defaults make it.
func stackOf(architecture string) bench.Stack {
	return bench.Stack{
		Architecture: architecture, Shards: 4, ViewType: "NEW_AND_OLD_IMAGES",
		Processor: bench.Processor{Work: 2 * time.Millisecond, Timeout: 3 * time.Second, Concurrency: 4},
		Mapping: bench.Mapping{BatchSize: 100, ParallelizationFactor: 1, MaximumRetryAttempts: -1, MaximumRecordAgeInSeconds: -1,
			StartingPosition: "TRIM_HORIZON"},
		Async:   bench.Async{MaximumRetryAttempts: 2, MaximumEventAgeInSeconds: 21600},
		Gateway: bench.Gateway{Path: "/items", Passthrough: gateway.Never, IntegrationTimeout: 29 * time.Second, Throttle: bench.Throttle{Rate: 10_000, Burst: 5_000}},
	}
}

// variant is a stack with what else its template takes.
type variant struct {
	stack    bench.Stack
	settings Settings
}

// variants are templates of every kind that a scenario can ask for.
func variants(t *testing.T) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for name, v := range stacks() {
		text, err := Template(v.stack, v.settings)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all[name] = text
	}
	return all
}

// stacks are those that variants are made of.
func stacks() map[string]variant {
	all := map[string]variant{}
	add := func(name, architecture string, s Settings, change func(*bench.Stack)) {
		stack := stackOf(architecture)
		if change != nil {
			change(&stack)
		}
		all[name] = variant{stack, s}
	}
	arm, x86 := Settings{Arch: ARM64}, Settings{Arch: X8664, Memory: 512, Public: true, Retention: 1, Recovery: true}
	add("streams", bench.Streams, arm, nil)
	add("streams-x86-public", bench.Streams, x86, nil)
	add("streams-bucket", bench.Streams, arm, func(s *bench.Stack) { s.Mapping.OnFailure = "payload" })
	add("streams-queue", bench.Streams, arm, func(s *bench.Stack) {
		s.Mapping.OnFailure, s.Mapping.MaximumRetryAttempts, s.Mapping.MaximumRecordAgeInSeconds, s.Mapping.BisectBatchOnFunctionError = "metadata", 2, 60, true
		s.Mapping.FunctionResponseTypes = []string{"ReportBatchItemFailures"}
		s.Mapping.FilterCriteria = []string{`{"eventName":["INSERT"]}`}
		s.Mapping.ParallelizationFactor, s.Mapping.MaximumBatchingWindowInSeconds = 10, 5
	})
	add("streams-window", bench.Streams, arm, func(s *bench.Stack) {
		s.Mapping.TumblingWindowInSeconds, s.Mapping.StartingPosition, s.TimeToLive = 30, "LATEST", "expires"
		s.Processor.Env = []string{"ACKPROOF_PARTIAL=true"}
		s.Processor.Timeout = 1500 * time.Millisecond
	})
	add("streams-naive", bench.Streams, arm, func(s *bench.Stack) { s.Gateway.StatusMapping = gateway.Naive })
	add("streams-passthrough", bench.Streams, arm, func(s *bench.Stack) {
		s.Gateway.Template, s.Gateway.Passthrough, s.Gateway.Path = gateway.NoTemplate, gateway.WhenNoMatch, "/v1/things/items"
	})
	add("sync", bench.Sync, arm, nil)
	add("fire-and-forget", bench.FireAndForget, arm, nil)
	add("fire-and-forget-queue", bench.FireAndForget, x86, func(s *bench.Stack) { s.Async.OnFailure = "payload" })
	return all
}

// TestTemplate looks at what a template says of what matters most.
func TestTemplate(t *testing.T) {
	all := variants(t)
	for name, want := range map[string][]string{
		"streams":             {`"Runtime": "provided.al2023"`, `"arm64"`, `"AuthorizationType": "AWS_IAM"`, `"SelectionPattern": "200"`, `"SelectionPattern": "4\\d{2}"`, `"StartingPosition": "TRIM_HORIZON"`, `"MaximumRetryAttempts": -1`, `dynamodb:action/PutItem`, `"RetentionInDays": 7`, `"ackproof:owner"`, `"EventCount"`},
		"streams-x86-public":  {`"x86_64"`, `"AuthorizationType": "NONE"`, `"MemorySize": 512`, `"RetentionInDays": 1`},
		"streams-bucket":      {"s3:PutObject", "s3:ListBucket", `"DestinationConfig"`, "AWS::S3::Bucket"},
		"streams-queue":       {"sqs:SendMessage", `"BisectBatchOnFunctionError": true`, `"MaximumRecordAgeInSeconds": 60`, `"ParallelizationFactor": 10`, `{\"eventName\":[\"INSERT\"]}`, "ReportBatchItemFailures"},
		"streams-window":      {`"TumblingWindowInSeconds": 30`, `"Timeout": 2`, `"AttributeName": "expires"`, `"ACKPROOF_PARTIAL": "true"`, `"LATEST"`},
		"streams-passthrough": {`"WHEN_NO_MATCH"`, `"PathPart": "v1"`, `"PathPart": "things"`},
		"sync":                {"AWS_PROXY", "AWS::Lambda::Permission"},
		"fire-and-forget":     {"'Event'", "AWS::Lambda::EventInvokeConfig", `"SelectionPattern": "202"`, `"MaximumEventAgeInSeconds": 21600`},
	} {
		for _, w := range want {
			if !strings.Contains(string(all[name]), w) {
				t.Errorf("%s: nothing is said of %s", name, w)
			}
		}
	}
	for name, not := range map[string][]string{
		"streams":             {"DestinationConfig", "dynamodb:PutItem\",\n                  \"", "sqs:", "s3:Put", `"Action": "*"`, `"Resource": "*"`},
		"streams-naive":       {"SelectionPattern"},
		"streams-passthrough": {"RequestTemplates"},
		"sync":                {"EventSourceMapping", "StreamSpecification"},
	} {
		for _, w := range not {
			if strings.Contains(string(all[name]), w) {
				t.Errorf("%s: %s is said, and should not be", name, w)
			}
		}
	}
	for _, c := range []func(*bench.Stack, *Settings){
		func(s *bench.Stack, _ *Settings) { s.OneTable = true },
		func(s *bench.Stack, _ *Settings) { s.Gateway.Defect = "write-twice" },
		func(s *bench.Stack, _ *Settings) { s.Processor.Env = []string{"AWS_REGION=x"} },
		func(_ *bench.Stack, s *Settings) { s.Arch = "riscv" },
		func(s *bench.Stack, _ *Settings) { s.Gateway.Template = "#foreach(" },
	} {
		stack, settings := stackOf(bench.Streams), Settings{Arch: ARM64}
		c(&stack, &settings)
		if text, err := Template(stack, settings); err == nil {
			t.Errorf("a template of what AWS cannot be told: %s", text)
		}
	}
}

// cfnLint starts it: its package has no main of its own.
const cfnLint = "import sys; from cfnlint.runner import main; sys.exit(main())"

// TestConformanceTemplates holds every variant against cfn-lint, which knows the
// schema of each resource.
func TestConformanceTemplates(t *testing.T) {
	if os.Getenv("ACKPROOF_CONFORMANCE") != "all" {
		t.Skip("set ACKPROOF_CONFORMANCE=all: it needs python3 and its packages")
	}
	tool, err := peer.Install(peer.MotoAWS)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	args := []string{"-c", cfnLint, "--regions", "us-east-1", "eu-west-1", "--"}
	for name, text := range variants(t) {
		path := filepath.Join(dir, name+".json")
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	lint := func(args []string) (string, error) {
		cmd := exec.Command(filepath.Join(tool, "bin/python"), args...)
		cmd.Env = append(os.Environ(), "HOME="+dir)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := lint(args); err != nil {
		t.Errorf("cfn-lint: %v\n%s", err, out)
	}
	// It must find what is wrong, or its silence says nothing.
	var broken map[string]any
	if err := json.Unmarshal(variants(t)["streams"], &broken); err != nil {
		t.Fatal(err)
	}
	broken["Resources"].(map[string]any)["Mapping"].(map[string]any)["Properties"].(map[string]any)["BatchSize"] = 20_000
	text, _ := json.Marshal(broken)
	path := filepath.Join(dir, "broken.json")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := lint([]string{"-c", cfnLint, "--", path}); err == nil || !strings.Contains(out, "20000") {
		t.Errorf("cfn-lint has nothing to say of a batch of 20,000: %v\n%s", err, out)
	}
}
