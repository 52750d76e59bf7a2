package tenantdb_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/tenantdb"
)

func TestBrowseLeavesOutTheDeleted(t *testing.T) {
	t.Parallel()
	db, own := newDB(t)
	i := newImporter(t, db, tenantdb.Customers)
	i.commit(tenantdb.CustomerList(), []tenantdb.Record{person("1", "Noura", 0), person("2", "Sara", 0)})
	exec(t, own, `UPDATE people SET deleted_at = now() WHERE salla_customer_id = '1'`)
	people, err := tenantdb.BrowsableNamed("people")
	if err != nil {
		t.Fatal(err)
	}

	rows, more, err := db.Browse(t.Context(), people, tenantdb.BrowseFilter{Limit: 10})
	if err != nil || more || len(rows) != 1 || rows[0].Key != "2" {
		t.Errorf("rows %+v, more %t, %v; want only 2", rows, more, err)
	}
	gone, err := db.BrowseRecord(t.Context(), people, "1")
	if err != nil || gone.DeletedAt == nil {
		t.Errorf("the deleted one: %+v, %v; want it shown as deleted", gone, err)
	}
	if _, err := db.BrowseRecord(t.Context(), people, "3"); !errors.Is(err, fault.NotFound) {
		t.Errorf("nobody: %v, want not found", err)
	}
	if _, err := tenantdb.BrowsableNamed("settings"); !errors.Is(err, fault.NotFound) {
		t.Errorf("another table: %v, want not found", err)
	}
}

// A look never writes, and is stopped where it takes long.
func TestBrowseIsBounded(t *testing.T) {
	t.Parallel()
	db, own := newDB(t)
	i := newImporter(t, db, tenantdb.Customers)
	i.commit(tenantdb.CustomerList(), []tenantdb.Record{person("1", "Noura", 0)})
	people, err := tenantdb.BrowsableNamed("people")
	if err != nil {
		t.Fatal(err)
	}
	admin := connect(t, value(t, own, `current_database()`), "", "")
	tx, err := admin.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `LOCK TABLE people IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	_, _, err = db.Browse(t.Context(), people, tenantdb.BrowseFilter{Q: "Noura", Limit: 10})
	if !tenantdb.TooSlow(err) || !errors.Is(err, fault.Unavailable) || time.Since(begun) > 10*time.Second {
		t.Errorf("after %s: %v, want it stopped as too slow", time.Since(begun), err)
	}
	if err := tx.Rollback(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	if rows, _, err := db.Browse(t.Context(), people, tenantdb.BrowseFilter{Q: "Noura", Limit: 10}); err != nil || len(rows) != 1 {
		t.Errorf("afterwards: %+v, %v", rows, err)
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	db, _ := newDB(t)
	whole, tables, err := db.Sizes(t.Context())
	if err != nil || whole < 1<<20 || len(tables) < 10 {
		t.Fatalf("%d bytes, tables %+v, %v", whole, tables, err)
	}
	for i, table := range tables {
		if table.Bytes <= 0 || i > 0 && table.Bytes > tables[i-1].Bytes {
			t.Errorf("%s has %d bytes: want the largest first", table.Name, table.Bytes)
		}
	}
}
