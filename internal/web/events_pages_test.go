package web

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/store"
)

func TestEventsPageSaysEachStatusInWords(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ready := d.store("متجر <النخيل>", 100, "ready")
	failed := d.store("Failed", 101, "failed")
	closed := d.store("Closed", 102, "suspended")
	tests := []struct {
		name  string
		event deskEvent
		want  []string // in the row
		todo  string   // on its page
	}{
		{"received", deskEvent{status: "received", tenant: &ready, merchant: 100}, []string{"received", "متجر <النخيل>", "100"}, ""},
		{"held", deskEvent{status: "received", state: "held", tenant: &ready, merchant: 100}, []string{"waits for its turn"}, "8 events are applied at a time"},
		{"tried", deskEvent{status: "received", words: "Salla answered 500", attempts: 2, tenant: &ready}, []string{"is tried again: Salla answered 500", "2"}, "nothing is lost"},
		{"merchant", deskEvent{status: "waiting", waiting: "merchant", merchant: 999}, []string{"waiting", "999 waiting", "waits for a tenant with merchant 999"}, "After 30 days"},
		{"ready", deskEvent{status: "waiting", waiting: "ready", tenant: &ready, merchant: 100}, []string{"waits for its store to be set up"}, "when the store is ready"},
		{"ready, failed", deskEvent{status: "waiting", waiting: "ready", tenant: &failed, merchant: 101}, []string{"which failed"}, "retry it"},
		{"grant", deskEvent{status: "waiting", waiting: "grant", tenant: &ready, merchant: 100}, []string{"waits for Salla's grant"}, "Ask the merchant to reinstall the app"},
		{"resume", deskEvent{status: "waiting", waiting: "resume", tenant: &closed, merchant: 102}, []string{"which is suspended"}, "Resume the tenant"},
		{"applied", deskEvent{status: "applied", tenant: &ready, merchant: 100}, []string{"applied", "1"}, ""},
		{"ignored", deskEvent{status: "ignored", words: "nothing here follows app.rated"}, []string{"ignored", "nothing here follows app.rated"}, "nothing is to be done"},
		{"failed", deskEvent{status: "failed", words: "its document cannot be read", attempts: 12}, []string{"failed", "its document cannot be read", "12"}, "Mend the cause, then replay it"},
		{"unreadable", deskEvent{status: "failed", words: "the body is not JSON", text: "{oops"}, []string{"failed", "the body is not JSON"}, "the sender has to send it again"},
	}
	ids := make([]uuid.UUID, len(tests))
	for i, tt := range tests {
		tt.event.name = "order.created"
		ids[i] = d.event(tt.event)
	}

	list := d.page(http.StatusOK, "/admin/events")

	if got := list.Find("#events tbody tr").Length(); got != len(tests) {
		t.Errorf("%d rows, want %d", got, len(tests))
	}
	for i, tt := range tests {
		row := words(list.Find("#event-" + ids[i].String()))
		for _, want := range tt.want {
			if !strings.Contains(row, want) {
				t.Errorf("%s: the row says %q, want %q in it", tt.name, row, want)
			}
		}
		page := d.page(http.StatusOK, "/admin/events/"+ids[i].String())
		if trouble := words(page.Find("#trouble")); !strings.Contains(trouble, tt.todo) || (tt.todo == "" && trouble != "") {
			t.Errorf("%s: the page says %q, want %q in it", tt.name, trouble, tt.todo)
		}
		if live := page.Find("body").AttrOr("data-stream", ""); (live == "") != ended(eventOf(d, ids[i])) {
			t.Errorf("%s: its stream is %q", tt.name, live)
		}
	}
	chips := words(list.Find(".chips").First())
	for _, want := range []string{"all 12", "received 3", "waiting 5", "applied 1", "ignored 1", "failed 2"} {
		if !strings.Contains(chips, want) {
			t.Errorf("chips = %q, want %q in them", chips, want)
		}
	}
}

