package systemtest

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/sandbox"
)

// The merchants of the life-cycle tests: each has its own trouble.
const (
	doubled = 77001 + iota
	reordered
	concurrent
	leftAtStore
	leftAtClerk
	leftAtWebhooks
	leftInImport
	backAtOnce
	withinASecond
	goneWithinASecond
	outOfOrder
	refreshed
	compared
	suspended
	removed
)

// Life-cycle and store events that come twice, late, in another order, all at
// once or in the middle of something: every store comes to the state that it is
// in at Salla, and stays there.
func TestFaultLifecycle(t *testing.T) {
	t.Parallel()
	o := options{workers: 2}
	for m := int64(doubled); m <= removed; m++ {
		o.stores = append(o.stores, shop(m, 4))
	}
	s := newSystem(t, o)
	var stores sync.WaitGroup
	for _, troubled := range []func(*testing.T){
		s.deliveredTwice, s.deliveredInDisorder, s.deliveredAtOnce,
		s.uninstalledAtStore, s.uninstalledAtClerk, s.uninstalledAtWebhooks, s.uninstalledInImport,
		s.installedAgainAtOnce, s.installedWithinASecond, s.goneWithinASecond, s.installedOutOfOrder,
		s.replayedAfterARefresh, s.authorizesCompared, s.suspendedEventsWait, s.removedEventsAreIgnored,
	} {
		stores.Go(func() { troubled(t) }) // each ends by itself where it fails
	}
	stores.Wait()
	s.invariants(t, 40*time.Second)
	s.nothingPrivate(t)
}

// lives fails unless the store is ready, whole, and its grant answers at Salla.
func (s *system) lives(t *testing.T, merchant int64) {
	t.Helper()
	s.awaitEqual(t, 60*time.Second, merchant)
	s.awaitConnection(t, merchant, "active")
	dbtest.Eventually(t, 40*time.Second, fmt.Sprintf("the store %d tells everything", merchant), func() bool {
		signed := 0
		for _, w := range s.sandbox.Subscriptions(merchant) {
			if w.Strategy == "signature" {
				signed++
			}
		}
		return signed == 24
	})
	// What is told of an order has to be read at Salla, and so needs the grant.
	order := s.changed(s.sandbox.CreateOrder(merchant))
	db := s.tenantConn(s.awaitStatus(merchant, "ready"))
	dbtest.Eventually(t, 30*time.Second, fmt.Sprintf("the new order of %d is read", merchant), func() bool {
		var read bool
		err := db.QueryRow(t.Context(), `
			SELECT source_items IS NOT NULL AND source_detail IS NOT NULL
			FROM salla_orders WHERE order_id = $1::bigint::text`, order).Scan(&read)
		return err == nil && read
	})
}

func (s *system) orderIs(t *testing.T, merchant, order int64, status string) {
	t.Helper()
	db := s.tenantConn(s.awaitStatus(merchant, "ready"))
	dbtest.Eventually(t, 30*time.Second, fmt.Sprintf("the order of %d is %s", merchant, status), func() bool {
		var is string
		err := db.QueryRow(t.Context(), `SELECT status FROM salla_orders WHERE order_id = $1::bigint::text`, order).Scan(&is)
		return err == nil && is == status
	})
}

// gone fails unless the store's tenant is suspended by its uninstall, without a grant.
func (s *system) gone(t *testing.T, merchant int64) {
	t.Helper()
	view := s.awaitStatus(merchant, "suspended")
	if view.SuspendedBy == nil || *view.SuspendedBy != "uninstall" || view.Connection == nil || view.Connection.State != "revoked" {
		t.Errorf("%d is suspended by %v, connection %+v", merchant, view.SuspendedBy, view.Connection)
	}
	var kept int
	if err := s.pool.QueryRow(t.Context(), `
		SELECT count(*) FROM connections WHERE id = $1 AND (access_token IS NOT NULL OR refresh_token IS NOT NULL)`, view.ID).Scan(&kept); err != nil || kept != 0 {
		t.Errorf("%d keeps its tokens: %v", merchant, err)
	}
}

