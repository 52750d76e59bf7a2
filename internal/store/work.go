package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/protect"
)

// Work is done on rows: whichever table it is in, a row of work carries the same
// columns and goes through the acts of this file only. The row is the truth; a
// task in Redis only rings the bell for (kind, row, epoch).
//
//	held ──release──▶ runnable ──take──▶ runnable, leased ──▶ done
//	                   ▲  ▲ │                │ │ │
//	                   │  └─┼── postpone ────┘ │ └── give up ──▶ failed ──take or wake──▶ runnable
//	                   │    └── hand on (epoch+1)
//	                   └── wake ── waiting ◀───┘ waits without a time

// The kinds of task whose rows are in the control database. They are permanent.
const (
	KindTenantProvision   = "tenant:provision"
	KindTenantSuspend     = "tenant:suspend"
	KindTenantResume      = "tenant:resume"
	KindTenantDeprovision = "tenant:deprovision"
	KindSchemaBootstrap   = "schema:bootstrap"
	KindTokenRefresh      = "token:refresh"
	KindEventApply        = "event:apply"
	KindImportStart       = "import:start"
	KindImportPage        = "import:page"
	KindImportFinish      = "import:finish"
	KindEntityRead        = "entity:read"
	KindBulkApply         = "bulk:apply"
)

// Task names one piece of work: the kind of task, the row, the row's epoch, and
// the lane it belongs to. It is all that a queue needs to know.
type Task struct {
	Kind  string
	ID    uuid.UUID
	Epoch int64
	Lane  string
	DueAt time.Time // zero: now
}

// Lease is the right to write a row of work. It ends by itself.
type Lease struct {
	Kind     string
	ID       uuid.UUID
	Epoch    int64
	Holder   uuid.UUID
	Tenant   *uuid.UUID // whose row it is, where it is a tenant's
	Attempts int        // failed attempts before this one
	Until    time.Time
	Failing  time.Duration // since the first of them, but for what it has waited; 0 where there is none
}

// Taken says what became of an attempt to take a row.
type Taken int

// What Take answers.
const (
	TakenGone Taken = iota // the epoch is over or the row is finished: nothing to do
	TakenHeld              // somebody else holds it, until Lease.Until
	TakenOurs
)

// workTable is one table that holds rows of work.
type workTable struct {
	name string
	lane string // SQL for the row's lane
	key  string // SQL for the tenant that the row belongs to
}

// workTables lists every table that holds work.
func workTables() []workTable {
	return []workTable{
		{name: "tenants", lane: "'provisioning'", key: "id"},
		{name: "connections", lane: "'provisioning'", key: "id"},
		{name: "schema_targets", lane: "'provisioning'", key: "NULL::uuid"},
		{name: "events", lane: "lane", key: "tenant_id"},
		{name: "entity_reads", lane: "'events'", key: "tenant_id"},
		{name: "runs", lane: "'imports'", key: "tenant_id"},
		{name: "pages", lane: "'imports'", key: "tenant_id"},
		{name: "bulk_acts", lane: "'maintenance'", key: "NULL::uuid"},
	}
}

// tableOf returns the table whose rows a kind of task works on.
func tableOf(kind string) (workTable, error) {
	name := ""
	switch kind {
	case KindTenantProvision, KindTenantSuspend, KindTenantResume, KindTenantDeprovision:
		name = "tenants"
	case KindTokenRefresh:
		name = "connections"
	case KindSchemaBootstrap:
		name = "schema_targets"
	case KindEventApply:
		name = "events"
	case KindEntityRead:
		name = "entity_reads"
	case KindImportStart, KindImportFinish:
		name = "runs"
	case KindImportPage:
		name = "pages"
	case KindBulkApply:
		name = "bulk_acts"
	}
	if name == "" {
		return workTable{}, fault.New(fault.Invalid, "no row of work belongs to the task kind %q", kind)
	}
	return tableNamed(name)
}

func tableNamed(name string) (workTable, error) {
	for _, t := range workTables() {
		if t.name == name {
			return t, nil
		}
	}
	return workTable{}, fault.New(fault.Invalid, "no table of work is called %q", name)
}

