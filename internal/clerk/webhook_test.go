package clerk_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/clerk"
	"github.com/wosool/wosool/internal/fault"
)

// verify checks one delivery with these secrets.
func verify(secrets []string, header http.Header, body []byte, now time.Time) error {
	v, err := clerk.NewVerifier(secrets...)
	if err != nil {
		return err
	}
	return v.Verify(header, body, now)
}

func TestVerifyWebhook(t *testing.T) {
	t.Parallel()
	var vector struct {
		Secret, Body string
		ID           string `json:"svix-id"`
		Timestamp    string `json:"svix-timestamp"`
		Signature    string `json:"svix-signature"`
	}
	if err := json.Unmarshal([]byte(fixture(t, "svix_vector")), &vector); err != nil {
		t.Fatal(err)
	}
	const other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	now := time.Unix(1614265330, 0)
	good := vector.Signature
	bad := "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

	for _, tc := range []struct {
		name    string
		secrets []string
		id      string
		stamp   string
		sig     string
		body    string
		now     time.Time
		ok      bool
	}{
		{name: "the vector", ok: true},
		{name: "one of two secrets", secrets: []string{other, vector.Secret}, ok: true},
		{name: "a secret without its prefix", secrets: []string{strings.TrimPrefix(vector.Secret, "whsec_")}, ok: true},
		{name: "one of several signatures", sig: bad + " v1a," + good[3:] + "  " + good, ok: true},
		{name: "just in time", now: now.Add(5 * time.Minute), ok: true},
		{name: "just early enough", now: now.Add(-5 * time.Minute), ok: true},
		{name: "late", now: now.Add(5*time.Minute + time.Second)},
		{name: "early", now: now.Add(-5*time.Minute - time.Second)},
		{name: "another secret", secrets: []string{other}},
		{name: "another body", body: vector.Body + " "},
		{name: "another id", id: "msg_x"},
		{name: "another time", stamp: "1614265331"},
		{name: "a time that is none", stamp: "now"},
		{name: "no id", id: "-"},
		{name: "no time", stamp: "-"},
		{name: "no signature", sig: "-"},
		{name: "another version", sig: "v2," + good[3:]},
		{name: "not base64", sig: "v1,*"},
		{name: "an empty signature", sig: "v1,"},
		{name: "no version", sig: good[3:]},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			or := func(v, otherwise string) string {
				if v == "" {
					return otherwise
				}
				return strings.TrimPrefix(v, "-")
			}
			h := http.Header{}
			h.Set("svix-id", or(tc.id, vector.ID))
			h.Set("svix-timestamp", or(tc.stamp, vector.Timestamp))
			h.Set("svix-signature", or(tc.sig, good))
			secrets, at := tc.secrets, tc.now
			if secrets == nil {
				secrets = []string{vector.Secret}
			}
			if at.IsZero() {
				at = now
			}

			err := verify(secrets, h, []byte(or(tc.body, vector.Body)), at)

			if (err == nil) != tc.ok || err != nil && !errors.Is(err, fault.Forbidden) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestWeakWebhookSecretsAreRefused(t *testing.T) {
	t.Parallel()
	for _, secrets := range [][]string{
		nil,
		{""},
		{"whsec_"},
		{"whsec_c2hvcnQ="},
		{"whsec_not base64!"},
		{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", ""},
	} {
		if _, err := clerk.NewVerifier(secrets...); !errors.Is(err, fault.Invalid) || strings.Contains(err.Error(), "c2hv") {
			t.Errorf("%d secrets: got %v, want invalid", len(secrets), err)
		}
	}
}
