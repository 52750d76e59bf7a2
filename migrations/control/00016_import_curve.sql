-- +goose NO TRANSACTION
-- +goose Up

-- What a run's pages brought and when, for its rate and its curve, from the index
-- alone. It serves what pages_run_id_idx served, which goes. It is built while pages
-- come in; one whose building was cut off is dropped and begun again.
DROP INDEX CONCURRENTLY IF EXISTS pages_run_done_idx;
CREATE INDEX CONCURRENTLY pages_run_done_idx ON pages (run_id, done_at) INCLUDE (stream_id, records);
DROP INDEX CONCURRENTLY IF EXISTS pages_run_id_idx;
