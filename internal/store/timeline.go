package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
)

// The kinds of what happened to a tenant.
const (
	HappenedEvent  = "event"  // a delivery: Name is its event, Status its status
	HappenedRun    = "run"    // an import began or ended: Name is its kind
	HappenedStep   = "step"   // a step of provisioning began or ended: Name is the step
	HappenedPage   = "page"   // a page was imported: Name is the resource
	HappenedTry    = "try"    // an attempt at work failed, or got through after such: Name is the kind of task
	HappenedHealed = "healed" // the sweeper put work back: Name is the kind of task
	HappenedGrant  = "grant"  // Name is granted, refreshed, revoked or unknown
	HappenedAct    = "act"    // an operator: Name is the act, Who is who
	HappenedNote   = "note"   // an operator wrote a note: Who is who, Status is removed where it was
)

// Happening is one thing that happened to a tenant.
type Happening struct {
	At     time.Time
	Kind   string
	ID     string // of what it happened to
	Name   string
	Status string     // began and ended of runs and steps; else the row's status
	Detail string     // in words: an error, a reason, a count
	Until  *time.Time // when what began has ended
	Who    string
	Link   *uuid.UUID // the event or the run; Over tells which
	Over   string     // what Link is: event, import or ""
}

// TimelineFilter chooses what happened to a tenant.
type TimelineFilter struct {
	Kinds  []string // none: all but pages
	Cursor string   // what TimelinePage.Next gave
	Limit  int
}

// TimelinePage is a part of a tenant's timeline, newest first.
type TimelinePage struct {
	Happenings []Happening
	Next       string // the cursor of what is older; empty at the end
}

// timelineSlack is how many things of one kind may have happened in one
// millisecond, at which a page may end.
const timelineSlack = 50

// idSlack is how far the time in a row's id may be from the time that the row has:
// two clocks were read for them, at different moments.
const idSlack = time.Minute

// Timeline tells what happened to a tenant, newest first. It merges the newest of
// each table by the millisecond. A cursor that cannot be read is fault.Invalid.
func (db *DB) Timeline(ctx context.Context, tenantID uuid.UUID, f TimelineFilter) (TimelinePage, error) {
	after, err := readPlace(f.Cursor)
	if err != nil {
		return TimelinePage{}, err
	}
	merchant, err := db.merchantOf(ctx, tenantID)
	if err != nil {
		return TimelinePage{}, err
	}
	var all []Happening
	for kind, sql := range timelineParts() {
		if len(f.Kinds) == 0 && kind == HappenedPage || len(f.Kinds) > 0 && !slices.Contains(f.Kinds, kind) {
			continue
		}
		args := pgx.NamedArgs{"tenant": tenantID, "merchant": merchant, "limit": f.Limit + 1 + timelineSlack, "before": after.at, "low": uuid.Max}
		if after.set {
			args["low"] = uuid.MustParse(idAt(after.at.Add(idSlack)))
		}
		// Planned anew each time: a plan for any limit reads all that a large store has.
		rows, err := db.pool.Query(ctx, sql, pgx.QueryExecModeCacheDescribe, args)
		if err != nil {
			return TimelinePage{}, fmt.Errorf("read the timeline: %w", err)
		}
		found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Happening])
		if err != nil {
			return TimelinePage{}, fmt.Errorf("read the timeline: %w", err)
		}
		for _, h := range found {
			h.At = h.At.UTC()
			if after.before(placeOf(h)) {
				all = append(all, h)
			}
		}
	}
	slices.SortFunc(all, func(a, b Happening) int {
		if placeOf(a).before(placeOf(b)) {
			return -1
		}
		return 1
	})
	page := TimelinePage{Happenings: all}
	if len(all) > f.Limit {
		page.Happenings = all[:f.Limit]
		page.Next = placeOf(all[f.Limit-1]).String()
	}
	return page, nil
}

// place is where something stands in a timeline.
type place struct {
	set bool
	at  time.Time
	key string // tells apart what happened in the same millisecond
}

// placeOf gives the place of what happened.
func placeOf(h Happening) place {
	return place{set: true, at: h.At.Truncate(time.Millisecond), key: h.Kind + "." + h.ID + "." + h.Name + "." + h.Status}
}

