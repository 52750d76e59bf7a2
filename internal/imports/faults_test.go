package imports_test

import (
	"errors"
	"testing"

	"github.com/wosool/wosool/internal/budget"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/sandbox"
	"github.com/wosool/wosool/internal/tenantdb"
)

// A worker that stalls before its page is answered, and wakes when others have
// long finished the run: its page, which has a record by then that nobody else
// saw, is lost as a whole. Nothing of it is in the tenant's database.
func TestFaultStalePageWorkerStoresNothing(t *testing.T) {
	t.Parallel()
	for _, resource := range []string{tenantdb.Customers, tenantdb.Products, tenantdb.Orders} {
		t.Run(resource, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, sandbox.StoreSpec{Customers: 12, Products: 12, Orders: 12, Carts: 3})
			r.PerPage = 20
			r.open()
			task, slow := r.firstPage(resource)
			want := r.shop.Source(shop)
			var change sandbox.Change
			var err error
			r.access.hook(func(budget.Class) error {
				r.access.hook(nil)
				r.stolen(task)
				fast, ok := r.take(task)
				if !ok {
					t.Error("the page cannot be taken over")
					return nil
				}
				r.settle(fast, r.handle(fast))
				r.work()
				r.wantComplete()
				switch resource {
				case tenantdb.Customers:
					change, err = r.shop.CreateCustomer(shop)
				case tenantdb.Products:
					change, err = r.shop.CreateProduct(shop)
				default:
					change, err = r.shop.CreateOrder(shop)
				}
				return err
			})

			woken := r.handle(slow)

			if !errors.Is(woken, fault.ErrLost) {
				t.Errorf("the stale worker: %v, want its row lost", woken)
			}
			if change.ID == 0 {
				t.Error("the store did not change meanwhile")
			}
			live := r.live()
			if live[tenantdb.Customers] != want.Customers || live[tenantdb.Products] != want.Products || live[tenantdb.Orders] != want.Orders {
				t.Errorf("live: %v, want %+v: what only the stale worker saw is stored", live, want)
			}
			r.wantComplete()
		})
	}
}
