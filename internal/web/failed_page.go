package web

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
	"github.com/wosool/wosool/templates"
)

const failedPath = lanesPath + "/failed"

// failedQuery is which failed work a page is about.
type failedQuery struct {
	store.DeadFilter

	group   bool       // it is of one reason, named by its key
	filters url.Values // as they are in the address
}

func readFailedQuery(r *http.Request) (q failedQuery, err error) {
	v := r.URL.Query()
	if kind := v.Get("task"); kind != "" && !slices.Contains(store.WorkKinds(), kind) {
		return q, fault.New(fault.NotFound, "there is no kind of task called %q", kind)
	}
	if q.DeadFilter, err = deadFilter(r); err != nil {
		return q, err
	}
	if key := v.Get("group"); key != "" {
		if !store.IsDeadKey(key) {
			return q, fault.New(fault.NotFound, "there is no such group of failed work")
		}
		q.Reason, q.group = key, true
	}
	if text := v.Get("newer"); text != "" {
		if q.Cursor, err = store.ParseDeadCursor(text); err != nil {
			return q, malformed("newer", "the cursor is not one that a list gave")
		}
		q.Newer = true
	}
	q.Limit = pageSize
	q.filters = url.Values{}
	for _, name := range []string{"task", "lane", "merchant", "tenant", "reason", "group", "after", "before"} {
		q.filters.Set(name, strings.TrimSpace(v.Get(name)))
	}
	return q, nil
}

// failedPage lists failed work.
func (s *Server) failedPage(w http.ResponseWriter, r *http.Request) error {
	if to := inUTC(r, failedPath, "after", "before"); to != "" {
		http.Redirect(w, r, to, http.StatusSeeOther)
		return nil
	}
	q, err := readFailedQuery(r)
	if err != nil {
		return err
	}
	found, err := s.DB.DeadList(r.Context(), q.DeadFilter)
	if err != nil {
		return err
	}
	if q.Newer && !found.More {
		http.Redirect(w, r, listHref(failedPath, q.filters, "", ""), http.StatusSeeOther)
		return nil
	}
	items, err := s.failedItems(r, found.Letters)
	if err != nil {
		return err
	}
	v := failedListView(q, found, items, moments(r), zoneOf(r))
	return s.render(w, r, http.StatusOK, templates.FailedPage(s.frame(r, v.Title, "queues"), v))
}

// failedListView is pure, so that what the page says can be tested without it.
func failedListView(
	q failedQuery, found store.DeadPage, items []templates.FailedItem, at func(time.Time) templates.Moment, loc *time.Location,
) templates.FailedView {
	v := templates.FailedView{
		Title: "Failed work", Note: "newest first", Rows: items, Scope: failedScope(q), Form: failedForm(q, loc),
		Empty: templates.EmptyView{
			Title: "None of it is left", Text: "What failed like this was retried or is done.", Href: lanesPath, Link: "All queues",
		},
	}
	if q.Task != "" {
		v.Title, v.Note, v.Todo = taskWords(q.Task), "failed work · "+q.Task, failedAdvice(q.Task)
	}
	if q.group {
		v.Reason = groupReason(found.Letters)
	}
	if len(items) > 0 || found.More {
		v.RetryAt, v.Hidden = failedPath+"/retry-all", hiddenBut(q.filters, "")
		if q.Cursor.IsZero() && !found.More {
			v.Count = templates.Count(len(items))
		}
		v.Bulk = bulkBar(store.BulkDead, q.filters, v.Count)
	}
	if !q.Cursor.IsZero() {
		v.Pager.Newer = listHref(failedPath, q.filters, "newer", found.Top.String())
	}
	if found.More || q.Newer {
		v.Pager.Older = listHref(failedPath, q.filters, "cursor", found.Bottom.String())
	}
	if found.SearchedTo != nil {
		v.Searched = searchedTo(at(*found.SearchedTo), v.Pager)
		v.Empty = templates.EmptyView{Title: "Nothing like this so far", Text: "Older ones were not looked at yet: go on with Older."}
		if q.Newer {
			v.Searched.On = ""
		}
	}
	return v
}

// groupReason is the reason that all of the letters have, or one of them.
func groupReason(letters []store.DeadLetter) string {
	if len(letters) == 0 {
		return ""
	}
	for _, l := range letters[1:] {
		if l.Reason != letters[0].Reason {
			return "For example: " + sentence(letters[0].Reason)
		}
	}
	return sentence(letters[0].Reason)
}

// searchedTo says how far a search has looked, which goes on at the page's older end.
func searchedTo(to templates.Moment, p templates.Pager) templates.Searched {
	return templates.Searched{Note: "Searched back to " + to.Exact + ". Older ones were not looked at yet.", On: p.Older}
}

