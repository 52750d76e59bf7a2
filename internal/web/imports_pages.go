package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenant"
	"github.com/wosool/wosool/templates"
)

const importsPath = "/admin/imports"

// importsQuery is what the list of imports is asked for.
type importsQuery struct {
	store.RunFilter

	keyset  keyset
	filters url.Values
}

func readImportsQuery(r *http.Request) (q importsQuery, err error) {
	if q.Status, err = queryOneOf(r, "status", "pending", "running", "waiting", "paused", "complete", "incomplete", "cancelled", "failed"); err != nil {
		return q, err
	}
	if q.Kind, err = queryOneOf(r, "kind", store.RunInitial, store.RunReconcile, store.RunManual); err != nil {
		return q, err
	}
	text := r.URL.Query().Get("tenant")
	if text != "" {
		id, err := uuid.Parse(text)
		if err != nil {
			return q, malformed("tenant", "tenant must be the id of a tenant")
		}
		q.Tenant, text = &id, id.String()
	}
	if q.keyset, err = readKeyset(r); err != nil {
		return q, err
	}
	q.Cursor, q.Newer, q.Limit = q.keyset.Cursor, q.keyset.Newer, pageSize
	q.filters = url.Values{"status": {q.Status}, "kind": {q.Kind}, "tenant": {text}}
	return q, nil
}

func (s *Server) importsPage(w http.ResponseWriter, r *http.Request) error {
	q, err := readImportsQuery(r)
	if err != nil {
		return err
	}
	found, err := s.DB.AllRuns(r.Context(), q.RunFilter)
	if err != nil {
		return err
	}
	if q.keyset.toTop(found.More) {
		http.Redirect(w, r, listHref(importsPath, q.filters, "", ""), http.StatusSeeOther)
		return nil
	}
	v, err := s.importsView(r.Context(), q, found, moments(r))
	if err != nil {
		return err
	}
	f := s.frame(r, "Imports", "imports")
	if q.keyset.first() {
		f.Live = listHref(importsPath+"/live", q.filters, "", "")
	}
	return s.render(w, r, http.StatusOK, templates.ImportsPage(f, v))
}

// importsLive streams the first page of a list of imports.
func (s *Server) importsLive(w http.ResponseWriter, r *http.Request) error {
	q, err := readImportsQuery(r)
	if err != nil {
		return err
	}
	at := moments(r)
	return s.live(w, r, func(ctx context.Context) (map[string]templ.Component, error) {
		found, err := s.DB.AllRuns(ctx, q.RunFilter)
		if err != nil {
			return nil, err
		}
		v, err := s.importsView(ctx, q, found, at)
		if err != nil {
			return nil, err
		}
		return map[string]templ.Component{"chips": templates.ImportChips(v), "rows": templates.ImportRows(v)}, nil
	})
}

func (s *Server) importsView(
	ctx context.Context, q importsQuery, found store.RunPage, at func(time.Time) templates.Moment,
) (templates.ImportsView, error) {
	var v templates.ImportsView
	tenants := make([]uuid.UUID, len(found.Runs))
	for i, run := range found.Runs {
		tenants[i] = run.TenantID
	}
	if q.Tenant != nil {
		tenants = append(tenants, *q.Tenant)
	}
	labels, err := s.DB.TenantLabels(ctx, tenants)
	if err != nil {
		return v, err
	}
	states, err := importStates(ctx, s.DB, s.Allowance, found.Runs, at)
	if err != nil {
		return v, err
	}
	var stats map[string]int64
	if q.Kind == "" && q.Tenant == nil {
		if stats, err = s.DB.RunStats(ctx); err != nil {
			return v, err
		}
	}
	v = templates.ImportsView{
		Statuses: chips(importsPath, q.filters, "status", importStatuses(stats)),
		Kinds: chips(importsPath, q.filters, "kind", []chip{
			{label: "every kind"},
			{value: store.RunInitial, label: "initial"},
			{value: store.RunReconcile, label: "reconcile"},
			{value: store.RunManual, label: "by hand"},
		}),
		Empty: importsEmpty(q),
	}
	if q.Tenant != nil {
		name := labels[*q.Tenant].Name
		v.Scope = []templates.Chip{{Label: name + " ✕", Href: listHref(importsPath, q.filters, "tenant", ""), On: true}}
	}
	for _, run := range found.Runs {
		v.Rows = append(v.Rows, importRow(states[run.ID], labels[run.TenantID]))
	}
	if n := len(found.Runs); n > 0 {
		v.Pager = q.keyset.pager(importsPath, q.filters, found.Runs[0].ID, found.Runs[n-1].ID, found.More)
	}
	return v, nil
}

// importStatuses are the statuses as a filter; without counts where stats is nil.
func importStatuses(stats map[string]int64) []chip {
	list := []chip{{label: "all"}}
	var total int64
	for _, status := range []string{"running", "waiting", "pending", "paused", "complete", "incomplete", "failed", "cancelled"} {
		c := chip{value: status, label: status, kind: importKind(status)}
		if stats != nil {
			total += stats[status]
			c.count = templates.Count(stats[status])
		}
		list = append(list, c)
	}
	if stats != nil {
		list[0].count = templates.Count(total)
	}
	return list
}

