package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
)

// bare is the least that takes a delivery: it checks the signature, inserts one
// row and enqueues one task. It knows no copies, no windows, no redaction.
type bare struct {
	pool  *pgxpool.Pool
	queue *asynq.Client
}

// bareQueue is its queue.
const bareQueue = "bare"

func (b *bare) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		http.Error(w, "unreadable", http.StatusBadRequest)
		return
	}
	given, err := hex.DecodeString(r.Header.Get("X-Salla-Signature"))
	mac := hmac.New(sha256.New, []byte(ingestSecret))
	mac.Write(body)
	if err != nil || !hmac.Equal(given, mac.Sum(nil)) {
		http.Error(w, "unsigned", http.StatusUnauthorized)
		return
	}
	id, err := uuid.NewV7()
	if err == nil {
		_, err = b.pool.Exec(r.Context(), `INSERT INTO bare_deliveries (id, payload) VALUES ($1, $2)`, id, body)
	}
	if err != nil {
		http.Error(w, "not kept", http.StatusServiceUnavailable)
		return
	}
	payload, err := json.Marshal(map[string]uuid.UUID{"id": id})
	if err == nil {
		task := asynq.NewTask("delivery:apply", payload)
		_, err = b.queue.EnqueueContext(r.Context(), task, asynq.Queue(bareQueue), asynq.TaskID(id.String()), asynq.Timeout(time.Minute))
	}
	if err != nil {
		http.Error(w, "not queued", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// newBareAPI serves the baseline, with as many connections as ours.
func newBareAPI(ctx context.Context, address string) (*ingestSide, error) {
	pool, err := store.Open(ctx, address, "bench-bare", ingestPool)
	if err != nil {
		return nil, err
	}
	if _, err := pool.Exec(ctx, `
		CREATE TABLE bare_deliveries (
			id          uuid PRIMARY KEY,
			payload     jsonb NOT NULL,
			received_at timestamptz NOT NULL DEFAULT now()
		)`); err != nil {
		return nil, fmt.Errorf("make the baseline's table: %w", err)
	}
	rdb, err := tasks.OpenRedis(os.Getenv("REDIS_URL"))
	if err != nil {
		return nil, errors.New("REDIS_URL is not set: run `make bench`")
	}
	side, err := serveSide(ctx, &bare{pool: pool, queue: asynq.NewClientFromRedisClient(rdb)})
	if err != nil {
		return nil, err
	}
	side.took = tookBy(address, rdb, `SELECT count(*) FROM bare_deliveries`, bareQueue)
	stop := side.close
	side.close = func() { stop(); pool.Close(); _ = rdb.Close() }
	return side, nil
}
