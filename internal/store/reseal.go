package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// sealedColumn is a column whose values are sealed with SECRET_KEYSET, each for its
// row: the associated data is before, the row's key and after.
type sealedColumn struct {
	table, column string
	key, keyType  string // the table's primary key
	before, after string
}

// sealedColumns is every one of them.
func sealedColumns() []sealedColumn {
	return []sealedColumn{
		{"vault_keys", "sealed", "name", "text", "vault_keys:", ""},
		{"tenants", "database_password", "id", "uuid", "tenant:", ":database_password"},
		{"connections", "access_token", "id", "uuid", "tenant:", ":access_token"},
		{"connections", "refresh_token", "id", "uuid", "tenant:", ":refresh_token"},
		{"event_payloads", "sealed", "event_id", "uuid", "event:", ":body"},
		{"operators", "totp_sealed", "id", "uuid", "operator:", ":totp"},
		{"passkeys", "sealed", "id", "uuid", "passkey:", ""},
	}
}

// Resealing says how values are sealed anew.
type Resealing struct {
	Mark   []byte                                         // what a value begins with that needs nothing done
	Reseal func(sealed []byte, ad string) ([]byte, error) // an error: the value does not open
}

// Resealed is what a pass over everything that is sealed came to.
type Resealed struct {
	Count    int      // values that were sealed by another key
	Unopened []string // TABLE.COLUMN KEY of those that no key of the keyset opens
}

// resealSpan is how many rows are looked through by one statement, so that none is
// long however many payloads there are.
const resealSpan = 10_000

// Reseal seals anew every value that does not begin with the mark, row by row and
// without a lock between them. A value that is replaced meanwhile is left as it is.
// It may be cut off at any moment and be run again, also beside itself.
func (db *DB) Reseal(ctx context.Context, r Resealing) (Resealed, error) {
	var all Resealed
	for _, c := range sealedColumns() {
		if err := db.resealColumn(ctx, c, r, &all); err != nil {
			return all, fmt.Errorf("reseal %s.%s: %w", c.table, c.column, err)
		}
	}
	return all, nil
}

// resealColumn goes through a table in the order of its key, span by span.
func (db *DB) resealColumn(ctx context.Context, c sealedColumn, r Resealing, all *Resealed) error {
	after := ""
	if c.keyType == "uuid" {
		after = uuid.Nil.String()
	}
	for {
		end, err := db.spanEnd(ctx, c, after)
		if err != nil {
			return err
		}
		keys, err := db.sealedOtherwise(ctx, c, r.Mark, after, end)
		if err != nil {
			return err
		}
		for _, key := range keys {
			if err := db.resealValue(ctx, c, key, r, all); err != nil {
				return err
			}
		}
		if end == nil {
			return nil
		}
		after = *end
	}
}

// spanEnd is the last key of the span after a key; nil: the span has no end.
func (db *DB) spanEnd(ctx context.Context, c sealedColumn, after string) (*string, error) {
	var end string
	err := db.pool.QueryRow(ctx, c.sql(`
		SELECT KEY::text
		FROM TABLE
		WHERE KEY > $1::TYPE
		ORDER BY KEY
		OFFSET $2 LIMIT 1`), after, resealSpan-1).Scan(&end)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return &end, err
}

// sealedOtherwise gives the keys of the span's values without the mark.
func (db *DB) sealedOtherwise(ctx context.Context, c sealedColumn, mark []byte, after string, end *string) ([]string, error) {
	statement := `
		SELECT KEY::text
		FROM TABLE
		WHERE KEY > $1::TYPE AND COLUMN IS NOT NULL AND substring(COLUMN FROM 1 FOR $2) <> $3`
	args := []any{after, len(mark), mark}
	if end != nil {
		statement += ` AND KEY <= $4::TYPE`
		args = append(args, *end)
	}
	rows, err := db.pool.Query(ctx, c.sql(statement+` ORDER BY KEY`), args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// resealValue seals one value anew, unless it was replaced since it was read: who
// replaced it sealed another plain text.
func (db *DB) resealValue(ctx context.Context, c sealedColumn, key string, r Resealing, all *Resealed) error {
	var was []byte
	err := db.pool.QueryRow(ctx, c.sql(`
		SELECT COLUMN
		FROM TABLE
		WHERE KEY = $1::TYPE AND COLUMN IS NOT NULL`), key).Scan(&was)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // erased since
	}
	if err != nil {
		return err
	}
	if bytes.HasPrefix(was, r.Mark) {
		return nil // replaced since
	}
	now, err := r.Reseal(was, c.before+key+c.after)
	if err != nil {
		all.Unopened = append(all.Unopened, c.table+"."+c.column+" "+key)
		return nil //nolint:nilerr // the others are none the worse for it
	}
	all.Count++
	_, err = db.pool.Exec(ctx, c.sql(`
		UPDATE TABLE
		SET COLUMN = $2
		WHERE KEY = $1::TYPE AND COLUMN = $3`), key, now, was)
	return err
}

// sql puts the column's own names into a statement.
func (c sealedColumn) sql(statement string) string {
	return strings.NewReplacer("TABLE", c.table, "COLUMN", c.column, "KEY", c.key, "TYPE", c.keyType).Replace(statement)
}
