package events

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/wosool/wosool/internal/fault"
)

// signedBody is what the deliveries of these tests say.
const signedBody = `{"event":"order.created", "merchant":1}`

func sign(secret string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signedBody))
	return hex.EncodeToString(mac.Sum(nil))
}

func TestVerifySalla(t *testing.T) {
	t.Parallel()
	const body = signedBody
	good := sign("new-secret")
	for _, tt := range []struct {
		name, strategy string
		header         map[string]string
		body           string
		ok             bool
	}{
		{"signature", "signature", map[string]string{"X-Salla-Signature": good}, body, true},
		{"signature of the old secret", "signature", map[string]string{"X-Salla-Signature": sign("old-secret")}, body, true},
		{"signature in capitals", "signature", map[string]string{"X-Salla-Signature": strings.ToUpper(good)}, body, true},
		{"no signature", "signature", nil, body, false},
		{"empty signature", "signature", map[string]string{"X-Salla-Signature": ""}, body, false},
		{"half a signature", "signature", map[string]string{"X-Salla-Signature": good[:32]}, body, false},
		{"not hex", "signature", map[string]string{"X-Salla-Signature": "zz" + good[2:]}, body, false},
		{"prefix", "signature", map[string]string{"X-Salla-Signature": "sha256=" + good}, body, false},
		{"wrong secret", "signature", map[string]string{"X-Salla-Signature": sign("other")}, body, false},
		{"empty secret", "signature", map[string]string{"X-Salla-Signature": sign("")}, body, false},
		{"other body", "signature", map[string]string{"X-Salla-Signature": good}, body + " ", false},
		{
			"the sender claims another strategy", "signature",
			map[string]string{"X-Salla-Security-Strategy": "Token", "Authorization": "new-secret"},
			body, false,
		},
		{"token", "token", map[string]string{"Authorization": "new-secret"}, body, true},
		{"old token", "token", map[string]string{"Authorization": "old-secret"}, body, true},
		{"bearer", "token", map[string]string{"Authorization": "Bearer new-secret"}, body, false},
		{"wrong token", "token", map[string]string{"Authorization": "new-secre"}, body, false},
		{"no token", "token", map[string]string{"X-Salla-Signature": good}, body, false},
		{"unknown strategy", "none", map[string]string{"X-Salla-Signature": good, "Authorization": "new-secret"}, body, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			in := &Inbox{Strategy: tt.strategy, Secrets: []string{"new-secret", "", "old-secret"}}
			header := http.Header{}
			for k, v := range tt.header {
				header.Set(k, v)
			}
			err := in.VerifySalla(header, []byte(tt.body))
			if (err == nil) != tt.ok || err != nil && !errors.Is(err, fault.Forbidden) {
				t.Errorf("error = %v", err)
			}
		})
	}
	none := &Inbox{Strategy: StrategySignature}
	header := http.Header{"X-Salla-Signature": {sign("")}}
	if none.VerifySalla(header, []byte(body)) == nil || none.VerifyClerk(header, []byte(body)) == nil {
		t.Error("without a secret, a delivery was accepted")
	}
}

func TestKeptHeaders(t *testing.T) {
	t.Parallel()
	got := kept(http.Header{
		"Authorization": {"secret"}, "X-Salla-Signature": {"ab"}, "Cookie": {"a"}, "Svix-Signature": {"v1,x"},
		"X-Salla-Security-Strategy": {"Signature"}, "User-Agent": {strings.Repeat("a", 500)}, "Content-Type": {"application/json"},
	})
	if len(got) != 3 || got["x-salla-security-strategy"] != "Signature" || len(got["user-agent"]) != 200 {
		t.Errorf("kept %v", got)
	}
}
