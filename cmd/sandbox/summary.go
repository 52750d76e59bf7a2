package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/wosool/wosool/internal/sandbox"
	"github.com/wosool/wosool/internal/tenantdb"
)

// summary is what the demo says at its end.
type summary struct {
	OK      bool            `json:"ok"`
	Seconds float64         `json:"seconds"` // from the first webhook to the last list read
	Tenants []tenantSummary `json:"tenants"`
}

type tenantSummary struct {
	Merchant int64          `json:"merchant"`
	Status   string         `json:"status"`
	ReadyMS  int64          `json:"ready_ms"`
	Imported map[string]int `json:"imported"` // live rows in the tenant's database
	Source   map[string]int `json:"source"`
	Rejected int            `json:"rejected"`
	problem  string
}

// summarise counts the live rows in the tenants' databases and compares them
// with the sandbox's stores.
func (d *demo) summarise(ctx context.Context, stores []watched, begun time.Time) (summary, error) {
	servers, err := tenantdb.NewServers(ctx, adminURLs(), slog.New(slog.DiscardHandler))
	if err != nil {
		return summary{}, fmt.Errorf("reach the tenants' databases: %w", err)
	}
	s := summary{OK: true, Seconds: float64(time.Since(begun).Milliseconds()) / 1000}
	for _, w := range stores {
		t := tenantSummary{Merchant: w.spec.Merchant, Status: w.tenant.Status, Source: counts(d.sandbox.Source(w.spec.Merchant))}
		if w.tenant.ReadyAt != nil {
			t.ReadyMS = w.tenant.ReadyAt.Sub(begun).Milliseconds()
		}
		for _, l := range w.lists() {
			t.Rejected += l.Rejected
		}
		for _, step := range w.tenant.Steps {
			if step.Error != nil && step.Status != "skipped" {
				t.problem = step.Name + ": " + *step.Error
			}
		}
		if w.tenant.Database != nil {
			live, err := servers.LiveCounts(ctx, w.tenant.Database.Server, w.tenant.Database.Name)
			if err != nil {
				return s, fmt.Errorf("count the rows of %d: %w", w.spec.Merchant, err)
			}
			t.Imported = live
		}
		s.OK = s.OK && t.whole()
		s.Tenants = append(s.Tenants, t)
	}
	return s, nil
}

// whole tells whether the store is ready and every count is its source's.
func (t tenantSummary) whole() bool {
	if t.Status != "ready" {
		return false
	}
	for _, r := range listResources() {
		if t.Imported[r] != t.Source[r] {
			return false
		}
	}
	return true
}

func counts(c sandbox.Counts) map[string]int {
	return map[string]int{"customers": c.Customers, "products": c.Products, "orders": c.Orders, "carts": c.Carts}
}

// adminURLs are the servers that hold tenant databases.
func adminURLs() []string {
	if urls := os.Getenv("TENANT_DATABASE_URLS"); urls != "" {
		return strings.Split(urls, ",")
	}
	return []string{os.Getenv("DATABASE_URL")}
}

// print writes the summary as a table.
func (s summary) print(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nMERCHANT\tSTATUS\tREADY\tCUSTOMERS\tPRODUCTS\tORDERS\tCARTS\tREJECTED\t")
	for _, x := range s.Tenants {
		fmt.Fprintf(t, "%d\t%s\t%.1f s\t", x.Merchant, x.Status, float64(x.ReadyMS)/1000)
		for _, r := range listResources() {
			fmt.Fprintf(t, "%d/%d\t", x.Imported[r], x.Source[r])
		}
		fmt.Fprintf(t, "%d\t%s\n", x.Rejected, x.problem)
	}
	fmt.Fprintf(t, "%s\n", verdict(s))
	_ = t.Flush()
}

func verdict(s summary) string {
	took := time.Duration(s.Seconds * float64(time.Second)).Round(100 * time.Millisecond)
	if s.OK {
		return fmt.Sprintf("Every store is ready and whole, %s after the first webhook.", took)
	}
	return fmt.Sprintf("Not every store is whole, %s after the first webhook.", took)
}
