package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

const badGatewayPage = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n"

// guard counts every call of a system and lets its faults strike.
func (s *Server) guard(system string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := &witness{ResponseWriter: w}
		defer func() { s.stats.call(system, r.Method, r.URL.Path, seen.status) }()
		if system == systemAccounts && r.Method == http.MethodPost {
			token := sendsRefresh(r)
			s.grants.sent(token)
			defer func() {
				if seen.status == http.StatusTooManyRequests {
					s.grants.unsent(token)
				}
			}()
		}
		if s.faults.any() {
			if rule, ok := s.faults.take(s.probe(system, r)); ok {
				s.misbehave(seen, r, system, rule, next)
				return
			}
		}
		next.ServeHTTP(seen, r)
	})
}

// witness remembers the status of an answer; 0: there was none.
type witness struct {
	http.ResponseWriter

	status int
}

// Unwrap lets a fault take the connection over.
func (w *witness) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *witness) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// probe reads what rules are held against, and leaves the body as it was.
func (s *Server) probe(system string, r *http.Request) probe {
	p := probe{system: system, method: r.Method, path: r.URL.Path, query: r.URL.RawQuery}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err == nil {
		r.Body = io.NopCloser(bytes.NewReader(body))
		p.body = body
	}
	switch system {
	case systemSalla:
		p.merchant = s.grants.merchantOf(bearer(r))
	case systemAccounts:
		p.merchant = s.grants.merchantOf(bearer(r))
		if form, err := url.ParseQuery(string(body)); err == nil && form.Has("refresh_token") {
			p.merchant = s.grants.merchantOf(form.Get("refresh_token"))
		}
	}
	return p
}

// misbehave answers by a rule instead of, around or after the real handler.
func (s *Server) misbehave(w http.ResponseWriter, r *http.Request, system string, rule FaultRule, next http.Handler) {
	ctx, cancel := s.untilClosed(r.Context())
	defer cancel()
	if s.faults.hold(ctx, rule) != nil {
		panic(http.ErrAbortHandler)
	}
	switch rule.Effect {
	case EffectStatus:
		answerFault(w, system, rule)
	case EffectDrop:
		panic(http.ErrAbortHandler)
	case EffectTimeoutAfter:
		next.ServeHTTP(newCapture(), r)
		<-ctx.Done()
		panic(http.ErrAbortHandler)
	case EffectDropAfter:
		next.ServeHTTP(newCapture(), r)
		panic(http.ErrAbortHandler)
	case EffectEmpty:
		w.WriteHeader(http.StatusOK)
	case EffectError200:
		writeJSON(w, http.StatusOK, errorBody(system, http.StatusInternalServerError))
	case EffectTruncate:
		c := newCapture()
		next.ServeHTTP(c, r)
		c.body = c.body[:len(c.body)/2]
		c.replay(w)
	case EffectTwice:
		twice(w, r, next)
	case EffectMalform:
		c := newCapture()
		next.ServeHTTP(c, r)
		if changed, ok := malform(c.body, rule); ok {
			c.body = changed
			s.faults.struck(rule.ID)
		}
		c.replay(w)
	case EffectExpireToken:
		if m := s.grants.merchantOf(bearer(r)); m != 0 {
			s.ExpireTokens(m)
		}
		next.ServeHTTP(w, r)
	default:
		next.ServeHTTP(w, r)
	}
}

