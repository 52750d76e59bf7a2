package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// The kinds of circuit.
const (
	CircuitProvider = "provider" // all of Salla, its OAuth server, Clerk
	CircuitStore    = "store"    // one store, at Salla or at Clerk
	CircuitDatabase = "database" // one server of tenant databases
)

// Circuit is how something outside stands that has failed lately.
type Circuit struct {
	Name         string
	Kind         string
	Merchant     *int64 // whose store it is, at Salla
	Failures     int    // in a row
	FailingSince *time.Time
	Reason       string     // of the last failure, in a few words
	OpenedAt     *time.Time // nil: it is closed, and calls are made
	RetryAt      *time.Time // while it is open: when one call may try
	Probes       int        // failed ones, since it opened
	ProbeUntil   *time.Time // one call tries now, and nobody else until then
	HalfOpen     bool       // it is open, but the last sign was good: the next call decides
	Now          time.Time  // by the database's clock, which all of these go by
}

// Since is when the failures began that opened the circuit.
func (c Circuit) Since() time.Time {
	switch {
	case c.FailingSince != nil:
		return *c.FailingSince
	case c.OpenedAt != nil:
		return *c.OpenedAt
	}
	return c.Now
}

const circuitColumns = `name, kind, merchant, failures, failing_since, reason, opened_at, retry_at, probes, probe_until, ` +
	halfOpen + ` AS half_open, now() AS now`

// halfOpen tells that a circuit is open and the last sign of the other side was good.
const halfOpen = `coalesce(opened_at IS NOT NULL AND closed_at > failed_at, false)`

// manyFailing bounds how many circuits a process keeps in mind.
const manyFailing = 1000

