package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Worker is one worker process, by what it last said of itself.
type Worker struct {
	ID          uuid.UUID
	Host        string
	PID         int
	Version     string
	StartedAt   time.Time
	SeenAt      time.Time
	StoppingAt  *time.Time // asked to stop; nil: not yet
	StoppedAt   *time.Time
	Concurrency int // tasks at once
	Lanes       []string
	MemoryBytes int64
	Busy        []WorkerTask // oldest first
	State       string       // WorkerRunning and so on
}

// WorkerTask is what a worker does now.
type WorkerTask struct {
	Task   string     `json:"task"` // its kind
	Row    uuid.UUID  `json:"row"`
	Tenant *uuid.UUID `json:"tenant,omitempty"`
	Since  time.Time  `json:"since"` // by the worker's clock
}

// The states of a worker process.
const (
	WorkerRunning  = "running"
	WorkerStopping = "stopping" // finishes what it has in hand
	WorkerStopped  = "stopped"  // said so
	WorkerLost     = "lost"     // not heard of for WorkerLostAfter, and did not say that it stopped
)

// WorkerLostAfter is how long a process may be silent before it counts as lost.
const WorkerLostAfter = 10 * time.Second

// How long processes that are gone are remembered, and how many are listed.
const (
	stoppedKept = time.Hour
	lostKept    = 24 * time.Hour
	workersMost = 200
)

// Beat writes what a worker says of itself. Times but those of its tasks are the
// database's. It may come late or for a row that is gone: it makes it anew.
func (db *DB) Beat(ctx context.Context, w Worker, stopping bool) error {
	busy := w.Busy
	if busy == nil {
		busy = []WorkerTask{}
	}
	if _, err := db.pool.Exec(ctx, `
		INSERT INTO workers AS w (id, host, pid, version, concurrency, lanes, memory_bytes, busy, stopping_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, CASE WHEN $9 THEN now() END)
		ON CONFLICT (id) DO UPDATE
		SET seen_at = now(), memory_bytes = excluded.memory_bytes, busy = excluded.busy,
			stopping_at = coalesce(w.stopping_at, excluded.stopping_at)`,
		w.ID, w.Host, w.PID, w.Version, w.Concurrency, w.Lanes, w.MemoryBytes, busy, stopping); err != nil {
		return fmt.Errorf("write the heartbeat: %w", err)
	}
	return nil
}

// WorkerStopped notes that a worker has stopped as asked.
func (db *DB) WorkerStopped(ctx context.Context, id uuid.UUID) error {
	if _, err := db.pool.Exec(ctx, `
		UPDATE workers
		SET seen_at = now(), stopped_at = now(), busy = '[]'
		WHERE id = $1`, id); err != nil {
		return fmt.Errorf("note that the worker stopped: %w", err)
	}
	return nil
}

// ForgetWorkers removes processes that have long been gone.
func (db *DB) ForgetWorkers(ctx context.Context) error {
	if _, err := db.pool.Exec(ctx, `
		DELETE FROM workers
		WHERE seen_at < now() - CASE WHEN stopped_at IS NULL THEN $1::interval ELSE $2::interval END`,
		lostKept, stoppedKept); err != nil {
		return fmt.Errorf("forget old workers: %w", err)
	}
	return nil
}

// Workers returns the worker processes: those that run first, then those that
// are gone, the latest of them first.
func (db *DB) Workers(ctx context.Context) ([]Worker, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT id, host, pid, version, started_at, seen_at, stopping_at, stopped_at, concurrency, lanes, memory_bytes, busy,
			CASE
				WHEN stopped_at IS NOT NULL THEN 'stopped'
				WHEN seen_at < now() - $1::interval THEN 'lost'
				WHEN stopping_at IS NOT NULL THEN 'stopping'
				ELSE 'running'
			END AS state
		FROM workers
		ORDER BY stopped_at IS NULL AND seen_at >= now() - $1::interval DESC,
			CASE WHEN stopped_at IS NULL AND seen_at >= now() - $1::interval THEN started_at END,
			seen_at DESC, id
		LIMIT $2`, WorkerLostAfter, workersMost)
	if err != nil {
		return nil, fmt.Errorf("list workers: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Worker])
	if err != nil {
		return nil, fmt.Errorf("list workers: %w", err)
	}
	return list, nil
}
