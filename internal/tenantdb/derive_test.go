package tenantdb_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wosool/wosool/internal/tenantdb"
)

func TestOpportunities(t *testing.T) {
	t.Parallel()
	db, c := newDB(t)
	orders := newImporter(t, db, tenantdb.Orders)
	var records []tenantdb.Record
	for _, status := range []string{"PENDING", "CONFIRMED", "COMPLETED", "CANCELED", "REFUNDED"} {
		records = append(records, order(status, "c", status, "10.125", 1))
	}
	orders.commit(tenantdb.OrderList(), records)
	carts := newImporter(t, db, tenantdb.Carts)
	carts.commit(tenantdb.CartList(), []tenantdb.Record{cart("1", "c", "PENDING", "7", 1), cart("2", "c", "RECOVERED", "8", 1)})
	all := func() string {
		return value(t, c, `SELECT string_agg(concat_ws('|', name, stage, amount, abandoned_value, currency, cart_status), E'\n'
			ORDER BY name) FROM opportunities WHERE deleted_at IS NULL`)
	}
	want := `Cart #1|Lead|7|7|SAR|ABANDONED
Cart #2|Won|0|8|SAR|RECOVERED
Order #NCANCELED|Lost|10.125|SAR|PENDING
Order #NCOMPLETED|Won|10.125|SAR|COMPLETED
Order #NCONFIRMED|Proposal|10.125|SAR|PENDING
Order #NPENDING|Negotiation|10.125|SAR|PENDING
Order #NREFUNDED|Lost|10.125|SAR|PENDING`
	if diff := cmp.Diff(want, all()); diff != "" {
		t.Errorf("opportunities (-want +got):\n%s", diff)
	}

	// A stale write disturbs nothing that is derived.
	stale := order("COMPLETED", "c", "PENDING", "1", 0)
	if got := apply(t, db, tenantdb.OrderDetail(), stale); got != tenantdb.Stale {
		t.Errorf("got %s, want stale", got)
	}
	if diff := cmp.Diff(want, all()); diff != "" {
		t.Errorf("after a stale write (-want +got):\n%s", diff)
	}
	before := value(t, c, `SELECT string_agg(id || updated_at::text, ',' ORDER BY id) FROM opportunities`)
	apply(t, db, tenantdb.CartList(), cart("1", "c", "RECOVERED", "7", 2))
	if got := value(t, c, `SELECT concat_ws(' ', stage, amount, cart_status) FROM opportunities WHERE salla_cart_id = '1'`); got != "Won 0 RECOVERED" {
		t.Errorf("a purchased cart's opportunity is %s", got)
	}
	if after := value(t, c, `SELECT string_agg(id || updated_at::text, ',' ORDER BY id) FROM opportunities`); after == before {
		t.Error("updated_at did not move")
	}
}

