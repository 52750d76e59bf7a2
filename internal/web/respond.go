package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/wosool/wosool/internal/fault"
)

// The codes of the errors that the operator API and the webhooks answer.
const (
	codeMalformed    = "malformed"
	codeUnauthorised = "unauthorised"
	codeForbidden    = "forbidden"
	codeNotFound     = "not_found"
	codeMethod       = "method_not_allowed"
	codeConflict     = "conflict"
	codeTooLarge     = "too_large"
	codeInvalid      = "invalid"
	codeLimited      = "limited"
	codeUnavailable  = "unavailable"
	codeInternal     = "internal"
)

// problem is an error answer that this package itself decides on. Failures of
// what it calls are faults, which answerTo turns into a problem.
type problem struct {
	Status  int
	Code    string
	Message string
	Details map[string]any
	Retry   time.Duration // sent as Retry-After where it is not zero
}

func (p *problem) Error() string { return p.Code + ": " + p.Message }

// malformed says that the request can't be read; field names where, if known.
func malformed(field, message string) *problem {
	return about(http.StatusBadRequest, codeMalformed, field, message)
}

// invalid says that the request reads well but asks for what can't be.
func invalid(field, message string) *problem {
	return about(http.StatusUnprocessableEntity, codeInvalid, field, message)
}

func about(status int, code, field, message string) *problem {
	p := &problem{Status: status, Code: code, Message: message}
	if field != "" {
		p.Details = map[string]any{"field": field}
	}
	return p
}

// answerTo is the one table from failures to answers. known is false for what
// nobody expected: that is our problem, its text is for the log only.
func answerTo(err error) (p *problem, known bool) {
	if own, ok := errors.AsType[*problem](err); ok {
		return own, true
	}
	if fe, ok := errors.AsType[*fault.Error](err); ok {
		if p, ok := kindProblem(fe.Kind, fe.Msg); ok {
			return p, true
		}
	}
	if unreachable(err) {
		return &problem{
			Status: http.StatusServiceUnavailable, Code: codeUnavailable, Retry: 5 * time.Second,
			Message: "the database does not answer: try again in a few seconds",
		}, false
	}
	return &problem{
		Status: http.StatusInternalServerError, Code: codeInternal,
		Message: "this failed on our side: the request id finds it in the log",
	}, false
}

// kindProblem answers a fault that was made for people.
func kindProblem(kind fault.Kind, message string) (*problem, bool) {
	switch kind {
	case fault.NotFound:
		return &problem{Status: http.StatusNotFound, Code: codeNotFound, Message: message}, true
	case fault.Invalid:
		return &problem{Status: http.StatusUnprocessableEntity, Code: codeInvalid, Message: message}, true
	case fault.Conflict:
		return &problem{Status: http.StatusConflict, Code: codeConflict, Message: message}, true
	case fault.Forbidden:
		return &problem{Status: http.StatusForbidden, Code: codeForbidden, Message: message}, true
	case fault.Unavailable:
		return &problem{
			Status: http.StatusServiceUnavailable, Code: codeUnavailable, Message: message, Retry: 5 * time.Second,
		}, true
	}
	return nil, false
}

// unreachable tells whether err says that the control database could not be
// asked, or that it is shutting down or out of connections.
func unreachable(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		return true
	}
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return true
	}
	if state, ok := errors.AsType[interface {
		error
		SQLState() string
	}](err); ok && len(state.SQLState()) == 5 {
		switch state.SQLState()[:2] {
		case "08", "53", "57": // connection exception, insufficient resources, operator intervention
			return true
		}
	}
	return false
}

// handle adapts a handler that returns its error.
func (s *Server) handle(h func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			s.fail(w, r, err)
		}
	}
}

// fail answers err and logs it, once, where it is not the caller's doing.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(r.Context().Err(), context.Canceled) {
		return // whoever asked has gone
	}
	p, known := answerTo(err)
	if !known || p.Status >= http.StatusInternalServerError {
		s.Log.ErrorContext(r.Context(), "request failed", "method", r.Method, "route", routeOf(r),
			"error", err)
	}
	s.answer(w, r, p)
}

// answer writes p: as a page where the request is for one, else as JSON.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, p *problem) {
	if forConsole(r.Context()) {
		s.writePage(w, r, p)
		return
	}
	writeProblem(w, p)
}

func writeProblem(w http.ResponseWriter, p *problem) {
	type body struct {
		Code    string         `json:"code"`
		Message string         `json:"message"`
		Details map[string]any `json:"details"`
	}
	b := body{Code: p.Code, Message: p.Message, Details: p.Details}
	if b.Details == nil {
		b.Details = map[string]any{}
	}
	if p.Retry > 0 {
		w.Header().Set("Retry-After", seconds(p.Retry))
	}
	if p.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="wosool"`)
	}
	// The values are strings and maps of them: encoding can't fail.
	_ = writeJSON(w, p.Status, struct {
		Error body `json:"error"`
	}{b})
}

// seconds is a time to wait as the header Retry-After has it.
func seconds(d time.Duration) string { return strconv.Itoa(int(max(d, time.Second).Seconds())) }

// writeJSON answers v, or returns an error before anything was written.
func writeJSON(w http.ResponseWriter, status int, v any) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = buf.WriteTo(w) // the reader has gone: nothing to answer to
	return nil
}
