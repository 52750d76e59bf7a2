package salla

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// userInfoPath tells who authorised the app, and for which store.
const userInfoPath = "/oauth2/user/info"

// Merchant asks whose store an access token is for. The answer is read with the
// envelope that is documented and without it; one that names no merchant is
// fault.Unavailable, and may be asked for again.
func (o *OAuth) Merchant(ctx context.Context, access string) (int64, error) {
	const op = http.MethodGet + " " + userInfoPath
	c := &Client{BaseURL: o.base(), HTTP: o.HTTP, Token: access}
	req, err := c.request(ctx, http.MethodGet, userInfoPath, nil, nil)
	if err != nil {
		return 0, &callError{op: op, err: plain(err), secrets: []string{access}}
	}
	resp, err := client(c.HTTP).Do(req)
	if err != nil {
		return 0, &callError{op: op, err: plain(err), secrets: []string{access}}
	}
	defer resp.Body.Close()
	body, err := readAll(resp.Body, maxError)
	if resp.StatusCode/100 != 2 {
		return 0, newError(http.MethodGet, userInfoPath, resp, body, access) // the status alone is worth an *Error
	}
	if err != nil {
		return 0, &callError{op: op, err: fmt.Errorf("read: %w", err), secrets: []string{access}}
	}
	var env envelope
	if json.Unmarshal(body, &env) == nil && env.refused() {
		return 0, newError(http.MethodGet, userInfoPath, resp, body, access)
	}
	for _, doc := range []json.RawMessage{env.Data, body} {
		if id, ok := merchantOf(doc); ok {
			return id, nil
		}
	}
	why := error(answerError("an answer that names no merchant"))
	if !json.Valid(body) {
		why = unreadable(resp, body)
	}
	return 0, &callError{op: op, err: why, secrets: []string{access}}
}

// merchantOf reads the merchant of a user's document; its own id is the user's.
func merchantOf(doc json.RawMessage) (int64, bool) {
	var user struct {
		Merchant struct {
			ID integer `json:"id"`
		} `json:"merchant"`
	}
	if json.Unmarshal(doc, &user) != nil {
		return 0, false
	}
	id, ok := user.Merchant.ID.value()
	return id, ok && id > 0
}
