package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/google/uuid"
)

// From what the overview says needs somebody, two clicks lead to why, and to the act
// that helps.
func TestTwoClicksFromEachNeed(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		make      func(*desk, uuid.UUID)
		needs     string // what the sentence of the overview has
		why       string
		act, acts string // the selector of the act that helps, and its words
	}{
		"provisioning failed": {
			func(d *desk, id uuid.UUID) {
				d.exec(`UPDATE tenants SET status = 'failed', state = 'failed' WHERE id = $1`, id)
				d.ladder(id, "identity", "failed", "clerk: 403. Raise the plan, then retry", 8)
			},
			"could not be set up", "Not ready: the step identity failed: clerk: 403. Raise the plan, then retry.",
			`.trouble form[action$="/retry"] button`, "Retry this step",
		},
		"grant parked": {
			func(d *desk, id uuid.UUID) { d.grant(id, "needs_reauthorisation") },
			"needs its merchant", "Needs the merchant: Salla does not accept its grant any more: Salla answered invalid_grant. Ask them to reinstall the app; waiting work goes on by itself.",
			`a[href$="/connection"]`, "connection",
		},
		"import incomplete": {
			func(d *desk, id uuid.UUID) {
				d.grant(id, "active")
				d.ranImport(id, "initial", "incomplete", time.Hour)
			},
			"newest import did not come out whole", "Orders: Salla counts 10005, here are 10003 stored and 0 rejected.",
			`form[action$="/import"] button`, "Import again…",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			id := d.store("Palm", 7, "ready")
			tt.make(d, id)

			overview := d.page(http.StatusOK, "/admin")
			need := overview.Find(`[data-live=needs] li`).FilterFunction(func(_ int, li *goquery.Selection) bool {
				return strings.Contains(words(li), tt.needs)
			})
			list := d.page(http.StatusOK, need.Find("a").AttrOr("href", ""))
			link := list.Find(`main a[href="` + tenantHref(id) + `"]`).First()
			if link.Length() == 0 {
				t.Fatalf("the list of %q does not lead to the store", words(need))
			}
			page := d.page(http.StatusOK, link.AttrOr("href", ""))

			if got := words(page.Find("main")); !strings.Contains(got, tt.why) {
				t.Errorf("after two clicks: %q, want %q in it", got, tt.why)
			}
			if got := words(page.Find("main " + tt.act).First()); got != tt.acts {
				t.Errorf("the act that helps is %q, want %q", got, tt.acts)
			}
		})
	}
}

// From failed work, two clicks lead to why, to whose it is, and to the act that helps.
func TestTwoClicksFromDeadLetters(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.store("Palm", 7, "ready")
	run := d.ranImport(id, "initial", "running", time.Hour)
	stream := d.readStream(run, id, "orders", "running", 60, 0, 0, 100)
	d.importPage(stream, run, id, 1, 0, "failed", "salla: GET /orders: 422", 0, 0)

	need := d.page(http.StatusOK, "/admin").Find(`[data-live=needs] a[href="/admin/lanes"]`)
	group := d.page(http.StatusOK, need.AttrOr("href", "")).Find(`main a[href^="/admin/lanes/failed?"]`).First()
	list := d.page(http.StatusOK, group.AttrOr("href", ""))

	if got := words(list.Find("main")); !strings.Contains(got, "salla: GET /orders: …") && !strings.Contains(got, "alla: GET /orders: 422") {
		t.Errorf("after two clicks: %q, want why", got)
	}
	if list.Find(`main a[href="`+tenantHref(id)+`"]`).Length() == 0 || list.Find(`main form[action*="retry"] button`).Length() == 0 {
		t.Error("after two clicks there is neither whose it is, nor the act that helps")
	}
	why := words(d.page(http.StatusOK, tenantHref(id)).Find(`[data-live=head] .notices`))
	if !strings.Contains(why, "1 piece of its work was given up: the list says why.") {
		t.Errorf("the store's page says %q", why)
	}
}

