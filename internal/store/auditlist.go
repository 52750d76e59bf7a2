package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
)

// AuditEntry is one line of the audit: who did what, to what, when and from where.
type AuditEntry struct {
	ID       uuid.UUID
	At       time.Time
	Actor    string // an operator's e-mail, the name of a key, or "wosool@host"
	Act      string // "tenant.suspend"
	TenantID *uuid.UUID
	Subject  string          // what it was done to, in words; "" where the details or the tenant say it
	Details  json.RawMessage // an object; "before" and "after" in it are what the act changed
	Address  string          // where from; "" where that is not known
}

const auditColumns = `id, at, actor, act, tenant_id, coalesce(subject, '') AS subject, details, coalesce(address, '') AS address`

// AuditFilter chooses lines of the audit. Empty fields choose all.
type AuditFilter struct {
	Actor    string
	Acts     []string // any of them; nil: all, empty: none
	TenantID *uuid.UUID
	From, To *time.Time // done then or later, and before
	Text     string     // what the line says, whatever the case
	Cursor   uuid.UUID  // the line after which the page begins; uuid.Nil: the first page
	Newer    bool       // what is just newer than the cursor, instead of older
	Limit    int        // 50 if zero, at most 200
}

// AuditPage is a part of the audit, newest first.
type AuditPage struct {
	Entries []AuditEntry
	More    bool // there may be others beyond the page, in the direction it was asked in

	// Not zero where a search for text looked at enough before the page was full: the
	// last line that it looked at. It goes on with that one as its cursor.
	SearchedTo uuid.UUID
}

// Audit lists the audit, newest first. Times in the wrong order are fault.Invalid.
func (db *DB) Audit(ctx context.Context, f AuditFilter) (AuditPage, error) {
	limit := f.Limit
	if limit <= 0 {
		limit = 50
	}
	return db.auditPage(ctx, f, min(limit, 200))
}

// auditPage is Audit for pages of any size.
func (db *DB) auditPage(ctx context.Context, f AuditFilter, limit int) (AuditPage, error) {
	if err := f.check(); err != nil {
		return AuditPage{}, err
	}
	if f.Acts != nil && len(f.Acts) == 0 {
		return AuditPage{}, nil
	}
	if f.Text != "" {
		return db.searchAudit(ctx, f, limit)
	}
	query, args := auditQuery(f, auditColumns, limit+1)
	// Planned anew each time, as the lists of events are: which index is best depends
	// on the values.
	rows, err := db.pool.Query(ctx, query, append([]any{pgx.QueryExecModeCacheDescribe}, args...)...)
	if err != nil {
		return AuditPage{}, fmt.Errorf("list the audit: %w", err)
	}
	entries, err := pgx.CollectRows(rows, pgx.RowToStructByName[AuditEntry])
	if err != nil {
		return AuditPage{}, fmt.Errorf("list the audit: %w", err)
	}
	page := AuditPage{Entries: entries, More: len(entries) > limit}
	if page.More {
		page.Entries = entries[:limit]
	}
	if f.Newer {
		slices.Reverse(page.Entries)
	}
	return page, nil
}

func (f AuditFilter) check() error {
	if f.From != nil && f.From.Year() < 1970 || f.To != nil && f.To.Year() < 1970 {
		return fault.New(fault.Invalid, "from and to must not be before 1970")
	}
	if f.From != nil && f.To != nil && !f.From.Before(*f.To) {
		return fault.New(fault.Invalid, "from must be before to")
	}
	return nil
}

// auditQuery writes the statement that finds up to limit lines, in the direction of
// the filter. It is served by the primary key, audit_actor_idx, audit_act_idx,
// audit_actor_act_idx or audit_tenant_id_idx: each gives its lines in the order of
// their ids. given are the arguments that the columns have.
func auditQuery(f AuditFilter, columns string, limit int, given ...any) (string, []any) {
	where, args := []string{"true"}, given
	add := func(condition string, arg any) {
		args = append(args, arg)
		where = append(where, fmt.Sprintf(condition, len(args)))
	}
	if f.Actor != "" {
		add("actor = $%d", f.Actor)
	}
	if f.TenantID != nil {
		add("tenant_id = $%d", *f.TenantID)
	}
	if f.From != nil { // an id may be made a little before or after its line's time
		low, _ := idBounds(*f.From, *f.From)
		add("id >= $%d", low)
		add("at >= $%d", *f.From)
	}
	if f.To != nil {
		_, high := idBounds(*f.To, *f.To)
		add("id < $%d", high)
		add("at < $%d", *f.To)
	}
	than, order := "<", "DESC"
	if f.Newer {
		than, order = ">", "ASC"
	}
	if f.Cursor != uuid.Nil {
		add("id "+than+" $%d", f.Cursor)
	}
	if len(f.Acts) == 1 {
		add("act = $%d", f.Acts[0])
	}
	tail := fmt.Sprintf(" ORDER BY id %s LIMIT %d", order, limit)
	conditions := strings.Join(where, " AND ")
	if len(f.Acts) > 1 { // the newest of each act are merged
		args = append(args, f.Acts)
		conditions = fmt.Sprintf(`id = ANY(ARRAY(
			SELECT e.id
			FROM unnest($%d::text[]) AS n (name)
			CROSS JOIN LATERAL (
				SELECT id FROM audit WHERE act = n.name AND %s%s
			) AS e
			ORDER BY e.id %s
			LIMIT %d))`, len(args), conditions, tail, order, limit)
	}
	return `SELECT ` + columns + ` FROM audit WHERE ` + conditions + tail, args
}

// AuditEntry returns one line of the audit, or fault.NotFound.
func (db *DB) AuditEntry(ctx context.Context, id uuid.UUID) (AuditEntry, error) {
	rows, err := db.pool.Query(ctx, `SELECT `+auditColumns+` FROM audit WHERE id = $1`, id)
	if err != nil {
		return AuditEntry{}, fmt.Errorf("read the audit: %w", err)
	}
	e, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[AuditEntry])
	return e, translate(err, "line of the audit")
}

// The most names of acts, and of those who did them, that a filter offers.
const (
	auditActsMost   = 500
	auditActorsMost = 200
)

// AuditActs lists the acts that were ever done, in order. It steps from one to the
// next in audit_act_idx, so that a million of one act cost one step.
func (db *DB) AuditActs(ctx context.Context) ([]string, error) {
	return db.auditNames(ctx, "act", auditActsMost)
}

// AuditActors lists who ever did something, in order, the first two hundred. It steps
// through audit_actor_idx as AuditActs does through its own.
func (db *DB) AuditActors(ctx context.Context) ([]string, error) {
	return db.auditNames(ctx, "actor", auditActorsMost)
}

func (db *DB) auditNames(ctx context.Context, column string, most int) ([]string, error) {
	rows, err := db.pool.Query(ctx, `
		WITH RECURSIVE n AS (
			(SELECT `+column+` AS name FROM audit ORDER BY `+column+` LIMIT 1)
			UNION ALL
			SELECT (SELECT a.`+column+` FROM audit AS a WHERE a.`+column+` > n.name ORDER BY a.`+column+` LIMIT 1)
			FROM n
			WHERE n.name IS NOT NULL
		)
		SELECT name
		FROM n
		WHERE name IS NOT NULL
		LIMIT $1`, most)
	if err != nil {
		return nil, fmt.Errorf("list what the audit has: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list what the audit has: %w", err)
	}
	return names, nil
}
