package web

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/a-h/templ"
	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/budget"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenant"
	"github.com/wosool/wosool/templates"
)

// importRoutes registers the pages about imports.
func (s *Server) importRoutes(r chi.Router) {
	r.Get("/imports", s.handle(s.importsPage))
	r.Get("/imports/live", s.handle(s.importsLive))
	r.Route("/imports/{id}", func(r chi.Router) {
		// A router of its own does not inherit these from a group.
		r.NotFound(s.handle(noRoute))
		r.MethodNotAllowed(s.handle(noMethod))
		r.Get("/", s.handle(s.importRunPage))
		r.Get("/live", s.handle(s.importRunLive))
		r.Get("/report.csv", s.handle(s.importReportCSV))
		r.Get("/report.json", s.handle(s.importReportFile))
		r.Post("/pause", s.handle(s.pauseImportAct))
		r.Post("/resume", s.handle(s.resumeImportAct))
		r.With(s.needs(store.RoleOperator)).Get("/cancel", s.handle(s.cancelImportForm))
		r.Post("/cancel", s.handle(s.cancelImportAct))
		r.Post("/retry", s.handle(s.retryImportAct))
	})
}

// Allowance tells what is known of the requests that Salla allows stores.
// (*budget.Budget).State is one.
type Allowance func(ctx context.Context, merchants ...int64) (map[int64]budget.State, error)

// importHref is the address of an import's page.
func importHref(id uuid.UUID) string { return importsPath + "/" + id.String() }

// importStates reads how runs stand, in the same few questions however many they are.
// What Salla allows is left out where Redis does not tell.
func importStates(
	ctx context.Context, db *store.DB, allowed Allowance, runs []store.Run, at func(time.Time) templates.Moment,
) (map[uuid.UUID]importState, error) {
	var open []uuid.UUID
	for _, run := range runs {
		if run.FinishedAt == nil || run.Status == "failed" {
			open = append(open, run.ID)
		}
	}
	works, err := db.RunWorks(ctx, open)
	if err != nil {
		return nil, err
	}
	paces, err := db.RunPaces(ctx, open)
	if err != nil {
		return nil, err
	}
	var circuits []store.Circuit
	var states map[int64]budget.State
	if len(open) > 0 {
		if circuits, err = db.OpenCircuits(ctx); err != nil {
			return nil, err
		}
		states = allowances(ctx, allowed, works)
	}
	now := time.Now()
	list := make(map[uuid.UUID]importState, len(runs))
	for _, run := range runs {
		run.Streams = wholeTotals(run.Streams, paces[run.ID])
		x := importState{run: run, work: works[run.ID], paces: paces[run.ID], now: now, at: at}
		if run.FinishedAt == nil {
			x.circuit = openCircuitOf(circuits, x.work.Merchant)
		}
		if x.work.Merchant != nil {
			x.allowed = states[*x.work.Merchant]
		}
		list[run.ID] = x
	}
	return list, nil
}

// allowancePatience bounds how long a page waits for Redis.
const allowancePatience = 300 * time.Millisecond

func allowances(ctx context.Context, allowed Allowance, works map[uuid.UUID]store.RunWork) map[int64]budget.State {
	var merchants []int64
	for _, w := range works {
		if w.Merchant != nil {
			merchants = append(merchants, *w.Merchant)
		}
	}
	if allowed == nil || len(merchants) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, allowancePatience)
	defer cancel()
	slices.Sort(merchants)
	states, err := allowed(ctx, slices.Compact(merchants)...)
	if err != nil { // the measured rate still tells
		return nil
	}
	return states
}

func (s *Server) importRunPage(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "import")
	if err != nil {
		return err
	}
	v, open, err := s.importView(r.Context(), id, moments(r))
	if err != nil {
		return err
	}
	f := s.frame(r, v.Store+": import", "imports")
	if open {
		f.Live = importHref(id) + "/live"
	}
	return s.render(w, r, http.StatusOK, templates.ImportPage(f, v))
}