// Retry all is about this store's work alone, and is confirmed with a reason.
func TestRetryAllThatFailedOfAStore(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id, other := d.store("Palm", 7, "ready"), d.store("Dates", 8, "ready")
	for _, of := range []uuid.UUID{id, other} {
		run := d.ranImport(of, "initial", "running", time.Hour)
		stream := d.readStream(run, of, "orders", "running", 60, 0, 0, 100)
		d.importPage(stream, run, of, 1, 0, "failed", "salla: 422", 0, 0)
	}
	act := d.page(http.StatusOK, tenantHref(id)).Find(`form[action="/admin/lanes/failed/retry-all"]`)
	if got := act.Find(`input[name=tenant]`).AttrOr("value", ""); got != id.String() {
		t.Fatalf("it is about %q, want this store", got)
	}
	form := d.page(http.StatusOK, act.AttrOr("action", "")+"?tenant="+id.String()).Find(`main form[method=post]`)
	form.Find(`[name=why]`).ReplaceWithHtml(`<input name="why" value="salla is well again">`)
	if a := d.press(form); a.Code != http.StatusSeeOther {
		t.Fatalf("retry all: %d %s", a.Code, a.Body)
	}
	if got := one[string](d.site, `SELECT string_agg(tenant_id::text, ',') FROM pages WHERE state <> 'failed'`); got != id.String() {
		t.Errorf("retried: %s, want only this store's", got)
	}

	d.exec(`UPDATE operators SET role = 'viewer'`)
	if n := d.page(http.StatusOK, tenantHref(other)).Find(`main form[method=post], main .acts form`).Length(); n != 0 {
		t.Errorf("a viewer is offered %d acts", n)
	}
}

// A step that waits says for what, since when and until when; each that failed says
// what to do.
func TestLadderSaysWhatIsWaitedFor(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for i, tt := range []struct{ status, said, want string }{
		{"waiting", "waits for Clerk's limit of requests until " + time.Now().Add(90*time.Second).UTC().Format(time.RFC3339Nano), "Waits for Clerk's limit of requests. The step began 3 m ago. Nothing is to be done: it goes on by itself in 1 m "},
		{"waiting", "waits for Clerk to show the organization until " + time.Now().Add(-time.Second).UTC().Format(time.RFC3339Nano), "it goes on by itself now."},
		{"waiting", "waits for grant: the store has not granted access yet", "Waits for the merchant: the store has not granted access yet. The step began 3 m ago. The merchant ends this wait: ask them to install the app"},
		{"failed", "salla: 403. Give the app this scope in Salla's partner portal, have the store accept it, then retry", "Give the app this scope in Salla's partner portal, have the store accept it, then retry."},
		{"failed", "the grant belongs to the store 8, not to 7. Nothing of that store was touched. Have the store 7 install the app again", "Have the store 7 install the app again."},
		{"failed", "no room. The admin role of TENANT_DATABASE_URLS must be able to sign in, with CREATEDB and CREATEROLE: mend that, then retry", "The admin role of TENANT_DATABASE_URLS must be able to sign in, with CREATEDB and CREATEROLE: mend that, then retry."},
		{"failed", "panic: nil", "Mend the cause, then retry."},
	} {
		id := d.store("Palm", int64(i+1), "provisioning")
		d.ladder(id, "identity", tt.status, tt.said, 1)
		trouble := d.page(http.StatusOK, tenantHref(id)).Find(`[data-live=steps] .trouble`)
		if got := words(trouble); !strings.Contains(got, tt.want) {
			t.Errorf("%s: %q, want %q in it", tt.said, got, tt.want)
		}
		if n := trouble.Find(`form[action$="/retry"]`).Length(); (n == 1) != (tt.status == "failed") {
			t.Errorf("%s: %d buttons to retry the step", tt.said, n)
		}
	}
}
