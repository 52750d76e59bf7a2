package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/tenant"
)

func TestCreateTenant(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	merchant := int64(77)
	given := tenant.Given{Name: " متجر الورد ", Slug: "roses", OwnerEmail: "owner@example.com", Merchant: &merchant}

	got, tasks, err := db.CreateTenant(t.Context(), given, Actor{Name: "op@example.com", Address: "192.0.2.1"})
	if err != nil {
		t.Fatal(err)
	}
	if got.Name != "متجر الورد" || got.Status != "provisioning" || !got.ByHand || *got.Merchant != 77 {
		t.Errorf("tenant = %+v", got)
	}
	want := []Task{{Kind: KindTenantProvision, ID: got.ID, Epoch: 2, Lane: "provisioning"}}
	if diff := cmp.Diff(want, tasks); diff != "" {
		t.Errorf("tasks (-want +got):\n%s", diff)
	}
	steps, err := db.Steps(t.Context(), got.ID)
	if err != nil {
		t.Fatal(err)
	}
	var names []tenant.Step
	for _, s := range steps {
		names = append(names, tenant.Step(s.Name))
		if s.Status != "pending" {
			t.Errorf("step %s = %s, want pending", s.Name, s.Status)
		}
	}
	if diff := cmp.Diff(tenant.Steps(), names); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	if got := audited(t, db, got.ID); !strings.Contains(got, "op@example.com tenant.create 192.0.2.1") {
		t.Errorf("audit = %q", got)
	}

	other := int64(78)
	for _, tt := range []struct {
		name  string
		given tenant.Given
		kind  fault.Kind
		words string
	}{
		{"same slug", tenant.Given{Name: "x", Slug: "roses", OwnerEmail: "a@b.co", Merchant: &other}, fault.Conflict, "slug roses"},
		{"same merchant", tenant.Given{Name: "x", Slug: "tulips", OwnerEmail: "a@b.co", Merchant: &merchant}, fault.Conflict, "merchant 77"},
		{"nothing right", tenant.Given{Slug: "A", OwnerEmail: "Me <a@b.co>", Merchant: new(int64)}, fault.Invalid, "name must have 1 to 256 characters; slug must"},
	} {
		if _, _, err := db.CreateTenant(t.Context(), tt.given, Actor{Name: "op"}); !errors.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.words) {
			t.Errorf("%s: error = %v, want %s with %q", tt.name, err, tt.kind, tt.words)
		}
	}
}

func TestCreateTenantOfEvent(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))

	first := fromEvent(t, db, 501)
	if first.Slug != "store-501" || first.Name != "Store 501" || first.Status != "pending" || first.State != "waiting" {
		t.Errorf("new: %+v", first)
	}
	if again := fromEvent(t, db, 501); again.ID != first.ID {
		t.Errorf("again: another tenant %s, want %s", again.ID, first.ID)
	}

	byHand := handMade(t, db, "store-502", nil)
	adopted := fromEvent(t, db, 502)
	if adopted.ID != byHand.ID || *adopted.Merchant != 502 {
		t.Errorf("adopted %s with merchant %v, want %s", adopted.ID, adopted.Merchant, byHand.ID)
	}

	merchant := int64(9)
	squatter := handMade(t, db, "store-503", &merchant)
	beside := fromEvent(t, db, 503)
	if beside.ID == squatter.ID || !strings.HasPrefix(beside.Slug, "store-503-") {
		t.Errorf("beside a squatter of the slug: %s %s", beside.ID, beside.Slug)
	}
}

