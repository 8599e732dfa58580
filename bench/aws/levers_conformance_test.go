package aws

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	tabletypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/fis"
	fistypes "github.com/aws/aws-sdk-go-v2/service/fis/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/ackproof/ackproof/bench/clock"
)

// TestConformanceLevers pulls each lever on moto, sees it with another client, puts it
// back, sees that too, and counts what was struck. Moto does what it is told at once
// and breaks nothing: what a real service would log or measure is put by the test.
func TestConformanceLevers(t *testing.T) {
	s := newSystem(t)
	fn, items := s.parts.Function, s.parts.Items
	settings := fmt.Sprintf(`[c("lambda").get_function_configuration(FunctionName=%q)[k] for k in ("Timeout", "MemorySize")]`, fn)
	policies := `c("iam").list_role_policies(RoleName="ackproof-role")["PolicyNames"]`
	mapping := fmt.Sprintf(`[(m["State"], m["BatchSize"]) for m in c("lambda").list_event_source_mappings(FunctionName=%q)["EventSourceMappings"]]`, fn)
	limited := fmt.Sprintf(`[(s["throttlingRateLimit"], s["throttlingBurstLimit"]) for s in c("apigateway").get_stage(restApiId=%q, stageName="run").get("methodSettings", {}).values()]`, s.parts.API)
	concurrency := fmt.Sprintf(`c("lambda").get_function_concurrency(FunctionName=%q).get("ReservedConcurrentExecutions")`, fn)
	variables := fmt.Sprintf(`sorted(c("lambda").get_function_configuration(FunctionName=%q)["Environment"]["Variables"])`, fn)
	capacityOf := func(table string) string {
		return fmt.Sprintf(`[c("dynamodb").describe_table(TableName=%q)["Table"]["ProvisionedThroughput"][k] for k in ("ReadCapacityUnits", "WriteCapacityUnits")]`, table)
	}
	metric := func(c metricCounter) func() { return func() { s.measures(c, 4) } }
	line := func(text string) func() { return func() { s.logs(text) } }
	refused := metric(refusedAt("ackproof", "run"))
	for _, tt := range []struct {
		fault, look, before, in string
		strike                  func() // what the service would tell; nil: the state tells it
	}{
		{"at 3s for 9s: invoke.disable", concurrency, "null", "0", metric(metricCounter{"AWS/Lambda", "Throttles", []string{"FunctionName", fn}})},
		{"at 3s for 9s: mapping.disable", mapping, `[["Enabled", 42]]`, `[["Disabled", 42]]`, nil},
		{"at 3s: mapping.update", mapping, `[["Enabled", 42]]`, `[["Enabled", 42]]`, nil},
		{"at 3s for 9s: function.timeout to=1s", settings, "[3, 256]", "[1, 256]", line("2026-11-30T12:00:00Z 4f1 Task timed out after 1.00 seconds")},
		{"at 3s for 9s: function.memory to=128MB", settings, "[3, 256]", "[3, 128]", line("REPORT RequestId: 4f1 Duration: 8.17 ms Billed Duration: 9 ms Memory Size: 128 MB Max Memory Used: 30 MB")},
		{"at 3s for 9s: processor.error 20% after-effects", variables, `["ITEMS_TABLE"]`, `["ACKPROOF_FAULT_0", "ITEMS_TABLE"]`, line("ackproof struck 01234567 0 processor.error")},
		{"at 3s for 9s: results.deny", policies, "[]", `["ackproof-fault-01234567-0"]`, line("apply effect: api error AccessDeniedException: no")},
		{"at 3s for 9s: table.deny", policies, "[]", `["ackproof-fault-01234567-0"]`, refused},
		{"at 3s for 9s: table.throttle", capacityOf(items), "[5, 9]", "[5, 1]", metric(metricCounter{"AWS/DynamoDB", "WriteThrottleEvents", []string{"TableName", items}})},
		{"at 3s for 9s: results.throttle", capacityOf("results"), "[5, 9]", "[5, 1]", metric(metricCounter{"AWS/DynamoDB", "WriteThrottleEvents", []string{"TableName", "results"}})},
		{"at 3s for 9s: client.throttle", limited, "[[50.0, 20]]", "[[0.0, 0]]", refused},
	} {
		t.Run(tt.fault, func(t *testing.T) {
			s := s.in(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			l, stack := s.levers(tt.fault)
			if err := errorsOf(l.Lacks(stack), l.Open(ctx, stack)); err != nil {
				t.Fatal(err)
			}
			if got := s.boto(tt.look); got != tt.before {
				t.Errorf("before: %s, want %s", got, tt.before)
			}
			if err := l.Begin(ctx, 0); err != nil {
				t.Fatal(err)
			}
			if got := s.boto(tt.look); got != tt.in {
				t.Errorf("in force: %s, want %s", got, tt.in)
			}
			if open, err := s.a.OpenFaults(t.Context(), "ackproof"); err != nil || len(open) != 1 || open[0].Text != tt.fault {
				t.Errorf("the journal has %+v, %v", open, err)
			}
			if tt.strike != nil {
				tt.strike()
			}
			if err := l.End(ctx, 0); err != nil {
				t.Fatal(err)
			}
			if got := s.boto(tt.look); got != tt.before {
				t.Errorf("after: %s, want %s", got, tt.before)
			}
			if open, err := s.a.OpenFaults(t.Context(), "ackproof"); err != nil || len(open) != 0 {
				t.Errorf("the journal has %+v, %v", open, err)
			}
			if bites, err := l.Bites(ctx); err != nil || bites[0].Bitten < 1 {
				t.Errorf("bites %+v, %v", bites, err)
			}
		})
	}
	t.Run("mapping.recreate", func(t *testing.T) { recreated(s.in(t)) })
	t.Run("stream.deny", func(t *testing.T) { deniedStream(s.in(t), policies) })
	t.Run("fis.run", func(t *testing.T) { experimented(s.in(t)) })
}

// errorsOf is the first thing that is wrong.
func errorsOf(lacks []string, err error) error {
	if len(lacks) > 0 {
		return fmt.Errorf("it lacks %q", lacks)
	}
	return err
}

// recreated: the mapping is another one with the same settings, also when the pull was
// cut off between its two steps.
func recreated(s *system) {
	uuids := fmt.Sprintf(`[(m["UUID"], m["State"], m["BatchSize"], m["StartingPosition"]) for m in c("lambda").list_event_source_mappings(FunctionName=%q)["EventSourceMappings"]]`, s.parts.Function)
	l, stack := s.levers("at 3s: mapping.recreate")
	if err := errorsOf(l.Lacks(stack), l.Open(s.t.Context(), stack)); err != nil {
		s.t.Fatal(err)
	}
	for _, step := range []func() error{func() error { return l.Begin(s.t.Context(), 0) }, func() error { return l.End(s.t.Context(), 0) }} {
		if err := step(); err != nil {
			s.t.Fatal(err)
		}
	}
	if got := s.boto(uuids); strings.Contains(got, s.mapping) || !strings.Contains(got, `"Enabled", 42, "TRIM_HORIZON"`) || strings.Count(got, "Enabled") != 1 {
		s.t.Errorf("after: %s, and it was %s", got, s.mapping)
	}
	if bites, err := l.Bites(s.t.Context()); err != nil || bites[0].Bitten != 1 {
		s.t.Errorf("bites %+v, %v", bites, err)
	}
	half := l.lever(0, l.pulls[0].fault).(*mappingAnew)
	if err := half.look(s.t.Context(), l.hand); err != nil {
		s.t.Fatal(err)
	}
	if err := l.hand.note(s.t.Context(), l.entry(0), half); err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.a.lambda.DeleteEventSourceMapping(s.t.Context(), &lambda.DeleteEventSourceMappingInput{UUID: &half.UUID}); err != nil {
		s.t.Fatal(err)
	}
	if got := s.boto(uuids); got != "[]" {
		s.t.Errorf("halfway: %s", got)
	}
	if err := s.a.UndoFaults(s.t.Context(), "ackproof", func(OpenFault) {}); err != nil {
		s.t.Fatal(err)
	}
	if got := s.boto(uuids); strings.Contains(got, half.UUID) || !strings.Contains(got, `"Enabled", 42, "TRIM_HORIZON"`) {
		s.t.Errorf("undone from halfway: %s", got)
	}
}

// deniedStream: moto's mapping never has a problem, so that the fault has not bitten.
func deniedStream(s *system, policies string) {
	l, stack := s.levers("at 3s for 9s: stream.deny")
	if err := errorsOf(l.Lacks(stack), l.Open(s.t.Context(), stack)); err != nil {
		s.t.Fatal(err)
	}
	if err := l.Begin(s.t.Context(), 0); err != nil {
		s.t.Fatal(err)
	}
	document := s.boto(`c("iam").get_role_policy(RoleName="ackproof-role", PolicyName="ackproof-fault-01234567-0")["PolicyDocument"]["Statement"][0]`)
	var statement struct{ Effect, Resource string }
	if err := json.Unmarshal([]byte(document), &statement); err != nil || statement.Effect != "Deny" || statement.Resource != s.parts.Stream {
		s.t.Errorf("the policy says %s (%v)", document, err)
	}
	if err := l.End(s.t.Context(), 0); err != nil {
		s.t.Fatal(err)
	}
	if got := s.boto(policies); got != "[]" {
		s.t.Errorf("after: %s", got)
	}
	if bites, err := l.Bites(s.t.Context()); err != nil || bites[0].Bitten != 0 {
		s.t.Errorf("bites %+v, %v", bites, err)
	}
}

// experimented: an experiment is started and stopped; one whose action the function
// would not honour is refused.
func experimented(s *system) {
	running := `[(x["experimentTemplateId"], x["state"]["status"]) for x in c("fis").list_experiments()["experiments"]]`
	l, stack := s.levers("at 3s for 9s: fis.run template=" + s.fis)
	if err := errorsOf(l.Lacks(stack), l.Open(s.t.Context(), stack)); err != nil {
		s.t.Fatal(err)
	}
	if err := l.Begin(s.t.Context(), 0); err != nil {
		s.t.Fatal(err)
	}
	if got := s.boto(running); got != fmt.Sprintf(`[[%q, "running"]]`, s.fis) {
		s.t.Errorf("in force: %s", got)
	}
	if err := l.End(s.t.Context(), 0); err != nil {
		s.t.Fatal(err)
	}
	if got := s.boto(running); got != fmt.Sprintf(`[[%q, "stopped"]]`, s.fis) {
		s.t.Errorf("after: %s", got)
	}
	if bites, err := l.Bites(s.t.Context()); err != nil || bites[0].Bitten != 1 {
		s.t.Errorf("bites %+v, %v", bites, err)
	}
	out, err := s.a.fis.CreateExperimentTemplate(s.t.Context(), &fis.CreateExperimentTemplateInput{
		ClientToken: aws.String("u"), Description: aws.String("slow"), RoleArn: aws.String("arn:aws:iam::123456789012:role/ackproof-role"),
		StopConditions: []fistypes.CreateExperimentTemplateStopConditionInput{{Source: aws.String("none")}},
		Actions:        map[string]fistypes.CreateExperimentTemplateActionInput{"slow": {ActionId: aws.String("aws:lambda:invocation-add-delay"), Parameters: map[string]string{"duration": "PT5M"}}},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	l, stack = s.levers("at 3s for 9s: fis.run template=" + text(out.ExperimentTemplate.Id))
	if err := l.Open(s.t.Context(), stack); err == nil || !strings.Contains(err.Error(), "its runtime provided.al2023 calls no wrapper script") {
		s.t.Errorf("an action that is not honoured: %v", err)
	}
}

// TestNotHonoured: which functions honour FIS's actions.
func TestNotHonoured(t *testing.T) {
	layer := []lambdatypes.Layer{{Arn: aws.String("arn:aws:lambda:eu-west-1:211125607513:layer:aws-fis-extension-arm64:9")}}
	env := &lambdatypes.EnvironmentResponse{Variables: map[string]string{"AWS_LAMBDA_EXEC_WRAPPER": "/opt/aws-fis/bootstrap", "AWS_FIS_CONFIGURATION_LOCATION": "arn:aws:s3:::b/c/"}}
	for want, f := range map[string]*lambda.GetFunctionConfigurationOutput{
		"calls no wrapper script":    {Runtime: lambdatypes.RuntimeProvidedal2023, Layers: layer, Environment: env},
		"container image":            {Layers: layer, Environment: env},
		"no layer aws-fis-extension": {Runtime: lambdatypes.RuntimeNodejs22x, Environment: env},
		"its environment lacks":      {Runtime: lambdatypes.RuntimeNodejs22x, Layers: layer},
		"":                           {Runtime: lambdatypes.RuntimeNodejs22x, Layers: layer, Environment: env},
	} {
		if got := notHonoured(f); (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", f.Runtime, got, want)
		}
	}
}

// What is broken already, or cannot be broken, is not broken.
func TestConformanceLeversRefuse(t *testing.T) {
	s := newSystem(t)
	ctx := t.Context()
	must[*dynamodb.UpdateTableOutput](t)(s.a.tables.UpdateTable(ctx, &dynamodb.UpdateTableInput{TableName: &s.parts.Results, ProvisionedThroughput: &tabletypes.ProvisionedThroughput{ReadCapacityUnits: aws.Int64(5), WriteCapacityUnits: aws.Int64(1)}}))
	must[*lambda.UpdateEventSourceMappingOutput](t)(s.a.lambda.UpdateEventSourceMapping(ctx, &lambda.UpdateEventSourceMappingInput{UUID: &s.mapping, Enabled: aws.Bool(false)}))
	must[*lambda.PutFunctionConcurrencyOutput](t)(s.a.lambda.PutFunctionConcurrency(ctx, &lambda.PutFunctionConcurrencyInput{FunctionName: &s.parts.Function, ReservedConcurrentExecutions: aws.Int32(0)}))
	l, stack := s.levers("at 3s for 9s: results.throttle", "at 3s for 9s: mapping.disable", "at 3s for 9s: invoke.disable", "at 3s for 9s: function.timeout to=9s", "at 3s for 9s: fis.run template=EXT1")
	err := l.Open(ctx, stack)
	for _, want := range []string{"a write capacity of 1: there is nothing to be lowered", "is Disabled already", "reserved concurrency of 0 already", "would not lower it", "experiment template EXT1"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("it does not say %q: %v", want, err)
		}
	}
}

// TestConformanceLeversOutliveAKill: a process that is killed between pulling and
// putting back leaves what another one, which knows the account alone, undoes.
func TestConformanceLeversOutliveAKill(t *testing.T) {
	if os.Getenv("LEVERS_PULL") != "" {
		pullAndHang(t)
	}
	s := newSystem(t)
	all := []string{"at 3s for 9s: invoke.disable", "at 3s for 9s: mapping.disable", "at 3s for 9s: function.timeout to=1s", "at 3s for 9s: processor.slow by=1s", "at 3s for 9s: results.deny", "at 3s for 9s: client.throttle"}
	look := fmt.Sprintf(`[c("lambda").get_function_concurrency(FunctionName=%[1]q).get("ReservedConcurrentExecutions"), c("lambda").list_event_source_mappings(FunctionName=%[1]q)["EventSourceMappings"][0]["State"], c("lambda").get_function_configuration(FunctionName=%[1]q)["Timeout"], len(c("lambda").get_function_configuration(FunctionName=%[1]q)["Environment"]["Variables"]), len(c("iam").list_role_policies(RoleName="ackproof-role")["PolicyNames"]), c("apigateway").get_stage(restApiId=%[2]q, stageName="run")["methodSettings"]["*/*"]["throttlingRateLimit"]]`, s.parts.Function, s.parts.API)
	before := s.boto(look)
	parts, _ := json.Marshal(s.parts)
	faults, _ := json.Marshal(all)
	cmd := exec.Command(os.Args[0], "-test.run=^TestConformanceLeversOutliveAKill$")
	cmd.Env = append(os.Environ(), "LEVERS_PULL="+s.url, "LEVERS_PARTS="+string(parts), "LEVERS_FAULTS="+string(faults))
	cmd.Dir = t.TempDir()
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	said := make([]byte, len(hanging))
	for n := 0; n < len(said) && !bytes.Contains(said, []byte(hanging)); {
		m, err := out.Read(said[n:])
		if err != nil {
			t.Fatalf("the other process: %q, %v", said, err)
		}
		n += m
	}
	cmd.Process.Kill()
	cmd.Wait()
	if got := s.boto(look); got == before || got != `[0, "Disabled", 1, 2, 1, 0.0]` {
		t.Fatalf("left by the dead: %s", got)
	}
	another, err := OpenAccount(t.Context(), s.url, "eu-west-1", "")
	if err != nil {
		t.Fatal(err)
	}
	var undone []string
	h := &hand{Account: another, clock: clock.Real{}, poll: quickly}
	if err := h.undoAll(t.Context(), "ackproof", func(o OpenFault) { undone = append(undone, o.Text) }); err != nil {
		t.Fatal(err)
	}
	slices.Sort(undone)
	slices.Sort(all)
	if got := s.boto(look); got != before || !slices.Equal(undone, all) {
		t.Errorf("undone %q: %s, want %s", undone, got, before)
	}
}

const hanging = "pulled, and hanging\n"

// pullAndHang is the process that is killed.
func pullAndHang(t *testing.T) {
	a, err := OpenAccount(t.Context(), os.Getenv("LEVERS_PULL"), "eu-west-1", "")
	if err != nil {
		t.Fatal(err)
	}
	var parts Parts
	var texts []string
	if err := json.Unmarshal([]byte(os.Getenv("LEVERS_PARTS")), &parts); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(os.Getenv("LEVERS_FAULTS")), &texts); err != nil {
		t.Fatal(err)
	}
	s := &system{t: t, a: a, parts: parts}
	l, stack := s.levers(texts...)
	if err := l.Open(t.Context(), stack); err != nil {
		t.Fatal(err)
	}
	for i := range texts {
		if err := l.Begin(context.Background(), i); err != nil {
			t.Fatal(err)
		}
	}
	os.Stdout.WriteString(hanging)
	select {}
}
