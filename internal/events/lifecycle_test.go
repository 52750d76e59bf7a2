package events

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/store"
)

// moment is one life-cycle event: what, when, and the token it brings.
type moment struct {
	what, at, token string
}

func (m moment) body(merchant int64) string {
	data := `{}`
	if m.token != "" {
		data = fmt.Sprintf(`{"access_token":"%[1]s-%[2]d","refresh_token":"refresh-%[1]s-%[2]d","expires":1209600,"scope":"orders.read offline_access"}`, m.token, merchant)
	}
	created := ""
	if m.at != "" {
		created = `"created_at":"2026-11-01 12:00:` + m.at + `",`
	}
	return fmt.Sprintf(`{"event":"app.%s","merchant":%d,%s"data":%s}`, m.what, merchant, created, data)
}

// standing is what a merchant's deliveries have come to.
type standing struct {
	Status, SuspendedBy, Connection, Token string
	Installed                              bool
}

func (b *bench) standing(t *testing.T, merchant int64) standing {
	t.Helper()
	var s standing
	var id uuid.UUID
	var sealed []byte
	if err := b.pool.QueryRow(t.Context(), `
		SELECT t.id, t.status, coalesce(t.suspended_by, ''), t.installed, coalesce(c.status, ''), c.access_token
		FROM tenants AS t
		LEFT JOIN connections AS c ON c.id = t.id
		WHERE t.merchant = $1`, merchant).Scan(&id, &s.Status, &s.SuspendedBy, &s.Installed, &s.Connection, &sealed); err != nil {
		t.Fatal(err)
	}
	if sealed != nil {
		plain, err := b.keys.Open(sealed, "tenant:"+id.String()+":access_token")
		if err != nil {
			t.Fatal(err)
		}
		s.Token, _, _ = strings.Cut(string(plain), "-")
	}
	return s
}

func permutations(n int) [][]int {
	if n == 0 {
		return [][]int{{}}
	}
	var all [][]int
	for _, p := range permutations(n - 1) {
		for i := range n {
			q := append(append(append([]int{}, p[:i]...), n-1), p[i:]...)
			all = append(all, q)
		}
	}
	return all
}

