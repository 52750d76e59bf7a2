package vault

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/store"
)

// The sealed columns of a connection.
const (
	columnAccess  = "access_token"
	columnRefresh = "refresh_token"
)

// The key that hashes known tokens, itself sealed in the control database.
const (
	hashKeyName = "known_tokens"
	hashKeyAD   = "vault_keys:known_tokens"
)

// refreshEvery is the longest time between two refreshes of a grant.
const refreshEvery = 10 * 24 * time.Hour

// SealGrant seals a pair of tokens for the tenant, with what is kept beside them.
func (v *Vault) SealGrant(ctx context.Context, tenantID uuid.UUID, t salla.Token) (store.SealedGrant, error) {
	seal, err := v.Sealer(ctx, t)
	if err != nil {
		return store.SealedGrant{}, err
	}
	return seal(tenantID)
}

// Sealer does everything of SealGrant that needs the database, so that the rest
// can be done within a transaction, where the tenant's id is known.
func (v *Vault) Sealer(ctx context.Context, t salla.Token) (func(tenantID uuid.UUID) (store.SealedGrant, error), error) {
	accessHash, err := v.hash(ctx, columnAccess, t.Access)
	if err != nil {
		return nil, err
	}
	refreshHash, err := v.RefreshHash(ctx, t.Refresh)
	if err != nil {
		return nil, err
	}
	return func(tenantID uuid.UUID) (store.SealedGrant, error) {
		access, err := v.Keys.Seal([]byte(t.Access), tenantAD(tenantID, columnAccess))
		if err != nil {
			return store.SealedGrant{}, err
		}
		refresh, err := v.Keys.Seal([]byte(t.Refresh), tenantAD(tenantID, columnRefresh))
		if err != nil {
			return store.SealedGrant{}, err
		}
		now := time.Now()
		return store.SealedGrant{
			Access: access, Refresh: refresh, AccessHash: accessHash, RefreshHash: refreshHash,
			ExpiresAt: t.ExpiresAt, RefreshAt: refreshAt(now, t.ExpiresAt), Scopes: t.Scopes,
		}, nil
	}, nil
}

// refreshAt is half of the lifetime away, and at most refreshEvery.
func refreshAt(now, expires time.Time) time.Time {
	return now.Add(max(0, min(expires.Sub(now)/2, refreshEvery)))
}

// RefreshHash is the keyed hash by which a refresh token is remembered for good.
func (v *Vault) RefreshHash(ctx context.Context, token string) ([]byte, error) {
	return v.hash(ctx, columnRefresh, token)
}

// hash is the keyed hash of a token; kind keeps the hashes of two kinds of token
// apart.
func (v *Vault) hash(ctx context.Context, kind, token string) ([]byte, error) {
	key, err := v.key(ctx)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(kind + "\x00" + token))
	return mac.Sum(nil), nil
}

// key reads the key of the hashes, which the first to need it makes.
func (v *Vault) key(ctx context.Context) ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.hashKey != nil {
		return v.hashKey, nil
	}
	fresh := make([]byte, sha256.Size)
	if _, err := rand.Read(fresh); err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	sealed, err := v.Keys.Seal(fresh, hashKeyAD)
	if err != nil {
		return nil, err
	}
	kept, err := v.DB.VaultKey(ctx, hashKeyName, sealed)
	if err != nil {
		return nil, err
	}
	key, err := v.Keys.Open(kept, hashKeyAD)
	if err != nil {
		return nil, err
	}
	v.hashKey = key
	return key, nil
}
