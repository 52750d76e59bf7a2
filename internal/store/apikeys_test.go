package store

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
)

func TestKeyIsKeptAsItsHash(t *testing.T) {
	t.Parallel()
	pool := dbtest.Control(t)
	db := New(pool)
	made, token, err := db.AddAPIKey(t.Context(), NewAPIKey{Name: " Nightly \t import ", Scopes: []Scope{ScopeAct}, Days: 7}, Actor{Name: "amal@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	if made.Name != "Nightly import" || made.CreatedBy != "amal@example.com" || len(made.Prefix) != 12 || !strings.HasPrefix(token, made.Prefix) || len(token) != 47 {
		t.Errorf("made %+v of %d characters", made, len(token))
	}
	var hash []byte
	var lasts time.Duration
	if err := pool.QueryRow(t.Context(), `SELECT token_hash, expires_at - created_at FROM api_keys`).Scan(&hash, &lasts); err != nil {
		t.Fatal(err)
	}
	if want := sha256.Sum256([]byte(token)); !bytes.Equal(hash, want[:]) || lasts != 7*24*time.Hour {
		t.Errorf("kept %x for %s", hash, lasts)
	}
	found, err := db.UseAPIKey(t.Context(), token, "192.0.2.1")
	if err != nil || found.ID != made.ID {
		t.Errorf("used %+v, %v", found, err)
	}
	_, other, err := db.AddAPIKey(t.Context(), NewAPIKey{Name: "other", Scopes: []Scope{ScopeRead}}, Actor{})
	if err != nil || other == token {
		t.Errorf("another key: %v, the same token: %t", err, other == token)
	}
}

func TestWhatKeysMay(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		scopes    []Scope
		read, act bool
	}{
		{nil, false, false},
		{[]Scope{ScopeRead}, true, false},
		{[]Scope{ScopeAct}, true, true},
		{[]Scope{ScopeRead, ScopeAct}, true, true},
		{[]Scope{"root"}, false, false},
	} {
		k := APIKey{Scopes: tt.scopes}
		if k.May(ScopeRead) != tt.read || k.May(ScopeAct) != tt.act || k.May("root") && len(tt.scopes) != 1 {
			t.Errorf("%v may read %t, act %t", tt.scopes, k.May(ScopeRead), k.May(ScopeAct))
		}
	}
}

// The database itself keeps no key of other scopes.
func TestScopesAreChecked(t *testing.T) {
	t.Parallel()
	pool := dbtest.Control(t)
	for _, scopes := range [][]string{{}, {"admin"}, {"read", "admin"}} {
		_, err := pool.Exec(t.Context(), `
			INSERT INTO api_keys (id, name, prefix, token_hash, scopes, created_by)
			VALUES (gen_random_uuid(), 'x', 'x', 'x', $1, 'x')`, scopes)
		if !violates(err, "api_keys_scopes_check") {
			t.Errorf("%v: %v", scopes, err)
		}
	}
}

// A key's use is noted at most once a minute, so that a busy script does not write
// one row over and over.
func TestKeyUseIsNotedToAMinute(t *testing.T) {
	t.Parallel()
	pool := dbtest.Control(t)
	db := New(pool)
	_, token, err := db.AddAPIKey(t.Context(), NewAPIKey{Name: "busy", Scopes: Scopes()}, Actor{})
	if err != nil {
		t.Fatal(err)
	}
	use := func(address string) string {
		t.Helper()
		if _, err := db.UseAPIKey(t.Context(), token, address); err != nil {
			t.Fatal(err)
		}
		list, err := db.APIKeys(t.Context())
		if err != nil || len(list) != 1 || list[0].LastUsedAt == nil {
			t.Fatalf("list = %+v, %v", list, err)
		}
		return list[0].LastAddress
	}
	got := []string{use("192.0.2.1"), use("192.0.2.2")}
	if _, err := pool.Exec(t.Context(), `UPDATE api_keys SET last_used_at = now() - interval '61 seconds'`); err != nil {
		t.Fatal(err)
	}
	got = append(got, use("192.0.2.3"))
	if diff := cmp.Diff([]string{"192.0.2.1", "192.0.2.1", "192.0.2.3"}, got); diff != "" {
		t.Errorf("last addresses (-want +got)\n%s", diff)
	}
}

func TestKeysHaveABound(t *testing.T) {
	t.Parallel()
	pool := dbtest.Control(t)
	if _, err := pool.Exec(t.Context(), `
		INSERT INTO api_keys (id, name, prefix, token_hash, scopes, created_by)
		SELECT gen_random_uuid(), 'key ' || n, 'x', convert_to(n::text, 'UTF8'), '{read}', 'x'
		FROM generate_series(1, 200) AS n`); err != nil {
		t.Fatal(err)
	}
	_, _, err := New(pool).AddAPIKey(t.Context(), NewAPIKey{Name: "one more", Scopes: Scopes()}, Actor{})
	if !errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "revoke those that nobody needs") {
		t.Errorf("one more: %v", err)
	}
}
