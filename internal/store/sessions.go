package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
)

// How long a session lasts: without a request, and in all. sessionLives says the
// same in SQL, of the session s.
const (
	SessionIdle   = 12 * time.Hour
	SessionLength = 7 * 24 * time.Hour

	sessionLives = `s.seen_at > now() - interval '12 hours' AND s.created_at > now() - interval '7 days'`
)

// NewSession is a session that begins.
type NewSession struct {
	TokenHash []byte // of the token in the cookie
	Replaces  []byte // the same of the session that the browser had before; nil: none
	Address   string
	Agent     string
}

// Session is a place where an operator is signed in.
type Session struct {
	ID         uuid.UUID
	OperatorID uuid.UUID
	Email      string
	Role       Role
	Address    string // where it was last used
	Agent      string
	CreatedAt  time.Time
	SeenAt     time.Time // its last request, to a minute
}

const sessionColumns = `s.id, s.operator_id, o.email, o.role, s.address, s.agent, s.created_at, s.seen_at`

func beginSession(ctx context.Context, q querier, id, operator uuid.UUID, n NewSession) error {
	if _, err := q.Exec(ctx, `
		DELETE FROM sessions AS s
		WHERE s.token_hash = $1 OR NOT (`+sessionLives+`)`, n.Replaces); err != nil {
		return fmt.Errorf("end old sessions: %w", err)
	}
	if _, err := q.Exec(ctx, `
		INSERT INTO sessions (id, token_hash, operator_id, address, agent)
		VALUES ($1, $2, $3, $4, $5)`, id, n.TokenHash, operator, n.Address, n.Agent); err != nil {
		return fmt.Errorf("begin a session: %w", err)
	}
	return nil
}

// UseSession returns the session of a token, by the token's hash, and notes at
// most once a minute that it was used, and at once from where. It returns fault.NotFound
// where there is none, or where it has ended.
func (db *DB) UseSession(ctx context.Context, tokenHash []byte, address string) (Session, error) {
	return readSession(ctx, db.pool, `
		WITH used AS (
			UPDATE sessions AS s
			SET seen_at = now(), address = $2
			WHERE s.token_hash = $1 AND `+sessionLives+`
				AND (s.seen_at < now() - interval '1 minute' OR s.address <> $2))
		SELECT `+sessionColumns+`
		FROM sessions AS s
		JOIN operators AS o ON o.id = s.operator_id
		WHERE s.token_hash = $1 AND `+sessionLives, tokenHash, address)
}

// SessionRole returns the role of who has a session, without using it, or
// fault.NotFound where it has ended.
func (db *DB) SessionRole(ctx context.Context, id uuid.UUID) (Role, error) {
	s, err := readSession(ctx, db.pool, `
		SELECT `+sessionColumns+`
		FROM sessions AS s
		JOIN operators AS o ON o.id = s.operator_id
		WHERE s.id = $1 AND `+sessionLives, id)
	return s.Role, err
}

func readSession(ctx context.Context, q querier, query string, args ...any) (Session, error) {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return Session{}, fmt.Errorf("read the session: %w", err)
	}
	s, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Session])
	return s, translate(err, "session")
}

// SessionFilter chooses among all sessions: those begun before one of them, or just
// after one, or the newest.
type SessionFilter struct {
	Operator      uuid.UUID // uuid.Nil: everybody's
	Before, After uuid.UUID
	Limit         int
}