// importKind is the kind of state that the status of a run or a stream is.
func importKind(status string) string {
	switch status {
	case "complete":
		return templates.Well
	case "running":
		return templates.Run
	case "failed":
		return templates.Broken
	case "cancelled", "paused":
		return templates.Off
	}
	return templates.Wait
}

func importsEmpty(q importsQuery) templates.EmptyView {
	if q.Status != "" || q.Kind != "" || q.Tenant != nil {
		return templates.EmptyView{Title: "No import is like this", Href: importsPath, Link: "All imports"}
	}
	return templates.EmptyView{
		Title:   "Nothing has been imported yet",
		Text:    "A store's history is imported by itself once its tenant is ready. One can be begun by hand.",
		Command: "wosool import start TENANT",
	}
}

// importRow is pure, so that what the list says can be tested without it.
func importRow(x importState, t store.TenantLabel) templates.ImportRow {
	run := x.run
	sum := sumStreams(run.Streams)
	row := templates.ImportRow{
		ID: run.ID.String(), Store: t.Name, Href: tenantHref(run.TenantID), Merchant: number(t.Merchant),
		Import: importHref(run.ID), What: importName(run.Kind), Of: importScope(run), Kind: importKind(run.Status), Status: run.Status,
		Reason: x.rowReason(), Percent: -1,
		Imported: templates.Count(sum.Imported), Unchanged: templates.Count(sum.Unchanged), Rejected: templates.Count(sum.Rejected),
		Source: "–", Started: momentOf(x.at, run.StartedAt), Took: "–",
	}
	if sum.SourceTotal != nil {
		row.Source = templates.Count(*sum.SourceTotal)
		if run.Kind != store.RunReconcile && run.Since == nil { // those that read the lists to their ends
			row.Percent = templates.Percent(sum.Imported+sum.Unchanged+sum.Rejected, *sum.SourceTotal)
			if run.Status == "complete" { // what came by events is not among what it read
				row.Percent = 100
			}
		}
	}
	if sum.Rejected > 0 {
		row.RejectsHref = rejectsHref(run, "")
	}
	if run.StartedAt != nil {
		end := x.now
		if run.FinishedAt != nil {
			end = *run.FinishedAt
		}
		row.Took = templates.Duration(end.Sub(*run.StartedAt))
	}
	if run.Status != "complete" && run.Status != "cancelled" {
		for _, st := range run.Streams {
			row.Streams = append(row.Streams, x.streamLine(st))
		}
	}
	return row
}

// rowReason says why a run stands as it does, or how long it will take.
func (x importState) rowReason() string {
	if !x.open() { // "cancelled by an operator"
		return strings.TrimPrefix(text(x.run.Reason), x.run.Status+" ")
	}
	if _, words := x.why(); words != "" {
		return words
	}
	return x.leftWords(x.forecast())
}

// sumStreams adds up a run's streams. What the source has is known only where every
// stream says so.
func sumStreams(streams []store.StreamTotals) store.StreamTotals {
	var sum store.StreamTotals
	var source int64
	known := len(streams) > 0
	for _, st := range streams {
		sum.Imported += st.Imported
		sum.Unchanged += st.Unchanged
		sum.Rejected += st.Rejected
		if st.SourceTotal == nil {
			known = false
		} else {
			source += *st.SourceTotal
		}
	}
	if known {
		sum.SourceTotal = &source
	}
	return sum
}

func importName(kind string) string {
	if kind == store.RunManual {
		return "by hand"
	}
	return kind
}

// importScope says what a run is about, where that is not the whole store.
func importScope(run store.Run) string {
	var parts []string
	if len(run.Resources) > 0 && len(run.Resources) < len(tenant.Resources()) {
		parts = append(parts, resourceWords(strings.Join(run.Resources, ", ")))
	}
	if run.Since != nil {
		parts = append(parts, "since "+dayAtSalla(*run.Since))
	}
	return strings.Join(parts, ", ")
}

// dayAtSalla is the day from which a list is read.
func dayAtSalla(since time.Time) string { return since.In(salla.Riyadh()).Format("2 Jan 2006") }

// ofItself is a reason where it stands beside its resource, which it begins with.
func ofItself(resource, reason string) string { return strings.TrimPrefix(reason, resource+": ") }

// streamProgress is one resource of a run.
func streamProgress(st store.StreamTotals, run store.Run) templates.ProgressView {
	done := st.Imported + st.Unchanged + st.Rejected
	p := templates.ProgressView{
		Label: resourceWords(st.Resource), Done: templates.Count(done), Percent: -1, Kind: importKind(st.Status), Note: st.Status,
	}
	if st.SourceTotal != nil {
		p.Total, p.Percent = templates.Count(*st.SourceTotal), templates.Percent(done, *st.SourceTotal)
	}
	if st.Status == "complete" {
		p.Percent = 100
	}
	if st.Reason != nil {
		p.Note += ": " + ofItself(st.Resource, *st.Reason)
	}
	if st.Rejected > 0 {
		p.Href, p.Link = rejectsHref(run, st.Resource), templates.Count(st.Rejected)+" rejected"
	}
	return p
}
