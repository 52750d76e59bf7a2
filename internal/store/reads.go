package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/protect"
)

// readWindow is how many entity reads of one tenant are in the queue at a time.
const readWindow = 8

// Want names an entity that has to be read again.
type Want struct {
	Resource string // customers, products, orders or carts
	Entity   string // the source's id
}

// wantReads says that entities have to be read by requests that begin after now,
// and returns the reads that came into the tenant's window. Each entity has one
// row, however often it is wanted.
func wantReads(ctx context.Context, q querier, tenantID uuid.UUID, wants []Want) ([]Task, error) {
	return raiseReads(ctx, q, tenantID, wants, nil)
}

// WantReads wants entities read again.
func (db *DB) WantReads(ctx context.Context, tenantID uuid.UUID, wants []Want) (tasks []Task, err error) {
	err = db.inTx(ctx, func(tx pgx.Tx) error {
		tasks, err = wantReads(ctx, tx, tenantID, wants)
		return err
	})
	return tasks, err
}

// raiseReads raises wanted_at. A read that is under way finds out when it ends; a
// finished or failed one gets a new epoch. Rows are written in one order, so that
// two raisers never wait for each other in a circle.
func raiseReads(ctx context.Context, q querier, tenantID uuid.UUID, wants []Want, unseen *uuid.UUID) ([]Task, error) {
	if len(wants) == 0 {
		return nil, nil
	}
	wants = slices.Clone(wants)
	slices.SortFunc(wants, func(a, b Want) int {
		return cmp.Or(cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Entity, b.Entity))
	})
	wants = slices.Compact(wants)
	ids, resources, entities := make([]uuid.UUID, len(wants)), make([]string, len(wants)), make([]string, len(wants))
	for i, w := range wants {
		id, err := newID()
		if err != nil {
			return nil, err
		}
		ids[i], resources[i], entities[i] = id, w.Resource, w.Entity
	}
	if err := keepTenant(ctx, q, tenantID); err != nil {
		return nil, err
	}
	if _, err := q.Exec(ctx, `
		INSERT INTO entity_reads AS r (id, tenant_id, resource, entity, wanted_at, unseen_run, state, due_at, enqueued_at)
		SELECT w.id, $1, w.resource, w.entity, clock_timestamp(), $5, 'held', NULL, NULL
		FROM unnest($2::uuid[], $3::text[], $4::text[]) AS w (id, resource, entity)
		ORDER BY w.resource, w.entity
		ON CONFLICT (tenant_id, resource, entity) DO UPDATE
		SET wanted_at = clock_timestamp(), unseen_run = excluded.unseen_run,
		    epoch = r.epoch + CASE WHEN r.state IN ('done', 'failed') THEN 1 ELSE 0 END,
		    attempts = CASE WHEN r.state IN ('done', 'failed') THEN 0 ELSE r.attempts END,
		    last_error = CASE WHEN r.state IN ('done', 'failed') THEN NULL ELSE r.last_error END,
		    due_at = CASE WHEN r.state IN ('done', 'failed') THEN NULL ELSE r.due_at END,
		    state = CASE WHEN r.state IN ('done', 'failed') THEN 'held' ELSE r.state END`,
		tenantID, ids, resources, entities, unseen); err != nil {
		return nil, fmt.Errorf("want entity reads: %w", err)
	}
	return releaseReads(ctx, q, tenantID)
}

// releaseReads fills a tenant's window with its oldest held reads.
func releaseReads(ctx context.Context, q querier, tenantID uuid.UUID) ([]Task, error) {
	rows, err := q.Query(ctx, `
		UPDATE entity_reads AS r
		SET state = 'runnable', due_at = now(), enqueued_at = now()
		FROM (
			SELECT h.id
			FROM entity_reads AS h
			WHERE h.tenant_id = $1 AND h.state = 'held'
			ORDER BY h.id
			LIMIT greatest($2 - (SELECT count(*) FROM entity_reads AS w WHERE w.tenant_id = $1 AND w.state = 'runnable'), 0)
			FOR UPDATE OF h SKIP LOCKED
		) AS n
		WHERE r.id = n.id
		RETURNING r.task, r.id, r.epoch, 'events'`, tenantID, readWindow)
	return collectTasks(rows, err, "release entity reads")
}

// EntityRead is a wanted read and all that it needs.
type EntityRead struct {
	ID           uuid.UUID
	TenantID     uuid.UUID
	Resource     string
	Entity       string
	UnseenRun    *uuid.UUID // the run whose whole pass did not see the entity
	Merchant     *int64
	TenantStatus string
	Began        time.Time // the database's clock, before the request
}

// BeginRead returns the read of a lease, or fault.NotFound. Its Began is what
// FinishRead compares with the instant of the last want.
func (db *DB) BeginRead(ctx context.Context, l Lease) (EntityRead, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT e.id, e.tenant_id, e.resource, e.entity, e.unseen_run, t.merchant, t.status AS tenant_status,
		       clock_timestamp() AS began
		FROM entity_reads AS e
		JOIN tenants AS t ON t.id = e.tenant_id
		WHERE e.id = $1`, l.ID)
	if err != nil {
		return EntityRead{}, fmt.Errorf("read entity read: %w", err)
	}
	r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[EntityRead])
	return r, translate(err, "entity read")
}

// FinishRead ends the leased read where its request began after the entity was
// last wanted; else it hands the read on, to be done again. Where it ended, the
// tenant's next read comes into the window.
func (db *DB) FinishRead(ctx context.Context, l Lease, began time.Time) (tasks []Task, err error) {
	err = db.inTx(ctx, func(tx pgx.Tx) error {
		var tenantID uuid.UUID
		var fresh bool
		err := tx.QueryRow(ctx, `
			UPDATE entity_reads
			SET read_at = $3, unseen_run = CASE WHEN wanted_at < $3 THEN NULL ELSE unseen_run END
			WHERE `+isHolder()+`
			RETURNING tenant_id, wanted_at < $3`, l.ID, l.Holder, began).Scan(&tenantID, &fresh)
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.ErrLost
		}
		if err != nil {
			return fmt.Errorf("finish entity read: %w", err)
		}
		if !fresh && protect.ReadAgain {
			next, err := handOn(ctx, tx, l, KindEntityRead)
			tasks = []Task{next}
			return err
		}
		if err := finish(ctx, tx, l); err != nil {
			return err
		}
		tasks, err = releaseReads(ctx, tx, tenantID)
		return err
	})
	return tasks, err
}

// Clock returns the database's own time, by which wants and reads are ordered.
func (db *DB) Clock(ctx context.Context) (time.Time, error) {
	var now time.Time
	if err := db.pool.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&now); err != nil {
		return now, fmt.Errorf("read the database's clock: %w", err)
	}
	return now, nil
}
