package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// The rules of bulk acts are SQL, and the same for the dry run and for the act: what
// is said of an item before is what becomes of it, unless it changes meanwhile.

// bulkRule is SQL over the subject's row for why an item is passed over (” where the
// act is done to it), and for what is to be known of one that it is done to.
type bulkRule struct{ why, note string }

// changedSince is SQL for whether somebody suspended or resumed the tenant after the
// act that is to be taken back. By audit_tenant_id_idx.
const changedSince = `EXISTS (
	SELECT FROM audit AS a
	WHERE a.tenant_id = i.subject AND a.id > (i.before->>'mark')::uuid
	  AND a.act IN ('tenant.suspend', 'tenant.resume') AND a.details->>'bulk' IS DISTINCT FROM b.undo_of::text)`

// tenantRule is the rule of an act on tenants; t is the tenant's row.
func tenantRule(act string) bulkRule {
	r := bulkRule{note: `''`}
	switch act {
	case BulkRetry: // as RetryTenant
		r.why = `WHEN t.state <> 'failed' THEN 'nothing of it has failed: it is ' || t.status`
	case BulkImport: // as ImportTenant
		r.why = `WHEN t.status <> 'ready' THEN 'it is ' || t.status || ', and only a ready store is imported'`
		// By runs_open_key or runs_tenant_id_idx.
		r.note = `CASE WHEN EXISTS (
			SELECT FROM runs AS r
			WHERE r.tenant_id = t.id AND r.status IN ('pending', 'running', 'waiting', 'paused')
		) THEN 'another import of it is open: this one is queued behind it' ELSE '' END`
	case BulkSuspend: // as suspendTenant
		r.why = `
			WHEN t.status IN ('pending', 'provisioning', 'ready', 'failed') THEN ''
			WHEN t.status = 'suspended' AND t.task = 'tenant:resume' AND t.state <> 'done' THEN ''
			WHEN t.status = 'suspended' THEN 'it is suspended already'
			WHEN true THEN 'it is ' || t.status`
	case BulkResume: // as resumeTenant
		const absent = `NOT t.installed AND NOT (t.by_hand AND t.lifecycle_at IS NULL)`
		r.why = `
			WHEN t.status <> 'suspended' THEN 'it is not suspended: it is ' || t.status
			WHEN t.suspended_by = 'uninstall' AND ` + absent + ` THEN 'its app is uninstalled: it goes on when the store installs the app again'
			WHEN t.task = 'tenant:resume' AND t.state IN ('runnable', 'waiting') THEN 'it is being resumed already'`
		r.note = `CASE WHEN ` + absent + ` THEN 'its app is uninstalled: only the suspension by an operator is lifted' ELSE '' END`
	}
	return r
}

// bulkVerdicts is SQL for (n, why, note) of the pending items of the bulk act $1, or
// of its item $2 alone.
func bulkVerdicts(b Bulk, alone bool) string {
	from := func(r bulkRule, join, gone, where string) string {
		if alone {
			where += ` AND i.n = $2`
		}
		if b.UndoOf != nil {
			r.why = `WHEN ` + changedSince + ` THEN 'somebody has suspended or resumed it since' ` + r.why
		}
		return `
			SELECT i.n, CASE WHEN ` + gone + ` ` + r.why + ` ELSE '' END AS why, ` + r.note + ` AS note
			FROM bulk_items AS i
			JOIN bulk_acts AS b ON b.id = i.bulk_id
			LEFT JOIN ` + join + `
			WHERE i.bulk_id = $1 AND i.state = 'pending'` + where
	}
	switch b.Kind {
	case BulkTenants:
		return from(tenantRule(b.Act), `tenants AS t ON t.id = i.subject`, `t.id IS NULL THEN 'it is gone'`, ``)
	case BulkEvents:
		// The payload is looked for by its key, in the one day that can have it.
		return from(bulkRule{
			why: `
			WHEN e.status = 'received' THEN 'it is on its way already'
			WHEN (SELECT p.event_id FROM event_payloads AS p WHERE p.event_id = i.subject LIMIT 1) IS NULL THEN 'what it said is no longer kept'`,
			note: `''`,
		}, `events AS e ON e.id = i.subject`, `e.id IS NULL THEN 'it is gone'`, ``)
	}
	var parts []string
	for _, t := range workTables() {
		kinds := slices.DeleteFunc(WorkKinds(), func(kind string) bool {
			of, err := tableOf(kind)
			return err != nil || of.name != t.name
		})
		parts = append(parts, from(bulkRule{why: `WHEN w.state <> 'failed' THEN 'it is not failed any more: its row is ' || w.state`, note: `''`},
			t.name+` AS w ON w.id = i.subject AND w.task = i.task`, `w.id IS NULL THEN 'it went on, or is gone'`,
			` AND i.task IN ('`+strings.Join(kinds, `', '`)+`')`))
	}
	return strings.Join(parts, ` UNION ALL `)
}

// bulkSample is how many items a dry run shows of each that it says.
const bulkSample = 5

// BulkVerdict is what a dry run says of some of the items.
type BulkVerdict struct {
	Why    string // why they are passed over; "" where the act would be done to them
	Note   string // what is to be known of them
	N      int
	Sample []BulkItem `db:"-"`

	Numbers []int // of the sample
}

// BulkPreview says what a bulk act would do to the items that are still to be done,
// by the rules that it goes by: what it is done to first, then the most.
func (db *DB) BulkPreview(ctx context.Context, b Bulk) ([]BulkVerdict, error) {
	// By bulk_items_state_idx, then the key of the subject's table.
	rows, err := db.pool.Query(ctx, `
		SELECT v.why, v.note, count(*)::integer AS n, (array_agg(v.n ORDER BY v.n))[1:$2] AS numbers
		FROM (`+bulkVerdicts(b, false)+`) AS v
		GROUP BY v.why, v.note
		ORDER BY v.why <> '', 3 DESC, v.why, v.note`, b.ID, bulkSample)
	if err != nil {
		return nil, fmt.Errorf("say what a bulk act would do: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[BulkVerdict])
	if err != nil {
		return nil, fmt.Errorf("say what a bulk act would do: %w", err)
	}
	for i, v := range list {
		if list[i].Sample, err = db.bulkItemsWhere(ctx, b, `i.n = ANY($2)`, bulkSample, v.Numbers); err != nil {
			return nil, err
		}
	}
	return list, nil
}
