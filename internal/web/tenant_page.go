package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/a-h/templ"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
	"github.com/wosool/wosool/templates"
)

// timelineShows are the filters of the timeline, and what each shows.
func timelineShows() map[string][]string {
	return map[string][]string{
		"":       nil,
		"events": {store.HappenedEvent},
		"tasks":  {store.HappenedRun, store.HappenedPage, store.HappenedTry, store.HappenedHealed},
		"steps":  {store.HappenedStep},
		"grant":  {store.HappenedGrant},
		"people": {store.HappenedAct, store.HappenedNote},
	}
}

// timelineSize is how many things a page of the timeline has.
const timelineSize = 40

// tenantQuery is what the page of a tenant is asked for.
type tenantQuery struct {
	id     uuid.UUID
	show   string
	cursor string
}

func readTenantQuery(r *http.Request) (q tenantQuery, err error) {
	if q.id, err = pathID(r, "tenant"); err != nil {
		return q, err
	}
	if q.show, err = queryOneOf(r, "show", "events", "tasks", "steps", "grant", "people"); err != nil {
		return q, err
	}
	q.cursor, err = queryText(r, "cursor")
	return q, err
}

func (s *Server) tenantPage(w http.ResponseWriter, r *http.Request) error {
	q, err := readTenantQuery(r)
	if err != nil {
		return err
	}
	v, err := s.tenantView(r.Context(), q, moments(r))
	if err != nil {
		return err
	}
	f := s.frame(r, v.Head.Name, "tenants")
	f.Live = listHref(tenantHref(q.id)+"/live", url.Values{"show": {q.show}, "cursor": {q.cursor}}, "", "")
	return s.render(w, r, http.StatusOK, templates.Tenant(f, v))
}

// tenantLive streams the parts of a tenant's page; of its timeline only the top.
func (s *Server) tenantLive(w http.ResponseWriter, r *http.Request) error {
	q, err := readTenantQuery(r)
	if err != nil {
		return err
	}
	at := moments(r)
	return s.live(w, r, func(ctx context.Context) (map[string]templ.Component, error) {
		v, err := s.tenantView(ctx, q, at)
		if err != nil {
			return nil, err
		}
		parts := map[string]templ.Component{
			"head":    templates.TenantHeading(v.Head),
			"steps":   templates.Ladder(v.Steps),
			"imports": templates.TenantRuns(v),
		}
		if q.cursor == "" {
			parts["timeline"] = templates.TenantTimeline(v)
		}
		return parts, nil
	})
}

func (s *Server) tenantView(ctx context.Context, q tenantQuery, at func(time.Time) templates.Moment) (templates.TenantView, error) {
	var v templates.TenantView
	t, err := s.DB.Tenant(ctx, q.id)
	if err != nil {
		return v, err
	}
	x, err := s.wholeOf(ctx, t)
	if err != nil {
		return v, err
	}
	dead, err := s.DB.CountDead(ctx, store.DeadFilter{TenantID: &q.id})
	if err != nil {
		return v, err
	}
	x.dead = dead
	page, err := s.DB.Timeline(ctx, q.id, store.TimelineFilter{Kinds: timelineShows()[q.show], Cursor: q.cursor, Limit: timelineSize})
	if err != nil {
		return v, err
	}
	runs, err := importStates(ctx, s.DB, s.Allowance, x.shown(), at)
	if err != nil {
		return v, err
	}
	now, path := time.Now(), tenantHref(q.id)
	v = templates.TenantView{Head: x.head("overview", at), Steps: stepViews(x.steps, now)}
	for i := range v.Steps {
		if v.Steps[i].Kind == templates.Broken {
			v.Steps[i].Act = &templates.ActView{Action: path + "/retry", Label: "Retry this step", Primary: true}
		}
	}
	for _, run := range x.shown() {
		v.Runs = append(v.Runs, runView(runs[run.ID], t))
	}
	if len(v.Runs) == 0 {
		v.NoRun = noRun(x)
	}
	filters := url.Values{"show": {q.show}}
	v.Filters = chips(path, filters, "show", []chip{
		{label: "all"},
		{value: "events", label: "events"},
		{value: "tasks", label: "tasks"},
		{value: "steps", label: "steps"},
		{value: "grant", label: "grant"},
		{value: "people", label: "people"},
	})
	for _, h := range page.Happenings {
		v.Timeline = append(v.Timeline, timelineItem(h, path, at))
	}
	if len(v.Timeline) == 0 {
		v.Quiet = &templates.EmptyView{Title: "Nothing of this kind has happened yet"}
	}
	if q.cursor != "" {
		v.Pager.Newer = listHref(path, filters, "", "")
	}
	if page.Next != "" {
		v.Pager.Older = listHref(path, filters, "cursor", page.Next)
	}
	return v, nil
}

