package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wosool/wosool/internal/password"
	"github.com/wosool/wosool/internal/store"
)

func TestOperators(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	if out := s.done("operator list"); !strings.Contains(out, "There is no operator") {
		t.Errorf("list = %s", out)
	}
	const own = "a password of their own"
	file := s.file(own + "\r\nanother line\n")
	if out := s.done("operator add Amal@Example.com --password-file=" + file); strings.Contains(out, own) || !strings.Contains(out, "amal@example.com") {
		t.Errorf("add = %q, want the operator and not the password", out)
	}
	s.opens("amal@example.com", own)
	s.refused("operator add AMAL@example.COM", "there is an operator amal@example.com already")
	s.refused("operator add amal", "an operator needs one e-mail address")
	s.refused("operator add badr@example.com --password-file="+s.file("too short\n"), "at least 12 characters")
	s.refused("operator add badr@example.com --password-file=/nowhere", "the password's file cannot be read")

	var made struct {
		Email    string `json:"email"`
		Password string `json:"password"`
	}
	s.json(&made, "operator add badr@example.com --role=viewer")
	s.opens("badr@example.com", made.Password)
	if len(made.Password) < 20 {
		t.Errorf("made %q", made.Password)
	}
	if out := s.done("operator list"); strings.Count(out, "\n") != 3 || strings.Contains(out, "argon2id") ||
		!strings.Contains(out, "admin") || !strings.Contains(out, "viewer") {
		t.Errorf("list = %s", out)
	}
	if got := s.db(`SELECT string_agg(act || ' ' || subject || ' ' || (actor LIKE 'wosool@%'), ', ' ORDER BY id) FROM audit`); got !=
		"operator.add amal@example.com true, operator.add badr@example.com true" {
		t.Errorf("audit = %s", got)
	}
}

func TestOperatorsRoles(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	if out := s.done("operator add amal@example.com"); !strings.Contains(out, "admin") {
		t.Errorf("add = %q, want an admin where nothing else was said", out)
	}
	s.done("operator add badr@example.com --role viewer")
	s.refused("operator role amal@example.com viewer", "amal@example.com is the last admin")
	s.refused("operator remove amal@example.com", "amal@example.com is the last admin")
	s.refused("operator role dana@example.com viewer", `there is no operator "dana@example.com"`)

	if out := s.done("operator role Badr@example.com admin"); out != "badr@example.com is admin from their next request on.\n" {
		t.Errorf("role = %q", out)
	}
	var o struct {
		Role string `json:"role"`
	}
	if s.json(&o, "operator role amal@example.com operator"); o.Role != "operator" {
		t.Errorf("role = %+v", o)
	}
	if got := s.db(`SELECT string_agg(email || ' ' || role, ', ' ORDER BY email) FROM operators`); got !=
		"amal@example.com operator, badr@example.com admin" {
		t.Errorf("operators: %s", got)
	}
	if got := s.db(`SELECT string_agg(subject || ' ' || details::text, ', ' ORDER BY id) FROM audit WHERE act = 'operator.role'`); got !=
		`badr@example.com {"after": {"role": "admin"}, "before": {"role": "viewer"}}, `+
			`amal@example.com {"after": {"role": "operator"}, "before": {"role": "admin"}}` {
		t.Errorf("audit: %s", got)
	}
}

func TestOperatorsSessionsEndAtOnce(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.done("operator add amal@example.com")
	s.done("operator add badr@example.com")
	begin := func() {
		s.exec(`INSERT INTO sessions (id, token_hash, operator_id, address, agent)
			SELECT gen_random_uuid(), uuid_send(gen_random_uuid()), id, '', '' FROM operators`)
	}
	left := `SELECT string_agg(o.email, ',' ORDER BY o.email) FROM sessions AS s JOIN operators AS o ON o.id = s.operator_id`

	begin()
	var list struct {
		Data []struct {
			Sessions int `json:"sessions"`
		} `json:"data"`
	}
	if s.json(&list, "operator list"); list.Data[0].Sessions != 1 {
		t.Errorf("list = %+v", list)
	}
	if out := s.done("operator sign-out Amal@example.com"); !strings.Contains(out, "amal@example.com is signed out; 1 session(s) ended.") {
		t.Errorf("sign-out = %s", out)
	}
	if got := s.db(left); got != "badr@example.com" {
		t.Errorf("sessions after sign-out: %s", got)
	}
	begin()
	var made struct {
		Password string `json:"password"`
	}
	s.json(&made, "operator reset-password amal@example.com")
	if got := s.db(left); got != "badr@example.com,badr@example.com" {
		t.Errorf("sessions after reset: %s", got)
	}
	s.opens("amal@example.com", made.Password)
	begin()
	s.done("operator remove badr@example.com")
	if got := s.db(left); got != "amal@example.com" {
		t.Errorf("sessions after remove: %s", got)
	}
	for _, act := range []string{"reset-password", "remove", "sign-out"} {
		s.refused("operator "+act+" badr@example.com", `there is no operator "badr@example.com"`)
	}
	if got := s.db(`SELECT string_agg(act || ' ' || (details ->> 'sessions'), ', ' ORDER BY id) FROM audit WHERE act <> 'operator.add'`); got !=
		"operator.sign_out_everywhere 1, operator.reset_password 1, operator.remove 3" {
		t.Errorf("audit = %s", got)
	}
	if got := s.db(`SELECT string_agg(details::text, '') FROM audit`); strings.Contains(got, made.Password) {
		t.Error("the audit has a password")
	}
}

// file returns the path of a file with this content.
func (s *shell) file(content string) string {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "password")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// opens fails the test where the operator has another password.
func (s *shell) opens(email, text string) {
	s.t.Helper()
	a, _, err := store.New(s.pool).BeginSignIn(s.t.Context(), email, "")
	if err != nil {
		s.t.Fatal(err)
	}
	same, stale, err := password.NewHasher(password.Standard(), 1).Compare(s.t.Context(), a.Password, text)
	if err != nil || !same || stale {
		s.t.Errorf("%s: same password %t, stale %t, %v", email, same, stale, err)
	}
}
