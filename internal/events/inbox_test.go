package events

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
)

func TestSameDeliveryAtOnceIsOneEvent(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const body = `{"event":"order.created","merchant":7,"created_at":"2026-11-01 12:00:00","data":{"id":1}}`
	var mu sync.Mutex
	ids := map[uuid.UUID]int{}
	fresh, tasks := 0, 0
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			rec, err := b.inbox.Record(t.Context(), fromSalla(body))
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			ids[rec.EventID]++
			tasks += len(rec.Tasks)
			if !rec.Duplicate {
				fresh++
			}
		})
	}
	wg.Wait()
	if len(ids) != 1 || fresh != 1 || tasks != 1 || b.count(t, `SELECT count(*) FROM events`) != 1 || b.count(t, `SELECT count(*) FROM event_payloads`) != 1 {
		t.Errorf("%d ids, %d fresh, %d tasks", len(ids), fresh, tasks)
	}
	// One byte more is another delivery; so is another merchant.
	for _, other := range []string{body + " ", strings.Replace(body, "7", "8", 1)} {
		if rec, err := b.inbox.Record(t.Context(), fromSalla(other)); err != nil || rec.Duplicate {
			t.Errorf("%v, duplicate %v", err, rec.Duplicate)
		}
	}
}

func TestClerkDeliveriesAreKnownByTheirID(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	d := Delivery{Source: SourceClerk, Header: http.Header{"Svix-Id": {"msg_1"}}, Body: []byte(`{"type":"user.created","data":{}}`), ReceivedAt: time.Now()}
	first, err := b.inbox.Record(t.Context(), d)
	if err != nil || first.Duplicate || len(first.Tasks) != 1 || first.Tasks[0].Lane != store.LaneEvents {
		t.Fatalf("first: %+v, %v", first, err)
	}
	d.Body = []byte(`{"type":"user.created","data":{"again":true}}`)
	if again, err := b.inbox.Record(t.Context(), d); err != nil || !again.Duplicate || again.EventID != first.EventID {
		t.Errorf("a replay: %+v, %v", again, err)
	}
	d.Header = http.Header{"Svix-Id": {"msg_2"}}
	if other, err := b.inbox.Record(t.Context(), d); err != nil || other.Duplicate {
		t.Errorf("another message: %+v, %v", other, err)
	}
}

func TestWindowOfOneMerchant(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			if _, err := b.inbox.Record(t.Context(), fromSalla(fmt.Sprintf(`{"event":"order.created","merchant":7,"data":{"id":%d}}`, i))); err != nil {
				t.Error(err)
			}
			if n := b.count(t, `SELECT count(*) FROM events WHERE state = 'runnable' AND lane = 'events'`); n > store.EventWindow {
				t.Errorf("%d events of one merchant are runnable", n)
			}
		})
	}
	wg.Wait()
	if rec, err := b.inbox.Record(t.Context(), fromSalla(`{"event":"app.updated","merchant":7,"data":{}}`)); err != nil || len(rec.Tasks) != 1 || rec.Tasks[0].Lane != store.LaneProvisioning {
		t.Errorf("an app event is held up: %+v, %v", rec, err)
	}
	if rec, err := b.inbox.Record(t.Context(), fromSalla(`{"event":"order.created","merchant":8,"data":{}}`)); err != nil || len(rec.Tasks) != 1 {
		t.Errorf("another merchant is held up: %+v, %v", rec, err)
	}
	// What nobody released the sweeper does, up to the window.
	released, err := b.db.SweepEvents(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	if n := b.count(t, `SELECT count(*) FROM events WHERE merchant = 7 AND state = 'runnable' AND lane = 'events'`); n != store.EventWindow || len(released) > store.EventWindow {
		t.Errorf("after the sweep %d are runnable, %d released", n, len(released))
	}
}

