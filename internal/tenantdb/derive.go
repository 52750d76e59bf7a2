package tenantdb

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/protect"
)

// derived collects what a merge has changed, so that what follows from it can
// be computed once, for sets of rows, in the same transaction.
type derived struct {
	people    []string // source ids of people that were stored
	newPeople []string // of them those that were not there, or were tombstones
	orders    []string
	carts     []string
	refunded  []string           // orders of which a refund was told, maybe before they came
	persons   map[uuid.UUID]bool // whose totals may have changed

	looseOrders, looseCarts []string // of both those whose link to a person may not hold
}

// add notes what was stored. A new row that was inserted is linked already.
func (d *derived) add(s Shape, it *item, linked bool) {
	loose := it.cur != nil || !linked
	switch s.Table {
	case "people":
		d.people = append(d.people, it.rec.Key)
		if it.cur == nil || it.cur.DeletedAt != nil {
			d.newPeople = append(d.newPeople, it.rec.Key)
		}
	case "salla_orders":
		d.orders = append(d.orders, it.rec.Key)
		if loose {
			d.looseOrders = append(d.looseOrders, it.rec.Key)
		}
	case "salla_carts":
		d.carts = append(d.carts, it.rec.Key)
		if loose {
			d.looseCarts = append(d.looseCarts, it.rec.Key)
		}
	}
	if it.cur != nil && it.cur.PersonID != nil {
		d.person(*it.cur.PersonID)
	}
}

func (d *derived) person(id uuid.UUID) {
	if d.persons == nil {
		d.persons = map[uuid.UUID]bool{}
	}
	d.persons[id] = true
}

// derive brings links, opportunities, totals and tags into line.
func (m *merge) derive(ctx context.Context) error {
	d := &m.derived
	for _, step := range []struct {
		keys  []string
		doing string
		query string
	}{
		{d.newPeople, "link orders to people", `
			UPDATE salla_orders o
			SET person_id = p.id
			FROM people p
			WHERE p.salla_customer_id = ANY($1) AND o.salla_customer_id = p.salla_customer_id
				AND o.person_id IS DISTINCT FROM p.id`},
		{d.newPeople, "link carts to people", `
			UPDATE salla_carts c
			SET person_id = p.id
			FROM people p
			WHERE p.salla_customer_id = ANY($1) AND c.customer_id = p.salla_customer_id
				AND c.person_id IS DISTINCT FROM p.id`},
		{d.newPeople, "link opportunities of orders to people", `
			UPDATE opportunities v
			SET person_id = o.person_id
			FROM salla_orders o
			WHERE o.salla_customer_id = ANY($1) AND v.salla_order_id = o.order_id
				AND v.deleted_at IS NULL AND v.person_id IS DISTINCT FROM o.person_id`},
		{d.newPeople, "link opportunities of carts to people", `
			UPDATE opportunities v
			SET person_id = c.person_id
			FROM salla_carts c
			WHERE c.customer_id = ANY($1) AND v.salla_cart_id = c.salla_cart_id
				AND v.deleted_at IS NULL AND v.person_id IS DISTINCT FROM c.person_id`},
		{d.looseOrders, "link orders", `
			UPDATE salla_orders t
			SET person_id = p.id
			FROM salla_orders o
			LEFT JOIN people p ON p.salla_customer_id = o.salla_customer_id
			WHERE o.order_id = ANY($1) AND t.id = o.id AND t.person_id IS DISTINCT FROM p.id`},
		{d.looseCarts, "link carts", `
			UPDATE salla_carts t
			SET person_id = p.id
			FROM salla_carts c
			LEFT JOIN people p ON p.salla_customer_id = c.customer_id
			WHERE c.salla_cart_id = ANY($1) AND t.id = c.id AND t.person_id IS DISTINCT FROM p.id`},
		{d.refunded, "note refunds", `
			UPDATE salla_orders o
			SET refunds = jsonb_build_array(jsonb_build_object('refunded_at', r.refunded_at))
			FROM order_refunds r
			WHERE o.order_id = ANY($1) AND r.order_id = o.order_id AND o.refunds IS NULL AND o.deleted_at IS NULL`},
		{d.orders, "keep opportunities of orders", orderOpportunities},
		{d.carts, "keep opportunities of carts", cartOpportunities},
	} {
		if len(step.keys) == 0 {
			continue
		}
		if err := m.exec(ctx, step.doing, step.query, step.keys); err != nil {
			return err
		}
	}
	if err := m.touchedPeople(ctx); err != nil {
		return err
	}
	if len(d.persons) == 0 {
		return nil
	}
	persons := slices.Collect(maps.Keys(d.persons))
	if m.together && protect.OneAtATime {
		// Whoever has the same people's orders in hand is waited for, so that the sums
		// have them; all lock in one order.
		err := m.exec(ctx, "wait for other pages", `
			SELECT
			FROM people
			WHERE id = ANY($1)
			ORDER BY id
			FOR NO KEY UPDATE`, persons)
		if err != nil {
			return err
		}
	}
	return m.exec(ctx, "recompute people's totals", totals(true), persons)
}

