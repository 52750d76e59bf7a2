package sandbox

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"
)

const (
	clerkListDefault = 10
	clerkListMost    = 500
	metadataLimit    = 8 << 10
)

// clerk is one Clerk instance. Its maps are guarded by mu; records are changed
// and rendered only under it.
type clerk struct {
	mu          sync.Mutex
	users       []*clerkUser // oldest first
	orgs        []*clerkOrganization
	memberships []*clerkMembership
	invitations []*clerkInvitation
	signIns     []*clerkSignIn
	limits      clerkLimits
	messages    uint64 // webhooks so far
	keys        clerkKeys
}

func newClerk() *clerk { return &clerk{limits: clerkLimits{spans: map[string]*span{}}} }

func (s *Server) clerkRoutes() http.Handler {
	r := chi.NewRouter()
	r.NotFound(func(w http.ResponseWriter, _ *http.Request) { clerkNotFound(w, "Resource not found") })
	r.MethodNotAllowed(func(w http.ResponseWriter, _ *http.Request) {
		clerkError(w, http.StatusMethodNotAllowed, "method_not_allowed", "Method not allowed", "")
	})
	on := func(method, path string, limit clerkLimit, h func(*clerkCall)) {
		r.MethodFunc(method, path, s.asApp(path, limit, h))
	}
	on("GET", "/jwks", limitNone, s.showKeys)

	on("POST", "/users", limitInstance, s.createUser)
	on("GET", "/users", limitInstance, s.listUsers)
	on("GET", "/users/count", limitInstance, s.countUsers)
	on("GET", "/users/{id}", limitInstance, s.showUser)
	on("PATCH", "/users/{id}", limitObject, s.updateUser)
	on("DELETE", "/users/{id}", limitInstance, s.deleteUser)
	on("PATCH", "/users/{id}/metadata", limitObject, s.mergeUserMetadata)
	on("PUT", "/users/{id}/metadata", limitObject, s.replaceUserMetadata)
	for _, verb := range []string{"ban", "unban", "lock", "unlock"} {
		on("POST", "/users/{id}/"+verb, limitObject, s.switchUser(verb))
	}

	on("POST", "/organizations", limitInstance, s.createOrganization)
	on("GET", "/organizations", limitInstance, s.listOrganizations)
	on("GET", "/organizations/{org}", limitInstance, s.showOrganization)
	on("PATCH", "/organizations/{org}", limitObject, s.updateOrganization)
	on("DELETE", "/organizations/{org}", limitInstance, s.deleteOrganization)
	on("PATCH", "/organizations/{org}/metadata", limitObject, s.mergeOrganizationMetadata)
	on("PUT", "/organizations/{org}/metadata", limitObject, s.replaceOrganizationMetadata)

	on("POST", "/organizations/{org}/memberships", limitInstance, s.createMembership)
	on("GET", "/organizations/{org}/memberships", limitInstance, s.listMemberships)
	on("PATCH", "/organizations/{org}/memberships/{id}", limitObject, s.updateMembership)
	on("DELETE", "/organizations/{org}/memberships/{id}", limitInstance, s.deleteMembership)
	on("PATCH", "/organizations/{org}/memberships/{id}/metadata", limitObject, s.mergeMembershipMetadata)

	on("POST", "/organizations/{org}/invitations", limitInvitations, s.createInvitation)
	on("GET", "/organizations/{org}/invitations", limitInstance, s.listInvitations)
	on("GET", "/organizations/{org}/invitations/{id}", limitInstance, s.showInvitation)
	on("POST", "/organizations/{org}/invitations/{id}/revoke", limitInstance, s.revokeInvitation)

	on("POST", "/sign_in_tokens", limitInstance, s.createSignIn)
	on("POST", "/sign_in_tokens/{id}/revoke", limitInstance, s.revokeSignIn)
	return r
}

// clerkCall is one request with a good key. The instance is locked while it is
// handled; what it publishes goes out after.
type clerkCall struct {
	w      http.ResponseWriter
	r      *http.Request
	opts   Options
	at     int64 // milliseconds
	strict bool  // the version that refuses metadata on plain updates
	events []clerkEvent
	out    []byte // the answer, written once the instance is let go
}

