package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

func TestCreateTenant(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	doc := openAPI(t)

	a := x.api(http.StatusAccepted, http.MethodPost, "/tenants",
		`{"name":"Palm","slug":"palm","owner_email":"owner@example.com","merchant":1234509876}`)

	doc.check("Tenant", a.Body)
	var made TenantDetail
	x.read(a, &made)
	if made.Status != "provisioning" || *made.Merchant != 1234509876 || len(made.Steps) != 7 {
		t.Errorf("made %s", a.Body)
	}
	if got := fmt.Sprint(x.bell.kinds()); got != "[tenant:provision]" {
		t.Errorf("rang for %s", got)
	}
	if got := one[string](x, `SELECT actor || '|' || act || '|' || address FROM audit`); got != "api key|tenant.create|192.0.2.1" {
		t.Errorf("audit = %s", got)
	}
	if show := x.api(http.StatusOK, http.MethodGet, "/tenants/"+made.ID.String(), ""); string(show.Body) != string(a.Body) {
		t.Errorf("shown %s, created %s", show.Body, a.Body)
	}
}

func TestTenantsThatAreRefused(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	x.api(http.StatusAccepted, http.MethodPost, "/tenants", `{"name":"Palm","slug":"palm","owner_email":"o@example.com","merchant":7}`)
	tests := []struct {
		name, body string
		status     int
		code       string
		words      string
	}{
		{"the same slug", `{"name":"P","slug":"palm","owner_email":"o@example.com"}`, 409, "conflict", "palm"},
		{"the same merchant", `{"name":"P","slug":"palm2","owner_email":"o@example.com","merchant":7}`, 409, "conflict", "7"},
		{"a short slug", `{"name":"P","slug":"pa","owner_email":"o@example.com"}`, 422, "invalid", "slug"},
		{"a slug of other letters", `{"name":"P","slug":"Palm!","owner_email":"o@example.com"}`, 422, "invalid", "slug"},
		{"no e-mail", `{"name":"P","slug":"palm3"}`, 422, "invalid", "owner_email"},
		{"nothing", ``, 422, "invalid", "name"},
		{"a field we do not know", `{"name":"P","slug":"palm3","owner_email":"o@example.com","plan":"pro"}`, 400, "malformed", `"plan"`},
		{"no JSON", `name=P`, 400, "malformed", "object"},
	}
	for _, tt := range tests {
		a := x.api(tt.status, http.MethodPost, "/tenants", tt.body)
		openAPI(t).check("Error", a.Body)
		if a.code() != tt.code || !strings.Contains(string(a.Body), strings.ReplaceAll(tt.words, `"`, `\"`)) {
			t.Errorf("%s: %s, want %s naming %s", tt.name, a.Body, tt.code, tt.words)
		}
	}
	if n := one[int](x, `SELECT count(*) FROM tenants`); n != 1 {
		t.Errorf("%d tenants, want 1", n)
	}
}

// The answer is the one that interfaces promise: field by field, in order.
func TestTenantAsPromised(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	id := x.whole()

	a := x.api(http.StatusOK, http.MethodGet, "/tenants/"+id.String(), "")

	openAPI(t).check("Tenant", a.Body)
	want := `{"id":"` + id.String() + `","slug":"palm","name":"متجر <النخيل>","merchant":1234509876,"status":"suspended",` +
		`"suspended_by":"operator","created_at":"2026-01-31T10:00:00Z","ready_at":"2026-01-31T10:00:01.5Z",` +
		`"connection":{"state":"active","expires_at":"2026-02-14T10:00:00Z","scopes":["orders.read","offline_access"]},` +
		`"database":{"server":"db1:5432","name":"t_palm","model_version":1},` +
		`"clerk":{"organization_id":"org_1","owner_id":"user_1","owner":"member"},"twenty":null,` +
		`"steps":[{"name":"store","status":"done","attempt":1,"started_at":"2026-01-31T10:00:00Z",` +
		`"finished_at":"2026-01-31T10:00:01Z","error":null},` +
		`{"name":"workspace","status":"skipped","attempt":0,"started_at":null,"finished_at":null,"error":"no Twenty here"}],` +
		`"imports":[{"id":"019c0000-0000-7000-8000-000000000002","kind":"initial","status":"incomplete",` +
		`"started_at":"2026-01-31T10:00:02Z","finished_at":"2026-01-31T10:01:02Z","reason":"two orders differ",` +
		`"streams":[{"resource":"orders","status":"incomplete","pages":4,"imported":190,"unchanged":6,"rejected":2,` +
		`"source_total":200}]}]}` + "\n"
	if diff := cmp.Diff(want, string(a.Body)); diff != "" {
		t.Errorf("tenant (-want +got):\n%s", diff)
	}

	list := x.api(http.StatusOK, http.MethodGet, "/tenants", "")
	openAPI(t).check("TenantList", list.Body)
	row, _, _ := strings.Cut(want, `,"steps"`)
	if diff := cmp.Diff(`{"data":[`+row+`}],"next":null}`+"\n", string(list.Body)); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
}

