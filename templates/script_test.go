package templates

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"

	"github.com/wosool/wosool/internal/browsertest"
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
	tab := browsertest.Open(t)
	tab.Go(server.URL+"/lists", "No store yet")
	tab.Await(`document.documentElement.classList.contains("js")`)
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
		tab.Type(step.key)
		tab.Await(step.want)
	}
	tab.Type("gw")
	select {
	case <-went:
	case <-time.After(20 * time.Second):
		t.Error("g w does not lead to the workers")
	}
	for _, f := range tab.Faults() {
		if !strings.Contains(f, "404") { // the gallery has no such page
			t.Errorf("console: %s", f)
		}
	}
}

// A tab that nobody has looked at yet takes no connection; and times go on by the
// clock on the wall, which a sleep does not stop.
func TestHiddenAndSlept(t *testing.T) {
	t.Parallel()
	asked := make(chan struct{}, 10)
	mux := http.NewServeMux()
	mux.Handle("/static/", galleryHandler(t))
	mux.HandleFunc("/admin/stream", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		asked <- struct{}{}
		if err := http.NewResponseController(w).Flush(); err == nil {
			<-r.Context().Done()
		}
	})
	mux.HandleFunc("/page", func(w http.ResponseWriter, r *http.Request) {
		now := time.Now()
		f := Frame{Title: "Live", Me: "op@example.com", Live: "/admin/stream", Now: now.Format(time.RFC3339), Assets: Assets{Style: "/static/console.css", Script: "/static/console.js"}}
		hide := templ.Raw(`<script>Object.defineProperty(document, "hidden", {value: true, configurable: true})</script>`)
		if err := inPage(f, templ.Join(hide, When(NewMoment(now, now, time.UTC)))).Render(r.Context(), w); err != nil {
			t.Error(err)
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	tab := browsertest.Open(t)
	tab.Go(server.URL+"/page", "now")
	tab.Await(`document.documentElement.classList.contains("js")`)
	tab.Await(`(() => { const real = Date.now; performance.now = () => 0; Date.now = () => real() + 3 * 3600 * 1000; return true; })()`)
	tab.Shows("3 h ago") // the script has run for a while
	if len(asked) != 0 {
		t.Error("a tab that nobody sees listens")
	}
	tab.Await(`(() => { delete document.hidden; document.dispatchEvent(new Event("visibilitychange")); return true; })()`)
	select {
	case <-asked:
	case <-time.After(20 * time.Second):
		t.Error("a tab that is looked at does not listen")
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
	tab := browsertest.Open(t)
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
	away, row := `document.getElementById("away")`, `document.querySelector("[data-live=rows] li")`
	tab.Go(server.URL+"/page", "elsewhere")
	tab.Press("More")
	tab.Point(away)
	tab.Await(`document.activeElement.blur(), document.activeElement === document.body`)

	send("part", list("one", "two", "three"))
	tab.Await(rows("one", "two", "three"))
	tab.Await(`document.querySelector("main details").open`)

	tab.Point(row)
	tab.Await(`window.old = document.querySelector("[data-live=rows] li"), old.matches(":hover")`)
	send("part", list("uno", "two", "three"))
	tab.Await(rows("uno", "two", "three") + ` && document.querySelector("[data-live=rows] li") === old`)

	send("part", list("zero", "uno", "two", "three"))
	tab.Await(`"held" in document.querySelector("[data-live=rows]").dataset`)
	tab.Await(rows("uno", "two", "three"))
	tab.Point(away)
	tab.Await(rows("zero", "uno", "two", "three") + ` && !("held" in document.querySelector("[data-live=rows]").dataset)`)

	send("stale", "")
	tab.Await(`!document.getElementById("stale").hidden`)
	send("fresh", "")
	tab.Await(`document.getElementById("stale").hidden`)
}
