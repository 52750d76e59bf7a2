-- +goose NO TRANSACTION
-- +goose Up

-- What Clerk says of people and organizations, by its webhooks: ids, times and what
-- decides access, never a name or an address of a person. Events come in any order:
-- the newest by source_updated_at wins, then the one that was sent last, then the one
-- that came last. A row with deleted_at is a tombstone and stays one: Clerk never
-- uses an id again. A row without source_updated_at is known by what names it only.
CREATE TABLE IF NOT EXISTS clerk_users (
    id                text PRIMARY KEY,
    email_verified    boolean,
    banned            boolean,
    locked            boolean,
    source_created_at timestamptz,
    source_updated_at timestamptz,
    sent_at           timestamptz,
    event_id          uuid,
    deleted_at        timestamptz,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS clerk_organizations (
    id                text PRIMARY KEY,
    name              text,
    store_id          text, -- the mark of the tenant that made it: private_metadata.store_id
    source_created_at timestamptz,
    source_updated_at timestamptz,
    sent_at           timestamptz,
    event_id          uuid,
    deleted_at        timestamptz,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now()
);

-- organization_id and user_id stay with a tombstone: whom a tenant lost is told by them.
CREATE TABLE IF NOT EXISTS clerk_memberships (
    id                text PRIMARY KEY,
    organization_id   text,
    user_id           text,
    role              text,
    source_created_at timestamptz,
    source_updated_at timestamptz,
    sent_at           timestamptz,
    event_id          uuid,
    deleted_at        timestamptz,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS clerk_memberships_organization_idx ON clerk_memberships (organization_id, user_id);
CREATE INDEX IF NOT EXISTS clerk_memberships_user_idx ON clerk_memberships (user_id);

-- Those that may have left a tenant without its owner: few.
CREATE INDEX IF NOT EXISTS clerk_users_deleted_idx ON clerk_users (id) WHERE deleted_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS clerk_organizations_deleted_idx ON clerk_organizations (id) WHERE deleted_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS clerk_memberships_lapsed_idx ON clerk_memberships (organization_id, user_id)
    WHERE deleted_at IS NOT NULL OR role <> 'org:admin';

-- Whose owner a user is. It is built while tenants change; one whose building was cut
-- off is dropped and begun again.
DROP INDEX CONCURRENTLY IF EXISTS tenants_clerk_owner_id_idx;
CREATE INDEX CONCURRENTLY tenants_clerk_owner_id_idx ON tenants (clerk_owner_id) WHERE clerk_owner_id IS NOT NULL;
