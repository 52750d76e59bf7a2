package access

import (
	"errors"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/salla"
)

// What passes by itself is waited for and fails nothing; the rest is as it was.
func TestPassing(t *testing.T) {
	t.Parallel()
	plain := errors.New("reset by peer")
	for _, tt := range []struct {
		name  string
		err   error
		least time.Duration // of the wait; 0: none
	}{
		{"nothing", nil, 0},
		{"too many requests", &salla.Error{Status: 429, RetryAfter: 7 * time.Second}, 6 * time.Second},
		{"too many, without a time", &salla.Error{Status: 429}, 500 * time.Millisecond},
		{"restricted for a while", &salla.Error{Status: 403, Code: "forbidden"}, 50 * time.Second},
		{"invalid token", &salla.Error{Status: 401, Code: "Unauthorized"}, 0},
		{"server error", &salla.Error{Status: 500}, 0},
		{"no answer", plain, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := passing(tt.err)
			wait, waits := errors.AsType[*fault.Wait](got)
			switch {
			case waits != (tt.least > 0):
				t.Errorf("got %v, want a wait: %v", got, tt.least > 0)
			case waits && time.Until(wait.Until) < tt.least:
				t.Errorf("waits %s, want at least %s", time.Until(wait.Until), tt.least)
			case waits && errors.Is(got, fault.Forbidden):
				t.Error("a wait still counts as a refusal")
			case !waits && !errors.Is(got, tt.err):
				t.Errorf("got %v, want %v", got, tt.err)
			}
		})
	}
}
