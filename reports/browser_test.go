package reports

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

// shotsEnv names a folder for screenshots of every page that the browser opens.
const shotsEnv = "ACKPROOF_SCREENSHOTS"

// browser is a headless Chromium, for conformance tests alone.
type browser struct {
	ctx context.Context
	axe string
}

var browserNames = []string{"chromium", "chromium-browser", "google-chrome", "chrome"}

// openBrowser starts one; it ends with the test. Conformance without a browser is
// a failure: nothing checked is never a pass.
func openBrowser(t *testing.T) *browser {
	t.Helper()
	if os.Getenv("ACKPROOF_CONFORMANCE") == "" {
		t.Skip("pages in a real browser: set ACKPROOF_CONFORMANCE=1")
	}
	path := ""
	for _, name := range browserNames {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Fatalf("no browser on the PATH: install one of %s", strings.Join(browserNames, ", "))
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
	return &browser{ctx, string(axe)}
}

// view is how a page is looked at.
type view struct {
	name     string
	wide     int64
	dark     bool
	noScript bool
}

var views = []view{{name: "desktop", wide: 1280}, {name: "desktop-dark", wide: 1280, dark: true}, {name: "phone", wide: 390}, {name: "phone-dark", wide: 390, dark: true}}

// tab is a page in the browser.
type tab struct {
	*testing.T
	ctx     context.Context
	mu      sync.Mutex
	trouble []string // errors in the console, and requests that leave the file
}

// show opens a page from a file.
func (b *browser) show(t *testing.T, name string, page []byte, v view) *tab {
	t.Helper()
	path := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(path, page, 0o644); err != nil {
		t.Fatal(err)
	}
	return b.open(t, name, "file://"+path, v)
}

// open opens a page at an address; beyond it, nothing may be asked for.
func (b *browser) open(t *testing.T, name, url string, v view) *tab {
	t.Helper()
	ctx, end := chromedp.NewContext(b.ctx)
	ctx, endTimeout := context.WithTimeout(ctx, 90*time.Second)
	t.Cleanup(func() { endTimeout(); end() })
	p := &tab{T: t, ctx: ctx}
	chromedp.ListenTarget(ctx, func(e any) { p.heard(e, url) })
	theme := "light"
	if v.dark {
		theme = "dark"
	}
	p.do(
		network.Enable(), log.Enable(), runtime.Enable(),
		emulation.SetDeviceMetricsOverride(v.wide, 900, 1, v.wide < 500),
		emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}),
		emulation.SetScriptExecutionDisabled(v.noScript),
		chromedp.Navigate(url), chromedp.WaitReady("main"),
	)
	if dir := os.Getenv(shotsEnv); dir != "" {
		var shot []byte
		p.do(chromedp.FullScreenshot(&shot, 100))
		if err := os.WriteFile(filepath.Join(dir, name+"-"+v.name+".png"), shot, 0o644); err != nil {
			t.Error(err)
		}
	}
	return p
}

func (p *tab) heard(e any, url string) {
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
		if at, _, _ := strings.Cut(e.Request.URL, "#"); at != url {
			note("a request to %s", e.Request.URL)
		}
	}
}

// do carries out actions in the page.
func (p *tab) do(actions ...chromedp.Action) {
	p.Helper()
	if err := chromedp.Run(p.ctx, actions...); err != nil {
		p.Fatal(err)
	}
}

// ask evaluates an expression in the page.
func ask[V any](p *tab, expression string) V {
	p.Helper()
	var v V
	p.do(chromedp.Evaluate(expression, &v))
	return v
}

// quiet holds that nothing went wrong so far and nothing was asked for.
func (p *tab) quiet() {
	p.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.trouble {
		p.Errorf("the page: %s", one)
	}
}

// accessible holds the page against axe-core: nothing serious, nothing critical.
func (b *browser) accessible(p *tab) {
	p.Helper()
	p.do(chromedp.Evaluate(b.axe, nil))
	var found string
	run := `axe.run(document, {resultTypes: ["violations"]}).then(r => JSON.stringify({passed: r.passes.length,
		violations: r.violations.map(v => ({id: v.id, impact: v.impact, help: v.help, nodes: v.nodes.slice(0, 3).map(n => n.html.slice(0, 200) + " " + n.failureSummary)}))}))`
	p.do(chromedp.Evaluate(run, &found, func(e *runtime.EvaluateParams) *runtime.EvaluateParams { return e.WithAwaitPromise(true) }))
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
