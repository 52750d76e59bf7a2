package web

import (
	"context"
	"encoding/csv"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/a-h/templ"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

// bulkOf reads the bulk act that the address names.
func (s *Server) bulkOf(r *http.Request) (store.Bulk, error) {
	id, err := pathID(r, "bulk act")
	if err != nil {
		return store.Bulk{}, err
	}
	return s.DB.Bulk(r.Context(), id)
}

func (s *Server) bulkPage(w http.ResponseWriter, r *http.Request) error {
	b, err := s.bulkOf(r)
	if err != nil {
		return err
	}
	return s.showBulk(w, r, http.StatusOK, b, bulkTry{})
}

// showBulk is the page of a bulk act: before it is started what it would do, and the
// form that starts it; afterwards how far it is.
func (s *Server) showBulk(w http.ResponseWriter, r *http.Request, status int, b store.Bulk, try bulkTry) error {
	ctx, at := r.Context(), moments(r)
	q, err := readItemsQuery(r)
	if err != nil {
		return err
	}
	v := templates.BulkView{
		Title: bulkTitle(b), Filter: b.Filter, CSV: bulkHref(b.ID) + "/items.csv", Lists: bulkList(b.Kind),
	}
	if v.Items, err = s.bulkItems(ctx, b, q, at); err != nil {
		return err
	}
	f := s.frame(r, v.Title, bulkSection(b.Kind))
	if b.Status == store.BulkReady {
		verdicts, err := s.DB.BulkPreview(ctx, b)
		if err != nil {
			return err
		}
		v.Draft = bulkDraft(b, verdicts, try)
	} else {
		if v.State, err = s.bulkState(ctx, b, at); err != nil {
			return err
		}
		if !b.Ended() {
			f.Live = listHref(bulkHref(b.ID)+"/live", q.values(), "", "")
		}
	}
	return s.render(w, r, status, templates.BulkPage(f, v))
}

// bulkLive streams how far a bulk act is.
func (s *Server) bulkLive(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "bulk act")
	if err != nil {
		return err
	}
	q, err := readItemsQuery(r)
	if err != nil {
		return err
	}
	at := moments(r)
	return s.live(w, r, func(ctx context.Context) (map[string]templ.Component, error) {
		b, err := s.DB.Bulk(ctx, id)
		if err != nil {
			return nil, err
		}
		state, err := s.bulkState(ctx, b, at)
		if err != nil {
			return nil, err
		}
		items, err := s.bulkItems(ctx, b, q, at)
		if err != nil {
			return nil, err
		}
		return map[string]templ.Component{"state": templates.BulkStateView(*state), "items": templates.BulkItems(items)}, nil
	})
}

// bulkState is how a bulk act that was started stands.
func (s *Server) bulkState(ctx context.Context, b store.Bulk, at func(time.Time) templates.Moment) (*templates.BulkState, error) {
	reasons, err := s.DB.BulkReasons(ctx, b.ID)
	if err != nil {
		return nil, err
	}
	undo, err := s.DB.BulkUndone(ctx, b.ID)
	if err != nil {
		return nil, err
	}
	return bulkStateView(b, reasons, undo, at), nil
}

// itemsQuery is which of the items of a bulk act are shown.
type itemsQuery struct {
	state string
	after int
}

func readItemsQuery(r *http.Request) (q itemsQuery, err error) {
	if q.state, err = queryOneOf(r, "show", store.ItemPending, store.ItemDone, store.ItemSkipped, store.ItemFailed); err != nil {
		return q, err
	}
	if text := r.URL.Query().Get("after"); text != "" {
		if q.after, err = strconv.Atoi(text); err != nil || q.after < 0 || q.after > store.BulkMost {
			return q, malformed("after", "after must be the number of an item")
		}
	}
	return q, nil
}

func (q itemsQuery) values() url.Values {
	v := url.Values{"show": {q.state}}
	if q.after > 0 {
		v.Set("after", strconv.Itoa(q.after))
	}
	return v
}

// bulkItems are the items that are shown.
func (s *Server) bulkItems(
	ctx context.Context, b store.Bulk, q itemsQuery, at func(time.Time) templates.Moment,
) (templates.BulkItemsView, error) {
	list, more, err := s.DB.BulkItems(ctx, b, store.BulkItemFilter{State: q.state, After: q.after, Limit: pageSize})
	if err != nil {
		return templates.BulkItemsView{}, err
	}
	path := bulkHref(b.ID)
	v := templates.BulkItemsView{
		Chips: chips(path, url.Values{"show": {q.state}}, "show", itemChips(b)), Stores: b.Kind != store.BulkTenants,
		Empty: templates.EmptyView{Title: "None of them is like this", Href: path, Link: "All of them"},
	}
	for _, item := range list {
		v.Rows = append(v.Rows, bulkItemRow(b, item, at))
	}
	if q.after > 0 { // the number of what came before is not known: the list begins again
		v.Pager.Newer = listHref(path, url.Values{"show": {q.state}}, "", "")
	}
	if more {
		v.Pager.Older = listHref(path, url.Values{"show": {q.state}}, "after", strconv.Itoa(list[len(list)-1].N))
	}
	return v, nil
}

// csvBatch is how many items of the file are read at a time.
const csvBatch = 1000

// bulkCSV answers the items of a bulk act as a table.
func (s *Server) bulkCSV(w http.ResponseWriter, r *http.Request) error {
	b, err := s.bulkOf(r)
	if err != nil {
		return err
	}
	list, more, err := s.DB.BulkItems(r.Context(), b, store.BulkItemFilter{Limit: csvBatch})
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="bulk-`+b.Act+"-"+b.ID.String()+`.csv"`)
	if _, err := io.WriteString(w, mark); err != nil {
		return nil //nolint:nilerr // the reader has gone: nothing to answer to
	}
	out := csv.NewWriter(w)
	out.UseCRLF = true
	write := func(cells ...any) {
		texts := make([]string, len(cells))
		for i, c := range cells {
			texts[i] = cell(c)
		}
		_ = out.Write(texts) // Flush tells
	}
	write("n", "id", "task", "event", "store", "merchant", "tenant_id", "state", "why", "at")
	for {
		for _, i := range list {
			write(i.N, i.Subject, i.Task, i.Event, i.Store, i.Merchant, textID(i.TenantID), i.State, i.Outcome, i.DoneAt)
		}
		out.Flush()
		if !more {
			return nil
		}
		after := list[len(list)-1].N
		if list, more, err = s.DB.BulkItems(r.Context(), b, store.BulkItemFilter{After: after, Limit: csvBatch}); err != nil {
			s.Log.WarnContext(r.Context(), "a file of items was cut off", "bulk", b.ID, "error", err)
			panic(http.ErrAbortHandler) // a file that ends early must not look whole
		}
	}
}

// textID is an id that may not be there.
func textID(id *uuid.UUID) string {
	if id == nil {
		return ""
	}
	return id.String()
}
