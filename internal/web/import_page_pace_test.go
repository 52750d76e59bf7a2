package web

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/budget"
	"github.com/wosool/wosool/internal/circuit"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

func count(n int64) *int64 { return &n }

func ptr[T any](v T) *T { return &v }

// allows is what Salla allows: a store so many requests a minute, all stores together
// the documented ones of customers.
func allows(limit, left int) budget.State {
	return budget.State{
		Known: limit > 0, Limit: limit, Window: time.Minute, Left: left,
		Customers: budget.Share{Limit: 500, Window: 10 * time.Minute, Left: 500},
	}
}

func TestHowLongAStreamTakes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		of      string
		done    int64
		total   *int64
		pace    store.StreamPace
		allowed budget.State
		want    time.Duration
		known   bool
		limited bool
	}{
		{"allowed is later", "orders", 0, count(72_000), store.StreamPace{Seconds: 60, Records: 60_000, Calls: 1000}, allows(120, 0), 10 * time.Minute, true, true},
		{"measured is later", "orders", 0, count(72_000), store.StreamPace{Seconds: 60, Records: 3600, Calls: 60}, allows(7200, 0), 20 * time.Minute, true, false},
		{"nothing measured yet", "orders", 0, count(7200), store.StreamPace{Seconds: 1}, allows(120, 0), time.Minute, true, true},
		{"what is left comes at once", "orders", 0, count(7200), store.StreamPace{}, allows(120, 120), 0, true, false},
		{"no limit known", "orders", 0, count(7200), store.StreamPace{Seconds: 60, Records: 600, Calls: 10}, allows(0, 0), 12 * time.Minute, true, false},
		{"nothing known", "orders", 0, count(7200), store.StreamPace{}, allows(0, 0), 0, true, false},
		{"details take two calls", "order_details", 400, count(1000), store.StreamPace{Seconds: 60, Records: 60, Calls: 1}, allows(120, 0), 10 * time.Minute, true, true},
		{"smaller pages than asked for", "products", 0, count(1200), store.StreamPace{Pages: 4, Found: 60}, allows(120, 0), 40 * time.Second, true, true},
		{"customers of all stores", "customers", 0, count(120_000), store.StreamPace{}, allows(120, 0), 30 * time.Minute, true, true},
		{"silence first", "orders", 0, count(7200), store.StreamPace{}, func() budget.State {
			a := allows(120, 0)
			a.BlockedUntil = noon.Add(time.Minute)
			return a
		}(), 2 * time.Minute, true, true},
		{"a further pass reads all of it again", "orders", 7200, count(7200), store.StreamPace{Pass: 2, Pages: 60, Found: 3600}, allows(120, 0), 30 * time.Second, true, true},
		{"until nothing is new", "orders", 0, count(7200), store.StreamPace{ToKnown: true}, allows(120, 0), 0, false, false},
		{"no total", "orders", 0, nil, store.StreamPace{}, allows(120, 0), 0, false, false},
	}
	for _, tt := range tests {
		tt.pace.Open, tt.pace.PerPage = true, 60
		f := streamForecast(store.StreamTotals{Resource: tt.of, Imported: tt.done, SourceTotal: tt.total}, tt.pace, tt.allowed, noon)
		if f.time.Round(time.Second) != tt.want || f.known != tt.known || f.limited != tt.limited {
			t.Errorf("%s: %v known %v limited %v, want %v %v %v", tt.name, f.time, f.known, f.limited, tt.want, tt.known, tt.limited)
		}
	}
}

// openRun is a run that began two minutes ago and reads so many orders of so many.
func openRun(status string, done, total int64) store.Run {
	id := uuid.MustParse("0198a000-0000-7000-8000-000000000001")
	return store.Run{
		ID: id, TenantID: id, Kind: store.RunManual, Status: status, Resources: []string{"orders"}, CreatedAt: noon.Add(-2 * time.Minute),
		StartedAt: ptr(noon.Add(-2 * time.Minute)),
		Streams:   []store.StreamTotals{{Resource: "orders", Status: status, Imported: done, SourceTotal: &total}},
	}
}

