package templates

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// The keyboard: rows are walked, the search is found, the list of keys opens, a
// section is gone to; while somebody types a key is a letter.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	pages, went := galleryHandler(t), make(chan struct{}, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/admin/workers" {
			went <- struct{}{}
		}
		pages.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	ctx, faults := browser(t)
	run(t, ctx, chromedp.Navigate(server.URL+"/lists"))
	holds(t, ctx, `document.documentElement.classList.contains("js")`)
	focused := `[...document.querySelectorAll("a.row")].indexOf(document.activeElement)`
	for _, step := range []struct{ key, want string }{
		{"j", focused + " === 0"},
		{"j", focused + " === 1"},
		{"k", focused + " === 0"},
		{"k", focused + " === 0"},
		{"/", `document.activeElement.matches("[data-find]")`},
		{"j", `document.activeElement.value.endsWith("j")`},
		{"\x1b", `document.activeElement === document.body`},
		{"?", `document.getElementById("keys").open`},
		{"\x1b", `!document.getElementById("keys").open`},
	} {
		run(t, ctx, chromedp.KeyEvent(step.key))
		holds(t, ctx, step.want)
	}
	run(t, ctx, chromedp.KeyEvent("g"), chromedp.KeyEvent("w"))
	select {
	case <-went:
	case <-time.After(20 * time.Second):
		t.Error("g w does not lead to the workers")
	}
	for _, f := range faults() {
		if !strings.Contains(f, "404") { // the gallery has no such page
			t.Errorf("console: %s", f)
		}
	}
}

// Parts refresh without moving what is pointed at: texts change in place, rows
// wait until the pointer has left, menus stay open.
func TestLiveParts(t *testing.T) {
	t.Parallel()
	events := make(chan string)
	mux := http.NewServeMux()
	mux.Handle("/static/", galleryHandler(t))
	mux.HandleFunc("/admin/stream", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, ": hello\n\n")
		for {
			if err := http.NewResponseController(w).Flush(); err != nil {
				return
			}
			select {
			case <-r.Context().Done():
				return
			case text := <-events:
				fmt.Fprint(w, text)
			}
		}
	})
	list := func(items ...string) string {
		return `<ul class="stack"><li>` + strings.Join(items, `</li><li>`) + `</li></ul><details><summary>More</summary>x</details>`
	}
	mux.HandleFunc("/page", func(w http.ResponseWriter, r *http.Request) {
		f := Frame{Title: "Live", Me: "op@example.com", Live: "/admin/stream", Assets: Assets{Style: "/static/console.css", Script: "/static/console.js"}}
		if err := inPage(f, templ.Join(templ.Raw(`<p id="away">elsewhere</p>`), within(Live("rows"), templ.Raw(list("one", "two"))))).Render(r.Context(), w); err != nil {
			t.Error(err)
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	ctx, _ := browser(t)
	send := func(event, html string) {
		t.Helper()
		data, err := json.Marshal(map[string]string{"key": "rows", "html": html})
		if err != nil {
			t.Fatal(err)
		}
		select {
		case events <- fmt.Sprintf("event: %s\ndata: %s\n\n", event, data):
		case <-time.After(20 * time.Second):
			t.Fatal("the page does not listen")
		}
	}
	rows := func(want ...string) string {
		return fmt.Sprintf(`[...document.querySelectorAll("[data-live=rows] li")].map(li => li.textContent).join() === %q`, strings.Join(want, ","))
	}
	run(t, ctx, chromedp.Navigate(server.URL+"/page"))
	run(t, ctx, chromedp.Click(chromedp.Search(`//summary[text()="More"]`)))
	run(t, ctx, pointAt("#away"))
	holds(t, ctx, `document.activeElement.blur(), document.activeElement === document.body`)

	send("part", list("one", "two", "three"))
	holds(t, ctx, rows("one", "two", "three"))
	holds(t, ctx, `document.querySelector("main details").open`)

	run(t, ctx, pointAt("[data-live=rows] li"))
	holds(t, ctx, `window.old = document.querySelector("[data-live=rows] li"), old.matches(":hover")`)
	send("part", list("uno", "two", "three"))
	holds(t, ctx, rows("uno", "two", "three")+` && document.querySelector("[data-live=rows] li") === old`)

	send("part", list("zero", "uno", "two", "three"))
	holds(t, ctx, `"held" in document.querySelector("[data-live=rows]").dataset`)
	holds(t, ctx, rows("uno", "two", "three"))
	run(t, ctx, pointAt("#away"))
	holds(t, ctx, rows("zero", "uno", "two", "three")+` && !("held" in document.querySelector("[data-live=rows]").dataset)`)

	send("stale", "")
	holds(t, ctx, `!document.getElementById("stale").hidden`)
	send("fresh", "")
	holds(t, ctx, `document.getElementById("stale").hidden`)
}

// holds waits until an expression is true in the page.
func holds(t *testing.T, ctx context.Context, expression string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](expression)); err != nil {
		t.Fatalf("it does not hold that %s: %v", expression, err)
	}
}

// pointAt moves the pointer onto what a selector finds first.
func pointAt(selector string) chromedp.Action[chromedp.Void] {
	return func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
		at, err := chromedp.Evaluate[[]float64](fmt.Sprintf(`(() => {
			const box = document.querySelector(%q).getBoundingClientRect();
			return [box.x + 5, box.y + box.height / 2]
		})()`, selector))(ctx, target)
		if err != nil {
			return chromedp.Void{}, err
		}
		return chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, at[0], at[1])(ctx, target)
	}
}
