package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
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
	var known bool
	err = db.pool.QueryRow(ctx, `
		SELECT o.id, o.password, EXISTS (
			SELECT FROM operator_networks AS n
			WHERE n.operator_id = o.id AND n.network = $2 AND n.signed_in_at > now() - $3::interval)
		FROM operators AS o
		WHERE o.email = $1`, a.Email, network, networkKept).Scan(&a.Operator, &a.Password, &known)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return a, 0, fmt.Errorf("read the operator: %w", err)
	}
	who := attemptKey("email", a.Email)
	if known {
		who = attemptKey("email", a.Email, network)
	}
	a.keys = [][]byte{attemptKey("network", network), who}
	slices.SortFunc(a.keys, bytes.Compare) // locked by all in one order
	err = db.inTx(ctx, func(tx pgx.Tx) error {
		if wait, err = countAttempt(ctx, tx, a.keys); err == nil && wait > 0 {
			return errRefused
		}
		return err
	})
	if errors.Is(err, errRefused) {
		return a, wait, nil
	}
	return a, 0, err
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

// SignIn ends an attempt that succeeded: it begins a session, ends the one that
// the browser had before, and forgets the failures. rehashed is a new hash of the
// same password, "" where the old one stays. It returns fault.Conflict where the
// operator was removed or got another password meanwhile.
func (db *DB) SignIn(ctx context.Context, a Attempt, rehashed string, begun NewSession) error {
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
		if err := forgetAttempts(ctx, tx, a.keys); err != nil {
			return err
		}
		if err := beginSession(ctx, tx, id, a.Operator, begun); err != nil {
			return err
		}
		if err := knowNetwork(ctx, tx, a.Operator, a.network); err != nil {
			return err
		}
		return noteOperator(ctx, tx, Actor{Name: a.Email, Address: begun.Address}, "operator.sign_in", a.Email, map[string]any{"session": id})
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
