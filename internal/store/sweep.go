package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/protect"
)

// SweepRow is a due row that nobody took, as the sweeper sees it.
type SweepRow struct {
	Task
	UnleasedSince *time.Time // the first sweep that saw its task active without a lease
}

// WorkTables names the tables that hold rows of work, for the sweeper's rounds.
func (db *DB) WorkTables() []string {
	var names []string
	for _, t := range workTables() {
		names = append(names, t.name)
	}
	return names
}

// SweepBatch returns up to limit rows of a table that are due and were taken by
// nobody, and that Redis was not told of, nor asked about, for the last age;
// longest first.
func (db *DB) SweepBatch(ctx context.Context, table string, age time.Duration, limit int) ([]SweepRow, error) {
	t, err := tableNamed(table)
	if err != nil {
		return nil, err
	}
	rows, err := db.pool.Query(ctx, `
		SELECT task, id, epoch, `+t.lane+`, unleased_since
		FROM `+t.name+`
		WHERE state = 'runnable' AND due_at <= now()
		  AND lease_until IS NULL
		  AND (enqueued_at IS NULL OR enqueued_at <= now() - $1::interval)
		ORDER BY enqueued_at NULLS FIRST
		LIMIT $2`, age, limit)
	if err != nil {
		return nil, fmt.Errorf("sweep %s: %w", table, err)
	}
	batch, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (SweepRow, error) {
		var s SweepRow
		err := r.Scan(&s.Kind, &s.ID, &s.Epoch, &s.Lane, &s.UnleasedSince)
		return s, err
	})
	if err != nil {
		return nil, fmt.Errorf("sweep %s: %w", table, err)
	}
	return batch, nil
}

// LeasesOver returns up to limit rows of a table whose lease ran out, the longest
// abandoned first. They come before the backlog: each was somebody's work in hand.
func (db *DB) LeasesOver(ctx context.Context, table string, limit int) ([]Task, error) {
	t, err := tableNamed(table)
	if err != nil {
		return nil, err
	}
	rows, err := db.pool.Query(ctx, `
		SELECT task, id, epoch, `+t.lane+`
		FROM `+t.name+`
		WHERE state = 'runnable' AND lease_until <= now()
		ORDER BY lease_until
		LIMIT $1`, limit)
	if err != nil {
		return nil, fmt.Errorf("sweep %s: %w", table, err)
	}
	tasks, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (Task, error) {
		var t Task
		err := r.Scan(&t.Kind, &t.ID, &t.Epoch, &t.Lane)
		return t, err
	})
	if err != nil {
		return nil, fmt.Errorf("sweep %s: %w", table, err)
	}
	return tasks, nil
}

// Asked notes that Redis was told of, or asked about, the rows of one table, so
// that the next batch begins with others.
func (db *DB) Asked(ctx context.Context, table string, ids []uuid.UUID) error {
	t, err := tableNamed(table)
	if err != nil {
		return err
	}
	if _, err := db.pool.Exec(ctx, `
		UPDATE `+t.name+`
		SET enqueued_at = now()
		WHERE id = ANY($1)`, ids); err != nil {
		return fmt.Errorf("sweep %s: %w", table, err)
	}
	return nil
}

// Heal raises the epoch of a row whose task or holder is gone, and records why.
// It returns the row's new task; ok is false where the row went on meanwhile.
func (db *DB) Heal(ctx context.Context, t Task, reason string) (next Task, ok bool, err error) {
	table, err := tableOf(t.Kind)
	if err != nil {
		return Task{}, false, err
	}
	id, err := newID()
	if err != nil {
		return Task{}, false, err
	}
	raised := `epoch + 1`
	if !protect.NewEpoch {
		raised = `epoch`
	}
	next = t
	err = db.pool.QueryRow(ctx, `
		WITH healed AS (
			UPDATE `+table.name+`
			SET epoch = `+raised+`, holder = NULL, lease_until = NULL, unleased_since = NULL, enqueued_at = now()
			WHERE id = $1 AND epoch = $2 AND task = $3 AND state = 'runnable'
			  AND (lease_until IS NULL OR lease_until <= now())
			RETURNING epoch
		), noted AS (
			INSERT INTO healings (id, task, row_id, epoch, reason)
			SELECT $4, $3, $1, epoch, $5 FROM healed
		)
		SELECT epoch FROM healed`, t.ID, t.Epoch, t.Kind, id, reason).Scan(&next.Epoch)
	if errors.Is(err, pgx.ErrNoRows) {
		return Task{}, false, nil
	}
	if err != nil {
		return Task{}, false, fmt.Errorf("heal %s: %w", t.Kind, err)
	}
	return next, true, nil
}

// NoteHealing records that a row's task was put back with its epoch kept.
func (db *DB) NoteHealing(ctx context.Context, t Task, reason string) error {
	id, err := newID()
	if err != nil {
		return err
	}
	if _, err := db.pool.Exec(ctx, `
		INSERT INTO healings (id, task, row_id, epoch, reason)
		VALUES ($1, $2, $3, $4, $5)`, id, t.Kind, t.ID, t.Epoch, reason); err != nil {
		return fmt.Errorf("note a healing: %w", err)
	}
	return nil
}

// NoteHealings records that many rows at once were put back.
func (db *DB) NoteHealings(ctx context.Context, count int, reason string) error {
	id, err := newID()
	if err != nil {
		return err
	}
	if _, err := db.pool.Exec(ctx, `
		INSERT INTO healings (id, task, count, reason)
		VALUES ($1, 'all', $2, $3)`, id, count, reason); err != nil {
		return fmt.Errorf("note healings: %w", err)
	}
	return nil
}

// NoteUnleased remembers since when a row's task is active without a lease.
func (db *DB) NoteUnleased(ctx context.Context, t Task, seen bool) error {
	table, err := tableOf(t.Kind)
	if err != nil {
		return err
	}
	if _, err := db.pool.Exec(ctx, `
		UPDATE `+table.name+`
		SET unleased_since = CASE WHEN $3 THEN coalesce(unleased_since, now()) END
		WHERE id = $1 AND epoch = $2`, t.ID, t.Epoch, seen); err != nil {
		return fmt.Errorf("note an unleased %s: %w", t.Kind, err)
	}
	return nil
}
