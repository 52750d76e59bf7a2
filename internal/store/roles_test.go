package store_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
)

func TestRolesCover(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		has, needs store.Role
		want       bool
	}{
		{store.RoleViewer, store.RoleViewer, true},
		{store.RoleViewer, store.RoleOperator, false},
		{store.RoleOperator, store.RoleViewer, true},
		{store.RoleOperator, store.RoleAdmin, false},
		{store.RoleAdmin, store.RoleOperator, true},
		{"", store.RoleViewer, false},
		{"root", store.RoleViewer, false},
		{store.RoleAdmin, "", false},
	} {
		if got := tt.has.Covers(tt.needs); got != tt.want {
			t.Errorf("%q covers %q: %t", tt.has, tt.needs, got)
		}
	}
}

// A role holds for the sessions that are there, and the audit says what it was.
func TestRoleChanges(t *testing.T) {
	t.Parallel()
	db, pool, _ := operators(t)
	badr := added(t, db, "badr@example.com", store.RoleAdmin)
	token := signIn(t, db)
	mine, err := db.UseSession(t.Context(), token, "192.0.2.1")
	if err != nil || mine.Role != store.RoleAdmin {
		t.Fatalf("session = %+v, %v", mine, err)
	}

	by := store.Actor{Name: "badr@example.com", Address: "192.0.2.9"}
	for range 2 { // the second time it is so already
		o, err := db.SetOperatorRole(t.Context(), mine.OperatorID, store.RoleViewer, by)
		if err != nil || o.Role != store.RoleViewer || o.Email != amal {
			t.Fatalf("SetOperatorRole = %+v, %v", o, err)
		}
	}

	if s, err := db.UseSession(t.Context(), token, "192.0.2.1"); err != nil || s.Role != store.RoleViewer {
		t.Errorf("the session is of %q, %v; want the new role at once", s.Role, err)
	}
	if role, err := db.SessionRole(t.Context(), mine.ID); err != nil || role != store.RoleViewer {
		t.Errorf("SessionRole = %q, %v", role, err)
	}
	if _, err := db.SetOperatorRole(t.Context(), badr.ID, "root", by); !errors.Is(err, fault.Invalid) {
		t.Errorf("no role: %v, want invalid", err)
	}
	if _, err := db.SetOperatorRole(t.Context(), uuid.New(), store.RoleViewer, by); !errors.Is(err, fault.NotFound) {
		t.Errorf("nobody: %v, want not found", err)
	}
	if _, err := db.AddOperator(t.Context(), "dana@example.com", hers, "", by); !errors.Is(err, fault.Invalid) {
		t.Errorf("added without a role: %v, want invalid", err)
	}
	if _, err := db.RemoveOperator(t.Context(), amal, by); err != nil {
		t.Fatal(err)
	}
	want := []string{
		`operator.add amal@example.com {"after": {"role": "admin"}}`,
		`operator.add badr@example.com {"after": {"role": "admin"}}`,
		`operator.role amal@example.com {"after": {"role": "viewer"}, "before": {"role": "admin"}}`,
		`operator.remove amal@example.com {"before": {"role": "viewer"}, "sessions": 1}`,
	}
	if diff := cmp.Diff(want, noted(t, pool, "operator.%", "operator.sign_in")); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
}

// Without an admin nobody could say who may do what: the last one stays.
func TestLastAdminStays(t *testing.T) {
	t.Parallel()
	db, pool, o := operators(t)
	added(t, db, "badr@example.com", store.RoleOperator)
	by := store.Actor{Name: "test"}
	signIn(t, db)

	_, less := db.SetOperatorRole(t.Context(), o.ID, store.RoleOperator, by)
	_, gone := db.RemoveOperator(t.Context(), amal, by)

	for act, err := range map[string]error{"made less": less, "removed": gone} {
		if !errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "amal@example.com is the last admin") {
			t.Errorf("the last admin %s: %v, want a conflict in words", act, err)
		}
	}
	list, err := db.Sessions(t.Context(), o.ID)
	if err != nil || len(list) != 1 || list[0].Role != store.RoleAdmin {
		t.Errorf("sessions = %+v, %v; want nothing changed", list, err)
	}
	if got := noted(t, pool, "operator.re%", ""); len(got) != 0 {
		t.Errorf("audit has %v of what was not done", got)
	}
}

