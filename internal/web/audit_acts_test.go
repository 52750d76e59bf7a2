package web

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/pquerna/otp/totp"

	"github.com/wosool/wosool/internal/passkey/passkeytest"
)

// deskAddress is where a desk's requests come from.
const deskAddress = "192.0.2.1"

// consoleAct is one act of the console: how it is done, and what the audit calls it.
type consoleAct struct {
	act     string
	do      func(x *shelf) answer
	changes bool // it changes a value: before and after differ
}

// consoleActs has every route of the console that changes something, in the order in
// which they are done here. A new one belongs into it.
func consoleActs() map[string]consoleAct {
	var run uuid.UUID // what acts leave for those that build on them
	var code string
	tenantForm := func(name, status, act string, fields url.Values) func(x *shelf) answer {
		return func(x *shelf) answer {
			return x.post(tenantHref(x.store(name, int64(uuid.New().ID()), status))+"/"+act, fields)
		}
	}
	onImport := func(act string) func(x *shelf) answer {
		return func(x *shelf) answer { return x.post(importHref(run)+"/"+act, nil) }
	}
	return map[string]consoleAct{
		"/admin/tenants/{id}/retry":   {"tenant.retry", tenantForm("Failed", "failed", "retry", nil), true},
		"/admin/tenants/{id}/suspend": {"tenant.suspend", tenantForm("Palm", "ready", "suspend", url.Values{"confirm": {"Palm"}}), true},
		"/admin/tenants/{id}/resume":  {"tenant.resume", tenantForm("Dune", "suspended", "resume", nil), true},
		"/admin/tenants/{id}/import":  {"tenant.import", tenantForm("Again", "ready", "import", url.Values{"resources": {"orders"}}), false},
		"/admin/tenants/{id}/notes": {"note.add", func(x *shelf) answer {
			return x.post(tenantHref(x.id)+"/notes", url.Values{"body": {"called them"}})
		}, false},
		"/admin/tenants/{id}/notes/{note}/remove": {"note.remove", func(x *shelf) answer {
			noted := one[uuid.UUID](x.site, `SELECT id FROM tenant_notes`)
			return x.post(tenantHref(x.id)+"/notes/"+noted.String()+"/remove", nil)
		}, false},
		"/admin/tenants/{id}/rejects/redrive": {"rejects.redrive", func(x *shelf) answer {
			x.reject(mended(1))
			return x.post(tenantHref(x.id)+"/rejects/redrive", nil)
		}, false},
		"/admin/imports/{id}/pause": {"import.pause", func(x *shelf) answer {
			_, run = x.importing("Importing")
			return onImport("pause")(x)
		}, true},
		"/admin/imports/{id}/resume": {"import.resume", onImport("resume"), true},
		"/admin/imports/{id}/retry": {"import.retry", func(x *shelf) answer {
			x.exec(`UPDATE pages SET state = 'failed' WHERE id = (SELECT id FROM pages WHERE run_id = $1 ORDER BY id LIMIT 1)`, run)
			return onImport("retry")(x)
		}, false},
		"/admin/imports/{id}/cancel": {"import.cancel", onImport("cancel"), true},
		"/admin/events/{id}/replay": {"event.replay", func(x *shelf) answer {
			id := x.event(deskEvent{name: "order.created", status: "applied", merchant: 8, payload: "{}"})
			return x.post(eventsPath+"/"+id.String()+"/replay", nil)
		}, true},
		"/admin/lanes/{lane}/pause":  {"queue.pause", func(x *shelf) answer { return x.post(lanesPath+"/imports/pause", nil) }, true},
		"/admin/lanes/{lane}/resume": {"queue.resume", func(x *shelf) answer { return x.post(lanesPath+"/imports/resume", nil) }, true},
		"/admin/lanes/failed/retry": {"event.replay", func(x *shelf) answer {
			id := x.event(deskEvent{name: "order.created", status: "failed", words: "no", attempts: 3, merchant: 9, payload: "{}"})
			return x.post(failedPath+"/retry", url.Values{"id": {id.String()}, "task": {"event:apply"}})
		}, true},
		"/admin/lanes/failed/retry-all": {"dead.retry", func(x *shelf) answer {
			x.event(deskEvent{name: "order.created", status: "failed", words: "no", attempts: 3, merchant: 10, payload: "{}"})
			return x.post(failedPath+"/retry-all", url.Values{"task": {"event:apply"}, "why": {"mended"}})
		}, false},
		"/admin/bulk/new": {"bulk.choose", func(x *shelf) answer {
			id := x.store("Many", int64(uuid.New().ID()), "ready")
			return x.post("/admin/bulk/new", url.Values{"of": {"tenants"}, "act": {"suspend"}, "id": {id.String()}})
		}, false},
		"/admin/bulk/{id}/drop":   {"bulk.drop", func(x *shelf) answer { return x.post(x.chosen("ready")+"/drop", nil) }, false},
		"/admin/bulk/{id}/start":  {"bulk.start", func(x *shelf) answer { return x.post(x.chosen("ready")+"/start", bulkStart()) }, true},
		"/admin/bulk/{id}/pause":  {"bulk.pause", func(x *shelf) answer { return x.post(x.chosen("running")+"/pause", nil) }, true},
		"/admin/bulk/{id}/resume": {"bulk.resume", func(x *shelf) answer { return x.post(x.chosen("paused")+"/resume", nil) }, true},
		"/admin/bulk/{id}/cancel": {"bulk.cancel", func(x *shelf) answer { return x.post(x.chosen("running")+"/cancel", nil) }, true},
		"/admin/bulk/{id}/undo":   {"bulk.undo", func(x *shelf) answer { return x.post(x.chosen("done")+"/undo", nil) }, false},
		"/admin/account/sessions/{id}/revoke": {"session.end", func(x *shelf) answer {
			return x.post("/admin/account/sessions/"+x.session(x.me()).String()+"/revoke", nil)
		}, false},
		"/admin/account/sessions/revoke-others": {"session.end_others", func(x *shelf) answer {
			return x.post("/admin/account/sessions/revoke-others", nil)
		}, false},
		"/admin/account/second-factor": {"second_factor.on", func(x *shelf) (a answer) {
			a, code = x.factorOn()
			return a
		}, false},
		"/admin/account/second-factor/off": {"second_factor.off", func(x *shelf) answer {
			return x.post("/admin/account/second-factor/off", url.Values{"code": {code}})
		}, false},
		"/admin/account/passkeys": {"passkey.add", func(x *shelf) answer {
			x.knows(secret)
			return makePasskey(x.t, x.post, passkeytest.New(x.t, "https://example.com", "example.com"), url.Values{"password": {secret}})
		}, false},
		"/admin/account/passkeys/{id}/remove": {"passkey.remove", func(x *shelf) answer {
			id := one[uuid.UUID](x.site, `SELECT id FROM passkeys LIMIT 1`)
			return x.post("/admin/account/passkeys/"+id.String()+"/remove", nil)
		}, false},
		"/admin/account/password": {"operator.change_password", func(x *shelf) answer {
			x.knows(secret)
			return x.post("/admin/account/password", url.Values{"password": {secret}, "new": {"another password"}, "again": {"another password"}})
		}, false},
		"/admin/settings/operators": {"operator.add", func(x *shelf) answer {
			return x.post("/admin/settings/operators", url.Values{"email": {"new@wosool.example"}, "role": {"viewer"}})
		}, false},
		"/admin/settings/operators/{id}/role": {"operator.role", func(x *shelf) answer {
			return x.post("/admin/settings/operators/"+x.somebody("role")+"/role", url.Values{"role": {"viewer"}})
		}, true},
		"/admin/settings/operators/{id}/password": {"operator.reset_password", func(x *shelf) answer {
			return x.post("/admin/settings/operators/"+x.somebody("password")+"/password", url.Values{"confirm": {"password@wosool.example"}})
		}, false},
		"/admin/settings/operators/{id}/remove": {"operator.remove", func(x *shelf) answer {
			return x.post("/admin/settings/operators/"+x.somebody("remove")+"/remove", url.Values{"confirm": {"remove@wosool.example"}})
		}, false},
		"/admin/settings/operators/{id}/sign-out": {"operator.sign_out_everywhere", func(x *shelf) answer {
			return x.post("/admin/settings/operators/"+x.somebody("out")+"/sign-out", nil)
		}, false},
		"/admin/settings/sessions/{id}/revoke": {"session.revoke", func(x *shelf) answer {
			session := x.session(uuid.MustParse(x.somebody("session")))
			return x.post("/admin/settings/sessions/"+session.String()+"/revoke", nil)
		}, false},
		"/admin/settings/keys": {"key.add", func(x *shelf) answer {
			return x.post("/admin/settings/keys", url.Values{"name": {"nightly"}, "scope": {"read"}, "days": {"90"}})
		}, false},
		"/admin/settings/keys/{id}/revoke": {"key.revoke", func(x *shelf) answer {
			id := one[uuid.UUID](x.site, `SELECT id FROM api_keys LIMIT 1`)
			return x.post("/admin/settings/keys/"+id.String()+"/revoke", nil)
		}, false},
	}
}

