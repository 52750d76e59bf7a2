package web

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

const auditPath = "/admin/audit"

// auditRoutes registers the pages of the audit, which every role may look at.
func (s *Server) auditRoutes(r chi.Router) {
	r.Get("/audit", s.handle(s.auditPage))
	r.Get("/audit/live", s.handle(s.auditLive))
	r.Get("/audit/export.csv", s.handle(s.auditCSV))
	r.Get("/audit/export.json", s.handle(s.auditJSON))
	r.Get("/audit/{id}", s.handle(s.auditEntryPage))
}

// auditQuery is what the audit is asked for.
type auditQuery struct {
	store.AuditFilter

	group, act string
	keyset     keyset
	filters    url.Values // as they are in the address
}

func readAuditQuery(r *http.Request) (q auditQuery, err error) {
	for name, into := range map[string]*string{"who": &q.Actor, "act": &q.act, "group": &q.group, "text": &q.Text} {
		if *into, err = queryText(r, name); err != nil {
			return q, err
		}
	}
	if given := r.URL.Query().Get("tenant"); given != "" {
		id, err := uuid.Parse(given)
		if err != nil {
			return q, malformed("tenant", "tenant must be the id of a tenant")
		}
		q.TenantID = &id
	}
	if q.From, err = queryTime(r, "from"); err != nil {
		return q, err
	}
	if q.To, err = queryTime(r, "to"); err != nil {
		return q, err
	}
	if q.keyset, err = readKeyset(r); err != nil {
		return q, err
	}
	q.Limit, q.Newer, q.Cursor = pageSize, q.keyset.Newer, q.keyset.Cursor
	q.filters = url.Values{
		"who": {q.Actor}, "act": {q.act}, "group": {q.group}, "text": {q.Text}, "tenant": {r.URL.Query().Get("tenant")},
		"from": {r.URL.Query().Get("from")}, "to": {r.URL.Query().Get("to")},
	}
	return q, nil
}

// narrow chooses the acts of the query's group among those that there are.
func (q *auditQuery) narrow(acts []string) {
	q.Acts = nil
	switch {
	case q.act != "":
		q.Acts = []string{q.act}
	case q.group != "":
		q.Acts = actsOf(q.group, acts)
	}
}

func (s *Server) auditPage(w http.ResponseWriter, r *http.Request) error {
	to, err := s.auditTarget(r)
	if err != nil {
		return err
	}
	if to = cmp.Or(inUTC(r, auditPath, "from", "to"), to); to != "" {
		http.Redirect(w, r, to, http.StatusSeeOther)
		return nil
	}
	q, err := readAuditQuery(r)
	if err != nil {
		return err
	}
	acts, err := s.DB.AuditActs(r.Context())
	if err != nil {
		return err
	}
	q.narrow(acts)
	found, err := s.DB.Audit(r.Context(), q.AuditFilter)
	refused, status := "", http.StatusOK
	if errors.Is(err, fault.Invalid) { // the form is there to mend it
		problem, _ := answerTo(err)
		refused, status, err = problem.Message, http.StatusUnprocessableEntity, nil
	}
	if err != nil {
		return err
	}
	if q.keyset.toTop(found.More) && refused == "" {
		http.Redirect(w, r, listHref(auditPath, q.filters, "", ""), http.StatusSeeOther)
		return nil
	}
	v, err := s.auditView(r.Context(), q, acts, found, moments(r))
	if err != nil {
		return err
	}
	actors, err := s.DB.AuditActors(r.Context())
	if err != nil {
		return err
	}
	v.Form = auditForm(q, actors, acts, zoneOf(r))
	if refused != "" {
		v.Form.Error, v.Empty = sentence(refused), templates.EmptyView{Title: "Nothing was looked for"}
	}
	f := s.frame(r, "Audit", "audit")
	if q.keyset.first() && q.Text == "" && refused == "" { // a search is not made again each second
		f.Live = listHref(auditPath+"/live", q.filters, "", "")
	}
	return s.render(w, r, status, templates.AuditPage(f, v))
}

// auditTarget is where a search leads that names one entry, or a store by its id or
// merchant; "" for one that does not.
func (s *Server) auditTarget(r *http.Request) (string, error) {
	q := r.URL.Query()
	text := strings.TrimSpace(q.Get("text"))
	var t store.Tenant
	if id, err := uuid.Parse(text); err == nil {
		_, err := s.DB.AuditEntry(r.Context(), id)
		if err == nil {
			return auditPath + "/" + id.String(), nil
		}
		if !errors.Is(err, fault.NotFound) {
			return "", err
		}
		if t, err = s.DB.Tenant(r.Context(), id); err != nil && !errors.Is(err, fault.NotFound) {
			return "", err
		}
	} else if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 0 {
		if t, err = s.DB.TenantByMerchant(r.Context(), n); err != nil && !errors.Is(err, fault.NotFound) {
			return "", err
		}
	}
	if t.ID == uuid.Nil {
		return "", nil
	}
	for _, name := range []string{"text", "cursor", "newer"} {
		q.Del(name)
	}
	return listHref(auditPath, q, "tenant", t.ID.String()), nil
}