func TestTenants(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	merchants := []int64{1305146709, 1305146710, 42}
	for i, name := range []string{"متجر الورد", "Dates & Co", "O'Hara 100%"} {
		if _, _, err := db.CreateTenant(t.Context(), tenant.Given{
			Name: name, Slug: fmt.Sprintf("shop-%d", i), OwnerEmail: "a@b.co", Merchant: &merchants[i],
		}, Actor{Name: "op"}); err != nil {
			t.Fatal(err)
		}
	}
	exec(t, db, `
		UPDATE tenants
		SET store = jsonb_build_object('domain', CASE slug WHEN 'shop-0' THEN 'https://salla.sa/Dev_ward' WHEN 'shop-1' THEN 'https://www.dates.example' ELSE '' END)`)
	all := list(t, db, TenantFilter{Limit: 10})
	if diff := cmp.Diff([]string{"shop-2", "shop-1", "shop-0"}, slugs(all)); diff != "" {
		t.Fatalf("all, newest first (-want +got):\n%s", diff)
	}
	for _, tt := range []struct {
		name   string
		filter TenantFilter
		want   []string
	}{
		{"page", TenantFilter{Limit: 2}, []string{"shop-2", "shop-1"}},
		{"next page", TenantFilter{Limit: 2, Cursor: all[1].ID}, []string{"shop-0"}},
		{"merchant", TenantFilter{Merchant: &merchants[2]}, []string{"shop-2"}},
		{"status", TenantFilter{Status: "provisioning"}, []string{"shop-2", "shop-1", "shop-0"}},
		{"no such status", TenantFilter{Status: "ready"}, nil},
		{"a later word", TenantFilter{Q: "الور"}, []string{"shop-0"}},
		{"words in any order", TenantFilter{Q: "co dat"}, []string{"shop-1"}},
		{"slug", TenantFilter{Q: "shop-1"}, []string{"shop-1"}},
		{"merchant's beginning", TenantFilter{Q: "13051467"}, []string{"shop-1", "shop-0"}},
		{"id", TenantFilter{Q: all[0].ID.String()}, []string{"shop-2"}},
		{"domain", TenantFilter{Q: "dates.ex"}, []string{"shop-1"}},
		{"domain as a link", TenantFilter{Q: "https://dates.example/"}, []string{"shop-1"}},
		{"domain as it is said", TenantFilter{Q: "WWW.Dates.example"}, []string{"shop-1"}},
		{"domain with its path", TenantFilter{Q: "salla.sa/dev_w"}, []string{"shop-0"}},
		{"no address", TenantFilter{Q: "https://"}, nil},
		{"quotes and wildcards", TenantFilter{Q: `'%_\:*&|!`}, nil},
		{"name with a quote", TenantFilter{Q: "o'hara"}, []string{"shop-2"}},
		{"with status", TenantFilter{Q: "shop", Status: "failed"}, nil},
	} {
		if tt.filter.Limit == 0 {
			tt.filter.Limit = 10
		}
		if diff := cmp.Diff(tt.want, slugs(list(t, db, tt.filter))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	counts, err := db.TenantStats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{"provisioning": 3}, counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

// fromEvent makes the tenant of a store as an app event does.
func fromEvent(t *testing.T, db *DB, merchant int64) Tenant {
	t.Helper()
	var made Tenant
	inTestTx(t, db, func(tx pgx.Tx) (err error) {
		made, _, err = createTenant(t.Context(), tx, merchant)
		return err
	})
	return made
}

func handMade(t *testing.T, db *DB, slug string, merchant *int64) Tenant {
	t.Helper()
	made, _, err := db.CreateTenant(t.Context(), tenant.Given{
		Name: "By hand", Slug: slug, OwnerEmail: "owner@example.com", Merchant: merchant,
	}, Actor{Name: "op"})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// grantedTenant makes a tenant whose store has installed the app and granted
// access, on the way to ready, and returns it with its task.
func grantedTenant(t *testing.T, db *DB, merchant int64) (Tenant, Task) {
	t.Helper()
	made := fromEvent(t, db, merchant)
	grant(t, db, made.ID)
	var task Task
	inTestTx(t, db, func(tx pgx.Tx) (err error) {
		task, err = startProvisioning(t.Context(), tx, made.ID)
		return err
	})
	return tenantNow(t, db, made.ID), task
}

// grant installs the app and gives an active connection, as an authorize does.
func grant(t *testing.T, db *DB, id uuid.UUID) {
	t.Helper()
	exec(t, db, `UPDATE tenants SET installed = true, lifecycle_at = now() WHERE id = $1`, id)
	exec(t, db, `INSERT INTO connections (id, status) VALUES ($1, 'active') ON CONFLICT (id) DO UPDATE SET status = 'active'`, id)
}

func take(t *testing.T, db *DB, task Task) Lease {
	t.Helper()
	l, taken, err := db.Take(t.Context(), task, time.Minute)
	if err != nil || taken != TakenOurs {
		t.Fatalf("take %s epoch %d: %v, %v", task.Kind, task.Epoch, taken, err)
	}
	return l
}

func tenantNow(t *testing.T, db *DB, id uuid.UUID) Tenant {
	t.Helper()
	got, err := db.Tenant(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func list(t *testing.T, db *DB, f TenantFilter) []Tenant {
	t.Helper()
	got, err := db.Tenants(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func slugs(list []Tenant) []string {
	var s []string
	for _, t := range list {
		s = append(s, t.Slug)
	}
	return s
}

func audited(t *testing.T, db *DB, id uuid.UUID) string {
	t.Helper()
	var s string
	if err := db.pool.QueryRow(t.Context(), `
		SELECT coalesce(string_agg(actor || ' ' || act || ' ' || coalesce(address, '-'), E'\n' ORDER BY id), '')
		FROM audit
		WHERE tenant_id = $1`, id).Scan(&s); err != nil {
		t.Fatal(err)
	}
	return s
}

func exec(t *testing.T, db *DB, sql string, args ...any) {
	t.Helper()
	if _, err := db.pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

func inTestTx(t *testing.T, db *DB, fn func(tx pgx.Tx) error) {
	t.Helper()
	if err := db.inTx(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}
