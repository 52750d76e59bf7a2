package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/wosool/wosool/internal/sandbox"
)

// What recovery.p95 is measured over.
const (
	recoveryRounds  = 5 // kills
	recoveryInHand  = 8 // rows that the killed worker held: as many as its successor has hands for
	recoveryLatency = 12 * time.Second
)

// recoverySuite measures how long the work in a killed worker's hands lies still,
// with the intervals of production.
func recoverySuite() suite {
	return suite{name: "recovery", figures: []string{"recovery.p95"}, run: benchRecovery}
}

// benchRecovery kills a worker that has work in hand, again and again, and takes for
// each row that it held the time until another worker has taken it.
func benchRecovery(ctx context.Context, log io.Writer, _ func(string) bool) (figures []figure, err error) {
	err = withFleet(ctx, "off", func(f *fleet) error {
		figures, err = f.recovery(ctx, log)
		return err
	})
	return figures, err
}

func (f *fleet) recovery(ctx context.Context, log io.Writer) (figures []figure, err error) {
	// Every call to Clerk takes long, so that the work stays in the worker's hands.
	if _, err := f.sandbox.Fault(sandbox.FaultRule{System: "clerk", Effect: sandbox.EffectLatency, Latency: recoveryLatency}); err != nil {
		return nil, err
	}
	if err := f.startWorker(0); err != nil {
		return nil, err
	}
	var took []float64 // seconds
	for round := range recoveryRounds {
		held, err := holders(ctx, f.pool)
		if err != nil {
			return nil, err
		}
		if err := f.install(ctx, 90_000+round*recoveryInHand, recoveryInHand-len(held)); err != nil {
			return nil, err
		}
		inHand, err := busy(ctx, f.pool)
		if err != nil {
			return nil, err
		}
		if err := f.startWorker(round + 1); err != nil {
			return nil, err
		}
		f.kill(round)
		fmt.Fprintf(log, "killed worker %d of %d with %d rows in hand\n", round+1, recoveryRounds, len(inHand))
		again, err := taken(ctx, f.pool, inHand)
		if err != nil {
			return nil, err
		}
		took = append(took, again...)
	}
	slices.Sort(took)
	fmt.Fprintf(log, "%d rows went on after %.1f to %.1f s\n", len(took), took[0], took[len(took)-1])
	return []figure{{Name: "recovery.p95", Value: percentile(took, 95), Unit: "s"}}, nil
}

// busy waits until the one worker that runs has its hands full, and gives what it
// holds, each row with its holder.
func busy(ctx context.Context, pool *pgxpool.Pool) (map[uuid.UUID]uuid.UUID, error) {
	for begun := time.Now(); time.Since(begun) < 2*time.Minute; {
		held, err := holders(ctx, pool)
		if err != nil || len(held) >= recoveryInHand {
			return held, err
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return nil, err
		}
	}
	return nil, errors.New("a worker got no work in two minutes")
}

// taken gives, in seconds, how long each row lay still until another held it.
func taken(ctx context.Context, pool *pgxpool.Pool, inHand map[uuid.UUID]uuid.UUID) ([]float64, error) {
	killed := time.Now()
	var took []float64
	for len(inHand) > 0 {
		if time.Since(killed) > 3*time.Minute {
			return nil, fmt.Errorf("%d rows of a killed worker lie still after three minutes", len(inHand))
		}
		now, err := holders(ctx, pool)
		if err != nil {
			return nil, err
		}
		for id, before := range inHand {
			if holder, ok := now[id]; ok && holder != before {
				took = append(took, time.Since(killed).Seconds())
				delete(inHand, id)
			}
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return nil, err
		}
	}
	return took, nil
}

// holders gives who holds each tenant's row.
func holders(ctx context.Context, pool *pgxpool.Pool) (map[uuid.UUID]uuid.UUID, error) {
	rows, err := pool.Query(ctx, `
		SELECT id, holder
		FROM tenants
		WHERE holder IS NOT NULL AND task = 'tenant:provision'`)
	if err != nil {
		return nil, fmt.Errorf("read the holders: %w", err)
	}
	held := map[uuid.UUID]uuid.UUID{}
	var id, holder uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&id, &holder}, func() error {
		held[id] = holder
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the holders: %w", err)
	}
	return held, nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
