package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/vault"
)

func TestMissingSettingsAreAllNamed(t *testing.T) {
	t.Parallel()
	var stderr bytes.Buffer

	code := run(t.Context(), nil, func(string) string { return "" }, &stderr)

	if code != 2 || strings.Count(stderr.String(), "\n") != 1 {
		t.Errorf("exit %d, %q; want 2 and one message", code, stderr.String())
	}
	for _, name := range []string{
		"DATABASE_URL", "REDIS_URL", "PUBLIC_URL", "SECRET_KEYSET", "SALLA_CLIENT_ID", "SALLA_CLIENT_SECRET",
		"SALLA_WEBHOOK_SECRET", "CLERK_SECRET_KEY", "CLERK_WEBHOOK_SECRET", "CLERK_ISSUER",
	} {
		if !strings.Contains(stderr.String(), name+" is missing") {
			t.Errorf("%s is not named in %q", name, stderr.String())
		}
	}
}

func TestMisuse(t *testing.T) {
	t.Parallel()
	var stderr bytes.Buffer
	if code := run(t.Context(), []string{"serve"}, func(string) string { return "" }, &stderr); code != 2 {
		t.Errorf("exit %d, want 2: %s", code, stderr.String())
	}
}

func TestKeysetThatDoesNotOpen(t *testing.T) {
	t.Parallel()
	env := settings(t, "postgres://127.0.0.1:1/none")
	env["SECRET_KEYSET"] = "eyJwcmltYXJ5S2V5SWQiOjF9" // {"primaryKeyId":1}
	var stderr bytes.Buffer

	code := run(t.Context(), nil, func(name string) string { return env[name] }, &stderr)

	if code != 2 || !strings.Contains(stderr.String(), "SECRET_KEYSET is not valid") || strings.Contains(stderr.String(), env["SECRET_KEYSET"]) {
		t.Errorf("exit %d, %q; want 2, naming the setting and not its value", code, stderr.String())
	}
}

func TestServesWithoutRedisAndStops(t *testing.T) {
	t.Parallel()
	_, url := dbtest.ControlURL(t)
	p := start(t, settings(t, url))
	const body = `{"event":"order.created","merchant":77,"data":{"id":7}}`

	if got := p.get(t, "/readyz"); !strings.HasPrefix(got, `200 {"status":"degraded"`) {
		t.Errorf("readyz: %s", got)
	}
	mac := hmac.New(sha256.New, []byte("salla-secret"))
	mac.Write([]byte(body))
	if got := p.do(t, http.MethodPost, "/webhooks/salla", body, "X-Salla-Signature", hex.EncodeToString(mac.Sum(nil))); !strings.HasPrefix(got, "200 ") {
		t.Errorf("delivery: %s", got)
	}
	if got := p.do(t, http.MethodGet, "/api/admin/v1/stats", "", "Authorization", "Bearer an-operators-key-of-tests"); !strings.Contains(got, `"received":1`) {
		t.Errorf("stats: %s", got)
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit %d, want 0: %s", code, p.log)
	}
}

func TestAnAdminEmailThatIsNone(t *testing.T) {
	t.Parallel()
	env := settings(t, "postgres://127.0.0.1:1/none")
	env["ADMIN_EMAIL"], env["ADMIN_PASSWORD"] = "noura.example.com", "a long password of hers"
	var stderr bytes.Buffer

	code := run(t.Context(), nil, func(name string) string { return env[name] }, &stderr)

	if code != 2 || !strings.Contains(stderr.String(), "ADMIN_EMAIL is not valid") || strings.Contains(stderr.String(), env["ADMIN_EMAIL"]) {
		t.Errorf("exit %d, %q; want 2, naming the setting and not its value", code, stderr.String())
	}
}

// An operator that can't be made now is made later; the api serves meanwhile.
func TestFirstOperatorIsTriedAgain(t *testing.T) {
	t.Parallel()
	pool, url := dbtest.ControlURL(t)
	rename := func(from, to string) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), `ALTER TABLE `+from+` RENAME TO `+to); err != nil {
			t.Fatal(err)
		}
	}
	rename("operators", "no_operators")
	env := settings(t, url)
	env["ADMIN_EMAIL"], env["ADMIN_PASSWORD"] = "noura@wosool.example", "a long password of hers"
	p := start(t, env)

	dbtest.Eventually(t, 20*time.Second, "the failure to be told", func() bool {
		return strings.Contains(p.log.String(), "the first operator is not made yet")
	})
	if got := p.get(t, "/healthz"); !strings.HasPrefix(got, "200 ") {
		t.Errorf("healthz: %s", got)
	}
	rename("no_operators", "operators")
	dbtest.Eventually(t, 20*time.Second, "the first operator to be made", func() bool {
		return strings.Contains(p.log.String(), "the first operator was made from ADMIN_EMAIL")
	})
	if code := p.stop(); code != 0 || strings.Contains(p.log.String(), env["ADMIN_EMAIL"]) {
		t.Errorf("exit %d, want 0 and no e-mail in the log: %s", code, p.log)
	}
}