// TestDeliveriesInAnyOrder gives the same tenant whatever the order of arrival, and
// although each delivery comes twice.
func TestDeliveriesInAnyOrder(t *testing.T) {
	t.Parallel()
	live := func(token string) standing {
		return standing{Status: "provisioning", Connection: "active", Token: token, Installed: true}
	}
	gone := standing{Status: "suspended", SuspendedBy: "uninstall", Connection: "revoked"}
	for _, tt := range []struct {
		name    string
		moments []moment
		dead    []string // tokens that Salla refuses by the time it is asked
		want    standing
	}{
		{"installed", []moment{{"installed", "01", ""}}, nil, standing{Status: "pending", Installed: true}},
		{"install", []moment{{"installed", "01", ""}, {"store.authorize", "02", "one"}, {"trial.started", "02", ""}}, nil, live("one")},
		{"install within a second", []moment{{"installed", "01", ""}, {"store.authorize", "01", "one"}}, nil, live("one")},
		{"update", []moment{{"store.authorize", "02", "one"}, {"updated", "04", ""}, {"store.authorize", "05", "two"}}, nil, live("two")},
		{"uninstall", []moment{{"installed", "01", ""}, {"store.authorize", "02", "one"}, {"uninstalled", "03", ""}}, []string{"one"}, gone},
		{"reinstall", []moment{
			{"store.authorize", "02", "one"}, {"uninstalled", "03", ""}, {"installed", "04", ""}, {"store.authorize", "05", "two"},
		}, []string{"one"}, live("two")},
		{
			"reinstall without install events",
			[]moment{{"store.authorize", "02", "one"}, {"uninstalled", "03", ""}, {"store.authorize", "05", "two"}},
			[]string{"one"},
			live("two"),
		},
		{"two uninstalls", []moment{
			{"store.authorize", "02", "one"}, {"uninstalled", "03", ""}, {"store.authorize", "04", "two"}, {"uninstalled", "05", ""},
		}, []string{"one", "two"}, gone},
		{"authorize and uninstall at once, the grant lives", []moment{{"store.authorize", "03", "one"}, {"uninstalled", "03", ""}}, nil, live("one")},
		{"authorize and uninstall at once, the grant is dead", []moment{{"store.authorize", "03", "one"}, {"uninstalled", "03", ""}}, []string{"one"}, gone},
		{
			"uninstall and reinstall at once",
			[]moment{{"store.authorize", "02", "one"}, {"uninstalled", "03", ""}, {"store.authorize", "03", "two"}},
			[]string{"one"},
			live("two"),
		},
		{"without times", []moment{{"store.authorize", "", "one"}, {"uninstalled", "", ""}}, []string{"one"}, gone},
		{"without times, the grant lives", []moment{{"store.authorize", "", "one"}, {"uninstalled", "", ""}}, nil, live("one")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			for n, order := range permutations(len(tt.moments)) {
				merchant := int64(1000 + n)
				for _, token := range tt.dead {
					b.dead[fmt.Sprintf("%s-%d", token, merchant)] = true
				}
				var names []string
				for _, i := range order {
					names = append(names, tt.moments[i].what+tt.moments[i].at)
					for range 2 {
						b.deliver(t, tt.moments[i].body(merchant))
					}
				}
				tasks, err := b.db.SweepEvents(t.Context(), 100)
				if err != nil || len(tasks) != 0 {
					t.Errorf("%v: the sweeper found %v, %v", names, tasks, err)
				}
				if diff := cmp.Diff(tt.want, b.standing(t, merchant)); diff != "" {
					t.Errorf("%v: %s", names, diff)
				}
			}
			if n := b.count(t, `SELECT count(*) FROM event_payloads WHERE sealed IS NOT NULL`); n != 0 {
				t.Errorf("%d sealed bodies are left", n)
			}
			if n := b.count(t, `SELECT count(*) FROM events WHERE status NOT IN ('applied', 'ignored')`); n != 0 {
				t.Errorf("%d events have not ended", n)
			}
		})
	}
}

func TestTwoAuthorizesAtOnceMakeOneTenant(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.dead["one-1000"] = true
	var wg sync.WaitGroup
	for _, m := range []moment{{"store.authorize", "02", "one"}, {"store.authorize", "05", "two"}, {"installed", "01", ""}, {"uninstalled", "03", ""}} {
		rec, err := b.inbox.Record(t.Context(), fromSalla(m.body(1000)))
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() { b.runAll(t, rec.Tasks) })
	}
	wg.Wait()
	var rest []store.Task // those that met another's change were postponed
	rows, err := b.pool.Query(t.Context(), `SELECT id, epoch FROM events WHERE state = 'runnable'`)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		task := store.Task{Kind: store.KindEventApply}
		if err := rows.Scan(&task.ID, &task.Epoch); err != nil {
			t.Fatal(err)
		}
		rest = append(rest, task)
	}
	b.runAll(t, rest)
	got := b.standing(t, 1000)
	if got.Token != "two" || got.Connection != "active" || !got.Installed || b.count(t, `SELECT count(*) FROM tenants`) != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestAuthorizeThatIsKnown(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.deliver(t, moment{"store.authorize", "02", "one"}.body(1000))
	if e := b.event(t, id); e.Status != store.EventApplied || e.TenantID == nil || e.AppliedAt == nil {
		t.Fatalf("%+v", e)
	}

	// Replayed, its tokens are gone.
	e, tasks, err := b.db.ReplayEvent(t.Context(), id, store.Actor{Name: "op"})
	if err != nil || e.Status != store.EventReceived || len(tasks) != 1 || tasks[0].Epoch != 2 {
		t.Fatalf("%+v %v %v", e, tasks, err)
	}
	if _, _, err := b.db.ReplayEvent(t.Context(), id, store.Actor{Name: "op"}); !errors.Is(err, fault.Conflict) {
		t.Errorf("a replay of an event on its way: %v", err)
	}
	b.runAll(t, tasks)
	if e := b.event(t, id); e.Status != store.EventIgnored || !strings.Contains(words(e), "erased") {
		t.Errorf("replayed: %s %s", e.Status, words(e))
	}

	// Another delivery with the same grant, after a refresh: it was held before.
	b.exec(t, `UPDATE connections SET version = 2, granted_at = NULL`)
	later := b.deliver(t, moment{"store.authorize", "09", "one"}.body(1000))
	if e := b.event(t, later); e.Status != store.EventIgnored || !strings.Contains(words(e), "held before") {
		t.Errorf("a known grant: %s %s", e.Status, words(e))
	}
	if b.count(t, `SELECT version FROM connections`) != 2 || b.count(t, `SELECT count(*) FROM audit WHERE act = 'event.replay'`) != 1 {
		t.Error("the grant was stored again, or the replay not noted")
	}
}

