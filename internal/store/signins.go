package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
)

// How attempts to sign in are slowed down.
const (
	freeAttempts = 5                   // so many may fail before anybody has to wait
	firstDelay   = 5 * time.Second     // doubled by each further failure
	longestDelay = 15 * time.Minute    // an operator is never shut out for longer
	attemptsKept = 24 * time.Hour      // a failure is forgotten after so long without another
	networkKept  = 30 * 24 * time.Hour // a network is known for so long after a sign-in
)

// Attempt is one attempt to sign in that may go on.
type Attempt struct {
	Email    string
	Operator uuid.UUID // uuid.Nil: nobody has the e-mail
	Password string    // the operator's hash; "" where nobody has the e-mail

	Second      []byte     // the sealed secret of the second factor; nil: there is none
	SecondSince *time.Time // since when it is on

	network string
	keys    [][]byte
}

// BeginSignIn counts an attempt to sign in, by the network that it comes from
// and by the e-mail, before it is known whether it succeeds: many attempts at
// once gain nothing. Where there have been too many it returns how long to wait,
// and the attempt does not count. In a network where the operator has signed in
// before, what others guess elsewhere does not make them wait. network is an
// address or a prefix; "" where it is not known.
func (db *DB) BeginSignIn(ctx context.Context, typed, network string) (a Attempt, wait time.Duration, err error) {
	a = Attempt{Email: OperatorEmail(typed), network: network}
	known, err := a.read(ctx, db.pool, `o.email = $1`, a.Email)
	if err != nil && !errors.Is(err, fault.NotFound) {
		return a, 0, err
	}
	wait, err = db.countAttempt(ctx, &a, known)
	return a, wait, err
}

// BeginProof counts an attempt to prove to be an operator who is known otherwise than
// by a typed e-mail, like one to sign in and under the same keys. It returns
// fault.NotFound where there is no such operator.
func (db *DB) BeginProof(ctx context.Context, operator uuid.UUID, network string) (a Attempt, wait time.Duration, err error) {
	a = Attempt{network: network}
	known, err := a.read(ctx, db.pool, `o.id = $1`, operator)
	if err != nil {
		return a, 0, err
	}
	wait, err = db.countAttempt(ctx, &a, known)
	return a, wait, err
}

// read reads the operator of an attempt, and whether they have signed in before in
// its network; or it returns fault.NotFound.
func (a *Attempt) read(ctx context.Context, q querier, where string, arg any) (known bool, err error) {
	err = q.QueryRow(ctx, `
		SELECT o.id, o.email, o.password, o.totp_sealed, o.totp_at, EXISTS (
			SELECT FROM operator_networks AS n
			WHERE n.operator_id = o.id AND n.network = $2 AND n.signed_in_at > now() - $3::interval)
		FROM operators AS o
		WHERE `+where, arg, a.network, networkKept).Scan(&a.Operator, &a.Email, &a.Password, &a.Second, &a.SecondSince, &known)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, fault.New(fault.NotFound, "there is no such operator")
	}
	if err != nil {
		return false, fmt.Errorf("read the operator: %w", err)
	}
	return known, nil
}

// countAttempt counts an attempt by where it comes from and by whose it is.
func (db *DB) countAttempt(ctx context.Context, a *Attempt, known bool) (wait time.Duration, err error) {
	who := attemptKey("email", a.Email)
	if known {
		who = attemptKey("email", a.Email, a.network)
	}
	a.keys = [][]byte{attemptKey("network", a.network), who}
	slices.SortFunc(a.keys, bytes.Compare) // locked by all in one order
	err = db.inTx(ctx, func(tx pgx.Tx) error {
		if wait, err = countAttempt(ctx, tx, a.keys); err == nil && wait > 0 {
			return errRefused
		}
		return err
	})
	if errors.Is(err, errRefused) {
		return wait, nil
	}
	return 0, err
}

// errRefused rolls back the count of an attempt that is not made.
var errRefused = errors.New("too many attempts")

// attemptKey is what attempts have in common, hashed: what is typed as an e-mail
// may be anything, a password too.
func attemptKey(parts ...string) []byte {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return h.Sum(nil)
}

// countAttempt counts an attempt under each key, or returns how long to wait.
func countAttempt(ctx context.Context, q querier, keys [][]byte) (time.Duration, error) {
	// What is long over is forgotten by and by.
	if _, err := q.Exec(ctx, `
		DELETE FROM sign_in_attempts
		WHERE key IN (
			SELECT key FROM sign_in_attempts
			WHERE last_at < now() - $1::interval AND key <> ALL ($2)
			LIMIT 10
			FOR UPDATE SKIP LOCKED)`, attemptsKept, keys); err != nil {
		return 0, fmt.Errorf("count the attempt: %w", err)
	}
	var wait time.Duration
	for _, key := range keys {
		var (
			failed int
			old    bool
			left   float64 // seconds
		)
		// The row is made or locked. By the clock, since the lock may have taken long.
		if err := q.QueryRow(ctx, `
			INSERT INTO sign_in_attempts (key, failed, last_at, until)
			VALUES ($1, 0, now(), now())
			ON CONFLICT (key) DO UPDATE SET key = excluded.key
			RETURNING failed, last_at < now() - $2::interval, extract(epoch FROM until - clock_timestamp())::float8`,
			key, attemptsKept).Scan(&failed, &old, &left); err != nil {
			return 0, fmt.Errorf("count the attempt: %w", err)
		}
		if left > 0 {
			wait = max(wait, time.Duration(left*float64(time.Second)))
			continue
		}
		if old {
			failed = 0
		}
		if _, err := q.Exec(ctx, `
			UPDATE sign_in_attempts
			SET failed = $2, last_at = clock_timestamp(), until = clock_timestamp() + $3
			WHERE key = $1`, key, failed+1, attemptDelay(failed+1)); err != nil {
			return 0, fmt.Errorf("count the attempt: %w", err)
		}
	}
	return wait, nil
}

