package tenantdb

import (
	"encoding/base64"
	"errors"
	"testing"

	"github.com/wosool/wosool/internal/fault"
)

// What PostgreSQL 15 itself made of this password.
func TestVerifierIsPostgreSQLs(t *testing.T) {
	t.Parallel()
	salt, err := base64.StdEncoding.DecodeString("6Mx5h3sPQ4iPqRC8ZJuoJQ==")
	if err != nil {
		t.Fatal(err)
	}
	got, err := verifierOf("correct-horse-battery-staple", salt)
	if err != nil {
		t.Fatal(err)
	}
	want := "SCRAM-SHA-256$4096:6Mx5h3sPQ4iPqRC8ZJuoJQ==" +
		"$AlgcjKipkZLl/rO1c9dXLlmNg0RuIjqWXPAgTqCl6ys=:XDrPeapRQQyX0QGQ2d0AaLqVOj2X+d1LSfR6ZVcYR9k="
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestVerifierRefusesWeakPasswords(t *testing.T) {
	t.Parallel()
	for _, p := range []string{"", "short", "sixteen letters and a blank", "كلمة-سر-طويلة-جدا"} {
		if _, err := verifier(p); !errors.Is(err, fault.Invalid) {
			t.Errorf("%q: got %v, want invalid", p, err)
		}
	}
}
