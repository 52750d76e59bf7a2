package web

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

// auditRow is pure, so that what the list says can be tested without it.
func auditRow(e store.AuditEntry, labels map[uuid.UUID]store.TenantLabel, at func(time.Time) templates.Moment) templates.AuditRow {
	row := templates.AuditRow{
		ID: e.ID.String(), Href: auditHref(e.ID.String()), Time: at(e.At), Who: e.Actor, Act: e.Act, What: auditWords(e.Act), Address: e.Address,
	}
	row.On, row.OnHref = auditOn(e)
	row.Store, row.StoreHref = storeOf(labels, e.TenantID)
	if row.Store == "" && e.TenantID != nil { // it is gone, or has no name
		row.Store, row.StoreHref = e.TenantID.String(), tenantHref(*e.TenantID)
	}
	return row
}

// auditHref is the address of one act.
func auditHref(id string) string { return auditPath + "/" + id }

// auditEntryPage shows one act: what was before and after it, and all that was noted.
func (s *Server) auditEntryPage(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "act")
	if err != nil {
		return err
	}
	e, err := s.DB.AuditEntry(r.Context(), id)
	if err != nil {
		return err
	}
	labels, err := s.DB.TenantLabels(r.Context(), known([]*uuid.UUID{e.TenantID}))
	if err != nil {
		return err
	}
	v := auditEntryView(e, labels, moments(r))
	return s.render(w, r, http.StatusOK, templates.AuditEntryPage(s.frame(r, v.Title, "audit"), v))
}

func auditEntryView(e store.AuditEntry, labels map[uuid.UUID]store.TenantLabel, at func(time.Time) templates.Moment) templates.AuditEntryView {
	row, when := auditRow(e, labels, at), at(e.At)
	only := func(name, value string) string { return auditPath + "?" + url.Values{name: {value}}.Encode() }
	v := templates.AuditEntryView{
		ID: row.ID, Title: capital(row.What), Changes: auditChanges(e.Details), Rest: auditRest(e.Details),
		Raw: templates.PayloadView{Title: "As it was noted", Text: string(e.Details), JSON: true},
		Facts: []templates.Fact{
			{Label: "When", Time: &when, Note: when.Exact},
			{Label: "Who", Value: e.Actor, Name: true, Href: only("who", e.Actor)},
			{Label: "Act", Value: e.Act, Mono: true, Href: only("act", e.Act)},
		},
	}
	if row.On != "" {
		v.Facts = append(v.Facts, templates.Fact{Label: "On", Value: row.On, Name: true, Href: row.OnHref})
	}
	if row.Store != "" {
		v.Facts = append(v.Facts, templates.Fact{Label: "Store", Value: row.Store, Name: true, Href: row.StoreHref})
	}
	from := templates.Fact{Label: "From", Value: e.Address, Mono: true}
	if e.Address == "" {
		from = templates.Fact{Label: "From", Value: "this installation's command line, or not known"}
	}
	v.Facts = append(v.Facts, from)
	return v
}

// capital begins a title with a capital letter. What begins with none stays.
func capital(words string) string {
	if words == "" || strings.Contains(words, ".") { // the name of an act that has no words
		return words
	}
	return strings.ToUpper(words[:1]) + words[1:]
}
