package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Need is something about tenants that an operator has to look at. It is also
// the name of the list that has them.
type Need string

// What tenants may need an operator for.
const (
	NeedReauthorisation Need = "needs_reauthorisation" // the merchant has to grant access again
	NeedRefreshUnknown  Need = "refresh_unknown"       // nobody knows whether a refresh token was used
	NeedOwner           Need = "owner_invited"         // ready, but its owner has not accepted yet
	NeedOwnerGone       Need = "owner_gone"            // its organization, or whoever was its admin, is gone at Clerk
	NeedImport          Need = "import_incomplete"     // its newest import did not come out whole
)

// TenantNeeds lists every need that tenants can be listed by.
func TenantNeeds() []Need {
	return []Need{NeedReauthorisation, NeedRefreshUnknown, NeedOwner, NeedOwnerGone, NeedImport}
}

// condition is what a tenant (in the table t) that has the need meets. Counts
// and lists use the same, so that they agree.
func (n Need) condition() string {
	switch n {
	case NeedReauthorisation: // by connections_status_idx
		return `t.id IN (SELECT id FROM connections WHERE status = 'needs_reauthorisation')`
	case NeedRefreshUnknown: // by connections_unknown_idx
		return `t.id IN (SELECT id FROM connections WHERE refresh_unknown_at IS NOT NULL AND status = 'refreshing')`
	case NeedOwner: // by tenants_invited_idx
		return `t.clerk_owner = 'invited' AND t.status = 'ready'`
	case NeedOwnerGone: // by the partial indexes of the tombstones, then tenants' own
		const admin = `EXISTS (
			SELECT FROM clerk_memberships AS a
			WHERE a.organization_id = g.clerk_organization_id AND a.deleted_at IS NULL AND a.role = 'org:admin'
		)`
		return `t.status NOT IN ('deprovisioning', 'deleted') AND t.id IN (
			SELECT g.id
			FROM clerk_organizations AS o JOIN tenants AS g ON g.clerk_organization_id = o.id
			WHERE o.deleted_at IS NOT NULL
			UNION ALL
			SELECT g.id
			FROM clerk_users AS u JOIN tenants AS g ON g.clerk_owner_id = u.id
			WHERE u.deleted_at IS NOT NULL AND NOT ` + admin + `
			UNION ALL
			SELECT g.id
			FROM clerk_memberships AS m
			JOIN tenants AS g ON g.clerk_organization_id = m.organization_id AND g.clerk_owner_id = m.user_id
			WHERE (m.deleted_at IS NOT NULL OR m.role <> 'org:admin') AND NOT ` + admin + `
		)`
	case NeedImport: // by runs_unwhole_idx, then runs_tenant_id_idx
		return `t.id IN (
			SELECT r.tenant_id
			FROM (
				SELECT tenant_id, id FROM runs
				WHERE status IN ('incomplete', 'failed')
				ORDER BY id DESC
				LIMIT 20000
			) AS r
			WHERE r.id = (
				SELECT n.id FROM runs AS n
				WHERE n.tenant_id = r.tenant_id AND n.status <> 'cancelled'
				ORDER BY n.id DESC
				LIMIT 1
			))`
	}
	return "false"
}

// manyFailed bounds how far failed rows are counted: nobody acts differently on more.
const manyFailed = 10_000

// Needs counts what needs an operator.
type Needs struct {
	Tenants      map[Need]int
	FailedStores int // tenants whose setting up failed
	FailedEvents int // at most 10,000 are counted
	DeadLetters  int // other work that was given up; at most 10,000 are counted
}

// Needs counts what needs an operator now.
func (db *DB) Needs(ctx context.Context) (Needs, error) {
	n := Needs{Tenants: map[Need]int{}}
	batch := &pgx.Batch{}
	count := func(into *int, sql string) {
		batch.Queue(sql).QueryRow(func(row pgx.Row) error { return row.Scan(into) })
	}
	count(&n.FailedStores, `SELECT count(*) FROM tenants WHERE status = 'failed'`)
	count(&n.FailedEvents, fmt.Sprintf(`
		SELECT count(*) FROM (SELECT FROM events WHERE status = 'failed' LIMIT %d) AS f`, manyFailed))
	count(&n.DeadLetters, fmt.Sprintf(`
		SELECT count(*)
		FROM (
			SELECT FROM entity_reads WHERE state = 'failed'
			UNION ALL SELECT FROM runs WHERE state = 'failed'
			UNION ALL SELECT FROM pages WHERE state = 'failed'
			UNION ALL SELECT FROM connections WHERE state = 'failed'
			UNION ALL SELECT FROM schema_targets WHERE state = 'failed'
			UNION ALL SELECT FROM bulk_acts WHERE state = 'failed'
			UNION ALL SELECT FROM tenants WHERE state = 'failed' AND status <> 'failed'
			LIMIT %d
		) AS f`, manyFailed))
	counts := make([]int, len(TenantNeeds()))
	for i, need := range TenantNeeds() {
		count(&counts[i], `SELECT count(*) FROM tenants AS t WHERE `+need.condition())
	}
	if err := db.pool.SendBatch(ctx, batch).Close(); err != nil {
		return Needs{}, fmt.Errorf("count what needs an operator: %w", err)
	}
	for i, need := range TenantNeeds() {
		n.Tenants[need] = counts[i]
	}
	return n, nil
}

// StoreFilter chooses tenants as the console lists them. Zero values do not filter.
type StoreFilter struct {
	Status string
	Need   Need
	Q      string    // words of the name, or the beginning of domain, slug, merchant or id
	Before uuid.UUID // older than this one
	After  uuid.UUID // newer than this one
	Limit  int
}

