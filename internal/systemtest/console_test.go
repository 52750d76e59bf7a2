package systemtest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/browsertest"
	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/sandbox"
)

const (
	operatorEmail    = "noura@wosool.example"
	operatorPassword = "a long sentence for the console"
)

// An operator's day in Chromium: sign in, watch a store become ready without a
// reload, replay an event, see why a store is not ready and retry it, retry
// another in Asynqmon; every page in both themes and widths, without an error,
// a violation of the content policy, or a request to somebody else.
func TestConsoleInABrowser(t *testing.T) {
	t.Parallel()
	const merchant, broken, queued = 71031, 71032, 71033
	scripted := store(merchant, 120)
	scripted.Name = `<script>alert("x")</script>`
	s := newSystem(t, options{
		stores: []sandbox.StoreSpec{scripted, store(broken, 8), store(queued, 8)}, workers: 2,
		env: []string{"ADMIN_EMAIL=" + operatorEmail, "ADMIN_PASSWORD=" + operatorPassword},
	})
	tab := browsertest.Open(t)
	tab.Look("light", 1440)
	s.signIn(tab)

	// A store is watched from its install to its last record; the page is not loaded again.
	s.slowly(60 * time.Millisecond)
	s.install(merchant)
	id := s.awaitKnown(merchant)
	tab.Go(s.base+"/admin/tenants/"+id, "Steps")
	tab.Await(`(window.loadedOnce = true)`)
	tab.Shows("orders")
	s.sandbox.ClearFaults()
	tab.Await(`document.body.innerText.includes("complete") && window.loadedOnce === true`)
	s.awaitRun(merchant, 90*time.Second)
	if got := tab.Text(`document.querySelector("h1").innerText`); !strings.Contains(got, scripted.Name) {
		t.Errorf("the store's name is shown as %q, want it as text", got)
	}

	s.replays(tab, merchant)
	s.repairs(tab, broken)
	s.repairsInAsynqmon(tab, queued)
	s.everyPage(tab, id)
	tab.Clean(s.base)
}

func (s *system) signIn(tab *browsertest.Tab) {
	s.t.Helper()
	tab.Go(s.base+"/admin", "Password")
	tab.Shoot("sign-in")
	tab.Fill("email", operatorEmail)
	tab.Fill("password", operatorPassword)
	tab.Press("Sign in")
	tab.Shows("Needs you")
}

// slowly makes every call to Salla take a while, so that it can be watched.
func (s *system) slowly(latency time.Duration) {
	s.t.Helper()
	if _, err := s.sandbox.Fault(sandbox.FaultRule{System: "salla", Effect: sandbox.EffectLatency, Latency: latency}); err != nil {
		s.t.Fatal(err)
	}
}

// awaitKnown waits until a merchant has a tenant and returns its id.
func (s *system) awaitKnown(merchant int64) string {
	s.t.Helper()
	var id string
	dbtest.Eventually(s.t, 30*time.Second, "the tenant is there", func() bool {
		t, ok := s.tenant(merchant)
		id = t.ID
		return ok
	})
	return id
}

// replays applies an event a second time from its page.
func (s *system) replays(tab *browsertest.Tab, merchant int64) {
	s.t.Helper()
	s.changed(s.sandbox.CreateOrder(merchant))
	var id string
	dbtest.Eventually(s.t, 30*time.Second, "the event is applied", func() bool {
		return s.pool.QueryRow(s.t.Context(), `
			SELECT id::text FROM events WHERE event = 'order.created' AND status = 'applied' LIMIT 1`).Scan(&id) == nil
	})
	tab.Go(s.base+"/admin/events/"+id, "Payload")
	tab.Press("Replay")
	dbtest.Eventually(s.t, 30*time.Second, "the event is applied again", func() bool {
		var epoch int64
		var status string
		err := s.pool.QueryRow(s.t.Context(), `SELECT epoch, status FROM events WHERE id = $1`, id).Scan(&epoch, &status)
		return err == nil && epoch > 1 && status == "applied"
	})
	tab.Shows("applied")
}

