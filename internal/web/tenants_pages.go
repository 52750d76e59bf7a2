package web

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/a-h/templ"
	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenant"
	"github.com/wosool/wosool/templates"
)

const tenantsPath = "/admin/tenants"

// tenantRoutes are the pages about tenants, and what operators may do to them.
func (s *Server) tenantRoutes(r chi.Router) {
	r.Get("/tenants", s.handle(s.tenantsPage))
	r.Get("/tenants/live", s.handle(s.tenantsLive))
	r.Route("/tenants/{id}", func(r chi.Router) {
		// A router of its own does not inherit these from a group.
		r.NotFound(s.handle(noRoute))
		r.MethodNotAllowed(s.handle(noMethod))
		r.Get("/", s.handle(s.tenantPage))
		r.Get("/live", s.handle(s.tenantLive))
		r.Get("/data", s.handle(s.dataPage))
		r.Get("/data/{table}/{key}", s.handle(s.recordPage))
		r.Get("/rejects", s.handle(s.rejectsPage))
		r.With(s.needs(store.RoleOperator)).Get("/rejects/redrive", s.handle(s.redriveForm))
		r.Post("/rejects/redrive", s.handle(s.redriveAct))
		r.Get("/rejects/{reject}", s.handle(s.rejectPage))
		r.Get("/events", s.handle(s.tenantEventsPage))
		r.Get("/connection", s.handle(s.connectionPage))
		r.Get("/database", s.handle(s.databasePage))
		s.noteRoutes(r)

		r.Post("/retry", s.handle(s.retryTenantAct))
		r.With(s.needs(store.RoleOperator)).Get("/import", s.handle(s.importForm))
		r.Post("/import", s.handle(s.importTenantAct))
		r.With(s.needs(store.RoleOperator)).Get("/suspend", s.handle(s.suspendForm))
		r.Post("/suspend", s.handle(s.suspendTenantAct))
		r.Post("/resume", s.handle(s.resumeTenantAct))
	})
}

// tenantsQuery is what the list of tenants is asked for.
type tenantsQuery struct {
	store.StoreFilter

	keyset  keyset
	filters url.Values
}

// readTenantsQuery reads a list's address. status takes statuses and needs alike:
// both say which tenants are meant.
func readTenantsQuery(r *http.Request) (q tenantsQuery, err error) {
	needs := names(store.TenantNeeds())
	status, err := queryOneOf(r, "status", append(names(tenant.Statuses()), needs...)...)
	if err != nil {
		return q, err
	}
	q.Status = status
	for _, need := range needs {
		if status == need {
			q.Status, q.Need = "", store.Need(need)
		}
	}
	if q.Q, err = queryText(r, "q"); err != nil {
		return q, err
	}
	if q.keyset, err = readKeyset(r); err != nil {
		return q, err
	}
	q.Limit = pageSize
	if q.keyset.Newer {
		q.After = q.keyset.Cursor
	} else {
		q.Before = q.keyset.Cursor
	}
	q.filters = url.Values{"status": {status}, "q": {q.Q}}
	return q, nil
}

func (s *Server) tenantsPage(w http.ResponseWriter, r *http.Request) error {
	q, err := readTenantsQuery(r)
	if err != nil {
		return err
	}
	v, more, err := s.tenantsView(r.Context(), q, moments(r))
	if err != nil {
		return err
	}
	if q.keyset.toTop(more) {
		http.Redirect(w, r, listHref(tenantsPath, q.filters, "", ""), http.StatusSeeOther)
		return nil
	}
	if v.Bulk != nil {
		n, err := s.DB.CountStores(r.Context(), q.StoreFilter)
		if err != nil {
			return err
		}
		v.Bulk.Count = templates.Count(n)
	}
	f := s.frame(r, "Tenants", "tenants")
	if q.keyset.first() {
		f.Live = listHref(tenantsPath+"/live", q.filters, "", "")
	}
	return s.render(w, r, http.StatusOK, templates.Tenants(f, v))
}

// tenantsLive streams the first page of a list of tenants.
func (s *Server) tenantsLive(w http.ResponseWriter, r *http.Request) error {
	q, err := readTenantsQuery(r)
	if err != nil {
		return err
	}
	at := moments(r)
	return s.live(w, r, func(ctx context.Context) (map[string]templ.Component, error) {
		v, _, err := s.tenantsView(ctx, q, at)
		if err != nil {
			return nil, err
		}
		return map[string]templ.Component{"chips": templates.Chips(v.Chips), "rows": templates.TenantRows(v)}, nil
	})
}

