package web

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/budget"
)

// importing is a store, merchant 7, with an initial import that has read a part of its orders.
func (d *desk) importing(name string) (tenant, run uuid.UUID) {
	d.t.Helper()
	tenant = d.store(name, 7, "ready")
	d.grant(tenant, "active")
	run = d.ranImport(tenant, "initial", "running", 130*time.Second)
	d.exec(`UPDATE runs SET resources = '{customers,orders}' WHERE id = $1`, run)
	d.readStream(run, tenant, "customers", "complete", 6000, 0, 0, 6000)
	orders := d.readStream(run, tenant, "orders", "running", 4190, 7, 3, 10_000)
	for i := range 10 {
		d.importPage(orders, run, tenant, i+1, 60, "done", "", 0, time.Duration(i)*5*time.Second)
	}
	return tenant, run
}

func TestImportPageShowsHowItGoesOn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.s.Allowance = func(_ context.Context, merchants ...int64) (map[int64]budget.State, error) {
		if len(merchants) != 1 || merchants[0] != 7 {
			t.Errorf("asked for %v", merchants)
		}
		return map[int64]budget.State{7: {Known: true, Limit: 2, Window: time.Minute, Left: 1}}, nil
	}
	tenant, run := d.importing("متجر " + evil)

	doc := d.page(http.StatusOK, importHref(run))

	if got := doc.Find("h1").Text(); got != "Import · initial · customers, orders" {
		t.Errorf("it is called %q", got)
	}
	if got := words(doc.Find("#line")); !strings.HasPrefix(got, "for 2 m 1") || !strings.HasSuffix(got, " records a minute · Salla allows 2 requests a minute: about 48 minutes left") {
		t.Errorf("it says %q", got)
	}
	if got := words(doc.Find("[data-live=progress] .progress").Last()); !strings.Contains(got, "4,200 / 10,000") || !strings.Contains(got, " a minute · about ") {
		t.Errorf("orders: %q", got)
	}
	if got := words(doc.Find(".facts")); !strings.Contains(got, "Asked for by itself: the store's history, once it was ready") {
		t.Errorf("the facts say %q", got)
	}
	if doc.Find(".spark").Length() != 1 || words(doc.Find(".figure .value")) == "–" {
		t.Errorf("the curve says %q", words(doc.Find(".figure")))
	}
	if got := words(doc.Find("#passes tbody tr").Last()); !strings.HasPrefix(got, "orders running 4 4,190 7 3 10,000 –") {
		t.Errorf("the pass says %q", got)
	}
	if got := doc.Find(`[data-live=rejects] a`).AttrOr("href", ""); got != tenantHref(tenant)+"/rejects?resource=orders&run="+run.String()+"&state=all" {
		t.Errorf("the rejects are at %q", got)
	}
	if doc.Find("main script").Length() > 0 || words(doc.Find("[data-live=head] a").First()) != "متجر "+evil {
		t.Errorf("the store is called %q", words(doc.Find("[data-live=head] a").First()))
	}
	d.first(importHref(run)+"/live", `"key":"progress"`)
	for _, path := range []string{"/admin/imports", tenantHref(tenant), tenantHref(tenant) + "?show=tasks"} {
		if n := d.page(http.StatusOK, path).Find(`a[href="` + importHref(run) + `"]`).Length(); n == 0 {
			t.Errorf("%s does not lead to the import", path)
		}
	}
	for path, want := range map[string]int{importHref(uuid.New()): http.StatusNotFound, importsPath + "/7": http.StatusNotFound} {
		d.page(want, path)
	}
}

