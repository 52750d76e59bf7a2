package web

import (
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/wosool/wosool/internal/browsertest"
)

// In a real browser three stores are ticked, suspended and brought back; the page goes
// on by itself. While rows are ticked the list does not change under them.
func TestBulkInABrowser(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for i := range 6 {
		d.store(fmt.Sprintf("متجر %d", i), int64(100+i), map[bool]string{true: "ready", false: "suspended"}[i < 5])
	}
	server := httptest.NewServer(d.h)
	t.Cleanup(server.Close)
	tab := browsertest.Open(t)
	tab.Cookie(server.URL, d.cookie)
	tab.Look("light", 1440)
	tab.Go(server.URL+"/admin/tenants", "Ticked:")
	const box = `document.querySelectorAll("#tenants input.tick")`
	for i := 1; i <= 3; i++ {
		tab.Await(fmt.Sprintf(`(%s[%d].click(), true)`, box, i))
	}
	tab.Await(`document.querySelector("[data-ticked]").textContent === "3"`)
	ticked := tab.Text(`[...document.querySelectorAll("#tenants input.tick:checked")].map(b => b.value).join(" ")`)
	tab.Await(`(document.activeElement.blur(), true)`)
	d.store("Comes in meanwhile", 500, "ready")
	tab.Await(`document.querySelector("[data-live=rows]").dataset.held !== undefined`)
	if now := tab.Text(`[...document.querySelectorAll("#tenants input.tick:checked")].map(b => b.value).join(" ")`); now != ticked {
		t.Errorf("the ticked rows became others: %s, were %s", now, ticked)
	}
	tab.Shoot("bulk-ticked")
	tab.Press("Suspend…")
	tab.Shows("3 stores would be suspended")
	for theme, width := range map[string]int64{"light": 1440, "dark": 420} {
		tab.Look(theme, width)
		tab.Shoot(fmt.Sprintf("bulk-draft-%s-%d", theme, width))
	}
	tab.Look("light", 1440)
	tab.Fill("why", "the bank asked for it")
	tab.Fill("confirm", "3")
	tab.Press("Suspend 3 stores")
	tab.Shows("Started:")
	tab.Await(`document.querySelector("#state .status").innerText === "running"`)
	d.work()
	tab.Await(`document.querySelector("#state .status").innerText === "done"`)
	tab.Shoot("bulk-done")
	tab.Press("Undo…")
	tab.Shows("3 stores would be resumed")
	tab.Fill("why", "the bank is content")
	tab.Press("Resume 3 stores")
	tab.Shows("Started:")
	d.work()
	tab.Await(`document.querySelector("#state .status").innerText === "done"`)
	for _, status := range []string{"events", "lanes/failed", "bulk"} {
		tab.Visit(server.URL + "/admin/" + status)
	}
	tab.Clean(server.URL)

	if n := one[int](d.site, `SELECT count(*) FROM tenants WHERE task = 'tenant:resume' AND id::text = ANY(string_to_array($1, ' '))`, ticked); n != 3 {
		t.Errorf("%d of the three are being resumed", n)
	}
	if n := one[int](d.site, `SELECT count(*) FROM tenants WHERE task IN ('tenant:resume', 'tenant:suspend')`); n != 3 {
		t.Errorf("%d stores were acted on, want the three that were ticked", n)
	}
}