func TestEventsPageFilters(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	tenant := d.store("Palm", 100, "ready")
	for i, name := range []string{"order.created", "order.updated", "product.created", "user.created"} {
		e := deskEvent{name: name, status: "applied", merchant: 100, tenant: &tenant}
		if i == 3 {
			e = deskEvent{name: name, status: "ignored", source: "clerk", words: "not ours"}
		}
		d.event(e)
	}
	for query, want := range map[string]int{
		"":                               4,
		"?status=ignored":                1,
		"?source=clerk":                  1,
		"?source=salla&status=applied":   3,
		"?merchant=100":                  3,
		"?merchant=1":                    0,
		"?event=order.updated":           1,
		"?q=order.":                      2,
		"?q=order.&event=order.updated":  1,
		"?q=%25":                         0,
		"?status=waiting&event=no.event": 0,
	} {
		page := d.page(http.StatusOK, "/admin/events"+query)
		if got := page.Find("#events tbody tr").Length(); got != want {
			t.Errorf("%q: %d rows, want %d", query, got, want)
		}
		if (page.Find(".empty").Length() == 1) != (want == 0) {
			t.Errorf("%q: says that it is empty, or does not", query)
		}
	}
	page := d.page(http.StatusOK, "/admin/events?merchant=100&status=applied")
	if off, _ := page.Find(".chips a").FilterFunction(func(_ int, a *goquery.Selection) bool {
		return strings.HasPrefix(words(a), "merchant 100")
	}).Attr("href"); off != "/admin/events?status=applied" {
		t.Errorf("taking the merchant away leads to %q", off)
	}
	if to := d.led("/admin/events?q=100&status=applied"); to != "/admin/events?merchant=100&status=applied" {
		t.Errorf("searching for a merchant leads to %q", to)
	}
	id := uuid.New()
	if to := d.led("/admin/events?q=" + id.String()); to != "/admin/events/"+id.String() {
		t.Errorf("searching for an id leads to %q", to)
	}
	d.page(http.StatusNotFound, "/admin/events/"+id.String())
	d.page(http.StatusUnprocessableEntity, "/admin/events?status=nonsense")
	d.page(http.StatusBadRequest, "/admin/events?cursor=nonsense")
}

// A page begins after a row: what comes in while somebody leafs moves nothing.
func TestEventsPagesStayWhileOthersComeIn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var want []string
	for i := range 2*pageSize + 10 {
		want = append([]string{d.event(deskEvent{name: fmt.Sprintf("e.%d", i%3), status: "applied"}).String()}, want...)
	}
	var got []string
	collect := func(page *goquery.Document) {
		page.Find("#events tbody tr").Each(func(_ int, tr *goquery.Selection) {
			got = append(got, strings.TrimPrefix(tr.AttrOr("id", ""), "event-"))
		})
	}
	page := d.page(http.StatusOK, "/admin/events?q=e.")
	first := words(page.Find("#events tbody"))
	collect(page)
	for {
		older, on := page.Find(`a[rel="next"]`).Attr("href")
		if !on {
			break
		}
		d.event(deskEvent{name: "e.new", status: "applied"}) // at the top
		page = d.page(http.StatusOK, older)
		collect(page)
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("leafing showed %d events, want the %d in their order", len(got), len(want))
	}

	newer := page.Find(`a[rel="prev"]`).AttrOr("href", "")
	page = d.page(http.StatusOK, newer)
	newer = page.Find(`a[rel="prev"]`).AttrOr("href", "")
	page = d.page(http.StatusOK, newer) // two came in above the first page: it is a page by itself now
	if text := words(page.Find("#events tbody")); len(text) != len(first) && page.Find("#events tbody tr").Length() != pageSize {
		t.Errorf("back at the page that was the first: %d rows", page.Find("#events tbody tr").Length())
	}
	newer = page.Find(`a[rel="prev"]`).AttrOr("href", "")
	if to := d.led(newer); to != "/admin/events?q=e." {
		t.Errorf("newer than the first page leads to %q", to)
	}
}