// before tells whether p comes before q in a list of the newest first. What is not
// set comes before everything.
func (p place) before(q place) bool {
	if !p.set {
		return true
	}
	return cmp.Or(q.at.Compare(p.at), cmp.Compare(q.key, p.key)) < 0
}

func (p place) String() string { return strconv.FormatInt(p.at.UnixMilli(), 10) + "~" + p.key }

func readPlace(cursor string) (place, error) {
	if cursor == "" {
		// Later than anything: infinity would not go into a time.
		return place{at: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}, nil
	}
	at, key, ok := strings.Cut(cursor, "~")
	ms, err := strconv.ParseInt(at, 10, 64)
	if !ok || err != nil || ms < 0 || ms > 1<<47 {
		return place{}, fault.New(fault.Invalid, "the cursor is not one that a list gave")
	}
	return place{set: true, at: time.UnixMilli(ms).UTC(), key: key}, nil
}

// timelineParts are the statements of what happened, by kind. Each gives the newest
// that are not after the millisecond @before, of which the ids are below @low. What is
// ordered by an id names its table: the id alone is the text that is given out, by
// which no index is.
func timelineParts() map[string]string {
	const columns = `AS kind, %s AS id, %s AS name, %s AS status, %s AS detail, %s AS until, '' AS who, %s AS link, %s AS over`
	part := func(kind, at, id, name, status, detail, until, link, over, from string) string {
		return fmt.Sprintf(`SELECT at, '`+kind+`' `+columns, id, name, status, detail, until, link, over) +
			` FROM (SELECT ` + at + ` AS at, x.* FROM ` + from + `) AS x
			WHERE at IS NOT NULL AND at < @before::timestamptz + interval '1 millisecond'
			ORDER BY at DESC
			LIMIT @limit`
	}
	return map[string]string{
		// The ids are, but for idSlack, in the order of arrival.
		HappenedEvent: `
			SELECT received_at AS at, 'event' AS kind, id::text AS id, event AS name, status,
			       coalesce(error, CASE status WHEN 'waiting' THEN waiting_for WHEN 'received' THEN last_error END, '') AS detail,
			       applied_at AS until, source AS who, id AS link, 'event' AS over
			FROM (` + eventsOf("id < @low AND received_at < @before::timestamptz + interval '1 millisecond'", "DESC", "@limit", "@tenant", "@merchant") + `) AS e
			ORDER BY e.id DESC
			LIMIT @limit`,
		// Served by runs_tenant_id_idx.
		HappenedRun: `
			SELECT * FROM (` + part(HappenedRun, "coalesce(started_at, created_at)", "id::text", "x.kind", "'began'",
			"array_to_string(resources, ', ')", "finished_at", "id", "'import'",
			"runs AS x WHERE tenant_id = @tenant") + `) AS b
			UNION ALL
			SELECT * FROM (` + part(HappenedRun, "finished_at", "id::text", "x.kind", "x.status",
			"coalesce(reason, '')", "coalesce(started_at, created_at)", "id", "'import'",
			"runs AS x WHERE tenant_id = @tenant AND finished_at IS NOT NULL") + `) AS e
			ORDER BY at DESC
			LIMIT @limit`,
		HappenedStep: part(HappenedStep, "CASE WHEN status IN ('done', 'skipped') THEN finished_at ELSE started_at END",
			"x.name", "x.name", "x.status", "coalesce(error, '')", "started_at", "NULL::uuid", "''",
			"steps AS x WHERE tenant_id = @tenant"),
		// Served by pages_tenant_done_idx.
		HappenedPage: `
			SELECT p.done_at AS at, 'page' AS kind, p.id::text AS id, s.resource AS name, 'done' AS status,
			       concat_ws(' ', 'page', p.seq, '·', p.records, 'records:', p.imported, 'new or changed,', p.unchanged,
			                 'unchanged,', p.rejected, 'rejected') AS detail,
			       NULL::timestamptz AS until, '' AS who, p.run_id AS link, 'import' AS over
			FROM pages AS p
			JOIN streams AS s ON s.id = p.stream_id
			WHERE p.tenant_id = @tenant AND p.done_at < @before::timestamptz + interval '1 millisecond'
			ORDER BY p.done_at DESC
			LIMIT @limit`,
		// The newest five hundred healings of all are looked at, by healings_at_idx.
		HappenedHealed: part(HappenedHealed, "x.healed_at", "id::text", "task", "'healed'", "reason", "NULL::timestamptz",
			"CASE split_part(task, ':', 1) WHEN 'event' THEN row_id END", "CASE split_part(task, ':', 1) WHEN 'event' THEN 'event' ELSE '' END", `(
				SELECT h.id, h.at AS healed_at, h.task, h.reason, h.row_id
				FROM healings AS h
				WHERE h.at < @before::timestamptz + interval '1 millisecond' AND h.row_id IS NOT NULL
				ORDER BY h.at DESC
				LIMIT 500
			) AS x
			WHERE CASE split_part(task, ':', 1)
				WHEN 'tenant' THEN row_id = @tenant
				WHEN 'token' THEN row_id = @tenant
				WHEN 'event' THEN EXISTS (SELECT FROM events AS w WHERE w.id = row_id AND w.tenant_id = @tenant)
				WHEN 'entity' THEN EXISTS (SELECT FROM entity_reads AS w WHERE w.id = row_id AND w.tenant_id = @tenant)
				WHEN 'import' THEN EXISTS (SELECT FROM runs AS w WHERE w.id = row_id AND w.tenant_id = @tenant)
					OR EXISTS (SELECT FROM pages AS w WHERE w.id = row_id AND w.tenant_id = @tenant)
				END`),
		HappenedGrant: part(HappenedGrant, "x.moment", "x.what", "x.what", "x.status", "coalesce(x.why, '')",
			"NULL::timestamptz", "NULL::uuid", "''", `(
				SELECT c.status, m.what, m.moment, m.why
				FROM connections AS c,
				LATERAL (VALUES ('granted', c.created_at, NULL), ('refreshed', c.refreshed_at, NULL),
					('revoked', c.revoked_at, NULL), ('unknown', c.refresh_unknown_at, c.parked_reason),
					('parked', CASE WHEN c.status = 'needs_reauthorisation' THEN c.updated_at END, c.parked_reason)
				) AS m (what, moment, why)
				WHERE c.id = @tenant
			) AS x`),
		// Served by tries_tenant_id_idx; the page's run by pages_pkey.
		HappenedTry: `
			SELECT a.at, 'try' AS kind, a.id::text AS id, a.task AS name, a.outcome AS status,
			       concat_ws(' · ', 'attempt ' || a.attempt, a.error) AS detail,
			       NULL::timestamptz AS until, coalesce(a.process, '') AS who,
			       CASE a.task WHEN 'event:apply' THEN a.row_id WHEN 'import:page' THEN p.run_id
			           WHEN 'import:start' THEN a.row_id WHEN 'import:finish' THEN a.row_id END AS link,
			       CASE split_part(a.task, ':', 1) WHEN 'event' THEN 'event' WHEN 'import' THEN 'import' ELSE '' END AS over
			FROM (
				SELECT * FROM tries
				WHERE tenant_id = @tenant AND at < @before::timestamptz + interval '1 millisecond'
				ORDER BY at DESC
				LIMIT @limit
			) AS a
			LEFT JOIN pages AS p ON a.task = 'import:page' AND p.id = a.row_id`,
		// Served by audit_tenant_id_idx. Notes tell of themselves.
		HappenedAct: `
			SELECT at, 'act' AS kind, id::text AS id, act AS name, '' AS status, coalesce(subject, details->>'reason', '') AS detail,
			       NULL::timestamptz AS until, actor AS who,
			       CASE WHEN act = 'event.replay' AND details->>'id' ~ '^[0-9a-f-]{36}$' THEN (details->>'id')::uuid
			           WHEN act LIKE 'import.%' AND details->>'run' ~ '^[0-9a-f-]{36}$' THEN (details->>'run')::uuid END AS link,
			       CASE WHEN act = 'event.replay' THEN 'event' WHEN act LIKE 'import.%' THEN 'import' ELSE '' END AS over
			FROM audit
			WHERE tenant_id = @tenant AND id < @low AND at < @before::timestamptz + interval '1 millisecond' AND act <> 'note.add'
			ORDER BY audit.id DESC
			LIMIT @limit`,
		// Served by tenant_notes_tenant_id_idx.
		HappenedNote: `
			SELECT created_at AS at, 'note' AS kind, id::text AS id, 'note' AS name,
			       CASE WHEN removed_at IS NULL THEN '' ELSE 'removed' END AS status,
			       CASE WHEN removed_at IS NULL THEN left(body, 200) ELSE '' END AS detail,
			       NULL::timestamptz AS until, author AS who, NULL::uuid AS link, '' AS over
			FROM tenant_notes
			WHERE tenant_id = @tenant AND id < @low AND created_at < @before::timestamptz + interval '1 millisecond'
			ORDER BY tenant_notes.id DESC
			LIMIT @limit`,
	}
}

