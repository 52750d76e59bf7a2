package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/tenant"
)

// Operator is a person who may sign in to the console.
type Operator struct {
	ID         uuid.UUID
	Email      string // in lower case
	Role       Role
	CreatedAt  time.Time
	PasswordAt time.Time  // when the password was last set
	SignedInAt *time.Time // last time; nil: never
	Sessions   int        // where they are signed in now
	Addresses  []string   // from where, the last used first, at most three
}

// OperatorEmail returns an e-mail as operators have it: an address is one
// operator's, however it is written.
func OperatorEmail(typed string) string { return strings.ToLower(strings.TrimSpace(typed)) }

// Operators returns every operator, in the order of their e-mails.
func (db *DB) Operators(ctx context.Context) ([]Operator, error) {
	return readOperators(ctx, db.pool, `true`)
}

// Operator returns one operator, or fault.NotFound.
func (db *DB) Operator(ctx context.Context, id uuid.UUID) (Operator, error) {
	found, err := readOperators(ctx, db.pool, `o.id = $1`, id)
	if err == nil && len(found) == 0 {
		err = fault.New(fault.NotFound, "there is no such operator: they were removed")
	}
	if err != nil {
		return Operator{}, err
	}
	return found[0], nil
}

// OperatorByEmail returns the operator of an e-mail, or fault.NotFound.
func (db *DB) OperatorByEmail(ctx context.Context, typed string) (Operator, error) {
	return operatorOf(ctx, db.pool, OperatorEmail(typed))
}

