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

// Reject is a record that cannot be stored. It is kept whole, with the reason.
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
				redriven_at = CASE WHEN rejects.run = $10 THEN NULL ELSE rejects.redriven_at END
			RETURNING xmax = 0`,
			m.run, stream, seq, r.Resource, key, sourceID, textual(r.Record), r.Field,
			textual([]byte(r.Reason)), nilRun).Scan(&fresh)
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

// resolve closes the rejects of records that are stored after all, and returns
// the keys that this run had counted as rejected.
func (m *merge) resolve(ctx context.Context, resource string, keys []string) (map[string]bool, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	rows, _ := m.tx.Query(ctx, `
		UPDATE rejects
		SET redriven_at = now()
		WHERE resource = $1 AND key = ANY($2) AND redriven_at IS NULL
		RETURNING run, key`, resource, keys)
	counted := map[string]bool{}
	var run uuid.UUID
	var key string
	_, err := pgx.ForEachRow(rows, []any{&run, &key}, func() error {
		if run == m.run {
			counted[key] = true
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("close rejects of %s: %w", resource, err)
	}
	return counted, nil
}

// StoredReject is a reject as the tenant's database keeps it.
type StoredReject struct {
	ID         uuid.UUID
	Run        uuid.UUID // the nil UUID if no import brought it
	Resource   string
	SourceID   *string
	Field      *string
	Reason     string
	Record     string
	CreatedAt  time.Time
	RedrivenAt *time.Time
}

const rejectColumns = `id, run, resource, source_id, field, reason, record, created_at, redriven_at`

// RejectFilter chooses rejects; zero values choose all.
type RejectFilter struct {
	Run      uuid.UUID
	Resource string
	Open     bool      // only those not stored since
	Before   uuid.UUID // the last one's id of the page before
	Limit    int       // at most 200, which is also what 0 means
}

// Rejects returns rejects, newest first.
func (d *DB) Rejects(ctx context.Context, f RejectFilter) ([]StoredReject, error) {
	if f.Limit <= 0 || f.Limit > 200 {
		f.Limit = 200
	}
	var found []StoredReject
	err := d.with(ctx, func(c *pgx.Conn) error {
		// By rejects_pkey.
		rows, _ := c.Query(ctx, `
			SELECT `+rejectColumns+`
			FROM rejects
			WHERE ($1::uuid = $6::uuid OR run = $1) AND ($2 = '' OR resource = $2) AND (NOT $3 OR redriven_at IS NULL)
				AND ($4::uuid = $6 OR id < $4)
			ORDER BY id DESC
			LIMIT $5`, f.Run, f.Resource, f.Open, f.Before, f.Limit, nilRun)
		var err error
		found, err = pgx.CollectRows(rows, pgx.RowToStructByName[StoredReject])
		return err
	})
	return found, wrap(err, "list rejects")
}

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
	err := d.merging(ctx, func(tx pgx.Tx) error {
		m := &merge{db: d, tx: tx}
		return m.keep(ctx, []Reject{r}, nil)
	})
	return wrap(err, "keep a reject")
}