// AllSessions returns sessions that have not ended, newest first, and whether there
// are more in the direction that was asked for.
func (db *DB) AllSessions(ctx context.Context, f SessionFilter) (list []Session, more bool, err error) {
	order := "DESC"
	if f.After != uuid.Nil {
		order = "ASC"
	}
	// Ids are in the order of their making. Served by sessions_pkey, or for one
	// operator, who has a few, by sessions_operator_id_idx.
	rows, err := db.pool.Query(ctx, `
		SELECT `+sessionColumns+`
		FROM sessions AS s
		JOIN operators AS o ON o.id = s.operator_id
		WHERE `+sessionLives+`
			AND ($1 = '00000000-0000-0000-0000-000000000000'::uuid OR s.operator_id = $1)
			AND ($2 = '00000000-0000-0000-0000-000000000000'::uuid OR s.id < $2)
			AND s.id > $3
		ORDER BY s.id `+order+`
		LIMIT $4`, f.Operator, f.Before, f.After, f.Limit+1)
	if err != nil {
		return nil, false, fmt.Errorf("list sessions: %w", err)
	}
	list, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Session])
	if err != nil {
		return nil, false, fmt.Errorf("list sessions: %w", err)
	}
	if more = len(list) > f.Limit; more {
		list = list[:f.Limit]
	}
	if f.After != uuid.Nil {
		slices.Reverse(list)
	}
	return list, more, nil
}

// Sessions returns where an operator is signed in, newest first, at most a hundred.
func (db *DB) Sessions(ctx context.Context, operator uuid.UUID) ([]Session, error) {
	// Served by sessions_operator_id_idx.
	rows, err := db.pool.Query(ctx, `
		SELECT `+sessionColumns+`
		FROM sessions AS s
		JOIN operators AS o ON o.id = s.operator_id
		WHERE s.operator_id = $1 AND `+sessionLives+`
		ORDER BY s.created_at DESC
		LIMIT 100`, operator)
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Session])
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return list, nil
}

// EndSession ends one session of an operator: the next request with its token is
// nobody's. act names it in the audit. One that has ended already is fault.NotFound.
func (db *DB) EndSession(ctx context.Context, operator, id uuid.UUID, act string, by Actor) error {
	return db.inTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			DELETE FROM sessions
			WHERE id = $1 AND operator_id = $2`, id, operator)
		if err != nil {
			return fmt.Errorf("end the session: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return fault.New(fault.NotFound, "there is no such session: it has ended already")
		}
		return noteOperator(ctx, tx, by, act, by.Name, map[string]any{"session": id})
	})
}

// RevokeSession ends a session of anybody and returns it. One that has ended already
// is fault.NotFound.
func (db *DB) RevokeSession(ctx context.Context, id uuid.UUID, by Actor) (Session, error) {
	var ended Session
	err := db.inTx(ctx, func(tx pgx.Tx) (err error) {
		ended, err = readSession(ctx, tx, `
			WITH s AS (DELETE FROM sessions WHERE id = $1 RETURNING *)
			SELECT `+sessionColumns+`
			FROM s
			JOIN operators AS o ON o.id = s.operator_id`, id)
		if errors.Is(err, fault.NotFound) {
			return fault.New(fault.NotFound, "there is no such session: it has ended already")
		}
		if err != nil {
			return err
		}
		return noteOperator(ctx, tx, by, "session.revoke", ended.Email, map[string]any{
			"session": id, "before": map[string]any{"address": ended.Address, "agent": ended.Agent},
		})
	})
	return ended, err
}

// EndOtherSessions ends every session of an operator but one, and returns how
// many there were.
func (db *DB) EndOtherSessions(ctx context.Context, operator, except uuid.UUID, by Actor) (int, error) {
	ended := 0
	err := db.inTx(ctx, func(tx pgx.Tx) (err error) {
		if ended, err = endOthers(ctx, tx, operator, except); err != nil {
			return err
		}
		return noteOperator(ctx, tx, by, "session.end_others", by.Name, map[string]any{"sessions": ended})
	})
	return ended, err
}

func endOthers(ctx context.Context, q querier, operator, except uuid.UUID) (int, error) {
	tag, err := q.Exec(ctx, `
		DELETE FROM sessions
		WHERE operator_id = $1 AND id <> $2`, operator, except)
	if err != nil {
		return 0, fmt.Errorf("end the other sessions: %w", err)
	}
	return int(tag.RowsAffected()), nil
}