// attemptDelay is how long nothing is tried after the failed-th failure.
func attemptDelay(failed int) time.Duration {
	if failed < freeAttempts {
		return 0
	}
	return min(firstDelay<<min(failed-freeAttempts, 20), longestDelay)
}

func forgetAttempts(ctx context.Context, q querier, keys [][]byte) error {
	if _, err := q.Exec(ctx, `
		DELETE FROM sign_in_attempts
		WHERE key IN (
			SELECT key FROM sign_in_attempts
			WHERE key = ANY ($1)
			ORDER BY key
			FOR UPDATE)`, keys); err != nil {
		return fmt.Errorf("forget the attempts: %w", err)
	}
	return nil
}

// SignInFailed notes in the audit that an attempt failed. It keeps nothing of
// what was typed where nobody has the e-mail.
func (db *DB) SignInFailed(ctx context.Context, a Attempt, address string) error {
	by := Actor{Name: "unknown", Address: address}
	if a.Operator != uuid.Nil {
		by.Name = a.Email
	}
	return noteOperator(ctx, db.pool, by, "operator.sign_in_failed", "", nil)
}

// CodeFailed notes in the audit that the password was right and the code was not.
func (db *DB) CodeFailed(ctx context.Context, a Attempt, address string) error {
	return noteOperator(ctx, db.pool, Actor{Name: a.Email, Address: address}, "operator.sign_in_failed", "",
		map[string]any{"second_factor": true})
}

// PasskeyFailed notes in the audit that a passkey of an attempt's operator was not taken.
func (db *DB) PasskeyFailed(ctx context.Context, a Attempt, address string) error {
	return noteOperator(ctx, db.pool, Actor{Name: a.Email, Address: address}, "operator.sign_in_failed", "",
		map[string]any{"passkey": true})
}

// Rehash replaces the hash of an attempt's password by another of the same password,
// where it was not replaced meanwhile. It returns the attempt with what is kept now.
func (db *DB) Rehash(ctx context.Context, a Attempt, rehashed string) (Attempt, error) {
	tag, err := db.pool.Exec(ctx, `
		UPDATE operators
		SET password = $3
		WHERE id = $1 AND password = $2`, a.Operator, a.Password, rehashed)
	if err != nil {
		return a, fmt.Errorf("keep the new hash: %w", err)
	}
	if tag.RowsAffected() == 1 {
		a.Password = rehashed
	}
	return a, nil
}

// SignIn ends an attempt that succeeded: it begins a session, ends the one that
// the browser had before, and forgets the failures. rehashed is a new hash of the
// same password, "" where the old one stays. It returns fault.Conflict where the
// operator was removed, got another password or a second factor meanwhile.
func (db *DB) SignIn(ctx context.Context, a Attempt, rehashed string, begun NewSession) error {
	return db.signIn(ctx, a, rehashed, begun, nil, func(tx pgx.Tx) error {
		var without bool
		if err := tx.QueryRow(ctx, `SELECT totp_sealed IS NULL FROM operators WHERE id = $1`, a.Operator).Scan(&without); err != nil {
			return fmt.Errorf("sign in: %w", err)
		}
		if !without {
			return fault.New(fault.Conflict, "this operator has a second factor: sign in again and type its code")
		}
		return nil
	})
}

// signIn begins the session of an attempt, unless second refuses: the operator's row
// is locked then, so that nobody switches a second factor on or off meanwhile.
func (db *DB) signIn(ctx context.Context, a Attempt, rehashed string, begun NewSession, details map[string]any, second func(pgx.Tx) error) error {
	id, err := newID()
	if err != nil {
		return err
	}
	return db.inTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			UPDATE operators
			SET signed_in_at = now(), password = coalesce(nullif($3, ''), password)
			WHERE id = $1 AND password = $2`, a.Operator, a.Password, rehashed)
		if err != nil {
			return fmt.Errorf("sign in: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return fault.New(fault.Conflict, "the password was changed at this very moment: try again")
		}
		if err := second(tx); err != nil {
			return err
		}
		if err := forgetAttempts(ctx, tx, a.keys); err != nil {
			return err
		}
		if err := beginSession(ctx, tx, id, a.Operator, begun); err != nil {
			return err
		}
		if err := knowNetwork(ctx, tx, a.Operator, a.network); err != nil {
			return err
		}
		noted := map[string]any{"session": id}
		maps.Copy(noted, details)
		return noteOperator(ctx, tx, Actor{Name: a.Email, Address: begun.Address}, "operator.sign_in", a.Email, noted)
	})
}

func knowNetwork(ctx context.Context, q querier, operator uuid.UUID, network string) error {
	if network == "" {
		return nil
	}
	if _, err := q.Exec(ctx, `
		DELETE FROM operator_networks
		WHERE operator_id = $1 AND signed_in_at < now() - $2::interval`, operator, networkKept); err != nil {
		return fmt.Errorf("note the network: %w", err)
	}
	if _, err := q.Exec(ctx, `
		INSERT INTO operator_networks (operator_id, network)
		VALUES ($1, $2)
		ON CONFLICT (operator_id, network) DO UPDATE SET signed_in_at = now()`, operator, network); err != nil {
		return fmt.Errorf("note the network: %w", err)
	}
	return nil
}
