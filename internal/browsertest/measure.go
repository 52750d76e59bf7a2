package browsertest

import (
	"context"
	"encoding/json"
	"fmt"

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
	Shifted   []string // what moved: when, and its x, y, width and height before and after
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

// Steady writes into each cell of a table that counts on what it may say in time: each
// of times where it has a time, each of lengths where it is marked with "counts". It
// tells what of it moves a column's head.
func (tab *Tab) Steady(times, lengths []string) []string {
	tab.t.Helper()
	said, err := json.Marshal(map[string][]string{"td time[data-rel]": times, "td .counts": lengths})
	if err != nil {
		tab.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	moved, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](fmt.Sprintf(steady, said)))
	if err != nil {
		tab.t.Fatalf("count on in the page: %v", err)
	}
	return moved
}

const steady = `(() => {
	const words = e => e.lastChild ? words(e.lastChild) : e;
	const moved = [];
	for (const table of document.querySelectorAll("table")) {
		const heads = [...table.querySelectorAll("thead th")];
		const places = () => heads.map(h => h.getBoundingClientRect().left);
		for (const [selector, texts] of Object.entries(%s)) {
			const cells = [...table.querySelectorAll(selector)].map(words);
			const before = cells.map(c => c.data);
			let last;
			for (const text of cells.length ? texts : []) {
				cells.forEach(c => c.data = text);
				const now = places();
				const i = last ? now.findIndex((x, i) => Math.abs(x - last[i]) > 0.5) : -1;
				if (i >= 0) moved.push(heads[i].textContent + " moves by " + (now[i] - last[i]) + " pixels when " + selector + " becomes " + text);
				last = now;
			}
			cells.forEach((c, i) => c.data = before[i]);
		}
	}
	return moved;
})()`

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
	const rect = r => [r.x, r.y, r.width, r.height].map(Math.round).join(" ");
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
		Shift: moved.reduce((sum, s) => sum + s.value, 0), Shifted: moved.flatMap(s => s.sources.map(x => Math.round(s.startTime) + " ms: " + rect(x.previousRect) + " to " + rect(x.currentRect) + ": " + short(x.node))),
		Paint: painted()?.startTime ?? 0,
		Unseen, Forms: [...document.querySelectorAll("form")].flatMap(f => [
			...(f.method === "post" ? [new URL(f.action).pathname] : []),
			...[...f.elements].filter(e => e.formMethod === "post" && e.hasAttribute("formaction")).map(e => new URL(e.formAction).pathname),
		]),
	};
})()`
