package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench"
	"github.com/ackproof/ackproof/scenarios"
)

// promise is what a built-in scenario says of its own end: the verdict, and the
// codes of its reasons, but for expectation_missed, which repeats them.
type promise struct {
	verdict string
	codes   []string
}

func (p promise) String() string {
	if len(p.codes) == 0 {
		return p.verdict
	}
	return fmt.Sprintf("%s (%s)", p.verdict, strings.Join(p.codes, ", "))
}

var (
	expectedLine = regexp.MustCompile(`# Expected: (pass|fail|unknown)\b(?: \(([a-z_]+(?:, [a-z]+_[a-z]+)*)\b)?[^.]*,\s+(?:# )?exit\s+(?:# )?code (\d)`)
	pageEntry    = regexp.MustCompile("`([a-z-]+)`: ((?:pass|fail|unknown)(?: \\([a-z_, ]+\\))?)")
)

// promised reads the promise of a built-in scenario, and its exit code.
func promised(t *testing.T, name string) (promise, string) {
	t.Helper()
	source, err := scenarios.Source(name)
	if err != nil {
		t.Fatal(err)
	}
	m := expectedLine.FindStringSubmatch(string(source))
	if m == nil {
		t.Fatalf("%s does not say `Expected: VERDICT (REASONS), exit code N`", name)
	}
	p := promise{verdict: m[1]}
	if m[2] != "" {
		p.codes = strings.Split(m[2], ", ")
	}
	return p, m[3]
}

// checkPromised wants the verdict that a scenario's own text names, for the
// reasons that it names.
func checkPromised(t *testing.T, name string, r *bench.Result) {
	t.Helper()
	want, _ := promised(t, name)
	if string(r.Verdict) != want.verdict {
		t.Errorf("verdict %s; its text says %s", r.Verdict, want)
	}
	for _, code := range want.codes {
		if !slices.ContainsFunc(r.Reasons, func(reason bench.Reason) bool { return string(reason.Code) == code }) {
			t.Errorf("reasons %v; its text says %s", r.Reasons, want)
		}
	}
}

// TestLossesPage holds docs/losses.md to the scenarios: every way is there, what
// it says of a scenario is what the scenario says of itself and what the
// acceptance tests want of it, and no scenario is missing.
func TestLossesPage(t *testing.T) {
	b, err := os.ReadFile("../../docs/losses.md")
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	told := map[string]bool{}
	for line := range strings.Lines(string(b)) {
		id := "-"
		cells := strings.Split(strings.TrimSpace(line), "|")
		switch {
		case strings.HasPrefix(line, "| LOSS-"), strings.HasPrefix(line, "| DUP-"):
			if len(cells) != 7 {
				t.Fatalf("%d cells: %s", len(cells), line)
			}
			id = strings.TrimSpace(cells[1])
			ids = append(ids, id)
			checkRow(t, id, cells)
			line = cells[3]
		case !strings.HasPrefix(line, "- `"):
			continue
		}
		for _, m := range pageEntry.FindAllStringSubmatch(line, -1) {
			told[m[1]] = true
			if !slices.Contains(scenarios.Builtins(), m[1]) {
				t.Errorf("%s: there is no scenario %s", id, m[1])
			} else if p, _ := promised(t, m[1]); p.String() != m[2] {
				t.Errorf("%s: the page says of %s %q, the scenario %q", id, m[1], m[2], p)
			}
		}
	}
	if want := numbered(); !slices.Equal(ids, want) {
		t.Errorf("the rows are %v, want %v", ids, want)
	}
	exit := map[string]int{"pass": exitPass, "fail": exitFail, "unknown": exitUnknown}
	for _, b := range slices.Concat(builtins, rules, losses, duplicates) {
		if p, code := promised(t, b.name); exit[p.verdict] != b.code || code != fmt.Sprint(b.code) {
			t.Errorf("%s says %s, exit code %s; the acceptance tests want exit code %d", b.name, p, code, b.code)
		}
		if !told[b.name] {
			t.Errorf("the page does not name the scenario %s", b.name)
		}
	}
}

// checkRow wants a row without an empty cell; one without a scenario says why,
// and expects nothing.
func checkRow(t *testing.T, id string, cells []string) {
	t.Helper()
	none := strings.HasPrefix(strings.TrimSpace(cells[3]), "none: ")
	if entries := pageEntry.FindAllString(cells[3], -1); none != (len(entries) == 0) || strings.Count(cells[3], "`") != 2*len(entries) {
		t.Errorf("%s: %q names no scenario with its verdict, or one without", id, cells[3])
	}
	for i, cell := range cells[1:6] {
		if (strings.TrimSpace(cell) == "") != (none && i == 3) {
			t.Errorf("%s: cell %d is %q", id, i+1, cell)
		}
	}
}

// numbered are the ways that the page tells, in its order.
func numbered() []string {
	var ids []string
	for i := range 21 {
		ids = append(ids, fmt.Sprintf("LOSS-%d", i+1))
	}
	for i := range 10 {
		ids = append(ids, fmt.Sprintf("DUP-%d", i+1))
	}
	return ids
}
