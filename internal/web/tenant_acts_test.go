package web

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/google/uuid"
)

// post posts fields to an act of the console.
func (d *desk) post(path string, fields url.Values) answer {
	return d.send(http.MethodPost, path, fields.Encode(), map[string]string{
		"Cookie": d.cookie, "Content-Type": "application/x-www-form-urlencoded",
	})
}

// after follows an act to the page it leads to, and returns what that says of it.
func (d *desk) after(a answer) string {
	d.t.Helper()
	if a.Code != http.StatusSeeOther {
		d.t.Fatalf("status %d, want 303: %s", a.Code, a.Body)
	}
	cookies := d.cookie
	for _, c := range (&http.Response{Header: a.Header}).Cookies() {
		cookies += "; " + c.Name + "=" + c.Value
	}
	page := d.send(http.MethodGet, a.Header.Get("Location"), "", map[string]string{"Cookie": cookies})
	return words(parsed(d.t, page.Body).Find(".flash"))
}

func TestSuspendAsksForTheName(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	name := "متجر " + evil
	id := d.store(name, 7, "ready")
	d.grant(id, "active")
	path := tenantHref(id) + "/suspend"

	form := d.page(http.StatusOK, path)
	if got := words(form.Find(".confirm")); !strings.Contains(got, "to go on "+name) || form.Find("main script").Length() > 0 {
		t.Errorf("the page asks %q", got)
	}
	for _, wrong := range []string{"", "متجر", "suspend"} {
		if a := d.post(path, url.Values{"confirm": {wrong}}); a.Code != http.StatusUnprocessableEntity ||
			!strings.Contains(words(parsed(t, a.Body).Find(".mistake")), "not the store's name") {
			t.Errorf("with %q: status %d", wrong, a.Code)
		}
	}
	if got := one[string](d.site, `SELECT status FROM tenants`); got != "ready" {
		t.Fatalf("the tenant is %s, want it untouched", got)
	}

	if got := d.after(d.post(path, url.Values{"confirm": {" " + name + " "}})); !strings.HasPrefix(got, "Suspended: its database takes no logins") {
		t.Errorf("afterwards it says %q", got)
	}
	if got := one[string](d.site, `SELECT status || ' by ' || suspended_by FROM tenants`); got != "suspended by operator" {
		t.Errorf("the tenant is %s", got)
	}
	if got := d.after(d.post(tenantHref(id)+"/resume", nil)); !strings.HasPrefix(got, "Resumed:") {
		t.Errorf("after the resumption it says %q", got)
	}
	if got := one[string](d.site, `SELECT string_agg(act || ' by ' || actor, ', ' ORDER BY id) FROM audit`); got != "tenant.suspend by "+deskOperator+", tenant.resume by "+deskOperator {
		t.Errorf("the audit says %s", got)
	}
}

func TestConfirmedWords(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		typed, word string
		want        bool
	}{
		{"Palm Store", " Palm \u00a0 Store\n", true},
		{"  Palm  Store ", "Palm Store", true},
		{"PalmStore", "Palm Store", false},
		{"palm store", "Palm Store", false},
		{"", "Palm Store", false},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(url.Values{"confirm": {tt.typed}}.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if got := confirmed(r, tt.word); got != tt.want {
			t.Errorf("%q for %q: %t", tt.typed, tt.word, got)
		}
	}
}

// A store without a name that can be typed is confirmed by its slug.
func TestSuspendAsksForTheSlug(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.store(" \u00a0", 7, "ready")
	d.grant(id, "active")
	path := tenantHref(id) + "/suspend"

	if got := words(d.page(http.StatusOK, path).Find(".confirm")); !strings.Contains(got, "to go on store-7") {
		t.Errorf("the page asks %q", got)
	}
	if a := d.post(path, url.Values{"confirm": {" "}}); a.Code != http.StatusUnprocessableEntity ||
		!strings.Contains(words(parsed(t, a.Body).Find(".mistake")), "not the store's slug") {
		t.Errorf("with nothing: status %d", a.Code)
	}
	if got := d.after(d.post(path, url.Values{"confirm": {"store-7"}})); !strings.HasPrefix(got, "Suspended:") {
		t.Errorf("afterwards it says %q", got)
	}
}

