package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
)

// keyRow is a key as the command line shows one.
type keyRow struct {
	ID          uuid.UUID     `json:"id"`
	Name        string        `json:"name"`
	Prefix      string        `json:"prefix"`
	Scopes      []store.Scope `json:"scopes"`
	CreatedBy   string        `json:"created_by"`
	CreatedAt   time.Time     `json:"created_at"`
	ExpiresAt   *time.Time    `json:"expires_at"`
	Expired     bool          `json:"expired"`
	LastUsedAt  *time.Time    `json:"last_used_at"`
	LastAddress string        `json:"last_address"`
}

func keyOf(k store.APIKey) keyRow {
	return keyRow{
		ID: k.ID, Name: k.Name, Prefix: k.Prefix, Scopes: k.Scopes, CreatedBy: k.CreatedBy, CreatedAt: k.CreatedAt,
		ExpiresAt: k.ExpiresAt, Expired: k.Expired, LastUsedAt: k.LastUsedAt, LastAddress: k.LastAddress,
	}
}

func (k keyRow) scopes() string {
	texts := make([]string, len(k.Scopes))
	for i, s := range k.Scopes {
		texts[i] = string(s)
	}
	return strings.Join(texts, ",")
}

// expires is when the key expires, in words where that is no time.
func (k keyRow) expires() string {
	switch {
	case k.ExpiresAt == nil:
		return "never"
	case k.Expired:
		return "expired"
	}
	return cell(*k.ExpiresAt)
}

type keyAddCmd struct {
	Name   string        `arg:"" help:"Who or what uses it, as the audit will say it."`
	Scopes []store.Scope `default:"read" enum:"read,act" placeholder:"SCOPE" help:"What it may do: read, act or read,act. Whoever may act may read."`
	Days   int           `default:"90" help:"In how many days it expires; 0: never."`
}

// Run makes a key and prints its token, this once.
func (c *keyAddCmd) Run(ctx context.Context, a *app) error {
	db, _, err := a.open(ctx)
	if err != nil {
		return err
	}
	made, token, err := db.AddAPIKey(ctx, store.NewAPIKey{Name: c.Name, Scopes: c.Scopes, Days: c.Days}, a.actor())
	if err != nil {
		return err
	}
	answer := struct {
		keyRow
		Token string `json:"token"`
	}{keyOf(made), token}
	return a.print(answer, func(w io.Writer) {
		row(w, "key", answer.Name)
		row(w, "scopes", answer.scopes())
		row(w, "expires", answer.expires())
		row(w, "token", answer.Token)
		fmt.Fprintln(w, "It is not shown again.")
	})
}

type keyListCmd struct{}

// Run lists the keys that are not revoked.
func (keyListCmd) Run(ctx context.Context, a *app) error {
	db, _, err := a.open(ctx)
	if err != nil {
		return err
	}
	list, err := db.APIKeys(ctx)
	if err != nil {
		return err
	}
	p := page[keyRow]{Data: make([]keyRow, len(list))}
	for i, k := range list {
		p.Data[i] = keyOf(k)
	}
	return a.print(p, func(w io.Writer) {
		if len(p.Data) == 0 {
			fmt.Fprintln(w, "There is no key: wosool key add NAME makes one.")
			return
		}
		row(w, "NAME", "BEGINS WITH", "SCOPES", "MADE BY", "EXPIRES", "LAST USED", "FROM")
		for _, k := range p.Data {
			row(w, k.Name, k.Prefix, k.scopes(), k.CreatedBy, k.expires(), k.LastUsedAt, k.LastAddress)
		}
	})
}

type keyRevokeCmd struct {
	Key string `arg:"" help:"Its name, the beginning of its token as the list shows it, or its id."`
}

// Run revokes a key.
func (c *keyRevokeCmd) Run(ctx context.Context, a *app) error {
	db, _, err := a.open(ctx)
	if err != nil {
		return err
	}
	id, err := findKey(ctx, db, c.Key)
	if err != nil {
		return err
	}
	k, err := db.RevokeAPIKey(ctx, id, a.actor())
	if err != nil {
		return err
	}
	return a.print(keyOf(k), func(w io.Writer) { fmt.Fprintf(w, "%s is revoked.\n", cell(k.String())) })
}

// findKey finds the key that a person means. Names are unlike each other whatever
// the case; of beginnings two may be alike, and then nothing is guessed.
func findKey(ctx context.Context, db *store.DB, text string) (uuid.UUID, error) {
	if id, err := uuid.Parse(text); err == nil {
		return id, nil
	}
	list, err := db.APIKeys(ctx)
	if err != nil {
		return uuid.Nil, err
	}
	var found []store.APIKey
	for _, k := range list {
		if strings.EqualFold(k.Name, text) {
			return k.ID, nil
		}
		if k.Prefix == text {
			found = append(found, k)
		}
	}
	switch len(found) {
	case 0:
		return uuid.Nil, fault.New(fault.NotFound, "no key has the name, the beginning or the id %q", text)
	case 1:
		return found[0].ID, nil
	}
	return uuid.Nil, fault.New(fault.Conflict, "%d keys begin with %s: say the name of one", len(found), text)
}
