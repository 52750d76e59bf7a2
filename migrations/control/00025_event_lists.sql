-- +goose NO TRANSACTION
-- +goose Up

-- What lists of events need where a store, or Clerk, has many and few are wanted. They
-- are built while events come in; one whose building was cut off is dropped and begun
-- again.

-- A store's events that name no tenant yet: those on their way, and those given up.
DROP INDEX CONCURRENTLY IF EXISTS events_unowned_idx;
CREATE INDEX CONCURRENTLY events_unowned_idx ON events (merchant, id DESC) WHERE tenant_id IS NULL;

-- Clerk's events of a status.
DROP INDEX CONCURRENTLY IF EXISTS events_clerk_status_idx;
CREATE INDEX CONCURRENTLY events_clerk_status_idx ON events (status, id DESC) WHERE source = 'clerk';

-- A store's events of a name or a status, found in the index alone. It takes the place
-- of events_merchant_idx.
DROP INDEX CONCURRENTLY IF EXISTS events_merchant_name_idx;
CREATE INDEX CONCURRENTLY events_merchant_name_idx ON events (merchant, id DESC) INCLUDE (event, status);
DROP INDEX CONCURRENTLY IF EXISTS events_merchant_idx;
