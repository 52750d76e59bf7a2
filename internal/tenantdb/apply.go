package tenantdb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
)

// Applied is what became of a single record.
type Applied struct {
	Outcome Outcome
	// Field and Reason say why a record was rejected.
	Field, Reason string
}

// Apply merges one record that an event or a read brought, in one transaction
// with all that follows from it. The outcome is NeedsRead where an event's
// document cannot be ordered, or where a part of a record comes before the
// record. A record that cannot be stored is kept among the rejects and leaves
// the stored row as it is.
func (d *DB) Apply(ctx context.Context, s Shape, r Record) (Applied, error) {
	var a Applied
	err := d.mergeRecords(ctx, false, func(tx pgx.Tx, how manner) error {
		m := &merge{manner: how, db: d, tx: tx}
		items, err := m.batch(ctx, Batch{Shape: s, Records: []Record{r}})
		if err != nil {
			return err
		}
		if len(items) == 1 {
			a.Outcome = items[0].outcome
		}
		if len(m.rejects) > 0 {
			a = Applied{Outcome: Rejected, Field: m.rejects[0].Field, Reason: m.rejects[0].Reason}
		}
		if err := m.derive(ctx); err != nil {
			return err
		}
		return m.keep(ctx, m.rejects, nil)
	})
	return a, wrap(err, "apply a record of "+s.Resource)
}

// Tombstone marks a record as deleted at the source: of its row only ids, times
// and hashes are left. An unknown record gets a tombstone too, so that an older
// page cannot bring it back. The outcome is Stale where what is stored was read
// after the deletion became known; a tie goes to the deletion.
func (d *DB) Tombstone(ctx context.Context, resource, key string, at TombstoneOrder) (Applied, error) {
	s, err := counting(resource)
	if err != nil {
		return Applied{}, err
	}
	if resource == OrderDetails {
		s = OrderList()
	}
	if key == "" || at.ReadAt.IsZero() {
		return Applied{}, fault.New(fault.Invalid, "a deletion has an id and a time")
	}
	a := Applied{Outcome: Stored}
	err = d.merging(ctx, mergeLockAlone, func(tx pgx.Tx) error {
		m := &merge{db: d, tx: tx}
		states, err := m.states(ctx, s, []*item{{rec: Record{Key: key}}})
		if err != nil {
			return err
		}
		cur := states[key]
		if !at.buries(cur) {
			a.Outcome = Stale
			return nil
		}
		return m.bury(ctx, s, key, cur, at)
	})
	return a, wrap(err, "delete a record of "+resource)
}

func (m *merge) bury(ctx context.Context, s Shape, key string, cur *state, at TombstoneOrder) error {
	empty, err := m.db.emptied(s.Table, s.Key)
	if err != nil {
		return err
	}
	if s.Table == "salla_carts" {
		empty += ", left_list = false"
	}
	_, err = m.tx.Exec(ctx, fmt.Sprintf(`
		INSERT INTO %[1]s AS t (%[2]s, source_updated_at, read_at, deleted_at)
		VALUES ($1, $2, $3, $3)
		ON CONFLICT (%[2]s) WHERE %[2]s IS NOT NULL DO UPDATE
		SET deleted_at = coalesce(t.deleted_at, excluded.deleted_at),
			source_updated_at = greatest(t.source_updated_at, excluded.source_updated_at),
			read_at = greatest(t.read_at, excluded.read_at), updated_at = now()`, s.Table, s.Key),
		key, at.SourceUpdatedAt, at.ReadAt)
	if err != nil {
		return fmt.Errorf("set the tombstone: %w", err)
	}
	_, err = m.tx.Exec(ctx, fmt.Sprintf(`
		UPDATE %s
		SET %s
		WHERE %s = $1`, s.Table, empty, s.Key), key)
	if err != nil {
		return fmt.Errorf("empty the record: %w", err)
	}
	kept := s.Resource
	if s.Table == "salla_orders" {
		kept = OrderDetails
	}
	if _, err := m.resolve(ctx, kept, []string{key}); err != nil {
		return err
	}
	source := map[string]string{"salla_orders": "salla_order_id", "salla_carts": "salla_cart_id"}[s.Table]
	if source == "" {
		return nil
	}
	if empty, err = m.db.emptied("opportunities", "salla_order_id", "salla_cart_id"); err != nil {
		return err
	}
	_, err = m.tx.Exec(ctx, fmt.Sprintf(`
		UPDATE opportunities
		SET %s, deleted_at = coalesce(deleted_at, $2), updated_at = now()
		WHERE %s = $1`, empty, source), key, at.ReadAt)
	if err != nil {
		return fmt.Errorf("empty its opportunity: %w", err)
	}
	if s.Table == "salla_orders" && cur != nil && cur.PersonID != nil {
		_, err = m.tx.Exec(ctx, totals(true), []uuid.UUID{*cur.PersonID})
	}
	return wrap(err, "recompute the person's totals")
}

