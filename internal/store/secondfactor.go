package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/wosool/wosool/internal/fault"
)

// SecondFactor is what an operator shows beside the password.
type SecondFactor struct {
	Sealed []byte     // the secret of the codes, sealed; nil: there is no second factor
	Since  *time.Time // nil: there is none
	Codes  int        // recovery codes that are left
}

// On tells whether there is a second factor.
func (f SecondFactor) On() bool { return f.Sealed != nil }

// NewSecondFactor is a second factor to be switched on.
type NewSecondFactor struct {
	Sealed   []byte
	Step     int64    // of the code that confirmed it: that code is not good again
	Recovery [][]byte // hashes of the recovery codes
}

// SecondStep is what was shown beside the password: a code of a step of time, or a
// recovery code by its hash.
type SecondStep struct {
	Step     int64
	Recovery []byte // nil: it is a code of a step
}

// name says which of the two it is, for the audit.
func (s SecondStep) name() string {
	if s.Recovery != nil {
		return "recovery code"
	}
	return "app"
}

// SecondFactor returns an operator's second factor, the zero one where there is none.
func (db *DB) SecondFactor(ctx context.Context, operator uuid.UUID) (SecondFactor, error) {
	var f SecondFactor
	err := db.pool.QueryRow(ctx, `
		SELECT o.totp_sealed, o.totp_at,
			(SELECT count(*) FROM recovery_codes AS c WHERE c.operator_id = o.id AND c.used_at IS NULL)
		FROM operators AS o
		WHERE o.id = $1`, operator).Scan(&f.Sealed, &f.Since, &f.Codes)
	if err != nil {
		return SecondFactor{}, translate(fmt.Errorf("read the second factor: %w", err), "operator")
	}
	return f, nil
}

// SwitchOnSecondFactor gives an operator a second factor. It returns fault.Conflict
// where there is one already.
func (db *DB) SwitchOnSecondFactor(ctx context.Context, operator uuid.UUID, n NewSecondFactor, by Actor) error {
	return db.inTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			UPDATE operators
			SET totp_sealed = $2, totp_at = now(), totp_step = $3
			WHERE id = $1 AND totp_sealed IS NULL`, operator, n.Sealed, n.Step)
		if err != nil {
			return fmt.Errorf("switch the second factor on: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return fault.New(fault.Conflict, "there is a second factor already: switch that one off first")
		}
		if _, err := tx.Exec(ctx, `DELETE FROM recovery_codes WHERE operator_id = $1`, operator); err != nil {
			return fmt.Errorf("replace the recovery codes: %w", err)
		}
		if _, err := tx.Exec(ctx, `
			INSERT INTO recovery_codes (operator_id, code_hash)
			SELECT $1, unnest($2::bytea[])`, operator, n.Recovery); err != nil {
			return fmt.Errorf("keep the recovery codes: %w", err)
		}
		return noteOperator(ctx, tx, by, "second_factor.on", by.Name, secondChange(false, true))
	})
}

// SwitchOffSecondFactor ends the second factor of an attempt's operator, and forgets
// the attempts before. ok is false where the code was used already or is none of
// theirs; nothing is changed then.
func (db *DB) SwitchOffSecondFactor(ctx context.Context, a Attempt, shown SecondStep, by Actor) (ok bool, err error) {
	err = db.inTx(ctx, func(tx pgx.Tx) error {
		if err := useSecondStep(ctx, tx, a, shown); err != nil {
			return err
		}
		if err := dropSecondFactor(ctx, tx, a.Operator); err != nil {
			return err
		}
		if err := forgetAttempts(ctx, tx, a.keys); err != nil {
			return err
		}
		details := secondChange(true, false)
		details["shown"] = shown.name()
		return noteOperator(ctx, tx, by, "second_factor.off", by.Name, details)
	})
	if errors.Is(err, errUsed) {
		return false, nil
	}
	return err == nil, err
}

// ResetSecondFactor switches an operator's second factor off for them, ends their
// sessions, and forgets what was guessed at them. It returns fault.NotFound where
// there is no such operator, and fault.Conflict where there is no second factor.
func (db *DB) ResetSecondFactor(ctx context.Context, email string, by Actor) (Operator, error) {
	return db.operatorAct(ctx, email, by, "operator.reset_second_factor", func(tx pgx.Tx, o Operator, details map[string]any) error {
		var on bool
		if err := tx.QueryRow(ctx, `SELECT totp_sealed IS NOT NULL FROM operators WHERE id = $1`, o.ID).Scan(&on); err != nil {
			return fmt.Errorf("read the second factor: %w", err)
		}
		if !on {
			return fault.New(fault.Conflict, "%s has no second factor", o.Email)
		}
		maps.Copy(details, secondChange(true, false))
		if err := dropSecondFactor(ctx, tx, o.ID); err != nil {
			return err
		}
		return forgetAttempts(ctx, tx, [][]byte{attemptKey("email", o.Email)})
	})
}

// secondChange is what was before and after, for the audit.
func secondChange(before, after bool) map[string]any {
	return map[string]any{"before": map[string]any{"second_factor": before}, "after": map[string]any{"second_factor": after}}
}

func dropSecondFactor(ctx context.Context, q querier, operator uuid.UUID) error {
	if _, err := q.Exec(ctx, `
		UPDATE operators
		SET totp_sealed = NULL, totp_at = NULL, totp_step = NULL
		WHERE id = $1`, operator); err != nil {
		return fmt.Errorf("switch the second factor off: %w", err)
	}
	if _, err := q.Exec(ctx, `DELETE FROM recovery_codes WHERE operator_id = $1`, operator); err != nil {
		return fmt.Errorf("drop the recovery codes: %w", err)
	}
	return nil
}

// errUsed rolls back what a code that is not good was to do.
var errUsed = errors.New("the code is not good")

// useSecondStep takes what was shown, checked and written in one statement so that
// of many at once one is good. It gives errUsed where it is not, also where the
// second factor is another one by now than the attempt has seen. The operator is
// written first: whoever else locks operators and codes does so in this order.
func useSecondStep(ctx context.Context, q querier, a Attempt, shown SecondStep) error {
	if shown.Recovery == nil {
		return oneRow(q.Exec(ctx, `
			UPDATE operators
			SET totp_step = $3
			WHERE id = $1 AND totp_at = $2 AND coalesce(totp_step, -1) < $3`, a.Operator, a.SecondSince, shown.Step))
	}
	if err := oneRow(q.Exec(ctx, `
		UPDATE operators
		SET totp_step = totp_step
		WHERE id = $1 AND totp_at = $2`, a.Operator, a.SecondSince)); err != nil {
		return err
	}
	return oneRow(q.Exec(ctx, `
		UPDATE recovery_codes
		SET used_at = now()
		WHERE operator_id = $1 AND code_hash = $2 AND used_at IS NULL`, a.Operator, shown.Recovery))
}

// oneRow gives errUsed where a statement that takes a code found none.
func oneRow(tag pgconn.CommandTag, err error) error {
	if err != nil {
		return fmt.Errorf("take the code: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return errUsed
	}
	return nil
}

// SignInWithCode is SignIn for an operator with a second factor. ok is false where
// the code was used already or is none of theirs: no session has begun then.
func (db *DB) SignInWithCode(ctx context.Context, a Attempt, shown SecondStep, begun NewSession) (ok bool, err error) {
	err = db.signIn(ctx, a, "", begun, map[string]any{"second_factor": shown.name()}, func(tx pgx.Tx) error {
		return useSecondStep(ctx, tx, a, shown)
	})
	if errors.Is(err, errUsed) {
		return false, nil
	}
	return err == nil, err
}
