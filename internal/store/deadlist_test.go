package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/dbtest"
)

func TestDeadListFilters(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	shop := int64(77)
	owner := handMade(t, db, "palm", &shop)
	other := shopTenant(t, db)
	event := recordEvent(t, db, shop, "order.created", time.Time{}).ID // names its merchant only
	die(t, db, "events", event, "Salla answered 500")
	stranger := recordEvent(t, db, 8, "order.created", time.Time{}).ID
	die(t, db, "events", stranger, "Its document cannot be read")
	clerk := recordEvent(t, db, 9, "user.created", time.Time{}).ID
	die(t, db, "events", clerk, "Clerk answered 500")
	exec(t, db, `UPDATE events SET merchant = NULL, source = 'clerk', tenant_id = $2, lane = 'provisioning' WHERE id = $1`, clerk, owner.ID)
	die(t, db, "tenants", owner.ID, "Clerk answered 500")
	page := startedRunOf(t, db, opened(t, db, other, RunManual)[0])[0].ID
	die(t, db, "pages", page, "Salla answered 502")
	for i, id := range []uuid.UUID{event, stranger, clerk, owner.ID, page} {
		for _, table := range []string{"events", "tenants", "pages"} {
			exec(t, db, `UPDATE `+table+` SET due_at = now() - $2::integer * interval '1 hour' WHERE id = $1`, id, i+1)
		}
	}
	group, err := db.DeadLetterOf(t.Context(), KindEventApply, event)
	if err != nil {
		t.Fatal(err)
	}
	ago := func(d time.Duration) time.Time { return time.Now().Add(-d) }
	eight, none := int64(8), uuid.New()
	tests := []struct {
		name   string
		filter DeadFilter
		want   []uuid.UUID
	}{
		{"all, those that failed last first", DeadFilter{}, []uuid.UUID{event, stranger, clerk, owner.ID, page}},
		{"one kind", DeadFilter{Task: KindEventApply}, []uuid.UUID{event, stranger, clerk}},
		{"one of the kinds of a table", DeadFilter{Task: KindTenantSuspend}, nil},
		{"one lane", DeadFilter{Lane: "provisioning"}, []uuid.UUID{clerk, owner.ID}},
		{"a merchant, with what is its tenant's", DeadFilter{Merchant: &shop}, []uuid.UUID{event, clerk, owner.ID}},
		{"a merchant without a tenant", DeadFilter{Merchant: &eight}, []uuid.UUID{stranger}},
		{"a tenant, with what names its merchant", DeadFilter{TenantID: &owner.ID}, []uuid.UUID{event, clerk, owner.ID}},
		{"a tenant and another's merchant", DeadFilter{TenantID: &owner.ID, Merchant: &eight}, nil},
		{"no tenant's", DeadFilter{TenantID: &none}, nil},
		{"text in the reason, whatever the case", DeadFilter{Reason: "ANSWERED 50"}, []uuid.UUID{event, clerk, owner.ID, page}},
		{"text with a sign of patterns", DeadFilter{Reason: "%"}, nil},
		{"a group", DeadFilter{Reason: group.Group}, []uuid.UUID{event}},
		{"a group of a tenant", DeadFilter{Reason: group.Group, TenantID: &owner.ID}, []uuid.UUID{event}},
		{"older", DeadFilter{Before: ago(150 * time.Minute)}, []uuid.UUID{clerk, owner.ID, page}},
		{"newer", DeadFilter{After: ago(150 * time.Minute)}, []uuid.UUID{event, stranger}},
		{"between", DeadFilter{After: ago(270 * time.Minute), Before: ago(90 * time.Minute), Reason: "answered"}, []uuid.UUID{clerk, owner.ID}},
	}
	for _, tt := range tests {
		got, err := db.DeadList(t.Context(), tt.filter)
		if err != nil {
			t.Fatal(err)
		}
		var ids []uuid.UUID
		for _, l := range got.Letters {
			ids = append(ids, l.ID)
		}
		if fmt.Sprint(ids) != fmt.Sprint(tt.want) || got.More {
			t.Errorf("%s: %v, more: %t, want %v", tt.name, ids, got.More, tt.want)
		}
		if n, err := db.CountDead(t.Context(), tt.filter); err != nil || n != (DeadCount{N: len(tt.want)}) {
			t.Errorf("%s: counted %+v, %v, want %d", tt.name, n, err, len(tt.want))
		}
	}
	if group.TenantID == nil || *group.TenantID != owner.ID || *group.Merchant != shop {
		t.Errorf("an event that names its merchant only is %v's, %v's, want the tenant's", group.TenantID, group.Merchant)
	}
}

