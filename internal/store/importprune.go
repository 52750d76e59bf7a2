package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	pagesKept  = 30 * 24 * time.Hour // after the end of their run
	pruneBatch = 5_000               // pages that are looked at in one statement
	pruneRound = 400                 // statements in one round
)

// PruneImports deletes the pages of runs that ended more than thirty days ago, in
// short statements, up to two million in one round. Runs and their streams stay as
// history, and so does what was given up: a dead letter is an operator's to end.
func (db *DB) PruneImports(ctx context.Context) error {
	low, high := uuid.Nil, idAt(time.Now().Add(-pagesKept))
	for range pruneRound {
		// By pages_pkey: the ids are in the order in which the pages were made.
		err := db.pool.QueryRow(ctx, `
			WITH old AS (
				SELECT id, run_id, state
				FROM pages
				WHERE id > $1 AND id < $2::uuid
				ORDER BY id
				LIMIT $3
			), gone AS (
				DELETE FROM pages AS p
				USING old AS o, runs AS r
				WHERE p.id = o.id AND r.id = o.run_id AND p.state = 'done' AND o.state = 'done'
				  AND r.finished_at < now() - $4::interval
			)
			SELECT id
			FROM old
			ORDER BY id DESC
			LIMIT 1`, low, high, pruneBatch, pagesKept).Scan(&low)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("forget the pages of old imports: %w", err)
		}
	}
	return nil
}
