package web

import (
	"bytes"
	"context"
	"net/http"
	"time"

	"github.com/a-h/templ"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

// pagePolicy is what a page of the console may load and do: only what this
// server gives, nothing inline.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; " +
	"img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// pageBody bounds what a form of the console may carry.
const pageBody = 64 << 10

// consoleKey is where a request for a page has the context that ends only with
// its connection; who has it is answered in HTML.
type consoleKey struct{}

// console is what the pages share. Its zero value is ready for use.
type console struct {
	files assets
	feeds feeds
	strip strip

	speech speech
}

// consoleRoutes registers the console. It is mounted at /admin: every page but
// the sign-in needs an operator, also the one that says that there is no page.
func (s *Server) consoleRoutes(r chi.Router) {
	// Asynqmon compresses its own files; what is compressed already stays as it is.
	r.Use(s.withConsole, s.withRecovery, s.sameOrigin(), middleware.Compress(5, "text/html"))
	r.Get("/static/{name}", s.handle(s.showAsset))
	r.With(withTimeout(apiTimeout)).Post("/theme", s.handle(s.setTheme))
	r.With(withTimeout(apiTimeout)).Post("/language", s.handle(s.setLanguage))
	s.accountRoutes(r)  // sign-in needs nobody; the account asks for its operator itself
	s.settingsRoutes(r) // they ask for an admin themselves

	r.Group(func(r chi.Router) {
		r.Use(s.withOperator, s.actsNeed(store.RoleOperator))
		r.NotFound(s.handle(noRoute)) // behind the sign-in: who is not signed in learns no addresses
		r.MethodNotAllowed(s.handle(noMethod))
		s.asynqmonRoutes(r)
		r.Group(func(r chi.Router) {
			r.Use(withTimeout(apiTimeout))
			s.overviewRoutes(r)
			s.tenantRoutes(r)
			s.eventRoutes(r)
			s.laneRoutes(r)
			s.bulkRoutes(r)
			s.auditRoutes(r)
		})
	})
}

// withConsole marks requests for pages, and sets the headers that pages have.
func (s *Server) withConsole(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", pagePolicy)
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		ctx := context.WithValue(r.Context(), consoleKey{}, r.Context())
		if r.Body != nil {
			r.Body = http.MaxBytesReader(w, r.Body, pageBody)
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// forConsole tells whether a request is answered by a page.
func forConsole(ctx context.Context) bool {
	return ctx.Value(consoleKey{}) != nil
}

// sameOrigin refuses acts that another site's page sent.
func (s *Server) sameOrigin() func(http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(s.handle(func(http.ResponseWriter, *http.Request) error {
		return &problem{
			Status: http.StatusForbidden, Code: codeForbidden,
			Message: "this was sent from another site's page, so nothing was done: go to the console and do it there",
		}
	}))
	return protection.Handler
}

// frame builds what a page has around its content. section is the entry of the
// navigation that the page belongs to.
func (s *Server) frame(r *http.Request, title, section string) templates.Frame {
	f := templates.Frame{
		Title: title, Section: section, Path: r.URL.RequestURI(),
		Me: operatorOf(r.Context()).Email, Theme: themeOf(r), Lang: languageOf(r),
		Flash: flashOf(r), Assets: s.console.files.pageIn(languageOf(r)), Now: time.Now().UTC().Format(time.RFC3339),
	}
	if f.Me != "" { // whoever is not signed in learns nothing
		f.Strip = s.stripOf(r.Context(), zoneOf(r))
	}
	return f
}

// render answers a page. It is whole, or it is an error and nothing was written.
func (s *Server) render(w http.ResponseWriter, r *http.Request, status int, c templ.Component) error {
	var buf bytes.Buffer
	language := languageOf(r)
	if err := s.in(language, c).Render(r.Context(), &buf); err != nil {
		return err
	}
	dropFlash(w, r)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", language)
	w.WriteHeader(status)
	_, _ = buf.WriteTo(w) // the reader has gone: nothing to answer to
	return nil
}

// back ends an act of the console: it leads to path, where notice is shown once.
func (s *Server) back(w http.ResponseWriter, r *http.Request, path string, notice templates.Notice) error {
	setFlash(w, r, notice)
	http.Redirect(w, r, localPath(path), http.StatusSeeOther)
	return nil
}
