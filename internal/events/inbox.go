// Package events takes verified webhooks in and applies them, each once, to the
// tenant it is about.
package events

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/vault"
)

// The sources of webhooks.
const (
	SourceSalla = "salla"
	SourceClerk = "clerk"
)

// CommitTimeout bounds how long a delivery waits for its commit.
const CommitTimeout = 5 * time.Second

// Inbox verifies deliveries and commits them as events. It is safe for concurrent
// use; its fields are not changed after the first call.
type Inbox struct {
	DB   *store.DB
	Keys *vault.Keys

	Strategy string   // how Salla proves who it is: StrategySignature or StrategyToken
	Secrets  []string // of Salla's webhooks; each is accepted

	// Spool keeps what Receive can't commit of credentials; nil: nothing does.
	Spool *Spool

	// Clerk verifies a delivery of Clerk; nil refuses each.
	Clerk func(header http.Header, body []byte) error
}

// Delivery is one verified request of a source.
type Delivery struct {
	Source     string // SourceSalla or SourceClerk
	Header     http.Header
	Body       []byte // the raw bytes that were verified
	ReceivedAt time.Time
}

// Recorded tells what became of a delivery.
type Recorded struct {
	EventID   uuid.UUID // of the first copy, where this is another
	Duplicate bool
	Tasks     []store.Task // to enqueue
	Spooled   bool         // not committed, but kept on disk until it is: only with an error, of Receive
}

// Record commits a delivery that was verified before. It returns
// fault.Unavailable where PostgreSQL did not commit within CommitTimeout; the
// sender is told to come again.
func (in *Inbox) Record(ctx context.Context, d Delivery) (Recorded, error) {
	event, err := in.event(d)
	if err != nil {
		return Recorded{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, CommitTimeout)
	defer cancel()
	rec, err := in.DB.RecordEvent(ctx, event)
	if errors.Is(err, fault.Invalid) && event.Payload.JSON != nil {
		// jsonb takes less than JSON allows; what it does not take is kept as text.
		event.Payload.Text, event.Payload.JSON = string(event.Payload.JSON), nil
		rec, err = in.DB.RecordEvent(ctx, event)
	}
	if err != nil {
		return Recorded{}, fmt.Errorf("%w: %w", fault.New(fault.Unavailable, "the event could not be committed"), err)
	}
	return Recorded{EventID: rec.ID, Duplicate: rec.Duplicate, Tasks: rec.Tasks}, nil
}

// event is what is kept of a delivery.
func (in *Inbox) event(d Delivery) (store.NewEvent, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return store.NewEvent{}, fmt.Errorf("make an id: %w", err)
	}
	doc, ok := scan(d.Body)
	env := envelopeOf(d.Source, doc, ok)
	hash := sha256.Sum256(d.Body)
	payload := store.Payload{Length: len(d.Body), Hash: hash[:]}
	switch {
	case !ok:
		payload.Text = redactText(d.Body)
	case doc.Fits:
		payload.JSON = doc.Redacted
	default:
		payload.Text = strings.ToValidUTF8(string(doc.Redacted), "\uFFFD")
	}
	if doc.Secret || !ok {
		if payload.Sealed, err = in.Keys.Seal(d.Body, bodyAD(id)); err != nil {
			return store.NewEvent{}, err
		}
	}
	return store.NewEvent{
		ID: id, Key: key(d, env, hash[:]), Source: d.Source, Event: env.Name, Merchant: env.Merchant, Lane: lane(env.Name),
		OccurredAt: env.CreatedAt, ReceivedAt: d.ReceivedAt.UTC(), Headers: kept(d.Header), Failed: env.Failed, Payload: payload,
	}, nil
}

// bodyAD is the associated data of an event's sealed body.
func bodyAD(eventID uuid.UUID) string { return "event:" + eventID.String() + ":body" }

// key is the same for each copy of a delivery: Clerk names its messages, Salla
// does not.
func key(d Delivery, env envelope, bodyHash []byte) []byte {
	h := sha256.New()
	if id := d.Header.Get("svix-id"); d.Source == SourceClerk && id != "" {
		fmt.Fprintf(h, "%s\x00%s", d.Source, id)
	} else {
		merchant := ""
		if env.Merchant != nil {
			merchant = fmt.Sprint(*env.Merchant)
		}
		fmt.Fprintf(h, "%s\x00%s\x00%s\x00%x", d.Source, merchant, env.Name, bodyHash)
	}
	return h.Sum(nil)
}

// lane keeps life-cycle events off the store events' way.
func lane(name string) string {
	if strings.HasPrefix(name, "app.") {
		return store.LaneProvisioning
	}
	return store.LaneEvents
}
