package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/store"
)

const chosen = "correct horse battery"

// Who changes their password shows the old one, and a code where there is a second
// factor; then only the new one lets in, and they are signed out everywhere else.
func TestPasswordIsChanged(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	here, there := d.browser("192.0.2.1:1"), d.browser("198.51.100.7:1")
	here.signIn()
	there.signIn()
	change := func(old, again string) answer {
		return here.form("/admin/account/password", url.Values{"password": {old}, "new": {chosen}, "again": {again}})
	}
	a := change(secret, chosen)
	if a.Code != http.StatusSeeOther || a.Header.Get("Location") != accountPath {
		t.Fatalf("change: %d %s", a.Code, saidBy(t, a))
	}
	if got := saidBy(t, here.get(accountPath)); !strings.Contains(got, "The password is changed") {
		t.Errorf("it says %q", got)
	}
	if a := there.get("/admin"); a.Code != http.StatusSeeOther {
		t.Errorf("elsewhere it goes on: %d", a.Code)
	}
	for text, want := range map[string]int{secret: http.StatusUnauthorized, chosen: http.StatusSeeOther} {
		b := d.browser("203.0.113.9:1")
		if a := b.form("/admin/sign-in", url.Values{"email": {amal}, "password": {text}}); a.Code != want {
			t.Errorf("%s lets in with %d, want %d", text, a.Code, want)
		}
	}
	if got := one[string](d.site, `SELECT actor || ' ' || address || ' ' || details::text FROM audit WHERE act = 'operator.change_password'`); got != amal+` 192.0.2.1 {"sessions": 1}` {
		t.Errorf("the audit says %s", got)
	}
	if a := change(secret, chosen); a.Code != http.StatusUnprocessableEntity {
		t.Errorf("with the old password: %d", a.Code)
	}

	hidden, _ := d.switchOn(here)
	if pageOf(t, here.get("/admin/account/password")).Find("input[name=code]").Length() != 1 {
		t.Error("no code is asked for")
	}
	another := url.Values{"password": {chosen}, "new": {secret}, "again": {secret}}
	if a := here.form("/admin/account/password", another); a.Code != http.StatusUnprocessableEntity {
		t.Errorf("without a code: %d", a.Code)
	}
	d.codesAnew()
	another.Set("code", codeAt(t, hidden, 0))
	if a := here.form("/admin/account/password", another); a.Code != http.StatusSeeOther {
		t.Errorf("with a code: %d %s", a.Code, saidBy(t, a))
	}
}

// What is not taken says why, changes nothing and ends no session.
func TestPasswordIsNotChanged(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	here, there := d.browser("192.0.2.1:1"), d.browser("198.51.100.7:1")
	here.signIn()
	there.signIn()
	before := one[string](d.site, `SELECT password FROM operators`)
	for name, c := range map[string]struct {
		fields url.Values
		says   string
	}{
		"wrong":       {url.Values{"password": {"a wrong password"}, "new": {chosen}, "again": {chosen}}, "The password or the code is not right"},
		"none":        {url.Values{"new": {chosen}, "again": {chosen}}, "The password or the code is not right"},
		"short":       {url.Values{"password": {secret}, "new": {"short"}, "again": {"short"}}, "at least 12 characters"},
		"long":        {url.Values{"password": {secret}, "new": {strings.Repeat("x", 2000)}, "again": {strings.Repeat("x", 2000)}}, "more than 1024 bytes"},
		"no text":     {url.Values{"password": {secret}, "new": {strings.Repeat("\xff", 20)}, "again": {strings.Repeat("\xff", 20)}}, "must be text"},
		"differently": {url.Values{"password": {secret}, "new": {chosen}, "again": {chosen + "!"}}, "differently the second time"},
		"the same":    {url.Values{"password": {secret}, "new": {secret}, "again": {secret}}, "is the old one"},
	} {
		a := here.form("/admin/account/password", c.fields)
		if got := words(parsed(t, a.Body).Find(".mistake")); a.Code != http.StatusUnprocessableEntity || !strings.Contains(got, c.says) || !strings.Contains(got, "Nothing was done") {
			t.Errorf("%s: %d %q", name, a.Code, got)
		}
		if strings.Contains(string(a.Body), chosen) {
			t.Errorf("%s: the page has the password", name)
		}
	}
	if got := one[string](d.site, `SELECT password FROM operators`); got != before {
		t.Error("the password is another")
	}
	if a := there.get("/admin"); a.Code != http.StatusOK {
		t.Errorf("a session was ended: %d", a.Code)
	}
	slowed := false
	for range 12 {
		slowed = slowed || here.form("/admin/account/password", url.Values{"password": {"wrong"}, "new": {chosen}, "again": {chosen}}).Code == http.StatusTooManyRequests
	}
	if !slowed {
		t.Error("passwords can be guessed without end")
	}
}

// A password that an admin resets meanwhile stays the one that the admin made.
func TestPasswordIsResetMeanwhile(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	o := one[uuid.UUID](d.site, `SELECT id FROM operators`)
	a, _, err := d.s.DB.BeginProof(t.Context(), o, "192.0.2.1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.s.DB.ResetPassword(t.Context(), amal, "the admin's", store.Actor{Name: "admin"}); err != nil {
		t.Fatal(err)
	}
	if err := d.s.DB.ChangePassword(t.Context(), a, uuid.New(), "their own", store.Actor{Name: amal}); err == nil {
		t.Error("it was changed")
	}
	if got := one[string](d.site, `SELECT password FROM operators`); got != "the admin's" {
		t.Errorf("the password is %s", got)
	}
}
