package web

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

// act notes something that was done, and returns its id.
func (d *desk) act(actor, act string, tenant *uuid.UUID, subject, details string) uuid.UUID {
	d.t.Helper()
	id := uuid.Must(uuid.NewV7())
	d.exec(`
		INSERT INTO audit (id, actor, act, tenant_id, subject, details, address)
		VALUES ($1, $2, $3, $4, nullif($5, ''), $6, '192.0.2.9')`, id, actor, act, tenant, subject, details)
	return id
}

// The audit says in words who did what to what, and is narrowed by each of these.
func TestAuditPages(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	empty := d.page(http.StatusOK, auditPath)
	if got := words(empty.Find(".empty h2")); got != "Nothing was done yet" {
		t.Errorf("an audit without a line says %q", got)
	}
	palm := d.store("متجر "+evil, 7, "ready")
	suspended := d.act(deskOperator, "tenant.suspend", &palm, "",
		`{"before":{"status":"ready","suspended_by":null},"after":{"status":"suspended","suspended_by":"operator"},"reason":"<script>alert(1)</script>"}`)
	d.act("amal@wosool.example", "queue.pause", nil, "lane imports", `{"lane":"imports"}`)
	d.act(deskOperator, "something.new", nil, "", `{}`)

	doc := d.page(http.StatusOK, auditPath)
	row := doc.Find("#act-" + suspended.String())
	if got := words(row); !strings.Contains(got, deskOperator+" suspended the store tenant.suspend – متجر "+evil+" 192.0.2.9") {
		t.Errorf("the row says %q", got)
	}
	if got := words(doc.Find(".chips").First()); got != "all stores lanes something" {
		t.Errorf("the groups are %q", got)
	}
	if doc.Find("main script").Length() > 0 {
		t.Error("a store's name is a script")
	}
	for query, want := range map[string]int{
		"?group=stores": 1, "?group=lanes": 1, "?group=something": 1, "?group=events": 0, "?act=queue.pause": 1,
		"?act=tenant.suspend&who=amal%40wosool.example": 0, "?who=" + url.QueryEscape(deskOperator): 2, "?tenant=" + palm.String(): 1,
		"?text=LANE+imp": 1, "?text=nowhere": 0, "?to=2020-01-01T00:00:00Z": 0, "?from=2020-01-01T00:00:00Z": 3,
	} {
		doc := d.page(http.StatusOK, auditPath+query)
		if got := doc.Find("#audit tbody tr").Length(); got != want {
			t.Errorf("%s has %d rows, want %d", query, got, want)
		}
		if want == 0 && words(doc.Find(".empty h2")) != "No act is like this" {
			t.Errorf("%s without a row says %q", query, words(doc.Find(".empty")))
		}
	}
	for query, want := range map[string]string{
		"?text=" + suspended.String(): auditHref(suspended.String()),
		"?text=" + palm.String():      auditPath + "?tenant=" + palm.String(),
		"?text=7":                     auditPath + "?tenant=" + palm.String(),
	} {
		if got := d.led(auditPath + query); got != want {
			t.Errorf("%s leads to %q, want %q", query, got, want)
		}
	}
	if got := words(d.page(http.StatusUnprocessableEntity, auditPath+"?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z").Find(".mistake")); got != "From must be before to." {
		t.Errorf("times in the wrong order: %q", got)
	}
	d.page(http.StatusBadRequest, auditPath+"?tenant=7")
	d.first(auditPath+"/live?group=stores", "act-"+suspended.String())

	entry := d.page(http.StatusOK, auditHref(suspended.String()))
	if got := words(entry.Find("h1")); got != "Suspended the store" {
		t.Errorf("the entry is called %q", got)
	}
	if got := words(entry.Find("#changes tbody")); got != "status ready suspended changed suspended_by – operator changed" {
		t.Errorf("the changes are %q", got)
	}
	if got := entry.Find(".payload pre").Text(); !strings.Contains(got, `"reason": "<script>alert(1)</script>"`) {
		t.Errorf("as it was noted: %q", got)
	}
	if entry.Find("main script").Length() > 0 || entry.Find(`a[href="`+tenantHref(palm)+`"]`).Length() == 0 {
		t.Error("the entry has a script, or does not lead to its store")
	}
	d.page(http.StatusNotFound, auditHref(uuid.NewString()))
	if n := d.page(http.StatusOK, tenantHref(palm)).Find(`a[href="` + auditHref(suspended.String()) + `"]`).Length(); n == 0 {
		t.Error("the store's timeline does not lead to the act")
	}
}

