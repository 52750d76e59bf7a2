package tenantdb

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	pagesKept  = 30 * 24 * time.Hour // from the beginning of their run
	pruneBatch = 5_000               // pages that are forgotten in one statement
	pruneRound = 20                  // statements in one round
)

// prunePages forgets the pages of old runs, a bounded number of them at a time. No
// such run goes on: while one does, no other of the tenant ends, and a page of its
// own that is done is done in the control database too.
func (d *DB) prunePages(ctx context.Context) error {
	before := firstOf(time.Now().Add(-pagesKept))
	for range pruneRound {
		var gone int64
		err := d.with(ctx, func(c *pgx.Conn) error {
			// By import_pages_run_idx: runs' ids tell when they were made.
			tag, err := c.Exec(ctx, `
				DELETE FROM import_pages
				WHERE ctid = ANY(ARRAY(
					SELECT ctid
					FROM import_pages
					WHERE run < $1
					ORDER BY run
					LIMIT $2
				))`, before, pruneBatch)
			gone = tag.RowsAffected()
			return err
		})
		if err != nil || gone < pruneBatch {
			return wrap(err, "forget the pages of old imports")
		}
	}
	return nil
}

// firstOf is the smallest id of an instant: those made before it are smaller.
func firstOf(t time.Time) uuid.UUID {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], uint64(t.UnixMilli())<<16) //nolint:gosec // no time is negative
	return id
}
