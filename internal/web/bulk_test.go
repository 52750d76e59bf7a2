package web

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/bulk"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

// choose posts a list's form and returns the address of the act that was chosen.
func (d *desk) choose(fields url.Values) string {
	d.t.Helper()
	a := d.post("/admin/bulk/new", fields)
	to := a.Header.Get("Location")
	if a.Code != http.StatusSeeOther || !strings.HasPrefix(to, "/admin/bulk/") {
		d.t.Fatalf("chosen: %d to %q: %s", a.Code, to, a.Body)
	}
	return to
}

// work does what is due of bulk acts, as a worker would.
func (d *desk) work() {
	d.t.Helper()
	for {
		id := one[*uuid.UUID](d.site, `SELECT (SELECT id FROM bulk_acts WHERE state = 'runnable' LIMIT 1)`)
		if id == nil {
			return
		}
		epoch := one[int64](d.site, `SELECT epoch FROM bulk_acts WHERE id = $1`, *id)
		l, taken, err := d.s.DB.Take(d.t.Context(), store.Task{Kind: store.KindBulkApply, ID: *id, Epoch: epoch}, time.Minute)
		if err != nil || taken != store.TakenOurs {
			d.t.Fatalf("take a bulk act: %v, %v", taken, err)
		}
		if _, err := (&bulk.Applier{DB: d.s.DB, Log: d.s.Log}).Apply(d.t.Context(), l); err != nil {
			d.t.Fatal(err)
		}
	}
}

// bulkStart is the form that starts the suspension of one store.
func bulkStart() url.Values { return url.Values{"why": {"the bank asked"}, "confirm": {"1"}} }

// chosen is the address of a bulk act on one store, brought to a status.
func (d *desk) chosen(status string) string {
	d.t.Helper()
	id := d.store("Chosen", int64(uuid.New().ID()), "ready")
	path := d.choose(url.Values{"of": {"tenants"}, "act": {"suspend"}, "id": {id.String()}})
	if status != store.BulkReady {
		d.post(path+"/start", bulkStart())
	}
	switch status {
	case store.BulkPaused:
		d.post(path+"/pause", nil)
	case store.BulkDone:
		d.work()
	}
	return path
}