// Pages follow each other without losing or repeating an act, also in a search.
func TestAuditIsPaged(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for i := range pageSize + 5 {
		d.act("op", "queue.pause", nil, fmt.Sprintf("lane %d", i), `{}`)
	}
	for _, query := range []string{"", "?text=lane"} {
		first := d.page(http.StatusOK, auditPath+query)
		older := d.page(http.StatusOK, first.Find(`.pager a[rel=next]`).AttrOr("href", ""))
		if a, b := first.Find("#audit tbody tr").Length(), older.Find("#audit tbody tr").Length(); a != pageSize || b != 5 {
			t.Errorf("%q: %d and %d rows", query, a, b)
		}
		if older.Find(`.pager a[rel=prev]`).Length() != 1 {
			t.Errorf("%q: nothing leads back", query)
		}
	}
}

// An export has what the filters choose, the same in both forms, and no cell that a
// spreadsheet would calculate.
func TestAuditExport(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	palm := d.store("متجر النخيل", 7, "ready")
	id := d.act(deskOperator, "tenant.suspend", &palm, "=1+1", `{"before":{"status":"ready"},"after":{"status":"suspended"},"n":3}`)
	d.act("amal@wosool.example", "queue.pause", nil, "lane imports", `{}`)
	get := func(path string) answer {
		t.Helper()
		a := d.send(http.MethodGet, path, "", map[string]string{"Cookie": d.cookie})
		if a.Code != http.StatusOK || !strings.HasPrefix(a.Header.Get("Content-Disposition"), `attachment; filename="audit-`) {
			t.Fatalf("GET %s: %d %v %s", path, a.Code, a.Header, a.Body)
		}
		return a
	}

	table, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(get(auditPath+"/export.csv?group=stores").Body, []byte(mark)))).ReadAll()
	if err != nil || len(table) != 2 {
		t.Fatalf("the table has %d rows, %v", len(table), err)
	}
	got := table[1]
	want := []string{
		id.String(), got[1], deskOperator, "tenant.suspend", "suspended the store", palm.String(), "متجر النخيل", "'=1+1", "192.0.2.9",
		`{"status": "ready"}`, `{"status": "suspended"}`, `{"n":3}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	var line struct {
		ID                  uuid.UUID
		Who, Act, Store     string
		Before, After       map[string]string
		Whole               *bool
		Details             map[string]int
		Subject, From, What string
	}
	if err := json.Unmarshal(get(auditPath+"/export.json?group=stores").Body, &line); err != nil {
		t.Fatal(err)
	}
	if line.ID != id || line.Who != deskOperator || line.After["status"] != "suspended" || line.Details["n"] != 3 || line.Whole != nil {
		t.Errorf("the object is %+v", line)
	}
	if n := bytes.Count(get(auditPath+"/export.json").Body, []byte("\n")); n != 2 {
		t.Errorf("all of it are %d lines, want 2", n)
	}
	if a := d.send(http.MethodGet, auditPath+"/export.csv?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "", map[string]string{"Cookie": d.cookie}); a.Code != http.StatusUnprocessableEntity {
		t.Errorf("times in the wrong order: %d", a.Code)
	}
}

// An export that is not whole says so in its last line.
func TestAuditExportThatIsCut(t *testing.T) {
	t.Parallel()
	to := uuid.Must(uuid.NewV7())
	for cut, want := range map[store.AuditCut]string{
		store.AuditWhole: "", store.AuditTooMany: "Cut here after 100,000 acts", store.AuditTooLong: "Cut here: the search took too long",
	} {
		var table, objects bytes.Buffer
		words := cutWords(cut)
		f := auditTable{&table, csv.NewWriter(&table)}
		if err := f.end(words, to); err != nil {
			t.Fatal(err)
		}
		if err := f.flush(); err != nil {
			t.Fatal(err)
		}
		if err := (auditObjects{json.NewEncoder(&objects)}).end(words, to); err != nil {
			t.Fatal(err)
		}
		if want == "" && (table.Len() > 0 || objects.Len() > 0) {
			t.Errorf("a whole export ends with %q, %q", table.String(), objects.String())
		}
		if want != "" && (!strings.HasPrefix(table.String(), "NOT WHOLE,") || !strings.Contains(table.String(), want) || !strings.Contains(objects.String(), `"whole":false`)) {
			t.Errorf("cut %q: %q, %q", cut, table.String(), objects.String())
		}
	}
}

// Each act leads to what it was done to.
func TestAuditOn(t *testing.T) {
	t.Parallel()
	palm, row := uuid.New(), uuid.New()
	for _, c := range []struct{ act, subject, details, on, href string }{
		{"import.pause", "", `{"run":"` + row.String() + `"}`, "import", importHref(row)},
		{"event.replay", "", `{"id":"` + row.String() + `","event":"order.created"}`, "order.created", eventsPath + "/" + row.String()},
		{"event.replay", "", `{"id":"` + row.String() + `"}`, "event", eventsPath + "/" + row.String()},
		{"rejects.redrive", "", `{"tried":3,"stored":2}`, "3 rejects, 2 stored", tenantHref(palm) + "/rejects"},
		{"bulk.start", "", `{"bulk":"` + row.String() + `","act":"suspend","of":"tenants","before":"ready"}`, "suspend tenants", bulkHref(row)},
		{"queue.pause", "lane imports", `{"lane":"imports"}`, "lane imports", lanesPath},
		{"dead.retry", "", `{"count":12,"of":"entity_reads"}`, "12 rows of work of entity reads", failedPath},
		{"task.retry", "", `{"task":"event:apply","id":"` + row.String() + `"}`, taskWords("event:apply"), searchPath + "?q=event%3Aapply%3A" + row.String()},
		{"operator.add", "amal@example.com", `{}`, "amal@example.com", auditPath + "?who=amal%40example.com"},
		{"key.add", "nightly", `{"run":7}`, "nightly", ""},
		{"tenant.suspend", "", `[]`, "", ""},
	} {
		on, href := auditOn(store.AuditEntry{Act: c.act, Subject: c.subject, Details: []byte(c.details), TenantID: &palm})
		if on != c.on || href != c.href {
			t.Errorf("%s %s: on %q at %q, want %q at %q", c.act, c.details, on, href, c.on, c.href)
		}
	}
}

// What an act changed stands side by side; what is the same is not marked.
func TestAuditChanges(t *testing.T) {
	t.Parallel()
	for details, want := range map[string][]templates.AuditChange{
		`{}`:                                   nil,
		`{"before":"ready","after":"running"}`: {{Key: "status", Before: "ready", After: "running", Changed: true}},
		`{"was":"dead"}`:                       {{Key: "status", Before: "dead"}},
		`{"before":{"role":"viewer"}}`:         {{Key: "role", Before: "viewer"}},
		`{"after":{"role":"viewer"}}`:          {{Key: "role", After: "viewer", Changed: true}},
		`{"before":{"a":{"b":1,"c":[1, 2]},"d":null},"after":{"a":{"b":2,"c":[1,2]},"d":true}}`: {
			{Key: "a.b", Before: "1", After: "2", Changed: true}, {Key: "a.c", Before: "[1,2]", After: "[1,2]"}, {Key: "d", After: "true", Changed: true},
		},
	} {
		if d := cmp.Diff(want, auditChanges([]byte(details))); d != "" {
			t.Errorf("%s: %s", details, d)
		}
	}
	rest := auditRest([]byte(`{"before":{},"after":{},"was":"x","reason":"why","filter":{"task":"a"},"none":null}`))
	if d := cmp.Diff([]templates.Fact{{Label: "filter.task", Value: "a", Name: true}, {Label: "reason", Value: "why", Name: true}}, rest); d != "" {
		t.Error(d)
	}
	at := func(time.Time) templates.Moment { return templates.Moment{} }
	if v := auditEntryView(store.AuditEntry{Act: "made.up", Details: []byte(`{}`)}, nil, at); v.Title != "made.up" {
		t.Errorf("an act without words is called %q", v.Title)
	}
}
