package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/web"
)

type eventsListCmd struct {
	Merchant *int64     `help:"Only events of this store."`
	Source   string     `enum:",salla,clerk" default:"" help:"Only events of this source: salla or clerk."`
	Event    string     `help:"Only events of this name, such as order.created."`
	Status   string     `enum:",received,waiting,applied,ignored,failed" default:"" help:"Only events of this status."`
	Search   string     `short:"q" placeholder:"TEXT" help:"An event's id, or the beginning of an event's name."`
	From     *time.Time `placeholder:"TIME" help:"Only events received then or later, such as 2026-01-31T00:00:00Z."`
	To       *time.Time `placeholder:"TIME" help:"Only events received before."`
	Text     string     `placeholder:"TEXT" help:"Only events whose payload has this in it; with --merchant, or within 31 days (--from, --to)."`
	Limit    int        `default:"50" help:"At most this many, up to 200."`
	After    string     `placeholder:"ID" help:"Go on after this event: the last one of the page before."`
}

// eventsListed is a page of events as the operator API answers it.
type eventsListed struct {
	page[web.Event]

	SearchedTo *time.Time `json:"searched_to,omitempty"`
}

// Run lists events.
func (c *eventsListCmd) Run(ctx context.Context, a *app) error {
	db, _, err := a.open(ctx)
	if err != nil {
		return err
	}
	size, err := limit(c.Limit)
	if err != nil {
		return err
	}
	f := store.EventFilter{
		Merchant: c.Merchant, Source: c.Source, Event: c.Event, Status: c.Status, Q: c.Search,
		From: c.From, To: c.To, Text: c.Text, Cursor: c.After, Limit: size,
	}
	found, err := db.Events(ctx, f)
	if err != nil {
		return err
	}
	p := eventsListed{SearchedTo: web.SearchedTo(f, found)}
	p.Data = make([]web.Event, len(found.Events))
	for i, e := range found.Events {
		p.Data[i] = web.EventRow(e)
	}
	if found.Next != "" {
		p.Next = &found.Next
	}
	return a.print(p, func(w io.Writer) {
		row(w, "ID", "EVENT", "MERCHANT", "STATUS", "ATTEMPTS", "RECEIVED", "ERROR")
		for _, e := range p.Data {
			row(w, e.ID, e.Event, e.Merchant, e.Status, e.Attempts, e.ReceivedAt, e.Error)
		}
		if p.SearchedTo != nil {
			fmt.Fprintf(w, "Searched back to %s.\n", cell(*p.SearchedTo))
		}
		if p.Next != nil {
			fmt.Fprintf(w, "There are more: --after %s\n", *p.Next)
		}
	})
}

type eventsShowCmd struct {
	Event string `arg:"" help:"The event's id."`
}

// Run shows one event.
func (c *eventsShowCmd) Run(ctx context.Context, a *app) error {
	id, err := eventID(c.Event)
	if err != nil {
		return err
	}
	db, _, err := a.open(ctx)
	if err != nil {
		return err
	}
	e, err := db.Event(ctx, id)
	if err != nil {
		return err
	}
	return a.showEvent(ctx, db, e)
}

type eventsReplayCmd struct {
	Event string `arg:"" help:"The event's id."`
}

// Run replays one event.
func (c *eventsReplayCmd) Run(ctx context.Context, a *app) error {
	id, err := eventID(c.Event)
	if err != nil {
		return err
	}
	db, cfg, err := a.open(ctx)
	if err != nil {
		return err
	}
	e, todo, err := db.ReplayEvent(ctx, id, a.actor())
	if err != nil {
		return err
	}
	a.ring(ctx, cfg, todo)
	return a.showEvent(ctx, db, e)
}

func eventID(text string) (uuid.UUID, error) {
	id, err := uuid.Parse(text)
	if err != nil {
		return uuid.Nil, fault.New(fault.NotFound, "%q is not the id of an event", text)
	}
	return id, nil
}

// showEvent prints an event with its headers and payload.
func (a *app) showEvent(ctx context.Context, db *store.DB, e store.Event) error {
	d, err := web.WholeEvent(ctx, db, e)
	if err != nil {
		return err
	}
	return a.print(d, func(w io.Writer) {
		row(w, "event", d.ID)
		row(w, "name", d.Event.Event)
		row(w, "source", d.Source)
		row(w, "merchant", d.Merchant)
		row(w, "tenant", valueOr(d.TenantID, uuid.Nil))
		row(w, "status", d.Status)
		row(w, "attempts", d.Attempts)
		row(w, "received", d.ReceivedAt)
		row(w, "applied", d.AppliedAt)
		row(w, "error", d.Error)
		fmt.Fprintf(w, "\nheaders %s\npayload %s\n", indented(d.Headers), indented(d.Payload))
	})
}

func indented(doc json.RawMessage) string {
	text, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return string(doc)
	}
	return string(text)
}
