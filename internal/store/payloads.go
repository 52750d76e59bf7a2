package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/protect"
)

// Payload is what a delivery said, credentials redacted.
type Payload struct {
	JSON   json.RawMessage // what parses and what jsonb can hold
	Text   string          // anything else
	Length int             // of the delivery's body, in bytes
	Hash   []byte          // SHA-256 of the delivery's body
	Sealed []byte          // the whole body, sealed for the event, while its credentials are needed
}

// Payload returns what a delivery said, or fault.NotFound where that was dropped
// after its retention.
func (db *DB) Payload(ctx context.Context, eventID uuid.UUID) (Payload, error) {
	var p Payload
	var text *string
	err := db.pool.QueryRow(ctx, `
		SELECT payload, body, body_length, body_hash, sealed
		FROM event_payloads
		WHERE event_id = $1`, eventID).Scan(&p.JSON, &text, &p.Length, &p.Hash, &p.Sealed)
	if err != nil {
		return Payload{}, translate(err, "payload")
	}
	if text != nil {
		p.Text = *text
	}
	return p, nil
}

// Event returns one event, or fault.NotFound.
func (db *DB) Event(ctx context.Context, id uuid.UUID) (Event, error) {
	return eventWhere(ctx, db.pool, `id = $1`, id)
}

// eraseSealed forgets the sealed body of an event.
func eraseSealed(ctx context.Context, q querier, eventID uuid.UUID) error {
	if !protect.SealedErased {
		return nil
	}
	if _, err := q.Exec(ctx, `
		UPDATE event_payloads
		SET sealed = NULL
		WHERE event_id = $1`, eventID); err != nil {
		return fmt.Errorf("erase a sealed body: %w", err)
	}
	return nil
}

// Payloads are partitioned by the day in the event's id.
const (
	partitionDay    = 24 * time.Hour
	partitionsAhead = 7
	partitionLayout = "20060102"
	partitionPrefix = "event_payloads_"
)

// keysKept is how long the key of a delivery outlives its payload: Salla resends
// for a quarter of an hour, Clerk's messages can be replayed by hand.
const keysKept = 180 * 24 * time.Hour

// EnsurePartitions makes the partitions of now's day and of the days after it.
// What arrived for a day before its partition was made is moved there.
func (db *DB) EnsurePartitions(ctx context.Context, now time.Time) error {
	there, err := db.partitions(ctx)
	if err != nil {
		return err
	}
	day := now.UTC().Truncate(partitionDay)
	for range partitionsAhead + 1 {
		name := partitionPrefix + day.Format(partitionLayout)
		if !there[name] {
			if err := db.makePartition(ctx, name, day); err != nil {
				return err
			}
		}
		day = day.Add(partitionDay)
	}
	return nil
}

// partitions names the partitions by day.
func (db *DB) partitions(ctx context.Context) (map[string]bool, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT c.relname
		FROM pg_inherits AS i
		JOIN pg_class AS c ON c.oid = i.inhrelid
		WHERE i.inhparent = 'event_payloads'::regclass`)
	if err != nil {
		return nil, fmt.Errorf("list partitions: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list partitions: %w", err)
	}
	there := map[string]bool{}
	for _, name := range names {
		there[name] = true
	}
	return there, nil
}

func (db *DB) makePartition(ctx context.Context, name string, day time.Time) error {
	from, to := idAt(day), idAt(day.Add(partitionDay))
	err := db.inTx(ctx, func(tx pgx.Tx) error {
		if err := lockPartitions(ctx, tx); err != nil {
			return err
		}
		// Attaching takes a lock that lets deliveries in meanwhile, except those that
		// would go to the default partition.
		for _, statement := range []string{
			`LOCK TABLE event_payloads_default IN ACCESS EXCLUSIVE MODE`,
			`CREATE TABLE IF NOT EXISTS ` + name + ` (LIKE event_payloads INCLUDING ALL)`,
			`WITH moved AS (
				DELETE FROM event_payloads_default
				WHERE event_id >= '` + from + `' AND event_id < '` + to + `'
				RETURNING *
			)
			INSERT INTO ` + name + ` SELECT * FROM moved`,
			`ALTER TABLE event_payloads ATTACH PARTITION ` + name + ` FOR VALUES FROM ('` + from + `') TO ('` + to + `')`,
		} {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("make the partition %s: %w", name, err)
	}
	return nil
}

// lockPartitions keeps two processes from changing partitions at once, and the
// change from holding up deliveries: it is tried again by the next round.
func lockPartitions(ctx context.Context, tx pgx.Tx) error {
	if _, err := tx.Exec(ctx, `SET LOCAL lock_timeout = '2s'`); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('event_payloads', 0))`)
	return err
}

// idAt is the smallest UUIDv7-like value of an instant: ids made before it are
// smaller, ids made at it or after are not.
func idAt(t time.Time) string {
	ms := uint64(t.UnixMilli())
	var id uuid.UUID
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	return id.String()
}

// DropExpired drops the payloads of the days that are over for longer than
// retention, except those of events that still wait or failed, and forgets the
// keys of deliveries that are far older.
func (db *DB) DropExpired(ctx context.Context, retention time.Duration) error {
	var now time.Time
	if err := db.pool.QueryRow(ctx, `SELECT now()`).Scan(&now); err != nil {
		return fmt.Errorf("read the clock: %w", err)
	}
	limit := now.Add(-retention)
	there, err := db.partitions(ctx)
	if err != nil {
		return err
	}
	for name := range there {
		day, err := time.Parse(partitionPrefix+partitionLayout, name)
		if err != nil || day.Add(partitionDay).After(limit) {
			continue
		}
		if err := db.dropPartition(ctx, name, day); err != nil {
			return err
		}
	}
	if _, err := db.pool.Exec(ctx, `
		DELETE FROM event_payloads_default AS p
		USING events AS e
		WHERE p.event_id < $1 AND e.id = p.event_id AND e.status IN ('applied', 'ignored')`, idAt(limit)); err != nil {
		return fmt.Errorf("drop expired payloads: %w", err)
	}
	if _, err := db.pool.Exec(ctx, `
		DELETE FROM event_keys
		WHERE received_at < $1`, limit.Add(-keysKept)); err != nil {
		return fmt.Errorf("forget the keys of deliveries: %w", err)
	}
	return nil
}

// dropPartition drops one day. What is still needed goes to the default partition
// first. It is looked for only once nobody else can reach the day: a sealed body
// that is erased meanwhile does not come back, and an event that is replayed
// meanwhile keeps what it said. The look is short, deliveries wait for it.
func (db *DB) dropPartition(ctx context.Context, name string, day time.Time) error {
	from, to := idAt(day), idAt(day.Add(partitionDay))
	needed := `e.status IN ('received', 'waiting', 'failed')`
	if !protect.StillNeeded {
		needed = `false`
	}
	err := db.inTx(ctx, func(tx pgx.Tx) error {
		if err := lockPartitions(ctx, tx); err != nil {
			return err
		}
		for _, statement := range []string{
			// This locks first all payloads, then the day: in the order that everybody
			// takes them.
			`ALTER TABLE event_payloads DETACH PARTITION ` + name,
			`INSERT INTO event_payloads
				SELECT p.*
				FROM ` + name + ` AS p
				JOIN events AS e ON e.id = p.event_id
				WHERE ` + needed + ` AND e.id >= '` + from + `' AND e.id < '` + to + `'`,
			`DROP TABLE ` + name,
		} {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("drop the partition %s: %w", name, err)
	}
	return nil
}
