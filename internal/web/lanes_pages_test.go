package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
)

func TestLanesPage(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.exec(`
		INSERT INTO workers (id, host, pid, version, concurrency, lanes, memory_bytes)
		VALUES ($1, 'w1', 7, 'v1', 20, '{events,imports}', 1)`, uuid.New())
	for range 3 {
		d.enqueue(tasks.Ref{Kind: store.KindImportPage, ID: uuid.New(), Epoch: 1, Lane: tasks.LaneImports})
	}
	d.event(deskEvent{name: "order.created", status: "received", state: "held", merchant: 7})
	d.exec(`
		INSERT INTO healings (id, task, row_id, epoch, reason)
		VALUES ($1, 'event:apply', $2, 2, 'its worker stopped without a word: the lease ran out')`, uuid.Must(uuid.NewV7()), uuid.New())

	page := d.page(http.StatusOK, "/admin/lanes")

	if got := page.Find("#lanes tbody tr").Length(); got != len(tasks.Lanes()) {
		t.Errorf("%d lanes, want %d", got, len(tasks.Lanes()))
	}
	imports := page.Find("#lane-imports")
	if got := words(imports.Find(`[data-label="Pending"]`)); got != "3" {
		t.Errorf("pending imports = %q, want 3", got)
	}
	if got := words(imports.Find(`[data-label="Workers"]`)); got != "1" {
		t.Errorf("workers on imports = %q, want 1", got)
	}
	if got := words(page.Find("#lane-events").Find(`[data-label="Held back"]`)); got != "1" {
		t.Errorf("held events = %q, want 1", got)
	}
	if got := words(page.Find("#lane-crm")); !strings.Contains(got, "no worker") {
		t.Errorf("lane crm = %q, want that no worker is on it", got)
	}
	if got := words(page.Find("#healings")); !strings.Contains(got, "Apply an event Its worker stopped without a word") {
		t.Errorf("healings = %q", got)
	}
	if page.Find(`a[href="/admin/queues"]`).Length() == 0 {
		t.Error("nothing leads to Asynqmon")
	}
	d.first("/admin/lanes/live", "lane-imports")
}

func TestLaneIsPausedAndResumed(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	form := func() *goquery.Selection {
		return d.page(http.StatusOK, "/admin/lanes").Find("#lane-imports form")
	}

	if a := d.press(form()); a.Code != http.StatusSeeOther {
		t.Fatalf("pause: %d %s", a.Code, a.Body)
	}
	page := d.page(http.StatusOK, "/admin/lanes")
	if got := words(page.Find(`#lane-imports [data-label="State"]`)); got != "paused" {
		t.Errorf("state = %q, want paused", got)
	}
	twice := d.send(http.MethodPost, "/admin/lanes/imports/pause", "", map[string]string{"Cookie": d.cookie})
	if twice.Code != http.StatusSeeOther {
		t.Errorf("pausing twice: %d, want 303", twice.Code)
	}
	if a := d.press(form()); a.Code != http.StatusSeeOther || !strings.Contains(a.Header.Get("Set-Cookie"), flashCookie) {
		t.Fatalf("resume: %d %s", a.Code, a.Body)
	}
	if got := words(d.page(http.StatusOK, "/admin/lanes").Find(`#lane-imports [data-label="State"]`)); got == "paused" {
		t.Error("the lane is still paused")
	}
	if got := one[string](d.site, `SELECT string_agg(act || ' ' || subject, ', ' ORDER BY id) FROM audit WHERE actor = $1`, deskOperator); got != "queue.pause lane imports, queue.pause lane imports, queue.resume lane imports" {
		t.Errorf("audit = %q", got)
	}
	nowhere := d.send(http.MethodPost, "/admin/lanes/nothing/pause", "", map[string]string{"Cookie": d.cookie})
	if nowhere.Code != http.StatusNotFound {
		t.Errorf("pausing a lane that is none: %d, want 404", nowhere.Code)
	}
}

// leaver is a queue whose caller goes away in the middle of an act.
type leaver struct {
	*bell
	leave context.CancelFunc
}

