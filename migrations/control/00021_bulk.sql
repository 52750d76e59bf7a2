-- +goose Up

-- One act on many subjects, chosen at one moment. The row is a row of work: its turns
-- are taken by workers, some subjects at a time.
CREATE TABLE IF NOT EXISTS bulk_acts (
    id             uuid PRIMARY KEY,
    kind           text NOT NULL CONSTRAINT bulk_acts_kind_check CHECK (kind IN ('tenants', 'events', 'dead')),
    act            text NOT NULL,
    arguments      jsonb NOT NULL DEFAULT '{}',
    filter         text NOT NULL,             -- in words: what was chosen
    reason         text,                      -- NULL until it is started
    actor          text NOT NULL,             -- who chose, then who started it
    address        text,
    undo_of        uuid REFERENCES bulk_acts ON DELETE CASCADE,
    status         text NOT NULL DEFAULT 'choosing'
        CONSTRAINT bulk_acts_status_check CHECK (status IN ('choosing', 'ready', 'running', 'paused', 'done', 'cancelled')),
    beyond         boolean NOT NULL DEFAULT false, -- the list had more than can be chosen at once
    total          integer NOT NULL DEFAULT 0,
    done           integer NOT NULL DEFAULT 0,     -- changed, skipped and failed
    changed        integer NOT NULL DEFAULT 0,
    skipped        integer NOT NULL DEFAULT 0,
    failed         integer NOT NULL DEFAULT 0,
    created_at     timestamptz NOT NULL DEFAULT now(),
    started_at     timestamptz,
    finished_at    timestamptz,
    task           text NOT NULL DEFAULT 'bulk:apply',
    state          text NOT NULL DEFAULT 'held'
        CONSTRAINT bulk_acts_state_check CHECK (state IN ('held', 'runnable', 'waiting', 'done', 'failed')),
    epoch          bigint NOT NULL DEFAULT 1,
    holder         uuid,
    lease_until    timestamptz,
    attempts       integer NOT NULL DEFAULT 0,
    due_at         timestamptz,
    enqueued_at    timestamptz,
    unleased_since timestamptz,
    last_error     text,
    failing_since  timestamptz
);
CREATE INDEX IF NOT EXISTS bulk_acts_sweep_idx ON bulk_acts (enqueued_at NULLS FIRST) WHERE state = 'runnable';
CREATE INDEX IF NOT EXISTS bulk_acts_dead_idx ON bulk_acts
    (coalesce(due_at, enqueued_at, 'epoch'::timestamptz), id) WHERE state = 'failed';
CREATE INDEX IF NOT EXISTS bulk_acts_drafts_idx ON bulk_acts (created_at) WHERE status IN ('choosing', 'ready');
-- What has been undone is not undone twice.
CREATE UNIQUE INDEX IF NOT EXISTS bulk_acts_undo_key ON bulk_acts (undo_of) WHERE status <> 'cancelled';

-- What a bulk act is done to, each once.
CREATE TABLE IF NOT EXISTS bulk_items (
    bulk_id   uuid NOT NULL REFERENCES bulk_acts ON DELETE CASCADE,
    n         integer NOT NULL,
    subject   uuid NOT NULL,             -- a tenant, an event, or a row of work
    task      text NOT NULL DEFAULT '',  -- the kind of a row of work
    tenant_id uuid,                      -- whose it is, as far as was known
    state     text NOT NULL DEFAULT 'pending'
        CONSTRAINT bulk_items_state_check CHECK (state IN ('pending', 'done', 'skipped', 'failed')),
    outcome   text,                      -- in words, where it is skipped or failed
    before    jsonb,                     -- what it was, for the undo
    done_at   timestamptz,
    CONSTRAINT bulk_items_pkey PRIMARY KEY (bulk_id, n)
);
CREATE INDEX IF NOT EXISTS bulk_items_state_idx ON bulk_items (bulk_id, state, n);