// unaudited are the routes that change something and are not in consoleActs, with why.
func unaudited() map[string]string {
	return map[string]string{
		"/admin/theme":                "the reader's own cookie",
		"/admin/language":             "the reader's own cookie",
		"/admin/sign-in":              "nobody is signed in yet: see TestSignInAndOut",
		"/admin/sign-in/code":         "nobody is signed in yet",
		"/admin/sign-in/passkey":      "nobody is signed in yet: see TestPasskeyLetsIn",
		"/admin/account/passkeys/new": "it asks the browser for a passkey, which nobody has yet",
		"/admin/sign-out":             "it ends the desk's own session: see TestSignInAndOut",
		"/admin/queues":               "Asynqmon's page, which is only looked at",
		"/admin/queues/*":             "Asynqmon's acts: see TestQueuesActsAreAudited",
	}
}

// Every act of the console leaves exactly one line in the audit that names it, with
// who did it, from where, and what was before and after where a value changed. A
// route that changes something and is not known here fails.
func TestEveryActIsAudited(t *testing.T) {
	t.Parallel()
	x := drawer(t, "Shelf")
	x.s.Passwords = light()
	x.s.Passkeys = partyAt(t, "https://example.com")
	x.h = x.s.Handler()
	acts := consoleActs()

	var left []string
	for method, route := range routes(t, x.h) {
		method, _, _ = strings.Cut(method, " ")
		_, known := acts[route]
		_, exempt := unaudited()[route]
		if method == http.MethodGet || method == http.MethodHead || !strings.HasPrefix(route, "/admin") || known || exempt {
			continue
		}
		left = append(left, method+" "+route)
	}
	slices.Sort(left)
	if len(left) > 0 {
		t.Errorf("these change something and are not in consoleActs: add each, with its act in the audit: %v", left)
	}

	for _, route := range actsInOrder() {
		act, there := acts[route]
		if !there {
			t.Fatalf("%s is not in consoleActs", route)
		}
		delete(acts, route)
		before := one[int](x.site, `SELECT count(*) FROM audit WHERE act = $1`, act.act)
		if a := act.do(x); a.Code >= http.StatusBadRequest {
			t.Errorf("%s: %d %s", route, a.Code, a.Body)
			continue
		}
		if got := one[int](x.site, `SELECT count(*) FROM audit WHERE act = $1`, act.act) - before; got != 1 {
			t.Errorf("%s: %d lines %s in the audit, want 1: it has %s", route, got, act.act,
				one[string](x.site, `SELECT string_agg(DISTINCT act, ' ') FROM audit`))
			continue
		}
		const newest = ` FROM audit WHERE act = $1 ORDER BY id DESC LIMIT 1`
		if got := one[string](x.site, `SELECT actor || ' ' || coalesce(address, '-')`+newest, act.act); got != deskOperator+" "+deskAddress {
			t.Errorf("%s is noted of %s, want %s %s", route, got, deskOperator, deskAddress)
		}
		if act.changes && !one[bool](x.site, `SELECT coalesce(details->'before' <> details->'after', false)`+newest, act.act) {
			t.Errorf("%s does not say what was before and after: %s", route, one[string](x.site, `SELECT details::text`+newest, act.act))
		}
	}
	for route := range acts {
		t.Errorf("%s is not done: add it to actsInOrder", route)
	}
}