// From the list over the dry run to the end: what is said before is what is done, in
// as many turns as it takes, and each store's audit has its line.
func TestBulkSuspendFromTheList(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for i := range 60 {
		d.store(fmt.Sprintf("Store %d", i), int64(1000+i), "ready")
	}
	d.store("Held <b>back</b>", 2000, "suspended")
	d.store("Gone", 2001, "deleted")

	list := d.page(http.StatusOK, "/admin/tenants")
	if n := list.Find(`#tenants input[form="bulk"][name="id"]`).Length(); n != 50 {
		t.Errorf("%d rows can be ticked, want all 50", n)
	}
	if got := words(list.Find("form#bulk label")); got != "all 62 of this list" {
		t.Errorf("the whole list is offered as %q", got)
	}
	if buttons := words(list.Find("form#bulk button")); buttons != "Retry… Import again… Suspend… Resume…" {
		t.Errorf("acts: %s", buttons)
	}
	path := d.choose(url.Values{"of": {"tenants"}, "act": {"suspend"}, "all": {"yes"}})
	d.store("Comes later", 3000, "ready")
	draft := d.page(http.StatusOK, path)
	would := words(draft.Find(".would").First())
	for _, want := range []string{
		"60 stores would be suspended", "and 55 more", "1 store would be passed over It is suspended already. Held <b>back</b>",
		"1 store would be passed over It is deleted.",
	} {
		if !strings.Contains(would, want) {
			t.Errorf("the dry run does not say %q: %s", want, would)
		}
	}
	if got := words(draft.Find(".bullets")); !strings.Contains(got, "It can be undone") {
		t.Errorf("nothing says whether it can be undone: %s", got)
	}
	if n := one[int](d.site, `SELECT count(*) FROM tenants WHERE status = 'suspended'`); n != 1 {
		t.Fatalf("%d are suspended before it was started", n)
	}

	for name, fields := range map[string]url.Values{
		"no reason":    {"confirm": {"62"}},
		"two letters":  {"why": {"no"}, "confirm": {"62"}},
		"too long":     {"why": {strings.Repeat("م", 501)}, "confirm": {"62"}},
		"wrong number": {"why": {"the bank asked"}, "confirm": {"61"}},
		"no number":    {"why": {"the bank asked"}},
	} {
		a := d.post(path+"/start", fields)
		form := parsed(t, a.Body).Find("form#start")
		if a.Code != http.StatusUnprocessableEntity || form.Find(".mistake").Length() == 0 || form.Find("[name=why]").AttrOr("value", "") != fields.Get("why") {
			t.Errorf("%s: %d %s", name, a.Code, words(form))
		}
	}
	if said := d.after(d.post(path+"/start", url.Values{"why": {"the bank asked"}, "confirm": {"٦٢"}})); !strings.Contains(said, "Started") {
		t.Errorf("started: %s", said)
	}
	d.work()

	done := d.page(http.StatusOK, path)
	facts := words(done.Find("#state .facts"))
	for _, want := range []string{"Changed 60", "Passed over 2", "Failed 0", "Not come to 0", "Started by " + deskOperator, "Reason the bank asked"} {
		if !strings.Contains(facts, want) {
			t.Errorf("the end does not say %q: %s", want, facts)
		}
	}
	if got := words(done.Find("#state .status").First()); got != "done" {
		t.Errorf("status %q", got)
	}
	if n := one[int](d.site, `SELECT count(*) FROM audit WHERE act = 'tenant.suspend' AND actor = $1 AND details->>'reason' = 'the bank asked'`, deskOperator); n != 60 {
		t.Errorf("%d lines in the audit, want 60", n)
	}
	if s := one[string](d.site, `SELECT status FROM tenants WHERE merchant = 3000`); s != "ready" {
		t.Errorf("the store that came later is %s", s)
	}
	skipped := d.page(http.StatusOK, path+"?show=skipped")
	if rows := skipped.Find("#items tbody tr"); rows.Length() != 2 || !strings.Contains(words(rows), "It is suspended already.") {
		t.Errorf("passed over: %s", words(rows))
	}
	if rows := d.page(http.StatusOK, "/admin/bulk").Find("#bulks tbody tr"); !strings.Contains(words(rows), "Suspend: 62 stores") || !strings.Contains(words(rows), "62 / 62") {
		t.Errorf("the list of bulk acts: %s", words(rows))
	}

	a := d.send(http.MethodGet, path+"/items.csv", "", map[string]string{"Cookie": d.cookie})
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(a.Body), mark))).ReadAll()
	if err != nil || len(rows) != 63 || rows[0][0] != "n" {
		t.Errorf("the file has %d rows: %v", len(rows), err)
	}
}

// Undo leads over a dry run of its own; an act that nothing takes back says so before
// it starts and afterwards.
func TestBulkUndoFromThePage(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ids := []uuid.UUID{d.store("One", 1, "ready"), d.store("Two", 2, "ready")}
	other := d.store("Three", 3, "ready")
	path := d.choose(url.Values{"of": {"tenants"}, "act": {"suspend"}, "id": {ids[0].String(), ids[1].String()}})
	d.post(path+"/start", url.Values{"why": {"the bank asked"}, "confirm": {"2"}})
	d.work()

	a := d.press(d.page(http.StatusOK, path).Find(`form[action$="/undo"]`))
	undo := a.Header.Get("Location")
	draft := d.page(http.StatusOK, undo)
	if got := words(draft.Find("h1")) + " · " + words(draft.Find(".would").First()); !strings.HasPrefix(got, "Undo · Resume: 2 stores · 2 stores would be resumed") {
		t.Errorf("the undo says %s", got)
	}
	d.post(undo+"/start", url.Values{"why": {"the bank is content"}})
	d.work()

	if n := one[int](d.site, `SELECT count(*) FROM tenants WHERE task = 'tenant:resume'`); n != 2 {
		t.Errorf("%d are being resumed, want 2", n)
	}
	if s := one[string](d.site, `SELECT task FROM tenants WHERE id = $1`, other); s == "tenant:resume" {
		t.Error("a store that was not chosen is resumed")
	}
	if href := d.page(http.StatusOK, path).Find("#state a.button").AttrOr("href", ""); href != undo {
		t.Errorf("the act leads to its undo at %q, want %s", href, undo)
	}

	path = d.choose(url.Values{"of": {"tenants"}, "act": {"import"}, "id": {other.String()}})
	draft = d.page(http.StatusOK, path)
	if !strings.Contains(words(draft.Find(".bullets")), "It can't be undone") || draft.Find(`form#start [name="resources"]`).Length() != 5 {
		t.Errorf("an import says %s", words(draft.Find("main")))
	}
	late := d.post(path+"/start", url.Values{"why": {"their carts"}, "resources": {"carts"}, "since": {"2999-01-01"}})
	if form := parsed(t, late.Body).Find("form#start"); late.Code != http.StatusUnprocessableEntity ||
		!strings.Contains(words(form.Find("#mistake")), "Nothing was started") || form.Find(`[name="since"]`).AttrOr("value", "") != "2999-01-01" ||
		form.Find(`[value="carts"][checked]`).Length() != 1 {
		t.Errorf("from a day to come: status %d, %s", late.Code, words(form))
	}
	d.post(path+"/start", url.Values{"why": {"their carts"}, "resources": {"carts", "orders"}, "since": {"2026-01-31"}})
	d.work()
	if got := one[string](d.site, `SELECT resources::text || ' ' || (since AT TIME ZONE 'Asia/Riyadh') FROM runs WHERE tenant_id = $1`, other); got != "{carts,orders} 2026-01-31 00:00:00" {
		t.Errorf("%s is imported", got)
	}
	if got := words(d.page(http.StatusOK, path).Find("#state")); !strings.Contains(got, "Orders since 31 Jan 2026") {
		t.Errorf("the act says %s", got)
	}
	if got := words(d.page(http.StatusOK, path).Find("#state")); !strings.Contains(got, "It can't be undone") {
		t.Errorf("the end says %s", got)
	}
}

