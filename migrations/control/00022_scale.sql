-- +goose NO TRANSACTION
-- +goose Up

-- What the console's pages need with millions of rows. They are built while events come
-- in; one whose building was cut off is dropped and begun again.

-- Dead letters of events by lane, counted from the index alone.
DROP INDEX CONCURRENTLY IF EXISTS events_failed_lane_idx;
CREATE INDEX CONCURRENTLY events_failed_lane_idx ON events (lane) WHERE state = 'failed';

-- Imports that did not come out whole, of which the newest of each store is wanted.
DROP INDEX CONCURRENTLY IF EXISTS runs_unwhole_idx;
CREATE INDEX CONCURRENTLY runs_unwhole_idx ON runs (id DESC) INCLUDE (tenant_id) WHERE status IN ('incomplete', 'failed');
