package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
)

const (
	maxPasskeys     = 20 // of one operator
	maxPasskeyName  = 60 // letters
	passkeySelected = `SELECT id, operator_id, credential_id, sealed, name, created_at, used_at FROM passkeys`
)

// Passkey is a passkey of an operator.
type Passkey struct {
	ID           uuid.UUID
	Operator     uuid.UUID `db:"operator_id"`
	CredentialID []byte    // the authenticator's name for it
	Sealed       []byte    // what is kept of it
	Name         string    // what the operator calls it
	CreatedAt    time.Time
	UsedAt       *time.Time // nil: never since it was made
}

// NewPasskey is a passkey to be kept.
type NewPasskey struct {
	ID           uuid.UUID
	CredentialID []byte
	Sealed       []byte
	Name         string
	Until        time.Time // when the challenge that made it ends
}

// Passkeys returns an operator's passkeys, the oldest first.
func (db *DB) Passkeys(ctx context.Context, operator uuid.UUID) ([]Passkey, error) {
	return db.passkeys(ctx, `WHERE operator_id = $1 ORDER BY created_at, id`, operator)
}

// Passkey returns one of an operator's passkeys, or fault.NotFound.
func (db *DB) Passkey(ctx context.Context, operator, id uuid.UUID) (Passkey, error) {
	return onePasskey(db.passkeys(ctx, `WHERE id = $1 AND operator_id = $2`, id, operator))
}

// PasskeyByCredential returns the passkey that an authenticator names so, or
// fault.NotFound.
func (db *DB) PasskeyByCredential(ctx context.Context, credential []byte) (Passkey, error) {
	return onePasskey(db.passkeys(ctx, `WHERE credential_id = $1`, credential))
}