// The lists of events and of failed work choose what they show, filter and all.
func TestBulkChoosesWhatTheListShows(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.store("Palm", 7, "ready")
	for _, e := range []deskEvent{
		{name: "order.created", status: "failed", words: "no id", payload: `{"a":1}`},
		{name: "order.updated", status: "failed", words: "no total", payload: `{"a":2}`},
		{name: "order.updated", status: "applied", payload: `{"a":3}`},
	} {
		e.tenant, e.merchant = &id, 7
		d.event(e)
	}
	for name, tt := range map[string]struct {
		list   string
		fields url.Values
		want   int
		says   string
	}{
		"events of a status": {"/admin/events?status=failed", url.Values{"of": {"events"}, "act": {"replay"}, "status": {"failed"}}, 2, "events: status failed"},
		"events by a text":   {"/admin/events?text=%3A+3&merchant=7", url.Values{"of": {"events"}, "act": {"replay"}, "text": {": 3"}, "merchant": {"7"}}, 1, "events: merchant 7, payload has “: 3”"},
		"failed work":        {"/admin/lanes/failed?reason=total", url.Values{"of": {"dead"}, "act": {"retry"}, "reason": {"total"}}, 1, "failed work: reason has “total”"},
	} {
		list := d.page(http.StatusOK, tt.list)
		if n := list.Find(`input[form="bulk"]`).Length(); n != tt.want {
			t.Errorf("%s: %d rows can be ticked, want %d", name, n, tt.want)
		}
		sent := url.Values{"act": tt.fields["act"], "all": {"yes"}}
		for _, in := range list.Find(`form#bulk input[type="hidden"]`).EachIter() {
			sent.Set(in.AttrOr("name", ""), in.AttrOr("value", ""))
		}
		tt.fields.Set("all", "yes")
		if diff := cmp.Diff(tt.fields, sent); diff != "" {
			t.Errorf("%s: the form sends (-want +got):\n%s", name, diff)
		}
		path := d.choose(sent)
		draft := d.page(http.StatusOK, path)
		if n := one[int](d.site, `SELECT total FROM bulk_acts WHERE id = $1`, strings.TrimPrefix(path, "/admin/bulk/")); n != tt.want {
			t.Errorf("%s: %d are chosen, want %d", name, n, tt.want)
		}
		if got := words(draft.Find("main > p bdi").First()); got != tt.says {
			t.Errorf("%s: %q was chosen, want %q", name, got, tt.says)
		}
	}

	ticked := d.page(http.StatusOK, "/admin/lanes/failed").Find(`input[form="bulk"]`)
	path := d.choose(url.Values{"of": {"dead"}, "act": {"retry"}, "id": {ticked.First().AttrOr("value", "")}})
	d.post(path+"/start", url.Values{"why": {"mended"}})
	d.work()
	if n := one[int](d.site, `SELECT count(*) FROM events WHERE state = 'failed'`); n != 1 {
		t.Errorf("%d are still failed, want the one that was not ticked", n)
	}
	if said := d.after(d.post("/admin/bulk/new", url.Values{"of": {"events"}, "act": {"replay"}, "status": {"failed"}})); !strings.Contains(said, "Nothing was chosen") {
		t.Errorf("nothing ticked: %s", said)
	}
	if said := d.after(d.post("/admin/bulk/new", url.Values{"of": {"events"}, "act": {"replay"}, "status": {"ignored"}, "all": {"yes"}})); !strings.Contains(said, "Nothing is chosen") {
		t.Errorf("an empty list: %s", said)
	}
	for _, fields := range []url.Values{{"of": {"nothing"}}, {"of": {"tenants"}, "act": {"suspend"}, "id": {"x"}}} {
		if a := d.post("/admin/bulk/new", fields); a.Code != http.StatusBadRequest && a.Code != http.StatusUnprocessableEntity {
			t.Errorf("%v: %d", fields, a.Code)
		}
	}
}

