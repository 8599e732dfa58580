package reports

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/ackproof/ackproof/bench"
)

func pageOf(t *testing.T, r *bench.Result, s *bench.Series) []byte {
	t.Helper()
	page, err := HTML(r, s)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// Every page, at each width and in each theme: no error in the console, no request
// beyond the file, nothing wider than the screen, nothing that shuts people out.
func TestConformancePagesInABrowser(t *testing.T) {
	b := openBrowser(t)
	pages := map[string][]byte{}
	for i, f := range fixtures {
		r, s := f.make()
		page, name := pageOf(t, r, s), f.name
		pages[name] = page
		for k, v := range views {
			// Each width and theme of some page, both of the hardest; with screenshots, all.
			full := name == "fail" || name == "hostile"
			if os.Getenv(shotsEnv) == "" && k != i%4 && !(full && k == 3-i%4) {
				continue
			}
			t.Run(name+"/"+v.name, func(t *testing.T) {
				p := b.show(t, name, page, v)
				if wide := ask[int64](p, "document.documentElement.scrollWidth"); wide > v.wide {
					t.Errorf("the page is %d pixels wide on a screen of %d: %s", wide, v.wide, ask[string](p,
						fmt.Sprintf(`[...document.querySelectorAll("main *")].filter(e => e.getBoundingClientRect().right > %d && !e.closest(".wide, pre, svg")).slice(0, 5).map(e => e.outerHTML.slice(0, 100)).join("\n")`, v.wide+1)))
				}
				if got := ask[string](p, "document.querySelector('.badge').textContent"); !slices.Contains([]string{"PASS", "FAIL", "UNKNOWN"}, got) {
					t.Errorf("verdict %q", got)
				}
				b.accessible(p)
				p.quiet()
			})
		}
	}
	others := map[string][]byte{}
	runs, c := settled(), Compare(settled(), "")
	var err error
	if others["comparison"], err = CompareHTML(&c, runs); err != nil {
		t.Fatal(err)
	}
	var listed []Indexed
	for i, f := range append(fixtures, fixtures...) {
		r, _ := f.make()
		listed = append(listed, Indexed{Path: fmt.Sprintf("%s/%d", f.name, i), Result: r})
	}
	if others["index"], err = IndexHTML("runs", append(listed, Indexed{Path: "x", Problem: evil}), 2, IndexQuery{}); err != nil {
		t.Fatal(err)
	}
	for name, page := range others {
		for _, v := range []view{views[0], views[3]} {
			t.Run(name+"/"+v.name, func(t *testing.T) {
				p := b.show(t, name, page, v)
				if wide := ask[int64](p, "document.documentElement.scrollWidth"); wide > v.wide {
					t.Errorf("the page is %d pixels wide on a screen of %d", wide, v.wide)
				}
				b.accessible(p)
				p.quiet()
			})
		}
	}
	t.Run("hostile text runs nothing", func(t *testing.T) {
		p := b.show(t, "hostile", pages["hostile"], views[0])
		if n := ask[int](p, "document.querySelectorAll('script').length"); n != 2 {
			t.Errorf("%d scripts, ours are 2", n)
		}
		if !strings.Contains(ask[string](p, "document.querySelector('main').textContent"), "<script>alert(1)</script>") {
			t.Error("what was hostile is not shown as text")
		}
		p.quiet()
	})
}

// parseFigure reads a duration back from how it is shown.
func parseFigure(t *testing.T, text string) float64 {
	t.Helper()
	number, unit, ok := strings.Cut(strings.TrimSpace(text), " ")
	v, err := strconv.ParseFloat(strings.ReplaceAll(number, ",", ""), 64)
	per, known := map[string]float64{"µs": 1e-3, "ms": 1, "s": 1e3, "min": 6e4, "h": 3.6e6}[unit]
	if !ok || err != nil || !known {
		t.Fatalf("%q is no duration", text)
	}
	return v * per
}

// What the page says is what result.json says, read back from the page.
func TestConformancePageEqualsResult(t *testing.T) {
	b := openBrowser(t)
	made, s := failing()
	encoded, err := json.Marshal(made)
	if err != nil {
		t.Fatal(err)
	}
	var r bench.Result
	if err := json.Unmarshal(encoded, &r); err != nil {
		t.Fatal(err)
	}
	p := b.show(t, "equals", pageOf(t, made, s), views[0])
	if got := ask[string](p, "document.querySelector('.badge').textContent"); !strings.EqualFold(got, string(r.Verdict)) {
		t.Errorf("verdict %s, result.json has %s", got, r.Verdict)
	}
	counts := ask[[]string](p, "[...document.querySelectorAll('.flow .n')].map(e => e.textContent.replaceAll(',', ''))")
	want := []int64{r.Requests.Planned, r.Requests.Sent, r.Requests.Acknowledged, r.Items.Processed + r.Items.LostProcessing, r.Items.Processed}
	if got, want := strings.Join(counts, " "), strings.Trim(fmt.Sprint(want), "[]"); got != want {
		t.Errorf("the flow has %s, result.json %s", got, want)
	}
	items := ask[map[string]string](p, `Object.fromEntries([...document.querySelectorAll("[aria-label='Items by verdict'] tbody tr")].map(r => [r.cells[0].textContent, r.cells[1].textContent.replaceAll(",", "")]))`)
	seen := 0
	for _, v := range bench.ItemVerdicts() {
		if n, known := r.Items.Of(v); known && n > 0 {
			seen++
			if items[words(v.String())] != strconv.FormatInt(n, 10) {
				t.Errorf("%s: the page has %q, result.json %d", v, items[words(v.String())], n)
			}
		}
	}
	if seen < 2 {
		t.Error("the fixture has too few verdicts to compare")
	}
	times := ask[map[string][]string](p, `Object.fromEntries([...document.querySelectorAll("[aria-label='Times'] tbody tr")].map(r => [r.cells[0].textContent, [...r.cells].map(c => c.textContent)]))`)
	for name, l := range map[string]*bench.Latency{"response time": &r.ResponseTime, "processing lag": r.Lag, "service time": &r.ServiceTime} {
		for i, v := range []*float64{l.P50, l.P90, l.P95, l.P99, l.P999} {
			cell := times[name][3+i]
			if v == nil {
				if !strings.HasPrefix(cell, "≥ ") && cell != unbounded {
					t.Errorf("%s: %q where result.json has null of %d censored", name, cell, l.Censored)
				}
				continue
			}
			if got := parseFigure(t, cell); math.Abs(got-*v) > *v*0.006 {
				t.Errorf("%s: the page has %q, result.json %g ms", name, cell, *v)
			}
		}
	}
	rows := ask[int](p, "document.querySelectorAll('#table tbody tr').length")
	if rows != len(r.Findings) {
		t.Errorf("%d findings in the table, %d in result.json", rows, len(r.Findings))
	}
	p.quiet()
}

// bounds is what is shown of the timeline.
func bounds(p *tab) [2]float64 {
	return ask[[2]float64](p, `(() => { const v = document.querySelector("#lane-response .plot").getAttribute("viewBox").split(" ").map(Number); return [v[0], v[0] + v[2]] })()`)
}

// The timeline under the pointer and on the keyboard.
func TestConformanceTimelineZoomsAndReads(t *testing.T) {
	b := openBrowser(t)
	r, s := failing()
	p := b.show(t, "zoom", pageOf(t, r, s), views[0])
	all := bounds(p)
	if all != [2]float64{0, float64(len(s.Rows))} {
		t.Fatalf("the axis is %v for %d rows", all, len(s.Rows))
	}
	p.do(chromedp.Evaluate(`document.querySelector("#lane-response").scrollIntoView({block: "center"})`, nil))
	box := ask[[4]float64](p, `(() => { const b = document.querySelector("#lane-response .chart").getBoundingClientRect(); return [b.x, b.y, b.width, b.height] })()`)
	at := func(row float64) float64 { return box[0] + box[2]*row/all[1] }
	y := box[1] + box[3]/2
	p.do(chromedp.MouseEvent(input.MouseMoved, at(7.5), y))
	readout := ask[string](p, "document.querySelector('#readout').textContent")
	row := s.Rows[7]
	for _, want := range []string{"7 s", "500/s offered", "fault: " + r.Faults[0].Text, "25/s invocations", "1 deaths", fmt.Sprintf("%d lost", row.Lost)} {
		if !strings.Contains(readout, want) {
			t.Errorf("under the pointer at row 7: %q, want %q in it", readout, want)
		}
	}
	_, p99, _ := strings.Cut(readout, "p99 ")
	p99, _, _ = strings.Cut(p99, ",")
	if got := parseFigure(t, p99); math.Abs(got-*row.P99) > *row.P99*0.006 {
		t.Errorf("p99 of row 7: %q, the series has %g ms", p99, *row.P99)
	}
	p.do(
		chromedp.MouseEvent(input.MousePressed, at(5), y, chromedp.ButtonLeft),
		chromedp.MouseEvent(input.MouseMoved, at(9), y, chromedp.ButtonLeft),
		chromedp.MouseEvent(input.MouseMoved, at(12), y, chromedp.ButtonLeft),
		chromedp.MouseEvent(input.MouseReleased, at(12), y, chromedp.ButtonLeft),
	)
	if got := bounds(p); math.Abs(got[0]-5) > 0.1 || math.Abs(got[1]-12) > 0.1 {
		t.Errorf("dragged from row 5 to 12, shown is %v", got)
	}
	if ticks := ask[string](p, "[...document.querySelectorAll('.axis text')].map(e => e.textContent).join()"); !strings.Contains(ticks, "6 s") || strings.Contains(ticks, "20 s") {
		t.Errorf("the axis says %s", ticks)
	}
	p.do(chromedp.Focus("#timeline"), chromedp.KeyEvent(kb.Escape))
	if got := bounds(p); got != all {
		t.Errorf("Escape shows %v", got)
	}
	p.do(chromedp.Click("#zoom-in"))
	if got := bounds(p); got[1]-got[0] != all[1]/2 {
		t.Errorf("zoomed in by the button: %v", got)
	}
	p.do(chromedp.Click("#zoom-all"), chromedp.MouseEvent(input.MouseMoved, at(3.5), y), chromedp.Focus("#timeline"), chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowRight))
	if got := ask[string](p, "document.querySelector('#readout').textContent"); !strings.HasPrefix(got, "5 s") {
		t.Errorf("two steps to the right of row 3: %q", got)
	}
	p.quiet()
}

