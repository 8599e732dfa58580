package suite

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ackproof/ackproof/bench"
)

// Cell is one place of the matrix: a configuration, and what is done to it.
type Cell struct {
	Configuration string `json:"configuration"`
	Probe         string `json:"probe"`
}

// Outcome is what a cell's run came to. The cell is right if Wrong is empty.
type Outcome struct {
	Cell
	Observation Observation `json:"observation"`
	Wrong       []string    `json:"wrong"` // what is not as it must be
}

// Matrix lists all cells.
func Matrix() []Cell {
	var cells []Cell
	for _, c := range configurations {
		for _, p := range probes {
			cells = append(cells, Cell{c.Name, p.Name})
		}
	}
	return cells
}

// liveClean are the six faults under which the sound configuration runs live.
var liveClean = []string{"poison", "kill", "after", "deny", "recreate", "cut"}

// Live lists the cells that are worth real processes: for each configuration with
// a bug the first probe that exposes it, and six faults on the sound one.
func Live() []Cell {
	var cells []Cell
	for _, name := range liveClean {
		cells = append(cells, Cell{configurations[0].Name, name})
	}
	for _, c := range configurations {
		if probe, ok := c.Exposes(); ok {
			cells = append(cells, Cell{c.Name, probe})
		}
	}
	return cells
}

// Overrides gives the --set of a cell's run, on top of the scenario [Base].
func (c Cell) Overrides() ([]string, error) {
	p, okProbe := ProbeNamed(c.Probe)
	configuration, ok := Lookup(c.Configuration)
	if !ok || !okProbe {
		return nil, fmt.Errorf("suite: no cell %s of %s", c.Probe, c.Configuration)
	}
	return p.Overrides(configuration.Set...), nil
}

// ProbeNamed finds a probe by its name.
func ProbeNamed(name string) (Probe, bool) {
	i := slices.IndexFunc(probes, func(p Probe) bool { return p.Name == name })
	if i < 0 {
		return Probe{}, false
	}
	return probes[i], true
}

// Judge holds the result of a cell's run against the table: the letters, and the
// verdict that must go with them.
func (c Cell) Judge(r *bench.Result) Outcome {
	p, _ := ProbeNamed(c.Probe)
	configuration, ok := Lookup(c.Configuration)
	o := Outcome{Cell: c, Observation: Observe(p, r), Wrong: []string{}}
	if !ok || p.Name == "" {
		o.Wrong = append(o.Wrong, "there is no such cell")
		return o
	}
	if o.Observation.Unknown != "" {
		o.Wrong = append(o.Wrong, "it decides nothing: "+o.Observation.Unknown)
	}
	must, may := configuration.Shows(c.Probe)
	for _, l := range must {
		if !o.Observation.Has(l) {
			o.Wrong = append(o.Wrong, fmt.Sprintf("no item is %s (%c), and the bug is planted", wordsOf(l), l))
		}
	}
	for _, l := range o.Observation.Letters {
		if !strings.ContainsRune(must+may, l) {
			o.Wrong = append(o.Wrong, fmt.Sprintf("a false alarm: %s", o.Observation.told(l)))
		}
	}
	if want := verdictOf(&o.Observation); r.Verdict != want {
		o.Wrong = append(o.Wrong, fmt.Sprintf("the verdict is %s, and with these items it must be %s", r.Verdict, want))
	}
	return o
}

// verdictOf is the verdict that must go with what was observed.
func verdictOf(o *Observation) bench.Verdict {
	proven := strings.Trim(o.Letters, harmless+string(Blocked))
	switch {
	case proven == string(Foreign): // a dirty table proves nothing
		return bench.VerdictUnknown
	case proven != "":
		return bench.Fail
	case o.Has(Blocked):
		return bench.VerdictUnknown
	}
	return bench.Pass
}
