package web

import (
	"encoding/base64"
	"image/png"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/pquerna/otp/totp"

	"github.com/wosool/wosool/internal/password"
	"github.com/wosool/wosool/internal/store"
)

const factorPath = "/admin/account/second-factor"

// secretOn is the secret that a page shows.
func secretOn(page *goquery.Document) string {
	return strings.ReplaceAll(words(page.Find("#secret")), "-", "")
}

// codeAt is what an app shows so long from now.
func codeAt(t *testing.T, secret string, ahead time.Duration) string {
	t.Helper()
	code, err := totp.GenerateCode(secret, time.Now().Add(ahead))
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// switchOn switches the second factor of who is signed in on, and returns its
// secret and its recovery codes. Codes of now are good again afterwards.
func (d *door) switchOn(b *browser) (secret string, recovery []string) {
	b.t.Helper()
	page := pageOf(b.t, b.get(factorPath))
	secret = secretOn(page)
	a := b.post(factorPath, "pending", page.Find("input[name=pending]").AttrOr("value", ""), "code", codeAt(b.t, secret, 0))
	if a.Code != http.StatusOK {
		b.t.Fatalf("switch on: %d %s", a.Code, words(pageOf(b.t, a).Find("main")))
	}
	recovery = strings.Fields(words(pageOf(b.t, a).Find(".codes")))
	d.codesAnew()
	return secret, recovery
}

// codesAnew makes codes good that were used, and forgets attempts.
func (d *door) codesAnew() {
	d.exec(`UPDATE operators SET totp_step = 0`)
	d.exec(`DELETE FROM sign_in_attempts`)
}

// toCode types the right password, which must lead to the page of the code.
func (b *browser) toCode() {
	b.t.Helper()
	a := b.post("/admin/sign-in", "email", amal, "password", secret, "next", "/admin/tenants?q=a")
	if want := "/admin/sign-in/code?next=" + url.QueryEscape("/admin/tenants?q=a"); a.Code != http.StatusSeeOther || a.Header.Get("Location") != want {
		b.t.Fatalf("the password: %d to %q, want %q", a.Code, a.Header.Get("Location"), want)
	}
}

// The drift of a clock is borne by one step either way, and no more.
func TestCodesOfSteps(t *testing.T) {
	t.Parallel()
	key, err := newSecret(amal)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_800_000_015, 0)
	step := now.Unix() / 30
	for off, want := range map[int64]bool{-2: false, -1: true, 0: true, 1: true, 2: false} {
		code, err := totp.GenerateCode(key.Secret(), now.Add(time.Duration(off)*30*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		got, ok := codeStep(key.Secret(), code, now)
		if ok != want || ok && got != step+off {
			t.Errorf("%d steps off: %t of step %d, want %t", off, ok, got-step, want)
		}
	}
	for _, code := range []string{"", "000000000", "12345", "ABCDEF"} {
		if _, ok := codeStep(key.Secret(), code, now); ok {
			t.Errorf("%q is taken", code)
		}
	}
}

func TestTypedCode(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		" 123 456 ": "123456", "١٢٣٤٥٦": "123456", "۱۲۳۴۵۶": "123456", "abcd-EFGH-2345-6777": "ABCDEFGH23456777", "\x00'; --": "", "": "",
	} {
		if got := typedCode(text); got != want {
			t.Errorf("typedCode(%q) = %q, want %q", text, got, want)
		}
	}
}

// A secret becomes theirs by a code of it; it is kept sealed, and shown never again.
func TestSecondFactorIsSwitchedOn(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	b := d.browser("192.0.2.1:1")
	b.signIn()
	if got := words(pageOf(t, b.get("/admin/account")).Find("#second-factor")); !strings.HasPrefix(got, "off") {
		t.Errorf("account says %q", got)
	}
	first := b.get(factorPath)
	page := pageOf(t, first)
	secret := secretOn(page)
	picture, ok := strings.CutPrefix(page.Find("img.qr").AttrOr("src", ""), "data:image/png;base64,")
	if _, err := png.Decode(base64.NewDecoder(base64.StdEncoding, strings.NewReader(picture))); err != nil || !ok || len(secret) != 32 {
		t.Fatalf("secret of %d characters, picture %v", len(secret), err)
	}
	if first.Header.Get("Cache-Control") != "no-store" || len(first.cookies()) != 0 {
		t.Errorf("header %v", first.Header)
	}
	pending := page.Find("input[name=pending]").AttrOr("value", "")
	if strings.Contains(pending, secret) {
		t.Error("the form has the secret in the clear")
	}

	wrong := b.post(factorPath, "pending", pending, "code", "000000")
	again := pageOf(t, wrong)
	if wrong.Code != http.StatusUnprocessableEntity || secretOn(again) != secret || words(again.Find("#error")) == "" {
		t.Errorf("a wrong code: %d %s", wrong.Code, words(again.Find("main")))
	}
	for name, other := range map[string]string{"nothing": "", "garbage": "AAAA", "changed": "x" + pending[1:]} {
		if a := b.post(factorPath, "pending", other, "code", codeAt(t, secret, 0)); a.Code != http.StatusSeeOther {
			t.Errorf("with %s pending: %d", name, a.Code)
		}
	}
	if got := one[bool](d.site, `SELECT totp_sealed IS NULL FROM operators`); !got {
		t.Fatal("it is on without a code")
	}

	a := b.post(factorPath, "pending", pending, "code", codeAt(t, secret, 0))
	codes := strings.Fields(words(pageOf(t, a).Find(".codes")))
	if a.Code != http.StatusOK || len(codes) != 10 || len(slices.Compact(slices.Sorted(slices.Values(codes)))) != 10 {
		t.Fatalf("switched on: %d, codes %v", a.Code, codes)
	}
	account := pageOf(t, b.get("/admin/account"))
	if got := words(account.Find("main")); !strings.Contains(got, "Recovery codes left: 10") || strings.Contains(got, secret) {
		t.Errorf("account = %s", got)
	}
	if a := b.get(factorPath); a.Code != http.StatusConflict {
		t.Errorf("switching on another: %d", a.Code)
	}
	if a := b.post(factorPath, "pending", pending, "code", codeAt(t, secret, 30*time.Second)); a.Code != http.StatusConflict {
		t.Errorf("switching on twice: %d", a.Code)
	}

	kept := one[string](d.site, `SELECT operators::text || convert_from(decode(replace(encode(totp_sealed, 'hex'), '00', ''), 'hex'), 'LATIN1') ||
		(SELECT string_agg(c::text, '') FROM recovery_codes AS c) || (SELECT string_agg(a::text, '') FROM audit AS a) FROM operators`)
	for _, hidden := range append(codes, secret) {
		if strings.Contains(kept, hidden) || strings.Contains(d.log.String(), hidden) {
			t.Errorf("%q is in the database or in the log", hidden)
		}
	}
	if got := one[string](d.site, `SELECT act || ' ' || actor || ' ' || address FROM audit ORDER BY id DESC LIMIT 1`); got != "second_factor.on amal@example.com 192.0.2.1" {
		t.Errorf("audit = %s", got)
	}
}

// What was shown to one opens nothing to another, in another session or too late.
func TestPendingSecretIsBound(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	b, other := d.browser("192.0.2.1:1"), d.browser("192.0.2.2:1")
	b.signIn()
	other.signIn()
	page := pageOf(t, b.get(factorPath))
	secret := secretOn(page)
	if a := other.post(factorPath, "pending", page.Find("input[name=pending]").AttrOr("value", ""), "code", codeAt(t, secret, 0)); a.Code != http.StatusSeeOther {
		t.Errorf("in another session: %d", a.Code)
	}
	o, err := d.s.signedIn(b.request("/admin"))
	if err != nil {
		t.Fatal(err)
	}
	old, err := d.s.sealText(pendingSecret{Secret: secret, Until: time.Now().Add(-time.Second)}, pendingAD(o))
	if err != nil {
		t.Fatal(err)
	}
	if a := b.post(factorPath, "pending", old, "code", codeAt(t, secret, 0)); a.Code != http.StatusSeeOther {
		t.Errorf("too late: %d", a.Code)
	}
	if got := one[bool](d.site, `SELECT totp_sealed IS NULL FROM operators`); !got {
		t.Error("it was switched on")
	}
}

// The password alone opens nothing: there is no session before the code is right,
// and a code is good once.
func TestSignInWithSecondFactor(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	b := d.browser("192.0.2.1:1")
	b.signIn()
	secret, _ := d.switchOn(b)
	b.post("/admin/sign-out")

	b.toCode()
	half := b.cookies[plainCookie+"-code"]
	if b.isIn() || len(b.cookies) != 1 || half == nil || !half.HttpOnly || half.MaxAge != 300 || half.SameSite != http.SameSiteLaxMode {
		t.Fatalf("after the password: cookies %v", b.cookies)
	}
	if got := one[int](d.site, `SELECT count(*)::int FROM sessions`); got != 0 {
		t.Errorf("%d sessions before the code", got)
	}
	page := pageOf(t, b.get("/admin/sign-in/code?next=%2Fadmin%2Ftenants%3Fq%3Da"))
	if page.Find(`#code[autocomplete="one-time-code"]`).Length() != 1 || page.Find("input[name=next]").AttrOr("value", "") != "/admin/tenants?q=a" {
		t.Error("the page does not ask for a code")
	}
	for _, wrong := range []string{"000000", "AAAA-AAAA-AAAA-AAAA"} {
		if a := b.post("/admin/sign-in/code", "code", wrong); a.Code != http.StatusUnauthorized || b.isIn() || words(pageOf(t, a).Find("#error")) == "" {
			t.Errorf("%s: %d", wrong, a.Code)
		}
	}
	if a := b.post("/admin/sign-in/code", "code", " - "); a.Code != http.StatusUnprocessableEntity {
		t.Errorf("nothing: %d", a.Code)
	}
	code := codeAt(t, secret, 0)
	a := b.post("/admin/sign-in/code", "code", code[:3]+" "+code[3:], "next", "/admin/tenants?q=a")
	if a.Code != http.StatusSeeOther || a.Header.Get("Location") != "/admin/tenants?q=a" || !b.isIn() || b.cookies[half.Name] != nil {
		t.Fatalf("the code: %d to %q, cookies %v", a.Code, a.Header.Get("Location"), b.cookies)
	}
	if got := one[int](d.site, `SELECT count(*)::int FROM sign_in_attempts`); got != 0 {
		t.Errorf("%d attempts are remembered after the sign-in", got)
	}

	thief := d.browser("192.0.2.9:1")
	thief.toCode()
	if a := thief.post("/admin/sign-in/code", "code", code); a.Code != http.StatusUnauthorized || thief.isIn() {
		t.Errorf("the same code again: %d", a.Code)
	}
	if a := thief.post("/admin/sign-in/code", "code", codeAt(t, secret, 30*time.Second)); a.Code != http.StatusSeeOther || !thief.isIn() {
		t.Errorf("the next code: %d", a.Code)
	}

	audit := one[string](d.site, `SELECT string_agg(act || ' ' || actor || ' ' || coalesce(details ->> 'second_factor', '-'), ', ' ORDER BY id)
		FROM audit WHERE act LIKE 'operator.sign_in%' AND details ? 'second_factor'`)
	failed, in := "operator.sign_in_failed amal@example.com true", "operator.sign_in amal@example.com app"
	if want := strings.Join([]string{failed, failed, in, failed, in}, ", "); audit != want {
		t.Errorf("audit = %s\nwant    %s", audit, want)
	}
	for _, hidden := range []string{code, half.Value, secret} {
		if strings.Contains(d.log.String(), hidden) {
			t.Errorf("the log has %q", hidden)
		}
	}
}

// A recovery code lets in once, however it is typed.
func TestSignInWithRecoveryCode(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	b := d.browser("192.0.2.1:1")
	b.signIn()
	_, recovery := d.switchOn(b)
	for typed, want := range map[string]int{recovery[0]: http.StatusSeeOther, strings.ToLower(strings.ReplaceAll(recovery[1], "-", " ")): http.StatusSeeOther} {
		b := d.browser("192.0.2.1:1")
		b.toCode()
		if a := b.post("/admin/sign-in/code", "code", typed); a.Code != want || !b.isIn() {
			t.Errorf("%s: %d", typed, a.Code)
		}
		again := d.browser("192.0.2.1:1")
		again.toCode()
		if a := again.post("/admin/sign-in/code", "code", typed); a.Code != http.StatusUnauthorized || again.isIn() {
			t.Errorf("%s again: %d", typed, a.Code)
		}
	}
	if got := words(pageOf(t, b.get("/admin/account")).Find("main")); !strings.Contains(got, "Recovery codes left: 8") {
		t.Errorf("account = %s", got)
	}
}

// Wrong codes make everybody wait like wrong passwords, in every process; typing the
// right password again forgets none of them.
func TestCodesAreSlowedDown(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	b := d.browser("192.0.2.1:1")
	b.signIn()
	secret, _ := d.switchOn(b)
	other := doorOn(t, d.pool, light())
	other.s.Inbox = d.s.Inbox // processes have the same keyset
	thief, there := d.browser("198.51.100.7:1"), other.browser("198.51.100.7:2")
	thief.toCode() // 1
	there.cookies = thief.cookies
	for i, b := range []*browser{thief, there} { // 2, 3
		if a := b.post("/admin/sign-in/code", "code", "000000"); a.Code != http.StatusUnauthorized {
			t.Fatalf("guess %d: %d", i+1, a.Code)
		}
	}
	thief.toCode()                                                                                   // 4
	if a := thief.post("/admin/sign-in/code", "code", "000000"); a.Code != http.StatusUnauthorized { // 5
		t.Fatalf("after the password again: %d", a.Code)
	}
	for name, b := range map[string]*browser{"here": thief, "in another process": there} {
		a := b.post("/admin/sign-in/code", "code", codeAt(t, secret, 0))
		if a.Code != http.StatusTooManyRequests || a.Header.Get("Retry-After") == "" || b.isIn() {
			t.Errorf("%s, the right code: %d", name, a.Code)
		}
	}
	if a := thief.post("/admin/sign-in", "email", amal, "password", "x"); a.Code != http.StatusTooManyRequests {
		t.Errorf("passwords from there: %d", a.Code)
	}
	d.exec(`UPDATE sign_in_attempts SET until = now()`)
	if a := thief.post("/admin/sign-in/code", "code", codeAt(t, secret, 0)); a.Code != http.StatusSeeOther || !thief.isIn() {
		t.Errorf("after the wait: %d", a.Code)
	}
}

// The cookie between password and code is good for five minutes, for the password
// that was typed, and for nothing else.
func TestHalfwayEnds(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	b := d.browser("192.0.2.1:1")
	b.signIn()
	secret, _ := d.switchOn(b)
	b.post("/admin/sign-out")
	b.toCode()
	name := plainCookie + "-code"
	good := b.cookies[name]
	operator := one[string](d.site, `SELECT id::text FROM operators`)
	anew := func(why string) {
		t.Helper()
		a := b.post("/admin/sign-in/code", "code", codeAt(t, secret, 0), "next", "/admin/events")
		if a.Code != http.StatusSeeOther || a.Header.Get("Location") != "/admin/sign-in?late=1&next=%2Fadmin%2Fevents" || b.isIn() {
			t.Errorf("%s: %d to %q", why, a.Code, a.Header.Get("Location"))
		}
	}
	plant := func(h halfway, ad string) {
		t.Helper()
		text, err := d.s.sealText(h, ad)
		if err != nil {
			t.Fatal(err)
		}
		b.cookies = map[string]*http.Cookie{name: {Name: name, Value: text}}
	}
	var h halfway
	if !d.s.openText(good.Value, "sign-in:"+name, &h) || h.Operator.String() != operator || time.Until(h.Until) > 5*time.Minute {
		t.Fatalf("halfway = %+v", h)
	}
	late := h
	late.Until = time.Now().Add(-time.Second)
	plant(late, "sign-in:"+name)
	anew("too late")
	plant(h, "sign-in:"+secureCookie+"-code")
	anew("of https")
	plant(h, "operator:"+operator+":totp")
	anew("of another purpose")
	for _, bad := range []string{"", "x", strings.Repeat("A", 200), good.Value[:50]} {
		b.cookies = map[string]*http.Cookie{name: {Name: name, Value: bad}}
		anew("no cookie of ours")
	}
	b.cookies = map[string]*http.Cookie{}
	if a := b.get("/admin/sign-in/code?next=/admin/sign-in/code"); a.Header.Get("Location") != "/admin/sign-in?late=1&next=%2Fadmin" {
		t.Errorf("without a cookie it leads to %q", a.Header.Get("Location"))
	}
	if got := words(pageOf(t, b.get("/admin/sign-in?late=1")).Find("#error")); got != "The code was not typed within five minutes. Sign in again." {
		t.Errorf("the sign-in says %q", got)
	}

	hash, err := light().Hash(t.Context(), "another long sentence")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.s.DB.ResetPassword(t.Context(), amal, hash, store.Actor{Name: "test"}); err != nil {
		t.Fatal(err)
	}
	plant(h, "sign-in:"+name)
	anew("another password")
}

// A password whose hash is renewed on the way to the code is the same password.
func TestPasswordIsRehashedBeforeTheCode(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	b := d.browser("192.0.2.1:1")
	b.signIn()
	secret, _ := d.switchOn(b)
	later := doorOn(t, d.pool, password.NewHasher(password.Cost{Memory: 128, Time: 1, Threads: 1}, 2))
	later.s.Inbox = d.s.Inbox
	there := later.browser("192.0.2.1:1")
	there.toCode()
	if got := one[string](d.site, `SELECT password FROM operators`); !strings.Contains(got, "$m=128,") {
		t.Errorf("hash = %s", got)
	}
	if a := there.post("/admin/sign-in/code", "code", codeAt(t, secret, 0)); a.Code != http.StatusSeeOther || !there.isIn() {
		t.Errorf("the code: %d", a.Code)
	}
}

// Switching off needs a code, guessed no faster than at the sign-in; then the
// password alone opens again.
func TestSecondFactorIsSwitchedOff(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	b := d.browser("192.0.2.1:1")
	b.signIn()
	secret, recovery := d.switchOn(b)
	d.exec(`UPDATE operators SET role = 'viewer'`) // it is about who looks: viewers may
	off := factorPath + "/off"
	if got := pageOf(t, b.get(off)).Find(`form[action="` + off + `"] #code`).Length(); got != 1 {
		t.Errorf("it asks for %d codes", got)
	}
	for i := range 6 {
		want := http.StatusUnprocessableEntity
		if i == 5 {
			want = http.StatusTooManyRequests
		}
		if a := b.post(off, "code", "000000"); a.Code != want {
			t.Fatalf("guess %d: %d, want %d", i+1, a.Code, want)
		}
	}
	if a := b.post(off, "code", codeAt(t, secret, 0)); a.Code != http.StatusTooManyRequests {
		t.Errorf("the right code after that: %d", a.Code)
	}
	d.codesAnew()
	if a := b.post(off, "code", codeAt(t, secret, 0)); a.Code != http.StatusSeeOther || a.Header.Get("Location") != "/admin/account" {
		t.Fatalf("the code: %d", a.Code)
	}
	if got := words(pageOf(t, b.get("/admin/account")).Find("main")); !strings.Contains(got, "The second factor is off") {
		t.Errorf("account = %s", got)
	}
	if a := b.post(off, "code", recovery[0]); a.Code != http.StatusConflict {
		t.Errorf("switching off twice: %d", a.Code)
	}
	d.codesAnew()
	d.browser("192.0.2.1:1").signIn()
	if got := one[string](d.site, `SELECT string_agg(act || ' ' || actor || ' ' || address, ', ' ORDER BY id) FROM audit WHERE act LIKE 'second_factor.%'`); got !=
		"second_factor.on amal@example.com 192.0.2.1, second_factor.off amal@example.com 192.0.2.1" {
		t.Errorf("audit = %s", got)
	}
	if a := d.browser("192.0.2.1:1").get(factorPath); a.Code != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/admin/sign-in?") {
		t.Errorf("as nobody: %d", a.Code)
	}
}
