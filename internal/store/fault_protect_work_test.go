package store

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
)

// targetRow makes a row of work that hangs on no other.
func targetRow(t *testing.T, db *DB) Task {
	t.Helper()
	id := uuid.New()
	exec(t, db, `INSERT INTO schema_targets (id, server, wanted_version) VALUES ($1, $1::uuid || ':5432', 1)`, id)
	return Task{Kind: KindSchemaBootstrap, ID: id, Epoch: 1, Lane: LaneProvisioning}
}

// Two workers hear the same bell: one has the row, the other is told until when.
func TestFaultHeldRowIsNotTaken(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	task := targetRow(t, db)
	first := leased(t, db, task)

	second, how, err := db.Take(t.Context(), task, time.Minute)

	if err != nil || how != TakenHeld || !second.Until.Equal(first.Until) {
		t.Errorf("a second taker: %v until %v, %v; want it held until %v", how, second.Until, err, first.Until)
	}
	exec(t, db, `UPDATE schema_targets SET lease_until = now() WHERE id = $1`, task.ID)
	leased(t, db, task) // as soon as it is over
}

// A row that is given another task while its old handler still runs is not worked
// on by two: the old one cannot write any more, and the new one waits for its end.
func TestFaultNewTaskWaitsForTheOldHandler(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	task := targetRow(t, db)
	old := leased(t, db, task)
	var next Task
	inTestTx(t, db, func(tx pgx.Tx) (err error) {
		next, err = assign(t.Context(), tx, KindSchemaBootstrap, task.ID)
		return err
	})

	l, how, err := db.Take(t.Context(), next, time.Minute)

	if err != nil || how != TakenHeld || !l.Until.Equal(old.Until) {
		t.Errorf("the new task: %v until %v, %v; want it held until %v", how, l.Until, err, old.Until)
	}
	if err := db.Finish(t.Context(), old); !errors.Is(err, fault.ErrLost) {
		t.Errorf("the old handler finished: %v", err)
	}
}

// A worker that wakes after its successor took the row changes nothing of it.
func TestFaultStaleHolderWritesNothing(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	ctx := t.Context()
	reads, err := db.WantReads(ctx, shopTenant(t, db), []Want{{Resource: "orders", Entity: "7"}})
	if err != nil {
		t.Fatal(err)
	}
	task := reads[0]
	stale := leased(t, db, task)
	exec(t, db, `UPDATE entity_reads SET lease_until = now()`)
	holder := leased(t, db, task)
	standing := func() (s string) {
		t.Helper()
		if err := db.pool.QueryRow(ctx, `
			SELECT concat_ws(' ', state, epoch, holder, lease_until, attempts, due_at, last_error, read_at)
			FROM entity_reads`).Scan(&s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	before := standing()

	for name, write := range map[string]func() error{
		"renew":     func() error { _, err := db.Renew(ctx, stale, time.Hour); return err },
		"finish":    func() error { return db.Finish(ctx, stale) },
		"postpone":  func() error { return db.Postpone(ctx, stale, time.Now(), "theirs") },
		"wait":      func() error { return db.Postpone(ctx, stale, time.Time{}, "theirs") },
		"hand back": func() error { return db.HandBack(ctx, stale) },
		"retry":     func() error { return db.Retry(ctx, stale, time.Second, "theirs") },
		"give up":   func() error { return db.GiveUp(ctx, stale, "theirs") },
		"hand on": func() error {
			return pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
				_, err := handOn(ctx, tx, stale, KindEntityRead)
				return err
			})
		},
		"end a read": func() error { _, err := db.FinishRead(ctx, stale, time.Now().Add(time.Hour)); return err },
	} {
		if err := write(); !errors.Is(err, fault.ErrLost) {
			t.Errorf("%s: %v, want ErrLost", name, err)
		}
		if after := standing(); after != before {
			t.Errorf("%s changed the row from %s to %s", name, before, after)
			before = after
		}
	}
	if err := db.Finish(ctx, holder); err != nil {
		t.Errorf("its holder: %v", err)
	}
}

// One process leads at a time, and another as soon as it has gone.
func TestFaultOneLeader(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	first, second := uuid.New(), uuid.New()
	lead := func(holder uuid.UUID) bool {
		t.Helper()
		mine, err := db.Lead(t.Context(), "worker", holder, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return mine
	}

	if !lead(first) || lead(second) || !lead(first) {
		t.Error("two lead at once, or the one who leads may not go on")
	}
	exec(t, db, `UPDATE leaders SET lease_until = now()`)
	if !lead(second) || lead(first) {
		t.Error("a lease that is over is not the next one's")
	}
	if err := db.Resign(t.Context(), "worker", first); err != nil || lead(first) {
		t.Errorf("who does not lead gave the lease of another back: %v", err)
	}
}
