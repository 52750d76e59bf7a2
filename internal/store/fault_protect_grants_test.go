package store

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/dbtest"
)

// grantedShop makes a tenant whose refresh token was stored as old.
func grantedShop(t *testing.T, db *DB, merchant int64) uuid.UUID {
	t.Helper()
	id := inStatus(t, db, merchant, "ready")
	authorized(t, db, merchant, "old")
	return id
}

// Of two processes that read the same grant, one may use its refresh token; and
// nobody while it is being used, nor after it was.
func TestFaultRefreshIsClaimedOnce(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	id := grantedShop(t, db, 1)
	seen, err := db.Connection(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	claim := func() (uuid.UUID, bool) {
		t.Helper()
		attempt, ok, err := db.BeginRefresh(t.Context(), id, seen.Version, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return attempt, ok
	}

	attempt, first := claim()
	if _, second := claim(); !first || second {
		t.Errorf("claims at once: %v and %v, want one", first, second)
	}
	stored, _, err := db.CompleteRefresh(t.Context(), id, attempt, seen.Version, SealedGrant{
		Refresh: []byte("new"), RefreshHash: []byte("hash of new"), ExpiresAt: time.Now().Add(time.Hour), RefreshAt: time.Now().Add(time.Hour),
	})
	if err != nil || !stored {
		t.Fatalf("the answer: %v, stored %v", err, stored)
	}
	if _, again := claim(); again {
		t.Error("a refresh token was claimed that was used before")
	}
}

// The answer of a refresh that was under way when the merchant installed anew does
// not replace the newer grant, and one that was revoked does not come back.
func TestFaultLateRefreshReplacesNoNewGrant(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	late := SealedGrant{
		Access: []byte("late"), Refresh: []byte("late"), ExpiresAt: time.Now().Add(time.Hour), RefreshAt: time.Now().Add(time.Hour),
	}
	for merchant, meanwhile := range map[int64]func(t *testing.T, id uuid.UUID){
		1: func(t *testing.T, _ uuid.UUID) { authorized(t, db, 1, "newer") },
		2: func(t *testing.T, id uuid.UUID) {
			exec(t, db, `UPDATE connections SET status = 'revoked', version = version + 1, attempt = NULL WHERE id = $1`, id)
		},
	} {
		id := inStatus(t, db, merchant, "ready")
		authorized(t, db, merchant, time.Now().String())
		seen, err := db.Connection(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		attempt, ok, err := db.BeginRefresh(t.Context(), id, seen.Version, time.Minute)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		meanwhile(t, id)
		late.RefreshHash = []byte("late of " + id.String())

		stored, _, err := db.CompleteRefresh(t.Context(), id, attempt, seen.Version, late)

		got, readErr := db.Connection(t.Context(), id)
		if err != nil || readErr != nil || stored || bytes.Equal(got.AccessToken, late.Access) || got.Version != seen.Version+1 {
			t.Errorf("merchant %d: stored %v, %s at version %d, %v %v; want what came meanwhile", merchant, stored, got.Status, got.Version, err, readErr)
		}
	}
}

// A decision that was made on what has changed since is not written: it is made
// again.
func TestFaultStaleDecisionIsNotWritten(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	id := grantedShop(t, db, 1)
	seen, err := db.Installation(t.Context(), 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	event := recordEvent(t, db, 1, "app.uninstalled", time.Time{})
	l := leased(t, db, event.Tasks[0])
	authorized(t, db, 1, "newer") // between the look and the write

	at := time.Now()
	stale, _, err := db.EndUninstall(t.Context(), l, LifecycleEnd{Merchant: 1, At: &at, Seen: seen})

	got, readErr := db.Connection(t.Context(), id)
	if err != nil || readErr != nil || !stale || got.Status != ConnectionActive {
		t.Errorf("stale %v, the grant is %s, %v %v; want it kept and the decision made again", stale, got.Status, err, readErr)
	}
	if e, err := db.Event(t.Context(), event.ID); err != nil || e.Status != EventReceived {
		t.Errorf("the uninstall is %s, %v; want it still to be decided", e.Status, err)
	}
}
