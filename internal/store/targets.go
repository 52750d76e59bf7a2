package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Target is one server of tenant databases and the version of the model that
// its template has.
type Target struct {
	ID            uuid.UUID
	Server        string // host:port
	WantedVersion int
	ModelVersion  *int // nil until the template is there
	UpdatedAt     time.Time
	State         string
	LastError     *string
}

const targetColumns = `id, server, wanted_version, model_version, updated_at, state, last_error`

// EnsureTargets records that each server's template is to have the model's
// version. It returns the tasks of the servers where that is not so yet; what
// had failed is tried again.
func (db *DB) EnsureTargets(ctx context.Context, servers []string, version int) ([]Task, error) {
	var tasks []Task
	err := db.inTx(ctx, func(tx pgx.Tx) error {
		for _, server := range servers {
			id, err := newID()
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, `
				INSERT INTO schema_targets AS t (id, server, wanted_version, state)
				VALUES ($1, $2, $3, 'waiting')
				ON CONFLICT (server) DO UPDATE
				SET wanted_version = greatest(t.wanted_version, excluded.wanted_version), updated_at = now()`,
				id, server, version); err != nil {
				return fmt.Errorf("record a schema target: %w", err)
			}
		}
		// What is runnable already has its task; a target that was reached is left.
		rows, err := tx.Query(ctx, `
			SELECT id
			FROM schema_targets
			WHERE server = ANY($1) AND state <> 'runnable' AND wanted_version > coalesce(model_version, 0)
			ORDER BY server`, servers)
		if err != nil {
			return fmt.Errorf("read the schema targets: %w", err)
		}
		behind, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		if err != nil {
			return fmt.Errorf("read the schema targets: %w", err)
		}
		for _, id := range behind {
			task, err := assign(ctx, tx, KindSchemaBootstrap, id)
			if err != nil {
				return err
			}
			tasks = append(tasks, task)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return tasks, nil
}

// Targets returns every server of tenant databases, by name.
func (db *DB) Targets(ctx context.Context) ([]Target, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT `+targetColumns+`
		FROM schema_targets
		ORDER BY server`)
	if err != nil {
		return nil, fmt.Errorf("read the schema targets: %w", err)
	}
	targets, err := pgx.CollectRows(rows, pgx.RowToStructByName[Target])
	if err != nil {
		return nil, fmt.Errorf("read the schema targets: %w", err)
	}
	return targets, nil
}

// Target returns one schema target, or fault.NotFound.
func (db *DB) Target(ctx context.Context, id uuid.UUID) (Target, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT `+targetColumns+`
		FROM schema_targets
		WHERE id = $1`, id)
	if err != nil {
		return Target{}, fmt.Errorf("read the schema target: %w", err)
	}
	t, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Target])
	return t, translate(err, "schema target")
}

// TargetReached records that a server's template has the version, and ends the
// row's work; where a newer version is wanted by now, the row goes on.
func (db *DB) TargetReached(ctx context.Context, l Lease, version int) ([]Task, error) {
	var tasks []Task
	err := db.inTx(ctx, func(tx pgx.Tx) error {
		if err := held(ctx, tx, l, `model_version = greatest(model_version, $3), updated_at = now()`, version); err != nil {
			return err
		}
		var more bool
		if err := tx.QueryRow(ctx, `
			SELECT wanted_version > model_version
			FROM schema_targets
			WHERE id = $1`, l.ID).Scan(&more); err != nil {
			return fmt.Errorf("read the schema target: %w", err)
		}
		if !more {
			return finish(ctx, tx, l)
		}
		task, err := handOn(ctx, tx, l, KindSchemaBootstrap)
		if err != nil {
			return err
		}
		tasks = []Task{task}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return tasks, nil
}
