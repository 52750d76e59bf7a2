package web

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/store"
)

// bearer is the header that shows a key.
func bearer(token string) map[string]string {
	return map[string]string{"Authorization": "Bearer " + token}
}

// key makes a key and returns it with its token.
func (x *site) key(name string, scopes ...store.Scope) (store.APIKey, string) {
	x.t.Helper()
	k, token, err := x.s.DB.AddAPIKey(x.t.Context(), store.NewAPIKey{Name: name, Scopes: scopes, Days: 30}, store.Actor{Name: "test"})
	if err != nil {
		x.t.Fatal(err)
	}
	return k, token
}

// A key opens what its scopes say, for every method, and is told which one it lacks.
func TestScopesOfKeys(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	id := x.register("palm").String()
	_, read := x.key("reader", store.ScopeRead)
	_, act := x.key("actor", store.ScopeAct)
	_, both := x.key("both", store.ScopeRead, store.ScopeAct)
	one, retry := "/api/admin/v1/tenants/"+id, "/api/admin/v1/tenants/"+id+"/suspend"
	for _, tt := range []struct {
		token, method, path string
		want                int
	}{
		{read, http.MethodGet, one, http.StatusOK},
		{read, http.MethodPost, retry, http.StatusForbidden},
		{read, http.MethodDelete, one, http.StatusForbidden},
		{read, http.MethodPut, one, http.StatusForbidden},
		{read, http.MethodHead, one, http.StatusMethodNotAllowed}, // there is no such route, but it may ask
		{act, http.MethodGet, one, http.StatusOK},
		{act, http.MethodPost, retry, http.StatusAccepted},
		{both, http.MethodPost, "/api/admin/v1/tenants/" + id + "/resume", http.StatusAccepted},
		{both, http.MethodGet, one, http.StatusOK},
		{adminKey, http.MethodPost, retry, http.StatusAccepted},
	} {
		a := x.send(tt.method, tt.path, "", bearer(tt.token))
		if a.Code != tt.want {
			t.Errorf("%s %s by %.12s: %d %s, want %d", tt.method, tt.path, tt.token, a.Code, a.Body, tt.want)
		}
		if a.Code == http.StatusForbidden && tt.method == http.MethodPost {
			if text := string(a.Body); a.code() != "forbidden" || !strings.Contains(text, "the scope act") || !strings.Contains(text, "reader ("+tt.token[:12]+")") {
				t.Errorf("refused with %s, want the scope and the key by its name", text)
			}
		}
		if strings.Contains(string(a.Body), tt.token) {
			t.Error("an answer has the token")
		}
	}
}

// What is no key (any more) opens nothing, and is told nothing apart from the others.
func TestKeysThatOpenNothing(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	revoked, first := x.key("revoked", store.ScopeRead)
	expired, second := x.key("expired", store.ScopeRead)
	_, lives := x.key("lives", store.ScopeRead)
	if _, err := x.s.DB.RevokeAPIKey(t.Context(), revoked.ID, store.Actor{Name: "test"}); err != nil {
		t.Fatal(err)
	}
	x.exec(`UPDATE api_keys SET expires_at = now() WHERE id = $1`, expired.ID)
	var texts []string
	for name, token := range map[string]string{
		"revoked": first, "expired": second, "unknown": "wsl_" + strings.Repeat("A", 43), "shortened": lives[:40],
		"another case": strings.ToUpper(lives), "only its prefix": revoked.Prefix,
	} {
		a := x.send(http.MethodGet, "/api/admin/v1/stats", "", bearer(token))
		if a.Code != http.StatusUnauthorized || a.code() != "unauthorised" || a.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: %d %s, want 401", name, a.Code, a.Body)
		}
		texts = append(texts, string(a.Body))
	}
	for _, text := range texts {
		if text != texts[0] {
			t.Errorf("the answers differ: %s and %s", text, texts[0])
		}
	}
	if a := x.send(http.MethodGet, "/api/admin/v1/stats", "", map[string]string{"Authorization": "Basic " + lives}); a.Code != http.StatusUnauthorized {
		t.Errorf("by another scheme: %d", a.Code)
	}
	if a := x.send(http.MethodGet, "/api/admin/v1/stats", "", bearer(lives)); a.Code != http.StatusOK {
		t.Errorf("the key that lives: %d", a.Code)
	}
}

