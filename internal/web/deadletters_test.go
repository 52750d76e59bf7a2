package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/store"
)

// deadAPI is a page of the API's list.
type deadAPI struct {
	Data []struct {
		Task, Reason, Group string
		ID                  uuid.UUID
		Merchant            *int64
		Attempts            int
		FailedAt            time.Time `json:"failed_at"`
	}
	Next *string
}

func TestDeadLettersByAPI(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	doc := openAPI(t)
	palm := d.store("Palm", 100, "ready")
	for i := range 4 {
		d.event(deskEvent{name: "order.created", status: "failed", words: fmt.Sprintf("Salla answered 50%d", i), attempts: 12, tenant: &palm, merchant: 100, payload: "{}"})
	}
	d.event(deskEvent{name: "order.created", status: "failed", words: "its document cannot be read", merchant: 200, payload: "{}"})
	d.store("Failed", 300, "failed")

	a := d.api(http.StatusOK, http.MethodGet, "/dead-letters", "")
	doc.check("DeadLetterList", a.Body)
	var all deadAPI
	d.read(a, &all)
	if len(all.Data) != 6 || all.Next != nil {
		t.Fatalf("dead letters = %s, want six", a.Body)
	}
	now := url.QueryEscape(time.Now().Add(-time.Hour).Format(time.RFC3339))
	for query, want := range map[string]int{
		"task=event:apply": 5, "lane=provisioning": 1, "merchant=100": 4, "tenant=" + palm.String(): 4, "reason=ANSWERED": 4,
		"before=" + now: 1, "after=" + now: 5, "merchant=100&reason=503": 1, "merchant=7": 0, "limit=2": 2,
	} {
		var found deadAPI
		d.read(d.api(http.StatusOK, http.MethodGet, "/dead-letters?"+query, ""), &found)
		if len(found.Data) != want {
			t.Errorf("%s: %d dead letters, want %d", query, len(found.Data), want)
		}
	}
	for query, status := range map[string]int{
		"task=no:such": 422, "lane=x": 422, "merchant=x": 400, "tenant=x": 400, "before=x": 400, "cursor=x": 400, "limit=0": 422,
	} {
		d.api(status, http.MethodGet, "/dead-letters?"+query, "")
	}
	path := "/dead-letters?limit=1"
	for i := range all.Data {
		var p deadAPI
		d.read(d.api(http.StatusOK, http.MethodGet, path, ""), &p)
		if len(p.Data) != 1 || p.Data[0].ID != all.Data[i].ID || (p.Next == nil) != (i == 5) {
			t.Fatalf("page %d = %+v, want %s", i, p, all.Data[i].ID)
		}
		if p.Next != nil {
			path = "/dead-letters?limit=1&cursor=" + *p.Next
		}
	}

	first := "/dead-letters/event%3Aapply/" + all.Data[0].ID.String() + "/retry"
	doc.check("DeadLetter", d.api(http.StatusAccepted, http.MethodPost, first, "").Body)
	d.api(http.StatusConflict, http.MethodPost, first, "{}")
	d.api(http.StatusNotFound, http.MethodPost, "/dead-letters/event:apply/"+uuid.NewString()+"/retry", "")
	d.api(http.StatusNotFound, http.MethodPost, "/dead-letters/no:such/"+all.Data[1].ID.String()+"/retry", "")

	for body, status := range map[string]int{
		"": 422, "{}": 422, `{"all":true,"merchant":100}`: 422, `{"task":"no:such"}`: 422, `{"tenant":"x"}`: 400,
		`{"before":"x"}`: 400, `{"nothing":1}`: 400, `{"merchant":"100"}`: 400, `{"merchant":0}`: 400,
		`{"all":true,"why":"` + strings.Repeat("x", 501) + `"}`: 422,
	} {
		d.api(status, http.MethodPost, "/dead-letters/retry", body)
	}
	for _, round := range []struct{ body, want string }{
		{`{"merchant":100,"why":"Salla answers again"}`, `{"retried":4,"remaining":0}`},
		{`{"merchant":100}`, `{"retried":0,"remaining":0}`},
		{`{"all":true}`, `{"retried":1,"remaining":0}`},
	} {
		a := d.api(http.StatusAccepted, http.MethodPost, "/dead-letters/retry", round.body)
		doc.check("DeadRetried", a.Body)
		if got := strings.TrimSpace(string(a.Body)); got != round.want {
			t.Errorf("%s: %s, want %s", round.body, got, round.want)
		}
	}
	if got := one[string](d.site, `SELECT actor || ' ' || (details->>'count') || ' ' || (details->>'reason') FROM audit WHERE act = 'dead.retry' ORDER BY id LIMIT 1`); got != "api key 4 Salla answers again" {
		t.Errorf("audit = %q", got)
	}
}

