package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/web"
)

type importStartCmd struct {
	Tenant    string     `arg:"" help:"The tenant's id, merchant or slug."`
	Resources []string   `enum:"customers,products,orders,carts,order_details" help:"Only these, comma separated: customers, products, orders, carts, order_details."`
	Since     *time.Time `placeholder:"TIME" help:"Only what is from this time on, such as 2026-01-31T00:00:00Z."`
}

// Run opens a run, or queues one.
func (c *importStartCmd) Run(ctx context.Context, a *app) error {
	return a.importAct(ctx, c.Tenant, func(db *store.DB, id uuid.UUID) ([]store.Task, error) {
		_, todo, err := db.ImportTenant(ctx, id, c.Resources, c.Since, a.actor())
		return todo, err
	})
}

type importPauseCmd struct {
	Tenant string `arg:"" help:"The tenant's id, merchant or slug."`
}

// Run pauses the open run.
func (c *importPauseCmd) Run(ctx context.Context, a *app) error {
	return a.importAct(ctx, c.Tenant, func(db *store.DB, id uuid.UUID) ([]store.Task, error) {
		return db.PauseRun(ctx, id, a.actor())
	})
}

type importResumeCmd struct {
	Tenant string `arg:"" help:"The tenant's id, merchant or slug."`
}

// Run resumes the paused run.
func (c *importResumeCmd) Run(ctx context.Context, a *app) error {
	return a.importAct(ctx, c.Tenant, func(db *store.DB, id uuid.UUID) ([]store.Task, error) {
		return db.ResumeRun(ctx, id, a.actor())
	})
}

type importCancelCmd struct {
	Tenant string `arg:"" help:"The tenant's id, merchant or slug."`
}

// Run cancels the open run.
func (c *importCancelCmd) Run(ctx context.Context, a *app) error {
	return a.importAct(ctx, c.Tenant, func(db *store.DB, id uuid.UUID) ([]store.Task, error) {
		return db.CancelRun(ctx, id, a.actor())
	})
}

type importStatusCmd struct {
	Tenant string `arg:"" help:"The tenant's id, merchant or slug."`
}

// Run shows the imports.
func (c *importStatusCmd) Run(ctx context.Context, a *app) error {
	return a.importAct(ctx, c.Tenant, func(*store.DB, uuid.UUID) ([]store.Task, error) { return nil, nil })
}

// importAct does one act on a tenant's imports and shows them after it.
func (a *app) importAct(ctx context.Context, text string, do func(*store.DB, uuid.UUID) ([]store.Task, error)) error {
	db, cfg, err := a.open(ctx)
	if err != nil {
		return err
	}
	t, err := findTenant(ctx, db, text)
	if err != nil {
		return err
	}
	todo, err := do(db, t.ID)
	if err != nil {
		return err
	}
	a.ring(ctx, cfg, todo)
	runs, err := db.Runs(ctx, t.ID)
	if err != nil {
		return err
	}
	p := page[web.Import]{Data: web.ImportRows(runs)}
	return a.print(p, func(w io.Writer) { importTable(w, p.Data) })
}

// importTable prints imports with their streams.
func importTable(w io.Writer, imports []web.Import) {
	if len(imports) == 0 {
		fmt.Fprintln(w, "\nThere is no import yet.")
		return
	}
	for _, r := range imports {
		fmt.Fprintf(w, "\n%s import %s: %s, started %s, finished %s\n",
			r.Kind, r.ID, r.Status, cell(r.StartedAt), cell(r.FinishedAt))
		if r.Reason != nil {
			fmt.Fprintln(w, cell(r.Reason))
		}
		if len(r.Streams) == 0 {
			continue
		}
		row(w, "RESOURCE", "STATUS", "PAGES", "IMPORTED", "UNCHANGED", "REJECTED", "SOURCE TOTAL")
		for _, s := range r.Streams {
			row(w, s.Resource, s.Status, s.Pages, s.Imported, s.Unchanged, s.Rejected, s.SourceTotal)
		}
	}
}
