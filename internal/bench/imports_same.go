package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// digest is of what both ours and the baselines leave of these orders: themselves,
// their opportunities and to whom both belong.
func (s *shop) digest(ctx context.Context, orders []bareRow) (string, error) {
	keys := make([]any, len(orders))
	for i, row := range orders {
		keys[i] = row[0]
	}
	var all []string
	for _, t := range bareTables() {
		// By whom and when an order was read is each landing's own.
		columns := slices.DeleteFunc(t.columns, func(name string) bool {
			return name == "person_id" || name == "read_at" || name == "seen_run"
		})
		var n int
		var sum string
		err := s.conn.QueryRow(ctx, `
			SELECT count(*), coalesce(md5(string_agg(r::text, ' ' ORDER BY r.`+columns[0]+`)), '')
			FROM (SELECT t.`+strings.Join(columns, ", t.")+`, p.salla_customer_id AS belongs_to
			      FROM `+t.name+` AS t
			      LEFT JOIN people AS p ON p.id = t.person_id
			      WHERE t.`+columns[0]+` = ANY($1)) AS r`, keys).Scan(&n, &sum)
		if err != nil {
			return "", fmt.Errorf("read %s to compare: %w", t.name, err)
		}
		if n != len(keys) {
			return "", fmt.Errorf("%s holds %d rows of %d orders", t.name, n, len(keys))
		}
		all = append(all, sum)
	}
	return strings.Join(all, " "), nil
}

// whole is an error if a shop holds another number of orders, or people whose totals
// are not those of their orders.
func (s *shop) whole(ctx context.Context, orders int) error {
	var found, wrong int
	err := s.conn.QueryRow(ctx, `
		SELECT (SELECT count(*) FROM salla_orders), (
			SELECT count(*)
			FROM people AS p
			CROSS JOIN LATERAL (
				SELECT count(*) AS live, coalesce(sum(total), 0) AS spent, max(placed_at) AS last
				FROM salla_orders
				WHERE person_id = p.id AND status NOT IN ('CANCELED', 'REFUNDED')) AS s
			WHERE (p.orders_count, p.total_spent, p.last_order_date) IS DISTINCT FROM (s.live, s.spent, s.last))`).
		Scan(&found, &wrong)
	if err == nil && (found != orders || wrong > 0) {
		err = fmt.Errorf("there are %d orders instead of %d, and %d people with wrong totals", found, orders, wrong)
	}
	if err != nil {
		return fmt.Errorf("look at what was left: %w", err)
	}
	return nil
}

// same is an error unless a shop holds these orders as ours has landed them.
func (p *renderedPages) same(ctx context.Context, s *shop, orders []bareRow) error {
	got, err := s.digest(ctx, orders)
	if err != nil {
		return err
	}
	if got != p.digests[len(orders)] {
		return errors.New("ours and a baseline leave different rows")
	}
	return s.whole(ctx, len(orders))
}

// savePeople keeps the customers as they are before the orders come.
func (p *renderedPages) savePeople(ctx context.Context, s *shop) error {
	var b bytes.Buffer
	if _, err := s.conn.PgConn().CopyTo(ctx, &b, `COPY people TO STDOUT (FORMAT binary)`); err != nil {
		return fmt.Errorf("save the customers: %w", err)
	}
	p.people = b.Bytes()
	return nil
}

// restorePeople makes the customers, whom the bare rows name.
func (p *renderedPages) restorePeople(ctx context.Context, s *shop) error {
	if _, err := s.conn.PgConn().CopyFrom(ctx, bytes.NewReader(p.people), `COPY people FROM STDIN (FORMAT binary)`); err != nil {
		return fmt.Errorf("restore the customers: %w", err)
	}
	return nil
}