func (db *DB) passkeys(ctx context.Context, which string, args ...any) ([]Passkey, error) {
	rows, err := db.pool.Query(ctx, passkeySelected+` `+which, args...)
	if err != nil {
		return nil, fmt.Errorf("read passkeys: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Passkey])
	if err != nil {
		return nil, fmt.Errorf("read passkeys: %w", err)
	}
	return list, nil
}

func onePasskey(list []Passkey, err error) (Passkey, error) {
	if err == nil && len(list) == 0 {
		err = fault.New(fault.NotFound, "there is no such passkey: it was removed")
	}
	if err != nil {
		return Passkey{}, err
	}
	return list[0], nil
}

// AnyPasskey tells whether any operator has one.
func (db *DB) AnyPasskey(ctx context.Context) (some bool, err error) {
	if err := db.pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM passkeys)`).Scan(&some); err != nil {
		return false, fmt.Errorf("read passkeys: %w", err)
	}
	return some, nil
}

// AddPasskey keeps a further passkey of an operator. It returns fault.Invalid where
// its name is none, and fault.Conflict where it is kept already or there are too many.
func (db *DB) AddPasskey(ctx context.Context, operator uuid.UUID, n NewPasskey, by Actor) error {
	name := strings.Join(strings.Fields(n.Name), " ")
	if name == "" || utf8.RuneCountInString(name) > maxPasskeyName {
		return fault.New(fault.Invalid, "a passkey needs a name of 1 to %d letters", maxPasskeyName)
	}
	return db.inTx(ctx, func(tx pgx.Tx) error {
		// Whoever adds another at this moment waits here.
		if _, err := tx.Exec(ctx, `SELECT FROM operators WHERE id = $1 FOR UPDATE`, operator); err != nil {
			return fmt.Errorf("keep a passkey: %w", err)
		}
		tag, err := tx.Exec(ctx, `
			INSERT INTO passkeys (id, operator_id, credential_id, sealed, name, challenge_until)
			SELECT $1, $2, $3, $4, $5, $6
			WHERE (SELECT count(*) FROM passkeys WHERE operator_id = $2) < $7`,
			n.ID, operator, n.CredentialID, n.Sealed, name, n.Until, maxPasskeys)
		switch {
		case violates(err, "passkeys_credential_id_key"):
			return fault.New(fault.Conflict, "this passkey is kept already")
		case err != nil:
			return fmt.Errorf("keep a passkey: %w", err)
		case tag.RowsAffected() == 0:
			return fault.New(fault.Conflict, "there are %d passkeys already: remove one that is not used any more", maxPasskeys)
		}
		return noteOperator(ctx, tx, by, "passkey.add", by.Name, map[string]any{"after": map[string]any{"passkey": name}})
	})
}

// RemovePasskey removes one of an operator's passkeys and returns it as it was, or
// returns fault.NotFound.
func (db *DB) RemovePasskey(ctx context.Context, operator, id uuid.UUID, by Actor) (Passkey, error) {
	p, err := db.Passkey(ctx, operator, id)
	if err != nil {
		return p, err
	}
	return p, db.inTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `DELETE FROM passkeys WHERE id = $1 AND operator_id = $2`, id, operator)
		if err != nil {
			return fmt.Errorf("remove a passkey: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return fault.New(fault.NotFound, "there is no such passkey: it was removed")
		}
		return noteOperator(ctx, tx, by, "passkey.remove", by.Name, map[string]any{"before": map[string]any{"passkey": p.Name}})
	})
}

// RemovePasskeys removes every passkey of an operator for them, and ends their
// sessions. It returns fault.NotFound where there is no such operator, and
// fault.Conflict where there is no passkey.
func (db *DB) RemovePasskeys(ctx context.Context, email string, by Actor) (Operator, error) {
	return db.operatorAct(ctx, email, by, "operator.remove_passkeys", func(tx pgx.Tx, o Operator, details map[string]any) error {
		removed, err := dropPasskeys(ctx, tx, o.ID)
		if err != nil {
			return err
		}
		if removed == 0 {
			return fault.New(fault.Conflict, "%s has no passkey", o.Email)
		}
		details["before"], details["after"] = map[string]any{"passkeys": removed}, map[string]any{"passkeys": 0}
		return nil
	})
}

func dropPasskeys(ctx context.Context, q querier, operator uuid.UUID) (removed int64, err error) {
	tag, err := q.Exec(ctx, `DELETE FROM passkeys WHERE operator_id = $1`, operator)
	if err != nil {
		return 0, fmt.Errorf("remove the passkeys: %w", err)
	}
	return tag.RowsAffected(), nil
}

// UsedPasskey is a passkey that has answered a challenge.
type UsedPasskey struct {
	ID     uuid.UUID
	Sealed []byte    // what is to be kept of it from now on
	Until  time.Time // when the challenge ends: none that ends by then is taken again
}

// SignInWithPasskey is SignIn by a passkey, which is password and second factor in
// one. ok is false where the challenge, or one after it, was answered before, or the
// passkey was removed: no session has begun then.
func (db *DB) SignInWithPasskey(ctx context.Context, a Attempt, used UsedPasskey, begun NewSession) (ok bool, err error) {
	details := map[string]any{}
	err = db.signIn(ctx, a, "", begun, details, func(tx pgx.Tx) error {
		var name string
		err := tx.QueryRow(ctx, `
			UPDATE passkeys
			SET sealed = $3, used_at = now(), challenge_until = $4
			WHERE id = $1 AND operator_id = $2 AND challenge_until < $4
			RETURNING name`, used.ID, a.Operator, used.Sealed, used.Until).Scan(&name)
		if errors.Is(err, pgx.ErrNoRows) {
			return errUsed
		}
		if err != nil {
			return fmt.Errorf("take the passkey: %w", err)
		}
		details["passkey"] = name
		return nil
	})
	if errors.Is(err, errUsed) {
		return false, nil
	}
	return err == nil, err
}

// ProveAgain ends an attempt of somebody who is signed in to prove that they are who
// they say: it takes the code that they have shown, nil where they have no second
// factor, and forgets the attempts before. ok is false where the code was used already,
// is none of theirs, or a second factor was switched on meanwhile.
func (db *DB) ProveAgain(ctx context.Context, a Attempt, shown *SecondStep) (ok bool, err error) {
	err = db.inTx(ctx, func(tx pgx.Tx) error {
		if shown != nil {
			if err := useSecondStep(ctx, tx, a, *shown); err != nil {
				return err
			}
		} else if err := oneRow(tx.Exec(ctx, `SELECT FROM operators WHERE id = $1 AND password = $2 AND totp_sealed IS NULL FOR UPDATE`, a.Operator, a.Password)); err != nil {
			return err
		}
		return forgetAttempts(ctx, tx, a.keys)
	})
	if errors.Is(err, errUsed) {
		return false, nil
	}
	return err == nil, err
}
