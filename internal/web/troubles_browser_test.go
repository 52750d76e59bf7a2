package web

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/browsertest"
)

// What the console says when something does not answer, when a store has lost its
// owner and before much failed work is retried, and what a merchant sees on the way
// from Salla: nothing is wider than the window, and a picture of each is kept.
func TestTroublesInABrowser(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.s.Install, d.s.PublicURL = &gate{}, "https://wosool.example"
	d.h = d.s.Handler()
	furnish(d)
	d.beat("now()")
	d.openCircuit("clerk", "provider", nil, "HTTP 503", 20*time.Minute)
	d.openCircuit("database/db:5432", "database", nil, "connection refused", 20*time.Minute)
	palm := d.store("عطور الشرق", 1333000007, "ready")
	d.grant(palm, "active")
	d.openCircuit("salla/store/1333000007", "store", new(int64(1333000007)), "no answer in time", 20*time.Minute)
	d.exec(`UPDATE tenants SET clerk_organization_id = 'org_2bQxTmY7vGkPzLwN4sRdHc1JfE', clerk_owner_id = 'user_2bQxTmY7vGkPzLwN4sRdHc1JfE', clerk_owner = 'member' WHERE id = $1`, palm)
	d.exec(`INSERT INTO clerk_organizations (id, name) VALUES ('org_2bQxTmY7vGkPzLwN4sRdHc1JfE', 'عطور الشرق')`)
	d.exec(`INSERT INTO clerk_users (id, banned, email_verified) VALUES ('user_2bQxTmY7vGkPzLwN4sRdHc1JfE', false, true), ('user_2cMpWqZ5nXyKdVhT8gBjRu3SaL', true, true)`)
	d.exec(`
		INSERT INTO clerk_memberships (id, organization_id, user_id, role, source_created_at, deleted_at)
		VALUES ('orgmem_1', 'org_2bQxTmY7vGkPzLwN4sRdHc1JfE', 'user_2bQxTmY7vGkPzLwN4sRdHc1JfE', NULL, now() - interval '3 hours', now()),
		       ('orgmem_2', 'org_2bQxTmY7vGkPzLwN4sRdHc1JfE', 'user_2cMpWqZ5nXyKdVhT8gBjRu3SaL', 'org:member', now() - interval '2 hours', NULL)`)
	// So many that a search for what is in none says how far it looked.
	d.exec(`
		INSERT INTO events (id, source, event, merchant, lane, status, state, due_at)
		SELECT ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'salla', 'order.created', 1444000007, 'events', 'applied', 'done', NULL
		FROM generate_series(1, 26000) AS n`)
	mux := http.NewServeMux()
	mux.Handle("/", d.h)
	mux.HandleFunc("/install-done", func(w http.ResponseWriter, r *http.Request) { d.s.showInstall(w, r, installDone) })
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	tab := browsertest.Open(t)
	tab.Cookie(server.URL, d.cookie)
	pages := []struct{ name, path, shows string }{
		{"overview", "/admin", "has not answered since"},
		{"failed", "/admin/lanes/failed?task=event:apply&lane=events&reason=salla", "Salla answered"},
		{"failed-retry", "/admin/lanes/failed/retry-all?task=event:apply&reason=salla+answered", "Among them"},
		{"events-searched", "/admin/events?merchant=1444000007&text=nowhere", "not looked at yet"},
		{"tenant", tenantHref(palm), "has not answered for this store"},
		{"tenant-database", tenantHref(palm) + "/database", "not a member any more"},
		{"install-done", "/install-done", "Your store is connected"},
		{"install-bare", "/salla/callback", "Begin again"},
	}
	for theme, width := range map[string]int64{"light": 1440, "dark": 390} {
		tab.Look(theme, width)
		for _, page := range pages {
			tab.Go(server.URL+page.path, page.shows)
			tab.Shoot(fmt.Sprintf("%s-%s-%d", page.name, theme, width))
		}
	}
}
