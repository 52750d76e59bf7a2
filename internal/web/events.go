package web

import (
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/store"
)

// eventPage is one page of the list of events.
type eventPage struct {
	Data []Event `json:"data"`
	Next *string `json:"next"`

	// How far a search for text has looked, where there is more.
	SearchedTo *time.Time `json:"searched_to,omitempty"`
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
	if last, err := uuid.Parse(found.Next); err == nil {
		next := cursorAfter(last)
		page.Next, page.SearchedTo = &next, SearchedTo(f, found)
	}
	return writeJSON(w, http.StatusOK, page)
}

// SearchedTo is how far a search for text has looked, which is all the way (nil)
// where no page follows.
func SearchedTo(f store.EventFilter, p store.EventPage) *time.Time {
	last, err := uuid.Parse(p.Next)
	if err != nil || f.Text == "" {
		return nil
	}
	t := store.EventTime(last)
	return &t
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
	if f.Q, err = queryText(r, "q"); err != nil {
		return f, err
	}
	if f.Text, err = queryText(r, "text"); err != nil {
		return f, err
	}
	if f.From, err = queryTime(r, "from"); err != nil {
		return f, err
	}
	f.To, err = queryTime(r, "to")
	return f, err
}

// queryTime reads a parameter that is a time; nil where it is not given.
func queryTime(r *http.Request, name string) (*time.Time, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return nil, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil, malformed(name, name+" must be a time as in RFC 3339, such as 2026-01-31T10:00:00Z")
	}
	return &t, nil
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
