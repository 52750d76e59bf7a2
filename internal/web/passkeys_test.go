package web

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/passkey"
	"github.com/wosool/wosool/internal/passkey/passkeytest"
)

func partyAt(t *testing.T, address string) *passkey.Party {
	t.Helper()
	p, err := passkey.NewParty(address)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// makePasskey makes a passkey with a device for whoever post signs in, who proves with
// these fields that it is they. It returns the last answer.
func makePasskey(t testing.TB, post func(path string, fields url.Values) answer, device *passkeytest.Authenticator, proof url.Values) answer {
	t.Helper()
	a := post("/admin/account/passkeys/new", proof)
	form := parsed(t, a.Body).Find(`form[data-passkey="create"]`)
	if a.Code != http.StatusOK || form.Length() != 1 {
		t.Fatalf("prove: %d %s", a.Code, words(parsed(t, a.Body).Find("main")))
	}
	return post("/admin/account/passkeys", url.Values{
		"pending":    {form.Find("input[name=pending]").AttrOr("value", "")},
		"credential": {device.Make([]byte(form.AttrOr("data-options", "")))},
		"name":       {"Amal's phone"},
	})
}

// keyDoor is a door at an address where passkeys work, and a device that is there.
func keyDoor(t *testing.T) (*door, *passkeytest.Authenticator) {
	t.Helper()
	d := newDoor(t)
	d.s.PublicURL, d.s.Passkeys = "https://console.test", partyAt(t, "https://console.test")
	d.h = d.s.Handler()
	return d, passkeytest.New(t, "https://console.test", "console.test")
}

func (b *browser) form(path string, fields url.Values) answer {
	return b.do(http.MethodPost, path, fields)
}

// question is what the sign-in asks of a passkey.
func (b *browser) question() (options []byte, pending string) {
	b.t.Helper()
	a := b.get("/admin/sign-in/passkey")
	var q struct {
		Options json.RawMessage
		Pending string
	}
	if err := json.Unmarshal(a.Body, &q); err != nil || a.Code != http.StatusOK || a.Header.Get("Cache-Control") != "no-store" {
		b.t.Fatalf("the question: %d %s %v", a.Code, a.Body, err)
	}
	return q.Options, q.Pending
}

// signInBy signs in with a device.
func (b *browser) signInBy(device *passkeytest.Authenticator) answer {
	b.t.Helper()
	options, pending := b.question()
	return b.post("/admin/sign-in/passkey", "pending", pending, "credential", device.Sign(options), "next", "/admin/tenants?q=a")
}

func saidBy(t *testing.T, a answer) string {
	t.Helper()
	return words(parsed(t, a.Body).Find("main"))
}

// A passkey that was made lets in, without password and code, and is noted.
func TestPasskeyLetsIn(t *testing.T) {
	t.Parallel()
	d, device := keyDoor(t)
	b := d.browser("192.0.2.1:1")
	b.signIn()
	if offered := parsed(t, d.browser("192.0.2.9:1").get("/admin/sign-in").Body).Find(`form[data-passkey="get"]`).Length(); offered != 0 {
		t.Error("the sign-in offers passkeys where there is none")
	}
	page := pageOf(t, b.get("/admin/account"))
	if got := words(page.Find("#passkeys")); got != "" {
		t.Errorf("there are passkeys: %s", got)
	}
	if a := makePasskey(t, b.form, device, url.Values{"password": {secret}}); a.Code != http.StatusSeeOther || a.Header.Get("Location") != "/admin/account" {
		t.Fatalf("make: %d %s", a.Code, saidBy(t, a))
	}
	if got := words(pageOf(t, b.get("/admin/account")).Find("#passkeys tbody")); !strings.HasPrefix(got, "Amal's phone") || !strings.Contains(got, "never") {
		t.Errorf("the account shows %q", got)
	}
	if kept := one[[]byte](d.site, `SELECT sealed FROM passkeys`); strings.Contains(string(kept), "publicKey") {
		t.Error("a passkey is kept unsealed")
	}

	in := d.browser("198.51.100.7:1")
	if offered := pageOf(t, in.get("/admin/sign-in?next=/admin/tenants")).Find(`form[data-passkey="get"]`); offered.Length() != 1 || offered.Find("input[name=next]").AttrOr("value", "") != "/admin/tenants" {
		t.Error("the sign-in does not offer the passkey")
	}
	a := in.signInBy(device)
	if a.Code != http.StatusSeeOther || a.Header.Get("Location") != "/admin/tenants?q=a" {
		t.Fatalf("sign in: %d %s", a.Code, saidBy(t, a))
	}
	if got := in.get("/admin/account"); got.Code != http.StatusOK || strings.Contains(words(parsed(t, got.Body).Find("#passkeys tbody")), "never") {
		t.Errorf("after the sign-in: %d", got.Code)
	}
	if got := one[string](d.site, `SELECT string_agg(act || ' ' || actor || ' ' || address || ' ' || coalesce(details->>'passkey', details->'after'->>'passkey'), ', ' ORDER BY id)
		FROM audit WHERE details ? 'passkey' OR act LIKE 'passkey.%'`); got !=
		"passkey.add amal@example.com 192.0.2.1 Amal's phone, operator.sign_in amal@example.com 198.51.100.7 Amal's phone" {
		t.Errorf("the audit has %s", got)
	}
	for _, hidden := range []string{"clientDataJSON", "signature"} {
		if strings.Contains(d.log.String(), hidden) {
			t.Errorf("the log has %s", hidden)
		}
	}
}

// An answer lets in once; one to an older question not at all after it.
func TestPasskeysAnswerIsGoodOnce(t *testing.T) {
	t.Parallel()
	d, device := keyDoor(t)
	b := d.browser("192.0.2.1:1")
	b.signIn()
	makePasskey(t, b.form, device, url.Values{"password": {secret}})
	thief := d.browser("203.0.113.5:1")
	older, oldPending := thief.question()
	options, pending := thief.question()
	answered, old := device.Sign(options), device.Sign(older)
	if a := d.browser("198.51.100.7:1").post("/admin/sign-in/passkey", "pending", pending, "credential", answered); a.Code != http.StatusSeeOther {
		t.Fatalf("the owner: %d %s", a.Code, saidBy(t, a))
	}
	for what, a := range map[string]answer{
		"the same answer":             thief.post("/admin/sign-in/passkey", "pending", pending, "credential", answered),
		"an answer to one before":     thief.post("/admin/sign-in/passkey", "pending", oldPending, "credential", old),
		"the answer to another":       thief.post("/admin/sign-in/passkey", "pending", oldPending, "credential", answered),
		"a question that was made up": thief.post("/admin/sign-in/passkey", "pending", pending[:len(pending)-4]+"AAAA", "credential", answered),
		"no question":                 thief.post("/admin/sign-in/passkey", "credential", answered),
		"no answer":                   thief.post("/admin/sign-in/passkey", "pending", pending),
	} {
		if a.Code != http.StatusUnauthorized && a.Code != http.StatusUnprocessableEntity && a.Code != http.StatusTooManyRequests {
			t.Errorf("%s: %d", what, a.Code)
		}
		if got := saidBy(t, a); !strings.Contains(got, "passkey") && !strings.Contains(got, "Too many") {
			t.Errorf("%s: %s", what, got)
		}
	}
	if n := one[int](d.site, `SELECT count(*) FROM sessions`); n != 2 {
		t.Errorf("%d sessions, want 2", n)
	}
}

// A passkey that was removed lets nobody in; what is kept of one opens nothing in
// another's row, nor for another owner; nor does one on another address.
func TestPasskeyThatIsNotKept(t *testing.T) {
	t.Parallel()
	d, device := keyDoor(t)
	b := d.browser("192.0.2.1:1")
	b.signIn()
	makePasskey(t, b.form, device, url.Values{"password": {secret}})
	refused := func(what string) {
		t.Helper()
		d.exec(`DELETE FROM sign_in_attempts`)
		if a := d.browser("198.51.100.7:1").signInBy(device); a.Code != http.StatusUnauthorized && a.Code != http.StatusConflict && a.Code < http.StatusInternalServerError {
			t.Errorf("%s: %d %s", what, a.Code, saidBy(t, a))
		}
	}
	owner := one[uuid.UUID](d.site, `SELECT id FROM operators`)
	other := uuid.Must(uuid.NewV7())
	d.exec(`INSERT INTO operators (id, email, password, role) VALUES ($1, 'badr@example.com', '-', 'viewer')`, other)

	d.exec(`UPDATE passkeys SET operator_id = $1`, other)
	refused("moved to another operator")
	device.Handle = other[:]
	refused("moved to another operator, whose it says that it is")
	device.Handle = owner[:]
	d.exec(`UPDATE passkeys SET operator_id = $1`, owner)
	kept := one[uuid.UUID](d.site, `SELECT id FROM passkeys`)
	d.exec(`UPDATE passkeys SET id = $1`, uuid.Must(uuid.NewV7()))
	refused("in another row")
	d.exec(`UPDATE passkeys SET id = $1`, kept)
	if a := d.browser("198.51.100.7:1").signInBy(device); a.Code != http.StatusSeeOther {
		t.Fatalf("put back: %d %s", a.Code, saidBy(t, a))
	}

	elsewhere := d.browser("192.0.2.1:1")
	elsewhere.host = "other.test"
	if a := elsewhere.get("/admin/sign-in/passkey"); a.Code != http.StatusConflict {
		t.Errorf("another address: %d", a.Code)
	}
	if a := elsewhere.get("/admin/sign-in"); parsed(t, a.Body).Find("form[data-passkey]").Length() != 0 {
		t.Error("another address offers passkeys")
	}

	id := one[uuid.UUID](d.site, `SELECT id FROM passkeys`)
	if a := b.get(removePasskeyPath(id)); a.Code != http.StatusOK || !strings.Contains(saidBy(t, a), "lets nobody in") {
		t.Errorf("it is removed without a question: %d", a.Code)
	}
	if a := b.post(removePasskeyPath(id)); a.Code != http.StatusSeeOther {
		t.Errorf("remove: %d %s", a.Code, saidBy(t, a))
	}
	if a := b.post(removePasskeyPath(id)); a.Code != http.StatusNotFound {
		t.Errorf("removed twice: %d", a.Code)
	}
	refused("removed")
}

// A console that was left open makes no passkey: the password is asked for, and the
// code where there is a second factor, and wrong ones are slowed down.
func TestPasskeyNeedsProof(t *testing.T) {
	t.Parallel()
	d, device := keyDoor(t)
	b := d.browser("192.0.2.1:1")
	b.signIn()
	for _, proof := range []url.Values{{}, {"password": {"wrong"}}, {"password": {""}}} {
		if a := b.form("/admin/account/passkeys/new", proof); a.Code != http.StatusUnprocessableEntity || strings.Contains(string(a.Body), "data-options") {
			t.Errorf("%v: %d", proof, a.Code)
		}
	}
	hidden, recovery := d.switchOn(b)
	if pageOf(t, b.get("/admin/account/passkeys/new")).Find("input[name=code]").Length() != 1 {
		t.Error("no code is asked for")
	}
	for _, proof := range []url.Values{{"password": {secret}}, {"password": {secret}, "code": {"000000"}}, {"password": {"wrong"}, "code": {recovery[0]}}} {
		if a := b.form("/admin/account/passkeys/new", proof); a.Code != http.StatusUnprocessableEntity {
			t.Errorf("%v: %d", proof, a.Code)
		}
	}
	d.codesAnew()
	code := codeAt(t, hidden, 0)
	if a := makePasskey(t, b.form, device, url.Values{"password": {secret}, "code": {code}}); a.Code != http.StatusSeeOther {
		t.Fatalf("with both: %d %s", a.Code, saidBy(t, a))
	}
	if a := b.form("/admin/account/passkeys/new", url.Values{"password": {secret}, "code": {code}}); a.Code != http.StatusUnprocessableEntity {
		t.Errorf("the same code again: %d", a.Code)
	}
	if a := makePasskey(t, b.form, passkeytest.New(t, device.Origin, device.Name), url.Values{"password": {secret}, "code": {recovery[0]}}); a.Code != http.StatusSeeOther {
		t.Errorf("with a recovery code: %d %s", a.Code, saidBy(t, a))
	}
	if a := d.browser("198.51.100.7:1").signInBy(device); a.Code != http.StatusSeeOther {
		t.Errorf("sign in: %d %s", a.Code, saidBy(t, a))
	}
	d.exec(`DELETE FROM sign_in_attempts`)
	slowed := false
	for range 12 {
		slowed = slowed || b.form("/admin/account/passkeys/new", url.Values{"password": {"wrong"}}).Code == http.StatusTooManyRequests
	}
	if !slowed {
		t.Error("passwords can be guessed without end")
	}
}

// What the browser sends back of making one is checked: of this session, of this
// console, with a name.
func TestPasskeyIsNotKept(t *testing.T) {
	t.Parallel()
	d, device := keyDoor(t)
	b := d.browser("192.0.2.1:1")
	b.signIn()
	form := parsed(t, b.form("/admin/account/passkeys/new", url.Values{"password": {secret}}).Body).Find(`form[data-passkey="create"]`)
	pending, options := form.Find("input[name=pending]").AttrOr("value", ""), []byte(form.AttrOr("data-options", ""))
	elsewhere := passkeytest.New(t, "https://evil.example", "console.test")
	send := func(pending, credential, name string) answer {
		return b.form("/admin/account/passkeys", url.Values{"pending": {pending}, "credential": {credential}, "name": {name}})
	}
	for what, a := range map[string]answer{
		"made on another page": send(pending, elsewhere.Make(options), "phone"),
		"no answer":            send(pending, "", "phone"),
		"no name":              send(pending, device.Make(options), "  "),
		"a long name":          send(pending, device.Make(options), strings.Repeat("n", 61)),
	} {
		if a.Code != http.StatusUnprocessableEntity || parsed(t, a.Body).Find("#error").Length() != 1 || parsed(t, a.Body).Find(`form[data-passkey="create"]`).Length() != 1 {
			t.Errorf("%s: %d %s", what, a.Code, saidBy(t, a))
		}
	}
	b.signIn() // another session
	if a := send(pending, device.Make(options), "phone"); a.Code != http.StatusSeeOther {
		t.Errorf("of another session: %d", a.Code)
	}
	if n := one[int](d.site, `SELECT count(*) FROM passkeys`); n != 0 {
		t.Errorf("%d passkeys are kept", n)
	}
}

// Without a name that passkeys can belong to, the account says what is missing, and
// at another address where they work.
func TestAccountSaysWherePasskeysWork(t *testing.T) {
	t.Parallel()
	d, _ := keyDoor(t)
	b := d.browser("192.0.2.1:1")
	b.host = "localhost:8080"
	b.signIn()
	if got := saidBy(t, b.get("/admin/account")); !strings.Contains(got, "Passkeys work at https://console.test only") {
		t.Errorf("it says %s", got)
	}
	d.s.Passkeys = nil
	if got := saidBy(t, b.get("/admin/account")); !strings.Contains(got, "Passkeys need a PUBLIC_URL") {
		t.Errorf("it says %s", got)
	}
	for _, path := range []string{"/admin/account/passkeys/new", "/admin/sign-in/passkey"} {
		if a := b.get(path); a.Code != http.StatusConflict {
			t.Errorf("GET %s: %d", path, a.Code)
		}
	}
}

// A passkey that no key of the keyset opens is a fault of ours, told in the log, and
// does not keep its owner from making another.
func TestPasskeyThatNoKeyOpens(t *testing.T) {
	t.Parallel()
	d, device := keyDoor(t)
	b := d.browser("192.0.2.1:1")
	b.signIn()
	makePasskey(t, b.form, device, url.Values{"password": {secret}})
	d.exec(`UPDATE passkeys SET sealed = '\x00'`)
	if a := d.browser("198.51.100.7:1").signInBy(device); a.Code != http.StatusInternalServerError {
		t.Errorf("sign in: %d", a.Code)
	}
	d.exec(`DELETE FROM sign_in_attempts`)
	if a := makePasskey(t, b.form, passkeytest.New(t, device.Origin, device.Name), url.Values{"password": {secret}}); a.Code != http.StatusSeeOther {
		t.Errorf("another: %d %s", a.Code, saidBy(t, a))
	}
	if !strings.Contains(d.log.String(), "no key of SECRET_KEYSET opens it") {
		t.Error("the log does not say why")
	}
}