func TestListOfTenants(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	var newest []string
	for i := range 5 {
		slug := fmt.Sprintf("palm-%d", i)
		x.register(slug)
		newest = append([]string{slug}, newest...)
	}
	x.exec(`UPDATE tenants SET merchant = 77, status = 'ready' WHERE slug = 'palm-3'`)

	var seen []string
	for path := "/tenants?limit=2"; path != ""; {
		var p tenantPage
		a := x.api(http.StatusOK, http.MethodGet, path, "")
		openAPI(t).check("TenantList", a.Body)
		x.read(a, &p)
		if len(p.Data) > 2 {
			t.Fatalf("a page of %d, want at most 2", len(p.Data))
		}
		for _, row := range p.Data {
			seen = append(seen, row.Slug)
		}
		path = ""
		if p.Next != nil {
			path = "/tenants?limit=2&cursor=" + *p.Next
		}
	}
	if diff := cmp.Diff(newest, seen); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}

	for query, want := range map[string]string{
		"merchant=77": "palm-3", "status=ready": "palm-3", "q=palm-4": "palm-4", "q=nobody": "", "merchant=78": "",
		"status=ready&merchant=77&q=palm-3": "palm-3",
	} {
		var p tenantPage
		a := x.api(http.StatusOK, http.MethodGet, "/tenants?"+query, "")
		x.read(a, &p)
		var slugs []string
		for _, row := range p.Data {
			slugs = append(slugs, row.Slug)
		}
		if strings.Join(slugs, " ") != want {
			t.Errorf("%s: %v, want %s", query, slugs, want)
		}
		if want == "" && !strings.HasPrefix(string(a.Body), `{"data":[],"next":null}`) {
			t.Errorf("%s: %s, want an empty list", query, a.Body)
		}
	}
	for query, status := range map[string]int{
		"merchant=x": 400, "merchant=-1": 400, "cursor=x": 400, "limit=x": 400,
		"limit=0": 422, "limit=201": 422, "status=great": 422, "q=" + strings.Repeat("a", 201): 422,
	} {
		x.api(status, http.MethodGet, "/tenants?"+query, "")
	}
}

func TestActsOnTenants(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	id := x.register("palm")
	path := "/tenants/" + id.String()
	act := func(want int, name, body string) TenantDetail {
		t.Helper()
		a := x.api(want, http.MethodPost, path+"/"+name, body)
		var d TenantDetail
		if want == http.StatusAccepted {
			openAPI(t).check("Tenant", a.Body)
			x.read(a, &d)
		} else {
			openAPI(t).check("Error", a.Body)
		}
		return d
	}

	x.exec(`UPDATE tenants SET status = 'failed', state = 'failed', last_error = 'no' WHERE id = $1`, id)
	if got := act(http.StatusAccepted, "retry", "").Status; got != "provisioning" {
		t.Errorf("retried tenant is %s", got)
	}
	act(http.StatusConflict, "retry", "{}")
	act(http.StatusConflict, "import", "")
	act(http.StatusConflict, "resume", "")
	x.exec(`UPDATE tenants SET status = 'ready', state = 'done', ready_at = now() WHERE id = $1`, id)
	if got := act(http.StatusAccepted, "import", `{"resources":["orders"],"since":"2026-01-31T00:00:00+03:00"}`).Imports; len(got) != 1 || got[0].Kind != "manual" {
		t.Errorf("imports = %+v", got)
	}
	if got := act(http.StatusAccepted, "import", "").Imports; len(got) != 2 {
		t.Errorf("imports = %+v, want one more that is queued", got)
	}
	act(http.StatusUnprocessableEntity, "import", `{"resources":["coupons"]}`)
	act(http.StatusBadRequest, "import", `{"since":"yesterday"}`)
	act(http.StatusBadRequest, "suspend", `{"force":true}`)
	if d := act(http.StatusAccepted, "suspend", "{}"); d.Status != "suspended" || *d.SuspendedBy != "operator" {
		t.Errorf("suspended tenant is %s by %v", d.Status, d.SuspendedBy)
	}
	act(http.StatusConflict, "suspend", "")
	act(http.StatusAccepted, "resume", "")
	act(http.StatusConflict, "deprovision", "")

	want := []string{"tenant:provision", "tenant:provision", "import:start", "tenant:suspend", "tenant:resume"}
	if diff := cmp.Diff(want, x.bell.kinds()); diff != "" {
		t.Errorf("rang (-want +got):\n%s", diff)
	}
	audit := one[string](x, `SELECT string_agg(act, ' ' ORDER BY id) FROM audit WHERE tenant_id = $1`, id)
	if audit != "tenant.create tenant.retry tenant.import tenant.import tenant.suspend tenant.resume" {
		t.Errorf("audit = %s: each act that was done, once, and none that was refused", audit)
	}
}

