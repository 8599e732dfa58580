package faults

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The table of the README has a line for each failure, names only kinds that
// there are, and leaves none out; a failure without a kind has a reason.
func TestTheReadmeMapsFailuresToKinds(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	const failures = 28
	row := regexp.MustCompile(`(?m)^\| F(\d+) \|([^|]+)\|([^|]+)\|$`)
	name := regexp.MustCompile("`([a-z]+\\.[a-z]+)`")
	var lines, named []string
	for _, m := range row.FindAllStringSubmatch(string(b), -1) {
		lines = append(lines, m[1])
		some := false
		for _, k := range name.FindAllStringSubmatch(m[3], -1) {
			if _, ok := Lookup(k[1]); ok {
				some, named = true, append(named, k[1])
			} else if !strings.Contains(m[3], "setting") && !strings.Contains(m[3], "none:") {
				t.Errorf("F%s: no fault is called %s", m[1], k[1])
			}
		}
		if reason := strings.HasPrefix(strings.TrimSpace(m[3]), "none: "); some == reason {
			t.Errorf("F%s: want kinds, or \"none: \" and why: %s", m[1], m[3])
		}
	}
	var want []string
	for i := range failures {
		want = append(want, fmt.Sprint(i+1))
	}
	if !slices.Equal(lines, want) {
		t.Errorf("the table has the lines %v", lines)
	}
	for _, k := range Kinds() {
		if !slices.Contains(named, k.Name) {
			t.Errorf("%s stands for none of the failures", k.Name)
		}
	}
	for _, path := range regexp.MustCompile("`(bench/[a-z_/]+\\.go)`").FindAllStringSubmatch(string(b), -1) {
		if _, err := os.Stat("../" + path[1]); err != nil {
			t.Errorf("it names %s, which is not there", path[1])
		}
	}
}
