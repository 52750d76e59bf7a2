-- +goose NO TRANSACTION
-- +goose Up

-- Stores are found by the beginning of their domain, however its link begins. Built
-- while events come in; one whose building was cut off is dropped and begun again.
DROP INDEX CONCURRENTLY IF EXISTS tenants_domain_idx;
CREATE INDEX CONCURRENTLY tenants_domain_idx ON tenants (lower(regexp_replace(store->>'domain', '^https?://(www\.)?', '')) text_pattern_ops);
