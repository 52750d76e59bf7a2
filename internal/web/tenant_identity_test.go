package web

import (
	"net/http"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
)

// A tenant's page shows who is a member of its organization, by id, and who was; a
// lost owner is told on every page of the tenant, with what to do.
func TestTenantPageShowsItsIdentity(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.store("Palm", 71, "ready")
	d.grant(id, "active")
	d.exec(`UPDATE tenants SET clerk_organization_id = 'org_1', clerk_owner_id = 'user_1', clerk_owner = 'member' WHERE id = $1`, id)
	d.exec(`INSERT INTO clerk_organizations (id, name) VALUES ('org_1', 'Palm')`)
	d.exec(`INSERT INTO clerk_users (id, banned, email_verified) VALUES ('user_1', false, true), ('user_2', true, true), ('user_3', NULL, NULL)`)
	d.exec(`
		INSERT INTO clerk_memberships (id, organization_id, user_id, role, source_created_at, deleted_at)
		VALUES ('orgmem_1', 'org_1', 'user_1', 'org:admin', now() - interval '3 hours', NULL),
		       ('orgmem_2', 'org_1', 'user_2', 'org:member', now() - interval '2 hours', NULL),
		       ('orgmem_3', 'org_1', 'user_3', NULL, now() - interval '1 hour', now()),
		       ('orgmem_4', 'org_other', 'user_4', 'org:admin', now(), NULL)`)
	members := func() string {
		var list []string
		d.page(http.StatusOK, tenantHref(id)+"/database").Find(".facts dd").Each(func(_ int, dd *goquery.Selection) {
			if text := words(dd); strings.HasPrefix(text, "user_") {
				list = append(list, text)
			}
		})
		return strings.Join(list, "\n")
	}
	got := members()
	for _, want := range []string{"user_1 the owner · org:admin", "user_2 org:member · banned", "user_3 not a member any more"} {
		if !strings.Contains(got, want) {
			t.Errorf("want %q among\n%s", want, got)
		}
	}
	if strings.Contains(got, "user_4") {
		t.Errorf("another organization's member is shown:\n%s", got)
	}
	const lost = "is gone at Clerk"
	if more := words(d.page(http.StatusOK, tenantHref(id)).Find("body")); strings.Contains(more, lost) {
		t.Error("the owner is there and the page says that they are gone")
	}

	d.exec(`UPDATE clerk_memberships SET deleted_at = now(), role = NULL WHERE id = 'orgmem_1'`)

	if got := members(); !strings.Contains(got, "user_1 the owner · not a member any more") {
		t.Errorf("without its owner:\n%s", got)
	}
	for _, path := range []string{"", "/database", "/events"} {
		if page := words(d.page(http.StatusOK, tenantHref(id)+path).Find("body")); !strings.Contains(page, lost) || !strings.Contains(page, "org:admin at Clerk") {
			t.Errorf("%s does not say that the owner is gone, and what to do", path)
		}
	}
}
