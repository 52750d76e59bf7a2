package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
)

// Role is what an operator may do in the console.
type Role string

// The roles, each of which may do all that the one before it may.
const (
	RoleViewer   Role = "viewer"   // looks
	RoleOperator Role = "operator" // acts on stores and their work
	RoleAdmin    Role = "admin"    // says who may do what
)

// Roles returns the roles, the least first.
func Roles() []Role { return []Role{RoleViewer, RoleOperator, RoleAdmin} }

// Covers tells whether whoever has the role may do what needs the other. What is no
// role covers nothing and is covered by none.
func (r Role) Covers(needed Role) bool {
	has, needs := slices.Index(Roles(), r), slices.Index(Roles(), needed)
	return has >= 0 && needs >= 0 && has >= needs
}

// check returns fault.Invalid for what is no role.
func (r Role) check() error {
	if !slices.Contains(Roles(), r) {
		return fault.New(fault.Invalid, "an operator's role is one of viewer, operator, admin")
	}
	return nil
}

// SetOperatorRole gives an operator another role, which holds from their next
// request on, and returns them as they are then. It returns fault.Invalid for what
// is no role, fault.NotFound where there is no such operator, and fault.Conflict
// where the last admin would be none.
func (db *DB) SetOperatorRole(ctx context.Context, id uuid.UUID, role Role, by Actor) (Operator, error) {
	var o Operator
	if err := role.check(); err != nil {
		return o, err
	}
	err := db.inTx(ctx, func(tx pgx.Tx) error {
		if err := lockOperators(ctx, tx); err != nil {
			return err
		}
		found, err := readOperators(ctx, tx, `o.id = $1`, id)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return fault.New(fault.NotFound, "there is no such operator: they were removed")
		}
		o = found[0]
		if o.Role == role {
			return nil // as asked for already: nothing to note
		}
		if err := keepAnAdmin(ctx, tx, o); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE operators SET role = $2 WHERE id = $1`, id, role); err != nil {
			return fmt.Errorf("change a role: %w", err)
		}
		before := roleNote(o.Role)
		o.Role = role
		return noteOperator(ctx, tx, by, "operator.role", o.Email, map[string]any{"before": before, "after": roleNote(role)})
	})
	return o, err
}

// lockOperators lets one change at a time be made to who there is and what they may
// do: two admins who remove each other at once must not both succeed. Readers go on;
// who signs in waits for the moment.
func lockOperators(ctx context.Context, q querier) error {
	if _, err := q.Exec(ctx, `LOCK TABLE operators IN SHARE ROW EXCLUSIVE MODE`); err != nil {
		return fmt.Errorf("lock the operators: %w", err)
	}
	return nil
}

// keepAnAdmin returns fault.Conflict where nobody but o is an admin. The operators
// are locked, so that it stays as it is found.
func keepAnAdmin(ctx context.Context, q querier, o Operator) error {
	if o.Role != RoleAdmin {
		return nil
	}
	var others bool
	if err := q.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM operators WHERE role = 'admin' AND id <> $1)`, o.ID).Scan(&others); err != nil {
		return fmt.Errorf("look for another admin: %w", err)
	}
	if !others {
		return fault.New(fault.Conflict, "%s is the last admin, and without one nobody could say who may do what: make somebody else an admin first", o.Email)
	}
	return nil
}

// roleNote is a role as the audit keeps it.
func roleNote(role Role) map[string]any { return map[string]any{"role": role} }
