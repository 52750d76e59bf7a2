package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/password"
	"github.com/wosool/wosool/internal/store"
)

// operatorRow is an operator as the command line shows one.
type operatorRow struct {
	ID         uuid.UUID  `json:"id"`
	Email      string     `json:"email"`
	CreatedAt  time.Time  `json:"created_at"`
	PasswordAt time.Time  `json:"password_at"`
	SignedInAt *time.Time `json:"signed_in_at"`
	Sessions   int        `json:"sessions"`
}

func operatorOf(o store.Operator) operatorRow {
	return operatorRow{
		ID: o.ID, Email: o.Email, CreatedAt: o.CreatedAt, PasswordAt: o.PasswordAt,
		SignedInAt: o.SignedInAt, Sessions: o.Sessions,
	}
}

// newPassword is where a command gets a password from. It is never an argument:
// arguments are seen by everybody on the machine, and kept by shells.
type newPassword struct {
	PasswordFile string `placeholder:"FILE" help:"Read the password from the first line of this file, - for what is piped in. Without it one is made and printed once."`
}

// read returns a password and whether it was made just now.
func (p newPassword) read() (text string, made bool, err error) {
	if p.PasswordFile == "" {
		return password.Generate(), true, nil
	}
	name := p.PasswordFile
	if name == "-" {
		name = "/dev/stdin"
	}
	f, err := os.Open(name)
	if err != nil {
		return "", false, fault.New(fault.Invalid, "the password's file cannot be read: %v", err)
	}
	defer f.Close()
	text, err = firstLine(f)
	if err != nil {
		return "", false, fault.New(fault.Invalid, "the password's file cannot be read: %v", err)
	}
	return text, false, password.Check(text)
}

// firstLine reads up to the first line's end, which is not part of it.
func firstLine(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, 2*password.MaxBytes)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return strings.TrimRight(line, "\r\n"), nil
}

type operatorAddCmd struct {
	Email string `arg:"" help:"The operator's e-mail address."`
	newPassword
}

// Run makes an operator.
func (c *operatorAddCmd) Run(ctx context.Context, a *app) error {
	return a.setPassword(ctx, c.Email, c.newPassword, (*store.DB).AddOperator)
}

type operatorResetCmd struct {
	Email string `arg:"" help:"The operator's e-mail address."`
	newPassword
}

// Run gives an operator another password.
func (c *operatorResetCmd) Run(ctx context.Context, a *app) error {
	return a.setPassword(ctx, c.Email, c.newPassword, (*store.DB).ResetPassword)
}

// setPassword hashes a password, has act write it and says whose it is.
func (a *app) setPassword(ctx context.Context, email string, from newPassword,
	act func(*store.DB, context.Context, string, string, store.Actor) (store.Operator, error),
) error {
	db, _, err := a.open(ctx)
	if err != nil {
		return err
	}
	text, made, err := from.read()
	if err != nil {
		return err
	}
	hash, err := password.NewHasher(password.Standard(), 1).Hash(ctx, text)
	if err != nil {
		return err
	}
	o, err := act(db, ctx, email, hash, a.actor())
	if err != nil {
		return err
	}
	answer := struct {
		ID       uuid.UUID `json:"id"`
		Email    string    `json:"email"`
		Password string    `json:"password,omitempty"` // only where it was made just now
	}{ID: o.ID, Email: o.Email}
	if made {
		answer.Password = text
	}
	return a.print(answer, func(w io.Writer) {
		row(w, "operator", answer.Email)
		if made {
			row(w, "password", answer.Password)
			fmt.Fprintln(w, "It is not shown again.")
		}
	})
}

type operatorListCmd struct{}

// Run lists operators.
func (operatorListCmd) Run(ctx context.Context, a *app) error {
	db, _, err := a.open(ctx)
	if err != nil {
		return err
	}
	list, err := db.Operators(ctx)
	if err != nil {
		return err
	}
	p := page[operatorRow]{Data: make([]operatorRow, len(list))}
	for i, o := range list {
		p.Data[i] = operatorOf(o)
	}
	return a.print(p, func(w io.Writer) {
		if len(p.Data) == 0 {
			fmt.Fprintln(w, "There is no operator: wosool operator add EMAIL makes one.")
			return
		}
		row(w, "EMAIL", "SINCE", "SIGNED IN", "SESSIONS")
		for _, o := range p.Data {
			row(w, o.Email, o.CreatedAt, o.SignedInAt, o.Sessions)
		}
	})
}

type operatorRemoveCmd struct {
	Email string `arg:"" help:"The operator's e-mail address."`
}

// Run removes an operator.
func (c *operatorRemoveCmd) Run(ctx context.Context, a *app) error {
	return a.operatorAct(ctx, c.Email, "is removed", (*store.DB).RemoveOperator)
}

type operatorSignOutCmd struct {
	Email string `arg:"" help:"The operator's e-mail address."`
}

// Run ends an operator's sessions.
func (c *operatorSignOutCmd) Run(ctx context.Context, a *app) error {
	return a.operatorAct(ctx, c.Email, "is signed out", (*store.DB).SignOutOperator)
}

func (a *app) operatorAct(ctx context.Context, email, done string,
	act func(*store.DB, context.Context, string, store.Actor) (store.Operator, error),
) error {
	db, _, err := a.open(ctx)
	if err != nil {
		return err
	}
	o, err := act(db, ctx, email, a.actor())
	if err != nil {
		return err
	}
	return a.print(operatorOf(o), func(w io.Writer) {
		fmt.Fprintf(w, "%s %s; %d session(s) ended.\n", o.Email, done, o.Sessions)
	})
}
