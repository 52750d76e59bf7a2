package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// RunFilter chooses imports. Zero fields choose all.
type RunFilter struct {
	Status string
	Kind   string
	Tenant *uuid.UUID
	Cursor uuid.UUID // the last id of the page before
	Newer  bool      // what is just newer than the cursor, instead of older
	Limit  int       // 50 if zero, at most 200
}

// RunPage is a part of the list of imports, newest first.
type RunPage struct {
	Runs []Run
	More bool // there are others beyond the page, in the direction it was asked in
}

// AllRuns lists the imports of every tenant, newest first, with the totals of
// their streams.
func (db *DB) AllRuns(ctx context.Context, f RunFilter) (RunPage, error) {
	limit := f.Limit
	if limit <= 0 {
		limit = 50
	}
	limit = min(limit, 200)
	than, order := "<", "DESC"
	if f.Newer {
		than, order = ">", "ASC"
	}
	// Served by runs_pkey, runs_status_idx, runs_kind_idx or runs_tenant_id_idx, by
	// the values: it is planned anew each time.
	rows, err := db.pool.Query(ctx, `
		SELECT `+runColumns+`
		FROM runs
		WHERE ($1 = '' OR status = $1) AND ($2 = '' OR kind = $2)
		  AND ($3::uuid IS NULL OR tenant_id = $3)
		  AND ($4 = '00000000-0000-0000-0000-000000000000'::uuid OR id `+than+` $4)
		ORDER BY id `+order+`
		LIMIT $5`, pgx.QueryExecModeCacheDescribe, f.Status, f.Kind, f.Tenant, f.Cursor, limit+1)
	if err != nil {
		return RunPage{}, fmt.Errorf("list imports: %w", err)
	}
	runs, err := pgx.CollectRows(rows, pgx.RowToStructByName[Run])
	if err != nil {
		return RunPage{}, fmt.Errorf("list imports: %w", err)
	}
	page := RunPage{Runs: runs, More: len(runs) > limit}
	if page.More {
		page.Runs = runs[:limit]
	}
	if f.Newer {
		slices.Reverse(page.Runs)
	}
	ids := make([]uuid.UUID, len(page.Runs))
	for i, r := range page.Runs {
		ids[i] = r.ID
	}
	totals, err := db.streamTotals(ctx, ids)
	if err != nil {
		return RunPage{}, err
	}
	for i, r := range page.Runs {
		page.Runs[i].Streams = totals[r.ID]
	}
	return page, nil
}

// RunWork is how the work on an import stands.
type RunWork struct {
	RunID      uuid.UUID
	Merchant   *int64
	Tenant     string     // its tenant's status
	Suspended  *string    // by whom the tenant is
	Connection *string    // the grant's status; nil: there is none yet
	Queued     bool       // it is held behind another import of its tenant
	DueAt      *time.Time // when its own row, or the first of its pages, goes on
	Attempts   int        // of that row, failed ones
	LastError  *string    // what the last attempt said that did not get through
	Dead       int        // pages that were given up
	Failed     bool       // its own row was given up
	PausedBy   *string    // who paused it, while it is paused
	PausedAt   *time.Time
}

// RunWorks tells how the work on imports stands: on those that are under way, and on
// those that have failed. Served by runs_pkey, pages_unfinished_idx and
// audit_tenant_id_idx.
func (db *DB) RunWorks(ctx context.Context, runs []uuid.UUID) (map[uuid.UUID]RunWork, error) {
	works := make(map[uuid.UUID]RunWork, len(runs))
	if len(runs) == 0 {
		return works, nil
	}
	rows, err := db.pool.Query(ctx, `
		SELECT r.id AS run_id, t.merchant, t.status AS tenant, t.suspended_by AS suspended, c.status AS connection,
		       r.state = 'held' AS queued, r.state = 'failed' AS failed,
		       least(CASE WHEN r.state = 'runnable' THEN r.due_at END, p.due_at) AS due_at,
		       CASE WHEN r.state = 'runnable' THEN r.attempts ELSE coalesce(p.attempts, 0) END AS attempts,
		       coalesce(r.last_error, p.last_error) AS last_error,
		       (SELECT count(*) FROM pages WHERE run_id = r.id AND state <> 'done' AND state = 'failed')::integer AS dead,
		       a.actor AS paused_by, a.at AS paused_at
		FROM runs AS r
		JOIN tenants AS t ON t.id = r.tenant_id
		LEFT JOIN connections AS c ON c.id = r.tenant_id
		LEFT JOIN LATERAL (
			SELECT due_at, attempts, last_error
			FROM pages
			WHERE run_id = r.id AND state <> 'done' AND state = 'runnable'
			ORDER BY due_at
			LIMIT 1
		) AS p ON true
		LEFT JOIN LATERAL (
			SELECT actor, at
			FROM audit
			WHERE r.status = 'paused' AND tenant_id = r.tenant_id AND act = 'import.pause' AND at >= r.created_at
			ORDER BY id DESC
			LIMIT 1
		) AS a ON true
		WHERE r.id = ANY($1) AND (r.finished_at IS NULL OR r.status = 'failed')`, runs)
	if err != nil {
		return nil, fmt.Errorf("read the work of imports: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[RunWork])
	if err != nil {
		return nil, fmt.Errorf("read the work of imports: %w", err)
	}
	for _, w := range found {
		works[w.RunID] = w
	}
	return works, nil
}

// TenantLabel is what a row of a list says of its tenant.
type TenantLabel struct {
	ID          uuid.UUID
	Name        string
	Slug        string
	Merchant    *int64
	Status      string
	SuspendedBy *string
}

// TenantLabels returns what lists say of tenants. One that is gone is not there.
func (db *DB) TenantLabels(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]TenantLabel, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT id, name, slug, merchant, status, suspended_by
		FROM tenants
		WHERE id = ANY($1)`, ids)
	if err != nil {
		return nil, fmt.Errorf("read the names of tenants: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[TenantLabel])
	if err != nil {
		return nil, fmt.Errorf("read the names of tenants: %w", err)
	}
	labels := make(map[uuid.UUID]TenantLabel, len(found))
	for _, l := range found {
		labels[l.ID] = l
	}
	return labels, nil
}
