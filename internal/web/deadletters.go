package web

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
)

// DeadLetter is a piece of work that was given up, as the operator API shows it.
type DeadLetter struct {
	Task     string     `json:"task"`
	ID       uuid.UUID  `json:"id"`
	Epoch    int64      `json:"epoch"`
	Lane     string     `json:"lane"`
	TenantID *uuid.UUID `json:"tenant_id"`
	Merchant *int64     `json:"merchant"`
	Attempts int        `json:"attempts"`
	Reason   string     `json:"reason"`
	Group    string     `json:"group"`
	FailedAt time.Time  `json:"failed_at"`
}

// DeadLetterRow shows one dead letter.
func DeadLetterRow(l store.DeadLetter) DeadLetter {
	l.FailedAt = l.FailedAt.UTC()
	return DeadLetter(l)
}

// deadPage is one page of the list of dead letters.
type deadPage struct {
	Data []DeadLetter `json:"data"`
	Next *string      `json:"next"`

	// How far was looked, where that ended before the page was full.
	SearchedTo *time.Time `json:"searched_to,omitempty"`
}

func (s *Server) listDead(w http.ResponseWriter, r *http.Request) error {
	f, err := deadFilter(r)
	if err != nil {
		return err
	}
	found, err := s.DB.DeadList(r.Context(), f)
	if err != nil {
		return err
	}
	page := deadPage{Data: make([]DeadLetter, len(found.Letters)), SearchedTo: found.SearchedTo}
	for i, l := range found.Letters {
		page.Data[i] = DeadLetterRow(l)
	}
	if found.More {
		next := found.Bottom.String()
		page.Next = &next
	}
	return writeJSON(w, http.StatusOK, page)
}

// deadFilter reads which dead letters a list is to have.
func deadFilter(r *http.Request) (f store.DeadFilter, err error) {
	if text := r.URL.Query().Get("cursor"); text != "" {
		if f.Cursor, err = store.ParseDeadCursor(text); err != nil {
			return f, malformed("cursor", "the cursor is not one that a list gave")
		}
	}
	if f.Limit, err = queryLimit(r); err != nil {
		return f, err
	}
	if f.Task, err = queryOneOf(r, "task", store.WorkKinds()...); err != nil {
		return f, err
	}
	if f.Lane, err = queryOneOf(r, "lane", tasks.Lanes()...); err != nil {
		return f, err
	}
	if f.Merchant, err = queryMerchant(r); err != nil {
		return f, err
	}
	if f.TenantID, err = queryTenant(r); err != nil {
		return f, err
	}
	if f.Reason, err = queryText(r, "reason"); err != nil {
		return f, err
	}
	after, err := queryTime(r, "after")
	if err != nil {
		return f, err
	}
	before, err := queryTime(r, "before")
	if err != nil {
		return f, err
	}
	if after != nil {
		f.After = *after
	}
	if before != nil {
		f.Before = *before
	}
	return f, nil
}

// queryTenant reads the tenant parameter; nil where it is not given.
func queryTenant(r *http.Request) (*uuid.UUID, error) {
	text := r.URL.Query().Get("tenant")
	if text == "" {
		return nil, nil
	}
	id, err := uuid.Parse(text)
	if err != nil {
		return nil, malformed("tenant", "tenant must be the id of a tenant")
	}
	return &id, nil
}

func (s *Server) retryDeadLetter(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "dead letter")
	if err != nil {
		return err
	}
	kind, err := url.PathUnescape(chi.URLParam(r, "task"))
	if err != nil {
		return fault.New(fault.NotFound, "there is no such dead letter")
	}
	if err := decode(w, r, &struct{}{}); err != nil {
		return err
	}
	letter, err := s.DB.DeadLetterOf(r.Context(), kind, id)
	if err != nil {
		return err
	}
	task, err := s.DB.RetryDead(r.Context(), kind, id, actor(r.Context()))
	if err != nil {
		return err
	}
	s.failedWork.forget()
	s.ring(r.Context(), s.Queue.Wake, []store.Task{task})
	return writeJSON(w, http.StatusAccepted, DeadLetterRow(letter))
}

