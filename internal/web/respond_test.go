package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/wosool/wosool/internal/fault"
)

func TestAnswers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		err    error
		status int
		code   string
		shown  string // what the message must hold
	}{
		{"not found", fault.New(fault.NotFound, "no such thing"), 404, "not_found", "no such thing"},
		{"invalid", fault.New(fault.Invalid, "bad slug"), 422, "invalid", "bad slug"},
		{"conflict", fault.New(fault.Conflict, "a ready tenant cannot be resumed"), 409, "conflict", "a ready tenant cannot be resumed"},
		{"forbidden", fault.New(fault.Forbidden, "not you"), 403, "forbidden", "not you"},
		{"unavailable", fault.New(fault.Unavailable, "later"), 503, "unavailable", "later"},
		{"wrapped fault", fmt.Errorf("read tenant: %w (tenants_key)", fault.New(fault.NotFound, "no such thing")), 404, "not_found", "no such thing"},
		{"bare kind of a vendor", fmt.Errorf("vendor: %w", fault.NotFound), 500, "internal", "on our side"},
		{"unknown kind", fault.New(fault.Kind("new"), "secret text"), 500, "internal", "on our side"},
		{"unknown error", errors.New("secret text"), 500, "internal", "on our side"},
		{"deadline", fmt.Errorf("read: %w", context.DeadlineExceeded), 503, "unavailable", "does not answer"},
		{"refused connection", fmt.Errorf("dial: %w", &net.OpError{Op: "dial", Err: errors.New("refused")}), 503, "unavailable", "does not answer"},
		{"postgres stops", stateError("57P01"), 503, "unavailable", "does not answer"},
		{"postgres is full", stateError("53300"), 503, "unavailable", "does not answer"},
		{"our SQL is wrong", stateError("42601"), 500, "internal", "on our side"},
		{"malformed", malformed("slug", "unreadable"), 400, "malformed", "unreadable"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := &Server{Log: slog.New(slog.DiscardHandler)}
			w := httptest.NewRecorder()

			s.fail(w, httptest.NewRequest(http.MethodGet, "/", nil), tt.err)

			var body struct {
				Error struct {
					Code    string         `json:"code"`
					Message string         `json:"message"`
					Details map[string]any `json:"details"`
				} `json:"error"`
			}
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
				t.Fatalf("answer %q: %v", w.Body, err)
			}
			if w.Code != tt.status || body.Error.Code != tt.code || !strings.Contains(body.Error.Message, tt.shown) {
				t.Errorf("got %d %q %q, want %d %q with %q", w.Code, body.Error.Code, body.Error.Message, tt.status, tt.code, tt.shown)
			}
			if body.Error.Details == nil {
				t.Errorf("details are missing in %s", w.Body)
			}
			if strings.Contains(w.Body.String(), "secret text") || strings.Contains(w.Body.String(), "tenants_key") {
				t.Errorf("the answer shows an internal text: %s", w.Body)
			}
			if tt.status == 503 && w.Header().Get("Retry-After") == "" {
				t.Error("a 503 has no Retry-After")
			}
		})
	}
}

// stateError is an error as PostgreSQL's driver gives it.
type stateError string

func (e stateError) Error() string    { return "postgres: " + string(e) }
func (e stateError) SQLState() string { return string(e) }

func TestFailIsSilentWhereTheCallerHasGone(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()

	(&Server{Log: slog.New(slog.DiscardHandler)}).fail(w,
		httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil), errors.New("x"))

	if w.Body.Len() > 0 {
		t.Errorf("answered %s to nobody", w.Body)
	}
}