func TestOlderAuthorize(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		dead    []string
		want    string // the token that is kept
		applied bool
	}{
		{"the current one answers", nil, "two", false},
		{"the current one is refused", []string{"two-1000"}, "one", true},
		{"both are refused", []string{"one-1000", "two-1000"}, "two", false},
		{"the new one is refused", []string{"one-1000"}, "two", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.deliver(t, moment{"store.authorize", "05", "two"}.body(1000))
			for _, token := range tt.dead {
				b.dead[token] = true
			}
			id := b.deliver(t, moment{"store.authorize", "02", "one"}.body(1000))
			if e := b.event(t, id); (e.Status == store.EventApplied) != tt.applied || e.Status == store.EventIgnored && words(e) == "" {
				t.Errorf("%s: %s", e.Status, words(e))
			}
			if got := b.standing(t, 1000).Token; got != tt.want {
				t.Errorf("the grant is %s, want %s", got, tt.want)
			}
		})
	}
}

func TestSallaDownPostponesTheDecision(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.deliver(t, moment{"store.authorize", "02", "one"}.body(1000))
	b.down = &salla.Error{Status: 503}
	id := b.deliver(t, moment{"uninstalled", "02", ""}.body(1000))
	if e := b.event(t, id); e.Status != store.EventReceived || e.State != "runnable" || e.Attempts != 0 {
		t.Fatalf("%s %s, %d attempts", e.Status, e.State, e.Attempts)
	}
	// A later uninstall needs nobody's answer.
	later := b.deliver(t, moment{"uninstalled", "04", ""}.body(1000))
	if e, s := b.event(t, later), b.standing(t, 1000); e.Status != store.EventApplied || s.Connection != "revoked" {
		t.Errorf("%s %s, %+v", e.Status, words(e), s)
	}
}

func TestAuthorizeHealsAParkedConnection(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.deliver(t, moment{"store.authorize", "02", "one"}.body(1000))
	b.exec(t, `UPDATE tenants SET status = 'ready'`)
	b.exec(t, `UPDATE connections SET status = 'needs_reauthorisation', parked_reason = 'x'`)
	b.exec(t, `
		INSERT INTO events (id, source, event, merchant, status, waiting_for, lane, state)
		VALUES (gen_random_uuid(), 'salla', 'order.created', 1000, 'waiting', 'grant', 'events', 'waiting')`)
	b.deliver(t, moment{"store.authorize", "05", "two"}.body(1000))
	got := b.standing(t, 1000)
	if got.Connection != "active" || got.Token != "two" || got.Status != "ready" {
		t.Errorf("%+v", got)
	}
	if n := b.count(t, `SELECT count(*) FROM events WHERE status = 'waiting'`); n != 0 {
		t.Errorf("%d events still wait for a grant", n)
	}
}

