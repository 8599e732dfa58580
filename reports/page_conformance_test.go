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
	"github.com/ackproof/ackproof/bench/browser"
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
	b := browser.Open(t)
	pages := map[string][]byte{}
	for i, f := range fixtures {
		r, s := f.make()
		page, name := pageOf(t, r, s), f.name
		pages[name] = page
		for k, v := range browser.Views {
			// Each width and theme of some page, both of the hardest; with screenshots, all.
			full := name == "fail" || name == "hostile"
			if os.Getenv(browser.ScreenshotsEnv) == "" && k != i%4 && !(full && k == 3-i%4) {
				continue
			}
			t.Run(name+"/"+v.Name, func(t *testing.T) {
				p := b.Show(t, name, page, v)
				if wide := browser.Ask[int64](p, "document.documentElement.scrollWidth"); wide > v.Wide {
					t.Errorf("the page is %d pixels wide on a screen of %d: %s", wide, v.Wide, browser.Ask[string](p,
						fmt.Sprintf(`[...document.querySelectorAll("main *")].filter(e => e.getBoundingClientRect().right > %d && !e.closest(".wide, pre, svg")).slice(0, 5).map(e => e.outerHTML.slice(0, 100)).join("\n")`, v.Wide+1)))
				}
				if got := browser.Ask[string](p, "document.querySelector('.badge').textContent"); !slices.Contains([]string{"PASS", "FAIL", "UNKNOWN"}, got) {
					t.Errorf("verdict %q", got)
				}
				b.Accessible(p)
				p.Quiet()
			})
		}
	}
	for name, page := range otherPages(t) {
		for k, v := range browser.Views {
			if os.Getenv(browser.ScreenshotsEnv) == "" && k != 0 && k != 3 {
				continue
			}
			t.Run(name+"/"+v.Name, func(t *testing.T) {
				p := b.Show(t, name, page, v)
				if wide := browser.Ask[int64](p, "document.documentElement.scrollWidth"); wide > v.Wide {
					t.Errorf("the page is %d pixels wide on a screen of %d", wide, v.Wide)
				}
				b.Accessible(p)
				p.Quiet()
			})
		}
	}
	t.Run("hostile text runs nothing", func(t *testing.T) {
		p := b.Show(t, "hostile", pages["hostile"], browser.Views[0])
		if n := browser.Ask[int](p, "document.querySelectorAll('script').length"); n != 2 {
			t.Errorf("%d scripts, ours are 2", n)
		}
		if !strings.Contains(browser.Ask[string](p, "document.querySelector('main').textContent"), "<script>alert(1)</script>") {
			t.Error("what was hostile is not shown as text")
		}
		p.Quiet()
	})
}

