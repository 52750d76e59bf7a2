package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/protect"
)

// The statuses of a connection.
const (
	ConnectionActive     = "active"
	ConnectionRefreshing = "refreshing"
	ConnectionParked     = "needs_reauthorisation"
	ConnectionRevoked    = "revoked"
)

// Connection is a tenant's grant at Salla. Tokens are sealed.
type Connection struct {
	TenantID         uuid.UUID
	Status           string
	Version          int64 // rises with every grant that is stored
	AccessToken      []byte
	RefreshToken     []byte
	ExpiresAt        *time.Time
	RefreshAt        *time.Time
	Scopes           []string
	GrantedAt        *time.Time // created_at of the authorize that the grant descends from
	RevokedAt        *time.Time // created_at of the last uninstall that revoked a grant
	Attempt          *uuid.UUID // the refresh that is, or was last, under way
	AttemptUntil     *time.Time
	RefreshUnknownAt *time.Time // since when nobody knows whether the refresh token was consumed
	RefreshedAt      *time.Time
	ParkedReason     *string
	Now              time.Time // the database's clock
}

const connectionColumns = `id AS tenant_id, status, version, access_token, refresh_token, expires_at, refresh_at, scopes,
	granted_at, revoked_at, attempt, attempt_until, refresh_unknown_at, refreshed_at, parked_reason, clock_timestamp() AS now`

// SealedGrant is a pair of tokens that is ready to be stored.
type SealedGrant struct {
	Access, Refresh         []byte // sealed for the tenant
	AccessHash, RefreshHash []byte // keyed
	ExpiresAt, RefreshAt    time.Time
	Scopes                  []string
}

// Connection returns a tenant's connection, or fault.NotFound.
func (db *DB) Connection(ctx context.Context, tenantID uuid.UUID) (Connection, error) {
	return connectionWhere(ctx, db.pool, `id = $1`, tenantID)
}

func connectionWhere(ctx context.Context, q querier, where string, args ...any) (Connection, error) {
	rows, err := q.Query(ctx, `SELECT `+connectionColumns+` FROM connections WHERE `+where, args...)
	if err != nil {
		return Connection{}, fmt.Errorf("read connection: %w", err)
	}
	c, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Connection])
	return c, translate(err, "connection")
}

// BeginRefresh claims the one right to use the refresh token of that version, for
// length. ok is false where the connection is not active any more, or not at that
// version: somebody else was faster. After an error nobody knows whether it is
// claimed, nor whether it still will be: FenceRefresh takes it back.
func (db *DB) BeginRefresh(ctx context.Context, tenantID uuid.UUID, version int64, length time.Duration) (attempt uuid.UUID, ok bool, err error) {
	attempt = uuid.New()
	tag, err := db.pool.Exec(ctx, `
		UPDATE connections
		SET status = 'refreshing', attempt = $3, attempt_until = now() + $4, refresh_unknown_at = NULL, updated_at = now()
		WHERE id = $1 AND `+protect.Where(protect.RefreshClaim, `version = $2 AND status = 'active'`),
		tenantID, version, attempt, length)
	if err != nil {
		return attempt, false, fmt.Errorf("begin a refresh: %w", err)
	}
	return attempt, tag.RowsAffected() == 1, nil
}

// CancelRefresh takes the claim back where the attempt and version are still its own:
// it is certain that the refresh token was not used. A connection that was parked
// meanwhile, because nobody knew that, is healed; the tasks are what goes on then.
func (db *DB) CancelRefresh(ctx context.Context, tenantID, attempt uuid.UUID, version int64) ([]Task, error) {
	var tasks []Task
	err := db.inTx(ctx, func(tx pgx.Tx) error {
		tasks = nil
		if _, err := lockTenant(ctx, tx, tenantID); err != nil { // always before the connection
			return err
		}
		c, err := connectionWhere(ctx, tx, `
			id = $1 AND attempt = $2 AND version = $3 AND status IN ('refreshing', 'needs_reauthorisation')
			FOR UPDATE`, tenantID, attempt, version)
		if errors.Is(err, fault.NotFound) {
			return nil // somebody decided otherwise
		}
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `
			UPDATE connections
			SET status = 'active', attempt = NULL, attempt_until = NULL, refresh_unknown_at = NULL, parked_reason = NULL,
			    state = CASE WHEN status = 'needs_reauthorisation' AND state = 'failed' THEN 'done' ELSE state END, updated_at = now()
			WHERE id = $1`, tenantID); err != nil {
			return err
		}
		if c.Status != ConnectionParked {
			return nil
		}
		tasks, err = grantCame(ctx, tx, tenantID)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("take a refresh back: %w", err)
	}
	return tasks, nil
}

