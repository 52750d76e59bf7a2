package web

import (
	"net/http"
	"net/url"
	"path"
	"strings"
)

const (
	themeCookie = "theme"
	yearSeconds = 365 * 24 * 60 * 60
)

// themeOf is the theme that a browser asked for: light, dark or system.
func themeOf(r *http.Request) string {
	if c, err := r.Cookie(themeCookie); err == nil && isTheme(c.Value) {
		return c.Value
	}
	return "system"
}

func isTheme(name string) bool { return name == "light" || name == "dark" || name == "system" }

// POST /admin/theme: the theme of this browser, then back to the page.
func (s *Server) setTheme(w http.ResponseWriter, r *http.Request) error {
	theme := r.PostFormValue("theme")
	if !isTheme(theme) {
		return invalid("theme", "a theme is light, dark or system")
	}
	s.remember(w, r, themeCookie, theme)
	return nil
}

// remember keeps a choice of how pages look for a year, in a cookie, and leads back to
// where it was made.
func (s *Server) remember(w http.ResponseWriter, r *http.Request, name, value string) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/admin", MaxAge: yearSeconds,
		HttpOnly: true, Secure: s.overHTTPS(r), SameSite: http.SameSiteLaxMode,
	})
	http.Redirect(w, r, localPath(r.PostFormValue("back")), http.StatusSeeOther)
}

// localPath is address where it is an address of the console, and the console's
// first page where it leads anywhere else.
func localPath(address string) string {
	if strings.HasPrefix(address, "//") { // to a browser another host's, however many there are
		return "/admin"
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "" || u.Host != "" || strings.ContainsAny(address, "\\\r\n\t") {
		return "/admin"
	}
	if clean := path.Clean(u.Path); clean != "/admin" && !strings.HasPrefix(clean, "/admin/") {
		return "/admin"
	}
	return u.RequestURI()
}
