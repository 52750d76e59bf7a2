package salla

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Store is the merchant's store. Fields that Salla left out are empty.
type Store struct {
	ID          int64
	Name        string
	Entity      string // company, individual, …
	Email       string // whatever the shop's owner typed; proves nothing
	Avatar      string
	Plan        string // basic, plus, pro, special
	Type        string // demo, development, live
	Status      string
	Verified    bool
	Currency    string // ISO 4217
	Domain      string
	Description string

	Document json.RawMessage // the whole of it
}

// StoreInfo reads the store that the token belongs to.
func (c *Client) StoreInfo(ctx context.Context) (Store, error) {
	reply, err := c.get(ctx, "/store/info", nil)
	if err != nil {
		return Store{}, err
	}
	var s Store
	if err := json.Unmarshal(reply.Data, &s); err != nil {
		return Store{}, fmt.Errorf("salla: GET /store/info: %w", err)
	}
	return s, nil
}

// UnmarshalJSON reads a store; one without an id is an error.
func (s *Store) UnmarshalJSON(raw []byte) error {
	var doc struct {
		ID          integer `json:"id"`
		Name        text    `json:"name"`
		Entity      text    `json:"entity"`
		Email       text    `json:"email"`
		Avatar      text    `json:"avatar"`
		Plan        text    `json:"plan"`
		Type        text    `json:"type"`
		Status      text    `json:"status"`
		Verified    flag    `json:"verified"`
		Currency    text    `json:"currency"`
		Domain      text    `json:"domain"`
		Description text    `json:"description"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return err
	}
	id, ok := doc.ID.value()
	if !ok || id <= 0 {
		return errors.New("a store without an id")
	}
	*s = Store{
		ID: id, Name: string(doc.Name), Entity: string(doc.Entity), Email: string(doc.Email),
		Avatar: string(doc.Avatar), Plan: string(doc.Plan), Type: string(doc.Type), Status: string(doc.Status),
		Verified: bool(doc.Verified), Currency: string(doc.Currency), Domain: string(doc.Domain),
		Description: string(doc.Description), Document: append(json.RawMessage(nil), raw...),
	}
	return nil
}