// deliveries makes something happen to what is delivered for a merchant.
func (s *system) deliveries(t *testing.T, merchant int64, rule sandbox.FaultRule) (end func()) {
	t.Helper()
	rule.System, rule.Merchant = "delivery", merchant
	id, err := s.sandbox.Fault(rule)
	if err != nil {
		t.Fatal(err)
	}
	return func() { s.sandbox.ClearFault(id) }
}

// busy lets a store live for a moment: each order goes through several states,
// some go, some come. It returns the state that each must end in.
func (s *system) busy(merchant int64) map[int64]string {
	ids := s.sandbox.SourceIDs(merchant, "orders")
	for _, to := range []string{"in_progress", "shipped", "completed"} {
		for _, id := range ids[1:] {
			s.changed(s.sandbox.UpdateOrderStatus(merchant, id, to))
		}
	}
	s.changed(s.sandbox.DeleteOrder(merchant, ids[0]))
	made := s.changed(s.sandbox.CreateOrder(merchant))
	s.changed(s.sandbox.UpdateOrderStatus(merchant, made, "completed"))
	customer := s.changed(s.sandbox.CreateCustomer(merchant))
	s.changed(s.sandbox.UpdateCustomer(merchant, customer))
	s.changed(s.sandbox.DeleteProduct(merchant, s.sandbox.SourceIDs(merchant, "products")[0]))
	want := map[int64]string{made: "COMPLETED"}
	for _, id := range ids[1:] {
		want[id] = "COMPLETED"
	}
	return want
}

// comesTo fails unless the tenant comes to hold what its store holds, in its states.
func (s *system) comesTo(t *testing.T, merchant int64, want map[int64]string) {
	t.Helper()
	s.awaitEqual(t, 60*time.Second, merchant)
	for order, status := range want {
		s.orderIs(t, merchant, order, status)
	}
}

func (s *system) deliveredTwice(t *testing.T) {
	defer s.deliveries(t, doubled, sandbox.FaultRule{Effect: sandbox.EffectDuplicate, Times: 3})()
	s.install(doubled)
	s.lives(t, doubled)
	s.comesTo(t, doubled, s.busy(doubled))
}

func (s *system) deliveredInDisorder(t *testing.T) {
	defer s.deliveries(t, reordered, sandbox.FaultRule{Effect: sandbox.EffectReorder, Latency: 1500 * time.Millisecond})()
	s.install(reordered)
	s.lives(t, reordered)
	s.comesTo(t, reordered, s.busy(reordered))
}

func (s *system) deliveredAtOnce(t *testing.T) {
	s.install(concurrent)
	s.lives(t, concurrent)
	want := s.busy(concurrent)
	if err := s.sandbox.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := s.eventsOf(t, concurrent)
	codes := make(chan int)
	n := 0
	for _, d := range s.sandbox.Deliveries() {
		if d.Merchant != concurrent {
			continue
		}
		n++
		go func() {
			code, err := s.sandbox.Redeliver(t.Context(), d.ID)
			if err != nil {
				code = -1
			}
			codes <- code
		}()
	}
	for range n {
		if code := <-codes; code != http.StatusOK {
			t.Errorf("a copy was answered %d", code)
		}
	}
	if after := s.eventsOf(t, concurrent); after != before || n < 10 {
		t.Errorf("%d events after %d copies, were %d", after, n, before)
	}
	s.comesTo(t, concurrent, want)
}

