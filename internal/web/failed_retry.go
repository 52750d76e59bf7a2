package web

import (
	"net/http"
	"net/url"
	"time"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

// failedSample is how many of the chosen pieces of work are shown before they are
// retried.
const failedSample = 5

// retryAllForm asks before all of a list of failed work is retried, and why.
func (s *Server) retryAllForm(w http.ResponseWriter, r *http.Request) error {
	q, err := readFailedQuery(r)
	if err != nil {
		return err
	}
	return s.retryAllPage(w, r, q, http.StatusOK, "", "")
}

// retryAllPage shows how many there are, and the first of them. What fails after it
// was shown is not among those that it is about.
func (s *Server) retryAllPage(w http.ResponseWriter, r *http.Request, q failedQuery, status int, given, mistake string) error {
	ctx := r.Context()
	until, err := s.DB.Clock(ctx)
	if err != nil {
		return err
	}
	if q.Before.IsZero() || q.Before.After(until) {
		q.Before = until
	}
	count, err := s.DB.CountDead(ctx, q.DeadFilter)
	if err != nil {
		return err
	}
	sample := q.DeadFilter
	sample.Cursor, sample.Newer, sample.Limit = store.DeadCursor{}, false, failedSample
	found, err := s.DB.DeadList(ctx, sample)
	if err != nil {
		return err
	}
	items, err := s.failedItems(r, found.Letters)
	if err != nil {
		return err
	}
	v := templates.RetryFailedView{
		Count: counted(count), None: count == store.DeadCount{}, What: failedWords(q, found.Letters, zoneOf(r)), Sample: items,
		Action: failedPath + "/retry-all", Why: given, Error: mistake, Back: listHref(failedPath, q.filters, "", ""),
		Hidden: hiddenBut(q.filters, "before"),
	}
	v.Hidden["before"] = q.Before.UTC().Format(time.RFC3339Nano)
	if given := q.filters.Get("before"); given != "" {
		v.Hidden["was"] = given // what the list is narrowed to, to come back to
	}
	switch n := len(items); {
	case n > 0 && count.AtLeast:
		v.Of = "the newest " + templates.Count(n)
	case n < count.N:
		v.Of = "the newest " + templates.Count(n) + " of " + templates.Count(count.N)
	}
	return s.render(w, r, status, templates.RetryFailedPage(s.frame(r, "Retry failed work", "queues"), v))
}

// failedWords says in words which failed work is chosen.
func failedWords(q failedQuery, letters []store.DeadLetter, loc *time.Location) []string {
	var list []string
	add := func(words, value string) {
		if value != "" {
			list = append(list, words+value)
		}
	}
	if q.Task != "" {
		add("", taskWords(q.Task)+" ("+q.Task+")")
	}
	add("lane ", q.Lane)
	add("merchant ", number(q.Merchant))
	if q.TenantID != nil {
		add("tenant ", q.TenantID.String())
	}
	switch {
	case q.group:
		add("one reason. ", groupReason(letters))
	case q.Reason != "":
		add("", "the reason has “"+q.Reason+"”")
	}
	if !q.After.IsZero() {
		add("failed from ", q.After.In(loc).Format("2 Jan 2006, 15:04:05"))
	}
	add("failed before ", q.Before.In(loc).Format("2 Jan 2006, 15:04:05"))
	return list
}

// retryAll retries all of a list of failed work, as far as one request goes.
func (s *Server) retryAll(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return malformed("", "the form can't be read")
	}
	given, was := r.PostForm.Get("why"), r.PostForm.Get("was")
	fields := url.Values{}
	for name, values := range r.PostForm {
		if name != "why" && name != "was" && len(values) > 0 {
			fields.Set(name, values[0])
		}
	}
	asked := r.Clone(r.Context())
	asked.URL = &url.URL{Path: r.URL.Path, RawQuery: fields.Encode()}
	q, err := readFailedQuery(asked)
	if err != nil {
		return err
	}
	reason, err := why(given)
	if err != nil || reason == "" {
		q.filters.Set("before", was)
		return s.retryAllPage(w, asked, q, http.StatusUnprocessableEntity, given, "Say why, in at most 500 letters: nothing was retried.")
	}
	done, err := s.retryDead(r.Context(), q.DeadFilter, store.DeadAct{By: operatorActor(r.Context()), Why: reason})
	if err != nil {
		return err
	}
	q.filters.Set("before", was)
	notice := templates.Notice{Kind: templates.Well, Text: pieces(done.Retried) + ": queued again, with no attempts spent. Of one store a few go on at a time."}
	if done.Remaining > 0 || done.AtLeast {
		left := templates.Count(done.Remaining)
		if done.AtLeast {
			left = "at least " + left
		}
		notice.Kind, notice.Text = templates.Wait, pieces(done.Retried)+" are queued again; "+left+" are left."
		notice.Href, notice.Link = listHref(failedPath+"/retry-all", q.filters, "", ""), "go on"
	}
	return s.back(w, r, listHref(failedPath, q.filters, "", ""), notice)
}
