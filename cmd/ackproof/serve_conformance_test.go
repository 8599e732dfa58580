package main

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/ackproof/ackproof/bench/browser"
	"github.com/ackproof/ackproof/bench/run"
)

// TestConformanceServeInABrowser walks through a folder of runs as its reader does:
// from the list to a report, back, two ticks, and their comparison.
func TestConformanceServeInABrowser(t *testing.T) {
	b := browser.Open(t)
	root, _ := folderOfRuns(t)
	index, err := run.NewIndex(root)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(runsHandler(index, "runs"))
	defer server.Close()
	p := b.Visit(t, "serve", server.URL+"/", server.URL+"/", browser.Views[0])
	title := func() string { return browser.Ask[string](p, "document.querySelector('h1').textContent") }
	if got := title(); got != "3 runs in runs" {
		t.Errorf("the list says %q", got)
	}
	b.Accessible(p)
	p.Do(chromedp.Click("#table tbody tr:first-child a"), chromedp.WaitReady("#timeline"))
	if got := title(); !strings.Contains(got, "requests acknowledged") {
		t.Errorf("the report says %q", got)
	}
	p.Do(chromedp.Click("#zoom-in")) // its script runs in the box that it is given
	if got := browser.Ask[bool](p, "document.querySelector('#zoom-all').disabled"); got {
		t.Error("the report does not zoom")
	}
	p.Do(chromedp.Navigate(server.URL+"/"), chromedp.WaitReady("#table"))
	p.Do(chromedp.Evaluate("document.querySelectorAll('#table input[type=checkbox]').forEach(box => box.click())", nil))
	p.Do(chromedp.Submit("form[action='/compare']"), chromedp.WaitReady(".sides"))
	if got := title(); got != "Comparison of 2 runs" {
		t.Errorf("the comparison says %q", got)
	}
	p.Shoot("serve-compare")
	if verdicts := browser.Ask[string](p, "[...document.querySelectorAll('.badge')].map(e => e.textContent).join()"); verdicts != "PASS,FAIL" && verdicts != "FAIL,PASS" {
		t.Errorf("the verdicts of the two are %s", verdicts)
	}
	if lanes := browser.Ask[int](p, "document.querySelectorAll('#timeline .lane').length"); lanes != 3 {
		t.Errorf("%d timelines lie over each other", lanes)
	}
	if lines := browser.Ask[string](p, "[...document.querySelectorAll('#lane-p99 path.line')].map(e => e.className.baseVal).join()"); lines != "line side0,line side1" {
		t.Errorf("the two runs are drawn as %s", lines)
	}
	b.Accessible(p)
	p.Do(chromedp.Click("section:last-of-type table a"), chromedp.WaitReady("#timeline")) // a run of the comparison
	if got := title(); !strings.Contains(got, "requests acknowledged") {
		t.Errorf("a report by way of the comparison says %q", got)
	}
	p.Quiet()
}
