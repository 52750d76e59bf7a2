package web

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

func TestStretchesOfDatesAreShownAsTheyWereLastRead(t *testing.T) {
	t.Parallel()
	first, again := uuid.New(), uuid.New()
	window := func(from, to string, total, low, high, records int64, last, pages int) store.Window {
		return store.Window{From: from, To: to, Total: &total, TotalLow: &low, TotalHigh: &high, Records: records, LastPage: last, Pages: pages}
	}
	whole := window("2024-01-01", "2024-02-01", 1500, 1500, 1500, 1500, 25, 25)
	shifted := window("2024-02-01", "2024-03-01", 1400, 1399, 1400, 1399, 24, 24)
	lacking := window("2024-03-01", "2024-04-01", 60, 60, 60, 58, 1, 1)
	reading := window("2024-04-01", "", 1200, 1200, 1200, 120, 20, 2)
	asked := store.Window{From: "2024-04-01"}
	streams := []store.Stream{{ID: first, Resource: "orders", Pass: 1, WindowAim: 1500}}
	ended := []store.Stream{streams[0], {ID: again, Resource: "orders", Pass: 2, Again: true}}
	ended[0].FinishedAt = &noon
	row := func(dates, kind, status, counted, came, pages string) templates.WindowRow {
		return templates.WindowRow{Dates: dates, Kind: kind, Status: status, Counted: counted, Came: came, Pages: pages}
	}
	for _, tt := range []struct {
		name    string
		streams []store.Stream
		windows map[uuid.UUID][]store.Window
		open    bool
		want    *templates.WindowsView
	}{
		{"not read by date", streams, nil, true, nil},
		{"being read", streams, map[uuid.UUID][]store.Window{first: {whole, shifted, reading}}, true, &templates.WindowsView{
			Line: "3 stretches of dates so far · 1 came whole: 1,500 orders · up to 2024-02-01",
			Rows: []templates.WindowRow{
				row("2024-02-01 to 2024-03-01", templates.Wait, "changed while it was read: to be read again", "1,400", "1,399", "24 / 24"),
				row("since 2024-04-01", templates.Run, "being read", "1,200", "120", "2 / 20"),
			},
		}},
		{"asked for", streams, map[uuid.UUID][]store.Window{first: {asked}}, true, &templates.WindowsView{
			Line: "1 stretch of dates so far",
			Rows: []templates.WindowRow{row("since 2024-04-01", templates.Run, "being read", "–", "0", "0")},
		}},
		{"read again", ended, map[uuid.UUID][]store.Window{
			first: {whole, shifted},
			again: {window(shifted.From, shifted.To, 1399, 1399, 1399, 1399, 24, 24)},
		}, true, &templates.WindowsView{Line: "2 stretches of dates so far · all came whole: 2,899 orders · 1 read again"}},
		{"still lacking", ended, map[uuid.UUID][]store.Window{first: {whole, lacking}, again: {lacking}}, false, &templates.WindowsView{
			Line: "2 stretches of dates · 1 came whole: 1,500 orders · 1 read again",
			Rows: []templates.WindowRow{row("2024-03-01 to 2024-04-01", templates.Wait, "2 did not come", "60", "58", "1 / 1")},
		}},
		{"cut off", ended[:1], map[uuid.UUID][]store.Window{first: {reading}}, false, &templates.WindowsView{
			Line: "1 stretch of dates",
			Rows: []templates.WindowRow{row("since 2024-04-01", templates.Wait, "not read to the end", "1,200", "120", "2 / 20")},
		}},
	} {
		got := windowsView(stretchesOf(tt.streams, tt.windows), tt.open)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	many := make([]store.Window, 20)
	for i := range many {
		many[i] = shifted
		many[i].From = noon.AddDate(0, 0, i).Format(time.DateOnly)
	}
	if v := windowsView(stretchesOf(streams, map[uuid.UUID][]store.Window{first: many}), true); len(v.Rows) != windowsShown || v.More != "and 8 more" {
		t.Errorf("%d rows, %q", len(v.Rows), v.More)
	}
}

// While some dates are read again, their total is not shown as that of the list.
func TestTheTotalOfSomeDatesIsNoTotal(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	_, run := d.importing("Palm")
	again := uuid.Must(uuid.NewV7())
	d.exec(`UPDATE streams SET finished_at = now(), status = 'running' WHERE run_id = $1 AND resource = 'orders'`, run)
	d.exec(`
		INSERT INTO streams (id, run_id, tenant_id, resource, pass, status, per_page, ahead, again, total_before)
		SELECT $1, id, tenant_id, 'orders', 2, 'running', 60, 1, true, 120 FROM runs WHERE id = $2`, again, run)
	d.exec(`
		INSERT INTO stream_windows (stream_id, seq, from_date, to_date, total, total_low, total_high, last_page, pages, records)
		VALUES ($1, 1, '2024-01-01', '2024-02-01', 120, 120, 120, 2, 1, 60)`, again)

	doc := d.page(http.StatusOK, importHref(run))

	if got := words(doc.Find("[data-live=progress] .progress").Last()); !strings.HasPrefix(got, "orders 4,200 ") || !strings.Contains(got, "reads some dates again") {
		t.Errorf("it says %q", got)
	}
	if got := words(doc.Find("[data-live=passes]")); !strings.Contains(got, "2024-01-01 to 2024-02-01 120 60 1 / 2 read again") {
		t.Errorf("the stretches: %q", got)
	}
}

// What a page brought is on the page of its import within two seconds, and the time
// that making the page takes: the parts are made again more often than that.
func TestImportPageIsNeverOlderThanTwoSeconds(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	tenant, run := d.importing("Palm")
	server := httptest.NewServer(d.h)
	t.Cleanup(server.Close)
	for path, key := range map[string]string{importHref(run): "progress", tenantHref(tenant): "imports", importsPath: "rows"} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		t.Cleanup(cancel)
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+path+"/live", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Cookie", d.cookie)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, 1<<20)
		shows := func(want string) bool {
			for lines.Scan() {
				if strings.Contains(lines.Text(), `"key":"`+key+`"`) && strings.Contains(lines.Text(), want) {
					return true
				}
			}
			return false
		}
		before := templates.Count(one[int64](d.site, `SELECT imported + unchanged + rejected FROM streams WHERE run_id = $1 AND resource = 'orders'`, run))
		if !shows(before) {
			t.Fatalf("%s: the stream ended before %s: %v", path, before, lines.Err())
		}
		d.exec(`UPDATE streams SET imported = imported + 60 WHERE run_id = $1 AND resource = 'orders'`, run)
		began := time.Now()
		after := templates.Count(one[int64](d.site, `SELECT imported + unchanged + rejected FROM streams WHERE run_id = $1 AND resource = 'orders'`, run))
		if !shows(after) {
			t.Fatalf("%s: the stream ended before %s: %v", path, after, lines.Err())
		}
		took := time.Since(began)
		// A machine that has much to do takes long to make the page itself: that is apart.
		began = time.Now()
		d.page(http.StatusOK, path)
		if made := time.Since(began); took > 2*time.Second+2*made {
			t.Errorf("%s was %v behind; making it takes %v", path, took, made)
		}
	}
}

// An import is acted on through its own store only.
func TestImportOfAnotherStore(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	_, run := d.importing("Palm")
	other := d.store("Dates of Qassim", 8, "ready")
	for _, act := range []string{"pause", "resume", "cancel"} {
		a := d.send(http.MethodPost, "/api/admin/v1/tenants/"+other.String()+"/import/"+act, `{"import":"`+run.String()+`"}`,
			map[string]string{"Authorization": "Bearer " + adminKey, "Content-Type": "application/json"})
		if a.Code != http.StatusNotFound || a.code() != codeNotFound {
			t.Errorf("%s: %d %s, want 404", act, a.Code, a.Body)
		}
	}
	d.page(http.StatusNotFound, tenantHref(other)+"/import?like="+run.String())
	if got := one[string](d.site, `SELECT status FROM runs WHERE id = $1`, run); got != "running" {
		t.Errorf("the import is %s", got)
	}
	doc := d.page(http.StatusNotFound, importHref(run)+"/nothing")
	if doc.Find("nav").Length() == 0 {
		t.Error("what is not there is not said in the console's frame")
	}
}
