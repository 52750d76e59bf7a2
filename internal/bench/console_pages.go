package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/url"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/wosool/wosool/internal/store"
)

// consolePage is a page, or a way to narrow one, with addresses to look at it by.
type consolePage struct {
	name      string
	addresses func(*consoleFacts) []string
}

func (p consolePage) figure() string { return "console." + p.name + ".p95" }

// consoleFacts is what addresses name: rows in the middle of everything, and how far
// the second and the hundredth page of a list are.
type consoleFacts struct {
	tenant, long    uuid.UUID // a store like others, and the one with the long history
	event, failed   uuid.UUID
	run             uuid.UUID
	tenants, events []string // cursors
	runs            []string
	groups          []string // keys of the largest groups of failed work
	merchant        string   // of tenant
	now             time.Time
	deadPlaces      []string
	timeline        string // a cursor
}

// readFacts reads them.
func readFacts(ctx context.Context, pool *pgxpool.Pool) (*consoleFacts, error) {
	f := &consoleFacts{}
	for _, q := range []struct {
		into any
		sql  string
	}{
		{&f.now, `SELECT now()`},
		{&f.long, fmt.Sprintf(`SELECT id FROM tenants WHERE merchant = %d`, fillFirst)},
		{&f.tenant, `SELECT id FROM tenants WHERE status = 'ready' ORDER BY id DESC OFFSET (SELECT count(*) / 2 FROM tenants WHERE status = 'ready') LIMIT 1`},
		{&f.merchant, `SELECT merchant::text FROM tenants WHERE status = 'ready' ORDER BY id DESC OFFSET (SELECT count(*) / 2 FROM tenants WHERE status = 'ready') LIMIT 1`},
		{&f.event, `SELECT id FROM events WHERE status = 'applied' ORDER BY id DESC OFFSET 3000 LIMIT 1`},
		{&f.failed, `SELECT id FROM events WHERE status = 'failed' ORDER BY id DESC OFFSET 300 LIMIT 1`},
		{&f.run, `SELECT id FROM runs WHERE kind = 'initial' AND status = 'complete' ORDER BY id DESC OFFSET (SELECT count(*) / 2 FROM runs WHERE kind = 'initial' AND status = 'complete') LIMIT 1`},
		{&f.timeline, fmt.Sprintf(`SELECT (extract(epoch FROM received_at) * 1000)::bigint || '~event.' || id || '.' || event || '.' || status
			FROM events WHERE tenant_id = (SELECT id FROM tenants WHERE merchant = %d) ORDER BY id DESC OFFSET 800 LIMIT 1`, fillFirst)},
	} {
		if err := pool.QueryRow(ctx, q.sql).Scan(q.into); err != nil {
			return nil, fmt.Errorf("choose what is looked at: %.40s: %w", q.sql, err)
		}
	}
	for _, list := range []struct {
		into  *[]string
		table string
	}{{&f.tenants, "tenants"}, {&f.events, "events"}, {&f.runs, "runs"}} {
		rows, err := pool.Query(ctx, `SELECT id FROM (
			(SELECT id FROM `+list.table+` ORDER BY id DESC OFFSET 49 LIMIT 1) UNION ALL
			(SELECT id FROM `+list.table+` ORDER BY id DESC OFFSET 4949 LIMIT 1)) AS c`)
		if err != nil {
			return nil, fmt.Errorf("find the pages of %s: %w", list.table, err)
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		if err != nil {
			return nil, fmt.Errorf("find the pages of %s: %w", list.table, err)
		}
		for _, id := range ids {
			*list.into = append(*list.into, base64.RawURLEncoding.EncodeToString(id[:]))
		}
	}
	dead, err := store.New(pool).DeadLetters(ctx)
	if err != nil {
		return nil, err
	}
	for _, g := range dead.Groups[:min(4, len(dead.Groups))] {
		f.groups = append(f.groups, (url.Values{"task": {g.Task}, "group": {g.Key}}).Encode())
	}
	f.deadPlaces = []string{
		store.DeadCursor{FailedAt: f.now.Add(-time.Hour), ID: uuid.Max}.String(),
		store.DeadCursor{FailedAt: f.now.AddDate(0, 0, -30), ID: uuid.Max}.String(),
	}
	return f, nil
}

// ago is a moment as addresses have it.
func (f *consoleFacts) ago(d time.Duration) string {
	return url.QueryEscape(f.now.Add(-d).UTC().Format(time.RFC3339))
}

// at are addresses of a page: its path with each of the ends.
func at(path string, ends ...string) func(*consoleFacts) []string {
	return func(*consoleFacts) []string { return under(path, ends...) }
}

func under(path string, ends ...string) []string {
	var list []string
	for _, end := range ends {
		list = append(list, path+end)
	}
	return list
}

// cursors are the addresses of the second and the hundredth page of a list.
func cursors(path string, places []string) []string {
	var list []string
	for _, p := range places {
		list = append(list, path+"cursor="+p, path+"newer="+p)
	}
	return list
}

// consolePages are the pages that are measured.
func consolePages() []consolePage {
	const day = 24 * time.Hour
	return []consolePage{
		{"overview", at("/admin", "", "?span=day", "?span=week")},
		{"tenants", at("/admin/tenants", "")},
		{"tenants_search", at("/admin/tenants?q=", "نخيل", "Nakh", "store-4711", "متجر", "13000047", "1300004711", "https://store-47")},
		{"tenants_status", at("/admin/tenants?status=", "ready", "provisioning", "failed", "suspended", "needs_reauthorisation", "owner_invited",
			"owner_gone", "import_incomplete", "refresh_unknown")},
		{"tenants_pages", func(f *consoleFacts) []string { return cursors("/admin/tenants?", f.tenants) }},
		{"tenant", func(f *consoleFacts) []string { return under("/admin/tenants/"+f.tenant.String(), "") }},
		{"tenant_long", func(f *consoleFacts) []string {
			return under("/admin/tenants/"+f.long.String(), "", "?show=events", "?show=tasks", "?show=people", "?cursor="+url.QueryEscape(f.timeline))
		}},
		{"tenant_tabs", func(f *consoleFacts) []string {
			return under("/admin/tenants/"+f.long.String(), "/events", "/connection", "/events?cursor="+f.events[1])
		}},
		{"events", at("/admin/events", "")},
		{"events_pages", func(f *consoleFacts) []string { return cursors("/admin/events?", f.events) }},
		{"events_status", at("/admin/events?status=", "received", "waiting", "applied", "ignored", "failed")},
		{"events_type", at("/admin/events?", "event=order.created", "q=order.", "source=clerk", "event=order.created&status=failed",
			"q=product.&status=waiting", "source=clerk&status=failed")},
		{"events_merchant", func(f *consoleFacts) []string {
			return under("/admin/events?merchant=", f.merchant, f.merchant+"&status=failed", f.merchant+"&event=order.created",
				fmt.Sprint(fillFirst), fmt.Sprint(fillFirst)+"&status=waiting", fmt.Sprint(fillFirst)+"&event=customer.login")
		}},
		{"events_time", func(f *consoleFacts) []string {
			return []string{
				"/admin/events?from=" + f.ago(40*day) + "&to=" + f.ago(39*day),
				"/admin/events?status=failed&to=" + f.ago(30*day),
				"/admin/events?event=invoice.created&from=" + f.ago(2*day),
				fmt.Sprintf("/admin/events?merchant=%d&to=%s", fillFirst, f.ago(60*day)),
			}
		}},
		{"events_text", func(f *consoleFacts) []string {
			return []string{
				"/admin/events?text=under_review&from=" + f.ago(day),
				"/admin/events?text=nowhere-to-be-found&from=" + f.ago(7*day),
				"/admin/events?text=nowhere-to-be-found&merchant=" + f.merchant,
				"/admin/events?text=" + url.QueryEscape("نورة الغامدي") + "&from=" + f.ago(day),
			}
		}},
		{"event", func(f *consoleFacts) []string { return under("/admin/events/", f.event.String(), f.failed.String()) }},
		{"imports", func(f *consoleFacts) []string {
			return append(under("/admin/imports", "", "?status=failed", "?status=running", "?kind=initial"), cursors("/admin/imports?", f.runs)...)
		}},
		{"import", func(f *consoleFacts) []string { return under("/admin/imports/", f.run.String()) }},
		{"lanes", at("/admin/lanes", "")},
		{"failed", func(f *consoleFacts) []string {
			return append(under("/admin/lanes/failed", "", "?lane=events", "?task=import%3Apage", "?task=event%3Aapply"),
				cursors("/admin/lanes/failed?", f.deadPlaces)...)
		}},
		{"failed_group", func(f *consoleFacts) []string { return under("/admin/lanes/failed?", f.groups...) }},
		{"failed_search", func(f *consoleFacts) []string {
			return under("/admin/lanes/failed?", "merchant="+f.merchant, fmt.Sprintf("merchant=%d", fillFirst), "reason=connection+reset",
				"reason=nowhere-to-be-found", "before="+f.ago(30*day))
		}},
		{"workers", at("/admin/workers", "")},
		{"search", func(f *consoleFacts) []string {
			return under("/admin/search?q=", "store-47", "Nakheel", f.merchant, "order.", f.event.String(), f.tenant.String(), "event:apply:"+f.failed.String()+":1")
		}},
		{"audit", at("/admin/audit", "", "?text=operator7", "?text=nowhere-to-be-found", "?act=tenant.retry")},
	}
}
