package imports

import (
	"context"

	"github.com/wosool/wosool/internal/tenantdb"
)

// settleOlder settles what earlier runs could not store, of each list that this run
// has read whole and that is complete: what is still bad this run has kept itself.
func (f *finishing) settleOlder(ctx context.Context) error {
	for _, resource := range append(lists(), tenantdb.OrderDetails) {
		s, ok := f.last(resource)
		if !ok {
			continue
		}
		status := s.Status
		for _, e := range f.ends {
			if e.ID == s.ID && status != "failed" {
				status = e.Status
			}
		}
		base := f.base(resource)
		if status != "complete" || !whole(base) {
			continue
		}
		if err := f.db.SettleOlder(ctx, resource, f.run.ID, askedAt(base)); err != nil {
			return err
		}
	}
	return nil
}
