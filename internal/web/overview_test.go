package web

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/google/uuid"
)

// healthOf reads the line of health.
func healthOf(doc *goquery.Document) map[string]string {
	found := map[string]string{}
	doc.Find(`#health .figure`).Each(func(_ int, div *goquery.Selection) {
		var lines []string
		div.Find("p").Each(func(_ int, p *goquery.Selection) { lines = append(lines, strings.Fields(p.Text())...) })
		found[words(div.Find("h2"))] = strings.Join(lines, " ")
	})
	return found
}

// facts reads labels and what stands behind them.
func facts(s *goquery.Selection) map[string]string {
	found := map[string]string{}
	s.Find(".facts > div").Each(func(_ int, div *goquery.Selection) {
		found[words(div.Find("dt"))] = words(div.Find("dd"))
	})
	return found
}

func TestOverviewWhereAllIsWell(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.beat("now()")
	id := d.store("متجر النخيل", 7, "ready")
	d.exec(`UPDATE tenants SET created_at = now() - interval '2 minutes', ready_at = now() - interval '119.2 s' WHERE id = $1`, id)
	d.grant(id, "active")
	d.ladder(id, "verify", "done", "", 1)

	doc := d.page(http.StatusOK, "/admin")

	health := healthOf(doc)
	for label, want := range map[string]string{
		"API": "answers", "Workers": "1 runs 0 tasks in hand", "Redis": "answers", "PostgreSQL": "answers",
		"Salla": "in order last answered ", "Clerk": "in order last answered ",
	} {
		if got := health[label]; !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q", label, got, want)
		}
	}
	if got := words(doc.Find(`[data-live=needs]`)); got != "Nothing needs you." {
		t.Errorf("needs: %q", got)
	}
	if got := words(doc.Find(`[data-live=newest] tbody tr`)); !strings.Contains(got, "متجر النخيل 7") || !strings.Contains(got, "ready in 800 ms") {
		t.Errorf("newest: %q", got)
	}
	if dots := doc.Find(`[data-live=newest] tbody tr .steps > span`).Length(); dots != 7 {
		t.Errorf("%d steps, want 7", dots)
	}
	if style := doc.Find("[style]").Length(); style != 0 {
		t.Errorf("%d style attributes, which the policy forbids", style)
	}
}

func TestOverviewNeeds(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.beat("now() - interval '1 minute'")
	d.store("Failed", 1, "failed")
	d.store("Failed too", 2, "failed")
	d.grant(d.store("Parked", 3, "ready"), "needs_reauthorisation")
	unknown := d.store("Unknown", 4, "ready")
	d.grant(unknown, "refreshing")
	d.exec(`UPDATE connections SET refresh_unknown_at = now() WHERE id = $1`, unknown)
	invited := d.store("Invited", 5, "ready")
	d.exec(`UPDATE tenants SET clerk_owner = 'invited' WHERE id = $1`, invited)
	gone := d.store("Gone", 6, "ready")
	d.exec(`UPDATE tenants SET clerk_owner = 'member', clerk_owner_id = 'user_gone' WHERE id = $1`, gone)
	d.exec(`INSERT INTO clerk_users (id, deleted_at) VALUES ('user_gone', now())`)
	run := d.ranImport(invited, "initial", "incomplete", time.Hour)
	stream := d.readStream(run, invited, "orders", "failed", 60, 0, 0, 120)
	d.importPage(stream, run, invited, 1, 0, "failed", "salla: GET /orders: 500", 0, 0)
	other := d.readStream(run, invited, "carts", "running", 60, 0, 0, 120)
	d.importPage(other, run, invited, 1, 0, "runnable", "salla: GET /carts: 502 bad gateway", 0, 0)
	d.exec(`UPDATE pages SET attempts = 3 WHERE stream_id = $1`, other)
	d.event(deskEvent{name: "order.created", status: "failed", words: "it cannot be read"})

	doc := d.page(http.StatusOK, "/admin")

	var got []string
	doc.Find(`[data-live=needs] li`).Each(func(_ int, li *goquery.Selection) {
		got = append(got, words(li)+" "+li.Find("a").AttrOr("href", ""))
	})
	for _, want := range []string{
		"2 stores could not be set up: their pages say which step failed and what to do. see /admin/tenants?status=failed",
		"1 store needs its merchant: Salla does not accept its grant any more. Ask them to reinstall the app. see /admin/tenants?status=needs_reauthorisation",
		"1 grant was refreshed without an answer: it is not refreshed again, and ends with its access token. see /admin/tenants?status=refresh_unknown",
		"1 event failed for good: mend the cause, then replay it. see /admin/events?status=failed",
		"1 other piece of work was given up: the queues say why, and retry it. see /admin/lanes",
		"1 store's newest import did not come out whole. see /admin/tenants?status=import_incomplete",
		"1 store is ready, but its owner has not accepted the invitation. see /admin/tenants?status=owner_invited",
		"1 store has lost its owner or its organization at Clerk: its page says what to do. see /admin/tenants?status=owner_gone",
		"1 worker is lost: what it had in hand is taken up by others within a minute. see /admin/workers",
		"No worker runs: deliveries are kept, but nothing is worked on. Start one. see /admin/workers",
		"Salla gives errors; what needs it is tried again by itself. One of them: salla: GET /carts: 502 bad gateway. ",
	} {
		if !strings.Contains(strings.Join(got, "\n")+"\n", want+"\n") {
			t.Errorf("want %q among\n%s", want, strings.Join(got, "\n"))
		}
	}
	if salla := healthOf(doc)["Salla"]; salla != "gives errors 1 task is tried again" {
		t.Errorf("Salla: %q", salla)
	}
}

