package web

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
)

// What a route asks of whoever comes by a session, beside the roles.
const (
	anybody = "anybody" // it needs no sign-in
	nobody  = "nobody"  // no session opens it: it asks for a key or a signature
)

// leastRoles says of every route who may use it, the least of them. A route that is
// missing here fails TestEveryRouteHasItsRole: whoever adds one decides.
func leastRoles() map[string][]string {
	return map[string][]string{
		anybody: {
			"GET /healthz", "GET /readyz", "GET /metrics", "GET /salla/install", "GET /salla/callback",
			"GET /admin/static/{name}", "POST /admin/theme", "POST /admin/language",
			"GET /admin/sign-in", "POST /admin/sign-in", "GET /admin/sign-in/code", "POST /admin/sign-in/code",
			"GET /admin/sign-in/passkey", "POST /admin/sign-in/passkey", "POST /admin/sign-out",
		},
		nobody: {
			"POST /webhooks/salla", "POST /webhooks/clerk",
			"GET /api/admin/v1/tenants", "POST /api/admin/v1/tenants", "GET /api/admin/v1/tenants/{id}",
			"POST /api/admin/v1/tenants/{id}/retry", "POST /api/admin/v1/tenants/{id}/import", "POST /api/admin/v1/tenants/{id}/import/pause",
			"POST /api/admin/v1/tenants/{id}/import/resume", "POST /api/admin/v1/tenants/{id}/import/cancel",
			"POST /api/admin/v1/tenants/{id}/suspend", "POST /api/admin/v1/tenants/{id}/resume", "POST /api/admin/v1/tenants/{id}/deprovision",
			"GET /api/admin/v1/tenants/{id}/rejects", "POST /api/admin/v1/tenants/{id}/rejects/redrive", "GET /api/admin/v1/tenants/{id}/rejects/{reject}",
			"GET /api/admin/v1/imports/{id}", "GET /api/admin/v1/imports/{id}/report.csv",
			"GET /api/admin/v1/events", "GET /api/admin/v1/events/{id}", "POST /api/admin/v1/events/{id}/replay",
			"GET /api/admin/v1/dead-letters", "POST /api/admin/v1/dead-letters/retry", "POST /api/admin/v1/dead-letters/{task}/{id}/retry",
			"GET /api/admin/v1/stats",
		},
		string(store.RoleViewer): {
			"GET /admin/", "GET /admin/live", "GET /admin/search",
			"GET /admin/tenants", "GET /admin/tenants/live", "GET /admin/tenants/{id}/", "GET /admin/tenants/{id}/live",
			"GET /admin/tenants/{id}/data", "GET /admin/tenants/{id}/data/{table}/{key}", "GET /admin/tenants/{id}/events",
			"GET /admin/tenants/{id}/rejects", "GET /admin/tenants/{id}/rejects/{reject}",
			"GET /admin/tenants/{id}/connection", "GET /admin/tenants/{id}/database",
			"GET /admin/events", "GET /admin/events/live", "GET /admin/events/{id}", "GET /admin/events/{id}/live",
			"GET /admin/imports", "GET /admin/imports/live", "GET /admin/imports/{id}/", "GET /admin/imports/{id}/live",
			"GET /admin/imports/{id}/report.csv", "GET /admin/imports/{id}/report.json",
			"GET /admin/bulk", "GET /admin/bulk/live", "GET /admin/bulk/{id}", "GET /admin/bulk/{id}/live", "GET /admin/bulk/{id}/items.csv",
			"GET /admin/lanes", "GET /admin/lanes/live", "GET /admin/lanes/failed", "GET /admin/workers", "GET /admin/workers/live",
			"GET /admin/queues", "HEAD /admin/queues", "GET /admin/queues/*", "HEAD /admin/queues/*",
			"GET /admin/audit", "GET /admin/audit/live", "GET /admin/audit/export.csv", "GET /admin/audit/export.json", "GET /admin/audit/{id}",
			"GET /admin/tenants/{id}/notes",
			"GET /admin/account", "GET /admin/account/password", "POST /admin/account/password", "POST /admin/account/sessions/{id}/revoke", "POST /admin/account/sessions/revoke-others",
			"GET /admin/account/second-factor", "POST /admin/account/second-factor",
			"GET /admin/account/second-factor/off", "POST /admin/account/second-factor/off",
			"POST /admin/account/passkeys", "GET /admin/account/passkeys/new", "POST /admin/account/passkeys/new",
			"GET /admin/account/passkeys/{id}/remove", "POST /admin/account/passkeys/{id}/remove",
		},
		string(store.RoleOperator): slices.Concat([]string{
			"POST /admin/tenants/{id}/retry", "POST /admin/tenants/{id}/resume",
			"GET /admin/tenants/{id}/import", "POST /admin/tenants/{id}/import",
			"GET /admin/tenants/{id}/suspend", "POST /admin/tenants/{id}/suspend",
			"GET /admin/tenants/{id}/rejects/redrive", "POST /admin/tenants/{id}/rejects/redrive",
			"POST /admin/tenants/{id}/notes", "POST /admin/tenants/{id}/notes/{note}/remove",
			"POST /admin/events/{id}/replay",
			"POST /admin/imports/{id}/pause", "POST /admin/imports/{id}/resume", "POST /admin/imports/{id}/retry",
			"GET /admin/imports/{id}/cancel", "POST /admin/imports/{id}/cancel",
			"POST /admin/lanes/{lane}/pause", "POST /admin/lanes/{lane}/resume",
			"POST /admin/bulk/new", "POST /admin/bulk/{id}/start", "POST /admin/bulk/{id}/drop", "POST /admin/bulk/{id}/pause",
			"POST /admin/bulk/{id}/resume", "POST /admin/bulk/{id}/cancel", "POST /admin/bulk/{id}/undo",
			"POST /admin/lanes/failed/retry", "GET /admin/lanes/failed/retry-all", "POST /admin/lanes/failed/retry-all",
		}, asynqmonActs()),
		string(store.RoleAdmin): {
			"GET /admin/settings", "POST /admin/settings/operators", "POST /admin/settings/operators/{id}/role",
			"GET /admin/settings/operators/{id}/password", "POST /admin/settings/operators/{id}/password",
			"GET /admin/settings/operators/{id}/remove", "POST /admin/settings/operators/{id}/remove",
			"POST /admin/settings/operators/{id}/sign-out",
			"GET /admin/settings/sessions", "POST /admin/settings/sessions/{id}/revoke",
			"GET /admin/settings/keys", "POST /admin/settings/keys", "GET /admin/settings/keys/{id}/revoke", "POST /admin/settings/keys/{id}/revoke",
		},
	}
}

