package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// What became of an attempt at a row of work.
const (
	TryFailed  = "failed"   // it is tried again
	TryGivenUp = "given up" // it is not
	TryDone    = "done"     // it got through, after others had failed
)

// Try is one attempt at a row of work that failed, or the one that got through
// after such. The rows write them themselves: see migrations/control/00023_notes.sql.
type Try struct {
	At      time.Time // when it ended
	Attempt int       // the first is 1
	Outcome string
	Error   string // "" for one that got through
	Process string // what the process calls itself at PostgreSQL; "" where it does not
}

// triesMost bounds what is told of one row.
const triesMost = 50

// Tries returns the newest attempts at a row of work, newest first. There are none
// where the first one got through. Served by tries_row_id_idx.
func (db *DB) Tries(ctx context.Context, row uuid.UUID) ([]Try, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT at, attempt, outcome, coalesce(error, '') AS error, coalesce(process, '') AS process
		FROM tries
		WHERE row_id = $1
		ORDER BY id DESC
		LIMIT $2`, row, triesMost)
	if err != nil {
		return nil, fmt.Errorf("read attempts: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Try])
	if err != nil {
		return nil, fmt.Errorf("read attempts: %w", err)
	}
	return list, nil
}

// How long attempts are kept, and how many are looked at in one statement.
const (
	triesKept  = 30 * 24 * time.Hour
	triesBatch = 5_000
)

// PruneTries deletes the attempts of more than thirty days ago, in short
// statements, up to a million in one round. Served by tries_pkey: the ids are, but
// for moments, in the order of time.
func (db *DB) PruneTries(ctx context.Context) error {
	for range 200 {
		tag, err := db.pool.Exec(ctx, `
			DELETE FROM tries
			WHERE id IN (
				SELECT id
				FROM (SELECT id, at FROM tries ORDER BY id LIMIT $2) AS oldest
				WHERE at < now() - $1::interval)`, triesKept, triesBatch)
		if err != nil {
			return fmt.Errorf("forget old attempts: %w", err)
		}
		if tag.RowsAffected() < triesBatch {
			return nil
		}
	}
	return nil
}
