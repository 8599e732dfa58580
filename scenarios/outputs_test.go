package scenarios

import (
	"slices"
	"strings"
	"testing"
)

const onAStack = `load: [{name: steady, for: 3s, rate: 100/s}]
target:
  stack: orders
  url: "${output:Api}"
  items: {table: "${output:Items}"}
  results: {table: "done-${output:Suffix}"}
  deadLetters: {queue: "${output:Queue}"}
`

// TestOutputs: names of outputs stand for their values, and what is made of them is
// checked like anything else.
func TestOutputs(t *testing.T) {
	s, err := Parse("orders.yaml", []byte(onAStack), nil)
	if err != nil || !slices.Equal(s.Outputs(), []string{"Api", "Items", "Queue", "Suffix"}) {
		t.Fatalf("%v, %v", s, err)
	}
	has := map[string]string{"Api": "https://a1.execute-api.eu-west-1.amazonaws.com/prod/", "Items": "orders-1", "Suffix": "a", "Queue": "failed"}
	got, err := s.WithOutputs("orders", has)
	if err != nil || got.Target.URL != "https://a1.execute-api.eu-west-1.amazonaws.com/prod" || got.Target.Items.Table != "orders-1" || got.Target.Results.Table != "done-a" || got.Target.DeadLetters.Queue != "failed" || len(got.Outputs()) > 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if s.Target.Items.Table != "${output:Items}" {
		t.Error("the scenario itself was changed")
	}
	for name, c := range map[string]struct {
		outputs map[string]string
		want    []string
	}{
		"none":        {nil, []string{"Api (target.url), Items (target.items.table), Queue (target.deadLetters.queue), Suffix (target.results.table)", "those that it has: none"}},
		"one missing": {map[string]string{"Api": "x", "Items": "y", "Queue": "z"}, []string{"no output Suffix (target.results.table); those that it has: Api, Items, Queue"}},
		"no URL":      {map[string]string{"Api": "orders-api", "Items": "o", "Suffix": "s", "Queue": "q"}, []string{"target.url", "orders-api"}},
		"no queue":    {map[string]string{"Api": has["Api"], "Items": "o", "Suffix": "s", "Queue": "q q"}, []string{"target.deadLetters.queue"}},
	} {
		_, err := s.WithOutputs("orders", c.outputs)
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", name, err, want)
			}
		}
	}
	_, err = Parse("x.yaml", []byte(strings.NewReplacer("orders", "-orders", "${output:Items}", "${output:a-b}", "${output:Api}", "${output:Api").Replace(onAStack)), nil)
	for _, want := range []string{"target.stack", `"a-b" is no name of an output`, "${output: without its }"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("all at once: %q is not in %v", want, err)
		}
	}
}

// TestBoundsNameNoSystem: a scenario may say how long it waits on a system, and how much
// it may be loaded, without naming one.
func TestBoundsNameNoSystem(t *testing.T) {
	s, err := Parse("x.yaml", []byte("load: [{name: steady, for: 3s, rate: 100/s}]\ntarget: {canary: 9m, limits: {rate: 5000/s}, stop: {errors: 10%}}\n"), nil)
	if err != nil || s.Named() {
		t.Fatalf("%v", err)
	}
	s, err = Parse("x.yaml", s.YAML(), []string{"target.url=https://example.com/prod", "target.items.table=i", "target.results.table=r"})
	if err != nil || !s.Named() || s.Target.Canary.Minutes() != 9 || s.Target.Limits.Rate != 5000 || s.Target.Limits.For.Minutes() != 15 {
		t.Errorf("%+v, %v", s, err)
	}
}
