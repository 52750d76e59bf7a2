package systemtest

import (
	"testing"
	"time"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/sandbox"
)

// A worker killed before a refresh of a grant, in the call, after it was carried
// out and with the answer in hand. The refresh token is never sent again; where
// nobody knows what became of it the connection says so, a new authorize heals
// it, and the work that waited goes on.
func TestFaultKilledInRefresh(t *testing.T) {
	t.Parallel()
	const unsent, arrived, carriedOut, answered = 73201, 73202, 73203, 73204
	s := newSystem(t, options{
		workers: 2, env: []string{"REFRESH_DEADLINE=3s"},
		stores: []sandbox.StoreSpec{shop(unsent, 4), shop(arrived, 4), shop(carriedOut, 4), shop(answered, 4)},
	})
	call := sandbox.FaultRule{System: "accounts", Path: "/oauth2/token"}
	lines := map[int64][]strike{
		unsent: {func(m int64) trap {
			t := s.atLock(s.controlURL, `SELECT FROM connections WHERE id = 'TENANT' FOR UPDATE`)(m)
			s.sandbox.ExpireTokens(m)
			s.changed(s.sandbox.UpdateOrderStatus(m, s.order(m), "completed"))
			return t
		}},
		arrived:    {func(m int64) trap { s.refreshDue(m); return s.atCall(call)(m) }},
		carriedOut: {func(m int64) trap { s.refreshDue(m); return s.afterCall(call, nil)(m) }},
		answered: {func(m int64) trap {
			s.refreshDue(m)
			return s.atLock(s.controlURL, `SELECT FROM tenants WHERE id = 'TENANT' FOR NO KEY UPDATE`)(m)
		}},
	}
	for merchant := range lines {
		s.install(merchant)
	}
	s.awaitEqual(t, 90*time.Second, all(lines)...)
	s.awaitRest(t, 20*time.Second)
	s.kill("worker-1", "worker-2")
	s.strikes(lines)

	// Nothing was sent: it is refreshed by itself.
	s.awaitConnection(t, unsent, "active")
	for _, m := range []int64{arrived, carriedOut, answered} {
		s.awaitCount(t, 30*time.Second, "the unknown outcome is shown", 1, `
			SELECT count(*) FROM connections
			WHERE id = $1 AND status = 'refreshing' AND refresh_unknown_at IS NOT NULL AND parked_reason <> ''`, s.tenantID(m))
		s.sandbox.ExpireTokens(m)
		s.changed(s.sandbox.UpdateOrderStatus(m, s.order(m), "completed"))
	}
	for _, m := range []int64{arrived, carriedOut, answered} {
		s.awaitConnection(t, m, "needs_reauthorisation")
		if err := s.sandbox.Authorize(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	for m := range lines {
		s.awaitConnection(t, m, "active")
		db := s.tenantConn(s.awaitStatus(m, "ready"))
		dbtest.Eventually(t, 30*time.Second, "the work that waited goes on", func() bool {
			var status string
			err := db.QueryRow(t.Context(), `SELECT status FROM salla_orders WHERE order_id = $1::bigint::text`, s.order(m)).Scan(&status)
			return err == nil && status == "COMPLETED"
		})
	}
	s.invariants(t, 60*time.Second)
}

// refreshDue moves the instant of a merchant's next refresh to now.
func (s *system) refreshDue(merchant int64) {
	s.t.Helper()
	if _, err := s.pool.Exec(s.t.Context(), `UPDATE connections SET refresh_at = now() WHERE id = $1`, s.tenantID(merchant)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *system) awaitConnection(t *testing.T, merchant int64, state string) {
	t.Helper()
	dbtest.Eventually(t, 30*time.Second, "the connection of "+digits(merchant)+" is "+state, func() bool {
		if !s.holds(`SELECT FROM connections WHERE id = $1 AND status = $2`, s.tenantID(merchant), state) {
			return false
		}
		view, ok := s.tenant(merchant)
		return ok && view.Connection != nil && view.Connection.State == state
	})
}
