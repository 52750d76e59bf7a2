package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/protect"
)

// InstallState is what there is to say of the state that an authorization-code flow
// came back with.
type InstallState int

const (
	InstallUnknown InstallState = iota // nobody made it here, or it is long over
	InstallBound                       // it was made for this browser, and is used up now
	InstallForeign                     // it was made for another browser
	InstallExpired                     // it was made for this browser, too long ago
	InstallUsed                        // it was made for this browser, which has used it
)

const (
	// maxInstalls bounds the table: whoever asks for states without end fills no disk.
	// A process counts again after each installsPart that it has begun.
	maxInstalls  = 50_000
	installsPart = 1000
	// installsKept is how long a state that is over is still told from an unknown one.
	installsKept = time.Hour
)

// BeginInstall notes a flow whose state and browser have these hashes; it may come
// back for as long as life. Where far too many are under way the oldest are forgotten:
// who fills the table closes it to nobody.
func (db *DB) BeginInstall(ctx context.Context, stateHash, browserHash []byte, life time.Duration) error {
	if db.installs.Add(1)%installsPart == 1 {
		if err := db.boundInstalls(ctx); err != nil {
			return err
		}
	}
	if _, err := db.pool.Exec(ctx, `
		INSERT INTO installs (state_hash, browser_hash, expires_at)
		VALUES ($1, $2, now() + $3)`, stateHash, browserHash, life); err != nil {
		return fmt.Errorf("begin an installation: %w", err)
	}
	return nil
}

// boundInstalls keeps the newest: all live for as long, so that they are in order.
func (db *DB) boundInstalls(ctx context.Context) error {
	if _, err := db.pool.Exec(ctx, `
		DELETE FROM installs
		WHERE expires_at <= (
			SELECT expires_at
			FROM installs
			ORDER BY expires_at DESC
			OFFSET $1
			LIMIT 1
		)`, maxInstalls); err != nil {
		return fmt.Errorf("bound the installations: %w", err)
	}
	return nil
}

// UseInstall uses up the state with that hash where it was made for the browser
// with that hash. It is InstallBound for one caller only, however many ask at once.
func (db *DB) UseInstall(ctx context.Context, stateHash, browserHash []byte) (InstallState, error) {
	tag, err := db.pool.Exec(ctx, `
		UPDATE installs
		SET used_at = now()
		WHERE state_hash = $1 AND `+protect.Where(protect.BrowserState, `browser_hash = $2`)+`
		  AND `+protect.Where(protect.StateOnce, `used_at IS NULL`)+` AND expires_at > now()`,
		stateHash, browserHash)
	if err != nil {
		return InstallUnknown, fmt.Errorf("use the state of an installation: %w", err)
	}
	if tag.RowsAffected() == 1 {
		return InstallBound, nil
	}
	var mine, used bool
	err = db.pool.QueryRow(ctx, `
		SELECT coalesce(browser_hash = $2, false), used_at IS NOT NULL
		FROM installs
		WHERE state_hash = $1`, stateHash, browserHash).Scan(&mine, &used)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return InstallUnknown, nil
	case err != nil:
		return InstallUnknown, fmt.Errorf("look at the state of an installation: %w", err)
	case !mine:
		return InstallForeign, nil
	case used:
		return InstallUsed, nil
	}
	return InstallExpired, nil
}

// PruneInstalls forgets the flows that have been over for a while.
func (db *DB) PruneInstalls(ctx context.Context) error {
	if _, err := db.pool.Exec(ctx, `
		DELETE FROM installs
		WHERE expires_at < now() - $1::interval`, installsKept); err != nil {
		return fmt.Errorf("forget installations: %w", err)
	}
	return nil
}