// All of a list is retried from the console after a page that says how many there
// are, with a reason; what failed since that page was shown is left alone.
func TestFailedWorkIsRetriedByFilter(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	palm := d.store("متجر النخيل", 100, "ready")
	for i := range 20 {
		d.event(deskEvent{name: "order.created", status: "failed", words: fmt.Sprintf("Salla answered 50%d", i%5), attempts: 12, tenant: &palm, merchant: 100, payload: "{}"})
	}
	d.event(deskEvent{name: "order.created", status: "failed", words: "its document cannot be read", merchant: 200, payload: "{}"})

	list := d.page(http.StatusOK, "/admin/lanes/failed?task=event:apply&reason=salla+answered")
	if got := list.Find("#failed tbody tr").Length(); got != 20 {
		t.Fatalf("%d rows, want 20", got)
	}
	button := list.Find(`form[action="/admin/lanes/failed/retry-all"]`)
	if got := words(button); got != "Retry these 20 …" && got != "Retry these 20…" {
		t.Errorf("the button says %q", got)
	}
	fields := url.Values{}
	for _, in := range button.Find("input").EachIter() {
		fields.Set(in.AttrOr("name", ""), in.AttrOr("value", ""))
	}
	page := d.page(http.StatusOK, "/admin/lanes/failed/retry-all?"+fields.Encode())
	if got := words(page.Find("h1")); got != "Retry 20 pieces of failed work?" {
		t.Errorf("it asks %q", got)
	}
	if got := words(page.Find(".confirm ul")); !strings.Contains(got, "the reason has “salla answered”") {
		t.Errorf("it is about %q", got)
	}
	if got := page.Find("#failed tbody tr").Length(); got != failedSample || page.Find("#failed form").Length() != 0 {
		t.Errorf("%d of them are shown, want %d without a button each", got, failedSample)
	}
	form := page.Find(".confirm form")
	without := d.press(form)
	if without.Code != http.StatusUnprocessableEntity || !strings.Contains(string(without.Body), "Say why") {
		t.Errorf("without a reason: %d", without.Code)
	}
	later := d.event(deskEvent{name: "order.created", status: "failed", words: "Salla answered 500", merchant: 100, payload: "{}"})

	form.Find("#why").SetAttr("value", "Salla answers again")
	a := d.press(form)

	if a.Code != http.StatusSeeOther || a.Header.Get("Location") != "/admin/lanes/failed?reason=salla+answered&task=event%3Aapply" {
		t.Fatalf("retry: %d to %q: %s", a.Code, a.Header.Get("Location"), a.Body)
	}
	if got := one[string](d.site, `SELECT string_agg(state || ' ' || n, ', ' ORDER BY state) FROM (SELECT state, count(*) AS n FROM events GROUP BY state) AS s`); got != "failed 2, held 12, runnable 8" {
		t.Errorf("events are %s, want a window of them runnable, and two failed still", got)
	}
	if got := one[string](d.site, `SELECT state FROM events WHERE id = $1`, later); got != "failed" {
		t.Errorf("what failed after the page was shown is %s", got)
	}
	if got := one[string](d.site, `SELECT actor || ' ' || (details->>'count') || ' ' || (details->>'reason') FROM audit WHERE act = 'dead.retry'`); got != deskOperator+" 20 Salla answers again" {
		t.Errorf("audit = %q", got)
	}
	if again := d.press(form); again.Code != http.StatusSeeOther {
		t.Errorf("pressing twice: %d, want 303", again.Code)
	}
	if got := words(d.page(http.StatusOK, "/admin/lanes/failed/retry-all?merchant=5").Find("h1")); got != "None of it is left" {
		t.Errorf("where nothing is chosen: %q", got)
	}
}

func TestFailedPageFilters(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	palm := d.store("Palm", 100, "ready")
	for i := range pageSize + 5 {
		d.event(deskEvent{name: "order.created", status: "failed", words: fmt.Sprintf("Salla answered %d", i), tenant: &palm, merchant: 100, payload: "{}"})
	}
	d.store("Failed", 300, "failed")
	for query, want := range map[string]int{
		"": pageSize, "?task=" + store.KindTenantProvision: 1, "?lane=provisioning": 1, "?merchant=300": 1, "?tenant=" + palm.String(): pageSize,
		"?reason=answered+7": 1, "?reason=nothing": 0,
	} {
		page := d.page(http.StatusOK, "/admin/lanes/failed"+query)
		if got := page.Find("#failed tbody tr").Length(); got != want {
			t.Errorf("%q: %d rows, want %d", query, got, want)
		}
		if (page.Find(".empty").Length() == 1) != (want == 0) {
			t.Errorf("%q: says that it is empty, or does not", query)
		}
	}
	first := d.page(http.StatusOK, "/admin/lanes/failed?task=event:apply")
	second := d.page(http.StatusOK, first.Find(`a[rel="next"]`).AttrOr("href", ""))
	if got := second.Find("#failed tbody tr").Length(); got != 5 {
		t.Errorf("the second page has %d rows, want 5", got)
	}
	if to := d.led(second.Find(`a[rel="prev"]`).AttrOr("href", "")); to != "/admin/lanes/failed?task=event%3Aapply" {
		t.Errorf("newer than the second page leads to %q", to)
	}
	d.cookie += "; zone=Asia%2FRiyadh"
	if to := d.led("/admin/lanes/failed?before=2026-01-31T10:00&after="); to != "/admin/lanes/failed?before=2026-01-31T07%3A00%3A00Z" {
		t.Errorf("a local time leads to %q", to)
	}
	if d.page(http.StatusOK, "/admin/lanes").Find(`a[href="/admin/lanes/failed"]`).Length() != 1 {
		t.Error("nothing leads from the queues to all failed work")
	}
}
