package sandbox

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
)

// sendsRefresh gives the refresh token that a request sends, and leaves the body
// as it was.
func sendsRefresh(r *http.Request) string {
	body, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	if err != nil {
		return ""
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return ""
	}
	return form.Get("refresh_token")
}

// sent notes that a refresh token came, whatever becomes of the request; a token
// that came before, and was not certainly left unused then, is sent again.
func (g *grants) sent(token string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t, ok := g.refresh[token]
	if !ok {
		return
	}
	if t.sent > 0 {
		g.resent++
	}
	t.sent++
}

// unsent takes a note back: the request was answered 429.
func (g *grants) unsent(token string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if t, ok := g.refresh[token]; ok {
		t.sent--
	}
}
