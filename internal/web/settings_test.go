package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/store"
)

// An admin adds somebody, who signs in with the password that was shown once: it is
// in that answer and nowhere else.
func TestOperatorIsAdded(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	b := d.browser("192.0.2.1:1")
	b.signIn()
	page := pageOf(t, b.get(settingsPath))
	if got := words(page.Find("#operators tbody tr")); !strings.HasPrefix(got, amal+" – you admin the last admin stays one") || !strings.Contains(got, "1 place 192.0.2.1") {
		t.Errorf("the operators are %q", got)
	}
	if got := words(page.Find(".tabs")); got != "Operators Sessions API keys" {
		t.Errorf("the tabs are %q", got)
	}

	a := b.post(page.Find(`form:has(#email)`).AttrOr("action", ""), "email", "Badr@Example.com", "role", "viewer")
	if a.Code != http.StatusOK || len(a.cookies()) != 0 || a.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("add: %d with cookies %v, kept %q", a.Code, a.cookies(), a.Header.Get("Cache-Control"))
	}
	password := words(pageOf(t, a).Find("#password .mono"))
	if len(password) < 20 {
		t.Fatalf("the password is %q", password)
	}

	for what, text := range map[string]string{
		"log": d.log.String(), "list": string(b.get(settingsPath).Body),
		"audit": one[string](d.site, `SELECT string_agg(audit::text, ' ') FROM audit`), "database": one[string](d.site, `SELECT string_agg(operators::text, ' ') FROM operators`),
	} {
		if strings.Contains(text, password) {
			t.Errorf("the %s has the password: %s", what, text)
		}
	}
	badr := d.browser("192.0.2.2:1")
	if a := badr.post("/admin/sign-in", "email", "badr@example.com", "password", password); a.Code != http.StatusSeeOther || !badr.isIn() {
		t.Errorf("they can't sign in: %d", a.Code)
	}
	if a := badr.get(settingsPath); a.Code != http.StatusForbidden || !strings.Contains(words(pageOf(t, a).Find("main")), "This needs the role admin") {
		t.Errorf("a viewer's settings: %d %s", a.Code, words(pageOf(t, a).Find("main")))
	}
	nav := func(b *browser) string { return words(pageOf(t, b.get("/admin")).Find("#nav")) }
	if got := nav(badr); !strings.HasSuffix(got, "Workers Audit") {
		t.Errorf("a viewer's navigation is %q", got)
	}
	if got := nav(b); !strings.HasSuffix(got, "Workers Audit Settings") {
		t.Errorf("an admin's navigation is %q", got)
	}
	if got := words(pageOf(t, badr.get("/admin")).Find(".me .floating")); !strings.Contains(got, "badr@example.com Viewer: you look, and change nothing") {
		t.Errorf("their menu says %q", got)
	}
	if got := one[string](d.site, `SELECT actor || ' ' || act || ' ' || subject || ' ' || details::text || ' ' || address FROM audit WHERE act = 'operator.add' ORDER BY id DESC LIMIT 1`); got !=
		amal+` operator.add badr@example.com {"after": {"role": "viewer"}} 192.0.2.1` {
		t.Errorf("audit: %s", got)
	}
}

// What can't be added is said beside the form, with what was typed.
func TestOperatorIsNotAdded(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	b := d.browser("192.0.2.1:1")
	b.signIn()
	for _, tt := range []struct {
		email, role, says string
		code              int
	}{
		{"", "viewer", "An operator needs one e-mail address", http.StatusUnprocessableEntity},
		{"<b>amal</b>", "viewer", "An operator needs one e-mail address", http.StatusUnprocessableEntity},
		{"dana@example.com", "root", "Choose a role", http.StatusUnprocessableEntity},
		{"AMAL@example.com", "viewer", "There is an operator amal@example.com already", http.StatusConflict},
		{"a\x00b@example.com", "viewer", "The e-mail has characters that no address has", http.StatusUnprocessableEntity},
	} {
		a := b.post(operatorsPath, "email", tt.email, "role", tt.role)
		page := pageOf(t, a)
		if got := words(page.Find("#email-error")); a.Code != tt.code || !strings.HasPrefix(got, tt.says) || !strings.HasSuffix(got, "Nobody was added.") {
			t.Errorf("%q as %q: %d %q", tt.email, tt.role, a.Code, got)
		}
		if page.Find("#password").Length() != 0 || page.Find("#email[aria-invalid]").Length() != 1 {
			t.Errorf("%q: the form is not what it was", tt.email)
		}
	}
	if got := one[int](d.site, `SELECT count(*) FROM operators`); got != 1 {
		t.Errorf("%d operators", got)
	}
}