func (l leaver) Pause(ctx context.Context, _ string, _ bool) error {
	l.leave()
	return ctx.Err()
}

// A lane that was paused is in the audit, whether or not somebody waits for the answer.
func TestPauseIsNotedThoughItsCallerLeft(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d.s.Queue = leaver{d.bell, cancel}
	r := httptest.NewRequest(http.MethodPost, lanesPath+"/imports/pause", nil).WithContext(ctx)
	r.Header.Set("Cookie", d.cookie)

	d.s.Handler().ServeHTTP(httptest.NewRecorder(), r)

	if got := one[string](d.site, `SELECT string_agg(act || ' ' || subject, ', ') FROM audit`); ctx.Err() == nil || got != "queue.pause lane imports" {
		t.Errorf("audit = %q, gone: %v", got, ctx.Err())
	}
}

// While Redis is down the page says so, and shows what PostgreSQL knows.
func TestLanesPageWithoutRedis(t *testing.T) {
	t.Parallel()
	d := deskWith(t, "redis://127.0.0.1:1/0")
	d.event(deskEvent{name: "order.created", status: "received", merchant: 7})
	d.event(deskEvent{name: "order.created", status: "failed", words: "Salla answered 500", merchant: 7, payload: "{}"})

	page := d.page(http.StatusOK, "/admin/lanes")

	if got := words(page.Find(".notices")); !strings.Contains(got, "Redis does not answer") {
		t.Errorf("notices = %q", got)
	}
	lane := page.Find("#lane-events")
	if got := words(lane.Find(`[data-label="Pending"]`)) + words(lane.Find(`[data-label="Due rows"]`)); got != "–1" {
		t.Errorf("pending and due = %q, want a dash and 1", got)
	}
	if lane.Find("form").Length() != 0 {
		t.Error("a lane can be paused without Redis")
	}
	if page.Find("#failed tbody tr").Length() != 1 {
		t.Error("the failed event is not shown")
	}
	a := d.send(http.MethodPost, "/admin/lanes/events/pause", "", map[string]string{"Cookie": d.cookie})
	if a.Code != http.StatusServiceUnavailable || !strings.Contains(string(a.Body), "Redis does not answer") {
		t.Errorf("pausing without Redis: %d %s", a.Code, a.Body)
	}
	if got := one[int](d.site, `SELECT count(*) FROM audit`); got != 0 {
		t.Errorf("%d lines in the audit of what was not done", got)
	}
	retried := d.retry(page)
	if retried.Code != http.StatusSeeOther {
		t.Errorf("retrying without Redis: %d, want 303: the row is runnable", retried.Code)
	}
}

