package web

import (
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/browsertest"
)

// The console in Arabic in a real browser, in both themes, wide and narrow: nothing is
// wider than its window, what is at the start is at the right, what is left-to-right
// stays so, times count on in Arabic, and what refreshes is Arabic, too.
func TestArabicInABrowser(t *testing.T) {
	t.Parallel()
	x := drawer(t, "متجر النخيل")
	x.street()
	x.reject(mended(71), mended(72), mended(73), dateless(81))
	server := httptest.NewServer(x.h)
	t.Cleanup(server.Close)
	x.exec(`UPDATE operators SET role = 'admin'`)
	tab := browsertest.Open(t)
	tab.Cookie(server.URL, x.cookie)
	tab.Cookie(server.URL, "language=ar")

	failed := one[uuid.UUID](x.site, `SELECT id FROM tenants WHERE name = 'Dates of Qassim'`)
	run := one[uuid.UUID](x.site, `SELECT id FROM runs WHERE tenant_id = $1`, x.id)
	event := one[uuid.UUID](x.site, `SELECT id FROM events WHERE status = 'failed' LIMIT 1`)
	store := tenantHref(x.id)
	pages := []struct{ name, path, shows string }{
		{"overview", "/admin?span=hour", "يحتاج إليك"},
		{"tenants", "/admin/tenants", "متجر النخيل"},
		{"tenant", store, "الخط الزمني"},
		{"tenant-failed", tenantHref(failed), "غير جاهز"},
		{"people", store + "/data", "@example.com"},
		{"record", store + "/data/orders/91000", "كما أعطته القائمة"},
		{"rejects", store + "/rejects", "ما الخطأ"},
		{"connection", store + "/connection", "التفويض في سلة"},
		{"suspend", store + "/suspend", "للمتابعة"},
		{"events", "/admin/events", "order.created"},
		{"event", "/admin/events/" + event.String(), "customer.updated"},
		{"imports", "/admin/imports", "التقدم"},
		{"import", importHref(run), "المقارنة"},
		{"lanes", "/admin/lanes", "الطوابير"},
		{"workers", "/admin/workers", "العمال"},
		{"search", "/admin/search?q=", "ما يمكن البحث عنه"},
		{"account", "/admin/account", "الجلسات"},
		{"settings", "/admin/settings", "المشغّلون"},
		{"keys", "/admin/settings/keys", "إنشاء مفتاح"},
		{"audit", "/admin/audit", "سجل التدقيق"},
	}
	for _, theme := range []string{"light", "dark"} {
		for _, width := range []int64{1440, 420} {
			tab.Look(theme, width)
			for _, page := range pages {
				tab.Go(server.URL+page.path, page.shows)
				tab.Shoot(fmt.Sprintf("ar-%s-%s-%d", page.name, theme, width))
			}
		}
	}

	tab.Look("light", 1440)
	tab.Go(server.URL+store, "الخط الزمني")
	for _, mirrored := range []string{
		`document.querySelector(".brand").getBoundingClientRect().left > innerWidth / 2`,
		`document.querySelector(".me").getBoundingClientRect().right < innerWidth / 2`,
		`document.querySelector("h1").getBoundingClientRect().right > innerWidth - 80`,
		`getComputedStyle(document.querySelector(".mono")).direction === "ltr"`,
		`document.fonts.check("14px Plex", "جاهز")`,
		`[...document.querySelectorAll("time[data-rel]")].every((t) => !/[a-z0-9]/i.test(t.textContent))`,
	} {
		tab.Await(mirrored)
	}
	x.exec(`UPDATE streams SET imported = imported + 1000 WHERE resource = 'orders' AND tenant_id = $1`, x.id)
	tab.Await(`document.querySelector("[data-live=imports]").innerText.includes("٥٬٢١٠")`)
	tab.Await(`!/[a-z]{2}/i.test(document.querySelector("[data-live=imports] .progresses").innerText.replace(/salla: .*|GET .*|[a-z_]+\.[a-z_.]+/g, ""))`)
	tab.Clean(server.URL)
}
