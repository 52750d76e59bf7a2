package web

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

const eventsPath = "/admin/events"

// eventRoutes registers the pages of events and imports, and the search.
func (s *Server) eventRoutes(r chi.Router) {
	r.Get("/events", s.handle(s.eventsPage))
	r.Get("/events/live", s.handle(s.eventsLive))
	r.Get("/events/{id}", s.handle(s.eventPage))
	r.Get("/events/{id}/live", s.handle(s.eventLive))
	r.Post("/events/{id}/replay", s.handle(s.eventReplay))
	r.Get("/imports", s.handle(s.importsPage))
	r.Get("/imports/live", s.handle(s.importsLive))
	r.Get("/search", s.handle(s.search))
}

// eventsQuery is what the list of events is asked for.
type eventsQuery struct {
	store.EventFilter

	keyset  keyset
	filters url.Values // as they are in the address
}

func readEventsQuery(r *http.Request) (q eventsQuery, err error) {
	if q.EventFilter, err = eventFilter(r); err != nil {
		return q, err
	}
	if q.keyset, err = readKeyset(r); err != nil {
		return q, err
	}
	q.Limit, q.Newer, q.Cursor = pageSize, q.keyset.Newer, ""
	if !q.keyset.first() {
		q.Cursor = q.keyset.Cursor.String()
	}
	q.filters = url.Values{
		"status": {q.Status}, "source": {q.Source}, "event": {q.Event}, "merchant": {number(q.Merchant)}, "q": {q.Q},
	}
	return q, nil
}

// narrowed tells whether the list is narrowed by more than the status.
func (q eventsQuery) narrowed() bool {
	return q.Source != "" || q.Event != "" || q.Merchant != nil || q.Q != ""
}

func (s *Server) eventsPage(w http.ResponseWriter, r *http.Request) error {
	if to := eventTarget(r.URL.Query()); to != "" {
		http.Redirect(w, r, to, http.StatusSeeOther)
		return nil
	}
	q, err := readEventsQuery(r)
	if err != nil {
		return err
	}
	found, err := s.DB.Events(r.Context(), q.EventFilter)
	if err != nil {
		return err
	}
	if q.keyset.toTop(found.More) {
		http.Redirect(w, r, listHref(eventsPath, q.filters, "", ""), http.StatusSeeOther)
		return nil
	}
	v, err := s.eventsView(r.Context(), q, found, moments(r))
	if err != nil {
		return err
	}
	names, err := s.DB.EventNames(r.Context())
	if err != nil {
		return err
	}
	v.Names = templates.EventNames{Names: names, On: q.Event, Hidden: hiddenBut(q.filters, "event")}
	f := s.frame(r, "Events", "events")
	if q.keyset.first() {
		f.Live = listHref(eventsPath+"/live", q.filters, "", "")
	}
	return s.render(w, r, http.StatusOK, templates.EventsPage(f, v))
}

