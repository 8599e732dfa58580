package aws

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/ackproof/ackproof/bench/gateway"
	"github.com/ackproof/ackproof/bench/standin"
)

// settingsOf reads those of a stack in the account, by name.
func settingsOf(t *testing.T, a *Account, name, architecture string) (map[string]any, []error) {
	t.Helper()
	status, err := a.Status(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	found, unread := a.Settings(t.Context(), status.Parts(), architecture)
	byName := map[string]any{}
	for _, s := range found {
		if _, twice := byName[s.Name]; twice {
			t.Errorf("%s: %s was found twice", name, s.Name)
		}
		byName[s.Name] = s.Value
	}
	return byName, unread
}

// TestSettingsAreReadAsTheyWereMade deploys every variant, and reads of it what it was
// made of: by two ways, one through the template and the control plane, one without them.
// Tables are not read: nothing runs here.
func TestSettingsAreReadAsTheyWereMade(t *testing.T) {
	a, _ := onStandin(t, standin.Options{})
	for name, v := range stacks() {
		d := deployment(t, name)
		if _, err := apply(t.Context(), t, a, d, func(Step) {}); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		found, unread := settingsOf(t, a, d.Name, v.stack.Architecture)
		compared := 0
		for _, want := range SettingsOf(v.stack) {
			if strings.HasPrefix(want.Name, "table.") {
				continue
			}
			if want.Name == "processor.memory" && v.settings.Memory > 0 {
				want.Value = v.settings.Memory
			}
			if compared++; !reflect.DeepEqual(found[want.Name], want.Value) {
				t.Errorf("%s: %s is %v, made of %v", name, want.Name, found[want.Name], want.Value)
			}
		}
		if compared < 8 || found["function: architecture"] != v.settings.Arch || len(unread) != 2 {
			t.Errorf("%s: %d compared, found %v, unread %v", name, compared, found, unread)
		}
	}
}

// changed is a property that somebody changes by hand, and the setting that is another one
// then.
type changed struct {
	id, property string
	value        any
	name         string
	want         any
}

// integrationOf is that of a variant's method, as a template has it.
func integrationOf(t *testing.T, variant string) any {
	t.Helper()
	var made struct {
		Resources map[string]struct{ Properties map[string]any }
	}
	if err := json.Unmarshal(variants(t)[variant], &made); err != nil {
		t.Fatal(err)
	}
	return made.Resources["Method"].Properties["Integration"]
}

// TestSettingsThatSomebodyHasChanged: each setting that is changed by hand is found under
// its name, and CloudFormation sees none of it.
func TestSettingsThatSomebodyHasChanged(t *testing.T) {
	a, s := onStandin(t, standin.Options{})
	throttled := []any{map[string]any{"ResourcePath": "/*", "HttpMethod": "*", "ThrottlingRateLimit": 7.5, "ThrottlingBurstLimit": 3}}
	variables := map[string]any{"Variables": map[string]any{"RESULTS_TABLE": "r", "ACKPROOF_WORK": "4ms", "ACKPROOF_BURN": "1ms", "LEVEL": "x"}}
	function := []changed{
		{"Processor", "MemorySize", 1024, "processor.memory", 1024},
		{"Processor", "Timeout", 9, "processor.timeout", 9 * time.Second},
		{"Processor", "Environment", variables, "processor.work", 4 * time.Millisecond},
		{"Processor", "Environment", variables, "processor.burn", time.Millisecond},
		{"Processor", "Environment", variables, "processor.env.LEVEL", "x"},
		{"Processor", "Architectures", []any{"riscv"}, "function: architecture", "riscv"},
		{"Processor", "Runtime", "provided.al2", "function: runtime", "provided.al2"},
		{"Stage", "MethodSettings", throttled, "gateway.throttle.rate", 7.5},
		{"Stage", "MethodSettings", throttled, "gateway.throttle.burst", 3},
	}
	for variant, all := range map[string][]changed{
		"streams-queue": append([]changed{
			{"Mapping", "BatchSize", 7, "mapping.batchSize", 7},
			{"Mapping", "MaximumBatchingWindowInSeconds", 11, "mapping.maximumBatchingWindowInSeconds", 11},
			{"Mapping", "ParallelizationFactor", 2, "mapping.parallelizationFactor", 2},
			{"Mapping", "MaximumRetryAttempts", -1, "mapping.maximumRetryAttempts", -1},
			{"Mapping", "MaximumRecordAgeInSeconds", 90, "mapping.maximumRecordAgeInSeconds", 90},
			{"Mapping", "BisectBatchOnFunctionError", false, "mapping.bisectBatchOnFunctionError", false},
			{"Mapping", "StartingPosition", "LATEST", "mapping.startingPosition", "LATEST"},
			{"Mapping", "FunctionResponseTypes", nil, "mapping.functionResponseTypes", []string{}},
			{"Mapping", "FilterCriteria", nil, "mapping.filterCriteria", []string{}},
			{"Mapping", "TumblingWindowInSeconds", 30, "mapping.tumblingWindowInSeconds", 30},
			{"Mapping", "DestinationConfig", nil, "mapping.onFailure", "none"},
			{"Method", "Integration", integrationOf(t, "streams-naive"), "gateway.statusMapping", gateway.Naive},
			{"Method", "Integration", integrationOf(t, "streams-passthrough"), "gateway.template", gateway.NoTemplate},
			{"Method", "Integration", integrationOf(t, "streams-passthrough"), "gateway.passthroughBehavior", gateway.WhenNoMatch},
		}, function...),
		"fire-and-forget-queue": append([]changed{
			{"AsyncConfig", "MaximumRetryAttempts", 1, "async.maximumRetryAttempts", 1},
			{"AsyncConfig", "MaximumEventAgeInSeconds", 60, "async.maximumEventAgeInSeconds", 60},
			{"AsyncConfig", "DestinationConfig", nil, "async.onFailure", "none"},
			{"Method", "Integration", map[string]any{"TimeoutInMillis": 5000}, "gateway.integrationTimeout", 5 * time.Second},
		}, function...),
	} {
		d, architecture := deployment(t, variant), stacks()[variant].stack.Architecture
		if _, err := apply(t.Context(), t, a, d, func(Step) {}); err != nil {
			t.Fatal(err)
		}
		before, _ := settingsOf(t, a, d.Name, architecture)
		for _, c := range all {
			if reflect.DeepEqual(before[c.name], c.want) {
				t.Errorf("%s: %s is %v before it was changed", variant, c.name, c.want)
			}
			s.Change(d.Name, c.id, c.property, c.value)
			if found, _ := settingsOf(t, a, d.Name, architecture); !reflect.DeepEqual(found[c.name], c.want) {
				t.Errorf("%s: %s of %s was changed to %v, and %s is %v", variant, c.property, c.id, c.value, c.name, found[c.name])
			}
		}
		status, err := a.Status(t.Context(), d.Name)
		if err != nil {
			t.Fatal(err)
		}
		name := status.Parts().Function
		if _, err := a.lambda.PutFunctionConcurrency(t.Context(), &lambda.PutFunctionConcurrencyInput{
			FunctionName: &name, ReservedConcurrentExecutions: aws.Int32(5),
		}); err != nil {
			t.Fatal(err)
		}
		if found, _ := settingsOf(t, a, d.Name, architecture); found["function: reserved concurrency"] != 5 {
			t.Errorf("%s: a reserved concurrency of %v, want 5", variant, found["function: reserved concurrency"])
		}
		if c, err := a.Plan(t.Context(), d); err != nil || len(c.Lines) > 0 {
			t.Errorf("%s: CloudFormation sees what was changed by hand: %v, %v", variant, c, err)
		}
	}
}