// A role is changed on the list; the last admin stays one, and the page says why.
func TestRoleIsChangedOnThePage(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	badr := d.colleague("badr@wosool.example", store.RoleViewer)
	row := func(email string) *goquery.Selection {
		return d.page(http.StatusOK, settingsPath).Find("#operators tbody tr").FilterFunction(func(_ int, tr *goquery.Selection) bool {
			return strings.HasPrefix(words(tr), email)
		})
	}

	if got := row("badr@wosool.example").Find("select option[selected]").Text(); got != "viewer" {
		t.Errorf("the role is shown as %q", got)
	}
	a := d.post(operatorPath(badr, "role"), url.Values{"role": {"admin"}})
	if said := d.after(a); !strings.Contains(said, "badr@wosool.example is admin from the next request on.") {
		t.Errorf("it says %q", said)
	}
	if row(deskOperator).Find("form select").Length() != 1 {
		t.Error("with two admins, one can't be made less")
	}
	if a := d.post(operatorPath(badr, "role"), url.Values{"role": {"root"}}); a.Code != http.StatusUnprocessableEntity {
		t.Errorf("no role: %d", a.Code)
	}
	d.post(operatorPath(badr, "role"), url.Values{"role": {"operator"}})

	me := one[uuid.UUID](d.site, `SELECT id FROM operators WHERE email = $1`, deskOperator)
	if got := row(deskOperator); got.Find("form select").Length() != 0 || got.Find(`form[action$="/remove"]`).Length() != 0 || !strings.Contains(words(got), "the last admin stays one") {
		t.Errorf("the last admin is offered %q", words(got))
	}
	for act, fields := range map[string]url.Values{"role": {"role": {"viewer"}}, "remove": {"confirm": {deskOperator}}} {
		a := d.post(operatorPath(me, act), fields)
		if said := d.after(a); !strings.Contains(said, "Nothing was changed") || !strings.Contains(said, "is the last admin") {
			t.Errorf("%s of the last admin: %d %q", act, a.Code, said)
		}
	}
}

// Removing asks for the e-mail, and ends what they have open.
func TestOperatorIsRemoved(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	badr := d.colleague("badr@wosool.example", store.RoleOperator)
	path := operatorPath(badr, "remove")

	form := d.page(http.StatusOK, path)
	if got := words(form.Find("label[for=confirm] strong")); got != "badr@wosool.example" {
		t.Errorf("it asks %q", got)
	}
	if a := d.post(path, url.Values{"confirm": {"yes"}}); a.Code != http.StatusUnprocessableEntity || one[int](d.site, `SELECT count(*) FROM operators WHERE id = $1`, badr) != 1 {
		t.Errorf("without the e-mail: %d", a.Code)
	}
	if said := d.after(d.post(path, url.Values{"confirm": {"badr@wosool.example"}})); !strings.Contains(said, "badr@wosool.example is removed and signed out everywhere.") {
		t.Errorf("it says %q", said)
	}
	if got := one[int](d.site, `SELECT count(*) FROM sessions WHERE operator_id = $1`, badr); got != 0 {
		t.Errorf("%d sessions are left", got)
	}
	d.page(http.StatusNotFound, path)
	if got := one[string](d.site, `SELECT actor || ' ' || subject || ' ' || details::text FROM audit WHERE act = 'operator.remove'`); got !=
		deskOperator+` badr@wosool.example {"before": {"role": "operator"}, "sessions": 1}` {
		t.Errorf("audit: %s", got)
	}
}

