package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/protect"
)

// The statuses of an event; the last three are ends.
const (
	EventReceived = "received"
	EventWaiting  = "waiting"
	EventApplied  = "applied"
	EventIgnored  = "ignored"
	EventFailed   = "failed"
)

// What an event waits for.
const (
	WaitMerchant = "merchant" // a tenant with its merchant
	WaitReady    = "ready"    // its tenant to be set up
	WaitGrant    = "grant"    // a connection that answers
	WaitResume   = "resume"   // its tenant not to be suspended
)

// EventWindow is how many store events of one merchant are runnable at a time.
// The others are held, and released as those end.
const EventWindow = 8

// The lanes that events go to.
const (
	LaneEvents       = "events"
	LaneProvisioning = "provisioning"
)

// Event is one verified delivery, without what it said.
type Event struct {
	ID         uuid.UUID // UUIDv7: ids sort by arrival
	Source     string    // salla or clerk
	Event      string    // the name the source gives
	Merchant   *int64
	TenantID   *uuid.UUID
	Status     string
	WaitingFor *string
	Attempts   int
	Error      *string         // why it was ignored, failed, or did not get through yet
	Headers    json.RawMessage // allow-listed
	OccurredAt *time.Time      // by the source's clock, where it said so
	ReceivedAt time.Time
	AppliedAt  *time.Time
	State      string
	Epoch      int64
}

const eventColumns = `id, source, event, merchant, tenant_id, status, waiting_for, attempts, coalesce(error, last_error) AS error,
	headers, occurred_at, received_at, applied_at, state, epoch`

// NewEvent is a verified delivery that is to be kept.
type NewEvent struct {
	ID         uuid.UUID // UUIDv7
	Key        []byte    // the same for each copy of the delivery
	Source     string
	Event      string
	Merchant   *int64
	Lane       string
	OccurredAt *time.Time
	ReceivedAt time.Time
	Headers    map[string]string
	Failed     string // why it can never be applied; empty: it can
	Payload    Payload
}

// RecordedEvent tells what became of a delivery.
type RecordedEvent struct {
	ID        uuid.UUID // of the first copy, where this is another
	Duplicate bool
	Tasks     []Task
}

// RecordEvent commits a delivery, together with others that come at the same time.
// Another copy of a delivery that is there already, or is being committed at this
// moment, changes nothing. JSON that jsonb cannot hold is fault.Invalid. An error
// does not tell that the event is not committed, where ctx ended or the connection
// was lost.
func (db *DB) RecordEvent(ctx context.Context, e NewEvent) (RecordedEvent, error) {
	headers, err := json.Marshal(e.Headers)
	if err != nil {
		return RecordedEvent{}, fmt.Errorf("encode headers: %w", err)
	}
	if !protect.EventDedupe {
		e.Key = e.ID[:]
	}
	rec := &recording{event: e, headers: headers}
	if err := db.recorder.record(ctx, rec); err != nil {
		return RecordedEvent{}, err
	}
	if rec.room {
		// The event is committed: that it runs a little later is no failure.
		_ = db.inTx(ctx, func(tx pgx.Tx) (err error) {
			rec.out.Tasks, err = fillWindow(ctx, tx, *e.Merchant, false)
			return err
		})
	}
	return rec.out, nil
}

// unfit tells whether PostgreSQL refused data for its value or its depth.
func unfit(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (strings.HasPrefix(pg.Code, "22") || strings.HasPrefix(pg.Code, "54"))
}

// lockSpace keeps our advisory locks apart from other people's. The lowest bit
// tells a merchant's two locks apart, so that none is another merchant's.
const lockSpace = 0x77_6f_73_6f_6f_6c_00_00

// windowLock is the advisory lock of a merchant's window.
func windowLock(merchant int64) int64 { return merchant<<1 ^ lockSpace }

// merchantLock is the advisory lock that orders the making of a merchant's tenant
// and the events that wait for it: there is no row yet to lock.
func merchantLock(merchant int64) int64 { return (merchant<<1 | 1) ^ lockSpace }

// textOrNull gives nil for "".
func textOrNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// EventEnd is how an event ends.
type EventEnd struct {
	Status   string // EventApplied or EventIgnored
	Words    string // why it is ignored; empty for an applied one
	TenantID *uuid.UUID
	Wants    []Want // what has to be read again, of TenantID
}

