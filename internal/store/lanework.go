package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
)

// LaneWork is what the rows say of a lane.
type LaneWork struct {
	Lane   string
	Due    int        // to be done now, with or without a worker on them
	Leased int        // of those: a worker has them
	Later  int        // postponed to a time
	Held   int        // kept back, so that no tenant fills the lane; at most LaneCounted of a table
	Failed int        // dead letters, at most LaneCounted of a table
	Oldest *time.Time // since when the oldest has been due without a worker
}

// LaneCounted bounds how many held rows, and how many dead letters, of one table are
// counted for a lane: nobody acts differently on more.
const LaneCounted = 10_000

// LaneWorks sums up the rows of each lane: what there is to do also while Redis
// does not answer. Each part is served by a partial index of its rows; the dead
// letters of events by events_failed_lane_idx.
func (db *DB) LaneWorks(ctx context.Context) (map[string]LaneWork, error) {
	var parts []string
	part := func(t workTable, columns, where string) {
		parts = append(parts, `
			SELECT `+t.lane+` AS lane, `+columns+`
			FROM `+t.name+`
			WHERE `+where+`
			GROUP BY 1`)
	}
	counted := func(t workTable, columns, where string) {
		parts = append(parts, fmt.Sprintf(`
			SELECT lane, `+columns+`
			FROM (SELECT %s AS lane FROM %s WHERE %s LIMIT %d) AS c
			GROUP BY 1`, t.lane, t.name, where, LaneCounted))
	}
	for _, t := range workTables() {
		part(t, `
			       count(*) FILTER (WHERE due_at <= now()) AS due,
			       count(*) FILTER (WHERE holder IS NOT NULL AND lease_until > now()) AS leased,
			       count(*) FILTER (WHERE due_at > now()) AS later,
			       0 AS held, 0 AS failed,
			       min(due_at) FILTER (WHERE due_at <= now() AND (lease_until IS NULL OR lease_until <= now())) AS oldest`,
			`state = 'runnable'`)
		const failed, held = `0, 0, 0, 0, count(*), NULL`, `0, 0, 0, count(*), 0, NULL`
		if t.name == "events" { // they are in two lanes, of which one may hide the other
			for _, lane := range []string{LaneEvents, LaneProvisioning} {
				counted(t, failed, `state = 'failed' AND lane = '`+lane+`'`)
			}
		} else {
			counted(t, failed, `state = 'failed'`)
		}
		switch t.name { // those that have a window or a queue
		case "events", "entity_reads", "pages":
			counted(t, held, `state = 'held'`)
		case "runs":
			counted(t, held, `state = 'held' AND status = 'pending'`)
		}
	}
	rows, err := db.pool.Query(ctx, `
		SELECT lane, sum(due)::integer AS due, sum(leased)::integer AS leased, sum(later)::integer AS later,
		       sum(held)::integer AS held, sum(failed)::integer AS failed, min(oldest) AS oldest
		FROM (`+strings.Join(parts, ` UNION ALL `)+`) AS work
		GROUP BY lane`)
	if err != nil {
		return nil, fmt.Errorf("sum up the lanes: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[LaneWork])
	if err != nil {
		return nil, fmt.Errorf("sum up the lanes: %w", err)
	}
	works := make(map[string]LaneWork, len(found))
	for _, w := range found {
		works[w.Lane] = w
	}
	return works, nil
}

// Healing is something that the sweeper put back.
type Healing struct {
	ID     uuid.UUID
	At     time.Time
	Task   string     // the kind of task; "all" where many rows were put back at once
	RowID  *uuid.UUID // nil where many rows were put back at once
	Epoch  *int64
	Count  int
	Reason string
}

// Healings returns what the sweeper put back last, newest first.
func (db *DB) Healings(ctx context.Context, limit int) ([]Healing, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT id, at, task, row_id, epoch, count, reason
		FROM healings
		ORDER BY id DESC
		LIMIT $1`, limit)
	if err != nil {
		return nil, fmt.Errorf("read the healings: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Healing])
	if err != nil {
		return nil, fmt.Errorf("read the healings: %w", err)
	}
	return list, nil
}

// OwnedTask names a row of work, and whose it is.
type OwnedTask struct {
	Kind     string
	ID       uuid.UUID
	TenantID *uuid.UUID // nil where it belongs to no tenant
}

// OwnerOf tells whose a row of work is, or fault.NotFound.
func (db *DB) OwnerOf(ctx context.Context, kind string, id uuid.UUID) (OwnedTask, error) {
	t, err := tableOf(kind)
	if err != nil {
		return OwnedTask{}, fault.New(fault.NotFound, "there is no kind of task called %q", kind)
	}
	o := OwnedTask{Kind: kind, ID: id}
	err = db.pool.QueryRow(ctx, `
		SELECT `+t.key+`
		FROM `+t.name+`
		WHERE id = $1`, id).Scan(&o.TenantID)
	return o, translate(err, "piece of work")
}