// FenceRefresh takes back a claim of which nobody knows whether it was committed, or
// will be: it raises the version, so that a claim that comes late finds nothing. The
// grant is the same; who has read it before reads it again.
func (db *DB) FenceRefresh(ctx context.Context, tenantID, attempt uuid.UUID, version int64) ([]Task, error) {
	tasks, err := db.CancelRefresh(ctx, tenantID, attempt, version)
	if err != nil {
		return nil, err
	}
	if _, err := db.pool.Exec(ctx, `
		UPDATE connections
		SET status = 'active', version = version + 1, attempt = NULL, attempt_until = NULL, refresh_unknown_at = NULL, updated_at = now()
		WHERE id = $1 AND version = $2 AND (status = 'active' OR status = 'refreshing' AND attempt = $3)`,
		tenantID, version, attempt); err != nil {
		return nil, fmt.Errorf("keep a claim that comes late away: %w", err)
	}
	return tasks, nil
}

// UnknownRefresh notes that nobody knows whether the refresh token was used: the
// connection stays refreshing, so that nobody uses it again. The attempt is kept,
// so that an answer that comes late is still taken.
func (db *DB) UnknownRefresh(ctx context.Context, tenantID, attempt uuid.UUID, why string) error {
	return db.writeAttempt(ctx, tenantID, attempt, `
		refresh_unknown_at = coalesce(refresh_unknown_at, now()), parked_reason = $3`, why)
}

// ParkRefresh notes that the refresh token is dead: only a new authorize helps.
func (db *DB) ParkRefresh(ctx context.Context, tenantID, attempt uuid.UUID, why string) error {
	return db.writeAttempt(ctx, tenantID, attempt, `
		status = 'needs_reauthorisation', refresh_unknown_at = NULL, parked_reason = $3`, why)
}

// writeAttempt writes a connection whose refresh under way is still attempt.
// Where it is not, somebody decided otherwise, and nothing is written.
func (db *DB) writeAttempt(ctx context.Context, tenantID, attempt uuid.UUID, set string, args ...any) error {
	if _, err := db.pool.Exec(ctx, `
		UPDATE connections
		SET `+set+`, updated_at = now()
		WHERE id = $1 AND attempt = $2 AND status = 'refreshing'`,
		append([]any{tenantID, attempt}, args...)...); err != nil {
		return fmt.Errorf("end a refresh: %w", err)
	}
	return nil
}

// Abandoned notes that a refresh ended without a word, its time being over.
func (db *DB) Abandoned(ctx context.Context, tenantID uuid.UUID) error {
	return db.abandoned(ctx, `id = $1`, tenantID)
}

const abandonedWords = "a refresh was begun and never ended: nobody knows whether the refresh token was used"

func (db *DB) abandoned(ctx context.Context, where string, args ...any) error {
	if _, err := db.pool.Exec(ctx, `
		UPDATE connections
		SET refresh_unknown_at = now(), parked_reason = '`+abandonedWords+`', updated_at = now()
		WHERE status = 'refreshing' AND refresh_unknown_at IS NULL AND attempt_until <= now() AND `+where, args...); err != nil {
		return fmt.Errorf("note an abandoned refresh: %w", err)
	}
	return nil
}

