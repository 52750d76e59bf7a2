package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
)

// Scope is what a key of the operator API may do.
type Scope string

// The scopes. Whoever may act may read.
const (
	ScopeRead Scope = "read"
	ScopeAct  Scope = "act"
)

// Scopes returns the scopes, the least first.
func Scopes() []Scope { return []Scope{ScopeRead, ScopeAct} }

// What every token begins with, so that a leaked one is known for what it is, and
// how much of it is shown.
const (
	tokenMark  = "wsl_"
	tokenBytes = 32
	tokenShown = len(tokenMark) + 8
)

const (
	keyNameLength = 60
	maxKeys       = 200 // at a time: a page shows them all
)

// NewAPIKey is a key to be made.
type NewAPIKey struct {
	Name   string
	Scopes []Scope
	Days   int // until it expires; 0: it does not
}

// APIKey is a key of the operator API. Its token is nowhere.
type APIKey struct {
	ID          uuid.UUID
	Name        string
	Prefix      string // how its token begins
	Scopes      []Scope
	CreatedBy   string
	CreatedAt   time.Time
	ExpiresAt   *time.Time // nil: never
	Expired     bool
	LastUsedAt  *time.Time // to a minute; nil: never
	LastAddress string
}

// May tells whether the key may do what needs a scope.
func (k APIKey) May(needed Scope) bool {
	return slices.Contains(k.Scopes, needed) || needed == ScopeRead && slices.Contains(k.Scopes, ScopeAct)
}

// String names the key for people and for the audit.
func (k APIKey) String() string { return k.Name + " (" + k.Prefix + ")" }

const apiKeyColumns = `k.id, k.name, k.prefix, k.scopes, k.created_by, k.created_at, k.expires_at,
	coalesce(k.expires_at <= now(), false), k.last_used_at, coalesce(k.last_address, '')`

// AddAPIKey makes a key and returns its token, which is kept nowhere: this is the
// only time. It returns fault.Invalid where the name, the scopes or the days can't
// be, and fault.Conflict where a key has the name already.
func (db *DB) AddAPIKey(ctx context.Context, n NewAPIKey, by Actor) (APIKey, string, error) {
	n.Name = strings.Join(strings.Fields(n.Name), " ")
	if err := n.check(); err != nil {
		return APIKey{}, "", err
	}
	id, err := newID()
	if err != nil {
		return APIKey{}, "", err
	}
	raw := make([]byte, tokenBytes)
	if _, err := rand.Read(raw); err != nil {
		return APIKey{}, "", fmt.Errorf("make a key: %w", err)
	}
	token := tokenMark + base64.RawURLEncoding.EncodeToString(raw)
	var made APIKey
	err = db.inTx(ctx, func(tx pgx.Tx) error {
		made, err = insertAPIKey(ctx, tx, id, token, n, by)
		if err != nil {
			return err
		}
		return noteOperator(ctx, tx, by, "key.add", made.String(), map[string]any{"key": id, "scopes": made.Scopes, "expires_at": made.ExpiresAt})
	})
	if err != nil {
		return APIKey{}, "", err
	}
	return made, token, nil
}

