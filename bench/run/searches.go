package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/scenarios"
)

// capacityFile lies in the folder of a search for capacity.
const capacityFile = "capacity.json"

// Search is a search for capacity, with the system that it was of.
type Search struct {
	Dir      string
	Capacity bench.Capacity
	system   system
}

// system is what a figure of a run is a figure of.
type system struct {
	scenario *scenarios.Scenario
	manifest *manifest
}

// other names what of a system is not as in another; empty: they are the same.
func (s system) other(o system) []string {
	parts := s.scenario.OtherParts(o.scenario)
	if s.manifest.Processor != o.manifest.Processor {
		parts = append(parts, "the processor's binary")
	}
	if s.manifest.Target != o.manifest.Target {
		parts = append(parts, "the target")
	}
	return parts
}

// Compared is what a comparison tells of the search; which runs it is of, the
// comparison knows.
func (s *Search) Compared() *bench.ComparedCapacity {
	if s == nil {
		return nil
	}
	c := &s.Capacity
	out := &bench.ComparedCapacity{
		Dir: s.Dir, Runs: []int{}, Scenario: c.Scenario, Version: c.Version, Host: c.Host, Probes: len(c.Probes), Response: c.Response, Backlog: c.Backlog,
	}
	if c.Spike != nil {
		out.DrainMs = c.Spike.DrainMs
	}
	return out
}

// readSystem reads what a run was of.
func readSystem(dir string) (system, error) {
	f := files{dir: dir}
	err := f.begin()
	return system{f.scenario, f.manifest}, err
}

// ReadSearches reads searches for capacity by their folders. All errors are joined.
func ReadSearches(dirs []string) ([]Search, error) {
	var all []Search
	var errs []error
	for _, dir := range dirs {
		s, err := readSearch(dir)
		all, errs = append(all, s), append(errs, err)
	}
	return all, errors.Join(errs...)
}

func readSearch(dir string) (Search, error) {
	s := Search{Dir: dir}
	path := filepath.Join(dir, capacityFile)
	b, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return s, fmt.Errorf("%s is no folder of a search for capacity: it has no %s", dir, capacityFile)
	}
	if err == nil {
		err = json.Unmarshal(b, &s.Capacity)
	}
	switch {
	case err != nil:
		return s, fmt.Errorf("read %s: %w", path, err)
	case s.Capacity.Schema != bench.CapacitySchema:
		return s, fmt.Errorf("read %s: schema %q, this version of ackproof reads %q", path, s.Capacity.Schema, bench.CapacitySchema)
	case len(s.Capacity.Probes) == 0:
		return s, fmt.Errorf("read %s: it has no probe", path)
	}
	probe := s.Capacity.Probes[0].Dir
	if !filepath.IsLocal(probe) {
		return s, fmt.Errorf("read %s: its first probe is at %.200q, outside its folder", path, probe)
	}
	if s.system, err = readSystem(filepath.Join(dir, probe)); err != nil {
		return s, fmt.Errorf("read the system of %s, which its first probe tells: %w", dir, err)
	}
	return s, nil
}

// Assign gives each search to the runs of the same system. It is an error where a
// search has none among them, with what is different, or where a run has two.
func Assign(searches []Search, judged [][]Judged) error {
	if len(searches) == 0 {
		return nil
	}
	var errs []error
	found := make([]bool, len(searches))
	nearest := make([][]string, len(searches)) // what differs from the run that is most alike
	for _, runs := range judged {
		for i := range runs {
			of, err := readSystem(runs[i].Dir)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			for k := range searches {
				s := &searches[k]
				other := of.other(s.system)
				switch {
				case len(other) > 0:
					if nearest[k] == nil || len(other) < len(nearest[k]) {
						nearest[k] = other
					}
				case runs[i].Search != nil && runs[i].Search != s:
					errs = append(errs, fmt.Errorf("%s and %s are searches of the same system: name one of them", runs[i].Search.Dir, s.Dir))
				default:
					runs[i].Search, found[k] = s, true
				}
			}
		}
	}
	for k, s := range searches {
		if !found[k] && nearest[k] != nil {
			errs = append(errs, fmt.Errorf("%s is of another system than every run: the one most alike differs in %s; 'ackproof capacity' with the scenario and the --set of a run finds its own", s.Dir, strings.Join(nearest[k], ", ")))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	// One thing that is wrong with all trials is said once.
	return errors.Join(slices.CompactFunc(errs, func(a, b error) bool { return a.Error() == b.Error() })...)
}
