package main

import (
	"context"
	"fmt"
	"io"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/access"
	"github.com/wosool/wosool/internal/config"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
	"github.com/wosool/wosool/internal/vault"
	"github.com/wosool/wosool/internal/web"
)

type rejectsListCmd struct {
	Tenant   string    `arg:"" help:"The tenant's id, merchant or slug."`
	Import   uuid.UUID `placeholder:"ID" help:"Only those of this import."`
	Resource string    `enum:",customers,products,orders,carts,order_details" default:"" help:"Only those of this resource: customers, products, orders, carts or order_details."`
	Field    string    `placeholder:"PATH" help:"Only those with this field at fault; - for those that name none."`
	Reason   string    `placeholder:"TEXT" help:"Only those with this reason, or one that differs only in quoted texts, ids and numbers."`
	All      bool      `help:"Also those that are settled: stored since, overtaken by what is stored, or gone at Salla."`
	Records  bool      `help:"With --json: the whole records, which hold personal data. That of a settled one is no longer kept."`
	Limit    int       `default:"50" help:"At most this many, up to 200."`
	After    uuid.UUID `placeholder:"ID" help:"Go on after this reject: the last one of the page before."`
}

// reject is one record that could not be imported.
type reject struct {
	web.Reject

	Record *string `json:"record,omitempty"`
}

// Run lists what could not be imported, from the tenant's own database.
func (c *rejectsListCmd) Run(ctx context.Context, a *app) error {
	f, err := c.filter()
	if err != nil {
		return err
	}
	db, cfg, err := a.open(ctx)
	if err != nil {
		return err
	}
	t, err := findTenant(ctx, db, c.Tenant)
	if err != nil {
		return err
	}
	reader, err := a.tenantData(ctx, cfg, db)
	if err != nil {
		return err
	}
	defer reader.Pools.Close()
	data, err := reader.Open(ctx, t.ID)
	if err != nil {
		return err
	}
	found, err := data.Rejects(ctx, f)
	if err != nil {
		return err
	}
	p := page[reject]{Data: make([]reject, len(found))}
	for i, r := range found {
		p.Data[i] = c.row(r)
	}
	if len(found) == f.Limit {
		next := found[len(found)-1].ID.String()
		p.Next = &next
	}
	return a.print(p, func(w io.Writer) {
		row(w, "ID", "RESOURCE", "SOURCE ID", "FIELD", "REASON", "SINCE")
		for _, r := range p.Data {
			row(w, r.ID, r.Resource, r.SourceID, r.Field, r.Reason, r.CreatedAt)
		}
		if p.Next != nil {
			fmt.Fprintf(w, "There may be more: --after %s\n", *p.Next)
		}
	})
}

func (c *rejectsListCmd) filter() (f tenantdb.RejectFilter, err error) {
	if f.Limit, err = limit(c.Limit); err != nil {
		return f, err
	}
	f.Resource, f.Field, f.Reason, f.Open, f.Records = c.Resource, c.Field, c.Reason, !c.All, c.Records
	f.Run, f.Before = c.Import, c.After
	return f, nil
}

func (c *rejectsListCmd) row(r tenantdb.StoredReject) reject {
	shown := reject{Reject: web.RejectOf(r)}
	if c.Records && r.Record != "" {
		shown.Record = &r.Record
	}
	return shown
}

// tenantData opens tenants' databases, each as the tenant's own role. The caller
// closes the pools.
func (a *app) tenantData(ctx context.Context, cfg config.Config, db *store.DB) (*access.Access, error) {
	keys, err := vault.OpenKeys(cfg.SecretKeyset.Reveal())
	if err != nil {
		return nil, err
	}
	servers, err := a.servers(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &access.Access{DB: db, Keys: keys, Pools: tenantdb.NewPools(servers, 1, a.log(cfg))}, nil
}