// Take takes the row for length, by the database's clock. A failed row is taken
// too, with no attempts spent: somebody ran its archived task.
func (db *DB) Take(ctx context.Context, t Task, length time.Duration) (Lease, Taken, error) {
	table, err := tableOf(t.Kind)
	if err != nil {
		return Lease{}, TakenGone, err
	}
	l := Lease{Kind: t.Kind, ID: t.ID, Epoch: t.Epoch, Holder: uuid.New()}
	var failing float64 // seconds
	err = db.pool.QueryRow(ctx, `
		UPDATE `+table.name+`
		SET holder = $4, lease_until = now() + $5,
		    attempts = CASE WHEN state = 'failed' THEN 0 ELSE attempts END,
		    state = 'runnable', due_at = coalesce(due_at, now()), unleased_since = NULL
		WHERE id = $1 AND epoch = $2 AND task = $3
		  AND state IN ('runnable', 'failed') AND `+protect.Where(protect.Lease, `(lease_until IS NULL OR lease_until <= now())`)+`
		RETURNING attempts, lease_until, `+table.key+`,
		    CASE WHEN attempts > 0 THEN coalesce(extract(epoch FROM now() - failing_since), 0)::float8 ELSE 0 END`,
		t.ID, t.Epoch, t.Kind, l.Holder, length).Scan(&l.Attempts, &l.Until, &l.Tenant, &failing)
	l.Failing = time.Duration(failing * float64(time.Second))
	if err == nil {
		return l, TakenOurs, nil
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return Lease{}, TakenGone, fmt.Errorf("take %s: %w", t.Kind, err)
	}
	err = db.pool.QueryRow(ctx, `
		SELECT lease_until
		FROM `+table.name+`
		WHERE id = $1 AND epoch = $2 AND task = $3
		  AND state IN ('runnable', 'failed') AND lease_until > now()`,
		t.ID, t.Epoch, t.Kind).Scan(&l.Until)
	if errors.Is(err, pgx.ErrNoRows) {
		return Lease{}, TakenGone, nil
	}
	if err != nil {
		return Lease{}, TakenGone, fmt.Errorf("take %s: %w", t.Kind, err)
	}
	return l, TakenHeld, nil
}

// isHolder is the condition of every write to a leased row: $1 is the row, $2 the
// lease's holder.
func isHolder() string { return `id = $1 AND ` + protect.Where(protect.Holder, `holder = $2`) }

// held runs one UPDATE of the leased row, matching its holder. It returns
// fault.ErrLost where the row is no longer ours.
func held(ctx context.Context, q querier, l Lease, set string, args ...any) error {
	table, err := tableOf(l.Kind)
	if err != nil {
		return err
	}
	tag, err := q.Exec(ctx, `UPDATE `+table.name+` SET `+set+` WHERE `+isHolder(),
		append([]any{l.ID, l.Holder}, args...)...)
	if err != nil {
		return fmt.Errorf("write %s: %w", l.Kind, err)
	}
	if tag.RowsAffected() == 0 {
		return fault.ErrLost
	}
	return nil
}

// Renew extends the lease to length from now and returns its new end, or
// fault.ErrLost.
func (db *DB) Renew(ctx context.Context, l Lease, length time.Duration) (time.Time, error) {
	table, err := tableOf(l.Kind)
	if err != nil {
		return time.Time{}, err
	}
	var until time.Time
	err = db.pool.QueryRow(ctx, `
		UPDATE `+table.name+`
		SET lease_until = now() + $3
		WHERE `+isHolder()+`
		RETURNING lease_until`, l.ID, l.Holder, length).Scan(&until)
	if errors.Is(err, pgx.ErrNoRows) {
		return time.Time{}, fault.ErrLost
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("renew %s: %w", l.Kind, err)
	}
	return until, nil
}

// Finish ends the work: done, with no error kept.
func (db *DB) Finish(ctx context.Context, l Lease) error { return finish(ctx, db.pool, l) }

func finish(ctx context.Context, q querier, l Lease) error {
	return held(ctx, q, l, `state = 'done', holder = NULL, lease_until = NULL, due_at = NULL, attempts = 0, last_error = NULL`)
}

// stillFailing notes since when attempts have failed in a row.
const stillFailing = `failing_since = CASE WHEN attempts > 0 THEN coalesce(failing_since, now()) ELSE now() END`

// Postpone gives the row back until a time, the epoch kept and no attempt spent.
// A zero time means that somebody else ends the wait. why is shown to operators.
// Time that is waited is no time of failing.
func (db *DB) Postpone(ctx context.Context, l Lease, until time.Time, why string) error {
	return postpone(ctx, db.pool, l, until, why)
}

func postpone(ctx context.Context, q querier, l Lease, until time.Time, why string) error {
	if until.IsZero() {
		return held(ctx, q, l, `
			state = 'waiting', holder = NULL, lease_until = NULL, due_at = NULL, last_error = $3, failing_since = NULL`, why)
	}
	return held(ctx, q, l, `
		holder = NULL, lease_until = NULL, due_at = $3, last_error = $4,
		failing_since = failing_since + greatest($3 - now(), interval '0')`, until, why)
}