// TestWindowUnderLoad applies events while others come: never more than the window
// is runnable, and none is left lying.
func TestWindowUnderLoad(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.ready(t, 7, "")
	var wg sync.WaitGroup
	for worker := range 5 {
		wg.Go(func() {
			for i := range 40 {
				rec, err := b.inbox.Record(t.Context(), fromSalla(order(7, worker*1000+i)))
				if err != nil {
					t.Error(err)
					return
				}
				if n := b.count(t, `SELECT count(*) FROM events WHERE state = 'runnable'`); n > store.EventWindow {
					t.Errorf("%d events of one merchant are runnable", n)
				}
				b.runAll(t, rec.Tasks)
			}
		})
	}
	wg.Wait()
	tasks, err := b.db.SweepEvents(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d were left to the sweeper", len(tasks))
	b.runAll(t, tasks)
	if len(b.applied) != 200 || b.count(t, `SELECT count(*) FROM events WHERE status = 'applied'`) != 200 {
		t.Errorf("%d were applied", len(b.applied))
	}
}

func TestWhatIsKept(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, tt := range []struct {
		name, body     string
		payload, text  string
		sealed, failed bool
	}{
		{
			"plain", `{"event":"order.created","merchant":7,"data":{"total":12345678901234567890.10}}`,
			`{"event":"order.created","merchant":7,"data":{"total":12345678901234567890.10}}`, "", false, false,
		},
		{
			"tokens", `{"event":"app.settings.updated","merchant":7,"data":{"settings":{"password":"hunter2 is long"}}}`,
			`{"event":"app.settings.updated","merchant":7,"data":{"settings":{"password":"[redacted]"}}}`, "", true, false,
		},
		{
			"NUL", `{"event":"order.created","merchant":7,"data":{"note":"a\u0000b","secret":"x"}}`,
			"", `{"event":"order.created","merchant":7,"data":{"note":"a\u0000b","secret":"[redacted]"}}`, true, false,
		},
		{"huge number", `{"event":"order.created","merchant":7,"data":1e200000}`, "", `{"event":"order.created","merchant":7,"data":1e200000}`, false, false},
		{
			"long number", `{"event":"order.created","merchant":7,"data":` + strings.Repeat("9", 140000) + `}`,
			"", `{"event":"order.created","merchant":7,"data":` + strings.Repeat("9", 140000) + `}`, false, false,
		},
		{
			"broken", `{"event":"app.store.authorize","merchant":7,"data":{"access_token":"ory_at_0123456789012345678901234567890"`,
			"", `{"event":"app.store.authorize","merchant":7,"data":{"access_token":"[redacted]"`, true, true,
		},
		{"binary", "\x00\x01\xff", "", "\uFFFD\x01\uFFFD", true, true},
	} {
		rec, err := b.inbox.Record(t.Context(), fromSalla(tt.body))
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		p, err := b.db.Payload(t.Context(), rec.EventID)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if tt.payload != "" && !sameJSON(t, tt.payload, p.JSON) || tt.payload == "" && p.JSON != nil || p.Text != tt.text {
			t.Errorf("%s: payload %.100s, text %.100q", tt.name, p.JSON, p.Text)
		}
		if p.Length != len(tt.body) || len(p.Hash) != 32 {
			t.Errorf("%s: length %d, hash %x", tt.name, p.Length, p.Hash)
		}
		if (p.Sealed != nil) != tt.sealed {
			t.Errorf("%s: sealed %v", tt.name, p.Sealed != nil)
		}
		if tt.sealed {
			if plain, err := b.keys.Open(p.Sealed, "event:"+rec.EventID.String()+":body"); err != nil || string(plain) != tt.body {
				t.Errorf("%s: what was sealed is not the body: %v", tt.name, err)
			}
		}
		e, err := b.db.Event(t.Context(), rec.EventID)
		if err != nil {
			t.Fatal(err)
		}
		if (e.Status == store.EventFailed) != tt.failed || tt.failed && (e.Error == nil || len(rec.Tasks) != 0) {
			t.Errorf("%s: %s, error %v, tasks %v", tt.name, e.Status, e.Error, rec.Tasks)
		}
	}
}

// sameJSON compares documents with their numbers exact.
func sameJSON(t *testing.T, want string, got []byte) bool {
	t.Helper()
	var docs [2]any
	for i, raw := range [][]byte{[]byte(want), got} {
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		if err := d.Decode(&docs[i]); err != nil {
			t.Fatal(err)
		}
	}
	return cmp.Equal(docs[0], docs[1])
}

func TestNoTokenInAnyTable(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.ready(t, 7, "")
	const marker = "MARKERTOKEN"
	for _, body := range []string{
		`{"event":"app.store.authorize","merchant":9,"created_at":"2026-11-01 12:00:00","data":{"access_token":"%s_at_aaaaaaaaaaaaaaa","refresh_token":"%s_rt_aaaaaaaaaaaa","expires":1209600}}`,
		`{"event":"app.store.authorize","merchant":7,"created_at":"2026-11-01 12:00:00","data":{"access_token":"%s_at_bbbbbbbbbbbbbbb","refresh_token":"%s_rt_bbbbbbbbbbbb","expires":1209600}}`,
		`{"event":"order.created","merchant":7,"data":{"a":[{"client_secret":"%s_cccccccccc"},{"password":{"x":"%s"}}]}}`,
		`{"event":"order.created","merchant":7,"data":{"access_token":"%s_at_ddddddddddddddd","refresh_token":"%s_dddddddddddddd"`,
	} {
		rec, err := b.inbox.Record(t.Context(), fromSalla(fmt.Sprintf(body, marker, marker)))
		if err != nil {
			t.Fatal(err)
		}
		for _, task := range rec.Tasks {
			b.run(t, task)
		}
	}
	rows, err := b.pool.Query(t.Context(), `
		SELECT c.table_name, c.column_name
		FROM information_schema.columns AS c
		JOIN information_schema.tables AS i USING (table_schema, table_name)
		WHERE c.table_schema = 'public' AND i.table_type = 'BASE TABLE'`)
	if err != nil {
		t.Fatal(err)
	}
	columns := [][2]string{}
	for rows.Next() {
		var c [2]string
		if err := rows.Scan(&c[0], &c[1]); err != nil {
			t.Fatal(err)
		}
		columns = append(columns, c)
	}
	if len(columns) < 100 {
		t.Fatalf("only %d columns", len(columns))
	}
	found := func(text string) (tables []string) {
		for _, c := range columns {
			// bytea reads as hex in text.
			query := `SELECT count(*) FROM "` + c[0] + `" WHERE position($1 IN "` + c[1] + `"::text) > 0 OR position($2 IN "` + c[1] + `"::text) > 0`
			if b.count(t, query, text, hex.EncodeToString([]byte(text))) > 0 {
				tables = append(tables, c[0]+"."+c[1])
			}
		}
		return tables
	}
	if in := found(marker); in != nil {
		t.Errorf("tokens in the clear: %v", in)
	}
	if in := found("redacted"); len(in) != 4 { // the parent and its partition
		t.Errorf("the search finds %v, want payload and body", in)
	}
	if b.count(t, `SELECT count(*) FROM connections WHERE access_token IS NOT NULL`) != 2 {
		t.Error("the grants were not stored")
	}
}

func TestRecordIsBounded(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	tx, err := b.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	if _, err := tx.Exec(t.Context(), `LOCK TABLE event_keys`); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	_, err = b.inbox.Record(t.Context(), fromSalla(`{"event":"order.created","merchant":7}`))
	if !errors.Is(err, fault.Unavailable) || time.Since(began) > CommitTimeout+2*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}

// BenchmarkRecord commits deliveries of many merchants, and of one.
func BenchmarkRecord(b *testing.B) {
	for name, merchants := range map[string]int64{"many": 1000, "one": 1} {
		b.Run(name, func(b *testing.B) {
			h := newBench(b)
			var n atomic.Int64
			b.SetParallelism(16)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					i := n.Add(1)
					if _, err := h.inbox.Record(b.Context(), fromSalla(order(1+i%merchants, int(i)))); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
