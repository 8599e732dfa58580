package reconcile

import (
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// mutant is the judge, or what hands it the evidence, with one thing wrong.
type mutant struct {
	name     string
	file     string // beside this package
	old, new string // a text that is there once, and what stands in its place
	tests    string // package whose tests must notice
}

// mutants are those that are not gates: counters swapped, evidence that is lost
// without a word, verdicts that look away.
var mutants = []mutant{
	{"refused and acknowledged swapped", "counts.go", "r.Acknowledged += n", "r.Refused += n", "reconcile"},
	{"unknown counted as refused", "counts.go", "r.Unknown += n", "r.Refused += n", "reconcile"},
	{"before and after the fault swapped", "judge.go", "case t < f.From-f.Reach:\n\t\treturn before", "case t < f.From-f.Reach:\n\t\treturn after", "reconcile"},
	{"a window left out of the books", "counts.go", "c.Items.add(&o.Items)", "_ = o.Items", "reconcile"},
	{"sent and acknowledged in the fault swapped", "counts.go", "a.SentIn += n\n\t\t\ta.AckIn += ack", "a.AckIn += n\n\t\t\ta.SentIn += ack", "reconcile"},
	{"the losses in the fault not counted", "counts.go", "j.counts.Loss[i] += n", "j.counts.Loss[i] += 0 * n", "reconcile"},
	{"what was under way at the strike is control", "control.go", "c.Strike-e.Faults[first].Reach", "c.Strike", "reconcile"},
	{"what was spoilt later is held against the control", "control.go", "s&later == 0 && ", "", "reconcile"},
	{"a control that is not clean is not told", "reasons.go", "j.controlReason(); ok {", "j.controlReason(); ok && false {", "reconcile"},
	{"only what was due in the window is the fault's", "judge.go", "if len(faults) == 0 && near >= 0 {", "if len(faults) == 0 && near > len(faults)+99 {", "reconcile"},
	{"lost writes taken for lost processing", "judge.go", "return j.missing(s, bench.LostWrite)", "return j.missing(s, bench.LostProcessing)", "reconcile"},
	{"refused and stored is nothing", "judge.go", "return bench.Phantom", "return bench.Rejected", "reconcile"},
	{"twice is once", "judge.go", "return bench.Duplicated", "return bench.Processed", "reconcile"},
	{"an older version in the place of the newest is superseded", "versions.go", "return j.missing(s, bench.WrongEffect)", "return bench.Superseded", "reconcile"},
	{"a row that names no version is the newest one's", "versions.go", "\treturn unnamed\n}\n\n// Hidden", "\treturn final\n}\n\n// Hidden", "reconcile"},
	{"a blocked shard proves the drain", "judge.go", "if s.Behind > 0 || s.Head != nil {\n\t\t\treturn false", "if s.Behind > 0 || s.Head != nil {\n\t\t\treturn true", "reconcile"},
	{"two counters of a result swapped", "../result.go", "case LostWrite:\n\t\treturn &i.LostWrite", "case LostWrite:\n\t\treturn &i.LostProcessing", "reconcile"},
	{"a gap in the ledger dropped without a word", "../ledger/open.go", "if from < to {\n\t\t\tl.problems.add(", "if from < to {\n\t\t\t_ = fmt.Sprintf(", "ledger"},
	{"blocks that are gone taken for requests never sent", "../ledger/open.go", "if got != end {", "if got.Sent > end.Sent {", "ledger"},
	{"a table's read that is cut off taken for whole", "../ledger/read.go", "if len(r.problems.list) != before {\n\t\tr.complete = false", "if len(r.problems.list) != before {\n\t\tr.complete = true", "ledger"},
}

// gateMutants leave out each gate: it is found to hold, whatever there is.
func gateMutants(t *testing.T) (all []mutant) {
	const name = "gates.go"
	source, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, name, source, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || !strings.HasPrefix(fn.Name.Name, "gate") || fn.Name.Name == "gates" {
			continue
		}
		head := string(source[set.Position(fn.Pos()).Offset : set.Position(fn.Body.Lbrace).Offset+1])
		all = append(all, mutant{fn.Name.Name + " left out", name, head, head + "\nif j != nil {\nreturn true, \"left out\"\n}", "reconcile"})
	}
	return all
}

// TestConformanceMutantsOfTheJudge: who judges the judge? Each mutant is compiled
// in the place of the real one and must fail the tests.
func TestConformanceMutantsOfTheJudge(t *testing.T) {
	if os.Getenv("ACKPROOF_CONFORMANCE") == "" {
		t.Skip("builds the judge once for each mutant, in a minute: set ACKPROOF_CONFORMANCE=1")
	}
	gates := gateMutants(t)
	if len(gates) < 15 {
		t.Fatalf("%d gates are left out, and there are 15 at least", len(gates))
	}
	for _, m := range append(gates, mutants...) {
		t.Run(m.name, func(t *testing.T) {
			path, err := filepath.Abs(m.file)
			if err != nil {
				t.Fatal(err)
			}
			source, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(source), m.old); n != 1 {
				t.Fatalf("%q is %d times in %s: the mutant is out of date", m.old, n, m.file)
			}
			dir := t.TempDir()
			changed := filepath.Join(dir, "changed.go")
			overlay := filepath.Join(dir, "overlay.json")
			b, err := json.Marshal(map[string]any{"Replace": map[string]string{path: changed}})
			if err != nil {
				t.Fatal(err)
			}
			for name, text := range map[string][]byte{changed: []byte(strings.Replace(string(source), m.old, m.new, 1)), overlay: b} {
				if err := os.WriteFile(name, text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if out, err := test(t, overlay, m.tests, "^$"); err != nil {
				t.Fatalf("the mutant does not compile: %v\n%s", err, out)
			}
			if out, err := test(t, overlay, m.tests, "."); err == nil {
				t.Errorf("no test has noticed\n%s", out)
			}
		})
	}
}

// test runs tests of a package beside this one over changed sources.
func test(t *testing.T, overlay, pkg, pattern string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	args := []string{"test", "-overlay", overlay, "-vet=off", "-count=1", "-run", pattern, "../" + pkg}
	if pkg == "reconcile" {
		args = append(args, "-rapid.nofailfile") // its failures are no news
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "ACKPROOF_CONFORMANCE=") // or it would mutate the mutant
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		t.Fatal(fmt.Errorf("go test of %s: %w", pkg, ctx.Err()))
	}
	return out, err
}
