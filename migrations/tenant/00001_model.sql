-- +goose Up

-- The tenants' data model, version 1. Columns that the blueprint names follow
-- it exactly (a test compares them); the others are described here:
--   source_document  the record as a list (people, products, orders, carts) gives it
--   source_detail    as a single read gives it · source_items an order's items
--   source_event     as a webhook event gave it
--   *_hash           the hash of that document; null once another shape of the
--                    record changed a column that this one fills
--   source_updated_at  the update time that the stored document carries, if any
--   read_at          the instant at which the request for it began
--   seen_run, detail_run  the last run that counted the record (its detail)
--   deleted_at       set: a tombstone, which keeps ids, times and hashes only

-- uuid_v7 is a time-ordered UUID: 48 bits of milliseconds, then random ones.
-- +goose StatementBegin
CREATE FUNCTION uuid_v7() RETURNS uuid
    LANGUAGE sql VOLATILE PARALLEL SAFE
AS $$
    SELECT encode(
        set_bit(set_bit(
            overlay(uuid_send(gen_random_uuid())
                PLACING substring(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
                FROM 1 FOR 6),
            52, 1), 53, 1),
        'hex')::uuid
$$;
-- +goose StatementEnd

CREATE TABLE people (
    id                uuid PRIMARY KEY DEFAULT uuid_v7(),
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    first_name        text,
    last_name         text,
    email             text,
    phone             text,
    city              text,
    country           text,
    country_code      text,
    avatar_url        text,
    registered_at     timestamptz,
    salla_customer_id text,
    total_spent       numeric DEFAULT 0,
    orders_count      numeric DEFAULT 0,
    last_order_date   timestamptz,
    salla_tags        text
        CONSTRAINT people_salla_tags_check CHECK (salla_tags IN ('VIP', 'FREQUENT_BUYER', 'RISK', 'NEW')),
    source_document   jsonb,
    source_hash       bytea,
    source_detail     jsonb,
    detail_hash       bytea,
    source_event      jsonb,
    event_hash        bytea,
    source_updated_at timestamptz,
    read_at           timestamptz,
    seen_run          uuid,
    deleted_at        timestamptz
) WITH (fillfactor = 90);
CREATE UNIQUE INDEX people_salla_customer_id_key ON people (salla_customer_id) WHERE salla_customer_id IS NOT NULL;
CREATE INDEX people_email_idx ON people (lower(email)) WHERE email IS NOT NULL;
CREATE INDEX people_phone_idx ON people (phone) WHERE phone IS NOT NULL;
CREATE INDEX people_deleted_at_idx ON people (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE workflows (
    id                  uuid PRIMARY KEY DEFAULT uuid_v7(),
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    name                text,
    trigger             text,
    category            text DEFAULT 'STANDARD'
        CONSTRAINT workflows_category_check CHECK (category IN ('STANDARD', 'CUSTOM', 'TEMPLATE')),
    status              text DEFAULT 'DRAFT'
        CONSTRAINT workflows_status_check CHECK (status IN ('ACTIVE', 'PAUSED', 'DRAFT')),
    graph_config        jsonb,
    nodes               jsonb,
    edges               jsonb,
    state_definition    jsonb,
    is_active_workflow  boolean DEFAULT false,
    execution_count     numeric DEFAULT 0,
    success_rate        numeric DEFAULT 0,
    average_duration    numeric DEFAULT 0,
    last_execution_at   timestamptz,
    error_rate          numeric DEFAULT 0,
    checkpoints_enabled boolean DEFAULT true,
    human_in_the_loop   boolean DEFAULT true
);

CREATE TABLE agent_settings (
    id                   uuid PRIMARY KEY DEFAULT uuid_v7(),
    created_at           timestamptz NOT NULL DEFAULT now(),
    updated_at           timestamptz NOT NULL DEFAULT now(),
    agent_id             text,
    api_key              text,
    store_name           text NOT NULL,
    voice_id             text,
    model_config         jsonb,
    is_active            boolean DEFAULT false,
    call_count           numeric DEFAULT 0,
    success_rate         numeric DEFAULT 0,
    last_call_at         timestamptz,
    widget_primary_color text DEFAULT '#2563eb',
    auto_call_enabled    boolean DEFAULT true,
    call_triggers        jsonb DEFAULT '["abandoned_cart", "high_value_lead"]'
);

CREATE TABLE salla_products (
    id                uuid PRIMARY KEY DEFAULT uuid_v7(),
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    salla_product_id  text
        CONSTRAINT salla_products_salla_product_id_required CHECK (deleted_at IS NOT NULL OR salla_product_id IS NOT NULL),
    name              text
        CONSTRAINT salla_products_name_required CHECK (deleted_at IS NOT NULL OR name IS NOT NULL),
    description       text,
    price             numeric
        CONSTRAINT salla_products_price_required CHECK (deleted_at IS NOT NULL OR price IS NOT NULL),
    compare_price     numeric,
    currency          text,
    stock_quantity    numeric DEFAULT 0,
    sku               text,
    barcode           text,
    main_image        text,
    images            jsonb,
    image_alt         text,
    status            text DEFAULT 'ACTIVE'
        CONSTRAINT salla_products_status_check CHECK (status IN ('ACTIVE', 'DRAFT', 'ARCHIVED')),
    is_featured       boolean DEFAULT false,
    categories        jsonb,
    brand_id          text,
    weight            numeric,
    requires_shipping boolean DEFAULT true,
    meta_title        text,
    meta_description  text,
    meta_keywords     text,
    slug              text,
    canonical_url     text,
    og_title          text,
    og_description    text,
    og_image          text,
    twitter_card      text
        CONSTRAINT salla_products_twitter_card_check CHECK (twitter_card IN ('SUMMARY', 'SUMMARY_LARGE_IMAGE')),
    twitter_title     text,
    twitter_description text,
    twitter_image     text,
    structured_data   jsonb,
    source_document   jsonb,
    source_hash       bytea,
    source_detail     jsonb,
    detail_hash       bytea,
    source_event      jsonb,
    event_hash        bytea,
    source_updated_at timestamptz,
    read_at           timestamptz,
    seen_run          uuid,
    deleted_at        timestamptz
) WITH (fillfactor = 90);
CREATE UNIQUE INDEX salla_products_salla_product_id_key ON salla_products (salla_product_id) WHERE salla_product_id IS NOT NULL;
CREATE INDEX salla_products_sku_idx ON salla_products (sku) WHERE sku IS NOT NULL;
CREATE INDEX salla_products_deleted_at_idx ON salla_products (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE salla_orders (
    id                             uuid PRIMARY KEY DEFAULT uuid_v7(),
    created_at                     timestamptz NOT NULL DEFAULT now(),
    updated_at                     timestamptz NOT NULL DEFAULT now(),
    order_id                       text
        CONSTRAINT salla_orders_order_id_required CHECK (deleted_at IS NOT NULL OR order_id IS NOT NULL),
    order_number                   text,
    person_id                      uuid CONSTRAINT salla_orders_person_id_fkey REFERENCES people (id) ON DELETE SET NULL,
    salla_customer_id              text,
    customer                       jsonb,
    status                         text DEFAULT 'PENDING'
        CONSTRAINT salla_orders_status_check CHECK (status IN ('PENDING', 'CONFIRMED', 'COMPLETED', 'CANCELED', 'REFUNDED')),
    financial_status               text
        CONSTRAINT salla_orders_financial_status_check CHECK (financial_status IN ('PAID', 'PENDING', 'REFUNDED', 'PARTIALLY_REFUNDED')),
    fulfillment_status             text
        CONSTRAINT salla_orders_fulfillment_status_check CHECK (fulfillment_status IN ('UNFULFILLED', 'PARTIAL', 'FULFILLED')),
    currency                       text DEFAULT 'SAR',
    subtotal                       numeric,
    total                          numeric,
    total_tax                      numeric DEFAULT 0,
    total_discount                 numeric DEFAULT 0,
    total_shipping                 numeric DEFAULT 0,
    line_items                     jsonb,
    shipping_address               jsonb,
    billing_address                jsonb,
    payment_method                 text,
    payment_gateway_transaction_id text,
    fulfillments                   jsonb,
    refunds                        jsonb,
    discount_codes                 jsonb,
    order_notes                    text,
    referring_site                 text,
    landing_page                   text,
    placed_at                      timestamptz
        CONSTRAINT salla_orders_placed_at_required CHECK (deleted_at IS NOT NULL OR placed_at IS NOT NULL),
    closed_at                      timestamptz,
    cancelled_at                   timestamptz,
    source_document                jsonb,
    source_hash                    bytea,
    source_detail                  jsonb,
    detail_hash                    bytea,
    detail_list_hash               bytea, -- the list's hash when the detail was read
    detail_run                     uuid,
    source_items                   jsonb,
    items_hash                     bytea,
    source_event                   jsonb,
    event_hash                     bytea,
    source_updated_at              timestamptz,
    read_at                        timestamptz,
    seen_run                       uuid,
    deleted_at                     timestamptz
) WITH (fillfactor = 90);
CREATE UNIQUE INDEX salla_orders_order_id_key ON salla_orders (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX salla_orders_person_id_idx ON salla_orders (person_id);
CREATE INDEX salla_orders_salla_customer_id_idx ON salla_orders (salla_customer_id);
CREATE INDEX salla_orders_placed_at_idx ON salla_orders (placed_at, id);
CREATE INDEX salla_orders_deleted_at_idx ON salla_orders (deleted_at) WHERE deleted_at IS NOT NULL;

-- Which orders an order.refunded event was seen for: a fact of no document, kept
-- apart so that it may arrive before the order does.
CREATE TABLE order_refunds (
    order_id    text PRIMARY KEY,
    refunded_at timestamptz NOT NULL
);

CREATE TABLE salla_carts (
    id                uuid PRIMARY KEY DEFAULT uuid_v7(),
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    salla_cart_id     text
        CONSTRAINT salla_carts_salla_cart_id_required CHECK (deleted_at IS NOT NULL OR salla_cart_id IS NOT NULL),
    customer_id       text,
    person_id         uuid CONSTRAINT salla_carts_person_id_fkey REFERENCES people (id) ON DELETE SET NULL,
    token             text,
    total             numeric,
    currency          text,
    item_count        numeric,
    items             jsonb,
    abandoned_at      timestamptz,
    recovery_status   text DEFAULT 'PENDING'
        CONSTRAINT salla_carts_recovery_status_check CHECK (recovery_status IN ('PENDING', 'CONTACTED', 'RECOVERED', 'LOST')),
    source            text,
    left_list         boolean NOT NULL DEFAULT false,
    source_document   jsonb,
    source_hash       bytea,
    source_detail     jsonb,
    detail_hash       bytea,
    source_event      jsonb,
    event_hash        bytea,
    source_updated_at timestamptz,
    read_at           timestamptz,
    seen_run          uuid,
    deleted_at        timestamptz
) WITH (fillfactor = 90);
CREATE UNIQUE INDEX salla_carts_salla_cart_id_key ON salla_carts (salla_cart_id) WHERE salla_cart_id IS NOT NULL;
CREATE INDEX salla_carts_person_id_idx ON salla_carts (person_id);
CREATE INDEX salla_carts_customer_id_idx ON salla_carts (customer_id);
CREATE INDEX salla_carts_deleted_at_idx ON salla_carts (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE opportunities (
    id                     uuid PRIMARY KEY DEFAULT uuid_v7(),
    created_at             timestamptz NOT NULL DEFAULT now(),
    updated_at             timestamptz NOT NULL DEFAULT now(),
    name                   text,
    amount                 numeric,
    currency               text,
    stage                  text,
    close_date             timestamptz,
    person_id              uuid CONSTRAINT opportunities_person_id_fkey REFERENCES people (id) ON DELETE SET NULL,
    salla_order_id         text,
    salla_cart_id          text,
    cart_status            text
        CONSTRAINT opportunities_cart_status_check CHECK (cart_status IN ('ABANDONED', 'RECOVERED', 'COMPLETED', 'PENDING')),
    abandoned_value        numeric,
    salla_payment_method   text,
    salla_shipping_address jsonb,
    deleted_at             timestamptz
) WITH (fillfactor = 90);
CREATE UNIQUE INDEX opportunities_salla_order_id_key ON opportunities (salla_order_id) WHERE salla_order_id IS NOT NULL;
CREATE UNIQUE INDEX opportunities_salla_cart_id_key ON opportunities (salla_cart_id) WHERE salla_cart_id IS NOT NULL;
CREATE INDEX opportunities_person_id_idx ON opportunities (person_id);
CREATE INDEX opportunities_stage_idx ON opportunities (stage, id);

CREATE TABLE workflow_executions (
    id             uuid PRIMARY KEY DEFAULT uuid_v7(),
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    workflow_id    uuid CONSTRAINT workflow_executions_workflow_id_fkey REFERENCES workflows (id) ON DELETE SET NULL,
    person_id      uuid CONSTRAINT workflow_executions_person_id_fkey REFERENCES people (id) ON DELETE SET NULL,
    workflow_name  text,
    trigger_id     text,
    trigger_data   jsonb,
    status         text DEFAULT 'PENDING'
        CONSTRAINT workflow_executions_status_check CHECK (status IN ('PENDING', 'RUNNING', 'COMPLETED', 'FAILED', 'PAUSED')),
    current_node   text,
    execution_path jsonb,
    started_at     timestamptz NOT NULL,
    completed_at   timestamptz,
    error          text,
    customer_name  text,
    customer_id    text
);
CREATE INDEX workflow_executions_workflow_id_idx ON workflow_executions (workflow_id);
CREATE INDEX workflow_executions_person_id_idx ON workflow_executions (person_id);

CREATE TABLE voice_calls (
    id                    uuid PRIMARY KEY DEFAULT uuid_v7(),
    created_at            timestamptz NOT NULL DEFAULT now(),
    updated_at            timestamptz NOT NULL DEFAULT now(),
    person_id             uuid CONSTRAINT voice_calls_person_id_fkey REFERENCES people (id) ON DELETE SET NULL,
    workflow_execution_id uuid CONSTRAINT voice_calls_workflow_execution_id_fkey
        REFERENCES workflow_executions (id) ON DELETE SET NULL,
    call_id               text NOT NULL,
    agent_id              text NOT NULL,
    phone_number          text NOT NULL,
    direction             text DEFAULT 'OUTBOUND'
        CONSTRAINT voice_calls_direction_check CHECK (direction IN ('INBOUND', 'OUTBOUND')),
    status                text DEFAULT 'INITIATED'
        CONSTRAINT voice_calls_status_check CHECK (status IN
            ('INITIATED', 'RINGING', 'CONNECTED', 'COMPLETED', 'FAILED', 'NO_ANSWER', 'BUSY')),
    duration              numeric DEFAULT 0,
    started_at            timestamptz NOT NULL,
    ended_at              timestamptz,
    recording_url         text,
    transcription         text,
    summary               text,
    sentiment             text DEFAULT 'NEUTRAL'
        CONSTRAINT voice_calls_sentiment_check CHECK (sentiment IN ('POSITIVE', 'NEUTRAL', 'NEGATIVE')),
    intent                jsonb,
    cost                  numeric DEFAULT 0
);
CREATE UNIQUE INDEX voice_calls_call_id_key ON voice_calls (call_id) WHERE call_id IS NOT NULL;
CREATE INDEX voice_calls_person_id_idx ON voice_calls (person_id);
CREATE INDEX voice_calls_workflow_execution_id_idx ON voice_calls (workflow_execution_id);

CREATE TABLE communication_logs (
    id                    uuid PRIMARY KEY DEFAULT uuid_v7(),
    created_at            timestamptz NOT NULL DEFAULT now(),
    updated_at            timestamptz NOT NULL DEFAULT now(),
    person_id             uuid CONSTRAINT communication_logs_person_id_fkey REFERENCES people (id) ON DELETE SET NULL,
    workflow_execution_id uuid CONSTRAINT communication_logs_workflow_execution_id_fkey
        REFERENCES workflow_executions (id) ON DELETE SET NULL,
    channel               text NOT NULL
        CONSTRAINT communication_logs_channel_check CHECK (channel IN ('CALL', 'WHATSAPP', 'EMAIL', 'SMS')),
    direction             text DEFAULT 'OUTBOUND'
        CONSTRAINT communication_logs_direction_check CHECK (direction IN ('INBOUND', 'OUTBOUND')),
    status                text,
    content               text,
    metadata              jsonb,
    automation_id         text,
    sent_at               timestamptz,
    delivered_at          timestamptz,
    read_at               timestamptz,
    response              text
);
CREATE INDEX communication_logs_person_id_idx ON communication_logs (person_id);
CREATE INDEX communication_logs_workflow_execution_id_idx ON communication_logs (workflow_execution_id);

-- One row: the store itself.
CREATE TABLE company (
    id         uuid PRIMARY KEY DEFAULT uuid_v7(),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    only_one   boolean NOT NULL DEFAULT true
        CONSTRAINT company_only_one_key UNIQUE
        CONSTRAINT company_only_one_check CHECK (only_one),
    source_id  text,
    name       text NOT NULL,
    email      text,
    domain     text,
    avatar_url text
);

CREATE TABLE roles (
    id         uuid PRIMARY KEY DEFAULT uuid_v7(),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    key        text NOT NULL CONSTRAINT roles_key_key UNIQUE,
    name_ar    text NOT NULL,
    name_en    text NOT NULL
);

CREATE TABLE role_permissions (
    role_id    uuid NOT NULL CONSTRAINT role_permissions_role_id_fkey REFERENCES roles (id) ON DELETE CASCADE,
    object     text NOT NULL,
    can_read   boolean NOT NULL DEFAULT false,
    can_create boolean NOT NULL DEFAULT false,
    can_update boolean NOT NULL DEFAULT false,
    can_delete boolean NOT NULL DEFAULT false,
    CONSTRAINT role_permissions_pkey PRIMARY KEY (role_id, object)
);

-- user_id is null while the owner is only invited.
CREATE TABLE members (
    id         uuid PRIMARY KEY DEFAULT uuid_v7(),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    role_id    uuid NOT NULL CONSTRAINT members_role_id_fkey REFERENCES roles (id),
    user_id    text CONSTRAINT members_user_id_key UNIQUE,
    name       text,
    email      text,
    is_owner   boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX members_is_owner_key ON members (is_owner) WHERE is_owner;

CREATE TABLE pipelines (
    id         uuid PRIMARY KEY DEFAULT uuid_v7(),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    key        text NOT NULL CONSTRAINT pipelines_key_key UNIQUE,
    name_ar    text NOT NULL,
    name_en    text NOT NULL,
    position   integer NOT NULL
);

CREATE TABLE pipeline_stages (
    id          uuid PRIMARY KEY DEFAULT uuid_v7(),
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    pipeline_id uuid NOT NULL CONSTRAINT pipeline_stages_pipeline_id_fkey REFERENCES pipelines (id) ON DELETE CASCADE,
    key         text NOT NULL,
    name_ar     text NOT NULL,
    name_en     text NOT NULL,
    position    integer NOT NULL,
    CONSTRAINT pipeline_stages_pipeline_id_key_key UNIQUE (pipeline_id, key)
);

CREATE TABLE settings (
    key        text PRIMARY KEY,
    value      jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- One row per page of an import. fence counts its takers; whoever holds the
-- newest one may set done_at, once.
CREATE TABLE import_pages (
    stream         uuid NOT NULL,
    seq            integer NOT NULL,
    run            uuid NOT NULL,
    resource       text NOT NULL,
    pass           integer NOT NULL,
    date_range     text NOT NULL,
    page_or_cursor text NOT NULL,
    per_page       integer NOT NULL,
    fence          bigint NOT NULL DEFAULT 1,
    imported       integer NOT NULL DEFAULT 0,
    unchanged      integer NOT NULL DEFAULT 0,
    rejected       integer NOT NULL DEFAULT 0,
    records        integer NOT NULL DEFAULT 0,
    deleted        integer NOT NULL DEFAULT 0, -- of the records: the list itself calls them deleted
    digest         bytea,                      -- of the records' ids: a list that repeats itself is known by it
    has_next       boolean NOT NULL DEFAULT false,
    next_cursor    text NOT NULL DEFAULT '',
    source_total   integer,
    total_pages    integer,
    done_at        timestamptz,
    CONSTRAINT import_pages_pkey PRIMARY KEY (stream, seq)
);
CREATE INDEX import_pages_run_idx ON import_pages (run);

-- Records that could not be stored, whole and as received. run is the nil UUID
-- where no import but an event or a single read brought it. redriven_at is set
-- when the record could be stored after all.
CREATE TABLE rejects (
    id          uuid PRIMARY KEY DEFAULT uuid_v7(),
    run         uuid NOT NULL,
    stream      uuid,
    seq         integer,
    resource    text NOT NULL,
    key         text NOT NULL, -- the source's id, else the hash of the record
    source_id   text,
    record      text NOT NULL,
    field       text,
    reason      text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    redriven_at timestamptz,
    CONSTRAINT rejects_run_resource_key_key UNIQUE (run, resource, key)
);
CREATE INDEX rejects_open_idx ON rejects (resource, key) WHERE redriven_at IS NULL;