// eventTarget is where a search that names one event, or a merchant, leads.
func eventTarget(q url.Values) string {
	text := strings.TrimSpace(q.Get("q"))
	if id, err := uuid.Parse(text); err == nil {
		return eventsPath + "/" + id.String()
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n > 0 {
		q.Del("q")
		q.Del("cursor")
		q.Del("newer")
		return listHref(eventsPath, q, "merchant", strconv.FormatInt(n, 10))
	}
	return ""
}

// eventsLive streams the first page of a list of events.
func (s *Server) eventsLive(w http.ResponseWriter, r *http.Request) error {
	q, err := readEventsQuery(r)
	if err != nil {
		return err
	}
	at := moments(r)
	return s.live(w, r, func(ctx context.Context) (map[string]templ.Component, error) {
		found, err := s.DB.Events(ctx, q.EventFilter)
		if err != nil {
			return nil, err
		}
		v, err := s.eventsView(ctx, q, found, at)
		if err != nil {
			return nil, err
		}
		return map[string]templ.Component{"chips": templates.EventChips(v), "rows": templates.EventRows(v)}, nil
	})
}

// eventsView is the list with what it says of the events' tenants.
func (s *Server) eventsView(
	ctx context.Context, q eventsQuery, found store.EventPage, at func(time.Time) templates.Moment,
) (templates.EventsView, error) {
	ids := make([]*uuid.UUID, len(found.Events))
	for i, e := range found.Events {
		ids[i] = e.TenantID
	}
	labels, err := s.DB.TenantLabels(ctx, known(ids))
	if err != nil {
		return templates.EventsView{}, err
	}
	var stats map[string]int64
	if !q.narrowed() { // counts of other lists would be wrong, and counting each is slow
		if stats, err = s.DB.EventStats(ctx); err != nil {
			return templates.EventsView{}, err
		}
	}
	v := templates.EventsView{
		Search: templates.SearchBox{
			Action: eventsPath, Query: q.Q, Placeholder: "Event id, merchant number or beginning of a name", Hidden: hiddenBut(q.filters, "q"),
		},
		Statuses: chips(eventsPath, q.filters, "status", eventStatuses(stats)),
		Sources:  chips(eventsPath, q.filters, "source", []chip{{label: "every source"}, {value: "salla", label: "Salla"}, {value: "clerk", label: "Clerk"}}),
		Scope:    eventScope(q),
		Empty:    eventsEmpty(q),
	}
	for _, e := range found.Events {
		v.Rows = append(v.Rows, eventRow(e, labels, at))
	}
	if n := len(found.Events); n > 0 {
		v.Pager = q.keyset.pager(eventsPath, q.filters, found.Events[0].ID, found.Events[n-1].ID, found.More)
	}
	return v, nil
}

// eventStatuses are the statuses as a filter; without counts where stats is nil.
func eventStatuses(stats map[string]int64) []chip {
	list := []chip{
		{label: "all"},
		{value: store.EventReceived, label: "received", kind: templates.Run},
		{value: store.EventWaiting, label: "waiting", kind: templates.Wait},
		{value: store.EventApplied, label: "applied", kind: templates.Well},
		{value: store.EventIgnored, label: "ignored", kind: templates.Off},
		{value: store.EventFailed, label: "failed", kind: templates.Broken},
	}
	if stats == nil {
		return list
	}
	var total int64
	for _, n := range stats {
		total += n
	}
	estimated := total >= store.EventsCounted
	for i, c := range list {
		switch c.value {
		case "":
			list[i].count = aboutCount(total, estimated)
		case store.EventApplied, store.EventIgnored:
			list[i].count = aboutCount(stats[c.value], estimated)
		default:
			list[i].count = templates.Count(stats[c.value])
		}
	}
	return list
}

// eventScope shows what narrows the list and has no filter of its own; pressing
// one takes it away.
func eventScope(q eventsQuery) []templates.Chip {
	var list []templates.Chip
	add := func(name, label string) {
		list = append(list, templates.Chip{Label: label + " ✕", Href: listHref(eventsPath, q.filters, name, ""), On: true})
	}
	if q.Merchant != nil {
		add("merchant", "merchant "+number(q.Merchant))
	}
	if q.Q != "" {
		add("q", "names that begin with “"+q.Q+"”")
	}
	return list
}

func eventsEmpty(q eventsQuery) templates.EmptyView {
	if q.narrowed() || q.Status != "" {
		return templates.EmptyView{
			Title: "No event is like this", Text: "Events come in as Salla and Clerk send them.", Href: eventsPath, Link: "All events",
		}
	}
	return templates.EmptyView{
		Title:   "No event has come in yet",
		Text:    "Salla delivers to PUBLIC_URL/webhooks/salla and Clerk to PUBLIC_URL/webhooks/clerk. To see some at once, run the demo.",
		Command: "make demo",
	}
}

// eventRow is pure, so that what the list says can be tested without it.
func eventRow(e store.Event, labels map[uuid.UUID]store.TenantLabel, at func(time.Time) templates.Moment) templates.EventRow {
	row := templates.EventRow{
		ID: e.ID.String(), Href: eventsPath + "/" + e.ID.String(), Time: at(e.ReceivedAt), Event: e.Event, Source: e.Source,
		Merchant: number(e.Merchant), Kind: eventKind(e), Status: e.Status, Attempts: attemptsOf(e),
	}
	var label *store.TenantLabel
	if e.TenantID != nil {
		if l, ok := labels[*e.TenantID]; ok {
			label = &l
			row.Store, row.StoreHref = l.Name, tenantHref(l.ID)
		}
	}
	row.Reason = eventReason(e, label)
	return row
}