func stateOf(run store.Run) importState {
	return importState{
		run: run, now: noon, at: func(at time.Time) templates.Moment { return templates.NewMoment(at, noon, time.UTC) },
		work:    store.RunWork{Tenant: "ready", Connection: ptr("active"), Merchant: count(7)},
		paces:   map[string]store.StreamPace{"orders": {Open: true, PerPage: 60, Seconds: 60, Records: 6000, Calls: 100}},
		allowed: allows(120, 0),
	}
}

func TestImportLine(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		make func(x *importState)
		want string
	}{
		{"limited", func(x *importState) {
			x.paces["orders"] = store.StreamPace{Open: true, PerPage: 60, Seconds: 60, Records: 7200, Calls: 120}
		}, "for 2 m · 7,200 records a minute · Salla allows 2 requests a second: about 40 minutes left"},
		{"slower than allowed", func(x *importState) { x.allowed = allows(7200, 0) }, "for 2 m · 6,000 records a minute · about 48 minutes left"},
		{"limit not known", func(x *importState) { x.allowed = budget.State{} }, "for 2 m · 6,000 records a minute · about 48 minutes left"},
		{"no total", func(x *importState) { x.run.Streams[0].SourceTotal = nil }, "for 2 m · 6,000 records a minute"},
		{"begins", func(x *importState) { x.run.StartedAt = nil }, ""},
		{"paused", func(x *importState) { x.run.Status = "paused" }, "for 2 m"},
		{"compares", func(x *importState) {
			x.run.Streams[0].FinishedAt = &noon
			x.paces["orders"] = store.StreamPace{}
		}, "for 2 m · all is read: compares it with what Salla counts"},
		{"details of an initial one follow", func(x *importState) {
			x.run.Kind, x.run.Resources = store.RunInitial, []string{"orders", "order_details"}
		}, "for 2 m · 6,000 records a minute · Salla allows 2 requests a second: about 3 days left, the details of orders included"},
		{"customers", func(x *importState) {
			x.run.Resources, x.run.Streams[0].Resource = []string{"customers"}, "customers"
			x.paces = map[string]store.StreamPace{"customers": {Open: true, PerPage: 60}}
		}, "for 2 m · Salla allows 500 requests in 10 m for customers, of all stores together: about 86 minutes left"},
		{"ended", func(x *importState) { x.run.FinishedAt, x.run.Status = &noon, "complete" }, "took 2 m · ended 31 Jan 2026, 12:00:00 UTC"},
	}
	for _, tt := range tests {
		x := stateOf(openRun("running", 1000, 289_000))
		tt.make(&x)
		if got := x.line(); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestWhyAnImportWaits(t *testing.T) {
	t.Parallel()
	later := noon.Add(90 * time.Second)
	tests := []struct {
		name string
		make func(x *importState)
		want string
	}{
		{"it goes on", func(*importState) {}, ""},
		{"paused", func(x *importState) {
			x.run.Status, x.work.PausedBy, x.work.PausedAt = "paused", ptr("noura@wosool.example"), ptr(noon.Add(-time.Minute))
		}, "Paused by noura@wosool.example since 11:59:00."},
		{"paused by nobody known", func(x *importState) { x.run.Status = "paused" }, "Paused by an operator."},
		{"queued", func(x *importState) { x.run.Status, x.work.Queued = "pending", true }, "Queued behind the store's other import."},
		{"not begun", func(x *importState) { x.run.Status, x.run.StartedAt = "pending", nil }, "Begins within seconds."},
		{"grant lost", func(x *importState) { x.run.Status, x.work.Connection = "waiting", ptr("needs_reauthorisation") }, "Waits for a grant: the merchant must reinstall the app. It then goes on by itself."},
		{"grant revoked", func(x *importState) { x.work.Connection = ptr("revoked") }, "Waits for a grant: the app was uninstalled. It goes on by itself when the merchant installs it again."},
		{"no grant", func(x *importState) { x.run.Status, x.work.Connection = "waiting", nil }, "Waits for a grant: no Salla store has granted access yet."},
		{"suspended", func(x *importState) { x.work.Tenant, x.work.Suspended = "suspended", ptr("operator") }, "Waits until the store is resumed."},
		{"uninstalled", func(x *importState) { x.work.Tenant, x.work.Suspended = "suspended", ptr("uninstall") }, "Waits: the merchant uninstalled the app. It goes on by itself when they install it again."},
		{"something else", func(x *importState) { x.run.Status, x.run.Reason = "waiting", ptr("the tenant to be ready") }, "Waits for the tenant to be ready."},
		{"limit", func(x *importState) {
			x.work.LastError, x.work.DueAt = ptr("waits for room in Salla's limit of requests until 2026-01-31T12:01:30Z"), &later
		}, "Waits until 12:01:30: Salla's limit of requests."},
		{"limit, for a moment", func(x *importState) {
			x.work.LastError, x.work.DueAt = ptr("waits for room in Salla's limit of requests"), ptr(noon.Add(time.Second))
		}, ""},
		{"silence", func(x *importState) { x.allowed.BlockedUntil = later }, "Waits until 12:01:30: Salla asked for silence, as its limit of requests was passed."},
		{"Salla down", func(x *importState) {
			x.circuit = &store.Circuit{Name: circuit.NameSalla, Kind: store.CircuitProvider, Reason: "HTTP 503", RetryAt: &later}
		}, "Salla does not answer (HTTP 503): tried again at 12:01:30."},
		{"Salla down for it", func(x *importState) {
			x.circuit = &store.Circuit{Name: circuit.StoreName(7), Kind: store.CircuitStore, Reason: "HTTP 503", RetryAt: &later}
		}, "Salla does not answer for this store (HTTP 503): tried again at 12:01:30."},
		{"attempts", func(x *importState) {
			x.work.Attempts, x.work.LastError, x.work.DueAt = 3, ptr("salla: GET /orders: 500"), &later
		}, "Attempt 3 failed: salla: GET /orders: 500. It is tried again at 12:01:30."},
		{"dead pages", func(x *importState) { x.work.Dead = 2 }, "2 pages were given up; the rest goes on. Mend the cause, then retry where it failed."},
		{"failed", func(x *importState) {
			x.run.Status, x.run.FinishedAt, x.run.Reason = "failed", &noon, ptr("page 7: 500")
		}, "Page 7: 500. What was imported stays. Mend the cause, then import again."},
		{"failed, with pages", func(x *importState) {
			x.run.Status, x.run.FinishedAt, x.run.Reason, x.work.Dead = "failed", &noon, ptr("page 7: 500"), 1
		}, "Page 7: 500. What was imported stays. Mend the cause, then retry where it failed."},
		{"incomplete", func(x *importState) {
			x.run.Status, x.run.FinishedAt, x.run.Reason = "incomplete", &noon, ptr("orders: 5 differ")
		}, "Orders: 5 differ. Everything else is stored. Import again compares it once more."},
		{"complete", func(x *importState) { x.run.Status, x.run.FinishedAt = "complete", &noon }, ""},
		{"cancelled", func(x *importState) {
			x.run.Status, x.run.FinishedAt, x.run.Reason = "cancelled", &noon, ptr("cancelled by an operator")
		}, "Cancelled by an operator."},
	}
	for _, tt := range tests {
		x := stateOf(openRun("running", 1000, 9000))
		tt.make(&x)
		if _, got := x.why(); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestAllowedWords(t *testing.T) {
	t.Parallel()
	for want, of := range map[string]struct {
		limit  int
		window time.Duration
	}{
		"2 requests a second":   {120, time.Minute},
		"1 request a second":    {60, time.Minute},
		"1.5 requests a second": {90, time.Minute},
		"100 requests a minute": {100, time.Minute},
		"30 requests a minute":  {30, time.Minute},
		"120 requests a second": {7200, time.Minute},
		"500 requests in 10 m":  {500, 10 * time.Minute},
		"6 requests a second":   {360, time.Minute},
	} {
		if got := allowedWords(of.limit, of.window); got != want {
			t.Errorf("%d in %v: %q, want %q", of.limit, of.window, got, want)
		}
	}
}
