package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/dbtest"
)

// Each attempt that fails is kept with what it said, and the one that gets through
// after them; work that succeeds at once leaves nothing.
func TestTriesAreKept(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	made := handMade(t, db, "palm", nil)
	exec(t, db, `UPDATE tenants SET merchant = 7 WHERE id = $1`, made.ID)
	id := uuid.New()
	exec(t, db, `
		INSERT INTO events (id, source, event, merchant, status, lane, state, task, due_at, received_at)
		VALUES ($1, 'salla', 'order.created', 7, 'received', 'events', 'runnable', 'event:apply', now(), now())`, id)
	take := func() Lease {
		t.Helper()
		l, taken, err := db.Take(t.Context(), Task{Kind: KindEventApply, ID: id, Epoch: 1}, time.Minute)
		if err != nil || taken != TakenOurs {
			t.Fatalf("take: %v, %v", taken, err)
		}
		return l
	}
	for _, why := range []string{"502 bad gateway", "504 gateway timeout"} {
		if err := db.Retry(t.Context(), take(), 0, why); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Postpone(t.Context(), take(), time.Now(), "waits for Salla's limit"); err != nil { // spends none
		t.Fatal(err)
	}
	if err := db.GiveUp(t.Context(), take(), "409 no"); err != nil {
		t.Fatal(err)
	}
	if err := db.Retry(t.Context(), take(), 0, "503"); err != nil { // somebody ran it again
		t.Fatal(err)
	}
	if err := db.Finish(t.Context(), take()); err != nil {
		t.Fatal(err)
	}

	tries, err := db.Tries(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range tries {
		got = append(got, fmt.Sprintf("%d %s %s", x.Attempt, x.Outcome, x.Error))
	}
	want := []string{"2 done ", "1 failed 503", "3 given up 409 no", "2 failed 504 gateway timeout", "1 failed 502 bad gateway"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tries (-want +got):\n%s", diff)
	}
	page, err := db.Timeline(t.Context(), made.ID, TimelineFilter{Kinds: []string{HappenedTry}, Limit: 10})
	if err != nil || len(page.Happenings) != 5 || page.Happenings[0].Link == nil || *page.Happenings[0].Link != id {
		t.Errorf("the timeline has %+v, %v; want the five, which lead to the event of the merchant", page.Happenings, err)
	}

	fresh := uuid.New()
	exec(t, db, `
		INSERT INTO events (id, source, event, merchant, status, lane, state, task, due_at, received_at)
		VALUES ($1, 'salla', 'order.created', 7, 'received', 'events', 'runnable', 'event:apply', now(), now())`, fresh)
	l, _, err := db.Take(t.Context(), Task{Kind: KindEventApply, ID: fresh, Epoch: 1}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Finish(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	if tries, err := db.Tries(t.Context(), fresh); err != nil || len(tries) != 0 {
		t.Errorf("what got through at once has %v, %v", tries, err)
	}

	exec(t, db, `UPDATE tries SET at = now() - interval '31 days' WHERE id IN (SELECT id FROM tries ORDER BY id LIMIT 2)`)
	if err := db.PruneTries(t.Context()); err != nil {
		t.Fatal(err)
	}
	if tries, err := db.Tries(t.Context(), id); err != nil || len(tries) != 3 {
		t.Errorf("%d are left, %v; want the three of the last thirty days", len(tries), err)
	}
}

// An event that is on its way, or was given up, names only its merchant: it is its
// tenant's all the same, and nobody else's.
func TestEventsOfAMerchantAreItsTenants(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	palm, dates := handMade(t, db, "palm", nil).ID, handMade(t, db, "dates", nil).ID
	exec(t, db, `UPDATE tenants SET merchant = CASE id WHEN $1 THEN 7 ELSE 8 END`, palm)
	insert := func(merchant int, tenantID *uuid.UUID) uuid.UUID {
		id := uuid.Must(uuid.NewV7())
		exec(t, db, `
			INSERT INTO events (id, source, event, merchant, tenant_id, status, lane, state, task, received_at)
			VALUES ($1, 'salla', 'order.created', $2, $3, 'received', 'events', 'runnable', 'event:apply', now())`, id, merchant, tenantID)
		return id
	}
	a, b := insert(7, nil), insert(7, &palm)
	insert(8, nil)
	insert(7, &dates) // of a tenant that had the merchant before
	c := insert(7, nil)

	var got []uuid.UUID
	var cursor uuid.UUID
	for {
		list, more, err := db.TenantEvents(t.Context(), palm, cursor, false, 1)
		if err != nil || len(list) != 1 {
			t.Fatalf("a page of %d, %v", len(list), err)
		}
		got = append(got, list[0].ID)
		if cursor = list[0].ID; !more {
			break
		}
	}
	if diff := cmp.Diff([]uuid.UUID{c, b, a}, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	page, err := db.Timeline(t.Context(), palm, TimelineFilter{Kinds: []string{HappenedEvent}, Limit: 10})
	if err != nil || len(page.Happenings) != 3 {
		t.Errorf("the timeline has %d, %v; want 3", len(page.Happenings), err)
	}
	usage, err := db.EventUsage(t.Context(), Tenant{ID: palm, Merchant: new(int64(7))})
	if err != nil || usage.Day != 4 || usage.Week != 4 {
		t.Errorf("usage %+v, %v; want the merchant's four", usage, err)
	}
}
