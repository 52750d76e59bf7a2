package web

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/clerk"
)

// During a rotation Svix signs with several secrets and we accept several: one pair
// that fits is enough, within five minutes. A message is one event however often, and
// however much at once, it comes.
func TestClerkDeliveriesDuringARotation(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	secrets := []string{clerkSecret(), "whsec_" + base64.StdEncoding.EncodeToString([]byte("the secret of before 123"))}
	verifier, err := clerk.NewVerifier(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	x.s.Inbox.Clerk = func(h http.Header, body []byte) error { return verifier.Verify(h, body, time.Now()) }
	const body = `{"type":"user.created","data":{"id":"user_1"}}`
	sign := func(secret, id string, at time.Time) string {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil {
			t.Fatal(err)
		}
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%d.%s", id, at.Unix(), body)
		return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	stranger := "whsec_" + base64.StdEncoding.EncodeToString([]byte("a stranger's secret 1234"))
	now := time.Now()
	for _, tt := range []struct {
		name    string
		signers []string
		at      time.Time
		want    int
	}{
		{"new secret", secrets[:1], now, http.StatusNoContent},
		{"old secret", secrets[1:], now, http.StatusNoContent},
		{"both", secrets, now, http.StatusNoContent},
		{"a stranger's and ours", []string{stranger, secrets[1]}, now, http.StatusNoContent},
		{"a stranger's", []string{stranger}, now, http.StatusUnauthorized},
		{"four minutes late", secrets[:1], now.Add(-4 * time.Minute), http.StatusNoContent},
		{"six minutes late", secrets[:1], now.Add(-6 * time.Minute), http.StatusUnauthorized},
		{"six minutes early", secrets[:1], now.Add(6 * time.Minute), http.StatusUnauthorized},
	} {
		id := "msg_" + strings.ReplaceAll(tt.name, " ", "_")
		var signatures []string
		for _, secret := range tt.signers {
			signatures = append(signatures, sign(secret, id, tt.at))
		}
		header := map[string]string{
			"svix-id": id, "svix-timestamp": fmt.Sprint(tt.at.Unix()), "svix-signature": "v2,bm9uZQ== " + strings.Join(signatures, " "),
		}
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if a := x.send(http.MethodPost, "/webhooks/clerk", body, header); a.Code != tt.want {
					t.Errorf("%s: %d %s, want %d", tt.name, a.Code, a.Body, tt.want)
				}
			})
		}
		wg.Wait()
		want := 0
		if tt.want == http.StatusNoContent {
			want = 1
		}
		if n := one[int](x, `SELECT count(*) FROM events WHERE source = 'clerk' AND headers->>'svix-id' = $1`, id); n != want {
			t.Errorf("%s: %d events, want %d", tt.name, n, want)
		}
	}
}
