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
	Role       store.Role `json:"role"`
	CreatedAt  time.Time  `json:"created_at"`
	PasswordAt time.Time  `json:"password_at"`
	SignedInAt *time.Time `json:"signed_in_at"`
	Sessions   int        `json:"sessions"`
}

func operatorOf(o store.Operator) operatorRow {
	return operatorRow{
		ID: o.ID, Email: o.Email, Role: o.Role, CreatedAt: o.CreatedAt, PasswordAt: o.PasswordAt,
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
	Role  string `default:"admin" enum:"viewer,operator,admin" help:"What they may do: a viewer looks, an operator acts on stores and their work, an admin also says who may do what."`
	newPassword
}

// Run makes an operator.
func (c *operatorAddCmd) Run(ctx context.Context, a *app) error {
	return a.setPassword(ctx, c.newPassword, func(db *store.DB, hash string) (store.Operator, error) {
		return db.AddOperator(ctx, c.Email, hash, store.Role(c.Role), a.actor())
	})
}

type operatorResetCmd struct {
	Email string `arg:"" help:"The operator's e-mail address."`
	newPassword
}

// Run gives an operator another password.
func (c *operatorResetCmd) Run(ctx context.Context, a *app) error {
	return a.setPassword(ctx, c.newPassword, func(db *store.DB, hash string) (store.Operator, error) {
		return db.ResetPassword(ctx, c.Email, hash, a.actor())
	})
}

// setPassword hashes a password, has act write it and says whose it is.
func (a *app) setPassword(ctx context.Context, from newPassword, act func(db *store.DB, hash string) (store.Operator, error)) error {
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
	o, err := act(db, hash)
	if err != nil {
		return err
	}
	answer := struct {
		ID       uuid.UUID  `json:"id"`
		Email    string     `json:"email"`
		Role     store.Role `json:"role"`
		Password string     `json:"password,omitempty"` // only where it was made just now
	}{ID: o.ID, Email: o.Email, Role: o.Role}
	if made {
		answer.Password = text
	}
	return a.print(answer, func(w io.Writer) {
		row(w, "operator", answer.Email)
		row(w, "role", answer.Role)
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
		row(w, "EMAIL", "ROLE", "SINCE", "SIGNED IN", "SESSIONS")
		for _, o := range p.Data {
			row(w, o.Email, o.Role, o.CreatedAt, o.SignedInAt, o.Sessions)
		}
	})
}

type operatorRoleCmd struct {
	Email string `arg:"" help:"The operator's e-mail address."`
	Role  string `arg:"" enum:"viewer,operator,admin" help:"viewer, operator or admin."`
}

// Run gives an operator another role.
func (c *operatorRoleCmd) Run(ctx context.Context, a *app) error {
	db, _, err := a.open(ctx)
	if err != nil {
		return err
	}
	o, err := db.OperatorByEmail(ctx, c.Email)
	if err != nil {
		return err
	}
	if o, err = db.SetOperatorRole(ctx, o.ID, store.Role(c.Role), a.actor()); err != nil {
		return err
	}
	return a.print(operatorOf(o), func(w io.Writer) {
		fmt.Fprintf(w, "%s is %s from their next request on.\n", o.Email, o.Role)
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
