package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// How much one page of a search looks at. A line is some hundred bytes, so that far
// more are looked at than of events' payloads.
const (
	auditMost = 50_000
	auditFor  = 80 * time.Millisecond
)

// auditSays tells of one line whether it says $1, or $2, the same text as PostgreSQL
// spaces it in a document.
const auditSays = `(
	SELECT strpos(s.said, lower($1)) > 0 OR strpos(s.said, lower($2)) > 0
	FROM (SELECT lower(concat_ws(' ', act, actor, subject, address, details::text)) AS said OFFSET 0) AS s
) AS says`

// searchAudit lists the lines that say the text. It looks at the lines that the other
// filters choose, some at a time, until the page is full or has cost enough.
func (db *DB) searchAudit(ctx context.Context, f AuditFilter, limit int) (AuditPage, error) {
	var found []uuid.UUID
	var last uuid.UUID
	s := search{first: 1000, most: auditMost, patience: auditFor}
	whole, err := s.run(ctx, func(size int) (int, bool, error) {
		lines, err := db.lookInAudit(ctx, f, size)
		if err != nil {
			return 0, false, err
		}
		for _, l := range lines {
			if l.Says {
				found = append(found, l.ID)
			}
		}
		if len(lines) > 0 {
			last = lines[len(lines)-1].ID
			f.Cursor = last
		}
		return len(lines), len(found) > limit, nil
	})
	if err != nil {
		return AuditPage{}, err
	}
	var page AuditPage
	switch {
	case len(found) > limit:
		found, page.More = found[:limit], true
	case !whole:
		page.More, page.SearchedTo = true, last
	}
	if len(found) == 0 {
		return page, nil
	}
	rows, err := db.pool.Query(ctx, `SELECT `+auditColumns+` FROM audit WHERE id = ANY($1) ORDER BY id DESC`, found)
	if err != nil {
		return AuditPage{}, fmt.Errorf("search the audit: %w", err)
	}
	if page.Entries, err = pgx.CollectRows(rows, pgx.RowToStructByName[AuditEntry]); err != nil {
		return AuditPage{}, fmt.Errorf("search the audit: %w", err)
	}
	return page, nil
}

// auditLine is a line that was looked at.
type auditLine struct {
	ID   uuid.UUID
	Says bool
}

// lookInAudit looks at up to size lines that the filter chooses, in its direction.
func (db *DB) lookInAudit(ctx context.Context, f AuditFilter, size int) (lines []auditLine, err error) {
	query, args := auditQuery(f, "id, "+auditSays, size, f.Text, spaced(f.Text))
	err = db.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT set_config('statement_timeout', $1, true), set_config('jit', 'off', true)`,
			fmt.Sprint(searchStop.Milliseconds())); err != nil {
			return fmt.Errorf("search the audit: %w", err)
		}
		rows, err := tx.Query(ctx, query, append([]any{pgx.QueryExecModeCacheDescribe}, args...)...)
		if err != nil {
			return fmt.Errorf("search the audit: %w", err)
		}
		if lines, err = pgx.CollectRows(rows, pgx.RowToStructByName[auditLine]); err != nil {
			return fmt.Errorf("search the audit: %w", err)
		}
		return nil
	})
	return lines, err
}

// How much of the audit one export gives.
const (
	AuditExported = 100_000
	exportChunk   = 1000
	exportFor     = time.Minute
)

// AuditCut says why an export is not all of what was asked for.
type AuditCut string

// The reasons.
const (
	AuditWhole   AuditCut = ""     // it is all
	AuditTooMany AuditCut = "many" // there are more than AuditExported
	AuditTooLong AuditCut = "long" // it took too long: a rare text in a large audit
)

// ExportAudit hands the lines that the filter chooses to write, newest first, some at
// a time, and never holds more than those. It tells where and why it ended before the
// end. An error of write ends it.
func (db *DB) ExportAudit(ctx context.Context, f AuditFilter, write func([]AuditEntry) error) (cut AuditCut, to uuid.UUID, err error) {
	return db.exportAudit(ctx, f, AuditExported, exportFor, write)
}

func (db *DB) exportAudit(
	ctx context.Context, f AuditFilter, most int, longest time.Duration, write func([]AuditEntry) error,
) (cut AuditCut, to uuid.UUID, err error) {
	f.Newer = false
	begun := time.Now()
	for left := most; ; {
		page, err := db.auditPage(ctx, f, min(left, exportChunk))
		if err != nil {
			return AuditWhole, f.Cursor, err
		}
		if len(page.Entries) > 0 {
			if err := write(slices.Clip(page.Entries)); err != nil {
				return AuditWhole, f.Cursor, err
			}
			f.Cursor = page.Entries[len(page.Entries)-1].ID
		}
		if page.SearchedTo != uuid.Nil {
			f.Cursor = page.SearchedTo
		}
		left -= len(page.Entries)
		switch {
		case !page.More:
			return AuditWhole, f.Cursor, nil
		case left == 0:
			return AuditTooMany, f.Cursor, nil
		case time.Since(begun) > longest:
			return AuditTooLong, f.Cursor, nil
		}
	}
}
