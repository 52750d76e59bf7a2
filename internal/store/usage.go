package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// EventUsageMost is where EventUsage stops to count.
const EventUsageMost = 100_000

// EventUsage is how many events came for a tenant.
type EventUsage struct {
	Day, Week int // in the last one; at most EventUsageMost are counted
}

// EventUsage counts the events that came for a tenant lately: those of its merchant,
// or, of one without, those that name it. Served by events_merchant_name_idx and
// events_tenant_id_idx: the ids are in the order of arrival.
func (db *DB) EventUsage(ctx context.Context, t Tenant) (EventUsage, error) {
	whose, arg := "merchant", any(t.Merchant)
	if t.Merchant == nil {
		whose, arg = "tenant_id", t.ID
	}
	now := time.Now()
	day, week := uuid.MustParse(idAt(now.Add(-24*time.Hour))), uuid.MustParse(idAt(now.Add(-7*24*time.Hour)))
	var u EventUsage
	err := db.pool.QueryRow(ctx, `
		SELECT
			(SELECT count(*) FROM (SELECT FROM events WHERE `+whose+` = $1 AND id >= $2 LIMIT $4) AS d),
			(SELECT count(*) FROM (SELECT FROM events WHERE `+whose+` = $1 AND id >= $3 LIMIT $4) AS w)`,
		arg, day, week, EventUsageMost).Scan(&u.Day, &u.Week)
	if err != nil {
		return EventUsage{}, fmt.Errorf("count a tenant's events: %w", err)
	}
	return u, nil
}
