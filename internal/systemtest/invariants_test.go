package systemtest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/sandbox"
)

func digits(merchant int64) string { return strconv.FormatInt(merchant, 10) }

// workTables are the tables whose rows are work.
func workTables() []string {
	return []string{"tenants", "connections", "schema_targets", "events", "entity_reads", "runs", "pages", "bulk_acts"}
}

// invariants is what holds when faults have stopped, whatever they were: the
// system comes to rest by itself within the time, and then nothing is lost,
// doubled, mixed up or told.
func (s *system) invariants(t *testing.T, within time.Duration) {
	t.Helper()
	s.awaitRest(t, within)
	s.everyEventEnds(t)
	s.everyEndIsTold(t)
	s.oneOfAll(t)
	s.wholeDatabases(t)
	if stats := s.sandbox.Stats(); stats.Reuses != 0 || stats.Resent != 0 {
		t.Errorf("refresh tokens used twice: %d, sent again though they might have been used: %d", stats.Reuses, stats.Resent)
	}
	s.nothingInTheClear()
	s.nothingPrivate(t)
}

// awaitRest waits until no row of work is in hand, due, or to become due: what
// is not done by then waits for somebody, or is a dead letter.
func (s *system) awaitRest(t *testing.T, within time.Duration) {
	t.Helper()
	parts := make([]string, 0, len(workTables()))
	for _, table := range workTables() {
		parts = append(parts, `
			SELECT task || ' ' || id || ' epoch ' || epoch || ' ' || state
			       || coalesce(', lease until ' || (lease_until - now())::text, '')
			       || coalesce(', due ' || (due_at - now())::text, '') || coalesce(': ' || last_error, '')
			FROM `+table+` WHERE state IN ('held', 'runnable')`)
	}
	var moving []string
	defer func() {
		if t.Failed() && len(moving) > 0 {
			t.Logf("what does not come to rest:\n%s", strings.Join(moving, "\n"))
		}
	}()
	dbtest.Eventually(t, within, "everything comes to rest", func() bool {
		rows, err := s.pool.Query(t.Context(), strings.Join(parts, " UNION ALL ")+` LIMIT 20`)
		if err != nil {
			return false
		}
		moving, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err == nil && len(moving) == 0
	})
}

// everyEventEnds fails unless every delivery that was answered 200 is one event,
// at its end or waiting for something that is named.
func (s *system) everyEventEnds(t *testing.T) {
	t.Helper()
	rows, err := s.pool.Query(t.Context(), `
		SELECT encode(p.body_hash, 'hex'), e.id::text, e.status, coalesce(e.waiting_for, ''), coalesce(e.error, e.last_error, '')
		FROM events AS e
		JOIN event_payloads AS p ON p.event_id = e.id`)
	if err != nil {
		t.Fatal(err)
	}
	type event struct{ Hash, ID, Status, WaitingFor, Reason string }
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[event])
	if err != nil {
		t.Fatal(err)
	}
	byBody := map[string][]event{}
	for _, e := range all {
		byBody[e.Hash] = append(byBody[e.Hash], e)
		switch {
		case e.Status == "received":
			t.Errorf("the event %s has neither an end nor a wait", e.ID)
		case e.Status == "waiting" && e.WaitingFor == "", e.Status == "failed" && e.Reason == "":
			t.Errorf("the event %s is %s and does not say why", e.ID, e.Status)
		}
	}
	for _, d := range s.sandbox.Deliveries() {
		if !slices.ContainsFunc(d.Attempts, func(a sandbox.Attempt) bool { return a.Status/100 == 2 }) {
			continue
		}
		sum := sha256.Sum256(d.Body)
		if n := len(byBody[hex.EncodeToString(sum[:])]); n != 1 {
			t.Errorf("%s of %d was accepted and is %d events, want 1", d.Event, d.Merchant, n)
		}
	}
}

