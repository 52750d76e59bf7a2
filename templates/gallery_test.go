package templates

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/a-h/templ"

	"github.com/wosool/wosool/internal/browsertest"
)

// All parts of the console in a real browser, in both themes, wide and narrow:
// nothing is wider than the window, nothing breaks the content policy. Pictures
// are kept among the test's artefacts, for the eye.
func TestGallery(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(galleryHandler(t))
	t.Cleanup(server.Close)
	tab := browsertest.Open(t)
	for _, theme := range []string{"light", "dark"} {
		for _, width := range []int64{1440, 899, 420} {
			tab.Look(theme, width)
			for _, page := range []struct{ name, shows string }{
				{"parts", "needs re-authorisation"},
				{"lists", "No store yet"},
				{"signin", "E-mail or password is not right."},
				{"account", "Safari · iPhone"},
				{"failed", "This failed on our side"},
				{"confirm", "Deliveries are kept and wait."},
			} {
				tab.Go(server.URL+"/"+page.name, page.shows)
				tab.Shoot(fmt.Sprintf("%s-%s-%d", page.name, theme, width))
			}
		}
	}
	tab.Clean(server.URL)
}

// galleryHandler serves the pages, and the files of the console beside them.
func galleryHandler(t *testing.T) http.Handler {
	files := http.StripPrefix("/static/", http.FileServer(http.Dir("../internal/web/static")))
	mux := http.NewServeMux()
	mux.Handle("/static/", files)
	mux.HandleFunc("/{page}", func(w http.ResponseWriter, r *http.Request) {
		f := Frame{
			Title: "Gallery", Section: "tenants", Path: r.URL.Path, Me: "operator@example.com",
			Assets: Assets{Style: "/static/console.css", Script: "/static/console.js", Icon: "/static/icon.svg"},
			Strip: []Notice{
				{Kind: Wait, Text: "Redis answers slowly since 14:02"},
				{Kind: Wait, Text: "3 grants need merchants", Href: "/admin/tenants"},
			},
			Flash: []Notice{{Kind: Well, Text: "The import was begun again."}},
		}
		var page templ.Component
		switch r.PathValue("page") {
		case "parts":
			page = inPage(f, galleryParts())
		case "lists":
			page = inPage(f, galleryLists())
		case "signin":
			f.Me, f.Strip, f.Flash = "", nil, nil
			page = SignInPage(f, SignIn{Email: "operator@example.com", Error: "E-mail or password is not right."})
		case "account":
			page = AccountPage(f, Account{Email: f.Me, Sessions: []SessionRow{
				{ID: "a", Browser: "Firefox · Linux", Agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", Address: "203.0.113.9", Since: ago(26 * time.Hour), Seen: ago(0), Current: true},
				{ID: "b", Browser: "Safari · iPhone", Address: "2001:db8::17", Since: ago(90 * time.Hour), Seen: ago(4 * time.Hour)},
			}})
		case "failed":
			page = Failed(f, ErrorView{
				Status: "500", Title: "This failed on our side", Text: "The page could not be made. Nothing of yours is wrong.",
				Todo: "Try again. If it fails again, find the request id in the log of the api process: the line says why.", Request: "0193a1b2-7c44-7d11-9f00-53d1c2aa0e41", Retry: true,
			})
		case "confirm":
			page = ConfirmPage(f, ConfirmView{
				Title: "Suspend متجر النخيل", Text: "Its database is closed and its work stops.", Word: "متجر النخيل",
				Facts: []string{"Deliveries are kept and wait.", "Nothing is deleted. Resume undoes it."},
				Error: "That is not the store's name.", Back: "/admin/tenants/1",
				Act: ActView{Action: "/admin/tenants/1/suspend", Label: "Suspend", Danger: true},
			})
		default:
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if err := page.Render(r.Context(), w); err != nil {
			t.Error(err)
		}
	})
	return mux
}

func inPage(f Frame, content templ.Component) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		return Page(f).Render(templ.WithChildren(ctx, content), w)
	})
}

func within(c, children templ.Component) templ.Component {
	return templ.ComponentFunc(func(ctx context.Context, w io.Writer) error {
		return c.Render(templ.WithChildren(ctx, children), w)
	})
}

// ago is a moment that was d before the gallery's noon.
func ago(d time.Duration) Moment {
	noon := time.Date(2025, 11, 14, 12, 0, 0, 0, time.UTC)
	return NewMoment(noon.Add(-d), noon, time.FixedZone("Riyadh", 3*60*60))
}
