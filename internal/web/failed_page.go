package web

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
	"github.com/wosool/wosool/templates"
)

const failedPath = lanesPath + "/failed"

// failedPage lists the failed work of one kind that has one reason.
func (s *Server) failedPage(w http.ResponseWriter, r *http.Request) error {
	k, err := readKeyset(r)
	if err != nil {
		return err
	}
	task, err := queryText(r, "task")
	if err != nil {
		return err
	}
	f := store.DeadFilter{Task: task, Key: r.URL.Query().Get("group"), Cursor: k.Cursor, Newer: k.Newer, Limit: pageSize}
	if !isGroupKey(f.Key) {
		return fault.New(fault.NotFound, "there is no such group of failed work")
	}
	found, err := s.DB.DeadGroup(r.Context(), f)
	if err != nil {
		return err
	}
	filters := url.Values{"task": {f.Task}, "group": {f.Key}}
	if k.toTop(found.More) {
		http.Redirect(w, r, listHref(failedPath, filters, "", ""), http.StatusSeeOther)
		return nil
	}
	ids := make([]*uuid.UUID, len(found.Letters))
	for i, l := range found.Letters {
		ids[i] = l.TenantID
	}
	labels, err := s.DB.TenantLabels(r.Context(), known(ids))
	if err != nil {
		return err
	}
	v := templates.FailedView{What: taskWords(f.Task), Task: f.Task, Todo: failedAdvice(f.Task)}
	at, back := moments(r), r.URL.RequestURI()
	for _, l := range found.Letters {
		v.Rows = append(v.Rows, failedItem(l, labels, at, back))
	}
	if n := len(found.Letters); n > 0 {
		v.Reason = sentence(found.Letters[0].Reason)
		for _, l := range found.Letters[1:] {
			if l.Reason != found.Letters[0].Reason {
				v.Reason = "For example: " + v.Reason
				break
			}
		}
		v.Pager = k.pager(failedPath, filters, found.Letters[0].ID, found.Letters[n-1].ID, found.More)
	}
	return s.render(w, r, http.StatusOK, templates.FailedPage(s.frame(r, v.What, "queues"), v))
}

// isGroupKey tells whether text has the form of a group's key, an MD5 in hex.
func isGroupKey(text string) bool {
	return len(text) == 32 && strings.Trim(text, "0123456789abcdef") == ""
}

func failedItem(
	l store.DeadLetter, labels map[uuid.UUID]store.TenantLabel, at func(time.Time) templates.Moment, back string,
) templates.FailedItem {
	item := templates.FailedItem{
		ID: l.ID.String(), TaskID: tasks.Ref{Kind: l.Task, ID: l.ID, Epoch: l.Epoch}.TaskID(),
		Row: "…" + l.ID.String()[24:], RowHref: ownerHref(l.Task, l.ID, l.TenantID),
		Reason: sentence(l.Reason), Attempts: templates.Count(l.Attempts), Tried: at(l.TriedAt),
		Retry: templates.ActView{
			Action: failedPath + "/retry", Label: "Retry", Of: "…" + l.ID.String()[24:],
			Hidden: map[string]string{"task": l.Task, "id": l.ID.String(), "back": back},
		},
	}
	item.Store, item.Href, item.Merchant = storeOf(labels, l.TenantID)
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