// failing makes a store's organization impossible to create, and installs it.
func (s *system) failing(merchant int64) string {
	s.t.Helper()
	if _, err := s.sandbox.Fault(sandbox.FaultRule{
		System: "clerk", Method: http.MethodPost, Path: "/organizations$", Effect: sandbox.EffectStatus, Status: http.StatusForbidden,
	}); err != nil {
		s.t.Fatal(err)
	}
	s.install(merchant)
	failed := s.awaitStatus(merchant, "failed")
	s.sandbox.ClearFaults()
	return failed.ID
}

// repairs goes from the overview to the reason why a store is not ready, in two
// clicks, and retries it there; the page shows it ready without a reload.
func (s *system) repairs(tab *browsertest.Tab, merchant int64) {
	s.t.Helper()
	s.failing(merchant)
	tab.Go(s.base+"/admin", "Needs you")
	tab.Await(`(() => { const a = document.querySelector("a[href*='status=failed']"); if (a) a.click(); return !!a })()`)
	tab.Shows(fmt.Sprint(merchant))
	tab.Shoot("tenants-failed")
	tab.Await(`(() => { const a = document.querySelector("tbody a[href*='/admin/tenants/']"); if (a) a.click(); return !!a })()`)
	tab.Shows("identity")
	tab.Shoot("tenant-failed")
	tab.Press("Retry this step")
	tab.Await(`location.pathname.startsWith("/admin/tenants/") && document.body.innerText.includes("verify")`)
	s.awaitStatus(merchant, "ready")
	tab.Await(`!document.body.innerText.includes("Retry this step")`)
}

// repairsInAsynqmon runs the archived task of a failed store where Asynqmon shows it.
func (s *system) repairsInAsynqmon(tab *browsertest.Tab, merchant int64) {
	s.t.Helper()
	id := s.failing(merchant)
	task := "tenant:provision:" + id
	tab.Go(s.base+"/admin/queues/queues/provisioning?status=archived", task[:20])
	tab.Shoot("asynqmon-archived")
	tab.Await(fmt.Sprintf(`(() => {
		const row = [...document.querySelectorAll("tr")].find(r => r.innerText.includes(%q));
		const run = row && [...row.querySelectorAll("button")].find(b => /^run$/i.test(b.title || b.getAttribute("aria-label") || b.innerText));
		if (run) { run.click(); return true }
		if (row) row.querySelector("td:last-child").dispatchEvent(new MouseEvent("mouseover", {bubbles: true}));
		return false;
	})()`, task[:20]))
	s.awaitStatus(merchant, "ready")
}

// everyPage looks at all pages in both themes at two widths.
func (s *system) everyPage(tab *browsertest.Tab, id string) {
	s.t.Helper()
	var event string
	if err := s.pool.QueryRow(s.t.Context(), `SELECT id::text FROM events WHERE event = 'order.created' LIMIT 1`).Scan(&event); err != nil {
		s.t.Fatal(err)
	}
	tenant := "/admin/tenants/" + id
	for _, theme := range []string{"light", "dark"} {
		for _, width := range []int64{1440, 420} {
			tab.Look(theme, width)
			for name, page := range map[string]struct{ path, shows string }{
				"overview":          {"/admin", "Needs you"},
				"tenants":           {"/admin/tenants", "ready"},
				"tenant":            {tenant, "Steps"},
				"tenant-data":       {tenant + "/data", "people"},
				"tenant-orders":     {tenant + "/data?table=orders", "orders"},
				"tenant-rejects":    {tenant + "/rejects", "reject"},
				"tenant-events":     {tenant + "/events", "order.created"},
				"tenant-connection": {tenant + "/connection", "active"},
				"tenant-database":   {tenant + "/database", "t_"},
				"events":            {"/admin/events", "order.created"},
				"event":             {"/admin/events/" + event, "Payload"},
				"imports":           {"/admin/imports", "initial"},
				"queues":            {"/admin/lanes", "provisioning"},
				"workers":           {"/admin/workers", "worker"},
				"account":           {"/admin/account", operatorEmail},
				"asynqmon":          {"/admin/queues", "provisioning"},
				"search":            {"/admin/search?q=nothing-like-this", "nothing-like-this"},
			} {
				tab.Go(s.base+page.path, page.shows)
				tab.Shoot(fmt.Sprintf("%s-%s-%d", name, theme, width))
			}
		}
	}
}
