package web

import (
	"bytes"
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/password"
	"github.com/wosool/wosool/internal/store"
)

const (
	amal   = "amal@example.com"
	secret = "a long and secret sentence"
)

// door is a site with one operator and its log.
type door struct {
	*site
	log *lockedBuffer
}

func newDoor(t *testing.T) *door {
	t.Helper()
	return doorOn(t, dbtest.Control(t), light())
}

// light hashes at a cost that tests can pay.
func light() *password.Hasher {
	return password.NewHasher(password.Cost{Memory: 64, Time: 1, Threads: 1}, 2)
}

func doorOn(t *testing.T, pool *pgxpool.Pool, hasher *password.Hasher) *door {
	t.Helper()
	d := &door{site: siteOn(t, pool), log: &lockedBuffer{}}
	d.s.Passwords = hasher
	d.s.Log = slog.New(slog.NewTextHandler(d.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	d.h = d.s.Handler()
	if _, err := d.s.DB.EnsureFirstOperator(t.Context(), "Amal@Example.com", func(ctx context.Context) (string, error) {
		return hasher.Hash(ctx, secret)
	}, store.Actor{Name: "test"}); err != nil {
		t.Fatal(err)
	}
	return d
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// browser keeps cookies as browsers do, as far as this console needs it.
type browser struct {
	t       *testing.T
	h       http.Handler
	from    string // the peer's address
	host    string
	tls     bool
	header  map[string]string
	cookies map[string]*http.Cookie
}

func (d *door) browser(from string) *browser {
	return &browser{
		t: d.t.(*testing.T), h: d.h, from: from, host: "console.test", cookies: map[string]*http.Cookie{},
		header: map[string]string{"Accept": "text/html", "User-Agent": "Test/1.0", "Sec-Fetch-Dest": "document"},
	}
}

func (b *browser) do(method, path string, form url.Values) answer {
	b.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
	r.RemoteAddr, r.Host = b.from, b.host
	if b.tls {
		r.TLS = &tls.ConnectionState{}
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for name, value := range b.header {
		r.Header.Set(name, value)
	}
	for _, c := range b.cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	b.h.ServeHTTP(w, r)
	a := answer{Code: w.Code, Header: w.Header(), Body: w.Body.Bytes()}
	for _, c := range a.cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c
		}
	}
	return a
}

// cookies are those that an answer sets.
func (a answer) cookies() []*http.Cookie { return (&http.Response{Header: a.Header}).Cookies() }

func (b *browser) get(path string) answer { return b.do(http.MethodGet, path, nil) }

func (b *browser) post(path string, pairs ...string) answer {
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return b.do(http.MethodPost, path, form)
}

// signIn signs in and fails the test where that is refused.
func (b *browser) signIn() {
	b.t.Helper()
	if a := b.post("/admin/sign-in", "email", amal, "password", secret); a.Code != http.StatusSeeOther {
		b.t.Fatalf("sign-in: %d: %s", a.Code, pageOf(b.t, a).Text())
	}
}

// isIn tells whether the account's page is shown.
func (b *browser) isIn() bool {
	b.t.Helper()
	a := b.get("/admin/account")
	if a.Code != http.StatusOK && a.Header.Get("Location") != "/admin/sign-in?next=%2Fadmin%2Faccount" {
		b.t.Fatalf("account: %d to %q", a.Code, a.Header.Get("Location"))
	}
	return a.Code == http.StatusOK
}

func pageOf(t *testing.T, a answer) *goquery.Document {
	t.Helper()
	doc, err := goquery.NewDocumentFromReader(bytes.NewReader(a.Body))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}