// auditLive streams the first page of the audit.
func (s *Server) auditLive(w http.ResponseWriter, r *http.Request) error {
	q, err := readAuditQuery(r)
	if err != nil {
		return err
	}
	if q.Text != "" {
		return fault.New(fault.Invalid, "a search for text does not refresh itself")
	}
	at := moments(r)
	return s.live(w, r, func(ctx context.Context) (map[string]templ.Component, error) {
		q := q
		acts, err := s.DB.AuditActs(ctx)
		if err != nil {
			return nil, err
		}
		q.narrow(acts)
		found, err := s.DB.Audit(ctx, q.AuditFilter)
		if err != nil {
			return nil, err
		}
		v, err := s.auditView(ctx, q, acts, found, at)
		if err != nil {
			return nil, err
		}
		return map[string]templ.Component{"rows": templates.AuditRows(v)}, nil
	})
}

// auditView is the list with what it says of the stores of the acts.
func (s *Server) auditView(
	ctx context.Context, q auditQuery, acts []string, found store.AuditPage, at func(time.Time) templates.Moment,
) (templates.AuditView, error) {
	ids := []*uuid.UUID{q.TenantID}
	for _, e := range found.Entries {
		ids = append(ids, e.TenantID)
	}
	labels, err := s.DB.TenantLabels(ctx, known(ids))
	if err != nil {
		return templates.AuditView{}, err
	}
	withoutAct := url.Values{}
	for name := range q.filters {
		if name != "act" { // one act is narrower than its group
			withoutAct.Set(name, q.filters.Get(name))
		}
	}
	v := templates.AuditView{
		Search: templates.SearchBox{
			Action: auditPath, Name: "text", Query: q.Text, Placeholder: "A text in it, a merchant, a store's or an act's id", Hidden: hiddenBut(q.filters, "text"),
		},
		Groups: chips(auditPath, withoutAct, "group", auditChips(acts)), Scope: auditScope(q, labels, at), Empty: auditEmpty(q),
		CSV: listHref(auditPath+"/export.csv", q.filters, "", ""), JSON: listHref(auditPath+"/export.json", q.filters, "", ""),
	}
	rows := make([]uuid.UUID, len(found.Entries))
	for i, e := range found.Entries {
		rows[i] = e.ID
		v.Rows = append(v.Rows, auditRow(e, labels, at))
	}
	top, bottom := q.keyset.ends(rows, found.SearchedTo)
	if len(found.Entries) > 0 || found.More || !q.keyset.first() {
		v.Pager = q.keyset.pager(auditPath, q.filters, top, bottom, found.More)
	}
	if found.SearchedTo != uuid.Nil && !q.Newer {
		v.Searched = searchedTo(at(store.EventTime(found.SearchedTo)), v.Pager)
		v.Empty = templates.EmptyView{Title: "No act like this so far", Text: "Older ones were not looked at yet: go on with Older."}
	}
	return v, nil
}

// auditForm are the fields that narrow the list. What is chosen is offered also where
// nobody has done it yet.
func auditForm(q auditQuery, actors, acts []string, loc *time.Location) templates.AuditForm {
	form := templates.AuditForm{
		Actors: []templates.Option{{Label: "everybody"}}, Acts: []templates.Option{{Label: "everything"}}, Hidden: map[string]string{},
	}
	for _, actor := range with(actors, q.Actor) {
		form.Actors = append(form.Actors, templates.Option{Value: actor, Label: actor, On: actor == q.Actor})
	}
	if q.group != "" {
		acts = actsOf(q.group, acts)
	}
	for _, act := range with(acts, q.act) {
		form.Acts = append(form.Acts, templates.Option{Value: act, Label: auditWords(act), On: act == q.act})
	}
	if q.From != nil {
		form.From = localField(*q.From, loc)
	}
	if q.To != nil {
		form.To = localField(*q.To, loc)
	}
	for _, name := range []string{"group", "tenant", "text"} {
		if value := q.filters.Get(name); value != "" {
			form.Hidden[name] = value
		}
	}
	return form
}

// with adds what is chosen to the list that it is chosen from.
func with(list []string, chosen string) []string {
	if chosen == "" || slices.Contains(list, chosen) {
		return list
	}
	return append(slices.Clone(list), chosen)
}

// auditScope shows what narrows the list; pressing one takes it away.
func auditScope(q auditQuery, labels map[uuid.UUID]store.TenantLabel, at func(time.Time) templates.Moment) []templates.Chip {
	var list []templates.Chip
	add := func(name, label string) {
		list = append(list, templates.Chip{Label: label + " ✕", Href: listHref(auditPath, q.filters, name, ""), On: true})
	}
	if q.TenantID != nil {
		name, _ := storeOf(labels, q.TenantID)
		add("tenant", cmp.Or(name, "store "+q.TenantID.String()))
	}
	if q.Actor != "" {
		add("who", q.Actor)
	}
	if q.act != "" {
		add("act", auditWords(q.act))
	}
	if q.From != nil {
		add("from", "from "+at(*q.From).Exact)
	}
	if q.To != nil {
		add("to", "until "+at(*q.To).Exact)
	}
	if q.Text != "" {
		add("text", "says “"+q.Text+"”")
	}
	return list
}

func auditEmpty(q auditQuery) templates.EmptyView {
	if q.act == "" && q.group == "" && q.Actor == "" && q.Text == "" && q.TenantID == nil && q.From == nil && q.To == nil {
		return templates.EmptyView{Title: "Nothing was done yet", Text: "Acts of operators, of keys and of the command line are listed here as they are done."}
	}
	return templates.EmptyView{Title: "No act is like this", Text: "Nothing is ever taken out of the audit: it was not done.", Href: auditPath, Link: "All acts"}
}
