package store

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/dbtest"
)

// A week is the same whether it is counted at once or minute by minute, and what
// is counted is not counted again.
func TestFiguresOfAWeek(t *testing.T) {
	t.Parallel()
	pool := dbtest.Control(t)
	db := New(pool)
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	for i, ago := range []time.Duration{10 * time.Second, 10 * time.Minute, 5 * time.Hour, 100 * time.Hour, 8 * 24 * time.Hour} {
		at := now.Add(-ago)
		id := uuid.MustParse(idAt(at))
		exec(`INSERT INTO tenants (id, slug, name, created_at, ready_at, status) VALUES ($1, $2, 'x', $3, $3::timestamptz + interval '2 s', 'ready')`, id, "store-"+string(rune('a'+i))+"xx", at)
		exec(`INSERT INTO events (id, source, event, status, state, lane, received_at, applied_at) VALUES ($1, 'salla', 'order.created', 'applied', 'done', 'events', $2, $2::timestamptz + interval '1 s')`, id, at)
	}

	for rounds := 0; ; rounds++ {
		behind, err := db.RollFigures(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !behind {
			break
		}
		if rounds > 40 {
			t.Fatal("it never catches up")
		}
	}
	if behind, err := db.RollFigures(t.Context()); behind || err != nil {
		t.Fatalf("once more: %t, %v", behind, err)
	}

	for span, want := range map[time.Duration]int64{time.Hour: 2, 24 * time.Hour: 3, 7 * 24 * time.Hour: 4} {
		f, err := db.Figures(t.Context(), span, 60)
		if err != nil {
			t.Fatal(err)
		}
		if f.Installs != want || f.In != want || f.Applied != want || f.Behind {
			t.Errorf("%s: %d installs, %d in, %d applied, behind %t; want %d of each", span, f.Installs, f.In, f.Applied, f.Behind, want)
		}
		if f.ReadyP50 == nil || *f.ReadyP50 != 2 || *f.ReadyP95 != 2 {
			t.Errorf("%s: time to ready %v, %v", span, f.ReadyP50, f.ReadyP95)
		}
		var sum int64
		for _, p := range f.Points {
			sum += p.In
		}
		if len(f.Points) != 60 || sum != want {
			t.Errorf("%s: %d points with %d events, want 60 with %d", span, len(f.Points), sum, want)
		}
	}
	var minutes, distinct int
	if err := pool.QueryRow(t.Context(), `SELECT count(*), count(DISTINCT minute) FROM figures`).Scan(&minutes, &distinct); err != nil || minutes != distinct {
		t.Errorf("%d minutes, %d of them distinct: %v", minutes, distinct, err)
	}
}

func TestFiguresWhileNothingHappened(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	if behind, err := db.RollFigures(t.Context()); behind || err != nil {
		t.Fatalf("roll: %t, %v", behind, err)
	}
	f, err := db.Figures(t.Context(), time.Hour, 60)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Figures{Points: make([]FigurePoint, 60)}, f, cmp.FilterPath(func(p cmp.Path) bool {
		return p.Last().String() == ".Dead" || p.Last().String() == ".Oldest"
	}, cmp.Ignore())); diff != "" {
		t.Errorf("figures (-want +got):\n%s", diff)
	}
	if f.Oldest != nil {
		t.Errorf("the oldest waits since %s, want none", f.Oldest)
	}
}

// What the timeline's cursor says is refused where nobody gave it.
func TestTimelinePlaces(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1_763_000_000_123).UTC()
	for _, key := range []string{"event.1.a.done", "~", ""} {
		p := place{set: true, at: at, key: key}
		got, err := readPlace(p.String())
		if err != nil || got != p {
			t.Errorf("%q is read as %+v, %v", p, got, err)
		}
	}
	for _, cursor := range []string{"x", "~", "-1~x", "99999999999999999999~x", "7"} {
		if _, err := readPlace(cursor); err == nil {
			t.Errorf("%q is taken", cursor)
		}
	}
	older := place{set: true, at: at.Add(-time.Second), key: "z"}
	newer := place{set: true, at: at, key: "a"}
	if !newer.before(older) || older.before(newer) || newer.before(newer) {
		t.Error("the newest does not come first")
	}
}
