package tenantdb_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/blueprint"
	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/tenantdb"
)

func TestATenantEntersItsOwnDatabaseOnly(t *testing.T) {
	t.Parallel()
	s, server := newServers(t)
	ours, theirs := newTarget(t, s, server), newTarget(t, s, server)

	c := connect(t, ours.Database, ours.Role, ours.Password)

	if _, err := tryConnect(t, ours.Database, ours.Role, "a-wrong-password-of-16"); err == nil {
		t.Error("signed in with a wrong password")
	}
	template := templateName(t)
	for _, other := range []string{theirs.Database, template} {
		if _, err := tryConnect(t, other, ours.Role, ours.Password); err == nil {
			t.Errorf("entered %s", other)
		}
	}
	for _, q := range []string{
		`CREATE TABLE public.mine (a int)`, `CREATE SCHEMA mine`, `ALTER TABLE people ADD COLUMN mine int`,
		`DROP TABLE people`, `TRUNCATE people`, `CREATE EXTENSION hstore`, `CREATE ROLE mine`, `CREATE DATABASE mine`,
		`UPDATE model_migrations SET version_id = 9`, `SELECT rolpassword FROM pg_authid`,
		`ALTER DATABASE ` + ours.Database + ` RENAME TO t_mine`,
	} {
		if _, err := c.Exec(t.Context(), q); err == nil {
			t.Errorf("permitted: %s", q)
		}
	}
	exec(t, c, `CREATE TEMPORARY TABLE mine (a int)`)
	exec(t, c, `INSERT INTO people (first_name) VALUES ('a')`)
	exec(t, c, `DELETE FROM people`)

	facts, err := s.Inspect(t.Context(), server, ours.Database, ours.Role)
	if err != nil {
		t.Fatal(err)
	}
	if p := facts.Problems(); len(p) > 0 || !facts.RoleCanLogin || facts.SizeBytes == 0 || facts.ModelVersion != blueprint.ModelVersion {
		t.Errorf("got %+v: %v", facts, p)
	}
	for _, name := range facts.Elsewhere {
		if strings.HasPrefix(name, "t_") || strings.HasPrefix(name, "wosool_template_") {
			t.Errorf("the role may connect to %s", name)
		}
	}
}

// What a killed Create can leave behind, step by step.
func TestCreateGoesOnWhereItWasKilled(t *testing.T) {
	t.Parallel()
	s, server := newServers(t)
	template := templateName(t)
	clone := func(name string) string {
		return `CREATE DATABASE ` + name + ` TEMPLATE ` + template + ` ALLOW_CONNECTIONS false`
	}
	tests := []struct {
		name  string
		state func(name string) []string
	}{
		{"role made, not yet a member", func(n string) []string { return []string{`CREATE ROLE ` + n + ` LOGIN PASSWORD 'other'`} }},
		{"cloned, not yet named", func(n string) []string { return []string{clone(n + "_new")} }},
		{"cloned from something else", func(n string) []string { return []string{`CREATE DATABASE ` + n + `_new TEMPLATE template0`} }},
		{"named, not yet granted", func(n string) []string {
			return []string{clone(n), `REVOKE CONNECT, TEMPORARY ON DATABASE ` + n + ` FROM PUBLIC`}
		}},
		{"granted, not yet open", func(n string) []string {
			return []string{
				clone(n), `REVOKE CONNECT, TEMPORARY ON DATABASE ` + n + ` FROM PUBLIC`,
				`CREATE ROLE ` + n + ` LOGIN IN ROLE wosool_tenant`, `GRANT CONNECT ON DATABASE ` + n + ` TO ` + n,
			}
		}},
		{"PUBLIC let in again by hand", func(n string) []string {
			return []string{clone(n), `GRANT CONNECT ON DATABASE ` + n + ` TO PUBLIC`}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			name := newName(t, s, server)
			c := connect(t, "", "", "")
			for _, q := range tt.state(name) {
				exec(t, c, q)
			}
			if err := s.Create(t.Context(), server, name, name, password); err != nil {
				t.Fatal(err)
			}
			own := connect(t, name, name, password)
			exec(t, own, `INSERT INTO people (first_name) VALUES ('kept')`)

			// A finished database is verified, never made anew.
			if err := s.Create(t.Context(), server, name, name, password); err != nil {
				t.Fatal(err)
			}
			if got := value(t, own, `SELECT count(*) FROM people`); got != "1" {
				t.Errorf("got %s people, want the one that was there", got)
			}
			if got := value(t, c, `SELECT count(*) FROM pg_database WHERE datname = $1`, name+"_new"); got != "0" {
				t.Error("the unfinished clone is still there")
			}
		})
	}
}

