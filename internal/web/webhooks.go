package web

import (
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/events"
)

// webhookBody bounds what a delivery may weigh.
const webhookBody = 1 << 20

// received is what Salla is answered.
type received struct {
	ID        uuid.UUID `json:"id"`
	Duplicate bool      `json:"duplicate"`
}

// receiveSalla takes a delivery of Salla: 200 means that its event is committed.
func (s *Server) receiveSalla(w http.ResponseWriter, r *http.Request) error {
	rec, err := s.receive(w, r, events.SourceSalla, s.Inbox.VerifySalla)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, received{ID: rec.EventID, Duplicate: rec.Duplicate})
}

// receiveClerk takes a delivery of Clerk: 204 means that its event is committed.
func (s *Server) receiveClerk(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.receive(w, r, events.SourceClerk, s.Inbox.VerifyClerk); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// receive verifies a delivery over its raw bytes, commits its event and has its
// tasks queued. Nothing is kept of what does not verify.
func (s *Server) receive(w http.ResponseWriter, r *http.Request, source string,
	verify func(http.Header, []byte) error,
) (events.Recorded, error) {
	body, err := readBody(w, r, webhookBody)
	if err != nil {
		return events.Recorded{}, err
	}
	if err := verify(r.Header, body); err != nil {
		s.Log.WarnContext(r.Context(), "delivery not verified", "source", source, "reason", err)
		return events.Recorded{}, &problem{
			Status: http.StatusUnauthorized, Code: codeUnauthorised, Message: "the delivery is not signed by who it should be",
		}
	}
	// The inbox bounds the commit: who sends is to come again while it can't be had.
	rec, err := s.Inbox.Receive(r.Context(), events.Delivery{Source: source, Header: r.Header, Body: body, ReceivedAt: time.Now()})
	if err != nil {
		return events.Recorded{}, fmt.Errorf("record a delivery: %w", err)
	}
	s.ring(r.Context(), s.Queue.Enqueue, rec.Tasks)
	return rec, nil
}
