package store

import (
	"context"
	"fmt"
)

// VaultKey returns the sealed key called name, which is sealed's the first time:
// whoever comes first makes it, for everybody and for good.
func (db *DB) VaultKey(ctx context.Context, name string, sealed []byte) ([]byte, error) {
	var kept []byte
	err := db.pool.QueryRow(ctx, `
		INSERT INTO vault_keys (name, sealed)
		VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET name = excluded.name
		RETURNING sealed`, name, sealed).Scan(&kept)
	if err != nil {
		return nil, fmt.Errorf("read a vault key: %w", err)
	}
	return kept, nil
}
