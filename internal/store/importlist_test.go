package store

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/dbtest"
)

func TestAllRuns(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	tenant := shopTenant(t, db)
	var ids []uuid.UUID
	for i, kind := range []string{RunInitial, RunReconcile, RunReconcile, RunManual} {
		id := uuid.Must(uuid.NewV7())
		exec(t, db, `
			INSERT INTO runs (id, tenant_id, kind, status, state, resources)
			VALUES ($1, $2, $3, $4, 'done', '{orders}')`, id, tenant, kind, []string{"complete", "failed"}[i%2])
		ids = append(ids, id)
	}
	exec(t, db, `
		INSERT INTO streams (id, run_id, tenant_id, resource, per_page, ahead, imported, total_before)
		VALUES ($1, $2, $3, 'orders', 60, 1, 40, 100)`, uuid.New(), ids[3], tenant)

	for _, tt := range []struct {
		name   string
		filter RunFilter
		want   []int
		more   bool
	}{
		{"all", RunFilter{}, []int{3, 2, 1, 0}, false},
		{"status", RunFilter{Status: "failed"}, []int{3, 1}, false},
		{"kind", RunFilter{Kind: RunReconcile}, []int{2, 1}, false},
		{"tenant", RunFilter{Tenant: &tenant, Limit: 2}, []int{3, 2}, true},
		{"older", RunFilter{Cursor: ids[2]}, []int{1, 0}, false},
		{"newer", RunFilter{Cursor: ids[0], Newer: true, Limit: 2}, []int{2, 1}, true},
	} {
		page, err := db.AllRuns(t.Context(), tt.filter)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		var got []int
		for _, r := range page.Runs {
			got = append(got, slices.Index(ids, r.ID))
		}
		if fmt.Sprint(got) != fmt.Sprint(tt.want) || page.More != tt.more {
			t.Errorf("%s: got %v, more %v; want %v, %v", tt.name, got, page.More, tt.want, tt.more)
		}
	}
	page, err := db.AllRuns(t.Context(), RunFilter{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	if s := page.Runs[0].Streams; len(s) != 1 || s[0].Imported != 40 {
		t.Errorf("streams of the newest = %+v", s)
	}
}

func TestEventsInBothDirections(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	var ids []string
	for _, name := range []string{"order.created", "order.updated", "product.created", "order.created", "order.deleted", "order.updated"} {
		ids = append(ids, recordEvent(t, db, 7, name, time.Time{}).ID.String())
	}
	for _, tt := range []struct {
		name   string
		filter EventFilter
		want   []int
		more   bool
	}{
		{"several names, newest first", EventFilter{Q: "order.", Limit: 3}, []int{5, 4, 3}, true},
		{"several names, older", EventFilter{Q: "order.", Limit: 3, Cursor: ids[3]}, []int{1, 0}, false},
		{"several names, newer", EventFilter{Q: "order.", Limit: 2, Cursor: ids[0], Newer: true}, []int{3, 1}, true},
		{"newer to the top", EventFilter{Limit: 3, Cursor: ids[3], Newer: true}, []int{5, 4}, false},
		{"a beginning and another name", EventFilter{Q: "order.", Event: "product.created"}, nil, false},
	} {
		page, err := db.Events(t.Context(), tt.filter)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		var got []int
		for _, e := range page.Events {
			got = append(got, slices.Index(ids, e.ID.String()))
		}
		if fmt.Sprint(got) != fmt.Sprint(tt.want) || page.More != tt.more {
			t.Errorf("%s: got %v, more %v; want %v, %v", tt.name, got, page.More, tt.want, tt.more)
		}
	}
	names, err := db.EventNames(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"order.created", "order.deleted", "order.updated", "product.created"}; !slices.Equal(names, want) {
		t.Errorf("names = %v, want %v", names, want)
	}
}
