-- +goose NO TRANSACTION
-- +goose Up

-- Indexes for the console's lists. They are built while events come in; one whose
-- building was cut off is dropped and begun again.

-- Few events are Clerk's: without it, finding them walks through all of Salla's.
DROP INDEX CONCURRENTLY IF EXISTS events_clerk_idx;
CREATE INDEX CONCURRENTLY events_clerk_idx ON events (id DESC) WHERE source = 'clerk';

-- Imports of one kind, newest first.
DROP INDEX CONCURRENTLY IF EXISTS runs_kind_idx;
CREATE INDEX CONCURRENTLY runs_kind_idx ON runs (kind, id DESC);

-- What happened to one event: who replayed it, and when the sweeper put it back.
DROP INDEX CONCURRENTLY IF EXISTS audit_replay_idx;
CREATE INDEX CONCURRENTLY audit_replay_idx ON audit ((details->>'id'), id) WHERE act = 'event.replay';
DROP INDEX CONCURRENTLY IF EXISTS healings_row_id_idx;
CREATE INDEX CONCURRENTLY healings_row_id_idx ON healings (row_id, id) WHERE row_id IS NOT NULL;