// Circuits returns the circuits that are open or whose last call has failed, at most
// 1000: those of stores last, and of these first the open ones that failed last.
func (db *DB) Circuits(ctx context.Context) ([]Circuit, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT `+circuitColumns+`
		FROM circuits
		WHERE failures > 0
		ORDER BY kind = 'store', opened_at IS NULL, failed_at DESC, name
		LIMIT $1`, manyFailing)
	if err != nil {
		return nil, fmt.Errorf("read the circuits: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Circuit])
	if err != nil {
		return nil, fmt.Errorf("read the circuits: %w", err)
	}
	return list, nil
}

// OpenCircuit returns the circuit of that name where it is open, or nil.
func (db *DB) OpenCircuit(ctx context.Context, name string) (*Circuit, error) {
	c, err := circuit(ctx, db.pool, name)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && c.OpenedAt == nil {
		return nil, nil //nolint:nilnil // it is closed
	}
	if err != nil {
		return nil, fmt.Errorf("read the circuit %s: %w", name, err)
	}
	return &c, nil
}

// manyOpen bounds how many open circuits are listed.
const manyOpen = 200

// OpenCircuits returns the circuits that are open and not half open, at most 200:
// those of stores last, and of each kind those that opened first first.
func (db *DB) OpenCircuits(ctx context.Context) ([]Circuit, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT `+circuitColumns+`
		FROM circuits
		WHERE failures > 0 AND opened_at IS NOT NULL AND NOT `+halfOpen+`
		ORDER BY kind = 'store', opened_at, name
		LIMIT $1`, manyOpen)
	if err != nil {
		return nil, fmt.Errorf("read the open circuits: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Circuit])
	if err != nil {
		return nil, fmt.Errorf("read the open circuits: %w", err)
	}
	return list, nil
}

// CircuitFailure is one call that failed, and when that opens the circuit.
type CircuitFailure struct {
	Name     string
	Kind     string
	Merchant *int64 // whose circuit it is
	From     *int64 // the store that the call was for, by a number of its own
	Reason   string

	Failures int           // so many in a row open it,
	Origins  int           // if they come from so many stores
	Forget   time.Duration // a failure longer ago than this is not in a row with this one
	Pause    time.Duration // until the first probe
}

// manyOrigins bounds how many stores a circuit remembers.
const manyOrigins = 8

// CircuitFailed counts a failure and opens the circuit where it was one too many;
// opened tells that it did so now.
func (db *DB) CircuitFailed(ctx context.Context, f CircuitFailure) (c Circuit, opened bool, err error) {
	err = db.inTx(ctx, func(tx pgx.Tx) error {
		var open bool
		var origins int
		err := tx.QueryRow(ctx, `
			INSERT INTO circuits AS c (name, kind, merchant, failures, origins, failing_since, failed_at, reason)
			VALUES (@name, @kind, @merchant, 1, array_remove(ARRAY[@from::bigint], NULL), now(), now(), @reason)
			ON CONFLICT (name) DO UPDATE
			SET failures = CASE WHEN `+anew+` THEN 1 ELSE c.failures + 1 END,
			    failing_since = CASE WHEN `+anew+` THEN now() ELSE coalesce(c.failing_since, now()) END,
			    origins = CASE
			        WHEN `+anew+` THEN excluded.origins
			        WHEN c.origins @> excluded.origins OR cardinality(c.origins) >= @many THEN c.origins
			        ELSE c.origins || excluded.origins
			    END,
			    failed_at = now(), reason = excluded.reason
			RETURNING opened_at IS NOT NULL, failures, cardinality(origins)`, pgx.NamedArgs{
			"name": f.Name, "kind": f.Kind, "merchant": f.Merchant, "from": f.From, "reason": f.Reason,
			"forget": f.Forget, "many": manyOrigins,
		}).Scan(&open, &c.Failures, &origins)
		if err != nil {
			return err
		}
		if opened = !open && c.Failures >= f.Failures && origins >= f.Origins; opened {
			if _, err := tx.Exec(ctx, `
				UPDATE circuits
				SET opened_at = now(), retry_at = now() + $2, probes = 0, probe_holder = NULL, probe_until = NULL
				WHERE name = $1`, f.Name, f.Pause); err != nil {
				return err
			}
		}
		c, err = circuit(ctx, tx, f.Name)
		return err
	})
	if err != nil {
		return Circuit{}, false, fmt.Errorf("count a failure of %s: %w", f.Name, err)
	}
	return c, opened, nil
}

// anew tells in CircuitFailed whether a failure is the first of its row.
const anew = `(c.opened_at IS NULL AND (c.failures = 0 OR c.failed_at < now() - @forget::interval))`

// CircuitSpread opens the circuit of a provider for a store whose own, of the name
// own, is open and was probed in vain, where no call to the provider has succeeded
// since that opened. It tells whether it did.
func (db *DB) CircuitSpread(ctx context.Context, f CircuitFailure, own string) (Circuit, bool, error) {
	rows, err := db.pool.Query(ctx, `
		INSERT INTO circuits AS c (name, kind, failures, failing_since, failed_at, reason, opened_at, retry_at)
		SELECT @name, @kind, own.failures, own.failing_since, now(), @reason, now(), now() + @pause::interval
		FROM circuits own
		WHERE own.name = @own AND own.opened_at IS NOT NULL AND own.probes > 0
		  AND NOT EXISTS (
		      SELECT FROM circuits wide
		      WHERE wide.name = @name AND (wide.opened_at IS NOT NULL OR wide.closed_at > own.opened_at)
		  )
		ON CONFLICT (name) DO UPDATE
		SET failures = greatest(c.failures, excluded.failures), failing_since = excluded.failing_since,
		    failed_at = now(), reason = excluded.reason, opened_at = now(), retry_at = excluded.retry_at,
		    probes = 0, probe_holder = NULL, probe_until = NULL
		WHERE c.opened_at IS NULL
		RETURNING `+circuitColumns, pgx.NamedArgs{
		"name": f.Name, "kind": f.Kind, "reason": f.Reason, "pause": f.Pause, "own": own,
	})
	if err != nil {
		return Circuit{}, false, fmt.Errorf("open %s for %s: %w", f.Name, own, err)
	}
	c, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Circuit])
	if errors.Is(err, pgx.ErrNoRows) {
		return Circuit{}, false, nil
	}
	if err != nil {
		return Circuit{}, false, fmt.Errorf("open %s for %s: %w", f.Name, own, err)
	}
	return c, true, nil
}

// CircuitProbe claims the one call that an open circuit lets through, for length
// from now; its holder may so claim it again. Where it is claimed by another, not
// due, or closed, the circuit tells so.
func (db *DB) CircuitProbe(ctx context.Context, name string, holder uuid.UUID, length time.Duration) (Circuit, bool, error) {
	c, err := db.updateCircuit(ctx, `
		UPDATE circuits
		SET probe_holder = $2, probe_until = now() + $3
		WHERE name = $1 AND opened_at IS NOT NULL AND retry_at <= now()
		  AND (probe_until IS NULL OR probe_until <= now() OR probe_holder = $2)
		RETURNING `+circuitColumns, name, holder, length)
	if errors.Is(err, pgx.ErrNoRows) {
		c, err = circuit(ctx, db.pool, name)
		if errors.Is(err, pgx.ErrNoRows) { // it was pruned: nobody minds
			return Circuit{Name: name, Now: time.Now()}, false, nil
		}
		if err != nil {
			return Circuit{}, false, fmt.Errorf("claim the probe of %s: %w", name, err)
		}
		return c, false, nil
	}
	if err != nil {
		return Circuit{}, false, fmt.Errorf("claim the probe of %s: %w", name, err)
	}
	return c, true, nil
}

