package systemtest

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/sandbox"
)

// longer than any call may last: a call that is held so long has arrived, and
// nothing was made of it.
const forever = time.Minute

// patient makes the processes wait for calls as long as traps hold them.
func patient() []string { return []string{"CALL_DEADLINE=" + forever.String()} }

// trap is a boundary that work on one merchant will come to and stay at.
type trap struct {
	what string
	held func() bool
	free func() // what held it; called once it has struck
}

// strike sets a trap for a merchant. No worker runs meanwhile.
type strike func(merchant int64) trap

// strikes kills every worker, again and again, at the instant when the work on
// each merchant is at its next boundary. Afterwards workers run in peace.
func (s *system) strikes(lines map[int64][]strike) {
	s.t.Helper()
	for round := 0; ; round++ {
		var traps []trap
		for merchant, line := range lines {
			if round < len(line) {
				traps = append(traps, line[round](merchant))
			}
		}
		s.startWorker("worker-1")
		s.startWorker("worker-2")
		if len(traps) == 0 {
			return
		}
		s.awaitTraps(round, traps)
		s.kill("worker-1", "worker-2")
		s.sandbox.ClearFaults()
		for _, t := range traps {
			if t.free != nil {
				t.free()
			}
		}
	}
}

// awaitTraps waits until all work is where it is to be killed.
func (s *system) awaitTraps(round int, traps []trap) {
	s.t.Helper()
	waits := slices.Clone(traps)
	defer func() {
		for _, w := range waits {
			s.t.Logf("round %d: nothing came to: %s", round+1, w.what)
		}
	}()
	dbtest.Eventually(s.t, 30*time.Second, "the work is where it is to be killed", func() bool {
		waits = slices.DeleteFunc(waits, func(t trap) bool { return t.held() })
		return len(waits) == 0
	})
}

// kill ends processes as a crash does, all at once.
func (s *system) kill(names ...string) {
	s.t.Helper()
	s.mu.Lock()
	for _, name := range names {
		_ = s.processes[name].cmd.Process.Kill()
	}
	s.mu.Unlock()
	for _, name := range names {
		s.signal(name, syscall.SIGKILL)
	}
}

// atCall is the boundary before a call: it has arrived, and nothing is made of it.
func (s *system) atCall(rule sandbox.FaultRule) strike {
	rule.Effect, rule.Latency = sandbox.EffectLatency, forever
	return func(merchant int64) trap { return s.ruled(rule, merchant) }
}

// afterCall is the boundary between a call and its record: what was asked is
// done, and the answer never comes.
func (s *system) afterCall(rule sandbox.FaultRule, done func(merchant int64) bool) strike {
	rule.Effect = sandbox.EffectTimeoutAfter
	return func(merchant int64) trap {
		t := s.ruled(rule, merchant)
		struck := t.held
		t.held = func() bool { return struck() && (done == nil || done(merchant)) }
		return t
	}
}

// ruled lets a fault strike, once unless the rule says otherwise: for calls to Salla by the merchant's token, for
// others by the merchant's number in the query or the body.
func (s *system) ruled(rule sandbox.FaultRule, merchant int64) trap {
	s.t.Helper()
	rule.Count = max(rule.Count, 1)
	if rule.System == "clerk" {
		rule.Path = strings.ReplaceAll(rule.Path, "ORG", s.organization(merchant))
		if !strings.Contains(rule.Path, "org_") {
			rule.Contains = digits(merchant)
		}
	} else {
		rule.Merchant = merchant
	}
	id, err := s.sandbox.Fault(rule)
	if err != nil {
		s.t.Fatal(err)
	}
	return trap{
		what: rule.Effect + " " + rule.Method + " " + rule.Path + " of " + digits(merchant),
		held: func() bool {
			for _, r := range s.sandbox.Faults() {
				if r.ID == id {
					return r.Struck > 0
				}
			}
			return false
		},
	}
}

// onWire sets a trap on the way to a database; {t} in a marker is the tenant's
// database, which is also its role.
func (s *system) onWire(catch func(markers ...string) *dbtest.Catch, markers ...string) strike {
	return func(merchant int64) trap {
		own := make([]string, len(markers))
		for i, m := range markers {
			own[i] = strings.ReplaceAll(m, "{t}", s.databaseName(merchant))
		}
		return trap{what: strings.Join(own, " … "), held: catch(own...).Caught}
	}
}

// atLock keeps a lock in a database until something waits for it: the work is
// where it would write. address gives the database, once; lock is one statement,
// to which TENANT is the tenant's id.
func (s *system) atLock(address func(merchant int64) string, lock string) strike {
	return func(merchant int64) trap {
		s.t.Helper()
		held, free := s.locks(address(merchant), strings.ReplaceAll(lock, "TENANT", s.tenantID(merchant)))
		return trap{what: lock, held: held, free: free}
	}
}

// locks runs a statement in a transaction that free ends; held tells whether
// anybody waits for it.
func (s *system) locks(address, statement string) (held func() bool, free func()) {
	s.t.Helper()
	conn, err := pgx.Connect(s.t.Context(), address)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := conn.Exec(s.t.Context(), "BEGIN; "+statement); err != nil {
		s.t.Fatalf("%s: %v", statement, err)
	}
	pid := conn.PgConn().PID()
	held = func() bool {
		var waits bool
		err := s.pool.QueryRow(s.t.Context(), `
			SELECT EXISTS (SELECT FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid)))`, pid).Scan(&waits)
		return err == nil && waits
	}
	return held, func() {
		// What a dead process has sent would be done all the same once the lock is gone.
		if _, err := s.pool.Exec(s.t.Context(), `
			SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid))`, pid); err != nil {
			s.t.Error(err)
		}
		closeConn(s.t, conn)
	}
}

// controlURL is the control database, whichever the merchant.
func (s *system) controlURL(int64) string { return s.control }

// tenantURL is the merchant's database, as the server's admin.
func (s *system) tenantURL(merchant int64) string {
	return onDatabase(s.t, dbtest.AdminURL(s.t), s.databaseName(merchant))
}

func (s *system) tenantID(merchant int64) string {
	s.t.Helper()
	var id string
	if err := s.pool.QueryRow(s.t.Context(), `SELECT id::text FROM tenants WHERE merchant = $1`, merchant).Scan(&id); err != nil {
		s.t.Fatalf("the tenant of %d: %v", merchant, err)
	}
	return id
}

func (s *system) databaseName(merchant int64) string {
	s.t.Helper()
	return "t_" + strings.ReplaceAll(s.tenantID(merchant), "-", "")
}

// organization is the merchant's organization at Clerk, "" while there is none.
func (s *system) organization(merchant int64) string {
	for _, o := range s.sandbox.ClerkState().Organizations {
		if o.Private["store_id"] == digits(merchant) {
			return o.ID
		}
	}
	return ""
}

// awaitCount waits until a count in the control database is as wanted.
func (s *system) awaitCount(t *testing.T, within time.Duration, what string, want int, sql string, args ...any) {
	t.Helper()
	dbtest.Eventually(t, within, what, func() bool {
		var n int
		return s.pool.QueryRow(t.Context(), sql, args...).Scan(&n) == nil && n == want
	})
}
