package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/store"
)

func TestTenantNotesPage(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.store("Palm", 7, "ready")
	path := tenantHref(id) + "/notes"
	if got := words(d.page(http.StatusOK, path).Find(".empty")); !strings.Contains(got, "No note yet") {
		t.Errorf("without notes: %q", got)
	}

	if a := d.post(path, url.Values{"body": {"called them\n" + evil}}); a.Code != http.StatusSeeOther {
		t.Fatalf("add: %d %s", a.Code, a.Body)
	}
	if a := d.post(path, url.Values{"body": {strings.Repeat("x", store.NoteMost+1)}}); a.Code != http.StatusUnprocessableEntity ||
		!strings.Contains(string(a.Body), "at most 4000 characters") || !strings.Contains(string(a.Body), "xxxx</textarea>") {
		t.Errorf("a note that is too long: %d, want it shown again with why", a.Code)
	}
	doc := d.page(http.StatusOK, path)
	if got := doc.Find(".notes .body").Text(); got != "called them\n"+evil || doc.Find("main script").Length() > 0 {
		t.Errorf("the note is %q", got)
	}
	if got := words(doc.Find(`.tabs a[aria-current]`)); got != "1 notes" {
		t.Errorf("the tab is %q", got)
	}
	timeline := d.page(http.StatusOK, tenantHref(id)+"?show=people")
	if got := words(timeline.Find(".timeline")); !strings.Contains(got, "note "+deskOperator+" called them") || strings.Contains(got, "note.add") {
		t.Errorf("the timeline says %q", got)
	}

	if a := d.press(doc.Find(".notes form")); a.Code != http.StatusSeeOther {
		t.Fatalf("remove: %d %s", a.Code, a.Body)
	}
	doc = d.page(http.StatusOK, path)
	if got := words(doc.Find(".notes li")); strings.Contains(got, "called them") || !strings.Contains(got, "removed by "+deskOperator) {
		t.Errorf("the removed note says %q, want only that it was there", got)
	}
	if got := words(d.page(http.StatusOK, tenantHref(id)+"?show=people").Find(".timeline")); strings.Contains(got, "called them") {
		t.Errorf("the timeline still says %q", got)
	}
}

// Operators write, and remove what is theirs; admins remove all; viewers read.
func TestTenantNotesByRole(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.store("Palm", 7, "ready")
	path := tenantHref(id) + "/notes"
	other := uuid.Must(uuid.NewV7())
	d.exec(`INSERT INTO tenant_notes (id, tenant_id, body, author) VALUES ($1, $2, 'theirs', 'sara@example.com')`, other, id)
	remove := path + "/" + other.String() + "/remove"

	for _, tt := range []struct {
		role                 string
		form, button, theirs int
		add                  int
	}{
		{"viewer", 0, 0, http.StatusForbidden, http.StatusForbidden},
		{"operator", 1, 0, http.StatusForbidden, http.StatusSeeOther},
		{"admin", 1, 2, http.StatusSeeOther, http.StatusSeeOther},
	} {
		d.exec(`UPDATE operators SET role = $1`, tt.role)
		doc := d.page(http.StatusOK, path)
		buttons := doc.Find(".notes form").FilterFunction(func(_ int, f *goquery.Selection) bool { return f.AttrOr("method", "") == "post" })
		if forms := doc.Find(".note-form").Length(); forms != tt.form || buttons.Length() != tt.button {
			t.Errorf("%s: %d forms and %d buttons, want %d and %d", tt.role, forms, buttons.Length(), tt.form, tt.button)
		}
		if a := d.post(remove, nil); a.Code != tt.theirs {
			t.Errorf("%s: removing somebody else's: %d, want %d", tt.role, a.Code, tt.theirs)
		}
		if a := d.post(path, url.Values{"body": {"mine"}}); a.Code != tt.add {
			t.Errorf("%s: adding: %d, want %d", tt.role, a.Code, tt.add)
		}
	}
	if got := one[int](d.site, `SELECT count(*)::int FROM tenant_notes WHERE removed_at IS NULL`); got != 2 {
		t.Errorf("%d notes stand, want the two that were added", got)
	}
}