// Without a key in the settings the API works with keys, and only with them.
func TestKeysWithoutTheSetting(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	_, token := x.key("reader", store.ScopeRead)
	x.s.AdminKey = ""
	x.h = x.s.Handler()
	for token, want := range map[string]int{token: http.StatusOK, "": http.StatusUnauthorized, adminKey: http.StatusUnauthorized} {
		if a := x.send(http.MethodGet, "/api/admin/v1/stats", "", bearer(token)); a.Code != want {
			t.Errorf("%.12q: %d, want %d", token, a.Code, want)
		}
	}
}

// Guessing tokens is throttled like guessing the setting's key; being refused for
// want of a scope is no guess.
func TestGuessingTokensIsThrottled(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	_, token := x.key("reader", store.ScopeRead)
	for range 12 {
		if a := x.send(http.MethodPost, "/api/admin/v1/tenants", "", bearer(token)); a.Code != http.StatusForbidden {
			t.Fatalf("for want of a scope: %d", a.Code)
		}
	}
	for i := range 11 {
		want := http.StatusUnauthorized
		if i == 10 {
			want = http.StatusTooManyRequests
		}
		if a := x.send(http.MethodGet, "/api/admin/v1/stats", "", bearer("wsl_"+uuid.NewString())); a.Code != want {
			t.Fatalf("guess %d: %d, want %d", i+1, a.Code, want)
		}
	}
	if a := x.send(http.MethodGet, "/api/admin/v1/stats", "", bearer(token)); a.Code != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" {
		t.Errorf("the right one after that: %d", a.Code)
	}
}

// The audit says which key did it and from where.
func TestAuditNamesTheKey(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	id := x.register("palm").String()
	key, token := x.key("the Friday script", store.ScopeAct)
	if a := x.send(http.MethodPost, "/api/admin/v1/tenants/"+id+"/suspend", "", bearer(token)); a.Code != http.StatusAccepted {
		t.Fatal(a.Code, string(a.Body))
	}
	got := one[string](x, `SELECT string_agg(actor || ' ' || act || ' ' || coalesce(address, '-'), ', ' ORDER BY id) FROM audit`)
	if want := "api key tenant.create 192.0.2.1, test key.add -, api key the Friday script (" + key.Prefix + ") tenant.suspend 192.0.2.1"; got != want {
		t.Errorf("audit = %s\nwant    %s", got, want)
	}
	used := one[string](x, `SELECT last_address || ' ' || (last_used_at > now() - interval '1 minute') FROM api_keys`)
	if used != "192.0.2.1 true" {
		t.Errorf("used = %s", used)
	}
}

