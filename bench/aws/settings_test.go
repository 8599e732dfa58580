package aws

import (
	"reflect"
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench"
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

// TestSettingsThatSomebodyHasChanged: what is changed by hand is found, each by its name.
func TestSettingsThatSomebodyHasChanged(t *testing.T) {
	a, s := onStandin(t, standin.Options{})
	d := deployment(t, "streams-queue")
	if _, err := apply(t.Context(), t, a, d, func(Step) {}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		id, property string
		value        any
		name         string
		want         any
	}{
		{"Mapping", "BatchSize", 7.0, "mapping.batchSize", 7},
		{"Mapping", "MaximumRetryAttempts", -1.0, "mapping.maximumRetryAttempts", -1},
		{"Mapping", "DestinationConfig", nil, "mapping.onFailure", "none"},
		{"Mapping", "FilterCriteria", nil, "mapping.filterCriteria", []string{}},
		{"Processor", "MemorySize", 1024.0, "processor.memory", 1024},
		{"Processor", "Architectures", []any{X8664}, "function: architecture", X8664},
	} {
		s.Change(d.Name, c.id, c.property, c.value)
		if found, _ := settingsOf(t, a, d.Name, bench.Streams); !reflect.DeepEqual(found[c.name], c.want) {
			t.Errorf("%s of %s was changed to %v, and %s is %v", c.property, c.id, c.value, c.name, found[c.name])
		}
	}
	if c, err := a.Plan(t.Context(), d); err != nil || len(c.Lines) > 0 {
		t.Errorf("CloudFormation sees what was changed by hand: %v, %v", c, err)
	}
}