// asynqmonActs are the methods that Asynqmon's addresses are mounted under and that
// do not only look.
func asynqmonActs() (list []string) {
	for _, method := range []string{"CONNECT", "DELETE", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"} {
		list = append(list, method+" /admin/queues", method+" /admin/queues/*")
	}
	return list
}

// asynqmonCalls are the calls that Asynqmon's own router has below its address, with
// lanes and tasks that are nowhere.
func asynqmonCalls() map[string][]string {
	const lane = "/admin/queues/api/queues/nothing"
	looks := []string{"/admin/queues/api/queues", lane, "/admin/queues/api/queue_stats", "/admin/queues/api/servers", "/admin/queues/api/scheduler_entries", "/admin/queues/api/redis_info", lane + "/groups"}
	acts := []string{"DELETE " + lane, "POST " + lane + ":pause", "POST " + lane + ":resume"}
	for _, state := range []string{"active", "pending", "scheduled", "retry", "archived", "completed", "groups/g/aggregating"} {
		set := lane + "/" + state + "_tasks"
		looks = append(looks, set)
		acts = append(acts, "DELETE "+set+"/1", "DELETE "+set+":delete_all", "POST "+set+":batch_delete")
		for _, verb := range []string{"run", "archive", "cancel"} {
			acts = append(acts, "POST "+set+"/1:"+verb, "POST "+set+":"+verb+"_all", "POST "+set+":batch_"+verb)
		}
	}
	all := map[string][]string{string(store.RoleOperator): acts}
	for _, path := range looks {
		all[string(store.RoleViewer)] = append(all[string(store.RoleViewer)], "GET "+path)
		all[string(store.RoleOperator)] = append(all[string(store.RoleOperator)], "POST "+path+"/made-up", "DELETE "+path+"/made-up")
	}
	return all
}

