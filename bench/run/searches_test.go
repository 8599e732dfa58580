package run

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/synth"
)

// searchOf writes the folder of a search whose first probe is of an architecture.
func searchOf(t *testing.T, name string, opts synth.Options, change func(*bench.Capacity)) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	made, err := synth.Make(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	low, high := 400.0, 425.0
	c := bench.Capacity{
		Schema: bench.CapacitySchema, Scenario: "synth", Spike: &bench.Spike{DrainMs: &high},
		Backlog: bench.CapacityAnswer{Status: bench.CapacityFound, Low: &low, High: &high},
		Probes:  []bench.CapacityProbe{{Dir: filepath.Base(made.Dir)}},
	}
	if change != nil {
		change(&c)
	}
	text, err := json.Marshal(c)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, capacityFile), text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// A search is told of the runs of the same system, and of no other one.
func TestSearchesAreOfTheirSystems(t *testing.T) {
	var judged []Judged
	for _, arch := range []string{bench.Streams, bench.Sync, bench.Streams} {
		made, err := synth.Make(t.TempDir(), synth.Options{Requests: 1000, Architecture: arch})
		if err != nil {
			t.Fatal(err)
		}
		judged = append(judged, Judged{Dir: made.Dir})
	}
	few := synth.Options{Requests: 1000, Seed: 3, Architecture: bench.Streams}
	one, twice := searchOf(t, "one", few, nil), searchOf(t, "twice", few, nil)
	searches, err := ReadSearches([]string{one})
	if err != nil {
		t.Fatal(err)
	}
	if err := Assign(searches, [][]Judged{judged[:1], judged[1:]}); err != nil {
		t.Fatal(err)
	}
	if judged[0].Search == nil || judged[2].Search != judged[0].Search || judged[1].Search != nil {
		t.Errorf("the search of streams is told of %v, %v, %v", judged[0].Search, judged[1].Search, judged[2].Search)
	}
	c := judged[0].Search.Compared()
	if c.Dir != one || *c.Backlog.Low != 400 || c.Probes != 1 || *c.DrainMs != 425 || judged[1].Search.Compared() != nil {
		t.Errorf("compared: %+v", c)
	}

	for _, tt := range []struct {
		name string
		dirs []string
		runs []Judged
		want string
	}{
		{"of another system", []string{one}, []Judged{{Dir: judged[1].Dir}}, "one is of another system than every run: the one most alike differs in architecture"},
		{"two of one system", []string{one, twice}, []Judged{{Dir: judged[0].Dir}, {Dir: judged[2].Dir}}, "are searches of the same system"},
		{"of no run", []string{one}, []Judged{{Dir: t.TempDir()}}, "run.json"},
	} {
		searches, err := ReadSearches(tt.dirs)
		if err != nil {
			t.Fatal(err)
		}
		err = Assign(searches, [][]Judged{tt.runs})
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one line with %q", tt.name, err, tt.want)
		}
	}
}

func TestReadSearchesRefuses(t *testing.T) {
	few := synth.Options{Requests: 1000}
	torn := searchOf(t, "torn", few, nil)
	if err := os.WriteFile(filepath.Join(torn, capacityFile), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	for want, dir := range map[string]string{
		"no folder of a search": t.TempDir(),
		"unexpected end":        torn,
		`schema "other/v1"`:     searchOf(t, "other", few, func(c *bench.Capacity) { c.Schema = "other/v1" }),
		"it has no probe":       searchOf(t, "empty", few, func(c *bench.Capacity) { c.Probes = nil }),
		"outside its folder":    searchOf(t, "escape", few, func(c *bench.Capacity) { c.Probes[0].Dir = "../../x" }),
		"which its first probe": searchOf(t, "gone", few, func(c *bench.Capacity) { c.Probes[0].Dir = "gone" }),
	} {
		if _, err := ReadSearches([]string{dir}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q in it", err, want)
		}
	}
	if _, err := ReadRuns([]string{searchOf(t, "as a run", few, nil)}); err == nil || !strings.Contains(err.Error(), "--capacity") {
		t.Errorf("a search in the place of a run: %v", err)
	}
}