// emptied returns what a tombstone's UPDATE sets: every column of the model but
// the source's ids to null, or to ARCHIVED where the column knows that, and the
// documents.
func (d *DB) emptied(table string, ids ...string) (string, error) {
	t, err := d.table(table)
	if err != nil {
		return "", err
	}
	var set []string
	for _, c := range t.Columns {
		switch {
		case slices.Contains(ids, c.Name):
		case c.Name == "status" && slices.Contains(c.Options, "ARCHIVED"):
			set = append(set, c.Name+" = 'ARCHIVED'")
		default:
			set = append(set, c.Name+" = NULL")
		}
	}
	for _, s := range shapes() {
		if column := s.Document + " = NULL"; s.Table == table && !slices.Contains(set, column) {
			set = append(set, column)
		}
	}
	return strings.Join(set, ", "), nil
}

// MarkRefunded notes that the source told of a refund of an order: unless the
// order is refunded as a whole it is partially refunded from now on, whatever
// its documents say. The order need not be known yet.
func (d *DB) MarkRefunded(ctx context.Context, orderID string, at time.Time) error {
	err := d.merging(ctx, mergeLockAlone, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			INSERT INTO order_refunds (order_id, refunded_at)
			VALUES ($1, $2)
			ON CONFLICT (order_id) DO NOTHING`, orderID, at)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			UPDATE salla_orders
			SET refunds = CASE WHEN refunds @> r.refund THEN refunds ELSE coalesce(refunds, '[]') || r.refund END,
				financial_status = CASE WHEN status = 'REFUNDED' THEN financial_status ELSE 'PARTIALLY_REFUNDED' END,
				updated_at = now()
			FROM (SELECT jsonb_build_array(jsonb_build_object('refunded_at', $2::timestamptz)) AS refund) AS r
			WHERE order_id = $1 AND deleted_at IS NULL AND (refunds @> r.refund IS NOT TRUE
				OR status <> 'REFUNDED' AND financial_status IS DISTINCT FROM 'PARTIALLY_REFUNDED')`, orderID, at)
		return err
	})
	return wrap(err, "note a refund")
}

// MarkLeftList notes that a cart is no longer on the source's list though it
// exists; it is on it again as soon as a list shows it.
func (d *DB) MarkLeftList(ctx context.Context, cartID string) error {
	err := d.merging(ctx, mergeLockAlone, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			UPDATE salla_carts
			SET left_list = true, updated_at = CASE WHEN left_list THEN updated_at ELSE now() END
			WHERE salla_cart_id = $1 AND deleted_at IS NULL`, cartID)
		if err == nil && tag.RowsAffected() == 0 {
			return fault.New(fault.NotFound, "there is no such cart")
		}
		return err
	})
	if errors.Is(err, fault.NotFound) {
		return err
	}
	return wrap(err, "note that a cart left the list")
}
