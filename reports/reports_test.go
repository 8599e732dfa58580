package reports

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	r, s := failing()
	for range 2 { // the second time over the first
		if err := Write(dir, r, s); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			got = append(got, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"junit.xml"}
	for _, p := range []string{"availability", "backlog", "flow", "lag-cdf", "response-cdf", "response-time"} {
		want = append(want, "plots/"+p+".png", "plots/"+p+".svg")
	}
	want = append(want, "report.html", "summary.md")
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("files (-want +got):\n%s", d)
	}
	page, err := os.ReadFile(filepath.Join(dir, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(page, []byte(`class="chart"`)); n != 8 {
		t.Errorf("report.html holds %d charts, want 8", n)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Write(file, r, s); err == nil {
		t.Error("writing into a file that is no directory succeeded")
	}
}

func BenchmarkHTML(b *testing.B) {
	r, s := failing()
	for range b.N {
		if _, err := HTML(r, s); err != nil {
			b.Fatal(err)
		}
	}
}