// otherPages are the pages that are not of one run.
func otherPages(t *testing.T) map[string][]byte {
	t.Helper()
	pages := map[string][]byte{}
	add := func(name string, page []byte, err error) {
		if err != nil {
			t.Fatal(err)
		}
		pages[name] = page
	}
	compare := func(name string, runs []Run) {
		c := Compare(runs, "")
		page, err := CompareHTML(&c, runs)
		add(name, page, err)
	}
	compare("comparison", settled())
	compare("comparison-capacities", measured())
	a, before := hostile()
	b, after := passing()
	compare("comparison-hostile", []Run{{Result: a, Series: before, Dir: "javascript:alert(1)"}, {Result: b, Series: after, Dir: evil}})
	var listed []Indexed
	for i, f := range append(fixtures, fixtures...) {
		r, _ := f.make()
		listed = append(listed, Indexed{Path: fmt.Sprintf("%s/%d", f.name, i), Result: r})
	}
	page, err := IndexHTML("runs", append(listed, Indexed{Path: "x", Problem: evil}), 2, IndexQuery{})
	add("index", page, err)
	page, err = SuiteHTML(SuitePage{
		Verdict: bench.Fail, About: evil, Headline: evil, Fingerprint: "0+3+", Legend: "what the words mean", Undecided: []string{evil}, Settings: []string{"batchSize: 10", evil},
		Probes:     []SuiteProbe{{Name: "crash", About: "killed in mid-batch", Shows: "lost", Words: evil, Run: "crash", Bad: true}, {Name: "calm", About: "nothing is broken", Shows: "nothing"}},
		Candidates: []SuiteCandidate{{Rank: 1, Title: "the batch is acknowledged before it is done", Fits: "12 of 12 probes", For: []string{evil}, Against: []string{"none"}, Change: "return the failures"}},
	})
	add("suite", page, err)
	return pages
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
	b := browser.Open(t)
	made, s := failing()
	encoded, err := json.Marshal(made)
	if err != nil {
		t.Fatal(err)
	}
	var r bench.Result
	if err := json.Unmarshal(encoded, &r); err != nil {
		t.Fatal(err)
	}
	p := b.Show(t, "equals", pageOf(t, made, s), browser.Views[0])
	if got := browser.Ask[string](p, "document.querySelector('.badge').textContent"); !strings.EqualFold(got, string(r.Verdict)) {
		t.Errorf("verdict %s, result.json has %s", got, r.Verdict)
	}
	counts := browser.Ask[[]string](p, "[...document.querySelectorAll('.flow .n')].map(e => e.textContent.replaceAll(',', ''))")
	want := []int64{r.Requests.Planned, r.Requests.Sent, r.Requests.Acknowledged, r.Items.Processed + r.Items.LostProcessing, r.Items.Processed}
	if got, want := strings.Join(counts, " "), strings.Trim(fmt.Sprint(want), "[]"); got != want {
		t.Errorf("the flow has %s, result.json %s", got, want)
	}
	items := browser.Ask[map[string]string](p, `Object.fromEntries([...document.querySelectorAll("[aria-label='Items by verdict'] tbody tr")].map(r => [r.cells[0].textContent, r.cells[1].textContent.replaceAll(",", "")]))`)
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
	times := browser.Ask[map[string][]string](p, `Object.fromEntries([...document.querySelectorAll("[aria-label='Times'] tbody tr")].map(r => [r.cells[0].textContent, [...r.cells].map(c => c.textContent)]))`)
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
	rows := browser.Ask[int](p, "document.querySelectorAll('#table tbody tr').length")
	if rows != len(r.Findings) {
		t.Errorf("%d findings in the table, %d in result.json", rows, len(r.Findings))
	}
	p.Quiet()
}

// bounds is what is shown of the timeline.
func bounds(p *browser.Tab) [2]float64 {
	return browser.Ask[[2]float64](p, `(() => { const v = document.querySelector("#lane-response .plot").getAttribute("viewBox").split(" ").map(Number); return [v[0], v[0] + v[2]] })()`)
}

