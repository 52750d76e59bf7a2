-- +goose Up

-- The columns that every row of work carries (see internal/store/work.go):
--   task         the kind of task that works on the row now
--   state        held: runnable, but outside its tenant's window
--                runnable: due at due_at · waiting: somebody else ends the wait
--                done · failed: a dead letter, with its reason in last_error
--   epoch        the version of the intent; the Asynq task id is TASK:ID:EPOCH
--   holder       the taker that may write; every write of a handler matches it
--   lease_until  by the database's clock
--   enqueued_at  when Redis was last told of the row, or asked about it
--   unleased_since  the first sweep that saw its task active without a lease

CREATE TABLE tenants (
    id                    uuid PRIMARY KEY,
    merchant              bigint,
    slug                  text NOT NULL,
    name                  text NOT NULL,
    owner_email           text,
    status                text NOT NULL DEFAULT 'pending'
        CONSTRAINT tenants_status_check CHECK (status IN
            ('pending', 'provisioning', 'ready', 'failed', 'suspended', 'deprovisioning', 'deleted')),
    resume_status         text
        CONSTRAINT tenants_resume_status_check CHECK (resume_status IN ('pending', 'provisioning', 'ready', 'failed')),
    suspended_by          text
        CONSTRAINT tenants_suspended_by_check CHECK (suspended_by IN ('uninstall', 'operator')),
    installed             boolean NOT NULL DEFAULT false,
    by_hand               boolean NOT NULL DEFAULT false, -- registered by an operator: what was given by hand stays
    lifecycle_at          timestamptz,
    store                 jsonb,
    plan                  text,
    app_plan              text,        -- what the merchant has of us at Salla's app store
    app_plan_at           timestamptz, -- created_at of the event that said so
    created_at            timestamptz NOT NULL DEFAULT now(),
    updated_at            timestamptz NOT NULL DEFAULT now(),
    ready_at              timestamptz,
    clerk_organization_id text,
    clerk_owner_id        text,
    clerk_owner           text
        CONSTRAINT tenants_clerk_owner_check CHECK (clerk_owner IN ('member', 'invited')),
    database_server       text,
    database_name         text,
    database_role         text,
    database_password     bytea,
    model_version         integer,
    task                  text NOT NULL DEFAULT 'tenant:provision',
    state                 text NOT NULL DEFAULT 'waiting'
        CONSTRAINT tenants_state_check CHECK (state IN ('held', 'runnable', 'waiting', 'done', 'failed')),
    epoch                 bigint NOT NULL DEFAULT 1,
    holder                uuid,
    lease_until           timestamptz,
    attempts              integer NOT NULL DEFAULT 0,
    due_at                timestamptz,
    enqueued_at           timestamptz,
    unleased_since        timestamptz,
    last_error            text,
    CONSTRAINT tenants_merchant_key UNIQUE (merchant),
    CONSTRAINT tenants_slug_key UNIQUE (slug),
    CONSTRAINT tenants_clerk_organization_id_key UNIQUE (clerk_organization_id),
    CONSTRAINT tenants_suspended_check CHECK ((status = 'suspended') = (suspended_by IS NOT NULL)),
    CONSTRAINT tenants_slug_check CHECK (slug ~ '^[a-z0-9-]{3,40}$')
);
CREATE INDEX tenants_status_idx ON tenants (status, id DESC);
CREATE INDEX tenants_sweep_idx ON tenants (enqueued_at NULLS FIRST) WHERE state = 'runnable';
CREATE INDEX tenants_failed_idx ON tenants (id) WHERE state = 'failed';
CREATE INDEX tenants_waiting_idx ON tenants (id) WHERE state = 'waiting' AND status IN ('provisioning', 'ready');
-- What operators search by: the words of the name, and the beginnings of slug and merchant.
CREATE INDEX tenants_name_idx ON tenants USING gin (to_tsvector('simple', name));
CREATE INDEX tenants_slug_idx ON tenants (slug text_pattern_ops);
CREATE INDEX tenants_merchant_idx ON tenants ((merchant::text) text_pattern_ops);

