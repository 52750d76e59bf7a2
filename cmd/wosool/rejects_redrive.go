package main

import (
	"context"
	"fmt"
	"io"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/imports"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/web"
)

type rejectsRedriveCmd struct {
	Tenant   string      `arg:"" help:"The tenant's id, merchant or slug."`
	ID       []uuid.UUID `name:"id" placeholder:"ID" help:"Only this reject; may be given more than once."`
	Import   uuid.UUID   `placeholder:"ID" help:"Only those of this import."`
	Resource string      `enum:",customers,products,orders,carts,order_details" default:"" help:"Only those of this resource: customers, products, orders, carts or order_details."`
	Field    string      `placeholder:"PATH" help:"Only those with this field at fault; - for those that name none."`
	Reason   string      `placeholder:"TEXT" help:"Only those with this reason, or one that differs only in quoted texts, ids and numbers."`
	DryRun   bool        `help:"Only say how many there are, and what would become of the newest of them."`
}

// redriveRound is how many rejects are re-driven before the progress is told.
const redriveRound = 2000

// Run re-drives what the flags choose, until none is left that was not tried.
func (c *rejectsRedriveCmd) Run(ctx context.Context, a *app) error {
	f := c.filter()
	db, cfg, err := a.open(ctx)
	if err != nil {
		return err
	}
	t, err := findTenant(ctx, db, c.Tenant)
	if err != nil {
		return err
	}
	data, err := a.tenantData(ctx, cfg, db)
	if err != nil {
		return err
	}
	defer data.Pools.Close()
	im := &imports.Importer{DB: db, Open: data.Open, Log: a.log(cfg)}
	if c.DryRun {
		trial, err := im.TryRedrive(ctx, t.ID, f)
		if err != nil {
			return err
		}
		return a.printTrial(web.TrialOf(trial))
	}
	wake, told, err := a.waker(ctx, cfg)
	if err != nil {
		return err
	}
	var sum imports.Redriven
	for {
		done, todo, err := im.Redrive(ctx, t.ID, a.actor(), f, redriveRound)
		sum.Add(done)
		if len(todo) > 0 {
			wake(todo)
		}
		if err != nil {
			return err
		}
		if f.After = done.Next; f.After == uuid.Nil {
			break
		}
		fmt.Fprintf(a.notes, "%d tried, %s left\n", sum.Tried, countWords(store.DeadCount{N: min(done.Left, 10_000), AtLeast: done.Left > 10_000}))
	}
	if sum.Asked > 0 {
		told()
	}
	return a.printRedriven(web.RedrivenOf(sum))
}

func (c *rejectsRedriveCmd) filter() imports.RedriveFilter {
	return imports.RedriveFilter{IDs: c.ID, Run: c.Import, Resource: c.Resource, Field: c.Field, Reason: c.Reason}
}

func (a *app) printRedriven(r web.Redriven) error {
	return a.print(r, func(w io.Writer) {
		still := 0
		for _, s := range r.StillRejected {
			still += s.Count
		}
		fmt.Fprintf(w, "%d tried: %d stored, %d unchanged, %d overtaken by what is stored, %d still rejected.\n",
			r.Tried, r.Stored, r.Unchanged, r.Overtaken, still)
		if r.AskedAgain > 0 {
			fmt.Fprintf(w, "%d are read again at Salla: what that stores is settled by itself.\n", r.AskedAgain)
		}
		rejectReasons(w, r.StillRejected)
	})
}

func (a *app) printTrial(t web.Trial) error {
	return a.print(t, func(w io.Writer) {
		fmt.Fprintf(w, "%s would be re-driven.\n", countWords(store.DeadCount{N: t.WouldRedrive, AtLeast: t.AtLeast}))
		if t.LookedAt > 0 {
			fmt.Fprintf(w, "Of the newest %d, %d can be mapped now; %d would be read again at Salla.\n", t.LookedAt, t.Understood, t.AskedAgain)
		}
		rejectReasons(w, t.StillRejected)
	})
}

func rejectReasons(w io.Writer, list []web.RejectReason) {
	if len(list) == 0 {
		return
	}
	row(w, "STILL REJECTED", "RESOURCE", "FIELD", "REASON")
	for _, s := range list {
		row(w, s.Count, s.Resource, s.Field, s.Reason)
	}
}
