package browsertest

import (
	"context"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// Measured is what a page that was just loaded is like.
type Measured struct {
	Status    int      // the answer's
	Lang, Dir string   // of the document
	Text      string   // what it shows
	Scripts   int      // script elements
	Wide      int      // how many pixels it is wider than its window
	Bytes     int      // of the page and all that it loads, compressed as sent, in a cache or not
	Loaded    []string // what Bytes are made of, as "bytes name"
	Shift     float64  // the cumulative layout shift
	Shifted   []string // what moved
	Paint     float64  // milliseconds from the request to the first content
	Unseen    []string // elements that can be focused and do not show it
	Forms     []string // the addresses that forms post to
}

// Measure waits until the fonts are there and the page is painted, and measures it.
func (tab *Tab) Measure() Measured {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	m, err := chromedp.Run(ctx, chromedp.Evaluate[Measured](measure, chromedp.EvalAwaitPromise))
	if err != nil {
		tab.t.Fatalf("measure the page: %v; console %q", err, tab.Faults())
	}
	return m
}

// WithoutScript says whether the scripts of pages stay off from the next page on.
func (tab *Tab) WithoutScript(off bool) {
	tab.t.Helper()
	tab.Do(func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, target, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: off})
		return chromedp.Void{}, err
	})
}

const measure = `(async () => {
	await document.fonts.ready;
	const frame = () => new Promise(done => requestAnimationFrame(done));
	await frame(); await frame();
	const painted = () => performance.getEntriesByName("first-contentful-paint")[0];
	for (let i = 0; i < 300 && !painted(); i++) await frame();
	const shifts = [];
	const observer = new PerformanceObserver(list => shifts.push(...list.getEntries()));
	observer.observe({type: "layout-shift", buffered: true});
	await frame(); await new Promise(done => setTimeout(done, 0));
	shifts.push(...observer.takeRecords());
	observer.disconnect();
	const moved = shifts.filter(s => !s.hadRecentInput);
	const short = e => e?.outerHTML?.slice(0, 120) ?? String(e?.textContent ?? "").slice(0, 80);

	const [page] = performance.getEntriesByType("navigation");
	const parts = new Map([[location.pathname, page.encodedBodySize]]);
	for (const r of performance.getEntriesByType("resource")) parts.set(r.name.split("/").pop(), r.encodedBodySize);

	const Unseen = [];
	const before = document.activeElement;
	for (const e of document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]')) {
		if (e.disabled || !e.checkVisibility({visibilityProperty: true})) continue;
		e.focus({focusVisible: true, preventScroll: true});
		if (document.activeElement !== e) continue;
		const style = getComputedStyle(e);
		if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 1) Unseen.push(short(e));
	}
	document.activeElement?.blur();
	before?.focus?.({preventScroll: true});

	return {
		Status: page.responseStatus, Lang: document.documentElement.lang, Dir: document.documentElement.dir,
		Text: document.body.innerText, Scripts: document.scripts.length,
		Wide: document.documentElement.scrollWidth - innerWidth,
		Bytes: [...parts.values()].reduce((a, b) => a + b, 0), Loaded: [...parts].map(([name, n]) => n + " " + name),
		Shift: moved.reduce((sum, s) => sum + s.value, 0), Shifted: moved.flatMap(s => s.sources.map(x => short(x.node))),
		Paint: painted()?.startTime ?? 0,
		Unseen, Forms: [...document.querySelectorAll("form")].flatMap(f => [
			...(f.method === "post" ? [new URL(f.action).pathname] : []),
			...[...f.elements].filter(e => e.formMethod === "post" && e.hasAttribute("formaction")).map(e => new URL(e.formAction).pathname),
		]),
	};
})()`
