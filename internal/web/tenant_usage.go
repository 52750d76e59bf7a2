package web

import (
	"context"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
	"github.com/wosool/wosool/templates"
)

// usageSection says how much of the service a tenant uses, as far as the control
// database tells.
func (s *Server) usageSection(ctx context.Context, x whole) (templates.FactsSection, error) {
	v := templates.FactsSection{Title: "Usage", Note: "records as PostgreSQL estimates them"}
	u, err := s.DB.EventUsage(ctx, x.tenant)
	if err != nil {
		return v, err
	}
	v.Facts = []templates.Fact{
		{Label: "Events in the last day", Value: many(u.Day, store.EventUsageMost), Href: tenantHref(x.tenant.ID) + "/events"},
		{Label: "Events a day", Value: templates.Count((u.Week + 3) / 7), Note: "over the last week"},
	}
	if u.Week >= store.EventUsageMost {
		v.Facts[1].Value = "over " + v.Facts[1].Value
	}
	return v, nil
}

// recordFacts are how many records a tenant has, by what they are.
func recordFacts(tables []tenantdb.TableSize) []templates.Fact {
	rows := map[string]int64{}
	for _, t := range tables {
		rows[t.Name] = t.Rows
	}
	var facts []templates.Fact
	for _, of := range []struct{ label, table string }{
		{"People", "people"}, {"Products", "salla_products"}, {"Orders", "salla_orders"}, {"Carts", "salla_carts"}, {"Rejects", "rejects"},
	} {
		facts = append(facts, templates.Fact{Label: of.label, Value: templates.Count(rows[of.table])})
	}
	return facts
}

// stateFacts are what the server says of a tenant's database.
func stateFacts(st tenantdb.State) []templates.Fact {
	connections := templates.Fact{Label: "Connections", Value: templates.Count(st.Connections), Note: "open to it now"}
	if st.Most > 0 {
		connections.Note += ", at most " + templates.Count(st.Most)
	}
	return []templates.Fact{{Label: "PostgreSQL", Value: st.Version}, connections}
}
