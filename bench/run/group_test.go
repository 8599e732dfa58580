package run

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ackproof/ackproof/bench"
)

// A folder of several runs stands for them; what it says is not trusted.
func TestReadRuns(t *testing.T) {
	root := t.TempDir()
	write := func(path string, b []byte) {
		t.Helper()
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	result := func(id bench.RunID) []byte {
		b, err := EncodeResult(&bench.Result{Schema: bench.ResultSchema, Run: bench.RunInfo{ID: id}})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	group := func(dirs ...string) []byte {
		c := bench.Comparison{Schema: bench.ComparisonSchema}
		for _, d := range dirs {
			c.Runs = append(c.Runs, bench.ComparedRun{Dir: d, Configuration: "set=" + d})
		}
		b, _ := json.Marshal(c)
		return b
	}
	write("alone/result.json", result("alone"))
	write("group/a/result.json", result("a"))
	write("group/b/result.json", result("b"))
	write("group/comparison.json", group("a", "b"))
	write("escape/comparison.json", group("a", "../alone"))
	write("empty/comparison.json", group())
	write("torn/comparison.json", []byte(`{"schema":`))
	write("other/comparison.json", []byte(`{"schema":"something/v9"}`))
	if err := os.Symlink("group", filepath.Join(root, "latest")); err != nil {
		t.Fatal(err)
	}

	got, err := ReadRuns([]string{filepath.Join(root, "alone"), filepath.Join(root, "latest")})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || len(got[0]) != 1 || got[0][0].Result.Run.ID != "alone" || got[0][0].Group != "" {
		t.Errorf("the single run: %+v", got[0])
	}
	if len(got[1]) != 2 || got[1][1].Result.Run.ID != "b" || got[1][1].Configuration != "set=b" || got[1][1].Group != "group" {
		t.Errorf("the group: %+v", got[1])
	}
	var args []string
	for _, name := range []string{"escape", "empty", "torn", "other", "nowhere"} {
		args = append(args, filepath.Join(root, name))
	}
	_, err = ReadRuns(args)
	for _, want := range []string{"outside its folder", "names no run", "unexpected end", "something/v9", "nowhere is no run directory"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in: %v", want, err)
		}
	}
}
