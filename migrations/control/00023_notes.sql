-- +goose Up

-- What operators write down about a store, for each other. One that was taken back
-- is kept, and marked.
CREATE TABLE IF NOT EXISTS tenant_notes (
    id         uuid PRIMARY KEY, -- UUIDv7: in the order in which they were written
    tenant_id  uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    body       text NOT NULL
        CONSTRAINT tenant_notes_body_check CHECK (char_length(body) BETWEEN 1 AND 4000),
    author     text NOT NULL, -- as in the audit
    created_at timestamptz NOT NULL DEFAULT now(),
    removed_at timestamptz,
    removed_by text
);
CREATE INDEX IF NOT EXISTS tenant_notes_tenant_id_idx ON tenant_notes (tenant_id, id DESC);

-- What became of attempts at rows of work: each that failed, and the one that got
-- through after such. Work that succeeds at once leaves nothing here: its own row
-- says that. Like the audit it refers to no other table, so that writing it waits for
-- nobody. It is kept for thirty days.
CREATE TABLE IF NOT EXISTS tries (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL DEFAULT clock_timestamp(), -- when it ended
    task      text NOT NULL,
    row_id    uuid NOT NULL,
    tenant_id uuid, -- NULL where the row is nobody's yet
    epoch     bigint NOT NULL,
    attempt   integer NOT NULL,
    outcome   text NOT NULL
        CONSTRAINT tries_outcome_check CHECK (outcome IN ('failed', 'given up', 'done')),
    error     text,
    process   text -- what the process calls itself at PostgreSQL
);
CREATE INDEX IF NOT EXISTS tries_row_id_idx ON tries (row_id, id DESC);
CREATE INDEX IF NOT EXISTS tries_tenant_id_idx ON tries (tenant_id, at DESC) WHERE tenant_id IS NOT NULL;

-- Attempts are spent in many statements, and more will come: the rows themselves tell
-- of each, in its own transaction, also while an older version runs.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION note_try() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    owner uuid;
BEGIN
    IF TG_TABLE_NAME IN ('tenants', 'connections') THEN
        owner := NEW.id;
    ELSE
        owner := NEW.tenant_id;
    END IF;
    IF owner IS NULL AND TG_TABLE_NAME = 'events' THEN -- it may name only its merchant
        SELECT t.id INTO owner FROM tenants AS t WHERE t.merchant = NEW.merchant;
    END IF;
    INSERT INTO tries (task, row_id, tenant_id, epoch, attempt, outcome, error, process)
    VALUES (OLD.task, NEW.id, owner, OLD.epoch, OLD.attempts + 1,
            CASE WHEN NEW.attempts <= OLD.attempts THEN 'done' WHEN NEW.state = 'failed' THEN 'given up' ELSE 'failed' END,
            CASE WHEN NEW.attempts > OLD.attempts THEN NEW.last_error END,
            nullif(current_setting('application_name', true), ''));
    RETURN NULL;
END
$$;
-- +goose StatementEnd

-- A lock for a moment: it does not queue behind long ones, before which everything
-- else would queue.
-- +goose StatementBegin
DO $$
DECLARE
    work regclass;
BEGIN
    SET LOCAL lock_timeout = '5s';
    FOREACH work IN ARRAY ARRAY['tenants', 'connections', 'events', 'entity_reads', 'runs', 'pages']::regclass[] LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER note_try AFTER UPDATE ON %s FOR EACH ROW
            WHEN (NEW.attempts > OLD.attempts OR OLD.attempts > 0 AND NEW.state = ''done'' AND OLD.state <> ''done'')
            EXECUTE FUNCTION note_try()', work);
    END LOOP;
END
$$;
-- +goose StatementEnd
