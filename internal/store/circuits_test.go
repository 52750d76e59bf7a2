package store

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wosool/wosool/internal/dbtest"
)

// A circuit that nobody probes any more does not stay open for ever.
func TestCircuitsAreForgotten(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	if _, err := db.pool.Exec(t.Context(), `
		INSERT INTO tenants (id, merchant, slug, name, status, suspended_by) VALUES
			('01900000-0000-7000-8000-000000000001', 1, 'one', 'One', 'ready', NULL),
			('01900000-0000-7000-8000-000000000002', 2, 'two', 'Two', 'suspended', 'operator');
		INSERT INTO circuits (name, kind, merchant, failures, failed_at, opened_at, retry_at, closed_at, probe_holder, probe_until) VALUES
			('salla/store/1', 'store', 1, 5, now(), now(), now(), NULL, NULL, NULL),
			('salla/store/2', 'store', 2, 5, now(), now(), now(), NULL, NULL, NULL),
			('salla/store/3', 'store', 3, 5, now(), now(), now(), NULL, NULL, NULL),
			('salla/store/4', 'store', 4, 5, now(), now(), now(), NULL, gen_random_uuid(), now() + interval '1 minute'),
			('clerk/tenant/01900000-0000-7000-8000-000000000001', 'store', NULL, 5, now() - interval '2 days', now() - interval '2 days',
				now() - interval '30 hours', NULL, NULL, NULL),
			('clerk/tenant/01900000-0000-7000-8000-000000000002', 'store', NULL, 5, now(), now(), now(), NULL, NULL, NULL),
			('clerk', 'provider', NULL, 5, now() - interval '2 days', now() - interval '2 days', now() - interval '1 hour', NULL, NULL, NULL),
			('salla', 'provider', NULL, 5, now() - interval '2 days', now() - interval '2 days', now() - interval '30 hours', NULL, NULL, NULL),
			('salla-accounts', 'provider', NULL, 1, now() - interval '3 days', now() - interval '3 days', now() - interval '3 days',
				now() - interval '2 days', NULL, NULL),
			('database/db:5432', 'database', NULL, 0, NULL, NULL, NULL, now() - interval '2 days', NULL, NULL)`); err != nil {
		t.Fatal(err)
	}
	if err := db.PruneCircuits(t.Context()); err != nil {
		t.Fatal(err)
	}
	list, err := db.Circuits(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range list {
		names = append(names, c.Name)
		if want := c.Name == "salla-accounts"; c.HalfOpen != want {
			t.Errorf("%s is half open: %v, want %v", c.Name, c.HalfOpen, want)
		}
	}
	slices.Sort(names)
	want := []string{"clerk", "salla-accounts", "salla/store/1", "salla/store/4"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
}

// However many stores are broken, a process knows the circuits of providers.
func TestCircuitsOfProvidersAreReadFirst(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	if _, err := db.pool.Exec(t.Context(), `
		INSERT INTO circuits (name, kind, failures, failed_at, opened_at, retry_at)
		SELECT 'a/' || n, 'store', 5, now(), now(), now() FROM generate_series(1, 1200) n
		UNION ALL VALUES ('salla', 'provider', 5, now() - interval '1 hour', now(), now()),
			('database/db:5432', 'database', 5, now() - interval '1 hour', now(), now())`); err != nil {
		t.Fatal(err)
	}
	list, err := db.Circuits(t.Context())
	if err != nil || len(list) != manyFailing || list[0].Kind == CircuitStore || list[1].Kind == CircuitStore {
		t.Fatalf("%d circuits, %v, %+v", len(list), err, list[:min(2, len(list))])
	}
}
