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

// Lead takes or renews the leader's lease for length, and tells whether holder
// has it.
func (db *DB) Lead(ctx context.Context, name string, holder uuid.UUID, length time.Duration) (bool, error) {
	var mine bool
	err := db.pool.QueryRow(ctx, `
		INSERT INTO leaders AS l (name, holder, lease_until)
		VALUES ($1, $2, now() + $3)
		ON CONFLICT (name) DO UPDATE
		SET holder = excluded.holder, lease_until = excluded.lease_until
		WHERE `+protect.Where(protect.Leader, `(l.holder = excluded.holder OR l.lease_until <= now())`)+`
		RETURNING true`, name, holder, length).Scan(&mine)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("take the leader's lease: %w", err)
	}
	return mine, nil
}

// Resign gives the leader's lease back, so that another process leads at once.
func (db *DB) Resign(ctx context.Context, name string, holder uuid.UUID) error {
	if _, err := db.pool.Exec(ctx, `
		DELETE FROM leaders
		WHERE name = $1 AND holder = $2`, name, holder); err != nil {
		return fmt.Errorf("give back the leader's lease: %w", err)
	}
	return nil
}