// StoreCounts are what the tabs of a tenant count.
type StoreCounts struct {
	Records  *int64 // as in StoreRow
	Rejected int64  // by the newest run
	Events   int64  // at most 10,000 are counted
	Failed   int64  // of the events, at most 1,000 are counted
}

// StoreCounts counts what belongs to a tenant. Its failed events are in
// events_dead_merchant_idx and events_dead_tenant_idx: by the tenant alone, all its
// events would be looked through for them.
func (db *DB) StoreCounts(ctx context.Context, tenantID uuid.UUID) (StoreCounts, error) {
	var c StoreCounts
	err := db.pool.QueryRow(ctx, `
		SELECT (
			SELECT sum(n.records)::bigint
			FROM unnest(ARRAY['customers', 'products', 'orders', 'carts']) AS resource,
			LATERAL (`+wholeRecords("$1")+`) AS n
		), (
			SELECT coalesce(sum(rejected), 0)::bigint FROM streams
			WHERE run_id = (SELECT id FROM runs WHERE tenant_id = $1 ORDER BY id DESC LIMIT 1)
		), (
			SELECT count(*) FROM (SELECT FROM events WHERE tenant_id = $1 LIMIT 10000) AS e
		), (
			SELECT count(*) FROM (
				(SELECT FROM events WHERE state = 'failed' AND merchant = (SELECT t.merchant FROM tenants AS t WHERE t.id = $1) LIMIT 1000)
				UNION ALL (SELECT FROM events WHERE state = 'failed' AND tenant_id = $1 AND merchant IS NULL LIMIT 1000)
				LIMIT 1000
			) AS e
		)`, tenantID).Scan(&c.Records, &c.Rejected, &c.Events, &c.Failed)
	if err != nil {
		return StoreCounts{}, fmt.Errorf("count what belongs to a tenant: %w", err)
	}
	return c, nil
}

