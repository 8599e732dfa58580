package suite_test

import (
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/bench/suite"
)

// The page holds every probe, the candidates with what speaks for and against them,
// and what to change; texts from outside can make no markup.
func TestSuiteHTML(t *testing.T) {
	evil := `<script>alert(1)</script>`
	observations := []suite.Observation{
		{Probe: "poison", Letters: "LQ", Counts: []suite.Count{{Letter: "L", Items: 2}, {Letter: "Q", Items: 2}}, Struck: 4, Dir: "runs/x-suite-y/a-poison-b"},
		{Probe: "deny", Letters: "L", Counts: []suite.Count{{Letter: "L", Items: 27}}, Struck: 70},
		{Probe: "kill", Unknown: evil},
	}
	r := suite.Report{Observations: observations, Diagnosis: suite.Diagnose(observations, "C1"), Processor: evil, Target: "local", Seed: 7, Version: "devel",
		Settings: []suite.Setting{{Name: "onFailure", Value: "payload"}, {Name: "batchSize", Value: evil, Given: true}}}
	if r.Judge(); r.Verdict != bench.Fail {
		t.Fatalf("verdict %s", r.Verdict)
	}
	html, err := r.HTML()
	if err != nil {
		t.Fatal(err)
	}
	page := string(html)
	for _, want := range []string{
		"FAIL", "poison=LQ deny=L", `href="a-poison-b/report.html"`, "four records can never be processed", `class="bad"><bdi>LQ`, "2 lost, 2 dead-lettered",
		"of several failed records the last is named", "speaks for it: <bdi>deny: 27 lost", "name the first failed record",
		"speaks against it", "kill: &lt;script&gt;", "chosen by ackproof: onFailure=payload", "? unknown.",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if strings.Contains(page, evil) {
		t.Error("a text from outside has made markup")
	}
	if n := strings.Count(page, "What to change:"); n != len(r.Diagnosis.Candidates) || n < 2 {
		t.Errorf("%d of %d candidates say what to change", n, len(r.Diagnosis.Candidates))
	}
}
