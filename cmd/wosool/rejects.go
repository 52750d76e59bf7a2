package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/access"
	"github.com/wosool/wosool/internal/config"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
	"github.com/wosool/wosool/internal/vault"
)

type rejectsListCmd struct {
	Tenant   string `arg:"" help:"The tenant's id, merchant or slug."`
	Import   string `placeholder:"ID" help:"Only those of this import."`
	Resource string `enum:",customers,products,orders,carts,order_details" default:"" help:"Only those of this resource."`
	All      bool   `help:"Also those that were stored since."`
	Records  bool   `help:"With --json: the whole records, which hold personal data."`
	Limit    int    `default:"50" help:"At most this many, up to 200."`
	After    string `placeholder:"ID" help:"Go on after this reject: the last one of the page before."`
}

// reject is one record that could not be imported.
type reject struct {
	ID         uuid.UUID  `json:"id"`
	Import     *uuid.UUID `json:"import"`
	Resource   string     `json:"resource"`
	SourceID   *string    `json:"source_id"`
	Field      *string    `json:"field"`
	Reason     string     `json:"reason"`
	CreatedAt  time.Time  `json:"created_at"`
	RedrivenAt *time.Time `json:"redriven_at"`
	Record     *string    `json:"record,omitempty"`
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
	found, err := a.rejects(ctx, cfg, db, t.ID, f)
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
	f.Resource, f.Open = c.Resource, !c.All
	if c.Import != "" {
		if f.Run, err = uuid.Parse(c.Import); err != nil {
			return f, fault.New(fault.Invalid, "--import takes the id of an import")
		}
	}
	if c.After != "" {
		if f.Before, err = uuid.Parse(c.After); err != nil {
			return f, fault.New(fault.Invalid, "--after takes the id of a reject")
		}
	}
	return f, nil
}

func (c *rejectsListCmd) row(r tenantdb.StoredReject) reject {
	shown := reject{
		ID: r.ID, Resource: r.Resource, SourceID: r.SourceID, Field: r.Field, Reason: r.Reason,
		CreatedAt: r.CreatedAt.UTC(), RedrivenAt: r.RedrivenAt,
	}
	if r.Run != uuid.Nil {
		shown.Import = &r.Run
	}
	if c.Records {
		shown.Record = &r.Record
	}
	return shown
}

// rejects reads from the tenant's database, as the tenant's own role.
func (a *app) rejects(
	ctx context.Context, cfg config.Config, db *store.DB, tenantID uuid.UUID, f tenantdb.RejectFilter,
) ([]tenantdb.StoredReject, error) {
	keys, err := vault.OpenKeys(cfg.SecretKeyset.Reveal())
	if err != nil {
		return nil, err
	}
	servers, err := a.servers(ctx, cfg)
	if err != nil {
		return nil, err
	}
	pools := tenantdb.NewPools(servers, 1, a.log(cfg))
	defer pools.Close()
	data, err := (&access.Access{DB: db, Keys: keys, Pools: pools}).Open(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	return data.Rejects(ctx, f)
}
