package systemtest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/sandbox"
	"github.com/wosool/wosool/internal/tasks"
)

func store(merchant int64, orders int) sandbox.StoreSpec {
	return sandbox.StoreSpec{
		Merchant: merchant, Name: fmt.Sprintf("متجر %d", merchant), Email: fmt.Sprintf("owner%d@shop.example", merchant),
		Plan: "pro", Currency: "SAR", Products: orders / 4, Orders: orders, Customers: orders / 2, Carts: 8,
	}
}

// A merchant installs; minutes later the CRM holds the store's whole history and
// follows it; uninstalling suspends, installing again resumes the same tenant.
func TestWholeWay(t *testing.T) {
	t.Parallel()
	const merchant = 71001
	s := newSystem(t, options{stores: []sandbox.StoreSpec{store(merchant, 130)}, workers: 2})

	s.install(merchant)
	s.awaitStatus(merchant, "ready")
	got := s.awaitRun(merchant, 90*time.Second)
	s.equal(merchant, got)
	for _, step := range got.Steps {
		want := "done"
		if step.Name == "workspace" {
			want = "skipped"
		}
		if step.Status != want {
			t.Errorf("step %s is %s, want %s", step.Name, step.Status, want)
		}
	}
	if got.Clerk.Organization == nil || got.Clerk.Owner == nil || *got.Clerk.Owner != "member" {
		t.Errorf("clerk: %+v, want an organization and a member as owner", got.Clerk)
	}

	s.follows(merchant, got)

	if err := s.sandbox.Uninstall(t.Context(), merchant); err != nil {
		t.Fatal(err)
	}
	away := s.awaitStatus(merchant, "suspended")
	if away.SuspendedBy == nil || *away.SuspendedBy != "uninstall" || away.Connection.State != "revoked" {
		t.Errorf("after the uninstall: suspended by %v, connection %+v", away.SuspendedBy, away.Connection)
	}
	// Salla has dropped our webhooks, so nobody tells us of what happens now.
	product := s.sandbox.SourceIDs(merchant, "products")[0]
	s.changed(s.sandbox.ChangePrice(merchant, product, 8811))
	for _, d := range s.sandbox.Deliveries() {
		if strings.HasPrefix(d.Event, "product.") && strings.Contains(string(d.Body), "8811") {
			t.Fatalf("%s of the new price was delivered though the app is not installed", d.Event)
		}
	}
	s.install(merchant)
	back := s.awaitStatus(merchant, "ready")
	if back.ID != got.ID || *back.Clerk.Organization != *got.Clerk.Organization || back.Database.Name != got.Database.Name {
		t.Errorf("after the reinstall it is another tenant: %+v, was %+v", back, got)
	}

	db := s.tenantConn(back)
	dbtest.Eventually(t, 60*time.Second, "what happened without webhooks is found", func() bool {
		var found bool
		err := db.QueryRow(t.Context(), `SELECT price = 8811 FROM salla_products WHERE salla_product_id = $1::bigint::text`, product).Scan(&found)
		return err == nil && found
	})
	var reconciles int
	if err := s.pool.QueryRow(t.Context(), `SELECT count(*) FROM runs WHERE tenant_id = $1 AND kind = 'reconcile'`, back.ID).Scan(&reconciles); err != nil || reconciles != 1 {
		t.Errorf("%d reconciles, %v, want the one that the reinstall asks for", reconciles, err)
	}

	s.nothingInTheClear()
	s.ownDatabaseOnly(got)
}

// follows changes the store and waits until the CRM shows it.
func (s *system) follows(merchant int64, t tenantView) {
	s.t.Helper()
	admin := s.tenantConn(t)
	count := func(sql string, args ...any) int {
		var n int
		if err := admin.QueryRow(s.t.Context(), sql, args...).Scan(&n); err != nil {
			s.t.Fatalf("%s: %v", sql, err)
		}
		return n
	}
	before := s.sandbox.Source(merchant)
	order := s.changed(s.sandbox.CreateOrder(merchant))
	dbtest.Eventually(s.t, 30*time.Second, "the new order is there, with its opportunity and its items", func() bool {
		return count(`SELECT count(*) FROM salla_orders o JOIN opportunities p ON p.salla_order_id = o.order_id
			WHERE o.order_id = $1::bigint::text AND o.source_items IS NOT NULL AND o.source_detail IS NOT NULL`, order) == 1
	})
	s.changed(s.sandbox.UpdateOrderStatus(merchant, order, "completed"))
	dbtest.Eventually(s.t, 30*time.Second, "the order is completed and won", func() bool {
		return count(`SELECT count(*) FROM salla_orders o JOIN opportunities p ON p.salla_order_id = o.order_id
			WHERE o.order_id = $1::bigint::text AND o.status = 'COMPLETED' AND p.stage = 'Won'`, order) == 1
	})
	s.changed(s.sandbox.DeleteOrder(merchant, order))
	dbtest.Eventually(s.t, 30*time.Second, "the deleted order is a tombstone", func() bool {
		return count(`SELECT count(*) FROM salla_orders WHERE order_id = $1::bigint::text
			AND deleted_at IS NOT NULL AND source_document IS NULL AND total IS NULL`, order) == 1
	})
	customer := s.changed(s.sandbox.CreateCustomer(merchant))
	dbtest.Eventually(s.t, 30*time.Second, "the new customer is there", func() bool {
		return count(`SELECT count(*) FROM people WHERE salla_customer_id = $1::bigint::text AND deleted_at IS NULL`, customer) == 1
	})
	cart := s.changed(s.sandbox.AbandonCart(merchant))
	dbtest.Eventually(s.t, 30*time.Second, "the cart is there", func() bool {
		return count(`SELECT count(*) FROM salla_carts WHERE salla_cart_id = $1::bigint::text`, cart) == 1
	})
	s.changed(s.sandbox.PurchaseCart(merchant, cart))
	dbtest.Eventually(s.t, 30*time.Second, "the bought cart is recovered, counted once", func() bool {
		return count(`SELECT count(*) FROM salla_carts c JOIN opportunities p USING (salla_cart_id)
			WHERE c.salla_cart_id = $1::bigint::text AND c.recovery_status = 'RECOVERED' AND p.amount = 0`, cart) == 1
	})
	product := s.sandbox.SourceIDs(merchant, "products")[0]
	s.changed(s.sandbox.ChangePrice(merchant, product, 77))
	dbtest.Eventually(s.t, 30*time.Second, "the new price is there", func() bool {
		return count(`SELECT count(*) FROM salla_products WHERE salla_product_id = $1::bigint::text AND price = 77`, product) == 1
	})
	s.changed(s.sandbox.DeleteProduct(merchant, product))
	dbtest.Eventually(s.t, 30*time.Second, "the deleted product is a tombstone", func() bool {
		return count(`SELECT count(*) FROM salla_products
			WHERE salla_product_id = $1::bigint::text AND deleted_at IS NOT NULL AND name IS NULL`, product) == 1
	})
	after := s.sandbox.Source(merchant)
	if after.Orders != before.Orders || after.Products != before.Products-1 {
		s.t.Fatalf("the sandbox went on by itself: %+v, then %+v", before, after)
	}
}