// deadChoice is which dead letters are to be retried.
type deadChoice struct {
	All      bool   `json:"all"`
	Task     string `json:"task"`
	Lane     string `json:"lane"`
	Merchant *int64 `json:"merchant"`
	Tenant   string `json:"tenant"`
	Reason   string `json:"reason"`
	After    string `json:"after"`
	Before   string `json:"before"`
	Why      string `json:"why"`
}

func (s *Server) retryDeadLetters(w http.ResponseWriter, r *http.Request) error {
	var c deadChoice
	if err := decode(w, r, &c); err != nil {
		return err
	}
	// The same fields as those of the list, so they are read in the same way.
	q := url.Values{
		"task": {c.Task}, "lane": {c.Lane}, "merchant": {number(c.Merchant)}, "tenant": {c.Tenant},
		"reason": {c.Reason}, "after": {c.After}, "before": {c.Before},
	}
	f, err := deadFilter(&http.Request{URL: &url.URL{RawQuery: q.Encode()}})
	if err != nil {
		return err
	}
	switch {
	case f.All() && !c.All:
		return invalid("all", `nothing narrows this down: to retry every dead letter, say {"all":true}`)
	case !f.All() && c.All:
		return invalid("all", "all goes with no other filter")
	}
	if c.Why, err = why(c.Why); err != nil {
		return err
	}
	done, err := s.retryDead(r.Context(), f, store.DeadAct{By: actor(r.Context()), Why: c.Why})
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusAccepted, done)
}

// whyMost bounds the reason of an act, in bytes.
const whyMost = 500

// why reads the reason of an act.
func why(text string) (string, error) {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "")), " ")
	if len(text) > whyMost {
		return "", invalid("why", fmt.Sprintf("why must not be longer than %d bytes", whyMost))
	}
	return text, nil
}

// DeadRetried is what retrying many dead letters did.
type DeadRetried struct {
	Retried   int  `json:"retried"`
	Remaining int  `json:"remaining"`          // chosen, failed before the act began, and not retried
	AtLeast   bool `json:"at_least,omitempty"` // there may be more remaining: not all were looked at
}

// retryFor is how long one request goes on retrying dead letters.
const retryFor = 7 * time.Second

// retryDead retries what the filter chooses, as far as a request's time allows.
func (s *Server) retryDead(ctx context.Context, f store.DeadFilter, act store.DeadAct) (DeadRetried, error) {
	defer s.failedWork.forget()
	silent := false
	return RetryDead(ctx, s.DB, f, act, retryFor, func(todo []store.Task) {
		if silent || len(todo) == 0 {
			return
		}
		refs := make([]tasks.Ref, len(todo))
		for i, t := range todo {
			refs[i] = tasks.Ref(t)
		}
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), enqueueTimeout)
		defer cancel()
		if err := s.Queue.Wake(call, refs...); err != nil {
			silent = true // the rest is the sweeper's too: it is not waited for again
			s.Log.WarnContext(ctx, "tasks not queued, the sweeper will", "tasks", len(refs), "first", refs[0].TaskID(), "error", err)
		}
	})
}

// RetryDead retries the dead letters that the filter chooses, batch by batch until
// none is left or the time is over. What fails again meanwhile is not among them.
// wake is given the tasks of each batch after its commit.
func RetryDead(
	ctx context.Context, db *store.DB, f store.DeadFilter, act store.DeadAct, within time.Duration, wake func([]store.Task),
) (DeadRetried, error) {
	now, err := db.Clock(ctx)
	if err != nil {
		return DeadRetried{}, err
	}
	if f.Before.IsZero() || f.Before.After(now) {
		f.Before = now
	}
	var done DeadRetried
	var batch store.DeadBatch
	passed := 0
	for begun := time.Now(); !batch.Done && time.Since(begun) < within; {
		if batch, err = db.RetryDeadBatch(ctx, f, act, batch.Next); err != nil {
			return done, err
		}
		done.Retried, passed = done.Retried+batch.Retried, passed+batch.Passed
		wake(batch.Tasks)
	}
	left, err := db.CountDead(ctx, f)
	if err != nil {
		return done, err
	}
	if left.AtLeast && batch.Done { // all were looked at
		left = store.DeadCount{N: passed}
	}
	done.Remaining, done.AtLeast = left.N, left.AtLeast
	return done, nil
}