// eventsOf is SQL for a tenant's events that match a condition, up to a limit from each
// index: events_tenant_id_idx has those that are over, or wait; events_unowned_idx those
// that are on their way or were given up, which may name only the merchant.
func eventsOf(where, order, limit, tenantID, merchant string) string {
	return `
		(SELECT * FROM events WHERE tenant_id = ` + tenantID + ` AND ` + where + ` ORDER BY id ` + order + ` LIMIT ` + limit + `)
		UNION ALL
		(SELECT * FROM events WHERE merchant = ` + merchant + `::bigint AND tenant_id IS NULL AND ` + where + ` ORDER BY id ` + order + ` LIMIT ` + limit + `)`
}

// TenantEvents lists a tenant's events, newest first: up to limit of them before
// (or with newer after) the cursor, and whether there are more in that direction.
func (db *DB) TenantEvents(ctx context.Context, tenantID, cursor uuid.UUID, newer bool, limit int) (list []Event, more bool, err error) {
	merchant, err := db.merchantOf(ctx, tenantID)
	if err != nil {
		return nil, false, err
	}
	than, order := "<", "DESC"
	if newer {
		than, order = ">", "ASC"
	}
	rows, err := db.pool.Query(ctx, `
		SELECT `+eventColumns+`
		FROM (`+eventsOf(`($2 = '00000000-0000-0000-0000-000000000000'::uuid OR id `+than+` $2)`, order, "$3", "$1", "$4")+`) AS e
		ORDER BY id `+order+`
		LIMIT $3`, pgx.QueryExecModeCacheDescribe, tenantID, cursor, limit+1, merchant)
	if err != nil {
		return nil, false, fmt.Errorf("list a tenant's events: %w", err)
	}
	if list, err = pgx.CollectRows(rows, pgx.RowToStructByName[Event]); err != nil {
		return nil, false, fmt.Errorf("list a tenant's events: %w", err)
	}
	list, more = pageOf(list, limit, newer)
	return list, more, nil
}