// failedForm are the fields that narrow the list.
func failedForm(q failedQuery, loc *time.Location) templates.FailedForm {
	form := templates.FailedForm{
		Tasks: []templates.Option{{Label: "every kind"}}, Lanes: []templates.Option{{Label: "every lane"}},
		Merchant: number(q.Merchant), Grouped: q.group, Hidden: map[string]string{},
	}
	for _, kind := range store.WorkKinds() {
		form.Tasks = append(form.Tasks, templates.Option{Value: kind, Label: taskWords(kind), On: kind == q.Task})
	}
	for _, lane := range tasks.Lanes() {
		form.Lanes = append(form.Lanes, templates.Option{Value: lane, Label: lane, On: lane == q.Lane})
	}
	if !q.group {
		form.Reason = q.Reason
	}
	for _, name := range []string{"tenant", "group"} {
		if value := q.filters.Get(name); value != "" {
			form.Hidden[name] = value
		}
	}
	if !q.After.IsZero() {
		form.After = localField(q.After, loc)
	}
	if !q.Before.IsZero() {
		form.Before = localField(q.Before, loc)
	}
	return form
}

// failedScope shows what narrows the list and has no field of its own.
func failedScope(q failedQuery) []templates.Chip {
	var list []templates.Chip
	if q.group {
		list = append(list, templates.Chip{Label: "one reason ✕", Href: listHref(failedPath, q.filters, "group", ""), On: true})
	}
	if q.TenantID != nil {
		list = append(list, templates.Chip{Label: "one store ✕", Href: listHref(failedPath, q.filters, "tenant", ""), On: true})
	}
	return list
}

// failedItems are the rows of a list of failed work.
func (s *Server) failedItems(r *http.Request, letters []store.DeadLetter) ([]templates.FailedItem, error) {
	ids := make([]*uuid.UUID, len(letters))
	for i, l := range letters {
		ids[i] = l.TenantID
	}
	labels, err := s.DB.TenantLabels(r.Context(), known(ids))
	if err != nil {
		return nil, err
	}
	at, back := moments(r), r.URL.RequestURI()
	var items []templates.FailedItem
	for _, l := range letters {
		items = append(items, failedItem(l, labels, at, back))
	}
	return items, nil
}

func failedItem(
	l store.DeadLetter, labels map[uuid.UUID]store.TenantLabel, at func(time.Time) templates.Moment, back string,
) templates.FailedItem {
	item := templates.FailedItem{
		ID: l.ID.String(), TaskID: tasks.Ref{Kind: l.Task, ID: l.ID, Epoch: l.Epoch}.TaskID(),
		What: taskWords(l.Task), Task: l.Task, Merchant: number(l.Merchant),
		Row: "…" + l.ID.String()[24:], RowHref: ownerHref(l.Task, l.ID, l.TenantID),
		Reason: sentence(l.Reason), Attempts: templates.Count(l.Attempts), Failed: at(l.FailedAt),
		Retry: templates.ActView{
			Action: failedPath + "/retry", Label: "Retry", Of: "…" + l.ID.String()[24:],
			Hidden: map[string]string{"task": l.Task, "id": l.ID.String(), "back": back},
		},
	}
	item.Store, item.Href = storeOf(labels, l.TenantID)
	return item
}

// retryFailed begins one piece of failed work again.
func (s *Server) retryFailed(w http.ResponseWriter, r *http.Request) error {
	id, err := uuid.Parse(r.PostFormValue("id"))
	if err != nil {
		return fault.New(fault.NotFound, "there is no such piece of work")
	}
	kind := r.PostFormValue("task")
	owner, err := s.DB.OwnerOf(r.Context(), kind, id)
	if err != nil {
		return err
	}
	task, err := s.DB.RetryDead(r.Context(), kind, id, operatorActor(r.Context()))
	if err != nil {
		return err
	}
	s.failedWork.forget()
	s.ring(r.Context(), s.Queue.Wake, []store.Task{task})
	back := r.PostFormValue("back")
	if back == "" {
		back = lanesPath
	}
	notice := templates.Notice{Kind: templates.Well, Text: taskWords(task.Kind) + ": it is queued again, with no attempts spent."}
	notice.Href, notice.Link = ownerHref(kind, id, owner.TenantID), "see what becomes of it"
	return s.back(w, r, back, notice)
}

// counted says how many pieces of failed work there are, as far as they were counted.
func counted(n store.DeadCount) string {
	switch {
	case !n.AtLeast:
		return pieces(n.N)
	case n.N == 0:
		return "what is found of the failed work"
	}
	return "at least " + pieces(n.N)
}

// pieces counts pieces of failed work in words.
func pieces(n int) string {
	if n == 1 {
		return "1 piece of failed work"
	}
	return fmt.Sprintf("%s pieces of failed work", templates.Count(n))
}