// importRunLive streams the parts of an import's page.
func (s *Server) importRunLive(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "import")
	if err != nil {
		return err
	}
	at := moments(r)
	return s.live(w, r, func(ctx context.Context) (map[string]templ.Component, error) {
		v, _, err := s.importView(ctx, id, at)
		if err != nil {
			return nil, err
		}
		return map[string]templ.Component{
			"head": templates.ImportHead(v), "progress": templates.ImportProgress(v), "curve": templates.ImportCurve(v),
			"passes": templates.ImportPasses(v), "rejects": templates.ImportRejects(v), "history": templates.Timeline(v.History),
		}, nil
	})
}

func (s *Server) importView(
	ctx context.Context, id uuid.UUID, at func(time.Time) templates.Moment,
) (v templates.ImportView, open bool, err error) {
	run, err := s.DB.RunWhole(ctx, id)
	if err != nil {
		return v, false, err
	}
	t, err := s.DB.Tenant(ctx, run.TenantID)
	if err != nil {
		return v, false, err
	}
	states, err := importStates(ctx, s.DB, s.Allowance, []store.Run{run}, at)
	if err != nil {
		return v, false, err
	}
	streams, err := s.DB.Streams(ctx, id)
	if err != nil {
		return v, false, err
	}
	windows, err := windowsOf(ctx, s.DB, streams)
	if err != nil {
		return v, false, err
	}
	acts, err := s.DB.RunActs(ctx, run)
	if err != nil {
		return v, false, err
	}
	curve, err := s.DB.RunCurve(ctx, run)
	if err != nil {
		return v, false, err
	}
	x := states[id]
	v = importPageView(x, t, passesOf(run, streams), acts)
	v.Curve = curveView(run, curve, x.forecast().rate)
	v.Windows = windowsView(stretchesOf(streams, windows), x.open())
	return v, x.open(), nil
}

// importPageView is pure, so that what the page says can be tested without it.
func importPageView(x importState, t store.Tenant, passes []ImportPass, acts []store.RunAct) templates.ImportView {
	run, path := x.run, importHref(x.run.ID)
	v := templates.ImportView{
		Title: importTitle(run), Store: t.Name, Href: tenantHref(t.ID), Merchant: number(t.Merchant), ID: run.ID.String(),
		Kind: importKind(run.Status), Status: run.Status, Line: x.line(), Acts: x.acts(t),
		NoStream: "Nothing is read yet.", CSV: path + "/report.csv", JSON: path + "/report.json",
		Next: importsPath + "?tenant=" + t.ID.String(),
	}
	if kind, words := x.why(); words != "" {
		v.Why = &templates.Notice{Kind: kind, Text: words}
	}
	asked := "by itself: " + kindWords(run.Kind)
	for _, act := range acts {
		if act.Act == "tenant.import" {
			asked = act.Actor
		}
	}
	v.Facts = []templates.Fact{{Label: "Asked for", Value: asked}, importFact(x, "Opened", &run.CreatedAt), importFact(x, "Started", run.StartedAt)}
	if run.ListsDoneAt != nil {
		v.Facts = append(v.Facts, importFact(x, "Lists in", run.ListsDoneAt))
	}
	v.Facts = append(v.Facts, importFact(x, "Ended", run.FinishedAt))
	if scope := importScope(run); scope != "" {
		v.Facts = append(v.Facts, templates.Fact{Label: "Only", Value: scope})
	}
	for _, st := range run.Streams {
		v.Streams = append(v.Streams, x.streamLine(st))
		if st.Rejected > 0 {
			v.Rejects = append(v.Rejects, templates.RejectedRow{
				Resource: resourceWords(st.Resource), Count: templates.Count(st.Rejected),
				Href: rejectsHref(run, st.Resource),
			})
		}
	}
	for _, p := range passes {
		v.Passes = append(v.Passes, passRow(p))
	}
	v.History = importHistory(x, acts)
	return v
}

func importFact(x importState, label string, t *time.Time) templates.Fact {
	m := momentOf(x.at, t)
	return templates.Fact{Label: label, Time: &m}
}

func importTitle(run store.Run) string {
	title := "Import · " + importName(run.Kind)
	if scope := importScope(run); scope != "" {
		title += " · " + scope
	}
	return title
}

