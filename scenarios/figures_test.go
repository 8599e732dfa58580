package scenarios

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestThePageOfFigures: every figure that can be named has its row in docs/figures.md, and
// every row is one of a figure.
func TestThePageOfFigures(t *testing.T) {
	page, err := os.ReadFile("../docs/figures.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z0-9_.]+)` \\|([^|]+)\\|([^|]+)\\|([^|]+)\\|$").FindAllStringSubmatch(string(page), -1) {
		rows = append(rows, m[1])
		for _, cell := range m[2:] {
			if strings.TrimSpace(cell) == "" {
				t.Errorf("%s: an empty cell", m[1])
			}
		}
	}
	paths := slices.Clone(resultPaths)
	for _, path := range faultPaths {
		paths = append(paths, "faults."+path)
	}
	aliases := []string{aliasLost, aliasDuplicated, aliasRecovery, "faults." + aliasRecovery}
	lists := []string{"phases", "backlog"} // whose figures are those of the other rows
	for _, path := range paths {
		covered := func(row string) bool {
			return path == row || strings.HasPrefix(path, row+".") || strings.HasPrefix(path, row+"_range.")
		}
		if !slices.Contains(aliases, path) && !slices.ContainsFunc(rows, covered) {
			t.Errorf("docs/figures.md has no row for %s", path)
		}
	}
	for _, row := range rows {
		named := func(path string) bool { return path == row || strings.HasPrefix(path, row+".") }
		if !slices.Contains(lists, row) && !slices.ContainsFunc(paths, named) {
			t.Errorf("docs/figures.md has a row for %s, which no figure is called", row)
		}
	}
}
