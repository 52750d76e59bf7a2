package salla

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/protect"
)

// Error is an answer of Salla that refuses the call. errors.Is sees it as the
// fault our code acts on: Forbidden, NotFound, Invalid, Conflict or Unavailable.
type Error struct {
	Method, Path string              // Path without its query
	Status       int                 // the HTTP status; of a refusal under a 2xx, the one its body names, if it does
	Code         string              // Salla's own code, where it sent one
	Message      string              // for logs and operators: one line, without tokens and personal data
	Fields       map[string][]string // what is wrong with which field, of a 422; as safe as Message
	RetryAfter   time.Duration       // zero where Salla named none

	oauth   bool // from the OAuth server
	foreign bool // not written by Salla's API: a proxy's page, an empty body
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "salla: %s %s: %d", e.Method, e.Path, e.Status)
	if e.Code != "" {
		b.WriteString(" " + e.Code)
	}
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	for i, name := range slices.Sorted(maps.Keys(e.Fields)) {
		sep := "; "
		if i == 0 {
			sep = " ("
		}
		b.WriteString(sep + name + ": " + strings.Join(e.Fields[name], ", "))
	}
	if len(e.Fields) > 0 {
		b.WriteString(")")
	}
	return b.String()
}

// Unwrap gives the fault.Kind. A 404 that Salla's API did not write is
// Unavailable: a misrouted address must not read as a deleted record.
func (e *Error) Unwrap() error {
	switch {
	case e.Status == http.StatusUnauthorized, e.Status == http.StatusForbidden, e.oauth && e.Code == "invalid_grant":
		return fault.Forbidden
	case e.Status == http.StatusNotFound, e.Status == http.StatusGone:
		if e.foreign {
			return fault.Unavailable
		}
		return fault.NotFound
	case e.Status == http.StatusConflict:
		return fault.Conflict
	case e.Status == http.StatusRequestTimeout, e.Status == http.StatusTooManyRequests, e.Status >= 500:
		return fault.Unavailable
	case e.Status >= 400:
		return fault.Invalid
	}
	return fault.Unavailable // a redirect, or a refusal that calls itself a success
}

// Outage tells whether the other side has failed, rather than refused what was
// asked, why in a few words, and for how long it asks to be left alone.
func (e *Error) Outage() (why string, after time.Duration, failed bool) {
	if e.Status == http.StatusTooManyRequests || !errors.Is(e.Unwrap(), fault.Unavailable) {
		return "", 0, false
	}
	why = "HTTP " + strconv.Itoa(e.Status)
	if e.Status/100 == 2 {
		why = "a refusal without a reason"
	}
	return why, e.RetryAfter, true
}

// missingScope begins the message of a 401 that a new token would not mend.
const missingScope = "should have access to one of those scopes"

func (e *Error) missingScope() bool {
	return protect.MissingScope && (e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden) &&
		strings.Contains(strings.ToLower(e.Message), missingScope)
}

// IsInvalidToken tells whether the API refused the access token itself: expired,
// revoked, or of an app that was uninstalled.
func IsInvalidToken(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == http.StatusUnauthorized && !e.oauth && !e.missingScope()
}

// IsMissingScope tells whether the token is good but the merchant did not grant
// what the call needs. Refreshing the token does not help.
func IsMissingScope(err error) bool {
	var e *Error
	return errors.As(err, &e) && !e.oauth && e.missingScope()
}

// IsInvalidGrant tells whether the OAuth server refused a refresh token or a code
// for good: the merchant has to grant again.
func IsInvalidGrant(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.oauth && e.Code == "invalid_grant" &&
		(e.Status == http.StatusBadRequest || e.Status == http.StatusUnauthorized)
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

// NotSent tells whether it is certain that no byte of the request was written, so
// that a refresh token or a code in it is as good as before. It is only ever true
// of calls to the OAuth server.
func NotSent(err error) bool {
	var e *callError
	return errors.As(err, &e) && e.notSent
}

// callError is a call that was not answered.
type callError struct {
	op      string
	err     error
	secrets []string
	notSent bool
}

func (e *callError) Error() string {
	return "salla: " + e.op + ": " + safe(e.err.Error(), e.secrets...)
}

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

const errEmpty = answerError("an empty answer")

// unreadable says what a 2xx answer was that is not JSON: also one that was cut off.
func unreadable(resp *http.Response, body []byte) error {
	if what := describe(resp, body); what != notSalla {
		return answerError(what)
	}
	return answerError("an answer that cannot be read")
}

// newError reads a refusal of the API; secrets are taken out of what it says.
func newError(method, path string, resp *http.Response, body []byte, secrets ...string) *Error {
	now := time.Now()
	limits := limitsOf(resp.Header, now)
	e := &Error{Method: method, Path: path, Status: resp.StatusCode, RetryAfter: limits.RetryAfter}
	var env envelope
	if err := json.Unmarshal(body, &env); err != nil || len(env.Error) == 0 && len(env.Success) == 0 {
		e.foreign, e.Message = true, describe(resp, body)
	} else {
		e.fill(env.Error, secrets)
		if status, ok := env.Status.value(); ok && e.Status/100 == 2 && status >= 400 && status < 600 {
			e.Status = int(status)
		}
	}
	if e.Status == http.StatusTooManyRequests && e.RetryAfter == 0 && limits.Reset.After(now) {
		e.RetryAfter = min(limits.Reset.Sub(now), maxWait)
	}
	return e
}

// fill reads the envelope's error: code may be a number, fields may be absent, and
// each of them a text or a list.
func (e *Error) fill(raw json.RawMessage, secrets []string) {
	var doc struct {
		Code    text            `json:"code"`
		Message text            `json:"message"`
		Fields  json.RawMessage `json:"fields"`
	}
	if json.Unmarshal(raw, &doc) != nil {
		var message text
		if json.Unmarshal(raw, &message) == nil {
			e.Message = safe(string(message), secrets...)
		}
		return
	}
	e.Code, e.Message = safe(string(doc.Code), secrets...), safe(string(doc.Message), secrets...)
	var fields map[string]json.RawMessage
	if json.Unmarshal(doc.Fields, &fields) != nil || len(fields) == 0 {
		return
	}
	e.Fields = make(map[string][]string, len(fields))
	for _, name := range slices.Sorted(maps.Keys(fields))[:min(len(fields), 10)] {
		var list []text
		if json.Unmarshal(fields[name], &list) != nil {
			var one text
			_ = json.Unmarshal(fields[name], &one) // a stranger shape leaves the field's name alone
			list = []text{one}
		}
		name = safe(name, secrets...)
		for _, m := range list[:min(len(list), 5)] {
			e.Fields[name] = append(e.Fields[name], safe(string(m), secrets...))
		}
	}
}

// describe says in a few words what came instead of an answer, without quoting it.
func describe(resp *http.Response, body []byte) string {
	trimmed := strings.TrimSpace(string(body))
	switch {
	case trimmed == "":
		return "an empty answer"
	case strings.HasPrefix(trimmed, "<") || strings.Contains(resp.Header.Get("Content-Type"), "html"):
		return "an HTML page"
	}
	return notSalla
}

const notSalla = "an answer that is not in Salla's format"
