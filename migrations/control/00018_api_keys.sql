-- +goose Up

-- The keys of the operator API, beside the one of the settings.
CREATE TABLE IF NOT EXISTS api_keys (
    id           uuid PRIMARY KEY,
    name         text NOT NULL,
    prefix       text NOT NULL, -- what a key is known by: how its token begins
    token_hash   bytea NOT NULL, -- SHA-256: the token itself is only where it is used
    scopes       text[] NOT NULL,
    created_by   text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz, -- null: never
    last_used_at timestamptz, -- to a minute
    last_address text,
    revoked_at   timestamptz,
    CONSTRAINT api_keys_token_hash_key UNIQUE (token_hash),
    CONSTRAINT api_keys_scopes_check CHECK (scopes <@ ARRAY['read', 'act'] AND cardinality(scopes) > 0)
);
-- A name tells one key apart from the others in the audit; a revoked one gives it back.
CREATE UNIQUE INDEX IF NOT EXISTS api_keys_name_key ON api_keys (lower(name)) WHERE revoked_at IS NULL;
