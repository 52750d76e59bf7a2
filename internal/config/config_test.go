package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// valid is a whole environment; tests change one thing in it.
func valid() map[string]string {
	return map[string]string{
		"DATABASE_URL":         "postgres://u:p@db:5432/wosool",
		"REDIS_URL":            "redis://:p@redis:6379/0",
		"PUBLIC_URL":           "https://crm.example.com/",
		"SECRET_KEYSET":        base64.StdEncoding.EncodeToString([]byte(`{"primaryKeyId":1,"key":[]}`)),
		"SALLA_CLIENT_ID":      "id",
		"SALLA_CLIENT_SECRET":  "client-secret",
		"SALLA_WEBHOOK_SECRET": "new, old",
		"CLERK_SECRET_KEY":     "sk_test_x",
		"CLERK_WEBHOOK_SECRET": "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 24)),
		"CLERK_ISSUER":         "https://clerk.example.com",
	}
}

func load(p Process, env map[string]string) (Config, error) {
	return Load(p, func(name string) string { return env[name] })
}

func TestLoad(t *testing.T) {
	t.Parallel()

	c, err := load(API, valid())
	if err != nil {
		t.Fatalf("a whole environment: %v", err)
	}

	if c.PublicURL != "https://crm.example.com" {
		t.Errorf("PublicURL = %q, want it without the slash", c.PublicURL)
	}
	if len(c.TenantDatabaseURLs) != 1 || c.TenantDatabaseURLs[0] != c.DatabaseURL {
		t.Error("without TENANT_DATABASE_URLS the server of DATABASE_URL holds the tenants")
	}
	if got := c.SallaWebhookSecrets; len(got) != 2 || got[0].Reveal() != "new" {
		t.Errorf("webhook secrets: got %d, want 2, the first of them first", len(got))
	}
	if c.HTTPAddr != ":8080" || c.EventRetention != 90*24*time.Hour || c.Lease != 15*time.Second {
		t.Errorf("defaults: addr %q, retention %s, lease %s", c.HTTPAddr, c.EventRetention, c.Lease)
	}
	if c.ClerkJWKSURL != "https://clerk.example.com/.well-known/jwks.json" {
		t.Errorf("ClerkJWKSURL = %q", c.ClerkJWKSURL)
	}
}

// Each process names each setting that it needs and that is missing, at once.
func TestMissing(t *testing.T) {
	t.Parallel()
	required := map[Process][]string{
		API: {
			"DATABASE_URL", "REDIS_URL", "PUBLIC_URL", "SECRET_KEYSET", "SALLA_CLIENT_ID", "SALLA_CLIENT_SECRET",
			"SALLA_WEBHOOK_SECRET", "CLERK_SECRET_KEY", "CLERK_WEBHOOK_SECRET", "CLERK_ISSUER",
		},
		Worker: {
			"DATABASE_URL", "REDIS_URL", "PUBLIC_URL", "SECRET_KEYSET", "SALLA_CLIENT_ID", "SALLA_CLIENT_SECRET",
			"SALLA_WEBHOOK_SECRET", "CLERK_SECRET_KEY",
		},
		Wosool: {"DATABASE_URL", "SECRET_KEYSET"},
	}
	for process, names := range required {
		_, err := load(process, nil)
		e, ok := errors.AsType[*Error](err)
		if !ok {
			t.Fatalf("%s with no settings: got %v, want *Error", process, err)
		}
		var got []string
		for _, p := range e.Problems {
			got = append(got, strings.Fields(p)[0])
		}
		slices.Sort(got)
		slices.Sort(names)
		if !slices.Equal(got, names) {
			t.Errorf("%s names %v, want %v", process, got, names)
		}
	}
}

// What is wrong is named, together with what it should be, and never quoted.
func TestInvalid(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"DATABASE_URL":           "mysql://hunter2@db/x",
		"TENANT_DATABASE_URLS":   "postgres://a/b,hunter2",
		"REDIS_URL":              "http://hunter2",
		"PUBLIC_URL":             "hunter2",
		"SECRET_KEYSET":          "hunter2",
		"SALLA_WEBHOOK_STRATEGY": "hunter2",
		"SALLA_API_URL":          "hunter2",
		"CLERK_WEBHOOK_SECRET":   "whsec_aHVudGVyMg==",
		"CLERK_ISSUER":           "hunter2",
		"HTTP_ADDR":              "hunter2",
		"WORKER_CONCURRENCY":     "hunter2",
		"WORKER_LANES":           "imports,hunter2",
		"TENANT_CONNECTIONS":     "-2",
		"SALLA_EGRESS":           "hunter2 of the office",
		"EVENT_RETENTION":        "hunter2d",
		"ADMIN_API_KEY":          "hunter2",
		"ADMIN_EMAIL":            "Noura <hunter2@example.com>",
		"ADMIN_PASSWORD":         "hunter2",
		"TRUSTED_PROXIES":        "hunter2",
		"LOG_LEVEL":              "hunter2",
		"LOG_FORMAT":             "hunter2",
		"LEASE_DURATION":         "0s",
		"LEASE_RENEW_INTERVAL":   "20s",
	} {
		env := valid()
		env[name] = value
		_, err := load(API, env)
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%q: got %v, want an error that names it", name, value, err)
			continue
		}
		if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "aHVudGVyMg") {
			t.Errorf("%s: the message quotes the value: %v", name, err)
		}
	}
}

func TestAdminEmailIsOneAddress(t *testing.T) {
	t.Parallel()
	for email, good := range map[string]bool{
		"noura@example.com": true, " Noura@Example.com ": true, "نورة@example.com": true,
		"noura": false, "noura@": false, "noura@example.com, sara@example.com": false, "<noura@example.com>": false,
		"noura example.com": false, strings.Repeat("n", 250) + "@example.com": false,
	} {
		env := valid()
		env["ADMIN_EMAIL"], env["ADMIN_PASSWORD"] = email, "a long password of hers"
		c, err := load(API, env)
		switch {
		case good && (err != nil || c.AdminEmail != strings.TrimSpace(email)):
			t.Errorf("%q: %q, %v", email, c.AdminEmail, err)
		case !good && (err == nil || !strings.Contains(err.Error(), "ADMIN_EMAIL is not valid: it should be one e-mail address such as name@example.com")):
			t.Errorf("%q: %v, want an error that names the setting", email, err)
		}
	}
}

func TestSecretNeverPrints(t *testing.T) {
	t.Parallel()
	s := Secret("hunter2")
	var b strings.Builder
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "secret", s)
	printed := fmt.Sprintf("%v %s %+v %#v %q", s, s, s, s, s) + b.String()
	if strings.Contains(printed, "hunter2") {
		t.Errorf("a secret printed: %s", printed)
	}
}

// .env.example names every setting that Load reads, and no other; it says once
// that secrets may come from NAME_FILE.
func TestExample(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../.env.example")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for _, m := range regexp.MustCompile(`(?m)^([A-Z_]+)=`).FindAllStringSubmatch(string(raw), -1) {
		listed = append(listed, m[1])
	}
	read := map[string]bool{}
	if _, err := Load(API, func(name string) string {
		if base, isFile := strings.CutSuffix(name, "_FILE"); !isFile || !slices.Contains(Secrets(), base) {
			read[name] = true
		}
		return valid()[name]
	}); err != nil {
		t.Fatal(err)
	}
	for _, name := range listed {
		if !read[name] {
			t.Errorf(".env.example has %s, which nothing reads", name)
		}
	}
	for name := range read {
		if !slices.Contains(listed, name) {
			t.Errorf(".env.example lacks %s", name)
		}
	}
}