func TestAnOlderSchemaIsRefused(t *testing.T) {
	t.Parallel()
	pool, url := dbtest.ControlURL(t)
	if _, err := pool.Exec(t.Context(), `DELETE FROM schema_migrations`); err != nil {
		t.Fatal(err)
	}
	p := start(t, settings(t, url))

	if code := <-p.code; code != 1 || !strings.Contains(p.log.String(), "wosool migrate") {
		t.Errorf("exit %d, want 1 and a sentence: %s", code, p.log)
	}
}

func TestStartsBeforePostgres(t *testing.T) {
	t.Parallel()
	p := start(t, settings(t, "postgres://127.0.0.1:1/none"))

	if got := p.get(t, "/readyz"); !strings.HasPrefix(got, `503 {"status":"down"`) {
		t.Errorf("readyz: %s", got)
	}
	if got := p.get(t, "/healthz"); !strings.HasPrefix(got, "200 ") {
		t.Errorf("healthz: %s", got)
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit %d, want 0: %s", code, p.log)
	}
}

// What PostgreSQL does not take has to go somewhere: a folder that cannot be written is
// a mistake in the settings, as a Clerk secret that anybody could guess is.
func TestSettingsThatAreFoundWrongAtTheStart(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"SPOOL_DIR":            filepath.Join(file, "spool"),
		"CLERK_WEBHOOK_SECRET": "whsec_c2hvcnQtYnV0LXNlY3JldA==", // 16 bytes
	} {
		env := settings(t, "postgres://127.0.0.1:1/none")
		env[name] = value
		var stderr bytes.Buffer

		code := run(t.Context(), nil, func(name string) string { return env[name] }, &stderr)

		if name == "SPOOL_DIR" && !strings.Contains(stderr.String(), "(not a directory)") {
			t.Errorf("it does not say why: %s", stderr.String())
		}
		if code != 2 || !strings.Contains(stderr.String(), name+" is not valid") || strings.Contains(stderr.String(), value) {
			t.Errorf("%s: exit %d, %q; want 2, naming the setting and not its value", name, code, stderr.String())
		}
	}
}

// process is an api that runs in this one.
type process struct {
	cancel context.CancelFunc
	code   chan int
	log    *output
	base   string
}

// start runs the api and waits until it listens, or has ended.
func start(t *testing.T, env map[string]string) *process {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	p := &process{cancel: cancel, code: make(chan int, 1), log: &output{}}
	t.Cleanup(cancel)
	go func() { p.code <- run(ctx, nil, func(name string) string { return env[name] }, p.log) }()
	listening := regexp.MustCompile(`"msg":"listening","process":"api","address":"([^"]+)"`)
	dbtest.Eventually(t, 20*time.Second, "the api to listen", func() bool {
		if m := listening.FindStringSubmatch(p.log.String()); m != nil {
			p.base = "http://" + m[1]
		}
		return p.base != ""
	})
	return p
}

func (p *process) stop() int {
	p.cancel()
	return <-p.code
}

func (p *process) get(t *testing.T, path string) string {
	t.Helper()
	return p.do(t, http.MethodGet, path, "", "Accept", "application/json")
}

// do answers "STATUS BODY".
func (p *process) do(t *testing.T, method, path, body, header, value string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, p.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(header, value)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.Status[:4] + string(text)
}

// settings are those of an api on a free port, whose Redis is not there.
func settings(t *testing.T, database string) map[string]string {
	t.Helper()
	keyset, err := vault.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"DATABASE_URL": database, "REDIS_URL": "redis://127.0.0.1:1", "PUBLIC_URL": "https://wosool.example", "SECRET_KEYSET": keyset,
		"SALLA_CLIENT_ID": "id", "SALLA_CLIENT_SECRET": "secret", "SALLA_WEBHOOK_SECRET": "salla-secret",
		"CLERK_SECRET_KEY": "sk_test_1", "CLERK_WEBHOOK_SECRET": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3",
		"CLERK_ISSUER": "https://clerk.example", "ADMIN_API_KEY": "an-operators-key-of-tests",
		"HTTP_ADDR": "127.0.0.1:0", "SHUTDOWN_GRACE": "5s", "SPOOL_DIR": t.TempDir(),
	}
}

// output is what the process writes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
