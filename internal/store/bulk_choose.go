package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
)

// BulkSubject is one thing that somebody ticked.
type BulkSubject struct {
	ID   uuid.UUID
	Task string // the kind of a row of work; "" for tenants and events
}

// BulkChoice is what a bulk act is to be done to: what was ticked, or all of one list.
type BulkChoice struct {
	Act    string
	Words  string // what was chosen, as people read it
	By     Actor
	Ticked []BulkSubject // of Kind; none: all of the list

	// Exactly one of them is given; it says also of what kind the subjects are.
	Tenants *StoreFilter
	Events  *EventFilter
	Dead    *DeadFilter
}

func (c BulkChoice) kind() string {
	switch {
	case c.Tenants != nil:
		return BulkTenants
	case c.Events != nil:
		return BulkEvents
	}
	return BulkDead
}

// draftsKept is for how long a choice is kept that nobody starts.
const draftsKept = 24 * time.Hour

// ChooseBulk writes down what a bulk act is to be done to, as it is at this moment:
// at most BulkMost subjects, the newest of the list. Nothing is done to them. An act
// that there is not for them, a filter that cannot be read, and a list without a row
// are fault.Invalid.
func (db *DB) ChooseBulk(ctx context.Context, c BulkChoice) (Bulk, error) {
	if !slices.Contains(BulkActs(c.kind()), c.Act) {
		return Bulk{}, fault.New(fault.Invalid, "act must be one of %s", strings.Join(BulkActs(c.kind()), ", "))
	}
	var insert func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (int, error)
	in := db.inTx
	switch {
	case len(c.Ticked) > 0:
		insert = func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (int, error) {
			return insertTicked(ctx, tx, id, c.kind(), c.Ticked)
		}
	case c.Tenants != nil:
		insert = func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (int, error) {
			return insertTenants(ctx, tx, id, *c.Tenants)
		}
	case c.Events != nil:
		insert = func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (int, error) {
			return db.insertEvents(ctx, tx, id, *c.Events)
		}
	default:
		in = func(ctx context.Context, do func(pgx.Tx) error) error { return db.inDeadOrder(ctx, do) }
		insert = func(ctx context.Context, tx pgx.Tx, id uuid.UUID) (int, error) {
			return db.insertDead(ctx, tx, id, *c.Dead)
		}
	}
	var b Bulk
	err := in(ctx, func(tx pgx.Tx) (err error) {
		b, err = chosen(ctx, tx, Bulk{Kind: c.kind(), Act: c.Act, Filter: c.Words}, c.By, insert)
		return err
	})
	return b, err
}

// chosen makes a bulk act with the subjects that insert writes down.
func chosen(
	ctx context.Context, tx pgx.Tx, b Bulk, by Actor, insert func(context.Context, pgx.Tx, uuid.UUID) (int, error),
) (Bulk, error) {
	if err := dropDrafts(ctx, tx); err != nil {
		return Bulk{}, err
	}
	id, err := newID()
	if err != nil {
		return Bulk{}, err
	}
	if _, err := tx.Exec(ctx, `
		INSERT INTO bulk_acts (id, kind, act, filter, actor, address, undo_of)
		VALUES ($1, $2, $3, $4, $5, nullif($6, ''), $7)`,
		id, b.Kind, b.Act, b.Filter, by.Name, by.Address, b.UndoOf); err != nil {
		return Bulk{}, fmt.Errorf("choose: %w", err)
	}
	n, err := insert(ctx, tx, id)
	if err != nil {
		return Bulk{}, err
	}
	if n == 0 {
		return Bulk{}, fault.New(fault.Invalid, "nothing is chosen: there is no such row in the list now")
	}
	if n > BulkMost {
		if _, err := tx.Exec(ctx, `DELETE FROM bulk_items WHERE bulk_id = $1 AND n > $2`, id, BulkMost); err != nil {
			return Bulk{}, fmt.Errorf("choose: %w", err)
		}
	}
	if _, err := tx.Exec(ctx, `
		UPDATE bulk_acts
		SET status = 'ready', total = least($2, $3::integer), beyond = $2 > $3::integer
		WHERE id = $1`, id, n, BulkMost); err != nil {
		return Bulk{}, fmt.Errorf("choose: %w", err)
	}
	name := "bulk.choose"
	if b.UndoOf != nil {
		name = "bulk.undo"
	}
	if b, err = bulkWhere(ctx, tx, `id = $1`, id); err != nil {
		return b, err
	}
	return b, note(ctx, tx, by, name, uuid.Nil, b.noted())
}

