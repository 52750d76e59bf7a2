package tenantdb_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/tenantdb"
)

const password = "correct-horse-battery-staple"

// newServers returns the test server with its template made.
func newServers(t testing.TB) (*tenantdb.Servers, string) {
	t.Helper()
	s, err := tenantdb.NewServers(t.Context(), []string{dbtest.AdminURL(t)}, dbtest.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	server := s.Names()[0]
	if _, err := s.EnsureTemplate(t.Context(), server); err != nil {
		t.Fatal(err)
	}
	return s, server
}

// newName returns a tenant's name whose database and role go with the test.
func newName(t testing.TB, s *tenantdb.Servers, server string) string {
	t.Helper()
	name := tenantdb.Name(uuid.New())
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := s.Drop(ctx, server, name, name); err != nil {
			t.Error(err)
		}
	})
	return name
}

// newTarget returns a fresh tenant database.
func newTarget(t testing.TB, s *tenantdb.Servers, server string) tenantdb.Target {
	t.Helper()
	name := newName(t, s, server)
	if err := s.Create(t.Context(), server, name, name, password); err != nil {
		t.Fatal(err)
	}
	return tenantdb.Target{Server: server, Database: name, Role: name, Password: password}
}

// newDB returns a fresh tenant database, opened, and a second way into it.
func newDB(t testing.TB) (*tenantdb.DB, *pgx.Conn) {
	t.Helper()
	s, server := newServers(t)
	target := newTarget(t, s, server)
	pools := tenantdb.NewPools(s, 4, dbtest.Log(t))
	t.Cleanup(pools.Close)
	db, err := pools.Open(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	return db, connect(t, target.Database, target.Role, target.Password)
}

// connect signs in at the test server; an empty role is the admin.
func connect(t testing.TB, database, role, password string) *pgx.Conn {
	t.Helper()
	c, err := tryConnect(t, database, role, password)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func tryConnect(t testing.TB, database, role, password string) (*pgx.Conn, error) {
	t.Helper()
	u, err := url.Parse(dbtest.AdminURL(t))
	if err != nil {
		t.Fatal("DATABASE_URL is not a URL")
	}
	if database != "" {
		u.Path = "/" + database
	}
	if role != "" {
		u.User = url.UserPassword(role, password)
	}
	c, err := pgx.Connect(t.Context(), u.String())
	if err == nil {
		t.Cleanup(func() { c.Close(context.Background()) })
	}
	return c, err
}

func exec(t *testing.T, c *pgx.Conn, query string, args ...any) {
	t.Helper()
	if _, err := c.Exec(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// value reads one value as text.
func value(t *testing.T, c *pgx.Conn, query string, args ...any) string {
	t.Helper()
	var v *string
	if err := c.QueryRow(t.Context(), "SELECT ("+query+")::text", args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	if v == nil {
		return "<null>"
	}
	return *v
}

// base is an instant to count from, so that tests read as offsets in minutes.
var base = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func at(minutes int) time.Time { return base.Add(time.Duration(minutes) * time.Minute) }

func source(minutes int) *time.Time { t := at(minutes); return &t }

// order is an order's record as a list gives it.
func order(key, customer, status, total string, read int) tenantdb.Record {
	doc := json.RawMessage(fmt.Sprintf(`{"id":%q,"status":%q,"total":%s,"customer":%q}`, key, status, total, customer))
	return tenantdb.Record{
		Key: key, Document: doc, Hash: []byte(doc), ReadAt: at(read),
		Fields: map[string]any{
			"order_number": "N" + key, "salla_customer_id": customer, "status": status, "total": json.Number(total),
			"currency": "SAR", "placed_at": base, "financial_status": "PAID", "fulfillment_status": "UNFULFILLED",
		},
	}
}

func person(key, name string, read int) tenantdb.Record {
	doc := json.RawMessage(fmt.Sprintf(`{"id":%q,"name":%q}`, key, name))
	return tenantdb.Record{
		Key: key, Document: doc, Hash: []byte(doc), ReadAt: at(read),
		Fields: map[string]any{"first_name": name},
	}
}

func cart(key, customer, status, total string, read int) tenantdb.Record {
	doc := json.RawMessage(fmt.Sprintf(`{"id":%q,"status":%q,"total":%s}`, key, status, total))
	return tenantdb.Record{
		Key: key, Document: doc, Hash: []byte(doc), ReadAt: at(read),
		Fields: map[string]any{
			"customer_id": customer, "recovery_status": status, "total": json.Number(total), "currency": "SAR",
			"item_count": 2, "items": []any{map[string]any{"id": 1}}, "abandoned_at": base,
		},
	}
}

func product(key, price string, read int) tenantdb.Record {
	doc := json.RawMessage(fmt.Sprintf(`{"id":%q,"price":%s}`, key, price))
	return tenantdb.Record{
		Key: key, Document: doc, Hash: []byte(doc), ReadAt: at(read),
		Fields: map[string]any{"name": "Product " + key, "price": json.Number(price), "currency": "SAR", "status": "ACTIVE"},
	}
}

// page opens the next page of a stream.
func page(t testing.TB, db *tenantdb.DB, ref tenantdb.PageRef) tenantdb.OpenedPage {
	t.Helper()
	p, err := db.OpenPage(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// importer commits pages of one run and resource one after the other.
type importer struct {
	t   testing.TB
	db  *tenantdb.DB
	ref tenantdb.PageRef
}

func newImporter(t testing.TB, db *tenantdb.DB, resource string) *importer {
	return &importer{t, db, tenantdb.PageRef{Stream: uuid.New(), Run: uuid.New(), Resource: resource, Pass: 1, PerPage: 60}}
}

func (i *importer) commit(shape tenantdb.Shape, records []tenantdb.Record, rejects ...tenantdb.Reject) tenantdb.Tally {
	i.t.Helper()
	i.ref.Seq++
	p := page(i.t, i.db, i.ref)
	r, err := i.db.CommitPage(i.t.Context(), tenantdb.PageCommit{
		Ref: p.Ref, Fence: p.Fence, Batches: []tenantdb.Batch{{Shape: shape, Records: records}}, Rejects: rejects,
	})
	if err != nil {
		i.t.Fatal(err)
	}
	return r.Tally
}

func apply(t *testing.T, db *tenantdb.DB, s tenantdb.Shape, r tenantdb.Record) tenantdb.Outcome {
	t.Helper()
	a, err := db.Apply(t.Context(), s, r)
	if err != nil {
		t.Fatal(err)
	}
	return a.Outcome
}

func templateName(t *testing.T) string {
	t.Helper()
	name, err := tenantdb.TemplateName()
	if err != nil {
		t.Fatal(err)
	}
	return name
}