// everyEndIsTold fails where work stopped without a reason that operators read.
func (s *system) everyEndIsTold(t *testing.T) {
	t.Helper()
	for _, table := range workTables() {
		reason := "last_error"
		switch table {
		case "events": // told above
			continue
		case "tenants": // one that nobody provisions yet shows its status
			reason = "CASE WHEN state = 'waiting' AND status IN ('pending', 'suspended') THEN status ELSE last_error END"
		}
		rows, err := s.pool.Query(t.Context(), `
			SELECT task || ' ' || id || ' is ' || state
			FROM `+table+`
			WHERE state IN ('waiting', 'failed') AND coalesce(`+reason+`, '') = ''`)
		if err != nil {
			t.Fatal(err)
		}
		silent, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range silent {
			t.Errorf("%s and does not say why", row)
		}
	}
}

// oneOfAll fails unless each merchant that installed has one tenant, and each
// ready tenant one organization, one database without leftovers, and each event
// subscribed once.
func (s *system) oneOfAll(t *testing.T) {
	t.Helper()
	rows, err := s.pool.Query(t.Context(), `
		SELECT merchant, count(*)::int, min(status), min(clerk_organization_id), min(database_name)
		FROM tenants
		WHERE merchant IS NOT NULL
		GROUP BY merchant`)
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		Merchant     int64
		Tenants      int
		Status       string
		Organization *string
		Database     *string
	}
	tenants, err := pgx.CollectRows(rows, pgx.RowToStructByPos[row])
	if err != nil {
		t.Fatal(err)
	}
	clerk := s.sandbox.ClerkState()
	for _, r := range tenants {
		if r.Tenants != 1 {
			t.Errorf("%d has %d tenants, want 1", r.Merchant, r.Tenants)
		}
		if r.Status != "ready" {
			continue
		}
		var organizations []string
		for _, o := range clerk.Organizations {
			if fmt.Sprint(o.Private["store_id"]) == digits(r.Merchant) {
				organizations = append(organizations, o.ID)
			}
		}
		if r.Organization == nil || !slices.Equal(organizations, []string{*r.Organization}) {
			t.Errorf("%d has the organizations %v at Clerk, and %v in its tenant; want one, the same", r.Merchant, organizations, r.Organization)
		}
		if r.Database == nil || !slices.Equal(s.databasesLike(t, *r.Database), []string{*r.Database}) {
			t.Errorf("%d has the databases %v, want one", r.Merchant, s.databasesLike(t, *r.Database))
		}
		seen := map[string]int{}
		for _, w := range s.sandbox.Subscriptions(r.Merchant) {
			seen[w.Event]++
		}
		for event, n := range seen {
			if n != 1 {
				t.Errorf("%d: %s is subscribed %d times", r.Merchant, event, n)
			}
		}
		if len(seen) != 24 {
			t.Errorf("%d: %d events are subscribed, want 24", r.Merchant, len(seen))
		}
	}
}

