package reports

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
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

// bare cuts style and script, which have files of their own, out of a page.
func bare(page []byte) []byte {
	for _, own := range []string{styleSheet, script} {
		page = bytes.Replace(page, []byte(own), []byte("…"), 1)
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

func TestPlots(t *testing.T) {
	for _, f := range fixtures {
		if f.name == "pass" || f.name == "blocked" {
			continue // drawn as "fail" is, with less in it
		}
		r, s := f.make()
		for _, name := range Plots() {
			image, vector, err := Plot(name, r, s)
			if err != nil {
				t.Fatalf("%s of %s: %v", name, f.name, err)
			}
			config, err := png.DecodeConfig(bytes.NewReader(image))
			if err != nil || config.Width != 1440 || config.Height != 576 {
				t.Errorf("%s of %s: PNG of %d × %d, %v", name, f.name, config.Width, config.Height, err)
			}
			d := xml.NewDecoder(bytes.NewReader(vector))
			for err == nil {
				_, err = d.Token()
			}
			if !errors.Is(err, io.EOF) {
				t.Errorf("%s of %s: SVG is no XML: %v", name, f.name, err)
			}
		}
	}
	if _, _, err := Plot("nope", new(bench.Result), nil); err == nil || !strings.Contains(err.Error(), "backlog") {
		t.Errorf("an unknown picture: %v, want an error that lists the known ones", err)
	}
}

// Series at the edges of what can be: each must give a picture, none a panic.
func TestPlotsOfExtremes(t *testing.T) {
	second := func(v float64) bench.SeriesRow { return bench.SeriesRow{P50: &v, P99: &v, Max: &v} }
	for _, v := range []float64{0, 1e-3, 1, -5, 1e9} {
		r := &bench.Result{Backlog: []bench.BacklogRow{{TMs: v, Pending: int64(v)}}, Faults: []bench.FaultResult{{AtMs: v, ForMs: v}, {AtMs: -v}}}
		s := &bench.Series{
			WidthMs: 1000, Rows: []bench.SeriesRow{second(v), {}, second(v), second(2 * v)},
			Response: []bench.CDFPoint{{Ms: v, Share: 1}},
			Lag:      []bench.CDFPoint{{Ms: -v, Share: 0.001}, {Ms: v, Share: 0.5}},
			Deaths:   []bench.Mark{{TMs: v}},
		}
		for _, f := range figures(r, s) {
			if svg, err := f.svg(); err != nil || bytes.Contains(svg, []byte("NaN")) {
				t.Errorf("%s at %g: %v, or NaN in the picture", f.name, v, err)
			}
		}
	}
}

func TestTerminalKeepsItsRules(t *testing.T) {
	for _, f := range fixtures {
		r, _ := f.make()
		for range 40 {
			r.Reasons = append(r.Reasons, bench.Reason{Code: "x", Text: evil})
			r.Notes = append(r.Notes, evil)
		}
		for _, width := range []int{0, 40, 80, 200} {
			var b bytes.Buffer
			opt := Options{Width: width, Dir: "runs/latest"}
			if err := Terminal(&b, r, opt); err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
			if len(lines) > maxLines {
				t.Errorf("%s at %d: %d lines, want at most %d", f.name, width, len(lines), maxLines)
			}
			for _, l := range lines {
				path := strings.Contains(l, opt.Dir) // never cut
				if n := utf8.RuneCountInString(l); n > opt.width() && !path {
					t.Errorf("%s at %d: a line of %d characters: %s", f.name, width, n, l)
				}
				if strings.ContainsAny(l, "\x1b\r\x00\u202e") {
					t.Errorf("%s at %d: control characters in %q", f.name, width, l)
				}
			}
			if !strings.HasPrefix(lines[0], upper(r.Verdict)) {
				t.Errorf("%s: the first word of %q is not the verdict", f.name, lines[0])
			}
		}
	}
}

// Colour adds codes and changes no word.
func TestTerminalColor(t *testing.T) {
	r, _ := failing()
	var plain, colored bytes.Buffer
	if err := errors.Join(Terminal(&plain, r, Options{}), Terminal(&colored, r, Options{Color: true})); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(colored.String(), "\x1b[1;31mFAIL\x1b[0m") {
		t.Errorf("the verdict is not red: %.40q", colored.String())
	}
	stripped := regexp.MustCompile(`\x1b\[[0-9;]*m`).ReplaceAllString(colored.String(), "")
	if d := cmp.Diff(plain.String(), stripped); d != "" {
		t.Errorf("words differ (-plain +colour):\n%s", d)
	}
}

func TestLive(t *testing.T) {
	at := func(s float64, step, stage string) bench.Progress {
		return bench.Progress{Elapsed: time.Duration(s * float64(time.Second)), Total: 20 * time.Second, Step: step, Stage: stage,
			Rate: 500, Acknowledged: int64(500 * s), P50: 1200 * time.Microsecond, P99: 8 * time.Millisecond, Backlog: 12}
	}
	var b bytes.Buffer
	l := NewLive(&b, Options{})
	for _, s := range []float64{1, 2, 5.9, 6, 7} {
		l.Update(at(s, "load", "steady"))
	}
	l.Update(at(7.5, "load", "ramp"))
	down := at(21, "draining", "")
	down.Faults, down.Bitten, down.Backlog = []string{"at 5s: processor.kill\x1b[2J"}, 3, -1
	l.Update(down)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	golden(t, "live.txt", b.Bytes())

	b.Reset()
	l = NewLive(&b, Options{TTY: true, Width: 70})
	for i := range 50 {
		p := at(float64(i)*0.4, "load", "steady")
		p.Rate, p.Backlog, p.P99 = float64(400+2*i), int64(i*i), time.Duration(1+i%7)*time.Millisecond
		if i > 30 {
			p.Faults = down.Faults
		}
		l.Update(p)
	}
	l.Say("a message")
	l.Update(down)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	golden(t, "live-tty.txt", b.Bytes())
	screen := play(t, b.String(), 70)
	if got := strings.Join(screen, "\n"); got != "a message\n" {
		t.Errorf("after the end there stands\n%s", got)
	}
}

// play is a terminal that knows what a live view needs. It fails where a line
// would wrap, which no view in place survives.
func play(t *testing.T, text string, width int) []string {
	t.Helper()
	screen, y := []string{""}, 0
	for text != "" {
		switch {
		case strings.HasPrefix(text, "\x1b["):
			end := strings.IndexAny(text, "ABCDHJKm")
			n := 0
			fmt.Sscanf(text[2:end], "%d", &n)
			switch text[end] {
			case 'A':
				y -= n
			case 'J':
				screen = append(screen[:y], "")
			}
			text = text[end+1:]
		case text[0] == '\r':
			text = text[1:]
		case text[0] == '\n':
			if y++; y == len(screen) {
				screen = append(screen, "")
			}
			text = text[1:]
		default:
			c, size := utf8.DecodeRuneInString(text)
			screen[y] += string(c)
			if utf8.RuneCountInString(screen[y]) >= width {
				t.Errorf("too wide: %s", screen[y])
			}
			text = text[size:]
		}
	}
	return screen
}

type brokenPipe struct{ writes int }

func (w *brokenPipe) Write([]byte) (int, error) { w.writes++; return 0, io.ErrClosedPipe }

func TestLiveSurvivesABrokenPipe(t *testing.T) {
	w := new(brokenPipe)
	l := NewLive(w, Options{TTY: true})
	l.Update(bench.Progress{})
	l.Update(bench.Progress{})
	if err := l.Close(); !errors.Is(err, io.ErrClosedPipe) || w.writes != 1 {
		t.Errorf("Close = %v after %d writes; want the first error and no write after it", err, w.writes)
	}
}

func TestCompareExit(t *testing.T) {
	runs := architectures() // pass, pass, fail
	for _, tt := range []struct {
		own  string
		want int
	}{{bench.Streams, 0}, {bench.FireAndForget, 1}, {"", 1}, {"another", 3}} {
		if got := Compare(runsOf(runs, nil, nil), tt.own).Exit; got != tt.want {
			t.Errorf("own %q: exit %d, want %d", tt.own, got, tt.want)
		}
	}
	runs[0].Verdict = ""
	if got := Compare(runsOf(runs, nil, nil), bench.Streams).Exit; got != 3 {
		t.Errorf("a run without a verdict: exit %d, want 3", got)
	}
	if got := Compare(runsOf(nil, nil, nil), ""); got.Exit != 3 || got.Runs == nil {
		t.Errorf("of nothing: %+v", got)
	}
}

// With five trials a side nothing is claimed; with six a shift is seen, and A
// against A shows nothing.
func TestCompareTrials(t *testing.T) {
	for _, tt := range []struct {
		n     int
		shift float64
		want  string
		not   string
	}{
		{5, 50, "too few trials to tell", "differs"},
		{6, 50, "differs by 50.0 ms", "too few"},
		{6, 0, "no difference that these trials can show", "differs by"},
	} {
		notes := strings.Join(Compare(runsOf(trials(tt.n, tt.shift), nil, nil), "").Notes, "\n")
		if !strings.Contains(notes, tt.want) || strings.Contains(notes, tt.not) {
			t.Errorf("%d trials, shift %g: want %q and not %q in\n%s", tt.n, tt.shift, tt.want, tt.not, notes)
		}
	}
}

// The folders that runs were made in are the sides: of one architecture, and of
// several. A run beside them is a side of its own.
func TestCompareGroups(t *testing.T) {
	runs := trials(6, 50) // six of streams, six of sync
	for i := range runs {
		runs[i].Run.ID = bench.RunID(fmt.Sprintf("run%d", i))
	}
	sidesOf := func(groups ...string) string {
		c := Compare(runsOf(runs, nil, groups), "")
		names, _ := sides(&c)
		return strings.Join(names, "|")
	}
	groups := make([]string, len(runs))
	for i := range runs {
		groups[i] = map[string]string{bench.Streams: "a", bench.Sync: "b"}[runs[i].Run.Architecture]
	}
	if got := sidesOf(groups...); got != "a|b" {
		t.Errorf("two groups: %s", got)
	}
	if got := sidesOf(slices.Repeat([]string{"a"}, 12)...); got != "a streams|a sync" {
		t.Errorf("one group of two architectures: %s", got)
	}
	if got := sidesOf("", "a", "", "a"); got != "run0|a|run2|"+strings.Join(strings.Fields("run4 run5 run6 run7 run8 run9 run10 run11"), "|") {
		t.Errorf("a group and single runs: %s", got)
	}
	c := Compare(runsOf(runs, nil, groups), "")
	d := c.Differences[slices.IndexFunc(c.Differences, func(d bench.ComparedDifference) bool { return d.Figure == "response_time.p99" })]
	if !d.Real || *d.Change != 50 || d.Superiority != 1 || d.From.Side != "a" || d.To.Trials != 6 {
		t.Errorf("response time p99: %+v", d)
	}
	if same := d.To; same.Low == nil || *same.Low > *same.Median {
		t.Errorf("interval of the second side: %+v", same)
	}
}

// What was varied names the sides: alone, within a group beside another group, and of
// the runs where a side has one. No side is a control: the worst verdict counts.
func TestCompareVaried(t *testing.T) {
	results := trials(6, 50)
	runs := runsOf(results, nil, nil)
	for i := range runs {
		results[i].Run.ID = bench.RunID(fmt.Sprintf("run%d", i))
		runs[i].Configuration = map[string]string{bench.Streams: "mapping.batchSize=10", bench.Sync: "mapping.batchSize=100"}[results[i].Run.Architecture]
		results[i].Run.Architecture = bench.Streams
	}
	c := Compare(runs, "")
	if names, _ := sides(&c); strings.Join(names, "|") != "mapping.batchSize=10|mapping.batchSize=100" {
		t.Errorf("sides %q", names)
	}
	if got := strings.Join(comparisonColumns(&c), "|"); got != "mapping.batchSize=10, 6 runs|mapping.batchSize=100, 6 runs" {
		t.Errorf("columns %q", got)
	}
	if notes := strings.Join(c.Notes, "\n"); !strings.Contains(notes, "mapping.batchSize=100") || !strings.Contains(notes, "differs by 50.0 ms") {
		t.Errorf("the notes do not tell the difference:\n%s", notes)
	}
	if got := runLabel(&c, 1); got != c.Runs[1].Configuration+" run1" {
		t.Errorf("a trial is labelled %q", got)
	}
	results[11].Verdict = bench.Fail
	if got := Compare(runs, "").Exit; got != 1 {
		t.Errorf("one run of the last side fails: exit %d, want 1", got)
	}
	two := Compare(runs[:2], "")
	if got := strings.Join(comparisonColumns(&two), "|"); got != two.Runs[0].Configuration+"|"+two.Runs[1].Configuration {
		t.Errorf("columns of one run a side: %q", got)
	}
	for i := range runs {
		runs[i].Group = "a"
	}
	alone := Compare(append(runs, Run{Result: &results[0], Group: "b"}), "")
	if names, _ := sides(&alone); strings.Join(names, "|") != "a mapping.batchSize=10|a mapping.batchSize=100|b" {
		t.Errorf("beside another group: sides %q", names)
	}
}

func TestText(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{count(0), "0"}, {count(999), "999"}, {count(1000), "1,000"}, {count(-1234567), "-1,234,567"},
		{duration(0), "0 ms"}, {duration(0.0405), "40.5 µs"}, {duration(0.99949), "999 µs"}, {duration(0.9996), "1.00 ms"},
		{duration(-3.25), "-3.25 ms"}, {duration(99.96), "100 ms"}, {duration(999.6), "1.00 s"}, {duration(90_000), "90.0 s"},
		{duration(300_000), "5.00 min"}, {duration(7_200_000), "2.00 h"},
		{durationOf(nil), notObserved}, {countOf(nil), notObserved},
		{percent(0), "0 %"}, {percent(1), "100 %"}, {percent(1e-9), "< 0.01 %"}, {percent(1 - 1e-9), "> 99.99 %"}, {percent(0.1234), "12.34 %"},
		{clean("a\x1b[31mb\r\nc\u202e", 20), "a\uFFFD[31mb  c\uFFFD"}, {clean("\xff", 5), "\uFFFD"},
		{clean("abcde", 5), "abcde"}, {clean("abcdef", 5), "abcd…"}, {clean("äöüß€x", 5), "äöüß…"}, {clean("", 5), ""},
		{escapeMarkdown("a|b <i> @x www.a.b http://c"), "a&#124;b &#60;i&#62; &#64;x www&#46;a.b http&#58;//c"},
		{faultLabel("at 5s for 6s: processor.kill after-write 10"), "processor.kill after-write 10"},
		{words("lost_write"), "lost write"}, {rate(499.8), "500/s"}, {rate(0.5), "0.50/s"}, {number(0.25), "0.25"}, {number(1234), "1,234"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

// FuzzClean: whatever comes in, what goes out cannot steer a terminal and is
// not longer than allowed.
func FuzzClean(f *testing.F) {
	f.Add(evil, 60)
	f.Add("\xff\xfe", 1)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = 1 + (limit&0xff+256)%256
		got := clean(s, limit)
		if n := utf8.RuneCountInString(got); n > limit || !utf8.ValidString(got) {
			t.Fatalf("clean(%q, %d) = %q: %d characters", s, limit, got, n)
		}
		for _, c := range got {
			if visible(c) != c {
				t.Fatalf("clean(%q) lets %U through", s, c)
			}
		}
		if got != clean(got, limit) {
			t.Fatalf("cleaning %q again changes it", got)
		}
	})
}

func ExampleTerminal() {
	r := &bench.Result{
		Verdict:  bench.Pass,
		Run:      bench.RunInfo{Scenario: "crash", Target: "local", Architecture: bench.Streams},
		Requests: bench.Requests{Planned: 12400, Sent: 12400, Acknowledged: 12400},
		Items:    bench.Items{Attempted: 12400, Processed: 12400, Duplicated: new(int64)},
	}
	var b bytes.Buffer
	if err := Terminal(&b, r, Options{}); err != nil {
		fmt.Println(err)
	}
	fmt.Println(strings.Join(strings.Split(b.String(), "\n")[:2], "\n"))
	// Output:
	// PASS  crash on local, streams
	// 12,400 requests acknowledged; 12,400 processed exactly once; none lost.
}

func BenchmarkHTML(b *testing.B) {
	r, s := failing()
	for range b.N {
		if _, err := HTML(r, s); err != nil {
			b.Fatal(err)
		}
	}
}
