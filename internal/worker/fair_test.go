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

// While a merchant is being set up, the imports of others give way: none of them
// begins, and all do afterwards.
func TestFaultBulkStepsAsideForASetup(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.intervals.Unleased = 3 * yieldMost // each waits for half of yieldMost at least
	h.intervals.Lease, h.intervals.LeaseRenew = 30*time.Second, 10*time.Second
	const imports = 11
	starts := make(chan time.Time, imports)
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
			starts <- time.Now()
			return nil, ctx.Err()
		}},
	}, 20)
	newcomer := uuid.New()
	h.exec(t, `
		INSERT INTO tenants (id, slug, name, status, task, state, due_at)
		VALUES ($1, 'newcomer', 'Newcomer', 'provisioning', 'tenant:provision', 'runnable', now())`, newcomer)
	h.enqueue(t, store.Task{Kind: store.KindTenantProvision, ID: newcomer, Epoch: 1, Lane: tasks.LaneProvisioning})
	<-settingUp
	begun := time.Now()
	for range imports {
		h.enqueue(t, h.addImport(t))
	}

	select {
	case at := <-starts: // on a machine that is very busy one may have waited for long
		if waited := at.Sub(begun); waited < yieldMost/2 {
			t.Errorf("an import began %s after the setup of a merchant, which is not over", waited)
		}
	case <-time.After(2 * time.Second):
	}
	close(ready)
	dbtest.Eventually(t, 20*time.Second, "all begin when the merchant is ready", func() bool {
		return len(starts) >= imports-1
	})
}

// Merchants with equal work progress alike, whoever came first and whichever worker
// does it: when the first is half done, the others are behind by no more than a tenth.
func TestEqualMerchantsProgressAlike(t *testing.T) {
	t.Parallel()
	const merchants, pages = 6, 240
	h := newHarness(t)
	h.intervals.Lease, h.intervals.LeaseRenew = 30*time.Second, 10*time.Second // on a machine that is very busy too
	var begun sync.WaitGroup                                                   // all begin together
	begun.Add(merchants)
	var mu sync.Mutex
	done := map[uuid.UUID]int{}
	var progress []int            // of each, when the first has done half of a list
	group := uuid.NewString()     // no other test's merchants
	handlers := func() Handlers { // of one worker
		landings := newLandings(2, &shares{rdb: h.rdb, key: "landings:" + group})
		return Handlers{
			StartImport: Handler{Run: func(ctx context.Context, l store.Lease) ([]store.Task, error) {
				begun.Done()
				begun.Wait()
				return h.db.StartRun(ctx, l, []store.NewStream{{Resource: "orders", Pass: 1, PerPage: 5}})
			}},
			ImportPage: Handler{Run: func(ctx context.Context, l store.Lease) ([]store.Task, error) {
				release, err := landings.Take(ctx, *l.Tenant)
				if err != nil {
					return nil, err
				}
				time.Sleep(30 * time.Millisecond) // what a page's merge takes
				release()
				// All pages are there from the first on, as of a very long list.
				next, err := h.db.PageDone(ctx, l, store.PageResult{Records: 5, Imported: 5, LastPage: pages, Ahead: pages})
				if err != nil {
					return nil, err
				}
				mu.Lock()
				defer mu.Unlock()
				done[*l.Tenant]++
				if done[*l.Tenant] == pages/2 && progress == nil {
					progress = slices.Collect(maps.Values(done))
				}
				return next, nil
			}},
			FinishImport: Handler{Run: func(context.Context, store.Lease) ([]store.Task, error) { return nil, nil }},
		}
	}
	for range merchants {
		h.enqueue(t, h.addImport(t))
	}
	h.startWith(t, handlers(), 10)
	h.startWith(t, handlers(), 10)

	dbtest.Eventually(t, 60*time.Second, "a merchant is half done", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return progress != nil
	})

	slices.Sort(progress)
	if most := slices.Max(progress); len(progress) < merchants || most-progress[0] > pages/2/10 {
		t.Errorf("when the first is half done, all have done %v pages: want none more than %d behind", progress, pages/2/10)
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

// addImport makes a ready tenant with a run, and is the task to start it.
func (h *harness) addImport(t *testing.T) store.Task {
	t.Helper()
	tenant, run := uuid.New(), uuid.New()
	h.exec(t, `
		INSERT INTO tenants (id, slug, name, status, installed, state, due_at)
		VALUES ($1, $2, 'Shop', 'ready', true, 'done', NULL)`, tenant, "shop-"+tenant.String()[:8])
	h.exec(t, `INSERT INTO connections (id, status, state, due_at) VALUES ($1, 'active', 'done', NULL)`, tenant)
	h.exec(t, `INSERT INTO runs (id, tenant_id, kind, resources) VALUES ($1, $2, 'initial', '{orders}')`, run, tenant)
	return store.Task{Kind: store.KindImportStart, ID: run, Epoch: 1, Lane: tasks.LaneImports}
}