// Viewers look at bulk acts and are offered none; what they send is refused.
func TestBulkIsNotForViewers(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.store("Palm", 7, "failed")
	path := d.choose(url.Values{"of": {"tenants"}, "act": {"retry"}, "id": {id.String()}})
	d.exec(`UPDATE operators SET role = 'viewer'`)
	for _, page := range []string{"/admin/tenants", "/admin/events", "/admin/lanes/failed"} {
		if doc := d.page(http.StatusOK, page); doc.Find(`form#bulk, input[form="bulk"]`).Length() > 0 {
			t.Errorf("%s offers a viewer to choose", page)
		}
	}
	draft := d.page(http.StatusOK, path)
	if forms := draft.Find(`main form[method="post"]`); forms.Length() > 0 {
		t.Errorf("a viewer is offered %s", words(forms))
	}
	for _, act := range []string{"start", "drop", "pause", "resume", "cancel", "undo"} {
		if a := d.post(path+"/"+act, url.Values{"why": {"because"}}); a.Code != http.StatusForbidden {
			t.Errorf("%s by a viewer: %d", act, a.Code)
		}
	}
	if a := d.post("/admin/bulk/new", url.Values{"of": {"tenants"}, "act": {"retry"}, "all": {"yes"}}); a.Code != http.StatusForbidden {
		t.Errorf("chosen by a viewer: %d", a.Code)
	}
	if n := one[int](d.site, `SELECT count(*) FROM bulk_acts WHERE status = 'ready'`); n != 1 {
		t.Errorf("%d acts are there, want the one from before", n)
	}
}

// What the page of an act offers is what can be done to it.
func TestBulkStateOffersWhatCanBeDone(t *testing.T) {
	t.Parallel()
	at := func(when time.Time) templates.Moment { return templates.NewMoment(when, when, time.UTC) }
	why := "PostgreSQL: out of disk"
	undo := &store.Bulk{ID: uuid.New()}
	for name, tt := range map[string]struct {
		b    store.Bulk
		undo *store.Bulk
		acts string
		note bool
	}{
		"running":        {store.Bulk{Act: "suspend", Status: store.BulkRunning}, nil, "Pause, Cancel the rest", false},
		"paused":         {store.Bulk{Act: "suspend", Status: store.BulkPaused}, nil, "Resume, Cancel the rest", false},
		"given up":       {store.Bulk{Act: "suspend", Status: store.BulkRunning, State: "failed", LastError: &why}, nil, "Resume, Cancel the rest", false},
		"done":           {store.Bulk{Act: "suspend", Status: store.BulkDone, Changed: 2}, nil, "Undo…", false},
		"half cancelled": {store.Bulk{Act: "resume", Status: store.BulkCancelled, Changed: 1}, nil, "Undo…", false},
		"undone":         {store.Bulk{Act: "suspend", Status: store.BulkDone, Changed: 2}, undo, "", false},
		"changed none":   {store.Bulk{Act: "suspend", Status: store.BulkDone}, nil, "", true},
		"no way back":    {store.Bulk{Act: "replay", Kind: "events", Status: store.BulkDone, Changed: 2}, nil, "", true},
	} {
		v := bulkStateView(tt.b, nil, tt.undo, at)
		var acts []string
		for _, a := range v.Acts {
			acts = append(acts, a.Label)
		}
		if got := strings.Join(acts, ", "); got != tt.acts || (v.UndoNote != "") != tt.note || (v.UndoHref != "") != (tt.undo != nil) {
			t.Errorf("%s: %q, note %q, undo at %q", name, got, v.UndoNote, v.UndoHref)
		}
		if given := tt.b.LastError != nil; given != (v.Trouble != "") {
			t.Errorf("%s: trouble %q", name, v.Trouble)
		}
	}
}