// Park ends the use of a grant of that version that can neither be used nor
// refreshed: only a new authorize, or the late answer of a refresh, helps. A
// refresh that is still under way is left alone, and ok is false.
func (db *DB) Park(ctx context.Context, tenantID uuid.UUID, version int64, why string) (ok bool, err error) {
	tag, err := db.pool.Exec(ctx, `
		UPDATE connections
		SET status = 'needs_reauthorisation', parked_reason = $3, updated_at = now()
		WHERE id = $1 AND version = $2
		  AND (status = 'active' OR status = 'refreshing' AND (attempt_until <= now() OR refresh_unknown_at IS NOT NULL))`,
		tenantID, version, why)
	if err != nil {
		return false, fmt.Errorf("park a connection: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

// CompleteRefresh stores what a refresh answered, where the attempt and version
// are still its own; also where the connection was parked meanwhile, which it
// heals. stored is false where the grant was replaced or revoked, or the new
// refresh token is one that was held before.
func (db *DB) CompleteRefresh(ctx context.Context, tenantID, attempt uuid.UUID, version int64, g SealedGrant) (stored bool, tasks []Task, err error) {
	err = db.inTx(ctx, func(tx pgx.Tx) error {
		stored, tasks = false, nil
		if _, err := lockTenant(ctx, tx, tenantID); err != nil { // always before the connection
			return err
		}
		c, err := connectionWhere(ctx, tx, `
			id = $1 AND `+protect.Where(protect.RefreshAnswer,
			`attempt = $2 AND version = $3 AND status IN ('refreshing', 'needs_reauthorisation')`)+`
			FOR UPDATE`, tenantID, attempt, version)
		if errors.Is(err, fault.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		fresh, err := rememberToken(ctx, tx, tenantID, g.RefreshHash)
		if err != nil {
			return err
		}
		if !fresh {
			_, err := tx.Exec(ctx, `
				UPDATE connections
				SET refresh_unknown_at = coalesce(refresh_unknown_at, now()), updated_at = now(),
				    parked_reason = 'the refresh was answered with a refresh token that was held before'
				WHERE id = $1`, tenantID)
			return err
		}
		if _, err := tx.Exec(ctx, `
			UPDATE connections
			SET status = 'active', version = version + 1, access_token = $2, refresh_token = $3, access_hash = $4,
			    expires_at = $5, refresh_at = $6, scopes = CASE WHEN cardinality($7::text[]) > 0 THEN $7 ELSE scopes END,
			    attempt = NULL, attempt_until = NULL, refresh_unknown_at = NULL, parked_reason = NULL,
			    refreshed_at = now(), updated_at = now(),
			    state = CASE state WHEN 'failed' THEN 'done' ELSE state END
			WHERE id = $1`,
			tenantID, g.Access, g.Refresh, g.AccessHash, g.ExpiresAt, g.RefreshAt, scopesOf(g)); err != nil {
			return fmt.Errorf("store a refreshed grant: %w", err)
		}
		stored = true
		if c.Status != ConnectionParked {
			return nil
		}
		tasks, err = grantCame(ctx, tx, tenantID)
		return err
	})
	if err != nil {
		return false, nil, fmt.Errorf("complete a refresh: %w", err)
	}
	return stored, tasks, nil
}

// scopesOf gives the scopes as an array that is never null.
func scopesOf(g SealedGrant) []string {
	if g.Scopes == nil {
		return []string{}
	}
	return g.Scopes
}

// rememberToken writes the hash of a refresh token that is about to be stored;
// fresh is false where it was held before, by whichever tenant.
func rememberToken(ctx context.Context, q querier, tenantID uuid.UUID, hash []byte) (fresh bool, err error) {
	tag, err := q.Exec(ctx, `
		INSERT INTO known_tokens (hash, tenant_id)
		VALUES ($1, $2)
		ON CONFLICT (hash) DO NOTHING`, hash, tenantID)
	if err != nil {
		return false, fmt.Errorf("remember a token: %w", err)
	}
	return tag.RowsAffected() == 1 || !protect.KnownToken, nil
}

// grantCame lets go on what waited for a tenant's grant.
func grantCame(ctx context.Context, q querier, tenantID uuid.UUID) ([]Task, error) {
	tasks, err := releaseEvents(ctx, q, tenantID, nil, WaitGrant)
	if err != nil {
		return nil, err
	}
	woken, err := wakeTenantWork(ctx, q, tenantID)
	return append(tasks, woken...), err
}

// RefreshDue makes up to limit refreshes runnable whose time has come, and notes
// refreshes that ended without a word.
func (db *DB) RefreshDue(ctx context.Context, limit int) ([]Task, error) {
	if err := db.abandoned(ctx, `true`); err != nil {
		return nil, err
	}
	rows, err := db.pool.Query(ctx, `
		UPDATE connections AS c
		SET state = 'runnable', epoch = c.epoch + 1, attempts = 0, due_at = now(), enqueued_at = now(), last_error = NULL
		FROM (
			SELECT id
			FROM connections
			WHERE status = 'active' AND state <> 'runnable' AND state <> 'failed' AND refresh_at <= now()
			ORDER BY refresh_at
			LIMIT $1
			FOR UPDATE SKIP LOCKED
		) AS d
		WHERE c.id = d.id
		RETURNING c.id, c.epoch`, limit)
	if err != nil {
		return nil, fmt.Errorf("find refreshes that are due: %w", err)
	}
	tasks, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (Task, error) {
		t := Task{Kind: KindTokenRefresh, Lane: LaneProvisioning}
		err := r.Scan(&t.ID, &t.Epoch)
		return t, err
	})
	if err != nil {
		return nil, fmt.Errorf("find refreshes that are due: %w", err)
	}
	return tasks, nil
}