// ReopenEvent makes the leased event, which had failed, received again: somebody
// ran its archived task.
func (db *DB) ReopenEvent(ctx context.Context, l Lease) error {
	return held(ctx, db.pool, l, `status = 'received', error = NULL`)
}

// FinishEvent ends the leased event, raises what has to be read again and releases
// the merchant's next event, in one transaction.
func (db *DB) FinishEvent(ctx context.Context, l Lease, end EventEnd) ([]Task, error) {
	var tasks []Task
	err := db.inTx(ctx, func(tx pgx.Tx) error {
		if end.TenantID != nil && len(end.Wants) > 0 {
			// The reads refer to the tenant: its row is locked before theirs, as by
			// whoever wakes them.
			if _, err := tx.Exec(ctx, `SELECT FROM tenants WHERE id = $1 FOR KEY SHARE`, *end.TenantID); err != nil {
				return fmt.Errorf("lock the tenant: %w", err)
			}
			raised, err := wantReads(ctx, tx, *end.TenantID, end.Wants)
			if err != nil {
				return err
			}
			tasks = append(tasks, raised...)
		}
		released, err := endEvent(ctx, tx, l, end)
		tasks = append(tasks, released...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return tasks, nil
}

// endEvent writes the end of the leased event and releases the next ones.
func endEvent(ctx context.Context, tx pgx.Tx, l Lease, end EventEnd) ([]Task, error) {
	if err := held(ctx, tx, l, `
		status = $3, waiting_for = NULL, error = $4, tenant_id = coalesce($5, tenant_id),
		applied_at = CASE WHEN $3 = 'applied' THEN now() END,
		state = 'done', holder = NULL, lease_until = NULL, due_at = NULL, last_error = NULL`,
		end.Status, textOrNull(end.Words), end.TenantID); err != nil {
		return nil, err
	}
	return releaseAfter(ctx, tx, l.ID)
}

// GiveUpEvent makes the leased event a dead letter, with its reason, and releases
// the merchant's next one.
func (db *DB) GiveUpEvent(ctx context.Context, l Lease, reason string) ([]Task, error) {
	var tasks []Task
	err := db.inTx(ctx, func(tx pgx.Tx) error {
		if err := held(ctx, tx, l, `status = 'failed', waiting_for = NULL, error = $3`, reason); err != nil {
			return err
		}
		if err := giveUp(ctx, tx, l, reason); err != nil {
			return err
		}
		var err error
		tasks, err = releaseAfter(ctx, tx, l.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return tasks, nil
}

// ReplayEvent makes an event that ended, failed or waits be applied again, and
// notes who asked. An event that is on its way is fault.Conflict.
func (db *DB) ReplayEvent(ctx context.Context, id uuid.UUID, actor Actor) (Event, []Task, error) {
	var event Event
	var task Task
	err := db.inTx(ctx, func(tx pgx.Tx) error {
		var err error
		if event, err = eventWhere(ctx, tx, `id = $1 FOR UPDATE`, id); err != nil {
			return err
		}
		if event.Status == EventReceived {
			return fault.New(fault.Conflict, "the event is received: it is being applied already")
		}
		if _, err := tx.Exec(ctx, `
			UPDATE events
			SET status = 'received', waiting_for = NULL, error = NULL, applied_at = NULL
			WHERE id = $1`, id); err != nil {
			return fmt.Errorf("replay an event: %w", err)
		}
		if task, err = assign(ctx, tx, KindEventApply, id); err != nil {
			return err
		}
		var tenantID uuid.UUID
		if event.TenantID != nil {
			tenantID = *event.TenantID
		}
		details := map[string]any{
			"id": id, "event": event.Event, "was": event.Status,
			"before": map[string]any{"status": event.Status, "waiting_for": event.WaitingFor}, "after": map[string]any{"status": EventReceived, "waiting_for": nil},
		}
		if err := note(ctx, tx, actor, "event.replay", tenantID, details); err != nil {
			return err
		}
		event, err = eventWhere(ctx, tx, `id = $1`, id)
		return err
	})
	if err != nil {
		return Event{}, nil, err
	}
	return event, []Task{task}, nil
}

// eventWhere reads one event; where may end in FOR UPDATE.
func eventWhere(ctx context.Context, q querier, where string, args ...any) (Event, error) {
	rows, err := q.Query(ctx, `SELECT `+eventColumns+` FROM events WHERE `+where, args...)
	if err != nil {
		return Event{}, fmt.Errorf("read event: %w", err)
	}
	e, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Event])
	return e, translate(err, "event")
}
