package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	figuresLock  = 0x666967757265 // "figure": who writes figures
	figuresKept  = 7 * 24 * time.Hour
	figuresChunk = 6 * time.Hour   // of history that is counted at once
	figuresTail  = 5 * time.Minute // what is counted afresh at each reading, at most
)

// RollFigures counts the minutes that are over since the last time, up to six
// hours of them, and says whether there are more. Where somebody else is at it,
// it does nothing. Anybody may call it, the more often the truer the figures that
// are gauges: every few seconds is right.
func (db *DB) RollFigures(ctx context.Context) (behind bool, err error) {
	err = db.inTx(ctx, func(tx pgx.Tx) error {
		var ours bool
		var from, now time.Time
		// What is committed late, by up to ten seconds, still counts.
		if err := tx.QueryRow(ctx, `
			SELECT pg_try_advisory_xact_lock($1),
			       greatest(coalesce((SELECT max(minute) + interval '1 minute' FROM figures), (`+firstMinute+`)),
			                date_trunc('minute', now() - $2::interval)),
			       date_trunc('minute', now() - interval '10 seconds')`, int64(figuresLock), figuresKept,
		).Scan(&ours, &from, &now); err != nil {
			return fmt.Errorf("read figures: %w", err)
		}
		if !ours || !from.Before(now) {
			return nil
		}
		until := now
		if behind = from.Add(figuresChunk).Before(now); behind {
			until = from.Add(figuresChunk)
		}
		if err := rollFigures(ctx, tx, from, until); err != nil || behind {
			return err
		}
		if _, err := tx.Exec(ctx, `
			UPDATE figures
			SET dead = (SELECT count(*) FROM (`+deadLetters+`) AS d),
			    oldest_seconds = coalesce(extract(epoch FROM now() - (`+oldestDue()+`)), 0)
			WHERE minute = $1`, until.Add(-time.Minute)); err != nil {
			return fmt.Errorf("write figures: %w", err)
		}
		if _, err := tx.Exec(ctx, `
			DELETE FROM figures
			WHERE minute < now() - $1::interval - interval '1 hour'`, figuresKept); err != nil {
			return fmt.Errorf("forget figures: %w", err)
		}
		return nil
	})
	return behind, err
}

// firstMinute is SQL for the minute in which the first thing happened.
const firstMinute = `
	SELECT date_trunc('minute', least(
		(SELECT min(created_at) FROM tenants), (SELECT received_at FROM events ORDER BY id LIMIT 1),
		(SELECT min(done_at) FROM pages), now() - interval '1 minute'))`

func rollFigures(ctx context.Context, tx pgx.Tx, from, until time.Time) error {
	low, high := idBounds(from, until)
	// Served by tenants_created_at_idx, events_pkey, events_applied_at_idx, pages_done_at_idx.
	if _, err := tx.Exec(ctx, `
		INSERT INTO figures (minute, installs, events_in, events_applied, records)
		SELECT minute, coalesce(i.n, 0), coalesce(e.n, 0), coalesce(a.n, 0), coalesce(p.n, 0)
		FROM generate_series($1::timestamptz, $2::timestamptz - interval '1 minute', interval '1 minute') AS m (minute)
		LEFT JOIN (
			SELECT date_trunc('minute', created_at) AS minute, count(*) AS n
			FROM tenants
			WHERE created_at >= $1 AND created_at < $2
			GROUP BY 1
		) AS i USING (minute)
		LEFT JOIN (
			SELECT date_trunc('minute', received_at) AS minute, count(*) AS n
			FROM events
			WHERE id >= $3::uuid AND id < $4::uuid AND received_at >= $1 AND received_at < $2
			GROUP BY 1
		) AS e USING (minute)
		LEFT JOIN (
			SELECT date_trunc('minute', applied_at) AS minute, count(*) AS n
			FROM events
			WHERE applied_at >= $1 AND applied_at < $2
			GROUP BY 1
		) AS a USING (minute)
		LEFT JOIN (
			SELECT date_trunc('minute', done_at) AS minute, sum(records) AS n
			FROM pages
			WHERE done_at >= $1 AND done_at < $2
			GROUP BY 1
		) AS p USING (minute)
		ON CONFLICT (minute) DO NOTHING`, from, until, low, high); err != nil {
		return fmt.Errorf("write figures: %w", err)
	}
	return nil
}

// idBounds returns the ids, which are UUIDv7, between which everything of a time
// is; with a minute to spare, since ids are made by the clocks of processes.
func idBounds(from, until time.Time) (low, high string) {
	return idAt(from.Add(-time.Minute)), idAt(until.Add(time.Minute))
}

// deadLetters is every row that was given up, of whichever table.
const deadLetters = `
	(SELECT FROM tenants WHERE state = 'failed')
	UNION ALL (SELECT FROM events WHERE state = 'failed' LIMIT 10000)
	UNION ALL (SELECT FROM entity_reads WHERE state = 'failed' LIMIT 10000)
	UNION ALL (SELECT FROM runs WHERE state = 'failed' LIMIT 10000)
	UNION ALL (SELECT FROM pages WHERE state = 'failed' LIMIT 10000)
	UNION ALL (SELECT FROM connections WHERE state = 'failed')
	UNION ALL (SELECT FROM schema_targets WHERE state = 'failed')
	UNION ALL (SELECT FROM bulk_acts WHERE state = 'failed')`

