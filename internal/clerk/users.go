package clerk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/wosool/wosool/internal/fault"
)

// User is a person who can sign in.
type User struct {
	ID              string   `json:"id"`
	ExternalID      string   `json:"external_id"`
	FirstName       string   `json:"first_name"`
	LastName        string   `json:"last_name"`
	PrimaryEmailID  string   `json:"primary_email_address_id"`
	Emails          []Email  `json:"email_addresses"`
	PrivateMetadata Metadata `json:"private_metadata"`
	PublicMetadata  Metadata `json:"public_metadata"`
	Banned          bool     `json:"banned"`
	Locked          bool     `json:"locked"`
	CreatedAt       int64    `json:"created_at"` // Unix ms
	UpdatedAt       int64    `json:"updated_at"` // Unix ms

	// EmailReserved tells, of a user whom CreateUser made, whether the e-mail is
	// only held for them and not taken as proved.
	EmailReserved bool `json:"-"`
}

// Email is one address of a User.
type Email struct {
	ID           string `json:"id"`
	Address      string `json:"email_address"`
	Reserved     bool   `json:"reserved"`
	Verification struct {
		Status   string `json:"status"`
		Strategy string `json:"strategy"`
	} `json:"verification"`
}

// LogValue keeps names and addresses out of logs.
func (u User) LogValue() slog.Value { return slog.StringValue(u.ID) }

// PrimaryEmail gives the primary address; false where there is none.
func (u User) PrimaryEmail() (Email, bool) {
	for _, e := range u.Emails {
		if e.ID == u.PrimaryEmailID && e.ID != "" {
			return e, true
		}
	}
	return Email{}, false
}

// HasEmail tells whether the address is one of the user's, letter case aside.
func (u User) HasEmail(address string) bool {
	for _, e := range u.Emails {
		if strings.EqualFold(e.Address, address) {
			return true
		}
	}
	return false
}

// UsersByEmail gives the users whom Clerk finds by an address. A match proves
// nothing about who the person is.
func (c *Client) UsersByEmail(ctx context.Context, email string) ([]User, error) {
	if !strings.Contains(email, "@") {
		return nil, fault.New(fault.Invalid, "clerk: not an e-mail address")
	}
	return c.users(ctx, url.Values{"email_address": {email}})
}

// UsersByExternalID gives the users with exactly that external id: one or none.
func (c *Client) UsersByExternalID(ctx context.Context, id string) ([]User, error) {
	if id == "" || strings.HasPrefix(id, "+") || strings.HasPrefix(id, "-") { // Clerk's operators
		return nil, fault.New(fault.Invalid, "clerk: an external id is not empty and begins with neither + nor -")
	}
	found, err := c.users(ctx, url.Values{"external_id": {id}})
	users := found[:0]
	for _, u := range found {
		if u.ExternalID == id {
			users = append(users, u)
		}
	}
	return users, err
}

func (c *Client) users(ctx context.Context, query url.Values) ([]User, error) {
	query.Set("limit", "100")
	var users *[]User
	if err := c.do(ctx, http.MethodGet, "/users", query, nil, &users); err != nil {
		return nil, err
	}
	if users == nil {
		return nil, errors.New("clerk: GET /users: an answer without data")
	}
	for _, u := range *users {
		if err := check(nil, "GET /users", "user", u.ID); err != nil {
			return nil, err
		}
	}
	return *users, nil
}

// User reads one user, or fault.NotFound.
func (c *Client) User(ctx context.Context, id string) (User, error) {
	if err := checkID("user", id); err != nil {
		return User{}, err
	}
	var u User
	err := c.do(ctx, http.MethodGet, "/users/"+id, nil, nil, &u)
	return u, check(err, "GET /users/"+id, "user", u.ID)
}

// NewUser is what CreateUser makes.
type NewUser struct {
	Email, FirstName, LastName string
	ExternalID                 string
	PrivateMetadata            Metadata

	// Reserved asks for an address that is held for the user and not taken as
	// proved. Where the instance does not offer that, it is made without.
	Reserved bool
}

// CreateUser makes a user without a password; User.EmailReserved tells whether the
// address is reserved. An address or external id that is in use gives an error
// that IsEmailTaken or IsExternalIDTaken knows.
func (c *Client) CreateUser(ctx context.Context, n NewUser) (User, error) {
	in := struct {
		Emails          []string `json:"email_address"`
		FirstName       string   `json:"first_name,omitempty"`
		LastName        string   `json:"last_name,omitempty"`
		ExternalID      string   `json:"external_id,omitempty"`
		PrivateMetadata Metadata `json:"private_metadata,omitempty"`
		NoPassword      bool     `json:"skip_password_requirement"`
		Status          []string `json:"email_address_identification_status,omitempty"`
	}{[]string{n.Email}, n.FirstName, n.LastName, n.ExternalID, n.PrivateMetadata, true, nil}
	if n.Reserved {
		in.Status = []string{"reserved"}
	}

	var u User
	err := c.do(ctx, http.MethodPost, "/users", nil, in, &u)
	if n.Reserved && statusRefused(err) {
		in.Status = nil
		err = c.do(ctx, http.MethodPost, "/users", nil, in, &u)
	}
	if err := check(err, "POST /users", "user", u.ID); err != nil {
		return User{}, err
	}
	for _, e := range u.Emails {
		u.EmailReserved = u.EmailReserved || strings.EqualFold(e.Address, n.Email) && e.Reserved
	}
	return u, nil
}

// statusRefused tells whether the instance does not know how to reserve an
// address. Nothing was made then.
func statusRefused(err error) bool {
	e, ok := is(err, http.StatusUnprocessableEntity, "form_param_unknown", "form_param_format_invalid", "form_param_value_invalid")
	return ok && (strings.HasPrefix(e.Param, "email_address_identification_status") || e.Param == "" && e.Code == "form_param_unknown")
}

// DeleteUser removes a user for good, or gives fault.NotFound.
func (c *Client) DeleteUser(ctx context.Context, id string) error {
	if err := checkID("user", id); err != nil {
		return err
	}
	return c.remove(ctx, "/users/"+id)
}

// remove deletes what is at path and reads that it is gone.
func (c *Client) remove(ctx context.Context, path string) error {
	var gone struct {
		Deleted bool `json:"deleted"`
	}
	if err := c.do(ctx, http.MethodDelete, path, nil, nil, &gone); err != nil {
		return err
	}
	if !gone.Deleted {
		return fmt.Errorf("clerk: DELETE %s: an answer that does not say deleted", path)
	}
	return nil
}