// CircuitProbeFailed ends the holder's probe: the next may be made after a pause,
// which doubles with each that fails, from first up to most, or after at least
// so long as the other side has asked for.
func (db *DB) CircuitProbeFailed(
	ctx context.Context, name string, holder uuid.UUID, reason string, first, most, asked time.Duration,
) (Circuit, error) {
	c, err := db.updateCircuit(ctx, `
		UPDATE circuits
		SET probes = probes + 1, failures = failures + 1, failed_at = now(), reason = $3,
		    retry_at = now() + greatest(least($4::interval * 2 ^ least(probes + 1, 20), $5::interval), $6::interval),
		    probe_holder = NULL, probe_until = NULL
		WHERE name = $1 AND probe_holder = $2
		RETURNING `+circuitColumns, name, holder, reason, first, most, asked)
	if errors.Is(err, pgx.ErrNoRows) {
		c, err = circuit(ctx, db.pool, name)
	}
	if err != nil {
		return Circuit{}, fmt.Errorf("end the probe of %s: %w", name, err)
	}
	return c, nil
}

// CircuitClosed closes the circuit that the holder's probe has found in order. It
// tells whether it did: not where the probe took too long and another is made.
func (db *DB) CircuitClosed(ctx context.Context, name string, holder uuid.UUID) (bool, error) {
	tag, err := db.pool.Exec(ctx, `
		UPDATE circuits
		SET `+inOrder+`, opened_at = NULL, retry_at = NULL, probes = 0, probe_holder = NULL, probe_until = NULL, closed_at = now()
		WHERE name = $1 AND probe_holder = $2`, name, holder)
	if err != nil {
		return false, fmt.Errorf("close the circuit %s: %w", name, err)
	}
	return tag.RowsAffected() > 0, nil
}

// CircuitHalfOpen ends the holder's probe, which was a good sign but no call of the
// kind that fails: the circuit stays open for the next one, which decides.
func (db *DB) CircuitHalfOpen(ctx context.Context, name string, holder uuid.UUID) error {
	if _, err := db.pool.Exec(ctx, `
		UPDATE circuits
		SET probe_holder = NULL, probe_until = NULL, closed_at = now()
		WHERE name = $1 AND probe_holder = $2`, name, holder); err != nil {
		return fmt.Errorf("half open the circuit %s: %w", name, err)
	}
	return nil
}

// CircuitLeft gives the holder's probe back, which told nothing: the next may be made
// after pause.
func (db *DB) CircuitLeft(ctx context.Context, name string, holder uuid.UUID, pause time.Duration) error {
	if _, err := db.pool.Exec(ctx, `
		UPDATE circuits
		SET probe_holder = NULL, probe_until = NULL, retry_at = greatest(retry_at, now() + $3::interval)
		WHERE name = $1 AND probe_holder = $2`, name, holder, pause); err != nil {
		return fmt.Errorf("give back the probe of %s: %w", name, err)
	}
	return nil
}

// CircuitAnswered ends the row of failures of a circuit that is closed.
func (db *DB) CircuitAnswered(ctx context.Context, name string) error {
	if _, err := db.pool.Exec(ctx, `
		UPDATE circuits
		SET `+inOrder+`, closed_at = now()
		WHERE name = $1 AND opened_at IS NULL AND failures > 0`, name); err != nil {
		return fmt.Errorf("note an answer of %s: %w", name, err)
	}
	return nil
}

// circuitKept is for how long a circuit is kept that nobody asks for.
const circuitKept = 24 * time.Hour

// PruneCircuits forgets the circuits that nobody probes any more: those of stores
// that have left, and those that nobody has needed for a day. A circuit that is
// forgotten is closed.
func (db *DB) PruneCircuits(ctx context.Context) error {
	if _, err := db.pool.Exec(ctx, `
		DELETE FROM circuits c
		WHERE (probe_until IS NULL OR probe_until <= now())
		  AND (kind = 'store' AND NOT EXISTS (
		          SELECT FROM tenants t
		          WHERE (t.merchant = c.merchant OR c.merchant IS NULL AND right(c.name, 36) = t.id::text)
		            AND t.status <> 'suspended')
		       OR (kind <> 'provider' OR opened_at IS NOT NULL AND NOT `+halfOpen+`)
		          AND greatest(failed_at, retry_at, closed_at) < now() - $1::interval)`, circuitKept); err != nil {
		return fmt.Errorf("forget circuits: %w", err)
	}
	return nil
}

// inOrder forgets the failures of a circuit.
const inOrder = `failures = 0, origins = '{}', failing_since = NULL, failed_at = NULL, reason = ''`

func circuit(ctx context.Context, q querier, name string) (Circuit, error) {
	rows, err := q.Query(ctx, `SELECT `+circuitColumns+` FROM circuits WHERE name = $1`, name)
	if err != nil {
		return Circuit{}, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Circuit])
}

func (db *DB) updateCircuit(ctx context.Context, sql string, args ...any) (Circuit, error) {
	rows, err := db.pool.Query(ctx, sql, args...)
	if err != nil {
		return Circuit{}, err
	}
	return pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Circuit])
}