// The timeline under the pointer and on the keyboard.
func TestConformanceTimelineZoomsAndReads(t *testing.T) {
	b := browser.Open(t)
	r, s := failing()
	p := b.Show(t, "zoom", pageOf(t, r, s), browser.Views[0])
	all := bounds(p)
	if all != [2]float64{0, float64(len(s.Rows))} {
		t.Fatalf("the axis is %v for %d rows", all, len(s.Rows))
	}
	p.Do(chromedp.Evaluate(`document.querySelector("#lane-response").scrollIntoView({block: "center"})`, nil))
	box := browser.Ask[[4]float64](p, `(() => { const b = document.querySelector("#lane-response .chart").getBoundingClientRect(); return [b.x, b.y, b.width, b.height] })()`)
	at := func(row float64) float64 { return box[0] + box[2]*row/all[1] }
	y := box[1] + box[3]/2
	p.Do(chromedp.MouseEvent(input.MouseMoved, at(7.5), y))
	readout := browser.Ask[string](p, "document.querySelector('#readout').textContent")
	row := s.Rows[7]
	for _, want := range []string{"7 s", "500/s offered", "fault: " + r.Faults[0].Text, "25/s invocations", "deaths 1", fmt.Sprintf("lost %d", row.Lost)} {
		if !strings.Contains(readout, want) {
			t.Errorf("under the pointer at row 7: %q, want %q in it", readout, want)
		}
	}
	_, p99, _ := strings.Cut(readout, "p99 ")
	p99, _, _ = strings.Cut(p99, ",")
	if got := parseFigure(t, p99); math.Abs(got-*row.P99) > *row.P99*0.006 {
		t.Errorf("p99 of row 7: %q, the series has %g ms", p99, *row.P99)
	}
	p.Do(
		chromedp.MouseEvent(input.MousePressed, at(5), y, chromedp.ButtonLeft),
		chromedp.MouseEvent(input.MouseMoved, at(9), y, chromedp.ButtonLeft),
		chromedp.MouseEvent(input.MouseMoved, at(12), y, chromedp.ButtonLeft),
		chromedp.MouseEvent(input.MouseReleased, at(12), y, chromedp.ButtonLeft),
	)
	if got := bounds(p); math.Abs(got[0]-5) > 0.1 || math.Abs(got[1]-12) > 0.1 {
		t.Errorf("dragged from row 5 to 12, shown is %v", got)
	}
	if ticks := browser.Ask[string](p, "[...document.querySelectorAll('.axis text')].map(e => e.textContent).join()"); !strings.Contains(ticks, "6 s") || strings.Contains(ticks, "20 s") {
		t.Errorf("the axis says %s", ticks)
	}
	p.Do(chromedp.Focus("#timeline"), chromedp.KeyEvent(kb.Escape))
	if got := bounds(p); got != all {
		t.Errorf("Escape shows %v", got)
	}
	p.Do(chromedp.Click("#zoom-in"))
	if got := bounds(p); got[1]-got[0] != all[1]/2 {
		t.Errorf("zoomed in by the button: %v", got)
	}
	p.Do(chromedp.Click("#zoom-all"), chromedp.MouseEvent(input.MouseMoved, at(3.5), y), chromedp.Focus("#timeline"), chromedp.KeyEvent(kb.ArrowRight), chromedp.KeyEvent(kb.ArrowRight))
	if got := browser.Ask[string](p, "document.querySelector('#readout').textContent"); !strings.HasPrefix(got, "5 s") {
		t.Errorf("two steps to the right of row 3: %q", got)
	}
	p.Quiet()
}

// The timelines of a comparison lie over each other: one drag zooms all, and each side
// is read under the pointer.
func TestConformanceComparisonZoomsAndReads(t *testing.T) {
	b := browser.Open(t)
	runs := settled()
	for i := range runs {
		runs[i].Result.Run.Architecture = []string{bench.Streams, bench.Sync}[i]
	}
	c := Compare(runs, "")
	page, err := CompareHTML(&c, runs)
	if err != nil {
		t.Fatal(err)
	}
	p := b.Show(t, "comparison-zoom", page, browser.Views[0])
	p.Do(chromedp.Evaluate(`document.querySelector("#lane-p99").scrollIntoView({block: "center"})`, nil))
	box := browser.Ask[[4]float64](p, `(() => { const b = document.querySelector("#lane-p99 .chart").getBoundingClientRect(); return [b.x, b.y, b.width, b.height] })()`)
	end := float64(len(runs[0].Series.Rows)) * runs[0].Series.WidthMs
	at := func(ms float64) float64 { return box[0] + box[2]*ms/end }
	y := box[1] + box[3]/2
	p.Do(chromedp.MouseEvent(input.MouseMoved, at(7500), y))
	readout := browser.Ask[string](p, "document.querySelector('#readout').textContent")
	for i, arch := range []string{bench.Streams, bench.Sync} {
		row := runs[i].Series.Rows[7]
		_, side, ok := strings.Cut(readout, arch+": p99 ")
		p99, rest, _ := strings.Cut(side, ",")
		if !ok || math.Abs(parseFigure(t, p99)-*row.P99) > *row.P99*0.006 || !strings.Contains(rest, "lag p99 ") || !strings.Contains(rest, "backlog ") {
			t.Errorf("%s under the pointer at 7.5 s: %q, the series has %+v", arch, readout, row)
		}
	}
	p.Do(
		chromedp.MouseEvent(input.MousePressed, at(5000), y, chromedp.ButtonLeft),
		chromedp.MouseEvent(input.MouseMoved, at(9000), y, chromedp.ButtonLeft),
		chromedp.MouseEvent(input.MouseReleased, at(12000), y, chromedp.ButtonLeft),
	)
	for _, l := range []string{"p99", "lag-p99", "backlog"} {
		shown := browser.Ask[[2]float64](p, fmt.Sprintf(`(() => { const v = document.querySelector("#lane-%s .plot").getAttribute("viewBox").split(" ").map(Number); return [v[0], v[2]] })()`, l))
		if from, wide := shown[0]*end/1000, shown[1]*end/1000; math.Abs(from-5000) > 50 || math.Abs(wide-7000) > 80 {
			t.Errorf("%s: dragged from 5 s to 12 s, shown are %g ms from %g ms", l, wide, from)
		}
	}
	p.Shoot("comparison-zoomed")
	p.Do(chromedp.Click("#zoom-all"))
	if axis := browser.Ask[string](p, "[...document.querySelectorAll('.axis text')].map(e => e.textContent).join()"); !strings.HasPrefix(axis, "0 s") {
		t.Errorf("the whole run again, the axis says %s", axis)
	}
	p.Quiet()
}

