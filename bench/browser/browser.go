// Package browser opens the pages of reports in a headless Chromium, for tests alone:
// what its console says, what it asks for beyond the page, what axe-core finds.
package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/ackproof/ackproof/bench/peer"
)

// ScreenshotsEnv is the environment variable with a folder for screenshots of every
// page that is opened; unset: none is taken.
const ScreenshotsEnv = "ACKPROOF_SCREENSHOTS"

// Browser is a headless Chromium.
type Browser struct {
	ctx context.Context
	axe string
}

var names = []string{"chromium", "chromium-browser", "google-chrome", "chrome"}

// Open starts one, which ends with the test. Outside of conformance the test is
// skipped; conformance without a browser is a failure: nothing checked is never a pass.
func Open(t *testing.T) *Browser {
	t.Helper()
	if os.Getenv("ACKPROOF_CONFORMANCE") == "" {
		t.Skip("pages in a real browser: set ACKPROOF_CONFORMANCE=1")
	}
	path := ""
	for _, name := range names {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Fatalf("no browser on the PATH: install one of %s", strings.Join(names, ", "))
	}
	dir, err := peer.Install(peer.Axe)
	if err != nil {
		t.Fatal(err)
	}
	axe, err := os.ReadFile(filepath.Join(dir, "node_modules/axe-core/axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()))
	allocator, endAllocator := chromedp.NewExecAllocator(t.Context(), options...)
	ctx, end := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // closes it, and waits until it has gone
		end()
		endAllocator()
	})
	if err := chromedp.Run(ctx); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	return &Browser{ctx, string(axe)}
}

// View is how a page is looked at.
type View struct {
	Name     string
	Wide     int64 // in CSS pixels; below 500 it is a phone
	Dark     bool
	NoScript bool
}

// Views are both widths in both themes.
var Views = []View{{Name: "desktop", Wide: 1280}, {Name: "desktop-dark", Wide: 1280, Dark: true}, {Name: "phone", Wide: 390}, {Name: "phone-dark", Wide: 390, Dark: true}}

// Tab is a page in the browser.
type Tab struct {
	*testing.T
	ctx     context.Context
	mu      sync.Mutex
	trouble []string // errors in the console, and requests that leave the page
}

// Show opens a page from a file. Nothing beyond the file may be asked for.
func (b *Browser) Show(t *testing.T, name string, page []byte, v View) *Tab {
	t.Helper()
	path := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(path, page, 0o644); err != nil {
		t.Fatal(err)
	}
	return b.Visit(t, name, "file://"+path, "file://"+path, v)
}

// Visit opens a page at an address. Nothing may be asked for but what begins with
// within. name is that of its screenshot.
func (b *Browser) Visit(t *testing.T, name, url, within string, v View) *Tab {
	t.Helper()
	ctx, end := chromedp.NewContext(b.ctx)
	ctx, endTimeout := context.WithTimeout(ctx, 90*time.Second)
	t.Cleanup(func() { endTimeout(); end() })
	p := &Tab{T: t, ctx: ctx}
	chromedp.ListenTarget(ctx, func(e any) { p.heard(e, within) })
	theme := "light"
	if v.Dark {
		theme = "dark"
	}
	p.Do(
		network.Enable(), log.Enable(), runtime.Enable(),
		emulation.SetDeviceMetricsOverride(v.Wide, 900, 1, v.Wide < 500),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}),
		emulation.SetScriptExecutionDisabled(v.NoScript),
		chromedp.Navigate(url), chromedp.WaitReady("main"),
	)
	p.Shoot(name + "-" + v.Name)
	return p
}

// Shoot takes a screenshot of the whole page, where a folder for them is named.
func (p *Tab) Shoot(name string) {
	p.Helper()
	dir := os.Getenv(ScreenshotsEnv)
	if dir == "" {
		return
	}
	var shot []byte
	p.Do(chromedp.FullScreenshot(&shot, 100))
	if err := os.WriteFile(filepath.Join(dir, name+".png"), shot, 0o644); err != nil {
		p.Error(err)
	}
}

func (p *Tab) heard(e any, within string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	note := func(format string, args ...any) { p.trouble = append(p.trouble, fmt.Sprintf(format, args...)) }
	switch e := e.(type) {
	case *runtime.EventExceptionThrown:
		note("exception: %s", e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning {
			note("console: %v", e.Args)
		}
	case *log.EventEntryAdded:
		note("log: %s %s", e.Entry.Level, e.Entry.Text)
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, within) {
			note("a request to %s", e.Request.URL)
		}
	}
}

// Do carries out actions in the page.
func (p *Tab) Do(actions ...chromedp.Action) {
	p.Helper()
	if err := chromedp.Run(p.ctx, actions...); err != nil {
		p.Fatal(err)
	}
}

// Ask evaluates an expression in the page, and waits for it where it is a promise.
func Ask[V any](p *Tab, expression string) V {
	p.Helper()
	var v V
	p.Do(chromedp.Evaluate(expression, &v, func(e *runtime.EvaluateParams) *runtime.EvaluateParams { return e.WithAwaitPromise(true) }))
	return v
}

// Quiet holds that nothing went wrong so far, and that nothing was asked for that may
// not be.
func (p *Tab) Quiet() {
	p.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.trouble {
		p.Errorf("the page: %s", one)
	}
}

// Accessible holds the page against axe-core: nothing serious, nothing critical.
func (b *Browser) Accessible(p *Tab) {
	p.Helper()
	p.Do(chromedp.Evaluate(b.axe, nil))
	found := Ask[string](p, `axe.run(document, {resultTypes: ["violations"]}).then(r => JSON.stringify({passed: r.passes.length,
		violations: r.violations.map(v => ({id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.slice(0, 3).map(n => n.html.slice(0, 200) + " " + n.failureSummary)}))}))`)
	var report struct {
		Passed     int
		Violations []struct {
			ID, Impact, Help string
			Nodes            []string
		}
	}
	if err := json.Unmarshal([]byte(found), &report); err != nil {
		p.Fatal(err)
	}
	if report.Passed < 10 {
		p.Errorf("axe-core has passed %d rules only: did it look at the page?", report.Passed)
	}
	for _, v := range report.Violations {
		if v.Impact == "serious" || v.Impact == "critical" {
			p.Errorf("%s (%s): %s\n%s", v.ID, v.Impact, v.Help, strings.Join(v.Nodes, "\n"))
		} else {
			p.Logf("%s (%s): %s: %d places", v.ID, v.Impact, v.Help, len(v.Nodes))
		}
	}
}