func TestEventPageShowsWhatWasSaidAsText(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	tenant := d.store(`<script>alert("name")</script>`, 100, "ready")
	payload := `{"data": {"name": "</pre><script>alert(1)</script>", "token": "[redacted]", "n": 12}}`
	id := d.event(deskEvent{name: "order.created", status: "applied", tenant: &tenant, merchant: 100, payload: payload})
	text := d.event(deskEvent{name: "unreadable", status: "failed", words: "it is not JSON", text: `{"oops": <script>alert(2)</script>`})

	page := d.page(http.StatusOK, "/admin/events/"+id.String())

	if got := page.Find("pre").Text(); !strings.Contains(got, `"name": "</pre><script>alert(1)</script>"`) || !strings.Contains(got, "\n    \"n\": 12") {
		t.Errorf("payload = %s", got)
	}
	if scripts := page.Find("script:not([src])").Length(); scripts != 0 {
		t.Errorf("%d scripts came from a payload or a name", scripts)
	}
	if got := words(page.Find("main")); !strings.Contains(got, "Salla/2.1") || !strings.Contains(got, `<script>alert("name")</script>`) {
		t.Errorf("the page says %q", got)
	}
	if got := d.page(http.StatusOK, "/admin/events/"+text.String()).Find("pre").Text(); got != `{"oops": <script>alert(2)</script>` {
		t.Errorf("text = %s", got)
	}
	gone := d.page(http.StatusOK, "/admin/events/"+d.event(deskEvent{name: "old", status: "applied"}).String())
	if gone.Find("#no-payload").Length() != 1 || gone.Find(`form[action$="/replay"]`).Length() != 0 {
		t.Error("an event whose payload was dropped: want a sentence, and no replay")
	}
}

func TestEventIsReplayed(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.event(deskEvent{name: "order.created", status: "failed", words: "Salla answered 500", attempts: 12, payload: `{"a": 1}`})
	address := "/admin/events/" + id.String()

	a := d.press(d.page(http.StatusOK, address).Find(`form[action$="/replay"]`))

	if a.Code != http.StatusSeeOther || a.Header.Get("Location") != address {
		t.Fatalf("replay: %d to %q: %s", a.Code, a.Header.Get("Location"), a.Body)
	}
	page := d.page(http.StatusOK, address)
	if got := words(page.Find(".timeline")); !strings.Contains(got, "replayed by "+deskOperator) || !strings.Contains(got, "it was failed") {
		t.Errorf("timeline = %q", got)
	}
	if page.Find(`form[action$="/replay"]`).Length() != 0 {
		t.Error("an event that is on its way can be replayed")
	}
	if got := one[int](d.site, `SELECT count(*) FROM audit WHERE act = 'event.replay' AND actor = $1 AND address <> ''`, deskOperator); got != 1 {
		t.Errorf("%d lines in the audit, want 1", got)
	}
	lanes, err := d.s.Queue.Lanes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if lanes[1].Pending != 1 {
		t.Errorf("lane events = %+v, want one pending task", lanes[1])
	}
	again := d.send(http.MethodPost, address+"/replay", "", map[string]string{"Cookie": d.cookie})
	if again.Code != http.StatusConflict {
		t.Errorf("a second replay: %d, want 409", again.Code)
	}
	foreign := d.send(http.MethodPost, address+"/replay", "", map[string]string{"Cookie": d.cookie, "Sec-Fetch-Site": "cross-site"})
	if foreign.Code != http.StatusForbidden {
		t.Errorf("a replay from another site's page: %d, want 403", foreign.Code)
	}
}

func TestEventStreams(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.event(deskEvent{name: "order.created", status: "waiting", waiting: "merchant", merchant: 7, ago: time.Minute})

	d.first("/admin/events/live?status=waiting", "event-"+id.String())
	d.first("/admin/events/"+id.String()+"/live", "waits for a tenant with merchant 7")
}

