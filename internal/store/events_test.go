package store

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
)

// recordEvent commits an event of a merchant, whose id was made at that time.
func recordEvent(t *testing.T, db *DB, merchant int64, name string, at time.Time) RecordedEvent {
	t.Helper()
	id := uuid.Must(uuid.NewV7())
	if !at.IsZero() {
		day := uuid.MustParse(idAt(at))
		copy(id[:6], day[:6])
	}
	hash := sha256.Sum256(id[:])
	rec, err := db.RecordEvent(t.Context(), NewEvent{
		ID: id, Key: hash[:], Source: "salla", Event: name, Merchant: &merchant, Lane: LaneEvents, ReceivedAt: time.Now(),
		Headers: map[string]string{"user-agent": "x"}, Payload: Payload{JSON: json.RawMessage(`{"a":1}`), Length: 7, Hash: hash[:]},
	})
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func TestEventList(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	var ids []uuid.UUID
	for i := range 7 {
		name := "order.created"
		if i%3 == 0 {
			name = "product.created"
		}
		ids = append(ids, recordEvent(t, db, int64(1+i%2), name, time.Time{}).ID)
	}
	if _, err := db.pool.Exec(t.Context(), `UPDATE events SET status = 'failed', state = 'failed' WHERE id = $1`, ids[6]); err != nil {
		t.Fatal(err)
	}
	one := int64(1)
	for _, tt := range []struct {
		name   string
		filter EventFilter
		want   []int
	}{
		{"all", EventFilter{}, []int{6, 5, 4, 3, 2, 1, 0}},
		{"merchant", EventFilter{Merchant: &one}, []int{6, 4, 2, 0}},
		{"source", EventFilter{Source: "clerk"}, nil},
		{"event", EventFilter{Event: "product.created"}, []int{6, 3, 0}},
		{"status", EventFilter{Status: "failed"}, []int{6}},
		{"id", EventFilter{Q: ids[2].String()}, []int{2}},
		{"beginning of a name", EventFilter{Q: "prod", Merchant: &one}, []int{6, 0}},
		{"no pattern", EventFilter{Q: "%"}, nil},
		{"limit", EventFilter{Limit: 2}, []int{6, 5}},
		{"cursor", EventFilter{Limit: 2, Cursor: ids[5].String()}, []int{4, 3}},
	} {
		page, err := db.Events(t.Context(), tt.filter)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		var want, got []uuid.UUID
		for _, i := range tt.want {
			want = append(want, ids[i])
		}
		for _, e := range page.Events {
			got = append(got, e.ID)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, want)
		}
		if more := tt.filter.Limit > 0; more != (page.Next != "") {
			t.Errorf("%s: next is %q", tt.name, page.Next)
		}
	}
	if _, err := db.Events(t.Context(), EventFilter{Cursor: "x"}); !errors.Is(err, fault.Invalid) {
		t.Errorf("a bad cursor: %v", err)
	}
	if _, err := db.Event(t.Context(), uuid.New()); !errors.Is(err, fault.NotFound) {
		t.Errorf("no such event: %v", err)
	}
}

func TestEventStats(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	stats, err := db.EventStats(t.Context())
	if err != nil || stats["received"] != 0 || len(stats) != 5 {
		t.Fatalf("empty: %v %v", stats, err)
	}
	recordEvent(t, db, 1, "order.created", time.Time{})
	if stats, err = db.EventStats(t.Context()); err != nil || stats["received"] != 1 {
		t.Fatalf("one: %v %v", stats, err)
	}
	// In a large table the ends are estimated, the rest is counted.
	if _, err := db.pool.Exec(t.Context(), `
		INSERT INTO events (id, source, event, merchant, status, lane, state)
		SELECT gen_random_uuid(), 'salla', 'order.created', 2, CASE WHEN n % 4 = 0 THEN 'ignored' ELSE 'applied' END, 'events', 'done'
		FROM generate_series(1, 220000) AS n`); err != nil {
		t.Fatal(err)
	}
	if _, err := db.pool.Exec(t.Context(), `ANALYZE events`); err != nil {
		t.Fatal(err)
	}
	stats, err = db.EventStats(t.Context())
	if err != nil || stats["received"] != 1 || stats["waiting"] != 0 {
		t.Fatalf("many: %v %v", stats, err)
	}
	if a, i := stats["applied"], stats["ignored"]; a < 155_000 || a > 175_000 || i < 45_000 || i > 65_000 {
		t.Errorf("estimates: %v", stats)
	}
}

