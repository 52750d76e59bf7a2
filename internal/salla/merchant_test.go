package salla_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/salla"
)

func TestMerchantOfAToken(t *testing.T) {
	t.Parallel()
	const access = "ory_at_TESTaccess000000000000000000000000000.TESTsig"
	for _, tt := range []struct {
		name   string
		status int
		body   string
		want   int64
		kind   error
	}{
		{name: "in an envelope", status: 200, body: fixture(t, "oauth_userinfo"), want: 1305146709},
		{name: "without one", status: 200, body: fixture(t, "oauth_userinfo_unwrapped"), want: 1305146709},
		{name: "as text", status: 200, body: `{"success":true,"data":{"id":1,"merchant":{"id":"77"}}}`, want: 77},
		{name: "the user's own id is none", status: 200, body: `{"success":true,"data":{"id":1,"merchant":[]}}`},
		{name: "no JSON", status: 200, body: `<html>`},
		{name: "refused", status: 401, body: fixture(t, "error_401_invalid_token"), kind: fault.Forbidden},
		{name: "refused under a 200", status: 200, body: `{"status":401,"success":false,"error":{"code":"Unauthorized","message":"The access token is invalid"}}`, kind: fault.Forbidden},
		{name: "down", status: 503, body: `<html>` + access, kind: fault.Unavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := accounts(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.RequestURI() != "/base/oauth2/user/info" || r.Header.Get("Authorization") != "Bearer "+access {
					t.Errorf("got %s with %q", r.URL, r.Header.Get("Authorization"))
				}
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			})

			got, err := o.Merchant(t.Context(), access)

			if got != tt.want || (err == nil) != (tt.want != 0) || tt.kind != nil && !errors.Is(err, tt.kind) {
				t.Errorf("got %d, %v; want %d, %v", got, err, tt.want, tt.kind)
			}
			if err != nil && strings.Contains(err.Error(), access) {
				t.Errorf("the error holds the token: %v", err)
			}
			if salla.NotSent(err) {
				t.Error("it says that it was not sent")
			}
		})
	}
}