// kindWords says why an import that nobody asked for is there.
func kindWords(kind string) string {
	switch kind {
	case store.RunInitial:
		return "the store's history, once it was ready"
	case store.RunReconcile:
		return "the daily comparison"
	}
	return "an operator's request"
}

// rejectsHref is where the records are that a run could not store.
func rejectsHref(run store.Run, resource string) string {
	href := tenantHref(run.TenantID) + "/rejects?"
	if resource != "" {
		href += "resource=" + resource + "&"
	}
	return href + "run=" + run.ID.String() + "&state=all"
}

// acts are what an operator may do to an import as it is.
func (x importState) acts(t store.Tenant) []templates.ActView {
	path := importHref(x.run.ID)
	var list []templates.ActView
	if x.work.Dead > 0 && slices.Contains([]string{"running", "waiting", "failed"}, x.run.Status) {
		list = append(list, templates.ActView{Action: path + "/retry", Label: "Retry where it failed", Primary: true})
	} else if x.work.Failed {
		list = append(list, templates.ActView{Action: path + "/retry", Label: "Retry"})
	}
	switch {
	case x.run.Status == "paused":
		list = append(list, templates.ActView{Action: path + "/resume", Label: "Resume", Primary: true})
	case x.open() && !x.work.Queued:
		list = append(list, templates.ActView{Action: path + "/pause", Label: "Pause"})
	}
	if x.open() {
		return append(list, templates.ActView{Action: path + "/cancel", Label: "Cancel", Confirm: "ask", Danger: true})
	}
	if tenant.Status(t.Status) == tenant.Ready {
		again := templates.ActView{Action: tenantHref(t.ID) + "/import", Label: "Start again", Confirm: "ask", Hidden: map[string]string{"like": x.run.ID.String()}}
		list = append(list, again)
	}
	return list
}

// importHistory is what happened to an import, newest first.
func importHistory(x importState, acts []store.RunAct) []templates.TimelineItem {
	type entry struct {
		at   time.Time
		item templates.TimelineItem
	}
	run := x.run
	var list []entry // what has the same time stays in this order
	add := func(t *time.Time, kind, title, detail string) {
		if t != nil {
			list = append(list, entry{*t, templates.TimelineItem{Kind: "import", Status: kind, Title: title, Detail: detail}})
		}
	}
	add(run.FinishedAt, importKind(run.Status), run.Status, text(run.Reason))
	add(run.ListsDoneAt, templates.Well, "lists in", "details of orders follow, where they are asked for")
	add(run.StartedAt, templates.Run, "began", "")
	for _, act := range acts {
		list = append(list, entry{act.At, templates.TimelineItem{Kind: "person", Title: act.Actor, Detail: actWords(act.Act)}})
	}
	add(&run.CreatedAt, "", "opened", "")
	slices.SortStableFunc(list, func(a, b entry) int { return b.at.Compare(a.at) })
	items := make([]templates.TimelineItem, len(list))
	for i, e := range list {
		items[i] = e.item
		items[i].Time = x.at(e.at)
	}
	return items
}

// curveView is how many records a minute came, over time.
func curveView(run store.Run, c store.Curve, rate float64) templates.FigureView {
	v := templates.FigureView{Label: "Records a minute", Value: "–", Points: c.Points}
	switch {
	case run.StartedAt == nil:
		v.Note = "it has not begun"
	case c.Gone:
		v.Note = "the curve is kept for 30 days after the end"
	case run.FinishedAt == nil:
		v.Value, v.Span, v.Note = templates.Rate(rate), "up to now", "now · below: the last hour"
		if time.Since(*run.StartedAt) < time.Hour {
			v.Note = "now · below: since it began"
		}
	default:
		var read int64
		for _, st := range run.Streams {
			read += st.Imported + st.Unchanged + st.Rejected
		}
		took := max(run.FinishedAt.Sub(*run.StartedAt), time.Second)
		v.Value, v.Span, v.Note = templates.Rate(float64(read)/took.Minutes()), "from its beginning to its end", "on average"
	}
	return v
}