// An act that the status does not allow changes nothing, and the page says why.
func TestActsThatTheStatusRefuses(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.store("Palm", 7, "ready")
	d.grant(id, "active")
	d.exec(`UPDATE tenants SET state = 'done' WHERE id = $1`, id)
	for act, want := range map[string]string{
		"retry": "Nothing was changed: a ready tenant cannot be retried.", "resume": "Nothing was changed: a ready tenant cannot be resumed.",
	} {
		if got := d.after(d.post(tenantHref(id)+"/"+act, nil)); got != want {
			t.Errorf("%s: %q, want %q", act, got, want)
		}
	}
	if got := d.after(d.post(tenantHref(d.store("New", 8, "pending"))+"/import", nil)); got != "Nothing was changed: a pending tenant cannot be imported." {
		t.Errorf("import: %q", got)
	}
	if n := one[int](d.site, `SELECT count(*) FROM audit`); n != 0 {
		t.Errorf("%d acts were noted, want none", n)
	}
	for _, act := range []string{"retry", "import", "suspend", "resume"} {
		if a := d.post(tenantHref(uuid.New())+"/"+act, nil); a.Code != http.StatusNotFound {
			t.Errorf("%s of nobody: status %d", act, a.Code)
		}
	}
}

func TestImportByHand(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.store("Palm", 7, "ready")
	d.grant(id, "active")
	path := tenantHref(id) + "/import"

	if boxes := d.page(http.StatusOK, path).Find(`input[name=resources]`).Length(); boxes != 5 {
		t.Errorf("%d boxes, want 5", boxes)
	}
	for name, fields := range map[string]url.Values{
		"no day": {"since": {"yesterday"}}, "a day to come": {"since": {"2999-01-01"}}, "another resource": {"resources": {"coupons"}},
	} {
		if a := d.post(path, fields); a.Code != http.StatusUnprocessableEntity || words(parsed(t, a.Body).Find(".mistake")) == "" {
			t.Errorf("%s: status %d", name, a.Code)
		}
	}
	got := d.after(d.post(path, url.Values{"resources": {"orders", "carts"}, "since": {"2026-01-31"}}))
	if !strings.HasPrefix(got, "The import begins within seconds") {
		t.Errorf("it says %q", got)
	}
	if got := one[string](d.site, `SELECT kind || ' ' || resources::text || ' ' || (since AT TIME ZONE 'Asia/Riyadh') FROM runs`); got != "manual {orders,carts} 2026-01-31 00:00:00" {
		t.Errorf("the run is %s", got)
	}
	if got := words(d.page(http.StatusOK, importsPath).Find("#imports")); !strings.Contains(got, "since 31 Jan 2026") {
		t.Errorf("the list says %q", got)
	}
	if got := d.after(d.post(path, nil)); got == "" {
		t.Error("a second import is not queued behind the first")
	}
}

// A form of another site does nothing.
func TestActsOfAnotherSite(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.store("Palm", 7, "failed")
	a := d.send(http.MethodPost, tenantHref(id)+"/retry", "", map[string]string{
		"Cookie": d.cookie, "Sec-Fetch-Site": "cross-site", "Content-Type": "application/x-www-form-urlencoded",
	})
	if a.Code != http.StatusForbidden {
		t.Errorf("status %d, want 403", a.Code)
	}
	if got := one[string](d.site, `SELECT status FROM tenants`); got != "failed" {
		t.Errorf("the tenant is %s", got)
	}
}

func parsed(t testing.TB, body []byte) *goquery.Document {
	t.Helper()
	doc, err := goquery.NewDocumentFromReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}
