package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
)

// The console says what does not answer, since when, what waits for it and when it
// is asked again; it asks for a look only after a while.
func TestOverviewTellsWhatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.beat("now()")
	d.openCircuit("clerk", "provider", nil, "HTTP 503", time.Minute)
	d.openCircuit("database/db:5432", "database", nil, "connection refused", time.Minute)
	waits := d.store("Palm", 7, "provisioning")
	d.exec(`
		UPDATE tenants
		SET task = 'tenant:provision', state = 'runnable', due_at = now(), last_error = 'waits for Clerk, which has not answered since 12:03 UTC'
		WHERE id = $1`, waits)

	doc := d.page(http.StatusOK, "/admin")

	health := healthOf(doc)
	for label, want := range map[string][]string{
		"Clerk":            {"does not answer", "since", "(HTTP 503) · 1 piece of work waits · next probe"},
		"Tenant databases": {"one does not answer", "(connection refused) · next probe"},
		"Salla":            {"not asked yet"},
	} {
		for _, part := range want {
			if !strings.Contains(health[label], part) {
				t.Errorf("%s: %q, want %q in it", label, health[label], part)
			}
		}
	}
	if needs := words(doc.Find(`[data-live=needs]`)); strings.Contains(needs, "has not answered") {
		t.Errorf("after a minute somebody is asked to look: %q", needs)
	}

	d.exec(`UPDATE circuits SET opened_at = opened_at - interval '15 minutes'`)
	for merchant := range int64(5) {
		d.openCircuit("salla/store/"+string(rune('1'+merchant)), "store", new(merchant+1), "HTTP 500", time.Hour)
	}
	clerks := d.store("Dune", 9, "provisioning")
	d.openCircuit("clerk/tenant/"+clerks.String(), "store", nil, "HTTP 500", 2*time.Hour)
	d.s.snapshots = snapshots{}
	var needs []string
	d.page(http.StatusOK, "/admin").Find(`[data-live=needs] li`).Each(func(_ int, li *goquery.Selection) {
		needs = append(needs, words(li)+" "+li.Find("a").AttrOr("href", ""))
	})
	all := strings.Join(needs, "\n")
	for _, want := range []string{
		"Clerk has not answered since", "(HTTP 503). What needs it waits and goes on by itself.",
		"The server of tenant databases db:5432 has not answered since",
		"Salla for the store 1 has not answered since", "see /admin/tenants?q=1",
		"Clerk for one store has not answered since", "If it stays, ask Clerk. see " + tenantHref(clerks),
		"Salla or Clerk has not answered for 3 more stores for a quarter of an hour and longer.",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("want %q among\n%s", want, all)
		}
	}
}

// A store's page says that the store's own circuit is open.
func TestTenantPageTellsThatItsStoreDoesNotAnswer(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id, other := d.store("Palm", 7, "ready"), d.store("Dune", 8, "ready")
	d.openCircuit("salla/store/7", "store", new(int64(7)), "no answer in time", time.Minute)
	const want = "Salla has not answered for this store since"
	if head := words(d.page(http.StatusOK, tenantHref(id)).Find(`[data-live=head]`)); !strings.Contains(head, want) || !strings.Contains(head, "(no answer in time)") {
		t.Errorf("the broken store's page: %q", head)
	}
	if head := words(d.page(http.StatusOK, tenantHref(other)).Find(`[data-live=head]`)); strings.Contains(head, want) {
		t.Errorf("another store's page: %q", head)
	}
	d.openCircuit("clerk/tenant/"+other.String(), "store", nil, "HTTP 500", time.Minute)
	const clerks = "Clerk has not answered for this store since"
	if head := words(d.page(http.StatusOK, tenantHref(other)).Find(`[data-live=head]`)); !strings.Contains(head, clerks) || strings.Contains(head, want) {
		t.Errorf("the page of a store that Clerk does not answer for: %q", head)
	}
}

// The operator API lists open circuits.
func TestStatsListCircuits(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.openCircuit("clerk", "provider", nil, "HTTP 503", time.Minute)
	list, err := ReadCircuits(t.Context(), d.s.DB)
	if err != nil || len(list) != 1 {
		t.Fatalf("got %+v, %v", list, err)
	}
	c := list[0]
	if c.Name != "clerk" || c.Reason != "HTTP 503" || time.Since(c.Since) < time.Minute || time.Until(c.NextProbe) <= 0 || c.Since.Location() != time.UTC {
		t.Errorf("got %+v", c)
	}
}

// openCircuit opens a circuit some time ago.
func (d *desk) openCircuit(name, kind string, merchant *int64, reason string, ago time.Duration) {
	d.t.Helper()
	d.exec(`
		INSERT INTO circuits (name, kind, merchant, failures, failing_since, failed_at, reason, opened_at, retry_at)
		VALUES ($1, $2, $3, 5, now() - $5::interval - interval '1 second', now(), $4, now() - $5::interval, now() + interval '30 seconds')`,
		name, kind, merchant, reason, ago)
}