// actsInOrder are the routes of consoleActs, those that build on others behind them.
func actsInOrder() []string {
	first := []string{
		"/admin/account/passkeys", "/admin/account/passkeys/{id}/remove", "/admin/account/second-factor", "/admin/account/second-factor/off", "/admin/imports/{id}/pause", "/admin/imports/{id}/resume",
		"/admin/imports/{id}/retry", "/admin/imports/{id}/cancel", "/admin/lanes/{lane}/pause", "/admin/lanes/{lane}/resume",
		"/admin/tenants/{id}/notes", "/admin/tenants/{id}/notes/{note}/remove", "/admin/settings/keys", "/admin/settings/keys/{id}/revoke",
	}
	var rest []string
	for route := range consoleActs() {
		if !slices.Contains(first, route) {
			rest = append(rest, route)
		}
	}
	slices.Sort(rest)
	return append(first, rest...)
}

// knows gives the desk's operator a password.
func (d *desk) knows(text string) {
	d.t.Helper()
	hash, err := light().Hash(d.t.Context(), text)
	if err != nil {
		d.t.Fatal(err)
	}
	d.exec(`UPDATE operators SET password = $1 WHERE id = $2`, hash, d.me())
}

// me is the desk's operator.
func (d *desk) me() uuid.UUID {
	d.t.Helper()
	return one[uuid.UUID](d.site, `SELECT id FROM operators WHERE email = $1`, deskOperator)
}