// Redis that does not tell what Salla allows takes nothing from the page.
func TestImportPageWithoutAllowance(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.s.Allowance = func(ctx context.Context, _ ...int64) (map[int64]budget.State, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	_, run := d.importing("Palm")
	if got := words(d.page(http.StatusOK, importHref(run)).Find("#line")); !strings.HasSuffix(got, " records a minute · about 21 minutes left") {
		t.Errorf("it says %q", got)
	}
}

func TestActsOnAnImport(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	tenant, run := d.importing("Palm")
	status := func() string { return one[string](d.site, `SELECT status FROM runs WHERE id = $1`, run) }
	press := func(path, act string) string {
		t.Helper()
		return d.after(d.press(d.page(http.StatusOK, path).Find(`form[action="` + importHref(run) + "/" + act + `"]`)))
	}

	if got := press(importHref(run), "pause"); !strings.HasPrefix(got, "Paused:") || status() != "paused" {
		t.Errorf("paused: %q, %s", got, status())
	}
	if got := words(d.page(http.StatusOK, importHref(run)).Find("#why")); !strings.HasPrefix(got, "Paused by "+deskOperator+" since ") {
		t.Errorf("the page says %q", got)
	}
	if got := words(d.page(http.StatusOK, "/admin/imports").Find("#import-" + run.String())); !strings.Contains(got, "Paused by "+deskOperator) {
		t.Errorf("the list says %q", got)
	}
	if got := d.after(d.post(importHref(run)+"/pause", nil)); got != "Nothing was changed: the paused import cannot be paused." {
		t.Errorf("paused twice: %q", got)
	}
	if a := d.press(d.page(http.StatusOK, tenantHref(tenant)).Find(`form[action="` + importHref(run) + `/resume"]`)); a.Header.Get("Location") != tenantHref(tenant) {
		t.Errorf("from the store's page it leads to %q", a.Header.Get("Location"))
	}
	if status() != "running" {
		t.Errorf("resumed: %s", status())
	}
	form := d.page(http.StatusOK, importHref(run)+"/cancel").Find(".confirm form")
	if status() != "running" {
		t.Error("looking at the question cancels the import")
	}
	if got := d.after(d.press(form)); !strings.HasPrefix(got, "Cancelled:") || status() != "cancelled" {
		t.Errorf("cancelled: %q, %s", got, status())
	}
	if got := one[string](d.site, `SELECT string_agg(act, ' ' ORDER BY id) FROM audit WHERE actor = $1 AND details->>'run' = $2`, deskOperator, run.String()); got != "import.pause import.resume import.cancel" {
		t.Errorf("the audit says %s", got)
	}
	doc := d.page(http.StatusOK, importHref(run))
	if got := words(doc.Find("[data-live=history]")); !strings.Contains(got, deskOperator+" cancelled the import") {
		t.Errorf("its history says %q", got)
	}
	again := d.page(http.StatusOK, tenantHref(tenant)+"/import?like="+run.String())
	if n := again.Find("input[checked]").Length(); n != 2 {
		t.Errorf("%d resources are ticked, want the two of the import", n)
	}
	if got := d.after(d.post(tenantHref(tenant)+"/import", url.Values{"resources": {"orders"}})); got != "The import begins within seconds." {
		t.Errorf("started again: %q", got)
	}
	if got := d.after(d.post(tenantHref(tenant)+"/import", nil)); !strings.Contains(got, "this one is queued") {
		t.Errorf("started beside an open one: %q", got)
	}
	for _, act := range []string{"pause", "resume", "cancel", "retry"} {
		if a := d.post(importHref(uuid.New())+"/"+act, nil); a.Code != http.StatusNotFound {
			t.Errorf("%s of no import: %d", act, a.Code)
		}
		a := d.send(http.MethodPost, importHref(run)+"/"+act, "", map[string]string{"Cookie": d.cookie, "Sec-Fetch-Site": "cross-site"})
		if a.Code != http.StatusForbidden {
			t.Errorf("%s from another site: %d", act, a.Code)
		}
	}
}

func TestRetryWhereItFailed(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	tenant, run := d.importing("Palm")
	stream := one[uuid.UUID](d.site, `SELECT id FROM streams WHERE run_id = $1 AND resource = 'orders'`, run)
	d.importPage(stream, run, tenant, 11, 0, "failed", "salla: GET /orders: 500", 0, 0)

	doc := d.page(http.StatusOK, importHref(run))
	if got := words(doc.Find("#why")); !strings.HasPrefix(got, "1 page was given up") {
		t.Errorf("it says %q", got)
	}
	if got := d.after(d.press(doc.Find(`form[action$="/retry"]`))); !strings.HasPrefix(got, "Retried:") {
		t.Errorf("it says %q", got)
	}
	if got := one[string](d.site, `SELECT state FROM pages WHERE seq = 11`); got != "runnable" {
		t.Errorf("the page is %s", got)
	}
}

func TestRunActsOfTheAPI(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	tenant, run := d.importing("Palm")
	path := "/api/admin/v1/tenants/" + tenant.String() + "/import"
	call := func(act, body string) answer {
		return d.send(http.MethodPost, path+act, body, map[string]string{"Authorization": "Bearer " + adminKey, "Content-Type": "application/json"})
	}
	for _, step := range []struct {
		act, body string
		want      int
		says      string
	}{
		{"/resume", "", http.StatusConflict, "the running import cannot be resumed"},
		{"/pause", "", http.StatusAccepted, `"status":"paused"`},
		{"/pause", "", http.StatusConflict, "the paused import cannot be paused"},
		{"", "", http.StatusAccepted, `"status":"pending"`},
		{"/resume", `{"import":"` + uuid.NewString() + `"}`, http.StatusNotFound, "no such import"},
		{"/resume", `{"import":"7"}`, http.StatusUnprocessableEntity, "must be the id"},
		{"/resume", `{"import":"` + run.String() + `"}`, http.StatusAccepted, `"status":"running"`},
	} {
		a := call(step.act, step.body)
		if a.Code != step.want || !strings.Contains(string(a.Body), step.says) {
			t.Errorf("%s %s: %d %s, want %d %s", step.act, step.body, a.Code, a.Body, step.want, step.says)
		}
	}
	queued := one[uuid.UUID](d.site, `SELECT id FROM runs WHERE state = 'held'`)
	if a := call("/cancel", `{"import":"`+queued.String()+`"}`); a.Code != http.StatusAccepted {
		t.Errorf("cancelling the queued one: %d %s", a.Code, a.Body)
	}
	if a := call("/cancel", ""); a.Code != http.StatusAccepted {
		t.Errorf("cancelling the open one: %d %s", a.Code, a.Body)
	}
	if got := one[string](d.site, `SELECT string_agg(DISTINCT status, ' ') FROM runs`); got != "cancelled" {
		t.Errorf("the runs are %s", got)
	}
	if a := d.send(http.MethodPost, "/api/admin/v1/tenants/"+uuid.NewString()+"/import/pause", "", map[string]string{"Authorization": "Bearer " + adminKey}); a.Code != http.StatusNotFound {
		t.Errorf("of no tenant: %d", a.Code)
	}
}

func TestImportReport(t *testing.T) {
	t.Parallel()
	x := newShelf(t, `=cmd|' /C calc'!A0`)
	x.grant(x.id, "active")
	run := x.ranImport(x.id, "manual", "incomplete", time.Hour)
	x.readStream(run, x.id, "customers", "complete", 6000, 0, 0, 6000)
	orders := x.readStream(run, x.id, "orders", "incomplete", 8, 1, 1, 12)
	x.exec(`UPDATE streams SET total_after = 12, reason = '+2 متجر' WHERE id = $1`, orders)
	x.exec(`INSERT INTO audit (id, at, actor, act, tenant_id) SELECT $1, created_at, '@noura', 'tenant.import', tenant_id FROM runs WHERE id = $2`,
		uuid.Must(uuid.NewV7()), run)
	key := map[string]string{"Authorization": "Bearer " + adminKey}

	a := x.send(http.MethodGet, "/api/admin/v1/imports/"+run.String(), "", key)

	if a.Code != http.StatusOK {
		t.Fatalf("status %d: %s", a.Code, a.Body)
	}
	openAPI(t).check("ImportReport", a.Body)
	var p ImportReport
	if err := json.Unmarshal(a.Body, &p); err != nil {
		t.Fatal(err)
	}
	o := p.Passes[1]
	if o.Resource != "orders" || o.Records != 10 || o.Stored != 9 || o.Difference == nil || *o.Difference != 2 || o.Calls != 5 || p.Progress != nil {
		t.Errorf("orders: %+v", o)
	}
	for path, header := range map[string]map[string]string{
		"/api/admin/v1/imports/" + run.String() + "/report.csv": key, importHref(run) + "/report.csv": {"Cookie": x.cookie},
	} {
		a := x.send(http.MethodGet, path, "", header)
		if got := a.Header.Get("Content-Disposition"); a.Code != http.StatusOK || !strings.HasPrefix(got, `attachment; filename="import-store-1234509876-`) || !strings.HasSuffix(got, `.csv"`) {
			t.Fatalf("%s: %d, %s", path, a.Code, got)
		}
		text, marked := strings.CutPrefix(string(a.Body), "\ufeff")
		if !marked {
			t.Error("without the mark, Excel shows no Arabic")
		}
		table := csv.NewReader(strings.NewReader(text))
		table.FieldsPerRecord = -1
		rows, err := table.ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			for i, c := range row {
				if c != "" && strings.ContainsRune("=+@", rune(c[0])) {
					t.Errorf("a spreadsheet takes %q for a formula", c)
				}
				row[i] = strings.TrimPrefix(c, "'")
			}
		}
		if rows[1][1] != `=cmd|' /C calc'!A0` || rows[1][5] != "@noura" {
			t.Errorf("the import is %q", rows[1])
		}
		if diff := cmp.Diff([]string{"orders", "1", "incomplete", "4", "10", "8", "1", "1", "0", "12", "12", "9", "2", "+2 متجر"}, rows[4][:14]); diff != "" {
			t.Errorf("orders (-want +got):\n%s", diff)
		}
	}
	x.exec(`UPDATE tenants SET status = 'suspended', suspended_by = 'operator' WHERE id = $1`, x.id)
	a = x.send(http.MethodGet, importHref(run)+"/report.json", "", map[string]string{"Cookie": x.cookie})
	if err := json.Unmarshal(a.Body, &p); err != nil || p.RejectsNote == nil || !strings.Contains(*p.RejectsNote, "could not be asked") {
		t.Errorf("with the database shut: %v, %s", err, a.Body)
	}
	if a := x.send(http.MethodGet, "/api/admin/v1/imports/"+uuid.NewString(), "", key); a.Code != http.StatusNotFound {
		t.Errorf("of no import: %d", a.Code)
	}
}

// The report of an open import tells how it goes on.
func TestImportReportOfAnOpenImport(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	_, run := d.importing("Palm")
	a := d.send(http.MethodGet, "/api/admin/v1/imports/"+run.String(), "", map[string]string{"Authorization": "Bearer " + adminKey})
	openAPI(t).check("ImportReport", a.Body)
	var p ImportReport
	if err := json.Unmarshal(a.Body, &p); err != nil || p.Progress == nil || p.Progress.SecondsLeft == nil || *p.Progress.SecondsLeft < 1200 {
		t.Errorf("progress: %v, %s", err, a.Body)
	}
}