// The table of findings: filter, sort, and the life of one.
func TestConformanceFindingsFilterSortAndTell(t *testing.T) {
	b := openBrowser(t)
	r, s := failing()
	r.Findings[1].Verdict = bench.Duplicated
	p := b.show(t, "findings", pageOf(t, r, s), views[0])
	shown := func() int {
		return ask[int](p, "[...document.querySelectorAll('#table tbody tr')].filter(r => !r.hidden && !r.classList.contains('told')).length")
	}
	if got := shown(); got != len(r.Findings) {
		t.Errorf("%d rows shown of %d", got, len(r.Findings))
	}
	p.do(chromedp.SetValue("#verdict", "duplicated"), chromedp.Evaluate(`document.querySelector("#verdict").dispatchEvent(new Event("change"))`, nil))
	if got := shown(); got != 1 {
		t.Errorf("filtered by verdict: %d rows", got)
	}
	p.do(chromedp.Evaluate(`document.querySelector("#verdict").value = ""`, nil), chromedp.SendKeys("#filter", strings.ToUpper(r.Findings[5].ID)))
	if got := shown(); got != 1 || !strings.HasPrefix(ask[string](p, "document.querySelector('#matches').textContent"), "1 of") {
		t.Errorf("filtered by id: %d rows", got)
	}
	p.do(chromedp.Evaluate(`document.querySelector("#filter").value = ""; document.querySelector("#filter").dispatchEvent(new Event("input"))`, nil))
	p.do(chromedp.Click("#table thead th:nth-child(2) button"), chromedp.Click("#table thead th:nth-child(2) button"))
	last := r.Findings[len(r.Findings)-1].ID
	if got := ask[string](p, "document.querySelector('#table tbody tr th').textContent"); got != last {
		t.Errorf("sorted by id, downwards: %s comes first, want %s", got, last)
	}
	id := s.Traces[0].ID
	link := fmt.Sprintf("#table a[href='#life-%d']", s.Traces[0].Seq)
	p.do(chromedp.Evaluate(fmt.Sprintf("document.querySelector(%q).click()", link), nil))
	under := ask[string](p, fmt.Sprintf("document.querySelector(%q).closest('tr').nextElementSibling.textContent", link))
	for _, step := range s.Traces[0].Steps {
		if !strings.Contains(under, step.Text) {
			t.Errorf("the life of %s lacks %q", id, step.Text)
		}
	}
	b.accessible(p)
	p.do(chromedp.Evaluate(fmt.Sprintf("document.querySelector(%q).click()", link), nil))
	if n := ask[int](p, "document.querySelectorAll('#table tr.told').length"); n != 0 {
		t.Error("a second click does not close it")
	}
	if n := ask[int](p, "document.querySelectorAll('#lives .life').length"); n != len(s.Traces) {
		t.Errorf("%d lives are left below the table, of %d", n, len(s.Traces))
	}
	p.quiet()
}

// Without script the page shows all the same.
func TestConformancePageWithoutScript(t *testing.T) {
	b := openBrowser(t)
	r, s := failing()
	p := b.show(t, "no-script", pageOf(t, r, s), view{name: "no-script", wide: 1280, noScript: true})
	var text string
	p.do(chromedp.InnerHTML("main", &text))
	for _, want := range []string{"FAIL", r.Findings[100].ID, s.Traces[0].Steps[3].Text, "lane-response", "name: crash"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	p.quiet()
}
