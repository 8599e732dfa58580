package scenarios

import "reflect"

// parts are the keys of a scenario that say what is under test, and what is sent to
// it: two runs that agree in all of them differ in load and faults alone.
var parts = []struct {
	key    string
	system bool // it describes the system, and not what is sent
	of     func(*Scenario) any
}{
	{"architecture", true, func(s *Scenario) any { return s.Architecture }},
	{"table", true, func(s *Scenario) any { return s.Table }},
	{"processor", true, func(s *Scenario) any { return s.Processor }},
	{"mapping", true, func(s *Scenario) any { return s.Mapping }},
	{"async", true, func(s *Scenario) any { return s.Async }},
	{"gateway", true, func(s *Scenario) any { return s.Gateway }},
	{"workload", false, func(s *Scenario) any {
		w := s.Workload
		w.Poison = nil // which is a fault
		return w
	}},
	{"request", false, func(s *Scenario) any { return s.Request }},
	{"target", false, func(s *Scenario) any { return s.Target }},
}

// SystemParts are the keys of a scenario that describe the system under test.
func SystemParts() []string {
	var keys []string
	for _, p := range parts {
		if p.system {
			keys = append(keys, p.key)
		}
	}
	return keys
}

// OtherParts are the keys in which the system of another scenario, or what is sent
// to it, is not that of this one. Load, faults and how the run is judged count for
// nothing.
func (s *Scenario) OtherParts(other *Scenario) []string {
	var keys []string
	for _, p := range parts {
		if !reflect.DeepEqual(p.of(s), p.of(other)) {
			keys = append(keys, p.key)
		}
	}
	return keys
}