// somebody is a further operator, who may act.
func (d *desk) somebody(name string) string {
	d.t.Helper()
	id := uuid.Must(uuid.NewV7())
	d.exec(`INSERT INTO operators (id, email, password, role) VALUES ($1, $2, '-', 'operator')`, id, name+"@wosool.example")
	return id.String()
}

// session signs an operator in somewhere else.
func (d *desk) session(operator uuid.UUID) uuid.UUID {
	d.t.Helper()
	_, hash, err := newToken(plainCookie)
	if err != nil {
		d.t.Fatal(err)
	}
	id := uuid.Must(uuid.NewV7())
	d.exec(`INSERT INTO sessions (id, token_hash, operator_id, address, agent) VALUES ($1, $2, $3, '192.0.2.77', 'elsewhere')`, id, hash, operator)
	return id
}

// factorOn switches the second factor of the desk's operator on, and returns a
// recovery code.
func (d *desk) factorOn() (a answer, code string) {
	d.t.Helper()
	page := d.page(http.StatusOK, "/admin/account/second-factor")
	typed, err := totp.GenerateCode(strings.ReplaceAll(words(page.Find("#secret")), "-", ""), time.Now())
	if err != nil {
		d.t.Fatal(err)
	}
	form := page.Find(`form[action="/admin/account/second-factor"]`)
	form.Find("input[name=code]").SetAttr("value", typed)
	a = d.press(form)
	return a, words(parsed(d.t, a.Body).Find("ol.codes code").First())
}
