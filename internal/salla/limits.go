package salla

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxWait bounds what is believed of a Retry-After.
const maxWait = 24 * time.Hour

// Limits is what one answer said about the merchant's quota.
type Limits struct {
	Limit, Remaining int
	Reset            time.Time     // when Remaining is Limit again; zero if not said
	RetryAfter       time.Duration // zero if not said
	Known            bool          // Limit and Remaining were said
}

func limitsOf(h http.Header, now time.Time) Limits {
	limit, okLimit := headerInt(h, "X-RateLimit-Limit")
	remaining, okRemaining := headerInt(h, "X-RateLimit-Remaining")
	l := Limits{RetryAfter: retryAfter(h, now), Known: okLimit && okRemaining}
	if l.Known {
		l.Limit, l.Remaining = int(limit), int(remaining)
	}
	if reset, ok := headerInt(h, "X-RateLimit-Reset"); ok {
		l.Reset, _ = expiry(reset, now)
	}
	return l
}

// retryAfter reads both forms of the header: seconds, and a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	if s, ok := headerInt(h, "Retry-After"); ok {
		return time.Duration(min(s, int64(maxWait/time.Second))) * time.Second
	}
	if t, err := http.ParseTime(h.Get("Retry-After")); err == nil {
		return min(max(t.Sub(now), 0), maxWait)
	}
	return 0
}

// headerInt reads a header that is a count; a fraction is rounded up.
func headerInt(h http.Header, name string) (int64, bool) {
	text, fraction, _ := strings.Cut(strings.TrimSpace(h.Get(name)), ".")
	n, err := strconv.ParseInt(text, 10, 53)
	if err != nil || n < 0 {
		return 0, false
	}
	if strings.Trim(fraction, "0") != "" {
		n++
	}
	return n, true
}
