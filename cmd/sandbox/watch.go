package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/wosool/wosool/internal/sandbox"
)

// patience bounds how long a demo without documented limits may take.
const patience = 10 * time.Minute

// watched is one store as the demo last saw it.
type watched struct {
	spec   sandbox.StoreSpec
	tenant tenantView
	known  bool
}

// over tells whether the store is ready and its lists are read, or it never will be.
func (w watched) over() bool {
	if w.tenant.Status == "failed" {
		return true
	}
	done := 0
	for _, s := range w.lists() {
		switch s.Status {
		case "complete", "incomplete", "failed", "cancelled":
			done++
		}
	}
	return w.tenant.Status == "ready" && done == len(listResources())
}

func listResources() []string { return []string{"customers", "products", "orders", "carts"} }

// lists gives the list streams of the first import, by resource; of several
// passes the last.
func (w watched) lists() map[string]streamView {
	lists := make(map[string]streamView)
	for _, run := range w.tenant.Imports {
		if run.Kind != "initial" {
			continue
		}
		for _, s := range run.Streams {
			if s.Resource != "order_details" {
				lists[s.Resource] = s
			}
		}
	}
	return lists
}

// watch shows how the stores fill until every list is read.
func (d *demo) watch(ctx context.Context, begun time.Time) ([]watched, error) {
	stores := make([]watched, 0, len(d.options.stores()))
	for _, spec := range d.options.stores() {
		stores = append(stores, watched{spec: spec})
	}
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	defer d.screen.end()
	for {
		over := 0
		for i := range stores {
			w := &stores[i]
			if !w.over() {
				t, known, err := d.api.tenant(ctx, w.spec.Merchant)
				if err != nil && ctx.Err() == nil {
					d.screen.lines([]string{"the api does not answer: " + err.Error()})
					continue
				}
				w.tenant, w.known = t, known
			}
			if w.over() {
				over++
			}
		}
		d.screen.lines(progress(stores, time.Since(begun)))
		if over == len(stores) {
			return stores, nil
		}
		if err := d.fleet.died(); err != nil {
			return nil, err
		}
		if d.options.Rate == "off" && time.Since(begun) > patience {
			return nil, fmt.Errorf("gave up after %s: the lists are not read; the logs are in %s", patience, d.fleet.folder)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
}

// progress draws every store: its steps until it is ready, then its streams.
func progress(stores []watched, since time.Duration) []string {
	lines := []string{fmt.Sprintf("%5.1f s", since.Seconds())}
	for _, w := range stores {
		lines = append(lines, fmt.Sprintf("%d  %-12s %s", w.spec.Merchant, w.tenant.Status, steps(w.tenant)))
		lists := w.lists()
		var parts []string
		for _, r := range listResources() {
			if s, ok := lists[r]; ok {
				parts = append(parts, bar(s))
			}
		}
		if len(parts) > 0 {
			lines = append(lines, "    "+strings.Join(parts, "  "))
		}
	}
	return lines
}

func steps(t tenantView) string {
	var b strings.Builder
	for _, s := range t.Steps {
		mark := map[string]string{"done": "✓", "skipped": "–", "running": "…", "waiting": "⏳", "failed": "✗"}[s.Status]
		if mark == "" {
			mark = "·"
		}
		b.WriteString(mark + s.Name + " ")
	}
	return strings.TrimSpace(b.String())
}

// bar draws one stream.
func bar(s streamView) string {
	const width = 12
	done := s.Imported + s.Unchanged + s.Rejected
	total := done
	if s.SourceTotal != nil && *s.SourceTotal > 0 {
		total = *s.SourceTotal
	}
	filled := width
	if total > 0 {
		filled = min(width, done*width/total)
	}
	return fmt.Sprintf("%s %s%s %d/%d", s.Resource, strings.Repeat("█", filled), strings.Repeat("░", width-filled), done, total)
}
