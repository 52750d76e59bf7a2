package vault

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/wosool/wosool/internal/fault"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	keys := newKeys(t)
	sealed, err := keys.Seal([]byte("ory_rt_plain"), "tenant:1:refresh_token")
	if err != nil || bytes.Contains(sealed, []byte("plain")) {
		t.Fatalf("Seal: %q, %v", sealed, err)
	}
	if plain, err := keys.Open(sealed, "tenant:1:refresh_token"); err != nil || string(plain) != "ory_rt_plain" {
		t.Errorf("Open: %q, %v", plain, err)
	}
	for name, open := range map[string]func() ([]byte, error){
		"another column": func() ([]byte, error) { return keys.Open(sealed, "tenant:1:access_token") },
		"another tenant": func() ([]byte, error) { return keys.Open(sealed, "tenant:2:refresh_token") },
		"another keyset": func() ([]byte, error) { return newKeys(t).Open(sealed, "tenant:1:refresh_token") },
		"changed":        func() ([]byte, error) { return keys.Open(append([]byte{1}, sealed...), "tenant:1:refresh_token") },
		"nothing at all": func() ([]byte, error) { return keys.Open(nil, "tenant:1:refresh_token") },
	} {
		if plain, err := open(); err == nil {
			t.Errorf("%s: opened %q", name, plain)
		}
	}
}

func TestOpenKeysRefusesWithoutQuoting(t *testing.T) {
	t.Parallel()
	for _, encoded := range []string{"", "not base64!", base64.StdEncoding.EncodeToString([]byte(`{"secretkeymaterial":1}`)), "e30="} {
		_, err := OpenKeys(encoded)
		if !errors.Is(err, fault.Invalid) || encoded != "" && strings.Contains(err.Error(), encoded) {
			t.Errorf("OpenKeys(%q): %v", encoded, err)
		}
	}
}

func TestNothingPrintsASecret(t *testing.T) {
	t.Parallel()
	g := Grant{Access: "ory_at_secret", Version: 3}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "grant", g)
	printed := fmt.Sprintf("%v %+v %#v %s %v", g, g, g, g, newKeys(t)) + log.String()
	if strings.Contains(printed, "ory_at") {
		t.Errorf("printed: %s", printed)
	}
}

// The hash of a token must not change between processes or releases: it is what
// keeps an old grant from being stored again.
func TestHashIsStable(t *testing.T) {
	t.Parallel()
	b := newBench(t, 1)
	first, err := b.RefreshHash(t.Context(), "ory_rt_1")
	if err != nil {
		t.Fatal(err)
	}
	second, err := b.vault(t, b.Keys).RefreshHash(t.Context(), "ory_rt_1")
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("another process hashes otherwise: %v", err)
	}
	other, _ := b.RefreshHash(t.Context(), "ory_rt_2")
	access, _ := b.hash(t.Context(), columnAccess, "ory_rt_1")
	if bytes.Equal(first, other) || bytes.Equal(first, access) {
		t.Error("different tokens have one hash")
	}
}
