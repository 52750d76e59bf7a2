package main

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/store"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	if out := s.done("key list"); !strings.Contains(out, "There is no key") {
		t.Errorf("list = %s", out)
	}
	var made struct {
		ID        string   `json:"id"`
		Prefix    string   `json:"prefix"`
		Scopes    []string `json:"scopes"`
		ExpiresAt *string  `json:"expires_at"`
		Token     string   `json:"token"`
	}
	s.json(&made, "key add nightly --scopes=read,act --days=0")
	if strings.Join(made.Scopes, ",") != "read,act" || made.ExpiresAt != nil || !strings.HasPrefix(made.Token, made.Prefix) {
		t.Errorf("made %+v", made)
	}
	k, err := store.New(s.pool).UseAPIKey(t.Context(), made.Token, "192.0.2.1")
	if err != nil || k.ID.String() != made.ID || !k.May(store.ScopeAct) {
		t.Errorf("the token opens %+v, %v", k, err)
	}
	out := s.done("key add reader")
	if !strings.Contains(out, "wsl_") || !strings.Contains(out, "It is not shown again.") {
		t.Errorf("add = %s", out)
	}
	if got := s.db(`SELECT array_to_string(scopes, ',') || ' ' || (expires_at - created_at)::text FROM api_keys WHERE name = 'reader'`); got != "read 90 days" {
		t.Errorf("without options: %s", got)
	}
	s.refused("key add READER", `there is a key "READER" already`)
	s.refused("key add x --days=-1", "a key expires in 1 to 3650 days, or never")
	if _, errs, code := s.run("key add x --scopes=admin"); code != 2 || !strings.Contains(errs, "--scopes") {
		t.Errorf("another scope: exit %d, %s", code, errs)
	}

	out = s.done("key list")
	if strings.Count(out, "\n") != 3 || !strings.Contains(out, "192.0.2.1") || strings.Contains(out, made.Token) {
		t.Errorf("list = %s", out)
	}
	s.refused("key revoke nobody", `no key has the name, the beginning or the id "nobody"`)
	s.refused("key revoke "+uuid.NewString(), "there is no such key")
	if out := s.done("key revoke " + made.Prefix); !strings.Contains(out, "nightly ("+made.Prefix+") is revoked.") {
		t.Errorf("revoke = %s", out)
	}
	s.refused("key revoke "+made.ID, "it was revoked already")
	s.done("key revoke Reader")
	s.done("key add reader") // its name is free again
	if got := s.db(`SELECT string_agg(act || ' ' || (actor LIKE 'wosool@%'), ', ' ORDER BY id) FROM audit`); got !=
		"key.add true, key.add true, key.revoke true, key.revoke true, key.add true" {
		t.Errorf("audit = %s", got)
	}
	if got := s.db(`SELECT (SELECT string_agg(a::text, '') FROM audit AS a) || (SELECT string_agg(k::text, '') FROM api_keys AS k)`); strings.Contains(got, made.Token) {
		t.Error("the database has a token")
	}
}

// Two keys whose tokens begin alike are told apart by their names only.
func TestKeysThatBeginAlike(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.done("key add one")
	s.done("key add two")
	s.exec(`UPDATE api_keys SET prefix = 'wsl_12345678'`)
	s.refused("key revoke wsl_12345678", "2 keys begin with wsl_12345678: say the name of one")
	s.done("key revoke two")
	s.done("key revoke wsl_12345678")
}
