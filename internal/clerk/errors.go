package clerk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/wosool/wosool/internal/fault"
)

// Error is an answer of Clerk that refuses the call. errors.Is sees it as the
// fault our code acts on: Forbidden (key, plan or settings), NotFound, Invalid,
// Conflict or Unavailable. Of several errors in one answer it is the first.
type Error struct {
	Method, Path string // Path without its query
	Status       int
	Code         string        // Clerk's own code; "" where it sent none
	Param        string        // the parameter that Code is about, if any
	Message      string        // for logs and operators: one line, without keys and personal data
	TraceID      string        // what Clerk's support asks for
	RetryAfter   time.Duration // zero where Clerk named none

	foreign bool // not written by Clerk's API: a proxy's page, an empty body
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "clerk: %s %s: %d", e.Method, e.Path, e.Status)
	if e.Code != "" {
		b.WriteString(" " + e.Code)
	}
	if e.Param != "" {
		b.WriteString(" (" + e.Param + ")")
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.TraceID != "" {
		b.WriteString(" [trace " + e.TraceID + "]")
	}
	return b.String()
}

// Unwrap gives the fault.Kind. A 404 that Clerk's API did not write is
// Unavailable: a misrouted address must not read as a deleted organization.
func (e *Error) Unwrap() error {
	switch {
	case e.Status == http.StatusUnauthorized, e.Status == http.StatusPaymentRequired, e.Status == http.StatusForbidden:
		return fault.Forbidden
	case e.Status == http.StatusNotFound, e.Status == http.StatusGone:
		if e.foreign {
			return fault.Unavailable
		}
		return fault.NotFound
	case e.Status == http.StatusConflict:
		return fault.Conflict
	case e.Status == http.StatusRequestTimeout, e.Status == http.StatusTooManyRequests, e.Status >= 500, e.Status < 400:
		return fault.Unavailable
	}
	return fault.Invalid
}

// Outage tells whether the other side has failed, rather than refused what was
// asked, why in a few words, and for how long it asks to be left alone.
func (e *Error) Outage() (why string, after time.Duration, failed bool) {
	if e.Status == http.StatusTooManyRequests || !errors.Is(e.Unwrap(), fault.Unavailable) {
		return "", 0, false
	}
	why = "HTTP " + strconv.Itoa(e.Status)
	if e.Status/100 == 2 {
		why = "a refusal that calls itself a success"
	}
	return why, e.RetryAfter, true
}

// is tells whether err is an *Error with the status and one of the codes.
func is(err error, status int, codes ...string) (*Error, bool) {
	var e *Error
	if !errors.As(err, &e) || e.Status != status {
		return nil, false
	}
	for _, code := range codes {
		if e.Code == code {
			return e, true
		}
	}
	return nil, false
}

// IsEmailTaken tells whether a user with the e-mail exists: look it up.
func IsEmailTaken(err error) bool {
	e, ok := is(err, http.StatusUnprocessableEntity, "form_identifier_exists")
	return ok && (e.Param == "" || strings.HasPrefix(e.Param, "email_address"))
}

// IsExternalIDTaken tells whether a user with the external id exists: look it up.
func IsExternalIDTaken(err error) bool {
	e, ok := is(err, http.StatusUnprocessableEntity, "form_identifier_exists")
	return ok && e.Param == "external_id"
}

// IsAlreadyMember tells whether the membership exists, so that its creation has
// nothing to do but to check the role.
func IsAlreadyMember(err error) bool {
	_, ok := is(err, http.StatusBadRequest, "already_a_member_in_organization")
	return ok
}

// IsInvitationExists tells whether a pending invitation of the e-mail exists.
func IsInvitationExists(err error) bool {
	_, ok := is(err, http.StatusBadRequest, "organization_invitation_not_unique", "duplicate_record")
	return ok
}

// IsSlugsDisabled tells whether the instance knows no slugs of organizations.
func IsSlugsDisabled(err error) bool {
	_, ok := is(err, http.StatusForbidden, "organization_slugs_disabled")
	return ok
}

// IsQuota tells whether the plan has no room for one more: an operator's matter.
func IsQuota(err error) bool {
	_, ok := is(err, http.StatusForbidden, "organization_quota_exceeded", "organization_membership_quota_exceeded", "user_quota_exceeded")
	return ok
}

