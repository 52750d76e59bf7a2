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

// A dead letter is a row of work in the state failed. It is grouped with others of
// its kind by its reason, in which ids and numbers are left out.

// deadReason is SQL for a reason without what differs from row to row. Links and
// ids go before numbers, which are parts of them. The indexes of dead letters by
// their reasons have it in the same words.
const deadReason = `
	regexp_replace(regexp_replace(regexp_replace(coalesce(last_error, ''),
		'https?://[^[:space:]"]+', '…', 'g'),
		'[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\m(org|user|orginv|sess)_[[:alnum:]]+|\m[0-9a-f]{16,}\M', '…', 'gi'),
		'[0-9]+([.,:][0-9]+)*', '…', 'g')`

// deadKey is SQL for the name of a row's group, fit for an address.
const deadKey = `md5(task || ' ' || ` + deadReason + `)`

// failedAt is SQL for when a row failed: giving up leaves that in due_at.
const failedAt = `coalesce(due_at, enqueued_at, 'epoch'::timestamptz)`

// deadSample bounds how many dead letters of one table are looked at to group
// them: those that failed last.
const deadSample = 500

// deadTotal bounds how far the dead letters of one table are counted.
const deadTotal = 10_000

// WorkKinds lists the kinds of task that can leave a dead letter.
func WorkKinds() []string {
	return []string{
		KindTenantProvision, KindTenantSuspend, KindTenantResume, KindTenantDeprovision, KindSchemaBootstrap,
		KindTokenRefresh, KindEventApply, KindEntityRead, KindImportStart, KindImportPage, KindImportFinish,
		KindBulkApply,
	}
}

// DeadGroup is the dead letters of one kind of task that have one reason.
type DeadGroup struct {
	Key    string // names the group
	Task   string // the kind of task
	Reason string // whole where it is the same for all, else without ids and numbers
	Count  int
	Newest time.Time // when the newest of them failed
}

// DeadSummary is all dead letters, grouped.
type DeadSummary struct {
	Groups []DeadGroup // largest first
	Total  int         // all there are, also those that were not looked at
	More   bool        // there are more than Total: a table has more than are counted
}

// DeadLetters groups the dead letters of all tables by their reasons. Of each table
// the newest 500 are looked at, since telling a row's reason takes PostgreSQL longer
// than finding it, and up to 10,000 are counted.
func (db *DB) DeadLetters(ctx context.Context) (DeadSummary, error) {
	var parts, counts []string
	for _, t := range workTables() {
		parts = append(parts, `
			(SELECT task, last_error, `+deadReason+` AS reason, `+failedAt+` AS failed_at
			 FROM `+t.name+`
			 WHERE state = 'failed'
			 ORDER BY `+failedAt+` DESC, id DESC
			 LIMIT `+fmt.Sprint(deadSample)+`)`)
		counts = append(counts, fmt.Sprintf(`(SELECT count(*) FROM (SELECT FROM %s WHERE state = 'failed' LIMIT %d) AS f)`, t.name, deadTotal+1))
	}
	var s DeadSummary
	if err := db.pool.QueryRow(ctx, `
		SELECT sum(least(n, $1))::integer, bool_or(n > $1)
		FROM unnest(ARRAY[`+strings.Join(counts, `, `)+`]) AS n`, deadTotal).Scan(&s.Total, &s.More); err != nil {
		return DeadSummary{}, fmt.Errorf("count the dead letters: %w", err)
	}
	if s.Total == 0 {
		return s, nil
	}
	rows, err := db.pool.Query(ctx, `
		SELECT md5(task || ' ' || dead.reason) AS key, task,
		       coalesce(CASE WHEN count(DISTINCT last_error) = 1 THEN min(last_error) END, dead.reason) AS reason,
		       count(*)::integer AS count, max(failed_at) AS newest
		FROM (`+strings.Join(parts, ` UNION ALL `)+`) AS dead
		GROUP BY task, dead.reason
		ORDER BY count DESC, newest DESC`)
	if err != nil {
		return DeadSummary{}, fmt.Errorf("group the dead letters: %w", err)
	}
	if s.Groups, err = pgx.CollectRows(rows, pgx.RowToStructByName[DeadGroup]); err != nil {
		return DeadSummary{}, fmt.Errorf("group the dead letters: %w", err)
	}
	return s, nil
}

// DeadFilter chooses dead letters. Empty fields choose all.
type DeadFilter struct {
	Task     string // the kind of task
	Lane     string
	Merchant *int64
	TenantID *uuid.UUID
	Reason   string    // what the reason has in it, whatever the case; or the key of a group
	After    time.Time // failed then or later
	Before   time.Time // failed before

	Cursor DeadCursor
	Newer  bool // what is just newer than the cursor, instead of older
	Limit  int  // 50 if zero, at most 200
}

// All tells whether the filter chooses every dead letter.
func (f DeadFilter) All() bool {
	return f.Task == "" && f.Lane == "" && f.Merchant == nil && f.TenantID == nil && f.Reason == "" &&
		f.After.IsZero() && f.Before.IsZero()
}

// words is the filter as the audit keeps it.
func (f DeadFilter) words() map[string]any {
	w := map[string]any{}
	for name, text := range map[string]string{"task": f.Task, "lane": f.Lane, "reason": f.Reason} {
		if text != "" {
			w[name] = text
		}
	}
	for name, t := range map[string]time.Time{"after": f.After, "before": f.Before} {
		if !t.IsZero() {
			w[name] = t.UTC().Format(time.RFC3339Nano)
		}
	}
	if f.Merchant != nil {
		w["merchant"] = *f.Merchant
	}
	if f.TenantID != nil {
		w["tenant"] = *f.TenantID
	}
	return w
}

