package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
)

// Event is an event as the operator API and the command line show it in lists.
type Event struct {
	ID         uuid.UUID  `json:"id"`
	Source     string     `json:"source"`
	Event      string     `json:"event"`
	Merchant   *int64     `json:"merchant"`
	TenantID   *uuid.UUID `json:"tenant_id"`
	Status     string     `json:"status"`
	Attempts   int        `json:"attempts"`
	Error      *string    `json:"error"`
	ReceivedAt time.Time  `json:"received_at"`
	AppliedAt  *time.Time `json:"applied_at"`
}

// EventDetail is an event on its own, with what it said.
type EventDetail struct {
	Event
	Headers json.RawMessage `json:"headers"`
	Payload json.RawMessage `json:"payload"` // null once its retention is over
}

// EventRow returns what lists show of an event.
func EventRow(e store.Event) Event {
	return Event{
		ID: e.ID, Source: e.Source, Event: e.Event, Merchant: e.Merchant, TenantID: e.TenantID, Status: e.Status,
		Attempts: e.Attempts, Error: e.Error, ReceivedAt: e.ReceivedAt.UTC(), AppliedAt: utc(e.AppliedAt),
	}
}

// WholeEvent returns all that is shown of one event.
func WholeEvent(ctx context.Context, db *store.DB, e store.Event) (EventDetail, error) {
	d := EventDetail{Event: EventRow(e), Headers: e.Headers, Payload: json.RawMessage("null")}
	p, err := db.Payload(ctx, e.ID)
	switch {
	case errors.Is(err, fault.NotFound):
		return d, nil // dropped after its retention
	case err != nil:
		return EventDetail{}, err
	case p.JSON != nil:
		d.Payload = p.JSON
	default:
		if d.Payload, err = json.Marshal(p.Text); err != nil {
			return EventDetail{}, fmt.Errorf("encode payload: %w", err)
		}
	}
	return d, nil
}