// Admins who remove or lessen each other at the same moment leave one.
func TestAdminsAtOnceLeaveOne(t *testing.T) {
	t.Parallel()
	pool := dbtest.Control(t)
	db := store.New(pool)
	var all []store.Operator
	for i := range 6 {
		all = append(all, added(t, db, fmt.Sprintf("admin%d@example.com", i), store.RoleAdmin))
	}
	start, errs := make(chan struct{}), make([]error, len(all))
	var at sync.WaitGroup
	for i, o := range all {
		at.Go(func() {
			<-start
			by := store.Actor{Name: all[(i+1)%len(all)].Email}
			if i%2 == 0 {
				_, errs[i] = db.RemoveOperator(t.Context(), o.Email, by)
			} else {
				_, errs[i] = db.SetOperatorRole(t.Context(), o.ID, store.RoleViewer, by)
			}
		})
	}
	close(start)
	at.Wait()

	var refused int
	for _, err := range errs {
		if errors.Is(err, fault.Conflict) {
			refused++
		} else if err != nil {
			t.Error(err)
		}
	}
	var admins int
	if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM operators WHERE role = 'admin'`).Scan(&admins); err != nil {
		t.Fatal(err)
	}
	if admins != 1 || refused != 1 {
		t.Errorf("%d admins are left and %d acts were refused, want one of each", admins, refused)
	}
}

// Every session is listed page by page, and one is ended by its id.
func TestAllSessions(t *testing.T) {
	t.Parallel()
	db, pool, o := operators(t)
	badr := added(t, db, "badr@example.com", store.RoleViewer)
	var ids []string // newest first
	for i := range 5 {
		who := o.ID
		if i%2 == 1 {
			who = badr.ID
		}
		id := uuid.Must(uuid.NewV7())
		if _, err := pool.Exec(t.Context(), `
			INSERT INTO sessions (id, token_hash, operator_id, address, agent)
			VALUES ($1, uuid_send($1), $2, '192.0.2.7', 'a browser')`, id, who); err != nil {
			t.Fatal(err)
		}
		ids = append([]string{id.String()}, ids...)
	}
	if _, err := pool.Exec(t.Context(), `
		INSERT INTO sessions (id, token_hash, operator_id, address, agent, seen_at)
		VALUES ($1, 'over', $2, '', '', now() - interval '13 hours')`, uuid.Must(uuid.NewV7()), o.ID); err != nil {
		t.Fatal(err)
	}
	page := func(f store.SessionFilter) (got []string, more bool) {
		t.Helper()
		f.Limit = 2
		list, more, err := db.AllSessions(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range list {
			got = append(got, s.ID.String())
		}
		return got, more
	}
	for name, tt := range map[string]struct {
		f    store.SessionFilter
		want []string
		more bool
	}{
		"first":                {store.SessionFilter{}, ids[:2], true},
		"older":                {store.SessionFilter{Before: uuid.MustParse(ids[1])}, ids[2:4], true},
		"last":                 {store.SessionFilter{Before: uuid.MustParse(ids[3])}, ids[4:], false},
		"newer":                {store.SessionFilter{After: uuid.MustParse(ids[3])}, ids[1:3], true},
		"newest":               {store.SessionFilter{After: uuid.MustParse(ids[2])}, ids[:2], false},
		"of one operator":      {store.SessionFilter{Operator: badr.ID}, []string{ids[1], ids[3]}, false},
		"of one operator, old": {store.SessionFilter{Operator: o.ID, Before: uuid.MustParse(ids[0])}, []string{ids[2], ids[4]}, false},
	} {
		if got, more := page(tt.f); !cmp.Equal(got, tt.want) || more != tt.more {
			t.Errorf("%s: %v, more %t; want %v, %t", name, got, more, tt.want, tt.more)
		}
	}
	if found, err := db.Operator(t.Context(), badr.ID); err != nil || found.Sessions != 2 || !cmp.Equal(found.Addresses, []string{"192.0.2.7"}) {
		t.Errorf("badr = %+v, %v", found, err)
	}

	by := store.Actor{Name: amal}
	ended, err := db.RevokeSession(t.Context(), uuid.MustParse(ids[1]), by)
	if err != nil || ended.Email != "badr@example.com" {
		t.Errorf("RevokeSession = %+v, %v", ended, err)
	}
	if _, err := db.RevokeSession(t.Context(), uuid.MustParse(ids[1]), by); !errors.Is(err, fault.NotFound) {
		t.Errorf("once more: %v, want not found", err)
	}
	want := []string{`session.revoke badr@example.com {"before": {"agent": "a browser", "address": "192.0.2.7"}, "session": "` + ids[1] + `"}`}
	if diff := cmp.Diff(want, noted(t, pool, "session.%", "")); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
}

// added makes an operator of a role.
func added(t *testing.T, db *store.DB, email string, role store.Role) store.Operator {
	t.Helper()
	o, err := db.AddOperator(t.Context(), email, hers, role, store.Actor{Name: "test"})
	if err != nil || o.Role != role {
		t.Fatalf("made %+v, %v", o, err)
	}
	return o
}

// noted gives the lines of the audit whose acts are like a pattern, but one act.
func noted(t *testing.T, pool *pgxpool.Pool, like, but string) []string {
	t.Helper()
	var lines []string
	if err := pool.QueryRow(t.Context(), `
		SELECT coalesce(array_agg(act || ' ' || subject || ' ' || details::text ORDER BY id), '{}')
		FROM audit
		WHERE act LIKE $1 AND act <> $2`, like, but).Scan(&lines); err != nil {
		t.Fatal(err)
	}
	return lines
}
