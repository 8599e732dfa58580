package main

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench/suite"
	"github.com/ackproof/ackproof/scenarios"
)

// What the run was set to is known, whatever else was set with it.
func TestKnownMapping(t *testing.T) {
	for want, set := range map[suite.Known][]string{
		"C1": {"mapping.batchSize=50", "table.shards=3"}, "C0": {"mapping.maximumRetryAttempts=-1", "mapping.bisectBatchOnFunctionError=false", "mapping.onFailure=none"},
		"B5": {"mapping.startingPosition=LATEST", "mapping.batchSize=50"}, "B4a": {"mapping.functionResponseTypes=[]", "mapping.pollInterval=50ms"},
		suite.MappingOther: {"mapping.startingPosition=LATEST", "mapping.onFailure=none"},
	} {
		s, err := scenarios.Load(suite.Base, suite.Probes()[0].Overrides(set...))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := knownMapping(s); err != nil || got != want {
			t.Errorf("%q: known as %q, want %q (%v)", set, got, want, err)
		}
	}
}

// TestConformanceSelftestLive plays one exposing cell for each bug, and the sound
// configuration under six faults, on real processes.
func TestConformanceSelftestLive(t *testing.T) {
	if os.Getenv("ACKPROOF_CONFORMANCE") == "" {
		t.Skip("two minutes of real processes: set ACKPROOF_CONFORMANCE=1")
	}
	t.Parallel()
	s := startAckproof(t, "selftest", "--live", "--json", "--quiet")
	code := s.code()
	var out struct{ Cells, Wrong int }
	if err := json.Unmarshal([]byte(s.stdout.String()), &out); err != nil {
		t.Fatal(err)
	}
	if code != exitPass || out.Wrong != 0 || out.Cells != len(suite.Live()) {
		t.Errorf("exit code %d, %d of %d cells wrong, want none of %d", code, out.Wrong, out.Cells, len(suite.Live()))
	}
}

// TestConformanceSuiteNamesTheBug plays the suite on real processes against each
// bug of the processor and of the mapping, which it is not told: ten of eleven
// must be named first, or as one of a pair that looks the same; of the mapping,
// told as settings. The sound configuration must be named nothing, and that with
// endless retries only itself.
func TestConformanceSuiteNamesTheBug(t *testing.T) {
	if os.Getenv("ACKPROOF_CONFORMANCE") != "all" {
		t.Skip("set ACKPROOF_CONFORMANCE=all: this takes ten minutes")
	}
	bugs, named := 0, 0
	for _, c := range suite.Configurations() {
		if c.Part == suite.API {
			continue
		}
		args := []string{"suite", "--json", "--quiet"}
		for _, set := range c.Set {
			args = append(args, "--set", set)
		}
		s := startAckproof(t, args...)
		code := s.code()
		var report suite.Report
		if err := json.Unmarshal([]byte(s.stdout.String()), &report); err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		d := report.Diagnosis
		first := d.Candidates[:min(d.Alike, len(d.Candidates))]
		is := slices.ContainsFunc(first, func(one suite.Candidate) bool { return one.Name == c.Name })
		t.Logf("%s: exit %d, %s: %s; %s; undecided: %s", c.Name, code, d.Sureness, d.Text, d.Fingerprint, strings.Join(d.Undecided, "; "))
		switch {
		case c.Part == suite.Sound:
			if code != exitPass || len(d.Candidates) > 0 {
				t.Errorf("exit code %d and %d candidates for the sound configuration", code, len(d.Candidates))
			}
		case c.Name == "C0":
			if !is || code != exitFail || !first[0].Setting {
				t.Errorf("endless retries are not told as a setting: %+v", first)
			}
		default:
			bugs++
			if is && code == exitFail && d.Sureness != suite.Open && (c.Part != suite.Mapping || first[0].Setting) {
				named++
			}
		}
	}
	if bugs != 11 || named < bugs-1 {
		t.Errorf("%d of %d bugs are named first, want 10 of 11", named, bugs)
	}
}
