package web

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/imports"
	"github.com/wosool/wosool/internal/tenant"
	"github.com/wosool/wosool/internal/tenantdb"
	"github.com/wosool/wosool/templates"
)

// rejectsQuery is which rejects a page is about.
type rejectsQuery struct {
	imports.RedriveFilter

	all     bool       // also those that are settled
	filters url.Values // as they are in the address
	keyset  keyset
}

// filter gives the query as tenantdb takes it.
func (q rejectsQuery) filter() tenantdb.RejectFilter {
	return tenantdb.RejectFilter{Run: q.Run, Resource: q.Resource, Field: q.Field, Reason: q.Reason, Open: !q.all}
}

// The most that a field and a reason may have, in bytes.
const (
	fieldMost  = 300
	reasonMost = 1000
)

// readRejectsQuery reads what a page of rejects, or a re-drive, is narrowed to.
func readRejectsQuery(r *http.Request) (q rejectsQuery, err error) {
	v := r.URL.Query()
	if q.Run, err = queryRun(v.Get("run")); err != nil {
		return q, err
	}
	if q.Resource, err = queryOneOf(r, "resource", tenant.Resources()...); err != nil {
		return q, err
	}
	if q.Field, err = plain("field", v.Get("field"), fieldMost); err != nil {
		return q, err
	}
	if q.Reason, err = plain("reason", v.Get("reason"), reasonMost); err != nil {
		return q, err
	}
	state, err := queryOneOf(r, "state", "all")
	if err != nil {
		return q, err
	}
	q.all = state == "all"
	if q.keyset, err = readKeyset(r); err != nil {
		return q, err
	}
	q.filters = url.Values{}
	for _, name := range []string{"run", "resource", "field", "reason", "state"} {
		q.filters.Set(name, v.Get(name))
	}
	return q, nil
}

// rejectsPage shows the records that a tenant's database could not take: what is
// wrong in groups, then one by one.
func (s *Server) rejectsPage(w http.ResponseWriter, r *http.Request) error {
	q, err := readRejectsQuery(r)
	if err != nil {
		return err
	}
	x, err := s.wholeAt(r)
	if err != nil {
		return err
	}
	at, path := moments(r), tenantHref(x.tenant.ID)+"/rejects"
	v := templates.RejectsView{Head: x.head("rejects", at)}
	var found []tenantdb.StoredReject
	var groups []tenantdb.RejectGroup
	var total int
	var counts map[string]int
	err = s.lookInto(r.Context(), x.tenant, func(ctx context.Context, db *tenantdb.DB) error {
		if counts, err = db.RejectCounts(ctx, tenantdb.RejectFilter{Run: q.Run, Open: true}); err != nil {
			return err
		}
		if groups, total, err = db.RejectGroups(ctx, q.filter()); err != nil {
			return err
		}
		f := q.filter()
		f.Before, f.Limit = q.keyset.Cursor, pageSize+1
		found, err = db.Rejects(ctx, f)
		return err
	})
	if v.Notice, err = shut(err); err != nil {
		return err
	}
	if v.Notice == nil {
		v.Filters, v.Scope = rejectFilters(path, q.filters, counts), rejectScope(path, q.filters)
		if len(groups) > 1 || q.Reason == "" {
			v.Groups = rejectGroups(path, q.filters, groups, at)
			if total > rejectsMany {
				v.Grouped = "of 10,000 of them"
			}
		}
		s.listRejected(r, &v, q, found, total, path)
	}
	return s.render(w, r, http.StatusOK, templates.Rejects(s.frame(r, x.tenant.Name+": rejects", "tenants"), v))
}

// listRejected puts a page of rejects into the list.
func (s *Server) listRejected(r *http.Request, v *templates.RejectsView, q rejectsQuery, found []tenantdb.StoredReject, total int, path string) {
	at, back := moments(r), r.URL.RequestURI()
	more := len(found) > pageSize
	found = found[:min(len(found), pageSize)]
	for _, reject := range found {
		row := rejectRow(reject, path, at)
		row.Redrive = redriveOne(reject, path, back, "Re-drive")
		v.Rows = append(v.Rows, row)
	}
	if more {
		v.Pager.Older = listHref(path, q.filters, "cursor", cursorAfter(found[len(found)-1].ID))
	}
	if !q.keyset.first() {
		v.Pager.Newer = listHref(path, q.filters, "", "")
	}
	v.Listed = rejects(total)
	if len(found) == 0 {
		v.Empty = &templates.EmptyView{Title: "No record is rejected", Text: "What Salla gave is stored as it is."}
		if len(v.Scope) > 0 || q.Resource != "" {
			v.Empty = &templates.EmptyView{Title: "No record is rejected for this", Text: "Or it is settled.", Href: path, Link: "See all rejects"}
		}
	}
	if len(found) > 0 && !q.all {
		v.Redrive = &templates.ActView{
			Action: path + "/redrive", Label: "Re-drive " + redriveLabel(total), Confirm: "yes", Primary: true, Hidden: hiddenBut(q.filters, "state"),
		}
	}
}

// redriveLabel says how many a button is about.
func redriveLabel(n int) string {
	switch {
	case n == 1:
		return "this one"
	case n > rejectsMany:
		return "all of these"
	}
	return "these " + templates.Count(n)
}

