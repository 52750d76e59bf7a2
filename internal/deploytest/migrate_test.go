package deploytest

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/vault"
)

// The roles of a new volume are enough for `wosool migrate`, and for no more.
func TestMigrateWithTheRoles(t *testing.T) {
	t.Parallel()
	env := complete()
	env["SECRET_KEYSET"] = newKeyset(t)
	s := newServers(t, env)
	super, err := pgx.Connect(t.Context(), s.superuser)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = super.Close(t.Context()) }()
	if roles := query[string](t, super, `
		SELECT string_agg(concat_ws(':', rolname, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls), ' ' ORDER BY rolname)
		FROM pg_roles
		WHERE rolname LIKE 'wosool\_%'`); roles != "wosool_admin:f:t:t:f:f wosool_app:f:f:f:f:f" {
		t.Errorf("the roles are %s (superuser, createdb, createrole, replication, bypassrls)", roles)
	}
	if !query[bool](t, super, `SELECT bool_and(rolpassword LIKE 'SCRAM-SHA-256$%') FROM pg_authid WHERE rolname LIKE 'wosool\_%'`) {
		t.Error("a password is not kept as a SCRAM verifier")
	}

	for i := range 2 { // an upgrade runs it again
		cmd := exec.CommandContext(t.Context(), filepath.Join(image, "build", "wosool"), "migrate")
		cmd.Env = s.environment(compose(t, env), "migrate")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "shut out") {
			t.Fatalf("migrate, time %d: %v: %s", i+1, err, out)
		}
	}

	app, err := s.connect(t.Context(), "wosool_app", "wosool")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = app.Close(t.Context()) }()
	if owner := query[string](t, app, `SELECT tableowner FROM pg_tables WHERE tablename = 'tenants'`); owner != "wosool_app" {
		t.Errorf("the control tables are %s's", owner)
	}
	if _, err := app.Exec(t.Context(), `CREATE DATABASE mine`); err == nil {
		t.Error("the application's role makes databases")
	}
	s.refused(t, "wosool_admin", "wosool", "template1")
	s.refused(t, "wosool_app", "postgres", "template1")
}

// refused fails where a role may connect to one of the databases.
func (s servers) refused(t *testing.T, role string, databases ...string) {
	t.Helper()
	for _, database := range databases {
		c, err := s.connect(t.Context(), role, database)
		if err == nil {
			_ = c.Close(t.Context())
			t.Errorf("%s may connect to %s", role, database)
			continue
		}
		if !strings.Contains(err.Error(), "42501") {
			t.Errorf("%s to %s: %v, want that it is not permitted", role, database, err)
		}
	}
}

func newKeyset(t *testing.T) string {
	t.Helper()
	keyset, err := vault.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	return keyset
}
