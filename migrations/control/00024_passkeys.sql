-- +goose Up

-- The passkeys of operators (WebAuthn): each lets its operator in by itself.
CREATE TABLE IF NOT EXISTS passkeys (
    id              uuid PRIMARY KEY,
    operator_id     uuid NOT NULL REFERENCES operators ON DELETE CASCADE,
    credential_id   bytea NOT NULL UNIQUE, -- the authenticator's name for it
    sealed          bytea NOT NULL, -- whose it is, its public key, its counter
    name            text NOT NULL, -- what the operator calls it
    created_at      timestamptz NOT NULL DEFAULT now(),
    used_at         timestamptz, -- null: never since it was made
    challenge_until timestamptz NOT NULL -- until when the last challenge that it answered was good: none that ends by then is taken again
);
CREATE INDEX IF NOT EXISTS passkeys_operator_id_idx ON passkeys (operator_id);