// A step that fails for good leaves the tenant failed, with the reason in words;
// after the fault is gone each of the three ways to retry makes it ready.
func TestFaultFailedStep(t *testing.T) {
	t.Parallel()
	merchants := []int64{71004, 71005, 71006}
	redisURL := dbtest.Redis(t)
	o := options{workers: 1, redisURL: redisURL}
	for _, m := range merchants {
		o.stores = append(o.stores, store(m, 8))
	}
	s := newSystem(t, o)
	if _, err := s.sandbox.Fault(sandbox.FaultRule{
		System: "clerk", Method: http.MethodPost, Path: "/organizations", Effect: sandbox.EffectStatus, Status: http.StatusForbidden,
	}); err != nil {
		t.Fatal(err)
	}
	for _, m := range merchants {
		s.install(m)
	}
	var ids []string
	for _, m := range merchants {
		failed := s.awaitStatus(m, "failed")
		ids = append(ids, failed.ID)
		said := ""
		for _, step := range failed.Steps {
			if step.Name == "identity" && step.Status == "failed" && step.Error != nil {
				said = *step.Error
			}
		}
		if said == "" {
			t.Errorf("tenant of %d is failed without a reason at the step identity: %+v", m, failed.Steps)
		}
	}
	s.sandbox.ClearFaults()

	if code, body := s.call(http.MethodPost, "/api/admin/v1/tenants/"+ids[0]+"/retry", ""); code != http.StatusAccepted {
		t.Errorf("retry by the API: %d %s", code, body)
	}
	if out, code := s.wosool("tenants", "retry", ids[1]); code != 0 {
		t.Errorf("retry by wosool: %d %s", code, out)
	}
	rdb, err := tasks.OpenRedis(redisURL)
	if err != nil {
		t.Fatal(err)
	}
	defer rdb.Close()
	inspector := asynq.NewInspectorFromRedisClient(rdb)
	var epoch int64
	if err := s.pool.QueryRow(t.Context(), `SELECT epoch FROM tenants WHERE id = $1`, ids[2]).Scan(&epoch); err != nil {
		t.Fatal(err)
	}
	if err := inspector.RunTask(tasks.LaneProvisioning, fmt.Sprintf("tenant:provision:%s:%d", ids[2], epoch)); err != nil {
		t.Errorf("run the archived task: %v", err)
	}

	for _, m := range merchants {
		s.awaitStatus(m, "ready")
	}
}

// changed gives the id of what a change to a store was made to.
func (s *system) changed(c sandbox.Change, err error) int64 {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
	return c.ID
}

// awaitCalls waits until Salla was called so many times more.
func (s *system) awaitCalls(more int) {
	s.t.Helper()
	total := func() int {
		n := 0
		for _, statuses := range s.sandbox.Stats().Calls {
			for _, calls := range statuses {
				n += calls
			}
		}
		return n
	}
	from := total()
	dbtest.Eventually(s.t, 30*time.Second, "the import goes on", func() bool { return total() >= from+more })
}

// nothingInTheClear reads the whole control database as text.
func (s *system) nothingInTheClear() {
	s.t.Helper()
	rows, err := s.pool.Query(s.t.Context(), `SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'`)
	if err != nil {
		s.t.Fatal(err)
	}
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		s.t.Fatal(err)
	}
	secrets := []string{"ory_at_", "ory_rt_", clientSecret, webhookSecret, clerkKey, clerkHook, apiKey}
	for _, table := range tables {
		rows, err := s.pool.Query(s.t.Context(), `SELECT t::text FROM `+table+` t`)
		if err != nil {
			s.t.Fatal(err)
		}
		texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			s.t.Fatal(err)
		}
		for _, text := range texts {
			for _, secret := range secrets {
				if strings.Contains(text, secret) {
					s.t.Errorf("table %s holds %s… in the clear", table, secret[:6])
				}
			}
		}
	}
	for name, log := range s.logs {
		for _, secret := range secrets {
			if strings.Contains(log.String(), secret) {
				s.t.Errorf("the log of %s holds %s… in the clear", name, secret[:6])
			}
		}
	}
}
