// Package browsertest looks at pages in a real Chromium, for tests: it notes
// every console error, violation of the content policy and request to somebody
// else, and keeps pictures among the test's artefacts.
package browsertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// patience bounds one step, or one wait, in the browser.
const patience = 60 * time.Second

// Tab is a tab of Chromium that notes what goes wrong in it.
type Tab struct {
	t   testing.TB
	ctx context.Context //nolint:containedctx // the life of the tab, ended with the test

	mu     sync.Mutex
	faults []string
	asked  []string
}

// Open starts Chromium with one empty tab, which ends with the test.
func Open(t testing.TB) *Tab {
	t.Helper()
	return newTab(t, Start(t).ctx)
}

// Browser is a Chromium that several tabs share.
type Browser struct {
	ctx context.Context //nolint:containedctx // the life of the browser, ended with the test
}

// Start starts Chromium, which ends with the test.
func Start(t testing.TB) *Browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-gpu", true),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	if path, err := exec.LookPath("chromium-headless-shell"); err == nil {
		// The same Chromium without a desktop browser around the page: a quarter less work.
		options = append(options, chromedp.ExecPath(path))
	}
	allocator, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(stop)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start Chromium (apt-get install chromium-headless-shell): %v", err)
	}
	return &Browser{ctx}
}

// Tab opens an empty tab, which ends with the test t. It shares no cookie and no
// cache with other tabs, and can be used at the same time as they are.
func (b *Browser) Tab(t testing.TB) *Tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	return newTab(t, ctx)
}

// newTab listens to a tab that is open.
func newTab(t testing.TB, ctx context.Context) *Tab {
	t.Helper()
	tab := &Tab{t: t, ctx: ctx}
	messages, requests := chromedp.Console(ctx), chromedp.Events(ctx, network.RequestWillBeSent)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.IsException() || m.Type == chromedp.ConsoleError || m.Source == "security" {
				tab.note(&tab.faults, m.String())
			}
		}
	}()
	go func() {
		for r, err := range requests {
			if err != nil {
				return
			}
			tab.note(&tab.asked, r.Request.URL)
		}
	}()
	tab.Do(func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, network.Enable, network.EnableParams{})
		return chromedp.Void{}, err
	})
	return tab
}

func (tab *Tab) note(list *[]string, what string) {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	*list = append(*list, what)
}

// Faults are the errors and violations seen so far.
func (tab *Tab) Faults() []string {
	tab.mu.Lock()
	defer tab.mu.Unlock()
	return append([]string{}, tab.faults...)
}

// Do runs steps within a time that none of them needs.
func (tab *Tab) Do(steps ...chromedp.Action[chromedp.Void]) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		tab.t.Fatalf("in the browser: %v; console %q", err, tab.Faults())
	}
}

// Look sets the width of the window and the theme that the system prefers.
func (tab *Tab) Look(theme string, width int64) {
	tab.t.Helper()
	tab.Do(chromedp.EmulateViewport(width, 900), func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{
				{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"},
			},
		})
		return chromedp.Void{}, err
	})
}

// Go goes to an address and waits until the page shows a text.
func (tab *Tab) Go(address, text string) {
	tab.t.Helper()
	tab.Visit(address)
	tab.Shows(text)
}

// Visit goes to an address and waits until the page is loaded.
func (tab *Tab) Visit(address string) {
	tab.t.Helper()
	tab.Do(chromedp.Navigate(address))
}

// Shows waits until the page shows a text.
func (tab *Tab) Shows(text string) {
	tab.t.Helper()
	tab.Await(fmt.Sprintf("document.body.innerText.includes(%q)", text))
}

// Await waits until an expression holds, also where the page is left for another
// meanwhile.
func (tab *Tab) Await(expression string) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		holds, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
		if err == nil && holds {
			return
		}
		select {
		case <-ctx.Done():
			body, _ := chromedp.Run(tab.ctx, chromedp.Evaluate[string]("document.body.innerText"))
			tab.t.Fatalf("await %s: %v; the page says %q, the console %q", expression, err, body, tab.Faults())
		case <-tick.C:
		}
	}
}

// Text evaluates an expression that gives a text.
func (tab *Tab) Text(expression string) string {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](expression))
	if err != nil {
		tab.t.Fatalf("evaluate %s: %v", expression, err)
	}
	return text
}

// Shoot keeps a picture of the whole page, with its fonts, among the test's
// artefacts, and fails where the page is wider than the window.
func (tab *Tab) Shoot(name string) {
	tab.t.Helper()
	tab.Await(`document.fonts.status === "loaded"`)
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	wide, err := chromedp.Run(ctx, chromedp.Evaluate[int](`document.documentElement.scrollWidth - innerWidth`))
	if err != nil {
		tab.t.Fatalf("measure %s: %v", name, err)
	}
	if wide > 0 {
		tab.t.Errorf("%s is %d pixels wider than its window", name, wide)
	}
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		tab.t.Fatalf("take a picture of %s: %v", name, err)
	}
	if err := os.WriteFile(filepath.Join(tab.t.ArtifactDir(), name+".png"), picture, 0o600); err != nil {
		tab.t.Fatal(err)
	}
}

// Clean fails if anything went wrong in the tab, or if it asked another server
// than own.
func (tab *Tab) Clean(own string) {
	tab.t.Helper()
	for _, f := range tab.Faults() {
		tab.t.Errorf("console: %s", f)
	}
	tab.Asked(own)
}

// Asked fails if the tab asked another server than own, or none at all.
func (tab *Tab) Asked(own string) {
	tab.t.Helper()
	tab.mu.Lock()
	defer tab.mu.Unlock()
	if len(tab.asked) == 0 {
		tab.t.Error("no request was seen")
	}
	for _, address := range tab.asked {
		if !strings.HasPrefix(address, own+"/") && !strings.HasPrefix(address, "data:") {
			tab.t.Errorf("the page asked %s", address)
		}
	}
}
