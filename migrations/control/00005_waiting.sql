-- +goose NO TRANSACTION
-- +goose Up

-- Suspended tenants whose resuming waits for a grant, beside those that
-- tenants_waiting_idx holds. It is built while events come in; one whose building
-- was cut off is dropped and begun again.
DROP INDEX CONCURRENTLY IF EXISTS tenants_resuming_idx;
CREATE INDEX CONCURRENTLY tenants_resuming_idx ON tenants (id)
    WHERE state = 'waiting' AND status = 'suspended' AND task = 'tenant:resume';
