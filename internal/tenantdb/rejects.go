package tenantdb

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
)

// Reject is a record that cannot be stored. It is kept whole, with the reason,
// until it is settled.
type Reject struct {
	Resource string
	SourceID string // "" where the record has none
	Field    string // the column at fault, if one is
	Reason   string // in words
	Record   []byte // as received, whatever that is
}

// key tells rejects of a run apart.
func (r Reject) key() string {
	if r.SourceID != "" {
		return textual([]byte(r.SourceID))
	}
	sum := sha256.Sum256(r.Record)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// reject marks an item as rejected and keeps it for the end of the merge.
func (m *merge) reject(s Shape, it *item, field, reason string) {
	it.outcome = Rejected
	m.rejects = append(m.rejects, Reject{
		Resource: s.Resource, SourceID: it.rec.Key, Field: field, Reason: reason, Record: it.rec.Document,
	})
}

// keep stores rejects. Each counts once a run, and not at all if the run has
// counted the record before; the stored row of a rejected record stays as it is
// but is noted as seen.
func (m *merge) keep(ctx context.Context, rejects []Reject, page *PageRef) error {
	var stream *uuid.UUID
	var seq *int
	if page != nil {
		stream, seq = &page.Stream, &page.Seq
	}
	if len(rejects) > 0 {
		if err := m.flush(ctx); err != nil { // what was put off may be what counts a record
			return err
		}
	}
	done := map[string]bool{}
	for _, r := range rejects {
		s, err := counting(r.Resource)
		if err != nil {
			return err
		}
		key := r.key()
		if done[r.Resource+" "+key] {
			continue
		}
		done[r.Resource+" "+key] = true
		var fresh bool
		sourceID := textual([]byte(r.SourceID))
		err = m.tx.QueryRow(ctx, `
			INSERT INTO rejects (run, stream, seq, resource, key, source_id, record, field, reason)
			VALUES ($1, $2, $3, $4, $5, nullif($6, ''), $7, nullif($8, ''), $9)
			ON CONFLICT (run, resource, key) DO UPDATE
			SET record = excluded.record, field = excluded.field, reason = excluded.reason,
				created_at = excluded.created_at, redriven_at = NULL
			RETURNING xmax = 0`,
			m.run, stream, seq, r.Resource, key, sourceID, textual(r.Record), textual([]byte(r.Field)),
			textual([]byte(r.Reason))).Scan(&fresh)
		if err != nil {
			return fmt.Errorf("keep a rejected record: %w", err)
		}
		if m.run == uuid.Nil {
			continue
		}
		var counted bool
		err = m.tx.QueryRow(ctx, fmt.Sprintf(`
			SELECT EXISTS (SELECT FROM %s WHERE %s = $1 AND %s = $2)`, s.Table, s.Key, s.seen),
			sourceID, m.run).Scan(&counted)
		if err != nil {
			return fmt.Errorf("look for the stored record of a reject: %w", err)
		}
		if !fresh || counted {
			continue
		}
		m.counts.Rejected++
		_, err = m.tx.Exec(ctx, fmt.Sprintf(`
			UPDATE %s
			SET %s = $2
			WHERE %s = $1`, s.Table, s.seen, s.Key), sourceID, m.run)
		if err != nil {
			return fmt.Errorf("note a rejected record as seen: %w", err)
		}
	}
	return nil
}

// settled is SQL for what makes a reject settled. Its record is kept no longer: it
// is in the row, was overtaken, or belongs to somebody who is gone at the source.
const settled = `record = '', redriven_at = now()`

// resolve settles the rejects of records that are stored after all, and returns
// the keys that this run had counted as rejected, settled before or not. An
// order that was read by itself is stored whole, so that what was kept of the
// list's document is settled too.
func (m *merge) resolve(ctx context.Context, resource string, keys []string) (map[string]bool, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	rows, _ := m.tx.Query(ctx, `
		WITH settled AS (
			UPDATE rejects
			SET `+settled+`
			WHERE resource = ANY($1) AND key = ANY($2) AND redriven_at IS NULL
		)
		SELECT key
		FROM rejects
		WHERE run = $3 AND run <> $4 AND resource = $5 AND key = ANY($2)`, settles(resource), keys, m.run, nilRun, resource)
	counted := map[string]bool{}
	var key string
	_, err := pgx.ForEachRow(rows, []any{&key}, func() error {
		counted[key] = true
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("settle rejects of %s: %w", resource, err)
	}
	return counted, nil
}

// settles lists the resources whose rejects a stored record of a resource settles.
func settles(resource string) []string {
	if resource == OrderDetails {
		return []string{Orders, OrderDetails}
	}
	return []string{resource}
}

// SettleRejects settles what is kept of a record that the source no longer has,
// an order's details included.
func (d *DB) SettleRejects(ctx context.Context, resource, key string) error {
	if resource == Orders {
		resource = OrderDetails
	}
	err := d.merging(ctx, mergeLockAlone, func(tx pgx.Tx) error {
		m := &merge{db: d, tx: tx}
		_, err := m.resolve(ctx, resource, []string{key})
		return err
	})
	return wrap(err, "settle the rejects of a record")
}

// SettleOlder settles, after a whole pass of a run over a resource's list that
// came out equal, the rejects that earlier runs kept before the pass began: what
// still cannot be stored was kept anew by this run, the rest is gone. Of
// order_details, which are not all read by a run, it settles those that this run
// has kept anew. What no import brought stays.
func (d *DB) SettleOlder(ctx context.Context, resource string, run uuid.UUID, before time.Time) error {
	anew := ""
	if resource == OrderDetails {
		anew = `AND EXISTS (SELECT FROM rejects AS n WHERE n.run = $2 AND n.resource = r.resource AND n.key = r.key)`
	}
	err := d.merging(ctx, mergeLockAlone, func(tx pgx.Tx) error {
		// By rejects_open_idx.
		_, err := tx.Exec(ctx, `
			UPDATE rejects AS r
			SET `+settled+`
			WHERE r.resource = $1 AND r.run <> $2 AND r.run <> $4 AND r.created_at < $3 AND r.redriven_at IS NULL `+anew,
			resource, run, before, nilRun)
		return err
	})
	return wrap(err, "settle older rejects of "+resource)
}

// StoredReject is a reject as the tenant's database keeps it.
type StoredReject struct {
	ID         uuid.UUID
	Run        uuid.UUID // the nil UUID if no import brought it
	Resource   string
	SourceID   *string
	Field      *string
	Reason     string
	Record     string     // "" once it is settled
	CreatedAt  time.Time  // when it was kept as it is
	RedrivenAt *time.Time // when it was settled: stored since, overtaken by what is stored, or gone at the source
}

const rejectColumns = `id, run, resource, source_id, field, reason, record, created_at, redriven_at`

// Reject returns one reject, or fault.NotFound.
func (d *DB) Reject(ctx context.Context, id uuid.UUID) (StoredReject, error) {
	var found StoredReject
	err := d.with(ctx, func(c *pgx.Conn) error {
		rows, _ := c.Query(ctx, `
			SELECT `+rejectColumns+`
			FROM rejects
			WHERE id = $1`, id)
		var err error
		found, err = one[StoredReject](rows, "reject")
		return err
	})
	return found, wrap(err, "read a reject")
}

// KeepReject keeps a record that no import brought and that cannot even be
// turned into a Record. Kept again, it replaces the one of the same id.
func (d *DB) KeepReject(ctx context.Context, r Reject) error {
	if r.Reason == "" {
		return fault.New(fault.Invalid, "a reject has a reason")
	}
	err := d.merging(ctx, mergeLockAlone, func(tx pgx.Tx) error {
		m := &merge{db: d, tx: tx}
		return m.keep(ctx, []Reject{r}, nil)
	})
	return wrap(err, "keep a reject")
}