// StoreRow is a tenant as the console lists it.
type StoreRow struct {
	ID          uuid.UUID
	Name        string
	Slug        string
	Domain      *string
	Merchant    *int64
	Status      string
	SuspendedBy *string
	Connection  *string // the status of its connection
	Plan        *string
	CreatedAt   time.Time
	ReadyAt     *time.Time
	Records     *int64 // as the newest whole readings of its lists counted them; nil: none was read
	LastEvent   *time.Time
}

// Stores lists tenants, newest first, up to f.Limit and whether there are more
// beyond: on the older side, or with After on the newer one.
func (db *DB) Stores(ctx context.Context, f StoreFilter) (list []StoreRow, more bool, err error) {
	// Q cannot be wider than what the operator API takes.
	where, args := tenantConditions(TenantFilter{Status: f.Status, Q: f.Q, Cursor: f.Before})
	order := "DESC"
	if f.After != uuid.Nil {
		where += " AND id > @after"
		args["after"] = f.After
		order = "ASC"
	}
	if f.Need != "" {
		where += " AND " + f.Need.condition()
	}
	args["limit"] = f.Limit + 1
	// Served by tenants_pkey, tenants_status_idx or the need's own index; then, for
	// each row shown, streams_whole_idx and events_tenant_id_idx.
	rows, err := db.pool.Query(ctx, `
		WITH page AS (
			SELECT id, name, slug, store->>'domain' AS domain, merchant, status, suspended_by,
			       coalesce(app_plan, plan) AS plan, created_at, ready_at
			FROM tenants AS t
			WHERE `+where+`
			ORDER BY id `+order+`
			LIMIT @limit
		)
		SELECT p.id, p.name, p.slug, p.domain, p.merchant, p.status, p.suspended_by, c.status AS connection, p.plan,
		       p.created_at, p.ready_at, r.records, e.received_at AS last_event
		FROM page AS p
		LEFT JOIN connections AS c ON c.id = p.id
		LEFT JOIN LATERAL (
			SELECT sum(n.records)::bigint AS records
			FROM unnest(ARRAY['customers', 'products', 'orders', 'carts']) AS resource,
			LATERAL (`+wholeRecords("p.id")+`) AS n
		) AS r ON true
		LEFT JOIN LATERAL (
			SELECT received_at FROM events WHERE tenant_id = p.id ORDER BY id DESC LIMIT 1
		) AS e ON true
		ORDER BY p.id DESC`, args)
	if err != nil {
		return nil, false, fmt.Errorf("list stores: %w", err)
	}
	list, err = pgx.CollectRows(rows, pgx.RowToStructByName[StoreRow])
	if err != nil {
		return nil, false, fmt.Errorf("list stores: %w", err)
	}
	if more = len(list) > f.Limit; more {
		if f.After != uuid.Nil {
			list = list[1:]
		} else {
			list = list[:f.Limit]
		}
	}
	return slices.Clip(list), more, nil
}

// wholeRecords is SQL for how many records the newest whole reading of a tenant's
// list has stored; the list's name is the column resource.
func wholeRecords(tenantID string) string {
	return `
		SELECT sum(s.imported + s.unchanged) AS records
		FROM streams AS s
		WHERE s.tenant_id = ` + tenantID + ` AND s.resource = resource.resource
		  AND NOT s.until_known AND s.from_date = ''
		  AND s.run_id = (
			SELECT l.run_id FROM streams AS l
			WHERE l.tenant_id = ` + tenantID + ` AND l.resource = resource.resource
			  AND NOT l.until_known AND l.from_date = ''
			ORDER BY l.run_id DESC
			LIMIT 1
		  )`
}

// StepsOf returns the steps of several tenants, each in the order they run.
func (db *DB) StepsOf(ctx context.Context, tenantIDs []uuid.UUID) (map[uuid.UUID][]Step, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT tenant_id, name, status, attempt, started_at, finished_at, error, intent
		FROM steps
		WHERE tenant_id = ANY($1)
		ORDER BY tenant_id, position`, tenantIDs)
	if err != nil {
		return nil, fmt.Errorf("read steps: %w", err)
	}
	type owned struct {
		TenantID uuid.UUID
		Step
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[owned])
	if err != nil {
		return nil, fmt.Errorf("read steps: %w", err)
	}
	steps := make(map[uuid.UUID][]Step, len(tenantIDs))
	for _, s := range found {
		steps[s.TenantID] = append(steps[s.TenantID], s.Step)
	}
	return steps, nil
}

// TenantsOf returns the tenants of some ids, by id.
func (db *DB) TenantsOf(ctx context.Context, ids []uuid.UUID) (map[uuid.UUID]Tenant, error) {
	rows, err := db.pool.Query(ctx, `SELECT `+tenantColumns+` FROM tenants WHERE id = ANY($1)`, ids)
	if err != nil {
		return nil, fmt.Errorf("read tenants: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Tenant])
	if err != nil {
		return nil, fmt.Errorf("read tenants: %w", err)
	}
	tenants := make(map[uuid.UUID]Tenant, len(found))
	for _, t := range found {
		tenants[t.ID] = t
	}
	return tenants, nil
}

// CountNeed counts the tenants that have a need.
func (db *DB) CountNeed(ctx context.Context, need Need) (int, error) {
	var n int
	if err := db.pool.QueryRow(ctx, `SELECT count(*) FROM tenants AS t WHERE `+need.condition()).Scan(&n); err != nil {
		return 0, fmt.Errorf("count tenants: %w", err)
	}
	return n, nil
}
