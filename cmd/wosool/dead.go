package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/config"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
	"github.com/wosool/wosool/internal/web"
)

// age is a length of time that may be in days, as in the settings.
type age time.Duration

// UnmarshalText reads 90m, 36h or 7d.
func (d *age) UnmarshalText(text []byte) error {
	whole := string(text)
	if days, ok := strings.CutSuffix(whole, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return fmt.Errorf("%q is not a length of time such as 90m, 36h or 7d", whole)
		}
		*d = age(time.Duration(n) * 24 * time.Hour)
		return nil
	}
	n, err := time.ParseDuration(whole)
	if err != nil || n < 0 {
		return fmt.Errorf("%q is not a length of time such as 90m, 36h or 7d", whole)
	}
	*d = age(n)
	return nil
}

// deadFlags choose dead letters.
type deadFlags struct {
	Task     string     `placeholder:"KIND" help:"Only this kind of task, such as event:apply or import:page."`
	Lane     string     `help:"Only this lane: provisioning, events, imports, crm or maintenance."`
	Merchant *int64     `help:"Only those of this store."`
	Tenant   *uuid.UUID `placeholder:"ID" help:"Only those of this tenant."`
	Reason   string     `placeholder:"TEXT" help:"Only those whose reason has this in it, or the group of this name."`
	Older    age        `placeholder:"AGE" help:"Only what failed longer ago than this: 90m, 36h, 7d."`
	Newer    age        `placeholder:"AGE" help:"Only what failed within this time: 90m, 36h, 7d."`
}

// Validate refuses what can't be before anything is opened.
func (f *deadFlags) Validate() error {
	switch {
	case f.Task != "" && !slices.Contains(store.WorkKinds(), f.Task):
		return fmt.Errorf("--task must be one of %s", strings.Join(store.WorkKinds(), ", "))
	case f.Lane != "" && !slices.Contains(tasks.Lanes(), f.Lane):
		return fmt.Errorf("--lane must be one of %s", strings.Join(tasks.Lanes(), ", "))
	case f.Older > 0 && f.Newer > 0 && f.Older >= f.Newer:
		return errors.New("--older must be shorter than --newer: nothing is both")
	}
	return nil
}

func (f *deadFlags) none() bool {
	return f.Task == "" && f.Lane == "" && f.Merchant == nil && f.Tenant == nil && f.Reason == "" && f.Older == 0 && f.Newer == 0
}

// filter is what the flags choose, by the database's clock.
func (f *deadFlags) filter(ctx context.Context, db *store.DB) (store.DeadFilter, error) {
	c := store.DeadFilter{Task: f.Task, Lane: f.Lane, Merchant: f.Merchant, TenantID: f.Tenant, Reason: f.Reason}
	now, err := db.Clock(ctx)
	if err != nil {
		return c, err
	}
	if f.Older > 0 {
		c.Before = now.Add(-time.Duration(f.Older))
	}
	if f.Newer > 0 {
		c.After = now.Add(-time.Duration(f.Newer))
	}
	return c, nil
}

type deadListCmd struct {
	deadFlags

	Limit int    `default:"50" help:"At most this many, up to 200."`
	After string `placeholder:"CURSOR" help:"Go on after this place: the one that the page before named."`
}

// deadListed is a page of dead letters as the operator API answers it.
type deadListed struct {
	page[web.DeadLetter]

	SearchedTo *time.Time `json:"searched_to,omitempty"`
}

// Run lists dead letters.
func (c *deadListCmd) Run(ctx context.Context, a *app) error {
	size, err := limit(c.Limit)
	if err != nil {
		return err
	}
	db, _, err := a.open(ctx)
	if err != nil {
		return err
	}
	f, err := c.filter(ctx, db)
	if err != nil {
		return err
	}
	f.Limit = size
	if c.After != "" {
		if f.Cursor, err = store.ParseDeadCursor(c.After); err != nil {
			return err
		}
	}
	found, err := db.DeadList(ctx, f)
	if err != nil {
		return err
	}
	p := deadListed{SearchedTo: found.SearchedTo}
	p.Data = make([]web.DeadLetter, len(found.Letters))
	for i, l := range found.Letters {
		p.Data[i] = web.DeadLetterRow(l)
	}
	if found.More {
		next := found.Bottom.String()
		p.Next = &next
	}
	return a.print(p, func(w io.Writer) {
		deadRows(w, p.Data)
		if p.SearchedTo != nil {
			fmt.Fprintf(w, "Searched back to %s.\n", cell(*p.SearchedTo))
		}
		if p.Next != nil {
			fmt.Fprintf(w, "There may be more: --after %s\n", *p.Next)
		}
	})
}

