package web

import (
	"encoding/base64"
	"encoding/json"
	"net/http"

	"github.com/wosool/wosool/templates"
)

// flashCookie carries what an act did to the page that is shown after it.
const flashCookie = "flash"

func setFlash(w http.ResponseWriter, r *http.Request, n templates.Notice) {
	if n.Text == "" {
		return
	}
	text, err := json.Marshal(n)
	if err != nil || len(text) > 2<<10 { // a cookie has no more room: the page itself says how things are
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: flashCookie, Value: base64.RawURLEncoding.EncodeToString(text), Path: "/admin", MaxAge: 60,
		HttpOnly: true, Secure: operatorOf(r.Context()).https, SameSite: http.SameSiteLaxMode,
	})
}

// flashOf reads the notice of the act before this page; what can't be read is none.
func flashOf(r *http.Request) []templates.Notice {
	c, err := r.Cookie(flashCookie)
	if err != nil {
		return nil
	}
	text, err := base64.RawURLEncoding.DecodeString(c.Value)
	if err != nil {
		return nil
	}
	var n templates.Notice
	if json.Unmarshal(text, &n) != nil || n.Text == "" {
		return nil
	}
	if n.Href != "" {
		n.Href = localPath(n.Href)
	}
	return []templates.Notice{n}
}

// dropFlash forgets the notice once a page has shown it.
func dropFlash(w http.ResponseWriter, r *http.Request) {
	if _, err := r.Cookie(flashCookie); err == nil {
		http.SetCookie(w, &http.Cookie{
			Name: flashCookie, Path: "/admin", MaxAge: -1,
			HttpOnly: true, Secure: operatorOf(r.Context()).https, SameSite: http.SameSiteLaxMode,
		})
	}
}