// noted is what the audit keeps of an act on a bulk act.
func (b Bulk) noted() map[string]any {
	return map[string]any{
		"bulk": b.ID, "act": b.Act, "of": b.Kind, "filter": b.Filter, "reason": b.Reason, "total": b.Total, "done": b.Done,
		"undo_of": b.UndoOf,
	}
}

// dropDrafts forgets the oldest choices that nobody started. By bulk_acts_drafts_idx.
func dropDrafts(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, `
		DELETE FROM bulk_acts
		WHERE id IN (
			SELECT id
			FROM bulk_acts
			WHERE status IN ('choosing', 'ready') AND created_at < now() - $1::interval
			ORDER BY created_at
			LIMIT 5
			FOR UPDATE SKIP LOCKED
		)`, draftsKept); err != nil {
		return fmt.Errorf("forget old choices: %w", err)
	}
	return nil
}

// insertTicked writes down what was ticked, as far as it is there, in its order.
func insertTicked(ctx context.Context, tx pgx.Tx, id uuid.UUID, kind string, ticked []BulkSubject) (int, error) {
	ids, kinds := make([]uuid.UUID, len(ticked)), make([]string, len(ticked))
	for i, s := range ticked {
		ids[i], kinds[i] = s.ID, s.Task
	}
	from := `SELECT id, '' AS task, id AS tenant_id FROM tenants WHERE id = ANY($2)`
	switch kind {
	case BulkEvents:
		from = `SELECT id, '' AS task, tenant_id FROM events WHERE id = ANY($2)`
	case BulkDead:
		var parts []string
		for _, t := range workTables() {
			parts = append(parts, `SELECT id, task, `+t.key+` AS tenant_id FROM `+t.name+` WHERE id = ANY($2) AND state = 'failed'`)
		}
		from = strings.Join(parts, ` UNION ALL `)
	}
	tag, err := tx.Exec(ctx, `
		INSERT INTO bulk_items (bulk_id, n, subject, task, tenant_id)
		SELECT $1, row_number() OVER (ORDER BY w.place), f.id, f.task, f.tenant_id
		FROM (
			SELECT u.id, u.task, min(u.place) AS place
			FROM unnest($2::uuid[], $3::text[]) WITH ORDINALITY AS u (id, task, place)
			GROUP BY 1, 2
		) AS w
		JOIN (`+from+`) AS f ON f.id = w.id AND f.task = w.task`, id, ids, kinds)
	if err != nil {
		return 0, fmt.Errorf("choose what is ticked: %w", err)
	}
	return int(tag.RowsAffected()), nil
}

// CountStores counts the tenants of a list, all of its pages.
func (db *DB) CountStores(ctx context.Context, f StoreFilter) (n int, err error) {
	where, args := storeConditions(f)
	if err := db.pool.QueryRow(ctx, `SELECT count(*) FROM tenants AS t WHERE `+where, args).Scan(&n); err != nil {
		return 0, fmt.Errorf("count stores: %w", err)
	}
	return n, nil
}

// storeConditions are those of the whole list that Stores gives a page of.
func storeConditions(f StoreFilter) (string, pgx.NamedArgs) {
	where, args := tenantConditions(TenantFilter{Status: f.Status, Q: f.Q})
	if f.Need != "" {
		where += " AND " + f.Need.condition()
	}
	return where, args
}

// insertTenants writes down the tenants of a list. By what serves the list.
func insertTenants(ctx context.Context, tx pgx.Tx, id uuid.UUID, f StoreFilter) (int, error) {
	where, args := storeConditions(f)
	args["bulk"], args["most"] = id, BulkMost+1
	tag, err := tx.Exec(ctx, `
		INSERT INTO bulk_items (bulk_id, n, subject, tenant_id)
		SELECT @bulk, row_number() OVER (ORDER BY c.id DESC), c.id, c.id
		FROM (
			SELECT id
			FROM tenants AS t
			WHERE `+where+`
			ORDER BY id DESC
			LIMIT @most
		) AS c`, args)
	if err != nil {
		return 0, fmt.Errorf("choose tenants: %w", err)
	}
	return int(tag.RowsAffected()), nil
}

