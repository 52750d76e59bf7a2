package web

import (
	"net/http/httptest"
	"testing"

	"github.com/wosool/wosool/internal/browsertest"
)

// The console in Arabic in a real browser: what is at the start is at the right, what is
// left-to-right stays so, times count on in Arabic, and what refreshes is Arabic, too.
// How every page looks TestEveryPageInABrowser shows.
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

	store := tenantHref(x.id)
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
