package browsertest

import (
	"context"
	_ "embed" // axe-core
	"encoding/json"
	"fmt"
	"strings"

	"github.com/chromedp/chromedp"
)

// axe is axe-core, which judges how accessible a page is; see testdata/axe/README.md.
//
//go:embed testdata/axe/axe.min.js
var axe string

// everyRule are the groups of axe-core's rules that a page is held to.
var everyRule = []string{"wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"}

// Axe returns what axe-core finds serious or critical on the page that is open, each
// as one line with the rule, what it says, and the element; of all rules of WCAG AA
// and good practice, or of those named only. What is less grave is logged.
func (tab *Tab) Axe(rules ...string) []string {
	tab.t.Helper()
	only := map[string]any{"type": "tag", "values": everyRule}
	if len(rules) > 0 {
		only = map[string]any{"type": "rule", "values": rules}
	}
	options, err := json.Marshal(map[string]any{"runOnly": only, "resultTypes": []string{"violations"}, "preload": false})
	if err != nil {
		tab.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	// The protocol's own scripts are not under the page's policy.
	if err := chromedp.Do(ctx, func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		_, err := chromedp.Evaluate[bool]("window.axe || ("+jsVoid(axe)+"), true")(ctx, target)
		return chromedp.Void{}, err
	}); err != nil {
		tab.t.Fatalf("load axe-core: %v", err)
	}
	type finding struct {
		Rule, Impact, Help string
		Nodes              []string
	}
	found, err := chromedp.Run(ctx, chromedp.Evaluate[[]finding](fmt.Sprintf(`axe.run(document, %s).then(({violations}) => violations.map(v => ({
		Rule: v.id, Impact: v.impact, Help: v.help,
		Nodes: v.nodes.map(n => n.html.slice(0, 160) + " at " + n.target.join(" ") + ": " + [...n.any, ...n.all, ...n.none].map(c => c.message).join("; ")),
	})))`, options), chromedp.EvalAwaitPromise))
	if err != nil {
		tab.t.Fatalf("run axe-core: %v", err)
	}
	var grave []string
	for _, f := range found {
		line := fmt.Sprintf("%s (%s): %s: %s", f.Rule, f.Impact, f.Help, strings.Join(f.Nodes, " | "))
		if f.Impact == "serious" || f.Impact == "critical" {
			grave = append(grave, line)
		} else {
			tab.t.Logf("axe-core would like better: %s", line)
		}
	}
	return grave
}

// jsVoid makes a script an expression.
func jsVoid(script string) string { return "(() => {" + script + "\n})()" }
