package store

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
)

// NoteMost is how many characters a note may have.
const NoteMost = 4000

// Note is what an operator wrote down about a store, for the others.
type Note struct {
	ID        uuid.UUID
	Body      string
	Author    string
	CreatedAt time.Time
	RemovedAt *time.Time // it was taken back; nil: it was not
	RemovedBy *string
}

// Notes lists a tenant's notes, also those that were taken back, newest first: up to
// limit of them before (or with newer after) the cursor, and whether there are more
// in that direction. Served by tenant_notes_tenant_id_idx.
func (db *DB) Notes(ctx context.Context, tenantID, cursor uuid.UUID, newer bool, limit int) (list []Note, more bool, err error) {
	than, order := "<", "DESC"
	if newer {
		than, order = ">", "ASC"
	}
	rows, err := db.pool.Query(ctx, `
		SELECT id, body, author, created_at, removed_at, removed_by
		FROM tenant_notes
		WHERE tenant_id = $1 AND ($2 = '00000000-0000-0000-0000-000000000000'::uuid OR id `+than+` $2)
		ORDER BY id `+order+`
		LIMIT $3`, tenantID, cursor, limit+1)
	if err != nil {
		return nil, false, fmt.Errorf("list notes: %w", err)
	}
	if list, err = pgx.CollectRows(rows, pgx.RowToStructByName[Note]); err != nil {
		return nil, false, fmt.Errorf("list notes: %w", err)
	}
	list, more = pageOf(list, limit, newer)
	return list, more, nil
}

// AddNote writes a note about a tenant. One without text, or longer than NoteMost, is
// fault.Invalid; no such tenant is fault.NotFound.
func (db *DB) AddNote(ctx context.Context, tenantID uuid.UUID, body string, by Actor) (Note, error) {
	n := Note{Body: strings.TrimSpace(strings.ReplaceAll(body, "\r\n", "\n")), Author: by.Name}
	switch {
	case n.Body == "":
		return Note{}, fault.New(fault.Invalid, "the note is empty: nothing was written")
	case utf8.RuneCountInString(n.Body) > NoteMost:
		return Note{}, fault.New(fault.Invalid, "a note has at most %d characters: nothing was written", NoteMost)
	case !utf8.ValidString(n.Body) || strings.ContainsRune(n.Body, 0):
		return Note{}, fault.New(fault.Invalid, "the note is not text: nothing was written")
	}
	var err error
	if n.ID, err = newID(); err != nil {
		return Note{}, err
	}
	err = db.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := tenantWhere(ctx, tx, `id = $1`, tenantID); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, `
			INSERT INTO tenant_notes (id, tenant_id, body, author)
			VALUES ($1, $2, $3, $4)
			RETURNING created_at`, n.ID, tenantID, n.Body, n.Author).Scan(&n.CreatedAt); err != nil {
			return fmt.Errorf("write a note: %w", err)
		}
		return note(ctx, tx, by, "note.add", tenantID, map[string]any{"id": n.ID})
	})
	return n, err
}

// RemoveNote marks a note as taken back; it is kept. Only who wrote it may, or with
// others everybody else's too, else it is fault.Forbidden. A note that is not there is
// fault.NotFound, one that was taken back fault.Conflict.
func (db *DB) RemoveNote(ctx context.Context, tenantID, id uuid.UUID, others bool, by Actor) error {
	return db.inTx(ctx, func(tx pgx.Tx) error {
		var author string
		var removed *time.Time
		if err := tx.QueryRow(ctx, `
			SELECT author, removed_at
			FROM tenant_notes
			WHERE id = $1 AND tenant_id = $2
			FOR UPDATE`, id, tenantID).Scan(&author, &removed); err != nil {
			return translate(err, "note")
		}
		switch {
		case removed != nil:
			return fault.New(fault.Conflict, "the note was removed already")
		case author != by.Name && !others:
			return fault.New(fault.Forbidden, "the note is %s's: only they or an admin may remove it", author)
		}
		if _, err := tx.Exec(ctx, `
			UPDATE tenant_notes
			SET removed_at = now(), removed_by = $2
			WHERE id = $1`, id, by.Name); err != nil {
			return fmt.Errorf("remove a note: %w", err)
		}
		return note(ctx, tx, by, "note.remove", tenantID, map[string]any{"id": id, "author": author})
	})
}

// CountNotes counts a tenant's notes that stand, at most a hundred.
func (db *DB) CountNotes(ctx context.Context, tenantID uuid.UUID) (n int, err error) {
	err = db.pool.QueryRow(ctx, `
		SELECT count(*)
		FROM (
			SELECT FROM tenant_notes
			WHERE tenant_id = $1 AND removed_at IS NULL
			LIMIT 100
		) AS n`, tenantID).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count notes: %w", err)
	}
	return n, nil
}
