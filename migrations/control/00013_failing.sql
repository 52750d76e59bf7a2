-- +goose Up

-- Since when the attempts at a row of work have failed in a row. It counts only while
-- attempts is above 0: whatever sets that to 0 has made a new beginning. A column
-- without a default is there at once, however large the table is.
-- +goose StatementBegin
DO $$
DECLARE
    work regclass;
BEGIN
    SET LOCAL lock_timeout = '5s';
    FOREACH work IN ARRAY ARRAY['tenants', 'connections', 'schema_targets', 'events', 'entity_reads', 'runs', 'pages']::regclass[] LOOP
        EXECUTE format('ALTER TABLE %s ADD COLUMN IF NOT EXISTS failing_since timestamptz', work);
    END LOOP;
END
$$;
-- +goose StatementEnd
