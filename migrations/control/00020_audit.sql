-- +goose NO TRANSACTION
-- +goose Up

-- What was done stays written: lines of the audit are added and read, by whoever it
-- is, and never changed or taken away. The trigger also fires for a superuser, and
-- while triggers are otherwise off.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION audit_keeps() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit is only ever added to: % is refused', lower(TG_OP)
        USING ERRCODE = 'insufficient_privilege',
              HINT = 'What was noted wrongly is put right by a further line.';
END
$$;
-- +goose StatementEnd
CREATE OR REPLACE TRIGGER audit_keeps BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
    FOR EACH STATEMENT EXECUTE FUNCTION audit_keeps();
ALTER TABLE audit ENABLE ALWAYS TRIGGER audit_keeps;

-- The audit by who, by what, and by both, newest first. All of it is read by its
-- primary key, one store's by audit_tenant_id_idx, and a time by the ids, which are
-- UUIDv7. Built while acts are noted; one whose building was cut off is dropped and
-- begun again.
DROP INDEX CONCURRENTLY IF EXISTS audit_actor_idx;
CREATE INDEX CONCURRENTLY audit_actor_idx ON audit (actor, id DESC);
DROP INDEX CONCURRENTLY IF EXISTS audit_act_idx;
CREATE INDEX CONCURRENTLY audit_act_idx ON audit (act, id DESC);
DROP INDEX CONCURRENTLY IF EXISTS audit_actor_act_idx;
CREATE INDEX CONCURRENTLY audit_actor_act_idx ON audit (actor, act, id DESC);
