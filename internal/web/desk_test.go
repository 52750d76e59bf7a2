package web

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/tasks"
)

// deskOperator is who is signed in at a desk.
const deskOperator = "noura@wosool.example"

// desk is the console as an operator who is signed in sees it, on a database and
// a Redis of its own.
type desk struct {
	*site
	cookie string
	rdb    redis.UniversalClient
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	return deskWith(t, dbtest.Redis(t))
}

// deskWith is a desk whose lanes are in the Redis at an address.
func deskWith(t testing.TB, address string) *desk {
	t.Helper()
	x := newSite(t)
	rdb, err := tasks.OpenRedis(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rdb.Close() })
	x.s.Queue = tasks.NewEnqueuer(rdb)
	x.s.PingRedis = func(ctx context.Context) error { return rdb.Ping(ctx).Err() }
	x.h = x.s.Handler()

	text, hash, err := newToken(plainCookie)
	if err != nil {
		t.Fatal(err)
	}
	operator := uuid.Must(uuid.NewV7())
	x.exec(`INSERT INTO operators (id, email, password) VALUES ($1, $2, '-')`, operator, deskOperator)
	x.exec(`INSERT INTO sessions (id, token_hash, operator_id, address, agent) VALUES ($1, $2, $3, '192.0.2.1', 'test')`,
		uuid.Must(uuid.NewV7()), hash, operator)
	return &desk{site: x, cookie: plainCookie + "=" + text, rdb: rdb}
}

// page gets a page that must answer want, and parses it.
func (d *desk) page(want int, path string) *goquery.Document {
	d.t.Helper()
	a := d.send(http.MethodGet, path, "", map[string]string{"Cookie": d.cookie})
	if a.Code != want {
		d.t.Fatalf("GET %s: status %d, want %d: %s", path, a.Code, want, a.Body)
	}
	doc, err := goquery.NewDocumentFromReader(bytes.NewReader(a.Body))
	if err != nil {
		d.t.Fatal(err)
	}
	return doc
}

// led gets a page that must lead elsewhere, and returns where.
func (d *desk) led(path string) string {
	d.t.Helper()
	a := d.send(http.MethodGet, path, "", map[string]string{"Cookie": d.cookie})
	if a.Code != http.StatusSeeOther {
		d.t.Fatalf("GET %s: status %d, want 303: %s", path, a.Code, a.Body)
	}
	return a.Header.Get("Location")
}

// press posts a form as the browser would, and returns the answer.
func (d *desk) press(form *goquery.Selection) answer {
	d.t.Helper()
	if form.Length() != 1 {
		d.t.Fatalf("there are %d such forms, want 1", form.Length())
	}
	fields := url.Values{}
	form.Find("input[name]").Each(func(_ int, in *goquery.Selection) {
		fields.Set(in.AttrOr("name", ""), in.AttrOr("value", ""))
	})
	return d.send(http.MethodPost, form.AttrOr("action", ""), fields.Encode(), map[string]string{
		"Cookie": d.cookie, "Content-Type": "application/x-www-form-urlencoded",
	})
}

// first opens a stream of events, reads until its text has want, and leaves.
func (d *desk) first(path, want string) {
	d.t.Helper()
	server := httptest.NewServer(d.h)
	defer server.Close()
	ctx, cancel := context.WithTimeout(d.t.Context(), 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+path, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("Cookie", d.cookie)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	var read bytes.Buffer
	for !strings.Contains(read.String(), want) {
		part := make([]byte, 32<<10)
		n, err := resp.Body.Read(part)
		read.Write(part[:n])
		if err != nil {
			d.t.Fatalf("stream %s ended before %q: %v: %s", path, want, err, read.String())
		}
	}
}

// words is the text of a selection on one line, its pieces apart.
func words(s *goquery.Selection) string {
	var pieces []string
	s.Find("*").AddBack().Contents().Each(func(_ int, n *goquery.Selection) {
		if goquery.NodeName(n) == "#text" {
			pieces = append(pieces, strings.Fields(n.Text())...)
		}
	})
	return strings.Join(pieces, " ")
}

// store makes a tenant and returns its id.
func (d *desk) store(name string, merchant int64, status string) uuid.UUID {
	d.t.Helper()
	id := uuid.Must(uuid.NewV7())
	d.exec(`
		INSERT INTO tenants (id, slug, name, merchant, status, suspended_by, installed, state)
		VALUES ($1, $2, $3, $4, $5, CASE WHEN $5 = 'suspended' THEN 'operator' END, true,
		        CASE WHEN $5 = 'failed' THEN 'failed' ELSE 'done' END)`,
		id, fmt.Sprintf("store-%d", merchant), name, merchant, status)
	return id
}

// deskEvent is one event to be there.
type deskEvent struct {
	name, status, waiting, words, source, payload, text string
	tenant                                              *uuid.UUID
	merchant                                            int64
	attempts                                            int
	state                                               string
	ago                                                 time.Duration
}

// event makes an event with its payload and returns its id.
func (d *desk) event(e deskEvent) uuid.UUID {
	d.t.Helper()
	id := uuid.Must(uuid.NewV7())
	states := map[string]string{"received": "runnable", "waiting": "waiting", "applied": "done", "ignored": "done", "failed": "failed"}
	if e.state == "" {
		e.state = states[e.status]
	}
	if e.source == "" {
		e.source = "salla"
	}
	var merchant *int64
	if e.merchant != 0 {
		merchant = &e.merchant
	}
	d.exec(`
		INSERT INTO events (id, source, event, merchant, tenant_id, status, waiting_for, error, last_error, headers, received_at, applied_at,
		                    lane, state, attempts, due_at, enqueued_at)
		VALUES ($1, $2, $3, $4, $5, $6, nullif($7, ''), nullif($8, ''), nullif($8, ''), '{"user-agent": "Salla/2.1", "content-type": "application/json"}',
		        now() - $9::interval, CASE WHEN $6 = 'applied' THEN now() - $9::interval + interval '40 ms' END,
		        'events', $10, $11, now(), now())`,
		id, e.source, e.name, merchant, e.tenant, e.status, e.waiting, e.words, e.ago, e.state, e.attempts)
	if e.payload != "" || e.text != "" {
		d.exec(`
			INSERT INTO event_payloads (event_id, payload, body, body_length, body_hash)
			VALUES ($1, nullif($2, '')::jsonb, nullif($3, ''), $4, '\x0123456789abcdef0123456789abcdef')`,
			id, e.payload, e.text, len(e.payload)+len(e.text))
	}
	return id
}