// touchedPeople adds the people whose rows or orders were stored; those of new
// orders are known.
func (m *merge) touchedPeople(ctx context.Context) error {
	if len(m.derived.people) == 0 && len(m.derived.looseOrders) == 0 {
		return nil
	}
	if err := m.flush(ctx); err != nil {
		return err
	}
	rows, _ := m.tx.Query(ctx, `
		SELECT id
		FROM people
		WHERE salla_customer_id = ANY($1)
		UNION
		SELECT person_id
		FROM salla_orders
		WHERE order_id = ANY($2) AND person_id IS NOT NULL`, m.derived.people, m.derived.looseOrders)
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return fmt.Errorf("find the people to recompute: %w", err)
	}
	for _, id := range ids {
		m.derived.person(id)
	}
	return nil
}

const orderOpportunities = `
	INSERT INTO opportunities AS v (salla_order_id, name, amount, currency, stage, close_date, person_id,
		cart_status, salla_payment_method, salla_shipping_address)
	SELECT order_id, 'Order #' || coalesce(order_number, order_id), total, currency,
		CASE WHEN status = 'CONFIRMED' THEN 'Proposal' WHEN status = 'COMPLETED' THEN 'Won'
			WHEN status IN ('CANCELED', 'REFUNDED') THEN 'Lost' ELSE 'Negotiation' END,
		coalesce(closed_at, cancelled_at), person_id,
		CASE status WHEN 'COMPLETED' THEN 'COMPLETED' ELSE 'PENDING' END,
		payment_method, shipping_address
	FROM salla_orders
	WHERE order_id = ANY($1) AND deleted_at IS NULL
	ON CONFLICT (salla_order_id) WHERE salla_order_id IS NOT NULL DO UPDATE
	SET name = excluded.name, amount = excluded.amount, currency = excluded.currency, stage = excluded.stage,
		close_date = excluded.close_date, person_id = excluded.person_id, cart_status = excluded.cart_status,
		salla_payment_method = excluded.salla_payment_method,
		salla_shipping_address = excluded.salla_shipping_address,
		deleted_at = NULL, updated_at = now()
	WHERE (v.name, v.amount, v.currency, v.stage, v.close_date, v.person_id, v.cart_status,
			v.salla_payment_method, v.salla_shipping_address, v.deleted_at)
		IS DISTINCT FROM (excluded.name, excluded.amount, excluded.currency, excluded.stage, excluded.close_date,
			excluded.person_id, excluded.cart_status, excluded.salla_payment_method,
			excluded.salla_shipping_address, NULL::timestamptz)`