// oldestDue is SQL for since when the work has been due that nobody has taken for
// longest. Windows keep the runnable rows few; the sweep's indexes have them.
func oldestDue() string {
	sql := "SELECT min(due_at) FROM ("
	for i, t := range workTables() {
		if i > 0 {
			sql += " UNION ALL "
		}
		sql += `
			SELECT min(due_at) AS due_at FROM ` + t.name + `
			WHERE state = 'runnable' AND due_at <= now() AND (lease_until IS NULL OR lease_until <= now())`
	}
	return sql + ") AS w"
}

// FigurePoint is what happened in one part of a span.
type FigurePoint struct {
	Installs int64
	In       int64    // events received
	Applied  int64    // events applied, whenever received
	Records  int64    // read by imports
	Dead     *int64   // dead letters, the most there were; nil: nobody looked
	Oldest   *float64 // seconds that the oldest due task had waited, at most; nil: nobody looked
	Ready    *float64 // seconds from install to ready, median; nil: none became ready
}

// Figures is how a span went, up to now.
type Figures struct {
	Points           []FigurePoint // oldest first, all of the same length
	Installs         int64
	In, Applied      int64
	Records          int64
	ReadyP50         *float64 // seconds; nil: none became ready
	ReadyP95         *float64
	Oldest           *time.Time // since when the oldest due task waits; nil: none does
	RecordsPerMinute float64    // in the last five minutes
	Behind           bool       // not all of the span is counted yet
}

// Figures returns how the last span went, in n parts of equal length.
func (db *DB) Figures(ctx context.Context, span time.Duration, n int) (Figures, error) {
	f := Figures{Points: make([]FigurePoint, n)}
	step := span / time.Duration(n)
	var from, tail, now time.Time
	if err := db.pool.QueryRow(ctx, `
		SELECT now() - $1::interval, now(),
		       greatest((SELECT max(minute) + interval '1 minute' FROM figures), now() - $2::interval),
		       coalesce((SELECT max(minute) FROM figures), (`+firstMinute+`)) < now() - $2::interval,
		       (`+oldestDue()+`),
		       (SELECT coalesce(sum(records), 0) FROM pages WHERE done_at > now() - interval '5 minutes') / 5.0`,
		span, figuresTail).Scan(&from, &now, &tail, &f.Behind, &f.Oldest, &f.RecordsPerMinute); err != nil {
		return Figures{}, fmt.Errorf("read figures: %w", err)
	}
	low, _ := idBounds(tail, now)
	rows, err := db.pool.Query(ctx, `
		SELECT least(floor(extract(epoch FROM at - $1) / $2)::integer, $3 - 1) AS part,
		       sum(installs)::bigint, sum(events_in)::bigint, sum(events_applied)::bigint, sum(records)::bigint,
		       max(dead), max(oldest_seconds), avg(ready)
		FROM (
			SELECT minute AS at, installs, events_in, events_applied, records, dead, oldest_seconds, NULL::float8 AS ready
			FROM figures
			WHERE minute >= $1
			UNION ALL
			SELECT now(), (SELECT count(*) FROM tenants WHERE created_at >= $4),
			       (SELECT count(*) FROM events WHERE id >= $5::uuid AND received_at >= $4),
			       (SELECT count(*) FROM events WHERE applied_at >= $4),
			       (SELECT coalesce(sum(records), 0) FROM pages WHERE done_at >= $4), NULL, NULL, NULL
			UNION ALL
			SELECT min(ready_at), 0, 0, 0, 0, NULL, NULL,
			       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM ready_at - created_at))
			FROM tenants
			WHERE ready_at >= $1
			GROUP BY floor(extract(epoch FROM ready_at - $1) / $2)
		) AS f
		WHERE at >= $1
		GROUP BY part`, from, step.Seconds(), n, tail, low)
	if err != nil {
		return Figures{}, fmt.Errorf("read figures: %w", err)
	}
	var part int
	var p FigurePoint
	if _, err := pgx.ForEachRow(rows, []any{
		&part, &p.Installs, &p.In, &p.Applied, &p.Records, &p.Dead, &p.Oldest, &p.Ready,
	}, func() error {
		f.Points[max(part, 0)] = p
		f.Installs += p.Installs
		f.In += p.In
		f.Applied += p.Applied
		f.Records += p.Records
		return nil
	}); err != nil {
		return Figures{}, fmt.Errorf("read figures: %w", err)
	}
	if err := db.pool.QueryRow(ctx, `
		SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM ready_at - created_at)),
		       percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM ready_at - created_at))
		FROM tenants
		WHERE ready_at >= $1`, from).Scan(&f.ReadyP50, &f.ReadyP95); err != nil {
		return Figures{}, fmt.Errorf("read times to ready: %w", err)
	}
	return f, nil
}