CREATE TABLE steps (
    tenant_id   uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    name        text NOT NULL
        CONSTRAINT steps_name_check CHECK (name IN
            ('store', 'identity', 'database', 'seed', 'workspace', 'subscriptions', 'verify')),
    position    smallint NOT NULL,
    status      text NOT NULL DEFAULT 'pending'
        CONSTRAINT steps_status_check CHECK (status IN ('pending', 'running', 'waiting', 'done', 'failed', 'skipped')),
    attempt     integer NOT NULL DEFAULT 0,
    started_at  timestamptz,
    finished_at timestamptz,
    error       text,
    intent      jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (tenant_id, name)
);

CREATE TABLE connections (
    id                 uuid PRIMARY KEY REFERENCES tenants ON DELETE CASCADE, -- the tenant's
    status             text NOT NULL
        CONSTRAINT connections_status_check CHECK (status IN ('active', 'refreshing', 'needs_reauthorisation', 'revoked')),
    version            bigint NOT NULL DEFAULT 1,
    access_token       bytea,
    refresh_token      bytea,
    access_hash        bytea,
    expires_at         timestamptz,
    refresh_at         timestamptz,
    scopes             text[] NOT NULL DEFAULT '{}',
    granted_at         timestamptz, -- created_at of the authorize that the grant descends from
    revoked_at         timestamptz, -- created_at of the last uninstall that revoked a grant
    attempt            uuid,
    attempt_until      timestamptz,
    refresh_unknown_at timestamptz,
    refreshed_at       timestamptz,
    parked_reason      text,
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz NOT NULL DEFAULT now(),
    task               text NOT NULL DEFAULT 'token:refresh',
    state              text NOT NULL DEFAULT 'done'
        CONSTRAINT connections_state_check CHECK (state IN ('held', 'runnable', 'waiting', 'done', 'failed')),
    epoch              bigint NOT NULL DEFAULT 1,
    holder             uuid,
    lease_until        timestamptz,
    attempts           integer NOT NULL DEFAULT 0,
    due_at             timestamptz,
    enqueued_at        timestamptz,
    unleased_since     timestamptz,
    last_error         text
);
CREATE INDEX connections_refresh_idx ON connections (refresh_at) WHERE status = 'active' AND state <> 'runnable';
CREATE INDEX connections_sweep_idx ON connections (enqueued_at NULLS FIRST) WHERE state = 'runnable';
CREATE INDEX connections_failed_idx ON connections (id) WHERE state = 'failed';
CREATE INDEX connections_status_idx ON connections (status);