func TestPeopleAndOrdersFindEachOther(t *testing.T) {
	t.Parallel()
	for _, peopleFirst := range []bool{true, false} {
		t.Run(fmt.Sprintf("people first %t", peopleFirst), func(t *testing.T) {
			t.Parallel()
			db, c := newDB(t)
			steps := []func(){
				func() {
					newImporter(t, db, tenantdb.Customers).commit(tenantdb.CustomerList(),
						[]tenantdb.Record{person("c1", "a", 1), person("c2", "b", 1)})
				},
				func() {
					newImporter(t, db, tenantdb.Orders).commit(tenantdb.OrderList(), []tenantdb.Record{
						order("1", "c1", "COMPLETED", "10.5", 1), order("2", "c1", "CANCELED", "99", 1),
						order("3", "c2", "PENDING", "1", 1), order("4", "nobody", "PENDING", "1", 1),
					})
				},
				func() {
					newImporter(t, db, tenantdb.Carts).commit(tenantdb.CartList(), []tenantdb.Record{cart("1", "c1", "PENDING", "5", 1)})
				},
			}
			if !peopleFirst {
				steps = []func(){steps[1], steps[2], steps[0]}
			}
			for _, s := range steps {
				s()
			}
			got := value(t, c, `SELECT string_agg(concat_ws(' ', salla_customer_id, orders_count, total_spent,
				last_order_date IS NOT NULL), E'\n' ORDER BY salla_customer_id) FROM people`)
			if want := "c1 1 10.5 t\nc2 1 1 t"; got != want {
				t.Errorf("totals: got %s, want %s", got, want)
			}
			got = value(t, c, `SELECT string_agg(concat_ws(' ', coalesce(v.salla_order_id, 'cart'), p.salla_customer_id), E'\n'
				ORDER BY v.salla_order_id) FROM opportunities v LEFT JOIN people p ON p.id = v.person_id`)
			if want := "1 c1\n2 c1\n3 c2\n4\ncart c1"; got != want {
				t.Errorf("opportunities: got %s, want %s", got, want)
			}
			if got := value(t, c, `SELECT count(*) FROM salla_carts WHERE person_id IS NOT NULL`); got != "1" {
				t.Errorf("%s carts are linked, want 1", got)
			}

			moved := order("1", "c2", "COMPLETED", "10.5", 5)
			apply(t, db, tenantdb.OrderList(), moved)
			got = value(t, c, `SELECT string_agg(concat_ws(' ', salla_customer_id, orders_count, total_spent,
				last_order_date IS NOT NULL), E'\n' ORDER BY salla_customer_id) FROM people`)
			if want := "c1 0 0 f\nc2 2 11.5 t"; got != want {
				t.Errorf("totals after an order went to another customer: got %s, want %s", got, want)
			}
		})
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	db, c := newDB(t)
	now := time.Now()
	n := 0
	buys := func(customer string, count int, status, total string, daysAgo int) {
		var records []tenantdb.Record
		for range count {
			n++
			r := order(fmt.Sprint(n), customer, status, total, 1)
			r.Fields["placed_at"] = now.AddDate(0, 0, -daysAgo)
			records = append(records, r)
		}
		newImporter(t, db, tenantdb.Orders).commit(tenantdb.OrderList(), records)
	}
	registered := func(customer string, daysAgo int) tenantdb.Record {
		r := person(customer, customer, 1)
		r.Fields["registered_at"] = now.AddDate(0, 0, -daysAgo)
		return r
	}
	people := []tenantdb.Record{
		registered("risk", 400), registered("frequent", 400), registered("old", 400), registered("new", 10),
		registered("vip", 400), registered("neworder", 400), registered("spender", 400),
	}
	for i := range 20 { // so that the top 5 % is one person and a half: two
		people = append(people, registered(fmt.Sprintf("other%02d", i), 400))
	}
	newImporter(t, db, tenantdb.Customers).commit(tenantdb.CustomerList(), people)
	buys("risk", 2, "COMPLETED", "1", 10)
	buys("risk", 2, "REFUNDED", "1", 10)
	buys("frequent", 3, "COMPLETED", "1", 100)
	buys("old", 3, "COMPLETED", "1", 300)
	buys("vip", 5, "COMPLETED", "1000", 300)
	buys("neworder", 1, "PENDING", "1", 5)
	buys("spender", 1, "COMPLETED", "90000", 300) // top, but too few orders
	tags := func() map[string]string {
		var raw []byte
		if err := c.QueryRow(t.Context(), `SELECT jsonb_object_agg(salla_customer_id, coalesce(salla_tags, ''))
			FROM people WHERE salla_customer_id NOT LIKE 'other%'`).Scan(&raw); err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		if err := json.Unmarshal(raw, &got); err != nil {
			t.Fatal(err)
		}
		return got
	}
	want := map[string]string{
		"risk": "RISK", "frequent": "FREQUENT_BUYER", "old": "", "new": "NEW", "vip": "", "neworder": "NEW", "spender": "",
	}
	if diff := cmp.Diff(want, tags()); diff != "" {
		t.Errorf("before the run's end (-want +got):\n%s", diff)
	}

	if err := db.FinishRun(t.Context()); err != nil {
		t.Fatal(err)
	}
	want["vip"] = "VIP"
	if diff := cmp.Diff(want, tags()); diff != "" {
		t.Errorf("after the run's end (-want +got):\n%s", diff)
	}
	buys("vip", 1, "COMPLETED", "1", 1)
	if got := tags()["vip"]; got != "VIP" {
		t.Errorf("a VIP who buys again is %q", got)
	}
	buys("vip", 6, "CANCELED", "1", 1)
	if got := tags()["vip"]; got != "RISK" {
		t.Errorf("a VIP who cancels half is %q, want RISK", got)
	}
}

func TestTombstones(t *testing.T) {
	t.Parallel()
	db, c := newDB(t)
	newImporter(t, db, tenantdb.Customers).commit(tenantdb.CustomerList(), []tenantdb.Record{person("c", "a", 1)})
	newImporter(t, db, tenantdb.Products).commit(tenantdb.ProductList(), []tenantdb.Record{product("p", "10", 1)})
	newImporter(t, db, tenantdb.Orders).commit(tenantdb.OrderList(), []tenantdb.Record{
		order("o", "c", "COMPLETED", "10", 1), order("o2", "c", "COMPLETED", "5", 1),
	})
	newImporter(t, db, tenantdb.Carts).commit(tenantdb.CartList(), []tenantdb.Record{cart("k", "c", "PENDING", "10", 1)})
	bury := func(resource, key string, at tenantdb.TombstoneOrder) tenantdb.Outcome {
		t.Helper()
		a, err := db.Tombstone(t.Context(), resource, key, at)
		if err != nil {
			t.Fatal(err)
		}
		return a.Outcome
	}

	if got := bury(tenantdb.Products, "p", tenantdb.TombstoneOrder{ReadAt: at(0), FromRead: true}); got != tenantdb.Stale {
		t.Errorf("a 404 before the stored read: got %s", got)
	}
	for resource, key := range map[string]string{tenantdb.Products: "p", tenantdb.Orders: "o", tenantdb.Carts: "k"} {
		for range 2 {
			if got := bury(resource, key, tenantdb.TombstoneOrder{ReadAt: at(5)}); got != tenantdb.Stored {
				t.Errorf("%s: got %s", resource, got)
			}
		}
	}
	left := func(table, where string) string {
		return value(t, c, `SELECT string_agg(k || coalesce('=' || nullif(x.v, 'x'), ''), ' ' ORDER BY k) FROM (
			SELECT e.key AS k, CASE WHEN e.key IN ('status', 'left_list') THEN e.value ELSE 'x' END AS v
			FROM `+table+` t, jsonb_each_text(to_jsonb(t)) e WHERE `+where+` AND e.value IS NOT NULL) x`)
	}
	times := "created_at deleted_at"
	for _, tt := range []struct{ table, where, want string }{
		{"salla_products", "salla_product_id = 'p'", times + " id read_at salla_product_id seen_run source_hash status=ARCHIVED updated_at"},
		{"salla_orders", "order_id = 'o'", times + " id order_id read_at seen_run source_hash updated_at"},
		{"salla_carts", "salla_cart_id = 'k'", times + " id left_list=false read_at salla_cart_id seen_run source_hash updated_at"},
		{"opportunities", "salla_order_id = 'o'", times + " id salla_order_id updated_at"},
		{"opportunities", "salla_cart_id = 'k'", times + " id salla_cart_id updated_at"},
	} {
		if diff := cmp.Diff(tt.want, left(tt.table, tt.where)); diff != "" {
			t.Errorf("%s keeps too much or too little (-want +got):\n%s", tt.where, diff)
		}
	}
	if got := value(t, c, `SELECT orders_count || ' ' || total_spent FROM people`); got != "1 5" {
		t.Errorf("totals after a deletion: got %s, want 1 5", got)
	}

	// Nothing that was read before the deletion brings it back.
	im := newImporter(t, db, tenantdb.Orders)
	im.commit(tenantdb.OrderList(), []tenantdb.Record{order("o", "c", "COMPLETED", "10", 5), order("never", "c", "PENDING", "1", 4)})
	if r, err := db.StoredRecord(t.Context(), tenantdb.Orders, "o"); err != nil || r.DeletedAt == nil {
		t.Errorf("an older page lifted the tombstone: %+v, %v", r, err)
	}
	// What was deleted before it was ever read stays away too.
	bury(tenantdb.Orders, "early", tenantdb.TombstoneOrder{ReadAt: at(5)})
	im.commit(tenantdb.OrderList(), []tenantdb.Record{order("early", "c", "COMPLETED", "10", 4)})
	counts, err := db.Counts(t.Context(), tenantdb.Orders, im.ref.Run)
	if err != nil || counts.Live != 2 {
		t.Errorf("got %+v, %v, want the orders o2 and never", counts, err)
	}
	// A read begun after it does, with defaults, opportunity and totals.
	apply(t, db, tenantdb.OrderDetail(), order("o", "c", "COMPLETED", "10", 6))
	got := value(t, c, `SELECT concat_ws(' ', o.total, o.total_tax, v.stage, v.deleted_at IS NULL, p.total_spent)
		FROM salla_orders o JOIN opportunities v ON v.salla_order_id = o.order_id JOIN people p ON p.id = o.person_id
		WHERE o.order_id = 'o'`)
	if want := "10 0 Won t 16"; got != want {
		t.Errorf("lifted: got %s, want %s", got, want)
	}

	bury(tenantdb.Customers, "c", tenantdb.TombstoneOrder{ReadAt: at(9), FromRead: true})
	want := times + " id read_at salla_customer_id seen_run source_hash updated_at"
	if diff := cmp.Diff(want, left("people", "true")); diff != "" {
		t.Errorf("a deleted customer (-want +got):\n%s", diff)
	}
	apply(t, db, tenantdb.CustomerList(), person("c", "back", 10))
	if got := value(t, c, `SELECT concat_ws(' ', first_name, orders_count, total_spent) FROM people`); got != "back 3 16" {
		t.Errorf("a customer who is back: %s", got)
	}
}

func TestRefunds(t *testing.T) {
	t.Parallel()
	db, c := newDB(t)
	financial := func(key string) string {
		return value(t, c, `SELECT financial_status FROM salla_orders WHERE order_id = $1`, key)
	}
	mark := func(key string) {
		t.Helper()
		if err := db.MarkRefunded(t.Context(), key, at(3)); err != nil {
			t.Fatal(err)
		}
	}
	im := newImporter(t, db, tenantdb.Orders)
	im.commit(tenantdb.OrderList(), []tenantdb.Record{order("known", "c", "COMPLETED", "10", 1)})
	mark("known")
	mark("early") // its event comes before the order does
	im.commit(tenantdb.OrderList(), []tenantdb.Record{order("early", "c", "COMPLETED", "10", 4)})
	apply(t, db, tenantdb.OrderDetail(), order("known", "c", "CONFIRMED", "10", 5))
	for _, key := range []string{"known", "early"} {
		if got := financial(key); got != "PARTIALLY_REFUNDED" {
			t.Errorf("%s: got %s, want PARTIALLY_REFUNDED", key, got)
		}
		if got := value(t, c, `SELECT jsonb_array_length(refunds) FROM salla_orders WHERE order_id = $1`, key); got != "1" {
			t.Errorf("%s: %s refunds are noted, want 1", key, got)
		}
	}
	again := newImporter(t, db, tenantdb.Orders)
	if got := again.commit(tenantdb.OrderList(), []tenantdb.Record{order("early", "c", "COMPLETED", "10", 6)}); got.Unchanged != 1 {
		t.Errorf("got %+v, want it unchanged", got)
	}
	whole := order("known", "c", "REFUNDED", "10", 7)
	whole.Fields["financial_status"] = "REFUNDED"
	apply(t, db, tenantdb.OrderDetail(), whole)
	mark("known")
	if got := financial("known"); got != "REFUNDED" {
		t.Errorf("got %s, want REFUNDED", got)
	}
}