// A dead letter is found by its reason and retried: its row is runnable again, its
// archived task is run, and a worker that takes it does the work anew.
func TestFailedWorkIsRetried(t *testing.T) {
	t.Parallel()
	desk := newDesk(t)
	d := &queuesSite{desk.site, desk.rdb}
	tenant := desk.store("متجر النخيل", 100, "ready")
	var ids []uuid.UUID
	for i := range 3 {
		ids = append(ids, desk.event(deskEvent{
			name: "order.created", status: "failed", attempts: 12, tenant: &tenant, merchant: 100, payload: "{}",
			words: fmt.Sprintf("Salla answered %d for order %d of %s", 500+i, i, uuid.New()),
		}))
	}
	desk.event(deskEvent{name: "order.updated", status: "failed", words: "its document cannot be read", attempts: 1, payload: "{}"})
	ref := tasks.Ref{Kind: store.KindEventApply, ID: ids[2], Epoch: 1, Lane: tasks.LaneEvents}
	d.archive(ref)

	page := desk.page(http.StatusOK, "/admin/lanes")

	if got := words(page.Find("#failed tbody tr").First()); !strings.HasPrefix(got, "Apply an event event:apply Salla answered … for order … of …") || !strings.Contains(got, " 3 ") {
		t.Errorf("the largest group is %q", got)
	}
	group := page.Find("#failed tbody a.row").First().AttrOr("href", "")
	list := desk.page(http.StatusOK, group)
	if got := list.Find("#failed tbody tr").Length(); got != 3 {
		t.Fatalf("the group has %d rows, want 3", got)
	}
	row := list.Find("#failed-" + ids[2].String())
	if got := words(row); !strings.Contains(got, "متجر النخيل") || !strings.Contains(got, "Salla answered 502") || !strings.Contains(got, "12") {
		t.Errorf("row = %q", got)
	}

	a := desk.press(row.Find("form"))

	if a.Code != http.StatusSeeOther || a.Header.Get("Location") != group {
		t.Fatalf("retry: %d to %q: %s", a.Code, a.Header.Get("Location"), a.Body)
	}
	if got := one[string](desk.site, `SELECT state || ' ' || status || ' ' || attempts FROM events WHERE id = $1`, ids[2]); got != "runnable received 0" {
		t.Errorf("the retried row is %q", got)
	}
	lanes, err := d.s.Queue.Lanes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if lanes[1].Pending != 1 || lanes[1].Archived != 0 {
		t.Errorf("lane events = %+v, want the archived task run", lanes[1])
	}
	lease, taken, err := desk.s.DB.Take(t.Context(), store.Task(ref), time.Minute)
	if err != nil || taken != store.TakenOurs {
		t.Fatalf("take: %v, %v", taken, err)
	}
	if _, err := desk.s.DB.FinishEvent(t.Context(), lease, store.EventEnd{Status: store.EventApplied}); err != nil {
		t.Fatal(err)
	}
	if left := desk.page(http.StatusOK, group).Find("#failed tbody tr").Length(); left != 2 {
		t.Errorf("%d are left in the group, want 2", left)
	}
	again := desk.send(http.MethodPost, "/admin/lanes/failed/retry", "task=event:apply&id="+ids[2].String(),
		map[string]string{"Cookie": desk.cookie, "Content-Type": "application/x-www-form-urlencoded"})
	if again.Code != http.StatusConflict {
		t.Errorf("retrying what is done: %d, want 409", again.Code)
	}
	desk.page(http.StatusNotFound, "/admin/lanes/failed?task=no:such&group="+strings.Repeat("a", 32))
	desk.page(http.StatusNotFound, "/admin/lanes/failed?task=event:apply&group=x")
}

// What was given up is truly done again by a worker once it is retried.
func TestRetriedWorkIsDoneByAWorker(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := uuid.New()
	d.exec(`INSERT INTO schema_targets (id, server, wanted_version) VALUES ($1, 'here:5432', 1)`, id)
	state := func(want string) func() bool {
		return func() bool { return one[string](d.site, `SELECT state FROM schema_targets WHERE id = $1`, id) == want }
	}
	var mended atomic.Bool
	x := &queuesSite{d.site, d.rdb}
	defer x.work(t, func(context.Context, store.Lease) ([]store.Task, error) {
		if mended.Load() {
			return nil, nil
		}
		return nil, fault.Permanent(errors.New("the server is not there"))
	})()
	d.enqueue(tasks.Ref{Kind: store.KindSchemaBootstrap, ID: id, Epoch: 1, Lane: tasks.LaneProvisioning})
	dbtest.Eventually(t, 20*time.Second, "the work is given up", state("failed"))
	mended.Store(true)

	if a := d.retry(d.page(http.StatusOK, "/admin/lanes")); a.Code != http.StatusSeeOther {
		t.Fatalf("retry: %d %s", a.Code, a.Body)
	}

	dbtest.Eventually(t, 20*time.Second, "the work is done", state("done"))
}

func TestFailedTenantIsRetried(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.store("Palm", 100, "failed")
	d.exec(`UPDATE tenants SET last_error = 'Clerk refused', attempts = 8 WHERE id = $1`, id)

	a := d.retry(d.page(http.StatusOK, "/admin/lanes"))

	if a.Code != http.StatusSeeOther {
		t.Fatalf("retry: %d %s", a.Code, a.Body)
	}
	if got := one[string](d.site, `SELECT status || ' ' || state FROM tenants WHERE id = $1`, id); got != "provisioning runnable" {
		t.Errorf("the retried tenant is %q", got)
	}
}