// Every route answers those whose role covers what it needs, and refuses the others:
// with 403 and words, or by leading to the sign-in who is not signed in.
func TestEveryRouteHasItsRole(t *testing.T) {
	t.Parallel()
	address := dbtest.Redis(t)
	d := deskWith(t, address)
	opt, err := tasks.ConnOpt(address)
	if err != nil {
		t.Fatal(err)
	}
	d.s.Asynqmon = NewAsynqmon(opt)
	t.Cleanup(func() { _ = d.s.Asynqmon.Close() })
	stopping := make(chan struct{})
	close(stopping) // streams end with what they first send
	d.s.Stopping = stopping
	d.s.Log = slog.New(slog.DiscardHandler) // a thousand requests
	d.h = d.s.Handler()
	least, there := map[string]string{}, map[string]bool{}
	for role, list := range leastRoles() {
		for _, route := range list {
			if least[route] != "" {
				t.Errorf("%s is listed twice", route)
			}
			least[route] = role
		}
	}
	for _, route := range walked(t, d.h) {
		there[route] = true
		if least[route] == "" {
			t.Errorf("nothing says who may do %s: add it to leastRoles", route)
		}
	}
	for route := range least {
		if !there[route] {
			t.Errorf("%s is no route", route)
		}
	}
	for role, list := range asynqmonCalls() {
		for _, call := range list {
			least[call] = role
		}
	}
	for _, who := range []store.Role{"", store.RoleViewer, store.RoleOperator, store.RoleAdmin} {
		t.Run("as "+string(who), func(t *testing.T) {
			t.Parallel()
			for route, role := range least {
				method, pattern, _ := strings.Cut(route, " ")
				a := d.by(t, who, method, parameter.ReplaceAllString(pattern, uuid.NewString()))
				got := verdict(a)
				want := "allowed"
				switch {
				case role == nobody:
					want = "refused"
				case role == anybody:
				case who == "":
					want = "refused"
				case !who.Covers(store.Role(role)):
					want = "forbidden: this needs the role " + role + ", so nothing was done"
				}
				if want == "refused" && strings.HasPrefix(got, want) {
					continue
				}
				if !strings.HasPrefix(strings.ToLower(got), strings.ToLower(want)) {
					t.Errorf("%s: %s (%d), want %s", route, got, a.Code, want)
				}
			}
		})
	}
}

var parameter = regexp.MustCompile(`\{[a-z]+\}`)

// verdict says what an answer was, as far as who may is concerned.
func verdict(a answer) string {
	switch {
	case a.Code == http.StatusUnauthorized:
		return "refused"
	case a.Code == http.StatusSeeOther && strings.HasPrefix(a.Header.Get("Location"), "/admin/sign-in?next="),
		a.Code == http.StatusSeeOther && strings.HasPrefix(a.Header.Get("Location"), "/admin/sign-in?undone=1"):
		return "refused by leading to the sign-in"
	case a.Code == http.StatusForbidden:
		doc, err := goquery.NewDocumentFromReader(bytes.NewReader(a.Body))
		if err != nil || doc.Find("main").Length() == 0 {
			return "forbidden without a page: " + string(a.Body)
		}
		return "forbidden: " + words(doc.Find("main .failed > p").Eq(1))
	}
	return "allowed"
}

// by sends a request as somebody of a role in a session of its own; "" is nobody.
func (d *desk) by(t *testing.T, who store.Role, method, path string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, method, path, nil)
	r.Header.Set("Accept", "text/html")
	if who != "" {
		r.Header.Set("Cookie", d.cookieOf(t, who))
	}
	w := httptest.NewRecorder()
	d.h.ServeHTTP(w, r)
	return answer{Code: w.Code, Header: w.Header(), Body: w.Body.Bytes()}
}

// cookieOf begins a session of an operator of a role, who is made where there is none.
func (d *desk) cookieOf(t *testing.T, role store.Role) string {
	t.Helper()
	text, hash, err := newToken(plainCookie)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.pool.Exec(t.Context(), `
		WITH who AS (
			INSERT INTO operators (id, email, password, role)
			VALUES (gen_random_uuid(), $1 || '-of-the-walk@wosool.example', '-', $1)
			ON CONFLICT (email) DO UPDATE SET role = excluded.role
			RETURNING id
		)
		INSERT INTO sessions (id, token_hash, operator_id, address, agent)
		SELECT $2, $3, id, '192.0.2.1', 'test' FROM who`, string(role), uuid.Must(uuid.NewV7()), hash); err != nil {
		t.Fatal(err)
	}
	return plainCookie + "=" + text
}

// walked gives every route of h as "METHOD pattern".
func walked(t *testing.T, h http.Handler) (list []string) {
	t.Helper()
	if err := chi.Walk(h.(chi.Routes), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		list = append(list, method+" "+route)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return list
}
