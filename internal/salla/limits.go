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
	Reset            time.Time     // when Remaining is Limit again, by our clock; zero if not said
	RetryAfter       time.Duration // zero if not said
	Known            bool          // Limit and Remaining were said
	Refused          bool          // too many requests
}

// limitsOf reads the headers of an answer that came at that time. Salla's times are
// compared with the Date of the same answer, so that no clock has to be right.
func limitsOf(h http.Header, now time.Time) Limits {
	theirs := now
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		theirs = date
	}
	limit, okLimit := headerInt(h, "X-RateLimit-Limit")
	remaining, okRemaining := headerInt(h, "X-RateLimit-Remaining")
	l := Limits{RetryAfter: retryAfter(h, theirs), Known: okLimit && okRemaining}
	if l.Known {
		l.Limit, l.Remaining = int(limit), int(remaining)
	}
	if reset, ok := headerInt(h, "X-RateLimit-Reset"); ok {
		if at, told := expiry(reset, theirs); told {
			l.Reset = now.Add(at.Sub(theirs))
		}
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
