package reports

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/ackproof/ackproof/bench"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with testdata/name, or writes it with -update.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run the test with -update", err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s differs, see with -update and git diff (-want +got):\n%.4000s", path, d)
	}
}

// imageData cuts the pictures out of a page: their bytes belong to the drawing
// library, and are checked by TestPlots.
var imageData = regexp.MustCompile(`data:image/svg(\+|&#43;)xml;base64,([A-Za-z0-9/=]|\+|&#43;)+`)

// bare cuts style and script, which have files of their own, and their hashes out of a
// page.
func bare(page []byte) []byte {
	for _, own := range []string{styleSheet, script} {
		page = bytes.Replace(page, []byte(own), []byte("…"), 1)
		page = bytes.Replace(page, []byte(strings.ReplaceAll(digest(own), "+", "&#43;")), []byte("sha256-…"), 1)
	}
	return page
}

func TestGolden(t *testing.T) {
	for _, f := range fixtures {
		t.Run(f.name, func(t *testing.T) {
			r, s := f.make()
			var term bytes.Buffer
			if err := Terminal(&term, r, Options{Width: 100, Dir: "runs/latest"}); err != nil {
				t.Fatal(err)
			}
			golden(t, f.name+".txt", term.Bytes())
			golden(t, f.name+".md", Markdown(r))
			junit, err := JUnit(r)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, f.name+".junit.xml", junit)
			page, err := HTML(r, s)
			if err != nil {
				t.Fatal(err)
			}
			checkPage(t, page)
			golden(t, f.name+".html", bare(page))
		})
	}
}

func TestCompareGolden(t *testing.T) {
	for _, tt := range []struct {
		name string
		c    bench.Comparison
	}{
		{"settings", Compare(settled(), "")},
		{"architectures", Compare(runsOf(architectures(), []string{"streams", "sync", "fire-and-forget"}, nil), bench.Streams)},
		{"capacities", Compare(measured(), "")},
		{"trials", func() bench.Comparison {
			c := Compare(runsOf(trials(6, 5), nil, nil), "")
			yes, no := true, false
			c.FailIf = []bench.FailIf{
				{FailIf: "response_time.p99 +10%", Side: "runs/sync", Unit: "ms", Baseline: ptr(10.25), Actual: ptr(15.25), Held: &yes},
				{FailIf: "requests.unsent +0", Side: "runs/sync", Baseline: ptr(10.0), Actual: ptr(10.0), Held: &no},
				{FailIf: "lost +0", Side: evil},
			}
			return c
		}()},
		{"hostile-compare", func() bench.Comparison {
			a, _ := hostile()
			b, _ := passing()
			return Compare(runsOf([]bench.Result{*a, *b}, []string{"javascript:alert(1)", evil}, nil), evil)
		}()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var term bytes.Buffer
			if err := CompareTerminal(&term, &tt.c, Options{Width: 100}); err != nil {
				t.Fatal(err)
			}
			golden(t, tt.name+".txt", term.Bytes())
			golden(t, tt.name+".md", CompareMarkdown(&tt.c))
			var runs []Run
			if tt.name == "settings" {
				runs = settled()
			}
			page, err := CompareHTML(&tt.c, runs)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, tt.name+".html", bare(page))
			checkPage(t, page)
		})
	}
}

// external finds what a page could load, and script. Links that a reader must
// click are no loads, but the report has none outside either.
var external = regexp.MustCompile(`(?i)(src|href|action|data|poster|srcset)\s*=\s*["']?\s*(https?:)?//|@import|url\(|<script|<link|<iframe|<object|javascript:|\son\w+\s*=`)

func checkPage(t *testing.T, page []byte) {
	t.Helper()
	if !bytes.Contains(page, []byte("default-src &#39;none&#39;")) {
		t.Error("the page has no policy")
	}
	// Ours are the style, the script, and the data that it reads.
	page = bytes.ReplaceAll(bare(page), []byte("<script>…</script>"), nil)
	page = bytes.Replace(page, []byte(`<script type="application/json" id="data">`), []byte("<p>"), 1)
	// What hostile text holds is shown as text: with its < escaped it is no tag.
	if bad := external.Find(regexp.MustCompile(`>[^<]*<`).ReplaceAll(page, []byte("><"))); bad != nil {
		t.Errorf("the page refers to something outside, or holds script: %q", bad)
	}
	if !utf8.Valid(page) {
		t.Error("the page is no valid UTF-8")
	}
	for _, c := range string(page) {
		if c < ' ' && c != '\n' && c != '\t' || c >= 0x202a && c <= 0x202e || c >= 0x2066 && c <= 0x2069 {
			t.Fatalf("the page holds the control character %U", c)
		}
	}
}

func TestCheckPageFinds(t *testing.T) {
	for _, bad := range []string{`<img src="https://example.com/x.png">`, `<p onclick=x>`, `<style>@import "x"`, `<a href=//x>`, `<script>`} {
		if !external.MatchString(bad) {
			t.Errorf("%s is taken for harmless", bad)
		}
	}
}
