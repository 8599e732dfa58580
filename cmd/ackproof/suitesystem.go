package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ackproof/ackproof/bench/suite"
	"github.com/ackproof/ackproof/faults"
	"github.com/ackproof/ackproof/scenarios"
)

// A suite of a system that is not ours: a scenario says where it is, how it is
// loaded, and what breaks it, commands and levers of its owner. Which of its faults
// makes which probe is said with --probe. How its mapping is set nobody has told, so
// that it is inferred.

// notBroken is why a probe decides nothing.
const notBroken = "none of the scenario's faults breaks the system so; if one does, say which with --probe"

// checkSystem says what of the call does not fit to a system of the user's own, or
// to none, and reads what breaks it.
func (f *suiteFlags) checkSystem(probes []suite.Probe, set []string) error {
	var errs []error
	refuse := func(is bool, format string, args ...any) {
		if is {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	if f.name == "" {
		refuse(f.runs.target != "" && f.runs.target != targetLocal, "--target %s: name the scenario that says where the system is, such as 'ackproof suite ours.yaml'", f.runs.target)
		refuse(len(f.breaks) > 0, "--probe says how a system of your own is broken: name its scenario; on the local stack the probes do it themselves")
		return errors.Join(errs...)
	}
	refuse(f.runs.processor != "", "--processor: the system has a processor of its own; leave it out")
	refuse(len(f.env) > 0, "--env: the system's processor is not started here; leave it out")
	system, err := scenarios.Load(f.name, set)
	if err == nil {
		system, err = f.runs.replace(system, f.runs.architecture, 0)
	}
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	refuse(f.runs.onTarget(system) == targetLocal, "%s names no system: say target: {url: ..., items: {table: ...}, results: {table: ...}}; without a scenario the suite breaks the local stack", f.name)
	refuse(system.Target.Results.PerKey, "%s: where the results table has one row for all versions of an item (target.results.perKey), nobody sees what was done twice, or lost and then replaced; the suite needs a row for each request", f.name)
	errs = append(errs, f.runs.checkTarget(system))
	f.system, f.faultsOf = system, map[string][]faults.Fault{}
	for _, text := range f.breaks {
		probe, name, ok := strings.Cut(text, "=")
		if _, known := suite.ProbeNamed(probe); !ok || !known || probe == suite.Control {
			refuse(true, "--probe %q: want PROBE=FAULT, such as outage=block, where FAULT is a kind, the name of commands or the text of a fault of the scenario; probes are %s",
				text, strings.Join(probeNames(suite.Probes()[1:]), ", "))
			continue
		}
		refuse(!slices.Contains(probeNames(probes), probe), "--probe %s: --only and --skip leave the probe %s out; leave out --probe, or let it be played", text, probe)
		found := false
		for _, fault := range system.Faults {
			if fault.Named == name || fault.Kind.Name == name || fault.String() == name {
				f.faultsOf[probe], found = append(f.faultsOf[probe], fault), true
			}
		}
		refuse(!found, "--probe %s: no fault of %s has the kind, the commands or the text %q", probe, f.name, name)
	}
	return errors.Join(errs...)
}

// confirm tells what all probes that can be played fire at the system, and asks.
func (f *suiteFlags) confirm(w world, probes []suite.Probe, set []string) error {
	var played []configuration
	for _, p := range probes {
		s, err := f.scenario(&p, set)
		if err != nil {
			return err
		}
		if s != nil {
			played = append(played, configuration{Scenario: s})
		}
	}
	return f.runs.confirm(w, played)
}

// onSystem gives a probe as it is played on the user's own system; nil: nothing
// breaks it so.
func (f *suiteFlags) onSystem(p *suite.Probe) (*scenarios.Scenario, error) {
	keep, poisoned := f.faultsOf[p.Name], false
	switch poison := f.system.Workload.Poison; {
	case len(keep) > 0:
		p.Poison = nil
	case p.Name == suite.Control:
	case p.Name == suite.Poison && len(poison) > 0:
		p.Poison, poisoned = poison, true
	case p.Name == suite.Cut: // between client and API anybody may strike
		third := (scenarios.NewPlan(f.system, "", 0, 0).Duration() / 3).Round(time.Millisecond)
		fault, err := faults.Parse(fmt.Sprintf("at %s for %s: client.error 10%% after-commit", third, third))
		if err != nil {
			return nil, err
		}
		keep = []faults.Fault{fault}
	default:
		return nil, nil
	}
	return f.system.ForProbe(p.Name, p.About, slices.Clone(keep), poisoned)
}
