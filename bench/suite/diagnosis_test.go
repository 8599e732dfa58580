package suite

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench"
)

// knownOf is what is known of the mapping where ackproof has set it.
func knownOf(c Configuration) Known {
	if c.Part == Mapping {
		return Known(c.Name)
	}
	return Known(configurations[0].Name)
}

// misnamed says what is wrong with the diagnosis of a configuration; "": nothing.
func misnamed(c Configuration, d Diagnosis) string {
	first := d.Candidates[:min(d.Alike, len(d.Candidates))]
	switch {
	case c.Part == Sound && (d.Sureness != Nothing || len(d.Candidates) > 0):
		return fmt.Sprintf("%s, %s over %s, and it is sound", d.Sureness, d.Text, d.Fingerprint)
	case c.Part == Sound:
	case d.Sureness == Open, !slices.ContainsFunc(first, func(one Candidate) bool { return one.Name == c.Name }):
		return fmt.Sprintf("it is not named first: %s, %+v", d.Sureness, d.Candidates)
	}
	return ""
}

// shown are the observations of a configuration as the table has them; those that
// may show do, or do not.
func shown(c Configuration, may bool) (all []Observation) {
	for _, p := range probes {
		must, might := c.Shows(p.Name)
		if may {
			must += might
		}
		all = append(all, Observation{Probe: p.Name, Letters: must, Verdict: bench.Fail})
	}
	return all
}

// pairs are what cannot be told apart from outside. Whoever makes the table tell
// more, or less, must say so here.
var pairs = []string{"B2 B4b", "B6 B7", "A1 A2"}

// TestDiagnoseTable: each bug is named first from what the table says of it, with
// the settings of the mapping known and not known, alone or in its pair.
func TestDiagnoseTable(t *testing.T) {
	for _, c := range configurations {
		for _, known := range []Known{MappingUnknown, knownOf(c)} {
			for _, may := range []bool{false, true} {
				d := Diagnose(shown(c, may), known)
				if wrong := misnamed(c, d); wrong != "" {
					t.Errorf("%s, known %q, with what may show: %v: %s", c.Name, known, may, wrong)
				}
				var names []string
				for _, one := range d.Candidates[:min(d.Alike, len(d.Candidates))] {
					names = append(names, one.Name)
				}
				if got := strings.Join(names, " "); len(names) > 1 && !slices.Contains(pairs, got) {
					t.Errorf("%s, known %q: %s look the same", c.Name, known, got)
				}
				if c.Part == Mapping && known != MappingUnknown && !d.Candidates[0].Setting {
					t.Errorf("%s is a setting, and is inferred: %s", c.Name, d.Text)
				}
			}
		}
	}
}

// A setting that explains everything is no reason to suppose a bug, and does not
// hide one that it does not explain.
func TestDiagnoseOverASetting(t *testing.T) {
	b2, _ := Lookup("B2")
	d := Diagnose(shown(b2, false), "C0") // a handler that swallows needs no retries
	if len(d.Candidates) == 0 || d.Candidates[0].Name != "B2" {
		t.Errorf("a bug of the handler over endless retries: %s, %+v", d.Text, d.Candidates)
	}
}

// What nothing in the table explains is open, and what decides nothing is unknown:
// never sound.
func TestDiagnoseWithoutEvidence(t *testing.T) {
	strange := shown(configurations[0], false)
	for i := range strange {
		strange[i].Letters = string(Phantom)
	}
	if d := Diagnose(strange, MappingUnknown); d.Sureness != Open {
		t.Errorf("phantoms everywhere: %s, %s", d.Sureness, d.Text)
	}
	silent := shown(configurations[0], false)
	for i := range silent {
		silent[i].Unknown = "the fault did not strike"
	}
	if d := Diagnose(silent, MappingUnknown); d.Sureness != Unknown || len(d.Undecided) != len(probes) {
		t.Errorf("no probe has decided: %s, %s", d.Sureness, d.Text)
	}
	for _, report := range []Report{
		{Diagnosis: Diagnose(silent, MappingUnknown)}, {Diagnosis: Diagnose(nil, MappingUnknown)},
		{Diagnosis: Diagnose(append(silent[:1:1], shown(configurations[0], true)[1:]...), MappingUnknown)},
	} {
		if report.Judge(); report.Verdict != bench.VerdictUnknown {
			t.Errorf("%s: %s", report.Diagnosis.Text, report.Verdict)
		}
	}
}