// pageOf cuts what was read one row beyond a page, and puts it newest first.
func pageOf[T any](list []T, limit int, newer bool) (page []T, more bool) {
	if more = len(list) > limit; more {
		list = list[:limit]
	}
	if newer {
		slices.Reverse(list)
	}
	return list, more
}

// Provider is how a provider outside answers, as far as the work says.
type Provider struct {
	Failing  int        // pieces of work that are tried again because of it
	Limited  int        // pieces of work that wait for its limit of requests
	Error    *string    // what one of the failing ones says
	Answered *time.Time // when work last succeeded that needs it; nil: none did lately
}

// Providers tells how Salla and Clerk answer: by the work that is open now, of
// which a thousand rows are looked at, and by what was last done with their help.
func (db *DB) Providers(ctx context.Context) (sallas, clerks Provider, err error) {
	const work = `
		SELECT last_error, attempts FROM (
			(SELECT last_error, attempts FROM pages WHERE state = 'runnable' AND last_error IS NOT NULL LIMIT 500)
			UNION ALL (SELECT last_error, attempts FROM entity_reads WHERE state = 'runnable' AND last_error IS NOT NULL LIMIT 500)
			UNION ALL (SELECT last_error, attempts FROM tenants WHERE state = 'runnable' AND last_error IS NOT NULL LIMIT 500)
			UNION ALL (SELECT last_error, attempts FROM connections WHERE state = 'runnable' AND last_error IS NOT NULL LIMIT 500)
			UNION ALL (SELECT last_error, attempts FROM runs WHERE state = 'runnable' AND last_error IS NOT NULL LIMIT 500)
		) AS w`
	const last = `
		SELECT max(s.finished_at) FROM steps AS s
		WHERE s.status = 'done' AND s.tenant_id IN (SELECT id FROM tenants ORDER BY id DESC LIMIT 50) AND s.name = `
	err = db.pool.QueryRow(ctx, `
		WITH w AS (`+work+`)
		SELECT count(*) FILTER (WHERE salla AND attempts > 0), count(*) FILTER (WHERE salla AND attempts = 0),
		       max(last_error) FILTER (WHERE salla AND attempts > 0),
		       greatest((SELECT max(done_at) FROM pages), (`+last+`'store')),
		       count(*) FILTER (WHERE clerk AND attempts > 0), count(*) FILTER (WHERE clerk AND attempts = 0),
		       max(last_error) FILTER (WHERE clerk AND attempts > 0), (`+last+`'identity')
		FROM (SELECT last_error, attempts, last_error ILIKE '%salla%' AS salla, last_error ILIKE '%clerk%' AS clerk FROM w) AS w`,
	).Scan(&sallas.Failing, &sallas.Limited, &sallas.Error, &sallas.Answered,
		&clerks.Failing, &clerks.Limited, &clerks.Error, &clerks.Answered)
	if err != nil {
		return Provider{}, Provider{}, fmt.Errorf("read how the providers answer: %w", err)
	}
	return sallas, clerks, nil
}

// StoreWords are what a store told of itself that the console shows.
type StoreWords struct {
	Domain   string `json:"domain"`
	Currency string `json:"currency"`
}

// Words reads what the store told of itself; what it did not tell is empty.
func (t Tenant) Words() StoreWords {
	var w StoreWords
	_ = json.Unmarshal(t.Store, &w) // what can't be read was not told
	return w
}