// untilClosed ends with the request or with the Server.
func (s *Server) untilClosed(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(s.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

func answerFault(w http.ResponseWriter, system string, rule FaultRule) {
	if rule.RetryAfter != "" {
		w.Header().Set("Retry-After", rule.RetryAfter)
	}
	switch rule.Body {
	case "":
		writeJSON(w, rule.Status, errorBody(system, rule.Status))
	case "html":
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(rule.Status)
		_, _ = io.WriteString(w, badGatewayPage)
	case "empty":
		w.WriteHeader(rule.Status)
	case "truncated":
		body := errorBody(system, rule.Status)
		writeJSON(w, rule.Status, body[:len(body)/2])
	default:
		writeJSON(w, rule.Status, []byte(rule.Body))
	}
}

// errorBody is how a system says that something went wrong.
func errorBody(system string, status int) []byte {
	out := writer{}
	out.obj("")
	switch system {
	case systemAccounts:
		if status == http.StatusBadRequest || status == http.StatusUnauthorized {
			out.str("error", "invalid_grant")
			out.str("error_description", invalidGrant)
			break
		}
		out.str("error", "server_error")
		out.str("error_description", "The authorization server encountered an unexpected condition that prevented it from fulfilling the request.")
	case systemClerk:
		code, text := clerkCodeOf(status)
		out.arr("errors")
		out.obj("")
		out.str("code", code)
		out.str("message", text)
		out.str("long_message", text)
		out.endObj()
		out.endArr()
		out.str("clerk_trace_id", strings.Repeat("0", 32))
	default:
		out.int("status", int64(status))
		out.bool("success", false)
		out.obj("error")
		switch status {
		case http.StatusUnauthorized:
			out.str("code", "Unauthorized")
			out.str("message", "The access token is invalid")
		case http.StatusTooManyRequests:
			out.str("code", "too_many_requests")
			out.str("message", "Rate limit exceeded.")
		default:
			out.str("code", strings.ReplaceAll(strings.ToLower(http.StatusText(status)), " ", "_"))
			out.str("message", http.StatusText(status))
		}
		out.endObj()
	}
	out.endObj()
	return out.b
}

// clerkCodeOf is an error that Clerk answers with a status.
func clerkCodeOf(status int) (code, text string) {
	switch status {
	case http.StatusUnauthorized:
		return "clerk_key_invalid", "The provided Clerk Secret Key is invalid. Make sure that your Clerk Secret Key is correct."
	case http.StatusForbidden:
		return "organization_quota_exceeded", "organization quota exceeded"
	case http.StatusNotFound:
		return "resource_not_found", "not found"
	case http.StatusUnprocessableEntity:
		return "form_param_value_invalid", "is invalid"
	case http.StatusTooManyRequests:
		return "too_many_requests", "Too many requests"
	}
	return "internal_clerk_error", "There was an internal error on our servers. We've been notified and are working on fixing it."
}

// capture keeps an answer back.
type capture struct {
	header http.Header
	status int
	body   []byte
}

func newCapture() *capture { return &capture{header: http.Header{}, status: http.StatusOK} }

func (c *capture) Header() http.Header    { return c.header }
func (c *capture) WriteHeader(status int) { c.status = status }
func (c *capture) Write(b []byte) (int, error) {
	c.body = append(c.body, b...)
	return len(b), nil
}

func (c *capture) replay(w http.ResponseWriter) {
	for k, v := range c.header {
		w.Header()[k] = v
	}
	w.WriteHeader(c.status)
	_, _ = w.Write(c.body)
}

// malform spoils one record of a body; it says whether the record was there.
func malform(body []byte, rule FaultRule) ([]byte, bool) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var doc any
	if d.Decode(&doc) != nil {
		return nil, false
	}
	var value any
	v := json.NewDecoder(bytes.NewReader(rule.Value))
	v.UseNumber()
	if v.Decode(&value) != nil {
		return nil, false
	}
	top, ok := doc.(map[string]any)
	if !ok || !spoilIn(top, rule, value) {
		return nil, false
	}
	changed, err := json.Marshal(doc)
	return changed, err == nil
}

// spoilIn changes the record among data, which is a list or one document.
func spoilIn(top map[string]any, rule FaultRule, value any) bool {
	switch data := top["data"].(type) {
	case []any:
		for i := range data {
			if !isRecord(data[i], rule.Record) {
				continue
			}
			if rule.Field == "" {
				data[i] = value
				return true
			}
			return setField(data[i], rule.Field, value)
		}
	case map[string]any:
		if !isRecord(data, rule.Record) {
			return false
		}
		if rule.Field == "" {
			top["data"] = value
			return true
		}
		return setField(data, rule.Field, value)
	}
	return false
}

// isRecord says whether v has the id; 0 is the first there is.
func isRecord(v any, id int64) bool {
	m, ok := v.(map[string]any)
	if !ok {
		return false
	}
	n, ok := m["id"].(json.Number)
	return id == 0 || (ok && n.String() == strconv.FormatInt(id, 10))
}

func setField(v any, field string, value any) bool {
	m, ok := v.(map[string]any)
	if !ok {
		return false
	}
	first, rest, more := strings.Cut(field, ".")
	if !more {
		m[first] = value
		return true
	}
	return setField(m[first], rest, value)
}