// IsRateLimited tells whether the call was refused with a 429, and so was not
// carried out. The wait is zero where the answer named none.
func IsRateLimited(err error) (time.Duration, bool) {
	var e *Error
	if !errors.As(err, &e) || e.Status != http.StatusTooManyRequests {
		return 0, false
	}
	return e.RetryAfter, true
}

// NotSent tells whether nothing of the call has left us, so that it certainly made
// nothing: there was no connection to send it over.
func NotSent(err error) bool {
	var e *callError
	return errors.As(err, &e) && e.notSent
}

// callError is a call that was not answered.
type callError struct {
	op      string
	err     error
	key     string
	notSent bool
}

func (e *callError) Error() string { return "clerk: " + e.op + ": " + safe(e.err.Error(), e.key) }

// Unwrap makes every call that was not answered Unavailable, but for the one that
// the caller itself gave up.
func (e *callError) Unwrap() []error {
	if errors.Is(e.err, context.Canceled) {
		return []error{e.err}
	}
	return []error{fault.Unavailable, e.err}
}

// Outage tells that there was no answer, or none that could be read. Of what did
// not come the reason is not known here.
func (e *callError) Outage() (why string, after time.Duration, failed bool) {
	if answer, ok := errors.AsType[answerError](e.err); ok {
		why = string(answer)
	}
	return why, 0, !errors.Is(e.err, context.Canceled)
}

// answerError is what came instead of an answer, in a few words of ours.
type answerError string

func (e answerError) Error() string { return string(e) }

// unreadable says what a 200 answer was that is not JSON: also one that was cut off.
func unreadable(body []byte) error {
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")) {
		return answerError("an HTML page")
	}
	return answerError("an answer that cannot be read")
}

func newError(method, path string, resp *http.Response, body []byte, key string) *Error {
	e := &Error{Method: method, Path: path, Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header, time.Now())}
	var doc struct {
		Errors []struct {
			Code    string `json:"code"`
			Message string `json:"message"`
			Long    string `json:"long_message"`
			Meta    struct {
				Param string `json:"param_name"`
			} `json:"meta"`
		} `json:"errors"`
		TraceID string `json:"clerk_trace_id"`
	}
	if json.Unmarshal(body, &doc) != nil || len(doc.Errors) == 0 {
		e.foreign, e.Message = true, "an answer that is not in Clerk's format"
		return e
	}
	first := doc.Errors[0]
	e.Code, e.Param, e.Message = safe(first.Code, key), safe(first.Meta.Param, key), safe(first.Long, key)
	if e.Message == "" {
		e.Message = safe(first.Message, key)
	}
	if traceForm.MatchString(doc.TraceID) {
		e.TraceID = doc.TraceID
	}
	return e
}

// retryAfter reads both forms of the header: seconds, and a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	const most = 24 * time.Hour
	value := strings.TrimSpace(h.Get("Retry-After"))
	if s, err := strconv.ParseInt(value, 10, 53); err == nil && s >= 0 {
		return time.Duration(min(s, int64(most/time.Second))) * time.Second
	}
	if t, err := http.ParseTime(value); err == nil {
		return min(max(t.Sub(now), 0), most)
	}
	return 0
}

// What may not stand in an error although a vendor wrote it there.
var (
	looksLikeEmail = regexp.MustCompile(`[^\s<>"'(),:;]+@[^\s<>"'(),:;]+`)
	looksLikePhone = regexp.MustCompile(`\+?\p{Nd}[\p{Nd} ()-]{6,}\p{Nd}`)
	looksLikeKey   = regexp.MustCompile(`\b(?:sk|pk|rk)_(?:live|test)_\S+|\bwhsec_\S+|\beyJ[A-Za-z0-9._-]{10,}`)
	traceForm      = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
)

const redacted = "[redacted]"

// safe gives s as one line of at most 200 characters without the key, e-mails,
// phone numbers and whatever looks like a token.
func safe(s, key string) string {
	const most = 200
	if len(s) > 16*most {
		s = s[:16*most]
	}
	s = strings.ToValidUTF8(s, "")
	if len(key) >= 4 {
		s = strings.ReplaceAll(s, key, redacted)
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return ' '
		}
		return r
	}, s)
	for _, form := range []*regexp.Regexp{looksLikeKey, looksLikeEmail, looksLikePhone} {
		s = form.ReplaceAllString(s, redacted)
	}
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return s
}
