package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/browsertest"
	"github.com/wosool/wosool/internal/store"
)

// notOffered are acts that no page of somebody who is signed in offers at once, and
// why; tests of their own press them.
func notOffered(pattern string) string {
	switch {
	case strings.HasPrefix(pattern, "/admin/sign-in"):
		return "it is for who is not signed in"
	case strings.HasPrefix(pattern, "/admin/account/second-factor"):
		return "it needs a code of an app"
	case strings.HasPrefix(pattern, "/admin/account/passkeys"):
		return "it needs an authenticator: TestPasskeysInABrowser has one"
	case pattern == "/admin/account/password":
		return "it needs a password: TestSettingsInABrowser types one"
	case strings.HasPrefix(pattern, "/admin/bulk/{id}/"):
		return "what it offers depends on how far the workers are"
	case strings.HasPrefix(pattern, "/admin/imports/{id}/re"):
		return "the import that is opened here runs: TestActsOnAnImport and TestRetryWhereItFailed press it"
	case strings.HasPrefix(pattern, "/admin/settings/operators/{id}/"):
		return "it would lock out who presses: TestSettingsInABrowser does it to somebody else"
	}
	return ""
}

// Every act that the pages offer, pressed once by keyboard, with scripts and without:
// it leads to a page that says what was done. The keys lead where they say.
func TestEveryActInABrowser(t *testing.T) {
	t.Parallel()
	for name, off := range map[string]bool{"with scripts": false, "without scripts": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newCampus(t)
			cookie := w.as(store.RoleAdmin)
			w.again()
			tab := browsertest.Open(t)
			tab.Look("light", 1440)
			tab.Cookie(w.server.URL, cookie)
			tab.Cookie(w.server.URL, "language=en")
			if !off {
				keyboard(t, tab, w)
			}
			tab.WithoutScript(off)
			w.pressAll(tab, cookie)
			tab.Asked(w.server.URL)
			for _, f := range tab.Faults() {
				t.Errorf("console: %s", f)
			}
		})
	}
}

// again begins another session for the admin, and returns its cookie.
func (w *campus) again() string {
	w.t.Helper()
	text, hash, err := newToken(plainCookie)
	if err != nil {
		w.t.Fatal(err)
	}
	w.exec(`
		INSERT INTO sessions (id, token_hash, operator_id, address, agent)
		SELECT $1, $2, id, '192.0.2.3', 'test' FROM operators WHERE email = 'admin@wosool.example'`, uuid.Must(uuid.NewV7()), hash)
	return plainCookie + "=" + text
}

// offer is where an act is offered.
type offer struct{ page, action string }

// pressAll presses acts until no page offers one that was not pressed.
func (w *campus) pressAll(tab *browsertest.Tab, cookie string) {
	w.t.Helper()
	all := patterns(w.t, w.h, http.MethodPost)
	me := one[uuid.UUID](w.site, `SELECT id FROM operators WHERE email = 'admin@wosool.example'`).String()
	pressed := map[string]bool{}
	for more := true; more; {
		more = false
		offers := w.offers(cookie)
		for _, pattern := range inOrder(all) {
			for _, o := range offers[pattern] {
				if pressed[pattern] || strings.Contains(o.action, me) || notOffered(pattern) != "" || !w.press(tab, o) {
					continue
				}
				pressed[pattern], more = true, true
				if strings.HasPrefix(tab.Text("location.pathname"), "/admin/sign-in") { // it was the own session that ended
					cookie = w.again()
					tab.Cookie(w.server.URL, cookie)
				}
			}
		}
	}
	for _, pattern := range all {
		if !pressed[pattern] && notOffered(pattern) == "" {
			w.t.Errorf("no page offers %s", pattern)
		}
	}
	w.t.Logf("%d acts were pressed", len(pressed))
}

// inOrder puts what ends the session, or a store's work, last.
func inOrder(acts []string) []string {
	late := func(pattern string) int {
		for i, end := range []string{"/cancel", "/suspend", "/remove", "/revoke", "/sign-out", "/admin/sign-out"} {
			if strings.HasSuffix(pattern, end) {
				return i + 1
			}
		}
		return 0
	}
	sorted := slices.Clone(acts)
	slices.SortStableFunc(sorted, func(a, b string) int { return late(a) - late(b) })
	return sorted
}