// IsDeadKey tells whether text has the form of a group's key.
func IsDeadKey(text string) bool {
	return len(text) == 32 && strings.Trim(text, "0123456789abcdef") == ""
}

// deadSource is where some of the chosen dead letters are: rows of one table that
// an index gives in the order in which they failed (base), of which each is then
// looked at (rest), up to window of them at a time.
type deadSource struct {
	workTable
	merchant   string // SQL for the merchant that the row names
	base, rest []string
	window     int
}

// How many rows a page of a list looks at where each has to be looked at. Telling
// a row's group takes longer than reading it.
const (
	deadWindow      = 8_000
	deadGroupWindow = 5_000
)

// deadSources says where the chosen dead letters are. What is no kind of task is
// fault.Invalid.
func (db *DB) deadSources(ctx context.Context, f DeadFilter) ([]deadSource, pgx.NamedArgs, error) {
	if f.Task != "" && !slices.Contains(WorkKinds(), f.Task) {
		return nil, nil, fault.New(fault.Invalid, "task must be one of %s", strings.Join(WorkKinds(), ", "))
	}
	whose, err := db.deadOwner(ctx, f)
	if err != nil || whose.none {
		return nil, nil, err
	}
	args := pgx.NamedArgs{
		"task": f.Task, "lane": f.Lane, "reason": f.Reason, "merchant": whose.merchant, "tenant": whose.tenant,
		"before": f.Before, "after": f.After, "at": f.Cursor.FailedAt, "id": f.Cursor.ID,
	}
	var list []deadSource
	for _, t := range workTables() {
		if table, _ := tableOf(f.Task); f.Task != "" && table.name != t.name {
			continue
		}
		for _, s := range whose.sources(t) {
			if s, ok := s.narrowed(f, whose); ok {
				list = append(list, s)
			}
		}
	}
	return list, args, nil
}

// narrowed adds the conditions of the filter; false where the source has none of
// what it chooses. Served by the table's index _dead_idx or, of one store, by
// _dead_merchant_idx or _dead_tenant_idx, or, of one reason, by _dead_reason_idx.
func (s deadSource) narrowed(f DeadFilter, whose deadOwner) (deadSource, bool) {
	s.base = append([]string{`state = 'failed'`}, s.base...)
	s.window = deadWindow
	if !f.After.IsZero() {
		s.base = append(s.base, failedAt+` >= @after`)
	}
	if !f.Before.IsZero() {
		s.base = append(s.base, failedAt+` < @before`)
	}
	if f.Task != "" && (s.name == "tenants" || s.name == "runs") { // they have several kinds
		s.rest = append(s.rest, `task = @task`)
	}
	switch {
	case f.Lane == "":
	case s.name == "events":
		s.rest = append(s.rest, `lane = @lane`)
	case s.lane != "'"+f.Lane+"'":
		return s, false
	}
	switch {
	case f.Reason == "":
	case !IsDeadKey(f.Reason):
		s.rest = append(s.rest, `strpos(lower(coalesce(last_error, '')), lower(@reason)) > 0`)
	case whose.all && slices.Contains([]string{"events", "pages", "entity_reads"}, s.name):
		s.base = append(s.base, deadKey+` = @reason`)
	default:
		s.rest, s.window = append(s.rest, deadKey+` = @reason`), deadGroupWindow
	}
	return s, true
}

// deadOwner is whose dead letters are chosen.
type deadOwner struct {
	all, none bool
	tenant    *uuid.UUID
	merchant  *int64
}

// deadOwner finds out which tenant and merchant belong together: an event that
// failed may name only its merchant.
func (db *DB) deadOwner(ctx context.Context, f DeadFilter) (deadOwner, error) {
	if f.TenantID == nil && f.Merchant == nil {
		return deadOwner{all: true}, nil
	}
	where, arg := `id = $1`, any(f.TenantID)
	if f.TenantID == nil {
		where, arg = `merchant = $1`, f.Merchant
	}
	rows, err := db.pool.Query(ctx, `SELECT id, merchant FROM tenants WHERE `+where, arg)
	if err != nil {
		return deadOwner{}, fmt.Errorf("find whose dead letters are meant: %w", err)
	}
	o := deadOwner{merchant: f.Merchant, none: f.TenantID != nil}
	var id uuid.UUID
	var merchant *int64
	if _, err := pgx.ForEachRow(rows, []any{&id, &merchant}, func() error {
		o.tenant, o.none = &id, f.Merchant != nil && (merchant == nil || *merchant != *f.Merchant)
		o.merchant = merchant
		return nil
	}); err != nil {
		return deadOwner{}, fmt.Errorf("find whose dead letters are meant: %w", err)
	}
	return o, nil
}

// sources are the rows of one table that belong to the owner.
func (o deadOwner) sources(t workTable) []deadSource {
	s := deadSource{workTable: t, merchant: "NULL::bigint"}
	if t.name == "events" {
		s.merchant = "merchant"
	}
	if o.all {
		return []deadSource{s}
	}
	if t.name != "events" {
		if o.tenant == nil || t.key == "NULL::uuid" {
			return nil
		}
		s.base = []string{t.key + ` = @tenant`}
		return []deadSource{s}
	}
	var list []deadSource
	if o.merchant != nil {
		named := s
		named.base = []string{`merchant = @merchant`}
		list = append(list, named)
	}
	if o.tenant != nil { // those that came without a merchant
		s.base = []string{`tenant_id = @tenant`, `merchant IS NULL`}
		list = append(list, s)
	}
	return list
}
