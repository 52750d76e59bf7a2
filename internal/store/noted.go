package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Act is an operator's act on something that is no row of ours.
type Act struct {
	Name    string // "queue.pause", as in the audit's other acts
	Tenant  uuid.UUID
	Subject string // what it was done to, in words
	Details map[string]any
}

// Noted runs do and adds one line to the audit where it succeeds. What can't be
// noted is not begun: without the control database do is not run.
func (db *DB) Noted(ctx context.Context, by Actor, act Act, do func() error) error {
	if act.Details == nil {
		act.Details = map[string]any{}
	}
	doc, err := json.Marshal(act.Details)
	if err != nil {
		return fmt.Errorf("write the audit: %w", err)
	}
	id, err := newID()
	if err != nil {
		return err
	}
	return db.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `
			INSERT INTO audit (id, actor, act, tenant_id, subject, details, address)
			VALUES ($1, $2, $3, nullif($4, '00000000-0000-0000-0000-000000000000'::uuid), nullif($5, ''), $6, nullif($7, ''))`,
			id, by.Name, act.Name, act.Tenant, act.Subject, doc, by.Address); err != nil {
			return fmt.Errorf("write the audit: %w", err)
		}
		return do()
	})
}