// An admin makes a key, sees its token once and never again, and revokes it.
func TestKeysPage(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	b := d.browser("192.0.2.1:1")
	b.signIn()
	if page := pageOf(t, b.get(settingsKeysPath)); !strings.Contains(words(page.Find("main")), "There is no key yet") {
		t.Errorf("page = %s", words(page.Find("main")))
	}

	a := b.post(settingsKeysPath, "name", "  <b>متجر</b>  sync ", "scope", "act", "days", "30")
	if a.Code != http.StatusCreated || a.Header.Get("Location") != "" || len(a.cookies()) != 0 || a.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("made: %d %v", a.Code, a.Header)
	}
	token := words(pageOf(t, a).Find("#token .mono"))
	if len(token) != 47 || !strings.HasPrefix(token, "wsl_") {
		t.Fatalf("token = %q", token)
	}
	if a := send(d.h, http.MethodGet, "/api/admin/v1/stats", nil, bearer(token)); a.Code != http.StatusOK {
		t.Errorf("the new key: %d", a.Code)
	}
	page := pageOf(t, b.get(settingsKeysPath))
	row := page.Find("#keys-table tbody tr")
	if html, _ := page.Html(); strings.Contains(html, token) || row.Length() != 1 || row.Find("b").Length() != 0 {
		t.Errorf("the list has the token, or more than one row: %s", words(row))
	}
	if got := words(row); !strings.Contains(got, "<b>متجر</b> sync "+token[:12]+" read and act amal@example.com") || !strings.Contains(got, "192.0.2.1") {
		t.Errorf("row = %s", got)
	}
	kept := one[string](d.site, `SELECT api_keys::text || (SELECT string_agg(a::text, '') FROM audit AS a) FROM api_keys`)
	if strings.Contains(kept, token) || strings.Contains(d.log.String(), token) {
		t.Error("the token is in the database or in the log")
	}

	again := b.post(settingsKeysPath, "name", "<B>متجر</B> sync", "scope", "read", "days", "0")
	if again.Code != http.StatusConflict || pageOf(t, again).Find("#token").Length() != 0 || !strings.Contains(words(pageOf(t, again).Find("#key-error")), "choose another name") {
		t.Errorf("the same name: %d %s", again.Code, words(pageOf(t, again).Find("#key-error")))
	}
	for name, pairs := range map[string][]string{
		"no name":       {"name", " ", "scope", "read", "days", "30"},
		"another scope": {"name", "x", "scope", "admin", "days", "30"},
		"another time":  {"name", "x", "scope", "read", "days", "31"},
		"no time":       {"name", "x", "scope", "read"},
		"control codes": {"name", "a\x1bb", "scope", "read", "days", "30"},
	} {
		if a := b.post(settingsKeysPath, pairs...); a.Code != http.StatusUnprocessableEntity || words(pageOf(t, a).Find("#key-error")) == "" {
			t.Errorf("%s: %d", name, a.Code)
		}
	}
	if got := one[int](d.site, `SELECT count(*)::int FROM api_keys`); got != 1 {
		t.Errorf("%d keys are there, want 1", got)
	}

	form := row.Find("form")
	ask := pageOf(t, b.get(form.AttrOr("action", "")))
	if !strings.Contains(words(ask.Find(".confirm")), "It can't be undone") || form.AttrOr("method", "") != "get" {
		t.Errorf("it asks: %s", words(ask.Find(".confirm")))
	}
	if a := b.post(ask.Find(".confirm form").AttrOr("action", "")); a.Code != http.StatusSeeOther || a.Header.Get("Location") != settingsKeysPath {
		t.Errorf("revoked: %d", a.Code)
	}
	if a := send(d.h, http.MethodGet, "/api/admin/v1/stats", nil, bearer(token)); a.Code != http.StatusUnauthorized {
		t.Errorf("the revoked key: %d", a.Code)
	}
	if a := b.post(form.AttrOr("action", "")); a.Code != http.StatusNotFound {
		t.Errorf("revoked twice: %d", a.Code)
	}
	got := one[string](d.site, `SELECT string_agg(act || ' ' || actor || ' ' || subject || ' ' || (details ->> 'scopes'), ', ' ORDER BY id) FROM audit WHERE act LIKE 'key.%'`)
	subject := "amal@example.com <b>متجر</b> sync (" + token[:12] + `) ["read", "act"]`
	if got != "key.add "+subject+", key.revoke "+subject {
		t.Errorf("audit = %s", got)
	}
}

// Keys are an admin's to see and to make.
func TestKeysPageIsForAdmins(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	b := d.browser("192.0.2.1:1")
	b.signIn()
	key, _ := d.key("reader", store.ScopeRead)
	revoke := settingsKeysPath + "/" + key.ID.String() + "/revoke"
	for _, role := range []store.Role{store.RoleViewer, store.RoleOperator} {
		d.exec(`UPDATE operators SET role = $1`, role)
		for name, a := range map[string]answer{
			"list": b.get(settingsKeysPath), "make": b.post(settingsKeysPath, "name", "x", "scope", "read", "days", "30"), "ask": b.get(revoke), "revoke": b.post(revoke),
		} {
			if a.Code != http.StatusForbidden || strings.Contains(string(a.Body), key.Prefix) {
				t.Errorf("%s as %s: %d, want 403", name, role, a.Code)
			}
		}
	}
	if got := one[int](d.site, `SELECT count(*)::int FROM api_keys WHERE revoked_at IS NULL`); got != 1 {
		t.Errorf("%d keys are there, want 1", got)
	}
	stranger := d.browser("192.0.2.2:1")
	if a := stranger.get(settingsKeysPath); a.Code != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/admin/sign-in?") {
		t.Errorf("as nobody: %d", a.Code)
	}
}
