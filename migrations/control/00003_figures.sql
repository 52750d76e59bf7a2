-- +goose NO TRANSACTION
-- +goose Up

-- What happened in each minute that is over, so that a week is read in a few
-- thousand rows whatever the tables hold. dead and oldest_seconds are how it
-- stood when the minute was written; NULL: nobody looked.
CREATE TABLE IF NOT EXISTS figures (
    minute         timestamptz PRIMARY KEY,
    installs       bigint NOT NULL,
    events_in      bigint NOT NULL,
    events_applied bigint NOT NULL,
    records        bigint NOT NULL,
    dead           bigint,
    oldest_seconds double precision
);

-- Built while events come in; one whose building was cut off is dropped and begun again.
DROP INDEX CONCURRENTLY IF EXISTS events_applied_at_idx;
CREATE INDEX CONCURRENTLY events_applied_at_idx ON events (applied_at) WHERE applied_at IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS pages_done_at_idx;
CREATE INDEX CONCURRENTLY pages_done_at_idx ON pages (done_at) WHERE done_at IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS pages_tenant_done_idx;
CREATE INDEX CONCURRENTLY pages_tenant_done_idx ON pages (tenant_id, done_at DESC) WHERE done_at IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS pages_unfinished_idx;
CREATE INDEX CONCURRENTLY pages_unfinished_idx ON pages (run_id) WHERE state <> 'done';
DROP INDEX CONCURRENTLY IF EXISTS tenants_created_at_idx;
CREATE INDEX CONCURRENTLY tenants_created_at_idx ON tenants (created_at);
DROP INDEX CONCURRENTLY IF EXISTS tenants_ready_at_idx;
CREATE INDEX CONCURRENTLY tenants_ready_at_idx ON tenants (ready_at) WHERE ready_at IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS tenants_invited_idx;
CREATE INDEX CONCURRENTLY tenants_invited_idx ON tenants (id DESC) WHERE clerk_owner = 'invited';
DROP INDEX CONCURRENTLY IF EXISTS connections_unknown_idx;
CREATE INDEX CONCURRENTLY connections_unknown_idx ON connections (id) WHERE refresh_unknown_at IS NOT NULL;

-- The newest whole reading of a store's list, for how many records the store has.
DROP INDEX CONCURRENTLY IF EXISTS streams_whole_idx;
CREATE INDEX CONCURRENTLY streams_whole_idx ON streams (tenant_id, resource, run_id DESC) WHERE NOT until_known AND from_date = '';