func TestListsNeedAnOperator(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.event(deskEvent{name: "order.created", status: "failed", words: "x", payload: `{}`})
	for _, path := range []string{
		"/admin/events", "/admin/events/live", "/admin/events/" + id.String(), "/admin/imports", "/admin/imports/live",
		"/admin/lanes", "/admin/lanes/live", "/admin/lanes/failed?task=event:apply", "/admin/workers", "/admin/workers/live", "/admin/search?q=x",
	} {
		a := d.send(http.MethodGet, path, "", nil)
		if a.Code != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/admin/sign-in?next=") {
			t.Errorf("GET %s as nobody: %d to %q, want the sign-in", path, a.Code, a.Header.Get("Location"))
		}
	}
	for _, path := range []string{
		"/admin/events/" + id.String() + "/replay", "/admin/lanes/events/pause", "/admin/lanes/events/resume", "/admin/lanes/failed/retry",
	} {
		a := d.send(http.MethodPost, path, "task=event:apply&id="+id.String(), map[string]string{"Content-Type": "application/x-www-form-urlencoded"})
		if a.Code != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/admin/sign-in") {
			t.Errorf("POST %s as nobody: %d, want the sign-in", path, a.Code)
		}
	}
	if got := one[string](d.site, `SELECT status || state FROM events`); got != "failedfailed" {
		t.Errorf("nobody changed the event to %s", got)
	}
}

// eventOf reads an event.
func eventOf(d *desk, id uuid.UUID) store.Event {
	d.t.Helper()
	e, err := d.s.DB.Event(d.t.Context(), id)
	if err != nil {
		d.t.Fatal(err)
	}
	return e
}

// Times are given in the reader's zone and stand in the address as everybody reads
// them; a text needs a bound, and where it has none the page says so and leads on.
func TestEventsPageSearchesTimeAndText(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.event(deskEvent{name: "order.created", status: "applied", merchant: 100, payload: `{"data": {"id": 5521, "name": "نورة"}}`})
	d.event(deskEvent{name: "order.created", status: "applied", merchant: 100, payload: `{"data": {"id": 4}}`})
	hour := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)

	page := d.page(http.StatusOK, "/admin/events?text=5521&from="+hour)

	if rows := page.Find("#events tbody tr"); rows.Length() != 1 || rows.AttrOr("id", "") != "event-"+id.String() {
		t.Errorf("the text finds %d rows", rows.Length())
	}
	if got := words(page.Find(".chips")); !strings.Contains(got, "payload has “5521” ✕") || !strings.Contains(got, "from ") {
		t.Errorf("chips = %q", got)
	}
	if page.Find("body").AttrOr("data-stream", "") != "" {
		t.Error("a search is made again each second")
	}
	if got := page.Find("#text").AttrOr("value", ""); got != "5521" {
		t.Errorf("the field holds %q", got)
	}
	if n := d.page(http.StatusOK, "/admin/events?merchant=100&text=%D9%86%D9%88%D8%B1%D8%A9").Find("#events tbody tr").Length(); n != 1 {
		t.Errorf("a text within a merchant finds %d rows, want 1", n)
	}
	if n := d.page(http.StatusOK, "/admin/events?to="+hour).Find("#events tbody tr").Length(); n != 0 {
		t.Errorf("%d events are older than an hour", n)
	}
	refused := d.page(http.StatusUnprocessableEntity, "/admin/events?text=5521")
	if got := words(refused.Find("#text-error")); !strings.Contains(got, "one merchant, or within at most 31 days") {
		t.Errorf("a text without a bound: %q", got)
	}
	d.page(http.StatusOK, refused.Find(".empty a").AttrOr("href", ""))

	d.cookie += "; zone=Asia%2FRiyadh"
	to := d.led("/admin/events?from=2026-01-31T10:00&to=&status=&q=&text=x")
	if to != "/admin/events?from=2026-01-31T07%3A00%3A00Z&text=x" {
		t.Errorf("a local time leads to %q", to)
	}
	if got := d.page(http.StatusOK, to+"&merchant=100").Find("#from").AttrOr("value", ""); got != "2026-01-31T10:00" {
		t.Errorf("the field holds %q, want the local time", got)
	}
	d.page(http.StatusBadRequest, "/admin/events?from=yesterday")
	if a := d.send(http.MethodGet, "/admin/events/live?merchant=100&text=x", "", map[string]string{"Cookie": d.cookie}); a.Code != http.StatusUnprocessableEntity {
		t.Errorf("the stream of a search: %d, want 422", a.Code)
	}
}