func TestOverviewWithoutRedis(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.s.PingRedis = func(context.Context) error { return errors.New("refused") }

	health := healthOf(d.page(http.StatusOK, "/admin"))

	if got := health["Redis"]; got != "does not answer deliveries are kept; work waits" {
		t.Errorf("Redis: %q", got)
	}
	if got := health["Workers"]; got != "none runs nothing is worked on" {
		t.Errorf("Workers: %q", got)
	}
}

func TestOverviewFigures(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for i, ready := range []string{"800 ms", "1200 ms", "4 s"} {
		id := d.store("Palm", int64(7+i), "ready")
		d.exec(`UPDATE tenants SET created_at = now() - interval '20 minutes', ready_at = now() - interval '20 minutes' + $2::interval WHERE id = $1`, id, ready)
		d.event(deskEvent{name: "order.created", status: "applied", tenant: &id, ago: time.Second})
		d.event(deskEvent{name: "order.created", status: "waiting", waiting: "grant", tenant: &id, ago: time.Second})
	}
	id := d.store("Dune", 10, "failed")
	run := d.ranImport(id, "initial", "running", time.Minute)
	stream := d.readStream(run, id, "orders", "running", 60, 0, 0, 120)
	d.importPage(stream, run, id, 1, 50, "done", "", 0, 30*time.Second)
	d.importPage(stream, run, id, 2, 0, "runnable", "", -90*time.Second, 0)

	for _, span := range []string{"hour", "day", "week"} {
		doc := d.page(http.StatusOK, "/admin?span="+span)
		values := map[string]string{}
		doc.Find("[data-live=figures] .figure").Each(func(_ int, f *goquery.Selection) {
			values[words(f.Find("h2"))] = words(f.Find(".value")) + ", " + words(f.Find("p.muted"))
			if f.Find("svg path.line").Length() != 1 {
				t.Errorf("%s: %s has no line", span, words(f.Find("h2")))
			}
		})
		for label, want := range map[string]string{
			"Installs": "4, in the last " + span, "Time to ready": "1.2 s, half of them · 95 %: 3.7 s", "Events in": "6, 3 applied",
			"Records a minute": "10, 50 in the last " + span, "Oldest waiting task": "1 m 3",
			"Failures": "1, given up, waiting for somebody",
		} {
			if !strings.HasPrefix(values[label], want) {
				t.Errorf("%s: %s is %q, want %q", span, label, values[label], want)
			}
		}
		if on := words(doc.Find(`.chips a[aria-current]`)); on != span {
			t.Errorf("the chip %q is on, want %s", on, span)
		}
	}
	d.page(http.StatusUnprocessableEntity, "/admin?span=year")
}

// Any number of readers cost one look around in a moment.
func TestSnapshotsAreShared(t *testing.T) {
	t.Parallel()
	var kept snapshots
	looks := make(chan struct{}, 100)
	look := func(context.Context, span) (snapshot, error) {
		looks <- struct{}{}
		if len(looks) > 1 {
			return snapshot{}, errors.New("it was looked twice")
		}
		return snapshot{at: time.Now()}, nil
	}
	done := make(chan error)
	for range 20 {
		go func() {
			_, err := kept.get(t.Context(), spans()[0], look)
			done <- err
		}()
	}
	for range 20 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if len(looks) != 1 {
		t.Errorf("%d looks, want 1", len(looks))
	}
}

// beat makes a worker process that was last heard of at a time, in SQL.
func (d *desk) beat(seen string) {
	d.t.Helper()
	d.exec(`
		INSERT INTO workers (id, host, pid, version, seen_at, concurrency, lanes, memory_bytes)
		VALUES ($1, 'worker-1', 7, 'test', `+seen+`, 20, '{events}', 50000000)`, uuid.New())
}
