package worker

import (
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
)

// While a merchant is being set up, the imports of others give way: of all the
// workers that are there for them one goes on.
func TestFaultBulkStepsAsideForASetup(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	var mu sync.Mutex
	var starts []time.Time
	settingUp, ready := make(chan struct{}), make(chan struct{})
	h.startWith(t, Handlers{
		ProvisionTenant: Handler{Run: func(ctx context.Context, _ store.Lease) ([]store.Task, error) {
			close(settingUp)
			select {
			case <-ready:
			case <-ctx.Done():
			}
			return nil, ctx.Err()
		}},
		StartImport: Handler{Run: func(ctx context.Context, _ store.Lease) ([]store.Task, error) {
			mu.Lock()
			starts = append(starts, time.Now())
			mu.Unlock()
			select {
			case <-ready:
			case <-ctx.Done():
			}
			return nil, ctx.Err()
		}},
	}, 20)
	newcomer := uuid.New()
	h.exec(t, `
		INSERT INTO tenants (id, slug, name, status, task, state, due_at)
		VALUES ($1, 'newcomer', 'Newcomer', 'provisioning', 'tenant:provision', 'runnable', now())`, newcomer)
	imports := make([]store.Task, 11)
	for i := range imports {
		_, imports[i] = h.addImport(t)
	}
	h.enqueue(t, store.Task{Kind: store.KindTenantProvision, ID: newcomer, Epoch: 1, Lane: tasks.LaneProvisioning})
	<-settingUp
	begun := time.Now()
	for _, task := range imports {
		h.enqueue(t, task)
	}
	dbtest.Eventually(t, 10*time.Second, "the workers have the imports in hand", func() bool {
		lanes, err := h.queue.Lanes(t.Context())
		at := slices.IndexFunc(lanes, func(l tasks.LaneStat) bool { return l.Lane == tasks.LaneImports })
		return err == nil && lanes[at].Pending == 0
	})
	close(ready)
	over := time.Now()
	dbtest.Eventually(t, 10*time.Second, "all go on when the merchant is ready", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(starts) == len(imports)
	})

	// Whoever has waited long goes on whatever happens: on a machine that is very busy
	// that may have come first.
	end := begun.Add(h.intervals.Unleased / 6)
	if over.Before(end) {
		end = over
	}
	early := len(slices.DeleteFunc(slices.Clone(starts), func(at time.Time) bool { return at.After(end) }))
	if early > 1 {
		t.Errorf("%d imports began while a merchant was being set up, want one", early)
	}
}

// Merchants with equal work progress alike, whoever came first: from when all have
// begun until the first is half done, the others are no more than a tenth behind.
func TestEqualMerchantsProgressAlike(t *testing.T) {
	t.Parallel()
	const merchants, pages = 6, 300
	h := newHarness(t)
	var mu sync.Mutex
	done, begun := map[uuid.UUID]int{}, map[uuid.UUID]int{}
	var progress []int // of each, when the first is half done
	handlers := Handlers{
		StartImport: Handler{Run: func(ctx context.Context, l store.Lease) ([]store.Task, error) {
			return h.db.StartRun(ctx, l, []store.NewStream{{Resource: "orders", Pass: 1, PerPage: 5}})
		}},
		ImportPage: Handler{Run: func(ctx context.Context, l store.Lease) ([]store.Task, error) {
			// All pages are there from the first on, as of a very long list.
			next, err := h.db.PageDone(ctx, l, store.PageResult{Records: 5, Imported: 5, LastPage: pages, Ahead: pages})
			if err != nil {
				return nil, err
			}
			mu.Lock()
			defer mu.Unlock()
			done[*l.Tenant]++
			if len(done) == merchants && len(begun) == 0 {
				maps.Copy(begun, done)
			}
			if done[*l.Tenant] == pages/2 && progress == nil {
				for tenant, n := range done {
					progress = append(progress, n-begun[tenant])
				}
			}
			return next, nil
		}},
		FinishImport: Handler{Run: func(context.Context, store.Lease) ([]store.Task, error) { return nil, nil }},
	}
	for range merchants {
		_, task := h.addImport(t)
		h.enqueue(t, task)
	}
	h.startWith(t, handlers, 10)
	h.startWith(t, handlers, 10)

	dbtest.Eventually(t, 60*time.Second, "a merchant is half done", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return progress != nil
	})

	slices.Sort(progress)
	if most := slices.Max(progress); len(progress) < merchants || most-progress[0] > most/10 {
		t.Errorf("when the first is half done, all have done %v pages: want none more than a tenth behind", progress)
	}
	t.Logf("when the first was half done, all had done %v pages", progress)
}

// startWith runs a worker that does what the handlers say, until the test ends.
func (h *harness) startWith(t *testing.T, handlers Handlers, concurrency int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	w := h.idle(t, nil)
	w.Handlers, w.Concurrency = handlers, concurrency
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("worker: %v", err)
		}
	})
}

// addImport makes a ready tenant with a run to start.
func (h *harness) addImport(t *testing.T) (tenant uuid.UUID, start store.Task) {
	t.Helper()
	tenant, run := uuid.New(), uuid.New()
	h.exec(t, `
		INSERT INTO tenants (id, slug, name, status, installed, state, due_at)
		VALUES ($1, $2, 'Shop', 'ready', true, 'done', NULL)`, tenant, "shop-"+tenant.String()[:8])
	h.exec(t, `INSERT INTO connections (id, status, state, due_at) VALUES ($1, 'active', 'done', NULL)`, tenant)
	h.exec(t, `INSERT INTO runs (id, tenant_id, kind, resources) VALUES ($1, $2, 'initial', '{orders}')`, run, tenant)
	return tenant, store.Task{Kind: store.KindImportStart, ID: run, Epoch: 1, Lane: tasks.LaneImports}
}
