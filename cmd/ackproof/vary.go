package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ackproof/ackproof/bench/run"
	"github.com/ackproof/ackproof/scenarios"
)

// configuration is a scenario as it is run.
type configuration struct {
	*scenarios.Scenario
	varied string // what --vary made of it; "": nothing
}

// name tells a configuration from the others of the same call.
func (c configuration) name() string {
	if c.varied != "" {
		return c.varied
	}
	return c.Architecture
}

// combinations are the assignments that each configuration of the call takes on top
// of --set; one combination of none where nothing is varied.
func (f *runFlags) combinations() ([][]string, error) {
	var all []scenarios.Variation
	var errs []error
	for _, text := range f.vary {
		v, err := scenarios.ParseVariation(text)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if slices.ContainsFunc(f.set, func(a string) bool { return strings.HasPrefix(a, v.Path+"=") }) {
			errs = append(errs, fmt.Errorf("--vary %s: --set gives it one value already; leave one of the two out", v.Path))
		}
		all = append(all, v)
	}
	if f.architecture == "all" && len(f.vary) > 0 {
		errs = append(errs, errors.New("--architecture all makes sides of its own; with --vary say --vary architecture=streams,sync"))
	}
	combinations, err := scenarios.Combinations(all)
	return combinations, errors.Join(append(errs, err)...)
}

// configurations loads the scenario once for each combination.
func (f *runFlags) configurations(name string, set []string, combinations [][]string) ([]configuration, error) {
	var all []configuration
	var wrong complaints
	for _, made := range combinations {
		s, err := scenarios.Load(name, slices.Concat(set, made))
		if err == nil {
			err = errors.Join(f.checkTarget(s), f.checkVaried(s, made))
		}
		c := configuration{s, strings.Join(made, " ")}
		wrong.add(c.varied, made, err)
		all = append(all, c)
	}
	return all, wrong.errors(len(all))
}

// checkVaried refuses to vary what the system has already: the runs would be of one
// configuration under two names.
func (f *runFlags) checkVaried(s *scenarios.Scenario, made []string) error {
	target := f.onTarget(s)
	if target == targetLocal {
		return nil
	}
	var errs []error
	for _, a := range made {
		path, _, _ := strings.Cut(a, "=")
		if part, _, _ := strings.Cut(path, "."); slices.Contains(scenarios.SystemParts(), part) {
			errs = append(errs, fmt.Errorf("--vary %s: on the %s target the system has it already, and nothing here changes that; run it once as each, and then 'ackproof compare'", path, target))
		}
	}
	return errors.Join(errs...)
}

// distinct wants every configuration to be another one: something else of the call
// may have set what was varied.
func distinct(all []configuration) error {
	seen := make(map[string]string)
	for _, c := range all {
		text := string(c.YAML())
		if other, ok := seen[text]; ok {
			return fmt.Errorf("--vary: %s and %s are the same configuration here; vary what no other flag replaces", other, c.name())
		}
		seen[text] = c.name()
	}
	return nil
}

// check says what of any configuration cannot be run, before the first one is.
func (f *runFlags) check(w world, sides []configuration) error {
	var wrong complaints
	for _, c := range sides {
		wrong.add(c.name(), nil, run.Check(f.options(w, c.Scenario, f.newTarget(w, c.Scenario), f.seed, f.out)))
	}
	return wrong.errors(len(sides))
}

// complaints are what is wrong with the configurations of a call. What is wrong with
// several is said once.
type complaints struct {
	found []*complaint
}

type complaint struct {
	err    error
	of     []string            // names of the configurations
	varied scenarios.Variation // the values that brought it in; no path: something else did
}

// add adds what is wrong with a configuration that was made by some assignments.
func (all *complaints) add(name string, made []string, err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			all.add(name, made, one)
		}
		return
	}
	if err == nil {
		return
	}
	var path, value string
	var p scenarios.Problem
	if errors.As(err, &p) {
		if a, ok := strings.CutPrefix(p.Where, "--set "); ok && slices.Contains(made, a) {
			path, value, _ = strings.Cut(a, "=")
			err = scenarios.Problem{Path: p.Path, Text: p.Text}
		}
	}
	i := slices.IndexFunc(all.found, func(c *complaint) bool { return c.varied.Path == path && c.err.Error() == err.Error() })
	if i < 0 {
		i = len(all.found)
		all.found = append(all.found, &complaint{err: err, varied: scenarios.Variation{Path: path}})
	}
	c := all.found[i]
	c.of = append(c.of, name)
	if path != "" && !slices.Contains(c.varied.Values, value) {
		c.varied.Values = append(c.varied.Values, value)
	}
}

// errors says of each complaint where it comes from, if not from all n configurations.
func (all *complaints) errors(n int) error {
	var errs []error
	for _, c := range all.found {
		var p scenarios.Problem
		switch {
		case c.varied.Path != "" && errors.As(c.err, &p):
			p.Where = "--vary " + c.varied.Path + "=" + strings.Join(c.varied.Values, ",")
			errs = append(errs, p)
		case len(c.of) < n:
			errs = append(errs, fmt.Errorf("with %s: %w", strings.Join(c.of, ", "), c.err))
		default:
			errs = append(errs, c.err)
		}
	}
	return errors.Join(errs...)
}
