package systemtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/sandbox"
)

// Salla's deliveries are refused, kept or counted once by what they are.
func TestDeliveries(t *testing.T) {
	t.Parallel()
	s := newSystem(t, options{workers: 1})
	const body = `{"event":"order.created","merchant":71021,"created_at":"2026-11-01 10:00:00","data":{"id":1}}`
	count := func() (n int) {
		if err := s.pool.QueryRow(t.Context(), `SELECT count(*) FROM events`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	for name, signature := range map[string]string{
		"wrong": strings.Repeat("0", 64), "missing": "-", "empty": "",
	} {
		if code := s.send(t, body, signature); code != http.StatusUnauthorized {
			t.Errorf("%s signature: %d, want 401", name, code)
		}
	}
	if n := count(); n != 0 {
		t.Errorf("%d events after refused deliveries, want none", n)
	}
	if code := s.deliver(t, `{"x":"`+strings.Repeat("a", 1<<20)+`"}`); code != http.StatusRequestEntityTooLarge {
		t.Errorf("over 1 MiB: %d, want 413", code)
	}

	results := make(chan int, 5)
	for range 5 {
		go func() { results <- s.deliver(t, body) }()
	}
	for range 5 {
		if code := <-results; code != http.StatusOK {
			t.Errorf("one of five: %d, want 200", code)
		}
	}
	if n := count(); n != 1 {
		t.Errorf("the same delivery five times at once: %d events, want 1", n)
	}

	if code := s.deliver(t, `{"event": order.created`); code != http.StatusOK {
		t.Errorf("invalid JSON with a valid signature: %d, want 200", code)
	}
	code, raw := s.get("/api/admin/v1/events?status=failed")
	var failed struct {
		Data []struct{ Error *string }
	}
	if err := json.Unmarshal(raw, &failed); code != http.StatusOK || err != nil || len(failed.Data) != 1 || failed.Data[0].Error == nil {
		t.Errorf("the invalid event: %d %s, want it kept as failed with its reason", code, raw)
	}
}

// A process names every setting that it lacks, within five seconds, with exit code 2.
func TestSettings(t *testing.T) {
	t.Parallel()
	for program, names := range map[string][]string{
		"api":    {"DATABASE_URL", "REDIS_URL", "PUBLIC_URL", "SECRET_KEYSET", "SALLA_CLIENT_ID", "SALLA_WEBHOOK_SECRET", "CLERK_WEBHOOK_SECRET", "CLERK_ISSUER"},
		"worker": {"DATABASE_URL", "REDIS_URL", "PUBLIC_URL", "SECRET_KEYSET", "SALLA_CLIENT_SECRET", "CLERK_SECRET_KEY"},
		"wosool": {"DATABASE_URL", "SECRET_KEYSET"},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		args := []string{}
		if program == "wosool" {
			args = []string{"stats"}
		}
		cmd := exec.CommandContext(ctx, filepath.Join(bin, program), args...)
		cmd.Env = []string{"PATH=/usr/bin"}
		var said bytes.Buffer
		cmd.Stdout, cmd.Stderr = &said, &said
		exit, ok := errors.AsType[*exec.ExitError](cmd.Run())
		if !ok || exit.ExitCode() != 2 {
			t.Errorf("%s without settings: %v, want exit code 2: %s", program, exit, said.String())
		}
		for _, name := range names {
			if !strings.Contains(said.String(), name) {
				t.Errorf("%s does not name %s: %s", program, name, said.String())
			}
		}
	}
}

// deliver sends a body as Salla would, rightly signed.
func (s *system) deliver(t *testing.T, body string) int {
	t.Helper()
	return s.send(t, body, sandbox.SallaSignature(webhookSecret, []byte(body)))
}

// send sends a body with a signature; "-" for none at all.
func (s *system) send(t *testing.T, body, signature string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+"/webhooks/salla", strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Salla-Security-Strategy", "Signature")
	if signature != "-" {
		req.Header.Set("X-Salla-Signature", signature)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// ready waits until /readyz answers so.
func (s *system) ready(t *testing.T, wantCode int, want string) {
	t.Helper()
	dbtest.Eventually(t, 10*time.Second, fmt.Sprintf("/readyz says %d %s", wantCode, want), func() bool {
		code, raw := s.get("/readyz")
		var said struct{ Status string }
		return json.Unmarshal(raw, &said) == nil && code == wantCode && said.Status == want
	})
}
