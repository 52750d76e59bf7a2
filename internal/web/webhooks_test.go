package web

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
	"github.com/wosool/wosool/migrations"
)

const delivery = `{"event":"order.created","merchant":1234509876,"created_at":"2026-01-31 10:00:00","data":{"id":7}}`

func TestSallaDelivery(t *testing.T) {
	t.Parallel()
	x := newSite(t)

	a := x.send(http.MethodPost, "/webhooks/salla", delivery, signed(delivery))

	if a.Code != http.StatusOK {
		t.Fatalf("status %d: %s", a.Code, a.Body)
	}
	openAPI(t).check("Received", a.Body)
	if got := one[string](x, `SELECT event || ' ' || merchant || ' ' || status FROM events`); got != "order.created 1234509876 received" {
		t.Errorf("event = %q", got)
	}
	if got := fmt.Sprint(x.bell.kinds()); got != "[event:apply]" {
		t.Errorf("rang for %s, want [event:apply]", got)
	}
}

func TestSallaDeliveryOfARotatedSecret(t *testing.T) {
	t.Parallel()
	x := newSite(t)

	a := x.send(http.MethodPost, "/webhooks/salla", delivery, map[string]string{"X-Salla-Signature": signature(rotated, delivery)})

	if a.Code != http.StatusOK {
		t.Errorf("status %d: %s", a.Code, a.Body)
	}
}

func TestUnverifiedSallaDeliveries(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	tests := []struct {
		name   string
		header map[string]string
	}{
		{"no signature", nil},
		{"an empty one", map[string]string{"X-Salla-Signature": ""}},
		{"a wrong one", map[string]string{"X-Salla-Signature": signature("other", delivery)}},
		{"one of an empty secret", map[string]string{"X-Salla-Signature": signature("", delivery)}},
		{"one of another body", map[string]string{"X-Salla-Signature": signature(sallaSecret, delivery+" ")}},
		{"no hex", map[string]string{"X-Salla-Signature": "zz" + signature(sallaSecret, delivery)[2:]}},
		{"half of one", map[string]string{"X-Salla-Signature": signature(sallaSecret, delivery)[:32]}},
		{"the other strategy", map[string]string{"Authorization": sallaSecret}},
		{"the other strategy, claimed", map[string]string{"Authorization": sallaSecret, "X-Salla-Security-Strategy": "Token"}},
	}
	for _, tt := range tests {
		a := x.send(http.MethodPost, "/webhooks/salla", delivery, tt.header)

		if a.Code != http.StatusUnauthorized || a.code() != "unauthorised" {
			t.Errorf("%s: %d %s, want 401 unauthorised", tt.name, a.Code, a.Body)
		}
	}
	if n := one[int](x, `SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM event_keys) + (SELECT count(*) FROM event_payloads)`); n != 0 {
		t.Errorf("%d rows are left of what did not verify", n)
	}
	if got := x.bell.kinds(); len(got) > 0 {
		t.Errorf("rang for %v", got)
	}
}

func TestDeliveriesThatWeighTooMuch(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	fits := strings.Repeat("a", webhookBody)
	tests := []struct {
		name, path string
		body       io.Reader
		header     map[string]string
		want       int
	}{
		{"as much as may be", "/webhooks/salla", strings.NewReader(fits), signed(fits), http.StatusOK},
		{"a byte more", "/webhooks/salla", strings.NewReader(fits + "a"), signed(fits + "a"), http.StatusRequestEntityTooLarge},
		{"a byte more, its length not said", "/webhooks/salla", io.MultiReader(strings.NewReader(fits + "a")), signed(fits + "a"), http.StatusRequestEntityTooLarge},
		{"a byte more, unsigned", "/webhooks/salla", strings.NewReader(fits + "a"), nil, http.StatusRequestEntityTooLarge},
		{"a byte more of Clerk", "/webhooks/clerk", strings.NewReader(fits + "a"), svix(fits+"a", "msg_1"), http.StatusRequestEntityTooLarge},
	}
	for _, tt := range tests {
		if a := send(x.h, http.MethodPost, tt.path, tt.body, tt.header); a.Code != tt.want {
			t.Errorf("%s: status %d, want %d: %.200s", tt.name, a.Code, tt.want, a.Body)
		}
	}
	if n := one[int](x, `SELECT count(*) FROM events`); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}

func TestDeliveryThatIsNoJSON(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	const body = `{"event":"order.created",`

	a := x.send(http.MethodPost, "/webhooks/salla", body, signed(body))

	if a.Code != http.StatusOK {
		t.Fatalf("status %d: %s", a.Code, a.Body)
	}
	if got := one[string](x, `SELECT status FROM events`); got != "failed" {
		t.Errorf("event is %s, want failed", got)
	}
	if got := x.bell.kinds(); len(got) > 0 {
		t.Errorf("rang for %v", got)
	}
}

func TestSameDeliveryFiveTimesAtOnce(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	answers := make([]answer, 5)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i] = x.send(http.MethodPost, "/webhooks/salla", delivery, signed(delivery)) })
	}
	wg.Wait()

	fresh, ids := 0, map[string]bool{}
	for _, a := range answers {
		var rec struct {
			ID        string `json:"id"`
			Duplicate bool   `json:"duplicate"`
		}
		x.read(a, &rec)
		if a.Code != http.StatusOK {
			t.Errorf("status %d: %s", a.Code, a.Body)
		}
		if !rec.Duplicate {
			fresh++
		}
		ids[rec.ID] = true
	}
	if n := one[int](x, `SELECT count(*) FROM events`); n != 1 || fresh != 1 || len(ids) != 1 {
		t.Errorf("%d events, %d of the answers fresh, %d ids; want one of each", n, fresh, len(ids))
	}
}

