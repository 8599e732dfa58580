package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/aws"
	"github.com/ackproof/ackproof/scenarios"
)

// A scenario describes its system, and a stack is one already. What the scenario does
// not state is taken as the stack has it, so that scenario.yaml of the run tells how the
// system was. What it states must be so: a run of another system than its file says would
// be judged, and compared, under a false name.

// onlyTold are the settings that decide how fast or dear a system is, and nothing of what
// becomes of a request: where a scenario states another value the stack's is taken, and
// told.
var onlyTold = []string{"processor.memory", "processor.work", "processor.burn"}

// notTaken are the settings that a scenario is not given as the stack has them.
var notTaken = []string{aws.SettingArchitecture, aws.SettingResponses, aws.SettingTemplate}

// seeSettings reads how the system of a scenario is set, compares that with what the
// scenario states, and has the rest of the scenario say it. The remedy is what to do where
// it is set otherwise.
func (f *runFlags) seeSettings(ctx context.Context, w world, name string, s *scenarios.Scenario, system string, parts aws.Parts, remedy string) error {
	given, _ := envSettings(f.env) // what is wrong with it is told with the other flags
	stated, err := scenarios.Stated(name, slices.Concat(f.set, given))
	if err == nil && len(given) > 0 {
		s, err = scenarios.Load(name, slices.Concat(f.set, given))
	}
	if err != nil {
		return nil // so is this
	}
	architecture := s.Architecture
	if f.deployed {
		architecture = f.stackArchitecture
	}
	found, unread := f.onAWS.Account.Settings(ctx, parts, architecture)
	f.found = recorded(found, unread)
	for _, err := range unread {
		fmt.Fprintf(w.stderr, "ackproof: what %s is set to is not known in part: %v\n", system, err)
	}
	c := settingsCheck{system: system, stated: stated}
	if architecture != s.Architecture {
		if f.architecture == "" {
			c.compare(aws.Setting{Name: aws.SettingArchitecture, Value: architecture}, s.Architecture)
		}
		if s, err = s.WithArchitecture(architecture); err != nil {
			return nil
		}
	}
	says := map[string]any{}
	for _, x := range aws.SettingsOf(s.Stack(0)) {
		says[x.Name] = x.Value
	}
	for _, x := range found {
		if value, known := says[x.Name]; known && x.Name != aws.SettingArchitecture {
			c.compare(x, value)
		}
	}
	c.lackingVariables(s, found)
	for _, line := range c.told {
		fmt.Fprintf(w.stderr, "ackproof: %s\n", line)
	}
	f.set = append(f.set, c.taken...)
	if len(c.wrong) > 0 {
		c.wrong[len(c.wrong)-1] = fmt.Errorf("%w; %s", c.wrong[len(c.wrong)-1], remedy)
	}
	if err := errors.Join(c.wrong...); err != nil {
		return misuse{err}
	}
	return nil
}

// settingsCheck holds a scenario against the system that is there.
type settingsCheck struct {
	system string
	stated map[string]string // where, by path

	taken []string // settings that the scenario is given
	told  []string
	wrong []error
}

// compare compares one setting with what the scenario says, stated or by default.
func (c *settingsCheck) compare(is aws.Setting, says any) {
	if reflect.DeepEqual(is.Value, says) {
		return
	}
	where, stated := c.stated[is.Name]
	wants := aws.Setting{Value: says}
	switch {
	case strings.HasPrefix(is.Name, aws.SettingEnv): // what it holds may be a secret
		c.wrong = append(c.wrong, fmt.Errorf("%s: %s: %s has another value", where, is.Name, c.system))
		return
	case stated && !slices.Contains(onlyTold, is.Name):
		c.wrong = append(c.wrong, fmt.Errorf("%s: %s: the scenario says %s, and %s has %s", where, is.Name, short(wants), c.system, short(is)))
		return
	case stated:
		c.told = append(c.told, fmt.Sprintf("%s: %s: the scenario says %s; %s has %s, and so it is told", where, is.Name, short(wants), c.system, short(is)))
	}
	if !slices.Contains(notTaken, is.Name) && is.Value != "responses" {
		c.taken = append(c.taken, is.Name+"="+is.Text())
	}
}

// lackingVariables finds the variables that a scenario gives its processor and that the
// function does not have.
func (c *settingsCheck) lackingVariables(s *scenarios.Scenario, found []aws.Setting) {
	has, read := map[string]bool{}, false
	for _, x := range found {
		has[x.Name] = true
		read = read || x.Name == "processor.timeout"
	}
	for _, name := range slices.Sorted(maps.Keys(s.Processor.Env)) {
		if path := aws.SettingEnv + name; read && !has[path] {
			c.wrong = append(c.wrong, fmt.Errorf("%s: %s: %s has no such variable", c.stated[path], path, c.system))
		}
	}
}

// short is a value as an error tells it.
func short(x aws.Setting) string {
	text := x.Text()
	switch {
	case len(text) > 60:
		return "another one"
	case text == "":
		return `""`
	}
	return text
}

// recorded is what the run keeps of the settings that were found. Of the function's
// variables it has the names alone: what they hold may be a secret.
func recorded(found []aws.Setting, unread []error) *bench.Deployed {
	d := &bench.Deployed{Settings: []bench.Fact{}}
	var variables []string
	for _, x := range found {
		if name, is := strings.CutPrefix(x.Name, aws.SettingEnv); is {
			variables = append(variables, name)
			continue
		}
		d.Settings = append(d.Settings, bench.Fact{Name: x.Name, Value: x.Text()})
	}
	d.Settings = append(d.Settings, bench.Fact{Name: "function: variables", Value: strings.Join(variables, ", ")})
	for _, err := range unread {
		d.Unread = append(d.Unread, err.Error())
	}
	return d
}

// envSettings are the assignments that variables for the processor stand for.
func envSettings(env []string) (set []string, errs []error) {
	for _, kv := range env {
		name, value, ok := strings.Cut(kv, "=")
		if !ok || name == "" {
			errs = append(errs, fmt.Errorf("--env %q: want K=V", kv))
			continue
		}
		set = append(set, aws.SettingEnv+name+"="+value)
	}
	return set, errs
}