// Cut short after ever more time, so that it ends in each of its steps.
func TestCreateCutShortAnywhere(t *testing.T) {
	t.Parallel()
	s, server := newServers(t)
	name := newName(t, s, server)
	for patience := 5 * time.Millisecond; ; patience += patience / 4 {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		err := s.Create(ctx, server, name, name, password)
		cancel()
		if err == nil {
			break
		}
		if patience > time.Minute {
			t.Fatal(err)
		}
	}
	connect(t, name, name, password)
}

func TestCreateAtOnce(t *testing.T) {
	t.Parallel()
	s, server := newServers(t)
	name := newName(t, s, server)
	errs := make(chan error, 4)
	for range cap(errs) {
		go func() { errs <- s.Create(t.Context(), server, name, name, password) }()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	connect(t, name, name, password)
}

func TestSetLogin(t *testing.T) {
	t.Parallel()
	s, server := newServers(t)
	target := newTarget(t, s, server)
	c := connect(t, target.Database, target.Role, target.Password)
	pools := tenantdb.NewPools(s, 2, dbtest.Log(t))
	t.Cleanup(pools.Close)

	for range 2 {
		if err := s.SetLogin(t.Context(), server, target.Database, target.Role, false); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Ping(t.Context()); err == nil {
		t.Error("a session outlived the suspension")
	}
	if _, err := pools.Open(t.Context(), target); !errors.Is(err, fault.Forbidden) {
		t.Errorf("got %v, want forbidden", err)
	}
	// A late step of provisioning must not end a suspension.
	if err := s.Create(t.Context(), server, target.Database, target.Role, password); err != nil {
		t.Fatal(err)
	}
	facts, err := s.Inspect(t.Context(), server, target.Database, target.Role)
	if err != nil || facts.RoleCanLogin {
		t.Errorf("got %+v, %v; want no login", facts, err)
	}
	if err := s.SetLogin(t.Context(), server, target.Database, target.Role, true); err != nil {
		t.Fatal(err)
	}
	if _, err := pools.Open(t.Context(), target); err != nil {
		t.Error(err)
	}
}

func TestNamesThatAreNoTenants(t *testing.T) {
	t.Parallel()
	s, server := newServers(t)
	for _, name := range []string{"", "postgres", "t_", "t_a\"b", "T_A", "t_" + strings.Repeat("a", 60)} {
		for act, err := range map[string]error{
			"create": s.Create(t.Context(), server, name, name, password),
			"drop":   s.Drop(t.Context(), server, name, name),
			"login":  s.SetLogin(t.Context(), server, name, name, true),
		} {
			if !errors.Is(err, fault.Invalid) {
				t.Errorf("%s %q: got %v, want invalid", act, name, err)
			}
		}
	}
	if err := s.Create(t.Context(), "elsewhere:1", "t_a", "t_a", password); !errors.Is(err, fault.NotFound) {
		t.Errorf("got %v, want not found", err)
	}
	missing := tenantdb.Name(uuid.New())
	facts, err := s.Inspect(t.Context(), server, missing, missing)
	if err != nil || facts.Exists || facts.RoleExists {
		t.Errorf("got %+v, %v; want nothing there", facts, err)
	}
	if err := s.Drop(t.Context(), server, missing, missing); err != nil {
		t.Errorf("drop of what is not there: %v", err)
	}
}

func TestServers(t *testing.T) {
	t.Parallel()
	for _, urls := range [][]string{
		nil,
		{"http://s3cret@host"},
		{"postgres://a:s3cret@host:5432/a", "postgres://b:s3cret@host:5432/b"},
		{"postgres://a:s3cret@host:no/a"},
	} {
		_, err := tenantdb.NewServers(t.Context(), urls, dbtest.Log(t))
		if !errors.Is(err, fault.Invalid) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%d URLs: got %v, want invalid without the URL", len(urls), err)
		}
	}
	s, err := tenantdb.NewServers(t.Context(), []string{"postgres://a@127.0.0.1:1/a", dbtest.AdminURL(t)}, dbtest.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Choose(t.Context()); err != nil || got != s.Names()[1] {
		t.Errorf("got %s, %v; want the server that answers", got, err)
	}
	if _, err := s.EnsureTemplate(t.Context(), s.Names()[0]); !errors.Is(err, fault.Unavailable) {
		t.Errorf("got %v, want unavailable", err)
	}
}

// Two deploys that migrate at once don't stand in each other's way.
func TestFaultFencedAtOnce(t *testing.T) {
	t.Parallel()
	own := dbtest.OwnPostgres(t)
	s, err := tenantdb.NewServers(t.Context(), []string{own.URL()}, dbtest.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 8)
	for range cap(done) {
		go func() { done <- s.Fence(t.Context(), "postgres", "wosool") }()
	}
	for range cap(done) {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// The admin of a real deployment is no superuser.
func TestAdminWithoutSuperuser(t *testing.T) {
	t.Parallel()
	own := dbtest.OwnPostgres(t)
	super, err := pgx.Connect(t.Context(), own.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { super.Close(context.Background()) })
	for _, q := range []string{
		`CREATE ROLE boss LOGIN CREATEDB CREATEROLE PASSWORD 'boss-boss-boss-boss'`,
		`CREATE DATABASE control OWNER boss`, `CREATE DATABASE others`,
	} {
		exec(t, super, q)
	}
	u, err := url.Parse(own.URL())
	if err != nil {
		t.Fatal(err)
	}
	u.User, u.Path = url.UserPassword("boss", "boss-boss-boss-boss"), "/control"
	s, err := tenantdb.NewServers(t.Context(), []string{u.String()}, dbtest.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	server := s.Names()[0]
	for range 2 {
		if v, err := s.EnsureTemplate(t.Context(), server); err != nil || v != blueprint.ModelVersion {
			t.Fatalf("got %d, %v", v, err)
		}
	}
	names := []string{tenantdb.Name(uuid.New()), tenantdb.Name(uuid.New())}
	for _, n := range names {
		if err := s.Create(t.Context(), server, n, n, password); err != nil {
			t.Fatal(err)
		}
	}
	u.User, u.Path = url.UserPassword(names[0], password), "/"+names[0]
	c, err := pgx.Connect(t.Context(), u.String())
	if err != nil {
		t.Fatal(err)
	}
	exec(t, c, `INSERT INTO people (first_name) VALUES ('a')`)

	var missing *tenantdb.NotRevoked
	if err := s.Fence(t.Context(), "control", "boss"); !errors.As(err, &missing) {
		t.Fatalf("got %v, want what a superuser must do", err)
	}
	for server, statements := range missing.Statements {
		for _, q := range statements {
			if strings.Contains(q, `"control"`) {
				t.Errorf("the admin owns control on %s and needs nobody for: %s", server, q)
			}
			exec(t, super, q)
		}
	}
	if err := s.Fence(t.Context(), "control", "boss"); err != nil {
		t.Errorf("after the superuser's statements: %v", err)
	}
	facts, err := s.Inspect(t.Context(), server, names[0], names[0])
	if err != nil || fmt.Sprint(facts.Elsewhere) != "[others]" || len(facts.Problems()) > 0 {
		t.Errorf("got %+v, %v, want only the foreign database elsewhere", facts, err)
	}
	u.Path = "/control"
	if _, err := pgx.Connect(t.Context(), u.String()); err == nil {
		t.Error("a tenant's role entered the control database")
	}

	if err := s.SetLogin(t.Context(), server, names[0], names[0], false); err != nil {
		t.Fatal(err)
	}
	if c.Ping(t.Context()) == nil {
		t.Error("a session outlived the suspension")
	}
	for _, n := range names {
		if err := s.Drop(t.Context(), server, n, n); err != nil {
			t.Error(err)
		}
	}
	if got := value(t, super, `SELECT count(*) FROM pg_roles WHERE rolname LIKE 't\_%'`); got != "0" {
		t.Errorf("%s roles are left", got)
	}
	if got := value(t, super, `SELECT count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE r.rolname = 'boss'`); got != "0" {
		t.Errorf("the admin is still a member of %s roles", got)
	}
}
