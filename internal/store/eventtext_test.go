package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
)

func TestEventsAreFoundByTimeAndText(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	start := time.Date(2026, 1, 10, 0, 0, 0, 0, time.UTC)
	say := func(day int, merchant int64, column, said string) uuid.UUID {
		id := recordEvent(t, db, merchant, "order.created", start.AddDate(0, 0, day)).ID
		exec(t, db, `UPDATE event_payloads SET payload = NULL, body = NULL WHERE event_id = $1`, id)
		exec(t, db, `UPDATE event_payloads SET `+column+` = $2 WHERE event_id = $1`, id, said)
		return id
	}
	if err := db.EnsurePartitions(t.Context(), start); err != nil {
		t.Fatal(err)
	}
	first := say(0, 7, "payload", `{"data": {"id": 5521, "name": "نورة Al-Otaibi", "total": 4}}`)
	second := say(1, 7, "body", `{"name": "NOURA`)
	third := say(2, 8, "payload", `{"data": {"id": 5521}, "note": "100%_sure"}`)
	sealed := say(3, 8, "payload", `{}`)
	exec(t, db, `UPDATE event_payloads SET sealed = 'a needle in what is sealed' WHERE event_id = $1`, sealed)
	at := func(day int) *time.Time { d := start.AddDate(0, 0, day); return &d }
	seven := int64(7)
	tests := []struct {
		name   string
		filter EventFilter
		want   []uuid.UUID
	}{
		{"from", EventFilter{From: at(1)}, []uuid.UUID{sealed, third, second}},
		{"to", EventFilter{To: at(2)}, []uuid.UUID{second, first}},
		{"from to", EventFilter{From: at(1), To: at(2)}, []uuid.UUID{second}},
		{"text within a time", EventFilter{From: at(0), To: at(31), Text: "5521"}, []uuid.UUID{third, first}},
		{"text within a merchant", EventFilter{Merchant: &seven, Text: "5521"}, []uuid.UUID{first}},
		{"Arabic", EventFilter{Merchant: &seven, Text: "نورة"}, []uuid.UUID{first}},
		{"whatever the case", EventFilter{Merchant: &seven, Text: "AL-OTAIBI"}, []uuid.UUID{first}},
		{"text that is no JSON", EventFilter{Merchant: &seven, Text: "noura"}, []uuid.UUID{second}},
		{"compact JSON", EventFilter{Merchant: &seven, Text: `{"id":5521,"name"`}, []uuid.UUID{first}},
		{"no patterns", EventFilter{From: at(0), To: at(10), Text: "100%_sure"}, []uuid.UUID{third}},
		{"never what is sealed", EventFilter{From: at(0), To: at(10), Text: "needle"}, nil},
		{"with a beginning of a name", EventFilter{From: at(0), To: at(10), Text: "5521", Q: "order."}, []uuid.UUID{third, first}},
		{"with a status that none has", EventFilter{From: at(0), To: at(10), Text: "5521", Status: EventFailed}, nil},
	}
	for _, tt := range tests {
		got, err := db.Events(t.Context(), tt.filter)
		if err != nil {
			t.Fatal(tt.name, err)
		}
		var ids []uuid.UUID
		for _, e := range got.Events {
			ids = append(ids, e.ID)
		}
		if fmt.Sprint(ids) != fmt.Sprint(tt.want) || got.More || got.SearchedTo != uuid.Nil {
			t.Errorf("%s: %v, want %v", tt.name, ids, tt.want)
		}
	}
	for _, refused := range []EventFilter{
		{Text: "x"},
		{Text: "x", Status: EventFailed},
		{Text: "x", To: at(1)},
		{Text: "x", From: at(0)},
		{Text: "x", From: at(0), To: at(32)},
		{From: at(1), To: at(1)},
		{From: at(-40000)},
	} {
		if _, err := db.Events(t.Context(), refused); !errors.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v, want Invalid", refused, err)
		}
	}
}

// A search that looked at enough says how far it came, and its pages together find
// everything, in either direction.
func TestSearchSaysHowFarItLooked(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	saidEvents(t, db, textMost+1000, `CASE WHEN n IN (10, 26000) THEN '{"a": "needle"}' ELSE '{"a": "hay"}' END`)
	merchant := int64(7)
	f := EventFilter{Merchant: &merchant, Text: "needle", Limit: 1}
	var seen []int
	note := func(p EventPage) {
		for _, e := range p.Events {
			seen = append(seen, int(e.ID[14])<<8|int(e.ID[15]))
		}
	}

	first, err := db.Events(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	note(first)
	if len(seen) != 1 || !first.More || first.SearchedTo == uuid.Nil || first.Next != first.SearchedTo.String() {
		t.Fatalf("first page = %+v, want one event and how far it looked", first)
	}
	rounds := 1
	for f.Cursor = first.Next; f.Cursor != ""; rounds++ {
		p, err := db.Events(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		note(p)
		f.Cursor = p.Next
	}
	if fmt.Sprint(seen) != "[26000 10]" || rounds < 2 {
		t.Errorf("found %v in %d rounds, want both needles", seen, rounds)
	}

	seen = nil
	f.Cursor, f.Newer = idAt(time.Unix(1, 0)), true
	for range 50 {
		p, err := db.Events(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		note(p)
		if !p.More {
			break
		}
		if f.Cursor = p.SearchedTo.String(); p.SearchedTo == uuid.Nil {
			f.Cursor = p.Events[0].ID.String()
		}
	}
	if fmt.Sprint(seen) != "[10 26000]" {
		t.Errorf("going back found %v", seen)
	}
}

// Only the days of the events that are looked at are read, by their keys.
func TestSearchReadsOnlyItsDays(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	if err := db.EnsurePartitions(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	rec := recordEvent(t, db, 7, "order.created", time.Time{})
	rows, err := db.pool.Query(t.Context(), `EXPLAIN `+fmt.Sprintf(payloadQuery, ""), pgx.QueryExecModeExec,
		"{"+rec.ID.String()+"}", rec.ID, rec.ID, "x", "x")
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	plan := strings.Join(lines, "\n")
	if day := partitionPrefix + time.Now().UTC().Format(partitionLayout); strings.Count(plan, partitionPrefix) != strings.Count(plan, day) ||
		!strings.Contains(plan, day) || strings.Contains(plan, "Seq Scan") {
		t.Errorf("the plan reads more than one day, or all of it:\n%s", plan)
	}
}

// saidEvents writes n applied events of merchant 7 a second apart, the last number
// the newest; said is SQL for a payload that may name n.
func saidEvents(t testing.TB, db *DB, n int, said string) {
	t.Helper()
	for _, sql := range []string{`
		INSERT INTO events (id, source, event, merchant, lane, status, state, due_at)
		SELECT (lpad(to_hex(1700000000000 + n * 1000::bigint), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid,
		       'salla', 'order.created', 7, 'events', 'applied', 'done', NULL
		FROM generate_series(1, $1::integer) AS n`, `
		INSERT INTO event_payloads (event_id, payload, body_length, body_hash)
		SELECT (lpad(to_hex(1700000000000 + n * 1000::bigint), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid,
		       (` + said + `)::jsonb, 10, ''
		FROM generate_series(1, $1::integer) AS n`} {
		if _, err := db.pool.Exec(t.Context(), sql, n); err != nil {
			t.Fatal(err)
		}
	}
}