func TestOperatorsSuspensionStays(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.ready(t, 1000, "suspended")
	b.deliver(t, moment{"store.authorize", "02", "one"}.body(1000))
	b.deliver(t, moment{"uninstalled", "03", ""}.body(1000))
	b.deliver(t, moment{"store.authorize", "05", "two"}.body(1000))
	if diff := cmp.Diff(standing{Status: "suspended", SuspendedBy: "operator", Connection: "active", Token: "two", Installed: true}, b.standing(t, 1000)); diff != "" {
		t.Error(diff)
	}
}

func TestAdoptsATenantThatWasRegisteredByHand(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.ready(t, 1000, "provisioning")
	b.exec(t, `UPDATE tenants SET installed = false, by_hand = true`)
	b.deliver(t, moment{"store.authorize", "02", "one"}.body(1000))
	if n := b.count(t, `SELECT count(*) FROM connections WHERE id = $1`, id); n != 1 {
		t.Error("the grant went to another tenant")
	}
}

func TestUnfitAuthorizes(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, body := range []string{
		`{"event":"app.store.authorize","merchant":1000,"data":{"access_token":"only-access-here-and-long"}}`,
		`{"event":"app.store.authorize","merchant":1000,"data":{"access_token":1,"refresh_token":2}}`,
	} {
		id := b.deliver(t, body)
		if e := b.event(t, id); e.Status != store.EventFailed || words(e) == "" || strings.Contains(words(e), "only-access") {
			t.Errorf("%s: %s", e.Status, words(e))
		}
	}
	if b.count(t, `SELECT count(*) FROM tenants`) != 0 {
		t.Error("a tenant was made")
	}
	id := b.deliver(t, `{"event":"app.store.authorize","merchant":1000,"data":{}}`)
	if e := b.event(t, id); e.Status != store.EventFailed {
		t.Errorf("an authorize without tokens: %s %s", e.Status, words(e))
	}
}

func TestPlans(t *testing.T) {
	t.Parallel()
	started := `{"event":"app.subscription.started","merchant":%d,"created_at":"2026-11-02 12:00:05","data":{"plan_name":"Diamond","item_type":"plan"}}`
	trial := `{"event":"app.trial.started","merchant":%d,"created_at":"2026-11-01 12:00:05","data":{"plan_name":null,"plan_type":"one_time"}}`
	canceled := `{"event":"app.trial.canceled","merchant":%d,"created_at":"2026-11-02 12:00:05","data":{"plan_name":null}}`
	addon := `{"event":"app.subscription.started","merchant":%d,"created_at":"2026-11-09 12:00:05","data":{"plan_name":"Addon","item_type":"addon"}}`
	install := `{"event":"app.installed","merchant":%d,"created_at":"2026-11-01 12:00:00","data":{}}`
	bodies := []string{started, trial, canceled, addon, install}
	b := newBench(t)
	for n, order := range permutations(len(bodies)) {
		merchant := int64(1000 + n)
		for _, i := range order {
			b.deliver(t, fmt.Sprintf(bodies[i], merchant))
		}
		if n := b.count(t, `SELECT count(*) FROM tenants WHERE merchant = $1 AND app_plan = 'Diamond'`, merchant); n != 1 {
			t.Errorf("order %v: another plan", order)
		}
	}
	id := b.deliver(t, `{"event":"app.feedback.created","merchant":1000,"data":{"rating":"5"}}`)
	if e := b.event(t, id); e.Status != store.EventIgnored || words(e) == "" {
		t.Errorf("feedback: %s %s", e.Status, words(e))
	}
}

func TestGrantOf(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		expires string
		want    time.Time
	}{
		{`"expires":1794735085`, time.Unix(1794735085, 0).UTC()},
		{`"expires":"1209599"`, now.Add(1209599 * time.Second)},
		{`"expires_in":3600`, now.Add(time.Hour)},
		{`"x":1`, now.Add(lifetime)},
	} {
		got, err := grantOf([]byte(`{"data":{"access_token":"a","refresh_token":"r","scope":["x","y"],`+tt.expires+`}}`), now)
		if err != nil || !got.ExpiresAt.Equal(tt.want) || len(got.Scopes) != 2 {
			t.Errorf("%s: %v, %v", tt.expires, got, err)
		}
	}
}