// The age of a dead letter is counted from when it was given up, not from when the
// work was due.
func TestDeadLetterIsAsOldAsItsFailure(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	rec := recordEvent(t, db, 7, "order.created", time.Time{})
	exec(t, db, `UPDATE events SET due_at = now() - interval '3 days', enqueued_at = now() - interval '3 days' WHERE id = $1`, rec.ID)
	if _, err := db.GiveUpEvent(t.Context(), leased(t, db, rec.Tasks[0]), "Salla answered 500"); err != nil {
		t.Fatal(err)
	}

	l, err := db.DeadLetterOf(t.Context(), KindEventApply, rec.ID)

	if err != nil || time.Since(l.FailedAt) > time.Hour {
		t.Errorf("it failed at %s, %v, want now", l.FailedAt, err)
	}
}

// A page that looked at enough says how far, and the pages together leave nothing
// out, in either direction.
func TestDeadListSaysHowFarItLooked(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	deadEvents(t, db, 2*deadWindow+10, 1, "CASE WHEN n IN (3, 12000, 16005) THEN 'a needle' ELSE 'hay' END")

	var seen []string
	var searched int
	f := DeadFilter{Reason: "needle"}
	var last DeadPage
	for range 10 {
		page, err := db.DeadList(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range page.Letters {
			seen = append(seen, l.ID.String()[24:])
		}
		if page.SearchedTo != nil {
			searched++
		}
		if last = page; !page.More {
			break
		}
		f.Cursor = page.Bottom
	}
	if got := strings.Join(seen, " "); got != "000000000003 000000002ee0 000000003e85" || searched != 2 || last.SearchedTo != nil {
		t.Errorf("found %s, said %d times how far, want the three needles and 2 times", got, searched)
	}
	var back []string
	for f = (DeadFilter{Reason: "needle", Newer: true, Cursor: last.Top.beside(-1)}); ; {
		page, err := db.DeadList(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for i := range page.Letters {
			back = append(back, page.Letters[len(page.Letters)-1-i].ID.String()[24:])
		}
		if !page.More {
			break
		}
		f.Cursor = page.Top
	}
	if got := strings.Join(back, " "); got != "000000002ee0 000000000003" && got != "000000003e85 000000002ee0 000000000003" {
		t.Errorf("going back found %s", got)
	}
}

// Lists of dead letters read an index in the order in which they failed, however
// many rows there are.
func TestDeadListsUseIndexes(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	deadEvents(t, db, 50_000, 50, "'Salla answered ' || n % 5 || ' in group ' || chr(65 + n % 26)")
	exec(t, db, `
		INSERT INTO events (id, source, event, merchant, lane, status, state, due_at)
		SELECT gen_random_uuid(), 'salla', 'order.created', 1000 + n % 1000, 'events', 'applied', 'done', NULL
		FROM generate_series(1, 20000) AS n`)
	exec(t, db, `ANALYZE events`)
	first, err := db.DeadList(t.Context(), DeadFilter{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	merchant := int64(1007)
	for _, tt := range []struct {
		name, index string
		filter      DeadFilter
	}{
		{"all", "events_dead_idx", DeadFilter{}},
		{"older", "events_dead_idx", DeadFilter{Before: time.Now().Add(-25 * time.Second)}},
		{"a cursor", "events_dead_idx", DeadFilter{Cursor: first.Bottom}},
		{"just newer than a cursor", "events_dead_idx", DeadFilter{Cursor: first.Bottom, Newer: true}},
		{"a merchant", "events_dead_merchant_idx", DeadFilter{Merchant: &merchant}},
		{"a group", "events_dead_reason_idx", DeadFilter{Reason: first.Letters[0].Group}},
		{"a text", "events_dead_idx", DeadFilter{Reason: "needle"}},
	} {
		tt.filter.Task = KindEventApply
		sources, args, err := db.deadSources(t.Context(), tt.filter)
		if err != nil || len(sources) != 1 {
			t.Fatal(sources, err)
		}
		rows, err := db.pool.Query(t.Context(), `EXPLAIN `+sources[0].from(tt.filter, "id, last_error")+` LIMIT 51`, pgx.QueryExecModeExec, args)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		plan := strings.Join(lines, "\n")
		if strings.Contains(plan, "Seq Scan") || strings.Contains(plan, "Sort") || !strings.Contains(plan, tt.index) {
			t.Errorf("%s is not served by %s alone:\n%s", tt.name, tt.index, plan)
		}
	}
}