// insertEvents writes down the events of a list. By what serves the list.
func (db *DB) insertEvents(ctx context.Context, tx pgx.Tx, id uuid.UUID, f EventFilter) (int, error) {
	f.Cursor, f.Newer = "", false
	if err := f.check(time.Now()); err != nil {
		return 0, err
	}
	if f.Text != "" {
		return db.insertFoundEvents(ctx, tx, id, f)
	}
	query, args, err := db.eventQuery(ctx, f, "id, tenant_id", BulkMost+1)
	if err != nil || query == "" {
		return 0, err
	}
	args = append(args, id)
	tag, err := tx.Exec(ctx, fmt.Sprintf(`
		INSERT INTO bulk_items (bulk_id, n, subject, tenant_id)
		SELECT $%d, row_number() OVER (ORDER BY c.id DESC), c.id, c.tenant_id
		FROM (%s) AS c`, len(args), query), append([]any{pgx.QueryExecModeCacheDescribe}, args...)...)
	if err != nil {
		return 0, fmt.Errorf("choose events: %w", err)
	}
	return int(tag.RowsAffected()), nil
}

// How long payloads are looked through for a choice, and how many at once.
const (
	bulkLookFor = 9 * time.Second
	bulkLook    = 2_000
)

// insertFoundEvents writes down the events whose payload has a text in it. It looks
// at all that the filter chooses, or at none: half a choice would not be what the list
// shows.
func (db *DB) insertFoundEvents(ctx context.Context, tx pgx.Tx, id uuid.UUID, f EventFilter) (int, error) {
	var found []uuid.UUID
	for begun := time.Now(); len(found) <= BulkMost; {
		ids, hits, err := db.lookInPayloads(ctx, f, bulkLook)
		if err != nil {
			return 0, err
		}
		found = append(found, hits...)
		if len(ids) < bulkLook {
			break
		}
		if time.Since(begun) > bulkLookFor {
			return 0, fault.New(fault.Invalid, "there are too many payloads to look through: narrow the list to a shorter time, a merchant or a name")
		}
		f.Cursor = ids[len(ids)-1].String()
	}
	tag, err := tx.Exec(ctx, `
		INSERT INTO bulk_items (bulk_id, n, subject, tenant_id)
		SELECT $1, row_number() OVER (ORDER BY e.id DESC), e.id, e.tenant_id
		FROM events AS e
		WHERE e.id = ANY($2)`, id, found)
	if err != nil {
		return 0, fmt.Errorf("choose events: %w", err)
	}
	return int(tag.RowsAffected()), nil
}

// insertDead writes down the dead letters of a list, table by table. By the indexes
// of dead letters.
func (db *DB) insertDead(ctx context.Context, tx pgx.Tx, id uuid.UUID, f DeadFilter) (n int, err error) {
	f.Cursor, f.Newer = DeadCursor{}, false
	sources, args, err := db.deadSources(ctx, f)
	if err != nil {
		return 0, err
	}
	for _, s := range sources {
		if n > BulkMost {
			break
		}
		columns := `id, task, ` + s.lane + ` AS lane, last_error, ` + s.key + ` AS tenant_id`
		args["bulk"], args["before_n"], args["most"] = id, n, BulkMost+1-n
		tag, err := tx.Exec(ctx, `
			INSERT INTO bulk_items (bulk_id, n, subject, task, tenant_id)
			SELECT @bulk, @before_n::integer + row_number() OVER (), c.id, c.task, c.tenant_id
			FROM (
				SELECT d.id, d.task, d.tenant_id
				FROM (`+s.from(f, columns)+` OFFSET 0) AS d
				WHERE `+strings.Join(append([]string{`true`}, s.rest...), ` AND `)+`
				LIMIT @most
			) AS c`, pgx.QueryExecModeCacheDescribe, args)
		if err != nil {
			return 0, fmt.Errorf("choose dead letters: %w", err)
		}
		n += int(tag.RowsAffected())
	}
	return n, nil
}