// The table of findings: filter, sort, and the life of one.
func TestConformanceFindingsFilterSortAndTell(t *testing.T) {
	b := browser.Open(t)
	r, s := failing()
	r.Findings[1].Verdict = bench.Duplicated
	p := b.Show(t, "findings", pageOf(t, r, s), browser.Views[0])
	shown := func() int {
		return browser.Ask[int](p, "[...document.querySelectorAll('#table tbody tr')].filter(r => !r.hidden && !r.classList.contains('told')).length")
	}
	if got := shown(); got != len(r.Findings) {
		t.Errorf("%d rows shown of %d", got, len(r.Findings))
	}
	p.Do(chromedp.SetValue("#verdict", "duplicated"), chromedp.Evaluate(`document.querySelector("#verdict").dispatchEvent(new Event("change"))`, nil))
	if got := shown(); got != 1 {
		t.Errorf("filtered by verdict: %d rows", got)
	}
	p.Do(chromedp.Evaluate(`document.querySelector("#verdict").value = ""`, nil), chromedp.SendKeys("#filter", strings.ToUpper(r.Findings[5].ID)))
	if got := shown(); got != 1 || !strings.HasPrefix(browser.Ask[string](p, "document.querySelector('#matches').textContent"), "1 of") {
		t.Errorf("filtered by id: %d rows", got)
	}
	p.Do(chromedp.Evaluate(`document.querySelector("#filter").value = ""; document.querySelector("#filter").dispatchEvent(new Event("input"))`, nil))
	p.Do(chromedp.Click("#table thead th:nth-child(2) button"), chromedp.Click("#table thead th:nth-child(2) button"))
	last := r.Findings[len(r.Findings)-1].ID
	if got := browser.Ask[string](p, "document.querySelector('#table tbody tr th').textContent"); got != last {
		t.Errorf("sorted by id, downwards: %s comes first, want %s", got, last)
	}
	id := s.Traces[0].ID
	link := fmt.Sprintf("#table a[href='#life-%d']", s.Traces[0].Seq)
	p.Do(chromedp.Evaluate(fmt.Sprintf("document.querySelector(%q).click()", link), nil))
	under := browser.Ask[string](p, fmt.Sprintf("document.querySelector(%q).closest('tr').nextElementSibling.textContent", link))
	for _, step := range s.Traces[0].Steps {
		if !strings.Contains(under, step.Text) {
			t.Errorf("the life of %s lacks %q", id, step.Text)
		}
	}
	b.Accessible(p)
	p.Do(chromedp.Evaluate(fmt.Sprintf("document.querySelector(%q).click()", link), nil))
	if n := browser.Ask[int](p, "document.querySelectorAll('#table tr.told').length"); n != 0 {
		t.Error("a second click does not close it")
	}
	untold := fmt.Sprintf("document.evaluate(`//tbody//button[.=%q]`, document, null, 9).singleNodeValue", last)
	p.Do(chromedp.Evaluate(untold+".click()", nil))
	if under := browser.Ask[string](p, untold+".closest('tr').nextElementSibling.textContent"); !strings.HasSuffix(under, "ackproof trace . "+last) {
		t.Errorf("a finding whose life is not told says %q", under)
	}
	p.Do(chromedp.Evaluate(untold+".click()", nil))
	if n := browser.Ask[int](p, "document.querySelectorAll('#lives .life').length"); n != len(s.Traces) {
		t.Errorf("%d lives are left below the table, of %d", n, len(s.Traces))
	}
	p.Quiet()
}

