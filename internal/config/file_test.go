package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Every secret may be in a file, and the variable wins over it.
func TestSecretsFromFiles(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	env := valid()
	env["TENANT_DATABASE_URLS"], env["ADMIN_PASSWORD"] = "postgres://a:p@db:5432/postgres", "a long password"
	env["ADMIN_EMAIL"], env["ADMIN_API_KEY"] = "noura@wosool.example", "0123456789abcdef01234567"
	for _, name := range Secrets() {
		if env[name] == "" {
			t.Fatalf("%s has no value in this test", name)
		}
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte("\n "+env[name]+"\n\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		env[name], env[name+"_FILE"] = "", path
	}
	want := valid()

	c, err := load(API, env)
	if err != nil {
		t.Fatal(err)
	}

	for name, got := range map[string]Secret{
		"DATABASE_URL": c.DatabaseURL, "REDIS_URL": c.RedisURL, "SECRET_KEYSET": c.SecretKeyset,
		"SALLA_CLIENT_SECRET": c.SallaClientSecret, "CLERK_SECRET_KEY": c.ClerkSecretKey,
	} {
		if got.Reveal() != want[name] {
			t.Errorf("%s is not what its file holds", name)
		}
	}
	if len(c.SallaWebhookSecrets) != 2 || len(c.ClerkWebhookSecrets) != 1 || len(c.TenantDatabaseURLs) != 1 ||
		c.TenantDatabaseURLs[0].Reveal() != "postgres://a:p@db:5432/postgres" ||
		c.AdminPassword.Reveal() != "a long password" || c.AdminAPIKey.Reveal() != "0123456789abcdef01234567" {
		t.Error("a list or an operator's secret is not what its file holds")
	}

	env["REDIS_URL"] = "redis://other:6379"
	if c, err = load(API, env); err != nil || c.RedisURL.Reveal() != "redis://other:6379" {
		t.Errorf("the variable does not win over the file: %v", err)
	}
}

// A file that is of no use is named, once, and neither quoted nor called missing.
func TestSecretFilesOfNoUse(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	empty, huge := filepath.Join(folder, "hunter2-empty"), filepath.Join(folder, "hunter2-huge")
	for path, content := range map[string]string{empty: " \n", huge: strings.Repeat("x", secretSize+1)} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{empty, huge, folder, filepath.Join(folder, "hunter2-none")} {
		for _, name := range []string{"DATABASE_URL", "SALLA_WEBHOOK_SECRET"} {
			env := valid()
			env[name], env[name+"_FILE"] = "", path
			_, err := load(API, env)
			want := "settings: " + name + "_FILE is not valid: it should be a file that this process may read, with the value of " + name + " in it"
			if err == nil || err.Error() != want {
				t.Errorf("%s_FILE: got %v, want %s", name, err, want)
			}
		}
	}
}

// What is no secret is not read from files.
func TestOnlySecretsComeFromFiles(t *testing.T) {
	t.Parallel()
	env := valid()
	env["LOG_LEVEL_FILE"], env["SALLA_CLIENT_ID_FILE"] = "/none", "/none"
	if _, err := load(API, env); err != nil {
		t.Error(err)
	}
}