func (s *Server) asApp(route string, limit clerkLimit, h func(*clerkCall)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		key := bearer(r)
		if key == "" {
			clerkError(w, http.StatusUnauthorized, "authorization_header_format_invalid",
				"Invalid Authorization header format", `Invalid Authorization header format. Must be "Bearer <YOUR_API_KEY>"`)
			return
		}
		if subtle.ConstantTimeCompare([]byte(key), []byte(s.cfg.ClerkKey)) != 1 {
			const text = "The provided Clerk Secret Key is invalid. Make sure that your Clerk Secret Key is correct."
			clerkError(w, http.StatusUnauthorized, "clerk_key_invalid", text, text)
			return
		}
		version, ok := clerkVersion(r)
		if !ok {
			clerkError(w, http.StatusBadRequest, "api_version_invalid", "Invalid API version", "The API version is invalid, or was given twice.")
			return
		}
		opts := s.Options()
		c := &clerkCall{w: w, r: r, opts: opts, at: s.now().UnixMilli(), strict: version >= "2026-05-12"}
		func() {
			s.clerk.mu.Lock()
			defer s.clerk.mu.Unlock()
			if opts.ClerkLimits {
				if wait := s.clerk.limits.take(limit, r.Method+" "+route, r.URL.Path, s.cfg.ClerkKey, s.now()); wait > 0 {
					w.Header().Set("Retry-After", strconv.Itoa(max(1, int(wait/time.Second))))
					clerkError(w, http.StatusTooManyRequests, "too_many_requests", "Too many requests", "Too many requests, retry later")
					return
				}
			}
			h(c)
		}()
		if c.out != nil {
			writeJSON(w, http.StatusOK, c.out)
		}
		s.publishClerk(c.events)
	}
}

// clerkVersion reads the version, which is given once or not at all.
func clerkVersion(r *http.Request) (string, bool) {
	head, query := r.Header.Get("Clerk-Api-Version"), r.URL.Query().Get("__clerk_api_version")
	if head != "" && query != "" {
		return "", false
	}
	version := head + query
	known := []string{"", "2021-02-05", "2024-10-01", "2025-03-12", "2025-04-10", "2025-11-10", "2026-05-12"}
	return version, slices.Contains(known, version)
}

func (c *clerkCall) send(v any) {
	body, err := json.Marshal(v)
	if err != nil {
		clerkError(c.w, http.StatusInternalServerError, "internal_clerk_error", "internal error", err.Error())
		return
	}
	c.out = body
}

func (c *clerkCall) fail(status int, code, message, long string) {
	clerkError(c.w, status, code, message, long)
}

func (c *clerkCall) param(name string) string { return chi.URLParam(c.r, name) }

// decode reads the body into v and refuses fields that the schema does not
// have. It answers itself where it fails.
func (c *clerkCall) decode(v any) bool {
	d := json.NewDecoder(http.MaxBytesReader(c.w, c.r.Body, 1<<20))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil || errors.Is(err, io.EOF) {
		return true
	}
	if name, ok := strings.CutPrefix(err.Error(), `json: unknown field "`); ok {
		name = strings.TrimSuffix(name, `"`)
		clerkParam(c.w, "form_param_unknown", name, "is unknown", name+" is not a valid parameter for this request.")
		return false
	}
	clerkError(c.w, http.StatusUnprocessableEntity, "request_body_invalid", "Request body invalid", "The request body is invalid. Please consult the API documentation for more information.")
	return false
}

// page reads limit and offset.
func (c *clerkCall) page() (limit, offset int, ok bool) {
	limit, ok = c.bounded("limit", clerkListDefault, 1, clerkListMost)
	if !ok {
		return 0, 0, false
	}
	offset, ok = c.bounded("offset", 0, 0, 1<<30)
	return limit, offset, ok
}

func (c *clerkCall) bounded(name string, missing, low, high int) (int, bool) {
	text := c.r.URL.Query().Get(name)
	if text == "" {
		return missing, true
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		clerkParam(c.w, "form_param_value_invalid", name, "is invalid", fmt.Sprintf("%s must be between %d and %d.", name, low, high))
		return 0, false
	}
	return n, true
}

// pageOfList cuts a list whose newest is last; the answer has it first.
func pageOfList[T any](all []T, limit, offset int) []T {
	out := make([]T, 0, min(limit, len(all)))
	for i := len(all) - 1 - offset; i >= 0 && len(out) < limit; i-- {
		out = append(out, all[i])
	}
	return out
}

type clerkPage[T any] struct {
	Data  []T `json:"data"`
	Total int `json:"total_count"`
}

// operator reads a filter in which a leading + or - includes or excludes.
func operator(values []string) func(string) bool {
	var include, exclude []string
	for _, v := range values {
		switch {
		case strings.HasPrefix(v, "-"):
			exclude = append(exclude, v[1:])
		case strings.HasPrefix(v, "+"):
			include = append(include, v[1:])
		default:
			include = append(include, v)
		}
	}
	return func(v string) bool {
		return (len(include) == 0 || slices.Contains(include, v)) && !slices.Contains(exclude, v)
	}
}

// filterValues reads a repeated parameter, with or without brackets.
func filterValues(q url.Values, name string) []string {
	return append(slices.Clone(q[name]), q[name+"[]"]...)
}
