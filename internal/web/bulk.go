package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

const bulkPath = "/admin/bulk"

// bulkHref is the address of a bulk act's page.
func bulkHref(id uuid.UUID) string { return bulkPath + "/" + id.String() }

// bulkRoutes registers the pages of bulk acts. Viewers may look at them.
func (s *Server) bulkRoutes(r chi.Router) {
	r.Get("/bulk", s.handle(s.bulksPage))
	r.Get("/bulk/live", s.handle(s.bulksLive))
	r.Post("/bulk/new", s.handle(s.chooseBulk))
	r.Get("/bulk/{id}", s.handle(s.bulkPage))
	r.Get("/bulk/{id}/live", s.handle(s.bulkLive))
	r.Get("/bulk/{id}/items.csv", s.handle(s.bulkCSV))
	r.Post("/bulk/{id}/start", s.handle(s.startBulk))
	r.Post("/bulk/{id}/drop", s.handle(s.dropBulk))
	r.Post("/bulk/{id}/pause", s.handle(s.pauseBulk))
	r.Post("/bulk/{id}/resume", s.handle(s.resumeBulk))
	r.Post("/bulk/{id}/cancel", s.handle(s.cancelBulk))
	r.Post("/bulk/{id}/undo", s.handle(s.undoBulk))
}

// bulkBar is the row of acts over a list. count is how many the list has, "" where
// they are not counted.
func bulkBar(of string, filters url.Values, count string) *templates.BulkBar {
	bar := &templates.BulkBar{Of: of, Hidden: hiddenBut(filters, ""), Count: count}
	for _, act := range store.BulkActs(of) {
		bar.Acts = append(bar.Acts, templates.Option{Value: act, Label: bulkVerb(act), On: act == store.BulkSuspend})
	}
	return bar
}

// chosenCount is how many the filter has that is on.
func chosenCount(list []templates.Chip) string {
	for _, c := range list {
		if c.On {
			return c.Count
		}
	}
	return ""
}

// chooseBulk writes down what is ticked, or all of the list, and leads to the page
// that says what the act would do to it. Nothing is done yet.
func (s *Server) chooseBulk(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return malformed("", "the form can't be read")
	}
	choice, list, err := readBulkChoice(r)
	if err != nil {
		return err
	}
	choice.By = operatorActor(r.Context())
	if len(choice.Ticked) == 0 && r.PostForm.Get("all") == "" {
		return s.back(w, r, list, templates.Notice{
			Kind: templates.Wait, Text: "Nothing was chosen: tick rows, or all of the list.",
		})
	}
	b, err := s.DB.ChooseBulk(r.Context(), choice)
	if refused, ok := errors.AsType[*fault.Error](err); ok && refused.Kind == fault.Invalid {
		return s.back(w, r, list, templates.Notice{Kind: templates.Wait, Text: sentence(refused.Msg)})
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, bulkHref(b.ID), http.StatusSeeOther)
	return nil
}

// readBulkChoice reads what a list's form chooses, and the list's address. The list's
// filters are read as the list itself reads them.
func readBulkChoice(r *http.Request) (c store.BulkChoice, list string, err error) {
	form, fields := r.PostForm, url.Values{}
	for name, values := range form {
		if name != "of" && name != "act" && name != "all" && name != "id" && len(values) > 0 {
			fields.Set(name, values[0])
		}
	}
	asked := r.Clone(r.Context())
	asked.URL = &url.URL{Path: r.URL.Path, RawQuery: fields.Encode()}
	c.Act = form.Get("act")
	switch form.Get("of") {
	case store.BulkTenants:
		q, err := readTenantsQuery(asked)
		if err != nil {
			return c, "", err
		}
		c.Tenants, c.Words, list = &q.StoreFilter, bulkWords("stores", q.filters), listHref(tenantsPath, q.filters, "", "")
	case store.BulkEvents:
		q, err := readEventsQuery(asked)
		if err != nil {
			return c, "", err
		}
		c.Events, c.Words, list = &q.EventFilter, bulkWords("events", q.filters), listHref(eventsPath, q.filters, "", "")
	case store.BulkDead:
		q, err := readFailedQuery(asked)
		if err != nil {
			return c, "", err
		}
		c.Dead, c.Words, list = &q.DeadFilter, bulkWords("failed work", q.filters), listHref(failedPath, q.filters, "", "")
	default:
		return c, "", invalid("of", "of must be one of tenants, events, dead")
	}
	if form.Get("all") != "" {
		return c, list, nil
	}
	if c.Ticked, err = readTicked(form["id"], c.Dead != nil); err != nil {
		return c, "", err
	}
	c.Words = "rows ticked in the list of " + c.Words
	return c, list, nil
}

// readTicked reads the rows that were ticked. A piece of work is named by its kind
// and its id.
func readTicked(values []string, work bool) ([]store.BulkSubject, error) {
	var ticked []store.BulkSubject
	for _, value := range values {
		var subject store.BulkSubject
		text := value
		if work {
			subject.Task, text, _ = strings.Cut(value, " ")
		}
		id, err := uuid.Parse(text)
		if err != nil {
			return nil, malformed("id", "id must be what a row of the list has")
		}
		subject.ID = id
		ticked = append(ticked, subject)
	}
	return ticked, nil
}

// bulksPage lists bulk acts.
func (s *Server) bulksPage(w http.ResponseWriter, r *http.Request) error {
	k, err := readKeyset(r)
	if err != nil {
		return err
	}
	v, more, err := s.bulksView(r.Context(), k, moments(r))
	if err != nil {
		return err
	}
	if k.toTop(more) {
		http.Redirect(w, r, bulkPath, http.StatusSeeOther)
		return nil
	}
	f := s.frame(r, "Bulk acts", "queues")
	if k.first() {
		f.Live = bulkPath + "/live"
	}
	return s.render(w, r, http.StatusOK, templates.BulksPage(f, v))
}

func (s *Server) bulksLive(w http.ResponseWriter, r *http.Request) error {
	at := moments(r)
	return s.live(w, r, func(ctx context.Context) (map[string]templ.Component, error) {
		v, _, err := s.bulksView(ctx, keyset{}, at)
		if err != nil {
			return nil, err
		}
		return map[string]templ.Component{"rows": templates.BulkRows(v)}, nil
	})
}

func (s *Server) bulksView(ctx context.Context, k keyset, at func(time.Time) templates.Moment) (templates.BulksView, bool, error) {
	f := store.BulkFilter{Before: k.Cursor, Limit: pageSize}
	if k.Newer {
		f.Before, f.After = uuid.Nil, k.Cursor
	}
	list, more, err := s.DB.Bulks(ctx, f)
	if err != nil {
		return templates.BulksView{}, false, err
	}
	v := templates.BulksView{Empty: templates.EmptyView{
		Title: "Nothing was done in bulk yet",
		Text:  "Tick rows in the lists of tenants, events or failed work, or all of a list, and choose an act. It is shown what it would do before anything is done.",
		Href:  tenantsPath, Link: "Tenants",
	}}
	for _, b := range list {
		v.Rows = append(v.Rows, bulkRow(b, at))
	}
	if n := len(list); n > 0 {
		v.Pager = k.pager(bulkPath, url.Values{}, list[0].ID, list[n-1].ID, more)
	}
	return v, more, nil
}