func deadRows(w io.Writer, letters []web.DeadLetter) {
	row(w, "TASK", "ID", "MERCHANT", "ATTEMPTS", "FAILED", "REASON")
	for _, l := range letters {
		row(w, l.Task, l.ID, l.Merchant, l.Attempts, l.FailedAt, l.Reason)
	}
}

type deadRetryCmd struct {
	deadFlags

	All    bool   `help:"Every dead letter there is; with no other filter."`
	DryRun bool   `help:"Only say how many would be retried, and show some of them."`
	Why    string `placeholder:"TEXT" help:"Why, for the audit."`
}

// Validate refuses to take no filter for all of them.
func (c *deadRetryCmd) Validate() error {
	switch {
	case c.none() && !c.All:
		return errors.New("nothing narrows this down: give a filter, or --all for every dead letter")
	case c.All && !c.none():
		return errors.New("--all goes with no other filter")
	}
	return c.deadFlags.Validate()
}

// How long one round of retrying takes before its progress is told.
const deadRound = 5 * time.Second

// Run retries what the flags choose, until none is left.
func (c *deadRetryCmd) Run(ctx context.Context, a *app) error {
	db, cfg, err := a.open(ctx)
	if err != nil {
		return err
	}
	f, err := c.filter(ctx, db)
	if err != nil {
		return err
	}
	if f.Before.IsZero() { // what fails again while this runs is not retried again
		if f.Before, err = db.Clock(ctx); err != nil {
			return err
		}
	}
	if c.DryRun {
		return c.wouldRetry(ctx, a, db, f)
	}
	wake, told, err := a.waker(ctx, cfg)
	if err != nil {
		return err
	}
	var sum web.DeadRetried
	remaining := func() string { return countWords(store.DeadCount{N: sum.Remaining, AtLeast: sum.AtLeast}) }
	for {
		done, err := web.RetryDead(ctx, db, f, store.DeadAct{By: a.actor(), Why: c.Why}, deadRound, wake)
		if err != nil {
			return err
		}
		sum.Retried, sum.Remaining, sum.AtLeast = sum.Retried+done.Retried, done.Remaining, done.AtLeast
		if done.Remaining == 0 && !done.AtLeast || done.Retried == 0 {
			break
		}
		fmt.Fprintf(a.notes, "%d retried, %s remaining\n", sum.Retried, remaining())
	}
	told()
	return a.print(sum, func(w io.Writer) {
		fmt.Fprintf(w, "%d retried, %s remaining.\n", sum.Retried, remaining())
		if sum.Remaining > 0 || sum.AtLeast {
			fmt.Fprintln(w, "Somebody else has those in hand: run it again.")
		}
	})
}

// wouldRetry says what Run would do.
func (c *deadRetryCmd) wouldRetry(ctx context.Context, a *app, db *store.DB, f store.DeadFilter) error {
	count, err := db.CountDead(ctx, f)
	if err != nil {
		return err
	}
	f.Limit = 10
	found, err := db.DeadList(ctx, f)
	if err != nil {
		return err
	}
	would := struct {
		WouldRetry int              `json:"would_retry"`
		AtLeast    bool             `json:"at_least,omitempty"` // there may be more: not all were looked at
		Sample     []web.DeadLetter `json:"sample"`
	}{count.N, count.AtLeast, make([]web.DeadLetter, len(found.Letters))}
	for i, l := range found.Letters {
		would.Sample[i] = web.DeadLetterRow(l)
	}
	return a.print(would, func(w io.Writer) {
		fmt.Fprintf(w, "%s would be retried.\n", countWords(count))
		if len(would.Sample) > 0 {
			deadRows(w, would.Sample)
		}
	})
}

// countWords says a count, and whether it may be more.
func countWords(n store.DeadCount) string {
	if n.AtLeast {
		return fmt.Sprintf("at least %d", n.N)
	}
	return fmt.Sprint(n.N)
}

// waker gives what has the tasks of a committed batch run, and what says at the end
// who does it where Redis did not.
func (a *app) waker(ctx context.Context, c config.Config) (wake func([]store.Task), told func(), err error) {
	queue, err := a.queue(c)
	if err != nil {
		return nil, nil, err
	}
	var failed error
	wake = func(todo []store.Task) {
		if queue == nil || failed != nil {
			return
		}
		refs := make([]tasks.Ref, len(todo))
		for i, t := range todo {
			refs[i] = tasks.Ref(t)
		}
		call, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		failed = queue.Wake(call, refs...)
	}
	told = func() {
		switch {
		case failed != nil:
			fmt.Fprintln(a.notes, "Redis did not take the tasks: a worker's sweeper picks them up once Redis is back.")
		case queue == nil:
			fmt.Fprintln(a.notes, "REDIS_URL is not set: a worker's sweeper picks the tasks up within seconds.")
		}
	}
	return wake, told, nil
}