func (s *system) databasesLike(t *testing.T, name string) []string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.tenants)
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(t, conn)
	rows, err := conn.Query(t.Context(), `SELECT datname FROM pg_database WHERE starts_with(datname, $1)`, name)
	if err != nil {
		t.Fatal(err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// keys gives the column that names a resource's records at their source.
func keys() map[string]string {
	return map[string]string{
		"customers": `SELECT salla_customer_id FROM people WHERE salla_customer_id IS NOT NULL AND deleted_at IS NULL`,
		"products":  `SELECT salla_product_id FROM salla_products WHERE deleted_at IS NULL`,
		"orders":    `SELECT order_id FROM salla_orders WHERE deleted_at IS NULL`,
		"carts":     `SELECT salla_cart_id FROM salla_carts WHERE deleted_at IS NULL AND NOT left_list`,
	}
}

// wholeDatabases fails unless each ready store's database holds the source's
// records, all of them and no others, and its last run says so.
func (s *system) wholeDatabases(t *testing.T) {
	t.Helper()
	for _, merchant := range s.sandbox.Merchants() {
		view, ok := s.tenant(merchant)
		if !ok || view.Status != "ready" || len(view.Imports) == 0 {
			continue
		}
		for resource, difference := range s.differences(t, merchant, view.Database.Name) {
			t.Errorf("%d: %s: %s", merchant, resource, difference)
		}
		run := view.Imports[0]
		if run.Status != "complete" {
			reason := ""
			if run.Reason != nil {
				reason = *run.Reason
			}
			t.Errorf("%d: the import is %s (%s), want complete", merchant, run.Status, reason)
		}
		var sum struct{ pages, mirrored int }
		stored := s.tenantConn(view)
		if err := stored.QueryRow(t.Context(), `
			SELECT coalesce(sum(imported + unchanged + rejected), 0)::int FROM import_pages WHERE done_at IS NOT NULL`).Scan(&sum.pages); err != nil {
			t.Fatal(err)
		}
		if err := s.pool.QueryRow(t.Context(), `
			SELECT coalesce(sum(imported + unchanged + rejected), 0)::int FROM streams WHERE tenant_id = $1`, view.ID).Scan(&sum.mirrored); err != nil {
			t.Fatal(err)
		}
		if sum.pages != sum.mirrored {
			t.Errorf("%d: the tenant's pages count %d records, the control database mirrors %d", merchant, sum.pages, sum.mirrored)
		}
	}
}

// differences compares a tenant's records with its source's, id by id.
func (s *system) differences(t *testing.T, merchant int64, database string) map[string]string {
	t.Helper()
	found := map[string]string{}
	conn, err := pgx.Connect(t.Context(), onDatabase(t, s.tenants, database))
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(t, conn)
	for resource, sql := range keys() {
		rows, err := conn.Query(t.Context(), sql)
		if err != nil {
			t.Fatal(err)
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		stored := map[string]int{}
		for _, id := range ids {
			stored[id]++
		}
		missing := 0
		for _, id := range s.sandbox.SourceIDs(merchant, resource) {
			key := strconv.FormatInt(id, 10)
			if stored[key] == 0 {
				missing++
			}
			delete(stored, key)
		}
		if missing > 0 || len(stored) > 0 {
			found[resource] = fmt.Sprintf("%d of the source's are missing, %d are not the source's", missing, len(stored))
		}
	}
	return found
}

// awaitEqual waits until the first import is over and the database is the source's.
func (s *system) awaitEqual(t *testing.T, within time.Duration, merchants ...int64) {
	t.Helper()
	waits := slices.Clone(merchants)
	dbtest.Eventually(t, within, fmt.Sprintf("the counts of %v are equal", merchants), func() bool {
		waits = slices.DeleteFunc(waits, func(m int64) bool { return s.isEqual(t, m) })
		return len(waits) == 0
	})
}

// isEqual tells whether a store's import is over and its database the source's.
func (s *system) isEqual(t *testing.T, merchant int64) bool {
	t.Helper()
	var name string
	if err := s.pool.QueryRow(t.Context(), `
		SELECT t.database_name
		FROM tenants AS t
		WHERE t.merchant = $1 AND t.status = 'ready'
		  AND EXISTS (SELECT FROM runs AS r WHERE r.tenant_id = t.id AND r.status = 'complete')`, merchant).Scan(&name); err != nil {
		return false // not yet, or PostgreSQL is away
	}
	return len(s.differences(t, merchant, name)) == 0
}

// order is some order of a store.
func (s *system) order(merchant int64) int64 {
	s.t.Helper()
	ids := s.sandbox.SourceIDs(merchant, "orders")
	if len(ids) == 0 {
		s.t.Fatalf("%d has no orders", merchant)
	}
	return ids[0]
}

// operate makes an operator's call that must be taken.
func (s *system) operate(path, body string) {
	s.t.Helper()
	if code, answer := s.call(http.MethodPost, "/api/admin/v1/"+path, body); code/100 != 2 {
		s.t.Fatalf("%s: %d %s", path, code, answer)
	}
}

// all is the merchants of some lines.
func all[V any](lines map[int64]V) []int64 { return slices.Sorted(maps.Keys(lines)) }
