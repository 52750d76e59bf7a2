package web

import (
	"net/http"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/store"
)

// eventPage is one page of the list of events.
type eventPage struct {
	Data []Event `json:"data"`
	Next *string `json:"next"`
}

func (s *Server) listEvents(w http.ResponseWriter, r *http.Request) error {
	f, err := eventFilter(r)
	if err != nil {
		return err
	}
	found, err := s.DB.Events(r.Context(), f)
	if err != nil {
		return err
	}
	page := eventPage{Data: make([]Event, len(found.Events))}
	for i, e := range found.Events {
		page.Data[i] = EventRow(e)
	}
	if found.Next != "" {
		next := cursorAfter(found.Events[len(found.Events)-1].ID)
		page.Next = &next
	}
	return writeJSON(w, http.StatusOK, page)
}

func eventFilter(r *http.Request) (f store.EventFilter, err error) {
	limit, after, err := paging(r)
	if err != nil {
		return f, err
	}
	f.Limit = limit
	if after != uuid.Nil {
		f.Cursor = after.String()
	}
	if f.Merchant, err = queryMerchant(r); err != nil {
		return f, err
	}
	if f.Source, err = queryOneOf(r, "source", "salla", "clerk"); err != nil {
		return f, err
	}
	if f.Event, err = queryText(r, "event"); err != nil {
		return f, err
	}
	if f.Status, err = queryOneOf(r, "status", store.EventReceived, store.EventWaiting, store.EventApplied,
		store.EventIgnored, store.EventFailed); err != nil {
		return f, err
	}
	f.Q, err = queryText(r, "q")
	return f, err
}

func (s *Server) showEvent(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "event")
	if err != nil {
		return err
	}
	e, err := s.DB.Event(r.Context(), id)
	if err != nil {
		return err
	}
	return s.answerEvent(w, r, http.StatusOK, e)
}

func (s *Server) replayEvent(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r, "event")
	if err != nil {
		return err
	}
	if err := decode(w, r, &struct{}{}); err != nil {
		return err
	}
	e, todo, err := s.DB.ReplayEvent(r.Context(), id, actor(r.Context()))
	if err != nil {
		return err
	}
	s.ring(r.Context(), s.Queue.Wake, todo)
	return s.answerEvent(w, r, http.StatusAccepted, e)
}

// answerEvent answers an event with what it said.
func (s *Server) answerEvent(w http.ResponseWriter, r *http.Request, status int, e store.Event) error {
	whole, err := WholeEvent(r.Context(), s.DB, e)
	if err != nil {
		return err
	}
	return writeJSON(w, status, whole)
}
