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
	s.refused("rejects list palm --after=x", "--after takes the id of a reject")
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