// offers are the acts that the pages offer to whoever has a cookie, by route.
func (w *campus) offers(cookie string) map[string][]offer {
	w.t.Helper()
	found := map[string][]offer{}
	for _, p := range w.walk(cookie, w.variants()) {
		_, _, doc := w.asked(cookie, p.path)
		if doc == nil {
			continue
		}
		doc.Find("form[method=post], [formaction]").Each(func(_ int, e *goquery.Selection) {
			action := e.AttrOr("formaction", e.AttrOr("action", ""))
			pattern := patternOf(w.h, http.MethodPost, action)
			o := offer{p.path, action}
			if pattern == "" {
				w.t.Errorf("%s offers %s, which leads nowhere", p.path, action)
			} else if len(found[pattern]) < 8 && !slices.Contains(found[pattern], o) {
				found[pattern] = append(found[pattern], o)
			}
		})
	}
	return found
}

// press fills in the form of an act and presses its button by keyboard. It reports
// false where the page does not offer the act any more.
func (w *campus) press(tab *browsertest.Tab, o offer) bool {
	w.t.Helper()
	tab.Visit(w.server.URL + o.page)
	ready := tab.Text(fmt.Sprintf(`(() => {
		const path = address => new URL(address, location).pathname;
		const button = [...document.querySelectorAll("button, input[type=submit]")].find(b => b.form?.method === "post" && b.type === "submit" &&
			path(b.hasAttribute("formaction") ? b.formAction : b.form.getAttribute("action")) === %q);
		if (!button) return "gone";
		const form = button.form;
		for (let d = button.closest("details"); d; d = d.parentElement.closest("details")) d.open = true;
		const typed = {email: "layla@wosool.example", number: "1", password: "another long and secret sentence", date: "2026-01-01"};
		for (const e of form.elements) {
			if (e.name === "confirm") e.value = form.querySelector("strong")?.textContent ?? "";
			else if (e.willValidate && e.required && !e.value) e.value = typed[e.type] ?? "for a test";
		}
		const boxes = [...form.elements].filter(e => e.type === "checkbox");
		if (boxes.length && !boxes.some(b => b.checked)) boxes.at(-1).checked = true;
		if (!button.checkVisibility({visibilityProperty: true})) return "hidden";
		if (button.disabled || button.ariaDisabled === "true") return "disabled";
		button.focus();
		if (document.activeElement !== button) return "not to be focused";
		window.untilPressed = true;
		return "";
	})()`, o.action))
	switch ready {
	case "":
	case "gone", "disabled":
		return false
	default:
		w.t.Errorf("%s: the button of %s is %s", o.page, o.action, ready)
		return true
	}
	tab.Type("\r")
	tab.Await(`window.untilPressed !== true && document.readyState === "complete"`)
	if answer := tab.Text(`(() => {
		const {responseStatus} = performance.getEntriesByType("navigation")[0];
		return responseStatus < 400 ? "" : responseStatus + ": " + document.querySelector("main").innerText;
	})()`); answer != "" {
		w.t.Errorf("%s: %s answers %s", o.page, o.action, answer)
	}
	return true
}

// keyboard tries every key that the list of keys has, and the way past the bar.
func keyboard(t *testing.T, tab *browsertest.Tab, w *campus) {
	t.Helper()
	tab.Visit(w.server.URL + "/admin/tenants")
	tab.Await(`document.documentElement.classList.contains("js")`)
	for _, step := range []struct{ key, want string }{
		{"\t", `document.activeElement.matches(".skip") && document.activeElement.getBoundingClientRect().top >= 0`},
		{"\r", `document.activeElement.id === "main"`},
		{"/", `document.activeElement.matches("[data-find]")`},
		{"\x1b", `document.activeElement === document.body`},
		{"?", `document.getElementById("keys").open`},
		{"\x1b", `!document.getElementById("keys").open`},
		{"j", `document.activeElement === document.querySelector("main a.row")`},
		{"j", `document.activeElement === document.querySelectorAll("main a.row")[1]`},
		{"k", `document.activeElement === document.querySelector("main a.row")`},
		{"\r", `/^\/admin\/tenants\/./.test(location.pathname) && document.readyState === "complete"`},
	} {
		tab.Type(step.key)
		tab.Await(step.want)
	}
	goes := strings.Fields(tab.Text(`[...document.querySelectorAll("[data-go]")].map(a => a.dataset.go + "=" + new URL(a.href).pathname).join(" ")`))
	if len(goes) < 6 {
		t.Errorf("only %q can be gone to", goes)
	}
	for _, g := range goes {
		key, to, _ := strings.Cut(g, "=")
		tab.Await(`document.documentElement.classList.contains("js")`)
		tab.Type("g" + key)
		tab.Await(fmt.Sprintf(`location.pathname === %q && document.readyState === "complete"`, to))
	}
}
