package web

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
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

const eventsPath = "/admin/events"

// eventRoutes registers the pages of events and imports, and the search.
func (s *Server) eventRoutes(r chi.Router) {
	r.Get("/events", s.handle(s.eventsPage))
	r.Get("/events/live", s.handle(s.eventsLive))
	r.Get("/events/{id}", s.handle(s.eventPage))
	r.Get("/events/{id}/live", s.handle(s.eventLive))
	r.Post("/events/{id}/replay", s.handle(s.eventReplay))
	s.importRoutes(r)
	r.Get("/search", s.handle(s.search))
}

// eventsQuery is what the list of events is asked for.
type eventsQuery struct {
	store.EventFilter

	keyset  keyset
	filters url.Values // as they are in the address
}

// searchPatience is how long a page searches before it is shown. The script goes on.
const searchPatience = 80 * time.Millisecond

func readEventsQuery(r *http.Request) (q eventsQuery, err error) {
	if q.EventFilter, err = eventFilter(r); err != nil {
		return q, err
	}
	if q.keyset, err = readKeyset(r); err != nil {
		return q, err
	}
	q.Limit, q.Newer, q.Cursor, q.Patience = pageSize, q.keyset.Newer, "", searchPatience
	if !q.keyset.first() {
		q.Cursor = q.keyset.Cursor.String()
	}
	q.filters = url.Values{
		"status": {q.Status}, "source": {q.Source}, "event": {q.Event}, "merchant": {number(q.Merchant)}, "q": {q.Q},
		"from": {r.URL.Query().Get("from")}, "to": {r.URL.Query().Get("to")}, "text": {q.Text},
	}
	return q, nil
}

// localTime is how a browser's field for a time writes it, in the reader's zone.
const localTime = "2006-01-02T15:04"

// localField writes a time for such a field.
func localField(t time.Time, loc *time.Location) string { return t.In(loc).Format(localTime) }

// inUTC is the address of a list in which times that a form gave are as everybody
// reads them, in whatever zone; "" where they are already. A time that is none is
// left for the list to refuse.
func inUTC(r *http.Request, path string, fields ...string) string {
	q, changed := r.URL.Query(), false
	for _, name := range fields {
		for _, layout := range []string{localTime, localTime + ":05"} {
			if t, err := time.ParseInLocation(layout, q.Get(name), zoneOf(r)); err == nil {
				q.Set(name, t.UTC().Format(time.RFC3339))
				changed = true
			}
		}
	}
	if !changed {
		return ""
	}
	return listHref(path, q, "", "")
}

// narrowed tells whether the list is narrowed by more than the status.
func (q eventsQuery) narrowed() bool {
	return q.Source != "" || q.Event != "" || q.Merchant != nil || q.Q != "" || q.From != nil || q.To != nil || q.Text != ""
}

func (s *Server) eventsPage(w http.ResponseWriter, r *http.Request) error {
	if to := cmp.Or(inUTC(r, eventsPath, "from", "to"), eventTarget(r.URL.Query())); to != "" {
		http.Redirect(w, r, to, http.StatusSeeOther)
		return nil
	}
	q, err := readEventsQuery(r)
	if err != nil {
		return err
	}
	found, err := s.DB.Events(r.Context(), q.EventFilter)
	refused, status := "", http.StatusOK
	if errors.Is(err, fault.Invalid) { // the form is there to mend it
		problem, _ := answerTo(err)
		refused, status, err = problem.Message, http.StatusUnprocessableEntity, nil
	}
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
	v.Form = eventForm(q, names, zoneOf(r))
	if refused != "" {
		v.Form.Error, v.Empty = sentence(refused), eventsRefused(q, time.Now())
	}
	f := s.frame(r, "Events", "events")
	if q.keyset.first() && q.Text == "" && refused == "" { // a search is not made again each second
		f.Live = listHref(eventsPath+"/live", q.filters, "", "")
	}
	return s.render(w, r, status, templates.EventsPage(f, v))
}