// Spare makes the row due again after delay, like Retry, but spends no attempt: what
// failed is not the work's own, and attempts are kept for what is.
func (db *DB) Spare(ctx context.Context, l Lease, delay time.Duration, why string) error {
	return held(ctx, db.pool, l,
		`holder = NULL, lease_until = NULL, due_at = now() + $3, last_error = $4, `+stillFailing, delay, why)
}

// HandBack gives the row back at once, no attempt spent: this process stops.
func (db *DB) HandBack(ctx context.Context, l Lease) error {
	return held(ctx, db.pool, l, `holder = NULL, lease_until = NULL, due_at = now()`)
}

// Retry spends an attempt and makes the row due again after delay. It returns
// when that is.
func (db *DB) Retry(ctx context.Context, l Lease, delay time.Duration, why string) error {
	return held(ctx, db.pool, l,
		`holder = NULL, lease_until = NULL, due_at = now() + $3, attempts = attempts + 1, last_error = $4, `+stillFailing, delay, why)
}

// GiveUp makes the row a dead letter with its reason.
func (db *DB) GiveUp(ctx context.Context, l Lease, why string) error {
	return giveUp(ctx, db.pool, l, why)
}

// giveUp leaves in due_at when that was, which is the age of the dead letter.
func giveUp(ctx context.Context, q querier, l Lease, why string) error {
	return held(ctx, q, l,
		`state = 'failed', holder = NULL, lease_until = NULL, due_at = now(), attempts = attempts + 1, last_error = $3`, why)
}

// handOn gives the row to its next task: a new epoch, due now, nothing spent.
func handOn(ctx context.Context, q querier, l Lease, next string) (Task, error) {
	table, err := tableOf(l.Kind)
	if err != nil {
		return Task{}, err
	}
	t := Task{Kind: next, ID: l.ID}
	err = q.QueryRow(ctx, `
		UPDATE `+table.name+`
		SET epoch = epoch + 1, task = $3, state = 'runnable', holder = NULL, lease_until = NULL,
		    attempts = 0, due_at = now(), enqueued_at = now(), last_error = NULL
		WHERE `+isHolder()+`
		RETURNING epoch, `+table.lane, l.ID, l.Holder, next).Scan(&t.Epoch, &t.Lane)
	if errors.Is(err, pgx.ErrNoRows) {
		return Task{}, fault.ErrLost
	}
	if err != nil {
		return Task{}, fmt.Errorf("hand on %s: %w", l.Kind, err)
	}
	return t, nil
}

// assign gives a row that may be in anybody's hands a new task: the epoch rises
// and the holder loses the right to write, but its lease runs on, so that the
// new task starts only when the old handler has certainly stopped.
func assign(ctx context.Context, q querier, kind string, id uuid.UUID) (Task, error) {
	table, err := tableOf(kind)
	if err != nil {
		return Task{}, err
	}
	freed := ``
	if !protect.LeaseRunsOn {
		freed = `lease_until = NULL, `
	}
	t := Task{Kind: kind, ID: id}
	err = q.QueryRow(ctx, `
		UPDATE `+table.name+`
		SET epoch = epoch + 1, task = $2, state = 'runnable', holder = NULL, `+freed+`
		    attempts = 0, due_at = now(), enqueued_at = now(), last_error = NULL
		WHERE id = $1
		RETURNING epoch, `+table.lane, id, kind).Scan(&t.Epoch, &t.Lane)
	if err != nil {
		return Task{}, translate(err, table.name)
	}
	return t, nil
}

// Wake makes the row due now, whatever it was waiting for, and returns its task
// for the enqueuer to run. A failed row starts again with no attempts spent; a
// finished row is fault.Conflict.
func (db *DB) Wake(ctx context.Context, kind string, id uuid.UUID) (Task, error) {
	return wake(ctx, db.pool, kind, id)
}

func wake(ctx context.Context, q querier, kind string, id uuid.UUID) (Task, error) {
	table, err := tableOf(kind)
	if err != nil {
		return Task{}, err
	}
	var t Task
	err = q.QueryRow(ctx, `
		UPDATE `+table.name+`
		SET attempts = CASE WHEN state = 'failed' THEN 0 ELSE attempts END, failing_since = NULL,
		    state = 'runnable', due_at = now(), enqueued_at = now()
		WHERE id = $1 AND state IN ('held', 'runnable', 'waiting', 'failed')
		RETURNING task, id, epoch, `+table.lane, id).Scan(&t.Kind, &t.ID, &t.Epoch, &t.Lane)
	if errors.Is(err, pgx.ErrNoRows) {
		return Task{}, fault.New(fault.Conflict, "there is no unfinished work to go on with")
	}
	if err != nil {
		return Task{}, fmt.Errorf("wake %s: %w", kind, err)
	}
	return t, nil
}
