package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/budget"
	"github.com/wosool/wosool/internal/config"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/web"
)

type importStartCmd struct {
	Tenant    string     `arg:"" help:"The tenant's id, merchant or slug."`
	Resources []string   `aliases:"resource" enum:"customers,products,orders,carts,order_details" help:"Only these, comma separated: customers, products, orders, carts, order_details."`
	Since     *time.Time `placeholder:"TIME" help:"Only what is from this time on, such as 2026-01-31T00:00:00Z."`
}

// Run opens a run, or queues one.
func (c *importStartCmd) Run(ctx context.Context, a *app) error {
	return a.importAct(ctx, c.Tenant, func(db *store.DB, id uuid.UUID) ([]store.Task, error) {
		_, todo, err := db.ImportTenant(ctx, id, c.Resources, c.Since, a.actor())
		if err == nil && len(todo) == 0 {
			fmt.Fprintln(a.notes, "Another import of this store is open: this one is queued, and begins when that one has ended.")
		}
		return todo, err
	})
}

// importOne names an import of a tenant.
type importOne struct {
	Tenant string    `arg:"" help:"The tenant's id, merchant or slug."`
	Import uuid.UUID `placeholder:"ID" help:"Only this import; else the one that is open."`
}

type importPauseCmd struct{ importOne }

// Run pauses the open run.
func (c *importPauseCmd) Run(ctx context.Context, a *app) error {
	return a.importAct(ctx, c.Tenant, func(db *store.DB, id uuid.UUID) ([]store.Task, error) {
		_, todo, err := db.PauseImport(ctx, id, c.Import, a.actor())
		return todo, err
	})
}

type importResumeCmd struct{ importOne }

// Run resumes the paused run.
func (c *importResumeCmd) Run(ctx context.Context, a *app) error {
	return a.importAct(ctx, c.Tenant, func(db *store.DB, id uuid.UUID) ([]store.Task, error) {
		_, todo, err := db.ResumeImport(ctx, id, c.Import, a.actor())
		return todo, err
	})
}

type importCancelCmd struct{ importOne }

// Run cancels the open run, or the queued one where that is named.
func (c *importCancelCmd) Run(ctx context.Context, a *app) error {
	return a.importAct(ctx, c.Tenant, func(db *store.DB, id uuid.UUID) ([]store.Task, error) {
		_, todo, err := db.CancelImport(ctx, id, c.Import, a.actor())
		return todo, err
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
	going, err := web.ReadProgress(ctx, db, a.allowance(cfg), runs)
	if err != nil {
		return err
	}
	p := page[importStatus]{Data: make([]importStatus, len(runs))}
	for i, row := range web.ImportRows(runs) {
		p.Data[i].Import = row
		if progress, ok := going[row.ID]; ok {
			p.Data[i].Progress = &progress
		}
	}
	return a.print(p, func(w io.Writer) { importsGoing(w, p.Data) })
}

// allowance tells what Salla allows stores, where Redis is known; nil where it is not.
func (a *app) allowance(c config.Config) web.Allowance {
	if a.redis == nil {
		if queue, err := a.queue(c); err != nil || queue == nil {
			return nil
		}
	}
	return budget.New(a.redis).State
}

// importStatus is an import with how it goes on.
type importStatus struct {
	web.Import
	Progress *web.Progress `json:"progress"` // nil: it has ended
}

// importTable prints imports with their streams.
func importTable(w io.Writer, imports []web.Import) {
	list := make([]importStatus, len(imports))
	for i, r := range imports {
		list[i].Import = r
	}
	importsGoing(w, list)
}

// importsGoing prints imports with how they go on, where they are open.
func importsGoing(w io.Writer, imports []importStatus) {
	if len(imports) == 0 {
		fmt.Fprintln(w, "\nThere is no import yet.")
		return
	}
	for _, r := range imports {
		fmt.Fprintf(w, "\n%s import %s: %s, started %s, finished %s\n",
			r.Kind, r.ID, r.Status, cell(r.StartedAt), cell(r.FinishedAt))
		switch {
		case r.Progress != nil && r.Progress.Waiting != nil:
			fmt.Fprintln(w, strings.Trim(*r.Progress.Waiting+" "+r.Progress.Words, " "))
		case r.Progress != nil && r.Progress.Words != "":
			fmt.Fprintln(w, r.Progress.Words)
		case r.Reason != nil:
			fmt.Fprintln(w, cell(r.Reason))
		}
		if len(r.Streams) == 0 {
			continue
		}
		if r.Progress != nil {
			row(w, "RESOURCE", "STATUS", "DONE", "TOTAL", "A MINUTE", "HOW IT GOES ON")
			for i, s := range r.Progress.Streams {
				row(w, s.Resource, r.Streams[i].Status, s.Done, s.Total, s.RecordsPerMinute, s.Words)
			}
			continue
		}
		row(w, "RESOURCE", "STATUS", "PAGES", "IMPORTED", "UNCHANGED", "REJECTED", "SOURCE TOTAL")
		for _, s := range r.Streams {
			row(w, s.Resource, s.Status, s.Pages, s.Imported, s.Unchanged, s.Rejected, s.SourceTotal)
		}
	}
}