// A recovered cart's amount is 0: the sale is counted on its order.
const cartOpportunities = `
	INSERT INTO opportunities AS v (salla_cart_id, name, amount, abandoned_value, currency, stage, person_id, cart_status)
	SELECT salla_cart_id, 'Cart #' || salla_cart_id,
		CASE recovery_status WHEN 'RECOVERED' THEN 0 ELSE total END, total, currency,
		CASE recovery_status WHEN 'RECOVERED' THEN 'Won' WHEN 'LOST' THEN 'Lost' ELSE 'Lead' END,
		person_id, CASE recovery_status WHEN 'RECOVERED' THEN 'RECOVERED' ELSE 'ABANDONED' END
	FROM salla_carts
	WHERE salla_cart_id = ANY($1) AND deleted_at IS NULL
	ON CONFLICT (salla_cart_id) WHERE salla_cart_id IS NOT NULL DO UPDATE
	SET name = excluded.name, amount = excluded.amount, abandoned_value = excluded.abandoned_value,
		currency = excluded.currency, stage = excluded.stage, person_id = excluded.person_id,
		cart_status = excluded.cart_status, deleted_at = NULL, updated_at = now()
	WHERE (v.name, v.amount, v.abandoned_value, v.currency, v.stage, v.person_id, v.cart_status, v.deleted_at)
		IS DISTINCT FROM (excluded.name, excluded.amount, excluded.abandoned_value, excluded.currency,
			excluded.stage, excluded.person_id, excluded.cart_status, NULL::timestamptz)`

// totals recomputes totals and tags from live orders: of the people $1, or of
// all. Who is VIP depends on everybody, so only the whole store's computation
// makes one; the other keeps one that is still possible.
func totals(some bool) string {
	whose, vip := "", "orders_count >= 5 AND place <= ceil(people * 0.05)"
	if some {
		whose, vip = "AND p.id = ANY($1)", "orders_count >= 5 AND old_tag = 'VIP'"
	}
	return `
	WITH sums AS (
		SELECT p.id, p.salla_tags AS old_tag, p.registered_at, s.*
		FROM people p
		CROSS JOIN LATERAL (
			SELECT count(*) AS every_order,
				count(*) FILTER (WHERE status IN ('CANCELED', 'REFUNDED')) AS lost,
				count(*) FILTER (WHERE status NOT IN ('CANCELED', 'REFUNDED')) AS orders_count,
				coalesce(sum(total) FILTER (WHERE status NOT IN ('CANCELED', 'REFUNDED')), 0) AS total_spent,
				max(placed_at) FILTER (WHERE status NOT IN ('CANCELED', 'REFUNDED')) AS last_order_date,
				count(*) FILTER (WHERE status NOT IN ('CANCELED', 'REFUNDED')
					AND placed_at >= now() - interval '180 days') AS recent,
				min(placed_at) AS first_order
			FROM salla_orders
			WHERE person_id = p.id AND deleted_at IS NULL) AS s
		WHERE p.deleted_at IS NULL ` + whose + `
	), placed AS (
		SELECT *, rank() OVER (ORDER BY total_spent DESC) AS place, count(*) OVER () AS people
		FROM sums
	), tagged AS (
		SELECT *, CASE
			WHEN every_order >= 3 AND lost * 2 >= every_order THEN 'RISK'
			WHEN ` + vip + ` THEN 'VIP'
			WHEN recent >= 3 THEN 'FREQUENT_BUYER'
			WHEN first_order >= now() - interval '30 days' OR registered_at >= now() - interval '30 days' THEN 'NEW'
			END AS tag
		FROM placed
	)
	UPDATE people p
	SET orders_count = g.orders_count, total_spent = g.total_spent, last_order_date = g.last_order_date,
		salla_tags = g.tag, updated_at = now()
	FROM tagged g
	WHERE p.id = g.id
		AND (p.orders_count, p.total_spent, p.last_order_date, p.salla_tags)
			IS DISTINCT FROM (g.orders_count, g.total_spent, g.last_order_date, g.tag)`
}

// FinishRun computes every person's totals and tags anew, VIP among them. It
// belongs to the end of a run and to every day, since tags also age. It forgets the
// pages of runs that began more than thirty days ago, too.
func (d *DB) FinishRun(ctx context.Context) error {
	err := d.merging(ctx, mergeLockAlone, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SET LOCAL enable_seqscan = on`); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, totals(false))
		return err
	})
	if err != nil {
		return fmt.Errorf("recompute all people's totals: %w", err)
	}
	return d.prunePages(ctx)
}
