package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
)

// lines notes some acts, a minute apart, the newest at until, and returns their ids,
// newest first.
func lines(t *testing.T, db *DB, until time.Time, acts ...AuditEntry) []uuid.UUID {
	t.Helper()
	var ids []uuid.UUID
	for i, a := range acts {
		at := until.Add(-time.Duration(i) * time.Minute)
		id := uuid.MustParse(idAt(at))
		id[15] = byte(i + 1)
		details := string(a.Details)
		if details == "" {
			details = "{}"
		}
		exec(t, db, `
			INSERT INTO audit (id, at, actor, act, tenant_id, subject, details, address)
			VALUES ($1, $2, $3, $4, $5, nullif($6, ''), $7, nullif($8, ''))`, id, at, a.Actor, a.Act, a.TenantID, a.Subject, details, a.Address)
		ids = append(ids, id)
	}
	return ids
}

// Each filter finds its lines, page by page in both directions, and no others.
func TestAuditIsListed(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	until := time.UnixMilli(1_763_000_000_000)
	palm := uuid.Must(uuid.NewV7())
	ids := lines(t, db, until,
		AuditEntry{Actor: "noura@example.com", Act: "tenant.suspend", TenantID: &palm, Address: "192.0.2.7", Details: []byte(`{"reason":"Fraud ١٢٣"}`)},
		AuditEntry{Actor: "amal@example.com", Act: "queue.pause", Subject: "lane imports"},
		AuditEntry{Actor: "noura@example.com", Act: "tenant.resume", TenantID: &palm},
		AuditEntry{Actor: "amal@example.com", Act: "tenants.other"},
		AuditEntry{Actor: "noura@example.com", Act: "queue.pause", Subject: "lane events"},
	)
	early, late := until.Add(-3*time.Minute), until.Add(-time.Minute)
	for name, c := range map[string]struct {
		f    AuditFilter
		want []uuid.UUID
	}{
		"all":            {AuditFilter{}, ids},
		"who":            {AuditFilter{Actor: "amal@example.com"}, []uuid.UUID{ids[1], ids[3]}},
		"what":           {AuditFilter{Acts: []string{"queue.pause"}}, []uuid.UUID{ids[1], ids[4]}},
		"what and who":   {AuditFilter{Acts: []string{"queue.pause"}, Actor: "noura@example.com"}, []uuid.UUID{ids[4]}},
		"several acts":   {AuditFilter{Acts: []string{"tenant.suspend", "tenant.resume", "never.done"}}, []uuid.UUID{ids[0], ids[2]}},
		"no act":         {AuditFilter{Acts: []string{}}, nil},
		"a store":        {AuditFilter{TenantID: &palm}, []uuid.UUID{ids[0], ids[2]}},
		"a time":         {AuditFilter{From: &early, To: &late}, []uuid.UUID{ids[2], ids[3]}},
		"a text":         {AuditFilter{Text: "FRAUD ١٢٣"}, ids[:1]},
		"compact JSON":   {AuditFilter{Text: `"reason":"fraud`}, ids[:1]},
		"an address":     {AuditFilter{Text: "192.0.2.7"}, ids[:1]},
		"a text of many": {AuditFilter{Text: "lane"}, []uuid.UUID{ids[1], ids[4]}},
		"a text in acts": {AuditFilter{Text: "events", Acts: []string{"queue.pause", "queue.resume"}}, ids[4:]},
	} {
		f := c.f
		f.Limit = 1
		if d := cmp.Diff(c.want, walkAudit(t, db, f)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		f.Newer, f.Cursor = true, uuid.MustParse(idAt(until.Add(-time.Hour)))
		newer := walkAudit(t, db, f)
		slices.Reverse(newer)
		if d := cmp.Diff(c.want, newer); d != "" {
			t.Errorf("%s, upwards: %s", name, d)
		}
	}

	acts, err := db.AuditActs(t.Context())
	if want := []string{"queue.pause", "tenant.resume", "tenant.suspend", "tenants.other"}; err != nil || !slices.Equal(acts, want) {
		t.Errorf("acts %v, %v, want %v", acts, err, want)
	}
	actors, err := db.AuditActors(t.Context())
	if want := []string{"amal@example.com", "noura@example.com"}; err != nil || !slices.Equal(actors, want) {
		t.Errorf("actors %v, %v, want %v", actors, err, want)
	}
	e, err := db.AuditEntry(t.Context(), ids[0])
	if err != nil || e.Act != "tenant.suspend" || e.Address != "192.0.2.7" || *e.TenantID != palm || !strings.Contains(string(e.Details), "Fraud") {
		t.Errorf("the entry is %+v, %v", e, err)
	}
	if _, err := db.AuditEntry(t.Context(), palm); !errors.Is(err, fault.NotFound) {
		t.Errorf("an entry that is none: %v", err)
	}
	if _, err := db.Audit(t.Context(), AuditFilter{From: &late, To: &early}); !errors.Is(err, fault.Invalid) {
		t.Errorf("times in the wrong order: %v", err)
	}
}

// walkAudit goes through a list page by page.
func walkAudit(t *testing.T, db *DB, f AuditFilter) (ids []uuid.UUID) {
	t.Helper()
	for {
		page, err := db.Audit(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Entries {
			ids = append(ids, e.ID)
			f.Cursor = e.ID
		}
		if page.SearchedTo != uuid.Nil {
			f.Cursor = page.SearchedTo
		}
		if !page.More {
			return ids
		}
	}
}

// A search says how far it came, and goes on from there; an export says where it was
// cut, and is cut nowhere else.
func TestLargeAudit(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	exec(t, db, `
		INSERT INTO audit (id, actor, act, subject)
		SELECT ('019a0000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'op', 'tested', CASE WHEN n = 1 THEN 'the needle' END
		FROM generate_series(1, $1::integer) AS n`, auditMost+100)

	first, err := db.Audit(t.Context(), AuditFilter{Text: "needle"})
	if err != nil || len(first.Entries) > 0 || !first.More || first.SearchedTo == uuid.Nil {
		t.Fatalf("the first page has %d, more %v, looked to %s, %v", len(first.Entries), first.More, first.SearchedTo, err)
	}
	if got := walkAudit(t, db, AuditFilter{Text: "needle"}); len(got) != 1 {
		t.Errorf("the whole search finds %d, want 1", len(got))
	}

	for _, c := range []struct {
		name  string
		f     AuditFilter
		most  int
		long  time.Duration
		rows  int
		cut   AuditCut
		chunk int
	}{
		{"cut", AuditFilter{}, 2500, time.Minute, 2500, AuditTooMany, 3},
		{"whole", AuditFilter{Cursor: uuid.MustParse("019a0000-0000-7000-8000-0000000003e9")}, 1000, time.Minute, 1000, AuditWhole, 1},
		{"too long", AuditFilter{Text: "needle"}, 10, 0, 0, AuditTooLong, 0},
		{"a text", AuditFilter{Text: "needle"}, 10, time.Minute, 1, AuditWhole, 1},
	} {
		rows, chunks := map[uuid.UUID]bool{}, 0
		cut, to, err := db.exportAudit(t.Context(), c.f, c.most, c.long, func(list []AuditEntry) error {
			chunks++
			for _, e := range list {
				rows[e.ID] = true
			}
			return nil
		})
		if err != nil || len(rows) != c.rows || cut != c.cut || chunks != c.chunk || to == uuid.Nil {
			t.Errorf("%s: %d rows in %d chunks, cut %q at %s, %v", c.name, len(rows), chunks, cut, to, err)
		}
	}
	gone := errors.New("the reader has gone")
	if _, _, err := db.ExportAudit(t.Context(), AuditFilter{}, func([]AuditEntry) error { return gone }); !errors.Is(err, gone) {
		t.Errorf("a writer that fails: %v", err)
	}
}

// Nobody changes the audit or takes anything from it, not even who may do all else.
func TestAuditIsOnlyAddedTo(t *testing.T) {
	t.Parallel()
	pool := dbtest.Control(t)
	db := New(pool)
	lines(t, db, time.Now(), AuditEntry{Actor: "op", Act: "tested"})
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	for _, role := range []string{"origin", "replica"} {
		if _, err := conn.Exec(t.Context(), `SELECT set_config('session_replication_role', $1, false)`, role); err != nil {
			t.Fatal(err)
		}
		for verb, statement := range map[string]string{
			"update": `UPDATE audit SET actor = 'somebody else'`, "delete": `DELETE FROM audit`, "truncate": `TRUNCATE audit`,
		} {
			_, err := conn.Exec(t.Context(), statement)
			if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("the audit is only ever added to: %s is refused", verb)) {
				t.Errorf("%s as %s: %v", verb, role, err)
			}
		}
	}
	if _, err := conn.Exec(context.WithoutCancel(t.Context()), `RESET session_replication_role`); err != nil {
		t.Fatal(err)
	}
	if got := count(t, db, `audit WHERE actor = 'op'`); got != 1 {
		t.Errorf("%d lines are left, want 1", got)
	}
}