func insertAPIKey(ctx context.Context, tx pgx.Tx, id uuid.UUID, token string, n NewAPIKey, by Actor) (APIKey, error) {
	var there int
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM api_keys WHERE revoked_at IS NULL`).Scan(&there); err != nil {
		return APIKey{}, fmt.Errorf("count the keys: %w", err)
	}
	if there >= maxKeys {
		return APIKey{}, fault.New(fault.Conflict, "there are %d keys already: revoke those that nobody needs", there)
	}
	made, err := readAPIKey(ctx, tx, `
		INSERT INTO api_keys AS k (id, name, prefix, token_hash, scopes, created_by, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, CASE WHEN $7 > 0 THEN now() + make_interval(days => $7) END)
		RETURNING `+apiKeyColumns,
		id, n.Name, token[:tokenShown], apiTokenHash(token), n.Scopes, by.Name, n.Days)
	if violates(err, "api_keys_name_key") {
		return APIKey{}, fault.New(fault.Conflict, "there is a key %q already: choose another name, or revoke that one first", n.Name)
	}
	return made, translate(err, "key")
}

func (n NewAPIKey) check() error {
	switch {
	case n.Name == "", utf8.RuneCountInString(n.Name) > keyNameLength,
		strings.ContainsFunc(n.Name, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }):
		return fault.New(fault.Invalid, "a key needs a name of 1 to %d characters that says who uses it", keyNameLength)
	case len(n.Scopes) == 0, slices.ContainsFunc(n.Scopes, func(s Scope) bool { return !slices.Contains(Scopes(), s) }):
		return fault.New(fault.Invalid, "the scopes of a key are read, act or both")
	case n.Days < 0, n.Days > 3650:
		return fault.New(fault.Invalid, "a key expires in 1 to 3650 days, or never")
	}
	return nil
}

// APIKeys returns the keys that are not revoked, those that have expired too, by name.
func (db *DB) APIKeys(ctx context.Context) ([]APIKey, error) {
	// Served by api_keys_name_key; there are never more than maxKeys by much.
	rows, err := db.pool.Query(ctx, `
		SELECT `+apiKeyColumns+`
		FROM api_keys AS k
		WHERE k.revoked_at IS NULL
		ORDER BY lower(k.name)
		LIMIT 1000`)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[APIKey])
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	return list, nil
}

// APIKey returns a key that is not revoked, or fault.NotFound.
func (db *DB) APIKey(ctx context.Context, id uuid.UUID) (APIKey, error) {
	k, err := readAPIKey(ctx, db.pool, `
		SELECT `+apiKeyColumns+`
		FROM api_keys AS k
		WHERE k.id = $1 AND k.revoked_at IS NULL`, id)
	return k, translate(err, "key")
}

// UseAPIKey returns the key of a token and notes, at most once a minute, that it
// was used and from where. It returns fault.NotFound where the token is no key's,
// or where the key has expired or was revoked.
func (db *DB) UseAPIKey(ctx context.Context, token, address string) (APIKey, error) {
	if !strings.HasPrefix(token, tokenMark) { // is asked for nothing
		return APIKey{}, fault.New(fault.NotFound, "there is no such key")
	}
	// Served by api_keys_token_hash_key. Hashes of random tokens are found by their
	// bytes: how long that takes tells nobody a token.
	k, err := readAPIKey(ctx, db.pool, `
		WITH used AS (
			UPDATE api_keys AS k
			SET last_used_at = now(), last_address = $2
			WHERE k.token_hash = $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
				AND (k.last_used_at IS NULL OR k.last_used_at < now() - interval '1 minute'))
		SELECT `+apiKeyColumns+`
		FROM api_keys AS k
		WHERE k.token_hash = $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())`,
		apiTokenHash(token), address)
	return k, translate(err, "key")
}

// RevokeAPIKey ends a key: the next request with its token is refused. It returns
// the key as it was, or fault.NotFound where there is none or it is revoked already.
func (db *DB) RevokeAPIKey(ctx context.Context, id uuid.UUID, by Actor) (APIKey, error) {
	var k APIKey
	err := db.inTx(ctx, func(tx pgx.Tx) (err error) {
		k, err = readAPIKey(ctx, tx, `
			UPDATE api_keys AS k
			SET revoked_at = now()
			WHERE k.id = $1 AND k.revoked_at IS NULL
			RETURNING `+apiKeyColumns, id)
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.New(fault.NotFound, "there is no such key: it was revoked already")
		}
		if err != nil {
			return err
		}
		return noteOperator(ctx, tx, by, "key.revoke", k.String(), map[string]any{
			"key": id, "scopes": k.Scopes, "expires_at": k.ExpiresAt, "last_used_at": k.LastUsedAt,
		})
	})
	return k, err
}

func readAPIKey(ctx context.Context, q querier, query string, args ...any) (APIKey, error) {
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return APIKey{}, fmt.Errorf("read the key: %w", err)
	}
	k, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[APIKey])
	if err != nil {
		return APIKey{}, fmt.Errorf("read the key: %w", err)
	}
	return k, nil
}

// apiTokenHash is what is kept of a token. It has 256 random bits: no salt and no
// slow hash would make guessing it any harder.
func apiTokenHash(token string) []byte {
	h := sha256.Sum256([]byte(token))
	return h[:]
}
