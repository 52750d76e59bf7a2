-- +goose NO TRANSACTION
-- +goose Up

-- Dead letters in the order in which they failed: all of them, those of one store,
-- and those of one reason (as internal/store/deadletters.go groups them, in the same
-- words). Only failed rows are in these indexes. They are built while work goes on;
-- one whose building was cut off is dropped and begun again.

DROP INDEX CONCURRENTLY IF EXISTS events_dead_idx;
CREATE INDEX CONCURRENTLY events_dead_idx ON events
    (coalesce(due_at, enqueued_at, 'epoch'::timestamptz), id) WHERE state = 'failed';
DROP INDEX CONCURRENTLY IF EXISTS events_dead_merchant_idx;
CREATE INDEX CONCURRENTLY events_dead_merchant_idx ON events
    (merchant, coalesce(due_at, enqueued_at, 'epoch'::timestamptz), id) WHERE state = 'failed';
DROP INDEX CONCURRENTLY IF EXISTS events_dead_tenant_idx;
CREATE INDEX CONCURRENTLY events_dead_tenant_idx ON events
    (tenant_id, coalesce(due_at, enqueued_at, 'epoch'::timestamptz), id) WHERE state = 'failed' AND merchant IS NULL;
DROP INDEX CONCURRENTLY IF EXISTS events_dead_reason_idx;
CREATE INDEX CONCURRENTLY events_dead_reason_idx ON events (md5(task || ' ' ||
    regexp_replace(regexp_replace(regexp_replace(coalesce(last_error, ''),
        'https?://[^[:space:]"]+', '…', 'g'),
        '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\m(org|user|orginv|sess)_[[:alnum:]]+|\m[0-9a-f]{16,}\M', '…', 'gi'),
        '[0-9]+([.,:][0-9]+)*', '…', 'g')),
    coalesce(due_at, enqueued_at, 'epoch'::timestamptz), id) WHERE state = 'failed';

DROP INDEX CONCURRENTLY IF EXISTS pages_dead_idx;
CREATE INDEX CONCURRENTLY pages_dead_idx ON pages
    (coalesce(due_at, enqueued_at, 'epoch'::timestamptz), id) WHERE state = 'failed';
DROP INDEX CONCURRENTLY IF EXISTS pages_dead_tenant_idx;
CREATE INDEX CONCURRENTLY pages_dead_tenant_idx ON pages
    (tenant_id, coalesce(due_at, enqueued_at, 'epoch'::timestamptz), id) WHERE state = 'failed';
DROP INDEX CONCURRENTLY IF EXISTS pages_dead_reason_idx;
CREATE INDEX CONCURRENTLY pages_dead_reason_idx ON pages (md5(task || ' ' ||
    regexp_replace(regexp_replace(regexp_replace(coalesce(last_error, ''),
        'https?://[^[:space:]"]+', '…', 'g'),
        '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\m(org|user|orginv|sess)_[[:alnum:]]+|\m[0-9a-f]{16,}\M', '…', 'gi'),
        '[0-9]+([.,:][0-9]+)*', '…', 'g')),
    coalesce(due_at, enqueued_at, 'epoch'::timestamptz), id) WHERE state = 'failed';

DROP INDEX CONCURRENTLY IF EXISTS entity_reads_dead_idx;
CREATE INDEX CONCURRENTLY entity_reads_dead_idx ON entity_reads
    (coalesce(due_at, enqueued_at, 'epoch'::timestamptz), id) WHERE state = 'failed';
DROP INDEX CONCURRENTLY IF EXISTS entity_reads_dead_tenant_idx;
CREATE INDEX CONCURRENTLY entity_reads_dead_tenant_idx ON entity_reads
    (tenant_id, coalesce(due_at, enqueued_at, 'epoch'::timestamptz), id) WHERE state = 'failed';
DROP INDEX CONCURRENTLY IF EXISTS entity_reads_dead_reason_idx;
CREATE INDEX CONCURRENTLY entity_reads_dead_reason_idx ON entity_reads (md5(task || ' ' ||
    regexp_replace(regexp_replace(regexp_replace(coalesce(last_error, ''),
        'https?://[^[:space:]"]+', '…', 'g'),
        '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\m(org|user|orginv|sess)_[[:alnum:]]+|\m[0-9a-f]{16,}\M', '…', 'gi'),
        '[0-9]+([.,:][0-9]+)*', '…', 'g')),
    coalesce(due_at, enqueued_at, 'epoch'::timestamptz), id) WHERE state = 'failed';

-- Fewer of these can fail: a store has one of each, or a few.
DROP INDEX CONCURRENTLY IF EXISTS runs_dead_idx;
CREATE INDEX CONCURRENTLY runs_dead_idx ON runs
    (coalesce(due_at, enqueued_at, 'epoch'::timestamptz), id) WHERE state = 'failed';
DROP INDEX CONCURRENTLY IF EXISTS tenants_dead_idx;
CREATE INDEX CONCURRENTLY tenants_dead_idx ON tenants
    (coalesce(due_at, enqueued_at, 'epoch'::timestamptz), id) WHERE state = 'failed';
DROP INDEX CONCURRENTLY IF EXISTS connections_dead_idx;
CREATE INDEX CONCURRENTLY connections_dead_idx ON connections
    (coalesce(due_at, enqueued_at, 'epoch'::timestamptz), id) WHERE state = 'failed';