func TestDeliveryWhileRedisIsDown(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	server := dbtest.OwnRedis(t)
	client, err := tasks.OpenRedis(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	x.s.Queue = tasks.NewEnqueuer(client)
	x.s.PingRedis = func(ctx context.Context) error { return client.Ping(ctx).Err() }
	server.Stop()
	begun := time.Now()

	a := x.send(http.MethodPost, "/webhooks/salla", delivery, signed(delivery))

	if a.Code != http.StatusOK {
		t.Errorf("status %d: %s", a.Code, a.Body)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("the answer took %s", took)
	}
	if got := one[string](x, `SELECT state || ' ' || (due_at <= now()) FROM events`); got != "runnable true" {
		t.Errorf("the row is %q, want it due for the sweeper", got)
	}
	ready := x.send(http.MethodGet, "/readyz", "", nil)
	openAPI(t).check("Health", ready.Body)
	if ready.Code != http.StatusOK || !strings.Contains(string(ready.Body), `"status":"degraded"`) {
		t.Errorf("readyz: %d %s, want 200 degraded", ready.Code, ready.Body)
	}
}

func TestDeliveryWhilePostgresIsDown(t *testing.T) {
	t.Parallel()
	server := dbtest.OwnPostgres(t)
	if err := migrations.Up(t.Context(), server.URL()); err != nil {
		t.Fatal(err)
	}
	pool, err := store.Open(t.Context(), server.URL(), "test", 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	x := siteOn(t, pool)
	server.Stop()

	for _, path := range []string{"/webhooks/salla", "/webhooks/clerk"} {
		header := signed(delivery)
		if path == "/webhooks/clerk" {
			header = svix(delivery, "msg_1")
		}
		a := x.send(http.MethodPost, path, delivery, header)
		if a.Code != http.StatusServiceUnavailable || a.code() != "unavailable" || a.Header.Get("Retry-After") == "" {
			t.Errorf("%s: %d %v %s, want 503 unavailable with Retry-After", path, a.Code, a.Header, a.Body)
		}
	}
	if a := x.send(http.MethodPost, "/webhooks/salla", delivery, nil); a.Code != http.StatusUnauthorized {
		t.Errorf("unsigned: status %d, want 401", a.Code)
	}
	ready := x.send(http.MethodGet, "/readyz", "", nil)
	openAPI(t).check("Health", ready.Body)
	if ready.Code != http.StatusServiceUnavailable {
		t.Errorf("readyz: %d %s, want 503", ready.Code, ready.Body)
	}
	if a := x.send(http.MethodGet, "/healthz", "", nil); a.Code != http.StatusOK {
		t.Errorf("healthz: %d, want 200", a.Code)
	}
	if a := x.send(http.MethodGet, "/api/admin/v1/tenants", "", map[string]string{"Authorization": "Bearer " + adminKey}); a.Code != http.StatusServiceUnavailable {
		t.Errorf("tenants: %d %s, want 503", a.Code, a.Body)
	}

	server.Start()
	x.awaitDatabase(pool)
	if a := x.send(http.MethodPost, "/webhooks/salla", delivery, signed(delivery)); a.Code != http.StatusOK {
		t.Errorf("once it is back: %d %s, want 200", a.Code, a.Body)
	}
}

// A database that hangs is one that is down: nobody is kept waiting for long.
func TestDeliveryThatCannotBeCommittedInTime(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	tx, err := x.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `LOCK TABLE events IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()

	a := x.send(http.MethodPost, "/webhooks/salla", delivery, signed(delivery))

	if took := time.Since(begun); a.Code != http.StatusServiceUnavailable || took > 8*time.Second {
		t.Errorf("after %s: %d %s, want 503 after 5 s", took, a.Code, a.Body)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := one[int](x, `SELECT count(*) FROM events`); n != 0 {
		t.Errorf("%d events are there though the sender was told to come again", n)
	}
}

func TestClerkDeliveries(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	const body = `{"type":"user.created","data":{"id":"user_1"}}`

	for range 2 {
		if a := x.send(http.MethodPost, "/webhooks/clerk", body, svix(body, "msg_1")); a.Code != http.StatusNoContent || len(a.Body) > 0 {
			t.Errorf("signed: %d %s, want an empty 204", a.Code, a.Body)
		}
	}
	other := svix(body, "msg_2")
	other["svix-id"] = "msg_3"
	for name, header := range map[string]map[string]string{"unsigned": nil, "signed for another message": other} {
		if a := x.send(http.MethodPost, "/webhooks/clerk", body, header); a.Code != http.StatusUnauthorized {
			t.Errorf("%s: status %d, want 401", name, a.Code)
		}
	}
	if n := one[int](x, `SELECT count(*) FROM events WHERE source = 'clerk'`); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}

// awaitDatabase waits until the pool has got rid of its dead connections.
func (x *site) awaitDatabase(pool *pgxpool.Pool) {
	x.t.Helper()
	dbtest.Eventually(x.t, 15*time.Second, "PostgreSQL to answer again", func() bool { return pool.Ping(x.t.Context()) == nil })
}

func signature(secret, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

// signed is the header of a delivery of Salla.
func signed(body string) map[string]string {
	return map[string]string{"X-Salla-Signature": signature(sallaSecret, body)}
}

// svix is the header of a delivery of Clerk.
func svix(body, id string) map[string]string {
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(clerkSecret(), "whsec_"))
	at := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, key)
	mac.Write(bytes.Join([][]byte{[]byte(id), []byte(at), []byte(body)}, []byte(".")))
	return map[string]string{
		"svix-id": id, "svix-timestamp": at, "svix-signature": "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)),
	}
}