func (s *system) eventsOf(t *testing.T, merchant int64) (n int) {
	t.Helper()
	if err := s.pool.QueryRow(t.Context(), `SELECT count(*) FROM events WHERE merchant = $1`, merchant).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func (s *system) uninstalledAtStore(t *testing.T) {
	s.uninstalledAt(t, leftAtStore, sandbox.FaultRule{System: "salla", Path: "/store/info"})
}

func (s *system) uninstalledAtClerk(t *testing.T) {
	s.uninstalledAt(t, leftAtClerk, sandbox.FaultRule{System: "clerk", Method: http.MethodPost, Path: "/organizations$"})
}

func (s *system) uninstalledAtWebhooks(t *testing.T) {
	s.uninstalledAt(t, leftAtWebhooks, sandbox.FaultRule{System: "salla", Method: http.MethodPost, Path: "/webhooks/subscribe", Skip: 5})
}

func (s *system) uninstalledInImport(t *testing.T) {
	s.uninstalledAt(t, leftInImport, sandbox.FaultRule{System: "salla", Path: "/orders$"})
}

// uninstalledAt uninstalls while a call is held, and installs again later.
func (s *system) uninstalledAt(t *testing.T, merchant int64, at sandbox.FaultRule) {
	t.Helper()
	at.Effect, at.Latency = sandbox.EffectLatency, 2*time.Second
	held := s.ruled(at, merchant)
	s.install(merchant)
	dbtest.Eventually(t, 40*time.Second, held.what, held.held)
	if err := s.sandbox.Uninstall(t.Context(), merchant); err != nil {
		t.Fatal(err)
	}
	s.gone(t, merchant)
	// Whatever was under way ends, and brings nothing back.
	s.awaitCount(t, 30*time.Second, "nothing is being done for it", 0, `
		SELECT (SELECT count(*) FROM tenants WHERE id = $1 AND state = 'runnable')
		     + (SELECT count(*) FROM pages WHERE tenant_id = $1 AND lease_until > now())
		     + (SELECT count(*) FROM runs WHERE tenant_id = $1 AND lease_until > now())`, s.tenantID(merchant))
	s.gone(t, merchant)
	s.nextSecond()
	s.install(merchant)
	s.lives(t, merchant)
}

// nextSecond waits until Salla's times, which have one second, tell now from before.
func (s *system) nextSecond() {
	now := time.Now()
	<-time.After(now.Truncate(time.Second).Add(time.Second + 20*time.Millisecond).Sub(now))
}

func (s *system) installedAgainAtOnce(t *testing.T) {
	s.install(backAtOnce)
	s.lives(t, backAtOnce)
	if err := s.sandbox.Uninstall(t.Context(), backAtOnce); err != nil {
		t.Fatal(err)
	}
	s.install(backAtOnce)
	s.lives(t, backAtOnce)
}

func (s *system) installedWithinASecond(t *testing.T) {
	s.nextSecond()
	s.install(withinASecond)
	if err := s.sandbox.Uninstall(t.Context(), withinASecond); err != nil {
		t.Fatal(err)
	}
	s.install(withinASecond)
	s.lives(t, withinASecond)
}

func (s *system) goneWithinASecond(t *testing.T) {
	s.nextSecond()
	s.install(goneWithinASecond)
	if err := s.sandbox.Uninstall(t.Context(), goneWithinASecond); err != nil {
		t.Fatal(err)
	}
	s.gone(t, goneWithinASecond)
}

func (s *system) installedOutOfOrder(t *testing.T) {
	end := s.deliveries(t, outOfOrder, sandbox.FaultRule{Event: "app.*", Effect: sandbox.EffectReorder, Latency: time.Second})
	s.nextSecond()
	// Each returns when its deliveries are made: only together they are told in disorder.
	ended := make(chan error, 3)
	go func() { ended <- s.sandbox.Install(t.Context(), outOfOrder) }()
	s.awaitGrants(t, outOfOrder, 1)
	go func() { ended <- s.sandbox.Uninstall(t.Context(), outOfOrder) }()
	dbtest.Eventually(t, 5*time.Second, "it is uninstalled", func() bool { return len(s.told(outOfOrder, "app.uninstalled")) == 1 })
	go func() { ended <- s.sandbox.Install(t.Context(), outOfOrder) }()
	for range 3 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	end()
	s.lives(t, outOfOrder)
}

// awaitGrants waits until so many installs have begun to be told.
func (s *system) awaitGrants(t *testing.T, merchant int64, n int) {
	t.Helper()
	dbtest.Eventually(t, 5*time.Second, "it is installed", func() bool { return len(s.told(merchant, "app.installed")) >= n })
}

// told are the deliveries of an event of a merchant.
func (s *system) told(merchant int64, event string) []sandbox.Delivery {
	var out []sandbox.Delivery
	for _, d := range s.sandbox.Deliveries() {
		if d.Merchant == merchant && d.Event == event {
			out = append(out, d)
		}
	}
	return out
}

// replayedAfterARefresh plays an authorize again whose grant was refreshed since:
// the same bytes, the same event by the API, and the same tokens as if they were
// new. None brings the old grant back, and each says what became of it.
func (s *system) replayedAfterARefresh(t *testing.T) {
	s.install(refreshed)
	s.lives(t, refreshed)
	id := s.tenantID(refreshed)
	s.sandbox.ExpireTokens(refreshed)
	s.lives(t, refreshed)
	version := func() (v int) {
		if err := s.pool.QueryRow(t.Context(), `SELECT version FROM connections WHERE id = $1 AND status = 'active'`, id).Scan(&v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	before, events := version(), s.eventsOf(t, refreshed)
	if before < 2 {
		t.Fatalf("the grant was not refreshed: version %d", before)
	}

	old := s.told(refreshed, "app.store.authorize")[0]
	if code, err := s.sandbox.Redeliver(t.Context(), old.ID); err != nil || code != http.StatusOK {
		t.Errorf("the same bytes: %d %v", code, err)
	}
	if after := s.eventsOf(t, refreshed); after != events {
		t.Errorf("the same bytes are %d more events", after-events)
	}
	var event string
	if err := s.pool.QueryRow(t.Context(), `
		SELECT id::text FROM events WHERE merchant = $1 AND event = 'app.store.authorize'`, int64(refreshed)).Scan(&event); err != nil {
		t.Fatal(err)
	}
	s.operate("events/"+event+"/replay", "")
	s.awaitEnd(t, event, "ignored", "erased")

	again := regexp.MustCompile(`"created_at":"[^"]*"`).ReplaceAll(old.Body, []byte(`"created_at":"2099-01-01 10:00:00"`))
	s.awaitEnd(t, s.raw(t, refreshed, again), "ignored", "this grant is known")
	if now := version(); now != before {
		t.Errorf("the grant is of version %d, was %d", now, before)
	}
	s.lives(t, refreshed)
}

// raw delivers a body of a merchant, rightly signed, and returns its event.
func (s *system) raw(t *testing.T, merchant int64, body []byte) string {
	t.Helper()
	code, err := s.sandbox.SendRaw(t.Context(), sandbox.RawDelivery{Body: string(body)})
	if err != nil || code != http.StatusOK {
		t.Fatalf("a raw delivery: %d %v", code, err)
	}
	var id string
	if err := s.pool.QueryRow(t.Context(), `
		SELECT id::text FROM events WHERE merchant = $1 ORDER BY id DESC LIMIT 1`, merchant).Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}

// awaitEnd waits until an event has its end, and fails unless it says why.
func (s *system) awaitEnd(t *testing.T, id, status, words string) {
	t.Helper()
	var is, why string
	dbtest.Eventually(t, 30*time.Second, "the event is "+status, func() bool {
		err := s.pool.QueryRow(t.Context(), `
			SELECT status, coalesce(error, '') FROM events WHERE id = $1 AND state <> 'runnable'`, id).Scan(&is, &why)
		return err == nil && is == status
	})
	if !strings.Contains(why, words) {
		t.Errorf("the event is %s: %q, want %q", is, why, words)
	}
}

// authorizesCompared brings grants that are older than the one that is there, of
// the same second, or whose time cannot be read: whether one lives is asked, and
// the store is never left with one that does not while another does.
func (s *system) authorizesCompared(t *testing.T) {
	s.install(compared)
	s.lives(t, compared)
	id := s.tenantID(compared)
	grantedAt := func() (at time.Time) {
		if err := s.pool.QueryRow(t.Context(), `SELECT granted_at FROM connections WHERE id = $1`, id).Scan(&at); err != nil {
			t.Fatal(err)
		}
		return at.In(time.FixedZone("", 3*60*60))
	}
	for _, tt := range []struct {
		name   string
		at     string
		dead   bool // its token is refused
		status string
		words  string
	}{
		{"older, of a grant that lives, while the present one answers", grantedAt().Add(-time.Hour).Format(time.DateTime), false, "ignored", "older than the grant that is there"},
		{"older, of a grant that does not", grantedAt().Add(-2 * time.Hour).Format(time.DateTime), true, "ignored", "refuses its token"},
		{"of the same second, of a grant that does not live", grantedAt().Format(time.DateTime), true, "ignored", "refuses its token"},
		{"of the same second, of one that does", grantedAt().Format(time.DateTime), false, "applied", ""},
		{"of no time, of a grant that does not live", "soon", true, "ignored", "refuses its token"},
		{"of no time, of one that does", "later", false, "applied", ""},
	} {
		body := regexp.MustCompile(`"created_at":"[^"]*"`).ReplaceAll(s.untold(t, compared), []byte(`"created_at":"`+tt.at+`"`))
		if tt.dead {
			body = regexp.MustCompile(`ory_[ar]t_[A-Za-z0-9]{6}`).ReplaceAll(body, []byte("ory_rt_dead00"))
		}
		event := s.raw(t, compared, body)
		s.awaitEnd(t, event, tt.status, tt.words)
		if t.Failed() {
			t.Fatal(tt.name)
		}
		s.awaitConnection(t, compared, "active")
	}
	s.lives(t, compared)
}

// untold is the body of a fresh authorize that was lost on its way.
func (s *system) untold(t *testing.T, merchant int64) []byte {
	t.Helper()
	defer s.deliveries(t, merchant, sandbox.FaultRule{Event: "app.store.authorize", Effect: sandbox.EffectLose})()
	if err := s.sandbox.Authorize(t.Context(), merchant); err != nil {
		t.Fatal(err)
	}
	all := s.told(merchant, "app.store.authorize")
	return all[len(all)-1].Body
}

// suspendedEventsWait suspends a tenant by an operator: what its store tells
// meanwhile waits, says for what, and is applied when it is resumed.
func (s *system) suspendedEventsWait(t *testing.T) {
	s.install(suspended)
	s.lives(t, suspended)
	id := s.tenantID(suspended)
	s.operate("tenants/"+id+"/suspend", "")
	s.awaitStatus(suspended, "suspended")
	want := s.busy(suspended)
	if err := s.sandbox.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	dbtest.Eventually(t, 30*time.Second, "the store's events wait to be resumed", func() bool {
		var waiting, others int
		err := s.pool.QueryRow(t.Context(), `
			SELECT count(*) FILTER (WHERE waiting_for = 'resume'), count(*) FILTER (WHERE status = 'received')
			FROM events WHERE merchant = $1`, int64(suspended)).Scan(&waiting, &others)
		return err == nil && waiting > 10 && others == 0
	})
	s.operate("tenants/"+id+"/resume", "")
	s.comesTo(t, suspended, want)
	s.awaitCount(t, 30*time.Second, "every event has its end", 0, `
		SELECT count(*) FROM events WHERE merchant = $1 AND status IN ('received', 'waiting', 'failed')`, int64(suspended))
}

// removedEventsAreIgnored has a tenant that is being removed: nothing that its
// store tells, an authorize among it, brings anything back.
func (s *system) removedEventsAreIgnored(t *testing.T) {
	s.install(removed)
	s.lives(t, removed)
	s.awaitCount(t, 30*time.Second, "nothing is being done for it", 0, `
		SELECT count(*) FROM tenants WHERE id = $1 AND state = 'runnable'`, s.tenantID(removed))
	s.exec(t, `UPDATE tenants SET status = 'deprovisioning' WHERE merchant = `+digits(removed))
	s.busy(removed)
	if err := s.sandbox.Authorize(t.Context(), removed); err != nil {
		t.Fatal(err)
	}
	if err := s.sandbox.Uninstall(t.Context(), removed); err != nil {
		t.Fatal(err)
	}
	if err := s.sandbox.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.awaitCount(t, 30*time.Second, "everything since is ignored", 0, `
		SELECT count(*) FROM events WHERE merchant = $1 AND status NOT IN ('applied', 'ignored')`, int64(removed))
	var ignored int
	var silent int
	if err := s.pool.QueryRow(t.Context(), `
		SELECT count(*), count(*) FILTER (WHERE coalesce(error, '') = '')
		FROM events WHERE merchant = $1 AND status = 'ignored'`, int64(removed)).Scan(&ignored, &silent); err != nil || ignored < 12 || silent != 0 {
		t.Errorf("%d are ignored, %d of them do not say why: %v", ignored, silent, err)
	}
	if view, _ := s.tenant(removed); view.Status != "deprovisioning" {
		t.Errorf("it is %s again", view.Status)
	}
}
