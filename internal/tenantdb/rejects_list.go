package tenantdb

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// NoField chooses, as RejectFilter.Field, the rejects that name no field.
const NoField = "-"

// rejectsCounted bounds how many rejects are looked at to count or to group them.
const rejectsCounted = 10_000

// RejectFilter chooses rejects; zero values choose all.
type RejectFilter struct {
	IDs      []uuid.UUID
	Run      uuid.UUID
	Resource string
	SourceID string // of one record, with Resource and Open by rejects_open_idx
	Field    string // or NoField
	// Reason is one as it stands, or one that is like it but for quoted texts, ids
	// and numbers.
	Reason  string
	Open    bool      // only those not settled since; of several of one record the newest, unless Run or IDs choose
	Before  uuid.UUID // the last one's id of the page before
	Records bool      // with the records, which hold personal data
	Limit   int       // at most 201, which is also what 0 means: one more than a page tells whether there is another
}

// rejectShape is SQL for a reason without what differs from record to record.
func rejectShape(reason string) string {
	return `regexp_replace(regexp_replace(regexp_replace(` + reason + `,
		'"[^"]*"|“[^”]*”', '"…"', 'g'),
		'[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\m[0-9a-f]{16,}\M', '…', 'gi'),
		'[0-9]+([.,:][0-9]+)*', '…', 'g')`
}

// newerReject is SQL for whether there is a newer open reject of the record of r.
const newerReject = `EXISTS (
	SELECT
	FROM rejects AS n
	WHERE n.resource = r.resource AND n.key = r.key AND n.redriven_at IS NULL
		AND (n.created_at, n.id) > (r.created_at, r.id))`

// where gives the filter as a condition and its arguments.
func (f RejectFilter) where() (string, []any) {
	list, args := []string{"true"}, []any{}
	add := func(sql string, arg any) {
		args = append(args, arg)
		list = append(list, strings.ReplaceAll(sql, "?", fmt.Sprintf("$%d", len(args))))
	}
	if f.Open {
		list = append(list, "r.redriven_at IS NULL")
		if f.Run == uuid.Nil && len(f.IDs) == 0 {
			list = append(list, "NOT "+newerReject)
		}
	}
	if len(f.IDs) > 0 {
		add("r.id = ANY(?)", f.IDs)
	}
	if f.Run != uuid.Nil {
		add("r.run = ?", f.Run)
	}
	if f.Resource != "" {
		add("r.resource = ?", f.Resource)
	}
	if f.SourceID != "" {
		add("r.key = ?", f.SourceID)
	}
	switch f.Field {
	case "":
	case NoField:
		list = append(list, "r.field IS NULL")
	default:
		add("r.field = ?", f.Field)
	}
	if f.Reason != "" {
		add("(r.reason = ?::text OR "+rejectShape("r.reason")+" = "+rejectShape("?::text")+")", f.Reason)
	}
	if f.Before != uuid.Nil {
		add("r.id < ?", f.Before)
	}
	return strings.Join(list, " AND "), args
}

// Rejects returns rejects, newest first.
func (d *DB) Rejects(ctx context.Context, f RejectFilter) ([]StoredReject, error) {
	if f.Limit <= 0 || f.Limit > 201 {
		f.Limit = 201
	}
	columns := rejectColumns
	if !f.Records {
		columns = strings.Replace(columns, ", record,", ", '' AS record,", 1)
	}
	where, args := f.where()
	var found []StoredReject
	err := d.looking(ctx, func(tx pgx.Tx) error {
		// By rejects_pkey, or by rejects_open_idx where few are open.
		rows, _ := tx.Query(ctx, fmt.Sprintf(`
			SELECT %s
			FROM rejects AS r
			WHERE %s
			ORDER BY id DESC
			LIMIT %d`, columns, where, f.Limit), args...)
		var err error
		found, err = pgx.CollectRows(rows, pgx.RowToStructByName[StoredReject])
		return err
	})
	return found, wrap(err, "list rejects")
}

// RejectGroup is the rejects of one resource that have one field at fault and one
// reason.
type RejectGroup struct {
	Resource string
	Field    string // "" where none is named
	Reason   string // that of the newest, whole
	Count    int
	Newest   time.Time
}

// RejectGroups groups the rejects that a filter chooses, the largest group first,
// at most 50. total is how many they are; where it is more than 10,000 only so
// many were looked at.
func (d *DB) RejectGroups(ctx context.Context, f RejectFilter) (groups []RejectGroup, total int, err error) {
	where, args := f.where()
	err = d.looking(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, fmt.Sprintf(`
			WITH chosen AS (
				SELECT resource, coalesce(field, '') AS field, reason, created_at
				FROM rejects AS r
				WHERE %s
				LIMIT %d
			)
			SELECT resource, field, (array_agg(reason ORDER BY created_at DESC))[1], count(*), max(created_at),
				(sum(count(*)) OVER ())::bigint
			FROM chosen
			GROUP BY resource, field, %s
			ORDER BY count(*) DESC, resource, field, max(created_at) DESC
			LIMIT 50`, where, rejectsCounted+1, rejectShape("reason")), args...)
		if err != nil {
			return err
		}
		var g RejectGroup
		_, err = pgx.ForEachRow(rows, []any{&g.Resource, &g.Field, &g.Reason, &g.Count, &g.Newest, &total}, func() error {
			groups = append(groups, g)
			return nil
		})
		return err
	})
	return groups, total, wrap(err, "group rejects")
}

// RejectCounts counts the rejects that a filter chooses, by resource; all of them
// at most 10,001.
func (d *DB) RejectCounts(ctx context.Context, f RejectFilter) (map[string]int, error) {
	where, args := f.where()
	counts := map[string]int{}
	err := d.looking(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, fmt.Sprintf(`
			SELECT resource, count(*)
			FROM (SELECT resource FROM rejects AS r WHERE %s LIMIT %d) AS chosen
			GROUP BY resource`, where, rejectsCounted+1), args...)
		if err != nil {
			return err
		}
		var resource string
		var n int
		_, err = pgx.ForEachRow(rows, []any{&resource, &n}, func() error {
			counts[resource] = n
			return nil
		})
		return err
	})
	return counts, wrap(err, "count rejects")
}