// readOperators reads operators; where is about o. There are tens of them; their
// sessions are found by sessions_operator_id_idx.
func readOperators(ctx context.Context, q querier, where string, args ...any) ([]Operator, error) {
	rows, err := q.Query(ctx, `
		SELECT o.id, o.email, o.role, o.created_at, o.password_at, o.signed_in_at,
			(SELECT count(*) FROM sessions AS s WHERE s.operator_id = o.id AND `+sessionLives+`) AS sessions,
			ARRAY(
				SELECT s.address
				FROM sessions AS s
				WHERE s.operator_id = o.id AND `+sessionLives+`
				GROUP BY s.address
				ORDER BY max(s.seen_at) DESC
				LIMIT 3
			) AS addresses
		FROM operators AS o
		WHERE `+where+`
		ORDER BY o.email`, args...)
	if err != nil {
		return nil, fmt.Errorf("read operators: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Operator])
	if err != nil {
		return nil, fmt.Errorf("read operators: %w", err)
	}
	return list, nil
}

// AddOperator makes an operator of an e-mail and the hash of a password. It
// returns fault.Invalid where that is no e-mail or no role, and fault.Conflict
// where there is such an operator already.
func (db *DB) AddOperator(ctx context.Context, email, password string, role Role, by Actor) (Operator, error) {
	var made Operator
	err := db.inTx(ctx, func(tx pgx.Tx) (err error) {
		made, err = addOperator(ctx, tx, email, password, role, by)
		return err
	})
	return made, err
}

func addOperator(ctx context.Context, q querier, typed, password string, role Role, by Actor) (Operator, error) {
	email := OperatorEmail(typed)
	if tenant.Email(email) == "" {
		return Operator{}, fault.New(fault.Invalid, "an operator needs one e-mail address such as name@example.com")
	}
	if err := role.check(); err != nil {
		return Operator{}, err
	}
	id, err := newID()
	if err != nil {
		return Operator{}, err
	}
	_, err = q.Exec(ctx, `
		INSERT INTO operators (id, email, password, role)
		VALUES ($1, $2, $3, $4)`, id, email, password, role)
	if violates(err, "operators_email_key") {
		return Operator{}, fault.New(fault.Conflict, "there is an operator %s already", email)
	}
	if err != nil {
		return Operator{}, fmt.Errorf("add an operator: %w", err)
	}
	if err := noteOperator(ctx, q, by, "operator.add", email, map[string]any{"after": roleNote(role)}); err != nil {
		return Operator{}, err
	}
	return operatorOf(ctx, q, email)
}

// EnsureFirstOperator makes an admin where there is no operator at all, and tells
// whether it did: however many processes ask at once, one of them does. hash is
// asked for the hash of the password only where it is needed.
func (db *DB) EnsureFirstOperator(ctx context.Context, email string, hash func(context.Context) (string, error), by Actor) (bool, error) {
	if some, err := anyOperator(ctx, db.pool); err != nil || some {
		return false, err
	}
	password, err := hash(ctx) // takes long: not within a transaction
	if err != nil {
		return false, err
	}
	made := false
	err = db.inTx(ctx, func(tx pgx.Tx) error {
		if err := lockOperators(ctx, tx); err != nil {
			return err
		}
		if some, err := anyOperator(ctx, tx); err != nil || some {
			return err
		}
		made = true
		_, err := addOperator(ctx, tx, email, password, RoleAdmin, by)
		return err
	})
	return made && err == nil, err
}

func anyOperator(ctx context.Context, q querier) (some bool, err error) {
	if err := q.QueryRow(ctx, `SELECT EXISTS (SELECT FROM operators)`).Scan(&some); err != nil {
		return false, fmt.Errorf("read operators: %w", err)
	}
	return some, nil
}

// ResetPassword gives an operator the hash of another password, ends their
// sessions, removes their passkeys, and forgets what was guessed at them: nothing
// that let in before does so by itself any more. It returns fault.NotFound where there
// is no such operator.
func (db *DB) ResetPassword(ctx context.Context, email, password string, by Actor) (Operator, error) {
	return db.operatorAct(ctx, email, by, "operator.reset_password", func(tx pgx.Tx, o Operator, details map[string]any) error {
		if _, err := tx.Exec(ctx, `
			UPDATE operators
			SET password = $2, password_at = now()
			WHERE id = $1`, o.ID, password); err != nil {
			return fmt.Errorf("reset a password: %w", err)
		}
		removed, err := dropPasskeys(ctx, tx, o.ID)
		if err != nil {
			return err
		}
		if removed > 0 {
			details["passkeys"] = removed
		}
		return forgetAttempts(ctx, tx, [][]byte{attemptKey("email", o.Email)})
	})
}

// ChangePassword keeps the hash of a password that an operator chose, where the one of
// the attempt is still theirs, and ends their sessions but one. It returns
// fault.Conflict where the password was changed meanwhile.
func (db *DB) ChangePassword(ctx context.Context, a Attempt, session uuid.UUID, hash string, by Actor) error {
	return db.inTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			UPDATE operators
			SET password = $3, password_at = now()
			WHERE id = $1 AND password = $2`, a.Operator, a.Password, hash)
		if err != nil {
			return fmt.Errorf("change a password: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return fault.New(fault.Conflict, "the password was changed at this very moment: sign in with the new one")
		}
		ended, err := endOthers(ctx, tx, a.Operator, session)
		if err != nil {
			return err
		}
		return noteOperator(ctx, tx, by, "operator.change_password", by.Name, map[string]any{"sessions": ended})
	})
}

// RemoveOperator removes an operator and ends their sessions. It returns
// fault.NotFound where there is no such operator, and fault.Conflict where it is
// the last admin.
func (db *DB) RemoveOperator(ctx context.Context, email string, by Actor) (Operator, error) {
	return db.operatorAct(ctx, email, by, "operator.remove", func(tx pgx.Tx, o Operator, details map[string]any) error {
		if err := keepAnAdmin(ctx, tx, o); err != nil {
			return err
		}
		details["before"] = roleNote(o.Role)
		if _, err := tx.Exec(ctx, `DELETE FROM operators WHERE id = $1`, o.ID); err != nil {
			return fmt.Errorf("remove an operator: %w", err)
		}
		return nil
	})
}

// SignOutOperator ends every session of an operator and tells in Sessions how
// many there were. It returns fault.NotFound where there is no such operator.
func (db *DB) SignOutOperator(ctx context.Context, email string, by Actor) (Operator, error) {
	return db.operatorAct(ctx, email, by, "operator.sign_out_everywhere", func(pgx.Tx, Operator, map[string]any) error { return nil })
}

// operatorAct runs an act on an operator, ends all of their sessions and writes
// the audit, in one transaction; fn may add to its details. It returns the
// operator as before.
func (db *DB) operatorAct(ctx context.Context, typed string, by Actor, name string,
	fn func(tx pgx.Tx, o Operator, details map[string]any) error,
) (Operator, error) {
	var o Operator
	err := db.inTx(ctx, func(tx pgx.Tx) error {
		if err := lockOperators(ctx, tx); err != nil { // before any row: everybody locks in this order
			return err
		}
		email := OperatorEmail(typed)
		// Whoever signs in at this moment waits here, and then is refused or has
		// their session ended like the others.
		tag, err := tx.Exec(ctx, `SELECT FROM operators WHERE email = $1 FOR UPDATE`, email)
		if err != nil {
			return fmt.Errorf("read the operator: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return fault.New(fault.NotFound, "there is no operator %q", email)
		}
		if o, err = operatorOf(ctx, tx, email); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM sessions WHERE operator_id = $1`, o.ID); err != nil {
			return fmt.Errorf("end the operator's sessions: %w", err)
		}
		details := map[string]any{"sessions": o.Sessions}
		if err := fn(tx, o, details); err != nil {
			return err
		}
		return noteOperator(ctx, tx, by, name, email, details)
	})
	return o, err
}

func operatorOf(ctx context.Context, q querier, email string) (Operator, error) {
	found, err := readOperators(ctx, q, `o.email = $1`, email)
	if err != nil {
		return Operator{}, err
	}
	if len(found) == 0 {
		return Operator{}, fault.New(fault.NotFound, "there is no operator %q", email)
	}
	return found[0], nil
}

// noteOperator adds one line about an operator to the audit.
func noteOperator(ctx context.Context, q querier, by Actor, act, email string, details map[string]any) error {
	id, err := newID()
	if err != nil {
		return err
	}
	if details == nil {
		details = map[string]any{}
	}
	doc, err := json.Marshal(details)
	if err != nil {
		return fmt.Errorf("write the audit: %w", err)
	}
	if _, err := q.Exec(ctx, `
		INSERT INTO audit (id, actor, act, subject, details, address)
		VALUES ($1, $2, $3, nullif($4, ''), $5, nullif($6, ''))`,
		id, by.Name, act, email, doc, by.Address); err != nil {
		return fmt.Errorf("write the audit: %w", err)
	}
	return nil
}