// TestReadyWhileAWaitIsWritten races the writing of a wait against its end.
func TestReadyWhileAWaitIsWritten(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	for n := range 80 {
		merchant := int64(100 + n)
		id := uuid.Must(uuid.NewV7())
		if _, err := db.pool.Exec(t.Context(), `
			INSERT INTO tenants (id, merchant, slug, name, status)
			VALUES ($1, $2::bigint, 'store-' || $2::bigint, 'x', 'provisioning')`, id, merchant); err != nil {
			t.Fatal(err)
		}
		rec := recordEvent(t, db, merchant, "order.created", time.Time{})
		l, _, err := db.Take(t.Context(), rec.Tasks[0], time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var waits bool
		var released []Task
		wg.Go(func() {
			var err error
			if waits, _, err = db.WaitEvent(t.Context(), l, merchant, WaitReady); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if err := db.inTx(t.Context(), func(tx pgx.Tx) (err error) {
				if _, err = tx.Exec(t.Context(), `UPDATE tenants SET status = 'ready' WHERE id = $1`, id); err == nil {
					released, err = releaseEvents(t.Context(), tx, id, nil, WaitReady)
				}
				return err
			}); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		if waits != (len(released) == 1) {
			t.Errorf("the wait was written: %v; released: %v", waits, released)
		}
		if waits && released[0].Epoch != rec.Tasks[0].Epoch+1 {
			t.Errorf("released with epoch %d", released[0].Epoch)
		}
	}
}

func TestPartitions(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	ctx := t.Context()
	now := time.Now().UTC()
	early := recordEvent(t, db, 1, "order.created", now) // before any partition is there
	for range 2 {
		if err := db.EnsurePartitions(ctx, now); err != nil {
			t.Fatal(err)
		}
	}
	there, err := db.partitions(ctx)
	if err != nil || len(there) != partitionsAhead+2 {
		t.Fatalf("%d partitions, %v", len(there), err)
	}
	in := func(id uuid.UUID) (partition string) {
		t.Helper()
		if err := db.pool.QueryRow(ctx, `SELECT tableoid::regclass::text FROM event_payloads WHERE event_id = $1`, id).Scan(&partition); err != nil && !errors.Is(err, pgx.ErrNoRows) {
			t.Fatal(err)
		}
		return partition
	}
	today := partitionPrefix + now.Format(partitionLayout)
	if got := in(early.ID); got != today {
		t.Errorf("what came before is in %s", got)
	}
	if got := in(recordEvent(t, db, 1, "order.created", now.Add(24*time.Hour)).ID); got == today || got == "event_payloads_default" {
		t.Errorf("tomorrow's is in %s", got)
	}

	// A hundred days ago: one event ended, one failed, one waits.
	past := now.Add(-100 * 24 * time.Hour)
	if err := db.makePartition(ctx, partitionPrefix+past.Format(partitionLayout), past.Truncate(partitionDay)); err != nil {
		t.Fatal(err)
	}
	old := map[string]uuid.UUID{}
	for status, state := range map[string]string{"applied": "done", "failed": "failed", "waiting": "waiting"} {
		rec := recordEvent(t, db, 2, "order.created", past)
		if _, err := db.pool.Exec(ctx, `
			UPDATE events
			SET status = $2, state = $3, waiting_for = CASE WHEN $2 = 'waiting' THEN 'ready' END
			WHERE id = $1`, rec.ID, status, state); err != nil {
			t.Fatal(err)
		}
		old[status] = rec.ID
	}
	if err := db.DropExpired(ctx, 90*24*time.Hour); err != nil {
		t.Fatal(err)
	}
	if in(old["applied"]) != "" || in(old["failed"]) != "event_payloads_default" || in(old["waiting"]) != "event_payloads_default" || in(early.ID) != today {
		t.Errorf("after the retention: applied in %q, failed in %q, waiting in %q", in(old["applied"]), in(old["failed"]), in(old["waiting"]))
	}
	if _, err := db.Payload(ctx, old["applied"]); !errors.Is(err, fault.NotFound) {
		t.Errorf("a dropped payload: %v", err)
	}
	if e, err := db.Event(ctx, old["applied"]); err != nil || e.Status != "applied" {
		t.Errorf("its event: %v", err)
	}
	// Once they end, they are dropped, too.
	if _, err := db.pool.Exec(ctx, `UPDATE events SET status = 'ignored', waiting_for = NULL WHERE id = $1`, old["waiting"]); err != nil {
		t.Fatal(err)
	}
	if err := db.DropExpired(ctx, 90*24*time.Hour); err != nil {
		t.Fatal(err)
	}
	if in(old["waiting"]) != "" || in(old["failed"]) == "" {
		t.Error("what ended is kept, or what failed is not")
	}
}

// TestDropWaitsForWhoIsAtTheDay holds that what is written while a day's partition
// is waited for is seen: an erased body stays erased, a replay keeps its payload.
func TestDropWaitsForWhoIsAtTheDay(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	ctx := t.Context()
	past := time.Now().UTC().Add(-100 * 24 * time.Hour)
	if err := db.makePartition(ctx, partitionPrefix+past.Format(partitionLayout), past.Truncate(partitionDay)); err != nil {
		t.Fatal(err)
	}
	erased, replayed := recordEvent(t, db, 1, "order.created", past), recordEvent(t, db, 2, "order.created", past)
	exec(t, db, `UPDATE events SET status = 'failed', state = 'failed' WHERE id = $1`, erased.ID)
	exec(t, db, `UPDATE event_payloads SET sealed = 'secret' WHERE event_id = $1`, erased.ID)
	exec(t, db, `UPDATE events SET status = 'applied', state = 'done' WHERE id = $1`, replayed.ID)
	dropped := make(chan error, 1)

	inTestTx(t, db, func(tx pgx.Tx) error {
		if err := eraseSealed(ctx, tx, erased.ID); err != nil {
			return err
		}
		go func() { dropped <- db.DropExpired(ctx, 90*24*time.Hour) }()
		for waits := false; !waits; {
			if err := db.pool.QueryRow(ctx, `
				SELECT EXISTS (
					SELECT FROM pg_locks
					WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`).Scan(&waits); err != nil {
				return err
			}
		}
		_, _, err := db.ReplayEvent(ctx, replayed.ID, Actor{Name: "op"})
		return err
	})

	if err := <-dropped; err != nil {
		t.Fatal(err)
	}
	if p, err := db.Payload(ctx, erased.ID); err != nil || p.Sealed != nil {
		t.Errorf("a sealed body that was erased is there again: %d bytes, %v", len(p.Sealed), err)
	}
	if p, err := db.Payload(ctx, replayed.ID); err != nil || p.Length != 7 {
		t.Errorf("the payload of a replayed event: %v", err)
	}
}

func TestKeysOutliveTheirEvents(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	rec := recordEvent(t, db, 1, "order.created", time.Time{})
	for _, tt := range []struct {
		age  string
		want int
	}{{"100 days", 1}, {"400 days", 0}} {
		if _, err := db.pool.Exec(t.Context(), `UPDATE event_keys SET received_at = now() - $1::interval`, tt.age); err != nil {
			t.Fatal(err)
		}
		if err := db.DropExpired(t.Context(), 90*24*time.Hour); err != nil {
			t.Fatal(err)
		}
		var n int
		if err := db.pool.QueryRow(t.Context(), `SELECT count(*) FROM event_keys WHERE event_id = $1`, rec.ID).Scan(&n); err != nil || n != tt.want {
			t.Errorf("after %s: %d keys, %v", tt.age, n, err)
		}
	}
}