func (s *Server) tenantsView(ctx context.Context, q tenantsQuery, at func(time.Time) templates.Moment) (templates.TenantsView, bool, error) {
	var v templates.TenantsView
	rows, more, err := s.DB.Stores(ctx, q.StoreFilter)
	if err != nil {
		return v, false, err
	}
	stats, err := s.DB.TenantStats(ctx)
	if err != nil {
		return v, false, err
	}
	needing, err := s.DB.CountNeed(ctx, store.NeedReauthorisation)
	if err != nil {
		return v, false, err
	}
	v = templates.TenantsView{
		Chips: chips(tenantsPath, url.Values{"status": q.filters["status"]}, "status", tenantChips(q, stats, needing)),
		Search: templates.SearchBox{
			Action: tenantsPath, Query: q.Q, Placeholder: "Name, domain, slug, merchant or id", Hidden: hiddenBut(q.filters, "q"),
		},
		Rows: make([]templates.TenantRow, len(rows)),
	}
	for i, row := range rows {
		v.Rows[i] = tenantListRow(row, at)
	}
	if n := len(rows); n > 0 {
		v.Pager = q.keyset.pager(tenantsPath, q.filters, rows[0].ID, rows[n-1].ID, more)
		v.Bulk = bulkBar(store.BulkTenants, q.filters, "")
	} else {
		v.Empty = tenantsEmpty(q)
	}
	return v, more, nil
}

// tenantChips are the filters of the list with how many each has.
func tenantChips(q tenantsQuery, stats map[string]int, needing int) []chip {
	total := 0
	for _, n := range stats {
		total += n
	}
	count := func(status tenant.Status) string { return templates.Count(stats[string(status)]) }
	list := []chip{
		{"", "all", templates.Count(total), ""},
		{string(tenant.Ready), "ready", count(tenant.Ready), templates.Well},
		{string(tenant.Provisioning), "provisioning", count(tenant.Provisioning), templates.Run},
		{string(tenant.Failed), "failed", count(tenant.Failed), templates.Broken},
		{string(tenant.Suspended), "suspended", count(tenant.Suspended), templates.Off},
		{string(store.NeedReauthorisation), "needs re-authorisation", templates.Count(needing), templates.Wait},
	}
	for _, status := range []tenant.Status{tenant.Pending, tenant.Deprovisioning, tenant.Deleted} {
		if stats[string(status)] > 0 || q.Status == string(status) {
			list = append(list, chip{string(status), string(status), count(status), templates.Off})
		}
	}
	// The lists that the overview leads to have no chip of their own until one is looked at.
	for need, label := range map[store.Need]string{
		store.NeedRefreshUnknown: "refresh unknown", store.NeedOwner: "owner invited", store.NeedOwnerGone: "owner gone", store.NeedImport: "import not whole",
	} {
		if q.Need == need {
			list = append(list, chip{string(need), label, "", templates.Wait})
		}
	}
	return list
}

func tenantsEmpty(q tenantsQuery) *templates.EmptyView {
	switch {
	case q.Q != "":
		return &templates.EmptyView{
			Title: "No store matches", Text: "The search looks for words of the name, and for the beginning of domain, slug, merchant or id.",
			Href: listHref(tenantsPath, q.filters, "q", ""), Link: "Leave the search",
		}
	case q.filters.Get("status") != "":
		return &templates.EmptyView{Title: "No store is like this now", Href: tenantsPath, Link: "All stores"}
	}
	return noStores()
}

// tenantListRow is pure: what the list says of a store.
func tenantListRow(row store.StoreRow, at func(time.Time) templates.Moment) templates.TenantRow {
	v := templates.TenantRow{
		ID: row.ID.String(), Href: tenantHref(row.ID), Name: row.Name, Domain: text(row.Domain), Merchant: number(row.Merchant),
		Records: "–", LastEvent: momentOf(at, row.LastEvent), Since: at(row.CreatedAt), Plan: text(row.Plan),
	}
	if row.Domain == nil {
		v.Domain = row.Slug
	}
	if row.Merchant == nil {
		v.Merchant = "–"
	}
	if v.Plan == "" {
		v.Plan = "–"
	}
	if row.Records != nil {
		v.Records = templates.Count(*row.Records)
	}
	v.Kind, v.Status, v.Note = statusOf(row.Status, row.SuspendedBy, row.Connection)
	return v
}

// tenantOf reads the tenant that the address names.
func (s *Server) tenantOf(r *http.Request) (store.Tenant, error) {
	id, err := pathID(r, "tenant")
	if err != nil {
		return store.Tenant{}, err
	}
	return s.DB.Tenant(r.Context(), id)
}

// idOf reads an id of the path.
func idOf(r *http.Request, name, noun string) (uuid.UUID, error) {
	id, err := uuid.Parse(chi.URLParam(r, name))
	if err != nil {
		return uuid.Nil, &problem{Status: http.StatusNotFound, Code: codeNotFound, Message: "there is no such " + noun}
	}
	return id, nil
}
