package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/access"
	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/tenantdb"
	"github.com/wosool/wosool/internal/vault"
)

func TestRejects(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.env["TENANT_DATABASE_URLS"] = dbtest.AdminURL(t)
	var made struct {
		ID uuid.UUID `json:"id"`
	}
	s.json(&made, "tenants create --name=Palm --slug=palm --owner-email=o@example.com")
	s.refused("rejects list palm", "the tenant has no database yet")
	db := s.tenantDatabase(made.ID)
	for _, r := range []tenantdb.Reject{
		{Resource: "customers", SourceID: "7", Field: "email", Reason: "it is no e-mail address", Record: []byte(`{"id":7}`)},
		{Resource: "orders", SourceID: "8", Reason: "it has no number", Record: []byte(`{"id":8}`)},
	} {
		if err := db.KeepReject(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}

	if out := s.done("rejects list palm"); strings.Count(out, "\n") != 3 || !strings.Contains(out, "it is no e-mail address") {
		t.Errorf("list = %s", out)
	}
	var list struct {
		Data []struct {
			SourceID string  `json:"source_id"`
			Import   *string `json:"import"`
			Record   *string `json:"record"`
		} `json:"data"`
	}
	s.json(&list, "rejects list palm --resource=customers")
	if len(list.Data) != 1 || list.Data[0].SourceID != "7" || list.Data[0].Record != nil || list.Data[0].Import != nil {
		t.Errorf("list = %+v", list)
	}
	s.json(&list, "rejects list palm --resource=orders --records")
	if len(list.Data) != 1 || list.Data[0].Record == nil || *list.Data[0].Record != `{"id":8}` {
		t.Errorf("list with records = %+v", list)
	}
	s.misused("rejects list palm --after=x", "--after")
}

func TestRejectsAreRedrivenFromTheShell(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.env["TENANT_DATABASE_URLS"] = dbtest.AdminURL(t)
	var made struct {
		ID uuid.UUID `json:"id"`
	}
	s.json(&made, "tenants create --name=Palm --slug=palm --owner-email=o@example.com")
	s.refused("rejects redrive palm", "the tenant has no database yet")
	db := s.tenantDatabase(made.ID)
	for _, r := range []tenantdb.Reject{
		{Resource: "products", SourceID: "1", Field: "price", Reason: `the price is "1?"`, Record: []byte(`{"id":1,"name":"Oud","price":{"amount":5,"currency":"SAR"}}`)},
		{Resource: "products", SourceID: "2", Field: "price", Reason: `the price is "2?"`, Record: []byte(`{"id":2,"name":"Oud","price":{"amount":5,"currency":"SAR"}}`)},
		{Resource: "orders", SourceID: "8", Field: "date", Reason: "it has no date", Record: []byte(`{"id":8}`)},
	} {
		if err := db.KeepReject(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}

	var would struct {
		WouldRedrive  int `json:"would_redrive"`
		Understood    int
		StillRejected []any `json:"still_rejected"`
	}
	s.json(&would, "rejects redrive palm --dry-run")
	if would.WouldRedrive != 3 || would.Understood != 2 || len(would.StillRejected) != 1 || s.db(`SELECT count(*)::text FROM entity_reads`) != "0" {
		t.Errorf("a dry run = %+v, want three, two of them understood, and nothing done", would)
	}
	if out := s.done("rejects redrive palm --dry-run"); !strings.Contains(out, "3 would be re-driven.") || !strings.Contains(out, "orders") {
		t.Errorf("dry run: %s", out)
	}
	var done struct {
		Tried, Stored int
		Left          int
		Next          *string
	}
	s.json(&done, "rejects redrive palm --resource=products --field=price")
	if done.Tried != 2 || done.Stored != 2 || done.Left != 0 || done.Next != nil {
		t.Errorf("re-driven = %+v", done)
	}
	if got := s.db(`SELECT act || ' ' || (details->>'stored') || ' ' || (details->'filter'->>'field') FROM audit WHERE act LIKE 'rejects%'`); got != "rejects.redrive 2 price" {
		t.Errorf("audit = %s", got)
	}
	out := s.done("rejects redrive palm")
	if !strings.Contains(out, "1 tried: 0 stored, 0 unchanged, 0 overtaken by what is stored, 1 still rejected.") || !strings.Contains(out, "1 are read again at Salla") {
		t.Errorf("re-driven: %s", out)
	}
	if got := s.db(`SELECT count(*)::text FROM entity_reads WHERE resource = 'orders' AND entity = '8'`); got != "1" {
		t.Errorf("%s reads are wanted of the order, want 1", got)
	}
	if out := s.done("rejects list palm"); strings.Count(out, "\n") != 2 || strings.Contains(out, "it has no date") {
		t.Errorf("open = %s, want the order, with the newest reason", out)
	}
	s.misused("rejects redrive palm --id=x", "--id")
	s.misused("rejects redrive palm --import=x", "--import")
	if _, _, code := s.run("rejects redrive"); code != 2 {
		t.Errorf("without a tenant: exit %d, want 2", code)
	}
	if _, _, code := s.run("rejects redrive palm --resource=x"); code != 2 {
		t.Errorf("an unknown resource: exit %d, want 2", code)
	}
}

// tenantDatabase makes the tenant's database as provisioning does, and opens it.
func (s *shell) tenantDatabase(id uuid.UUID) *tenantdb.DB {
	s.t.Helper()
	servers, err := tenantdb.NewServers(s.t.Context(), []string{dbtest.AdminURL(s.t)}, dbtest.Log(s.t))
	if err != nil {
		s.t.Fatal(err)
	}
	server, name := servers.Names()[0], tenantdb.Name(id)
	if _, err := servers.EnsureTemplate(s.t.Context(), server); err != nil {
		s.t.Fatal(err)
	}
	const password = "correct-horse-battery-staple"
	if err := servers.Create(s.t.Context(), server, name, name, password); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := servers.Drop(ctx, server, name, name); err != nil {
			s.t.Error(err)
		}
	})
	keys, err := vault.OpenKeys(s.env["SECRET_KEYSET"])
	if err != nil {
		s.t.Fatal(err)
	}
	sealed, err := keys.Seal([]byte(password), access.PasswordAD(id))
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.pool.Exec(s.t.Context(), `
		UPDATE tenants
		SET database_server = $2, database_name = $3, database_role = $3, database_password = $4
		WHERE id = $1`, id, server, name, sealed); err != nil {
		s.t.Fatal(err)
	}
	pools := tenantdb.NewPools(servers, 1, dbtest.Log(s.t))
	s.t.Cleanup(pools.Close)
	db, err := pools.Open(s.t.Context(), tenantdb.Target{Server: server, Database: name, Role: name, Password: password})
	if err != nil {
		s.t.Fatal(err)
	}
	return db
}

// misused runs a command line that can't be understood, and takes its exit code.
func (s *shell) misused(args, flag string) {
	s.t.Helper()
	if out, errs, code := s.run(args); code != exitMisuse || out != "" || !strings.Contains(errs, flag) {
		s.t.Errorf("wosool %s: exit %d, out %q, err %q; want %d and a word about %s", args, code, out, errs, exitMisuse, flag)
	}
}
