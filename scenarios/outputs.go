package scenarios

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// output is where the value of an output of target.stack stands.
var output = regexp.MustCompile(`\$\{output:([^}]*)\}`)

// outputName and stackName are the forms of
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/outputs-section-structure.html
// and https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html
var (
	outputName = regexp.MustCompile(`^[A-Za-z0-9]{1,255}$`)
	stackName  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,127}$`)
)

// outputs are the settings in which outputs may stand, by their paths.
func (t *TargetSettings) outputs() map[string]*string {
	return map[string]*string{
		"target.url": &t.URL, "target.stream": &t.Stream, "target.function": &t.Function, "target.items.table": &t.Items.Table, "target.results.table": &t.Results.Table,
		"target.deadLetters.queue": &t.DeadLetters.Queue, "target.deadLetters.bucket": &t.DeadLetters.Bucket,
	}
}

// Outputs lists the outputs of a stack that the scenario names, each once.
func (s *Scenario) Outputs() (names []string) {
	t := s.Target
	for _, value := range t.outputs() {
		for _, m := range output.FindAllStringSubmatch(*value, -1) {
			names = append(names, m[1])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// WithOutputs gives the same scenario with the values of a stack's outputs in their
// places. A URL may end with a slash there.
func (s *Scenario) WithOutputs(stack string, outputs map[string]string) (*Scenario, error) {
	c := *s
	var missing []string
	for path, value := range c.Target.outputs() {
		*value = output.ReplaceAllStringFunc(*value, func(m string) string {
			name := output.FindStringSubmatch(m)[1]
			v, ok := outputs[name]
			if !ok {
				missing = append(missing, name+" ("+path+")")
			}
			return v
		})
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		has := "none"
		if len(outputs) > 0 {
			has = strings.Join(slices.Sorted(maps.Keys(outputs)), ", ")
		}
		return nil, fmt.Errorf("stack %s has no output %s; those that it has: %s", stack, strings.Join(missing, ", "), has)
	}
	c.Target.URL = strings.TrimRight(c.Target.URL, "/")
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("scenario %s on stack %s: %w", s.Name, stack, err)
	}
	return &c, nil
}

// checkOutputs checks what refers to outputs, and reports whether a setting does: what
// it will be is checked when it is known.
func (c *checker) checkOutputs(path, value string) bool {
	if !strings.Contains(value, "${output:") {
		return false
	}
	for _, m := range output.FindAllStringSubmatch(value, -1) {
		if !outputName.MatchString(m[1]) {
			c.failf(path, "%q is no name of an output: it has letters and digits alone", m[1])
		}
	}
	if strings.Contains(output.ReplaceAllString(value, ""), "${output:") {
		c.failf(path, "${output: without its }")
	}
	return true
}