func TestConflictsNameTheStatus(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	id := x.register("palm")

	for _, name := range []string{"retry", "import", "resume", "deprovision"} {
		a := x.api(http.StatusConflict, http.MethodPost, "/tenants/"+id.String()+"/"+name, "")
		if !strings.Contains(string(a.Body), "provisioning") {
			t.Errorf("%s: %s, want the status named", name, a.Body)
		}
	}
}

func TestTenantsThatAreNotThere(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	for _, id := range []string{uuid.NewString(), "7", "{" + uuid.NewString() + "}", "urn:uuid:" + uuid.NewString()} {
		x.api(http.StatusNotFound, http.MethodGet, "/tenants/"+id, "")
		for _, name := range []string{"retry", "import", "suspend", "resume", "deprovision"} {
			if a := x.api(http.StatusNotFound, http.MethodPost, "/tenants/"+id+"/"+name, ""); a.code() != "not_found" {
				t.Errorf("%s of %s: %s", name, id, a.Body)
			}
		}
	}
}

// An act is committed though its task can't be queued: the sweeper finds it.
func TestActsWhileRedisIsDown(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	x.bell.err = fmt.Errorf("redis is down")

	id := x.register("palm")

	if got := one[string](x, `SELECT state || ' ' || (due_at <= now()) FROM tenants WHERE id = $1`, id); got != "runnable true" {
		t.Errorf("the row is %q, want it due for the sweeper", got)
	}
}

// whole makes a tenant of which everything is known, and returns its id.
func (x *site) whole() uuid.UUID {
	x.t.Helper()
	id := uuid.MustParse("019c0000-0000-7000-8000-000000000001")
	run := uuid.MustParse("019c0000-0000-7000-8000-000000000002")
	at := time.Date(2026, 1, 31, 13, 0, 0, 0, time.FixedZone("Riyadh", 3*3600))
	x.exec(`
		INSERT INTO tenants (id, merchant, slug, name, status, suspended_by, resume_status, created_at, ready_at,
			clerk_organization_id, clerk_owner_id, clerk_owner, database_server, database_name, model_version)
		VALUES ($1, 1234509876, 'palm', 'متجر <النخيل>', 'suspended', 'operator', 'ready', $2, $3,
			'org_1', 'user_1', 'member', 'db1:5432', 't_palm', 1)`, id, at, at.Add(1500*time.Millisecond))
	x.exec(`
		INSERT INTO connections (id, status, expires_at, scopes, access_token, refresh_token)
		VALUES ($1, 'active', $2, '{orders.read,offline_access}', 'sealed', 'sealed')`, id, at.Add(14*24*time.Hour))
	x.exec(`
		INSERT INTO steps (tenant_id, name, position, status, attempt, started_at, finished_at, error)
		VALUES ($1, 'store', 1, 'done', 1, $2, $3, NULL), ($1, 'workspace', 5, 'skipped', 0, NULL, NULL, 'no Twenty here')`,
		id, at, at.Add(time.Second))
	x.exec(`
		INSERT INTO runs (id, tenant_id, kind, status, reason, resources, started_at, finished_at, state)
		VALUES ($1, $2, 'initial', 'incomplete', 'two orders differ', '{orders}', $3, $4, 'done')`,
		run, id, at.Add(2*time.Second), at.Add(62*time.Second))
	x.exec(`
		INSERT INTO streams (id, run_id, tenant_id, resource, status, per_page, ahead, pages, imported, unchanged, rejected, total_before)
		VALUES ($1, $2, $3, 'orders', 'incomplete', 50, 1, 4, 190, 6, 2, 200)`, uuid.New(), run, id)
	return id
}

func TestTenantHidesItsSecrets(t *testing.T) {
	t.Parallel()
	x := newSite(t)
	id := x.whole()

	a := x.api(http.StatusOK, http.MethodGet, "/tenants/"+id.String(), "")

	var fields map[string]json.RawMessage
	x.read(a, &fields)
	for _, secret := range []string{"sealed", "token", "password", "c2VhbGVk"} {
		if strings.Contains(string(a.Body), secret) {
			t.Errorf("the answer has %q: %s", secret, a.Body)
		}
	}
}
