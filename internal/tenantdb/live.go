package tenantdb

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// LiveCounts counts, by resource, the rows of a tenant database that came from
// the source and are not tombstones; of carts those on the source's list. It
// asks as the server's admin, for those who look at a tenant from outside.
func (s *Servers) LiveCounts(ctx context.Context, server, database string) (map[string]int, error) {
	counts := make(map[string]int)
	err := s.do(ctx, server, database, func(c *pgx.Conn) error {
		for resource, from := range map[string]string{
			Customers: `people WHERE salla_customer_id IS NOT NULL AND deleted_at IS NULL`,
			Products:  `salla_products WHERE deleted_at IS NULL`,
			Orders:    `salla_orders WHERE deleted_at IS NULL`,
			Carts:     `salla_carts WHERE deleted_at IS NULL AND NOT left_list`,
		} {
			var n int
			if err := c.QueryRow(ctx, `SELECT count(*) FROM `+from).Scan(&n); err != nil {
				return fmt.Errorf("count %s: %w", resource, err)
			}
			counts[resource] = n
		}
		return nil
	})
	return counts, wrap(err, "count the live rows of "+database)
}