// noRun says when the history will be imported.
func noRun(x whole) string {
	if x.tenant.Status == "ready" {
		return "Nothing was imported yet. The history is imported by itself once the store has granted access."
	}
	return "Nothing was imported yet. The history is imported by itself once the store is ready."
}

// wholeOf reads all that the pages about a tenant say of it.
func (s *Server) wholeOf(ctx context.Context, t store.Tenant) (x whole, err error) {
	x.tenant = t
	if x.steps, err = s.DB.Steps(ctx, t.ID); err != nil {
		return x, err
	}
	switch c, err := s.DB.Connection(ctx, t.ID); {
	case err == nil:
		x.connection = &c
	case !errors.Is(err, fault.NotFound):
		return x, err
	}
	if x.runs, err = s.DB.Runs(ctx, t.ID); err != nil {
		return x, err
	}
	if x.ownerGone, err = s.DB.HasNeed(ctx, t.ID, store.NeedOwnerGone); err != nil {
		return x, err
	}
	if x.circuits, err = s.storeCircuits(ctx, t); err != nil {
		return x, err
	}
	if x.notes, err = s.DB.CountNotes(ctx, t.ID); err != nil {
		return x, err
	}
	x.counts, err = s.DB.StoreCounts(ctx, t.ID)
	return x, err
}

// tenantEventsPage lists a tenant's events.
func (s *Server) tenantEventsPage(w http.ResponseWriter, r *http.Request) error {
	x, err := s.wholeAt(r)
	if err != nil {
		return err
	}
	k, err := readKeyset(r)
	if err != nil {
		return err
	}
	events, more, err := s.DB.TenantEvents(r.Context(), x.tenant.ID, k.Cursor, k.Newer, pageSize)
	if err != nil {
		return err
	}
	path := tenantHref(x.tenant.ID) + "/events"
	if k.toTop(more) {
		http.Redirect(w, r, path, http.StatusSeeOther)
		return nil
	}
	at := moments(r)
	v := templates.TenantEventsView{Head: x.head("events", at)}
	label := store.TenantLabel{ID: x.tenant.ID, Name: x.tenant.Name, Status: x.tenant.Status, SuspendedBy: x.tenant.SuspendedBy}
	for _, e := range events {
		row := templates.TenantEventRow{
			Href: eventsPath + "/" + e.ID.String(), Event: e.Event, Source: e.Source, Kind: eventKind(e), Status: e.Status,
			Note: eventReason(e, &label), Received: at(e.ReceivedAt), Took: "–",
		}
		if e.AppliedAt != nil {
			row.Took = templates.Duration(e.AppliedAt.Sub(e.ReceivedAt))
		}
		v.Rows = append(v.Rows, row)
	}
	if n := len(events); n > 0 {
		v.Pager = k.pager(path, nil, events[0].ID, events[n-1].ID, more)
	} else {
		v.Empty = &templates.EmptyView{
			Title: "No event of this store yet",
			Text:  "Salla sends one whenever an order, a product, a customer or a cart changes in the store.",
		}
	}
	return s.render(w, r, http.StatusOK, templates.TenantEvents(s.frame(r, x.tenant.Name+": events", "tenants"), v))
}

func (s *Server) wholeAt(r *http.Request) (whole, error) {
	t, err := s.tenantOf(r)
	if err != nil {
		return whole{}, err
	}
	return s.wholeOf(r.Context(), t)
}

// databasePage is the page of a tenant's database and of its identity at Clerk.
func (s *Server) databasePage(w http.ResponseWriter, r *http.Request) error {
	x, err := s.wholeAt(r)
	if err != nil {
		return err
	}
	at := moments(r)
	v := templates.TenantFactsView{Head: x.head("database", at), Title: "Database", Facts: databaseFacts(x.tenant)}
	identity, err := s.identitySection(r.Context(), x.tenant, at)
	if err != nil {
		return err
	}
	usage, err := s.usageSection(r.Context(), x)
	if err != nil {
		return err
	}
	err = s.lookInto(r.Context(), x.tenant, func(ctx context.Context, db *tenantdb.DB) error {
		state, err := db.State(ctx)
		if err != nil {
			return err
		}
		whole, tables, err := db.Sizes(ctx)
		if err != nil {
			return err
		}
		v.Facts = append(v.Facts, templates.Fact{Label: "Size", Value: templates.Bytes(whole)})
		v.Facts = append(v.Facts, stateFacts(state)...)
		usage.Facts = append(recordFacts(tables), usage.Facts...)
		for _, table := range tables {
			v.Tables = append(v.Tables, templates.TableRow{
				Name: table.Name, Rows: templates.Count(table.Rows), Size: templates.Bytes(table.Bytes),
			})
		}
		return nil
	})
	if v.Notice, err = shut(err); err != nil {
		return err
	}
	v.More = append(v.More, usage, identity)
	return s.render(w, r, http.StatusOK, templates.TenantFacts(s.frame(r, x.tenant.Name+": database", "tenants"), v))
}