-- Every refresh token ever held, by keyed hash: a grant whose hash is here is never stored again.
CREATE TABLE known_tokens (
    hash       bytea PRIMARY KEY,
    tenant_id  uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX known_tokens_tenant_id_idx ON known_tokens (tenant_id);

-- Keys of our own, sealed with SECRET_KEYSET: the one that hashes known tokens.
CREATE TABLE vault_keys (
    name       text PRIMARY KEY,
    sealed     bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- event = the name the source gives; ids are UUIDv7, so that id order is the order of arrival.
CREATE TABLE events (
    id             uuid PRIMARY KEY,
    source         text NOT NULL CONSTRAINT events_source_check CHECK (source IN ('salla', 'clerk')),
    event          text NOT NULL,
    merchant       bigint,
    tenant_id      uuid REFERENCES tenants ON DELETE SET NULL,
    status         text NOT NULL DEFAULT 'received'
        CONSTRAINT events_status_check CHECK (status IN ('received', 'waiting', 'applied', 'ignored', 'failed')),
    waiting_for    text
        CONSTRAINT events_waiting_for_check CHECK (waiting_for IN ('merchant', 'ready', 'grant', 'resume')),
    error          text,
    headers        jsonb NOT NULL DEFAULT '{}',
    occurred_at    timestamptz,
    received_at    timestamptz NOT NULL DEFAULT now(),
    applied_at     timestamptz,
    task           text NOT NULL DEFAULT 'event:apply',
    lane           text NOT NULL,
    state          text NOT NULL DEFAULT 'runnable'
        CONSTRAINT events_state_check CHECK (state IN ('held', 'runnable', 'waiting', 'done', 'failed')),
    epoch          bigint NOT NULL DEFAULT 1,
    holder         uuid,
    lease_until    timestamptz,
    attempts       integer NOT NULL DEFAULT 0,
    due_at         timestamptz DEFAULT now(),
    enqueued_at    timestamptz,
    unleased_since timestamptz,
    last_error     text,
    CONSTRAINT events_waiting_check CHECK ((status = 'waiting') = (waiting_for IS NOT NULL))
);
CREATE INDEX events_merchant_idx ON events (merchant, id DESC);
CREATE INDEX events_status_idx ON events (status, id DESC);
CREATE INDEX events_event_idx ON events (event, id DESC);
CREATE INDEX events_tenant_id_idx ON events (tenant_id, id DESC);
CREATE INDEX events_waiting_idx ON events (waiting_for, merchant, id) WHERE status = 'waiting';
CREATE INDEX events_window_idx ON events (merchant, state, id) WHERE state IN ('held', 'runnable');
CREATE INDEX events_sweep_idx ON events (enqueued_at NULLS FIRST) WHERE state = 'runnable';
CREATE INDEX events_failed_idx ON events (id) WHERE state = 'failed';

-- The key of a delivery, kept longer than any resend or replay.
CREATE TABLE event_keys (
    key         bytea PRIMARY KEY,
    event_id    uuid NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX event_keys_received_at_idx ON event_keys (received_at);

-- What a delivery said. Partitioned by the time in the event's id, so that retention drops a table.
-- payload: the redacted JSON · body: the redacted text of what does not parse
-- sealed: the whole body, encrypted for the event, only while credentials in it are needed
CREATE TABLE event_payloads (
    event_id    uuid NOT NULL,
    payload     jsonb,
    body        text,
    body_length integer NOT NULL,
    body_hash   bytea NOT NULL,
    sealed      bytea,
    PRIMARY KEY (event_id)
) PARTITION BY RANGE (event_id);
CREATE TABLE event_payloads_default PARTITION OF event_payloads DEFAULT;

CREATE TABLE runs (
    id             uuid PRIMARY KEY,
    tenant_id      uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    kind           text NOT NULL CONSTRAINT runs_kind_check CHECK (kind IN ('initial', 'reconcile', 'manual')),
    status         text NOT NULL DEFAULT 'pending'
        CONSTRAINT runs_status_check CHECK (status IN
            ('pending', 'running', 'waiting', 'paused', 'complete', 'incomplete', 'cancelled', 'failed')),
    reason         text,
    resources      text[] NOT NULL,
    since          timestamptz,
    pass           integer NOT NULL DEFAULT 1,
    checks         integer NOT NULL DEFAULT 0, -- comparisons of this pass that did not come out equal
    created_at     timestamptz NOT NULL DEFAULT now(),
    started_at     timestamptz,
    lists_done_at  timestamptz,
    finished_at    timestamptz,
    task           text NOT NULL DEFAULT 'import:start',
    state          text NOT NULL DEFAULT 'runnable'
        CONSTRAINT runs_state_check CHECK (state IN ('held', 'runnable', 'waiting', 'done', 'failed')),
    epoch          bigint NOT NULL DEFAULT 1,
    holder         uuid,
    lease_until    timestamptz,
    attempts       integer NOT NULL DEFAULT 0,
    due_at         timestamptz DEFAULT now(),
    enqueued_at    timestamptz DEFAULT now(),
    unleased_since timestamptz,
    last_error     text
);
CREATE INDEX runs_tenant_id_idx ON runs (tenant_id, id DESC);
CREATE INDEX runs_status_idx ON runs (status, id DESC);
CREATE INDEX runs_sweep_idx ON runs (enqueued_at NULLS FIRST) WHERE state = 'runnable';
CREATE INDEX runs_failed_idx ON runs (id) WHERE state = 'failed';
-- At most one run of a tenant is open, and at most one more is queued behind it.
CREATE UNIQUE INDEX runs_open_key ON runs (tenant_id)
    WHERE status IN ('running', 'waiting', 'paused') OR (status = 'pending' AND state <> 'held');
CREATE UNIQUE INDEX runs_queued_key ON runs (tenant_id) WHERE status = 'pending' AND state = 'held';

CREATE TABLE streams (
    id            uuid PRIMARY KEY,
    run_id        uuid NOT NULL REFERENCES runs ON DELETE CASCADE,
    tenant_id     uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    resource      text NOT NULL CONSTRAINT streams_resource_check CHECK (resource IN
        ('customers', 'products', 'orders', 'carts', 'order_details')),
    pass          integer NOT NULL DEFAULT 1,
    status        text NOT NULL DEFAULT 'running'
        CONSTRAINT streams_status_check CHECK (status IN
            ('pending', 'running', 'waiting', 'paused', 'complete', 'incomplete', 'cancelled', 'failed')),
    reason        text,
    per_page      integer NOT NULL,
    ahead         integer NOT NULL,
    sort_by       text NOT NULL DEFAULT '',
    from_date     text NOT NULL DEFAULT '',
    to_date       text NOT NULL DEFAULT '',
    until_known   boolean NOT NULL DEFAULT false,
    next_seq      integer NOT NULL DEFAULT 1,
    last_page     integer NOT NULL DEFAULT 0,  -- as last announced; 0: unknown
    cursor        text NOT NULL DEFAULT '',    -- what the page next_seq is asked by; '': its number
    exhausted     boolean NOT NULL DEFAULT false,
    pages         integer NOT NULL DEFAULT 0,
    imported      bigint NOT NULL DEFAULT 0,
    unchanged     bigint NOT NULL DEFAULT 0,
    rejected      bigint NOT NULL DEFAULT 0,
    deleted       bigint NOT NULL DEFAULT 0,   -- records that the list itself calls deleted
    total_before  bigint,
    total_after   bigint,
    started_at    timestamptz NOT NULL DEFAULT now(),
    finished_at   timestamptz,
    CONSTRAINT streams_run_key UNIQUE (run_id, resource, pass)
);
CREATE INDEX streams_tenant_id_idx ON streams (tenant_id);
CREATE INDEX streams_open_idx ON streams (run_id) WHERE finished_at IS NULL;

CREATE TABLE pages (
    id             uuid PRIMARY KEY,
    stream_id      uuid NOT NULL REFERENCES streams ON DELETE CASCADE,
    run_id         uuid NOT NULL REFERENCES runs ON DELETE CASCADE,
    tenant_id      uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    seq            integer NOT NULL,
    page_or_cursor text NOT NULL DEFAULT '',
    records        integer NOT NULL DEFAULT 0,
    imported       integer NOT NULL DEFAULT 0,
    unchanged      integer NOT NULL DEFAULT 0,
    rejected       integer NOT NULL DEFAULT 0,
    digest         bytea, -- of the records' ids: a list that repeats itself is known by it
    done_at        timestamptz,
    created_at     timestamptz NOT NULL DEFAULT now(),
    task           text NOT NULL DEFAULT 'import:page',
    state          text NOT NULL DEFAULT 'runnable'
        CONSTRAINT pages_state_check CHECK (state IN ('held', 'runnable', 'waiting', 'done', 'failed')),
    epoch          bigint NOT NULL DEFAULT 1,
    holder         uuid,
    lease_until    timestamptz,
    attempts       integer NOT NULL DEFAULT 0,
    due_at         timestamptz DEFAULT now(),
    enqueued_at    timestamptz DEFAULT now(),
    unleased_since timestamptz,
    last_error     text,
    CONSTRAINT pages_stream_key UNIQUE (stream_id, seq)
);
CREATE INDEX pages_run_id_idx ON pages (run_id);
CREATE INDEX pages_tenant_id_idx ON pages (tenant_id);
CREATE INDEX pages_window_idx ON pages (tenant_id, state, id) WHERE state IN ('held', 'runnable');
CREATE INDEX pages_sweep_idx ON pages (enqueued_at NULLS FIRST) WHERE state = 'runnable';
CREATE INDEX pages_failed_idx ON pages (id) WHERE state = 'failed';

-- One row for each entity that has to be read again; wanted_at is raised by every event about it.
CREATE TABLE entity_reads (
    id             uuid PRIMARY KEY,
    tenant_id      uuid NOT NULL REFERENCES tenants ON DELETE CASCADE,
    resource       text NOT NULL CONSTRAINT entity_reads_resource_check CHECK (resource IN
        ('customers', 'products', 'orders', 'carts')),
    entity         text NOT NULL,
    wanted_at      timestamptz NOT NULL,
    read_at        timestamptz,
    unseen_run     uuid, -- the run whose whole pass did not see it
    task           text NOT NULL DEFAULT 'entity:read',
    state          text NOT NULL DEFAULT 'runnable'
        CONSTRAINT entity_reads_state_check CHECK (state IN ('held', 'runnable', 'waiting', 'done', 'failed')),
    epoch          bigint NOT NULL DEFAULT 1,
    holder         uuid,
    lease_until    timestamptz,
    attempts       integer NOT NULL DEFAULT 0,
    due_at         timestamptz DEFAULT now(),
    enqueued_at    timestamptz DEFAULT now(),
    unleased_since timestamptz,
    last_error     text,
    CONSTRAINT entity_reads_entity_key UNIQUE (tenant_id, resource, entity)
);
CREATE INDEX entity_reads_window_idx ON entity_reads (tenant_id, state, id) WHERE state IN ('held', 'runnable');
CREATE INDEX entity_reads_sweep_idx ON entity_reads (enqueued_at NULLS FIRST) WHERE state = 'runnable';
CREATE INDEX entity_reads_failed_idx ON entity_reads (id) WHERE state = 'failed';
CREATE INDEX entity_reads_waiting_idx ON entity_reads (tenant_id) WHERE state = 'waiting';

-- One row for each server of tenant databases: its template's model version.
CREATE TABLE schema_targets (
    id             uuid PRIMARY KEY,
    server         text NOT NULL,
    wanted_version integer NOT NULL,
    model_version  integer,
    updated_at     timestamptz NOT NULL DEFAULT now(),
    task           text NOT NULL DEFAULT 'schema:bootstrap',
    state          text NOT NULL DEFAULT 'runnable'
        CONSTRAINT schema_targets_state_check CHECK (state IN ('held', 'runnable', 'waiting', 'done', 'failed')),
    epoch          bigint NOT NULL DEFAULT 1,
    holder         uuid,
    lease_until    timestamptz,
    attempts       integer NOT NULL DEFAULT 0,
    due_at         timestamptz DEFAULT now(),
    enqueued_at    timestamptz DEFAULT now(),
    unleased_since timestamptz,
    last_error     text,
    CONSTRAINT schema_targets_server_key UNIQUE (server)
);
CREATE INDEX schema_targets_sweep_idx ON schema_targets (enqueued_at NULLS FIRST) WHERE state = 'runnable';

-- The leader's lease: who runs the loops.
CREATE TABLE leaders (
    name        text PRIMARY KEY,
    holder      uuid NOT NULL,
    lease_until timestamptz NOT NULL
);

-- What the sweeper healed, for operators.
CREATE TABLE healings (
    id     uuid PRIMARY KEY,
    at     timestamptz NOT NULL DEFAULT now(),
    task   text NOT NULL,
    row_id uuid,   -- NULL: many rows at once
    epoch  bigint,
    count  integer NOT NULL DEFAULT 1,
    reason text NOT NULL
);
CREATE INDEX healings_at_idx ON healings (at DESC);

-- Every operator act: who, what, on what, from where. Only ever added to.
CREATE TABLE audit (
    id        uuid PRIMARY KEY,
    at        timestamptz NOT NULL DEFAULT now(),
    actor     text NOT NULL,
    act       text NOT NULL,
    tenant_id uuid,
    subject   text,
    details   jsonb NOT NULL DEFAULT '{}',
    address   text
);
CREATE INDEX audit_tenant_id_idx ON audit (tenant_id, id DESC);
