package salla

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"time"

	"github.com/wosool/wosool/internal/fault"
)

// Document is one entity as Salla wrote it.
type Document struct {
	Body        json.RawMessage
	RequestedAt time.Time // the instant just before the request was sent
}

// Customer reads one customer, or fault.NotFound.
func (c *Client) Customer(ctx context.Context, id string) (Document, error) {
	return c.document(ctx, "/customers/", id, nil)
}

// Product reads one product, or fault.NotFound.
func (c *Client) Product(ctx context.Context, id string) (Document, error) {
	return c.document(ctx, "/products/", id, nil)
}

// Order reads one order in the light format, which has no items, or fault.NotFound.
func (c *Client) Order(ctx context.Context, id string) (Document, error) {
	return c.document(ctx, "/orders/", id, url.Values{"format": {"light"}})
}

// Cart reads one abandoned cart, or fault.NotFound.
func (c *Client) Cart(ctx context.Context, id string) (Document, error) {
	return c.document(ctx, "/carts/abandoned/", id, nil)
}

// OrderItems reads all items of an order. Body is a JSON array.
func (c *Client) OrderItems(ctx context.Context, orderID string) (Document, error) {
	if err := checkID(orderID); err != nil {
		return Document{}, err
	}
	items, began, err := c.all(ctx, "/orders/items", url.Values{"order_id": {orderID}})
	if err != nil {
		return Document{}, err
	}
	parts := make([][]byte, len(items))
	for i, item := range items {
		parts[i] = item
	}
	body := append(append([]byte("["), bytes.Join(parts, []byte(","))...), ']')
	return Document{Body: body, RequestedAt: began}, nil
}

func (c *Client) document(ctx context.Context, path, id string, query url.Values) (Document, error) {
	if err := checkID(id); err != nil {
		return Document{}, err
	}
	reply, err := c.get(ctx, path+id, query)
	if err != nil {
		return Document{}, err
	}
	if !object(reply.Data) {
		return Document{}, fmt.Errorf("salla: GET %s%s: data is not a record", path, id)
	}
	return Document{Body: reply.Data, RequestedAt: reply.requestedAt}, nil
}

var idForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// checkID keeps an id from becoming another path: "" would read the list.
func checkID(id string) error {
	if !idForm.MatchString(id) {
		return fault.New(fault.Invalid, "salla: not an id of Salla's")
	}
	return nil
}

// object tells whether raw is an object that has members.
func object(raw json.RawMessage) bool {
	return bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) && !blank(raw)
}