// eventForm are the fields that narrow the list.
func eventForm(q eventsQuery, names []string, loc *time.Location) templates.EventForm {
	form := templates.EventForm{Names: []templates.Option{{Label: "every name"}}, Text: q.Text, Hidden: map[string]string{}}
	for _, name := range names {
		form.Names = append(form.Names, templates.Option{Value: name, Label: name, On: name == q.Event})
	}
	if q.From != nil {
		form.From = localField(*q.From, loc)
	}
	if q.To != nil {
		form.To = localField(*q.To, loc)
	}
	for _, name := range []string{"status", "source", "merchant", "q"} {
		if value := q.filters.Get(name); value != "" {
			form.Hidden[name] = value
		}
	}
	return form
}

// eventsRefused leads from a search without a bound to one of the last week.
func eventsRefused(q eventsQuery, now time.Time) templates.EmptyView {
	v := templates.EmptyView{Title: "Nothing was looked for"}
	if q.Text != "" {
		v.Href = listHref(eventsPath, q.filters, "from", now.AddDate(0, 0, -7).UTC().Truncate(time.Minute).Format(time.RFC3339))
		v.Link = "Look at the last 7 days"
	}
	return v
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
	if q.Text != "" {
		return fault.New(fault.Invalid, "a search for text does not refresh itself")
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
		if stats, err = s.DB.EventsAbout(ctx); err != nil {
			return templates.EventsView{}, err
		}
	}
	v := templates.EventsView{
		Search: templates.SearchBox{
			Action: eventsPath, Query: q.Q, Placeholder: "Event id, merchant number or beginning of a name", Hidden: hiddenBut(q.filters, "q"),
		},
		Statuses: chips(eventsPath, q.filters, "status", eventStatuses(stats)),
		Sources:  chips(eventsPath, q.filters, "source", []chip{{label: "every source"}, {value: "salla", label: "Salla"}, {value: "clerk", label: "Clerk"}}),
		Scope:    eventScope(q, at),
		Empty:    eventsEmpty(q),
	}
	rows := make([]uuid.UUID, len(found.Events))
	for i, e := range found.Events {
		rows[i] = e.ID
		v.Rows = append(v.Rows, eventRow(e, labels, at))
	}
	if len(found.Events) > 0 {
		v.Bulk = bulkBar(store.BulkEvents, q.filters, chosenCount(v.Statuses))
	}
	top, bottom := q.keyset.ends(rows, found.SearchedTo)
	if len(found.Events) > 0 || found.More || !q.keyset.first() {
		v.Pager = q.keyset.pager(eventsPath, q.filters, top, bottom, found.More)
	}
	if found.SearchedTo != uuid.Nil && !q.Newer {
		v.Searched = searchedTo(at(store.EventTime(found.SearchedTo)), v.Pager)
		v.Empty = templates.EmptyView{Title: "No event like this so far", Text: "Older ones were not looked at yet: go on with Older."}
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
			list[i].count = aboutCount(stats[c.value], estimated && stats[c.value] >= store.EventsAboutMost)
		}
	}
	return list
}

// eventScope shows what narrows the list and has no filter of its own; pressing
// one takes it away.
func eventScope(q eventsQuery, at func(time.Time) templates.Moment) []templates.Chip {
	var list []templates.Chip
	add := func(name, label string) {
		list = append(list, templates.Chip{Label: label + " ✕", Href: listHref(eventsPath, q.filters, name, ""), On: true})
	}
	if q.Merchant != nil {
		add("merchant", "merchant "+number(q.Merchant))
	}
	if q.From != nil {
		add("from", "from "+at(*q.From).Exact)
	}
	if q.To != nil {
		add("to", "until "+at(*q.To).Exact)
	}
	if q.Text != "" {
		add("text", "payload has “"+q.Text+"”")
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
