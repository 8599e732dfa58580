package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ackproof/ackproof/scenarios"
)

// What a DynamoDB of others lacks, in the words in which a run is refused.
const (
	lacksClock   = "its clock cannot be moved"
	lacksStream  = "its stream is needed to the end"
	lacksOwnTell = "the processor's own writes could not be told from the API's"
	lacksExpiry  = "when it removes items by time to live is not known"
	lacksDurable = "table.durable asks for the log of the embedded DynamoDB"
	lacksKill    = "it is not ackproof's to kill"
	lacksLog     = "--data is the log of the embedded DynamoDB"
)

// unplayable is a run that no engine of others can hold, with all that it lacks.
type unplayable struct {
	name  string
	args  []string
	lacks []string
}

// unplayed are the built-in scenarios that cannot be played, and last what no
// scenario asks for.
var unplayed = []unplayable{
	{"article", nil, []string{lacksOwnTell, lacksExpiry, lacksClock}},
	{"article-corrected", nil, []string{lacksOwnTell, lacksExpiry}},
	{"late-letter", nil, []string{lacksClock}},
	{"new-stream", nil, []string{lacksStream}},
	{"own-update", nil, []string{lacksOwnTell, lacksExpiry}},
	{"poison-expired", nil, []string{lacksClock}},
	{"power-cycle", nil, []string{lacksDurable, lacksKill}},
	{"retention", nil, []string{lacksClock}},
	{"short-life", nil, []string{lacksExpiry, lacksClock}},
	{"too-old", nil, []string{lacksClock}},
	{"baseline", []string{"--set", "load.scale=0.1", "--data"}, []string{lacksLog}},
}

// TestWhatOtherEnginesLackIsRefused: before anybody is called, with all reasons
// at once, and nothing is left. So that a scenario is not played only as long as
// it cannot be.
func TestWhatOtherEnginesLackIsRefused(t *testing.T) {
	for _, u := range unplayed {
		t.Run(strings.Join(append([]string{u.name}, u.args...), " "), func(t *testing.T) {
			s := startAckproof(t, slices.Concat([]string{"run", u.name, "--dynamodb", "http://127.0.0.1:1"}, u.args)...)
			if code := s.code(); code != exitMisuse {
				t.Errorf("exit code %d, want %d", code, exitMisuse)
			}
			said := s.stderr.String()
			for _, l := range u.lacks {
				if !strings.Contains(said, l) {
					t.Errorf("it does not say that %s:\n%s", l, said)
				}
			}
			if n := strings.Count(said, "--dynamodb http://127.0.0.1:1: "); n != len(u.lacks) {
				t.Errorf("%d reasons, want %d:\n%s", n, len(u.lacks), said)
			}
			if _, err := os.Stat(filepath.Join(s.dir, "runs")); err == nil {
				t.Error("it leaves a folder of runs")
			}
		})
	}
}

// TestEveryScenarioIsPlayedAbroadOrCannotBe: no built-in scenario is forgotten.
func TestEveryScenarioIsPlayedAbroadOrCannotBe(t *testing.T) {
	for _, name := range scenarios.Builtins() {
		played := slices.ContainsFunc(abroads, func(a abroad) bool { return a.name == name })
		cannot := slices.ContainsFunc(unplayed, func(u unplayable) bool { return u.name == name && u.args == nil })
		if played == cannot {
			t.Errorf("%s: played on other engines %v, listed among those that cannot be %v: want one of the two", name, played, cannot)
		}
	}
}