// Without script the page shows all the same.
func TestConformancePageWithoutScript(t *testing.T) {
	b := browser.Open(t)
	r, s := failing()
	p := b.Show(t, "no-script", pageOf(t, r, s), browser.View{Name: "no-script", Wide: 1280, NoScript: true})
	var text string
	p.Do(chromedp.InnerHTML("main", &text))
	for _, want := range []string{"FAIL", r.Findings[100].ID, s.Traces[0].Steps[3].Text, "lane-response", "name: crash"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	p.Quiet()
}

// largest is a run of which every list is as long as it can be, whatever the number of
// requests: a day of load with a peak in each hour.
func largest() (*bench.Result, *bench.Series) {
	r, s := failing()
	const rows = bench.MaxSeriesRows * 3 / 2
	some := s.Rows
	s.Rows, s.WidthMs = nil, 144_000
	s.LoadMs, s.EndMs = bench.MaxSeriesRows*s.WidthMs, rows*s.WidthMs
	for i := range rows {
		row := some[i*7%len(some)]
		row.TMs = float64(i) * s.WidthMs
		s.Rows = append(s.Rows, row)
	}
	r.Backlog = nil
	for i := range int(s.EndMs / 1000) {
		r.Backlog = append(r.Backlog, bench.BacklogRow{TMs: float64(i) * 1000, Pending: int64(i%3600) * int64(i%7)})
	}
	finding := r.Findings[0]
	r.Findings, s.Traces = nil, nil
	for i := range uint64(1000) {
		f := finding
		f.Seq = i * 9973
		f.ID = bench.ID{Run: r.Run.ID, Seq: f.Seq}.String()
		f.Verdict = bench.ItemVerdicts()[7+i%6]
		r.Findings = append(r.Findings, f)
		if i < bench.MaxTraces {
			life := redelivered()
			life.ID, life.Seq, life.Finding = f.ID, f.Seq, &f
			s.Traces = append(s.Traces, *life)
		}
	}
	r.Items.LostProcessing = 1e6
	return r, s
}

// The largest page stays small, opens, and has all that it should; how long scrolling
// through it and zooming in it keep the browser busy at a time is told.
func TestConformanceLargestPage(t *testing.T) {
	b := browser.Open(t)
	r, s := largest()
	page := pageOf(t, r, s)
	if n := len(page); n > 3<<20 {
		t.Errorf("the page has %d bytes", n)
	}
	p := b.Show(t, "largest", page, browser.Views[0])
	p.Do(chromedp.Evaluate(`window.long = []; new PerformanceObserver(list => list.getEntries().forEach(e => window.long.push(Math.round(e.duration)))).observe({type: "longtask", buffered: true})`, nil))
	tasks := func() string {
		return browser.Ask[string](p, "(() => { const l = window.long.splice(0); return l.length ? l.join(' ms, ') + ' ms' : 'none' })()")
	}
	opened := tasks()
	frames := browser.Ask[[]float64](p, `new Promise(done => {
		const frames = []
		let last = performance.now(), y = 0
		const step = now => {
			frames.push(now - last)
			last = now
			y += 120
			scrollTo(0, y)
			y < document.documentElement.scrollHeight - innerHeight ? requestAnimationFrame(step) : done(frames.sort((a, b) => a - b))
		}
		requestAnimationFrame(step)
	})`)
	scrolled := tasks()
	p.Do(chromedp.Click("#zoom-in"), chromedp.Click("#zoom-in"))
	t.Logf("%d kB, %d elements; tasks above 50 ms while it opened: %s, while it scrolled %d frames: %s (frame p50 %.0f ms, max %.0f ms), while it zoomed: %s",
		len(page)>>10, browser.Ask[int](p, "document.querySelectorAll('*').length"), opened, len(frames), scrolled, frames[len(frames)/2], frames[len(frames)-1], tasks())
	if n := browser.Ask[int](p, "document.querySelectorAll('#table tbody tr').length"); n != len(r.Findings) {
		t.Errorf("%d findings in the table, of %d", n, len(r.Findings))
	}
	p.Quiet()
}
