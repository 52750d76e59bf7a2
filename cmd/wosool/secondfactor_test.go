package main

import (
	"strings"
	"testing"
)

// Whoever has lost phone and recovery codes gets in again by the password alone;
// where they were signed in, they are not any more.
func TestSecondFactorIsReset(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.done("operator add amal@example.com")
	s.refused("operator reset-second-factor amal@example.com", "amal@example.com has no second factor")
	s.exec(`UPDATE operators SET totp_sealed = '\x01', totp_at = now(), totp_step = 7`)
	s.exec(`INSERT INTO recovery_codes (operator_id, code_hash) SELECT id, '\x02' FROM operators`)
	s.exec(`INSERT INTO sessions (id, token_hash, operator_id, address, agent) SELECT gen_random_uuid(), '\x03', id, '', '' FROM operators`)

	out := s.done("operator reset-second-factor Amal@example.com")

	if !strings.Contains(out, "amal@example.com has no second factor any more; 1 session(s) ended.") {
		t.Errorf("reset = %s", out)
	}
	if got := s.db(`SELECT (totp_sealed IS NULL AND totp_at IS NULL AND totp_step IS NULL)::text || (SELECT count(*) FROM recovery_codes) || (SELECT count(*) FROM sessions) FROM operators`); got != "true00" {
		t.Errorf("left: %s", got)
	}
	if got := s.db(`SELECT act || ' ' || subject || ' ' || (details -> 'before')::text || ' ' || (details -> 'after')::text FROM audit WHERE act <> 'operator.add'`); got !=
		`operator.reset_second_factor amal@example.com {"second_factor": true} {"second_factor": false}` {
		t.Errorf("audit = %s", got)
	}
	s.refused("operator reset-second-factor badr@example.com", `there is no operator "badr@example.com"`)
}

// Whoever has lost the device that their passkeys are on is let in by the password
// alone; where they were signed in, they are not any more.
func TestPasskeysAreRemoved(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.done("operator add amal@example.com")
	s.refused("operator remove-passkeys amal@example.com", "amal@example.com has no passkey")
	s.exec(`INSERT INTO passkeys (id, operator_id, credential_id, sealed, name, challenge_until) SELECT gen_random_uuid(), id, '\x01', '\x02', 'phone', now() FROM operators`)
	s.exec(`INSERT INTO sessions (id, token_hash, operator_id, address, agent) SELECT gen_random_uuid(), '\x03', id, '', '' FROM operators`)

	out := s.done("operator remove-passkeys Amal@example.com")

	if !strings.Contains(out, "amal@example.com has no passkey any more; 1 session(s) ended.") {
		t.Errorf("remove = %s", out)
	}
	if got := s.db(`SELECT (SELECT count(*) FROM passkeys)::text || (SELECT count(*) FROM sessions)`); got != "00" {
		t.Errorf("left: %s", got)
	}
	s.refused("operator remove-passkeys badr@example.com", `there is no operator "badr@example.com"`)
}