// rejectPage shows one record that could not be stored, whole.
func (s *Server) rejectPage(w http.ResponseWriter, r *http.Request) error {
	x, err := s.wholeAt(r)
	if err != nil {
		return err
	}
	id, err := idOf(r, "reject", "reject")
	if err != nil {
		return err
	}
	at, path := moments(r), tenantHref(x.tenant.ID)+"/rejects"
	v := templates.RejectView{Head: x.head("rejects", at), Back: path}
	var reject tenantdb.StoredReject
	err = s.lookInto(r.Context(), x.tenant, func(ctx context.Context, db *tenantdb.DB) error {
		reject, err = db.Reject(ctx, id)
		return err
	})
	if v.Notice, err = shut(err); err != nil {
		return err
	}
	if v.Notice == nil {
		fillReject(&v, reject, at)
		if v.Redrive = redriveOne(reject, path, path+"/"+id.String(), "Re-drive"); v.Redrive != nil {
			v.Redrive.Primary = true
		}
	}
	return s.render(w, r, http.StatusOK, templates.Reject(s.frame(r, x.tenant.Name+": reject", "tenants"), v))
}

// redriveForm asks before rejects are re-driven, and says what would happen.
func (s *Server) redriveForm(w http.ResponseWriter, r *http.Request) error {
	q, err := readRejectsQuery(r)
	if err != nil {
		return err
	}
	t, err := s.tenantOf(r)
	if err != nil {
		return err
	}
	q.After = q.keyset.Cursor
	path := tenantHref(t.ID) + "/rejects"
	trial, err := s.tryRedrive(r.Context(), t, q.RedriveFilter)
	if notice, err := shut(err); err != nil || notice != nil {
		if err != nil {
			return err
		}
		return s.back(w, r, path, *notice)
	}
	v := redriveView(q, trial, path, moments(r))
	return s.render(w, r, http.StatusOK, templates.RedrivePage(s.frame(r, v.Title, "tenants"), v))
}

func redriveView(q rejectsQuery, trial imports.Trial, path string, at func(time.Time) templates.Moment) templates.RedriveView {
	v := templates.RedriveView{
		Title: "Re-drive " + rejects(trial.Chosen) + "?", Action: path + "/redrive", Label: "Re-drive " + rejects(trial.Chosen),
		Hidden: hiddenBut(q.filters, "state"), Back: listHref(path, q.filters, "", ""),
	}
	if trial.Chosen == 0 {
		v.Title, v.None = "Nothing is left to re-drive", true
		return v
	}
	if q.After != uuid.Nil {
		v.Hidden["cursor"] = cursorAfter(q.After)
		v.What = append(v.What, "those that were not tried yet")
	}
	for _, name := range []string{"resource", "field"} {
		if value := q.filters.Get(name); value != "" {
			v.What = append(v.What, name+" "+fieldWords(resourceWords(value)))
		}
	}
	if q.Run != uuid.Nil {
		v.What = append(v.What, "of one import")
	}
	if q.Reason != "" {
		v.What = append(v.What, "one reason: "+q.Reason)
	}
	of := ""
	if trial.Looked < trial.Chosen {
		of = "Of the newest " + templates.Count(trial.Looked) + ", "
	}
	first := func(n int, one, many string) string {
		words := templates.Plural(n, one, many)
		if of == "" {
			return words
		}
		return of + words
	}
	if trial.Understood > 0 {
		v.Facts = append(v.Facts, first(trial.Understood, "can be mapped now: it is stored", "can be mapped now: each is stored")+
			", unless what is stored is newer or says that it is deleted.")
	}
	if n := trial.Looked - trial.Understood; n > 0 {
		v.Facts = append(v.Facts, first(n, "would still be refused and stays", "would still be refused and stay")+".")
	}
	if trial.Asked > 0 {
		v.Facts = append(v.Facts, first(trial.Asked, "is read again at Salla", "are read again at Salla")+
			", within its limit; what that stores is settled by itself.")
	}
	for _, g := range trial.Still {
		v.Still = append(v.Still, templates.RejectGroup{
			Resource: resourceWords(g.Resource), Field: fieldWords(g.Field), Reason: g.Reason,
			Count: templates.Count(g.Count), Newest: at(g.Newest),
		})
	}
	return v
}

// redriveAct re-drives one reject or all of a list, as far as one request goes.
func (s *Server) redriveAct(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return malformed("", "the form can't be read")
	}
	fields := url.Values{}
	for name, values := range r.PostForm {
		if len(values) > 0 {
			fields.Set(name, values[0])
		}
	}
	asked := r.Clone(r.Context())
	asked.URL = &url.URL{Path: r.URL.Path, RawQuery: fields.Encode()}
	q, err := readRejectsQuery(asked)
	if err != nil {
		return err
	}
	q.After = q.keyset.Cursor
	t, err := s.tenantOf(r)
	if err != nil {
		return err
	}
	path := tenantHref(t.ID) + "/rejects"
	back := listHref(path, q.filters, "", "")
	if given := fields.Get("id"); given != "" {
		id, err := uuid.Parse(given)
		if err != nil {
			return malformed("id", "id must be the id of a reject")
		}
		q.RedriveFilter = imports.RedriveFilter{IDs: []uuid.UUID{id}}
		if to := fields.Get("back"); to != "" {
			back = to
		}
	}
	done, err := s.redrive(r.Context(), t, operatorActor(r.Context()), q.RedriveFilter)
	if notice, err := shut(err); err != nil || notice != nil {
		if err != nil {
			return err
		}
		return s.back(w, r, back, *notice)
	}
	notice := redriveWords(done)
	if done.Left > 0 {
		notice.Href, notice.Link = listHref(path+"/redrive", q.filters, "cursor", cursorAfter(done.Next)), "go on"
	}
	return s.back(w, r, back, notice)
}
