package imports_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/tenantdb"
)

// storedValues reads what is live in a tenant's database: ids, and what of each
// record is compared with the shop.
func storedValues() map[string]string {
	return map[string]string{
		tenantdb.Customers: `
			SELECT salla_customer_id, coalesce(last_name, '')
			FROM people WHERE salla_customer_id IS NOT NULL AND deleted_at IS NULL`,
		tenantdb.Products: `
			SELECT salla_product_id, concat(name, ' ', price::double precision, ' ', coalesce(stock_quantity, 0)::double precision)
			FROM salla_products WHERE deleted_at IS NULL`,
		tenantdb.Orders: `
			SELECT order_id, concat(status, ' ', total::double precision)
			FROM salla_orders WHERE deleted_at IS NULL`,
		tenantdb.Carts: `
			SELECT salla_cart_id, concat(total::double precision, ' ', item_count)
			FROM salla_carts WHERE deleted_at IS NULL AND NOT left_list`,
	}
}

// source gives the same of the shop.
func (r *rig) source(resource string) map[string]string {
	r.t.Helper()
	values := map[string]string{}
	for _, raw := range r.documents(salla.Resource(resource)) {
		var doc struct {
			ID       json.Number
			LastName string `json:"last_name"`
			Name     string
			Price    json.RawMessage
			Quantity json.RawMessage
			Total    json.RawMessage
			Status   json.RawMessage
			Items    []struct{ Quantity int }
		}
		if err := json.Unmarshal(raw, &doc); err != nil {
			r.t.Fatalf("%s: %v", raw, err)
		}
		items := 0
		for _, i := range doc.Items {
			items += i.Quantity
		}
		values[doc.ID.String()] = map[string]func() string{
			tenantdb.Customers: func() string { return doc.LastName },
			tenantdb.Products: func() string {
				return doc.Name + " " + plain(r, doc.Price) + " " + plain(r, doc.Quantity)
			},
			tenantdb.Orders: func() string { return statusWord(r, doc.Status) + " " + plain(r, doc.Total) },
			tenantdb.Carts:  func() string { return plain(r, doc.Total) + " " + strconv.Itoa(items) },
		}[resource]()
	}
	return values
}

// plain writes an amount in any form as Postgres writes a double; nothing is 0.
func plain(r *rig, raw json.RawMessage) string {
	r.t.Helper()
	var money struct{ Amount json.RawMessage }
	switch {
	case string(raw) == "null", string(raw) == "{}", len(raw) == 0:
		return "0"
	case json.Unmarshal(raw, &money) == nil:
		raw = money.Amount
	}
	f, err := strconv.ParseFloat(strings.Trim(string(raw), `"`), 64)
	if err != nil {
		r.t.Fatalf("amount %s: %v", raw, err)
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

func statusWord(r *rig, raw json.RawMessage) string {
	r.t.Helper()
	var status struct{ Slug string }
	if json.Unmarshal(raw, &status) != nil && json.Unmarshal(raw, &status.Slug) != nil {
		r.t.Fatalf("status %s", raw)
	}
	return map[string]string{
		"payment_pending": "PENDING", "under_review": "PENDING", "in_progress": "CONFIRMED", "delivering": "CONFIRMED",
		"shipped": "CONFIRMED", "delivered": "COMPLETED", "completed": "COMPLETED", "canceled": "CANCELED",
		"restored": "REFUNDED", "restoring": "REFUNDED",
	}[status.Slug]
}

// documents gives all that a list of the shop has now.
func (r *rig) documents(resource salla.Resource) []json.RawMessage {
	r.t.Helper()
	client := &salla.Client{BaseURL: r.access.base, Token: r.access.token}
	var all []json.RawMessage
	for q := (salla.PageQuery{Number: 1, PerPage: 60}); ; q.Number++ {
		page, err := client.Page(r.t.Context(), resource, q)
		if errors.Is(err, fault.NotFound) && q.Number > 1 {
			return all
		}
		if err != nil {
			r.t.Fatal(err)
		}
		repeated := len(all) > 0 && len(page.Records) > 0 && bytes.Equal(all[len(all)-1], page.Records[len(page.Records)-1])
		if !repeated {
			all = append(all, page.Records...)
		}
		if !page.HasNext || repeated {
			return all
		}
		q.Cursor = page.NextCursor
	}
}

// tenantRows reads pairs of text from the tenant's database.
func (r *rig) tenantRows(query string) map[string]string {
	r.t.Helper()
	config, err := pgx.ParseConfig(dbtest.AdminURL(r.t))
	if err != nil {
		r.t.Fatal(err)
	}
	config.Database = tenantdb.Name(r.tenant)
	conn, err := pgx.ConnectConfig(r.t.Context(), config)
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close(r.t.Context())
	rows, err := conn.Query(r.t.Context(), query)
	if err != nil {
		r.t.Fatal(err)
	}
	values := map[string]string{}
	var id, value string
	if _, err := pgx.ForEachRow(rows, []any{&id, &value}, func() error { values[id] = value; return nil }); err != nil {
		r.t.Fatal(err)
	}
	return values
}
