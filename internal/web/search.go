package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

const (
	searchPath  = "/admin/search"
	searchShown = 10 // of each kind
)

// search finds what a text names: one hit is gone to, several are listed.
func (s *Server) search(w http.ResponseWriter, r *http.Request) error {
	text, err := queryText(r, "q")
	if err != nil {
		return err
	}
	v := templates.FoundView{Query: text}
	if text != "" {
		if v.Groups, err = s.find(r.Context(), text); err != nil {
			return err
		}
	}
	if len(v.Groups) == 1 && len(v.Groups[0].Rows) == 1 {
		http.Redirect(w, r, v.Groups[0].Rows[0].Href, http.StatusSeeOther)
		return nil
	}
	f := s.frame(r, "Search", "")
	f.Query = text
	return s.render(w, r, http.StatusOK, templates.FoundPage(f, v))
}

// find looks for text as what it looks like.
func (s *Server) find(ctx context.Context, text string) ([]templates.FoundGroup, error) {
	if id, err := uuid.Parse(text); err == nil {
		return s.findID(ctx, id)
	}
	if kind, id, ok := readTaskID(text); ok {
		return s.findTask(ctx, kind, id)
	}
	return s.findWords(ctx, text)
}

// readTaskID reads KIND:ROW:EPOCH; the epoch may be left out.
func readTaskID(text string) (kind string, id uuid.UUID, ok bool) {
	parts := strings.Split(text, ":")
	if len(parts) == 4 {
		if _, err := strconv.ParseInt(parts[3], 10, 64); err != nil {
			return "", uuid.Nil, false
		}
		parts = parts[:3]
	}
	if len(parts) != 3 {
		return "", uuid.Nil, false
	}
	id, err := uuid.Parse(parts[2])
	return parts[0] + ":" + parts[1], id, err == nil
}

// findTask finds the page of the row that a task works on.
func (s *Server) findTask(ctx context.Context, kind string, id uuid.UUID) ([]templates.FoundGroup, error) {
	owner, err := s.DB.OwnerOf(ctx, kind, id)
	if errors.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	href := ownerHref(kind, id, owner.TenantID)
	if href == "" {
		href = lanesPath
	}
	return []templates.FoundGroup{{Title: "Tasks", Rows: []templates.FoundRow{{Title: taskWords(kind), Href: href, Note: id.String()}}}}, nil
}

// findID finds what has an id: a tenant, an event, an import, or a row of work.
func (s *Server) findID(ctx context.Context, id uuid.UUID) ([]templates.FoundGroup, error) {
	t, err := s.DB.Tenant(ctx, id)
	if err == nil {
		return []templates.FoundGroup{{Title: "Tenants", Rows: []templates.FoundRow{tenantFound(t)}}}, nil
	}
	if !errors.Is(err, fault.NotFound) {
		return nil, err
	}
	for _, kind := range []string{
		store.KindEventApply, store.KindImportStart, store.KindImportPage, store.KindEntityRead, store.KindSchemaBootstrap,
	} {
		found, err := s.findTask(ctx, kind, id)
		if err != nil || len(found) > 0 {
			return found, err
		}
	}
	return nil, nil
}

// findWords finds tenants by name, slug or merchant, and events by merchant or name.
func (s *Server) findWords(ctx context.Context, text string) ([]templates.FoundGroup, error) {
	var groups []templates.FoundGroup
	tenants, err := s.findTenants(ctx, text)
	if err != nil {
		return nil, err
	}
	if len(tenants.Rows) > 0 {
		groups = append(groups, tenants)
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 0 {
		if len(tenants.Rows) > 0 {
			return groups, nil // its events are one click away, and one hit is gone to
		}
		// A merchant that has no tenant may have sent events.
		found, err := s.DB.Events(ctx, store.EventFilter{Merchant: &n, Limit: 1})
		if err == nil && len(found.Events) > 0 {
			groups = append(groups, templates.FoundGroup{Title: "Events", Rows: []templates.FoundRow{{
				Title: "Events of merchant " + text, Href: eventsPath + "?merchant=" + text, Note: "no tenant has this merchant",
			}}})
		}
		return groups, err
	}
	names, err := s.DB.EventNames(ctx)
	if err != nil {
		return nil, err
	}
	events := templates.FoundGroup{Title: "Events"}
	for _, name := range names {
		if strings.HasPrefix(name, strings.ToLower(text)) {
			if len(events.Rows) == searchShown {
				events.More = eventsPath + "?" + url.Values{"q": {text}}.Encode()
				break
			}
			events.Rows = append(events.Rows, templates.FoundRow{Title: name, Href: listHref(eventsPath, nil, "event", name), Note: "events of this name"})
		}
	}
	if len(events.Rows) > 0 {
		groups = append(groups, events)
	}
	return groups, nil
}

// findTenants finds tenants. A merchant's whole number is its tenant alone.
func (s *Server) findTenants(ctx context.Context, text string) (templates.FoundGroup, error) {
	g := templates.FoundGroup{Title: "Tenants"}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		t, err := s.DB.TenantByMerchant(ctx, n)
		if err == nil {
			g.Rows = []templates.FoundRow{tenantFound(t)}
		}
		if err == nil || !errors.Is(err, fault.NotFound) {
			return g, err
		}
	}
	found, err := s.DB.Tenants(ctx, store.TenantFilter{Q: text, Limit: searchShown + 1})
	if err != nil {
		return g, err
	}
	for i, t := range found {
		if i == searchShown {
			g.More = "/admin/tenants?" + url.Values{"q": {text}}.Encode()
			break
		}
		g.Rows = append(g.Rows, tenantFound(t))
	}
	return g, nil
}

func tenantFound(t store.Tenant) templates.FoundRow {
	note := t.Slug
	if t.Merchant != nil {
		note += " · merchant " + number(t.Merchant)
	}
	return templates.FoundRow{Title: t.Name, Href: tenantHref(t.ID), Note: note, Status: t.Status, Kind: tenantFoundKind(t.Status)}
}

func tenantFoundKind(status string) string {
	switch status {
	case "ready":
		return templates.Well
	case "provisioning", "deprovisioning":
		return templates.Run
	case "failed":
		return templates.Broken
	case "pending":
		return templates.Wait
	}
	return templates.Off
}
