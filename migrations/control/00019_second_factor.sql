-- +goose Up

-- The second factor of an operator: codes of an app (RFC 6238).
ALTER TABLE operators
    ADD COLUMN IF NOT EXISTS totp_sealed bytea, -- the secret; null: there is no second factor
    ADD COLUMN IF NOT EXISTS totp_at     timestamptz, -- switched on
    ADD COLUMN IF NOT EXISTS totp_step   bigint; -- the step of time of the last code: a code is good once

-- What lets an operator in who has lost the app, each once.
CREATE TABLE IF NOT EXISTS recovery_codes (
    operator_id uuid NOT NULL REFERENCES operators ON DELETE CASCADE,
    code_hash   bytea NOT NULL, -- SHA-256 of 80 random bits and of whose they are
    used_at     timestamptz,
    PRIMARY KEY (operator_id, code_hash)
);