func TestWorkersPage(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	tenant := d.store("متجر النخيل", 100, "ready")
	event := uuid.New()
	d.worker("w-busy", "now()", "NULL", "NULL", fmt.Sprintf(`[{"task": "event:apply", "row": %q, "tenant": %q, "since": "2026-01-01T00:00:00Z"}]`, event, tenant))
	d.worker("w-idle", "now()", "NULL", "NULL", "[]")
	d.worker("w-stopping", "now()", "now()", "NULL", "[]")
	d.worker("w-lost", "now() - interval '1 minute'", "NULL", "NULL", `[{"task": "import:page", "row": "`+uuid.NewString()+`", "since": "2026-01-01T00:00:00Z"}]`)
	d.worker("w-stopped", "now() - interval '1 minute'", "now()", "now()", "[]")

	page := d.page(http.StatusOK, "/admin/workers")

	states := map[string]string{}
	page.Find("#workers tbody tr").Each(func(_ int, tr *goquery.Selection) {
		name, _, _ := strings.Cut(words(tr.Find(".head")), ":")
		states[name] = words(tr.Find(`[data-label="State"] .status`))
	})
	for name, want := range map[string]string{
		"w-busy": "working", "w-idle": "idle", "w-stopping": "stopping", "w-lost": "lost", "w-stopped": "stopped",
	} {
		if states[name] != want {
			t.Errorf("%s is %q, want %q", name, states[name], want)
		}
	}
	busy := page.Find("#workers tbody tr").First()
	if got := words(busy); !strings.Contains(got, "Apply an event for متجر النخيل") || !strings.Contains(got, "1 of 20") || !strings.Contains(got, "2.9 MB") {
		t.Errorf("the busy worker's row is %q", got)
	}
	if busy.Find(`a[href="/admin/events/`+event.String()+`"]`).Length() != 1 {
		t.Error("what it does leads nowhere")
	}
	if got := words(page.Find("main > .live > p")); got != "2 workers run, 1 stopping, 1 lost, 1 stopped · 1 of 60 slots busy" {
		t.Errorf("sum = %q", got)
	}
	d.first("/admin/workers/live", "w-busy")
	d.exec(`DELETE FROM workers`)
	if got := words(d.page(http.StatusOK, "/admin/workers").Find(".empty")); !strings.Contains(got, "--scale worker=3") {
		t.Errorf("without workers: %q", got)
	}
}

// enqueue puts a task on its lane.
func (d *desk) enqueue(ref tasks.Ref) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), 10*time.Second)
	defer cancel()
	if err := d.s.Queue.Enqueue(ctx, ref); err != nil {
		d.t.Fatal(err)
	}
}

// retry presses the first Retry of the first group that the page of lanes shows.
func (d *desk) retry(lanes *goquery.Document) answer {
	d.t.Helper()
	href := lanes.Find("#failed tbody a.row").First().AttrOr("href", "")
	if u, err := url.Parse(href); err != nil || u.Path != "/admin/lanes/failed" {
		d.t.Fatalf("a group of failed work leads to %q", href)
	}
	return d.press(d.page(http.StatusOK, href).Find("#failed tbody form").First())
}

// worker notes a process, with SQL for its times.
func (d *desk) worker(host, seen, stopping, stopped, busy string) {
	d.t.Helper()
	d.exec(`
		INSERT INTO workers (id, host, pid, version, started_at, seen_at, stopping_at, stopped_at, concurrency, lanes, memory_bytes, busy)
		VALUES ($1, $2, 4711, '1.2.0', now() - interval '2 hours', `+seen+`, `+stopping+`, `+stopped+`, 20,
		        '{provisioning,events,imports,crm,maintenance}', 3000000, $3)`, uuid.New(), host, busy)
}