// A new password ends the old one and all sessions, and is shown once.
func TestPasswordIsReset(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	b, there := d.browser("192.0.2.1:1"), d.browser("192.0.2.2:1")
	b.signIn()
	made := pageOf(t, b.post(operatorsPath, "email", "badr@example.com", "role", "operator"))
	old := words(made.Find("#password .mono"))
	in := func(password string) int {
		return there.post("/admin/sign-in", "email", "badr@example.com", "password", password).Code
	}
	if code := in(old); code != http.StatusSeeOther {
		t.Fatal(code)
	}
	badr := one[uuid.UUID](d.site, `SELECT id FROM operators WHERE email = 'badr@example.com'`)

	asked := pageOf(t, b.get(operatorPath(badr, "password")))
	if got := one[int](d.site, `SELECT count(*) FROM audit WHERE act = 'operator.reset_password'`); got != 0 {
		t.Error("asking resets it")
	}
	a := b.post(asked.Find("form[method=post][action*=password]").AttrOr("action", ""))
	fresh := words(pageOf(t, a).Find("#password .mono"))

	if a.Code != http.StatusOK || len(a.cookies()) != 0 || fresh == old || len(fresh) < 20 {
		t.Fatalf("reset: %d %v", a.Code, a.cookies())
	}
	if there.isIn() || in(old) != http.StatusUnauthorized || in(fresh) != http.StatusSeeOther {
		t.Error("the old password opens, or the new one does not")
	}
	if strings.Contains(d.log.String(), fresh) || strings.Contains(one[string](d.site, `SELECT string_agg(audit::text, ' ') FROM audit`), fresh) {
		t.Error("the password is in the log or the audit")
	}
}

// All sessions are listed, of one operator too, and are ended one by one or at once.
func TestSessionsOfOthersAreEnded(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	badr := d.colleague("badr@wosool.example", store.RoleOperator)
	d.exec(`
		INSERT INTO sessions (id, token_hash, operator_id, address, agent)
		SELECT gen_random_uuid(), uuid_send(gen_random_uuid()), $1, '192.0.2.' || n, $2 FROM generate_series(1, 59) AS n`, badr, evil)

	all := d.page(http.StatusOK, allSessionsPath)
	if n := all.Find("#sessions tbody tr").Length(); n != pageSize || all.Find("main script").Length() != 0 {
		t.Errorf("%d sessions on a page", n)
	}
	older := d.page(http.StatusOK, all.Find(`.pager a[rel=next]`).AttrOr("href", ""))
	if n := older.Find("#sessions tbody tr").Length(); n != 61-pageSize {
		t.Errorf("%d sessions on the second page", n)
	}
	if got := d.led(older.Find(`.pager a[rel=prev]`).AttrOr("href", "")); got != allSessionsPath {
		t.Errorf("newer leads to %q", got)
	}

	hers := allSessionsPath + "?operator=" + badr.String()
	row := d.page(http.StatusOK, hers).Find("#sessions tbody tr").First()
	if said := d.after(d.press(row.Find("form"))); !strings.Contains(said, "The session of badr@wosool.example is ended") {
		t.Errorf("it says %q", said)
	}
	if a := d.press(row.Find("form")); a.Code != http.StatusNotFound {
		t.Errorf("once more: %d", a.Code)
	}
	page := d.page(http.StatusOK, hers)
	if said := d.after(d.press(page.Find(`.acts form`))); !strings.Contains(said, "59 sessions of badr@wosool.example are ended.") {
		t.Errorf("it says %q", said)
	}
	if got := words(d.page(http.StatusOK, hers).Find("main .empty h2")); got != "badr@wosool.example is signed in nowhere" {
		t.Errorf("then it says %q", got)
	}
	if got := words(d.page(http.StatusOK, allSessionsPath).Find("#sessions tbody tr")); !strings.HasPrefix(got, deskOperator+" admin test – this one") {
		t.Errorf("left is %q", got)
	}
	if got := one[string](d.site, `SELECT string_agg(act || ' ' || subject, ', ' ORDER BY id) FROM audit`); got !=
		"session.revoke badr@wosool.example, operator.sign_out_everywhere badr@wosool.example" {
		t.Errorf("audit: %s", got)
	}
	d.page(http.StatusBadRequest, allSessionsPath+"?operator=7")
	d.page(http.StatusNotFound, allSessionsPath+"?operator="+uuid.NewString())
	if a := d.press(d.page(http.StatusOK, allSessionsPath).Find("#sessions form")); a.Header.Get("Location") != "/admin/sign-in" {
		t.Errorf("ending one's own session leads to %q", a.Header.Get("Location"))
	}
}

// colleague is another operator, signed in at one place.
func (d *desk) colleague(email string, role store.Role) uuid.UUID {
	d.t.Helper()
	id := uuid.Must(uuid.NewV7())
	d.exec(`INSERT INTO operators (id, email, password, role) VALUES ($1, $2, '-', $3)`, id, email, string(role))
	d.exec(`INSERT INTO sessions (id, token_hash, operator_id, address, agent) VALUES ($1, uuid_send($1), $2, '192.0.2.7', 'test')`, uuid.Must(uuid.NewV7()), id)
	return id
}
