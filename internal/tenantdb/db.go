package tenantdb

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/blueprint"
	"github.com/wosool/wosool/internal/fault"
)

// DB is one tenant's database, seen with the tenant's own role. It is safe for
// concurrent use and holds no connection between its calls.
type DB struct {
	pools  *Pools
	target Target
}

// mergeLock is the advisory lock of a tenant database under which imported
// records are written.
const mergeLock = 0x776f736f6f6c // "wosool"

// with runs fn on a connection of its own.
func (d *DB) with(ctx context.Context, fn func(*pgx.Conn) error) error {
	c, err := d.pools.acquire(ctx, d.target)
	if err != nil {
		return err
	}
	defer d.pools.release(d.target, c)
	return translate(fn(c))
}

// How the merge lock is held: by one alone, or by pages of new orders, which only have
// to agree on whose totals are next.
const (
	mergeLockAlone  = "pg_advisory_xact_lock"
	mergeLockShared = "pg_advisory_xact_lock_shared"
)

// merging runs fn in a transaction that holds the merge lock. Its statements go
// by key: a plan made while the tables were still empty must not scan them.
func (d *DB) merging(ctx context.Context, lock string, fn func(pgx.Tx) error) error {
	begin := fmt.Sprintf(`BEGIN; SELECT %s(%d), set_config('enable_seqscan', 'off', true)`, lock, mergeLock)
	return d.with(ctx, func(c *pgx.Conn) error {
		return pgx.BeginTxFunc(ctx, c, pgx.TxOptions{BeginQuery: begin}, fn)
	})
}

// table returns the model's columns of a table of the shape's.
func (d *DB) table(name string) (blueprint.Table, error) {
	t, ok := d.pools.servers.tables[name]
	if !ok {
		return t, fmt.Errorf("the data model has no table %s", name)
	}
	return t, nil
}

// one collects exactly one row, or gives fault.NotFound about what.
func one[T any](rows pgx.Rows, what string) (T, error) {
	v, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[T])
	if errors.Is(err, pgx.ErrNoRows) {
		return v, fault.New(fault.NotFound, "there is no such %s", what)
	}
	return v, err
}

// nilRun stands in rejects for records that no import brought.
var nilRun uuid.UUID
